//! A document that is taken apart only where somebody looks: what is merely moved stays the text
//! that it came as, and is printed by copying.
//!
//! Members stand in a plain vector. Attributes are few, so looking at each is quicker than hashing;
//! whoever puts many in at once must not search for each (see [`Members::push`]).

use std::borrow::Cow;

use bytes::BufMut;
use serde_json::{Map, Value};

use super::cursor::{Cursor, decoded};
use super::scan::plain_run;
use crate::scim::resource::Resource;

/// One value. Made of checked text or of a [`Value`] only, so what is printed of it is JSON.
#[derive(Clone)]
pub enum Node<'a> {
    /// Not taken apart: the text of one value, without space around it.
    Text(Text<'a>),
    /// A string, as what it means.
    String(Cow<'a, str>),
    /// An object, taken apart.
    Object(Members<'a>),
    /// An array, taken apart.
    Array(Vec<Self>),
}

/// The text of one value: part of a checked document, or a scalar of our own.
#[derive(Clone)]
pub struct Text<'a>(Cow<'a, str>);

/// The members of an object, in their order.
#[derive(Clone, Default)]
pub struct Members<'a>(Vec<(Cow<'a, str>, Node<'a>)>);

/// What kind of value a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

impl<'a> Node<'a> {
    /// No value.
    pub const NULL: Self = Self::Text(Text(Cow::Borrowed("null")));

    /// The value of checked text.
    pub(super) fn of(text: &'a str) -> Self {
        Self::Text(Text(Cow::Borrowed(text)))
    }

    /// What kind of value it is.
    #[must_use]
    pub fn sort(&self) -> Sort {
        match self {
            Self::Object(_) => Sort::Object,
            Self::Array(_) => Sort::Array,
            Self::String(_) => Sort::String,
            Self::Text(text) => match text.0.as_bytes().first() {
                Some(b'{') => Sort::Object,
                Some(b'[') => Sort::Array,
                Some(b'"') => Sort::String,
                Some(b't' | b'f') => Sort::Bool,
                Some(b'-' | b'0'..=b'9') => Sort::Number,
                _ => Sort::Null,
            },
        }
    }

    /// Whether it is null.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.sort() == Sort::Null
    }

    /// Whether it is as good as none (RFC 7643 §2.5): null, an empty array, an empty object.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        match self {
            Self::Object(members) => members.is_empty(),
            Self::Array(items) => items.is_empty(),
            Self::String(_) => false,
            Self::Text(text) => match self.sort() {
                Sort::Null => true,
                Sort::Object | Sort::Array => {
                    let mut inner = text.0.bytes().skip(1);
                    inner
                        .find(|byte| !byte.is_ascii_whitespace())
                        .is_none_or(|byte| matches!(byte, b'}' | b']'))
                }
                Sort::Bool | Sort::Number | Sort::String => false,
            },
        }
    }

    /// The string that it is.
    #[must_use]
    pub fn as_str(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::String(text) => Some(Cow::Borrowed(text)),
            Self::Text(text) if self.sort() == Sort::String => Some(decoded(&text.0)),
            _ => None,
        }
    }

    /// The text of a number, as it was written.
    #[must_use]
    pub fn as_number(&self) -> Option<&str> {
        match self {
            Self::Text(text) if self.sort() == Sort::Number => Some(&text.0),
            _ => None,
        }
    }

    /// The members, where it is an object.
    pub fn object(&mut self) -> Option<&mut Members<'a>> {
        self.open();
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    /// The elements, where it is an array.
    pub fn array(&mut self) -> Option<&mut Vec<Self>> {
        self.open();
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The members, made where it is no object.
    pub fn make_object(&mut self) -> Option<&mut Members<'a>> {
        if self.sort() != Sort::Object {
            *self = Self::Object(Members::default());
        }
        self.object()
    }

    /// The elements, made where it is no array: one that is there becomes the first.
    pub fn make_array(&mut self) -> Option<&mut Vec<Self>> {
        if self.sort() != Sort::Array {
            let old = std::mem::take(self);
            *self = Self::Array(if old.is_absent() {
                Vec::new()
            } else {
                vec![old]
            });
        }
        self.array()
    }

    /// Whether a name that holds `mark` may stand somewhere in it: a quick look that saves a long
    /// one.
    #[must_use]
    pub fn may_name(&self, mark: char) -> bool {
        match (self, self.sort()) {
            (Self::Text(text), Sort::Object | Sort::Array) => {
                text.0.contains(mark) || text.0.contains('\\')
            }
            (_, sort) => matches!(sort, Sort::Object | Sort::Array),
        }
    }

    /// Calls `each` with every name of an object, without taking it apart.
    pub fn names(&self, mut each: impl FnMut(&str)) {
        match self {
            Self::Text(text) if self.sort() == Sort::Object => {
                let mut cursor = Cursor::inside(&text.0);
                while let Some((name, _)) = cursor.member() {
                    each(&name);
                }
            }
            Self::Object(members) => members.0.iter().for_each(|(name, _)| each(name)),
            _ => {}
        }
    }

    /// The same as a value of its own.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match self {
            // Checked text can always be read.
            Self::Text(text) => serde_json::from_str(&text.0).unwrap_or_default(),
            Self::String(text) => Value::String(text.clone().into_owned()),
            Self::Array(items) => items.iter().map(Self::to_value).collect(),
            Self::Object(members) => Value::Object(members.to_map()),
        }
    }

    /// Writes it as JSON text.
    pub fn print(&self, out: &mut impl BufMut) {
        match self {
            Self::Text(text) => out.put_slice(text.0.as_bytes()),
            Self::String(text) => print_string(text, out),
            Self::Object(members) => members.print(out),
            Self::Array(items) => {
                out.put_u8(b'[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.put_u8(b',');
                    }
                    item.print(out);
                }
                out.put_u8(b']');
            }
        }
    }

    /// Takes an object or an array apart.
    fn open(&mut self) {
        let sort = self.sort();
        let Self::Text(Text(text)) = self else {
            return;
        };
        match (sort, text) {
            (Sort::Object, Cow::Borrowed(text)) => *self = Self::Object(Members::of(text)),
            (Sort::Array, Cow::Borrowed(text)) => {
                let mut cursor = Cursor::inside(text);
                let elements = std::iter::from_fn(|| cursor.element().map(Self::of));
                *self = Self::Array(elements.collect());
            }
            _ => {}
        }
    }
}

impl<'a> Members<'a> {
    /// None yet, with room for so many.
    #[must_use]
    pub fn with_capacity(count: usize) -> Self {
        Self(Vec::with_capacity(count))
    }

    /// The members of a checked object.
    pub(super) fn of(text: &'a str) -> Self {
        let mut cursor = Cursor::inside(text);
        // A guess that spares most of the growing; the text bounds it.
        let mut members = Vec::with_capacity((text.len() / MEMBER).clamp(2, 32));
        while let Some((name, value)) = cursor.member() {
            members.push((name, Node::of(value)));
        }
        Self(members)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// A member by attribute name, in any case.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Node<'a>> {
        self.0
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// The same, to change it.
    pub fn find_mut(&mut self, name: &str) -> Option<&mut Node<'a>> {
        self.0
            .iter_mut()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// The member of that name, made as null at the end where it is missing. The last one is
    /// looked at first: whoever comes again and again for one member finds it at once.
    pub fn slot(&mut self, name: impl Into<Cow<'a, str>>) -> &mut Node<'a> {
        let name = name.into();
        let is = |(key, _): &(Cow<'a, str>, Node<'a>)| key.eq_ignore_ascii_case(&name);
        let index = match self.0.last() {
            Some(member) if is(member) => self.0.len() - 1,
            _ => self.0.iter().position(is).unwrap_or(self.0.len()),
        };
        if index == self.0.len() {
            self.0.push((name, Node::NULL));
        }
        #[expect(
            clippy::indexing_slicing,
            reason = "the member was found at this index or put there"
        )]
        &mut self.0[index].1
    }

    /// Puts a member at the end. That there is none of that name is the caller's to know.
    pub fn push(&mut self, name: impl Into<Cow<'a, str>>, value: Node<'a>) {
        self.0.push((name.into(), value));
    }

    /// Takes a member out; the order of the rest is kept.
    pub fn remove(&mut self, name: &str) -> Option<Node<'a>> {
        let mut members = self.0.iter();
        let index = members.position(|(key, _)| key.eq_ignore_ascii_case(name))?;
        Some(self.0.remove(index).1)
    }

    /// Every member.
    pub fn iter(&self) -> impl Iterator<Item = (&Cow<'a, str>, &Node<'a>)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// Every member, to change the values.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut Node<'a>)> {
        self.0.iter_mut().map(|(name, value)| (&**name, value))
    }

    /// Every member, as one's own.
    pub fn into_members(self) -> impl Iterator<Item = (Cow<'a, str>, Node<'a>)> {
        self.0.into_iter()
    }

    /// Leaves those that `keep` says yes to.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &mut Node<'a>) -> bool) {
        self.0.retain_mut(|(name, value)| keep(name, value));
    }

    /// The same as a resource of its own.
    #[must_use]
    pub fn to_resource(&self) -> Resource {
        self.to_map().into()
    }

    /// Writes the object as JSON text.
    pub fn print(&self, out: &mut impl BufMut) {
        out.put_u8(b'{');
        for (index, (name, value)) in self.0.iter().enumerate() {
            if index > 0 {
                out.put_u8(b',');
            }
            print_string(name, out);
            out.put_u8(b':');
            value.print(out);
        }
        out.put_u8(b'}');
    }

    fn to_map(&self) -> Map<String, Value> {
        self.iter()
            .map(|(name, value)| (name.clone().into_owned(), value.to_value()))
            .collect()
    }
}

impl Default for Node<'_> {
    fn default() -> Self {
        Self::NULL
    }
}

impl<'a> From<Members<'a>> for Node<'a> {
    fn from(members: Members<'a>) -> Self {
        Self::Object(members)
    }
}

impl<'a> From<&'a Value> for Node<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::NULL,
            Value::Bool(value) => Self::Text(Text(Cow::Borrowed(word(*value)))),
            Value::Number(number) => Self::Text(Text(Cow::Borrowed(number.as_str()))),
            Value::String(text) => Self::String(Cow::Borrowed(text)),
            Value::Array(items) => Self::Array(items.iter().map(Self::from).collect()),
            Value::Object(map) => {
                let members = map.iter().map(|(name, value)| (name.into(), value.into()));
                Self::Object(Members(members.collect()))
            }
        }
    }
}

impl From<Value> for Node<'_> {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::NULL,
            Value::Bool(value) => Self::Text(Text(Cow::Borrowed(word(value)))),
            Value::Number(number) => Self::Text(Text(Cow::Owned(number.as_str().to_owned()))),
            Value::String(text) => Self::String(Cow::Owned(text)),
            Value::Array(items) => Self::Array(items.into_iter().map(Self::from).collect()),
            Value::Object(map) => {
                let members = map.into_iter();
                let members = members.map(|(name, value)| (name.into(), value.into()));
                Self::Object(Members(members.collect()))
            }
        }
    }
}

impl<'a> From<Cow<'a, str>> for Node<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        Self::String(text)
    }
}

impl<'a> From<&'a str> for Node<'a> {
    fn from(text: &'a str) -> Self {
        Self::String(Cow::Borrowed(text))
    }
}

impl From<String> for Node<'_> {
    fn from(text: String) -> Self {
        Self::String(Cow::Owned(text))
    }
}

fn word(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

/// Writes a string with quotes, escaped where it must be.
fn print_string(text: &str, out: &mut impl BufMut) {
    if plain_run(text.as_bytes()) == text.len() {
        out.put_u8(b'"');
        out.put_slice(text.as_bytes());
        out.put_u8(b'"');
    } else {
        // A string always prints.
        out.put_slice(&serde_json::to_vec(text).unwrap_or_default());
    }
}

/// The usual length of a member as text.
const MEMBER: usize = 40;
