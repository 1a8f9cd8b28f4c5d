//! From one line as written to one that runs. The kinds are registered in `Builder::kind`.

use serde_json::Value;

use crate::scim::AttrName;
use crate::scim::schema::{Attribute, Kind as DataType, Mutability};
use crate::yaml::{Diagnostics, Source};

use super::keys::leftover;
use super::ldap::{scim, share, target};
use super::line::{direction, known, secret};
use super::{Line, error, is_secret, shown};
use crate::mapping::kind::constant::Constant;
use crate::mapping::kind::join::Join;
use crate::mapping::kind::moved::Moved;
use crate::mapping::kind::values::Values;
use crate::mapping::kind::{Class, Kind, Touch};
use crate::mapping::place::{Place, Terms};
use crate::mapping::ruleset::{Direction, Form, LineRule, Spot, TypeRule};
use crate::mapping::transform::shape::Shape;
use crate::mapping::transform::text::AsText;
use crate::mapping::transform::time::TimeForm;
use crate::mapping::transform::{Chain, Transform};

/// Everything that one line is built from.
pub(super) struct Builder<'a> {
    pub(super) source: &'a Source,
    pub(super) rule: &'a TypeRule,
    index: usize,
    pub(super) line: &'a LineRule,
    pub(super) direction: Direction,
}

/// Builds all lines of a type that can be built.
pub(super) fn lines(source: &Source, rule: &TypeRule, d: &mut Diagnostics) -> Vec<Line> {
    let mut built = Vec::new();
    for (index, line) in rule.lines.iter().enumerate() {
        let direction = direction(source, rule, line, d);
        let builder = Builder {
            source,
            rule,
            index,
            line,
            direction,
        };
        built.extend(builder.build(d));
    }
    built
}

impl Builder<'_> {
    /// The registry: which keys make which kind.
    fn kind(&self, d: &mut Diagnostics) -> Option<(Box<dyn Kind>, &'static str)> {
        let line = self.line;
        if let Some(built) = self.of_ldap(d) {
            return built;
        }
        match (&line.scim, &line.target, &line.join, &line.constant) {
            (Some(scim), Some(target), None, None) => self.value(scim, target, d),
            (None, Some(target), Some((parts, _)), None) => self.join(target, parts, d),
            (None, Some(target), None, Some((value, _))) => Some(self.written(target, value)),
            (Some(scim), None, None, Some((value, _))) => self.read(scim, value, d),
            _ => {
                let help = "`scim` with `target`, `target` with `join` or `constant`, or `scim` \
                            with `constant`";
                let text = "this line does not say what becomes what".to_owned();
                d.push(error(self.source, line.span, text, Some(help.to_owned())));
                None
            }
        }
    }

    fn build(&self, d: &mut Diagnostics) -> Option<Line> {
        self.known(d)?;
        let (kind, what) = self.kind(d)?;
        leftover(self.source, self.line, what, d);
        let line = self.line;
        let (scim_text, target_text) = spelled(line);
        Some(Line {
            number: line.span.line,
            span: line.span,
            kind,
            what,
            direction: self.direction,
            required: line.required || self.required_by_schema(),
            secret: secret(line),
            unique: line.unique,
            rest: line.rest.is_some_and(|(rest, _)| rest),
            share: share(line),
            canonical: line
                .values
                .iter()
                .flat_map(|(rows, _)| rows)
                .map(|(key, _, _)| key.clone())
                .collect(),
            scim: scim(line),
            refers: line.ldap.reference.is_some() || line.ldap.inverse.is_some(),
            target: target(line),
            scim_text,
            target_text,
        })
    }

    fn required_by_schema(&self) -> bool {
        let Some(scim) = &self.line.scim else {
            return false;
        };
        scim.place.sub.is_none()
            && self.direction == Direction::Both
            && self
                .rule
                .schema
                .find(&scim.place.path())
                .is_some_and(|attribute| attribute.required)
    }

    /// Every SCIM attribute that the line names must exist.
    fn known(&self, d: &mut Diagnostics) -> Option<()> {
        let joined = self.line.join.iter().flat_map(|(parts, _)| parts);
        let named = joined.chain(&self.line.ldap.from);
        let mut fine = true;
        for spot in self.line.scim.iter().chain(named) {
            fine &= known(self.source, &self.rule.schema, spot, d);
        }
        fine.then_some(())
    }

    pub(super) fn attribute(&self, place: &Place) -> Option<(&Attribute, &Attribute)> {
        let schema = &self.rule.schema;
        let whole = schema.find_attribute(&place.path())?;
        let part = match &place.sub {
            Some(sub) => whole.sub(sub)?,
            None => whole,
        };
        Some((whole, part))
    }

    fn value(
        &self,
        scim: &Spot,
        target: &Spot,
        d: &mut Diagnostics,
    ) -> Option<(Box<dyn Kind>, &'static str)> {
        let (whole, part) = self.attribute(&scim.place)?;
        let refuse = |text: String, help: &str, d: &mut Diagnostics| {
            d.push(error(self.source, scim.span, text, Some(help.to_owned())));
            None
        };
        if scim.place.element.is_some() && !whole.multi_valued {
            let text = format!(
                "`{}` has one value only, so no element to choose",
                whole.name
            );
            return refuse(text, "leave the filter out", d);
        }
        let many_asked = self.line.many.is_some_and(|(many, _)| many);
        let rest = self.line.rest.is_some_and(|(rest, _)| rest);
        let simple = whole.kind != DataType::Complex;
        let many = whole.multi_valued
            && (many_asked || simple || (scim.place.element.is_none() && scim.place.sub.is_some()));
        if (many_asked || rest) && !many {
            let text = format!("`{}` has no several values to take", scim.text);
            return refuse(text, "`many` and `rest` are for multi-valued attributes", d);
        }
        if many && !simple && scim.place.sub.is_none() {
            let text = format!("`{}` does not say which part of each element", scim.text);
            return refuse(text, "add the sub-attribute, such as `.value`", d);
        }
        if many && target.place.element.is_some() {
            let text = "several values cannot go into one element".to_owned();
            d.push(error(self.source, target.span, text, None));
            return None;
        }
        if rest && scim.place.element.is_some() {
            let text = "`rest` takes the elements that no other line means".to_owned();
            return refuse(text, "leave the filter out", d);
        }
        let complex = part.kind == DataType::Complex;
        if complex && self.rule.entry.ldap.is_some() {
            let text = format!(
                "`{}` has parts, and an attribute of an entry has none",
                scim.text
            );
            return refuse(text, "map a part of it, such as `….value`", d);
        }
        let chain = self.chain(scim, part, complex, d);
        let class = self.class(scim, whole, many, &chain);
        let touch = Touch {
            scim: vec![scim.place.clone()],
            target: vec![target.place.clone()],
            constants: self.element(whole),
            many,
            class,
        };
        self.constants(scim, whole, d);
        let clears = self.direction == Direction::Both;
        let what = self.what(scim, target, many, complex);
        if many {
            let except = if rest {
                self.other_terms(&scim.place)
            } else {
                Vec::new()
            };
            let place = scim.place.clone();
            let target = target.place.clone();
            let values = Values::new(touch, place, except, target, chain, (clears, self.side()));
            return Some((Box::new(values), what));
        }
        let later = self.rule.lines.get(self.index + 1..).unwrap_or_default();
        let overlaps = |mine: &Place, theirs: &Option<Spot>| {
            theirs
                .as_ref()
                .is_some_and(|spot| spot.place.overlaps(mine))
        };
        let keep_scim = later.iter().any(|line| overlaps(&scim.place, &line.scim));
        let keep_target = later.iter().any(|line| {
            overlaps(&target.place, &line.target) || overlaps(&target.place, &line.ldap.domain)
        });
        let moved = Moved::new(
            touch,
            scim.place.clone(),
            target.place.clone(),
            chain,
            (keep_scim, keep_target),
            clears,
        );
        Some((Box::new(moved), what))
    }

    fn join(
        &self,
        target: &Spot,
        parts: &[Spot],
        d: &mut Diagnostics,
    ) -> Option<(Box<dyn Kind>, &'static str)> {
        for spot in parts {
            let (whole, part) = self.attribute(&spot.place)?;
            let several = whole.multi_valued && spot.place.element.is_none();
            if part.kind == DataType::Complex || several {
                let text = format!("`{}` is not one text that could be joined", spot.text);
                d.push(error(self.source, spot.span, text, None));
                return None;
            }
            if is_secret(spot.place.name.as_str()) {
                let text = format!("`{}` is a secret: nothing is computed from it", spot.text);
                d.push(error(self.source, spot.span, text, None));
                return None;
            }
        }
        let with = self.line.with.as_ref().map_or(" ", |(with, _)| with);
        let touch = Touch {
            scim: parts.iter().map(|spot| spot.place.clone()).collect(),
            target: vec![target.place.clone()],
            constants: Vec::new(),
            many: false,
            class: Class::OneWay,
        };
        let join = Join::new(touch, target.place.clone(), with.to_owned());
        Some((Box::new(join), "join"))
    }

    fn written(&self, target: &Spot, value: &Value) -> (Box<dyn Kind>, &'static str) {
        let touch = Touch {
            scim: Vec::new(),
            target: vec![target.place.clone()],
            constants: Vec::new(),
            many: false,
            class: Class::OneWay,
        };
        let value = match self.rule.entry.ldap {
            Some(_) => AsText::plain(value),
            None => value.clone(),
        };
        let constant = Constant::new(touch, value, true);
        (Box::new(constant), "constant")
    }

    fn read(
        &self,
        scim: &Spot,
        value: &Value,
        d: &mut Diagnostics,
    ) -> Option<(Box<dyn Kind>, &'static str)> {
        let (whole, part) = self.attribute(&scim.place)?;
        let fits = Shape::of(part.kind).is_some_and(|shape| shape.put(value.clone()).is_ok());
        let several = whole.multi_valued && scim.place.element.is_none();
        if !fits || several {
            let text = format!("`{}` is not a value of `{}`", shown(value), scim.text);
            d.push(error(self.source, scim.span, text, None));
            return None;
        }
        let touch = Touch {
            scim: vec![scim.place.clone()],
            target: Vec::new(),
            constants: self.line.element.clone(),
            many: false,
            class: Class::OneWay,
        };
        let constant = Constant::new(touch, value.clone(), part.case_exact);
        Some((Box::new(constant), "constant"))
    }

    fn class(&self, scim: &Spot, whole: &Attribute, many: bool, chain: &Chain) -> Class {
        if matches!(self.direction, Direction::Read | Direction::Write) {
            return Class::OneWay;
        }
        let class = chain.class();
        let parted = whole.kind == DataType::Complex
            && whole.multi_valued
            && scim.place.sub.is_some()
            && (many || scim.place.element.is_some());
        if !parted {
            return class;
        }
        let lost = self.lost(&scim.place, whole);
        if lost.is_empty() {
            class
        } else {
            class.and(Class::Lossy(lost.join(", ")))
        }
    }

    /// The sub-attributes that a client may send with an element and does not get back.
    fn lost(&self, place: &Place, whole: &Attribute) -> Vec<String> {
        let refers = self.line.ldap.reference.is_some();
        let kept = |name: &AttrName| {
            name.is("$ref")
                || (refers && name.is("type"))
                || place
                    .element
                    .as_ref()
                    .is_some_and(|t| t.get(name).is_some())
                || self.rule.lines.iter().any(|line| {
                    line.scim.as_ref().is_some_and(|other| {
                        let same_element = match (&other.place.element, &place.element) {
                            (Some(a), Some(b)) => a.same(b),
                            (None, None) => true,
                            _ => false,
                        };
                        other.place.is_beside(place.uri.as_ref(), &place.name)
                            && same_element
                            && (other.place.sub.as_ref() == Some(name)
                                || line.element.iter().any(|(n, _)| n == name))
                    })
                })
        };
        whole
            .sub_attributes
            .iter()
            .filter(|sub| sub.mutability != Mutability::ReadOnly && !kept(&sub.name))
            .map(|sub| sub.name.to_string())
            .collect()
    }

    fn constants(&self, scim: &Spot, whole: &Attribute, d: &mut Diagnostics) {
        for (name, value) in &self.line.element {
            let known = whole.sub(name);
            let fits = known
                .and_then(|sub| Shape::of(sub.kind))
                .is_some_and(|shape| shape.put(value.clone()).is_ok());
            let text = if known.is_none() || !whole.multi_valued {
                format!("`{}` has no sub-attribute `{name}` to fix", whole.name)
            } else if !fits {
                format!(
                    "`{}` is not a value of `{}.{name}`",
                    shown(value),
                    whole.name
                )
            } else if scim.place.sub.as_ref() == Some(name) {
                format!("`{name}` is what the line maps")
            } else {
                continue;
            };
            d.push(error(self.source, scim.span, text, None));
        }
    }

    fn other_terms(&self, place: &Place) -> Vec<Terms> {
        self.rule
            .lines
            .iter()
            .filter_map(|line| line.scim.as_ref())
            .filter(|spot| spot.place.is_beside(place.uri.as_ref(), &place.name))
            .filter_map(|spot| spot.place.element.clone())
            .collect()
    }

    fn what(&self, scim: &Spot, target: &Spot, many: bool, complex: bool) -> &'static str {
        let line = self.line;
        if secret(line) {
            "secret"
        } else if line.ldap.reference.is_some() {
            "reference"
        } else if line.swap.is_some() {
            "domain swap"
        } else if line
            .form
            .is_some_and(|(form, _)| TimeForm::of(form).is_some())
        {
            "time"
        } else if matches!(line.form, Some((Form::Guid, _))) {
            "binary id"
        } else if line.values.is_some() {
            "value table"
        } else if line.prefix.is_some() || !line.suffix.is_empty() {
            "affix"
        } else if many {
            "values"
        } else if scim.place.element.is_some() || target.place.element.is_some() {
            "element"
        } else if complex {
            "whole"
        } else if scim.place.path() == target.place.path() {
            "same"
        } else {
            "rename"
        }
    }
}

/// How the sides of a line are shown.
fn spelled(line: &LineRule) -> (String, String) {
    let constant = || {
        let constant = line.constant.as_ref();
        constant.map_or(String::new(), |(value, _)| shown(value))
    };
    let scim = match (&line.scim, &line.join, &line.ldap.from) {
        (Some(spot), _, _) | (None, None, Some(spot)) => spot.text.clone(),
        (None, Some((parts, _)), _) => {
            let parts: Vec<_> = parts.iter().map(|spot| spot.text.as_str()).collect();
            parts.join(" + ")
        }
        (None, None, None) => match (&line.ldap.allocate, line.ldap.random) {
            (Some((next, _)), _) => format!("(next of {}-{})", next.low, next.high),
            (None, Some(_)) => "(random)".to_owned(),
            (None, None) => constant(),
        },
    };
    let target = match (&line.target, &line.ldap.inverse) {
        (Some(spot), _) => spot.text.clone(),
        (None, Some((ty, name, _))) => format!("inverse {ty}.{name}"),
        (None, None) => constant(),
    };
    (scim, target)
}
