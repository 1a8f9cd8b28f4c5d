//! Access files, good and bad.

use super::*;

/// The access file that a text is.
pub(crate) fn authenticator(text: &str) -> Authenticator {
    load(&Source::new("access.yaml", text), &Files::default())
        .unwrap_or_else(|found| panic!("{}", found.render(false)))
}

fn findings(text: &str) -> String {
    let found = load(&Source::new("access.yaml", text), &Files::default())
        .err()
        .unwrap_or_default();
    found.render(false)
}

const HASH: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

#[test]
fn the_example_is_read() {
    let found = authenticator(&format!(
        "roles:
  provisioner: {{allow: [{{resources: [User, Group], verbs: [create, read, update, delete]}}]}}
  auditor: {{allow: [{{resources: \"*\", verbs: [read]}}]}}
accounts:
  - name: entra-prod
    roles: [provisioner, auditor]
    tenants: [corp, 7]
    tokens:
      - {{id: 1, sha256: \"{HASH}\", not_before: 2026-11-01, expires: 2027-02-01}}
      - {{id: k2, sha256: {}}}
  - {{name: idle, roles: [], tenants: \"*\", tokens: }}
  - {{name: parked, roles: [auditor], tenants: [], tokens: []}}
",
        "1".repeat(64)
    ));
    let shown: Vec<String> = found
        .accounts()
        .map(|a| format!("{} {:?} {:?} {}", a.name, a.roles, a.tenants, a.keys.len()))
        .collect();
    assert_eq!(
        shown,
        [
            r#"entra-prod ["provisioner", "auditor"] Only(["corp", "7"]) 2"#,
            "idle [] All 0",
            r#"parked ["auditor"] Only([]) 0"#,
        ]
    );
}

#[test]
fn every_mistake_is_reported_in_one_go() {
    insta::assert_snapshot!(findings(&format!(
        "roles:
  provisioner: {{allow: [{{resources: [User, 'a b'], verbs: [create, reed, purge]}}]}}
  feed: {{allow: [{{resources: [User], verbs: [read], attributes: [\"title x\"]}}]}}
  empty: {{allow: [{{resources: [], verbs: []}}]}}
  odd role: {{alow: []}}
accounts:
  - name: entra
    roles: [provisoner, feed, nobody]
    tenants: corp
    networks: [10.0.0.1/8, x]
    rate: {{requests: 50, bursts: 9}}
    tokens:
      - {{id: K1, sha256: \"abc\", expires: tomorrow}}
      - {{id: k2, sha256: {HASH}, not_before: 2027-02-01, expires: 2027-02-01}}
      - {{id: k2, sha256: {}}}
      - {{id: k3, sha256: postern_k3_abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG}}
  - {{name: entra, roles: provisioner, tenants: [corp, \"*\"], token: []}}
  - {{name: \"a\\nb\", networks: []}}
  - entra
oauth: {{}}
",
        HASH.to_uppercase()
    )));
}

#[test]
fn attribute_lists_are_read_strictly() {
    let role = |attributes: &str| {
        findings(&format!(
            "roles: {{r: {{allow: [{{resources: [User], verbs: [read], attributes: {attributes}}}]}}}}\n\
                 accounts: []\n"
        ))
    };
    for fine in [
        "[\"*\", \"-password\", \"-phoneNumbers\"]",
        "[title, NAME.familyName, \"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User\"]",
        "[\"urn:a:b:2.0:User\", \"-urn:a:b:2.0:User:x.y\", -title]",
        "[emails, -emails.value]",
    ] {
        assert_eq!(role(fine), "", "{fine}");
    }
    let mut all = String::new();
    for wrong in [
        "title",
        "[]",
        "[-title]",
        "[\"-*\"]",
        "[title, -phoneNumbers]",
        "[emails.value, -emails]",
        "['emails[type eq \"work\"].value', \"\", \"a b\", a.b.c, \"x:y\", \"urn:\", 'urn:x y', [a], 'te*']",
    ] {
        all += &format!("{wrong}\n{}\n", role(wrong));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn read_is_narrowed_in_one_way_only() {
    let mut all = String::new();
    for verbs in [
        "{read: by-name}",
        "{update: by-id}",
        "{read: by-id, update: by-id}",
        "read, {read: by-id}",
        "{read: by-id}, read",
        "by-id",
    ] {
        let text = format!(
            "roles: {{r: {{allow: [{{resources: [User], verbs: [{verbs}]}}]}}}}\naccounts: []\n"
        );
        all += &format!("{verbs}\n{}\n", findings(&text));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn a_token_is_no_name() {
    let token = format!("postern_k1_{}", "x".repeat(44));
    let text = "roles: {ROLE: {allow: []}}
accounts: [{name: ACCOUNT, roles: [], tenants: [TENANT]}]
operators: [{name: OPERATOR}]
";
    let good = ["ROLE", "ACCOUNT", "TENANT", "OPERATOR"];
    for place in good {
        let found = findings(&text.replace(place, &token));
        assert!(found.contains("this is a token, not a name"), "{found}");
        assert!(!found.contains("xxx"), "{found}");
    }
    assert!(!findings(text).contains("token"), "{}", findings(text));
}

#[test]
fn nothing_is_granted_by_omission() {
    insta::assert_snapshot!(findings(
        "roles: {r: {}, s: {allow: [{}]}}\naccounts: [{}]\n"
    ));
    assert_eq!(
        findings(""),
        "error: expected the access file as a table (`key: value`), found nothing\n\
             --> access.yaml"
    );
}

#[test]
fn operators_are_read_as_strictly() {
    let roles = "roles: {}\naccounts: [{name: a, roles: [], tenants: [], tokens: \
                     [{id: k1, sha256: ";
    let found = authenticator(&format!(
        "{roles}{HASH}}}]}}]\noperators:\n  - {{name: a, tokens: [{{id: o1, sha256: {}}}]}}\n  \
             - {{name: idle}}",
        "1".repeat(64)
    ));
    let shown: Vec<_> = found
        .operators()
        .map(|o| (&*o.name, o.keys.len()))
        .collect();
    assert_eq!(shown, [("a", 1), ("idle", 0)]);
    let none = authenticator("roles: {}\naccounts: []\noperators:\n");
    assert_eq!(none.operators().count(), 0);
    insta::assert_snapshot!(findings(&format!(
        "{roles}{HASH}}}]}}]
operators:
  - {{name: ops, tokens: [{{id: k1, sha256: {}}}, {{id: o2, sha256: {HASH}}}]}}
  - {{name: ops, roles: [], tenants: [], token: []}}
  - {{tokens: [{{id: o3, sha256: abc, expires: never}}]}}
  - ops
",
        "1".repeat(64)
    )));
}

#[test]
fn a_pasted_token_is_not_repeated() {
    let token = "postern_k3_abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
    let file = format!(
        "roles: {{}}\naccounts: [{{name: a, roles: [], tenants: [], tokens: [{{id: {token}, sha256: {token}, x_{token}: 1, expires: {token}}}]}}]\n"
    );
    let found = load(&Source::new("access.yaml", file), &Files::default()).unwrap_err();
    assert_eq!(found.iter().count(), 4);
    for finding in found.iter() {
        let all = finding.render(true) + &finding.render(false) + &finding.one_line();
        assert!(!all.contains("abcdefgh"), "{all}");
    }
}

#[test]
fn conditions_are_read_strictly() {
    let role = |resources: &str, verbs: &str, when: &str| {
        findings(&format!(
            "roles: {{r: {{allow: [{{resources: {resources}, verbs: [{verbs}], when: {when}}}]}}}}\n\
             accounts: []\n"
        ))
    };
    for (resources, fine) in [
        ("[User]", "'title eq \"x\" and not (name.familyName pr)'"),
        ("[User]", "'emails[type eq \"work\" and value ew \"@x\"]'"),
        (
            "[User]",
            "'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq \"IT\"'",
        ),
        ("[User]", "'urn:acme:2.0:User:badge pr'"),
        (
            "[User, Group]",
            "'displayName sw \"a\" or meta.created gt \"2026-01-01T00:00:00Z\"'",
        ),
        ("[Car]", "'wheels eq 4'"),
        ("\"*\"", "'title eq \"x\"'"),
    ] {
        assert_eq!(role(resources, "read, update, delete", fine), "", "{fine}");
    }
    let mut all = String::new();
    for (resources, verbs, wrong) in [
        ("[User]", "read", "'title eq'"),
        ("[User]", "read", "'title is \"x\"'"),
        ("[User]", "read", "''"),
        ("[User]", "read", "true"),
        ("[User]", "read", "[title pr]"),
        ("[User]", "read", "'department eq \"IT\"'"),
        ("[User]", "read", "'titel pr or emails.valu pr'"),
        ("[User, Group]", "read", "'members pr'"),
        ("[Group]", "read", "'members[typ eq \"User\"]'"),
        ("[User]", "read", "'title pr and not (password eq \"x\")'"),
        ("\"*\"", "read", "'PassWord pr'"),
        ("[User]", "create", "'title pr'"),
        ("[User]", "update, create", "'title pr'"),
        ("[User]", "read", "'active eq \"True\"'"),
    ] {
        all += &format!(
            "{resources} {verbs} {wrong}\n{}\n",
            role(resources, verbs, wrong)
        );
    }
    insta::assert_snapshot!(all);
}

#[test]
fn values_are_read_strictly() {
    let role = |more: &str| {
        findings(&format!(
            "roles: {{r: {{allow: [{{resources: [User], verbs: {more}}}]}}}}\naccounts: []\n"
        ))
    };
    for fine in [
        "[update], values: {title: [Clerk, null], NAME.familyName: {pattern: '[A-Z].*'}}",
        "[create], values: {active: [true], 'emails.type': [work, {pattern: 'h.*'}, 7]}",
        "[update, read], values: {'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department': [IT]}",
        "[update], values: {'urn:ietf:params:scim:schemas:core:2.0:User:title': [a], 'urn:acme:2.0:U:x': [1]}",
        "[update], attributes: [title, name], values: {title: [a], name.givenName: [b]}",
    ] {
        assert_eq!(role(fine), "", "{fine}");
    }
    let mut all = String::new();
    for wrong in [
        "[read], values: {title: [a]}",
        "[update], values: {}",
        "[update], values: [title]",
        "[update], values: {title: a, nickName: [], displayName: {patern: x}}",
        "[update], values: {name: [a], emails: [b], department: [IT], titel: [c], '*': [d], -title: [e]}",
        "[update], values: {active: ['true']}",
        "[update], values: {title: [[a]], nickName: {pattern: '('}, displayName: {pattern: '(?=a)'}}",
        "[update], values: {title: {pattern: '(\\w{900}){900}'}}",
        "[update], attributes: [title], values: {nickName: [a]}",
        "[update], attributes: ['*', -title], values: {title: [a]}",
    ] {
        all += &format!("{wrong}\n{}\n", role(wrong));
    }
    insta::assert_snapshot!(all);
}
