//! What a server says of its own schema (RFC 4512 §4.1 and §4.2), as far as rules are checked
//! against it: which attributes there are and how they compare, which classes need what.
//!
//! Descriptions that are not understood are left out: servers have many accents.

mod parse;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::request::Search;
use super::response::Entry;
use crate::ldap::dn::Dn;

/// The schema of a server.
#[derive(Debug, Clone, Default)]
pub struct Schema {
    types: HashMap<String, Arc<AttributeType>>,
    classes: HashMap<String, Arc<ObjectClass>>,
    skipped: usize,
}

/// A kind of attribute.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AttributeType {
    /// Its number.
    pub oid: String,
    /// Its names; the first is the usual one.
    pub names: Vec<String>,
    /// The kind that it is a special case of.
    pub sup: Option<String>,
    /// How values are compared for being equal; inherited where not said.
    pub equality: Option<String>,
    /// How they are put in order; inherited where not said.
    pub ordering: Option<String>,
    /// How pieces of them are found; inherited where not said.
    pub substrings: Option<String>,
    /// The form of its values, without a length; inherited where not said.
    pub syntax: Option<String>,
    /// Whether it has one value at most.
    pub single_value: bool,
    /// Whether only the server sets it.
    pub read_only: bool,
    /// Whether it has to be asked for by name or with `+`.
    pub operational: bool,
}

/// A class of entries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectClass {
    /// Its number.
    pub oid: String,
    /// Its names; the first is the usual one.
    pub names: Vec<String>,
    /// The classes that it is a special case of.
    pub sup: Vec<String>,
    /// Of what kind it is.
    pub kind: ClassKind,
    /// What its entries must have, beside what those of its superclasses must.
    pub must: Vec<String>,
    /// What they may have.
    pub may: Vec<String>,
}

/// Of what kind a class is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ClassKind {
    /// Only there to be made special.
    Abstract,
    /// What an entry is.
    #[default]
    Structural,
    /// What it is besides.
    Auxiliary,
}

impl Schema {
    /// The question, about the entry that a server's root entry names.
    #[must_use]
    pub fn question(subschema: Dn) -> Search {
        Search::entry(subschema, &["attributeTypes", "objectClasses"])
    }

    /// What the entry says.
    #[must_use]
    pub fn of(entry: &Entry) -> Self {
        let mut schema = Self::default();
        let mut room = MOST;
        let mut fits = |text: &[u8]| {
            room = usize::saturating_sub(room, text.len());
            room > 0
        };
        for text in entry.values("attributeTypes") {
            let text = std::str::from_utf8(text).ok();
            let text = text.filter(|text| fits(text.as_bytes()));
            match text.and_then(parse::attribute_type) {
                Some(kind) => insert(&mut schema.types, &kind.names, &kind.oid, &kind),
                None => schema.skipped += 1,
            }
        }
        for text in entry.values("objectClasses") {
            let text = std::str::from_utf8(text).ok();
            let text = text.filter(|text| fits(text.as_bytes()));
            match text.and_then(parse::object_class) {
                Some(class) => insert(&mut schema.classes, &class.names, &class.oid, &class),
                None => schema.skipped += 1,
            }
        }
        schema
    }

    /// How many descriptions were not understood.
    #[must_use]
    pub fn skipped(&self) -> usize {
        self.skipped
    }

    /// Whether nothing is known: then nothing can be said against a rule.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.types.is_empty()
    }

    /// An attribute, by name or number, with or without options; with what it inherits.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<AttributeType> {
        let mut kind = AttributeType::clone(self.type_of(crate::ldap::attribute::base(name))?);
        let mut above = kind.sup.clone();
        for _ in 0..DEEPEST {
            let Some(sup) = above.as_deref().and_then(|name| self.type_of(name)) else {
                break;
            };
            let inherit = |own: &mut Option<String>, theirs: &Option<String>| {
                if own.is_none() {
                    own.clone_from(theirs);
                }
            };
            inherit(&mut kind.equality, &sup.equality);
            inherit(&mut kind.ordering, &sup.ordering);
            inherit(&mut kind.substrings, &sup.substrings);
            inherit(&mut kind.syntax, &sup.syntax);
            above.clone_from(&sup.sup);
        }
        Some(kind)
    }

    /// A class, by name or number.
    #[must_use]
    pub fn class(&self, name: &str) -> Option<&ObjectClass> {
        self.classes.get(&name.to_ascii_lowercase()).map(|c| &**c)
    }

    /// What entries of all these classes must have, by its usual name; that of superclasses too.
    #[must_use]
    pub fn required(&self, classes: &[&str]) -> BTreeSet<String> {
        self.with_superclasses(classes)
            .iter()
            .flat_map(|class| &class.must)
            .map(|name| self.usual(name))
            .collect()
    }

    /// Whether entries of all these classes may have the attribute.
    #[must_use]
    pub fn allows(&self, classes: &[&str], attribute: &str) -> bool {
        let wanted = self.usual(crate::ldap::attribute::base(attribute));
        let classes = self.with_superclasses(classes);
        let operational = self.type_of(&wanted).is_some_and(|kind| kind.operational);
        operational
            || classes.iter().any(|class| {
                let all = class.must.iter().chain(&class.may);
                // RFC 4512 §4.3: this class allows everything.
                class.names.iter().any(|name| name == "extensibleObject")
                    || all.into_iter().any(|name| self.usual(name) == wanted)
            })
    }

    /// Whether every entry of the class is one of the other as well.
    #[must_use]
    pub fn is_kind_of(&self, class: &str, other: &str) -> bool {
        let Some(other) = self.class(other) else {
            return false;
        };
        let all = self.with_superclasses(&[class]);
        all.iter().any(|above| above.oid == other.oid)
    }

    /// Whether both name one attribute.
    #[must_use]
    pub fn is_same(&self, one: &str, other: &str) -> bool {
        self.usual(one) == self.usual(other)
    }

    fn with_superclasses(&self, classes: &[&str]) -> Vec<&ObjectClass> {
        let mut all: Vec<&ObjectClass> = Vec::new();
        let mut known = HashSet::new();
        let mut open: Vec<&str> = classes.to_vec();
        while let Some(name) = open.pop() {
            let Some(class) = self.class(name) else {
                continue;
            };
            // Superclasses may go round in a circle, whatever the standard says.
            if known.insert(class.oid.as_str()) {
                all.push(class);
                open.extend(class.sup.iter().map(String::as_str));
            }
        }
        all
    }

    /// One name for all that an attribute has, in lower case.
    fn usual(&self, name: &str) -> String {
        let kind = self.type_of(name);
        let first = kind.and_then(|kind| kind.names.first());
        first.map_or(name, String::as_str).to_ascii_lowercase()
    }

    fn type_of(&self, name: &str) -> Option<&Arc<AttributeType>> {
        self.types.get(&name.to_ascii_lowercase())
    }
}

fn insert<T: Clone>(all: &mut HashMap<String, Arc<T>>, names: &[String], oid: &str, one: &T) {
    let one = Arc::new(one.clone());
    for name in names.iter().map(String::as_str).chain([oid]) {
        all.insert(name.to_ascii_lowercase(), Arc::clone(&one));
    }
}

/// So much of the descriptions is read, in bytes: ten times what large directories have.
const MOST: usize = 4 << 20;
/// Attributes that inherit more often than that go round in a circle.
const DEEPEST: usize = 16;

#[cfg(test)]
mod tests;
