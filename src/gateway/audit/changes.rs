//! Which attributes a write names, in the client's words, and what of their values may be seen.

use serde_json::{Map, Value};

use super::Write;
use crate::audit::{Change, Shown, Trail};
use crate::config::Tenant;
use crate::mapping::{Discretion, Effect, Plan};
use crate::scim::operation::{Document, Verb, VerbKind};
use crate::scim::patch::{Change as PatchChange, PatchOp};
use crate::scim::{
    AttrName, AttrPath, Client, Operation, PatchPath, Resource, ResourceType, SchemaUri,
};

/// What the operation names.
pub(super) fn of(operation: &Operation<Client>, tenant: &Tenant, trail: &Trail) -> Vec<Change> {
    let eye = Eye {
        tenant,
        trail,
        resource: &operation.resource,
    };
    match &operation.verb {
        Verb::Create(document) | Verb::Replace(_, document) => eye.document(document),
        Verb::Patch(_, patch) => patch
            .changes
            .iter()
            .flat_map(|change| eye.patched(change))
            .collect(),
        Verb::Read(_) | Verb::List(_) | Verb::Delete(_) => Vec::new(),
    }
}

/// The same with what was before, where the present resource is known. Of a resource that is sent
/// whole, what does not change is left out.
pub(super) fn with(write: &Write, effect: &Effect, tenant: &Tenant, trail: &Trail) -> Vec<Change> {
    let eye = Eye {
        tenant,
        trail,
        resource: &write.resource,
    };
    match write.verb {
        VerbKind::Replace => match &effect.next {
            Some(next) => eye.difference(&effect.present, next, &write.changes),
            None => write.changes.clone(),
        },
        _ => {
            let present = eye.parts(effect.present.as_map());
            let mut changes = write.changes.clone();
            for change in &mut changes {
                // What a filter chooses is one element of many.
                if !change.path.contains(CHOSEN) {
                    let before = present
                        .iter()
                        .find(|(path, _)| path.to_string().eq_ignore_ascii_case(&change.path));
                    change.before =
                        Some(before.map_or(Shown::None, |(path, value)| eye.shown(path, value)));
                }
            }
            changes
        }
    }
}

/// Looks at values for the trail.
struct Eye<'a> {
    tenant: &'a Tenant,
    trail: &'a Trail,
    resource: &'a ResourceType,
}

impl Eye<'_> {
    fn document(&self, document: &Document) -> Vec<Change> {
        let resource = document.clone().into_tree();
        let parts = self.parts(resource.as_map());
        let change = |(path, value): (AttrPath, &Value)| Change {
            op: None,
            value: Some(self.shown(&path, value)),
            path: path.to_string(),
            before: None,
        };
        parts.into_iter().map(change).collect()
    }

    /// What one change of a PATCH names: of a whole extension each of its attributes.
    fn patched(&self, change: &PatchChange) -> Vec<Change> {
        let op = change.op.as_str();
        let one = |path: String, value: Option<Shown>| Change {
            op: Some(op),
            path,
            value,
            before: None,
        };
        match (&change.path, change.path.attr()) {
            (PatchPath::Attribute { filter, .. }, Some(attr)) => {
                let value = match &change.value {
                    Some(value) => Some(self.shown(&attr, value)),
                    None => (change.op != PatchOp::Remove).then_some(Shown::None),
                };
                let mut path = attr.parent().to_string();
                if filter.is_some() {
                    path.push_str(CHOSEN);
                }
                if let Some(sub) = &attr.sub {
                    path.push('.');
                    path.push_str(sub.as_str());
                }
                vec![one(path, value)]
            }
            (path, _) => match (path, &change.value) {
                (PatchPath::Extension(uri), Some(Value::Object(members))) => {
                    let parts = extension(uri, members).into_iter();
                    parts
                        .map(|(path, value)| one(path.to_string(), Some(self.shown(&path, value))))
                        .collect()
                }
                _ => vec![one(path.to_string(), None)],
            },
        }
    }

    /// What differs, and what was asked for in vain is not among it.
    fn difference(&self, present: &Resource, next: &Resource, asked: &[Change]) -> Vec<Change> {
        let (before, after) = (self.parts(present.as_map()), self.parts(next.as_map()));
        let find = |parts: &[(AttrPath, &Value)], path: &AttrPath| -> Option<Value> {
            let found = parts.iter().find(|(other, _)| other == path);
            found.map(|(_, value)| (*value).clone())
        };
        let mut changes = Vec::new();
        for (path, value) in &after {
            let was = find(&before, path);
            if was.as_ref() != Some(*value) {
                let was = was.map_or(Shown::None, |was| self.shown(path, &was));
                changes.push(whole(path, self.shown(path, value), Some(was)));
            }
        }
        for (path, value) in &before {
            if find(&after, path).is_none() {
                changes.push(whole(path, Shown::None, Some(self.shown(path, value))));
            }
        }
        // Neither state has secrets: they are told as they were asked for.
        let secrets = asked
            .iter()
            .filter(|change| matches!(change.value, Some(Shown::Secret(_))));
        changes.extend(secrets.cloned());
        changes
    }

    /// The attributes of a resource; parts of complex ones, and of extensions, one by one.
    fn parts<'v>(&self, members: &'v Map<String, Value>) -> Vec<(AttrPath, &'v Value)> {
        let mut parts = Vec::new();
        for (name, value) in members {
            if SERVICE.iter().any(|own| own.eq_ignore_ascii_case(name)) {
                continue;
            }
            match (name.parse::<AttrName>(), value) {
                (Ok(name), Value::Object(subs)) => single(None, &name, subs, &mut parts),
                (Ok(name), value) => parts.push((AttrPath::of(name), value)),
                (Err(_), Value::Object(members)) => {
                    if let Ok(uri) = name.parse() {
                        parts.extend(extension(&uri, members));
                    }
                }
                // No name that any schema could have; the mapping says what becomes of it.
                (Err(_), _) => {}
            }
        }
        parts
    }

    /// What of a value may be seen.
    fn shown(&self, path: &AttrPath, value: &Value) -> Shown {
        let discretion = self.tenant.plan.discretion(self.resource, path);
        if discretion == Discretion::Secret || holds_secret(value) {
            let length = match value {
                Value::String(text) => text.chars().count(),
                other => other.to_string().chars().count(),
            };
            return Shown::Secret(length);
        }
        if discretion == Discretion::Plain {
            return Shown::Plain(value.clone());
        }
        if value.is_null() {
            return Shown::None;
        }
        let elements = value.as_array().map(Vec::len);
        let path = path.to_string();
        // A text as it is, so that whoever knows one can look for it.
        let digest = match value {
            Value::String(text) => self.trail.digest(self.tenant.name.as_str(), &path, text),
            other => self
                .trail
                .digest(self.tenant.name.as_str(), &path, &other.to_string()),
        };
        Shown::Digest(digest, elements)
    }
}

fn whole(path: &AttrPath, value: Shown, before: Option<Shown>) -> Change {
    Change {
        op: None,
        path: path.to_string(),
        value: Some(value),
        before,
    }
}

fn extension<'v>(uri: &SchemaUri, members: &'v Map<String, Value>) -> Vec<(AttrPath, &'v Value)> {
    let mut parts = Vec::new();
    for (name, value) in members {
        match (name.parse::<AttrName>(), value) {
            (Ok(name), Value::Object(subs)) => single(Some(uri), &name, subs, &mut parts),
            (Ok(name), value) => parts.push((path(Some(uri), &name, None), value)),
            (Err(_), _) => {}
        }
    }
    parts
}

/// A complex attribute with one value.
fn single<'v>(
    uri: Option<&SchemaUri>,
    name: &AttrName,
    subs: &'v Map<String, Value>,
    parts: &mut Vec<(AttrPath, &'v Value)>,
) {
    for (sub, value) in subs {
        if let Ok(sub) = sub.parse() {
            parts.push((path(uri, name, Some(sub)), value));
        }
    }
}

fn path(uri: Option<&SchemaUri>, name: &AttrName, sub: Option<AttrName>) -> AttrPath {
    AttrPath {
        uri: uri.cloned(),
        name: name.clone(),
        sub,
    }
}

/// Whether something within is a secret by its name.
fn holds_secret(value: &Value) -> bool {
    match value {
        Value::Object(members) => members
            .iter()
            .any(|(name, value)| Plan::names_secret(name) || holds_secret(value)),
        Value::Array(elements) => elements.iter().any(holds_secret),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// What stands for a filter, whose values are not to be seen.
const CHOSEN: &str = "[…]";
/// What is the service provider's own.
const SERVICE: [&str; 3] = ["schemas", "id", "meta"];
