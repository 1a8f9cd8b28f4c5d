//! A place in a resource: an attribute, a part of it, or the element of a multi-valued attribute
//! that a rule line names; with what lines do there. Names are resolved when a rule is compiled.

use std::fmt;

use serde_json::{Map, Value};

use crate::scim::filter::{CompareOp, Comparison, Filter};
use crate::scim::{AttrName, AttrPath, PatchPath, Resource, SchemaUri, value};

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

    /// What stands here; nothing, null and empty are the same.
    #[must_use]
    pub fn peek<'a>(&self, from: &'a Resource) -> Option<&'a Value> {
        let home = match &self.uri {
            Some(uri) => find(from.as_map(), uri.as_str())?.as_object()?,
            None => from.as_map(),
        };
        let value = find(home, self.name.as_str())?;
        let value = match &self.element {
            Some(terms) => match value {
                Value::Array(items) => items.iter().rev().find(|item| terms.match_value(item))?,
                Value::Object(_) if terms.match_value(value) => value,
                _ => return None,
            },
            None => value,
        };
        let value = match &self.sub {
            Some(sub) => find(value.as_object()?, sub.as_str())?,
            None => value,
        };
        (!is_absent(value)).then_some(value)
    }

    /// Takes what stands here and leaves a null. Of several elements that match, the last counts.
    pub fn take(&self, from: &mut Resource) -> Option<Value> {
        let home = match &self.uri {
            Some(uri) => find_mut(from.as_map_mut(), uri.as_str())?.as_object_mut()?,
            None => from.as_map_mut(),
        };
        let value = find_mut(home, self.name.as_str())?;
        let value = match &self.element {
            Some(terms) => match value {
                Value::Array(items) => items
                    .iter_mut()
                    .rev()
                    .find(|item| terms.match_value(item))?,
                Value::Object(_) if terms.match_value(value) => value,
                _ => return None,
            },
            None => value,
        };
        let value = match &self.sub {
            Some(sub) => find_mut(value.as_object_mut()?, sub.as_str())?,
            None => value,
        };
        let taken = std::mem::take(value);
        (!is_absent(&taken)).then_some(taken)
    }

    /// Puts a value here: containers and the element are made where they are missing, with
    /// `constants` beside the value in the element.
    pub fn set(&self, out: &mut Resource, value: Value, constants: &[(AttrName, Value)]) {
        let home = match &self.uri {
            Some(uri) => match object(slot(out.as_map_mut(), uri.as_str())) {
                Some(home) => home,
                None => return,
            },
            None => out.as_map_mut(),
        };
        let place = slot(home, self.name.as_str());
        match (&self.element, &self.sub) {
            (None, None) => *place = value,
            (None, Some(sub)) => {
                if let Some(home) = object(place) {
                    *slot(home, sub.as_str()) = value;
                }
            }
            (Some(terms), sub) => terms.set(place, sub.as_ref(), value, constants),
        }
    }

    /// Removes what stands here, and containers that would be left empty.
    pub fn clear(&self, out: &mut Resource) {
        match &self.uri {
            Some(uri) => {
                let Some(Value::Object(home)) = find_mut(out.as_map_mut(), uri.as_str()) else {
                    return;
                };
                self.clear_in(home);
                if home.is_empty() {
                    crate::scim::resource::remove(out.as_map_mut(), uri.as_str());
                }
            }
            None => self.clear_in(out.as_map_mut()),
        }
    }

    fn clear_in(&self, home: &mut Map<String, Value>) {
        let remove = crate::scim::resource::remove;
        let Some(value) = find_mut(home, self.name.as_str()) else {
            return;
        };
        let empty = match (&self.element, &self.sub) {
            (None, None) => true,
            (None, Some(sub)) => match value {
                Value::Object(object) => {
                    remove(object, sub.as_str());
                    object.is_empty()
                }
                _ => false,
            },
            (Some(terms), sub) => match value {
                Value::Array(items) => {
                    if let Some(index) = items.iter().rposition(|item| terms.match_value(item)) {
                        let gone = match (sub, items.get_mut(index)) {
                            (Some(sub), Some(Value::Object(element))) => {
                                remove(element, sub.as_str());
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
                _ => false,
            },
        };
        if empty {
            remove(home, self.name.as_str());
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

    fn set(
        &self,
        place: &mut Value,
        sub: Option<&AttrName>,
        value: Value,
        constants: &[(AttrName, Value)],
    ) {
        let Some(items) = array(place) else { return };
        let found = items.iter().rposition(|item| self.match_value(item));
        let index = found.unwrap_or(items.len());
        if found.is_none() {
            items.push(Value::Object(Map::new()));
        }
        let Some(item) = items.get_mut(index) else {
            return;
        };
        match sub {
            Some(sub) => {
                if let Some(element) = object(item) {
                    *slot(element, sub.as_str()) = value;
                }
            }
            None => *item = value,
        }
        if let Value::Object(element) = item {
            for (name, constant) in self.0.iter().chain(constants) {
                let place = slot(element, name.as_str());
                if place.is_null() {
                    place.clone_from(constant);
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

/// [`find`], to change the member; allocates nothing.
pub fn find_mut<'a>(map: &'a mut Map<String, Value>, name: &str) -> Option<&'a mut Value> {
    if map.len() > FEW && map.contains_key(name) {
        return map.get_mut(name);
    }
    map.iter_mut()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

/// The member of that name, made as null where it is missing.
pub fn slot<'a>(map: &'a mut Map<String, Value>, name: &str) -> &'a mut Value {
    if map.len() > FEW && map.contains_key(name) {
        return map.entry(name).or_insert(Value::Null);
    }
    let other = map
        .keys()
        .find(|key| key.eq_ignore_ascii_case(name))
        .filter(|key| *key != name)
        .cloned();
    match other {
        Some(key) => map.entry(key).or_insert(Value::Null),
        None => map.entry(name).or_insert(Value::Null),
    }
}

const FEW: usize = 48;

/// The value as an object, made one where it is not.
pub fn object(value: &mut Value) -> Option<&mut Map<String, Value>> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut()
}

/// The value as an array, made one where it is not.
pub fn array(value: &mut Value) -> Option<&mut Vec<Value>> {
    if !value.is_array() {
        let old = std::mem::take(value);
        *value = Value::Array(if is_absent(&old) {
            Vec::new()
        } else {
            vec![old]
        });
    }
    value.as_array_mut()
}

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
