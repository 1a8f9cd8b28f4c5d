//! An operation as the request that a directory gets: made afresh, so that nothing of the client's
//! own request can be in it by omission.

use std::fmt::Write as _;

use bytes::Bytes;
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH,
    USER_AGENT,
};
use http::{Method, Request, Uri};

use crate::directory::{Ask, DirectoryError, Place};
use crate::net::Body;
use crate::scim::operation::{Precondition, Projection, Verb, VerbKind};
use crate::scim::query::projection_string;
use crate::scim::{Operation, ResourceId, Upstream, message};

/// Where a directory is, and as whom we come.
#[derive(Debug)]
pub(super) struct Base {
    scheme: http::uri::Scheme,
    authority: http::uri::Authority,
    /// Without a slash at its end.
    path: String,
    /// Marked as sensitive, so that it prints as such.
    authorization: Option<HeaderValue>,
}

/// A request, ready to be made any number of times.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// What it does.
    pub(super) kind: VerbKind,
    method: Method,
    /// Path and query.
    target: String,
    body: Option<Bytes>,
    if_match: Option<HeaderValue>,
    if_none_match: Option<HeaderValue>,
}

impl Base {
    /// Scheme, host and port.
    pub(super) fn name(&self) -> String {
        format!("{}://{}", self.scheme, self.authority).to_ascii_lowercase()
    }

    /// Takes the configured URL apart: `http` or `https`, a host, perhaps a path.
    pub(super) fn new(url: &str, authorization: Option<HeaderValue>) -> Result<Self, String> {
        if url.contains('@') {
            return Err("a user and password do not belong into the URL: use `auth`".to_owned());
        }
        if url.contains(['?', '#']) {
            return Err(format!("`{url}` must have neither a query nor a fragment"));
        }
        let uri: Uri = url.parse().map_err(|_| format!("`{url}` is not a URL"))?;
        let parts = uri.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err(format!(
                "`{url}` is not a whole URL: it must begin with `https://` or `http://`"
            ));
        };
        if scheme != http::uri::Scheme::HTTPS && scheme != http::uri::Scheme::HTTP {
            return Err(format!("`{url}` is neither `https` nor `http`"));
        }
        if authority.host().is_empty() {
            return Err(format!("`{url}` names no host"));
        }
        let path = parts
            .path_and_query
            .map_or(String::new(), |p| p.to_string());
        Ok(Self {
            scheme,
            authority,
            path: path.trim_end_matches('/').to_owned(),
            authorization,
        })
    }

    /// Whether it is reached over TLS.
    pub(super) fn is_https(&self) -> bool {
        self.scheme == http::uri::Scheme::HTTPS
    }

    /// The request, with our headers and no others.
    pub(super) fn request(
        &self,
        outgoing: &Outgoing,
        ask: &Ask,
    ) -> Result<Request<Body>, DirectoryError> {
        let uri = Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(format!("{}{}", self.path, outgoing.target))
            .build()
            .map_err(|_| DirectoryError::TooLarge)?;
        let body = outgoing.body.clone().map_or(Body::Empty, Body::Full);
        let mut request = Request::new(body);
        *request.method_mut() = outgoing.method.clone();
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        let mut set = |name: HeaderName, value: Option<HeaderValue>| {
            if let Some(value) = value {
                headers.insert(name, value);
            }
        };
        set(USER_AGENT, Some(HeaderValue::from_static("postern")));
        set(ACCEPT, Some(HeaderValue::from_static(ACCEPTED)));
        set(AUTHORIZATION, self.authorization.clone());
        let typed = outgoing.body.is_some();
        set(
            CONTENT_TYPE,
            typed.then(|| HeaderValue::from_static(message::MEDIA_TYPE)),
        );
        set(IF_MATCH, outgoing.if_match.clone());
        set(IF_NONE_MATCH, outgoing.if_none_match.clone());
        set(REQUEST_ID, HeaderValue::from_str(&ask.request_id).ok());
        if let Some(context) = &ask.traceparent {
            context.write(headers);
        }
        Ok(request)
    }
}

impl Outgoing {
    /// What to send for an operation on resources that live at `place`.
    pub(super) fn new(
        operation: Operation<Upstream>,
        place: &Place,
    ) -> Result<Self, DirectoryError> {
        let Operation {
            verb,
            projection,
            precondition,
            ..
        } = operation;
        let kind = verb.kind();
        let path = match verb.id() {
            Some(id) => one(place, id),
            None => all(place),
        };
        let query = match &verb {
            Verb::List(query) => question(query.to_query_string(&projection)),
            Verb::Delete(_) => String::new(),
            Verb::Create(_) | Verb::Read(_) | Verb::Replace(..) | Verb::Patch(..) => {
                question(projection_string(&projection))
            }
        };
        let (method, body) = match verb {
            Verb::Create(document) => (Method::POST, Some(document.into_bytes())),
            Verb::Read(_) | Verb::List(_) => (Method::GET, None),
            Verb::Replace(_, document) => (Method::PUT, Some(document.into_bytes())),
            Verb::Patch(_, patch) => (Method::PATCH, Some(print(&message::patch_value(&patch)))),
            Verb::Delete(_) => (Method::DELETE, None),
        };
        let (if_match, if_none_match) = conditions(&precondition)?;
        Ok(Self {
            kind,
            method,
            target: path + &query,
            body,
            if_match,
            if_none_match,
        })
    }

    /// A look at one resource.
    pub(super) fn read(place: &Place, id: &ResourceId, projection: &Projection) -> Self {
        Self::get(one(place, id) + &question(projection_string(projection)))
    }

    /// A look at a path of ours; it begins with a slash.
    pub(super) fn get(target: String) -> Self {
        Self {
            kind: VerbKind::Read,
            method: Method::GET,
            target,
            body: None,
            if_match: None,
            if_none_match: None,
        }
    }

    /// Whether it asks for an answer only if the version is another.
    pub(super) fn is_conditional(&self) -> bool {
        self.if_none_match.is_some()
    }
}

fn all(place: &Place) -> String {
    let mut path = String::from("/");
    encode(place.endpoint.trim_start_matches('/'), b"/", &mut path);
    path
}

fn one(place: &Place, id: &ResourceId) -> String {
    let mut path = all(place);
    if !path.ends_with('/') {
        path.push('/');
    }
    encode(id.as_str(), b"", &mut path);
    path
}

/// Percent-encodes everything but RFC 3986's unreserved characters and those in `also`.
fn encode(text: &str, also: &[u8], out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || also.contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing into a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

fn question(query: String) -> String {
    if query.is_empty() {
        query
    } else {
        format!("?{query}")
    }
}

/// The two headers. A version that no header can hold is no version that a resource has.
fn conditions(
    precondition: &Precondition,
) -> Result<(Option<HeaderValue>, Option<HeaderValue>), DirectoryError> {
    let join = |tags: &Vec<String>| HeaderValue::from_str(&tags.join(", ")).ok();
    let if_match = match &precondition.if_match {
        Some(tags) => Some(join(tags).ok_or(DirectoryError::Precondition)?),
        None => None,
    };
    Ok((if_match, precondition.if_none_match.as_ref().and_then(join)))
}

fn print(value: &serde_json::Value) -> Bytes {
    value.to_string().into()
}

const ACCEPTED: &str = "application/scim+json, application/json";
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_id_is_one_segment_and_comes_back(text in "\\PC{1,20}") {
            let Ok(id) = text.parse::<ResourceId>() else { return Ok(()) };
            let place = Place {
                resource: "User".parse().unwrap(),
                endpoint: "/old/people".into(),
                id: "no".into(),
            };
            let path = one(&place, &id);
            let segment = path.strip_prefix("/old/people/").unwrap();
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~%".contains(&b);
            prop_assert!(segment.bytes().all(plain), "{segment}");
            let back = super::super::answer::decode(segment);
            prop_assert_eq!(back.as_deref(), Some(id.as_str()));
        }
    }

    #[test]
    fn an_endpoint_may_end_with_a_slash() {
        let place = |endpoint: &str| Place {
            resource: "User".parse().unwrap(),
            endpoint: endpoint.into(),
            id: "id".into(),
        };
        let id = "7".parse().unwrap();
        assert_eq!(one(&place("api/local users/"), &id), "/api/local%20users/7");
        assert_eq!(all(&place("api/localusers/")), "/api/localusers/");
        assert_eq!(one(&place("/Users"), &id), "/Users/7");
    }
}
