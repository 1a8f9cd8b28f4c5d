//! Values as the mapping has them, and as the directory has them.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde_json::Value;

use crate::directory::DirectoryError;
use crate::ldap::layout::{Attribute, Syntax, Values};
use crate::scim::ScimType;

/// The values of an attribute for the directory; a text is one value, an array many.
pub(super) fn written(
    attribute: Option<&Attribute>,
    name: &str,
    value: &Value,
) -> Result<Vec<Bytes>, DirectoryError> {
    let syntax = attribute.map_or(Syntax::Text, |attribute| attribute.syntax);
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) => items.iter().map(|item| one(syntax, name, item)).collect(),
        item => Ok(vec![one(syntax, name, item)?]),
    }
}

fn one(syntax: Syntax, name: &str, value: &Value) -> Result<Bytes, DirectoryError> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "TRUE".to_owned(),
        Value::Bool(false) => "FALSE".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => return Err(unfit(name)),
    };
    if text.contains('\0') {
        // Servers and the programs behind them end texts there.
        return Err(refused(format!("{name} cannot hold a null character")));
    }
    match syntax {
        Syntax::Text => Ok(text.into()),
        Syntax::Binary => BASE64_STANDARD
            .decode(&text)
            .ok()
            .map(Bytes::from)
            .ok_or_else(|| unfit(name)),
    }
}

/// The values of an entry as the mapping has them; `None` where there are none that can be read.
pub(super) fn read(attribute: &Attribute, values: &[Bytes]) -> Option<Value> {
    let mut texts = values.iter().filter_map(|value| match attribute.syntax {
        Syntax::Text => std::str::from_utf8(value).ok().map(str::to_owned),
        Syntax::Binary => Some(BASE64_STANDARD.encode(value)),
    });
    match attribute.values {
        Values::One => texts.next().map(Value::String),
        Values::Many => {
            let all: Vec<Value> = texts.map(Value::String).collect();
            (!all.is_empty()).then_some(Value::Array(all))
        }
    }
}

fn unfit(name: &str) -> DirectoryError {
    refused(format!("{name} cannot have this value"))
}

/// That the client's values cannot be had.
pub(super) fn refused(detail: impl Into<String>) -> DirectoryError {
    DirectoryError::Refused {
        scim_type: Some(ScimType::InvalidValue),
        detail: Some(detail.into()),
    }
}
