//! Both doors, asked directly.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use http::header::{ALLOW, HOST, ORIGIN};
use http::{Method, Request, Response};
use serde_json::{Value, json};

use super::status::of_key;
use super::{Control, Entry, Probe, Signs};
use crate::auth::{Authenticator, Key};
use crate::config::order::{Orders, Outcome};
use crate::config::{Live, Reloading, Snapshot, Tenant};
use crate::gateway::{Limits, State};
use crate::net::{Body, Peer};
use crate::telemetry::Metrics;

fn doors(tenants: Vec<Arc<Tenant>>) -> (Probe, Control, Arc<State>) {
    let snapshot = Snapshot::new("abc123".into(), Authenticator::default(), tenants);
    let live = Arc::new(Live::new(snapshot));
    let metrics = Arc::new(Metrics::new());
    let state = Arc::new(State::new(Limits::default(), Arc::clone(&metrics)));
    let probe = Probe::new(
        Arc::clone(&live),
        Arc::clone(&state),
        metrics,
        Signs::default(),
    );
    let (reloading, _) = Reloading::channel();
    let control = Control::new(live, Arc::clone(&state), Entry::Near, reloading);
    (probe, control, state)
}

/// As a program on this machine asks.
async fn near(control: &Control, request: Request<Body>) -> Response<Body> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 50_000));
    control
        .answer(request, Peer::direct(address), UNIX_EPOCH)
        .await
}

fn ask(method: &Method, path: &str) -> Request<Body> {
    let mut request = Request::new(Body::Empty);
    *request.method_mut() = method.clone();
    *request.uri_mut() = path.parse().unwrap();
    let host = "localhost".parse().unwrap();
    request.headers_mut().insert(HOST, host);
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
    let (probe, ..) = doors(Vec::new());
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
}

#[test]
fn without_a_tenant_it_is_not_ready() {
    let (probe, ..) = doors(Vec::new());
    assert_eq!(probe.answer(&ask(&Method::GET, "/readyz")).status(), 503);
}

#[tokio::test]
async fn the_status_names_version_revision_and_keys_of_accounts() {
    let (_, control, state) = doors(Vec::new());
    let _write = state.begin_write();
    let status = text(near(&control, ask(&Method::GET, "/status")).await);
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
    let printed = of_key(&key, Some(UNIX_EPOCH), UNIX_EPOCH);
    assert_eq!(printed["state"], "expired");
    assert_eq!(printed["expires"], "1970-01-01T00:00:00Z");
    assert_eq!(printed["last_use"], "1970-01-01T00:00:00Z");
}

#[tokio::test]
async fn what_the_control_door_takes() {
    let (_, control, _) = doors(Vec::new());
    for (path, wrong, allow) in [
        ("/status", Method::POST, "GET, HEAD"),
        ("/reload", Method::GET, "POST"),
        ("/log-level", Method::DELETE, "GET, HEAD, PUT"),
    ] {
        let response = near(&control, ask(&wrong, path)).await;
        assert_eq!(response.status(), 405);
        assert_eq!(response.headers()[ALLOW], allow);
    }
    let elsewhere = near(&control, ask(&Method::GET, "/metrics")).await;
    assert_eq!(elsewhere.status(), 404);
    let there = text(elsewhere);
    assert!(
        ["/status", "/reload", "/log-level"]
            .iter()
            .all(|path| there.contains(path))
    );
}

#[tokio::test]
async fn pages_in_a_browser_are_kept_out() {
    let (_, control, _) = doors(Vec::new());
    let mut rebound = ask(&Method::GET, "/status");
    let name = "evil.example:9465".parse().unwrap();
    rebound.headers_mut().insert(HOST, name);
    assert_eq!(near(&control, rebound).await.status(), 421);
    let mut page = ask(&Method::POST, "/reload");
    let origin = "null".parse().unwrap();
    page.headers_mut().insert(ORIGIN, origin);
    assert_eq!(near(&control, page).await.status(), 403);
    // On a Unix socket any name does: no browser gets there.
    let mut unix = ask(&Method::GET, "/status");
    unix.headers_mut().insert(HOST, "postern".parse().unwrap());
    let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let answer = control
        .answer(unix, Peer::direct(address), UNIX_EPOCH)
        .await;
    assert_eq!(answer.status(), 200);
}

/// A door whose orders arrive with the test.
fn ordered() -> (Control, Orders, Arc<State>) {
    let snapshot = Snapshot::new("abc123".into(), Authenticator::default(), Vec::new());
    let metrics = Arc::new(Metrics::new());
    let state = Arc::new(State::new(Limits::default(), metrics));
    let (reloading, orders) = Reloading::channel();
    let live = Arc::new(Live::new(snapshot));
    let control = Control::new(live, Arc::clone(&state), Entry::Near, reloading);
    (control, orders, state)
}

#[tokio::test]
async fn a_reload_answers_with_its_outcome() {
    let (control, mut orders, state) = ordered();
    let good = Outcome {
        revision: "def456".into(),
        changed: true,
        ..Outcome::default()
    };
    let broken = Outcome {
        errors: vec!["corp.yaml:1:1: it is broken".to_owned()],
        ..good.clone()
    };
    tokio::spawn(async move {
        for outcome in [good, broken] {
            let order = orders.recv().await.unwrap();
            order.send(outcome).unwrap();
        }
    });
    let first = near(&control, ask(&Method::POST, "/reload")).await;
    assert_eq!(first.status(), 200);
    let first: Value = serde_json::from_str(&text(first)).unwrap();
    assert_eq!(first["revision"], "def456");
    assert_eq!(first["changed"], true);
    let second = near(&control, ask(&Method::POST, "/reload")).await;
    assert_eq!(second.status(), 409);
    assert!(text(second).contains("corp.yaml:1:1: it is broken"));
    // Nobody reloads any more.
    let third = near(&control, ask(&Method::POST, "/reload")).await;
    assert_eq!(third.status(), 503);

    let (control, _orders, ending) = ordered();
    ending.start_draining();
    let fourth = near(&control, ask(&Method::POST, "/reload")).await;
    assert_eq!(fourth.status(), 503);
    drop(state);
}
