//! The page, as it is read.

use serde_json::json;

use super::*;

fn now() -> SystemTime {
    instant::parse("2026-11-24T12:00:00Z").unwrap()
}

fn status() -> Value {
    json!({
        "version": "0.1.0",
        "revision": "3f2a9c01d4e5",
        "since": "2026-11-24T10:00:00Z",
        "uptime_seconds": 345_600,
        "draining": false,
        "requests_in_flight": 2,
        "writes_in_flight": 1,
        "log_level": "info",
        "tenants": [
            {"name": "corp", "tenant_url": "https://scim.example.com/corp/scim/v2",
             "directory": {"name": "https://ds1.example.com:443", "health": "up", "reason": null}},
            {"name": "lab", "tenant_url": "https://scim.example.com/lab",
             "directory": {"name": "http://127.0.0.1:8080", "health": "down",
                           "reason": "connection refused"}},
            {"name": "new", "tenant_url": "https://scim.example.com/new",
             "directory": {"name": "http://127.0.0.1:8081", "health": "unknown", "reason": null},
             "guard": {"released": [{"effect": "delete", "ends": "2026-11-24T12:30:00Z", "left": 400,
                                     "by": "on-call (key o1)"}]}},
        ],
        "audit": {"up": false, "reason": "No space left on device (os error 28)", "seq": 4211,
                  "sum": "c4", "lost": 3, "writes_refused": 12},
        "trust": [
            {"name": "keycloak", "issuer": "https://id.example.com/realms/corp", "url": null,
             "keys": ["a", "b"], "too_old": false, "error": null, "last_use": "2026-11-24T11:58:00Z"},
            {"name": "okta", "issuer": "https://example.okta.com", "url": "https://example.okta.com/keys",
             "keys": ["a"], "too_old": true, "error": "no connection", "last_use": null},
            {"name": "opaque", "url": "https://id.example.com/introspect", "known_good": 3,
             "known_wrong": 0, "error": null, "last_use": null},
        ],
        "sources": [
            {"kind": "rules", "folder": "/etc/postern/rules", "revision": "aa", "errors":
             ["corp.yaml:3:5: unknown key `tenant_ur`", "corp.yaml:9:1: a line that\u{1b}[2J hides"],
             "loaded": "2026-11-24T10:00:00Z"},
            {"kind": "access", "folder": "/etc/postern/access", "revision": "bb", "errors": [],
             "loaded": "2026-11-24T11:59:50Z"},
        ],
        "needs_restart": ["listen.public", "workers"],
        "accounts": [{"name": "entra-prod", "keys": [
            {"id": "k1", "state": "live", "expires": "2026-12-01T00:00:00Z",
             "last_use": "2026-11-24T11:58:00Z"},
            {"id": "k2", "state": "live", "expires": "2027-05-01T00:00:00Z", "last_use": null},
            {"id": "k0", "state": "expired", "expires": "2026-11-01T00:00:00Z", "last_use": null},
            {"id": "k3", "state": "not yet valid", "expires": null, "last_use": null},
        ]}],
        "operators": [{"name": "on-call", "keys": [
            {"id": "o1", "state": "live", "expires": "2026-11-25T00:00:00Z", "last_use": null},
        ]}],
        "clients": [
            {"tenant": "corp", "account": "entra-prod", "key": "k1", "address": "203.0.113.9",
             "user_agent": "Microsoft.Identity.Health.CPP.Provisioning.Something/1.0",
             "first_seen": "2026-11-01T00:00:00Z", "last_seen": "2026-11-24T11:58:00Z",
             "last_success": "2026-11-24T11:58:00Z", "requests": 12_345, "accents": 7,
             "last_error": {"at": "2026-11-23T12:00:00Z", "status": 400, "reason": "invalidFilter"}},
            {"tenant": "corp", "account": "entra-prod", "key": "k1", "address": "203.0.113.10",
             "user_agent": "", "first_seen": "2026-11-24T11:00:00Z",
             "last_seen": "2026-11-24T11:59:59Z", "last_success": null, "requests": 1,
             "accents": 0, "last_error": null},
        ],
    })
}

#[test]
fn a_page_of_much() {
    insta::assert_snapshot!(page(&status(), now()));
    assert!(!all_serves(&status()));
}

#[test]
fn a_page_of_little() {
    let quiet = json!({
        "version": "0.1.0", "revision": "abc", "since": null, "uptime_seconds": 3,
        "draining": true, "requests_in_flight": 0, "writes_in_flight": 0, "log_level": null,
        "tenants": [], "sources": [], "needs_restart": [], "accounts": [], "operators": [],
        "clients": [],
    });
    insta::assert_snapshot!(page(&quiet, now()));
    assert!(all_serves(&quiet));
}

#[test]
fn of_several_servers_the_one_in_use_is_named() {
    let of = |used: &str| {
        let directory =
            json!({"name": "ldaps://a:636", "health": "up", "server": {"in_use": used}});
        page(
            &json!({"tenants": [{"name": "t", "directory": directory}]}),
            now(),
        )
    };
    assert!(of("ldaps://b:636").contains("  ldaps://b:636 instead of ldaps://a:636  up\n"));
    assert!(of("ldaps://a:636").contains("  ldaps://a:636  up\n"));
}

#[test]
fn what_does_not_fit_is_listed_and_what_is_good_to_know_is_not() {
    let finding = |weight: &str, line: u32| {
        json!({"weight": weight, "file": "rules/t.yaml", "line": line, "column": 3,
               "message": "no such `x`", "help": "correct it"})
    };
    let of = |findings: Value| page(&json!({"tenants": [{"findings": findings}]}), now());
    let told = of(json!([finding("note", 4), finding("warning", 5)]));
    let lines = "\nRULES THAT DO NOT FIT\n  ! rules/t.yaml:5:3: no such `x` (correct it)\n\n";
    assert!(told.contains(lines), "{told}");
    assert!(!of(json!([finding("note", 4)])).contains("FIT"));
}

#[test]
fn any_json_is_a_page() {
    for odd in [
        json!(null),
        json!([]),
        json!({"tenants": 3, "clients": [1, null], "sources": [{}]}),
    ] {
        assert!(page(&odd, now()).contains("TENANTS"));
    }
}

#[test]
fn what_does_not_serve_is_a_broken_file_a_directory_that_is_down_or_the_trail() {
    let broken = json!({"sources": [{"errors": ["x"]}]});
    let down = json!({"tenants": [{"directory": {"health": "down"}}]});
    let unknown = json!({"tenants": [{"directory": {"health": "unknown"}}]});
    assert!(!all_serves(&broken) && !all_serves(&down) && all_serves(&unknown));
    let trail = |up: bool| json!({"audit": {"up": up}});
    assert!(!all_serves(&trail(false)) && all_serves(&trail(true)));
}
