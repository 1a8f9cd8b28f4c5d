//! What `/metrics` looks at only when it is asked: the state of everything at that moment.

use std::time::SystemTime;

use crate::config::Live;
use crate::directory::{Finding, Weight};
use crate::gateway::State;
use crate::telemetry::{Certificate, CertificateUse, DirectoryScene, Scene};

/// The scene at the time `now`.
pub(super) fn of(live: &Live, state: &State, now: SystemTime) -> Scene {
    let snapshot = live.current();
    state.clients().prune(&snapshot);
    let directories = snapshot.tenants().map(|tenant| DirectoryScene {
        tenant: tenant.name.as_str().into(),
        directory: tenant.directory.name(),
        health: tenant.directory.health(),
        vitals: tenant.directory.vitals(),
        findings: tenant.directory.findings().map(|found| warnings(&found)),
    });
    let report = live.report();
    let listeners = report.certificates.iter().map(|(usage, ends)| Certificate {
        usage: *usage,
        tenant: None,
        ends: *ends,
    });
    let clients = snapshot.tenants().filter_map(|tenant| {
        Some(Certificate {
            usage: CertificateUse::Directory,
            tenant: Some(tenant.name.as_str().into()),
            ends: tenant.certificate_ends?,
        })
    });
    let age = state.age();
    let released = snapshot.tenants().filter_map(|tenant| {
        let name = tenant.name.as_str();
        let open = !state.guards().of(name).releases(age).is_empty();
        open.then(|| name.into())
    });
    Scene {
        released: released.collect(),
        tenants: snapshot.tenants().count(),
        clients: state.clients().count(),
        draining: state.is_draining(),
        directories: directories.collect(),
        certificates: listeners.chain(clients).collect(),
        tokens: snapshot.auth.tokens(now),
        trusts: snapshot.auth.trusts().states().collect(),
        audit_up: state.trail().state().map(|trail| trail.down.is_none()),
    }
}

/// How many of the findings make requests fail.
fn warnings(found: &[Finding]) -> usize {
    let warnings = found.iter().filter(|one| one.weight == Weight::Warning);
    warnings.count()
}

/// The clock.
#[expect(
    clippy::disallowed_methods,
    reason = "the outermost layer reads the clock"
)]
pub(super) fn now() -> SystemTime {
    SystemTime::now()
}
