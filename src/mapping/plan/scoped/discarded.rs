//! `forbidden: discard`: what the account may not write is left out of the request, the rest is
//! done. What a request asks about is never left out: that stays refused.

use std::borrow::Cow;
use std::cell::OnceCell;

use serde_json::Value;

use super::{Looks, elements, is_common, narrowed};
use crate::auth::{Permitted, Scope, Set};
use crate::mapping::compile::Type;
use crate::mapping::plan::{MappingError, Plan};
use crate::scim::json::{Checked, Members, Node, Sort};
use crate::scim::operation::{Document, Verb};
use crate::scim::patch::{Change, Patch, PatchOp};
use crate::scim::{PatchPath, SchemaUri};

impl Plan {
    /// What would be left out of an operation, by name.
    ///
    /// # Errors
    /// What is wrong with the document.
    pub fn discarded(&self, permitted: &Permitted) -> Result<Vec<String>, MappingError> {
        let operation = permitted.operation();
        let ty = self.known(&operation.resource)?;
        let scope = &permitted.scope().based(&ty.held.base.id);
        let mut out = Vec::new();
        match &operation.verb {
            Verb::Create(document) => {
                self.left(ty, scope, document.clone(), false, &mut out)?;
            }
            Verb::Replace(_, document) => {
                self.left(ty, scope, document.clone(), true, &mut out)?;
            }
            Verb::Patch(_, patch) => drop(self.left_of(ty, scope, patch, &mut out)),
            Verb::Read(_) | Verb::List(_) | Verb::Delete(_) => {}
        }
        Ok(out)
    }

    /// A document without what the account may not write; `put` is whether it replaces another.
    pub(in crate::mapping::plan) fn left(
        &self,
        ty: &Type,
        scope: &Scope,
        document: Document,
        put: bool,
        out: &mut Vec<String>,
    ) -> Result<Document, MappingError> {
        let Some(set) = scope.writable().filter(|_| ty.discards) else {
            return Ok(document);
        };
        let looks = Looks { ty, scope };
        let (text, normal) = (document.into_checked(), OnceCell::new());
        let mut members = self.form(ty, &text, &normal, &mut ())?;
        let before = out.len();
        members.retain(|key, value| {
            if value.is_absent() || is_common(key) {
                return true;
            }
            let extension = key.contains(':') && value.sort() == Sort::Object;
            match value.object().filter(|_| extension) {
                Some(inner) => {
                    inner.retain(|name, value| looks.keep(set, Some(key), name, value, put, out));
                    !inner.is_empty()
                }
                None => looks.keep(set, None, key, value, put, out),
            }
        });
        if out.len() == before {
            drop(members);
            return Ok(Document::Checked(text));
        }
        let size = text.as_bytes().len();
        Ok(Document::Checked(Checked::print(&members, size)))
    }

    /// A patch without what the account may not write, as this account may send it.
    pub(in crate::mapping::plan) fn left_of<'p>(
        &self,
        ty: &Type,
        scope: &Scope,
        patch: &'p Patch,
        out: &mut Vec<String>,
    ) -> Cow<'p, Patch> {
        let Some(set) = scope.writable().filter(|_| ty.discards) else {
            return narrowed(scope, patch);
        };
        let looks = Looks { ty, scope };
        let before = out.len();
        let mut changes = Vec::with_capacity(patch.changes.len());
        for change in &patch.changes {
            looks.keep_change(set, change, out, &mut changes);
        }
        if out.len() == before {
            return narrowed(scope, patch);
        }
        let left = Patch {
            changes,
            create_missing: patch.create_missing,
        };
        Cow::Owned(narrowed(scope, &left).into_owned())
    }
}

impl Looks<'_> {
    /// Whether anything is left of a member; takes out of it what may not be written.
    fn keep(
        &self,
        set: &Set,
        uri: Option<&str>,
        name: &str,
        value: &mut Node<'_>,
        put: bool,
        out: &mut Vec<String>,
    ) -> bool {
        if value.is_absent() || self.may(set, uri, name, value) {
            return true;
        }
        let prefix = uri.map(|uri| format!("{uri}:")).unwrap_or_default();
        let mut parts = |element: &mut Members<'_>| {
            element.retain(|sub, part| {
                let mut one = Members::default();
                one.push(sub.to_owned(), std::mem::take(part));
                let mut one = Node::Object(one);
                let fine = self.may(set, uri, name, &mut one);
                if let Some(one) = one.object().and_then(|one| one.find_mut(sub)) {
                    *part = std::mem::take(one);
                }
                if !fine {
                    note(out, format!("{prefix}{name}.{sub}"));
                }
                fine
            });
            !element.is_empty()
        };
        let left = match value.sort() {
            Sort::Object => value.object().is_some_and(&mut parts),
            // Of a list that replaces another nobody can tell which element is which.
            Sort::Array if !put => value.array().is_some_and(|items| {
                items.retain_mut(|item| item.object().is_some_and(&mut parts));
                !items.is_empty()
            }),
            _ => {
                note(out, format!("{prefix}{name}"));
                return false;
            }
        };
        left && self.may(set, uri, name, value)
    }

    fn may(&self, set: &Set, uri: Option<&str>, name: &str, value: &mut Node<'_>) -> bool {
        // A key may be an attribute with its schema written out before it.
        let written = match uri {
            None => super::written_out(set, name),
            Some(_) => None,
        };
        let outer =
            written.is_none_or(|(uri, name)| self.member(set, Some(uri), name, value).is_ok());
        let bounded = !set.has_bounds() || {
            let value = value.to_value();
            let written = written
                .is_none_or(|(uri, name)| self.becomes(set, Some(uri), name, &value).is_ok());
            written && self.becomes(set, uri, name, &value).is_ok()
        };
        outer && bounded && self.member(set, uri, name, value).is_ok()
    }

    fn keep_change(
        &self,
        set: &Set,
        change: &Change,
        out: &mut Vec<String>,
        changes: &mut Vec<Change>,
    ) {
        let fine = |change: &Change| {
            let bounded = !set.has_bounds() || self.changes(set, change).is_ok();
            bounded && self.change(change).is_ok()
        };
        // What asks about something that may not be seen is refused further on.
        if fine(change) || self.asks(change).is_err() {
            changes.push(change.clone());
            return;
        }
        let sets = change.op != PatchOp::Remove;
        match (&change.path, &change.value) {
            (PatchPath::Extension(uri), Some(Value::Object(members))) if sets => {
                for (name, value) in members {
                    let Ok(attribute) = name.parse() else {
                        note(out, format!("{uri}:{name}"));
                        continue;
                    };
                    let part = Change {
                        op: change.op,
                        path: PatchPath::Attribute {
                            uri: Some(uri.clone()),
                            name: attribute,
                            filter: None,
                            sub: None,
                        },
                        value: Some(value.clone()),
                    };
                    self.keep_change(set, &part, out, changes);
                }
            }
            (
                PatchPath::Attribute {
                    filter: None,
                    sub: None,
                    ..
                },
                Some(Value::Object(members)),
            ) if sets => {
                let name = named(&change.path);
                let mut left = members.clone();
                left.retain(|sub, value| {
                    let mut one = serde_json::Map::new();
                    one.insert(sub.clone(), value.clone());
                    let one = Change {
                        value: Some(one.into()),
                        ..change.clone()
                    };
                    let fine = fine(&one);
                    if !fine {
                        note(out, format!("{name}.{sub}"));
                    }
                    fine
                });
                let left = Change {
                    value: Some(left.into()),
                    ..change.clone()
                };
                let some = left.value.as_ref().is_some_and(|value| {
                    value.as_object().is_some_and(|members| !members.is_empty())
                });
                if some && fine(&left) {
                    changes.push(left);
                } else if some {
                    note(out, name);
                }
            }
            _ => note(out, named(&change.path)),
        }
    }

    /// Refuses a change whose path asks about what may not be seen.
    pub(super) fn asks(&self, change: &Change) -> Result<(), MappingError> {
        let PatchPath::Attribute {
            uri,
            name,
            filter: Some(filter),
            ..
        } = &change.path
        else {
            return Ok(());
        };
        match self.scope.readable() {
            Some(set) => elements(set, uri.as_ref().map(SchemaUri::as_str), name, filter),
            None => Ok(()),
        }
    }
}

/// The path of a change without the filter in it: that has values.
fn named(path: &PatchPath) -> String {
    match path.attr() {
        Some(attr) => attr.to_string(),
        None => path.to_string(),
    }
}

fn note(out: &mut Vec<String>, name: String) {
    if !out.contains(&name) {
        out.push(name);
    }
}
