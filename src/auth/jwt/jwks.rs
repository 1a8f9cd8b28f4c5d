//! The keys of an issuer (RFC 7517): what cannot be used is left out key by key, what must not be
//! used is not there. Symmetric keys are never taken, whatever else is said.

use std::collections::HashMap;
use std::str::FromStr;

use jsonwebtoken::{Algorithm, DecodingKey};
use rustls::pki_types::pem::{PemObject as _, SectionKind};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use x509_cert::der::asn1::{ObjectIdentifier, UintRef};
use x509_cert::der::{self, Decode as _, Reader as _, SliceReader};
use x509_cert::spki::SubjectPublicKeyInfoRef;

use super::compact::{decode, encode};
use crate::scim::json;

/// How a token may be signed. `none` and the symmetric ones cannot be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Signing {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
}

/// What a key can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::auth) enum Family {
    Rsa,
    P256,
    P384,
    Ed25519,
}

/// The keys of one issuer that can be used.
#[derive(Debug, Default)]
pub struct Keys {
    all: Vec<Key>,
    named: HashMap<String, Vec<usize>>,
    left_out: usize,
}

/// One of them.
#[derive(Debug, Clone)]
pub(in crate::auth) struct Key {
    name: Option<String>,
    family: Family,
    /// The one way of signing that the issuer says it is for, if it says.
    only: Option<Signing>,
    key: DecodingKey,
    /// Its public half as it was written, to tell whether a set has changed.
    text: [String; 2],
}

/// Why no key of a set does for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::auth) enum NoKey {
    /// There is none of this name: the set may be an old one.
    Unknown,
    /// There is, or should be, one; it does not fit the algorithm, or several do.
    Unfit,
}

impl Signing {
    /// All of them, the usual one first.
    pub const ALL: [Self; 9] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// Its name in RFC 7518 and RFC 8037.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    pub(in crate::auth) fn family(self) -> Family {
        match self {
            Self::Rs256 | Self::Rs384 | Self::Rs512 | Self::Ps256 | Self::Ps384 | Self::Ps512 => {
                Family::Rsa
            }
            Self::Es256 => Family::P256,
            Self::Es384 => Family::P384,
            Self::EdDsa => Family::Ed25519,
        }
    }

    pub(in crate::auth) fn algorithm(self) -> Algorithm {
        match self {
            Self::Rs256 => Algorithm::RS256,
            Self::Rs384 => Algorithm::RS384,
            Self::Rs512 => Algorithm::RS512,
            Self::Ps256 => Algorithm::PS256,
            Self::Ps384 => Algorithm::PS384,
            Self::Ps512 => Algorithm::PS512,
            Self::Es256 => Algorithm::ES256,
            Self::Es384 => Algorithm::ES384,
            Self::EdDsa => Algorithm::EdDSA,
        }
    }
}

impl Family {
    /// The one algorithm of a key, where there is only one.
    pub(in crate::auth) fn usual(self) -> Option<Signing> {
        match self {
            Self::Rsa => None,
            Self::P256 => Some(Signing::Es256),
            Self::P384 => Some(Signing::Es384),
            Self::Ed25519 => Some(Signing::EdDsa),
        }
    }
}

impl FromStr for Signing {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let found = Self::ALL.into_iter().find(|one| one.as_str() == text);
        found.ok_or(())
    }
}

impl Keys {
    /// Reads a set. Keys of kinds that we do not know, for encryption, too short or malformed are
    /// left out.
    ///
    /// # Errors
    /// Why it is no set at all, in words that quote nothing.
    pub fn read(text: &[u8]) -> Result<Self, &'static str> {
        if text.len() > MAX_TEXT {
            return Err("the set of keys is larger than 256 KiB");
        }
        let Ok(Value::Object(members)) = json::parse(text) else {
            return Err("it is not a JSON object");
        };
        let Some(Value::Array(items)) = members.get("keys") else {
            return Err("it has no list `keys`");
        };
        if items.len() > MAX_KEYS {
            return Err("the set has more than 100 keys");
        }
        let mut keys = Self::default();
        for item in items {
            match item.as_object().and_then(Key::read) {
                Some(key) => keys.push(key),
                None => keys.left_out += 1,
            }
        }
        Ok(keys)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// How many of the set could not be used.
    #[must_use]
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// The names of the keys, for whoever looks for one.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(|key| key.name.as_deref().unwrap_or(""))
    }

    /// Whether another set holds the same keys.
    pub(in crate::auth) fn same(&self, other: &Self) -> bool {
        let equal = |(a, b): (&Key, &Key)| {
            a.name == b.name && a.only == b.only && a.family == b.family && a.text == b.text
        };
        self.len() == other.len() && self.all.iter().zip(&other.all).all(equal)
    }

    /// The keys that a token may be signed with: those of its name that fit its algorithm; where
    /// it names none, the only one that fits.
    pub(in crate::auth) fn fitting(
        &self,
        name: Option<&str>,
        signing: Signing,
    ) -> Result<Vec<Verifier<'_>>, NoKey> {
        let fits = |key: &&Key| {
            key.family == signing.family() && key.only.is_none_or(|only| only == signing)
        };
        let verifier = |key| Verifier { key, signing };
        let Some(name) = name else {
            let mut fitting = self.all.iter().filter(fits);
            return match (fitting.next(), fitting.next()) {
                (Some(key), None) => Ok(vec![verifier(key)]),
                (None, _) => Err(NoKey::Unknown),
                (Some(_), Some(_)) => Err(NoKey::Unfit),
            };
        };
        let Some(places) = self.named.get(name) else {
            return Err(NoKey::Unknown);
        };
        let keys = places.iter().filter_map(|at| self.all.get(*at));
        let found: Vec<_> = keys
            .filter(fits)
            .take(MOST_OF_A_NAME)
            .map(verifier)
            .collect();
        if found.is_empty() {
            return Err(NoKey::Unfit);
        }
        Ok(found)
    }

    /// The keys that one who has all of these may have signed with: those that fit, and where both
    /// have a name, those of the same name.
    pub(in crate::auth) fn of(&self, name: Option<&str>, signing: Signing) -> Vec<Verifier<'_>> {
        let fits = |key: &&Key| {
            key.family == signing.family() && key.only.is_none_or(|only| only == signing)
        };
        let named = |key: &&Key| match (name, &key.name) {
            (Some(name), Some(known)) => name == known,
            _ => true,
        };
        let fitting = self.all.iter().filter(fits).filter(named);
        let fitting = fitting.map(|key| Verifier { key, signing });
        fitting.take(MOST_OF_A_NAME).collect()
    }

    /// The one public key of a PEM file.
    ///
    /// # Errors
    /// Why there is none, in words that quote nothing.
    pub fn of_pem(text: &[u8]) -> Result<Self, &'static str> {
        let mut keys = Self::default();
        keys.push(Key::of_pem(text)?);
        Ok(keys)
    }

    fn push(&mut self, key: Key) {
        if let Some(name) = &key.name {
            let places = self.named.entry(name.clone()).or_default();
            places.push(self.all.len());
        }
        self.all.push(key);
    }
}

impl FromIterator<Key> for Keys {
    fn from_iter<T: IntoIterator<Item = Key>>(all: T) -> Self {
        let mut keys = Self::default();
        all.into_iter().for_each(|key| keys.push(key));
        keys
    }
}

/// A key, and how it is used for one token.
#[derive(Debug)]
pub(in crate::auth) struct Verifier<'a> {
    key: &'a Key,
    signing: Signing,
}

impl Verifier<'_> {
    /// Whether the signature is of this key.
    pub(in crate::auth) fn accepts(&self, signed: &[u8], signature: &str) -> bool {
        let algorithm = self.signing.algorithm();
        let outcome = jsonwebtoken::crypto::verify(signature, signed, &self.key.key, algorithm);
        outcome.unwrap_or(false)
    }
}

impl Key {
    /// The one public key of a PEM file (`BEGIN PUBLIC KEY`).
    pub(in crate::auth) fn of_pem(text: &[u8]) -> Result<Self, &'static str> {
        let mut sections = <(SectionKind, Vec<u8>)>::pem_slice_iter(text);
        let (kind, der) = match (sections.next(), sections.next()) {
            (Some(Ok(section)), None) => section,
            (Some(Err(_)), _) | (_, Some(Err(_))) => return Err("it is not valid PEM"),
            (None, _) => return Err("there is no PEM block in it"),
            (_, Some(Ok(_))) => return Err("there is more than one PEM block in it"),
        };
        match kind {
            SectionKind::PublicKey => Self::of_spki(&der).ok_or(
                "the key is of no kind that is supported (P-256, P-384, Ed25519, RSA from 2048 bits)",
            ),
            SectionKind::Certificate => {
                Err("it is a certificate; take the public key out of it (`openssl x509 -pubkey`)")
            }
            SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey => {
                Err("it is a private key; give the public one (`openssl pkey -pubout`)")
            }
            _ => Err("there is no `BEGIN PUBLIC KEY` in it"),
        }
    }

    fn of_spki(der: &[u8]) -> Option<Self> {
        let info = SubjectPublicKeyInfoRef::try_from(der).ok()?;
        let bits = info.subject_public_key.as_bytes()?;
        let curve = || info.algorithm.parameters_oid().ok();
        let (family, first, second) = match info.algorithm.oid {
            ED25519 if bits.len() == 32 => (Family::Ed25519, bits, &b""[..]),
            ECDSA => {
                let (family, size) = match curve()? {
                    P256 => (Family::P256, 32),
                    P384 => (Family::P384, 48),
                    _ => return None,
                };
                let (mark, rest) = bits.split_first()?;
                let (x, y) = rest.split_at_checked(size)?;
                if *mark != 4 || y.len() != size {
                    return None;
                }
                (family, x, y)
            }
            RSA => {
                let (n, e) = rsa_numbers(bits)?;
                return Self::new(None, Family::Rsa, None, [encode(&n), encode(&e)]);
            }
            _ => return None,
        };
        Self::new(None, family, None, [encode(first), encode(second)])
    }

    /// The same key under a name, or under its thumbprint (RFC 7638).
    pub(in crate::auth) fn named(self, name: Option<&str>) -> Self {
        let name = name.map_or_else(|| self.thumbprint(), str::to_owned);
        Self {
            name: Some(name),
            ..self
        }
    }

    /// Its name.
    pub(in crate::auth) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// What it can do.
    pub(in crate::auth) fn family(&self) -> Family {
        self.family
    }

    /// What stands for it in a set: its public half, its name, and how it is used.
    pub(in crate::auth) fn jwk(&self) -> Value {
        let mut members = self.public();
        members.insert("use".to_owned(), "sig".into());
        if let Some(name) = &self.name {
            members.insert("kid".to_owned(), name.as_str().into());
        }
        if let Some(only) = self.family.usual() {
            members.insert("alg".to_owned(), only.as_str().into());
        }
        members.into()
    }

    /// RFC 7638: the hash of the members that make the key, in their order.
    fn thumbprint(&self) -> String {
        // Names are in order, and no value needs escaping.
        let text = Value::Object(self.public()).to_string();
        encode(&Sha256::digest(text.as_bytes()))
    }

    /// The members that make the key, in the order of their names.
    fn public(&self) -> Map<String, Value> {
        let [first, second] = &self.text;
        let members: &[(&str, &str)] = match self.family {
            Family::Rsa => &[("e", second), ("kty", "RSA"), ("n", first)],
            Family::P256 => &[("crv", "P-256"), ("kty", "EC"), ("x", first), ("y", second)],
            Family::P384 => &[("crv", "P-384"), ("kty", "EC"), ("x", first), ("y", second)],
            Family::Ed25519 => &[("crv", "Ed25519"), ("kty", "OKP"), ("x", first)],
        };
        let members = members.iter();
        members
            .map(|(name, text)| ((*name).to_owned(), Value::from(*text)))
            .collect()
    }

    /// Reads one of a set; nothing where it cannot be used.
    pub(in crate::auth) fn read(members: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        if members.contains_key("use") && text("use") != Some("sig") {
            return None;
        }
        if let Some(operations) = members.get("key_ops") {
            let mut operations = operations.as_array()?.iter();
            if !operations.any(|one| one.as_str() == Some("verify")) {
                return None;
            }
        }
        let name = match members.get("kid") {
            None | Some(Value::Null) => None,
            Some(Value::String(name)) => Some(name.clone()),
            Some(_) => return None,
        };
        let only = match members.get("alg") {
            None | Some(Value::Null) => None,
            Some(named) => Some(named.as_str()?.parse::<Signing>().ok()?),
        };
        let halves = |first: &str, second: &str| Some([text(first)?, text(second)?]);
        let (family, [first, second]) = match (text("kty")?, text("crv")) {
            ("RSA", _) => (Family::Rsa, halves("n", "e")?),
            ("EC", Some("P-256")) => (Family::P256, halves("x", "y")?),
            ("EC", Some("P-384")) => (Family::P384, halves("x", "y")?),
            ("OKP", Some("Ed25519")) => (Family::Ed25519, [text("x")?, ""]),
            _ => return None,
        };
        if only.is_some_and(|only| only.family() != family) {
            return None;
        }
        Self::new(name, family, only, [first.to_owned(), second.to_owned()])
    }

    /// A key of its two numbers, or the one that it has, in base64url.
    pub(in crate::auth) fn new(
        name: Option<String>,
        family: Family,
        only: Option<Signing>,
        text: [String; 2],
    ) -> Option<Self> {
        let [first, second] = &text;
        let (a, b) = (decode(first)?, decode(second)?);
        let key = match family {
            Family::Rsa => rsa(&a, &b)?,
            Family::P256 if (a.len(), b.len()) == (32, 32) => point(&a, &b),
            Family::P384 if (a.len(), b.len()) == (48, 48) => point(&a, &b),
            Family::Ed25519 if a.len() == 32 => DecodingKey::from_ed_der(&a),
            Family::P256 | Family::P384 | Family::Ed25519 => return None,
        };
        Some(Self {
            name,
            family,
            only,
            key,
            text,
        })
    }
}

/// From 2048 to 8192 bits, with an exponent that is odd and not 1.
fn rsa(modulus: &[u8], exponent: &[u8]) -> Option<DecodingKey> {
    let trimmed = |bytes: &[u8]| -> Vec<u8> {
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        bytes.iter().skip(zeros).copied().collect()
    };
    let (modulus, exponent) = (trimmed(modulus), trimmed(exponent));
    let bits = modulus.len() * 8 - modulus.first()?.leading_zeros() as usize;
    let odd = exponent.last()? & 1 == 1;
    let fine = (2048..=8192).contains(&bits) && odd && exponent != [1] && exponent.len() <= 4;
    fine.then(|| DecodingKey::from_rsa_raw_components(&modulus, &exponent))
}

/// A point in its uncompressed form; whether it lies on the curve is seen when it is used.
fn point(x: &[u8], y: &[u8]) -> DecodingKey {
    let mut bytes = Vec::with_capacity(1 + x.len() + y.len());
    bytes.push(4);
    bytes.extend_from_slice(x);
    bytes.extend_from_slice(y);
    DecodingKey::from_ec_der(&bytes)
}

/// The two numbers of an RSA key (RFC 8017 A.1.1).
fn rsa_numbers(der: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut reader = SliceReader::new(der).ok()?;
    let numbers = reader.sequence(|inner| {
        let n = UintRef::decode(inner)?.as_bytes().to_vec();
        let e = UintRef::decode(inner)?.as_bytes().to_vec();
        Ok::<_, der::Error>((n, e))
    });
    let numbers = numbers.ok()?;
    reader.finish().ok()?;
    Some(numbers)
}

const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const ECDSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// The largest set, in bytes.
pub(in crate::auth) const MAX_TEXT: usize = 256 * 1024;
/// The most keys of a set.
const MAX_KEYS: usize = 100;
/// So many keys of one name are tried.
const MOST_OF_A_NAME: usize = 4;
