//! What a write leaves alone: a PUT clears only what the account may see and change.

use std::borrow::Cow;

use serde_json::Value;

use super::{CHANGE, is_common};
use crate::auth::{Scope, Share};
use crate::mapping::compile::Type;
use crate::mapping::place::is_absent;
use crate::mapping::plan::MappingError;
use crate::scim::json::{Members, Node, Sort};
use crate::scim::{AttrPath, value};

/// The lines that a write is not about, by their place in the type: none of what they touch is the
/// account's, and the document says nothing of it. What they wrote stays as it is.
pub(in crate::mapping::plan) fn spared(
    ty: &Type,
    scope: &Scope,
    from: &mut Members<'_>,
    put: bool,
) -> Vec<bool> {
    if scope.is_whole() {
        return Vec::new();
    }
    let own = |path: &AttrPath| match (put, scope.writable()) {
        (true, Some(set)) if set.keeps(path) => Share::None,
        (true, _) => scope.own(path),
        (false, set) => set.map_or(Share::Whole, |set| set.path(path)),
    };
    ty.lines
        .iter()
        .map(|line| {
            let places = &line.kind.touches().scim;
            !places.is_empty()
                && places.iter().all(|place| {
                    own(&place.path()) == Share::None && !(put && place.peek(from).is_some())
                })
        })
        .collect()
}

/// Puts into the document of a PUT what the present resource has and the account could not have
/// meant to clear: it may clear only what it may see and change (decisions, 35).
pub(in crate::mapping::plan) fn keep<'a>(
    scope: &Scope,
    from: &mut Members<'a>,
    present: Members<'a>,
) -> Result<(), MappingError> {
    for (key, mut value) in present.into_members() {
        if is_common(&key) {
            continue;
        }
        match key.contains(':').then(|| value.object()).flatten() {
            Some(inner) => {
                let inner = std::mem::take(inner);
                for (name, value) in inner.into_members() {
                    let path = path(Some(&key), &name);
                    let whole = |p| scope.own(p) == Share::Whole && !keeps(scope, p);
                    if path.as_ref().is_some_and(whole) {
                        continue;
                    }
                    if let Some(home) = from.slot(key.clone()).make_object() {
                        keep_one(scope, home, path.as_ref(), name, value)?;
                    }
                }
            }
            None => {
                let path = path(None, &key);
                keep_one(scope, from, path.as_ref(), key, value)?;
            }
        }
    }
    Ok(())
}

fn keep_one<'a>(
    scope: &Scope,
    home: &mut Members<'a>,
    path: Option<&AttrPath>,
    name: Cow<'a, str>,
    mut present: Node<'a>,
) -> Result<(), MappingError> {
    let share = path.map_or(Share::None, |path| scope.own(path));
    let kept = path.is_some_and(|path| keeps(scope, path));
    let absent = home.find(&name).is_none_or(Node::is_absent);
    let part = |sub: &str| {
        Some(AttrPath {
            sub: Some(sub.parse().ok()?),
            ..path?.clone()
        })
    };
    let own = |sub: &str| part(sub).is_some_and(|part| scope.own(&part) == Share::Whole);
    let stays = |sub: &str| part(sub).is_some_and(|part| keeps(scope, &part));
    match (share, present.sort()) {
        (Share::Whole, Sort::Object) if kept => {
            // Of what may not be removed the parts stay that are not given.
            let parts = present.object().map(std::mem::take).unwrap_or_default();
            let Some(given) = home.slot(name).make_object() else {
                return Ok(());
            };
            for (sub, value) in parts.into_members() {
                if stays(&sub) && given.find(&sub).is_none_or(Node::is_absent) {
                    *given.slot(sub) = value;
                }
            }
        }
        (Share::Whole, _) if kept && absent => *home.slot(name) = present,
        (Share::Whole, _) => {}
        (Share::None, _) => {
            if absent {
                *home.slot(name) = present;
            }
        }
        (Share::Part, Sort::Object) => {
            let parts = present.object().map(std::mem::take).unwrap_or_default();
            let Some(own_parts) = home.slot(name).make_object() else {
                return Ok(());
            };
            for (sub, value) in parts.into_members() {
                if (!own(&sub) || stays(&sub)) && own_parts.find(&sub).is_none_or(Node::is_absent) {
                    *own_parts.slot(sub) = value;
                }
            }
        }
        (Share::Part, _) if absent => *home.slot(name) = present,
        (Share::Part, _) => {
            // Which element is which nobody can tell, so the list is taken as it was shown only.
            let mut shown = present.to_value();
            for item in shown.as_array_mut().into_iter().flatten() {
                if let Value::Object(element) = item {
                    element.retain(|sub, _| own(sub));
                }
            }
            if let Value::Array(items) = &mut shown {
                items.retain(|item| !is_absent(item));
            }
            // Where the account sees the rest, it is no secret that there is none.
            let seen = path.zip(scope.readable());
            let all = seen.is_none_or(|(path, set)| set.path(path) == Share::Whole);
            if all && shown == present.to_value() {
                return Ok(());
            }
            let given = home.find(&name).map(Node::to_value);
            if !given.is_some_and(|given| value::same(&given, &shown)) {
                let text = format!(
                    "the account may {CHANGE} only parts of `{name}`, so PUT cannot give it \
                     another list; use PATCH with a path"
                );
                return Err(MappingError::Forbidden(text));
            }
            *home.slot(name) = present;
        }
    }
    Ok(())
}

/// Whether the account may not remove it.
fn keeps(scope: &Scope, path: &AttrPath) -> bool {
    scope.writable().is_some_and(|set| set.keeps(path))
}

fn path(uri: Option<&str>, name: &str) -> Option<AttrPath> {
    Some(AttrPath {
        uri: match uri {
            Some(uri) => Some(uri.parse().ok()?),
            None => None,
        },
        name: name.parse().ok()?,
        sub: None,
    })
}
