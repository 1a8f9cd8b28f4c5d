//! Everything loaded from files at one moment. A request sees exactly one snapshot.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::report::Report;
use crate::auth::{Authenticator, TenantName};
use crate::directory::Directory;
use crate::mapping::Plan;
use crate::telemetry::TenantMetrics;
use crate::yaml::Source;

/// One state of all files.
pub struct Snapshot {
    /// A hash of everything it was made from.
    pub revision: Arc<str>,
    /// Who may call.
    pub auth: Arc<Authenticator>,
    tenants: HashMap<Arc<str>, Arc<Tenant>>,
}

/// One Tenant URL with what stands behind it.
pub struct Tenant {
    /// The rule file's name without its ending.
    pub name: TenantName,
    /// The Tenant URL without a slash at its end: the base of every location.
    pub url: Arc<str>,
    /// The path of the Tenant URL, decoded, without a slash at its end: `/corp/scim/v2`.
    pub path: Arc<str>,
    /// The hosts under which it may be called: the Tenant URL's own, and those in `hosts`; lower
    /// case, without port.
    pub hosts: Vec<Arc<str>>,
    /// The rule file.
    pub source: Source,
    /// The mapping.
    pub plan: Arc<Plan>,
    /// The directory.
    pub directory: Arc<dyn Directory>,
    /// Whether a PATCH may be emulated on a directory that keeps no versions, by looking twice
    /// (`patch_without_etag: verify`), or is refused with 501.
    pub verify_without_etag: bool,
    /// What its requests are counted with: the same while the name is served, whatever is edited.
    pub metrics: Arc<TenantMetrics>,
    /// When the client certificate ends that its directory wants, if it wants one.
    pub certificate_ends: Option<SystemTime>,
}

/// The snapshot that new requests take, and how its loading went.
pub struct Live {
    snapshot: ArcSwap<Snapshot>,
    changes: watch::Sender<()>,
    report: ArcSwap<Report>,
}

impl Snapshot {
    /// A snapshot of tenants; two of one path cannot be (the loader reports that).
    #[must_use]
    pub fn new(
        revision: Arc<str>,
        auth: impl Into<Arc<Authenticator>>,
        tenants: Vec<Arc<Tenant>>,
    ) -> Self {
        let tenants = tenants
            .into_iter()
            .map(|t| (Arc::clone(&t.path), t))
            .collect();
        Self {
            revision,
            auth: auth.into(),
            tenants,
        }
    }

    /// The tenant that a request path belongs to, with the rest of the path (starting with a
    /// slash, or empty). The longest tenant path wins; matching is by whole segments.
    #[must_use]
    pub fn route<'p>(&self, path: &'p str) -> Option<(&Arc<Tenant>, &'p str)> {
        let mut end = path.len();
        loop {
            let (head, rest) = path.split_at_checked(end)?;
            if let Some(tenant) = self.tenants.get(head) {
                return Some((tenant, rest));
            }
            end = head.rfind('/')?;
        }
    }

    /// All tenants, in no order.
    pub fn tenants(&self) -> impl Iterator<Item = &Arc<Tenant>> {
        self.tenants.values()
    }
}

impl Live {
    /// Starts with a snapshot.
    #[must_use]
    pub fn new(snapshot: impl Into<Arc<Snapshot>>) -> Self {
        Self {
            snapshot: ArcSwap::from(snapshot.into()),
            changes: watch::Sender::default(),
            report: ArcSwap::default(),
        }
    }

    /// The snapshot of this moment, to be kept for the whole of a request.
    #[must_use]
    pub fn current(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Puts another one in its place, and gives back the one that served until now.
    pub fn replace(&self, next: Arc<Snapshot>) -> Arc<Snapshot> {
        let previous = self.snapshot.swap(next);
        self.changes.send_replace(());
        previous
    }

    /// Tells whenever another snapshot has been put in place.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// How the last loading went.
    #[must_use]
    pub fn report(&self) -> Arc<Report> {
        self.report.load_full()
    }

    /// Says how a loading went.
    pub fn set_report(&self, report: Report) {
        self.report.store(Arc::new(report));
    }
}
