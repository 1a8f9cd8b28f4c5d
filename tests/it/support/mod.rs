//! What the tests share: a started program, a client, and directories that misbehave on order.

pub(crate) mod client;
pub(crate) mod kubelet;
pub(crate) mod program;
pub(crate) mod scripted;
pub(crate) mod world;

pub(crate) use client::{Answer, Client};
pub(crate) use program::Program;
pub(crate) use scripted::Scripted;
pub(crate) use world::World;
