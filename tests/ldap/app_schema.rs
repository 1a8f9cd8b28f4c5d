//! A rule against the schema of a real server: `check --online`, and what a program that runs tells
//! of it.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::app::App;
use crate::place::Kind;

/// Lines that no server's schema fits.
#[expect(
    clippy::needless_pass_by_value,
    reason = "what changes a rule takes it over"
)]
fn broken(rule: String) -> String {
    rule.replace("target: title}", "target: noSuchTitle}")
        .replace(
            "object_classes: [inetOrgPerson",
            "object_classes: [noSuchClass, inetOrgPerson",
        )
}

async fn fits(kind: Kind) {
    let Some(place) = kind.place() else { return };
    let app = App::start(&place, "schema-fits").await;
    let said = app.online();
    assert!(said.code == Some(0), "{}", said.err);
    assert!(
        said.err.contains("is up") && said.err.contains("no errors"),
        "{}",
        said.err
    );
}

async fn does_not_fit(kind: Kind) {
    let Some(place) = kind.place() else { return };
    let app = App::with(&place, "schema-broken", broken).await;
    let said = app.online();
    assert_eq!(said.code, Some(1), "{}", said.err);
    for text in [
        "error: the directory's schema has no attribute `noSuchTitle`",
        "error: the directory's schema has no object class `noSuchClass`",
        "ldap.yaml:",
    ] {
        assert!(said.err.contains(text), "{text}: {}", said.err);
    }
    // The program runs all the same, and says so where operators look.
    let metric = "postern_directory_findings{tenant=\"ldap\"} 2";
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let page = app.metrics().await;
        if page.contains(metric) {
            break;
        }
        assert!(Instant::now() < end, "{page}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let log = app.log();
    let told = log.matches("has no attribute `noSuchTitle`").count();
    assert_eq!(told, 1, "{log}");
}

#[tokio::test]
async fn the_shipped_rule_fits_slapd() {
    fits(Kind::Slapd).await;
}

#[tokio::test]
async fn the_shipped_rule_fits_389_ds() {
    fits(Kind::Ds389).await;
}

#[tokio::test]
async fn what_slapd_does_not_know_is_told_at_its_line() {
    does_not_fit(Kind::Slapd).await;
}

#[tokio::test]
async fn what_389_ds_does_not_know_is_told_at_its_line() {
    does_not_fit(Kind::Ds389).await;
}

#[tokio::test]
async fn a_base_that_is_not_there_is_an_error() {
    let Some(place) = Kind::Slapd.place() else {
        return;
    };
    let app = App::with(&place, "schema-base", |rule| {
        rule.replace("base: \"ou=groups,", "base: \"ou=nowhere,")
    })
    .await;
    let said = app.online();
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(
        said.err
            .contains("does not exist, or our account may not see it"),
        "{}",
        said.err
    );
}

#[tokio::test]
async fn a_filter_that_finds_nobody_is_told() {
    let Some(place) = Kind::Slapd.place() else {
        return;
    };
    let app = App::with(&place, "schema-filter", |rule| {
        rule.replace("(objectClass=inetOrgPerson)", "(objectClass=inetOrgPersn)")
    })
    .await;
    let said = app.online();
    assert_eq!(said.code, Some(1), "{}", said.err);
    for text in [
        "error: the directory's schema has no object class `inetOrgPersn`, which `filter` asks",
        "warning: no `User` is found below `base` by `filter`",
    ] {
        assert!(said.err.contains(text), "{text}: {}", said.err);
    }
}

#[tokio::test]
async fn of_two_servers_the_one_that_serves_is_told_and_the_dead_one() {
    let Some(place) = Kind::Slapd.place() else {
        return;
    };
    let app = App::with(&place, "schema-dead", |rule| {
        let alive = rule.lines().find(|line| line.trim().starts_with("urls:"));
        let alive = alive.expect("urls").to_owned();
        let both = alive.replace("urls: [", "urls: [ldaps://localhost:1, ");
        rule.replace(&alive, &both)
    })
    .await;
    let said = app.online();
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(
        said.err
            .contains("warning: `ldaps://localhost:1` cannot be used, so `"),
        "{}",
        said.err
    );
    assert!(
        !said.err.contains("ldaps://localhost:1 is up"),
        "{}",
        said.err
    );
}

#[tokio::test]
async fn a_refusal_names_the_attribute_as_the_client_does() {
    let Some(place) = Kind::Slapd.place() else {
        return;
    };
    let app = App::start(&place, "schema-refusal").await;
    let id = app.made("refused").await;
    let path = "phoneNumbers[type eq \"work\"].value";
    let operations = json!([{"op": "replace", "path": path, "value": "hidden \u{e4}"}]);
    let answer = app.patch_user(&id, operations).await.expect(400).json();
    assert_eq!(answer["scimType"], "invalidValue");
    assert_eq!(
        answer["detail"],
        format!("the directory cannot hold a value of this form: `{path}`")
    );
}
