//! The two small doors. *Probe*: reads only, on any address, for kubelet and Prometheus.
//! *Control*: for the operator, on loopback or a Unix socket. Plain functions of a request: who
//! listens where is the business of `server`.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use crate::auth::{Account, Key, KeyState, TenantName, Tenants, instant};
use crate::config::{Live, Tenant};
use crate::directory::Health;
use crate::gateway::State;
use crate::net::{Body, Peer};
use crate::server::Handler;
use crate::telemetry::Metrics;

/// `/livez`, `/readyz`, `/metrics`.
#[derive(Clone)]
pub struct Probe {
    live: Arc<Live>,
    state: Arc<State>,
    metrics: Arc<Metrics>,
}

/// `/status`.
#[derive(Clone)]
pub struct Control {
    live: Arc<Live>,
    state: Arc<State>,
    started: Instant,
}

impl Probe {
    /// The probe of what `live` holds.
    #[must_use]
    pub fn new(live: Arc<Live>, state: Arc<State>, metrics: Arc<Metrics>) -> Self {
        Self {
            live,
            state,
            metrics,
        }
    }

    /// Answers one request.
    #[must_use]
    pub fn answer(&self, request: &Request<Body>) -> Response<Body> {
        match request.uri().path() {
            "/livez" => reading(request, || plain(StatusCode::OK, "alive\n".to_owned())),
            "/readyz" => reading(request, || self.readiness()),
            "/metrics" => reading(request, || {
                self.metrics
                    .set_tenants(self.live.current().tenants().count());
                plain(StatusCode::OK, self.metrics.render())
            }),
            _ => plain(
                StatusCode::NOT_FOUND,
                "here are /livez, /readyz and /metrics\n".to_owned(),
            ),
        }
    }

    /// Ready until the drain begins: a broken directory or a broken new rule file is told
    /// elsewhere, since taking every replica out of service helps nobody.
    fn readiness(&self) -> Response<Body> {
        let snapshot = self.live.current();
        let draining = self.state.is_draining();
        let serving = snapshot.tenants().next().is_some();
        let ready = serving && !draining;
        let status = if ready {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        let parts = json!({
            "ready": ready,
            "listening": true,
            "snapshot": {"ready": serving, "revision": &*snapshot.revision},
            "draining": draining,
        });
        document(status, &parts)
    }
}

impl Control {
    /// The control door of what `live` holds; uptime counts from here.
    #[must_use]
    pub fn new(live: Arc<Live>, state: Arc<State>) -> Self {
        Self {
            live,
            state,
            started: Instant::now(),
        }
    }

    /// Answers one request, at the time `now`.
    #[must_use]
    pub fn answer(&self, request: &Request<Body>, now: SystemTime) -> Response<Body> {
        match request.uri().path() {
            "/status" => reading(request, || document(StatusCode::OK, &self.status(now))),
            _ => plain(StatusCode::NOT_FOUND, "here is /status\n".to_owned()),
        }
    }

    fn status(&self, now: SystemTime) -> Value {
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

impl Handler for Probe {
    async fn handle(&self, request: Request<Body>, _: Peer) -> Response<Body> {
        self.answer(&request)
    }
}

impl Handler for Control {
    #[expect(
        clippy::disallowed_methods,
        reason = "the outermost layer reads the clock"
    )]
    async fn handle(&self, request: Request<Body>, _: Peer) -> Response<Body> {
        self.answer(&request, SystemTime::now())
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

fn of_key(key: &Key, now: SystemTime) -> Value {
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

/// These doors change nothing.
fn reading(request: &Request<Body>, answer: impl FnOnce() -> Response<Body>) -> Response<Body> {
    if [Method::GET, Method::HEAD].contains(request.method()) {
        return answer();
    }
    let text = "only GET and HEAD\n".to_owned();
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, text);
    let allow = HeaderValue::from_static("GET, HEAD");
    response.headers_mut().insert(ALLOW, allow);
    response
}

fn document(status: StatusCode, value: &Value) -> Response<Body> {
    // A JSON value always prints.
    let mut text = serde_json::to_vec_pretty(value).unwrap_or_default();
    text.push(b'\n');
    with(status, "application/json", text.into())
}

fn plain(status: StatusCode, text: String) -> Response<Body> {
    // The version is that of Prometheus' text format; for the rest it means nothing.
    with(
        status,
        "text/plain; version=0.0.4; charset=utf-8",
        text.into(),
    )
}

fn with(status: StatusCode, media_type: &'static str, text: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::auth::Authenticator;
    use crate::config::Snapshot;
    use crate::gateway::Limits;

    fn doors(tenants: Vec<Arc<Tenant>>) -> (Probe, Control, Arc<State>) {
        let snapshot = Snapshot::new("abc123".into(), Authenticator::default(), tenants);
        let live = Arc::new(Live::new(snapshot));
        let metrics = Arc::new(Metrics::new());
        let state = Arc::new(State::new(Limits::default(), Arc::clone(&metrics)));
        let probe = Probe::new(Arc::clone(&live), Arc::clone(&state), metrics);
        let control = Control::new(live, Arc::clone(&state));
        (probe, control, state)
    }

    fn ask(method: &Method, path: &str) -> Request<Body> {
        let mut request = Request::new(Body::Empty);
        *request.method_mut() = method.clone();
        *request.uri_mut() = path.parse().unwrap();
        request
    }

    fn text(response: Response<Body>) -> String {
        let Body::Full(bytes) = response.into_body() else {
            panic!("no body")
        };
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn the_probe_reads_and_nothing_else() {
        let (probe, control, _) = doors(Vec::new());
        assert_eq!(probe.answer(&ask(&Method::GET, "/livez")).status(), 200);
        assert_eq!(probe.answer(&ask(&Method::HEAD, "/livez")).status(), 200);
        let metrics = text(probe.answer(&ask(&Method::GET, "/metrics")));
        assert!(metrics.contains("postern_tenants 0"), "{metrics}");
        for path in ["/livez", "/readyz", "/metrics"] {
            let response = probe.answer(&ask(&Method::POST, path));
            assert_eq!(response.status(), 405);
            assert_eq!(response.headers()[ALLOW], "GET, HEAD");
        }
        assert_eq!(probe.answer(&ask(&Method::GET, "/status")).status(), 404);
        let now = UNIX_EPOCH;
        assert_eq!(
            control.answer(&ask(&Method::GET, "/metrics"), now).status(),
            404
        );
    }

    #[test]
    fn without_a_tenant_it_is_not_ready() {
        let (probe, ..) = doors(Vec::new());
        assert_eq!(probe.answer(&ask(&Method::GET, "/readyz")).status(), 503);
    }

    #[test]
    fn the_status_names_version_revision_and_keys_of_accounts() {
        let (_, control, state) = doors(Vec::new());
        let _write = state.begin_write();
        let status = text(control.answer(&ask(&Method::GET, "/status"), UNIX_EPOCH));
        let status: Value = serde_json::from_str(&status).unwrap();
        assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(status["revision"], "abc123");
        assert_eq!(status["writes_in_flight"], 1);
        assert_eq!(status["accounts"], json!([]));

        let key = Key {
            id: "k1".into(),
            not_before: None,
            expires: Some(UNIX_EPOCH),
        };
        let printed = of_key(&key, UNIX_EPOCH);
        assert_eq!(printed["state"], "expired");
        assert_eq!(printed["expires"], "1970-01-01T00:00:00Z");
    }
}
