//! Answers as HTTP. What an error becomes is decided in [`super::refusal`].

use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, ETAG, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{HeaderName, HeaderValue, Response, StatusCode, header::X_CONTENT_TYPE_OPTIONS};
use serde_json::{Value, json};

use crate::net::Body;
use crate::scim::json::{Checked, Node};
use crate::scim::message::{self, MEDIA_TYPE};
use crate::scim::operation::{Answer, Document, Following, Listing};
use crate::scim::{Client, Reply, ResourceId, ScimError};
use crate::telemetry::Metrics;

use super::error::GatewayError;
use super::head::REQUEST_ID;
use super::listing::{self, Outgoing};
use super::refusal::Refusal;
use super::state::Admission;

/// What an answer needs beside what came back.
pub(super) struct Manner<'a> {
    /// Where the resources of the type are, without a slash at the end.
    pub(super) collection: String,
    pub(super) commit_point: usize,
    pub(super) metrics: &'a Arc<Metrics>,
    pub(super) admission: &'a Admission,
}

/// The answer to an operation.
pub(super) async fn success(
    reply: Reply<Client>,
    manner: Manner<'_>,
) -> Result<Response<Body>, GatewayError> {
    let etag = reply.etag;
    match reply.answer {
        Answer::List(Listing::Page {
            total, resources, ..
        }) if reply.following.is_some() => {
            let next = match reply.following {
                Some(Following::More(cursor)) => Some(cursor),
                _ => None,
            };
            let values: Vec<Value> = resources.into_iter().map(Value::from).collect();
            Ok(list(message::cursor_list(total, next, &values)))
        }
        Answer::Created(document) => {
            Ok(Shown::of(document, etag, &manner.collection).into_response(StatusCode::CREATED))
        }
        Answer::Resource(document) => {
            Ok(Shown::of(document, etag, &manner.collection).into_response(StatusCode::OK))
        }
        Answer::List(list) => {
            let (limit, metrics) = (manner.commit_point, manner.metrics);
            let body = match listing::collect(list, limit, metrics, manner.admission).await? {
                Outgoing::Whole(bytes) => Body::Full(bytes),
                Outgoing::Stream(rest) => Body::Stream(Box::pin(rest)),
            };
            Ok(with_body(StatusCode::OK, body))
        }
        Answer::Nothing => Ok(bare(StatusCode::NO_CONTENT, etag.as_deref())),
        Answer::NotModified => Ok(bare(StatusCode::NOT_MODIFIED, etag.as_deref())),
    }
}

/// A list that is in hand.
pub(super) fn list(text: Bytes) -> Response<Body> {
    with_body(StatusCode::OK, Body::Full(text))
}

/// A document of our own making.
pub(super) fn document(value: &Value) -> Response<Body> {
    // A JSON value always prints.
    let text: Bytes = serde_json::to_vec(value).unwrap_or_default().into();
    with_body(StatusCode::OK, text.into())
}

/// The answer to what failed. `close` says that the connection cannot be used again, because the
/// request's body was left unread.
pub(super) fn refusal(refusal: &Refusal, close: bool) -> Response<Body> {
    let mut response = match refusal.oauth {
        Some(code) => oauth_error(code, &refusal.error),
        None => with_body(refusal.error.status(), error_text(&refusal.error).into()),
    };
    let mut put = |name: HeaderName, value: Option<String>| {
        if let Some(value) = value.and_then(|text| HeaderValue::from_str(&text).ok()) {
            response.headers_mut().insert(name, value);
        }
    };
    put(WWW_AUTHENTICATE, refusal.challenge.map(str::to_owned));
    put(RETRY_AFTER, refusal.retry_after.map(|s| s.to_string()));
    put(ALLOW, refusal.allow.map(str::to_owned));
    put(CONNECTION, close.then(|| "close".to_owned()));
    response
}

/// An error in the words of OAuth (RFC 6749 §5.2).
fn oauth_error(code: &'static str, error: &ScimError) -> Response<Body> {
    let value = json!({"error": code, "error_description": error.detail});
    plain_json(error.status(), &value)
}

/// A document that is nothing of SCIM.
pub(super) fn plain_json(status: StatusCode, value: &Value) -> Response<Body> {
    let text: Bytes = serde_json::to_vec(value).unwrap_or_default().into();
    let mut response = with_body(status, text.into());
    let media = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, media);
    response
}

/// Marks an answer with the id by which the logs know its request.
pub(super) fn mark(response: &mut Response<Body>, request_id: &str) {
    if let Ok(value) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
}

/// A resource as it is shown, with what its headers say.
pub(super) struct Shown {
    text: Checked,
    pub(super) location: Option<String>,
    pub(super) version: Option<String>,
}

impl Shown {
    /// `Location` equals `meta.location`, and `ETag` equals `meta.version`.
    pub(super) fn of(document: Document, etag: Option<String>, collection: &str) -> Self {
        let text = document.into_checked();
        let mut members = text.members();
        let meta = members.find_mut("meta").and_then(Node::object);
        let said = |name: &str| Some(meta.as_ref()?.find(name)?.as_str()?.into_owned());
        let (location_said, version_said) = (said("location"), said("version"));
        let version = etag.or_else(|| version_said.clone());
        let other = match (meta, &version) {
            (Some(meta), Some(version)) if Some(version) != version_said.as_ref() => {
                *meta.slot("version") = version.clone().into();
                let size = text.as_bytes().len() + version.len() + ROOM;
                Some(Checked::print(&members, size))
            }
            _ => None,
        };
        let text = other.unwrap_or(text);
        let mut shown = Self {
            text,
            location: location_said,
            version,
        };
        if shown.location.is_none() {
            shown.location = shown.id().map(|id| location(collection, &id));
        }
        shown
    }

    /// The id of the resource.
    pub(super) fn id(&self) -> Option<ResourceId> {
        self.text.members().find("id")?.as_str()?.parse().ok()
    }

    fn into_response(self, status: StatusCode) -> Response<Body> {
        let mut response = with_body(status, self.text.into_bytes().into());
        for (name, text) in [(LOCATION, self.location), (ETAG, self.version)] {
            if let Some(value) = text.and_then(|text| HeaderValue::from_str(&text).ok()) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

/// Where a resource is.
pub(super) fn location(collection: &str, id: &ResourceId) -> String {
    let mut text = format!("{collection}/");
    for byte in id.as_str().bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~@!$'()*+,=:&".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// The text of an error.
pub(super) fn error_text(error: &ScimError) -> Bytes {
    let value = message::error_value(error);
    serde_json::to_vec(&value).unwrap_or_default().into()
}

fn with_body(status: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    // Answers are about persons: no cache may keep them, and nobody may guess another type.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn bare(status: StatusCode, etag: Option<&str>) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(value) = etag.and_then(|text| HeaderValue::from_str(text).ok()) {
        headers.insert(ETAG, value);
    }
    response
}

/// Room for a name and the punctuation around it.
const ROOM: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: Value, etag: Option<&str>) -> Shown {
        let Value::Object(map) = value else {
            unreachable!()
        };
        let document = Document::Tree(map.into());
        Shown::of(
            document,
            etag.map(str::to_owned),
            "https://a.example/v2/Users",
        )
    }

    #[test]
    fn headers_and_meta_say_the_same() {
        let meta = json!({"location": "https://a.example/v2/Users/1", "version": "W/\"1\""});
        let got = shown(json!({"id": "1", "meta": meta}), Some("W/\"2\""));
        let response = got.into_response(StatusCode::CREATED);
        assert_eq!(response.headers()[ETAG], "W/\"2\"");
        assert_eq!(response.headers()[LOCATION], "https://a.example/v2/Users/1");
        let Body::Full(text) = response.into_body() else {
            panic!("no body")
        };
        let body: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(body["meta"]["version"], "W/\"2\"");
    }

    #[test]
    fn without_meta_the_location_comes_from_the_id_and_meta_stays_away() {
        let got = shown(json!({"id": "a b/é"}), None);
        let wanted = "https://a.example/v2/Users/a%20b%2F%C3%A9";
        // A slash cannot be in an id.
        assert_eq!(got.location, None);
        let got_plain = shown(json!({"id": "a bé"}), None);
        assert_eq!(got_plain.location.unwrap(), wanted.replace("%2F", ""));
        assert_eq!(got_plain.text.members().len(), 1);
    }
}
