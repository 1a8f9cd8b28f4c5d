//! Names of certificates as text, in one form: two names are the same where their texts are.
//!
//! A distinguished name is written as RFC 4514 says, its last part first: `CN=okta,O=Example`.
//! Order and case count, the kind of string that a value is encoded in does not; spaces around
//! `,`, `+` and `=` do not count either. Types have the names that `openssl x509 -noout -subject
//! -nameopt RFC2253` prints, or are numbers (`1.2.3.4=x`).

use std::fmt::Write as _;
use std::net::IpAddr;

use x509_cert::der::asn1::{Any, ObjectIdentifier};
use x509_cert::der::{Decode as _, Encode as _, Tag, Tagged as _};
use x509_cert::name::Name;

use crate::net::hex::encode as hex;

/// The text of a name.
#[must_use]
pub fn written(name: &Name) -> String {
    let parts: Vec<_> = name.iter_rdn().collect();
    let part = |pairs: &[(ObjectIdentifier, Held)]| one_part(pairs);
    let parts = parts.into_iter().rev().map(|pairs| {
        let pairs = pairs.iter().map(|pair| (pair.oid, Held::of(&pair.value)));
        part(&pairs.collect::<Vec<_>>())
    });
    parts.collect::<Vec<_>>().join(",")
}

/// A name that somebody wrote, in the one form; `None` where it is no name.
#[must_use]
pub fn parse(text: &str) -> Option<String> {
    let mut rest = text;
    let (mut parts, mut pairs) = (Vec::new(), Vec::new());
    loop {
        let (kind, after) = rest.split_once('=')?;
        let kind = kind_of(kind.trim_matches(' '))?;
        let (value, end, after) = value(after.trim_start_matches(' '))?;
        pairs.push((kind, value));
        if end != Some('+') {
            parts.push(one_part(&pairs));
            pairs.clear();
        }
        if end.is_none() {
            return Some(parts.join(","));
        }
        rest = after;
    }
}

/// Another name of a certificate in its one form: `dns:` and `email:` with their domain in lower
/// case, `uri:` as it is, `ip:` as addresses are printed. `None` where it is none of these.
#[must_use]
pub fn alternative(text: &str) -> Option<String> {
    let (kind, name) = text.split_once(':')?;
    let plain = !name.is_empty() && name.bytes().all(|byte| (b'!'..=b'~').contains(&byte));
    if !plain {
        return None;
    }
    match kind {
        "dns" => Some(format!("dns:{}", name.to_ascii_lowercase())),
        "email" => {
            let (local, domain) = name.rsplit_once('@')?;
            Some(format!("email:{local}@{}", domain.to_ascii_lowercase()))
        }
        "uri" => Some(text.to_owned()),
        "ip" => Some(format!("ip:{}", name.parse::<IpAddr>().ok()?)),
        _ => None,
    }
}

/// What a value holds: characters, or something else, as hexadecimal digits of its DER.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Held {
    Text(String),
    Other(String),
}

impl Held {
    fn of(value: &Any) -> Self {
        let bytes = value.value();
        let text = match value.tag() {
            Tag::Utf8String
            | Tag::PrintableString
            | Tag::Ia5String
            | Tag::NumericString
            | Tag::VisibleString => String::from_utf8(bytes.to_vec()).ok(),
            Tag::BmpString => {
                let (units, rest) = bytes.as_chunks::<2>();
                let units: Vec<u16> = units.iter().map(|unit| u16::from_be_bytes(*unit)).collect();
                rest.is_empty()
                    .then(|| String::from_utf16(&units).ok())
                    .flatten()
            }
            _ => None,
        };
        match text {
            Some(text) => Self::Text(text),
            None => Self::Other(hex(&value.to_der().unwrap_or_default())),
        }
    }

    fn write(&self, out: &mut String) {
        let text = match self {
            Self::Text(text) => text,
            Self::Other(digits) => {
                out.push('#');
                out.push_str(digits);
                return;
            }
        };
        let last = text.chars().count().saturating_sub(1);
        for (at, c) in text.chars().enumerate() {
            match c {
                ',' | '+' | '"' | '\\' | '<' | '>' | ';' => out.extend(['\\', c]),
                '#' if at == 0 => out.push_str("\\#"),
                ' ' if at == 0 || at == last => out.push_str("\\ "),
                c if c.is_control() => {
                    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                        // Writing into memory does not fail.
                        let _ = write!(out, "\\{byte:02X}");
                    }
                }
                c => out.push(c),
            }
        }
    }
}

/// Pairs of one part are a set.
fn one_part(pairs: &[(ObjectIdentifier, Held)]) -> String {
    let mut texts: Vec<String> = pairs
        .iter()
        .map(|(kind, value)| {
            let known = KINDS.iter().find(|(_, known)| known == kind);
            let mut text = known.map_or_else(|| kind.to_string(), |(word, _)| (*word).to_owned());
            text.push('=');
            value.write(&mut text);
            text
        })
        .collect();
    texts.sort_unstable();
    texts.join("+")
}

fn kind_of(text: &str) -> Option<ObjectIdentifier> {
    let known = KINDS
        .iter()
        .find(|(word, _)| word.eq_ignore_ascii_case(text));
    match known {
        Some((_, kind)) => Some(*kind),
        None => ObjectIdentifier::new(text).ok(),
    }
}

/// A value, what ends it, and what follows.
fn value(text: &str) -> Option<(Held, Option<char>, &str)> {
    let mut bytes = Vec::new();
    // Spaces at the end count only where they are escaped.
    let mut kept = 0;
    let mut chars = text.chars();
    let mut end = None;
    while let Some(c) = chars.next() {
        match c {
            ',' | '+' => {
                end = Some(c);
                break;
            }
            '"' | '<' | '>' | ';' => return None,
            '\\' => {
                let c = chars.next()?;
                match c.to_digit(16) {
                    Some(high) => {
                        let low = chars.next()?.to_digit(16)?;
                        bytes.push(u8::try_from(high << 4 | low).ok()?);
                    }
                    None if c.is_ascii_punctuation() || c == ' ' => {
                        bytes.push(u8::try_from(c).ok()?)
                    }
                    None => return None,
                }
                kept = bytes.len();
            }
            c => {
                bytes.extend(c.encode_utf8(&mut [0; 4]).bytes());
                if c != ' ' {
                    kept = bytes.len();
                }
            }
        }
    }
    bytes.truncate(kept);
    let held = if text.starts_with('#') {
        Held::of(&Any::from_der(&unhex(bytes.get(1..)?)?).ok()?)
    } else {
        Held::Text(String::from_utf8(bytes).ok()?)
    };
    Some((held, end, chars.as_str()))
}

fn unhex(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (pairs, rest) = digits.as_chunks::<2>();
    let byte = |[high, low]: &[u8; 2]| u8::try_from(digit(*high)? << 4 | digit(*low)?).ok();
    rest.is_empty()
        .then(|| pairs.iter().map(byte).collect())
        .flatten()
}

/// RFC 4514 section 3, and what else occurs, as openssl has it.
const KINDS: [(&str, ObjectIdentifier); 17] = [
    ("CN", ObjectIdentifier::new_unwrap("2.5.4.3")),
    ("L", ObjectIdentifier::new_unwrap("2.5.4.7")),
    ("ST", ObjectIdentifier::new_unwrap("2.5.4.8")),
    ("O", ObjectIdentifier::new_unwrap("2.5.4.10")),
    ("OU", ObjectIdentifier::new_unwrap("2.5.4.11")),
    ("C", ObjectIdentifier::new_unwrap("2.5.4.6")),
    ("street", ObjectIdentifier::new_unwrap("2.5.4.9")),
    (
        "DC",
        ObjectIdentifier::new_unwrap("0.9.2342.19200300.100.1.25"),
    ),
    (
        "UID",
        ObjectIdentifier::new_unwrap("0.9.2342.19200300.100.1.1"),
    ),
    (
        "emailAddress",
        ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.1"),
    ),
    ("serialNumber", ObjectIdentifier::new_unwrap("2.5.4.5")),
    ("SN", ObjectIdentifier::new_unwrap("2.5.4.4")),
    ("GN", ObjectIdentifier::new_unwrap("2.5.4.42")),
    ("title", ObjectIdentifier::new_unwrap("2.5.4.12")),
    ("dnQualifier", ObjectIdentifier::new_unwrap("2.5.4.46")),
    (
        "organizationIdentifier",
        ObjectIdentifier::new_unwrap("2.5.4.97"),
    ),
    ("businessCategory", ObjectIdentifier::new_unwrap("2.5.4.15")),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_have_one_form() {
        for (text, form) in [
            ("CN=okta,O=Example", "CN=okta,O=Example"),
            ("cn = okta , o=Example", "CN=okta,O=Example"),
            ("2.5.4.3=okta", "CN=okta"),
            ("O=Example,CN=okta", "O=Example,CN=okta"),
            ("CN=Okta", "CN=Okta"),
            ("OU=b+CN=a", "CN=a+OU=b"),
            ("CN=a\\,b\\2Bc\\C3\\A9", "CN=a\\,b\\+c\u{e9}"),
            ("CN=\\ a \\ ,O=x", "CN=\\ a \\ ,O=x"),
            ("CN=#0c0161", "CN=a"),
            ("CN=#130161", "CN=a"),
            ("CN=#1e020061", "CN=a"),
            ("CN=#14016a", "CN=#14016a"),
            ("1.2.3.4=x", "1.2.3.4=x"),
            ("emailaddress=a@b", "emailAddress=a@b"),
            ("CN=", "CN="),
            ("CN=a\\00b", "CN=a\\00b"),
            ("CN=a=b", "CN=a=b"),
        ] {
            assert_eq!(parse(text).as_deref(), Some(form), "{text}");
            assert_eq!(parse(form).as_deref(), Some(form), "{text}");
        }
        for wrong in [
            "",
            "okta",
            "CN",
            "=x",
            "CN=a,",
            ",CN=a",
            "CN=a;O=b",
            "CN=\"a\"",
            "CN=a\\",
            "CN=a\\x",
            "CN=\\ff",
            "CN=#0",
            "CN=#zz",
            "X=1",
            "/CN=okta/O=x",
            "CN=a++O=b",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn other_names_have_one_form() {
        for (text, form) in [
            ("dns:Okta.Example.com", "dns:okta.example.com"),
            ("email:Ops@Example.com", "email:Ops@example.com"),
            ("uri:spiffe://TD/x", "uri:spiffe://TD/x"),
            ("ip:2001:DB8::1", "ip:2001:db8::1"),
            ("ip:192.0.2.7", "ip:192.0.2.7"),
        ] {
            assert_eq!(alternative(text).as_deref(), Some(form));
        }
        for wrong in [
            "",
            "okta.example.com",
            "dns:",
            "dns:a b",
            "dns:\u{e9}",
            "email:x",
            "ip:x",
            "DNS:a",
            "x:y",
        ] {
            assert_eq!(alternative(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_the_same(pairs in prop::collection::vec((0..17usize, ".{0,9}"), 1..5)) {
            let pairs: Vec<_> = pairs
                .into_iter()
                .map(|(kind, text)| (KINDS[kind].1, Held::Text(text)))
                .collect();
            let text = pairs.chunks(2).map(one_part).collect::<Vec<_>>().join(",");
            prop_assert_eq!(parse(&text), Some(text));
        }

        #[test]
        fn any_text_is_a_name_or_not(text in ".{0,40}") {
            if let Some(form) = parse(&text) {
                prop_assert_eq!(parse(&form), Some(form));
            }
            let _ = alternative(&text);
        }
    }
}
