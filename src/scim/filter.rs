//! Filters (RFC 7644 §3.4.2.2) as a tree: printing and asking whether a resource matches.
//! The grammar is in [`super::parse`].

mod matches;

use std::fmt;

use serde_json::Value;

use super::name::AttrName;
use super::path::AttrPath;

pub use matches::{element_matches, present};

/// A filter expression. `And` and `Or` hold two or more parts, none of its own kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// Every part holds.
    And(Vec<Self>),
    /// At least one part holds.
    Or(Vec<Self>),
    /// The part does not hold.
    Not(Box<Self>),
    /// `userName eq "bjensen"`.
    Compare(Comparison),
    /// `title pr`.
    Present(AttrPath),
    /// `emails[type eq "work"]`: one element satisfies all of the inner filter, whose paths are
    /// sub-attributes (`name` holds the sub-attribute, `uri` and `sub` are `None`).
    Element(AttrPath, Box<Self>),
}

/// `path op value`; the value is a JSON scalar.
/// Its `Debug` shows the kind of the value, never the value.
#[derive(Clone, PartialEq)]
pub struct Comparison {
    /// What is compared.
    pub path: AttrPath,
    /// How.
    pub op: CompareOp,
    /// With what: a string, number, boolean or null.
    pub value: Value,
}

/// The comparison operators of RFC 7644 table 3, without `pr`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CompareOp {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Contains.
    Co,
    /// Starts with.
    Sw,
    /// Ends with.
    Ew,
    /// Greater than.
    Gt,
    /// Greater or equal.
    Ge,
    /// Less than.
    Lt,
    /// Less or equal.
    Le,
}

impl CompareOp {
    /// The operator as the RFC writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Eq => "eq",
            Self::Ne => "ne",
            Self::Co => "co",
            Self::Sw => "sw",
            Self::Ew => "ew",
            Self::Gt => "gt",
            Self::Ge => "ge",
            Self::Lt => "lt",
            Self::Le => "le",
        }
    }

    /// The operator of a text, in any case.
    #[must_use]
    pub fn from_name(text: &str) -> Option<Self> {
        [
            Self::Eq,
            Self::Ne,
            Self::Co,
            Self::Sw,
            Self::Ew,
            Self::Gt,
            Self::Ge,
            Self::Lt,
            Self::Le,
        ]
        .into_iter()
        .find(|op| op.as_str().eq_ignore_ascii_case(text))
    }

    /// Whether it needs an order of values.
    #[must_use]
    pub fn is_order(self) -> bool {
        matches!(self, Self::Gt | Self::Ge | Self::Lt | Self::Le)
    }
}

impl Filter {
    /// `name eq value` on a sub-attribute or attribute of the base schema.
    #[must_use]
    pub fn eq(name: AttrName, value: Value) -> Self {
        Self::Compare(Comparison {
            path: AttrPath::of(name),
            op: CompareOp::Eq,
            value,
        })
    }
}

/// As the RFC writes it, with no more parentheses than it takes, so that parsing gives the same
/// tree and never needs more depth than the text that it came from.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::And(parts) => join(f, parts, " and "),
            Self::Or(parts) => join(f, parts, " or "),
            Self::Not(inner) => write!(f, "not ({inner})"),
            Self::Compare(c) => write!(f, "{c}"),
            Self::Present(path) => write!(f, "{path} pr"),
            Self::Element(path, inner) => write!(f, "{path}[{inner}]"),
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.path, self.op.as_str(), self.value)
    }
}

impl fmt::Debug for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) | Value::Object(_) => "composite",
        };
        write!(f, "{} {} ({kind})", self.path, self.op.as_str())
    }
}

fn join(f: &mut fmt::Formatter<'_>, parts: &[Filter], word: &str) -> fmt::Result {
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            f.write_str(word)?;
        }
        match part {
            // `and` binds tighter than `or`; the other way round it takes parentheses.
            Filter::Or(_) => write!(f, "({part})")?,
            _ => write!(f, "{part}")?,
        }
    }
    Ok(())
}
