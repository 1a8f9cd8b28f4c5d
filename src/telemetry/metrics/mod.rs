//! The metric families, and everything that is counted. Typed functions hide label lists, so that a
//! label can be neither forgotten nor unbounded.
//!
//! `families` is the table of all there is; `tenant` counts for one tenant; `scene` is what is
//! looked at only when somebody asks.

mod families;
mod lines;
mod page;
mod process;
mod reloads;
mod scene;
mod tenant;
mod types;
mod words;

#[cfg(test)]
mod tests;

pub use families::{BUCKETS, FAMILIES, Family, Kind};
pub use scene::{Certificate, DirectoryScene, Scene};
pub use tenant::{Counters, TenantMetrics};
pub use words::{
    AuthFailure, CertificateUse, Denial, Direction, Fault, Issuing, OperationKind, Outcome,
};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use prometheus::{IntCounter, IntGauge};

use crate::net::tls::Refused;

use families::{
    ACCESS_DROPPED, AUDIT_RECORDS, AUTH_FAILURES, AUTH_THROTTLED, BUILD_INFO, CLIENT_CERTIFICATES,
    HANDSHAKES, IN_FLIGHT, PANICS, PROXY_HEADERS, PUBLIC_CONNECTIONS, SHED, TOKENS_ISSUED,
    TRACES_DROPPED, TRACES_EXPORTED, TRUNCATED, WRITES_IN_FLIGHT,
};
use page::Page;
use reloads::Reloads;
use words::NONE;

/// Everything that is counted, of all tenants.
#[derive(Debug)]
pub struct Metrics {
    /// Locked when a tenant is built and when somebody asks for metrics, never by a request.
    tenants: Mutex<BTreeMap<Arc<str>, Arc<TenantMetrics>>>,
    nobody: Arc<TenantMetrics>,
    reloads: Reloads,
    in_flight: IntGauge,
    writes_in_flight: IntGauge,
    connections: IntGauge,
    auth_failures: [IntCounter; AuthFailure::ALL.len()],
    auth_throttled: IntCounter,
    tokens_issued: [IntCounter; Issuing::ALL.len()],
    shed: IntCounter,
    truncated: IntCounter,
    panics: IntCounter,
    handshakes: IntCounter,
    client_certificates: [IntCounter; Refused::ALL.len()],
    proxy_headers: IntCounter,
    access_dropped: IntCounter,
    traces_exported: IntCounter,
    traces_dropped: IntCounter,
    audit: [IntCounter; 3],
}

/// A connection that is counted while it stands.
#[derive(Debug)]
pub struct ConnectionStands(IntGauge);

impl Drop for ConnectionStands {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All families at zero.
    #[must_use]
    pub fn new() -> Self {
        Self {
            tenants: Mutex::default(),
            nobody: Arc::new(TenantMetrics::new(NONE.into())),
            reloads: Reloads::new(),
            in_flight: IN_FLIGHT.gauge(&[]),
            writes_in_flight: WRITES_IN_FLIGHT.gauge(&[]),
            connections: PUBLIC_CONNECTIONS.gauge(&[]),
            auth_failures: AuthFailure::ALL.map(|why| AUTH_FAILURES.counter(&[why.as_str()])),
            auth_throttled: AUTH_THROTTLED.counter(&[]),
            tokens_issued: Issuing::ALL.map(|it| TOKENS_ISSUED.counter(&[it.as_str()])),
            shed: SHED.counter(&[]),
            truncated: TRUNCATED.counter(&[]),
            panics: PANICS.counter(&[]),
            handshakes: HANDSHAKES.counter(&[]),
            client_certificates: Refused::ALL
                .map(|why| CLIENT_CERTIFICATES.counter(&[why.as_str()])),
            proxy_headers: PROXY_HEADERS.counter(&[]),
            access_dropped: ACCESS_DROPPED.counter(&[]),
            traces_exported: TRACES_EXPORTED.counter(&[]),
            traces_dropped: TRACES_DROPPED.counter(&[]),
            audit: ["written", "dropped", "refused"].map(|what| AUDIT_RECORDS.counter(&[what])),
        }
    }

    /// What a tenant counts with: the same for the same name until [`Self::keep_only`] drops it, so
    /// that an edit of a rule resets nothing.
    #[must_use]
    pub fn tenant(&self, name: &str) -> Arc<TenantMetrics> {
        let mut tenants = self.tenants();
        if let Some(known) = tenants.get(name) {
            return Arc::clone(known);
        }
        let name: Arc<str> = name.into();
        let new = Arc::new(TenantMetrics::new(Arc::clone(&name)));
        tenants.insert(name, Arc::clone(&new));
        new
    }

    /// What is counted of requests before their tenant is known.
    #[must_use]
    pub fn nobody(&self) -> &Arc<TenantMetrics> {
        &self.nobody
    }

    /// Removes the series of all tenants but these. Requests still under way for one that is gone
    /// go on counting where nobody looks any more.
    pub fn keep_only<'n>(&self, names: impl IntoIterator<Item = &'n str>) {
        let names: BTreeSet<&str> = names.into_iter().collect();
        self.tenants().retain(|name, _| names.contains(&**name));
    }

    /// The text that Prometheus reads.
    #[must_use]
    pub fn render(&self, scene: &Scene) -> String {
        let mut page = Page::default();
        // Requests do not take this lock, and it is not kept while text is made.
        let tenants: Vec<_> = self.tenants().values().map(Arc::clone).collect();
        for tenant in tenants.iter().chain([&self.nobody]) {
            tenant.fill(&mut page);
        }
        self.reloads.fill(&mut page);
        scene.fill(&mut page);
        process::fill(&mut page);
        page.kept(&IN_FLIGHT, &self.in_flight);
        page.kept(&WRITES_IN_FLIGHT, &self.writes_in_flight);
        page.kept(&PUBLIC_CONNECTIONS, &self.connections);
        for counter in &self.auth_failures {
            page.kept(&AUTH_FAILURES, counter);
        }
        page.kept(&AUTH_THROTTLED, &self.auth_throttled);
        for counter in &self.tokens_issued {
            page.kept(&TOKENS_ISSUED, counter);
        }
        page.kept(&SHED, &self.shed);
        page.kept(&TRUNCATED, &self.truncated);
        page.kept(&PANICS, &self.panics);
        page.kept(&HANDSHAKES, &self.handshakes);
        for refused in &self.client_certificates {
            page.kept(&CLIENT_CERTIFICATES, refused);
        }
        page.kept(&PROXY_HEADERS, &self.proxy_headers);
        page.kept(&ACCESS_DROPPED, &self.access_dropped);
        page.kept(&TRACES_EXPORTED, &self.traces_exported);
        page.kept(&TRACES_DROPPED, &self.traces_dropped);
        for counter in &self.audit {
            page.kept(&AUDIT_RECORDS, counter);
        }
        page.add(
            &BUILD_INFO,
            BUILD_INFO.now(&[env!("CARGO_PKG_VERSION")], 1.0),
        );
        page.text()
    }

    /// So many records are in the audit trail.
    pub fn audit_written(&self, records: u64) {
        let [written, _, _] = &self.audit;
        written.inc_by(records);
    }

    /// So many are missing in it, of what has happened all the same.
    pub fn audit_dropped(&self, records: u64) {
        let [_, dropped, _] = &self.audit;
        dropped.inc_by(records);
    }

    /// A write was not sent, as its record could not be written.
    pub fn audit_refused(&self) {
        let [_, _, refused] = &self.audit;
        refused.inc();
    }

    /// A source folder that changed was loaded, or could not be, at this time. The sources are those
    /// of `config::report::Kind`; another word is not counted.
    pub fn reloaded(&self, source: &str, good: bool, at: SystemTime) {
        self.reloads.count(source, good, at);
    }

    /// Whether every folder of this source is good now, after one of them was counted.
    pub fn stands(&self, source: &str, good: bool) {
        self.reloads.stands(source, good);
    }

    /// This revision serves now.
    pub fn serves(&self, revision: &str) {
        self.reloads.serves(revision);
    }

    /// A caller is not known.
    pub fn auth_failed(&self, why: AuthFailure) {
        if let Some(counter) = self.auth_failures.get(why as usize) {
            counter.inc();
        }
    }

    /// It was answered 429, since its address had failed too often.
    pub fn auth_throttled(&self) {
        self.auth_throttled.inc();
    }

    /// Somebody asked for an access token.
    pub fn token_issued(&self, result: Issuing) {
        if let Some(counter) = self.tokens_issued.get(result as usize) {
            counter.inc();
        }
    }

    /// Requests that have no answer yet.
    pub fn in_flight(&self) -> &IntGauge {
        &self.in_flight
    }

    /// Writes under way.
    pub fn writes_in_flight(&self) -> &IntGauge {
        &self.writes_in_flight
    }

    /// A connection of the public listener stands, until what this gives back is dropped.
    #[must_use]
    pub fn connection(&self) -> ConnectionStands {
        self.connections.inc();
        ConnectionStands(self.connections.clone())
    }

    /// A list broke off after its head.
    pub fn truncated(&self) {
        self.truncated.inc();
    }

    /// A request was refused for load.
    pub fn shed(&self) {
        self.shed.inc();
    }

    /// A request ran into a defect.
    pub fn panicked(&self) {
        self.panics.inc();
    }

    /// A connection ended before TLS stood.
    pub fn handshake_failed(&self) {
        self.handshakes.inc();
    }

    /// A connection was refused for its client's certificate.
    pub fn client_certificate_refused(&self, why: Refused) {
        let all = Refused::ALL.iter().zip(&self.client_certificates);
        if let Some((_, count)) = all.into_iter().find(|(known, _)| **known == why) {
            count.inc();
        }
    }

    /// A connection was refused for its PROXY protocol header.
    pub fn proxy_header_failed(&self) {
        self.proxy_headers.inc();
    }

    /// An access line was dropped.
    pub fn access_dropped(&self) {
        self.access_dropped.inc();
    }

    /// The collector took so many traces.
    pub fn traces_exported(&self, count: u64) {
        self.traces_exported.inc_by(count);
    }

    /// So many traces were lost.
    pub fn traces_dropped(&self, count: u64) {
        self.traces_dropped.inc_by(count);
    }

    fn tenants(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Arc<TenantMetrics>>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
