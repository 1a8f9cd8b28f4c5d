//! Whose certificate a client showed, in a word for logs. The certificate has been verified: this
//! only reads the name out of it.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

/// Who the certificate of a connection is for: `CN=alice`, or the start of its hash where it has
/// no common name. Put among the extensions of each request of the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject(Arc<str>);

impl Subject {
    /// Of a certificate in DER.
    #[must_use]
    pub fn of(certificate: &[u8]) -> Self {
        let name = common_name(certificate).map(|name| format!("CN={}", printable(name)));
        let name = name.unwrap_or_else(|| {
            let hash = Sha256::digest(certificate);
            let start = hash.iter().take(8).map(|byte| format!("{byte:02x}"));
            format!("sha256:{}", start.collect::<String>())
        });
        Self(name.into())
    }

    /// The word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The last common name of the subject (RFC 5280 section 4.1).
fn common_name(certificate: &[u8]) -> Option<&[u8]> {
    let (SEQUENCE, certificate, _) = element(certificate)? else {
        return None;
    };
    let (SEQUENCE, mut body, _) = element(certificate)? else {
        return None;
    };
    // A version may stand first; then serial number, algorithm, issuer and validity.
    if let (VERSION, _, rest) = element(body)? {
        body = rest;
    }
    for _ in 0..4 {
        (_, _, body) = element(body)?;
    }
    let (SEQUENCE, mut names, _) = element(body)? else {
        return None;
    };
    let mut found = None;
    while let Some((SET, set, rest)) = element(names) {
        names = rest;
        let (SEQUENCE, pair, _) = element(set)? else {
            return None;
        };
        let (OBJECT, kind, rest) = element(pair)? else {
            return None;
        };
        if kind == COMMON_NAME {
            found = element(rest).map(|(_, value, _)| value);
        }
    }
    found.filter(|name| !name.is_empty())
}

/// The tag and content of the first element, and what follows it. Lengths beyond two bytes do not
/// occur in what a handshake lets through.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match (*first, rest) {
        (short @ 0..=0x7f, rest) => (usize::from(short), rest),
        (0x81, [a, rest @ ..]) => (usize::from(*a), rest),
        (0x82, [a, b, rest @ ..]) => (usize::from(*a) << 8 | usize::from(*b), rest),
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

/// At most 64 plain characters: it stands in logs.
fn printable(name: &[u8]) -> String {
    let visible = |byte: &u8| match byte {
        b' '..=b'~' => char::from(*byte),
        _ => '?',
    };
    name.iter().take(64).map(visible).collect()
}

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT: u8 = 0x06;
const VERSION: u8 = 0xa0;
/// 2.5.4.3
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn certificate(name: Option<&str>) -> Vec<u8> {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["host.example".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(rcgen::DnType::OrganizationName, "Acme");
        if let Some(name) = name {
            params
                .distinguished_name
                .push(rcgen::DnType::CommonName, name);
        }
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn the_common_name_or_the_hash() {
        let alice = certificate(Some("alice"));
        assert_eq!(Subject::of(&alice).as_str(), "CN=alice");
        let odd = certificate(Some("a\nb\u{e9}"));
        assert_eq!(Subject::of(&odd).as_str(), "CN=a?b??");
        let long = certificate(Some(&"x".repeat(200)));
        assert_eq!(
            Subject::of(&long).as_str(),
            format!("CN={}", "x".repeat(64))
        );
        let nameless = Subject::of(&certificate(None));
        assert!(nameless.as_str().starts_with("sha256:"), "{nameless:?}");
        assert_eq!(nameless.as_str().len(), "sha256:".len() + 16);
    }

    proptest! {
        #[test]
        fn any_bytes_have_a_word(cut in 0usize..400, at in 0usize..400, byte: u8) {
            let mut bytes = certificate(Some("alice"));
            bytes.truncate(cut);
            if let Some(slot) = bytes.get_mut(at) {
                *slot = byte;
            }
            prop_assert!(Subject::of(&bytes).as_str().len() <= 70);
        }
    }
}
