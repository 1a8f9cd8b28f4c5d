//! Bulk requests (RFC 7644 §3.7).

use std::collections::HashSet;

use http::{Method, StatusCode};
use serde_json::{Map, Value};

use super::{BULK_REQUEST, invalid_syntax, is_of, object};
use crate::scim::error::ScimError;
use crate::scim::resource;

/// A bulk request (RFC 7644 §3.7).
#[derive(Debug)]
pub struct BulkRequest {
    /// Stop after so many errors.
    pub fail_on_errors: Option<usize>,
    /// In the order in which they came.
    pub operations: Vec<BulkOperation>,
}

/// One operation of it. Its `Debug` shows no data.
pub struct BulkOperation {
    /// `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: Method,
    /// The client's own name for what a `POST` makes.
    pub bulk_id: Option<String>,
    /// The version that the resource must have.
    pub version: Option<String>,
    /// `/Users` or `/Users/{id}`.
    pub path: String,
    /// The body.
    pub data: Option<Value>,
}

/// Reads a bulk request of at most `limit` operations. What is wrong with the envelope refuses
/// all of it, before anything is done.
///
/// # Errors
/// `invalidSyntax`, or 413 when there are more.
pub fn bulk_request(body: Value, limit: usize) -> Result<BulkRequest, ScimError> {
    let mut body = object(body, "the body of a bulk request")?;
    if is_of(&body, BULK_REQUEST) != Some(true) {
        return Err(invalid_syntax(format!(
            "`schemas` does not name `{BULK_REQUEST}`"
        )));
    }
    let fail_on_errors = match resource::get(&body, "failOnErrors") {
        None | Some(Value::Null) => None,
        Some(value) => match value.as_u64().map(usize::try_from) {
            Some(Ok(count)) if count > 0 => Some(count),
            _ => {
                return Err(invalid_syntax(
                    "`failOnErrors` is not a whole number above 0",
                ));
            }
        },
    };
    let operations = match resource::remove(&mut body, "Operations") {
        Some(Value::Array(operations)) => operations,
        Some(_) => return Err(invalid_syntax("`Operations` is not an array")),
        None => return Err(invalid_syntax("`Operations` is missing")),
    };
    if operations.len() > limit {
        return Err(ScimError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            None,
            format!("more than {limit} operations (maxOperations)"),
        ));
    }
    let mut ids = HashSet::new();
    let mut read = Vec::with_capacity(operations.len());
    for (index, operation) in operations.into_iter().enumerate() {
        let fault =
            |error: ScimError| invalid_syntax(format!("operation {}: {}", index + 1, error.detail));
        let operation = object(operation, "it").and_then(one).map_err(fault)?;
        if let Some(id) = &operation.bulk_id
            && !ids.insert(id.clone())
        {
            return Err(fault(invalid_syntax("its `bulkId` was used before")));
        }
        read.push(operation);
    }
    Ok(BulkRequest {
        fail_on_errors,
        operations: read,
    })
}

fn one(mut operation: Map<String, Value>) -> Result<BulkOperation, ScimError> {
    let method = match text(&mut operation, "method")? {
        Some(text) => method(&text),
        None => None,
    };
    let Some(method) = method else {
        return Err(invalid_syntax("`method` is not POST, PUT, PATCH or DELETE"));
    };
    let bulk_id = text(&mut operation, "bulkId")?;
    if method == Method::POST && bulk_id.as_ref().is_none_or(String::is_empty) {
        return Err(invalid_syntax("a POST has no `bulkId`"));
    }
    let Some(path) = text(&mut operation, "path")?.filter(|path| path.starts_with('/')) else {
        return Err(invalid_syntax("`path` is not a path such as `/Users`"));
    };
    let data = resource::remove(&mut operation, "data").filter(|data| !data.is_null());
    if data.is_none() && method != Method::DELETE {
        return Err(invalid_syntax(format!("a {method} has no `data`")));
    }
    Ok(BulkOperation {
        version: text(&mut operation, "version")?,
        method,
        bulk_id,
        path,
        data,
    })
}

fn method(text: &str) -> Option<Method> {
    [Method::POST, Method::PUT, Method::PATCH, Method::DELETE]
        .into_iter()
        .find(|method| method.as_str().eq_ignore_ascii_case(text))
}

fn text(operation: &mut Map<String, Value>, name: &str) -> Result<Option<String>, ScimError> {
    match resource::remove(operation, name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(invalid_syntax(format!("`{name}` is not a string"))),
    }
}

impl std::fmt::Debug for BulkOperation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}
