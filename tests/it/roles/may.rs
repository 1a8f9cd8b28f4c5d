//! `postern may`: the decision, and the line that made it.

use std::fmt::Write as _;

use serde_json::json;

use super::ENTERPRISE;
use crate::support::Program;

const ACCESS: &str = "roles:
  reader:
    allow:
      - {resources: [User, Group], verbs: [read], attributes: [\"*\", -phoneNumbers]}
  desk:
    allow:
      - resources: [User]
        verbs: [update, delete]
        attributes: [title, name.givenName]
        values: {title: [Clerk, Boss]}
        when: 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq \"IT\"'
      - {resources: [User], verbs: [read], when: 'title eq \"Clerk\"'}
  maker: {allow: [{resources: [User], verbs: [create]}, {resources: [Group], verbs: [update], attributes: [displayName]}]}
accounts:
  - {name: reader, roles: [reader], tenants: [corp], networks: [10.0.0.0/8]}
  - {name: desk, roles: [desk, maker], tenants: [corp]}
  - {name: elsewhere, roles: [reader], tenants: [other]}
";

fn program() -> Program {
    let rule = |path: &str| {
        let text = postern::demo::rule(
            &format!("https://localhost{path}"),
            "http://127.0.0.1:9/api",
        );
        text.replace("    bearer_file: directory-token\n", "")
            .replace("  Group:\n", "  Group:\n    forbidden: discard\n")
    };
    let program = Program::new(&[
        ("corp.yaml", &rule("/corp")),
        ("other.yaml", &rule("/other")),
    ]);
    program.write("access.yaml", ACCESS);
    let user = |department: &str| {
        json!({"id": "1", "title": "Clerk", (ENTERPRISE): {"department": department}}).to_string()
    };
    program.write("it.json", &user("IT"));
    program.write("hr.json", &user("HR"));
    let patch = |operations| {
        json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": operations,
        })
    };
    let title = |value| patch(json!([{"op": "replace", "path": "title", "value": value}]));
    program.write("boss.json", &title("Boss").to_string());
    program.write("chief.json", &title("Chief").to_string());
    let group = patch(
        json!([{"op": "replace", "value": {"displayName": "x", "externalId": "secret-value"}}]),
    );
    program.write("group.json", &group.to_string());
    let bulk = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": [
            {"method": "POST", "path": "/Users", "bulkId": "new", "data": {"userName": "x"}},
            {"method": "PATCH", "path": "/Users/bulkId:new", "data": title("Boss")},
            {"method": "DELETE", "path": "/Groups/1"},
        ],
    });
    program.write("bulk.json", &bulk.to_string());
    program.write("bad.json", "{");
    program
}

#[test]
fn it_says_who_may_what_by_which_line() {
    let program = program();
    let mut all = String::new();
    for arguments in [
        "reader GET /corp/Users/1",
        "reader GET https://localhost/corp/Users?filter=phoneNumbers%20pr",
        "reader GET /corp/Users --from 10.1.2.3",
        "reader GET /corp/Users --from 192.0.2.1",
        "reader DELETE /corp/Users/1",
        "elsewhere get /corp/Users/1",
        "reader GET https://example.com/corp/Users/1",
        "reader GET /nowhere/Users/1",
        "desk PATCH /corp/Users/1 --body boss.json",
        "desk PATCH /corp/Users/1 --body boss.json --present it.json",
        "desk PATCH /corp/Users/1 --body boss.json --present hr.json",
        "desk PATCH /corp/Users/1 --body chief.json --present it.json",
        "desk DELETE /corp/Users/1 --present it.json",
        "desk GET /corp/Users/1",
        "desk GET /corp/Users/1 --present it.json",
        "desk PATCH /corp/Groups/1 --body group.json",
        "desk POST /corp/Bulk --body bulk.json --present it.json",
        "desk PATCH /corp/Users/1 --body bad.json",
        "desk GET /corp/ServiceProviderConfig",
    ] {
        let words: Vec<&str> = ["may"].into_iter().chain(arguments.split(' ')).collect();
        let said = program.run(&words);
        writeln!(
            all,
            "$ postern may {arguments}\n{}{}exit {:?}\n",
            said.out,
            said.err,
            said.code.unwrap()
        )
        .unwrap();
        assert!(!said.out.contains("secret-value"));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn wrong_usage_is_told_kindly() {
    let program = program();
    for (arguments, told) in [
        (
            "readr GET /corp/Users",
            "there is no account `readr`; did you mean `reader`?",
        ),
        ("reader FETCH /corp/Users", "`FETCH` is not GET"),
        (
            "reader PATCH /corp/Users/1 --body none.json",
            "none.json cannot be read",
        ),
        (
            "reader GET /corp/Users/1 --present bad.json",
            "bad.json is not taken",
        ),
        ("reader GET /corp/Users/1 --config none.yaml", "none.yaml"),
        (
            "reader PATCH /corp/Users/1 --body - --present -",
            "cannot both",
        ),
    ] {
        let words: Vec<&str> = ["may"].into_iter().chain(arguments.split(' ')).collect();
        let said = program.run(&words);
        assert_eq!(said.code, Some(64), "{arguments}: {}", said.err);
        assert!(said.err.contains(told), "{arguments}: {}", said.err);
    }
}
