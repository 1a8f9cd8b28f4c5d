//! PATCH (RFC 7644 §3.5.2) as a pure function on a resource.
//!
//! Where the RFC leaves room, the choice is the one that a repeat leaves alone, since clients
//! repeat: removing what is not there succeeds, adding what is there changes nothing, null is
//! absence, and an element replaced through a filter goes on matching that filter.

mod identity;
mod plural;
mod runs;
mod single;
mod task;
#[cfg(test)]
mod tests;

use std::cell::Cell;

use serde_json::{Map, Value};

use task::Task;

use super::error::{ScimError, ScimType};
use super::name::{AttrName, SchemaUri};
use super::path::{AttrPath, PatchPath};
use super::resource::{self, Resource};
use super::schema::TypeSchema;

/// The changes of one PATCH, in order. Operations without a path have been taken apart into one
/// change per attribute (see [`super::accent`]), so every change has a path.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Patch {
    /// In the order in which they apply.
    pub changes: Vec<Change>,
    /// Whether a value path without match creates its element from the filter's `eq` terms, as
    /// Entra ID expects; the RFC answers `noTarget`.
    pub create_missing: bool,
}

/// One change.
#[derive(Clone, PartialEq)]
pub struct Change {
    /// What to do.
    pub op: PatchOp,
    /// Where.
    pub path: PatchPath,
    /// With what; `None` for a bare `remove`. A `remove` with an array of values removes those.
    pub value: Option<Value>,
}

/// The three operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PatchOp {
    /// Adds values, or sets a single one.
    Add,
    /// Sets.
    Replace,
    /// Removes.
    Remove,
}

impl PatchOp {
    /// The word of the RFC.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Replace => "replace",
            Self::Remove => "remove",
        }
    }
}

impl std::fmt::Debug for Change {
    /// The operation and the attribute; neither the value nor what a filter compares with.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.op.as_str())?;
        match (&self.path, self.path.attr()) {
            (PatchPath::Attribute { filter, .. }, Some(attr)) => {
                let chosen = if filter.is_some() { " (by filter)" } else { "" };
                write!(f, " {attr}{chosen}")
            }
            (path, _) => write!(f, " {path}"),
        }
    }
}

/// Why a PATCH cannot be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatchError {
    /// `noTarget`, `invalidPath`, `invalidValue`, `mutability`.
    pub scim_type: ScimType,
    /// The path and the reason, in the words of the resource that was patched.
    pub detail: String,
}

impl From<PatchError> for ScimError {
    fn from(error: PatchError) -> Self {
        Self::bad(error.scim_type, error.detail)
    }
}

/// What applying a patch did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Applied {
    /// Whether the resource is another one than before.
    pub changed: bool,
    /// How many elements were made because a value path matched none
    /// ([`super::accent::Accent::ElementCreated`]).
    pub created: usize,
}

/// Applies all changes in order, or none: on an error `resource` is as it was. Says whether
/// anything changed. `schema` tells what is multi-valued, read-only, and compared with case;
/// attributes that it does not know are taken as the values show them.
///
/// # Errors
/// `noTarget`, `invalidPath`, `invalidValue` or `mutability`, with the path; `tooMany` where the
/// value paths of one patch would make more than [`MAX_LOOKS`] comparisons.
pub fn apply(
    resource: &mut Resource,
    patch: &Patch,
    schema: &TypeSchema,
) -> Result<bool, PatchError> {
    apply_noting(resource, patch, schema).map(|applied| applied.changed)
}

/// [`apply`], with all that it did.
///
/// # Errors
/// The same.
pub fn apply_noting(
    resource: &mut Resource,
    patch: &Patch,
    schema: &TypeSchema,
) -> Result<Applied, PatchError> {
    let mut next = resource.clone();
    let tally = Tally::default();
    for change in runs::joined(&patch.changes, schema) {
        apply_one(&mut next, &change, patch.create_missing, schema, &tally)?;
    }
    let changed = next != *resource;
    if changed {
        *resource = next;
    }
    Ok(Applied {
        changed,
        created: tally.created.get(),
    })
}

/// At most so many comparisons are made for the value paths of one patch: a thousand filters over
/// a group of fifty thousand would hold a worker for seconds.
pub const MAX_LOOKS: usize = 10_000_000;

/// What is counted over all changes of a patch.
#[derive(Debug, Default)]
struct Tally {
    created: Cell<usize>,
    looks: Cell<usize>,
}

impl Tally {
    fn create(&self) {
        self.created.set(self.created.get() + 1);
    }

    fn look(&self, comparisons: usize) -> Result<(), PatchError> {
        self.looks.set(self.looks.get().saturating_add(comparisons));
        if self.looks.get() > MAX_LOOKS {
            return Err(PatchError {
                scim_type: ScimType::TooMany,
                detail: format!(
                    "the filters of this PATCH would make more than {MAX_LOOKS} comparisons; send \
                     fewer operations at once"
                ),
            });
        }
        Ok(())
    }
}

fn apply_one(
    resource: &mut Resource,
    change: &Change,
    create_missing: bool,
    schema: &TypeSchema,
    tally: &Tally,
) -> Result<(), PatchError> {
    let (uri, name, filter, sub) = match &change.path {
        PatchPath::Extension(uri) => return whole_extension(resource, uri, change, schema, tally),
        PatchPath::Attribute {
            uri,
            name,
            filter,
            sub,
        } => (uri.as_ref(), name, filter.as_ref(), sub.as_ref()),
    };
    if uri.is_none() && name.is("schemas") {
        // `schemas` follows from what the resource holds; naming an extension there adds nothing.
        return match change.op {
            PatchOp::Add | PatchOp::Replace => Ok(()),
            PatchOp::Remove => Err(mutability("schemas", "cannot be removed")),
        };
    }
    let attr = AttrPath {
        uri: uri.cloned(),
        name: name.clone(),
        sub: sub.cloned(),
    };
    let shown = attr.to_string();
    let task = Task {
        op: change.op,
        value: change.value.as_ref().filter(|value| !value.is_null()),
        known: schema.find_attribute(&attr),
        name: name.as_str(),
        filter,
        sub,
        create_missing,
        tally,
        shown: &shown,
        member: None,
    };
    task.check_path()?;
    if change.op != PatchOp::Remove && change.value.is_none() {
        return Err(invalid_value(&shown, "is given no value"));
    }
    match uri {
        Some(uri) if *uri != schema.base.id => in_extension(resource, uri, |home| task.apply(home)),
        _ => task.apply(resource.as_map_mut()),
    }
}

/// The path is a schema URI: each member of the value is a change of that attribute.
fn whole_extension(
    resource: &mut Resource,
    uri: &SchemaUri,
    change: &Change,
    schema: &TypeSchema,
    tally: &Tally,
) -> Result<(), PatchError> {
    let value = change.value.as_ref().filter(|value| !value.is_null());
    let base = *uri == schema.base.id;
    if change.op == PatchOp::Remove || value.is_none() {
        if base {
            return Err(mutability(uri.as_str(), "is the resource itself"));
        }
        let known = schema.extension(uri);
        if known.is_some_and(|known| known.attributes.iter().any(|a| a.required)) {
            return Err(mutability(uri.as_str(), "holds a required attribute"));
        }
        return in_extension(resource, uri, |home| {
            home.clear();
            Ok(())
        });
    }
    let Some(Value::Object(members)) = value else {
        return Err(invalid_value(uri.as_str(), "takes an object"));
    };
    for (name, value) in members {
        let Ok(name) = name.parse::<AttrName>() else {
            return Err(invalid_value(
                uri.as_str(),
                "has a member that names no attribute",
            ));
        };
        let path = PatchPath::attribute(AttrPath {
            uri: (!base).then(|| uri.clone()),
            name,
            sub: None,
        });
        let change = Change {
            op: change.op,
            path,
            value: Some(value.clone()),
        };
        apply_one(resource, &change, false, schema, tally)?;
    }
    Ok(())
}

/// Runs a change on the attributes of an extension. An extension without attributes is not there,
/// and `schemas`, where the resource carries it, says so.
fn in_extension(
    resource: &mut Resource,
    uri: &SchemaUri,
    change: impl FnOnce(&mut Map<String, Value>) -> Result<(), PatchError>,
) -> Result<(), PatchError> {
    let map = resource.as_map_mut();
    let mut home = match resource::get_mut(map, uri.as_str()).map(Value::take) {
        Some(Value::Object(home)) => home,
        _ => Map::new(),
    };
    let before = home.len();
    change(&mut home)?;
    let after = home.len();
    if after > 0 {
        resource::insert(map, uri.as_str(), home.into());
    } else {
        resource::remove(map, uri.as_str());
    }
    if let Some(Value::Array(schemas)) = resource::get_mut(map, "schemas") {
        let is_it = |value: &Value| value.as_str().is_some_and(|text| uri.is(text));
        if after == 0 && before > 0 {
            schemas.retain(|value| !is_it(value));
        } else if after > 0 && !schemas.iter().any(is_it) {
            schemas.push(uri.as_str().into());
        }
    }
    Ok(())
}

fn error(scim_type: ScimType, shown: &str, reason: &str) -> PatchError {
    PatchError {
        scim_type,
        detail: format!("`{shown}` {reason}"),
    }
}

fn invalid_value(shown: &str, reason: &str) -> PatchError {
    error(ScimType::InvalidValue, shown, reason)
}

fn mutability(shown: &str, reason: &str) -> PatchError {
    error(ScimType::Mutability, shown, reason)
}
