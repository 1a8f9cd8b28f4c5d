//! The lines that make one element of a multi-valued attribute, asked together.

use serde_json::Value;

use super::{Answer, constant, holds_test, named, no};
use crate::mapping::compile::Line;
use crate::mapping::kind::{Pushed, Test, Untranslatable};
use crate::mapping::place::Place;
use crate::scim::filter::{CompareOp, Filter};
use crate::scim::{AttrName, AttrPath};

/// The lines that make one element.
pub(super) struct Group<'a> {
    pub(super) path: &'a AttrPath,
    pub(super) lines: &'a [(&'a Line, &'a Place)],
    pub(super) many: bool,
}

impl Group<'_> {
    pub(super) fn matches(&self, inner: &Filter) -> Answer {
        match inner {
            Filter::And(parts) => {
                let parts = self.each(parts)?;
                let asked = parts.iter().filter(|p| matches!(p, Pushed::Ask(_))).count();
                if self.many && asked > 1 {
                    return no(
                        self.path,
                        "several values would have to be looked at one by one",
                    );
                }
                Ok(Pushed::all(parts))
            }
            Filter::Or(parts) => Ok(Pushed::any(self.each(parts)?)),
            Filter::Not(part) => Ok(self.matches(part)?.negated()),
            Filter::Present(path) => self.test(&path.name, &Test::Present),
            Filter::Compare(c) => match (c.op, &c.value) {
                (CompareOp::Eq, Value::Null) => {
                    Ok(self.test(&c.path.name, &Test::Present)?.negated())
                }
                (CompareOp::Ne, Value::Null) => self.test(&c.path.name, &Test::Present),
                (_, Value::Null) => Ok(Pushed::Never),
                (CompareOp::Ne, value) => {
                    let test = Test::Compare(CompareOp::Eq, value);
                    Ok(self.test(&c.path.name, &test)?.negated())
                }
                (op, value) => self.test(&c.path.name, &Test::Compare(op, value)),
            },
            Filter::Element(..) => no(self.path, "elements have no elements"),
        }
    }

    fn each(&self, parts: &[Filter]) -> Result<Vec<Pushed>, Untranslatable> {
        parts.iter().map(|part| self.matches(part)).collect()
    }

    fn test(&self, sub: &AttrName, test: &Test<'_>) -> Answer {
        for (line, place) in self.lines {
            if place.sub.as_ref() == Some(sub) {
                return named(self.path, line.kind.filter(test));
            }
            if let Some(constant) = constant(line, place, sub) {
                return Ok(holds_test(constant, test));
            }
        }
        let path = AttrPath {
            sub: Some(sub.clone()),
            ..self.path.clone()
        };
        no(&path, "no line maps it")
    }
}

/// Lines of the same element together.
pub(super) fn groups<'a>(lines: &[(&'a Line, &'a Place)]) -> Vec<Vec<(&'a Line, &'a Place)>> {
    let mut groups: Vec<Vec<(&Line, &Place)>> = Vec::new();
    for (line, place) in lines {
        let same = |group: &&mut Vec<(&Line, &Place)>| {
            group
                .first()
                .is_some_and(|(_, first)| match (&first.element, &place.element) {
                    (Some(a), Some(b)) => a.same(b),
                    (None, None) => true,
                    _ => false,
                })
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push((line, place)),
            None => groups.push(vec![(line, place)]),
        }
    }
    groups
}
