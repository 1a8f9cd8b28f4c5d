//! Secret tokens: how they are built, and how one is found in a request.
//!
//! `postern_<key id>_<43 characters of secret><6 characters of checksum>`, all in letters and
//! digits so that a double click selects the whole. The key id finds the one hash to compare
//! with; the prefix lets scanners find leaked tokens; the checksum shows a paste that lost its
//! end before anyone hunts for the cause of a 401. Authentication itself does not look at it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::jwt::MAX_TOKEN;
use super::{AuthError, Rejection};
use crate::net::Secret;
use crate::yaml::TOKEN_PREFIX;

/// The name of a key: 1 to 32 lower-case letters and digits, unique in `access.yaml`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(Arc<str>);

/// A text that is no key id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key id is 1 to {MAX_KEY_ID} lower-case letters and digits")]
pub struct InvalidKeyId;

/// The SHA-256 of a whole token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenHash(pub(super) [u8; 32]);

/// A source of random bytes that says whether it could fill the buffer.
pub type Random<'a> = &'a mut dyn FnMut(&mut [u8]) -> bool;

impl KeyId {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name, shared.
    pub(super) fn share(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }

    /// A key id that nobody has thought of: ten random characters.
    #[must_use]
    pub fn random(random: Random<'_>) -> Option<Self> {
        const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
        Some(Self(draw(random, ALPHABET, 10)?.as_str().into()))
    }
}

impl FromStr for KeyId {
    type Err = InvalidKeyId;

    fn from_str(text: &str) -> Result<Self, InvalidKeyId> {
        if is_key_id(text) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidKeyId)
        }
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl TokenHash {
    /// Of a whole token.
    #[must_use]
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }
}

impl FromStr for TokenHash {
    type Err = ();

    /// 64 hexadecimal digits, of either case.
    fn from_str(text: &str) -> Result<Self, ()> {
        let digit = |b: &u8| {
            char::from(*b)
                .to_digit(16)
                .and_then(|d| u8::try_from(d).ok())
        };
        let mut out = [0; 32];
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != out.len() || !rest.is_empty() {
            return Err(());
        }
        for (slot, [high, low]) in out.iter_mut().zip(pairs) {
            *slot = digit(high).ok_or(())? << 4 | digit(low).ok_or(())?;
        }
        Ok(Self(out))
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hash)")
    }
}

/// A new token for a key; `None` when there is no randomness to be had.
#[must_use]
pub fn generate(id: &KeyId, random: Random<'_>) -> Option<Secret> {
    let secret = draw(random, BASE62, SECRET_LEN)?;
    let body = Zeroizing::new(format!("{TOKEN_PREFIX}{id}_{}", *secret));
    Some(Secret::new(format!("{}{}", *body, checksum(&body))))
}

/// Whether a text is a token from end to end, nothing lost and nothing mistyped.
#[must_use]
pub fn is_whole(token: &str) -> bool {
    let Some((body, sum)) = token
        .len()
        .checked_sub(CHECKSUM_LEN)
        .and_then(|at| token.split_at_checked(at))
    else {
        return false;
    };
    let secret = body
        .strip_prefix(TOKEN_PREFIX)
        .and_then(|rest| rest.split_once('_'))
        .filter(|(id, _)| is_key_id(id))
        .map(|(_, secret)| secret);
    secret.is_some_and(|s| s.len() == SECRET_LEN && s.bytes().all(|b| b.is_ascii_alphanumeric()))
        && *sum == checksum(body)
}

/// The key id within a token, if it has the form of one.
#[must_use]
pub fn key_id(token: &str) -> Option<&str> {
    let (id, _) = token.strip_prefix(TOKEN_PREFIX)?.split_once('_')?;
    is_key_id(id).then_some(id)
}

/// The one bearer token of a request (RFC 6750 §2.1; from nowhere but this header).
pub(super) fn bearer(headers: &HeaderMap) -> Result<&str, AuthError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(AuthError::Missing)?;
    if values.next().is_some() {
        // Which of them another party believes cannot be known.
        return Err(AuthError::Malformed);
    }
    let value = value.to_str().map_err(|_| AuthError::Malformed)?;
    let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        // `Basic` and the like: no bearer token was sent, and the challenge says what is wanted.
        return Err(AuthError::Missing);
    }
    let token = rest.trim_start_matches(' ');
    if token.len() > MAX_TOKEN {
        return Err(AuthError::Rejected(Rejection::Unknown));
    }
    if is_token68(token) {
        Ok(token)
    } else {
        Err(AuthError::Malformed)
    }
}

/// RFC 9110 §11.2: letters, digits and `-._~+/`, then any number of `=`.
fn is_token68(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    !body.is_empty()
        && body
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b))
}

fn is_key_id(text: &str) -> bool {
    (1..=MAX_KEY_ID).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

/// Characters of an alphabet, each as likely as the other: bytes that would favour the first
/// ones are thrown away.
fn draw(random: Random<'_>, alphabet: &[u8], len: usize) -> Option<Zeroizing<String>> {
    let fair = 256 - 256 % alphabet.len();
    let mut out = Zeroizing::new(String::with_capacity(len));
    let mut buffer = Zeroizing::new([0u8; 64]);
    // Half of the bytes are good in the worst case; a source that gives none is broken.
    for _ in 0..64 {
        if !random(buffer.as_mut_slice()) {
            return None;
        }
        for byte in buffer.iter().copied().map(usize::from) {
            if out.len() == len {
                return Some(out);
            }
            if byte < fair {
                out.push(char::from(*alphabet.get(byte % alphabet.len())?));
            }
        }
    }
    None
}

/// The first 32 bits of the body's hash in base 62, of fixed length.
fn checksum(body: &str) -> String {
    let hash = TokenHash::of(body);
    let mut rest = hash
        .0
        .iter()
        .take(4)
        .fold(0usize, |sum, byte| sum << 8 | usize::from(*byte));
    let mut out = [b'0'; CHECKSUM_LEN];
    for slot in out.iter_mut().rev() {
        *slot = BASE62.get(rest % 62).copied().unwrap_or(b'0');
        rest /= 62;
    }
    out.iter().copied().map(char::from).collect()
}

const BASE62: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// 62^43 is more than 2^256.
const SECRET_LEN: usize = 43;

/// 62^6 is more than 2^32.
const CHECKSUM_LEN: usize = 6;

/// The longest key id.
const MAX_KEY_ID: usize = 32;

/// Longer ones are no tokens of ours, and not worth a hash.
pub(super) const MAX_SECRET: usize = 512;

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bytes that look random and are the same every time.
    pub(crate) fn counting(mut seed: u64) -> impl FnMut(&mut [u8]) -> bool {
        move |buffer| {
            for byte in buffer {
                seed = seed
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                *byte = (seed >> 56) as u8;
            }
            true
        }
    }

    fn headers(values: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, http::HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    #[test]
    fn one_bearer_token_is_found() {
        let long = format!("Bearer {}", "a".repeat(8192));
        for value in [
            "Bearer abc",
            "bearer abc",
            "BEARER   abc",
            "bEaReR a-._~+/9==",
            &long,
        ] {
            let headers = headers(&[value.as_bytes()]);
            assert_eq!(bearer(&headers), Ok(value.rsplit(' ').next().unwrap()));
        }
    }

    #[test]
    fn all_else_is_refused() {
        let of = |values: &[&[u8]]| bearer(&headers(values)).map(str::to_owned);
        assert_eq!(of(&[]), Err(AuthError::Missing));
        for other in [
            "Basic dXNlcjpwYXNz",
            "Digest a=b",
            "abc",
            "Bearerabc",
            "Bearer\tabc",
            "",
        ] {
            assert_eq!(of(&[other.as_bytes()]), Err(AuthError::Missing), "{other}");
        }
        for odd in [
            "Bearer",
            "Bearer ",
            "Bearer a b",
            "Bearer a,Bearer b",
            "Bearer =",
            "Bearer a=b",
            "Bearer \ta",
            "Bearer \"a\"",
            "Bearer a ",
        ] {
            assert_eq!(of(&[odd.as_bytes()]), Err(AuthError::Malformed), "{odd}");
        }
        assert_eq!(of(&[b"Bearer \xff"]), Err(AuthError::Malformed));
        assert_eq!(of(&[b"Bearer a", b"Bearer a"]), Err(AuthError::Malformed));
        assert_eq!(of(&[b"Bearer a", b"Basic b"]), Err(AuthError::Malformed));
        let long = format!("Bearer {}", "a".repeat(MAX_TOKEN + 1));
        assert_eq!(
            of(&[long.as_bytes()]),
            Err(AuthError::Rejected(Rejection::Unknown))
        );
    }

    #[test]
    fn a_token_has_the_form_that_is_promised() {
        let id: KeyId = "k1".parse().unwrap();
        let token = generate(&id, &mut counting(7)).unwrap();
        let text = token.expose();
        assert_eq!(text.len(), "postern_k1_".len() + 43 + 6);
        assert!(is_whole(text) && key_id(text) == Some("k1"));
        assert!(is_token68(text));
        assert_eq!(
            crate::yaml::mask(text),
            format!("postern_k1_{}", "*".repeat(49))
        );
        assert_ne!(text, generate(&id, &mut counting(8)).unwrap().expose());
    }

    #[test]
    fn no_randomness_makes_no_token() {
        let id: KeyId = "k1".parse().unwrap();
        assert!(generate(&id, &mut |_| false).is_none());
        assert!(
            generate(&id, &mut |buffer| {
                buffer.fill(248);
                true
            })
            .is_none()
        );
        assert!(KeyId::random(&mut |_| false).is_none());
    }

    #[test]
    fn key_ids() {
        for good in ["k1", "0", &"a".repeat(32)] {
            assert!(good.parse::<KeyId>().is_ok());
        }
        for bad in ["", "K1", "k_1", "k-1", "ä", &"a".repeat(33)] {
            assert!(bad.parse::<KeyId>().is_err());
        }
        assert!(
            KeyId::random(&mut counting(1))
                .unwrap()
                .as_str()
                .parse::<KeyId>()
                .is_ok()
        );
    }

    #[test]
    fn hashes_are_read_and_printed() {
        // FIPS 180-2's first example.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(TokenHash::of("abc").to_string(), abc);
        assert_eq!(abc.to_uppercase().parse(), Ok(TokenHash::of("abc")));
        assert_eq!(format!("{:?}", TokenHash::of("abc")), "(hash)");
        for bad in [
            "",
            "ab",
            abc.get(1..).unwrap(),
            &format!("{abc}0"),
            &abc.replace('b', "g"),
            &abc.replace("ba", "+1"),
        ] {
            assert!(bad.parse::<TokenHash>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_part_of_a_token_is_whole(seed: u64, cut in 0usize..60, at in 0usize..60) {
            let id: KeyId = "key".parse().unwrap();
            let token = generate(&id, &mut counting(seed)).unwrap();
            let text = token.expose();
            prop_assert!(is_whole(text));
            prop_assert!(!is_whole(text.get(..cut.min(text.len() - 1)).unwrap()));
            let mut other: Vec<char> = text.chars().collect();
            let at = at.min(other.len() - 1);
            other[at] = if other[at] == 'x' { 'y' } else { 'x' };
            prop_assert!(!is_whole(&other.into_iter().collect::<String>()));
        }

        #[test]
        fn odd_text_is_no_token(text in "(postern_)?\\PC{0,60}") {
            prop_assert!(!is_whole(&text));
            if let Some(id) = key_id(&text) {
                prop_assert!(id.parse::<KeyId>().is_ok());
            }
        }
    }
}
