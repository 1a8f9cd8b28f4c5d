//! What of a document the lines account for, and what is left over: the ground of `unmapped`.

use std::borrow::Cow;

use crate::scim::json::{Members, Node, Sort};
use crate::scim::{AttrName, AttrPath, SchemaUri};

use super::compile::is_secret;
use super::place::{Place, Terms};

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
pub(super) struct Loose<'a> {
    /// The extension that it stood in.
    pub(super) uri: Option<Cow<'a, str>>,
    /// The attribute.
    pub(super) name: Cow<'a, str>,
    /// What of it.
    pub(super) part: Part<'a>,
    /// The value.
    pub(super) value: Node<'a>,
}

/// What of an attribute is left over.
#[derive(PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// All of it.
    Whole,
    /// A sub-attribute of a complex attribute.
    Sub(Cow<'a, str>),
    /// An element that no line means.
    Element,
    /// A sub-attribute of an element that a line has taken: there is nothing to hang it on.
    Rest(Cow<'a, str>),
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

    /// Hands over everything in `members` that is not accounted for and not absent.
    pub(super) fn sweep<'a>(&self, members: Members<'a>, each: &mut impl FnMut(Loose<'a>)) {
        for (key, mut value) in members.into_members() {
            if value.is_null() {
                continue;
            }
            match key.contains(':').then(|| value.object()).flatten() {
                Some(inner) => {
                    let covers = self.extension(&key).map_or(&[][..], |(_, covers)| covers);
                    for (name, value) in std::mem::take(inner).into_members() {
                        sweep_one(covers, Some(&key), name, value, each);
                    }
                }
                None => sweep_one(&self.base, None, key, value, each),
            }
        }
    }

    /// Removes everything that is accounted for neither here nor by `hidden`, the covers of the
    /// other side: what that side cannot see stays, secrets included.
    pub(super) fn strip(&self, hidden: &Self, members: &mut Members<'_>) {
        members.retain(
            |key, value| match key.contains(':').then(|| value.object()).flatten() {
                Some(inner) => {
                    let (own, hidden) = (self.inside(key), hidden.inside(key));
                    inner.retain(|name, value| strip_one(own, hidden, name, value));
                    !inner.is_empty()
                }
                None => strip_one(&self.base, &hidden.base, key, value),
            },
        );
    }

    /// Whether this side accounts for some parts of a leftover of the other side, and not for
    /// others: then only [`Covers::split`] tells what of it is free.
    #[must_use]
    pub(super) fn divides(&self, loose: &Loose<'_>) -> bool {
        loose.part == Part::Whole
            && matches!(loose.value.sort(), Sort::Object | Sort::Array)
            && self
                .cover(loose.uri.as_deref(), &loose.name)
                .is_some_and(|cover| !cover.whole)
    }

    /// Hands over a leftover of the other side in parts, each of which can be asked about with
    /// [`Covers::shadows`].
    pub(super) fn split<'a>(&self, loose: Loose<'a>, each: &mut impl FnMut(Loose<'a>)) {
        let covers = match &loose.uri {
            None => &self.base,
            Some(uri) => self.inside(uri),
        };
        sweep_one(covers, loose.uri.as_ref(), loose.name, loose.value, each);
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
    pub(super) fn shadows(&self, loose: &mut Loose<'_>) -> bool {
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
                        .any(|(terms, _)| terms.match_node(&mut loose.value))
            }
            Part::Rest(_) => true,
        }
    }

    fn extension(&self, key: &str) -> Option<&(SchemaUri, Vec<Cover>)> {
        self.extensions.iter().find(|(uri, _)| uri.is(key))
    }
}

impl<'a> Loose<'a> {
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
    pub(super) fn clear(&self, out: &mut Members<'_>) {
        let home = match &self.uri {
            Some(uri) => out.find_mut(uri).and_then(Node::object),
            None => {
                out.remove(&self.name);
                return;
            }
        };
        if let Some(home) = home {
            home.remove(&self.name);
        }
    }

    /// Puts it into a document of the other side, where nothing stands there yet. Nothing can
    /// stand there under another case either: what lines make is not loose (see
    /// [`Covers::shadows`]), and two loose names of one document never differ in case only. So no
    /// search is needed, and a document of very many names costs no more than its size.
    pub(super) fn merge(self, out: &mut Members<'a>) {
        let home = match self.uri {
            Some(uri) => match out.slot(uri).make_object() {
                Some(home) => home,
                None => return,
            },
            None => out,
        };
        match self.part {
            Part::Whole => home.push(self.name, self.value),
            Part::Sub(sub) => {
                if let Some(home) = home.slot(self.name).make_object() {
                    home.push(sub, self.value);
                }
            }
            Part::Element => {
                if let Some(items) = home.slot(self.name).make_array() {
                    items.push(self.value);
                }
            }
            Part::Rest(_) => {}
        }
    }
}

fn sweep_one<'a>(
    covers: &[Cover],
    uri: Option<&Cow<'a, str>>,
    name: Cow<'a, str>,
    mut value: Node<'a>,
    each: &mut impl FnMut(Loose<'a>),
) {
    if value.is_absent() {
        return;
    }
    let Some(cover) = covers.iter().find(|c| c.name.is(&name)) else {
        each(Loose {
            uri: uri.cloned(),
            name,
            part: Part::Whole,
            value,
        });
        return;
    };
    if cover.whole {
        return;
    }
    let mut part_of = |part, value| {
        each(Loose {
            uri: uri.cloned(),
            name: name.clone(),
            part,
            value,
        });
    };
    let unknown = |known: &[AttrName], sub: &str, value: &Node<'_>| {
        !value.is_absent() && !known.iter().any(|k| k.is(sub))
    };
    match value.sort() {
        Sort::Object if cover.elements.is_empty() => {
            let element = value.object().map(std::mem::take).unwrap_or_default();
            for (sub, value) in element.into_members() {
                if unknown(&cover.subs, &sub, &value) {
                    part_of(Part::Sub(sub), value);
                }
            }
        }
        Sort::Array => {
            for mut item in value.array().map(std::mem::take).unwrap_or_default() {
                let mut taken = cover.elements.iter();
                let taken = taken.find(|(terms, _)| terms.match_node(&mut item));
                // Only objects are taken.
                let rest = taken.and_then(|(_, known)| Some((item.object()?, known)));
                if let Some((element, known)) = rest {
                    for (sub, value) in std::mem::take(element).into_members() {
                        if unknown(known, &sub, &value) {
                            part_of(Part::Rest(sub), value);
                        }
                    }
                } else if !item.is_absent() {
                    part_of(Part::Element, item);
                }
            }
        }
        _ => part_of(Part::Element, value),
    }
}

/// Whether anything of it stays.
fn strip_one(own: &[Cover], hidden: &[Cover], name: &str, value: &mut Node<'_>) -> bool {
    let own = own.iter().find(|cover| cover.name.is(name));
    let hidden = hidden.iter().find(|cover| cover.name.is(name));
    let covers = own.into_iter().chain(hidden);
    if is_secret(name) || covers.clone().any(|cover| cover.whole) {
        return true;
    }
    let elements = |cover: &Cover| !cover.elements.is_empty();
    let meant = |item: &mut Node<'_>| {
        let mut all = covers.clone().flat_map(|cover| &cover.elements);
        all.any(|(terms, _)| terms.match_node(item))
    };
    match value.sort() {
        Sort::Object if !covers.clone().any(elements) => value.object().is_some_and(|element| {
            element.retain(|sub, _| {
                covers
                    .clone()
                    .any(|cover| cover.subs.iter().any(|s| s.is(sub)))
            });
            !element.is_empty()
        }),
        Sort::Array => value.array().is_some_and(|items| {
            let parts = hidden.is_some_and(|cover| !cover.subs.is_empty());
            items.retain_mut(|item| meant(item) || parts);
            !items.is_empty()
        }),
        Sort::Object => meant(value),
        _ => hidden.is_some(),
    }
}
