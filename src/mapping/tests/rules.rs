//! Rule files: what is understood, and what is said about mistakes.

use super::support::*;
use crate::mapping::Ruleset;
use crate::mapping::ruleset::{Backend, Login};

#[test]
fn shipped_rules_compile_without_a_word() {
    for (name, text) in [
        ("legacy", include_str!("../../../rules/legacy-people.yaml")),
        (
            "identity",
            include_str!("../../../rules/scim-identity.yaml"),
        ),
        (
            "fac",
            include_str!("../../../rules/fortiauthenticator.yaml"),
        ),
        ("openldap", include_str!("../../../rules/openldap.yaml")),
        ("389ds", include_str!("../../../rules/389ds.yaml")),
        (
            "active-directory",
            include_str!("../../../rules/active-directory.yaml"),
        ),
    ] {
        match compile(text) {
            Ok((_, warnings)) => {
                assert!(warnings.is_empty(), "{name}: {:?}", complaints(&warnings))
            }
            Err(found) => panic!("{name}: {:#?}", complaints(&found)),
        }
    }
}

#[test]
fn the_class_of_every_line_is_told() {
    let plan = legacy();
    let lines: Vec<String> = plan
        .lines()
        .map(|line| {
            format!(
                "{} {} {} -> {}: {}",
                line.resource, line.kind, line.scim, line.target, line.class
            )
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_backend_is_read_whole() {
    let text = "tenant_url: https://SCIM.example.com:8443/corp/scim/v2/\n\
        hosts: [other.example.com]\n\
        accents: refuse\n\
        backend:\n  scim:\n    url: http://directory.internal:8080/api/\n    plaintext: true\n    \
        ca_file: ca.pem\n    basic: {user: svc, password_file: /run/secrets/pw}\n    \
        supports: {patch: true, etag: false}\n    patch_without_etag: refuse\n    \
        timeouts: {connect: 500ms, idle: 2m}\n    connections: 8\n\
        resources:\n  User: {unmapped: pass}\n";
    let (rules, _) = Ruleset::read(&source(text)).unwrap();
    assert_eq!(
        &*rules.tenant_url.text,
        "https://scim.example.com:8443/corp/scim/v2"
    );
    assert_eq!(rules.hosts, ["scim.example.com", "other.example.com"]);
    assert!(!rules.accents);
    let Backend::Scim(scim) = rules.backend else {
        panic!("not over HTTP")
    };
    assert_eq!(scim.url, "http://directory.internal:8080/api");
    let login = Login::Basic {
        user: "svc".to_owned(),
        password_file: "/run/secrets/pw".to_owned(),
    };
    assert_eq!(scim.login, login);
    assert_eq!(
        (scim.supports.patch, scim.supports.etag),
        (Some(true), Some(false))
    );
    assert_eq!(scim.supports.page, None);
    assert!(!scim.verify_without_etag);
    assert_eq!(scim.timeouts.connect.as_millis(), 500);
    assert_eq!(scim.timeouts.idle.as_secs(), 120);
    assert_eq!(scim.connections, 8);
}

/// All complaints about a rule with these lines.
fn about(lines: &str) -> Vec<String> {
    match compile(&rule(lines, "drop")) {
        Ok((_, warnings)) => complaints(&warnings),
        Err(found) => complaints(&found),
    }
}

#[test]
fn every_mistake_of_a_file_is_reported_in_one_go() {
    let found = about(
        "{scim: userName, target: login, requierd: true}
         {scim: nikName, target: nick}
         {scim: name.givnName, target: given}
         {scim: active, target: status, values: {\"true\": a, \"false\": b}}
         {scim: 'emails[type eq \"work\"', target: mail}
         {scim: title, target: login}",
    );
    insta::assert_snapshot!(found.join("\n"));
}

#[test]
fn rules_that_break_a_law_do_not_compile() {
    let cases = [
        (
            "{scim: password, target: pwd, direction: both}",
            "a secret is written",
        ),
        (
            "{scim: title, target: userPassword, direction: read}",
            "a secret is written",
        ),
        ("{scim: groups, target: memberOf}", "read-only in SCIM"),
        ("{scim: id, target: uid}", "made by postern itself"),
        (
            "{scim: userType, target: kind, otherwise: omit, values: {a: x, b: x}}",
            "not one to one",
        ),
        (
            "{scim: userType, target: kind, otherwise: omit, default: x, values: {a: x}}",
            "cannot stand for none",
        ),
        (
            "{scim: active, target: on, default: false}",
            "cannot stand for none",
        ),
        (
            "{scim: 'emails[type eq \"work\"].value', target: a}\n\
             {scim: 'emails[primary eq true].value', target: b}",
            "could be meant by the line",
        ),
        (
            "{scim: 'emails[type eq \"work\"].value', target: a}\n{scim: emails.value, target: b}",
            "read by the line",
        ),
        (
            "{scim: title, target: a}\n{scim: title, target: b}",
            "read by the line",
        ),
        (
            "{scim: emails, target: mails, prefix: x}",
            "moved as a whole",
        ),
        (
            "{scim: 'name[givenName eq \"x\"].familyName', target: t}",
            "no element to choose",
        ),
        ("{scim: active, target: a, suffix: x}", "is not a string"),
        ("{target: a}", "does not say what becomes what"),
        (
            "{target: a, join: [password, title]}",
            "nothing is computed from it",
        ),
        ("{scim: userType, constant: 5}", "is not a value"),
        (
            "{scim: title, target: t, otherwise: omit}",
            "means nothing on this line",
        ),
        (
            "{scim: 'urn:acme:2.0:User:badge', target: b}",
            "has no schema `urn:acme:2.0:User`",
        ),
    ];
    for (lines, wanted) in cases {
        let found = about(&format!("{{scim: userName, target: login}}\n{lines}"));
        assert!(
            found.iter().any(|text| text.contains(wanted)),
            "{lines}\n{found:#?}"
        );
    }
}

#[test]
fn what_clients_match_on_is_asked_for() {
    let found = about("{scim: title, target: t}");
    assert!(
        found
            .iter()
            .any(|t| t.contains("`User` needs a line for `userName`")),
        "{found:?}"
    );
    let found = about("{scim: userName, target: login}");
    assert!(
        found.iter().any(|t| t.contains("no line for `externalId`")),
        "{found:?}"
    );
}

#[test]
fn urls_that_could_be_misread_are_refused() {
    for url in [
        "http://scim.example.com/a",
        "https://scim.example.com",
        "https://scim.example.com/a?b",
        "https://scim.example.com/a#b",
        "https://u@scim.example.com/a",
        "https://scim.example.com/a/../b",
        "https://scim.example.com/a//b",
        "https://scim.example.com/a%2fb",
        "https://scim.example.com:99999/a",
        "https:///a",
        "https://exa mple.com/a",
    ] {
        let text = format!(
            "tenant_url: \"{url}\"\nbackend: {{scim: {{url: \"https://d.internal\"}}}}\n\
             resources: {{User: {{unmapped: pass}}}}\n"
        );
        assert!(compile(&text).is_err(), "{url}");
    }
}

#[test]
fn directories_that_cannot_be_reached_and_clear_text_are_refused() {
    for (backend, wanted) in [
        ("{ldap: {urls: []}}", "`urls` names no directory"),
        ("{scim: {url: \"http://d.internal\"}}", "in the clear"),
        (
            "{scim: {url: \"https://d\", bearer_file: a, basic: {user: b, password_file: c}}}",
            "exclude",
        ),
        (
            "{scim: {url: \"https://d\", timeouts: {head: 5}}}",
            "a duration",
        ),
    ] {
        let text = format!(
            "tenant_url: https://e.com/a\nbackend: {backend}\nresources: {{User: {{unmapped: pass}}}}\n"
        );
        let found = complaints(&compile(&text).unwrap_err());
        assert!(found.iter().any(|t| t.contains(wanted)), "{found:?}");
    }
}

#[test]
fn own_types_and_schemas_are_held() {
    let text = "tenant_url: https://e.com/a\n\
        backend: {scim: {url: \"https://d.internal\"}}\n\
        schemas:\n  \"urn:acme:2.0:User\": {badge: {type: string, caseExact: true}}\n  \
        \"urn:acme:2.0:Printer\": {model: string, tags: {type: string, multiValued: true}}\n\
        resources:\n  User:\n    extensions: [\"urn:acme:2.0:User\"]\n    attributes:\n      \
        - {scim: userName, target: login}\n      \
        - {scim: \"urn:acme:2.0:User:badge\", target: badge_no, unique: true}\n  \
        Printer:\n    schema: \"urn:acme:2.0:Printer\"\n    endpoint: Printers\n    attributes:\n      \
        - {scim: model, target: kind}\n      - {scim: tags, target: labels}\n";
    let plan = plan(text);
    let user = plan.endpoint("Users").unwrap();
    assert_eq!(user.extensions[0].id.as_str(), "urn:acme:2.0:User");
    assert!(user.extensions[0].attributes[0].case_exact);
    let printer = plan.endpoint("Printers").unwrap();
    assert_eq!(printer.base.id.as_str(), "urn:acme:2.0:Printer");
    assert_eq!(printer.base.attributes.len(), 2);
}

#[test]
fn discovery_tells_what_the_lines_can_hold() {
    use crate::scim::schema::Mutability::{Immutable, ReadOnly, WriteOnly};
    let plan = users(
        "{scim: title, target: t, direction: read}
         {scim: nickName, target: n, direction: create}
         {scim: password, target: pwd, direction: write}
         {scim: name.givenName, target: given, required: true}
         {scim: 'emails[type eq \"work\"].value', target: mail, element: {primary: true}}
         {scim: externalId, target: x}",
        "drop",
    );
    let user = plan.endpoint("Users").unwrap();
    let attribute = |name: &str| {
        let found = user.base.attributes.iter().find(|a| a.name.is(name));
        found.unwrap_or_else(|| panic!("{name}"))
    };
    let names: Vec<_> = user
        .base
        .attributes
        .iter()
        .map(|a| a.name.to_string())
        .collect();
    assert_eq!(
        names,
        [
            "userName", "name", "nickName", "title", "password", "emails"
        ]
    );
    assert_eq!(attribute("title").mutability, ReadOnly);
    assert_eq!(attribute("nickName").mutability, Immutable);
    assert_eq!(attribute("password").mutability, WriteOnly);
    assert!(attribute("name").sub_attributes[0].required);
    let subs: Vec<_> = attribute("emails")
        .sub_attributes
        .iter()
        .map(|a| a.name.to_string())
        .collect();
    assert_eq!(subs, ["value", "type", "primary"]);
    assert_eq!(
        attribute("emails").sub_attributes[1].canonical_values,
        ["work"]
    );
    assert!(user.extensions.is_empty());
}
