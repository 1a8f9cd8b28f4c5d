//! Client certificates: whose they are, and which accounts are to show one.
//!
//! An account names certificates by subject, by another name or by hash, and says with `requires`
//! what proves who calls: a token (default where it has any), a certificate of its own (default
//! where it has nothing else), or both. A certificate alone speaks only where no `Authorization` is
//! sent: a wrong token never falls back to it. Where a token is enough, the certificate of the
//! connection may be anybody's. One that leads to two accounts by two of its names is refused.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use http::header::AUTHORIZATION;

use super::authenticator::Account;
use super::last_use::LastUse;
use super::permit::Caller;
use super::presented::{Later, Presented, Proven};
use super::{AuthError, network};
use crate::net::Certificate;

/// What proves that an account calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requires {
    /// A token.
    Token,
    /// A certificate of the account, whether there is a token or not.
    Certificate,
    /// A token, over a connection with a certificate of the account.
    Both,
}

/// What an account calls one of its certificates by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CertificateName {
    /// Its subject, in the form of [`crate::net::certificate::name::written`].
    Subject(String),
    /// One of its other names, in the form of [`crate::net::certificate::name::alternative`].
    Other(String),
    /// Its hash.
    Sha256([u8; 32]),
}

/// Why the certificate of a connection does not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateFault {
    /// It leads to no account, and there is no token.
    Unknown,
    /// It leads to more than one.
    Ambiguous,
    /// This account has to show one of its own.
    Wanted(Arc<str>),
    /// It is this account's, which has to send a token too.
    Alone(Arc<str>),
}

/// Whose certificates are whose.
#[derive(Debug, Default)]
pub(super) struct Certificates {
    subjects: HashMap<String, Claim>,
    others: HashMap<String, Claim>,
    hashes: HashMap<[u8; 32], Claim>,
}

/// One line of an account.
#[derive(Debug)]
struct Claim {
    account: Arc<Account>,
    used: LastUse,
}

impl Certificates {
    /// Of all accounts. No two have the same name of a certificate, which the reader has seen to.
    pub(super) fn of(accounts: &[Arc<Account>]) -> Self {
        let mut all = Self::default();
        for account in accounts {
            for name in &account.certificates {
                let claim = Claim {
                    account: Arc::clone(account),
                    used: LastUse::default(),
                };
                match name.clone() {
                    CertificateName::Subject(text) => all.subjects.insert(text, claim),
                    CertificateName::Other(text) => all.others.insert(text, claim),
                    CertificateName::Sha256(hash) => all.hashes.insert(hash, claim),
                };
            }
        }
        all
    }

    /// Who calls by their certificate alone. `None` where that is not what is presented.
    pub(super) fn alone(
        &self,
        presented: &Presented<'_>,
        now: SystemTime,
    ) -> Result<Option<Caller>, AuthError> {
        let Some(certificate) = presented.certificate else {
            return Ok(None);
        };
        if presented.headers.contains_key(AUTHORIZATION) {
            return Ok(None);
        }
        let account = self.account(certificate)?;
        let account = account.ok_or(AuthError::Certificate(CertificateFault::Unknown))?;
        if account.requires != Requires::Certificate {
            let name = Arc::clone(&account.name);
            return Err(AuthError::Certificate(CertificateFault::Alone(name)));
        }
        let networks = account.networks.as_deref();
        if networks.is_some_and(|networks| !network::contain(networks, presented.from)) {
            return Err(AuthError::Elsewhere {
                account: Arc::clone(&account.name),
                key: Arc::clone(certificate.key()),
            });
        }
        self.note(certificate, now);
        Ok(Some(Caller {
            account: Arc::clone(account),
            key: Arc::clone(certificate.key()),
            narrowed: None,
        }))
    }

    /// What a token proves, over this connection: accounts that have to show a certificate must
    /// have shown theirs.
    pub(super) fn confirm(
        self: &Arc<Self>,
        proven: Proven,
        presented: &Presented<'_>,
        now: SystemTime,
    ) -> Result<Proven, AuthError> {
        match proven {
            Proven::Caller(caller) => {
                self.shown(&caller.account, presented.certificate, now)?;
                Ok(Proven::Caller(caller))
            }
            later if self.is_empty() => Ok(later),
            Proven::Later(Later { caller, was_good }) => {
                let (all, certificate) = (Arc::clone(self), presented.certificate.cloned());
                let caller = Box::pin(async move {
                    let caller = caller.await?;
                    all.shown(&caller.account, certificate.as_ref(), now)?;
                    Ok(caller)
                });
                Ok(Proven::Later(Later { caller, was_good }))
            }
        }
    }

    fn shown(
        &self,
        account: &Arc<Account>,
        certificate: Option<&Arc<Certificate>>,
        now: SystemTime,
    ) -> Result<(), AuthError> {
        if account.requires == Requires::Token {
            return Ok(());
        }
        let wanted = || AuthError::Certificate(CertificateFault::Wanted(Arc::clone(&account.name)));
        let certificate = certificate.ok_or_else(wanted)?;
        let shown = self.account(certificate)?;
        if !shown.is_some_and(|shown| Arc::ptr_eq(shown, account)) {
            return Err(wanted());
        }
        self.note(certificate, now);
        Ok(())
    }

    /// Whose certificate it is.
    fn account(&self, certificate: &Certificate) -> Result<Option<&Arc<Account>>, AuthError> {
        let mut claims = self.claims(certificate);
        let Some(first) = claims.next() else {
            return Ok(None);
        };
        if claims.any(|other| !Arc::ptr_eq(&other.account, &first.account)) {
            return Err(AuthError::Certificate(CertificateFault::Ambiguous));
        }
        Ok(Some(&first.account))
    }

    fn claims<'a, 'c>(
        &'a self,
        certificate: &'c Certificate,
    ) -> impl Iterator<Item = &'a Claim> + use<'a, 'c> {
        let others = certificate.names();
        let others = others.filter_map(|name| self.others.get(name));
        let subject = self.subjects.get(certificate.subject());
        let hash = self.hashes.get(certificate.sha256());
        hash.into_iter().chain(subject).chain(others)
    }

    fn note(&self, certificate: &Certificate, now: SystemTime) {
        for claim in self.claims(certificate) {
            claim.used.note(now);
        }
    }

    /// When a certificate of this name was last accepted.
    pub(super) fn last_use(&self, name: &CertificateName) -> Option<SystemTime> {
        self.claim(name)?.used.get()
    }

    /// Takes over when certificates were last used that are still the same account's.
    pub(super) fn adopt(&self, previous: &Self) {
        let adopt = |claim: &Claim, before: Option<&Claim>| {
            if let Some(before) = before.filter(|it| it.account.name == claim.account.name) {
                claim.used.adopt(&before.used);
            }
        };
        for (name, claim) in &self.subjects {
            adopt(claim, previous.subjects.get(name));
        }
        for (name, claim) in &self.others {
            adopt(claim, previous.others.get(name));
        }
        for (hash, claim) in &self.hashes {
            adopt(claim, previous.hashes.get(hash));
        }
    }

    fn claim(&self, name: &CertificateName) -> Option<&Claim> {
        match name {
            CertificateName::Subject(text) => self.subjects.get(text),
            CertificateName::Other(text) => self.others.get(text),
            CertificateName::Sha256(hash) => self.hashes.get(hash),
        }
    }

    fn is_empty(&self) -> bool {
        self.subjects.is_empty() && self.others.is_empty() && self.hashes.is_empty()
    }
}

impl Requires {
    /// The word of the access file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Certificate => "certificate",
            Self::Both => "both",
        }
    }
}

impl CertificateName {
    /// The key of the access file.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Subject(_) => "subject",
            Self::Other(_) => "san",
            Self::Sha256(_) => "sha256",
        }
    }
}

impl fmt::Display for CertificateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subject(text) | Self::Other(text) => f.write_str(text),
            Self::Sha256(hash) => hash.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
        }
    }
}

impl fmt::Display for CertificateFault {
    /// The true reason, for logs only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("the certificate is of no account, and there is no token"),
            Self::Ambiguous => {
                f.write_str("ambiguous: the certificate is of more than one account")
            }
            Self::Wanted(account) => write!(f, "account `{account}` without its certificate"),
            Self::Alone(account) => write!(f, "account `{account}` without a token"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use http::{HeaderMap, HeaderValue};
    use rcgen::{DnType, SanType};

    use super::super::access::tests::authenticator;
    use super::super::token::TokenHash;
    use super::super::{Authenticator, Rejection, instant};
    use super::*;
    use crate::net::certificate::tests::made;

    const FILE: &str = "roles: {}
accounts:
  - {name: alone, roles: [], tenants: [], networks: [10.0.0.0/8], certificates: [{subject: \"CN=alone,O=Acme\"}]}
  - {name: both, roles: [], tenants: [], requires: both, certificates: [{san: \"dns:both.example\"}], tokens: [{id: k1, sha256: HASH1}]}
  - {name: token, roles: [], tenants: [], certificates: [{san: \"uri:spiffe://td/token\"}], tokens: [{id: k2, sha256: HASH2}]}
  - {name: strict, roles: [], tenants: [], requires: certificate, certificates: [{subject: \"CN=strict,O=Acme\"}], tokens: [{id: k3, sha256: HASH3}]}
";

    fn found() -> Authenticator {
        let mut text = FILE.to_owned();
        for number in 1..=3 {
            let hash = TokenHash::of(&format!("postern_k{number}_x")).to_string();
            text = text.replace(&format!("HASH{number}"), &hash);
        }
        authenticator(&text)
    }

    fn certificate(name: &str, others: &[SanType]) -> Arc<Certificate> {
        Arc::new(made(|params| {
            params.distinguished_name.push(DnType::CommonName, name);
            params.subject_alt_names = others.to_vec();
        }))
    }

    fn dns(name: &str) -> SanType {
        SanType::DnsName(name.try_into().unwrap())
    }

    fn uri(name: &str) -> SanType {
        SanType::URI(name.try_into().unwrap())
    }

    fn ask(
        found: &Authenticator,
        authorization: Option<&str>,
        certificate: Option<&Arc<Certificate>>,
        from: &str,
    ) -> Result<String, AuthError> {
        let mut headers = HeaderMap::new();
        if let Some(text) = authorization {
            headers.insert(AUTHORIZATION, HeaderValue::from_str(text).unwrap());
        }
        let from: IpAddr = from.parse().unwrap();
        let presented = Presented::new(&headers, from).over(certificate);
        let now = instant::parse("2026-11-15").unwrap();
        let caller = found.authenticate(&presented, now)?.now().unwrap();
        Ok(format!("{} {}", caller.account(), caller.key))
    }

    fn fault(fault: CertificateFault) -> Result<String, AuthError> {
        Err(AuthError::Certificate(fault))
    }

    #[test]
    fn what_is_required_is_what_proves() {
        let found = found();
        let (alone, strict) = (certificate("alone", &[]), certificate("strict", &[]));
        let both = certificate("x", &[dns("BOTH.example")]);
        let token = certificate("x", &[uri("spiffe://td/token")]);
        let stranger = certificate("stranger", &[dns("a.example")]);
        let bearer = |number: u8| format!("Bearer postern_k{number}_x");
        let ask = |authorization: Option<&str>, certificate: Option<&Arc<Certificate>>| {
            ask(&found, authorization, certificate, "10.1.2.3")
        };
        let unknown = Err(AuthError::Rejected(Rejection::Unknown));
        // Nothing but a certificate.
        assert_eq!(
            ask(None, Some(&alone)),
            Ok(format!("alone {}", alone.key()))
        );
        assert_eq!(
            ask(None, Some(&strict)),
            Ok(format!("strict {}", strict.key()))
        );
        let left = |name: &str| fault(CertificateFault::Alone(name.into()));
        assert_eq!(ask(None, Some(&both)), left("both"));
        assert_eq!(ask(None, Some(&token)), left("token"));
        assert_eq!(ask(None, Some(&stranger)), fault(CertificateFault::Unknown));
        assert_eq!(ask(None, None), Err(AuthError::Missing));
        // What is sent counts, and nothing falls back.
        for wrong in ["Bearer postern_k9_x", "Bearer postern_k1_y"] {
            assert_eq!(ask(Some(wrong), Some(&alone)), unknown, "{wrong}");
        }
        assert_eq!(
            ask(Some("Basic eDp5"), Some(&alone)),
            Err(AuthError::Missing)
        );
        assert_eq!(ask(Some(""), Some(&alone)), Err(AuthError::Missing));
        assert_eq!(
            ask(Some("Bearer "), Some(&alone)),
            Err(AuthError::Malformed)
        );
        // Both.
        let wanted = |name: &str| fault(CertificateFault::Wanted(name.into()));
        assert_eq!(ask(Some(&bearer(1)), Some(&both)), Ok("both k1".to_owned()));
        assert_eq!(ask(Some(&bearer(1)), None), wanted("both"));
        for other in [&alone, &token, &stranger] {
            assert_eq!(ask(Some(&bearer(1)), Some(other)), wanted("both"));
        }
        // A token that is enough, over any connection.
        for other in [
            None,
            Some(&alone),
            Some(&both),
            Some(&token),
            Some(&stranger),
        ] {
            assert_eq!(ask(Some(&bearer(2)), other), Ok("token k2".to_owned()));
        }
        // A token beside the certificate that is wanted.
        assert_eq!(
            ask(Some(&bearer(3)), Some(&strict)),
            Ok("strict k3".to_owned())
        );
        assert_eq!(ask(Some(&bearer(3)), None), wanted("strict"));
    }

    #[test]
    fn a_certificate_of_two_accounts_is_of_none() {
        let found = found();
        let two = certificate("alone", &[dns("both.example")]);
        let ambiguous = fault(CertificateFault::Ambiguous);
        assert_eq!(ask(&found, None, Some(&two), "10.0.0.1"), ambiguous);
        let bearer = "Bearer postern_k1_x";
        assert_eq!(ask(&found, Some(bearer), Some(&two), "10.0.0.1"), ambiguous);
        // Two names of one account are one account.
        let twice = certificate("x", &[dns("both.example"), dns("both.example")]);
        assert!(ask(&found, Some(bearer), Some(&twice), "10.0.0.1").is_ok());
    }

    #[test]
    fn networks_hold_for_certificates_too() {
        let found = found();
        let alone = certificate("alone", &[]);
        let refused = AuthError::Elsewhere {
            account: "alone".into(),
            key: Arc::clone(alone.key()),
        };
        assert_eq!(ask(&found, None, Some(&alone), "192.0.2.1"), Err(refused));
    }

    #[test]
    fn the_last_use_is_noted_and_outlives_a_reload() {
        let found = found();
        let name = CertificateName::Subject("CN=alone,O=Acme".to_owned());
        assert_eq!(found.certificate_last_use(&name), None);
        let _ = ask(&found, None, Some(&certificate("alone", &[])), "10.0.0.1");
        let used = found.certificate_last_use(&name);
        assert_eq!(used, instant::parse("2026-11-15"));
        let next = self::found();
        next.adopt(&found);
        assert_eq!(next.certificate_last_use(&name), used);
    }
}
