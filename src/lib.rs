//! Postern: a SCIM 2.0 gateway in front of directories that already exist.
//!
//! The modules below stand in floor order: each may use only what stands above it in this list
//! (`tests/floors.rs` holds the order). `scim`, `ldap` and `mapping` are pure: no I/O, no clock, no
//! environment. `ARCHITECTURE.md` tells the life of one request.

pub mod scim;
pub mod yaml;

pub mod ldap;

pub mod net;

pub mod auth;
pub mod directory;

pub mod mapping;

pub mod telemetry;

pub mod audit;

pub mod config;

pub mod gateway;

pub mod server;

pub mod admin;

pub mod app;

pub mod demo;

pub mod cli;
