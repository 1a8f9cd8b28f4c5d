//! A PATCH in the directory's words without knowing the present resource, where that can be done.
//! What cannot is left to [`super::encode`]: apply in the client's words, then put.

mod translate;

use serde_json::Value;

use super::document::not_known;
use super::projection::shadowed;
use super::{MappingError, Plan, changes, refused};
use crate::mapping::compile::{Line, Type};
use crate::mapping::place::{Place, Terms, find};
use crate::mapping::ruleset::{Direction, Unmapped};
use crate::scim::filter::Filter;
use crate::scim::patch::{Change, Patch, PatchOp};
use crate::scim::schema::Mutability;
use crate::scim::{AttrName, AttrPath, PatchPath, ScimType};

use translate::Translation;

/// A PATCH after translation.
pub(in crate::mapping) struct Translated {
    /// The changes; `None` where the present resource must be known.
    pub(in crate::mapping) changes: Option<Vec<Change>>,
    /// The changes in the client's words that are left: what no line maps is out.
    pub(in crate::mapping) left: Patch,
    /// The paths of what is out, in the client's words.
    pub(in crate::mapping) dropped: Vec<String>,
}

/// What becomes of a change.
enum Fate {
    /// Lines map it.
    Mapped,
    /// It goes through as it is.
    Passed,
    /// What of it goes through is told by the present resource.
    PassedInPart,
    /// Nothing becomes of it.
    Dropped,
    /// It is none of the client's business, and is passed over without a word.
    Ignored,
}

/// The translation of one change.
enum Step {
    Done,
    NeedsBefore,
}

impl Plan {
    /// Translates a PATCH as far as that goes.
    pub(in crate::mapping) fn patch(
        &self,
        ty: &Type,
        patch: &Patch,
    ) -> Result<Translated, MappingError> {
        let mut all = Some(Vec::new());
        let mut left = Patch {
            changes: Vec::new(),
            create_missing: patch.create_missing,
        };
        let mut dropped = Vec::new();
        for change in &patch.changes {
            for change in opened(ty, change) {
                match fate(ty, &change.path)? {
                    Fate::Mapped => {
                        let mut translation = Translation {
                            ty,
                            create_missing: patch.create_missing,
                            out: all.take(),
                            dropped: &mut dropped,
                        };
                        let step = translation.change(&change)?;
                        all = translation.out;
                        if matches!(step, Step::NeedsBefore) {
                            all = None;
                        }
                        left.changes.push(change);
                    }
                    Fate::Passed => {
                        match passed(&change, patch.create_missing) {
                            Some(more) => all.iter_mut().for_each(|all| all.extend(more.clone())),
                            None => all = None,
                        }
                        left.changes.push(change);
                    }
                    Fate::PassedInPart => {
                        all = None;
                        left.changes.push(change);
                    }
                    Fate::Dropped => dropped.push(change.path.to_string()),
                    Fate::Ignored => {}
                }
            }
        }
        Ok(Translated {
            changes: all,
            left,
            dropped,
        })
    }
}

/// A change of a whole extension as changes of its attributes.
fn opened(ty: &Type, change: &Change) -> Vec<Change> {
    let PatchPath::Extension(uri) = &change.path else {
        return vec![change.clone()];
    };
    let inside = |name: AttrName, value| Change {
        op: change.op,
        path: PatchPath::Attribute {
            uri: Some(uri.clone()),
            name,
            filter: None,
            sub: None,
        },
        value,
    };
    match (&change.value, change.op) {
        (Some(Value::Object(members)), PatchOp::Add | PatchOp::Replace) => members
            .iter()
            .filter_map(|(name, value)| Some(inside(name.parse().ok()?, Some(value.clone()))))
            .collect(),
        (_, PatchOp::Remove) if ty.unmapped != Unmapped::Pass => {
            let mut names: Vec<AttrName> = Vec::new();
            for line in ty.lines.iter().filter(|line| changes(line)) {
                if let Some(place) = &line.scim
                    && place.uri.as_ref() == Some(uri)
                    && !names.contains(&place.name)
                {
                    names.push(place.name.clone());
                }
            }
            names.into_iter().map(|name| inside(name, None)).collect()
        }
        _ => vec![change.clone()],
    }
}

fn fate(ty: &Type, path: &PatchPath) -> Result<Fate, MappingError> {
    let PatchPath::Attribute {
        uri,
        name,
        filter,
        sub,
    } = path
    else {
        let PatchPath::Extension(uri) = path else {
            return Ok(Fate::Dropped);
        };
        let touched = |line: &Line| {
            let places = &line.kind.touches().scim;
            places.iter().any(|place| place.uri.as_ref() == Some(uri))
        };
        return if ty.lines.iter().any(touched) {
            Ok(Fate::Mapped)
        } else {
            unmapped(ty, path, None)
        };
    };
    if uri.is_none() && name.is("schemas") {
        return Ok(Fate::Ignored);
    }
    let attr = AttrPath {
        uri: uri.clone(),
        name: name.clone(),
        sub: sub.clone(),
    };
    let read_only = |path: &AttrPath| {
        [&ty.held, &ty.full].iter().any(|schema| {
            schema
                .find(path)
                .is_some_and(|a| a.mutability == Mutability::ReadOnly)
        })
    };
    let common = uri.is_none() && (name.is("id") || name.is("meta"));
    if common || read_only(&attr) || read_only(&attr.parent()) {
        let text = format!("`{path}` is read-only");
        return Err(refused(ScimType::Mutability, text));
    }
    if sub.as_ref().is_some_and(|sub| sub.is("$ref")) {
        return Ok(Fate::Ignored);
    }
    let terms = filter.as_ref().and_then(Terms::from_filter);
    let meant: Vec<&Line> = ty
        .lines
        .iter()
        .filter(|line| {
            let touch = line.kind.touches();
            touch.scim.iter().any(|place| {
                place.is_beside(uri.as_ref(), name)
                    && concerns(place, &touch.constants, sub.as_ref(), terms.as_ref())
            })
        })
        .collect();
    if meant.is_empty() {
        return unmapped(ty, path, Some(&attr));
    }
    if !meant.iter().any(|line| changes(line)) {
        let create = meant.iter().any(|line| line.direction == Direction::Create);
        let text = if create {
            format!("`{path}` can be set only when the resource is made")
        } else {
            format!("`{path}` is read-only")
        };
        return Err(refused(ScimType::Mutability, text));
    }
    Ok(Fate::Mapped)
}

fn concerns(
    place: &Place,
    constants: &[(AttrName, Value)],
    sub: Option<&AttrName>,
    terms: Option<&Terms>,
) -> bool {
    let element = match (&place.element, terms) {
        (Some(mine), Some(asked)) => !mine.disjoint(asked),
        _ => true,
    };
    let part = match (&place.sub, sub) {
        (Some(mine), Some(asked)) => {
            mine == asked
                || constants.iter().any(|(name, _)| name == asked)
                || place
                    .element
                    .as_ref()
                    .is_some_and(|t| t.get(asked).is_some())
        }
        _ => true,
    };
    element && part
}

fn unmapped(ty: &Type, path: &PatchPath, attr: Option<&AttrPath>) -> Result<Fate, MappingError> {
    match ty.unmapped {
        Unmapped::Pass => {
            // The directory may mean something else by the name, or by a part of it.
            let whole = attr.is_some_and(|attr| ty.target.covers(attr));
            Ok(match attr {
                Some(attr) if whole && !ty.mapped.names(attr) => Fate::Dropped,
                Some(attr) if whole || shadowed(ty, attr) => Fate::PassedInPart,
                _ => Fate::Passed,
            })
        }
        Unmapped::Drop => Ok(Fate::Dropped),
        Unmapped::Reject => Err(not_known(&path.to_string())),
    }
}

/// A change that goes through: removals of values in the RFC's form. `None` where the directory
/// would answer `noTarget` to what the client means as a creation.
fn passed(change: &Change, create_missing: bool) -> Option<Vec<Change>> {
    let PatchPath::Attribute { filter, sub, .. } = &change.path else {
        return Some(vec![change.clone()]);
    };
    if filter.is_some() && change.op != PatchOp::Remove && create_missing {
        return None;
    }
    match (&change.value, change.op) {
        (Some(value), PatchOp::Remove) if !value.is_null() => {
            if filter.is_some() || sub.is_some() {
                return None;
            }
            by_value(change, value)
        }
        _ => Some(vec![Change {
            value: change.value.clone().map(without_reference),
            ..change.clone()
        }]),
    }
}

/// `remove members` with values, as one removal by filter for each: a directory that goes by the
/// RFC's letter would remove every member.
fn by_value(change: &Change, value: &Value) -> Option<Vec<Change>> {
    let items = match value {
        Value::Array(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    let PatchPath::Attribute { uri, name, .. } = &change.path else {
        return None;
    };
    let mut removals = Vec::with_capacity(items.len());
    for item in items {
        let value = match item {
            Value::Object(element) => find(element, "value")?.clone(),
            _ => return None,
        };
        removals.push(Change {
            op: PatchOp::Remove,
            path: PatchPath::Attribute {
                uri: uri.clone(),
                name: name.clone(),
                filter: Some(Filter::eq(AttrName::known("value"), value)),
                sub: None,
            },
            value: None,
        });
    }
    Some(removals)
}

/// `$ref` is ours to make, on either side.
fn without_reference(mut value: Value) -> Value {
    let strip = |value: &mut Value| {
        if let Value::Object(element) = value {
            element.shift_remove("$ref");
        }
    };
    match &mut value {
        Value::Array(items) => items.iter_mut().for_each(strip),
        one => strip(one),
    }
    value
}
