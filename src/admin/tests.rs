//! Both doors, asked directly.

use std::time::UNIX_EPOCH;

use std::sync::Arc;

use http::header::ALLOW;
use http::{Method, Request, Response};
use serde_json::{Value, json};

use super::status::of_key;
use super::{Control, Probe};
use crate::auth::{Authenticator, Key};
use crate::config::{Live, Snapshot, Tenant};
use crate::gateway::{Limits, State};
use crate::net::Body;
use crate::telemetry::Metrics;

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
