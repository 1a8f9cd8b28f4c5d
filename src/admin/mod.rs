//! The two small doors. *Probe*: reads only, on any address, for kubelet and Prometheus.
//! *Control*: for the operator, on loopback or a Unix socket, elsewhere with proof of who asks.
//! Plain functions of a request: who listens where is the business of `server`.

mod control;
mod entry;
mod guard;
mod probe;
mod readiness;
mod scene;
mod status;

#[cfg(test)]
mod tests;

pub use control::Control;
pub use entry::Entry;
pub use probe::Probe;
pub use readiness::Signs;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use serde_json::Value;

use crate::net::Body;

/// What is only to be read.
fn reading(request: &Request<Body>, answer: impl FnOnce() -> Response<Body>) -> Response<Body> {
    if [Method::GET, Method::HEAD].contains(request.method()) {
        return answer();
    }
    method_not_allowed("GET, HEAD")
}

fn method_not_allowed(allow: &'static str) -> Response<Body> {
    let text = format!("this takes {allow}\n");
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, text);
    let headers = response.headers_mut();
    headers.insert(ALLOW, HeaderValue::from_static(allow));
    response
}

fn document(status: StatusCode, value: &Value) -> Response<Body> {
    // A JSON value always prints.
    let mut text = serde_json::to_vec_pretty(value).unwrap_or_default();
    text.push(b'\n');
    with(status, "application/json", text.into())
}

fn plain(status: StatusCode, text: String) -> Response<Body> {
    // The version is that of Prometheus' text format; for the rest it means nothing.
    with(
        status,
        "text/plain; version=0.0.4; charset=utf-8",
        text.into(),
    )
}

fn with(status: StatusCode, media_type: &'static str, text: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
