//! What must be known to reach a directory over LDAP.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::directory::http::Identity;
use crate::net::secret::Secret;
use crate::net::tls::not_after;

use super::rehearsal::Rehearsal;
use super::url::LdapUrl;
use super::wire::Bounds;
use crate::ldap::dn::Dn;

/// How a directory is reached, and as whom. Two that are equal share their connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LdapConfig {
    /// Its servers in order of preference: all goes to the first that works.
    pub urls: Vec<LdapUrl>,
    /// Whether to ask for TLS on connections that begin without.
    pub start_tls: bool,
    /// The authorities that may have signed its certificate, as PEM; the usual ones where `None`.
    pub ca: Option<Vec<u8>>,
    /// Our own certificate and key, as PEM.
    pub identity: Option<Identity>,
    /// How we prove who we are.
    pub bind: Bind,
    /// Whether a password may go over the network without TLS.
    pub insecure: bool,
    /// So many connections per worker, at most.
    pub connections: usize,
    /// So many operations at a time on each.
    pub in_flight: usize,
    /// So many entries in a page of a search.
    pub page: u32,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// How much a connection takes on.
    pub bounds: Bounds,
    /// What every connection leads to instead of the servers, where nothing is to be sent.
    pub rehearsal: Option<Arc<Rehearsal>>,
}

/// How we prove who we are.
#[derive(Debug, Clone)]
pub enum Bind {
    /// Not at all.
    Anonymous,
    /// By name and password.
    Simple {
        /// The name.
        dn: Dn,
        /// The password. An empty one would be no proof at all.
        password: Secret,
    },
    /// By our certificate, or by who is at our end of the socket (SASL EXTERNAL).
    External,
}

/// How long things may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Connecting, with TLS, bind and a first look.
    pub connect: Duration,
    /// From an operation to its answer, or to the first of a search.
    pub answer: Duration,
    /// Between two answers to a search.
    pub idle: Duration,
    /// For how long a server must have worked again before all goes back to it from one that is
    /// less preferred.
    pub fail_back: Duration,
}

impl LdapConfig {
    /// With the usual times and limits.
    #[must_use]
    pub fn new(urls: Vec<LdapUrl>) -> Self {
        Self {
            urls,
            start_tls: false,
            ca: None,
            identity: None,
            bind: Bind::Anonymous,
            insecure: false,
            connections: 2,
            in_flight: 64,
            page: 500,
            timeouts: Timeouts::default(),
            bounds: Bounds::default(),
            rehearsal: None,
        }
    }

    /// When our own certificate ends.
    #[must_use]
    pub fn certificate_ends(&self) -> Option<SystemTime> {
        not_after(&self.identity.as_ref()?.certificate)
    }

    /// Whether what goes to this server is encrypted.
    #[must_use]
    pub fn encrypts(&self, url: &LdapUrl) -> bool {
        matches!(url, LdapUrl::Tcp { tls, .. } if *tls || self.start_tls)
    }
}

impl PartialEq for Bind {
    // Both come from our own files: there is nobody to whom the time would tell anything.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Anonymous, Self::Anonymous) | (Self::External, Self::External) => true,
            (
                Self::Simple { dn, password },
                Self::Simple {
                    dn: other_dn,
                    password: other,
                },
            ) => dn == other_dn && password.expose() == other.expose(),
            (Self::Anonymous | Self::Simple { .. } | Self::External, _) => false,
        }
    }
}

impl Eq for Bind {}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            answer: crate::directory::DEFAULT_TIMEOUT,
            idle: Duration::from_secs(10),
            fail_back: Duration::from_secs(600),
        }
    }
}
