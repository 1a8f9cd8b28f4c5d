//! The envelopes of RFC 7644: errors, lists, PATCH, bulk; with their schema URIs and media type.

use bytes::Bytes;
use serde_json::Value;

use super::accent::Accents;
use super::error::ScimError;
use super::patch::Patch;
use super::schema::TypeSchema;

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
    let _ = error;
    todo!()
}

/// The whole of a list that is in hand.
#[must_use]
pub fn list(total: usize, start: usize, resources: &[Value]) -> Bytes {
    let _ = (total, start, resources);
    todo!()
}

/// Reads a PATCH body: operations in any case, values without path taken apart into one change
/// per attribute, accents brought into the RFC's form.
///
/// # Errors
/// `invalidSyntax`, `invalidPath`, `invalidValue` with the number of the operation.
pub fn patch_request(
    body: Value,
    schema: &TypeSchema,
    accents: &mut Accents,
) -> Result<Patch, ScimError> {
    let _ = (body, schema, accents);
    todo!()
}

/// Writes a PATCH body.
#[must_use]
pub fn patch_value(patch: &Patch) -> Value {
    let _ = patch;
    todo!()
}

/// A bulk request (RFC 7644 §3.7).
#[derive(Debug)]
pub struct BulkRequest {
    /// Stop after so many errors.
    pub fail_on_errors: Option<usize>,
    /// In the order in which they came.
    pub operations: Vec<BulkOperation>,
}

/// One operation of it.
#[derive(Debug)]
pub struct BulkOperation {
    /// `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: http::Method,
    /// The client's own name for what a `POST` makes.
    pub bulk_id: Option<String>,
    /// The version that the resource must have.
    pub version: Option<String>,
    /// `/Users` or `/Users/{id}`.
    pub path: String,
    /// The body.
    pub data: Option<Value>,
}

/// Reads a bulk request of at most `limit` operations.
///
/// # Errors
/// `invalidSyntax`, or 413 when there are more.
pub fn bulk_request(body: Value, limit: usize) -> Result<BulkRequest, ScimError> {
    let _ = (body, limit);
    todo!()
}
