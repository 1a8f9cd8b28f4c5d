//! The certificate that a client showed. TLS has verified it: this only reads what it says.

pub mod name;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};
use x509_cert::der::Decode as _;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::hex::encode as hex;

/// Who is at the other end of a connection, by its certificate. Read once for a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    chain: Vec<CertificateDer<'static>>,
    word: Arc<str>,
    key: Arc<str>,
    subject: String,
    names: Vec<String>,
    issuer: String,
    serial: String,
    sha256: [u8; 32],
    ends: SystemTime,
}

impl Certificate {
    /// Reads a client's certificate, the first, with those above it that it sent along. `None`
    /// where there is none, or it does not follow RFC 5280.
    #[must_use]
    pub fn read(chain: &[CertificateDer<'_>]) -> Option<Self> {
        let der = chain.first()?;
        let certificate = x509_cert::Certificate::from_der(der).ok()?;
        let certificate = certificate.tbs_certificate();
        let sha256: [u8; 32] = Sha256::digest(der).into();
        let key = format!("sha256:{}", hex(sha256.get(..8).unwrap_or_default()));
        let common = certificate.subject().iter();
        let common = common.filter(|pair| pair.oid == COMMON_NAME).last();
        let common = common.map(|pair| pair.value.value());
        let word = match common.filter(|name| !name.is_empty()) {
            Some(name) => format!("CN={}", printable(name)),
            None => key.clone(),
        };
        let names = match certificate.get_extension::<SubjectAltName>() {
            Ok(Some((_, SubjectAltName(names)))) => names
                .iter()
                .filter_map(alternative)
                .take(MOST_NAMES)
                .collect(),
            Ok(None) => Vec::new(),
            Err(_) => return None,
        };
        let ends = certificate.validity().not_after.to_unix_duration();
        Some(Self {
            chain: chain.iter().map(|der| der.clone().into_owned()).collect(),
            word: word.into(),
            key: key.into(),
            subject: name::written(certificate.subject()),
            names,
            issuer: name::written(certificate.issuer()),
            serial: hex(certificate.serial_number().as_bytes()),
            sha256,
            ends: SystemTime::UNIX_EPOCH.checked_add(ends)?,
        })
    }

    /// Who it is for, for logs: `CN=okta`, or the start of its hash where it has no common name.
    #[must_use]
    pub fn word(&self) -> &Arc<str> {
        &self.word
    }

    /// The start of its hash, such as `sha256:0123456789abcdef`: what stands in the place of a key
    /// id where it is all that proves who calls.
    #[must_use]
    pub fn key(&self) -> &Arc<str> {
        &self.key
    }

    /// Its subject, as [`name::written`].
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Its other names, as [`name::alternative`].
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Who made it, as [`name::written`].
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Its number, in hexadecimal digits.
    #[must_use]
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// The SHA-256 of all of it.
    #[must_use]
    pub fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }

    /// The last moment of its life.
    #[must_use]
    pub fn ends(&self) -> SystemTime {
        self.ends
    }

    /// Itself, and those above it that came along.
    #[must_use]
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }
}

/// One of the names beside the subject, in the form that [`name::alternative`] gives.
fn alternative(found: &GeneralName) -> Option<String> {
    match found {
        GeneralName::DnsName(text) => name::alternative(&format!("dns:{}", text.as_str())),
        GeneralName::Rfc822Name(text) => name::alternative(&format!("email:{}", text.as_str())),
        GeneralName::UniformResourceIdentifier(text) => {
            name::alternative(&format!("uri:{}", text.as_str()))
        }
        GeneralName::IpAddress(bytes) => {
            let bytes = bytes.as_bytes();
            let four = <[u8; 4]>::try_from(bytes).map(|four| IpAddr::V4(Ipv4Addr::from(four)));
            let sixteen = || <[u8; 16]>::try_from(bytes).map(|six| IpAddr::V6(Ipv6Addr::from(six)));
            Some(format!("ip:{}", four.or_else(|_| sixteen()).ok()?))
        }
        _ => None,
    }
}

/// At most 64 plain characters: it stands in logs.
fn printable(name: &[u8]) -> String {
    let visible = |byte: &u8| match byte {
        b' '..=b'~' => char::from(*byte),
        _ => '?',
    };
    name.iter().take(64).map(visible).collect()
}

/// RFC 5280 appendix A.1.
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// So many names beside the subject are looked at: each costs every request a look.
const MOST_NAMES: usize = 64;

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};

    use super::*;

    /// A certificate of one's own, changed before it is signed.
    pub(crate) fn made(change: impl FnOnce(&mut CertificateParams)) -> Certificate {
        Certificate::read(&[der(change)]).unwrap()
    }

    fn der(change: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::OrganizationName, "Acme");
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().clone()
    }

    fn named(name: &str) -> Certificate {
        made(|params| params.distinguished_name.push(DnType::CommonName, name))
    }

    #[test]
    fn the_word_is_the_common_name_or_the_hash() {
        assert_eq!(&**named("alice").word(), "CN=alice");
        assert_eq!(&**named("a\nb\u{e9}").word(), "CN=a?b??");
        let long = "x".repeat(200);
        assert_eq!(&**named(&long).word(), format!("CN={}", "x".repeat(64)));
        let nameless = made(|_| ());
        assert_eq!(nameless.word(), nameless.key());
        assert_eq!(nameless.key().len(), "sha256:".len() + 16);
    }

    #[test]
    fn everything_is_read() {
        let found = made(|params| {
            params
                .distinguished_name
                .push(DnType::CommonName, "okta, Inc.");
            params.not_after = rcgen::date_time_ymd(2030, 3, 1);
            params.serial_number = Some(rcgen::SerialNumber::from(vec![1, 0xab]));
            params.subject_alt_names = vec![
                SanType::DnsName("Okta.example.COM".try_into().unwrap()),
                SanType::Rfc822Name("Ops@Example.com".try_into().unwrap()),
                SanType::URI("spiffe://td/Okta".try_into().unwrap()),
                SanType::IpAddress("192.0.2.7".parse().unwrap()),
                SanType::IpAddress("2001:db8::1".parse().unwrap()),
            ];
        });
        assert_eq!(found.subject(), "CN=okta\\, Inc.,O=Acme");
        assert_eq!(found.issuer(), found.subject());
        assert_eq!(found.serial(), "01ab");
        let names: Vec<_> = found.names().collect();
        assert_eq!(
            names,
            [
                "dns:okta.example.com",
                "email:Ops@example.com",
                "uri:spiffe://td/Okta",
                "ip:192.0.2.7",
                "ip:2001:db8::1",
            ]
        );
        let seconds = found.ends().duration_since(SystemTime::UNIX_EPOCH);
        assert_eq!(seconds.unwrap().as_secs(), 1_898_553_600);
        assert_eq!(found.chain().len(), 1);
        assert_eq!(Certificate::read(&[]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_not(cut in 0usize..600, at in 0usize..600, byte: u8) {
            let mut bytes = der(|params| {
                params.subject_alt_names = vec![SanType::DnsName("a.b".try_into().unwrap())];
            })
            .to_vec();
            bytes.truncate(cut);
            if let Some(slot) = bytes.get_mut(at) {
                *slot = byte;
            }
            if let Some(read) = Certificate::read(&[bytes.into()]) {
                prop_assert!(read.word().len() <= 70);
            }
        }
    }
}
