//! What of a resource an account may see and change: the attribute lists of its roles, brought
//! together when `access.yaml` is read.

use std::sync::Arc;

use super::attributes::{Attributes, Point};
use super::grant::Grant;
use super::values::Bound;
use crate::scim::{AttrName, AttrPath, SchemaUri};

/// Which attributes the caller may read and write in one operation. Only this floor makes one.
/// Cheap to clone; where nothing is forbidden it costs nothing to ask.
#[derive(Debug, Clone)]
pub struct Scope {
    /// `None` is everything.
    read: Option<Arc<Set>>,
    write: Option<Arc<Set>>,
}

/// A set of attributes that is not all of them. Every name that a role mentions has its place
/// here; what none mentions is decided once for all.
#[derive(Debug)]
pub struct Set {
    /// The lines that it was made of: an account may do what any of them allows.
    lines: Vec<Arc<Grant>>,
    use_: Use,
    /// The base schema, as far as that was known.
    base: Option<Box<str>>,
    /// Attributes of schemas that nothing mentions.
    others: bool,
    /// The base schema first.
    homes: Vec<Home>,
    /// What may be in it with some values only.
    bounds: Vec<Bound>,
}

/// What a set is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// `id`, `schemas` and `meta` can always be read, `password` never.
    Read,
    Write,
}

/// How much of something is in a [`Set`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Share {
    /// Nothing of it.
    None,
    /// Some of its parts.
    Part,
    /// All of it.
    Whole,
}

/// The attributes of one schema.
#[derive(Debug)]
struct Home {
    uri: Option<SchemaUri>,
    /// Those that nothing mentions.
    others: bool,
    named: Vec<Named>,
}

/// An attribute that something mentions.
#[derive(Debug)]
struct Named {
    name: AttrName,
    /// The parts that nothing mentions, and the value of what has no parts.
    others: bool,
    parts: Vec<(AttrName, bool)>,
}

impl Scope {
    /// The scope where the sets are these; `None` is everything.
    pub(super) fn new(read: Option<Arc<Set>>, write: Option<Arc<Set>>) -> Self {
        Self { read, write }
    }

    /// The same where this may be seen; `None` is everything.
    pub(super) fn reading(&self, read: Option<Arc<Set>>) -> Self {
        Self {
            read,
            write: self.write.clone(),
        }
    }

    /// Nothing is hidden or forbidden.
    pub(super) fn whole() -> Self {
        Self::new(None, None)
    }

    /// Whether nothing at all is hidden or forbidden.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.read.is_none() && self.write.is_none()
    }

    /// What may be seen; `None` is everything.
    #[must_use]
    pub fn readable(&self) -> Option<&Set> {
        self.read.as_deref()
    }

    /// What may be changed; `None` is everything.
    #[must_use]
    pub fn writable(&self) -> Option<&Set> {
        self.write.as_deref()
    }

    /// How much of what `path` names may be both seen and changed.
    #[must_use]
    pub fn own(&self, path: &AttrPath) -> Share {
        let of = |set: Option<&Set>| set.map_or(Share::Whole, |set| set.path(path));
        of(self.readable()).min(of(self.writable()))
    }

    /// The same for a resource type whose base schema is `base`: roles may name its attributes by
    /// that URN, and of a rule's own types it is not known when the roles are read.
    #[must_use]
    pub fn based(&self, base: &SchemaUri) -> Self {
        let based = |set: &Option<Arc<Set>>| set.as_ref().map(|set| Set::based(set, base));
        Self::new(based(&self.read), based(&self.write))
    }
}

/// Tests of the mapping need scopes without an account; nothing else may make one.
#[cfg(test)]
impl Scope {
    /// Everything.
    pub(crate) fn everything() -> Self {
        Self::whole()
    }

    /// What these lists allow.
    pub(crate) fn of(read: &[&str], write: &[&str]) -> Self {
        let set = |items: &[&str], use_| {
            let mut list = Attributes::default();
            for item in items {
                list.add(item).unwrap();
            }
            let base = crate::scim::schema::USER;
            Set::compile(vec![Arc::new(Grant::of_attributes(list))], use_, Some(base))
        };
        Self::new(set(read, Use::Read), set(write, Use::Write))
    }
}

impl Set {
    /// What any of the lines allows; `None` where that is everything. A line without a list allows
    /// every attribute.
    pub(super) fn compile(
        lines: Vec<Arc<Grant>>,
        use_: Use,
        base: Option<&str>,
    ) -> Option<Arc<Self>> {
        let lists = || lines.iter().map(|line| line.attributes.as_deref());
        let allowed =
            |point: &Point| lists().any(|list| list.is_none_or(|list| list.allow(point, base)));
        let mut set = Self {
            others: lists().any(|list| list.is_none_or(Attributes::allow_others)),
            use_,
            base: base.map(Box::from),
            homes: vec![Home::new(None)],
            lines: Vec::new(),
            bounds: match use_ {
                Use::Read => Vec::new(),
                Use::Write => bounds(&lines, base),
            },
        };
        for point in lists().flatten().flat_map(|list| list.points(base)) {
            set.mention(point);
        }
        for home in &mut set.homes {
            home.fill(&allowed);
        }
        if set.bounds.is_empty()
            && set.others
            && set.homes.iter().all(|home| home.share() == Share::Whole)
        {
            return None;
        }
        if use_ == Use::Read
            && let Some(base) = set.homes.first_mut()
        {
            base.settle();
        }
        set.lines = lines;
        Some(Arc::new(set))
    }

    fn based(this: &Arc<Self>, base: &SchemaUri) -> Arc<Self> {
        if this.base.as_deref().is_some_and(|known| base.is(known)) {
            return Arc::clone(this);
        }
        // Where the base makes it everything, that is what `others` says too.
        Self::compile(this.lines.clone(), this.use_, Some(base.as_str()))
            .unwrap_or_else(|| Arc::clone(this))
    }

    /// How much of an attribute is in it, by its name and the schema that it stands in.
    #[must_use]
    pub fn attribute(&self, uri: Option<&str>, name: &str) -> Share {
        match self.home(uri) {
            None => Share::of(self.others),
            Some(home) => match home.named(name) {
                Some(named) => named.share(),
                None => Share::of(home.others),
            },
        }
    }

    /// Whether a part of an attribute is in it.
    #[must_use]
    pub fn part(&self, uri: Option<&str>, name: &str, sub: &str) -> bool {
        match self.home(uri) {
            None => self.others,
            Some(home) => match home.named(name) {
                // A reference tells the value.
                Some(named) if sub.eq_ignore_ascii_case("$ref") => {
                    named.part(sub) && named.part("value")
                }
                Some(named) => named.part(sub),
                None => home.others,
            },
        }
    }

    /// How much of a schema is in it.
    #[must_use]
    pub fn schema(&self, uri: &str) -> Share {
        self.home(Some(uri))
            .map_or(Share::of(self.others), Home::share)
    }

    /// Whether anything in a schema is mentioned.
    #[must_use]
    pub fn names(&self, uri: &str) -> bool {
        self.home(Some(uri)).is_some()
    }

    /// How much of what a path names is in it.
    #[must_use]
    pub fn path(&self, path: &AttrPath) -> Share {
        let uri = path.uri.as_ref().map(SchemaUri::as_str);
        match (&path.sub, uri) {
            (_, Some(uri)) if path.is_whole() => self.schema(uri),
            (Some(sub), uri) => Share::of(self.part(uri, path.name.as_str(), sub.as_str())),
            (None, uri) => self.attribute(uri, path.name.as_str()),
        }
    }

    /// What an attribute and its parts may become, as far as that is bounded.
    pub fn bounds_on<'s>(
        &'s self,
        uri: Option<&'s str>,
        name: &'s str,
    ) -> impl Iterator<Item = &'s Bound> {
        let uri = uri.filter(|uri| !self.is_base(uri));
        self.bounds.iter().filter(move |bound| {
            let own = match (&bound.point.uri, uri) {
                (Some(own), Some(uri)) => own.is(uri),
                (None, None) => true,
                _ => false,
            };
            own && bound.point.name.as_ref().is_some_and(|own| own.is(name))
        })
    }

    /// Whether anything is bounded at all.
    #[must_use]
    pub fn has_bounds(&self) -> bool {
        !self.bounds.is_empty()
    }

    /// The bounded attributes of a schema.
    pub fn bounded_in<'s>(&'s self, uri: &'s str) -> impl Iterator<Item = &'s Bound> {
        let mut bounds = self.bounds.iter();
        std::iter::from_fn(move || {
            bounds.find(|bound| bound.point.uri.as_ref().is_some_and(|own| own.is(uri)))
        })
    }

    /// Whether what a path names stays as it is where a document does not name it: it may not be
    /// removed.
    #[must_use]
    pub fn keeps(&self, path: &AttrPath) -> bool {
        let uri = path.uri.as_ref().map(SchemaUri::as_str);
        self.bounds_on(uri, path.name.as_str()).any(|bound| {
            let part = match (&path.sub, bound.sub()) {
                (Some(sub), Some(own)) => sub.is(own),
                (Some(sub), None) => sub.is("value"),
                (None, _) => true,
            };
            part && !bound.allows_removal()
        })
    }

    fn is_base(&self, uri: &str) -> bool {
        let known = self.base.as_deref();
        known.is_some_and(|known| known.eq_ignore_ascii_case(uri))
    }

    fn home(&self, uri: Option<&str>) -> Option<&Home> {
        match uri {
            Some(uri) if !self.is_base(uri) => {
                let mut homes = self.homes.iter();
                homes.find(|home| home.uri.as_ref().is_some_and(|own| own.is(uri)))
            }
            _ => self.homes.first(),
        }
    }

    fn mention(&mut self, point: Point) {
        let index = match self.homes.iter().position(|home| home.uri == point.uri) {
            Some(index) => index,
            None => {
                self.homes.push(Home::new(point.uri));
                self.homes.len() - 1
            }
        };
        if let Some(home) = self.homes.get_mut(index)
            && let Some(name) = point.name
        {
            home.mention(name, point.sub);
        }
    }
}

/// What is bounded in every line that allows it.
fn bounds(lines: &[Arc<Grant>], base: Option<&str>) -> Vec<Bound> {
    let mut bounds: Vec<Bound> = Vec::new();
    let values = lines.iter().filter_map(|line| line.values.as_ref());
    for point in values.flat_map(|values| values.points(base)) {
        if bounds.iter().any(|bound| bound.point == point) {
            continue;
        }
        let allowing = lines.iter().filter(|line| {
            let list = line.attributes.as_ref();
            list.is_none_or(|list| list.allow(&point, base))
        });
        let own = allowing.map(|line| line.values.as_ref()?.of(&point, base).cloned());
        if let Some(choices) = own.collect::<Option<Vec<_>>>() {
            bounds.push(Bound { point, choices });
        }
    }
    bounds
}

impl Home {
    fn new(uri: Option<SchemaUri>) -> Self {
        Self {
            uri,
            others: false,
            named: Vec::new(),
        }
    }

    fn mention(&mut self, name: AttrName, sub: Option<AttrName>) {
        let index = match self.named.iter().position(|named| named.name == name) {
            Some(index) => index,
            None => {
                self.named.push(Named {
                    name,
                    others: false,
                    parts: Vec::new(),
                });
                self.named.len() - 1
            }
        };
        if let Some(named) = self.named.get_mut(index)
            && let Some(sub) = sub
            && !named.parts.iter().any(|(part, _)| *part == sub)
        {
            named.parts.push((sub, false));
        }
    }

    fn fill(&mut self, allowed: &impl Fn(&Point) -> bool) {
        let mut point = Point {
            uri: self.uri.clone(),
            ..Point::default()
        };
        self.others = allowed(&point);
        for named in &mut self.named {
            point.name = Some(named.name.clone());
            point.sub = None;
            named.others = allowed(&point);
            for (part, may) in &mut named.parts {
                point.sub = Some(part.clone());
                *may = allowed(&point);
            }
        }
    }

    /// What is the same for every reader.
    fn settle(&mut self) {
        for (name, others) in [
            ("id", true),
            ("schemas", true),
            ("meta", true),
            ("password", false),
        ] {
            self.named.retain(|named| !named.name.is(name));
            self.named.push(Named {
                name: AttrName::known(name),
                others,
                parts: Vec::new(),
            });
        }
    }

    fn named(&self, name: &str) -> Option<&Named> {
        self.named.iter().find(|named| named.name.is(name))
    }

    fn share(&self) -> Share {
        let all = self.named.iter().map(Named::share);
        Share::sum(all.chain([Share::of(self.others)]))
    }
}

impl Named {
    fn part(&self, sub: &str) -> bool {
        let found = self.parts.iter().find(|(part, _)| part.is(sub));
        found.map_or(self.others, |(_, may)| *may)
    }

    fn share(&self) -> Share {
        let parts = self.parts.iter().map(|(_, may)| Share::of(*may));
        Share::sum(parts.chain([Share::of(self.others)]))
    }
}

impl Share {
    fn of(all: bool) -> Self {
        if all { Self::Whole } else { Self::None }
    }

    /// Of something whose parts are in it to these shares.
    fn sum(parts: impl Iterator<Item = Self>) -> Self {
        let same = |a, b| if a == b { a } else { Self::Part };
        parts.reduce(same).unwrap_or(Self::None)
    }
}
