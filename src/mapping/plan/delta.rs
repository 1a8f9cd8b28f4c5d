//! Writes to LDAP entries: what changes, attribute by attribute and value by value, so that what
//! others write at the same time stays. The forms are told in [`crate::ldap`].

use std::collections::HashSet;

use serde_json::Value;

use crate::mapping::compile::Type;
use crate::mapping::place::{find, is_absent};
use crate::scim::patch::{Change, PatchOp};
use crate::scim::{AttrName, PatchPath, Resource};

/// The changes that make `new` of `old`; an attribute whose lines remember what is there is
/// changed by taking the old value away, which fails where it is another by now.
pub(super) fn between(ty: &Type, old: &Resource, new: &Resource) -> Vec<Change> {
    let mut changes = Vec::new();
    let empty = Value::Null;
    let gone = old
        .as_map()
        .keys()
        .filter(|key| find(new.as_map(), key).is_none());
    for name in new.as_map().keys().chain(gone) {
        let Ok(attribute) = name.parse::<AttrName>() else {
            continue;
        };
        let computed = ["meta", "schemas"].iter().any(|own| attribute.is(own));
        if computed || attribute == ty.entry.id || ty.entry.stamps().any(|own| *own == attribute) {
            continue;
        }
        let was = find(old.as_map(), name).unwrap_or(&empty);
        let is = find(new.as_map(), name).unwrap_or(&empty);
        let lines = ty.lines.iter().filter(|line| {
            let mut targets = line.kind.touches().target.iter();
            targets.any(|place| place.name == attribute)
        });
        let (mut many, mut remembers) = (false, false);
        for line in lines {
            many |= line.kind.touches().many;
            remembers |= line.kind.remembers();
        }
        let mut push = |op, value| {
            changes.push(Change {
                op,
                path: whole(&attribute),
                value,
            });
        };
        let (was, is) = (values(was), values(is));
        if was == is {
            continue;
        }
        if many || remembers {
            let missing = |from: &[Value], of: &[Value]| -> Vec<Value> {
                let there: HashSet<&str> = of.iter().filter_map(Value::as_str).collect();
                let lacks = |value: &&Value| value.as_str().is_none_or(|v| !there.contains(v));
                from.iter().filter(lacks).cloned().collect()
            };
            for (op, values) in [
                (PatchOp::Remove, missing(&was, &is)),
                (PatchOp::Add, missing(&is, &was)),
            ] {
                if !values.is_empty() {
                    push(op, Some(Value::Array(values)));
                }
            }
            continue;
        }
        match is.as_slice() {
            [] => push(PatchOp::Remove, None),
            [one] => push(PatchOp::Replace, Some(one.clone())),
            _ => push(PatchOp::Replace, Some(Value::Array(is))),
        }
    }
    changes
}

/// Changes that were translated without the present resource, in the forms that a driver of this
/// kind takes.
pub(super) fn tidy(changes: &mut [Change]) {
    for change in changes {
        if change.op == PatchOp::Add && change.value.as_ref().is_some_and(|value| !value.is_array())
        {
            change.op = PatchOp::Replace;
        }
    }
}

/// The values of an attribute; of references the ids.
fn values(value: &Value) -> Vec<Value> {
    let items = match value {
        Value::Array(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    let plain = |item: &Value| match item {
        Value::Object(element) => find(element, "value").cloned().unwrap_or_default(),
        other => other.clone(),
    };
    items
        .iter()
        .map(plain)
        .filter(|value| !is_absent(value))
        .collect()
}

fn whole(name: &AttrName) -> PatchPath {
    PatchPath::Attribute {
        uri: None,
        name: name.clone(),
        filter: None,
        sub: None,
    }
}
