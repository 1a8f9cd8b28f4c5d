//! (seam)

pub mod token;

/// A command that did not succeed: what to tell the user, and how to end.
#[derive(Debug)]
pub struct CliError {
    /// What is wrong and what to do next; may be several lines.
    pub message: String,
    /// The exit code: 64 for wrong usage or configuration, 1 for anything that failed.
    pub exit: u8,
}

impl CliError {
    /// Wrong usage, or a configuration that cannot be used.
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            exit: 64,
        }
    }

    /// Something failed.
    #[must_use]
    pub fn failed(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            exit: 1,
        }
    }
}
