//! What a tenant can truly hold: the schema that discovery tells, with the mutability that the
//! rule's lines give.

use std::sync::Arc;

use serde_json::Value;

use crate::scim::schema::{Attribute, Kind, Mutability, Returned, Schema, TypeSchema, Uniqueness};
use crate::scim::{AttrName, AttrPath, SchemaUri};

use super::Line;
use crate::mapping::ruleset::{Direction, TypeRule, Unmapped};

/// The schema of a type, reduced to its lines (unless everything passes) and told by them.
pub(super) fn schema(rule: &TypeRule, lines: &[Line]) -> TypeSchema {
    let mut held = if rule.unmapped == Unmapped::Pass {
        rule.schema.clone()
    } else {
        rule.schema.reduced(|path| is_held(rule, lines, path))
    };
    let tell = |schema: &Arc<Schema>, uri: Option<&SchemaUri>| {
        let mut schema = Schema::clone(schema);
        for attribute in &mut schema.attributes {
            told(attribute, uri, lines, rule.unmapped);
        }
        Arc::new(schema)
    };
    held.base = tell(&held.base, None);
    held.extensions = held
        .extensions
        .iter()
        .map(|extension| tell(extension, Some(&extension.id)))
        .collect();
    held
}

fn is_held(rule: &TypeRule, lines: &[Line], path: &AttrPath) -> bool {
    lines.iter().any(|line| {
        let Some(place) = &line.scim else {
            return false;
        };
        if !place.is_beside(path.uri.as_ref(), &path.name) {
            return false;
        }
        let Some(sub) = &path.sub else { return true };
        let Some(own) = &place.sub else { return true };
        let touch = line.kind.touches();
        let fixed = touch.constants.iter().any(|(name, _)| name == sub)
            || place.element.as_ref().is_some_and(|t| t.get(sub).is_some());
        let reference = sub.is("$ref")
            && own.is("value")
            && rule
                .schema
                .find_attribute(path)
                .is_some_and(|a| a.sub_attributes.iter().any(|s| s.name.is("$ref")));
        let told = touch.many && line.refers && (sub.is("type") || sub.is("display"));
        own == sub || fixed || reference || told
    })
}

fn told(attribute: &mut Attribute, uri: Option<&SchemaUri>, lines: &[Line], unmapped: Unmapped) {
    let own = |line: &&Line| {
        line.scim
            .as_ref()
            .is_some_and(|place| place.is_beside(uri, &attribute.name))
    };
    let mine: Vec<&Line> = lines.iter().filter(own).collect();
    if mine.is_empty() {
        return;
    }
    for line in &mine {
        let Some(place) = &line.scim else { continue };
        let part = match &place.sub {
            None => &mut *attribute,
            Some(sub) => match attribute.sub_attributes.iter_mut().find(|s| s.name == *sub) {
                Some(sub) => sub,
                None => continue,
            },
        };
        apply(part, line, place.element.is_some());
        // Whoever must send a part must send the whole.
        if line.required && place.element.is_none() {
            attribute.required = true;
        }
    }
    if unmapped != Unmapped::Pass {
        fix(attribute, &mine);
    }
    let subs = &attribute.sub_attributes;
    if attribute.kind == Kind::Complex && !subs.is_empty() {
        let all = |m: Mutability| subs.iter().all(|sub| sub.mutability == m);
        if mine.iter().all(|line| line.direction == Direction::Read) || all(Mutability::ReadOnly) {
            attribute.mutability = Mutability::ReadOnly;
        } else if mine.iter().all(|line| line.direction == Direction::Create) {
            attribute.mutability = Mutability::Immutable;
        }
    }
}

fn apply(part: &mut Attribute, line: &Line, in_element: bool) {
    match line.direction {
        Direction::Both => {}
        Direction::Read => part.mutability = Mutability::ReadOnly,
        Direction::Create => part.mutability = Mutability::Immutable,
        Direction::Write => {
            part.mutability = Mutability::WriteOnly;
            part.returned = Returned::Never;
        }
    }
    if line.required && !in_element {
        part.required = true;
    }
    if line.unique {
        part.uniqueness = Uniqueness::Server;
    }
    if part.kind == Kind::String && !line.canonical.is_empty() {
        part.canonical_values.clone_from(&line.canonical);
    }
}

/// Sub-attributes that lines fix have these values only.
fn fix(attribute: &mut Attribute, mine: &[&Line]) {
    let fixed_everywhere = |name: &AttrName| -> Option<Vec<String>> {
        let mut values: Vec<String> = Vec::new();
        for line in mine {
            let place = line.scim.as_ref()?;
            place.sub.as_ref()?;
            let touch = line.kind.touches();
            let value = place
                .element
                .as_ref()
                .and_then(|terms| terms.get(name))
                .or_else(|| {
                    touch
                        .constants
                        .iter()
                        .find(|(n, _)| n == name)
                        .map(|(_, v)| v)
                })?;
            if let Value::String(text) = value
                && !values.contains(text)
            {
                values.push(text.clone());
            }
        }
        Some(values)
    };
    for sub in &mut attribute.sub_attributes {
        if let Some(values) = fixed_everywhere(&sub.name)
            && sub.kind == Kind::String
        {
            sub.canonical_values = values;
        }
    }
}
