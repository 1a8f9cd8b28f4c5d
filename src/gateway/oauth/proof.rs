//! How a client says who it is: by Basic, in the form, or with a signed assertion, and by exactly
//! one of them (RFC 6749 §2.3, RFC 7521 §4.2).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use zeroize::Zeroizing;

use super::form::{Form, decoded};
use super::{Code, OAuthError};
use crate::auth::AuthError;
use crate::auth::issue::Proof;

/// What a client has shown.
pub(super) struct Shown {
    basic: Option<(Zeroizing<String>, Zeroizing<String>)>,
    form: Form,
    /// Whether it has tried Basic, which the answer must then ask for.
    pub(super) by_basic: bool,
}

impl Shown {
    /// Takes a request apart.
    pub(super) fn read(headers: &HeaderMap, form: Form) -> Result<Self, OAuthError> {
        let mut shown = Self {
            basic: None,
            form,
            by_basic: false,
        };
        if let Some(value) = headers.get(AUTHORIZATION) {
            shown.by_basic = true;
            let pair = value.to_str().ok().and_then(basic);
            shown.basic = Some(pair.ok_or(OAuthError {
                code: Code::InvalidClient,
                detail: "the Authorization header is not one of Basic",
                basic: true,
                why: Some(AuthError::Malformed),
            })?);
        }
        Ok(shown)
    }

    /// A parameter.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.form.get(name)
    }

    /// The one proof.
    pub(super) fn proof(&self) -> Result<Proof<'_>, OAuthError> {
        let id = self.form.get("client_id");
        let secret = self.form.get("client_secret");
        let assertion = self.form.get("client_assertion");
        let kind = self.form.get("client_assertion_type");
        let ways = [self.basic.is_some(), secret.is_some(), assertion.is_some()];
        if ways.into_iter().filter(|way| *way).count() > 1 {
            return Err(OAuthError::request(
                "the client shows who it is in more than one way",
            ));
        }
        if assertion.is_some() != kind.is_some() || kind.is_some_and(|kind| kind != JWT_BEARER) {
            let detail = "`client_assertion` comes with a `client_assertion_type` of jwt-bearer";
            return Err(OAuthError::request(detail));
        }
        if let Some((basic, secret)) = &self.basic {
            if id.is_some_and(|id| id != basic.as_str()) {
                let detail = "`client_id` differs from the one of the Authorization header";
                return Err(OAuthError::request(detail));
            }
            return Ok(Proof::Secret { id: basic, secret });
        }
        match (id, secret, assertion) {
            (id, None, Some(text)) => Ok(Proof::Assertion { text, id }),
            (Some(id), Some(secret), _) => Ok(Proof::Secret { id, secret }),
            (None, Some(_), _) => Err(OAuthError::request("`client_id` is missing")),
            (_, None, None) => Err(OAuthError {
                code: Code::InvalidClient,
                detail: "the client does not show who it is",
                basic: true,
                why: Some(AuthError::Missing),
            }),
        }
    }
}

/// The id and the secret of a Basic header, each decoded as the form that it is.
fn basic(value: &str) -> Option<(Zeroizing<String>, Zeroizing<String>)> {
    let (scheme, rest) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let rest = rest.trim_start_matches(' ');
    // As large as it can get, so that no part of it is left behind elsewhere.
    let mut bytes = Zeroizing::new(Vec::with_capacity(rest.len()));
    BASE64_STANDARD.decode_vec(rest, &mut bytes).ok()?;
    let (id, secret) = std::str::from_utf8(&bytes).ok()?.split_once(':')?;
    Some((decoded(id)?, decoded(secret)?))
}

/// RFC 7523 §2.2.
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(header: Option<&str>, form: &str) -> Result<String, OAuthError> {
        let mut headers = HeaderMap::new();
        if let Some(header) = header {
            headers.insert(AUTHORIZATION, HeaderValue::from_str(header).unwrap());
        }
        let form = Form::read(form.as_bytes()).unwrap_or_else(|why| panic!("{why:?}"));
        let shown = Shown::read(&headers, form)?;
        shown.proof().map(|proof| match proof {
            Proof::Secret { id, secret } => format!("{id} {secret}"),
            Proof::Assertion { text, id } => format!("{text} of {id:?}"),
        })
    }

    const ASSERTED: &str = "client_assertion=a.b.c&client_assertion_type=\
                            urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";

    #[test]
    fn one_way_is_taken() {
        // `a:b` and `a%40b:c%3Ad`.
        assert_eq!(read(Some("Basic YTpi"), "").unwrap(), "a b");
        assert_eq!(read(Some("bAsIc  YTpi"), "client_id=a").unwrap(), "a b");
        assert_eq!(read(Some("Basic YSU0MGI6YyUzQWQ="), "").unwrap(), "a@b c:d");
        assert_eq!(read(None, "client_id=a&client_secret=b").unwrap(), "a b");
        assert_eq!(read(None, ASSERTED).unwrap(), "a.b.c of None");
        let named = format!("{ASSERTED}&client_id=a");
        assert_eq!(read(None, &named).unwrap(), "a.b.c of Some(\"a\")");
    }

    #[test]
    fn more_than_one_or_less_is_not() {
        let code = |header, form: &str| read(header, form).unwrap_err().code;
        let basic = Some("Basic YTpi");
        for (header, form) in [
            (basic, "client_secret=b"),
            (basic, "client_id=a&client_secret=b"),
            (basic, "client_id=other"),
            (basic, ASSERTED),
            (None, &format!("{ASSERTED}&client_id=a&client_secret=b")),
            (None, "client_secret=b"),
            (None, "client_assertion=a.b.c"),
            (None, "client_assertion=a.b.c&client_assertion_type=other"),
            (
                None,
                "client_assertion_type=other&client_id=a&client_secret=b",
            ),
        ] {
            assert_eq!(
                code(header, form),
                Code::InvalidRequest,
                "{header:?} {form}"
            );
        }
        for (header, form) in [
            (None, ""),
            (None, "client_id=a"),
            (None, "client_id=a&client_secret="),
            (Some("Bearer abc"), ""),
            (Some("Basic"), ""),
            (Some("Basic YTpi=="), ""),
            (Some("Basic YTp"), ""),
            (Some("Basic YTq="), ""),
            (Some("Basic YWI="), ""),
            (Some("Basic YTol"), ""),
        ] {
            assert_eq!(code(header, form), Code::InvalidClient, "{header:?} {form}");
        }
    }
}
