//! TLS material: from PEM bytes to what rustls runs with. The provider is always passed, never
//! taken from the process, and no error text carries a byte of a key.

mod clients;
pub mod distrust;
mod server;

pub use clients::{Checks, Clients};
pub use server::{Refused, Server, Switch};

use std::sync::Arc;
use std::time::SystemTime;

use hyper_rustls::ConfigBuilderExt as _;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ConfigBuilder, InconsistentKeys, RootCertStore};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

/// Why PEM bytes are no TLS material.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// The bytes are not PEM.
    #[error("{input} is not valid PEM: {reason}")]
    NotPem {
        /// Which of the inputs.
        input: Input,
        /// What is wrong, without quoting it.
        reason: &'static str,
    },
    /// A key that is only readable with its passphrase, which nobody is there to give.
    #[error(
        "{input} is encrypted: take the passphrase off, as with `openssl pkey -in KEY -out PLAIN`, \
         and let file permissions guard it"
    )]
    Encrypted {
        /// Which of the inputs.
        input: Input,
    },
    /// PEM, but with nothing in it that would do.
    #[error("{input} holds no {wanted}: expected a block `-----BEGIN {block}-----`", wanted = input.wanted(), block = input.block())]
    Nothing {
        /// Which of the inputs.
        input: Input,
    },
    /// There is a block, but it does not hold what it says.
    #[error("{input} cannot be used: {reason}")]
    Unusable {
        /// Which of the inputs.
        input: Input,
        /// What is wrong, in rustls' words.
        reason: String,
    },
    /// Certificate and key are both fine and do not belong together.
    #[error(
        "{key} does not belong to {certificate}: the first certificate of the chain must be the \
         key's own"
    )]
    Mismatch {
        /// The certificate.
        certificate: Input,
        /// The key.
        key: Input,
    },
    /// No CA was given and the system has none.
    #[error("the system has no CA certificates: install them, or give a CA file: {0}")]
    NoRoots(String),
    /// The TLS library does not start.
    #[error("TLS cannot be set up: {0}")]
    Library(String),
}

/// Which of the inputs an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// The certificate chain of a listener.
    Certificate,
    /// The private key of a listener.
    Key,
    /// The CA certificates that a directory is checked against.
    Ca,
    /// The CA certificates that clients of a listener are checked against.
    ClientCa,
    /// Of the lists of what these CAs have revoked, the one of this number, from 0.
    ClientCrl(usize),
    /// The client certificate that a directory wants to see.
    ClientCertificate,
    /// Its key.
    ClientKey,
}

/// What the client towards a directory runs with. With `ca_pem`, only those CAs are trusted;
/// without it, the system's. ALPN is left to the connector.
///
/// # Errors
/// Says which of the inputs is wrong, and how.
pub fn client_config(
    ca_pem: Option<&[u8]>,
    client_cert: Option<(&[u8], &[u8])>,
) -> Result<ClientConfig, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|e| TlsError::Library(e.to_string()))?;
    let builder = match ca_pem {
        Some(pem) => builder.with_root_certificates(roots(pem, Input::Ca)?),
        None => native_roots(builder)?,
    };
    match client_cert {
        None => Ok(builder.with_no_client_auth()),
        Some((cert, key)) => {
            let (chain, key) = pair(cert, Input::ClientCertificate, key, Input::ClientKey)?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|e| TlsError::Library(e.to_string()))
        }
    }
}

/// For who is reached without TLS: a machine without any CA certificates must do.
///
/// # Errors
/// TLS cannot be set up.
pub fn trusting_nobody() -> Result<ClientConfig, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|e| TlsError::Library(e.to_string()))?;
    let nobody = RootCertStore::empty();
    Ok(builder.with_root_certificates(nobody).with_no_client_auth())
}

/// When the certificates of a PEM file end: the first of them that does, as from then on the chain
/// is worth nothing. `None` where there is none that can be read.
#[must_use]
pub fn not_after(pem: &[u8]) -> Option<SystemTime> {
    CertificateDer::pem_slice_iter(pem)
        .filter_map(|der| Certificate::from_der(&der.ok()?).ok())
        .map(|certificate| certificate.tbs_certificate().validity().not_after)
        .filter_map(|time| SystemTime::UNIX_EPOCH.checked_add(time.to_unix_duration()))
        .min()
}

/// The one provider of cryptography.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

impl Input {
    fn wanted(self) -> &'static str {
        match self {
            Self::Certificate | Self::ClientCertificate => "certificate",
            Self::Ca | Self::ClientCa => "CA certificate",
            Self::Key | Self::ClientKey => "private key",
            Self::ClientCrl(_) => "revocation list",
        }
    }

    fn block(self) -> &'static str {
        match self {
            Self::Certificate | Self::ClientCertificate | Self::Ca | Self::ClientCa => {
                "CERTIFICATE"
            }
            Self::Key | Self::ClientKey => "PRIVATE KEY",
            Self::ClientCrl(_) => "X509 CRL",
        }
    }
}

impl std::fmt::Display for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Certificate => "the certificate",
            Self::Key => "the private key",
            Self::Ca => "the CA file",
            Self::ClientCa => "the file of the clients' CA",
            Self::ClientCrl(_) => "the revocation list",
            Self::ClientCertificate => "the client certificate",
            Self::ClientKey => "the client certificate's key",
        })
    }
}

/// A chain and its key, each usable and checked to fit.
fn pair(
    cert_pem: &[u8],
    certificate: Input,
    key_pem: &[u8],
    key: Input,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let chain = certificates(cert_pem, certificate)?;
    let private = PrivateKeyDer::from_pem_slice(key_pem).map_err(|e| {
        if is_encrypted(key_pem) {
            TlsError::Encrypted { input: key }
        } else {
            not_pem(key, &e)
        }
    })?;
    let signing = provider()
        .key_provider
        .load_private_key(private.clone_key())
        .map_err(|e| unusable(key, &e))?;
    match CertifiedKey::new(chain.clone(), signing).keys_match() {
        // A key kind that cannot tell its public half is no error.
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {
            Ok((chain, private))
        }
        Err(rustls::Error::InconsistentKeys(_)) => Err(TlsError::Mismatch { certificate, key }),
        Err(error) => Err(unusable(certificate, &error)),
    }
}

/// PKCS #8 says so in its first line, the older form in a header of the block.
fn is_encrypted(pem: &[u8]) -> bool {
    [
        &b"-----BEGIN ENCRYPTED PRIVATE KEY-----"[..],
        b"Proc-Type: 4,ENCRYPTED",
    ]
    .iter()
    .any(|mark| pem.windows(mark.len()).any(|part| part == *mark))
}

fn certificates(pem: &[u8], input: Input) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|e| not_pem(input, &e))?;
    if chain.is_empty() {
        return Err(TlsError::Nothing { input });
    }
    Ok(chain)
}

fn roots(pem: &[u8], input: Input) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(pem, input)? {
        store.add(certificate).map_err(|e| unusable(input, &e))?;
    }
    Ok(store)
}

type WithRoots = ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>;

fn native_roots(
    builder: ConfigBuilder<ClientConfig, rustls::WantsVerifier>,
) -> Result<WithRoots, TlsError> {
    builder
        .with_native_roots()
        .map_err(|e| TlsError::NoRoots(e.to_string()))
}

/// The reader's own texts quote the input, which may be a key.
fn not_pem(input: Input, error: &pem::Error) -> TlsError {
    let reason = match error {
        pem::Error::NoItemsFound => return TlsError::Nothing { input },
        pem::Error::MissingSectionEnd { .. } => "a block does not end with its `-----END` line",
        pem::Error::IllegalSectionStart { .. } => "a `-----BEGIN` line is malformed",
        pem::Error::Base64Decode(_) => "a block is not valid base64",
        pem::Error::SectionTooLarge => "a block is too large",
        _ => "it cannot be read",
    };
    TlsError::NotPem { input, reason }
}

fn unusable(input: Input, error: &rustls::Error) -> TlsError {
    // `General` may hold anything; all others are fixed texts about the structure.
    let reason = match error {
        rustls::Error::General(_) if matches!(input, Input::Key | Input::ClientKey) => {
            "the key is of no kind that is supported (RSA from 2048 bits, ECDSA, Ed25519)".into()
        }
        other => other.to_string(),
    };
    TlsError::Unusable { input, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(cert: &str, key: &str) -> Result<Arc<rustls::ServerConfig>, TlsError> {
        let pair = (cert.as_bytes(), key.as_bytes());
        Server::public(pair, None, None).map(|server| server.config)
    }

    fn made() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn a_fitting_pair_is_taken_and_speaks_both_protocols() {
        let (cert, key) = made();
        let config = config(&cert, &key).unwrap();
        assert_eq!(
            config.alpn_protocols,
            [b"h2".to_vec(), b"http/1.1".to_vec()]
        );
        assert!(config.ticketer.enabled());
        assert_eq!(config.send_tls13_tickets, 1);
        client_config(
            Some(cert.as_bytes()),
            Some((cert.as_bytes(), key.as_bytes())),
        )
        .unwrap();
    }

    #[test]
    fn a_chain_ends_with_the_first_of_it_that_does() {
        let ending = |year: i32| {
            let mut wanted = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
            wanted.not_after = rcgen::date_time_ymd(year, 3, 1);
            let key = rcgen::KeyPair::generate().unwrap();
            wanted.self_signed(&key).unwrap().pem()
        };
        let seconds = |pem: &str| {
            let end = not_after(pem.as_bytes())?;
            Some(
                end.duration_since(SystemTime::UNIX_EPOCH)
                    .unwrap()
                    .as_secs(),
            )
        };
        // One of each form of time that there is.
        let (soon, late) = (ending(2030), ending(2060));
        assert_eq!(seconds(&soon), Some(1_898_553_600));
        assert_eq!(seconds(&late), Some(2_845_324_800));
        assert_eq!(seconds(&format!("{late}{soon}")), Some(1_898_553_600));
        let (_, key) = made();
        let torn = soon.replace("-----END", "-----ENT");
        let noise = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for pem in ["", &key, &torn, noise] {
            assert_eq!(seconds(pem), None, "{pem}");
        }
        assert_eq!(seconds(&format!("{noise}{soon}")), Some(1_898_553_600));
    }

    #[test]
    fn an_encrypted_key_is_said_to_be_one() {
        let (cert, _) = made();
        for key in [
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
            "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n\
             AAAA\n-----END EC PRIVATE KEY-----\n",
        ] {
            assert_eq!(
                config(&cert, key).unwrap_err(),
                TlsError::Encrypted { input: Input::Key }
            );
        }
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let (cert, _) = made();
        let (_, key) = made();
        let mismatch = TlsError::Mismatch {
            certificate: Input::Certificate,
            key: Input::Key,
        };
        assert_eq!(config(&cert, &key).unwrap_err(), mismatch);
        let client = client_config(None, Some((cert.as_bytes(), key.as_bytes())));
        assert!(matches!(
            client,
            Err(TlsError::Mismatch { .. } | TlsError::NoRoots(_))
        ));
    }

    #[test]
    fn errors_name_the_input_and_quote_nothing() {
        let (cert, key) = made();
        let secret = key.lines().nth(1).unwrap().to_owned();
        let torn = key.replace("-----END", "-----ENT");
        let noise = key.replace(&secret, &format!("!{secret}"));
        let wrong = key.replace(&secret, &secret.replace(char::is_uppercase, "A"));
        for (key, says) in [
            ("", "the private key holds no private key"),
            (&*cert, "the private key holds no private key"),
            (&*torn, "the private key is not valid PEM"),
            (&*noise, "the private key is not valid PEM"),
            (&*wrong, "the private key cannot be used"),
        ] {
            let error = config(&cert, key).unwrap_err();
            let text = format!("{error} {error:?}");
            assert!(text.starts_with(says), "{text}");
            assert!(!text.contains(secret.get(..12).unwrap()), "{text}");
        }
        for cert in [
            "",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ] {
            let error = config(cert, &key).unwrap_err();
            assert!(error.to_string().starts_with("the certificate "), "{error}");
            let error = client_config(Some(cert.as_bytes()), None).unwrap_err();
            assert!(error.to_string().starts_with("the CA file "), "{error}");
        }
    }
}
