//! Operational logs by `tracing`: readable at a terminal, JSON elsewhere. One event is logged
//! once, where it is handled.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;

/// Starts logging to standard error. `level` is a filter as in `RUST_LOG`; one that does not parse
/// counts as `info`. A second call does nothing.
pub fn start(level: &str) {
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    let base = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_writer(stderr);
    // An error says that somebody (a test, an embedding program) has started it already.
    let _ = if stderr().is_terminal() {
        base.compact().try_init()
    } else {
        base.json().flatten_event(true).try_init()
    };
}
