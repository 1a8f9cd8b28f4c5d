//! The tree of a YAML file, with the place of every key and value.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::diagnostic::{Diagnostic, Diagnostics};

/// One file as it was read.
#[derive(Clone)]
pub struct Source {
    /// The name to show: the path as the user gave it.
    pub name: Arc<str>,
    /// All of its text.
    pub text: Arc<str>,
}

/// A place in a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    /// 1-based.
    pub line: usize,
    /// 1-based, in characters.
    pub column: usize,
    /// Byte offset of the first byte.
    pub offset: usize,
    /// Length in bytes.
    pub len: usize,
}

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub value: Value,
}

/// A key and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Where it stands.
    pub span: Span,
    /// Its text.
    pub text: String,
}

/// What a node is. YAML 1.1's surprises are off: `no` and `0755` are strings.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as it is written.
    Number(String),
    /// A text.
    String(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in its order; duplicate keys are an error.
    Table(Vec<(Key, Node)>),
}

impl Source {
    /// A file's name and text.
    pub fn new(name: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            text: text.into(),
        }
    }

    /// The text that a span covers; empty where the span lies outside the file.
    #[must_use]
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.range()).unwrap_or_default()
    }
}

impl fmt::Debug for Source {
    /// The name only: the text may be long, and nobody's business.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({})", self.name)
    }
}

impl Span {
    /// The bytes that it covers.
    #[must_use]
    pub fn range(self) -> Range<usize> {
        self.offset..self.offset.saturating_add(self.len)
    }

    /// The offset of the first byte after it.
    #[must_use]
    pub fn end(self) -> usize {
        self.offset.saturating_add(self.len)
    }

    /// The place of `len` bytes at `offset` of the text that this scalar holds, so that a
    /// mistake inside a filter or a path can be pointed at. The whole scalar where its text is
    /// not in the file as such (escapes, folded lines).
    #[must_use]
    pub fn part(self, source: &Source, text: &str, offset: usize, len: usize) -> Self {
        let raw = source.slice(self);
        let quote = match raw.bytes().next() {
            Some(b'"' | b'\'') if raw != text => 1,
            _ => 0,
        };
        let inner = raw.get(quote..raw.len().saturating_sub(quote));
        let before = text.get(..offset);
        match (inner, before) {
            (Some(inner), Some(before)) if inner == text && !before.contains('\n') => Self {
                line: self.line,
                column: self.column + quote + before.chars().count(),
                offset: self.offset + quote + offset,
                len: len.min(text.len().saturating_sub(offset)),
            },
            _ => self,
        }
    }
}

impl Node {
    /// The text of a string (a number or boolean is not one); else reports what was expected.
    pub fn string(&self, source: &Source, diagnostics: &mut Diagnostics) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => {
                diagnostics.push(self.expected(source, "a string"));
                None
            }
        }
    }

    /// A boolean.
    pub fn boolean(&self, source: &Source, diagnostics: &mut Diagnostics) -> Option<bool> {
        match self.value {
            Value::Bool(value) => Some(value),
            _ => {
                diagnostics.push(self.expected(source, "`true` or `false`"));
                None
            }
        }
    }

    /// A whole number that is not negative.
    pub fn integer(&self, source: &Source, diagnostics: &mut Diagnostics) -> Option<u64> {
        let number = match &self.value {
            Value::Number(text) => text.parse().ok(),
            _ => None,
        };
        if number.is_none() {
            diagnostics.push(self.expected(source, "a whole number"));
        }
        number
    }

    /// The parts of a sequence.
    pub fn list(&self, source: &Source, diagnostics: &mut Diagnostics) -> Option<&[Self]> {
        match &self.value {
            Value::List(items) => Some(items),
            _ => {
                diagnostics.push(self.expected(source, "a list"));
                None
            }
        }
    }

    /// "expected `what`, found …" at this place.
    #[must_use]
    pub fn expected(&self, source: &Source, what: &str) -> Diagnostic {
        let found = match &self.value {
            Value::Null => "nothing".to_owned(),
            Value::Bool(value) => format!("`{value}`"),
            Value::Number(text) => format!("the number `{text}`"),
            Value::String(text) => {
                format!("the string `{}`", text.chars().take(60).collect::<String>())
            }
            Value::List(_) => "a list".to_owned(),
            Value::Table(_) => "a table".to_owned(),
        };
        Diagnostic::error(source, self.span, format!("expected {what}, found {found}"))
    }
}
