//! Whole-app tests: the real program through its own door, with a real directory behind it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    clippy::allow_attributes,
    missing_docs,
    reason = "a test may fail in any way it likes"
)]

mod audit;
mod authentication;
mod bad_input;
mod commands;
mod control;
mod directory_faults;
mod guard;
mod limits;
mod logs;
mod metrics;
mod mtls;
mod oauth;
mod pages;
mod protect;
mod proxy_protocol;
mod readiness;
mod rehearsal;
mod reload;
mod roles;
mod rollout;
mod shapes;
mod stopping;
mod support;
mod systemd;
mod tenants;
mod traces;
mod trust;
mod under_load;
mod versions;
