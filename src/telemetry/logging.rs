//! Operational logs by `tracing`: readable at a terminal, JSON elsewhere. One event is logged
//! once, where it is handled.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;

/// The form of the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Form {
    /// Text at a terminal, else JSON.
    #[default]
    Auto,
    /// One JSON object per line.
    Json,
    /// Lines to read.
    Text,
}

/// Starts logging to standard error. `level` is a filter as in `RUST_LOG`; one that does not parse
/// counts as `info`. A second call does nothing.
pub fn start(level: &str, form: Form) {
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    let base = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_writer(stderr);
    // An error says that somebody (a test, an embedding program) has started it already.
    let _ = match form {
        Form::Text => base.compact().try_init(),
        Form::Auto if stderr().is_terminal() => base.compact().try_init(),
        Form::Auto | Form::Json => base.json().flatten_event(true).try_init(),
    };
}
