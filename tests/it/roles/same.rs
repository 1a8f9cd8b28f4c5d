//! `postern may --present` says what `serve` does with the same request and the same resource.

use std::process::Command;

use http::Method;
use serde_json::{Value, json};

use super::{CORE, ENTERPRISE, It};

fn patch(path: &str, value: impl Into<Value>) -> Value {
    let value: Value = value.into();
    json!([{"op": "replace", "path": path, "value": value}])
}

/// Requests about a user of this name: the method and the body.
fn requests(name: &str) -> Vec<(Method, Value)> {
    let put = |more: Value| {
        let mut body = json!({"schemas": [CORE], "userName": name});
        super::merge(&mut body, more);
        (Method::PUT, body)
    };
    let patched = [
        patch("title", json!("Boss")),
        patch("TITLE", json!("Chief")),
        patch("title", Value::Null),
        patch("title", json!(7)),
        patch("userName", json!("")),
        patch("userName", json!(format!("{name}-2"))),
        patch("active", json!(false)),
        patch("password", json!("x")),
        patch("groups", json!([{"value": "1"}])),
        patch("id", json!("9")),
        patch("name", json!({"givenName": "G2"})),
        patch("name", json!({"familyName": "F2"})),
        patch("name.givenName", json!({"x": 1})),
        patch(&format!("{ENTERPRISE}:department"), json!("HR")),
        patch("emails[type eq \"work\"].value", json!("x@example.com")),
        patch("bogus", json!("x")),
    ];
    let patched = patched.into_iter().map(|operations| {
        let body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": operations,
        });
        (Method::PATCH, body)
    });
    let more = [
        put(json!({})),
        put(json!({"title": "Boss"})),
        put(json!({"title": "Chief"})),
        put(json!({"active": true})),
        put(json!({"emails": [{"type": "work"}]})),
        put(json!({"name": {"givenName": "G"}})),
        (Method::PUT, json!({"schemas": [CORE], "title": "Clerk"})),
        (Method::DELETE, Value::Null),
    ];
    patched.chain(more).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_dry_decision_is_that_of_the_service() {
    let when = format!("when: '{ENTERPRISE}:department eq \"IT\"'");
    let accounts = [
        (
            "most",
            "create, read, update, delete], attributes: [\"*\", -name.familyName, -emails.value"
                .to_owned(),
        ),
        (
            "desk",
            format!(
                "read, update, delete], values: {{title: [Clerk, Boss, Root]}}, {when}}}, \
                 {{resources: [User], verbs: [update], attributes: [name"
            ),
        ),
    ];
    // What is protected is told by what the directory calls it.
    let it = It::with_rule(&accounts, |rule| {
        let protect = "  User:\n    protect: {filter: 'title eq \"Root\"'}\n";
        rule.replace("  User:\n", protect)
            .replace("resources:\n", "guard: {delete: {most: 0}}\nresources:\n")
    })
    .await;
    let (folder, mut statuses) = (&it.world.folder, std::collections::BTreeSet::new());
    for (account, department, title) in [
        ("admin", "IT", "Clerk"),
        ("admin", "IT", "Root"),
        ("most", "IT", "Clerk"),
        ("most", "HR", "Root"),
        ("desk", "IT", "Clerk"),
        ("desk", "IT", "Root"),
        ("desk", "HR", "Clerk"),
    ] {
        let user = |name: &str| {
            json!({
                "schemas": [CORE, ENTERPRISE], "userName": name, "active": true, "title": title,
                "name": {"familyName": "F", "givenName": "G"},
                "emails": [{"type": "work", "value": "a@example.com"}],
                (ENTERPRISE): {"department": department},
            })
        };
        // All at once: each operation of a bulk request is decided by itself.
        let operations = requests("u").into_iter().map(
            |(method, body)| json!({"method": method.as_str(), "path": "/Users/1", "data": body}),
        );
        let bulk = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
            "Operations": operations.collect::<Value>(),
        });
        let mut present = user("u");
        present["id"] = json!("1");
        std::fs::write(folder.join("present.json"), present.to_string()).unwrap();
        std::fs::write(folder.join("body.json"), bulk.to_string()).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_postern"))
            .args(["may", account, "POST", "/demo/scim/v2/Bulk"])
            .args(["--present", "present.json", "--body", "body.json"])
            .current_dir(folder)
            .output()
            .unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        let decisions: Vec<&str> = told.split("operation ").skip(1).collect();
        assert_eq!(decisions.len(), requests("u").len(), "{told}");
        for (index, told) in decisions.into_iter().enumerate() {
            let name = format!("{account}-{department}-{title}-{index}");
            let made = it.admin.post("/Users", &user(&name)).await.expect(201);
            let (method, body) = requests(&name).swap_remove(index);
            let path = format!("/Users/{}", made.id());
            let client = it.client(account);
            let served = client.json(method.clone(), &path, &body).await;
            let status = served.status.as_u16();
            let about =
                format!("{account} {method} {body}, {title}, {department}: {status}\n{told}");
            if status == 429 {
                // What was done before is not in any file.
                assert!(told.contains("room for one more `delete`"), "{about}");
            } else if status < 400 {
                assert!(told.contains(":\nallowed\n"), "{about}");
            } else {
                let detail = served.json()["detail"].as_str().unwrap().to_owned();
                let said = format!("would get: {status} {detail}\n");
                assert!(told.contains(&said), "{about}{detail}");
            }
            statuses.insert(status);
        }
    }
    for status in [200, 400, 403, 404, 429] {
        assert!(statuses.contains(&status), "{statuses:?}");
    }
}
