//! Values that name entries, and when two of them name the same one.

use std::borrow::Cow;

use crate::directory::ldap::Dn;
use crate::ldap::layout::By;

/// The entry that a value of an attribute names. `uniqueMember` may have a bit string behind the
/// name (`cn=x#'0101'B`, RFC 4517 §3.3.21), which tells namesakes of other times apart and is no
/// part of it.
pub(super) fn dn(attribute: &str, value: &[u8]) -> Option<Dn> {
    let text = std::str::from_utf8(value).ok()?;
    let unique = ["uniqueMember", "2.5.4.50"]
        .iter()
        .any(|name| attribute.eq_ignore_ascii_case(name));
    let text = if unique { without_bits(text) } else { text };
    text.parse().ok()
}

/// The same text for all spellings of a value.
pub(in super::super) fn key(by: &By, attribute: &str, value: &[u8]) -> Option<String> {
    match by {
        By::Dn | By::Inverse(_) => Some(dn(attribute, value)?.key()),
        By::Attribute(_) => Some(folded(std::str::from_utf8(value).ok()?).into_owned()),
    }
}

/// A value such as a user name, as lookups have it.
pub(super) fn folded(text: &str) -> Cow<'_, str> {
    if text.chars().any(char::is_uppercase) {
        Cow::Owned(text.to_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}

fn without_bits(text: &str) -> &str {
    let bits = || {
        let (name, bits) = text.strip_suffix("'B")?.rsplit_once("#'")?;
        bits.chars().all(|c| matches!(c, '0' | '1')).then_some(name)
    };
    bits().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_spellings_of_a_name_are_the_same() {
        let of = |attribute, text: &str| key(&By::Dn, attribute, text.as_bytes());
        let plain = of("member", "cn=a b,dc=x");
        assert!(plain.is_some());
        for same in ["CN=A  B, DC=X", "cn = a\\20b , dc=x", "2.5.4.3=a b,dc=x"] {
            assert_eq!(of("member", same), plain, "{same}");
        }
        assert_eq!(of("uniqueMember", "cn=a b,dc=x#'0101'B"), plain);
        assert_eq!(of("UNIQUEMEMBER", "cn=a b,dc=x#''B"), plain);
        assert_ne!(of("member", "cn=a b,dc=x#'0101'B"), plain);
        assert_ne!(of("uniqueMember", "cn=a b,dc=x#'012'B"), plain);
        assert_eq!(of("member", "no name"), None);
        let by = By::Attribute("uid".parse().unwrap());
        assert_eq!(key(&by, "memberUid", b"Ann").as_deref(), Some("ann"));
        assert_eq!(key(&by, "memberUid", b"\xff"), None);
    }
}
