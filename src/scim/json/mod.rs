//! The one door for JSON: strict UTF-8, no duplicate names (without regard to case), depth at most
//! 64, no lone surrogates, none of serde_json's private keys.
//!
//! Two readers of one text must never see two documents (RFC 8259 §4 leaves duplicates open, and
//! RFC 7643 §2.1 compares attribute names without case), so a text is checked once, here, and
//! everything further in takes a [`Checked`] or a tree that was made from one.

mod cursor;
mod names;
mod node;
mod scan;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use serde_json::{Map, Value};

use super::resource::Resource;

pub use node::{Members, Node, Sort};
pub(super) use scan::plain_run;

/// JSON text of one object that has passed [`check`].
#[derive(Clone)]
pub struct Checked(Bytes);

/// Why a text did not pass: for the client where the text was its own, never with values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} column {column}: {problem}")]
pub struct JsonError {
    /// 1-based.
    pub line: usize,
    /// 1-based, in bytes.
    pub column: usize,
    /// What is wrong, with the name of a duplicate.
    pub problem: String,
}

/// The deepest nesting of objects and arrays that is let in.
pub const MAX_DEPTH: usize = 64;

/// Checks in one pass that `text` is one JSON object that every reader reads alike.
///
/// # Errors
/// Where it is not, and why.
pub fn check(text: Bytes) -> Result<Checked, JsonError> {
    scan::scan(&text, scan::Top::Object).map_err(|fault| fault.locate(&text))?;
    Ok(Checked(text))
}

/// [`check`] and parse, for a value of any kind (an element of a list, a `.search` body).
///
/// # Errors
/// Where it is not JSON that every reader reads alike, and why.
pub fn parse(text: &[u8]) -> Result<Value, JsonError> {
    scan::scan(text, scan::Top::Any).map_err(|fault| fault.locate(text))?;
    // What the scan lets in, serde_json takes: its grammar is the same and its limits are wider.
    // Were they ever to differ, the text is refused here rather than half read.
    serde_json::from_slice(text).map_err(|error| JsonError {
        line: error.line(),
        column: error.column(),
        problem: String::from("this cannot be read as JSON"),
    })
}

impl Checked {
    /// The object as a tree.
    #[must_use]
    pub fn parse(&self) -> Resource {
        // Cannot fail after the check (a property test holds it); if it did, an empty resource is
        // refused further in for what it lacks, and nothing is half read.
        let map: Map<String, Value> = serde_json::from_slice(&self.0).unwrap_or_default();
        map.into()
    }

    /// The text of a tree. Trees are made of checked text.
    #[must_use]
    pub fn of(resource: &Resource) -> Self {
        // A map of JSON values always prints.
        Self(serde_json::to_vec(resource).unwrap_or_default().into())
    }

    /// The text of an object that was put together of checked parts.
    #[must_use]
    pub fn print(members: &Members<'_>, size: usize) -> Self {
        let mut text = Vec::with_capacity(size);
        members.print(&mut text);
        Self(text.into())
    }

    /// The members of the object, their values still as text.
    #[must_use]
    pub fn members(&self) -> Members<'_> {
        Members::of(
            std::str::from_utf8(&self.0)
                .unwrap_or_default()
                .trim_ascii(),
        )
    }

    /// The text as it came.
    #[must_use]
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// The text as it came.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl std::fmt::Debug for Checked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Checked({} bytes)", self.0.len())
    }
}

impl JsonError {
    /// An error at a byte offset of `text`.
    pub(super) fn at(text: &[u8], offset: usize, problem: impl Into<String>) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let tail = before.iter().rev().take_while(|byte| **byte != b'\n');
        Self {
            line,
            column: tail.count() + 1,
            problem: problem.into(),
        }
    }
}
