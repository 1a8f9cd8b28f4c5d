//! Runs of changes that add or remove single values of one attribute, as clients send them for
//! members, joined into one change each: a thousand of them on a group of fifty thousand members
//! would otherwise walk the members a thousand times.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::{Change, PatchOp};
use crate::scim::filter::{CompareOp, Filter};
use crate::scim::path::{AttrPath, PatchPath};
use crate::scim::resource;
use crate::scim::schema::TypeSchema;

/// The changes, with runs joined. Applying these is applying those.
pub(super) fn joined<'a>(
    changes: &'a [Change],
    schema: &TypeSchema,
) -> impl Iterator<Item = Cow<'a, Change>> {
    let mut rest = changes;
    std::iter::from_fn(move || {
        let (first, mut tail) = rest.split_first()?;
        let Some((attr, mut values)) = delta(first, schema) else {
            rest = tail;
            return Some(Cow::Borrowed(first));
        };
        while let Some((next, after)) = tail.split_first()
            && next.op == first.op
            && let Some((other, more)) = delta(next, schema)
            && other == attr
        {
            values.extend(more);
            tail = after;
        }
        let alone = rest.len() == tail.len() + 1;
        rest = tail;
        Some(if alone {
            Cow::Borrowed(first)
        } else {
            Cow::Owned(Change {
                op: first.op,
                path: PatchPath::attribute(attr),
                value: Some(values.into()),
            })
        })
    })
}

/// The values that a change adds to or removes from a multi-valued attribute, where it does just
/// that.
fn delta(change: &Change, schema: &TypeSchema) -> Option<(AttrPath, Vec<Value>)> {
    let PatchPath::Attribute {
        uri,
        name,
        filter,
        sub: None,
    } = &change.path
    else {
        return None;
    };
    let attr = AttrPath {
        uri: uri.clone(),
        name: name.clone(),
        sub: None,
    };
    let known = schema.find_attribute(&attr)?;
    if !known.multi_valued {
        return None;
    }
    let values = match (change.op, filter, &change.value) {
        (PatchOp::Add | PatchOp::Remove, None, Some(Value::Array(values))) => values.clone(),
        (PatchOp::Remove, Some(Filter::Compare(term)), _)
            if term.op == CompareOp::Eq
                && term.path.name.is("value")
                && term.path.sub.is_none()
                && term.value.is_string()
                && !known.sub_attributes.is_empty() =>
        {
            vec![json!({ "value": term.value })]
        }
        _ => return None,
    };
    // Of two that become primary one after the other the later one wins; of two at once, none.
    let primary = |parts: &Map<String, Value>| resource::get(parts, "primary").is_some();
    let plain = !values.iter().filter_map(Value::as_object).any(primary);
    plain.then_some((attr, values))
}
