//! What a directory answered, as a reply or an error: status, headers and body judged in one
//! place, leniently in form and strictly in meaning (decisions 18).
//!
//! The content type is not looked at: a body either is JSON or it is not. A list that is not there
//! (404) is a mistake of configuration and not an empty list: the client would make everybody anew.

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, ETAG, LOCATION, RETRY_AFTER};
use http::{HeaderMap, StatusCode};

use crate::directory::DirectoryError;
use crate::scim::operation::{Answer, Document, VerbKind};
use crate::scim::{Reply, ResourceId, ScimType, Upstream, json};

use super::glance::{Glance, Said, is_entity_tag};

/// What is to be done about an answer.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Nothing more.
    Done(Reply<Upstream>),
    /// A resource was made and is not in the answer: it must be read.
    ReadBack(ResourceId),
}

/// What the head of an answer says.
#[derive(Debug)]
pub(super) enum Head {
    /// A success; its body is to be read.
    Success,
    /// `If-None-Match` matched.
    NotModified,
    /// An error of this status; its body may say more.
    Error(u16),
}

/// Judges the head. `conditional` says whether the request had `If-None-Match`.
pub(super) fn head(
    status: StatusCode,
    headers: &HeaderMap,
    conditional: bool,
) -> Result<Head, DirectoryError> {
    match status.as_u16() {
        206 => Err(malformed("it answered 206, a part, which nobody asked for")),
        200..=299 if is_encoded(headers) => Err(malformed(
            "its body has a content encoding, which nobody asked for",
        )),
        200..=299 => Ok(Head::Success),
        304 if conditional => Ok(Head::NotModified),
        status @ 400..=599 => Ok(Head::Error(status)),
        status @ 300..=399 => Err(DirectoryError::Malformed(format!(
            "it answered {status}, a redirect: is the URL right?"
        ))),
        status => Err(DirectoryError::Malformed(format!(
            "it answered with status {status}"
        ))),
    }
}

/// The error that an error answer means. `body` is what of it could be read.
pub(super) fn error(
    kind: VerbKind,
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
) -> DirectoryError {
    let Said { scim_type, detail } = Said::of(body);
    match status {
        // A value that is taken is a conflict, whichever status says it.
        400 | 422 if scim_type == Some(ScimType::Uniqueness) => {
            DirectoryError::Conflict { scim_type, detail }
        }
        400 | 422 => DirectoryError::Refused { scim_type, detail },
        401 | 403 => DirectoryError::Credentials(status),
        404 | 410 if matches!(kind, VerbKind::Create | VerbKind::List) => {
            DirectoryError::Malformed(format!(
                "it answered {status} where its resources should be: is the path right?"
            ))
        }
        404 | 410 => DirectoryError::NotFound,
        405 | 501 => DirectoryError::Unsupported,
        408 => DirectoryError::TimedOut,
        409 => DirectoryError::Conflict { scim_type, detail },
        412 => DirectoryError::Precondition,
        413 | 414 | 431 => DirectoryError::TooLarge,
        429 | 503 => DirectoryError::Busy {
            status,
            retry_after: retry_after(headers),
        },
        500..=599 => DirectoryError::Failed(status),
        status => DirectoryError::Malformed(format!("it answered with status {status}")),
    }
}

/// Judges a success that is not a list. `id` is the attribute that holds the id.
pub(super) fn success(
    kind: VerbKind,
    headers: &HeaderMap,
    body: Bytes,
    id: &str,
) -> Result<Outcome, DirectoryError> {
    if kind == VerbKind::Delete {
        return deleted(headers, &body);
    }
    if is_blank(&body) {
        return match (kind, location(headers)) {
            (VerbKind::Create, Some(id)) => Ok(Outcome::ReadBack(id)),
            (VerbKind::Create, None) => Err(malformed(NO_ID)),
            (VerbKind::Replace | VerbKind::Patch, _) => Ok(done(headers, None, Answer::Nothing)),
            (VerbKind::Read | VerbKind::List | VerbKind::Delete, _) => {
                Err(malformed("the body is empty"))
            }
        };
    }
    let checked =
        json::check(body).map_err(|error| DirectoryError::Malformed(error.to_string()))?;
    let text = checked.as_bytes();
    let glance = Glance::at(text, id);
    if let Some(status) = glance.error {
        return Err(error(kind, status, headers, text));
    }
    match (kind, glance.id, location(headers)) {
        (VerbKind::Create, true, _) => {
            let answer = Answer::Created(Document::Checked(checked));
            Ok(done(headers, glance.version, answer))
        }
        (VerbKind::Create, false, Some(id)) => Ok(Outcome::ReadBack(id)),
        (VerbKind::Create, false, None) => Err(malformed(NO_ID)),
        (_, _, _) => {
            let answer = Answer::Resource(Document::Checked(checked));
            Ok(done(headers, glance.version, answer))
        }
    }
}

/// Whether the text of a list is an error that came as a success.
pub(super) fn list_error(headers: &HeaderMap, text: &[u8]) -> Option<DirectoryError> {
    if is_blank(text) {
        return Some(malformed("the body is empty"));
    }
    // A list has no id; what has a status of 400 and more is no list.
    let status = Glance::at(text, "").error?;
    Some(error(VerbKind::List, status, headers, text))
}

/// The version that the answer is about: the header, else what the resource itself says.
pub(super) fn version(headers: &HeaderMap, meta: Option<String>) -> Option<String> {
    let header = headers.get(ETAG).and_then(|value| value.to_str().ok());
    match header.filter(|text| is_entity_tag(text)) {
        Some(tag) => Some(tag.to_owned()),
        None => meta,
    }
}

/// Any body of a success will do, as long as it is not an error in disguise or another thing's
/// page: a login form in front of the directory has not deleted anybody.
fn deleted(headers: &HeaderMap, body: &[u8]) -> Result<Outcome, DirectoryError> {
    if is_blank(body) {
        return Ok(done(headers, None, Answer::Nothing));
    }
    json::parse(body).map_err(|error| DirectoryError::Malformed(error.to_string()))?;
    // A record that is shown once more is known by nothing but its status: no id is asked for.
    match Glance::at(body, "").error {
        Some(status) => Err(error(VerbKind::Delete, status, headers, body)),
        None => Ok(Outcome::Done(Reply::new(Answer::Nothing))),
    }
}

fn done(headers: &HeaderMap, meta: Option<String>, answer: Answer) -> Outcome {
    Outcome::Done(Reply::new(answer).versioned(version(headers, meta)))
}

/// The id at the end of `Location`. Nothing else of it is believed: neither host nor path.
fn location(headers: &HeaderMap) -> Option<ResourceId> {
    let text = headers.get(LOCATION)?.to_str().ok()?;
    let path = text.split(['?', '#']).next()?.trim_end_matches('/');
    let (head, last) = path.rsplit_once('/')?;
    // `https://host` has no path at all.
    if head.ends_with(":/") {
        return None;
    }
    decode(last)?.parse().ok()
}

/// Undoes percent-encoding.
pub(super) fn decode(segment: &str) -> Option<String> {
    let mut out = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
            let value = digit(bytes.next())? * 16 + digit(bytes.next())?;
            out.push(u8::try_from(value).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

/// `Retry-After` in seconds, at most a day; dates are not read.
fn retry_after(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    text.parse::<u64>().ok().map(|seconds| seconds.min(DAY))
}

fn is_encoded(headers: &HeaderMap) -> bool {
    headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"))
}

fn is_blank(body: &[u8]) -> bool {
    body.iter().all(u8::is_ascii_whitespace)
}

fn malformed(text: &str) -> DirectoryError {
    DirectoryError::Malformed(text.to_owned())
}

const NO_ID: &str = "it made a resource and says no id";
const DAY: u64 = 86_400;

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_bytes_are_too_odd(body: Vec<u8>, kind in kinds()) {
            let headers = HeaderMap::new();
            let _ = success(kind, &headers, body.clone().into(), "id");
            let _ = list_error(&headers, &body);
            let _ = error(kind, 400, &headers, &body);
        }

        #[test]
        fn no_location_is_too_odd(text in "[ -~]{0,40}") {
            let value = HeaderValue::from_str(&text).unwrap();
            let id = location(&HeaderMap::from_iter([(LOCATION, value)]));
            if let Some(id) = id {
                prop_assert!(!id.as_str().contains('/'), "{id}");
            }
        }
    }

    fn kinds() -> impl Strategy<Value = VerbKind> {
        prop_oneof![
            Just(VerbKind::Create),
            Just(VerbKind::Read),
            Just(VerbKind::Replace),
            Just(VerbKind::Delete),
        ]
    }
}
