//! Places in files, for findings about what they name.

use std::path::Path;

use crate::yaml::{Diagnostic, Source, Span};

/// A finding about a file or folder of which nothing can be shown.
pub(super) fn about(path: &Path, message: impl Into<String>) -> Diagnostic {
    let source = Source::new(path.display().to_string(), "");
    Diagnostic::error(&source, START, message)
}

/// The same, of what stops nothing.
pub(super) fn warning(path: &Path, message: impl Into<String>) -> Diagnostic {
    let source = Source::new(path.display().to_string(), "");
    Diagnostic::warning(&source, START, message)
}

/// The place in a file where `text` stands.
pub(super) fn span_of(source: &Source, text: &str) -> Span {
    let Some((before, _)) = source.text.split_once(text) else {
        return START;
    };
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    Span {
        line: before.matches('\n').count() + 1,
        column: before
            .get(line_start..)
            .map_or(0, |part| part.chars().count())
            + 1,
        offset: before.len(),
        len: text.len(),
    }
}

const START: Span = Span {
    line: 1,
    column: 1,
    offset: 0,
    len: 0,
};
