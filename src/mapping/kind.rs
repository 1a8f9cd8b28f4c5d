//! What a kind of mapping is: one trait for all six places. One kind is one file beside this one;
//! `compile` registers it.
//!
//! A kind decides *places*: where on either side its value stands, and when it is written. What
//! becomes of the *value* on the way is the business of [`super::transform`].

pub mod bit;
pub mod constant;
pub mod domain;
pub mod join;
pub mod made;
pub mod marker;
pub mod moved;
pub mod values;

use serde_json::Value;

use crate::scim::filter::{CompareOp, Filter};
use crate::scim::json::Members;
use crate::scim::patch::{Change, PatchOp};
use crate::scim::{AttrName, AttrPath};

use super::place::Place;

/// One compiled line of a rule: how a SCIM attribute and a target attribute become one another.
pub trait Kind: std::fmt::Debug + Send + Sync {
    /// What it touches and what laws it keeps.
    fn touches(&self) -> &Touch;

    /// Client to directory: reads `from`, writes into `out`. Where a present resource is
    /// overwritten, `out` already holds it: that is the memory of kinds which have one, and what
    /// is absent in `from` is cleared there.
    ///
    /// # Errors
    /// The value cannot be taken.
    fn put<'a>(
        &'a self,
        from: &mut Members<'a>,
        out: &mut Members<'a>,
        write: Write,
    ) -> Result<(), Fault>;

    /// Directory to client.
    ///
    /// # Errors
    /// The directory's value does not exist in the client's words.
    fn get<'a>(&'a self, from: &mut Members<'a>, out: &mut Members<'a>) -> Result<(), Fault>;

    /// A question about the line's own SCIM attribute, as one about its target.
    ///
    /// # Errors
    /// It cannot be asked of the directory.
    fn filter(&self, test: &Test<'_>) -> Result<Pushed, Untranslatable>;

    /// A change of the line's own SCIM attribute, as changes of its target.
    ///
    /// # Errors
    /// It takes the present resource, or the value cannot be taken.
    fn patch(&self, delta: Delta<'_>) -> Result<Vec<Change>, Refusal>;

    /// The target to sort by, where that gives the same order.
    fn sort(&self) -> Option<AttrPath>;

    /// Whether what it writes depends on what the directory has: then the write must be held to
    /// that.
    fn remembers(&self) -> bool {
        false
    }

    /// Whether a whole new state must be put over the present one, so that nothing is lost that the
    /// client cannot see.
    fn looks(&self) -> bool {
        self.remembers()
    }

    /// How a copy-through engine would do it, where it can.
    fn raw(&self) -> Option<Raw> {
        None
    }
}

/// What a line touches.
#[derive(Debug, Clone)]
pub struct Touch {
    /// Places on the client's side.
    pub scim: Vec<Place>,
    /// Places on the directory's side.
    pub target: Vec<Place>,
    /// Sub-attributes with one fixed value in the element that the line makes.
    pub constants: Vec<(AttrName, Value)>,
    /// Whether the line stands for a whole array of values.
    pub many: bool,
    /// What comes back of what was sent.
    pub class: Class,
}

/// What kind of write a value is put for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// A new resource.
    Create,
    /// A new state of a resource that is there.
    Replace,
}

/// What comes back of what was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Class {
    /// Exactly that.
    Lossless,
    /// An equal value in normal form.
    Canonical,
    /// Nothing: it goes one way only.
    OneWay,
    /// Less than that, for the reason given.
    Lossy(String),
}

/// A question about one attribute. `ne` never gets here: it is `not eq`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Test<'a> {
    /// Whether it has a value.
    Present,
    /// How its value compares.
    Compare(CompareOp, &'a Value),
}

/// A filter after translation; a value that the mapping cannot produce makes it constant.
#[derive(Debug, Clone, PartialEq)]
pub enum Pushed {
    /// True for every resource.
    Always,
    /// True for none.
    Never,
    /// To be asked of the directory.
    Ask(Filter),
}

/// A comparison cannot be asked of the directory; the text says why, in the client's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untranslatable(pub String);

/// One change of one line's SCIM attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Delta<'a> {
    /// It gets this value.
    Set(PatchOp, Value),
    /// It loses its value.
    Clear,
    /// These values come to those that it has.
    Add(Vec<Value>),
    /// These of its values go; one that is not there is no fault.
    Remove(Vec<Value>),
    /// Something inside it changes; only for a line that moves it whole.
    Within(&'a Change),
}

/// Why a change is not translated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The present resource must be known.
    NeedsBefore,
    /// The value cannot be taken.
    Fault(Fault),
}

/// A value cannot be taken; the text says why and does not repeat the value: `must be …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault(pub String);

/// What a copy-through engine can do by looking at keys only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Raw {
    /// The value's bytes move from one path to another.
    Move,
}

impl Class {
    /// The word for people.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Lossless => "lossless",
            Self::Canonical => "canonical",
            Self::OneWay => "one-way",
            Self::Lossy(_) => "lossy",
        }
    }

    /// Whether what comes back is the same value, though perhaps not all of it.
    #[must_use]
    pub fn keeps_values(&self) -> bool {
        !matches!(self, Self::Canonical)
    }

    /// The weaker of two.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::OneWay, _) | (_, Self::OneWay) => Self::OneWay,
            (Self::Lossy(a), Self::Lossy(b)) => Self::Lossy(format!("{a}; {b}")),
            (Self::Lossy(reason), _) | (_, Self::Lossy(reason)) => Self::Lossy(reason),
            (Self::Canonical, _) | (_, Self::Canonical) => Self::Canonical,
            (Self::Lossless, Self::Lossless) => Self::Lossless,
        }
    }
}

impl std::fmt::Display for Class {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Lossy(reason) => write!(f, "lossy: {reason}"),
            _ => f.write_str(self.as_str()),
        }
    }
}

impl Pushed {
    /// Every part holds.
    #[must_use]
    pub fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut asked = Vec::new();
        for part in parts {
            match part {
                Self::Always => {}
                Self::Never => return Self::Never,
                Self::Ask(Filter::And(inner)) => asked.extend(inner),
                Self::Ask(filter) => asked.push(filter),
            }
        }
        match asked.len() {
            0 => Self::Always,
            1 => Self::Ask(asked.remove(0)),
            _ => Self::Ask(Filter::And(asked)),
        }
    }

    /// At least one part holds.
    #[must_use]
    pub fn any(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut asked = Vec::new();
        for part in parts {
            match part {
                Self::Never => {}
                Self::Always => return Self::Always,
                Self::Ask(Filter::Or(inner)) => asked.extend(inner),
                Self::Ask(filter) => asked.push(filter),
            }
        }
        asked.dedup();
        match asked.len() {
            0 => Self::Never,
            1 => Self::Ask(asked.remove(0)),
            _ => Self::Ask(Filter::Or(asked)),
        }
    }

    /// The part does not hold.
    #[must_use]
    pub fn negated(self) -> Self {
        match self {
            Self::Always => Self::Never,
            Self::Never => Self::Always,
            Self::Ask(Filter::Not(inner)) => Self::Ask(*inner),
            Self::Ask(filter) => Self::Ask(Filter::Not(Box::new(filter))),
        }
    }
}

impl From<bool> for Pushed {
    fn from(holds: bool) -> Self {
        if holds { Self::Always } else { Self::Never }
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}
