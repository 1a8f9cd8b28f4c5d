//! What of a document the lines account for, and what is left over: the ground of `unmapped`.

use serde_json::{Map, Value};

use crate::scim::{AttrName, AttrPath, Resource, SchemaUri};

use super::compile::is_secret;
use super::place::{Place, Terms, array, find_mut, is_absent, object, slot};

/// Every place that lines (or the protocol itself) account for on one side.
#[derive(Debug, Clone, Default)]
pub(super) struct Covers {
    base: Vec<Cover>,
    extensions: Vec<(SchemaUri, Vec<Cover>)>,
}

#[derive(Debug, Clone)]
struct Cover {
    name: AttrName,
    /// The attribute with all that is in it.
    whole: bool,
    /// Sub-attributes.
    subs: Vec<AttrName>,
    /// Elements that lines take, with the sub-attributes that they account for.
    elements: Vec<(Terms, Vec<AttrName>)>,
}

/// Something that no line accounts for.
#[derive(Debug)]
pub(super) struct Loose {
    /// The extension that it stood in.
    pub(super) uri: Option<String>,
    /// The attribute.
    pub(super) name: String,
    /// What of it.
    pub(super) part: Part,
    /// The value.
    pub(super) value: Value,
}

/// What of an attribute is left over.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it.
    Whole,
    /// A sub-attribute of a complex attribute.
    Sub(String),
    /// An element that no line means.
    Element,
    /// A sub-attribute of an element that a line has taken: there is nothing to hang it on.
    Rest(String),
}

impl Covers {
    /// Accounts for a place; `known` are further sub-attributes of its element.
    pub(super) fn add(&mut self, place: &Place, many: bool, known: &[AttrName]) {
        let covers = match &place.uri {
            None => &mut self.base,
            Some(uri) => {
                let index = match self.extensions.iter().position(|(u, _)| u == uri) {
                    Some(index) => index,
                    None => {
                        self.extensions.push((uri.clone(), Vec::new()));
                        self.extensions.len() - 1
                    }
                };
                match self.extensions.get_mut(index) {
                    Some((_, covers)) => covers,
                    None => return,
                }
            }
        };
        let index = match covers.iter().position(|c| c.name == place.name) {
            Some(index) => index,
            None => {
                covers.push(Cover {
                    name: place.name.clone(),
                    whole: false,
                    subs: Vec::new(),
                    elements: Vec::new(),
                });
                covers.len() - 1
            }
        };
        let Some(cover) = covers.get_mut(index) else {
            return;
        };
        if place.element.is_none() && !many {
            match &place.sub {
                Some(sub) => cover.subs.push(sub.clone()),
                None => cover.whole = true,
            }
            return;
        }
        let terms = place.element.clone().unwrap_or_default();
        let mut subs: Vec<AttrName> = terms.0.iter().map(|(name, _)| name.clone()).collect();
        subs.extend(place.sub.iter().cloned());
        subs.extend(known.iter().cloned());
        match cover.elements.iter_mut().find(|(t, _)| t.same(&terms)) {
            Some((_, known)) => known.extend(subs),
            // Elements that a filter names come before those that are taken without one.
            None if terms.0.is_empty() => cover.elements.push((terms, subs)),
            None => cover.elements.insert(0, (terms, subs)),
        }
    }

    /// Hands over everything in `map` that is not accounted for and not absent.
    pub(super) fn sweep(&self, map: Map<String, Value>, each: &mut impl FnMut(Loose)) {
        for (key, value) in map {
            if value.is_null() {
                continue;
            }
            match value {
                Value::Object(inner) if key.contains(':') => {
                    let covers = self.extension(&key).map_or(&[][..], |(_, covers)| covers);
                    for (name, value) in inner {
                        sweep_one(covers, Some(&key), name, value, each);
                    }
                }
                value => sweep_one(&self.base, None, key, value, each),
            }
        }
    }

    /// Removes everything that is accounted for neither here nor by `hidden`, the covers of the
    /// other side: what that side cannot see stays, secrets included.
    pub(super) fn strip(&self, hidden: &Self, map: &mut Map<String, Value>) {
        map.retain(|key, value| match value {
            Value::Object(inner) if key.contains(':') => {
                let (own, hidden) = (self.inside(key), hidden.inside(key));
                inner.retain(|name, value| strip_one(own, hidden, name, value));
                !inner.is_empty()
            }
            value => strip_one(&self.base, &hidden.base, key, value),
        });
    }

    /// Whether this side accounts for some parts of a leftover of the other side, and not for
    /// others: then only [`Covers::split`] tells what of it is free.
    #[must_use]
    pub(super) fn divides(&self, loose: &Loose) -> bool {
        loose.part == Part::Whole
            && (loose.value.is_object() || loose.value.is_array())
            && self
                .cover(loose.uri.as_deref(), &loose.name)
                .is_some_and(|cover| !cover.whole)
    }

    /// Hands over a leftover of the other side in parts, each of which can be asked about with
    /// [`Covers::shadows`].
    pub(super) fn split(&self, loose: Loose, each: &mut impl FnMut(Loose)) {
        let covers = match &loose.uri {
            None => &self.base,
            Some(uri) => self.inside(uri),
        };
        sweep_one(covers, loose.uri.as_deref(), loose.name, loose.value, each);
    }

    /// Whether an attribute, or the part of it that is named, is accounted for altogether.
    #[must_use]
    pub(super) fn covers(&self, path: &AttrPath) -> bool {
        let cover = self.cover(path.uri.as_ref().map(SchemaUri::as_str), path.name.as_str());
        cover.is_some_and(|cover| {
            let sub = path.sub.as_ref();
            cover.whole || sub.is_some_and(|sub| cover.subs.contains(sub))
        })
    }

    /// Whether anything of an attribute is accounted for.
    #[must_use]
    pub(super) fn names(&self, path: &AttrPath) -> bool {
        self.cover(path.uri.as_ref().map(SchemaUri::as_str), path.name.as_str())
            .is_some()
    }

    fn cover(&self, uri: Option<&str>, name: &str) -> Option<&Cover> {
        let covers = uri.map_or(self.base.as_slice(), |uri| self.inside(uri));
        covers.iter().find(|cover| cover.name.is(name))
    }

    fn inside(&self, uri: &str) -> &[Cover] {
        self.extension(uri).map_or(&[][..], |(_, covers)| covers)
    }

    /// Whether a leftover of the other side would stand where something accounted for stands.
    #[must_use]
    pub(super) fn shadows(&self, loose: &Loose) -> bool {
        let covers = match &loose.uri {
            None => {
                if self.extension(&loose.name).is_some() {
                    return true;
                }
                &self.base
            }
            Some(uri) => match self.extension(uri) {
                Some((_, covers)) => covers,
                None => return false,
            },
        };
        let Some(cover) = covers.iter().find(|c| c.name.is(&loose.name)) else {
            return false;
        };
        match &loose.part {
            _ if cover.whole => true,
            Part::Whole => true,
            Part::Sub(sub) => cover.subs.iter().any(|s| s.is(sub)) || !cover.elements.is_empty(),
            Part::Element => {
                !cover.subs.is_empty()
                    || cover
                        .elements
                        .iter()
                        .any(|(terms, _)| terms.match_value(&loose.value))
            }
            Part::Rest(_) => true,
        }
    }

    fn extension(&self, key: &str) -> Option<&(SchemaUri, Vec<Cover>)> {
        self.extensions.iter().find(|(uri, _)| uri.is(key))
    }
}

impl Loose {
    /// The attribute for people: `name`, `name.sub`, `urn:…:name`.
    #[must_use]
    pub(super) fn path(&self) -> String {
        let mut path = String::new();
        if let Some(uri) = &self.uri {
            path.push_str(uri);
            path.push(':');
        }
        path.push_str(&self.name);
        if let Part::Sub(sub) | Part::Rest(sub) = &self.part {
            path.push('.');
            path.push_str(sub);
        }
        path
    }

    /// Removes what stands where the attribute would be put.
    pub(super) fn clear(&self, out: &mut Resource) {
        let home = match &self.uri {
            Some(uri) => find_mut(out.as_map_mut(), uri).and_then(Value::as_object_mut),
            None => Some(out.as_map_mut()),
        };
        if let Some(home) = home {
            crate::scim::resource::remove(home, &self.name);
        }
    }

    /// Puts it into a document of the other side, where nothing stands there yet. Nothing can
    /// stand there under another case either: what lines make is not loose (see
    /// [`Covers::shadows`]), and two loose names of one document never differ in case only. So no
    /// search is needed, and a document of very many names costs no more than its size.
    pub(super) fn merge(self, out: &mut Resource) {
        let home = match &self.uri {
            Some(uri) => match object(slot(out.as_map_mut(), uri)) {
                Some(home) => home,
                None => return,
            },
            None => out.as_map_mut(),
        };
        match self.part {
            Part::Whole => {
                let place = home.entry(self.name).or_insert(Value::Null);
                if is_absent(place) {
                    *place = self.value;
                }
            }
            Part::Sub(sub) => {
                if let Some(home) = object(slot(home, &self.name)) {
                    let place = home.entry(sub).or_insert(Value::Null);
                    if place.is_null() {
                        *place = self.value;
                    }
                }
            }
            Part::Element => {
                if let Some(items) = array(slot(home, &self.name)) {
                    items.push(self.value);
                }
            }
            Part::Rest(_) => {}
        }
    }
}

fn sweep_one(
    covers: &[Cover],
    uri: Option<&str>,
    name: String,
    value: Value,
    each: &mut impl FnMut(Loose),
) {
    if is_absent(&value) {
        return;
    }
    let uri = || uri.map(str::to_owned);
    let Some(cover) = covers.iter().find(|c| c.name.is(&name)) else {
        each(Loose {
            uri: uri(),
            name,
            part: Part::Whole,
            value,
        });
        return;
    };
    if cover.whole {
        return;
    }
    let part_of = |each: &mut dyn FnMut(Loose), part, value| {
        each(Loose {
            uri: uri(),
            name: name.clone(),
            part,
            value,
        });
    };
    let unknown = |known: &[AttrName], sub: &str, value: &Value| {
        !is_absent(value) && !known.iter().any(|k| k.is(sub))
    };
    match value {
        Value::Object(element) if cover.elements.is_empty() => {
            for (sub, value) in element {
                if unknown(&cover.subs, &sub, &value) {
                    part_of(each, Part::Sub(sub), value);
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                let mut taken = cover.elements.iter();
                let taken = taken.find(|(terms, _)| terms.match_value(&item));
                match (item, taken) {
                    (Value::Object(element), Some((_, known))) => {
                        for (sub, value) in element {
                            if unknown(known, &sub, &value) {
                                part_of(each, Part::Rest(sub), value);
                            }
                        }
                    }
                    (item, _) if !is_absent(&item) => part_of(each, Part::Element, item),
                    _ => {}
                }
            }
        }
        value => part_of(each, Part::Element, value),
    }
}

/// Whether anything of it stays.
fn strip_one(own: &[Cover], hidden: &[Cover], name: &str, value: &mut Value) -> bool {
    let of = |covers: &'_ [Cover]| covers.iter().position(|c| c.name.is(name));
    let own = of(own).and_then(|index| own.get(index));
    let hidden = of(hidden).and_then(|index| hidden.get(index));
    let mut covers = own.into_iter().chain(hidden);
    if is_secret(name) || covers.clone().any(|cover| cover.whole) {
        return true;
    }
    let elements = |cover: &Cover| !cover.elements.is_empty();
    match value {
        Value::Object(element) if !covers.clone().any(elements) => {
            element.retain(|sub, _| {
                covers
                    .clone()
                    .any(|cover| cover.subs.iter().any(|s| s.is(sub)))
            });
            !element.is_empty()
        }
        Value::Array(items) => {
            items.retain(|item| {
                let meant = |(terms, _): &(Terms, _)| terms.match_value(item);
                covers.clone().any(|cover| cover.elements.iter().any(meant))
                    || hidden.is_some_and(|cover| !cover.subs.is_empty())
            });
            !items.is_empty()
        }
        Value::Object(_) => {
            covers.any(|cover| cover.elements.iter().any(|(t, _)| t.match_value(value)))
        }
        _ => hidden.is_some(),
    }
}
