//! Keys that sign, and tokens made with them.

use std::fmt;

use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use jsonwebtoken::jwk::EllipticCurve;
use jsonwebtoken::{Algorithm, EncodingKey};
use rustls::pki_types::pem::{PemObject as _, SectionKind};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::compact::encode;
use super::jwks::{Key, Signing};

/// A private key with its public half.
pub(in crate::auth) struct SigningKey {
    private: EncodingKey,
    signing: Signing,
    public: Key,
}

impl SigningKey {
    /// The one private key of a PEM file, in PKCS#8: P-256 or Ed25519. `name` stands in tokens;
    /// without one, its thumbprint does.
    ///
    /// # Errors
    /// Why there is none, in words that quote nothing; and what to do.
    pub(in crate::auth) fn of_pem(text: &[u8], name: Option<&str>) -> Result<Self, NotAKey> {
        let mut sections = <(SectionKind, Vec<u8>)>::pem_slice_iter(text);
        let (kind, der) = match (sections.next(), sections.next()) {
            (Some(Ok(section)), None) => section,
            (Some(Err(_)), _) | (_, Some(Err(_))) => return Err(NotAKey::Broken),
            (None, _) => return Err(NotAKey::Nothing),
            (_, Some(Ok(_))) => return Err(NotAKey::Several),
        };
        let der = Zeroizing::new(der);
        match kind {
            SectionKind::PrivateKey => Self::of_pkcs8(&der, name),
            SectionKind::PublicKey => Err(NotAKey::Public),
            SectionKind::RsaPrivateKey => Err(NotAKey::Rsa),
            SectionKind::EcPrivateKey => Err(NotAKey::OldForm),
            _ => Err(NotAKey::Nothing),
        }
    }

    fn of_pkcs8(der: &[u8], name: Option<&str>) -> Result<Self, NotAKey> {
        let keys = &DEFAULT_PROVIDER.key_utils;
        let public = if let Ok((_, x, y)) =
            (keys.ec_pub_components_from_private_key)(der, Algorithm::ES256)
        {
            Some((Signing::Es256, [x, y]))
        } else {
            let ed25519 = keys.ed_pub_components_from_private_key;
            let x = ed25519(der, &EllipticCurve::Ed25519).ok();
            x.map(|x| (Signing::EdDsa, [x, Vec::new()]))
        };
        if let Some((signing, halves)) = public {
            let private = match signing {
                Signing::EdDsa => EncodingKey::from_ed_der(der),
                _ => EncodingKey::from_ec_der(der),
            };
            let public = Key::new(None, signing.family(), None, halves.map(|it| encode(&it)));
            return Ok(Self {
                private,
                signing,
                public: public.ok_or(NotAKey::Other)?.named(name),
            });
        }
        // PKCS#8 of RSA holds this object identifier in its first bytes.
        let rsa = der.windows(RSA.len()).take(40).any(|part| part == RSA);
        Err(if rsa { NotAKey::Rsa } else { NotAKey::Other })
    }

    /// The public half, under the key's name.
    pub(in crate::auth) fn public(&self) -> &Key {
        &self.public
    }

    /// A token of this type with these claims; `None` where the system gives no randomness.
    pub(in crate::auth) fn sign(&self, kind: &str, claims: &Value) -> Option<String> {
        let header = json!({
            "alg": self.signing.as_str(),
            "typ": kind,
            "kid": self.public.name(),
        });
        let part = |value: &Value| encode(value.to_string().as_bytes());
        let signed = format!("{}.{}", part(&header), part(claims));
        let signature = self.signature(signed.as_bytes())?;
        Some(format!("{signed}.{signature}"))
    }

    /// The signature of some bytes, in base64url.
    pub(in crate::auth) fn signature(&self, signed: &[u8]) -> Option<String> {
        let algorithm = self.signing.algorithm();
        jsonwebtoken::crypto::sign(signed, &self.private, algorithm).ok()
    }
}

/// Why a file holds no key that signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::auth) enum NotAKey {
    /// Not PEM.
    #[error("it is not valid PEM")]
    Broken,
    /// Nothing of use.
    #[error("there is no `BEGIN PRIVATE KEY` in it")]
    Nothing,
    /// Two blocks.
    #[error("there is more than one PEM block in it")]
    Several,
    /// Only the public half.
    #[error("it is a public key, which only verifies: the first key must sign")]
    Public,
    /// RSA.
    #[error("RSA keys do not sign here: use P-256 or Ed25519")]
    Rsa,
    /// SEC 1.
    #[error("the key is in the old form (`BEGIN EC PRIVATE KEY`)")]
    OldForm,
    /// Something else.
    #[error("the key is neither P-256 nor Ed25519")]
    Other,
}

impl NotAKey {
    /// What to do.
    pub(in crate::auth) fn help(self) -> &'static str {
        match self {
            Self::OldForm => "`openssl pkcs8 -topk8 -nocrypt` makes PKCS#8 of it",
            _ => "`postern token signing-key FILE` makes one",
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("name", &self.public.name())
            .field("signing", &self.signing)
            .finish_non_exhaustive()
    }
}

/// The object identifier of RSA, in DER.
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

#[cfg(test)]
mod tests {
    use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};

    use super::super::compact::Compact;
    use super::super::jwks::Keys;
    use super::*;

    fn pair(of: &'static rcgen::SignatureAlgorithm) -> KeyPair {
        KeyPair::generate_for(of).unwrap()
    }

    #[test]
    fn what_is_signed_verifies_with_the_public_half_only() {
        for (algorithm, signing) in [
            (&PKCS_ECDSA_P256_SHA256, Signing::Es256),
            (&PKCS_ED25519, Signing::EdDsa),
        ] {
            let pair = pair(algorithm);
            let key = SigningKey::of_pem(pair.serialize_pem().as_bytes(), None).unwrap();
            assert_eq!(key.signing, signing);
            let token = key.sign("at+jwt", &json!({"sub": "a"})).unwrap();
            let parts = Compact::read(&token).unwrap();
            assert_eq!(parts.header.algorithm, signing.as_str());
            assert_eq!(parts.header.key.as_deref(), key.public().name());
            assert_eq!(parts.header.kind.as_deref(), Some("at+jwt"));
            // The public key as a file and as a set is the same key.
            let file = Keys::of_pem(pair.public_key_pem().as_bytes()).unwrap();
            let set = json!({"keys": [key.public().jwk()]}).to_string();
            let set = Keys::read(set.as_bytes()).unwrap();
            for keys in [file, set] {
                let name = keys.names().next().filter(|name| !name.is_empty());
                let one = keys.fitting(name, signing).unwrap().remove(0);
                assert!(one.accepts(parts.signed, parts.signature));
                assert!(!one.accepts(b"other", parts.signature));
            }
            let other = SigningKey::of_pem(self::pair(algorithm).serialize_pem().as_bytes(), None);
            let other = json!({"keys": [other.unwrap().public().jwk()]}).to_string();
            let other = Keys::read(other.as_bytes()).unwrap();
            let other = other.fitting(None, signing).unwrap().remove(0);
            assert!(!other.accepts(parts.signed, parts.signature));
            assert!(!format!("{key:?}").contains(pair.serialize_pem().lines().nth(1).unwrap()));
        }
    }

    #[test]
    fn the_thumbprint_is_that_of_the_rfc() {
        // RFC 8037 A.3, the key of A.2.
        let key = json!({"kty": "OKP", "crv": "Ed25519",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
        let key = Key::read(key.as_object().unwrap()).unwrap().named(None);
        let wanted = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
        assert_eq!(key.name(), Some(wanted));
    }

    #[test]
    fn other_files_are_refused_with_what_they_are() {
        let why = |text: &str| SigningKey::of_pem(text.as_bytes(), None).unwrap_err();
        let good = pair(&PKCS_ED25519);
        let private = good.serialize_pem();
        assert_eq!(why(&good.public_key_pem()), NotAKey::Public);
        assert_eq!(why(&format!("{private}{private}")), NotAKey::Several);
        assert_eq!(why(""), NotAKey::Nothing);
        assert_eq!(
            why("-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----\n"),
            NotAKey::Broken
        );
        assert_eq!(
            why(&pair(&PKCS_ECDSA_P384_SHA384).serialize_pem()),
            NotAKey::Other
        );
        assert_eq!(why(RSA_KEY), NotAKey::Rsa);
        let old = RSA_KEY.replace("PRIVATE KEY", "RSA PRIVATE KEY");
        assert_eq!(why(&old), NotAKey::Rsa);
        let old = private.replace("PRIVATE KEY", "EC PRIVATE KEY");
        assert_eq!(why(&old), NotAKey::OldForm);
    }

    /// The first bytes of one: enough to see what it is.
    const RSA_KEY: &str = "-----BEGIN PRIVATE KEY-----
MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj
-----END PRIVATE KEY-----
";
}
