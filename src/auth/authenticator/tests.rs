//! Whose tokens are whose.

use std::time::Duration;

use http::HeaderValue;
use http::header::AUTHORIZATION;

use super::super::access::tests::authenticator;
use super::super::instant;
use super::super::token::{generate, tests::counting};
use super::*;
use crate::yaml::Diagnostic;

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn token(id: &str) -> String {
    let id = id.parse().unwrap();
    generate(&id, &mut counting(3)).unwrap().expose().to_owned()
}

fn example() -> Authenticator {
    let line =
        |id: &str, life: &str| format!("{{id: {id}, sha256: {}{life}}}", TokenHash::of(&token(id)));
    authenticator(&format!(
        "roles: {{r: {{allow: [{{resources: [User], verbs: [read]}}]}}}}
accounts:
  - name: entra
    roles: [r]
    tenants: [corp, crop]
    tokens: [{}, {}, {}]
  - name: okta
    roles: [r]
    tenants: \"*\"
    tokens: [{}]",
        line("k1", ""),
        line("k2", ", not_before: 2026-11-01, expires: 2027-02-01"),
        line("k3", ", expires: 2026-01-01T12:00:00+01:00"),
        line("k4", ""),
    ))
}

fn ask(found: &Authenticator, token: &str, now: &str) -> Result<(String, String), AuthError> {
    let mut headers = HeaderMap::new();
    let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
    headers.insert(AUTHORIZATION, value);
    let presented = Presented::new(&headers, HERE);
    let proven = found.authenticate(&presented, instant::parse(now).unwrap())?;
    let caller = proven.now().unwrap();
    Ok((caller.account().to_string(), caller.key.to_string()))
}

fn rejected<T>(reason: Rejection) -> Result<T, AuthError> {
    Err(AuthError::Rejected(reason))
}

#[test]
fn a_token_leads_to_its_account() {
    let found = example();
    for (id, account) in [("k1", "entra"), ("k2", "entra"), ("k4", "okta")] {
        let wanted = Ok((account.to_owned(), id.to_owned()));
        assert_eq!(ask(&found, &token(id), "2026-11-15"), wanted);
        assert_eq!(&*found.account_of(id).unwrap().name, account);
    }
}

#[test]
fn what_is_nearly_a_token_is_unknown() {
    let found = example();
    let good = token("k1");
    let tries = [
        token("k9"),
        good.replace("_k1_", "_k2_"),
        good.replace("_k1_", "_K1_"),
        good.replace("postern_", "Postern_"),
        good.get(1..).unwrap().to_owned(),
        good.get(..good.len() - 1).unwrap().to_owned(),
        format!("{good}="),
        good.to_uppercase(),
        "postern_k1_".to_owned(),
        "postern__".to_owned(),
        TokenHash::of(&good).to_string(),
        "x".repeat(600),
    ];
    for token in tries {
        assert_eq!(
            ask(&found, &token, "2026-11-15"),
            rejected(Rejection::Unknown),
            "{token}"
        );
    }
    let nobody = Authenticator::default();
    assert_eq!(
        ask(&nobody, &good, "2026-11-15"),
        rejected(Rejection::Unknown)
    );
}

#[test]
fn a_key_lives_from_not_before_until_expires() {
    let found = example();
    let at = |id: &str, now: &str| ask(&found, &token(id), now).map(|_| ());
    assert_eq!(
        at("k2", "2026-10-31T23:59:59.999Z"),
        rejected(Rejection::NotYet)
    );
    assert_eq!(at("k2", "2026-11-01"), Ok(()));
    assert_eq!(at("k2", "2027-01-31T23:59:59.999Z"), Ok(()));
    assert_eq!(at("k2", "2027-02-01"), rejected(Rejection::Expired));
    assert_eq!(at("k3", "2026-01-01T10:59:59Z"), Ok(()));
    assert_eq!(
        at("k3", "2026-01-01T11:00:00Z"),
        rejected(Rejection::Expired)
    );
    let stranger = token("k3").replace("_k3_", "_k3_x");
    assert_eq!(
        ask(&found, &stranger, "2027-01-01"),
        rejected(Rejection::Unknown)
    );
}

#[test]
fn unknown_and_expired_read_the_same() {
    let texts: Vec<String> = [Rejection::Unknown, Rejection::Expired, Rejection::NotYet]
        .map(|reason| AuthError::Rejected(reason).to_string())
        .into();
    assert!(texts.iter().all(|text| *text == texts[0]));
}

#[test]
fn accounts_are_listed_without_secrets() {
    let found = example();
    let names: Vec<_> = found.accounts().map(|a| (&*a.name, a.keys.len())).collect();
    assert_eq!(names, [("entra", 3), ("okta", 1)]);
    let entra = found.accounts().next().unwrap();
    let life = entra.keys[1]
        .expires
        .unwrap()
        .duration_since(entra.keys[1].not_before.unwrap());
    assert_eq!(life.unwrap(), Duration::from_secs(92 * 86_400));
    let printed = format!("{found:?}");
    assert!(!printed.contains(&TokenHash::of(&token("k1")).to_string()));
}

fn with_operator(id: &str, more: &str) -> Authenticator {
    authenticator(&format!(
        "roles: {{}}
accounts: [{{name: entra, roles: [], tenants: [], tokens: [{{id: k1, sha256: {}}}]}}]
operators: [{{name: ops, tokens: [{{id: {id}, sha256: {}{more}}}]}}]",
        TokenHash::of(&token("k1")),
        TokenHash::of(&token(id)),
    ))
}

#[test]
fn accounts_and_operators_have_a_door_each() {
    let found = with_operator("o1", "");
    let mut headers = HeaderMap::new();
    let mut set = |token: &str| {
        let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
        headers.insert(AUTHORIZATION, value);
        let now = instant::parse("2026-11-15").unwrap();
        let operator = found.authenticate_operator(&headers, now);
        (
            found
                .authenticate(&Presented::new(&headers, HERE), now)
                .is_ok(),
            operator.map(|caller| (caller.name.to_string(), caller.key.to_string())),
        )
    };
    let ours = ("ops".to_owned(), "o1".to_owned());
    assert_eq!(set(&token("o1")), (false, Ok(ours)));
    assert_eq!(set(&token("k1")), (true, rejected(Rejection::Unknown)));
    assert_eq!(&*found.operator_of("o1").unwrap().name, "ops");
    assert!(found.operator_of("k1").is_none() && found.account_of("o1").is_none());
}

#[test]
fn the_last_use_is_noted_and_outlives_a_reload() {
    let found = example();
    assert_eq!(found.last_use("k1"), None);
    let later = "2026-11-15T10:00:00Z";
    ask(&found, &token("k1"), later).unwrap();
    ask(&found, &token("k1"), "2026-11-14T10:00:00Z").unwrap();
    ask(&found, &token("k3"), later).unwrap_err();
    assert_eq!(found.last_use("k1"), instant::parse(later));
    assert_eq!((found.last_use("k3"), found.last_use("zz")), (None, None));

    let next = example();
    next.adopt(&found);
    assert_eq!(next.last_use("k1"), instant::parse(later));
    let even_later = "2026-11-16T10:00:00Z";
    ask(&next, &token("k1"), even_later).unwrap();
    next.adopt(&found);
    assert_eq!(next.last_use("k1"), instant::parse(even_later));

    // The same id with another secret is another key.
    let other = TokenHash::of("x").to_string();
    let text = format!(
        "roles: {{}}\naccounts: [{{name: a, roles: [], tenants: [], \
         tokens: [{{id: k1, sha256: {other}}}]}}]"
    );
    let stranger = authenticator(&text);
    stranger.adopt(&found);
    assert_eq!(stranger.last_use("k1"), None);
}

#[test]
fn names_that_no_rule_defines_are_warned_about() {
    let found = example();
    let warnings = found.cross_check(&["corp", "lab"], &["group"]);
    let lines: Vec<String> = warnings.iter().map(Diagnostic::one_line).collect();
    assert_eq!(
        lines,
        [
            "access.yaml:5:21: no rule file defines the tenant `crop` (did you mean `corp`?)",
            "access.yaml:1:34: no rule file defines the resource type `User`",
        ]
    );
    assert!(!warnings.has_errors());
    assert!(found.cross_check(&["corp", "crop"], &["USER"]).is_empty());
}
