//! A PUT as the changes that it makes, for a directory that takes no whole documents: what the rule
//! maps gets the value of the document or is cleared, and everything else is left alone.

use std::cell::OnceCell;

use serde_json::Value;

use super::encode::difference;
use super::scoped::spared;
use super::{Before, MappingError, Plan, changes, delta};
use crate::auth::Scope;
use crate::mapping::compile::{Line, Type};
use crate::mapping::kind::Write;
use crate::mapping::place::is_absent;
use crate::mapping::ruleset::Direction;
use crate::mapping::witness::Witness;
use crate::scim::json::Members;
use crate::scim::operation::Document;
use crate::scim::patch::{Change, PatchOp};
use crate::scim::{AttrName, PatchPath, ResourceId, SchemaUri};

impl Plan {
    /// The changes of a PUT. Where the present resource is known they are those that it needs.
    pub(super) fn changed(
        &self,
        ty: &Type,
        scope: &Scope,
        id: &ResourceId,
        document: Document,
        before: Option<&Before>,
        witness: &mut impl Witness,
    ) -> Result<Vec<Change>, MappingError> {
        if let Some(before) = before {
            let next = self.replace(ty, scope, id, document, Some(before), witness)?;
            return match next {
                None => Ok(Vec::new()),
                Some(next) if ty.is_ldap() => {
                    Ok(delta::between(ty, &before.resource, &next.into_tree()))
                }
                Some(next) => difference(ty, &before.resource, &next.into_tree())
                    .ok_or_else(|| MappingError::Malformed(NAMELESS.to_owned())),
            };
        }
        let (text, normal) = (document.into_checked(), OnceCell::new());
        let mut from = self.form(ty, &text, &normal, witness)?;
        let spared = spared(ty, scope, &mut from, true);
        let mut out = Members::with_capacity(ty.lines.len());
        self.to_directory(ty, from, &mut out, Write::Replace, &spared, witness)?;
        out.remove("schemas");
        let mut changes = Vec::with_capacity(ty.lines.len());
        for (uri, name) in written(ty, &spared) {
            let held = match &uri {
                None => out.remove(name.as_str()),
                Some(uri) => {
                    let home = out.find_mut(uri.as_str()).and_then(|node| node.object());
                    home.and_then(|home| home.remove(name.as_str()))
                }
            };
            let value = held.map(|node| node.to_value()).filter(|v| !is_absent(v));
            changes.push(change(uri, name, value));
        }
        // What no line maps and the rule passes on.
        for (name, value) in out.to_resource().into_map() {
            if let Ok(name) = name.parse::<AttrName>()
                && !is_absent(&value)
            {
                changes.push(change(None, name, Some(value)));
            }
        }
        Ok(changes)
    }
}

/// The attributes of the directory that the lines of a PUT write, each once.
fn written(ty: &Type, spared: &[bool]) -> Vec<(Option<SchemaUri>, AttrName)> {
    let mut names: Vec<(Option<SchemaUri>, AttrName)> = Vec::with_capacity(ty.lines.len());
    let spares = |index: usize| spared.get(index).copied().unwrap_or(false);
    let of_puts = |line: &Line| changes(line) && line.direction != Direction::Write;
    for (index, line) in ty.lines.iter().enumerate() {
        if !of_puts(line) || spares(index) {
            continue;
        }
        for place in &line.kind.touches().target {
            let path = place.path();
            let name = (path.uri, path.name);
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

fn change(uri: Option<SchemaUri>, name: AttrName, value: Option<Value>) -> Change {
    let path = PatchPath::Attribute {
        uri,
        name,
        filter: None,
        sub: None,
    };
    let op = if value.is_some() {
        PatchOp::Replace
    } else {
        PatchOp::Remove
    };
    Change { op, path, value }
}

const NAMELESS: &str = "the present resource has a name that no path can have";
