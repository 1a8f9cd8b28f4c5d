//! A place in a resource: an attribute, a part of it, or the element of a multi-valued attribute
//! that a rule line names; with what lines do there. Names are resolved when a rule is compiled.

use std::fmt;

use serde_json::{Map, Value};

use crate::scim::filter::{CompareOp, Comparison, Filter};
use crate::scim::json::{Members, Node, Sort};
use crate::scim::{AttrName, AttrPath, PatchPath, SchemaUri, value};

/// `[urn:]name[terms].sub`.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// The extension, where it is one.
    pub uri: Option<SchemaUri>,
    /// The attribute.
    pub name: AttrName,
    /// Which element of a multi-valued attribute.
    pub element: Option<Terms>,
    /// The sub-attribute.
    pub sub: Option<AttrName>,
}

/// `type eq "work" and primary eq true`: what makes an element the one that is meant.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Terms(pub Vec<(AttrName, Value)>);

impl Place {
    /// The attribute `name` of the base schema.
    #[must_use]
    pub fn of(name: AttrName) -> Self {
        Self {
            uri: None,
            name,
            element: None,
            sub: None,
        }
    }

    /// The place that a PATCH path names, if its filter is made of `eq` terms.
    #[must_use]
    pub fn from_path(path: PatchPath) -> Option<Self> {
        match path {
            PatchPath::Extension(_) => None,
            PatchPath::Attribute {
                uri,
                name,
                filter,
                sub,
            } => Some(Self {
                uri,
                name,
                element: match filter {
                    Some(filter) => Some(Terms::from_filter(&filter)?),
                    None => None,
                },
                sub,
            }),
        }
    }

    /// The same without regard to elements.
    #[must_use]
    pub fn path(&self) -> AttrPath {
        AttrPath {
            uri: self.uri.clone(),
            name: self.name.clone(),
            sub: self.sub.clone(),
        }
    }

    /// The whole attribute.
    #[must_use]
    pub fn parent(&self) -> AttrPath {
        AttrPath {
            uri: self.uri.clone(),
            name: self.name.clone(),
            sub: None,
        }
    }

    /// Whether both name (a part of) the same attribute.
    #[must_use]
    pub fn is_beside(&self, uri: Option<&SchemaUri>, name: &AttrName) -> bool {
        self.uri.as_ref() == uri && self.name == *name
    }

    /// Whether what is written to one can be seen at the other.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let subs = match (&self.sub, &other.sub) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        };
        let elements = match (&self.element, &other.element) {
            (Some(a), Some(b)) => !a.disjoint(b),
            _ => true,
        };
        self.is_beside(other.uri.as_ref(), &other.name) && subs && elements
    }

    /// What stands here; nothing, null and empty are the same. Of several elements that match, the
    /// last counts.
    #[must_use]
    pub fn peek<'m, 'a>(&self, from: &'m mut Members<'a>) -> Option<&'m mut Node<'a>> {
        self.locate(from).filter(|value| !value.is_absent())
    }

    /// Takes what stands here and leaves a null. Of several elements that match, the last counts.
    pub fn take<'a>(&self, from: &mut Members<'a>) -> Option<Node<'a>> {
        let taken = std::mem::take(self.locate(from)?);
        (!taken.is_absent()).then_some(taken)
    }

    fn locate<'m, 'a>(&self, from: &'m mut Members<'a>) -> Option<&'m mut Node<'a>> {
        let home = match &self.uri {
            Some(uri) => from.find_mut(uri.as_str())?.object()?,
            None => from,
        };
        let value = home.find_mut(self.name.as_str())?;
        let value = match &self.element {
            Some(terms) => match value.sort() {
                Sort::Array => {
                    let mut items = value.array()?.iter_mut().rev();
                    items.find_map(|item| terms.match_node(item).then_some(item))?
                }
                Sort::Object if terms.match_node(value) => value,
                _ => return None,
            },
            None => value,
        };
        match &self.sub {
            Some(sub) => value.object()?.find_mut(sub.as_str()),
            None => Some(value),
        }
    }

    /// Puts a value here: containers and the element are made where they are missing, with
    /// `constants` beside the value in the element.
    pub fn set<'a>(
        &'a self,
        out: &mut Members<'a>,
        value: Node<'a>,
        constants: &'a [(AttrName, Value)],
    ) {
        let home = match &self.uri {
            Some(uri) => match out.slot(uri.as_str()).make_object() {
                Some(home) => home,
                None => return,
            },
            None => out,
        };
        let place = home.slot(self.name.as_str());
        match (&self.element, &self.sub) {
            (None, None) => *place = value,
            (None, Some(sub)) => {
                if let Some(home) = place.make_object() {
                    *home.slot(sub.as_str()) = value;
                }
            }
            (Some(terms), sub) => terms.set(place, sub.as_ref(), value, constants),
        }
    }

    /// Removes what stands here, and containers that would be left empty.
    pub fn clear(&self, out: &mut Members<'_>) {
        match &self.uri {
            Some(uri) => {
                let Some(home) = out.find_mut(uri.as_str()).and_then(Node::object) else {
                    return;
                };
                self.clear_in(home);
                if home.is_empty() {
                    out.remove(uri.as_str());
                }
            }
            None => self.clear_in(out),
        }
    }

    fn clear_in(&self, home: &mut Members<'_>) {
        let Some(value) = home.find_mut(self.name.as_str()) else {
            return;
        };
        let empty = match (&self.element, &self.sub) {
            (None, None) => true,
            (None, Some(sub)) => match value.object() {
                Some(object) => {
                    object.remove(sub.as_str());
                    object.is_empty()
                }
                None => false,
            },
            (Some(terms), sub) => match value.array() {
                Some(items) => {
                    let last = items.iter_mut().rposition(|item| terms.match_node(item));
                    if let Some(index) = last {
                        let element = items.get_mut(index).and_then(Node::object);
                        let gone = match (sub, element) {
                            (Some(sub), Some(element)) => {
                                element.remove(sub.as_str());
                                element
                                    .iter()
                                    .all(|(name, _)| terms.0.iter().any(|(n, _)| n.is(name)))
                            }
                            _ => true,
                        };
                        if gone {
                            items.remove(index);
                        }
                    }
                    items.is_empty()
                }
                None => false,
            },
        };
        if empty {
            home.remove(self.name.as_str());
        }
    }

    /// `op value` asked of this place.
    #[must_use]
    pub fn compare(&self, op: CompareOp, value: &Value) -> Filter {
        match &self.element {
            None => Filter::Compare(Comparison {
                path: self.path(),
                op,
                value: value.clone(),
            }),
            Some(terms) => {
                let sub = self.sub.clone().unwrap_or_else(value_name);
                let mut parts = terms.filters();
                parts.push(Filter::Compare(Comparison {
                    path: AttrPath::of(sub),
                    op,
                    value: value.clone(),
                }));
                Filter::Element(self.parent(), Box::new(all(parts)))
            }
        }
    }

    /// `pr` asked of this place.
    #[must_use]
    pub fn present(&self) -> Filter {
        match &self.element {
            None => Filter::Present(self.path()),
            Some(terms) => {
                let mut parts = terms.filters();
                if let Some(sub) = &self.sub {
                    parts.push(Filter::Present(AttrPath::of(sub.clone())));
                }
                Filter::Element(self.parent(), Box::new(all(parts)))
            }
        }
    }

    /// The place as a PATCH path.
    #[must_use]
    pub fn patch_path(&self) -> PatchPath {
        PatchPath::Attribute {
            uri: self.uri.clone(),
            name: self.name.clone(),
            filter: self.element.as_ref().map(|terms| all(terms.filters())),
            sub: self.sub.clone(),
        }
    }
}

impl Terms {
    /// The terms of a filter that is one `eq` or several joined by `and`.
    #[must_use]
    pub fn from_filter(filter: &Filter) -> Option<Self> {
        match filter {
            Filter::Compare(c)
                if c.op == CompareOp::Eq && c.path.sub.is_none() && c.path.uri.is_none() =>
            {
                Some(Self(vec![(c.path.name.clone(), c.value.clone())]))
            }
            Filter::And(parts) => {
                let mut terms = Vec::new();
                for part in parts {
                    terms.extend(Self::from_filter(part)?.0);
                }
                Some(Self(terms))
            }
            _ => None,
        }
    }

    /// Whether an element is one that is meant.
    #[must_use]
    pub fn match_value(&self, item: &Value) -> bool {
        let Value::Object(element) = item else {
            return false;
        };
        self.0.iter().all(|(name, wanted)| {
            find(element, name.as_str()).is_some_and(|found| alike(found, wanted))
        })
    }

    /// The same for an element that is perhaps still text.
    #[must_use]
    pub fn match_node(&self, item: &mut Node<'_>) -> bool {
        let Some(element) = item.object() else {
            return false;
        };
        self.0.iter().all(|(name, wanted)| {
            let found = element.find(name.as_str());
            found.is_some_and(|found| match (found.as_str(), wanted) {
                (Some(found), Value::String(wanted)) => found.eq_ignore_ascii_case(wanted),
                (Some(_), _) | (_, Value::String(_)) => false,
                _ => value::same(&found.to_value(), wanted),
            })
        })
    }

    fn set<'a>(
        &'a self,
        place: &mut Node<'a>,
        sub: Option<&'a AttrName>,
        value: Node<'a>,
        constants: &'a [(AttrName, Value)],
    ) {
        let Some(items) = place.make_array() else {
            return;
        };
        let found = items.iter_mut().rposition(|item| self.match_node(item));
        let index = found.unwrap_or(items.len());
        if found.is_none() {
            items.push(Members::with_capacity(self.0.len() + constants.len() + 1).into());
        }
        let Some(item) = items.get_mut(index) else {
            return;
        };
        match sub {
            Some(sub) => {
                if let Some(element) = item.make_object() {
                    *element.slot(sub.as_str()) = value;
                }
            }
            None => *item = value,
        }
        if let Some(element) = item.object() {
            for (name, constant) in self.0.iter().chain(constants) {
                let place = element.slot(name.as_str());
                if place.is_null() {
                    *place = constant.into();
                }
            }
        }
    }

    /// Whether no element can be meant by both.
    #[must_use]
    pub fn disjoint(&self, other: &Self) -> bool {
        self.0
            .iter()
            .any(|(name, mine)| other.get(name).is_some_and(|theirs| !alike(mine, theirs)))
    }

    /// Whether both mean the same elements.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        let within = |a: &Self, b: &Self| {
            a.0.iter()
                .all(|(name, value)| b.get(name).is_some_and(|v| alike(v, value)))
        };
        within(self, other) && within(other, self)
    }

    /// What a sub-attribute must be.
    #[must_use]
    pub fn get(&self, name: &AttrName) -> Option<&Value> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v)
    }

    fn filters(&self) -> Vec<Filter> {
        self.0
            .iter()
            .map(|(name, value)| Filter::eq(name.clone(), value.clone()))
            .collect()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.patch_path().fmt(f)
    }
}

/// Whether a value is as good as none (RFC 7643 §2.5): null, an empty array, an empty object.
#[must_use]
pub fn is_absent(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

/// Two element terms: strings without regard to case, as `type` is compared.
#[must_use]
pub fn alike(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::String(a), Value::String(b)) => a.eq_ignore_ascii_case(b),
        _ => value::same(a, b),
    }
}

/// A member by attribute name, in any case. Documents have no two names that differ in case only
/// (`json::check`), and few enough names that looking at each is quicker than hashing.
#[must_use]
pub fn find<'a>(map: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    if map.len() > FEW {
        return crate::scim::resource::get(map, name);
    }
    map.iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

const FEW: usize = 48;

/// Several filters that must all hold.
#[must_use]
pub fn all(mut parts: Vec<Filter>) -> Filter {
    match parts.len() {
        1 => parts.remove(0),
        _ => Filter::And(parts),
    }
}

/// The default sub-attribute of a multi-valued attribute.
#[must_use]
pub fn value_name() -> AttrName {
    AttrName::known("value")
}
