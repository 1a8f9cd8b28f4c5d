//! `postern check --request`: what a request would do, with the rules as they are shipped.

use serde_json::{Value, json};

use super::support::Program;
use super::support::program::Said;

/// The rules as they are shipped, with a password that is there.
struct Stage {
    program: Program,
    /// The path of the tenant.
    path: &'static str,
    text: String,
}

impl Stage {
    fn new(rule: &str, path: &'static str) -> Self {
        let lines = rule
            .lines()
            .map(|line| match line.split_once("password_file: ") {
                Some((before, _)) => format!("{before}password_file: password}}"),
                None => line.to_owned(),
            });
        let rule = lines.collect::<Vec<_>>().join("\n");
        let program = Program::new(&[("corp.yaml", &rule)]);
        program.write("rules/password", "hunter2");
        Self {
            program,
            path,
            text: String::new(),
        }
    }

    /// Takes down what a request would do. Only the status of the answer matters here.
    fn case(&mut self, what: &str, request: &str, body: Option<&Value>, entries: Option<&str>) {
        let said = self.said(request, body, entries);
        let answer = said.out.find("\n# the client would get").unwrap_or(0);
        let (acts, answer) = said.out.split_at(answer);
        let brief: Vec<&str> = answer.trim().lines().take(1).collect();
        let detail = answer.lines().filter(|line| line.contains("\"detail\""));
        self.text += &format!("======== {what} (exit {})\n", said.code.unwrap());
        self.text += &format!("{acts}\n{}\n", brief.join("\n"));
        self.text.extend(detail.map(|line| format!("{line}\n")));
        self.text += &said.err;
        self.text += "\n";
    }

    fn said(&self, request: &str, body: Option<&Value>, entries: Option<&str>) -> Said {
        let (method, rest) = request.split_once(' ').unwrap();
        let request = format!("{method} {}{rest}", self.path);
        let mut arguments = vec!["check", "--request", &request];
        if let Some(body) = body {
            self.program.write("body.json", &body.to_string());
            arguments.extend(["--body", "body.json"]);
        }
        if let Some(entries) = entries {
            self.program.write("entries.ldif", entries);
            arguments.extend(["--entries", "entries.ldif"]);
        }
        self.program.run(&arguments)
    }
}

fn patch(operations: &Value) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": operations,
    })
}

fn set(path: &str, value: &Value) -> Value {
    patch(&json!([{"op": "replace", "path": path, "value": value}]))
}

/// A new user with a password and a manager.
fn user(name: &str, manager: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE],
        "userName": name,
        "name": {"givenName": "Bj\u{f6}rn", "familyName": "Jensen"},
        "emails": [{"type": "work", "value": "bjorn@example.com"}],
        "password": "not to be seen",
        ENTERPRISE: {"manager": {"value": manager}},
    })
}

/// What every rule is asked.
fn usual(stage: &mut Stage, (user_id, group_id): (&str, &str), name: &str) {
    let user_path = format!("/Users/{user_id}");
    let group_path = format!("/Groups/{group_id}");
    let member = json!([{"value": user_id}]);
    stage.case("create", "POST /Users", Some(&user(name, user_id)), None);
    let add = json!([{"op": "add", "path": "members", "value": member}]);
    stage.case(
        "add a member",
        &format!("PATCH {group_path}"),
        Some(&patch(&add)),
        None,
    );
    let path = format!("members[value eq \"{user_id}\"]");
    let remove = patch(&json!([{"op": "remove", "path": path}]));
    stage.case(
        "remove a member",
        &format!("PATCH {group_path}"),
        Some(&remove),
        None,
    );
    stage.case(
        "disable",
        &format!("PATCH {user_path}"),
        Some(&set("active", &json!(false))),
        None,
    );
    stage.case("delete", &format!("DELETE {user_path}"), None, None);
    stage.case(
        "password",
        &format!("PATCH {user_path}"),
        Some(&set("password", &json!("not to be seen"))),
        None,
    );
    stage.case(
        "list",
        "GET /Users?filter=title eq \"a*b\" and not (active eq false)",
        None,
        None,
    );
    stage.case(
        "a filter that is refused",
        "GET /Users?filter=password eq \"x\"",
        None,
        None,
    );
}

#[test]
fn openldap() {
    let mut stage = Stage::new(OPENLDAP, "/openldap/scim/v2");
    usual(&mut stage, (USER, GROUP), "jensen");
    let rename = patch(&json!([
        {"op": "replace", "path": "userName", "value": "jensen, b"},
        {"op": "replace", "path": "title", "value": " \u{e4} "},
    ]));
    let path = format!("PATCH /Users/{USER}");
    stage.case("rename", &path, Some(&rename), None);
    let last = patch(&json!([
        {"op": "remove", "path": format!("members[value eq \"{USER}\"]")}
    ]));
    let path = format!("PATCH /Groups/{GROUP}");
    stage.case("the last member", &path, Some(&last), Some(PEOPLE));
    stage.case(
        "list with entries",
        "GET /Users?filter=userName sw \"j\"&attributes=userName,groups",
        None,
        Some(PEOPLE),
    );
    stage.case(
        "what is taken",
        "POST /Users",
        Some(&user("JENSEN", USER)),
        Some(PEOPLE),
    );
    insta::assert_snapshot!(stage.text);
}

#[test]
fn ds_389() {
    let mut stage = Stage::new(DS389, "/389ds/scim/v2");
    let (user_id, group_id) = (
        "66446001-1dd211b2-80a6a700-00000000",
        "76446001-1dd211b2-80a6a700-00000000",
    );
    usual(&mut stage, (user_id, group_id), "jensen");
    let path = format!("PATCH /Users/{user_id}");
    let department = format!("{ENTERPRISE}:department");
    let moves = set(&department, &json!("lab"));
    stage.case("move", &path, Some(&moves), None);
    insta::assert_snapshot!(stage.text);
}

#[test]
fn active_directory() {
    let mut stage = Stage::new(ACTIVE_DIRECTORY, "/ad/scim/v2");
    usual(&mut stage, (USER, GROUP), "jensen@example.com");
    let path = format!("PATCH /Users/{USER}");
    let rename = set("name.familyName", &json!("Jensen"));
    stage.case("rename", &path, Some(&rename), Some(STAFF));
    let again = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": "leaver@example.com",
        "name": {"familyName": "Leaver"},
        "active": true,
    });
    stage.case("revive", "POST /Users", Some(&again), Some(STAFF));
    let bulk = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": [
            {"method": "POST", "path": "/Users", "bulkId": "u", "data": {
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
                "userName": "new@example.com", "name": {"familyName": "New"}}},
            {"method": "POST", "path": "/Groups", "bulkId": "g", "data": {
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
                "displayName": "team", "members": [{"value": "bulkId:u"}]}},
        ],
    });
    stage.case("bulk", "POST /Bulk", Some(&bulk), None);
    insta::assert_snapshot!(stage.text);
}

/// No secret is in what is printed, wherever it comes from.
#[test]
fn no_secret_is_printed() {
    for (rule, path, name, id) in [
        (OPENLDAP, "/openldap/scim/v2", "x", USER),
        (ACTIVE_DIRECTORY, "/ad/scim/v2", "x@example.com", USER),
        (
            DS389,
            "/389ds/scim/v2",
            "x",
            "66446001-1dd211b2-80a6a700-00000000",
        ),
    ] {
        let stage = Stage::new(rule, path);
        let secret = set("password", &json!("not to be seen"));
        for (request, body) in [
            ("POST /Users".to_owned(), &user(name, id)),
            (format!("PATCH /Users/{id}"), &secret),
        ] {
            let said = stage.said(&request, Some(body), None);
            assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
            assert!(said.out.contains("(secret, 14 characters)"), "{}", said.out);
            let wide: String = "not".chars().flat_map(|c| [c, '\0']).collect();
            let coded = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, "not to be seen");
            for hidden in ["not to be seen", "hunter2", &wide, &coded] {
                assert!(!said.out.contains(hidden), "{}", said.out);
            }
            // What would set it is no line that does something.
            let sets = |line: &str| line.to_lowercase().contains("pwd:") && !line.starts_with('#');
            assert!(!said.out.lines().any(sets), "{}", said.out);
        }
    }
}

#[test]
fn what_is_wrong_is_told_before_anything_is_done() {
    let stage = Stage::new(OPENLDAP, "/openldap/scim/v2");
    let program = &stage.program;
    program.write("broken.json", "{\"a\": nonsense}");
    program.write("good.json", "{}");
    program.write(
        "broken.ldif",
        "dn: uid=a,dc=x\nuid: a\n\ndn: uid=b,dc=x\nuid b\n",
    );
    let users = "/openldap/scim/v2/Users";
    for (request, more, says) in [
        ("GET", &[][..], "`GET` is no request"),
        ("FETCH /x", &[], "`FETCH` is not GET"),
        (
            "GET /nowhere",
            &[],
            "no tenant is at `/nowhere`; tenants are at /openldap/scim/v2",
        ),
        ("GET /x/../y", &[], "the path `/x/../y` has a dot segment"),
        (&format!("POST {users}"), &[], "POST has a body"),
        (
            &format!("GET {users}"),
            &["--body", "good.json"],
            "GET has no body",
        ),
        (
            &format!("POST {users}"),
            &["--body", "broken.json"],
            "broken.json is not taken: line 1 column 7",
        ),
        (
            &format!("POST {users}"),
            &["--body", "none.json"],
            "none.json cannot be read",
        ),
        (
            &format!("GET {users}"),
            &["--entries", "broken.ldif"],
            "broken.ldif, line 5: this is no",
        ),
        (
            &format!("GET {users}"),
            &["--account", "amdin"],
            "no account `amdin`; did you mean `admin`?",
        ),
        (
            &format!("GET {users}"),
            &["--entries", "x", "--online"],
            "leave --entries away",
        ),
    ] {
        let said = program.run(&[&["check", "--request", request], more].concat());
        assert_eq!(said.code, Some(64), "{request}: {}", said.err);
        assert!(said.err.contains(says), "{request}: {}", said.err);
        assert_eq!(said.out, "", "{request}");
    }
    let said = program.run(&["check", "--body", "good.json"]);
    assert_eq!(said.code, Some(64), "{}", said.err);
}

#[test]
fn a_directory_of_another_kind_is_refused_in_words() {
    let rule = "tenant_url: https://localhost/corp\n\
                backend: {scim: {url: \"http://127.0.0.1:9/scim\"}}\n\
                resources: {User: {unmapped: pass}}\n";
    let program = Program::new(&[("corp.yaml", rule)]);
    let said = program.run(&["check", "--request", "GET /corp/Users"]);
    assert_eq!(said.code, Some(64));
    assert!(said.err.contains("`corp` is none of LDAP"), "{}", said.err);
}

/// What an account may not do is refused as it would be, and the directory hears nothing.
#[test]
fn the_role_decides_as_ever() {
    let stage = Stage::new(OPENLDAP, "/openldap/scim/v2");
    let program = &stage.program;
    program.write(
        "access.yaml",
        "roles:\n  reader: {allow: [{resources: [User], verbs: [read]}]}\n\
         accounts:\n  - {name: a, roles: [reader], tenants: [corp]}\n\
         \x20 - {name: b, roles: [reader], tenants: [corp]}\n\
         \x20 - {name: c, roles: [reader], tenants: []}\n",
    );
    let request = format!("DELETE /openldap/scim/v2/Users/{USER}");
    let said = program.run(&["check", "--request", &request]);
    assert_eq!(said.code, Some(64), "{}", said.err);
    assert!(
        said.err.contains("say which with --account (a, b)"),
        "{}",
        said.err
    );
    let said = program.run(&["check", "--request", &request, "--account", "b"]);
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(
        said.out.contains("the directory is asked nothing"),
        "{}",
        said.out
    );
    assert!(said.out.contains("would get: 403"), "{}", said.out);
}

/// An id that can be nobody's is told to be so.
#[test]
fn an_id_that_is_none_is_explained() {
    let stage = Stage::new(OPENLDAP, "/openldap/scim/v2");
    let said = stage.said("GET /Users/1234", None, None);
    assert_eq!(said.code, Some(1));
    assert!(
        said.out.contains("an id of a User is like 597ae2f6-"),
        "{}",
        said.out
    );
}

#[test]
fn a_directory_that_is_not_there_is_told_online() {
    let rule = OPENLDAP.replace(
        "ldaps://ldap1.example.com, ldaps://ldap2.example.com",
        "ldap://127.0.0.1:9",
    );
    let stage = Stage::new(&rule, "/openldap/scim/v2");
    let request = format!("GET /openldap/scim/v2/Users/{USER}");
    let said = stage
        .program
        .run(&["check", "--online", "--request", &request]);
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(
        said.err.contains("without --online nothing is asked of it"),
        "{}",
        said.err
    );
}

const USER: &str = "597ae2f6-16a6-1027-98f4-d28b5365dc14";
const GROUP: &str = "697ae2f6-16a6-1027-98f4-d28b5365dc14";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const OPENLDAP: &str = include_str!("../../rules/openldap.yaml");
const DS389: &str = include_str!("../../rules/389ds.yaml");
const ACTIVE_DIRECTORY: &str = include_str!("../../rules/active-directory.yaml");
const PEOPLE: &str = include_str!("rehearsal/people.ldif");
const STAFF: &str = include_str!("rehearsal/staff.ldif");
