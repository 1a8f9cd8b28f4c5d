//! The one door for JSON: strict UTF-8, no duplicate names (without regard to case), depth at most
//! 64, no lone surrogates, none of serde_json's private keys.

use bytes::Bytes;
use serde_json::Value;

use super::resource::Resource;

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
pub fn check(text: Bytes) -> Result<Checked, JsonError> {
    let _ = text;
    todo!()
}

/// [`check`] and parse, for a value of any kind (an element of a list, a `.search` body).
pub fn parse(text: &[u8]) -> Result<Value, JsonError> {
    let _ = text;
    todo!()
}

impl Checked {
    /// The object as a tree.
    #[must_use]
    pub fn parse(&self) -> Resource {
        todo!()
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
