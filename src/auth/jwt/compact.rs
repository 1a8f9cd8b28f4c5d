//! The compact form of a signed token (RFC 7515 §7.1), read so that no two readers see two things:
//! base64url without padding and without spare bits, JSON without duplicate names.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::scim::json;

/// A token taken apart; nothing of it is proven yet.
pub(in crate::auth) struct Compact<'a> {
    /// What the signature is over.
    pub(in crate::auth) signed: &'a [u8],
    /// The signature, still in base64url.
    pub(in crate::auth) signature: &'a str,
    pub(in crate::auth) header: Header,
    pub(in crate::auth) claims: Map<String, Value>,
}

/// What of the header is looked at. `jku`, `jwk`, `x5u`, `x5c` are not among it: keys come from
/// the configuration only.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::auth) struct Header {
    pub(in crate::auth) algorithm: String,
    pub(in crate::auth) key: Option<String>,
    pub(in crate::auth) kind: Option<String>,
}

/// Why a text is not such a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::auth) enum NotCompact {
    /// It has not even the outer form: it is something else.
    Other,
    /// It has, and what is inside is not as it must be.
    Broken,
}

impl<'a> Compact<'a> {
    /// Takes a token apart.
    pub(in crate::auth) fn read(token: &'a str) -> Result<Self, NotCompact> {
        if token.len() > MAX_TOKEN {
            return Err(NotCompact::Other);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(NotCompact::Other)?;
        let (header, claims) = signed.split_once('.').ok_or(NotCompact::Other)?;
        if claims.contains('.') {
            return Err(NotCompact::Other);
        }
        // An opaque token may hold dots: only with an object in front is it one of these.
        let header = decode(header).ok_or(NotCompact::Other)?;
        if !header.trim_ascii_start().starts_with(b"{") {
            return Err(NotCompact::Other);
        }
        let broken = NotCompact::Broken;
        let header = Header::read(&object(&header).ok_or(broken)?).ok_or(broken)?;
        let claims = object(&decode(claims).ok_or(broken)?).ok_or(broken)?;
        if signature.is_empty() || decode(signature).is_none() {
            return Err(broken);
        }
        Ok(Self {
            signed: signed.as_bytes(),
            signature,
            header,
            claims,
        })
    }

    /// The issuer that it says it is from.
    pub(in crate::auth) fn issuer(&self) -> Option<&str> {
        self.claims.get("iss").and_then(Value::as_str)
    }
}

impl Header {
    fn read(members: &Map<String, Value>) -> Option<Self> {
        // RFC 7515 §4.1.11: what is critical and not understood ends it; we understand none.
        if members.contains_key("crit") {
            return None;
        }
        let text = |name: &str| match members.get(name) {
            None => Some(None),
            Some(Value::String(text)) if text.len() <= MAX_TEXT => Some(Some(text.clone())),
            Some(_) => None,
        };
        Some(Self {
            algorithm: text("alg")??,
            key: text("kid")?,
            kind: text("typ")?,
        })
    }
}

fn object(text: &[u8]) -> Option<Map<String, Value>> {
    match json::parse(text) {
        Ok(Value::Object(members)) => Some(members),
        _ => None,
    }
}

/// Base64url as RFC 7515 wants it: no padding, no space, and no bits that mean nothing.
pub(in crate::auth) fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok()
}

/// The other way.
pub(in crate::auth) fn encode(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// The longest token that is looked at, in bytes.
pub(in crate::auth) const MAX_TOKEN: usize = 8 * 1024;

/// The longest text of a header that anybody compares.
const MAX_TEXT: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str, claims: &str) -> String {
        format!(
            "{}.{}.c2ln",
            encode(header.as_bytes()),
            encode(claims.as_bytes())
        )
    }

    fn why(token: &str) -> Option<NotCompact> {
        Compact::read(token).err()
    }

    const HEADER: &str = r#"{"alg":"RS256","kid":"a"}"#;

    #[test]
    fn a_token_is_taken_apart() {
        let text = token(
            r#"{"alg":"ES256","kid":"k","typ":"JWT","jku":5}"#,
            r#"{"iss":"a"}"#,
        );
        let read = Compact::read(&text).unwrap_or_else(|why| panic!("{why:?}"));
        assert_eq!(read.header.algorithm, "ES256");
        assert_eq!(read.header.key.as_deref(), Some("k"));
        assert_eq!(read.header.kind.as_deref(), Some("JWT"));
        assert_eq!(read.issuer(), Some("a"));
        assert_eq!(read.signature, "c2ln");
        assert_eq!(
            format!("{}.c2ln", std::str::from_utf8(read.signed).unwrap()),
            text
        );
    }

    #[test]
    fn what_is_opaque_is_told_from_what_is_broken() {
        for other in [
            "", "abc", "a.b", "a.b.c", "a.b.c.d", "...", "..", "e30", "e30.e30",
        ] {
            assert_eq!(why(other), Some(NotCompact::Other), "{other}");
        }
        let good = token(HEADER, "{}");
        assert_eq!(why(&good), None);
        let long = token(HEADER, &format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_TOKEN)));
        assert_eq!(why(&long), Some(NotCompact::Other));
        for broken in [
            token("{}", "{}"),
            token(r#"{"alg":5}"#, "{}"),
            token(r#"{"alg":null}"#, "{}"),
            token(r#"{"alg":"RS256","kid":7}"#, "{}"),
            token(r#"{"alg":"RS256","typ":["JWT"]}"#, "{}"),
            token(r#"{"alg":"RS256","crit":["exp"]}"#, "{}"),
            token(r#"{"alg":"RS256","crit":[]}"#, "{}"),
            token(r#"{"alg":"RS256","alg":"none"}"#, "{}"),
            token(r#"{"alg":"RS256","\u0061lg":"none"}"#, "{}"),
            token(HEADER, r#"{"sub":"a","sub":"b"}"#),
            token(HEADER, r#"{"sub":"a"} x"#),
            token(HEADER, "[]"),
            token(HEADER, "\"text\""),
            token(HEADER, "{\"a\":\"\u{0}\"}"),
            token(HEADER, ""),
            format!("{}.!.c2ln", encode(HEADER.as_bytes())),
            good.replace("c2ln", ""),
            good.replace("c2ln", "c2l"),
            good.replace("c2ln", "c2ln="),
            good.replace("c2ln", "c2 n"),
        ] {
            assert_eq!(why(&broken), Some(NotCompact::Broken), "{broken}");
        }
    }

    #[test]
    fn base64url_has_one_form_for_each_value() {
        for bytes in [
            &b""[..],
            b"f",
            b"fo",
            b"foo",
            b"foob",
            &[0, 255, 254, 63, 62],
        ] {
            assert_eq!(decode(&encode(bytes)).unwrap(), bytes);
        }
        for wrong in [
            "A", "AAAAA", "AB", "AAB", "AA=", "AA==", "A A", "+/", "AA\n",
        ] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
    }
}
