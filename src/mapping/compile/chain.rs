//! The transforms of a line, in their order: from the client's value to the directory's.

use serde_json::Value;

use super::build::Builder;
use super::{error, shown, table};
use crate::ldap::layout::Flavor;
use crate::mapping::ruleset::{Direction, Form, Spot};
use crate::mapping::transform::absence::Absence;
use crate::mapping::transform::affix::Affix;
use crate::mapping::transform::guid::AsGuid;
use crate::mapping::transform::number::AsNumber;
use crate::mapping::transform::reference::Pointer;
use crate::mapping::transform::shape::Shape;
use crate::mapping::transform::swap::Swap;
use crate::mapping::transform::text::AsText;
use crate::mapping::transform::time::{Time, TimeForm};
use crate::mapping::transform::{Chain, Transform};
use crate::scim::schema::{Attribute, Kind as DataType};
use crate::scim::value::same;
use crate::yaml::Diagnostics;

impl Builder<'_> {
    /// The transforms of the line, the client's side first.
    pub(super) fn chain(
        &self,
        scim: &Spot,
        part: &Attribute,
        complex: bool,
        d: &mut Diagnostics,
    ) -> Chain {
        let line = self.line;
        let mut steps: Vec<Box<dyn Transform>> = Vec::new();
        let affixed = line.prefix.is_some() || !line.suffix.is_empty() || line.swap.is_some();
        let transforms = affixed
            || line.values.is_some()
            || line.form.is_some()
            || line.ldap.reference.is_some();
        let mut refuse = |text: String, help: Option<&str>| {
            d.push(error(self.source, scim.span, text, help.map(str::to_owned)));
        };
        if complex {
            if transforms || line.default.is_some() {
                let help = "map a part of it to change its values";
                refuse(format!("`{}` is moved as a whole", scim.text), Some(help));
            }
            return Chain::default();
        }
        let form = line.form.map(|(form, _)| form);
        let in_ldap = self.rule.entry.ldap.as_deref();
        let text_like = matches!(part.kind, DataType::String | DataType::Reference);
        let timed = form.is_some_and(|form| TimeForm::of(form).is_some());
        if (affixed || (form.is_some() && !timed)) && !text_like {
            refuse(format!("`{}` is not a string", scim.text), None);
        }
        if timed && !text_like && part.kind != DataType::DateTime {
            refuse(format!("`{}` is not a time", scim.text), None);
        }
        if in_ldap.is_some() && form == Some(Form::Number) {
            let help = "leave `as` out";
            refuse("every value of an entry is text".to_owned(), Some(help));
        }
        if line.ldap.reference.is_some() {
            if !text_like {
                refuse(format!("`{}` is not a reference", scim.text), None);
            }
            let changed = affixed || line.values.is_some() || form.is_some();
            if changed || line.default.is_some() {
                let text = "a reference is an id, and nothing changes it".to_owned();
                let help = "leave `values`, `prefix`, `suffix`, `swap`, `as` and `default` out";
                refuse(text, Some(help));
            }
        }
        if line.swap.is_some() && (line.prefix.is_some() || !line.suffix.is_empty()) {
            refuse("`swap` excludes `prefix` and `suffix`".to_owned(), None);
        }
        self.suffixes(scim, d);
        if let Some(mut table) = table::table(self.source, line, &scim.text, part, d) {
            if affixed || form.is_some() {
                let text =
                    "a value table says everything: no `prefix`, `suffix` or `as`".to_owned();
                d.push(error(self.source, line.span, text, None));
            }
            if in_ldap.is_some() {
                table.texts = true;
                for target in table.rows.iter_mut().flat_map(|row| &mut row.targets) {
                    *target = AsText::plain(target);
                }
            }
            steps.push(Box::new(table));
        } else {
            steps.extend(Shape::of(part.kind).map(|s| Box::new(s) as Box<dyn Transform>));
            if in_ldap.is_some() {
                steps.push(Box::new(AsText(part.kind)));
            }
        }
        if let Some((rows, _)) = &line.swap {
            steps.push(Box::new(Swap {
                rows: rows.clone(),
                case_exact: part.case_exact,
            }));
        } else if affixed {
            let mut suffixes = line.suffix.iter().cloned();
            steps.push(Box::new(Affix {
                prefix: line.prefix.clone().unwrap_or_default(),
                suffix: suffixes.next().unwrap_or_default(),
                others: suffixes.collect(),
                case_exact: part.case_exact,
            }));
        }
        steps.extend(self.spelling(part));
        if line.ldap.reference.is_some() {
            steps.push(Box::new(Pointer));
        }
        if let Some((value, span)) = &line.default {
            let inside = self.inside(value);
            if inside == Some(true) {
                let text = format!(
                    "`{}` is a real value of the directory, so it cannot stand for none",
                    shown(value)
                );
                d.push(error(self.source, *span, text, None));
            }
            let value = match in_ldap {
                Some(_) => AsText::plain(value),
                None => value.clone(),
            };
            steps.push(Box::new(Absence {
                value,
                outside: inside == Some(false),
            }));
        }
        Chain(steps)
    }

    /// How the directory spells the value: `as`, or what its kind is in entries.
    fn spelling(&self, part: &Attribute) -> Option<Box<dyn Transform>> {
        let in_ldap = self.rule.entry.ldap.as_deref();
        let form = match self.line.form {
            Some((form, _)) => form,
            None if in_ldap.is_some()
                && part.kind == DataType::DateTime
                && self.line.values.is_none() =>
            {
                Form::GeneralizedTime
            }
            None => return None,
        };
        Some(match (form, TimeForm::of(form)) {
            (_, Some(form)) => Box::new(Time {
                form,
                fraction: in_ldap.is_some_and(|own| own.flavor == Flavor::ActiveDirectory),
            }),
            (Form::Guid, None) => Box::new(AsGuid),
            (_, None) => Box::new(AsNumber),
        })
    }

    /// Several suffixes leave open which one a value of the directory had.
    fn suffixes(&self, scim: &Spot, d: &mut Diagnostics) {
        if self.line.suffix.len() > 1 && self.direction != Direction::Write {
            let text = format!(
                "nothing tells which of the suffixes a `{}` of the directory has",
                scim.text
            );
            let help = "`domain: …` names an attribute that keeps it, or `direction: write` only \
                        writes"
                .to_owned();
            d.push(error(self.source, scim.span, text, Some(help)));
        }
    }

    /// Whether a value of the directory can be a real one; `None` when that cannot be told.
    fn inside(&self, value: &Value) -> Option<bool> {
        if let Some((rows, _)) = &self.line.values {
            let mut targets = rows.iter().flat_map(|(_, _, targets)| targets);
            return Some(targets.any(|target| same(target, value)));
        }
        if matches!(self.line.form, Some((Form::Number, _))) {
            return Some(value.is_number() || AsNumber::read(value).is_some());
        }
        let (_, part) = self.attribute(&self.line.scim.as_ref()?.place)?;
        if self.rule.entry.ldap.is_some() {
            let real = AsText(part.kind).get(AsText::plain(value)).is_ok();
            let open = matches!(part.kind, DataType::String | DataType::Reference);
            return (!open).then_some(real);
        }
        match part.kind {
            DataType::Boolean => Some(value.is_boolean()),
            DataType::Integer | DataType::Decimal => Some(value.is_number()),
            _ if value.is_string() => None,
            _ => Some(false),
        }
    }
}
