//! The envelopes of RFC 7644: errors, lists, PATCH, bulk; with their schema URIs and media type.

mod bulk;
mod patch;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::error::{ScimError, ScimType};
use super::resource;

pub use bulk::{BulkOperation, BulkRequest, bulk_request};
pub use patch::{MAX_CHANGES, MAX_OPERATIONS, patch_request, patch_value};

/// The media type of every body that we send.
pub const MEDIA_TYPE: &str = "application/scim+json";
/// The schema of a list.
pub const LIST_RESPONSE: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
/// The schema of a query by POST.
pub const SEARCH_REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";
/// The schema of a PATCH.
pub const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
/// The schema of a bulk request.
pub const BULK_REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
/// The schema of the answer to one.
pub const BULK_RESPONSE: &str = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";
/// The schema of an error.
pub const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// The body of an error: `schemas`, `status` as a string, `scimType`, `detail`.
#[must_use]
pub fn error_value(error: &ScimError) -> Value {
    let mut body = Map::new();
    body.insert("schemas".into(), json!([ERROR]));
    body.insert("status".into(), error.status().as_str().into());
    if let Some(scim_type) = error.scim_type {
        body.insert("scimType".into(), scim_type.as_str().into());
    }
    body.insert("detail".into(), error.detail.as_str().into());
    body.into()
}

/// The whole of a list that is in hand.
#[must_use]
pub fn list(total: usize, start: usize, resources: &[Value]) -> Bytes {
    let body = json!({
        "schemas": [LIST_RESPONSE],
        "totalResults": total,
        "startIndex": start,
        "itemsPerPage": resources.len(),
        "Resources": resources,
    });
    body.to_string().into()
}

/// A page of a list that was asked for by cursor (RFC 9865); without a cursor it is the last.
#[must_use]
pub fn cursor_list(total: Option<usize>, next: Option<String>, resources: &[Value]) -> Bytes {
    let mut body = Map::new();
    body.insert("schemas".into(), json!([LIST_RESPONSE]));
    if let Some(total) = total {
        body.insert("totalResults".into(), total.into());
    }
    body.insert("itemsPerPage".into(), resources.len().into());
    if let Some(next) = next {
        body.insert("nextCursor".into(), next.into());
    }
    body.insert("Resources".into(), resources.into());
    Value::from(body).to_string().into()
}

/// The members of a request body.
fn object(body: Value, what: &str) -> Result<Map<String, Value>, ScimError> {
    match body {
        Value::Object(members) => Ok(members),
        _ => Err(invalid_syntax(format!("{what} is not an object"))),
    }
}

/// Whether a body says that it is of the schema `wanted`; `None` where it says nothing.
fn is_of(body: &Map<String, Value>, wanted: &str) -> Option<bool> {
    let is = |value: &Value| {
        value
            .as_str()
            .is_some_and(|uri| uri.eq_ignore_ascii_case(wanted))
    };
    match resource::get(body, "schemas") {
        None | Some(Value::Null) => None,
        Some(Value::Array(list)) => Some(list.iter().any(is)),
        Some(other) => Some(is(other)),
    }
}

fn invalid_syntax(detail: impl Into<String>) -> ScimError {
    ScimError::bad(ScimType::InvalidSyntax, detail)
}
