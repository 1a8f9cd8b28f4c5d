//! When two elements of a multi-valued attribute are the same one.
//!
//! The pair of `type` and `value` is what RFC 7643 §2.4 wants unique. A `type` that only one of
//! the two has does not tell them apart: clients name a member by its `value` alone.

use std::collections::HashMap;
use std::fmt::Write as _;

use serde_json::Value;

use crate::scim::resource;
use crate::scim::schema::Attribute;

/// How the elements of one attribute are told apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Identity {
    case_exact: bool,
}

/// Elements by what they are told apart by, for when there are many.
#[derive(Debug, Default)]
pub(super) struct Index(HashMap<String, Slot>);

/// The elements that are equal but for their types.
#[derive(Debug)]
struct Slot {
    first: usize,
    untyped: Option<usize>,
    typed: HashMap<String, usize>,
}

impl Identity {
    pub(super) fn of(known: Option<&Attribute>) -> Self {
        let case_exact = known.is_none_or(|known| {
            let value = known.sub_attributes.iter().find(|sub| sub.name.is("value"));
            value.unwrap_or(known).case_exact
        });
        Self { case_exact }
    }

    /// Whether two elements are the same one.
    pub(super) fn same(self, a: &Value, b: &Value) -> bool {
        let equal = match (text(a), text(b)) {
            (Some(a), Some(b)) if self.case_exact => a == b,
            (Some(a), Some(b)) => a == b || a.to_lowercase() == b.to_lowercase(),
            (None, None) => self.key(a) == self.key(b),
            _ => false,
        };
        equal && same_type(a, b)
    }

    /// Where the first element is that is the same as `wanted`.
    pub(super) fn find(
        self,
        elements: &[Value],
        index: Option<&Index>,
        wanted: &Value,
    ) -> Option<usize> {
        let Some(index) = index else {
            return elements
                .iter()
                .position(|element| self.same(element, wanted));
        };
        let slot = index.0.get(&self.key(wanted))?;
        match type_key(wanted) {
            None => Some(slot.first),
            Some(kind) => slot
                .typed
                .get(&kind)
                .copied()
                .into_iter()
                .chain(slot.untyped)
                .min(),
        }
    }

    /// An index of the elements, where there will be so many of them and so many lookups that
    /// looking at each would take too long.
    pub(super) fn index(self, elements: &[Value], size: usize, lookups: usize) -> Option<Index> {
        (size > FEW && lookups > FEW).then(|| {
            let mut index = Index::default();
            for (at, element) in elements.iter().enumerate() {
                index.add(self, element, at);
            }
            index
        })
    }

    /// Equal for two elements exactly when they are the same, `type` aside.
    fn key(self, element: &Value) -> String {
        let mut key = String::new();
        match text(element) {
            Some(text) if self.case_exact => {
                key.push('=');
                key.push_str(text);
            }
            Some(text) => {
                key.push('=');
                key.push_str(&text.to_lowercase());
            }
            None => whole(&mut key, value(element).unwrap_or(element)),
        }
        key
    }
}

impl Index {
    /// Adds an element; or again one whose type has become known.
    pub(super) fn add(&mut self, identity: Identity, element: &Value, at: usize) {
        let slot = self.0.entry(identity.key(element)).or_insert_with(|| Slot {
            first: at,
            untyped: None,
            typed: HashMap::new(),
        });
        match type_key(element) {
            Some(kind) => {
                slot.untyped = slot.untyped.filter(|untyped| *untyped != at);
                slot.typed.entry(kind).or_insert(at);
            }
            None => {
                slot.untyped.get_or_insert(at);
            }
        }
    }
}

/// Whether the types of two elements allow them to be the same.
fn same_type(a: &Value, b: &Value) -> bool {
    match (part(a, "type"), part(b, "type")) {
        (Some(Value::String(a)), Some(Value::String(b))) => a.eq_ignore_ascii_case(b),
        (Some(a), Some(b)) => a == b,
        _ => true,
    }
}

fn type_key(element: &Value) -> Option<String> {
    part(element, "type").map(|kind| match kind {
        Value::String(text) => text.to_ascii_lowercase(),
        other => other.to_string(),
    })
}

/// The string that names an element: itself, or its `value`.
fn text(element: &Value) -> Option<&str> {
    match element {
        Value::String(text) => Some(text),
        _ => value(element)?.as_str(),
    }
}

fn value(element: &Value) -> Option<&Value> {
    part(element, "value")
}

fn part<'a>(element: &'a Value, name: &str) -> Option<&'a Value> {
    resource::get(element.as_object()?, name).filter(|value| !value.is_null())
}

/// A value as text, with the members of objects in one order and `$ref` left out.
fn whole(out: &mut String, value: &Value) {
    let Value::Object(map) = value else {
        let _ = write!(out, "{value}");
        return;
    };
    let mut members: Vec<_> = map
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .filter(|(name, value)| name != "$ref" && !value.is_null())
        .collect();
    members.sort_by(|a, b| a.0.cmp(&b.0));
    out.push('{');
    for (name, value) in members {
        let _ = write!(out, "{name:?}:");
        whole(out, value);
        out.push(',');
    }
    out.push('}');
}

/// Up to here a look at each beats hashing.
const FEW: usize = 8;
