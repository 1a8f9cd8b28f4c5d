//! What the tests share: a started program, a client, and directories that misbehave on order.

pub(crate) mod client;
pub(crate) mod exposition;
pub(crate) mod issuer;
pub(crate) mod kubelet;
pub(crate) mod load;
pub(crate) mod marked;
pub(crate) mod mix;
pub(crate) mod pki;
pub(crate) mod pod;
pub(crate) mod program;
pub(crate) mod registry;
pub(crate) mod scripted;
pub(crate) mod service;
pub(crate) mod world;

pub(crate) use client::{Answer, Client};
pub(crate) use program::Program;
pub(crate) use registry::Registry;
pub(crate) use scripted::Scripted;
pub(crate) use world::World;

/// The size of a test: the first in `scripts/test --long`, else the second.
pub(crate) fn long(full: usize, small: usize) -> usize {
    if std::env::var_os("POSTERN_TEST_LONG").is_some() {
        full
    } else {
        small
    }
}
