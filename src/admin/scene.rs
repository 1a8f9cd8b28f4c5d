//! What `/metrics` looks at only when it is asked: the state of everything at that moment.

use std::time::SystemTime;

use crate::config::Live;
use crate::gateway::State;
use crate::telemetry::{DirectoryScene, Scene};

/// The scene at the time `now`.
pub(super) fn of(live: &Live, state: &State, now: SystemTime) -> Scene {
    let snapshot = live.current();
    let directories = snapshot.tenants().map(|tenant| DirectoryScene {
        tenant: tenant.name.as_str().into(),
        directory: tenant.directory.name(),
        health: tenant.directory.health(),
        vitals: tenant.directory.vitals(),
    });
    Scene {
        tenants: snapshot.tenants().count(),
        clients: state.clients().count(),
        draining: state.is_draining(),
        directories: directories.collect(),
        certificates: Vec::new(),
        tokens: snapshot.auth.tokens(now),
    }
}

/// The clock.
#[expect(
    clippy::disallowed_methods,
    reason = "the outermost layer reads the clock"
)]
pub(super) fn now() -> SystemTime {
    SystemTime::now()
}
