//! What is looked at only when somebody asks for metrics: the state of tenants, directories,
//! certificates and tokens at that moment.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::families::{
    AUDIT_UP, CERTIFICATES, CLIENTS, CONNECT_FAILURES, CONNECTIONS, DRAINING, FINDINGS, Family,
    GUARD_RELEASED, INTROSPECTIONS, KEY_FETCHES, LISTS, RETRIES, TENANTS, TOKEN_EXPIRY, TOKENS, UP,
    WAITING,
};
use super::page::Page;
use super::words::{CertificateUse, NONE};
use crate::auth::TokenCounts;
use crate::auth::trust::{Origin, TrustState};
use crate::directory::{Health, Vitals};

/// One moment.
#[derive(Debug, Default)]
pub struct Scene {
    /// How many tenants are served.
    pub tenants: usize,
    /// How many SCIM clients were seen.
    pub clients: usize,
    /// Whether we are about to stop.
    pub draining: bool,
    /// The tenants whose guard an operator has released.
    pub released: Vec<Arc<str>>,
    /// The directory of each tenant. Several may share one.
    pub directories: Vec<DirectoryScene>,
    /// When certificates end.
    pub certificates: Vec<Certificate>,
    /// How the tokens are.
    pub tokens: TokenCounts,
    /// Whose tokens are taken besides.
    pub trusts: Vec<TrustState>,
    /// Whether the audit trail can be written, where there is one.
    pub audit_up: Option<bool>,
}

/// A tenant's directory at one moment.
#[derive(Debug)]
pub struct DirectoryScene {
    /// The tenant.
    pub tenant: Arc<str>,
    /// Where the directory is.
    pub directory: Arc<str>,
    /// Whether it can be reached.
    pub health: Health,
    /// How its connections are.
    pub vitals: Vitals,
    /// How often the rule does not fit it, where that has been looked at.
    pub findings: Option<usize>,
}

/// When a certificate ends.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// What it is for.
    pub usage: CertificateUse,
    /// The tenant whose directory wants it; of listeners none.
    pub tenant: Option<Arc<str>>,
    /// Its last moment.
    pub ends: SystemTime,
}

impl Scene {
    pub(super) fn fill(&self, page: &mut Page) {
        let mut put = |family: &Family, labels: &[&str], value: f64| {
            page.add(family, family.now(labels, value));
        };
        put(&TENANTS, &[], count(self.tenants));
        put(&CLIENTS, &[], count(self.clients));
        put(&DRAINING, &[], f64::from(u8::from(self.draining)));
        if let Some(up) = self.audit_up {
            put(&AUDIT_UP, &[], f64::from(u8::from(up)));
        }
        for tenant in &self.released {
            put(&GUARD_RELEASED, &[tenant], 1.0);
        }
        let mut seen = HashSet::new();
        for scene in &self.directories {
            let name = &*scene.directory;
            let up = match scene.health {
                Health::Unknown => None,
                Health::Up => Some(1.0),
                Health::Down(_) => Some(0.0),
            };
            if let Some(up) = up {
                put(&UP, &[&scene.tenant, name], up);
            }
            if let Some(findings) = scene.findings {
                put(&FINDINGS, &[&scene.tenant], count(findings));
            }
            if !seen.insert(name) {
                continue;
            }
            let vitals = &scene.vitals;
            put(&CONNECTIONS, &[name, "open"], float(vitals.open));
            put(&CONNECTIONS, &[name, "idle"], float(vitals.idle));
            put(&WAITING, &[name], float(vitals.waiting));
            put(&CONNECT_FAILURES, &[name], float(vitals.connect_failures));
            put(&RETRIES, &[name], float(vitals.retries));
        }
        for certificate in &self.certificates {
            let (usage, ends) = (certificate.usage.as_str(), seconds(certificate.ends));
            let tenant = certificate.tenant.as_deref().unwrap_or(NONE);
            match certificate.usage {
                CertificateUse::ClientCrl | CertificateUse::OperatorCrl => {
                    put(&LISTS, &[usage], ends);
                }
                _ => put(&CERTIFICATES, &[usage, tenant], ends),
            }
        }
        put(&TOKENS, &["live"], count(self.tokens.live));
        put(&TOKENS, &["expired"], count(self.tokens.expired));
        put(&TOKENS, &["not_yet"], count(self.tokens.not_yet));
        for trust in &self.trusts {
            match &trust.origin {
                Origin::Keys { fetches, .. } => {
                    for (result, times) in fetches.iter().flatten() {
                        let labels = [&*trust.name, result.as_str()];
                        put(&KEY_FETCHES, &labels, float(*times));
                    }
                }
                Origin::Asked { told, .. } => {
                    for (result, times) in told {
                        let labels = [&*trust.name, result.as_str()];
                        put(&INTROSPECTIONS, &labels, float(*times));
                    }
                }
            }
        }
        if let Some(ends) = self.tokens.nearest_end {
            put(&TOKEN_EXPIRY, &[], seconds(ends));
        }
    }
}

/// Seconds since 1970, before which nothing of ours ends.
pub(super) fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}

fn count(number: usize) -> f64 {
    float(u64::try_from(number).unwrap_or(u64::MAX))
}

/// Exact up to 2⁵³.
#[expect(clippy::cast_precision_loss, reason = "no count here is so large")]
fn float(number: u64) -> f64 {
    number as f64
}
