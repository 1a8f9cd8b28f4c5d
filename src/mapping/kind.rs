//! What a kind of mapping is: one trait for all six places.

use crate::scim::filter::{Comparison, Filter};
use crate::scim::patch::Change;
use crate::scim::{AttrPath, Resource};

/// One compiled line of a rule: how a SCIM attribute and a target attribute become one another.
/// One kind is one file.
pub trait Kind: std::fmt::Debug + Send + Sync {
    /// What it touches and what laws it keeps.
    fn touches(&self) -> &Touch;

    /// Client to directory: reads `from`, writes into `out`. `old` is the directory's present
    /// resource, for kinds with memory.
    fn put(
        &self,
        from: &mut Resource,
        old: Option<&Resource>,
        out: &mut Resource,
    ) -> Result<(), Fault>;

    /// Directory to client.
    fn get(&self, from: &mut Resource, out: &mut Resource) -> Result<(), Fault>;

    /// A comparison in the client's words as one in the directory's.
    fn filter(&self, comparison: &Comparison) -> Result<Pushed, Untranslatable>;

    /// A change in the client's words as changes in the directory's.
    fn patch(&self, change: &Change) -> Result<Vec<Change>, NeedsBefore>;

    /// How the copy-through engine does it, where it can.
    fn raw(&self) -> Option<Raw>;
}

/// What a line touches.
#[derive(Debug, Clone)]
pub struct Touch {
    /// Attributes on the client's side.
    pub scim: Vec<AttrPath>,
    /// Attributes on the directory's side.
    pub target: Vec<AttrPath>,
    /// Whether a write needs the present value.
    pub memory: bool,
    /// What comes back of what was sent.
    pub class: Class,
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

/// A change cannot be translated without the present resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NeedsBefore;

/// A value cannot be taken; the text says why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault(pub String);

/// What the copy-through engine can do by looking at keys only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Raw {
    /// The value's bytes move from one path to another.
    Move,
}
