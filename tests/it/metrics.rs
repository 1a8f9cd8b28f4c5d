//! What `/metrics` says of the whole program: every family moves as `docs/metrics.md` has it, the
//! page is what Prometheus reads, and nothing that a client says becomes a label.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use postern::telemetry::metrics::FAMILIES;
use serde_json::json;

use crate::support::client::plain_get;
use crate::support::exposition::Page;
use crate::support::scripted::{Act, json_answer};
use crate::support::world::{ADMIN, Account, rule};
use crate::support::{Scripted, World};

const RULE: &str = "  User:\n    attributes:\n      - {scim: userName, target: login}\n      \
                    - {scim: active, target: state, values: {\"true\": on, \"false\": off}, otherwise: error}\n    \
                    unmapped: drop\n";

async fn metrics(world: &World) -> Page {
    let (status, text) = plain_get(world.running().probe, "/metrics").await.unwrap();
    assert_eq!(status, 200);
    assert!(!text.contains(MARK), "a text of a client's in\n{text}");
    Page::read(&text)
}

/// Stands in everything that a client makes up.
const MARK: &str = "Zx9marker";

/// Waits until a series has come to a value.
async fn comes_to(world: &World, name: &str, labels: &[(&str, &str)], wanted: f64) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let value = metrics(world).await.get(name, labels);
        if value == Some(wanted) {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{name}{labels:?} is {value:?}, not {wanted}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn accounts() -> [Account<'static>; 4] {
    let reader = Account {
        name: "reader",
        verbs: "read",
        ..ADMIN
    };
    let stranger = Account {
        name: "stranger",
        tenants: "down",
        ..ADMIN
    };
    let old = Account {
        name: "old",
        more: "expires: 2020-01-01",
        ..ADMIN
    };
    [ADMIN, reader, stranger, old]
}

#[tokio::test]
async fn every_family_moves_as_documented() {
    let user = |status| Act::Say(json_answer(status, r#"{"id":"1","login":"a","odd":"y"}"#));
    let many: String = (0..4_000)
        .map(|id| format!(r#"{{"id":"{id}","login":"{}"}},"#, "x".repeat(100)))
        .collect();
    let cut = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9999999\r\n\r\n\
         {{\"totalResults\":9999,\"Resources\":[{many}"
    );
    let directory = Scripted::start([
        user(201),
        Act::Reset,
        user(200),
        Act::Say(json_answer(401, "")),
        user(200),
        Act::Say(json_answer(
            200,
            r#"{"id":"1","login":"a","state":"broken"}"#,
        )),
        Act::Say(json_answer(200, r#"{"login":"a"}"#)),
        Act::SayAndClose(cut),
    ])
    .await;
    let options =
        ", timeouts: {connect: 2s, head: 2s, idle: 2s}, supports: {patch: true, etag: true}";
    let rules = [
        ("t", rule("/t/scim/v2", &directory.url(), options, RULE)),
        (
            "down",
            rule("/down/scim/v2", "http://127.0.0.1:1", "", RULE),
        ),
    ];
    let rules: Vec<(&str, &str)> = rules.iter().map(|(n, text)| (*n, text.as_str())).collect();
    let world = World::with_accounts(&rules, &accounts());
    let client = world.client("/t/scim/v2");

    let body = json!({"userName": MARK, MARK: MARK});
    client.post("/Users", &body).await.expect(201);
    client.get("/Users/1").await.expect(200);
    client.get(&format!("/Users/{MARK}")).await.expect(502);
    let odd_case = json!([{"op": "Replace", "path": "userName", "value": MARK}]);
    client.patch("/Users/1", &odd_case).await.expect(200);
    client.get("/Users/1").await.expect(200);
    client.get("/Users/1").await.expect(502);
    let broken = client.clone();
    let list = tokio::spawn(async move { broken.get("/Users").await });
    assert!(list.await.is_err(), "a list that is cut is no list");

    let filter = format!("/Users?filter=nickName%20eq%20%22{MARK}%22");
    client.get(&filter).await.expect(400);
    client.get(&format!("/{MARK}")).await.expect(404);
    client
        .at(&format!("/{MARK}"))
        .get("/Users")
        .await
        .expect(404);
    let wrong = client.with_token(&format!("postern_{MARK}_x"));
    wrong.get("/Users").await.expect(401);
    client.with_token(MARK).get("/Users").await.expect(401);
    let mut nobody = client.clone();
    nobody.authorization.clear();
    nobody.get("/Users").await.expect(401);
    world
        .client_of("/t/scim/v2", "old")
        .get("/Users")
        .await
        .expect(401);
    world
        .client_of("/t/scim/v2", "stranger")
        .get("/Users")
        .await
        .expect(403);
    let reader = world.client_of("/t/scim/v2", "reader");
    reader.post("/Users", &body).await.expect(403);
    world
        .client("/down/scim/v2")
        .get("/Users/1")
        .await
        .expect(503);

    let t = ("tenant", "t");
    let of = |resource, operation, outcome| {
        let of = |(name, value)| (name, value);
        [
            of(("operation", operation)),
            of(("outcome", outcome)),
            of(("resource", resource)),
            t,
        ]
    };
    let requests = "postern_requests_total";
    comes_to(&world, "postern_lists_truncated_total", &[], 1.0).await;
    comes_to(&world, "postern_requests_in_flight", &[], 0.0).await;
    comes_to(&world, "postern_connections", &[], 0.0).await;
    let page = metrics(&world).await;
    for (name, labels, wanted) in [
        (requests, &of("User", "create", "ok")[..], 1.0),
        (requests, &of("User", "create", "client"), 1.0),
        (requests, &of("User", "read", "ok"), 2.0),
        (requests, &of("User", "read", "directory"), 2.0),
        (requests, &of("User", "patch", "ok"), 1.0),
        (requests, &of("User", "list", "ok"), 1.0),
        (requests, &of("User", "list", "client"), 1.0),
        (requests, &of("-", "-", "client"), 2.0),
        (
            "postern_attributes_dropped_total",
            &[("direction", "request"), t],
            1.0,
        ),
        (
            "postern_attributes_dropped_total",
            &[("direction", "answer"), t],
            3.0,
        ),
        ("postern_accents_total", &[("kind", "op_case"), t], 1.0),
        (
            "postern_mapping_errors_total",
            &[("direction", "request"), t],
            1.0,
        ),
        (
            "postern_mapping_errors_total",
            &[("direction", "answer"), t],
            1.0,
        ),
        ("postern_values_undecodable_total", &[("line", "8"), t], 1.0),
        ("postern_directory_credentials_refused_total", &[t], 1.0),
        (
            "postern_authorization_denials_total",
            &[("reason", "role"), t],
            1.0,
        ),
        (
            "postern_authorization_denials_total",
            &[("reason", "tenant"), t],
            1.0,
        ),
        (
            "postern_authentication_failures_total",
            &[("reason", "unknown")],
            2.0,
        ),
        (
            "postern_authentication_failures_total",
            &[("reason", "missing")],
            1.0,
        ),
        (
            "postern_authentication_failures_total",
            &[("reason", "expired")],
            1.0,
        ),
        (
            "postern_directory_up",
            &[("directory", "http://127.0.0.1:1"), ("tenant", "down")],
            0.0,
        ),
        (
            "postern_directory_retries_total",
            &[("directory", &*directory.url())],
            1.0,
        ),
        ("postern_tokens", &[("state", "live")], 3.0),
        ("postern_tokens", &[("state", "expired")], 1.0),
        ("postern_tenants", &[], 2.0),
        ("postern_draining", &[], 0.0),
        ("postern_panics_total", &[], 0.0),
        (
            "postern_build_info",
            &[("version", env!("CARGO_PKG_VERSION"))],
            1.0,
        ),
    ] {
        assert_eq!(page.get(name, labels), Some(wanted), "{name}{labels:?}");
    }
    for (name, labels) in [
        ("postern_request_body_bytes_total", &[t][..]),
        ("postern_response_body_bytes_total", &[t]),
        (
            "postern_directory_connect_failures_total",
            &[("directory", "http://127.0.0.1:1")],
        ),
        (
            "postern_directory_duration_seconds_count",
            &[("operation", "read"), t],
        ),
        (
            "postern_mapping_duration_seconds_sum",
            &[("operation", "list"), t],
        ),
        (
            "postern_certificate_expiry_timestamp_seconds",
            &[("tenant", "-"), ("use", "public")],
        ),
        ("postern_clients", &[]),
        ("process_resident_memory_bytes", &[]),
        ("process_start_time_seconds", &[]),
        ("process_open_fds", &[]),
        ("process_max_fds", &[]),
        ("process_threads", &[]),
    ] {
        assert!(
            page.get(name, labels).is_some_and(|value| value > 0.0),
            "{name}{labels:?}"
        );
    }
    // Only requests that asked the directory are observed.
    let asked = "postern_directory_duration_seconds_count";
    assert_eq!(page.get(asked, &[("operation", "create"), t]), Some(1.0));
    assert_eq!(page.get(asked, &[("operation", "list"), t]), Some(1.0));

    let known: Vec<&str> = FAMILIES.iter().map(|family| family.name).collect();
    assert!(
        page.families
            .keys()
            .all(|name| known.contains(&name.as_str()))
    );
    for (label, allowed) in [
        ("tenant", &["t", "down", "-"][..]),
        ("resource", &["User", "-"]),
        ("operation", &["create", "read", "list", "patch", "-"]),
        ("outcome", &["ok", "client", "directory"]),
    ] {
        let found = page.values_of(label);
        assert!(
            found.iter().all(|value| allowed.contains(value)),
            "{label}: {found:?}"
        );
    }
}

#[tokio::test]
async fn a_broken_handshake_is_counted_and_a_mere_look_is_not() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let text = rule("/t/scim/v2", "http://127.0.0.1:1", "", RULE);
    let world = World::start(&[("t", &text)]);
    let address = world.running().public;
    drop(tokio::net::TcpStream::connect(address).await.unwrap());
    let mut noise = tokio::net::TcpStream::connect(address).await.unwrap();
    noise
        .write_all(b"\x00\x01\x02\x03\x04\x05\x06\x07")
        .await
        .unwrap();
    let mut end = Vec::new();
    let _ = noise.read_to_end(&mut end).await;
    comes_to(&world, "postern_tls_handshake_failures_total", &[], 1.0).await;
    let stands = world.tls_stream().await;
    comes_to(&world, "postern_connections", &[], 1.0).await;
    drop(stands);
    comes_to(&world, "postern_connections", &[], 0.0).await;
    let page = metrics(&world).await;
    assert_eq!(
        page.get("postern_tls_handshake_failures_total", &[]),
        Some(1.0)
    );
}

#[tokio::test]
async fn a_tenant_that_is_gone_has_no_series_and_one_that_stays_keeps_its_counts() {
    let here = rule("/here/scim/v2", "http://127.0.0.1:1", "", RULE);
    let gone = rule("/gone/scim/v2", "http://127.0.0.1:1", "", RULE);
    let world = World::start(&[("here", &here), ("gone", &gone)]);
    for base in ["/here/scim/v2", "/gone/scim/v2"] {
        world.client(base).get("/Users/1").await.expect(503);
    }
    assert!(metrics(&world).await.values_of("tenant").contains("gone"));
    let rules = world.folder.join("rules");
    std::fs::remove_file(rules.join("gone.yaml")).unwrap();
    std::fs::write(rules.join("here.yaml"), format!("{here}# edited\n")).unwrap();
    let outcome = world.running().reloading().now().await.unwrap();
    assert!(outcome.changed, "{outcome:?}");
    world
        .client("/here/scim/v2")
        .get("/Users/1")
        .await
        .expect(503);
    let labels = |tenant| {
        [
            ("operation", "read"),
            ("outcome", "directory"),
            ("resource", "User"),
            ("tenant", tenant),
        ]
    };
    comes_to(&world, "postern_requests_total", &labels("here"), 2.0).await;
    let page = metrics(&world).await;
    assert!(!page.values_of("tenant").contains("gone"));
    let revision = [("revision", &*outcome.revision)];
    assert_eq!(page.get("postern_config_info", &revision), Some(1.0));
    assert_eq!(page.values_of("revision").len(), 1);
    let good = [("source", "rules")];
    assert_eq!(
        page.get("postern_config_last_reload_successful", &good),
        Some(1.0)
    );

    std::fs::write(rules.join("here.yaml"), "no: rule\n").unwrap();
    world.running().reloading().now().await.unwrap();
    let page = metrics(&world).await;
    assert_eq!(
        page.get("postern_config_last_reload_successful", &good),
        Some(0.0)
    );
    let failed = [("result", "failure"), ("source", "rules")];
    assert_eq!(page.get("postern_config_reloads_total", &failed), Some(1.0));
    assert_eq!(page.get("postern_config_info", &revision), Some(1.0));
}

#[test]
fn the_documentation_lists_every_family() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let text = std::fs::read_to_string(&file).unwrap();
    let (before, rest) = text
        .split_once(BEGIN)
        .expect("the mark where the table begins");
    let (_, after) = rest.split_once(END).expect("the mark where the table ends");
    let mut table = String::from("| name | type | labels | meaning |\n| --- | --- | --- | --- |\n");
    for family in FAMILIES {
        let labels: Vec<String> = family
            .labels
            .iter()
            .map(|label| format!("`{label}`"))
            .collect();
        let (name, kind) = (family.name, family.kind.as_str());
        let (labels, help) = (labels.join(", "), family.help);
        writeln!(table, "| `{name}` | {kind} | {labels} | {help} |").unwrap();
    }
    let wanted = format!("{before}{BEGIN}\n{table}{END}{after}");
    if std::env::var_os("POSTERN_WRITE_DOCS").is_some() {
        std::fs::write(&file, &wanted).unwrap();
    } else {
        let how = "POSTERN_WRITE_DOCS=1 cargo test --test it the_documentation_lists_every_family";
        assert!(
            text == wanted,
            "docs/metrics.md is stale; write it anew with\n    {how}"
        );
    }
}

const BEGIN: &str = "<!-- The table is made from src/telemetry/metrics/families.rs: begin -->";
const END: &str = "<!-- end -->";
