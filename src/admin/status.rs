//! What `/status` says.

use std::time::SystemTime;

use serde_json::{Value, json};

use super::Control;
use crate::auth::{Account, Key, KeyState, TenantName, Tenants, instant};
use crate::config::Tenant;
use crate::directory::Health;

impl Control {
    /// Everything that an operator may know.
    pub(super) fn status(&self, now: SystemTime) -> Value {
        let snapshot = self.live.current();
        let mut tenants: Vec<_> = snapshot.tenants().collect();
        tenants.sort_by(|a, b| a.name.cmp(&b.name));
        let in_flight = self.state.limits().in_flight;
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "revision": &*snapshot.revision,
            "uptime_seconds": self.started.elapsed().as_secs(),
            "draining": self.state.is_draining(),
            "requests_in_flight": in_flight.saturating_sub(self.state.free_places()),
            "writes_in_flight": self.state.writes(),
            "tenants": tenants.into_iter().map(|tenant| of_tenant(tenant)).collect::<Vec<_>>(),
            "accounts": snapshot
                .auth
                .accounts()
                .map(|account| of_account(account, now))
                .collect::<Vec<_>>(),
        })
    }
}

fn of_tenant(tenant: &Tenant) -> Value {
    let (health, reason) = match tenant.directory.health() {
        Health::Unknown => ("unknown", None),
        Health::Up => ("up", None),
        Health::Down(reason) => ("down", Some(reason)),
    };
    let abilities = tenant.directory.abilities();
    let types: Vec<_> = tenant
        .plan
        .types()
        .map(|schema| schema.name.as_str())
        .collect();
    json!({
        "name": tenant.name.as_str(),
        "tenant_url": &*tenant.url,
        "rule": tenant.name.as_str(),
        "resource_types": types,
        "directory": {
            "health": health,
            "reason": reason,
            "patch": abilities.patch,
            "etag": abilities.etag,
            "filter": abilities.filter,
            "sort": abilities.sort,
        },
    })
}

fn of_account(account: &Account, now: SystemTime) -> Value {
    let tenants = match &account.tenants {
        Tenants::All => json!("all"),
        Tenants::Only(names) => names.iter().map(TenantName::as_str).collect(),
    };
    json!({
        "name": &*account.name,
        "roles": account.roles.iter().map(|role| &**role).collect::<Vec<_>>(),
        "tenants": tenants,
        "keys": account.keys.iter().map(|key| of_key(key, now)).collect::<Vec<_>>(),
    })
}

pub(super) fn of_key(key: &Key, now: SystemTime) -> Value {
    json!({
        "id": &*key.id,
        "state": match key.state(now) {
            KeyState::NotYet => "not yet valid",
            KeyState::Live => "live",
            KeyState::Expired => "expired",
        },
        "not_before": key.not_before.map(instant::format),
        "expires": key.expires.map(instant::format),
    })
}
