//! What is wrong with a file, where, and what to do: printed as a compiler would.

use super::node::{Source, Span};

/// One finding.
#[derive(Debug, Clone)]
pub struct Diagnostic {
    /// The file.
    pub source: Source,
    /// The place in it.
    pub span: Span,
    /// Error or warning.
    pub severity: Severity,
    /// What is wrong: lower case, no full stop, the user's own words in backticks.
    pub message: String,
    /// What to do, where that is known.
    pub help: Option<String>,
}

/// Whether a finding stops the file from being used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// It can, but probably does not do what was meant.
    Warning,
}

/// All findings of one or more files, in order.
#[derive(Debug, Clone, Default)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostic {
    /// An error.
    #[must_use]
    pub fn error(source: &Source, span: Span, message: impl Into<String>) -> Self {
        Self {
            source: source.clone(),
            span,
            severity: Severity::Error,
            message: message.into(),
            help: None,
        }
    }

    /// A warning.
    #[must_use]
    pub fn warning(source: &Source, span: Span, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(source, span, message)
        }
    }

    /// The same with advice.
    #[must_use]
    pub fn help(self, text: impl Into<String>) -> Self {
        Self {
            help: Some(text.into()),
            ..self
        }
    }

    /// Several lines: severity and message, `--> file:line:column`, the line of the file with the
    /// offending text underlined, the help.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let _ = colour;
        todo!()
    }

    /// One line for a log: `file:line:column: message (help)`.
    #[must_use]
    pub fn one_line(&self) -> String {
        todo!()
    }
}

impl Diagnostics {
    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    /// Adds all of another.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Whether there is an error among them.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|d| d.severity == Severity::Error)
    }

    /// Each finding.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
