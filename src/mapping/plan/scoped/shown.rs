//! Answers show what the account may see.

use super::{is_common, share, written_out};
use crate::auth::{Set, Share};
use crate::scim::json::{Members, Node, Sort};

/// Leaves of a resource what may be seen.
pub(in crate::mapping::plan) fn show_only(set: &Set, resource: &mut Members<'_>) {
    let mut gone: Vec<String> = Vec::new();
    resource.retain(|key, value| {
        if !key.contains(':') {
            return is_common(key) || show_one(set, None, key, value);
        }
        let shown = match set.schema(key) {
            Share::Whole => true,
            Share::None => false,
            Share::Part => value.object().is_some_and(|inner| {
                inner.retain(|name, value| show_one(set, Some(key), name, value));
                !inner.is_empty()
            }),
        };
        let shown = shown
            && written_out(set, key)
                .is_none_or(|(uri, name)| show_one(set, Some(uri), name, value));
        if !shown {
            gone.push(key.to_ascii_lowercase());
        }
        shown
    });
    // That a resource has an extension is told by `schemas` as well.
    if !gone.is_empty()
        && let Some(schemas) = resource.find_mut("schemas").and_then(Node::array)
    {
        schemas.retain(|uri| {
            let text = uri.as_str().unwrap_or_default().to_ascii_lowercase();
            !gone.contains(&text)
        });
    }
}

/// Whether anything of an attribute is left.
fn show_one(set: &Set, uri: Option<&str>, name: &str, value: &mut Node<'_>) -> bool {
    match share(set, uri, name) {
        Share::Whole => return true,
        Share::None => return false,
        Share::Part => {}
    }
    let mut parts = |element: &mut Members<'_>| {
        element.retain(|sub, _| set.part(uri, name, sub));
        !element.is_empty()
    };
    match value.sort() {
        Sort::Object => value.object().is_some_and(parts),
        Sort::Array => value.array().is_some_and(|items| {
            let plain = set.part(uri, name, "value");
            items.retain_mut(|item| item.object().map_or(plain, &mut parts));
            !items.is_empty()
        }),
        _ => set.part(uri, name, "value"),
    }
}
