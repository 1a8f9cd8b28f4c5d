//! One operation of a PATCH as the changes that the RFC would have written for it.

use serde_json::{Map, Value};

use super::key::{self, Key};
use super::value::{self, Normal};
use super::{Accent, Accents};
use crate::scim::error::{ScimError, ScimType};
use crate::scim::name::{AttrName, SchemaUri};
use crate::scim::patch::{Change, PatchOp};
use crate::scim::path::PatchPath;
use crate::scim::resource;
use crate::scim::schema::{Attribute, TypeSchema};

/// The members of a value without path: one change for each, into `out`.
///
/// # Errors
/// `invalidPath`, `invalidValue`.
pub(in crate::scim) fn members(
    op: PatchOp,
    given: Map<String, Value>,
    home: Option<&SchemaUri>,
    schema: &TypeSchema,
    accents: &mut Accents,
    out: &mut Vec<Change>,
) -> Result<(), ScimError> {
    for (name, value) in given {
        if home.is_none()
            && IGNORED
                .iter()
                .any(|ignored| name.eq_ignore_ascii_case(ignored))
        {
            // The RFC has it that way for a PUT; clients send their whole resource here as well.
            continue;
        }
        let path = match key::read(&name, home, schema, accents) {
            Ok(Key::Base) => match value {
                Value::Object(given) if home.is_none() => {
                    members(op, given, None, schema, accents, out)?;
                    continue;
                }
                _ => return Err(not_an_object(&name)),
            },
            Ok(Key::Extension(uri)) => PatchPath::Extension(uri),
            Ok(Key::Attribute(attr)) => PatchPath::attribute(attr),
            Ok(Key::Path(path)) => path,
            // An extension that this tenant does not know: the mapping decides what becomes of it.
            Err(error) => match name.parse() {
                Ok(uri) if value.is_object() || value.is_null() => PatchPath::Extension(uri),
                _ => return Err(error),
            },
        };
        let path = match (&value, name.parse::<SchemaUri>()) {
            (Value::Object(_), Ok(uri)) if is_unknown(&path, schema) => PatchPath::Extension(uri),
            _ => path,
        };
        changes(op, path, Some(value), schema, accents, out)?;
    }
    Ok(())
}

/// The changes that an operation with a path stands for, into `out`; none where it says nothing.
///
/// # Errors
/// `invalidPath`, `invalidValue`, `invalidSyntax`.
pub(in crate::scim) fn changes(
    op: PatchOp,
    path: PatchPath,
    value: Option<Value>,
    schema: &TypeSchema,
    accents: &mut Accents,
    out: &mut Vec<Change>,
) -> Result<(), ScimError> {
    let mut path = key::settle(path, schema, accents);
    let value = value.filter(|value| !(op == PatchOp::Remove && value.is_null()));
    if op == PatchOp::Remove && value.is_some() {
        path = whole_of_value(path, schema);
    }
    let removal = |path| Change {
        op: PatchOp::Remove,
        path,
        value: None,
    };
    let PatchPath::Attribute { filter, sub, .. } = &path else {
        return extension(op, path, value, schema, accents, out);
    };
    if sub.as_ref().is_some_and(|sub| sub.is("$ref")) {
        return Ok(());
    }
    let plain = filter.is_none();
    let known = path.attr().and_then(|attr| schema.find_attribute(&attr));
    let many = known.is_none_or(|known| known.multi_valued) && plain;
    let target = Target {
        known,
        filtered: !plain,
        sub: sub
            .as_ref()
            .map(|sub| (sub.as_str(), known.and_then(|known| known.sub(sub)))),
    };
    match (op, value) {
        (PatchOp::Remove, Some(value)) if many => {
            let values = target.removed(&path, value, accents)?;
            // An empty array removes nothing; it must not become a bare `remove`.
            if values.as_array().is_none_or(|values| !values.is_empty()) {
                out.push(Change {
                    op,
                    path,
                    value: Some(values),
                });
            }
        }
        (PatchOp::Remove, _) => out.push(removal(path)),
        (_, None) => {
            return Err(ScimError::bad(
                ScimType::InvalidValue,
                format!("`{}` of `{}` has no `value`", op.as_str(), attribute(&path)),
            ));
        }
        (_, Some(value)) => {
            let listed = matches!(&value, Value::Array(list) if list.is_empty());
            match target.normal(value, accents)? {
                Some(value) => out.push(Change {
                    op,
                    path,
                    value: Some(value),
                }),
                // Adding nothing to several values leaves them; it removes a single one.
                None if op == PatchOp::Add && many && target.sub.is_none() => {}
                None if listed && many && target.sub.is_none() => out.push(Change {
                    op,
                    path,
                    value: Some(Value::Array(Vec::new())),
                }),
                None => out.push(removal(path)),
            }
        }
    }
    Ok(())
}

fn extension(
    op: PatchOp,
    path: PatchPath,
    value: Option<Value>,
    schema: &TypeSchema,
    accents: &mut Accents,
    out: &mut Vec<Change>,
) -> Result<(), ScimError> {
    let PatchPath::Extension(uri) = &path else {
        return Ok(());
    };
    match value {
        Some(Value::Object(given)) if op != PatchOp::Remove && schema.extension(uri).is_some() => {
            members(op, given, Some(uri), schema, accents, out)
        }
        Some(value @ Value::Object(_)) if op != PatchOp::Remove => {
            out.push(Change {
                op,
                path,
                value: Some(value),
            });
            Ok(())
        }
        Some(value) if op != PatchOp::Remove && !value.is_null() => {
            Err(not_an_object(uri.as_str()))
        }
        None if op != PatchOp::Remove => Err(not_an_object(uri.as_str())),
        _ => {
            out.push(Change {
                op: PatchOp::Remove,
                path,
                value: None,
            });
            Ok(())
        }
    }
}

/// What a path points at, as far as the schema knows.
#[derive(Debug, Clone, Copy)]
struct Target<'a> {
    known: Option<&'a Attribute>,
    filtered: bool,
    sub: Option<(&'a str, Option<&'a Attribute>)>,
}

impl Target<'_> {
    fn normal(&self, value: Value, accents: &mut Accents) -> Result<Option<Value>, ScimError> {
        let mut normal = Normal {
            accents,
            nulls: true,
        };
        match (self.known, self.sub) {
            (_, Some((_, None))) | (None, _) => Ok(normal.unknown(value)),
            // `emails.value` with an array: several elements.
            (Some(known), Some((name, Some(sub))))
                if known.multi_valued
                    && !self.filtered
                    && name.eq_ignore_ascii_case("value")
                    && value.as_array().is_some_and(|list| list.len() > 1) =>
            {
                let list = value.as_array().cloned().unwrap_or_default();
                let values: Result<Vec<_>, _> = list
                    .into_iter()
                    .map(|value| normal.one(sub, value))
                    .collect();
                let values: Vec<Value> = values?.into_iter().flatten().collect();
                if values.is_empty() {
                    // Taken for nothing it would clear all of them.
                    let text = format!("no value of `{}` could be stored", known.name);
                    return Err(ScimError::bad(ScimType::InvalidValue, text));
                }
                Ok(Some(values.into()))
            }
            (Some(_), Some((_, Some(sub)))) => normal.whole(sub, value),
            (Some(known), None) if known.multi_valued && self.filtered => match value {
                Value::Array(mut list)
                    if list.len() == 1 && normal.accents.met(Accent::WrappedValue) =>
                {
                    normal.element(known, list.pop().unwrap_or_default())
                }
                value => normal.element(known, value),
            },
            (Some(known), None) => normal.whole(known, value),
        }
    }

    /// The values that a `remove` of a multi-valued attribute names (Entra ID's way). To a reader
    /// who knows only the RFC the operation would remove all of them, so it is never passed on as
    /// it is.
    fn removed(
        &self,
        path: &PatchPath,
        value: Value,
        accents: &mut Accents,
    ) -> Result<Value, ScimError> {
        if self.sub.is_some() || !accents.met(Accent::RemoveWithValues) {
            return Err(ScimError::bad(
                ScimType::InvalidSyntax,
                format!(
                    "`remove` of `{}` has a `value`; name the values by a filter",
                    attribute(path)
                ),
            ));
        }
        let list = match value {
            Value::Array(list) => list,
            one => vec![one],
        };
        let mut values = Vec::with_capacity(list.len());
        for value in list {
            values.push(self.one_removed(value, accents).ok_or_else(|| {
                ScimError::bad(
                    ScimType::InvalidValue,
                    format!(
                        "`remove` of `{}` has a value that names nothing",
                        attribute(path)
                    ),
                )
            })?);
        }
        Ok(values.into())
    }

    fn one_removed(&self, value: Value, accents: &mut Accents) -> Option<Value> {
        let mut normal = Normal {
            accents,
            nulls: false,
        };
        let Some(known) = self.known else {
            return Some(value).filter(names_something);
        };
        let value = match normal.element(known, value).ok()?? {
            Value::String(text) if value::sub(known, "value").is_some() && !text.is_empty() => {
                Map::from_iter([(String::from("value"), Value::String(text))]).into()
            }
            value => value,
        };
        Some(value).filter(names_something)
    }
}

/// `emails.value`, whose values a `remove` gives, as `emails`: they name elements.
fn whole_of_value(path: PatchPath, schema: &TypeSchema) -> PatchPath {
    let attr = path.attr();
    let many = attr
        .and_then(|attr| schema.find_attribute(&attr))
        .is_none_or(|known| known.multi_valued);
    match path {
        PatchPath::Attribute {
            uri,
            name,
            filter: None,
            sub: Some(sub),
        } if many && sub.is("value") => PatchPath::Attribute {
            uri,
            name,
            filter: None,
            sub: None,
        },
        other => other,
    }
}

/// Whether a value says in full which element it names: by its `value` and `type`, or by all its
/// parts. Of a part that no filter can compare nothing would be left, and too much be removed.
fn names_something(value: &Value) -> bool {
    let scalar = |value: &Value| !(value.is_null() || value.is_array() || value.is_object());
    let Value::Object(parts) = value else {
        return scalar(value) && value.as_str() != Some("");
    };
    if let Some(value) = resource::get(parts, "value") {
        let kind = resource::get(parts, "type");
        return scalar(value) && kind.is_none_or(|kind| kind.is_null() || scalar(kind));
    }
    let comparable = |(name, value): (&String, &Value)| {
        value.is_null() || scalar(value) && name.parse::<AttrName>().is_ok()
    };
    parts.iter().all(comparable) && parts.values().any(|value| !value.is_null())
}

/// Whether a path was read from the URI of an extension that is not known: the last part of the
/// URI was taken for an attribute.
fn is_unknown(path: &PatchPath, schema: &TypeSchema) -> bool {
    match path {
        PatchPath::Extension(_) => false,
        PatchPath::Attribute { uri, .. } => uri
            .as_ref()
            .is_some_and(|uri| !schema.uris().any(|known| known == uri)),
    }
}

/// A path for messages, without what its filter compares with.
fn attribute(path: &PatchPath) -> String {
    path.attr()
        .map_or_else(|| path.to_string(), |attr| attr.to_string())
}

fn not_an_object(name: &str) -> ScimError {
    ScimError::bad(
        ScimType::InvalidValue,
        format!("`{}` takes an object", key::shortened(name)),
    )
}

/// What a value without path may hold and what no PATCH changes.
const IGNORED: &[&str] = &["id", "schemas", "meta"];
