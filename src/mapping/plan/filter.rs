//! Filters in the directory's words. What the directory must not be asked is refused with the
//! reason, never an empty list; what no value of it can satisfy is constant (decisions, 33).

mod group;
mod ldap;

use serde_json::Value;

use group::{Group, groups};

use super::projection::shadowed;
use super::{MappingError, Plan, reads, refused};
use crate::mapping::compile::{Line, Type, is_secret};
use crate::mapping::kind::{Pushed, Test, Untranslatable};
use crate::mapping::place::Place;
use crate::mapping::ruleset::Unmapped;
use crate::mapping::transform::number::AsNumber;
use crate::mapping::transform::{Transform, holds};
use crate::scim::filter::{CompareOp, Comparison, Filter};
use crate::scim::schema::{Attribute, Kind};
use crate::scim::{AttrName, AttrPath, ScimType};

impl Plan {
    /// The filter in the directory's words.
    pub(super) fn filter(&self, ty: &Type, filter: &Filter) -> Result<Pushed, MappingError> {
        push(ty, filter).map_err(|Untranslatable(text)| refused(ScimType::InvalidFilter, text))
    }
}

type Answer = Result<Pushed, Untranslatable>;

fn push(ty: &Type, filter: &Filter) -> Answer {
    match filter {
        Filter::And(parts) => Ok(Pushed::all(push_each(ty, parts)?)),
        Filter::Or(parts) => Ok(Pushed::any(push_each(ty, parts)?)),
        Filter::Not(inner) => Ok(push(ty, inner)?.negated()),
        Filter::Present(path) => Asked::of(ty, path)?.present(),
        Filter::Compare(comparison) => Asked::of(ty, &comparison.path)?.compare(comparison),
        Filter::Element(path, inner) => Asked::of(ty, path)?.element(inner),
    }
}

fn push_each(ty: &Type, parts: &[Filter]) -> Result<Vec<Pushed>, Untranslatable> {
    parts.iter().map(|part| push(ty, part)).collect()
}

/// An attribute that a filter asks about, with the lines that make it.
struct Asked<'a> {
    ty: &'a Type,
    path: &'a AttrPath,
    whole: Option<&'a Attribute>,
    lines: Vec<(&'a Line, &'a Place)>,
}

impl<'a> Asked<'a> {
    fn of(ty: &'a Type, path: &'a AttrPath) -> Result<Self, Untranslatable> {
        let secret = is_secret(path.name.as_str())
            || path.sub.as_ref().is_some_and(|sub| is_secret(sub.as_str()));
        let beside = |line: &&Line| {
            line.scim
                .as_ref()
                .is_some_and(|p| p.is_beside(path.uri.as_ref(), &path.name))
        };
        if secret || ty.lines.iter().filter(beside).any(|line| line.secret) {
            return no(path, "it is a secret, and secrets are not compared");
        }
        let lines: Vec<_> = ty
            .lines
            .iter()
            .filter(|line| reads(line))
            .filter_map(|line| Some((line, line.scim.as_ref()?)))
            .filter(|(_, place)| place.is_beside(path.uri.as_ref(), &path.name))
            .collect();
        if lines.is_empty() && ty.lines.iter().any(|line| beside(&line)) {
            return no(path, "it is only written here, never read");
        }
        Ok(Self {
            ty,
            path,
            whole: ty.full.find_attribute(path),
            lines,
        })
    }

    fn is_many(&self) -> bool {
        self.whole.is_some_and(|whole| whole.multi_valued)
    }

    fn is_own(&self, name: &str) -> bool {
        self.path.uri.is_none() && self.path.name.is(name)
    }

    fn compare(&self, comparison: &Comparison) -> Answer {
        let (op, value) = (comparison.op, &comparison.value);
        if self.is_own("meta") || self.is_own("id") || self.is_own("schemas") {
            return self.common(comparison);
        }
        if self.lines.is_empty() {
            return self.unmapped(&Filter::Compare(comparison.clone()));
        }
        match (op, value) {
            (CompareOp::Eq, Value::Null) => return Ok(self.present()?.negated()),
            (CompareOp::Ne, Value::Null) => return self.present(),
            (_, Value::Null) => return Ok(Pushed::Never),
            _ => {}
        }
        let sub = self.compared_sub()?;
        if !self.is_many() {
            let positive = if op == CompareOp::Ne {
                CompareOp::Eq
            } else {
                op
            };
            let pushed = self.union(sub.as_ref(), &Test::Compare(positive, value))?;
            return Ok(if op == CompareOp::Ne {
                pushed.negated()
            } else {
                pushed
            });
        }
        if op != CompareOp::Ne {
            return self.union(sub.as_ref(), &Test::Compare(op, value));
        }
        self.differs(sub.as_ref(), comparison)
    }

    /// `ne` of several values: any of them differs, or there is none.
    fn differs(&self, sub: Option<&AttrName>, comparison: &Comparison) -> Answer {
        if let [(line, place)] = self.lines.as_slice()
            && place.element.is_none()
        {
            return match target_of(line, place, self.path.sub.as_ref()) {
                Some(path) => Ok(Pushed::Ask(Filter::Compare(Comparison {
                    path,
                    ..comparison.clone()
                }))),
                None => no(
                    self.path,
                    "the mapping changes its values, so `ne` cannot be asked",
                ),
            };
        }
        if self.lines.iter().any(|(line, _)| line.kind.touches().many) || self.passes() {
            return no(
                self.path,
                "it comes from several attributes, so `ne` cannot be asked",
            );
        }
        let none = self.union(sub, &Test::Present)?.negated();
        let mut parts = vec![none];
        for (line, place) in &self.lines {
            let present = one(line, place, sub, &Test::Present)?;
            let equal = one(
                line,
                place,
                sub,
                &Test::Compare(CompareOp::Eq, &comparison.value),
            )?;
            if let (Some(present), Some(equal)) = (present, equal) {
                parts.push(Pushed::all([present, equal.negated()]));
            }
        }
        Ok(Pushed::any(parts))
    }

    fn present(&self) -> Answer {
        if self.is_own("id") || self.is_own("schemas") {
            return Ok(Pushed::Always);
        }
        if self.is_own("meta") {
            let made = ["resourceType", "location"];
            return Ok(match &self.path.sub {
                // Both are made here, whatever the directory has.
                None => Pushed::Always,
                Some(sub) if made.iter().any(|name| sub.is(name)) => Pushed::Always,
                Some(sub) if self.ty.is_ldap() => match self.ty.entry.stamp(sub) {
                    Some(stamp) => Pushed::Ask(Filter::Present(AttrPath::of(stamp.clone()))),
                    None => Pushed::Always,
                },
                Some(_) => Pushed::Ask(Filter::Present(self.ty.meta(self.path))),
            });
        }
        if self.lines.is_empty() {
            return self.unmapped(&Filter::Present(self.path.clone()));
        }
        self.union(self.path.sub.as_ref(), &Test::Present)
    }

    /// Any of the lines that make the attribute.
    fn union(&self, sub: Option<&AttrName>, test: &Test<'_>) -> Answer {
        let mut parts = Vec::new();
        let mut known = false;
        for (line, place) in &self.lines {
            if let Some(pushed) = one(line, place, sub, test)? {
                known = true;
                parts.push(pushed);
            }
        }
        if !known && !self.passes() {
            return no(self.path, "no line maps it");
        }
        if self.passes() {
            let path = AttrPath {
                sub: sub.cloned().or_else(|| self.path.sub.clone()),
                ..self.path.clone()
            };
            parts.push(Pushed::Ask(match test {
                Test::Present => Filter::Present(path),
                Test::Compare(op, value) => Filter::Compare(Comparison {
                    path,
                    op: *op,
                    value: (*value).clone(),
                }),
            }));
        }
        Ok(Pushed::any(parts))
    }

    /// Whether elements or parts that no line means come through as well.
    fn passes(&self) -> bool {
        let free = |place: &Place| {
            if self.is_many() {
                place.element.is_some()
            } else {
                place.sub.is_some() && place.sub != self.path.sub
            }
        };
        self.ty.unmapped == Unmapped::Pass
            && self.lines.iter().all(|(_, place)| free(place))
            && !shadowed(self.ty, &self.path.parent())
    }

    /// The sub-attribute that a comparison is about: `value` where none is said.
    fn compared_sub(&self) -> Result<Option<AttrName>, Untranslatable> {
        if let Some(sub) = &self.path.sub {
            return Ok(Some(sub.clone()));
        }
        match self.whole {
            Some(whole) if whole.kind == Kind::Complex => {
                let value = AttrName::known("value");
                if whole.sub(&value).is_none() {
                    return no(self.path, "it has parts: name one of them after a dot");
                }
                Ok(Some(value))
            }
            _ => Ok(None),
        }
    }

    fn unmapped(&self, as_it_is: &Filter) -> Answer {
        if self.ty.unmapped == Unmapped::Pass && !shadowed(self.ty, self.path) {
            return Ok(Pushed::Ask(as_it_is.clone()));
        }
        no(self.path, "this service does not know it")
    }

    fn common(&self, comparison: &Comparison) -> Answer {
        let (op, value) = (comparison.op, &comparison.value);
        let positive = |answer: &dyn Fn(CompareOp) -> Answer| match op {
            CompareOp::Ne => Ok(answer(CompareOp::Eq)?.negated()),
            _ => answer(op),
        };
        if self.is_own("id") {
            return positive(&|op| self.id(op, value));
        }
        if self.is_own("schemas") {
            return self.schemas(op, value);
        }
        match &self.path.sub {
            Some(sub) if sub.is("resourceType") => {
                let name = Value::String(self.ty.held.name.to_string());
                positive(&|op| Ok(holds(&name, op, value, true).into()))
            }
            Some(sub) if sub.is("location") => {
                no(self.path, "locations are made here; ask for the `id`")
            }
            Some(sub) if self.ty.is_ldap() => {
                positive(&|op| ldap::stamp(&self.ty.entry, sub, Test::Compare(op, value)))
                    .or_else(|Untranslatable(why)| no(self.path, &why))
            }
            Some(_) => Ok(Pushed::Ask(Filter::Compare(Comparison {
                path: self.ty.meta(&comparison.path),
                ..comparison.clone()
            }))),
            None => no(self.path, "it has parts: name one of them after a dot"),
        }
    }

    fn id(&self, op: CompareOp, value: &Value) -> Answer {
        let Value::String(_) = value else {
            return Ok(Pushed::Never);
        };
        if let Some(own) = &self.ty.entry.ldap {
            return ldap::id(&self.ty.entry.id, own.id_form, op, value)
                .or_else(|Untranslatable(why)| no(self.path, &why));
        }
        let place = Place::of(self.ty.entry.id.clone());
        let ask = |test: Test<'_>| {
            Ok(Pushed::Ask(match test {
                Test::Present => place.present(),
                Test::Compare(op, value) => place.compare(op, value),
            }))
        };
        let test = Test::Compare(op, value);
        let pushed = if self.ty.entry.number {
            AsNumber.test(test, &ask)
        } else {
            ask(test)
        };
        pushed.or_else(|Untranslatable(why)| no(self.path, &why))
    }

    fn schemas(&self, op: CompareOp, value: &Value) -> Answer {
        let ne = op == CompareOp::Ne;
        let Some(text) = value.as_str() else {
            return Ok(ne.into());
        };
        if op != CompareOp::Eq && !ne {
            return no(self.path, "only `eq` and `ne` can be asked");
        }
        // As of any attribute of several values, one that differs is enough.
        let base = self.ty.held.base.id.is(text);
        if base != ne {
            return Ok(Pushed::Always);
        }
        let mut parts = Vec::new();
        for line in self.ty.lines.iter().filter(|line| reads(line)) {
            let there = line.scim.as_ref().and_then(|place| place.uri.as_ref());
            if there.is_some_and(|uri| ne || uri.is(text)) {
                parts.push(named(self.path, line.kind.filter(&Test::Present))?);
            }
        }
        let extension = self.ty.full.extensions.iter().any(|e| e.id.is(text));
        if self.ty.unmapped == Unmapped::Pass && (ne || extension || parts.is_empty()) {
            return no(self.path, "what is in extensions is not known here");
        }
        Ok(Pushed::any(parts))
    }

    /// `emails[type eq "work" and value co "@x"]`.
    fn element(&self, inner: &Filter) -> Answer {
        if names_secret(inner) {
            return no(self.path, "it is a secret, and secrets are not compared");
        }
        if self.lines.is_empty() {
            let element = Filter::Element(self.path.clone(), Box::new(inner.clone()));
            return self.unmapped(&element);
        }
        if let [(line, place)] = self.lines.as_slice()
            && place.element.is_none()
            && place.sub.is_none()
        {
            return match target_of(line, place, None) {
                Some(path) => Ok(Pushed::Ask(Filter::Element(path, Box::new(inner.clone())))),
                None => no(self.path, "the mapping changes it"),
            };
        }
        let mut parts = Vec::new();
        for group in groups(&self.lines) {
            let many = group.iter().any(|(line, _)| line.kind.touches().many);
            let matched = Group {
                path: self.path,
                lines: &group,
                many,
            }
            .matches(inner)?;
            let needs_presence = match &matched {
                Pushed::Never => continue,
                Pushed::Always => true,
                Pushed::Ask(filter) => !implies_presence(filter),
            };
            if many && needs_presence && matched != Pushed::Always {
                return no(
                    self.path,
                    "several values would have to be looked at one by one",
                );
            }
            let mut all = Vec::new();
            if needs_presence {
                let mut there = Vec::new();
                for (line, _) in &group {
                    there.push(named(self.path, line.kind.filter(&Test::Present))?);
                }
                all.push(Pushed::any(there));
            }
            all.push(matched);
            parts.push(Pushed::all(all));
        }
        if self.passes() {
            let element = Filter::Element(self.path.clone(), Box::new(inner.clone()));
            parts.push(Pushed::Ask(element));
        }
        Ok(Pushed::any(parts))
    }
}

/// What a question about `sub` becomes for one line; `None` when the line says nothing of it.
fn one(
    line: &Line,
    place: &Place,
    sub: Option<&AttrName>,
    test: &Test<'_>,
) -> Result<Option<Pushed>, Untranslatable> {
    let path = place.path();
    let own = |test: &Test<'_>| named(&path, line.kind.filter(test)).map(Some);
    match (&place.sub, sub) {
        // The line's own, or all of it.
        (None, None) => own(test),
        (Some(_), None) => own(test),
        (Some(mine), Some(asked)) if mine == asked => own(test),
        (Some(_), Some(asked)) => match constant(line, place, asked) {
            Some(constant) => match holds_test(constant, test) {
                Pushed::Always => own(&Test::Present),
                other => Ok(Some(other)),
            },
            None => Ok(None),
        },
        // A part of what moves whole.
        (None, Some(asked)) if place.element.is_none() => {
            match target_of(line, place, Some(asked)) {
                Some(path) => Ok(Some(Pushed::Ask(match test {
                    Test::Present => Filter::Present(path),
                    Test::Compare(op, value) => Filter::Compare(Comparison {
                        path,
                        op: *op,
                        value: (*value).clone(),
                    }),
                }))),
                None => no(&path, "it is nested too deep in the directory"),
            }
        }
        (None, Some(asked)) => match constant(line, place, asked) {
            Some(constant) => match holds_test(constant, test) {
                Pushed::Always => own(&Test::Present),
                other => Ok(Some(other)),
            },
            None => no(&path, "it is a whole element in the directory"),
        },
    }
}

/// Where the directory has the same values: for a line that changes none.
fn target_of(line: &Line, place: &Place, sub: Option<&AttrName>) -> Option<AttrPath> {
    let target = line.target.as_ref()?;
    if !line.kind.touches().class.keeps_values()
        || line.kind.raw().is_none()
        || target.element.is_some()
    {
        return None;
    }
    let mut path = target.path();
    if place.sub.is_none()
        && let Some(sub) = sub
    {
        if path.sub.is_some() {
            return None;
        }
        path.sub = Some(sub.clone());
    }
    Some(path)
}

fn constant<'a>(line: &'a Line, place: &'a Place, sub: &AttrName) -> Option<&'a Value> {
    let of_terms = place.element.as_ref().and_then(|terms| terms.get(sub));
    of_terms.or_else(|| {
        let constants = &line.kind.touches().constants;
        constants.iter().find(|(n, _)| n == sub).map(|(_, v)| v)
    })
}

fn holds_test(constant: &Value, test: &Test<'_>) -> Pushed {
    match test {
        Test::Present => Pushed::Always,
        Test::Compare(op, value) => holds(constant, *op, value, false).into(),
    }
}

/// Whether a filter on elements asks about a secret.
fn names_secret(filter: &Filter) -> bool {
    let of_path = |path: &AttrPath| {
        is_secret(path.name.as_str()) || path.sub.as_ref().is_some_and(|s| is_secret(s.as_str()))
    };
    match filter {
        Filter::And(parts) | Filter::Or(parts) => parts.iter().any(names_secret),
        Filter::Not(inner) => names_secret(inner),
        Filter::Present(path) => of_path(path),
        Filter::Compare(comparison) => of_path(&comparison.path),
        Filter::Element(path, inner) => of_path(path) || names_secret(inner),
    }
}

/// Whether a filter is true only where something is there.
fn implies_presence(filter: &Filter) -> bool {
    match filter {
        Filter::And(parts) => parts.iter().any(implies_presence),
        Filter::Or(parts) => parts.iter().all(implies_presence),
        Filter::Not(_) => false,
        Filter::Compare(c) => c.op != CompareOp::Ne && !c.value.is_null(),
        Filter::Present(_) | Filter::Element(..) => true,
    }
}

/// The reason with the attribute's name in front.
fn named(path: &AttrPath, answer: Answer) -> Answer {
    answer.or_else(|Untranslatable(why)| no(path, &why))
}

fn no<T>(path: &AttrPath, why: &str) -> Result<T, Untranslatable> {
    Err(Untranslatable(format!(
        "the filter on `{path}` cannot be asked of the directory: {why}"
    )))
}
