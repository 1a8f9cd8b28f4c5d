//! What `/status` says.

use std::time::SystemTime;

use serde_json::{Value, json};

use super::control::Parts;
use super::guard;
use crate::audit;
use crate::auth::trust::{Origin, TrustState};
use crate::auth::{Account, Authenticator, Key, KeyState, Operator, TenantName, Tenants, instant};
use crate::config::Tenant;
use crate::config::report::Source;
use crate::directory::{Finding, Health};
use crate::gateway::State;
use crate::gateway::clients::{Failure, Identity, Record};
use crate::net::hex::encode as hex;
use crate::telemetry::logging;
use crate::yaml::Severity;

impl Parts {
    /// Everything that an operator may know.
    pub(super) fn status(&self, now: SystemTime) -> Value {
        let snapshot = self.live.current();
        let report = self.live.report();
        let mut tenants: Vec<_> = snapshot.tenants().collect();
        tenants.sort_by(|a, b| a.name.cmp(&b.name));
        let in_flight = self.state.limits().in_flight;
        let auth = &snapshot.auth;
        let clients = self.state.clients();
        // Those that a request on an older snapshot brought back are gone again.
        clients.prune(&snapshot);
        let list = |rows: &mut dyn Iterator<Item = Value>| rows.collect::<Value>();
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "revision": &*snapshot.revision,
            "since": report.since.map(instant::format),
            "uptime_seconds": self.started.elapsed().as_secs(),
            "draining": self.state.is_draining(),
            "requests_in_flight": in_flight.saturating_sub(self.state.free_places()),
            "writes_in_flight": self.state.writes(),
            "log_level": logging::levels().map(logging::Levels::current),
            "tenants": list(&mut tenants.into_iter().map(|tenant| of_tenant(tenant, &self.state))),
            "sources": list(&mut report.sources.iter().map(of_source)),
            "needs_restart": report.needs_restart,
            "audit": self.state.trail().state().map(|trail| of_trail(&trail)),
            "accounts": list(&mut auth.accounts().map(|account| of_account(account, auth, now))),
            "operators": list(&mut auth.operators().map(|one| of_operator(one, auth, now))),
            "trust": list(&mut auth.trusts().states().map(|trust| of_trust(&trust))),
            "clients": list(&mut clients.list().iter().map(of_client)),
        })
    }
}

/// The head is an anchor: whoever keeps it elsewhere finds what is missing at the end of a trail.
fn of_trail(trail: &audit::State) -> Value {
    json!({
        "up": trail.down.is_none(),
        "reason": trail.down,
        "seq": trail.head.seq,
        "sum": hex(&trail.head.sum),
        "lost": trail.lost,
        "writes_refused": trail.refused,
    })
}

fn of_tenant(tenant: &Tenant, state: &State) -> Value {
    let directory = &tenant.directory;
    let (health, reason) = match directory.health() {
        Health::Unknown => ("unknown", None),
        Health::Up => ("up", None),
        Health::Down(reason) => ("down", Some(reason)),
    };
    let abilities = directory.abilities();
    let vitals = directory.vitals();
    let server = directory.server().map(|server| {
        let away = server.away.iter();
        let away: Vec<_> = away
            .map(|(name, reason)| json!({"name": &**name, "reason": reason}))
            .collect();
        json!({
            "in_use": &*server.name,
            "vendor": server.vendor,
            "offers": server.offers,
            "away": away,
        })
    });
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
        "guard": guard::status(tenant, state),
        "directory": {
            "name": &*directory.name(),
            "health": health,
            "reason": reason,
            "server": server,
            "patch": abilities.patch,
            "etag": abilities.etag,
            "filter": abilities.filter,
            "sort": abilities.sort,
            "connections_open": vitals.open,
            "connections_idle": vitals.idle,
            "requests_waiting": vitals.waiting,
            "connect_failures": vitals.connect_failures,
            "retries": vitals.retries,
        },
        "findings": directory.findings().map(|found| of_findings(tenant, &found)),
    })
}

/// Where the rule does not fit its directory.
fn of_findings(tenant: &Tenant, found: &[Finding]) -> Value {
    let rows = found.iter().map(|finding| {
        let told = tenant.diagnose(finding, Severity::Warning);
        json!({
            "weight": finding.weight.as_str(),
            "file": &*told.source.name,
            "line": told.span.line,
            "column": told.span.column,
            "message": told.message,
            "help": told.help,
        })
    });
    rows.collect()
}

fn of_source(source: &Source) -> Value {
    json!({
        "kind": source.kind.as_str(),
        "folder": source.folder.display().to_string(),
        "revision": &*source.revision,
        "loaded": instant::format(source.loaded),
        "errors": source.errors,
    })
}

fn of_account(account: &Account, auth: &Authenticator, now: SystemTime) -> Value {
    let tenants = match &account.tenants {
        Tenants::All => json!("all"),
        Tenants::Only(names) => names.iter().map(TenantName::as_str).collect(),
    };
    json!({
        "name": &*account.name,
        "roles": account.roles.iter().map(|role| &**role).collect::<Vec<_>>(),
        "tenants": tenants,
        "networks": account.networks.as_ref().map(|networks| {
            networks.iter().map(ToString::to_string).collect::<Vec<_>>()
        }),
        "rate": account.rate.map(|rate| json!({
            "requests": rate.requests(),
            "burst": rate.burst(),
        })),
        "keys": of_keys(&account.keys, auth, now),
        "clients": account.clients.iter().map(|client| {
            of_key(client, auth.last_use_of_client(&client.id), now)
        }).collect::<Value>(),
        "requires": account.requires.as_str(),
        "certificates": account.certificates.iter().map(|name| json!({
            name.kind(): name.to_string(),
            "last_use": auth.certificate_last_use(name).map(instant::format),
        })).collect::<Value>(),
    })
}

fn of_operator(operator: &Operator, auth: &Authenticator, now: SystemTime) -> Value {
    json!({
        "name": &*operator.name,
        "keys": of_keys(&operator.keys, auth, now),
    })
}

fn of_trust(trust: &TrustState) -> Value {
    let mut row = match &trust.origin {
        Origin::Keys { issuer, ring, .. } => json!({
            "issuer": issuer,
            "url": ring.url,
            "keys": ring.names,
            "keys_left_out": ring.left_out,
            "age_seconds": ring.age.map(|age| age.as_secs()),
            "too_old": ring.expired,
            "error": ring.error,
        }),
        Origin::Asked {
            url, error, held, ..
        } => json!({
            "url": url,
            "known_good": held.0,
            "known_wrong": held.1,
            "error": error,
        }),
    };
    if let Some(row) = row.as_object_mut() {
        row.insert("name".to_owned(), (&*trust.name).into());
        let last_use = trust.last_use.map(instant::format);
        row.insert("last_use".to_owned(), last_use.into());
    }
    row
}

fn of_keys(keys: &[Key], auth: &Authenticator, now: SystemTime) -> Value {
    let keys = keys.iter();
    keys.map(|key| of_key(key, auth.last_use(&key.id), now))
        .collect()
}

pub(super) fn of_key(key: &Key, last_use: Option<SystemTime>, now: SystemTime) -> Value {
    json!({
        "id": &*key.id,
        "state": match key.state(now) {
            KeyState::NotYet => "not yet valid",
            KeyState::Live => "live",
            KeyState::Expired => "expired",
        },
        "not_before": key.not_before.map(instant::format),
        "expires": key.expires.map(instant::format),
        "last_use": last_use.map(instant::format),
    })
}

fn of_client((client, record): &(Identity, Record)) -> Value {
    let error = record.last_error.as_ref().map(|failure| {
        let Failure { at, status, reason } = failure;
        json!({"at": instant::format(*at), "status": status, "reason": reason})
    });
    json!({
        "tenant": client.tenant.as_str(),
        "account": &*client.account,
        "key": &*record.key,
        "address": client.address.to_string(),
        "user_agent": &*client.agent,
        "first_seen": instant::format(record.first_seen),
        "last_seen": instant::format(record.last_seen),
        "last_success": record.last_success.map(instant::format),
        "last_error": error,
        "requests": record.requests,
        "accents": record.accents,
    })
}
