//! What the certificates of clients are checked against: CAs, and lists of what these revoked.
//!
//! With lists, each certificate on the way from the client to a CA must be covered by a list of
//! whoever made it: a CA whose list is missing lets nobody in (the file check warns of it), rather
//! than everybody. A list past its time goes on to count: what it revokes stays revoked, and a
//! metric and a warning tell that it is old. `docs/adr/0011-client-certificates.md` says why.

use std::sync::Arc;
use std::time::SystemTime;

use rustls::pki_types::CertificateRevocationListDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientCertVerifierBuilder, VerifierBuilderError, WebPkiClientVerifier};
use x509_cert::crl::CertificateList;
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::name::Name;

use super::{Input, TlsError, certificates, not_after, not_pem, provider, roots};
use crate::net::certificate::name;

/// What is given, as PEM.
#[derive(Debug, Clone)]
pub struct Clients<'a> {
    /// The CAs.
    pub ca: &'a [u8],
    /// Files of revocation lists.
    pub lists: Vec<&'a [u8]>,
    /// Whether nobody is let in without a certificate.
    pub required: bool,
}

/// The checks that come of it.
#[derive(Debug, Clone)]
pub struct Checks {
    pub(super) verifier: Arc<dyn ClientCertVerifier>,
    /// When the first of the CAs ends.
    pub ca_ends: Option<SystemTime>,
    /// When the first of the lists should have been replaced.
    pub lists_end: Option<SystemTime>,
    /// CAs of which there is no list, where there are lists: nobody whom they certify is let in.
    pub unlisted: Vec<String>,
}

impl Clients<'_> {
    /// Makes the checks.
    ///
    /// # Errors
    /// Says which of the inputs is wrong, and how.
    pub fn checks(&self) -> Result<Checks, TlsError> {
        let roots = Arc::new(roots(self.ca, Input::ClientCa)?);
        let begin = || WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), provider());
        let mut lists = Vec::new();
        for (number, pem) in self.lists.iter().enumerate() {
            lists.extend(read(pem, Input::ClientCrl(number), &begin)?);
        }
        // Of two lists that cover the same, the second is never looked at.
        for (at, list) in lists.iter().enumerate() {
            let mut before = lists.iter().take(at);
            if before.any(|other| other.covers_as(list)) {
                return Err(TlsError::Unusable {
                    input: list.input,
                    reason: format!("there is another list of {}: keep the newer", list.word()),
                });
            }
        }
        let mut builder = begin().with_crls(lists.iter().map(|list| list.der.clone()));
        if !self.required {
            builder = builder.allow_unauthenticated();
        }
        let verifier = builder
            .build()
            .map_err(|error| unusable(Input::ClientCa, &error))?;
        Ok(Checks {
            verifier,
            ca_ends: not_after(self.ca),
            lists_end: lists.iter().filter_map(|list| list.next).min(),
            unlisted: self.unlisted(&lists)?,
        })
    }

    fn unlisted(&self, lists: &[List]) -> Result<Vec<String>, TlsError> {
        if lists.is_empty() {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        for der in certificates(self.ca, Input::ClientCa)? {
            // What cannot be read is no anchor of anything.
            let Ok(ca) = x509_cert::Certificate::from_der(&der) else {
                continue;
            };
            let subject = ca.tbs_certificate().subject();
            if !lists.iter().any(|list| list.issuer == *subject) {
                found.push(name::written(subject));
            }
        }
        Ok(found)
    }
}

/// One revocation list.
struct List {
    input: Input,
    der: CertificateRevocationListDer<'static>,
    issuer: Name,
    /// What of its issuer's it is about, where that is not everything.
    part: Option<Vec<u8>>,
    next: Option<SystemTime>,
}

impl List {
    fn covers_as(&self, other: &Self) -> bool {
        self.issuer == other.issuer && self.part == other.part
    }

    fn word(&self) -> String {
        name::written(&self.issuer)
    }
}

/// The lists of a file, each of which rustls takes.
fn read(
    pem: &[u8],
    input: Input,
    begin: &impl Fn() -> ClientCertVerifierBuilder,
) -> Result<Vec<List>, TlsError> {
    let ders: Vec<_> = CertificateRevocationListDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| not_pem(input, &error))?;
    if ders.is_empty() {
        return Err(TlsError::Nothing { input });
    }
    let list = |der: CertificateRevocationListDer<'static>| {
        let alone = begin().with_crls([der.clone()]).build();
        alone.map_err(|error| unusable(input, &error))?;
        let list = CertificateList::<x509_cert::certificate::Rfc5280>::from_der(&der);
        let list = list.map_err(|_| TlsError::Unusable {
            input,
            reason: "it does not follow RFC 5280".to_owned(),
        })?;
        let list = list.tbs_cert_list;
        let mut extensions = list.crl_extensions.iter().flatten();
        let part = extensions.find(|extension| extension.extn_id == DISTRIBUTION_POINT);
        Ok(List {
            input,
            der,
            part: part.and_then(|part| part.extn_value.to_der().ok()),
            next: list
                .next_update
                .and_then(|time| SystemTime::UNIX_EPOCH.checked_add(time.to_unix_duration())),
            issuer: list.issuer,
        })
    };
    ders.into_iter().map(list).collect()
}

fn unusable(input: Input, error: &VerifierBuilderError) -> TlsError {
    let reason = match error {
        VerifierBuilderError::InvalidCrl(error) => {
            format!("{error:?} (a list of version 2 is wanted, whole and not a delta)")
        }
        other => other.to_string(),
    };
    TlsError::Unusable { input, reason }
}

/// The issuing distribution point, RFC 5280 section 5.2.5.
const DISTRIBUTION_POINT: x509_cert::der::asn1::ObjectIdentifier =
    x509_cert::der::asn1::ObjectIdentifier::new_unwrap("2.5.29.28");
