//! The kinds of line that only LDAP directories have.

use serde_json::Value;

use super::build::Builder;
use super::{Share, error};
use crate::ldap::made::{Candidates, NOT_IN_ACCOUNT_NAMES, OnCollision};
use crate::mapping::kind::bit::Bit;
use crate::mapping::kind::domain::Domain;
use crate::mapping::kind::made::Made;
use crate::mapping::kind::marker::Marker;
use crate::mapping::kind::values::{Side, Values};
use crate::mapping::kind::{Class, Kind, Touch};
use crate::mapping::place::{Place, value_name};
use crate::mapping::ruleset::{Direction, LineRule, Spot};
use crate::mapping::transform::Chain;
use crate::mapping::transform::reference::Pointer;
use crate::scim::AttrName;
use crate::scim::schema::{Attribute, Kind as DataType};
use crate::yaml::{Diagnostics, Span};

/// A kind and its word; `None` where the line has a mistake.
type Built = Option<(Box<dyn Kind>, &'static str)>;

/// Whether another line may write the same attribute.
pub(super) fn share(line: &LineRule) -> Share {
    match (line.ldap.bit, line.ldap.random) {
        (Some((mask, _)), _) => Share::Bit(mask),
        (None, Some(_)) => Share::Fallback,
        (None, None) => Share::Nothing,
    }
}

/// The SCIM attribute of a line; that of an inverse reference is the ids in it.
pub(super) fn scim(line: &LineRule) -> Option<Place> {
    let mut place = line.scim.as_ref()?.place.clone();
    if line.ldap.inverse.is_some() {
        place.sub = Some(value_name());
    }
    Some(place)
}

/// The candidates of a value that is made `from` another.
pub(super) fn candidates(line: &LineRule, target: &AttrName) -> Candidates {
    let own = &line.ldap;
    let account = target.is("sAMAccountName");
    Candidates {
        prefix: line.prefix.clone().unwrap_or_default(),
        until: own.until.map(|(sign, _)| sign),
        without: if account { NOT_IN_ACCOUNT_NAMES } else { "" },
        max: own.max.map(|(max, _)| max),
        on_collision: own
            .on_collision
            .map_or(OnCollision::Refuse, |(what, _)| what),
    }
}

/// The target of a line; that of an inverse reference stands for what is in no entry.
pub(super) fn target(line: &LineRule) -> Option<Place> {
    match (&line.target, &line.ldap.inverse, &line.scim) {
        (Some(spot), _, _) => Some(spot.place.clone()),
        (None, Some(_), Some(scim)) => Some(Place::of(virtual_name(&scim.place)?)),
        (None, _, _) => None,
    }
}

/// `$groups` for `groups`: a name that no attribute of an entry has.
pub(super) fn virtual_name(scim: &Place) -> Option<AttrName> {
    format!("${}", scim.name).parse().ok()
}

impl Builder<'_> {
    /// What the line is, if it is of a kind that only LDAP directories have.
    pub(super) fn of_ldap(&self, d: &mut Diagnostics) -> Option<Built> {
        let (line, own) = (self.line, &self.line.ldap);
        let makers = [
            own.allocate.is_some(),
            own.from.is_some(),
            own.random.is_some(),
        ];
        if makers.contains(&true) {
            return Some(self.made(d));
        }
        if let Some((_, _, span)) = &own.inverse {
            return Some(self.inverse(*span, d));
        }
        let (Some(scim), Some(target)) = (&line.scim, &line.target) else {
            let alone = [
                ("bit", own.bit.map(|(_, span)| span)),
                ("marker", own.marker.as_ref().map(|(_, span)| *span)),
            ];
            for (key, span) in alone {
                if let Some(span) = span {
                    let text = format!("`{key}` needs `scim` and `target`");
                    d.push(error(self.source, span, text, None));
                    return Some(None);
                }
            }
            return None;
        };
        match (&own.bit, &own.marker, &own.domain) {
            (Some((_, span)), Some(_), _) => {
                let text = "`bit` and `marker` exclude each other".to_owned();
                d.push(error(self.source, *span, text, None));
                Some(None)
            }
            (Some((mask, span)), None, _) => Some(self.bit((scim, target), *mask, *span, d)),
            (None, Some((marker, span)), _) => Some(self.marker((scim, target), marker, *span, d)),
            (None, None, Some(domain)) if line.suffix.len() > 1 => {
                Some(self.domain((scim, target), domain, d))
            }
            (None, None, _) => None,
        }
    }

    /// What a reference's elements have beside their id, and what the line fixes.
    pub(super) fn element(&self, whole: &Attribute) -> Vec<(AttrName, Value)> {
        let mut constants = self.line.element.clone();
        let ty = AttrName::known("type");
        let said = constants.iter().any(|(name, _)| *name == ty);
        if let Some((reference, _)) = &self.line.ldap.reference
            && let [(only, _)] = reference.to.as_slice()
            && whole.multi_valued
            && whole.sub(&ty).is_some()
            && !said
        {
            constants.push((ty, only.as_str().into()));
        }
        constants
    }

    /// What the directory of the line can do.
    pub(super) fn side(&self) -> Side {
        Side {
            deltas: self.rule.entry.ldap.is_some(),
            objects: self.line.ldap.reference.is_some(),
        }
    }

    fn touch(&self, scim: &Spot, targets: Vec<Place>, class: Class) -> Touch {
        let one_way = matches!(self.direction, Direction::Read | Direction::Write);
        Touch {
            scim: vec![scim.place.clone()],
            target: targets,
            constants: Vec::new(),
            many: false,
            class: if one_way { Class::OneWay } else { class },
        }
    }

    /// The line's SCIM attribute, which must be one boolean.
    fn boolean(&self, scim: &Spot, key: &str, span: Span, d: &mut Diagnostics) -> Option<()> {
        let (whole, part) = self.attribute(&scim.place)?;
        if part.kind == DataType::Boolean && !whole.multi_valued {
            return Some(());
        }
        let text = format!(
            "`{key}` is for `true` and `false`, and `{}` is neither",
            scim.text
        );
        d.push(error(self.source, span, text, None));
        None
    }

    fn bit(
        &self,
        (scim, target): (&Spot, &Spot),
        mask: u32,
        span: Span,
        d: &mut Diagnostics,
    ) -> Built {
        self.boolean(scim, "bit", span, d)?;
        let start = match &self.line.default {
            None => 0,
            Some((value, span)) => {
                let number = value
                    .as_i64()
                    .filter(|n| (i64::from(i32::MIN)..=i64::from(u32::MAX)).contains(n));
                if number.is_none() {
                    let text = "`default` of a bit is the number that the others are of".to_owned();
                    let help = "such as 512 for `userAccountControl`".to_owned();
                    d.push(error(self.source, *span, text, Some(help)));
                }
                number?
            }
        };
        let inverted = self.line.ldap.inverted.is_some_and(|(on, _)| on);
        let touch = self.touch(scim, vec![target.place.clone()], Class::Lossless);
        let places = (scim.place.clone(), target.place.clone());
        Some((
            Box::new(Bit::new(touch, places, (mask, inverted), start)),
            "bit flag",
        ))
    }

    fn marker(
        &self,
        (scim, target): (&Spot, &Spot),
        marker: &str,
        span: Span,
        d: &mut Diagnostics,
    ) -> Built {
        self.boolean(scim, "marker", span, d)?;
        let means = self.line.ldap.means.as_ref();
        let Some(means) = means.and_then(|(value, _)| value.as_bool()) else {
            let text = "`marker` needs `means: true` or `means: false`".to_owned();
            d.push(error(self.source, span, text, None));
            return None;
        };
        let touch = self.touch(scim, vec![target.place.clone()], Class::Canonical);
        let places = (scim.place.clone(), target.place.clone());
        let marker = Marker::new(touch, places, marker.to_owned(), means);
        Some((Box::new(marker), "marker"))
    }

    fn domain(&self, (scim, target): (&Spot, &Spot), domain: &Spot, d: &mut Diagnostics) -> Built {
        let (whole, part) = self.attribute(&scim.place)?;
        let odd = self.line.prefix.is_some()
            || self.line.swap.is_some()
            || self.line.values.is_some()
            || self.line.form.is_some()
            || self.line.default.is_some();
        if part.kind != DataType::String || whole.multi_valued || odd {
            let text = format!(
                "`domain` takes `{}` apart as one string, by `suffix` only",
                scim.text
            );
            d.push(error(self.source, domain.span, text, None));
            return None;
        }
        let like = |a: &str, b: &str| a.to_lowercase().ends_with(&b.to_lowercase());
        let suffixes = &self.line.suffix;
        for (index, suffix) in suffixes.iter().enumerate() {
            let others = suffixes
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != index);
            if others.into_iter().any(|(_, other)| like(other, suffix)) {
                let text = format!("another suffix ends like `{suffix}`");
                d.push(error(self.source, scim.span, text, None));
                return None;
            }
        }
        let places = (target.place.clone(), domain.place.clone());
        let touch = self.touch(
            scim,
            vec![places.0.clone(), places.1.clone()],
            Class::Lossless,
        );
        let kind = Domain::new(
            touch,
            scim.place.clone(),
            places,
            suffixes.clone(),
            (part.case_exact, self.direction == Direction::Both),
        );
        Some((Box::new(kind), "name and domain"))
    }

    fn made(&self, d: &mut Diagnostics) -> Built {
        let (line, own) = (self.line, &self.line.ldap);
        let refuse = |span, text: &str, d: &mut Diagnostics| {
            d.push(error(self.source, span, text.to_owned(), None));
            None
        };
        let several = [
            own.allocate.is_some(),
            own.from.is_some(),
            own.random.is_some(),
        ];
        if several.iter().filter(|on| **on).count() > 1 {
            return refuse(
                line.span,
                "`allocate`, `from` and `random` exclude each other",
                d,
            );
        }
        let (Some(target), None) = (&line.target, &line.scim) else {
            let text = "a value that is made here has a `target` and no `scim`";
            return refuse(line.span, text, d);
        };
        let touch = Touch {
            scim: Vec::new(),
            target: vec![target.place.clone()],
            constants: Vec::new(),
            many: false,
            class: Class::OneWay,
        };
        let from = match &own.from {
            None => None,
            Some(from) => {
                let (whole, part) = self.attribute(&from.place)?;
                let several = whole.multi_valued && from.place.element.is_none();
                if part.kind != DataType::String || several {
                    return refuse(
                        from.span,
                        "this is not one text that a value could be made of",
                        d,
                    );
                }
                if super::is_secret(from.place.name.as_str()) {
                    return refuse(
                        from.span,
                        "this is a secret: nothing is computed from it",
                        d,
                    );
                }
                Some((from.place.clone(), candidates(line, &target.place.name)))
            }
        };
        let what = match (&own.allocate, &from) {
            (Some(_), _) => "allocated",
            (None, Some(_)) => "made",
            (None, None) => "random",
        };
        Some((Box::new(Made::new(touch, target.place.clone(), from)), what))
    }

    /// `{scim: groups, inverse: Group.members}`.
    fn inverse(&self, span: Span, d: &mut Diagnostics) -> Built {
        let refuse = |text: String, d: &mut Diagnostics| {
            d.push(error(self.source, span, text, None));
            None
        };
        let (Some(scim), None) = (&self.line.scim, &self.line.target) else {
            return refuse("`inverse` has a `scim` and no `target`".to_owned(), d);
        };
        let (whole, _) = self.attribute(&scim.place)?;
        let plain =
            scim.place.element.is_none() && scim.place.sub.as_ref().is_none_or(|s| s.is("value"));
        if !whole.multi_valued || whole.kind != DataType::Complex || !plain {
            let text = format!("`{}` is not a list of references", scim.text);
            return refuse(text, d);
        }
        let name = virtual_name(&scim.place)?;
        let mut place = scim.place.clone();
        place.sub = Some(value_name());
        let touch = Touch {
            scim: vec![place.clone()],
            target: vec![Place::of(name.clone())],
            constants: Vec::new(),
            many: true,
            class: Class::OneWay,
        };
        let chain = Chain(vec![Box::new(Pointer)]);
        let kind = Values::new(
            touch,
            place,
            Vec::new(),
            Place::of(name),
            chain,
            (
                false,
                Side {
                    deltas: false,
                    objects: true,
                },
            ),
        );
        Some((Box::new(kind), "inverse"))
    }
}
