//! What of a request's head is understood: everything else is neither read nor handed on.

use std::sync::Arc;

use http::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, IF_MATCH, IF_NONE_MATCH,
};

use crate::scim::operation::Precondition;

use super::error::GatewayError;

/// The header by which a client names its request.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The client's own id for the request, where it is fit for logs.
pub(super) fn request_id(headers: &HeaderMap) -> Option<Arc<str>> {
    let text = headers.get(REQUEST_ID)?.to_str().ok()?;
    let fits = (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    fits.then(|| text.into())
}

/// At most one `Authorization`: with two, we and somebody before us might believe different ones.
pub(super) fn one_authorization(headers: &HeaderMap) -> Result<(), GatewayError> {
    match headers.get_all(AUTHORIZATION).iter().nth(1) {
        Some(_) => Err(GatewayError::SeveralAuthorizations),
        None => Ok(()),
    }
}

/// `application/scim+json` or `application/json`, with any parameters but another charset; a body
/// without a type is taken for the former.
pub(super) fn json_body(headers: &HeaderMap) -> Result<(), GatewayError> {
    let coded = |text: &str| !text.trim().eq_ignore_ascii_case("identity");
    for line in headers.get_all(CONTENT_ENCODING) {
        if line.to_str().map_or(true, coded) {
            return Err(GatewayError::ContentEncoding);
        }
    }
    let mut lines = headers.get_all(CONTENT_TYPE).iter();
    let line = match (lines.next(), lines.next()) {
        (None, _) => return Ok(()),
        (Some(line), None) => line.to_str().map_err(|_| GatewayError::MediaType)?,
        (Some(_), Some(_)) => return Err(GatewayError::MediaType),
    };
    let mut parts = line.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default();
    let known = ["application/scim+json", "application/json"]
        .iter()
        .any(|known| media.eq_ignore_ascii_case(known));
    let utf8 = parts
        .filter_map(|part| part.split_once('='))
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))
        .all(|(_, charset)| {
            let charset = charset.trim().trim_matches('"');
            ["utf-8", "utf8", "us-ascii"]
                .iter()
                .any(|known| charset.eq_ignore_ascii_case(known))
        });
    if known && utf8 {
        Ok(())
    } else {
        Err(GatewayError::MediaType)
    }
}

/// `If-Match` and `If-None-Match`.
pub(super) fn precondition(headers: &HeaderMap) -> Result<Precondition, GatewayError> {
    Ok(Precondition {
        if_match: tags(headers, &IF_MATCH).ok_or(GatewayError::Header("If-Match"))?,
        if_none_match: tags(headers, &IF_NONE_MATCH)
            .ok_or(GatewayError::Header("If-None-Match"))?,
    })
}

/// The version of a bulk operation, as if it had come in `If-Match`.
pub(super) fn version(text: &str) -> Option<Vec<String>> {
    let mut tags = Vec::new();
    read_tags(text, &mut tags)?;
    (tags.len() == 1).then_some(tags)
}

/// The entity tags of all lines of a header; the outer `None` where one cannot be read.
fn tags(headers: &HeaderMap, name: &HeaderName) -> Option<Option<Vec<String>>> {
    let mut tags = Vec::new();
    let mut present = false;
    for line in headers.get_all(name) {
        present = true;
        read_tags(line.to_str().ok()?, &mut tags)?;
    }
    let star = tags.iter().any(|tag| tag == "*");
    match (present, star, tags.len()) {
        (false, ..) => Some(None),
        (true, _, 0) | (true, true, 2..) => None,
        (true, ..) => Some(Some(tags)),
    }
}

/// `*`, or `"tag"` and `W/"tag"` between commas (RFC 9110 §8.8.3). A tag without quotes is taken
/// as if it had them: clients copy `meta.version` as they find it.
fn read_tags(mut text: &str, tags: &mut Vec<String>) -> Option<()> {
    loop {
        text = text.trim_start_matches([' ', '\t', ',']);
        if text.is_empty() {
            return Some(());
        }
        let weak = text.strip_prefix("W/");
        let (tag, rest) = match weak.unwrap_or(text).strip_prefix('"') {
            Some(inner) => {
                let (tag, rest) = inner.split_once('"')?;
                if !tag.bytes().all(|b| b.is_ascii_graphic()) {
                    return None;
                }
                let mark = if weak.is_some() { "W/" } else { "" };
                (format!("{mark}\"{tag}\""), rest)
            }
            None if weak.is_some() => return None,
            None => {
                let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
                let (tag, rest) = text.split_at_checked(end)?;
                if tag.contains('"') {
                    return None;
                }
                match tag {
                    "*" => ("*".to_owned(), rest),
                    bare => (format!("\"{bare}\""), rest),
                }
            }
        };
        tags.push(tag);
        let rest = rest.trim_start_matches([' ', '\t']);
        if !rest.is_empty() && !rest.starts_with(',') {
            return None;
        }
        text = rest;
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(name: &HeaderName, lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name, HeaderValue::from_str(line).unwrap());
        }
        headers
    }

    #[test]
    fn entity_tags() {
        let read = |lines: &[&str]| tags(&headers(&IF_MATCH, lines), &IF_MATCH);
        assert_eq!(read(&[]), Some(None));
        for (lines, wanted) in [
            (&["*"][..], &["*"][..]),
            (&[r#""a""#], &[r#""a""#]),
            (
                &[r#"W/"a", "b,c" ,W/"d""#],
                &[r#"W/"a""#, r#""b,c""#, r#"W/"d""#],
            ),
            (&[r#""a""#, r#""b""#], &[r#""a""#, r#""b""#]),
            (&["3694e05e"], &[r#""3694e05e""#]),
        ] {
            assert_eq!(read(lines).unwrap().unwrap(), wanted, "{lines:?}");
        }
        for lines in [
            &[""][..],
            &[","],
            &[r#""a"#],
            &[r#""a" "b""#],
            &[r#"*, "a""#],
            &["W/a"],
            &[r#"a"b"#],
        ] {
            assert_eq!(read(lines), None, "{lines:?}");
        }
    }

    #[test]
    fn media_types() {
        for good in [
            "application/scim+json",
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/scim+json;charset=\"utf-8\"; x=y",
        ] {
            assert_eq!(
                json_body(&headers(&CONTENT_TYPE, &[good])),
                Ok(()),
                "{good}"
            );
        }
        assert_eq!(json_body(&HeaderMap::new()), Ok(()));
        for bad in [
            &["text/plain"][..],
            &["application/xml"],
            &["application/jsonx"],
            &[""],
            &["application/json; charset=utf-16"],
            &["application/json", "application/json"],
        ] {
            let got = json_body(&headers(&CONTENT_TYPE, bad));
            assert_eq!(got, Err(GatewayError::MediaType), "{bad:?}");
        }
        assert_eq!(
            json_body(&headers(&CONTENT_ENCODING, &["gzip"])),
            Err(GatewayError::ContentEncoding)
        );
        assert_eq!(
            json_body(&headers(&CONTENT_ENCODING, &["identity"])),
            Ok(())
        );
    }

    #[test]
    fn ids_that_do_not_fit_a_log_are_not_taken() {
        let read = |text: &str| request_id(&headers(&REQUEST_ID, &[text])).is_some();
        assert!(read("3f2a-1"));
        assert!(!read("") && !read("a b") && !read(&"x".repeat(129)));
    }
}
