//! PATCH bodies (RFC 7644 §3.5.2), both ways.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{PATCH_OP, invalid_syntax, is_of, object};
use crate::scim::accent::{self, Accent, Accents};
use crate::scim::error::{ScimError, ScimType};
use crate::scim::filter::{CompareOp, Comparison, Filter};
use crate::scim::parse;
use crate::scim::patch::{Change, Patch, PatchOp};
use crate::scim::path::{AttrPath, PatchPath};
use crate::scim::resource;
use crate::scim::schema::TypeSchema;

/// At most so many operations in one PATCH.
pub const MAX_OPERATIONS: usize = 1000;
/// At most so many changes: values without path stand for several.
pub const MAX_CHANGES: usize = 4000;

/// Reads a PATCH body: operations in any case, values without path taken apart into one change
/// per attribute, accents brought into the RFC's form. What says nothing (an empty array to add)
/// makes no change, so a patch may come out empty.
///
/// # Errors
/// `invalidSyntax`, `invalidPath`, `invalidValue`, `noTarget` with the number of the operation;
/// 413 when there are too many.
pub fn patch_request(
    body: Value,
    schema: &TypeSchema,
    accents: &mut Accents,
) -> Result<Patch, ScimError> {
    let mut body = object(body, "the body of a PATCH")?;
    if is_of(&body, PATCH_OP) != Some(true) && !accents.met(Accent::UnknownSchema) {
        return Err(invalid_syntax(format!(
            "`schemas` does not name `{PATCH_OP}`"
        )));
    }
    let operations = match resource::remove(&mut body, "Operations") {
        Some(Value::Array(operations)) => operations,
        Some(one @ Value::Object(_)) if accents.met(Accent::SingleAsArray) => vec![one],
        Some(_) => return Err(invalid_syntax("`Operations` is not an array")),
        None => return Err(invalid_syntax("`Operations` is missing")),
    };
    if operations.is_empty() {
        return Err(invalid_syntax("`Operations` is empty"));
    }
    if operations.len() > MAX_OPERATIONS {
        return Err(too_many(format!("more than {MAX_OPERATIONS} operations")));
    }
    let mut changes = Vec::with_capacity(operations.len());
    for (index, operation) in operations.into_iter().enumerate() {
        read(operation, schema, accents, &mut changes).map_err(|error| {
            let detail = format!("operation {}: {}", index + 1, error.detail);
            ScimError::new(error.status(), error.scim_type, detail)
        })?;
        if changes.len() > MAX_CHANGES {
            return Err(too_many(format!("more than {MAX_CHANGES} changes")));
        }
    }
    Ok(Patch {
        changes,
        create_missing: !accents.refuse,
    })
}

fn read(
    operation: Value,
    schema: &TypeSchema,
    accents: &mut Accents,
    changes: &mut Vec<Change>,
) -> Result<(), ScimError> {
    let mut operation = object(operation, "it")?;
    let op = operator(resource::get(&operation, "op"), accents)?;
    let value = resource::remove(&mut operation, "value");
    let path = match resource::get(&operation, "path") {
        None | Some(Value::Null) => None,
        // The base schema's own URI is the resource itself.
        Some(Value::String(text)) if schema.base.id.is(text.trim()) => None,
        Some(Value::String(text)) => Some(path(text, schema, accents)?),
        Some(_) => {
            return Err(ScimError::bad(
                ScimType::InvalidPath,
                "`path` is not a string",
            ));
        }
    };
    match (path, op, value) {
        (Some(path), _, value) => accent::changes(op, path, value, schema, accents, changes),
        (None, PatchOp::Remove, _) => Err(ScimError::bad(
            ScimType::NoTarget,
            "`remove` needs a `path`",
        )),
        (None, _, Some(value)) => {
            let members = match value {
                Value::Array(mut list) if list.len() == 1 && accents.met(Accent::WrappedValue) => {
                    list.pop().unwrap_or_default()
                }
                value => value,
            };
            let Value::Object(members) = members else {
                return Err(ScimError::bad(
                    ScimType::InvalidValue,
                    "`value` without a `path` is not an object of attributes",
                ));
            };
            accent::members(op, members, None, schema, accents, changes)
        }
        (None, _, None) => Err(ScimError::bad(
            ScimType::InvalidValue,
            format!("`{}` has neither `path` nor `value`", op.as_str()),
        )),
    }
}

fn operator(text: Option<&Value>, accents: &mut Accents) -> Result<PatchOp, ScimError> {
    let wanted = || invalid_syntax("`op` is not `add`, `replace` or `remove`");
    let text = text.and_then(Value::as_str).ok_or_else(wanted)?;
    let op = [PatchOp::Add, PatchOp::Replace, PatchOp::Remove]
        .into_iter()
        .find(|op| op.as_str().eq_ignore_ascii_case(text))
        .ok_or_else(wanted)?;
    if op.as_str() != text && !accents.met(Accent::OpCase) {
        return Err(wanted());
    }
    Ok(op)
}

fn path(text: &str, schema: &TypeSchema, accents: &mut Accents) -> Result<PatchPath, ScimError> {
    parse::patch_path(text, schema, accents)
        .map_err(|error| error.refuse(ScimType::InvalidPath, "path"))
}

fn too_many(detail: String) -> ScimError {
    ScimError::new(StatusCode::PAYLOAD_TOO_LARGE, None, detail)
}

/// Writes a PATCH body in the RFC's form: a `remove` of certain values becomes one `remove` by
/// filter for each.
#[must_use]
pub fn patch_value(patch: &Patch) -> Value {
    let mut operations = Vec::with_capacity(patch.changes.len());
    for change in &patch.changes {
        match (change.op, &change.path, &change.value) {
            (
                PatchOp::Remove,
                PatchPath::Attribute {
                    uri,
                    name,
                    filter: None,
                    sub,
                },
                Some(value),
            ) => {
                let values = match value {
                    Value::Array(values) => values.as_slice(),
                    one => std::slice::from_ref(one),
                };
                for value in values {
                    let terms = naming(value);
                    // What nothing names must not become a bare `remove`.
                    if let Some(filter) = terms {
                        let path = PatchPath::Attribute {
                            uri: uri.clone(),
                            name: name.clone(),
                            filter: Some(filter),
                            sub: sub.clone().filter(|sub| !sub.is("value")),
                        };
                        operations.push(operation(PatchOp::Remove, &path, None));
                    }
                }
            }
            (op, path, value) => operations.push(operation(op, path, value.as_ref())),
        }
    }
    json!({ "schemas": [PATCH_OP], "Operations": operations })
}

fn operation(op: PatchOp, path: &PatchPath, value: Option<&Value>) -> Value {
    let mut operation = Map::new();
    operation.insert("op".into(), op.as_str().into());
    operation.insert("path".into(), path.to_string().into());
    if let Some(value) = value {
        operation.insert("value".into(), value.clone());
    }
    operation.into()
}

/// The filter that chooses an element: by `value`, and `type` where it has one; by all that it
/// has, where it has no `value`.
fn naming(element: &Value) -> Option<Filter> {
    let eq = |name: &str, value: &Value| {
        let path = AttrPath::of(name.parse().ok()?);
        let scalar = !value.is_object() && !value.is_array() && !value.is_null();
        scalar.then(|| {
            Filter::Compare(Comparison {
                path,
                op: CompareOp::Eq,
                value: value.clone(),
            })
        })
    };
    let Value::Object(parts) = element else {
        return eq("value", element);
    };
    let mut terms: Vec<Filter> = match resource::get(parts, "value") {
        Some(value) => {
            let kind = resource::get(parts, "type").and_then(|kind| eq("type", kind));
            [Some(eq("value", value)?), kind]
                .into_iter()
                .flatten()
                .collect()
        }
        None => parts
            .iter()
            .filter_map(|(name, value)| eq(name, value))
            .collect(),
    };
    if terms.len() > 1 {
        return Some(Filter::And(terms));
    }
    terms.pop()
}
