//! `values:`: what an attribute may become, on every channel that can set it.

use serde_json::{Value, json};

use super::{CORE, ENTERPRISE, It, merge};
use crate::support::{Answer, Client};

/// An attribute with what it may become, and what it may not, in every way that it can be named.
struct Bounded {
    /// As the role names it.
    role: &'static str,
    /// What the role says that it may become.
    values: &'static str,
    path: &'static str,
    document: fn(&Value) -> Value,
    fine: &'static [&'static str],
    wrong: &'static [&'static str],
    /// What a refusal tells of what would do.
    told: &'static str,
}

const BOUNDED: &[Bounded] = &[
    Bounded {
        role: "title",
        values: "[Clerk, Boss]",
        path: "title",
        document: |value| json!({"title": value}),
        // It is not case-exact.
        fine: &["\"Clerk\"", "\"boss\""],
        wrong: &["\"Chief\"", "\"Clerk \"", "7"],
        told: "`Clerk`, `Boss`",
    },
    Bounded {
        role: "'URN:ietf:params:scim:schemas:core:2.0:User:name.familyName'",
        values: "{pattern: '^(Junior|Senior) \\p{Lu}\\w+'}",
        path: "name.familyName",
        document: |value| json!({"name": {"familyName": value}}),
        fine: &["\"Senior Östberg\""],
        wrong: &["\"Senior\"", "\"a Senior Xy\"", "\"Senior Xy\\n\""],
        told: "",
    },
    Bounded {
        role: "active",
        values: "[true]",
        path: "active",
        document: |value| json!({"active": value}),
        fine: &["true", "\"True\""],
        wrong: &["false", "\"False\""],
        told: "`true`",
    },
    Bounded {
        role: "phoneNumbers.value",
        values: "['+49 1', {pattern: '\\+43 .*'}]",
        path: "phoneNumbers[type eq \"work\"].value",
        document: |value| json!({"phoneNumbers": [{"type": "work", "value": value}]}),
        fine: &["\"+43 2\"", "\"+49 1\""],
        wrong: &["\"+44 2\""],
        told: "",
    },
    Bounded {
        role: "'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department'",
        values: "[IT, HR]",
        path: "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
        document: |value| json!({(ENTERPRISE): {"department": value}}),
        fine: &["\"IT\"", "\"HR\""],
        wrong: &["\"Sales\""],
        told: "`IT`, `HR`",
    },
];

struct Case<'a> {
    it: &'a It,
    client: Client,
    bounded: &'a Bounded,
    /// A user who has a value that is allowed.
    path: String,
}

impl Case<'_> {
    fn value(&self, text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    async fn judge(&self, channel: &str, answer: Answer, value: &Value, allowed: bool) {
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let about = format!(
            "{} {channel} {value}: {} {text}",
            self.bounded.path, answer.status
        );
        if allowed {
            assert!(answer.status.is_success(), "{about}");
            return;
        }
        assert_eq!(answer.status, 403, "{about}");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        let name = self
            .bounded
            .role
            .trim_matches('\'')
            .rsplit(':')
            .next()
            .unwrap();
        assert!(detail.contains(name), "{about}");
        assert!(detail.contains(self.bounded.told), "{about}");
        if let Some(text) = value.as_str().filter(|text| !text.is_empty()) {
            assert!(!detail.contains(text), "never what was sent: {about}");
        }
    }

    async fn sets(&self, number: usize, value: &Value, allowed: bool) {
        let (client, named) = (&self.client, self.bounded);
        let body = |name: &str| {
            let mut body = json!({"schemas": [CORE, ENTERPRISE], "userName": name});
            merge(&mut body, (named.document)(value));
            body
        };
        let made = client.post("/Users", &body(&format!("new-{number}"))).await;
        self.judge("POST", made, value, allowed).await;
        for op in ["add", "replace"] {
            for (channel, change) in [
                (
                    "path",
                    json!({"op": op, "path": named.path, "value": value}),
                ),
                ("key", json!({"op": op, "value": {(named.path): value}})),
                (
                    "nested",
                    json!({"op": op, "value": (named.document)(value)}),
                ),
            ] {
                let answer = client.patch(&self.path, &json!([change])).await;
                self.judge(channel, answer, value, allowed).await;
                let bulk = json!({
                    "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
                    "Operations": [{"method": "PATCH", "path": self.path, "data": {
                        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
                        "Operations": [change],
                    }}],
                });
                let done = client.post("/Bulk", &bulk).await.expect(200).json();
                let wanted = if allowed { "200" } else { "403" };
                assert_eq!(
                    done["Operations"][0]["status"], wanted,
                    "{channel} {value}: {done}"
                );
            }
        }
        let name = self.it.seen(&self.path).await["userName"].clone();
        let put = client.put(&self.path, &body(name.as_str().unwrap())).await;
        self.judge("PUT", put, value, allowed).await;
    }

    async fn removes(&self) {
        let named = self.bounded;
        let attribute = named.path.split(['[', '.']).next().unwrap();
        let attribute = if named.path.starts_with("urn:") {
            named.path
        } else {
            attribute
        };
        let null = Value::Null;
        for change in [
            json!({"op": "remove", "path": named.path}),
            json!({"op": "remove", "path": attribute}),
            json!({"op": "replace", "path": named.path, "value": null}),
            json!({"op": "replace", "path": named.path, "value": []}),
            json!({"op": "replace", "value": {(named.path): null}}),
        ] {
            let answer = self.client.patch(&self.path, &json!([change])).await;
            self.judge("removal", answer, &null, false).await;
        }
        // What a PUT does not name stays.
        let before = self.it.seen(&self.path).await;
        let put = json!({"schemas": [CORE], "userName": before["userName"], (named.path): null});
        let put = if named.path.contains(['[', ':', '.']) {
            json!({"schemas": [CORE], "userName": before["userName"]})
        } else {
            put
        };
        self.client.put(&self.path, &put).await.expect(200);
        let after = self.it.seen(&self.path).await;
        let whole = attribute.rsplit_once(':').map_or(attribute, |(uri, _)| uri);
        assert!(!after[whole].is_null(), "{after}");
        assert_eq!(after[whole], before[whole], "{}", named.path);
    }
}

#[tokio::test]
async fn every_value_by_every_channel() {
    let accounts: Vec<(String, String)> = BOUNDED
        .iter()
        .enumerate()
        .map(|(index, bounded)| {
            let (role, values) = (bounded.role, bounded.values);
            let lines = format!("create, read, update], values: {{{role}: {values}}}");
            let nothing = format!("{lines}}}, {{resources: [Nothing], verbs: [read");
            (format!("b{index}"), nothing)
        })
        .collect();
    let listed: Vec<_> = accounts
        .iter()
        .map(|(n, v)| (n.as_str(), v.clone()))
        .collect();
    let it = It::start(&listed).await;
    let mut number = 0;
    for (bounded, (account, _)) in BOUNDED.iter().zip(&accounts) {
        let value: Value = serde_json::from_str(bounded.fine[0]).unwrap();
        let mut body = json!({"schemas": [CORE, ENTERPRISE], "userName": format!("u-{account}")});
        merge(&mut body, (bounded.document)(&value));
        let path = format!(
            "/Users/{}",
            it.admin.post("/Users", &body).await.expect(201).id()
        );
        let client = it.client(account);
        let case = Case {
            it: &it,
            client,
            bounded,
            path,
        };
        for (texts, allowed) in [(bounded.wrong, false), (bounded.fine, true)] {
            for text in texts {
                number += 1;
                let before = it.seen(&case.path).await;
                case.sets(number, &case.value(text), allowed).await;
                if !allowed {
                    let mut after = it.seen(&case.path).await;
                    after["meta"] = before["meta"].clone();
                    assert_eq!(after, before, "nothing was written");
                }
            }
        }
        case.removes().await;
    }
}

#[tokio::test]
async fn lines_with_values_add_up() {
    let it = It::start(&[(
        "both",
        format!(
            "read, update], values: {{title: [Clerk]}}}}, \
             {{resources: [User], verbs: [update], attributes: [title], values: {{title: [Boss, null]}}}}, \
             {{resources: [User], verbs: [update], when: '{ENTERPRISE}:department eq \"IT\"'}}, \
             {{resources: [Nothing], verbs: [read"
        ),
    )])
    .await;
    let client = it.client("both");
    let body = json!({"schemas": [CORE, ENTERPRISE], "userName": "u", "title": "Clerk"});
    let path = format!(
        "/Users/{}",
        it.admin.post("/Users", &body).await.expect(201).id()
    );
    let title = |value: Value| json!([{"op": "replace", "path": "title", "value": value}]);
    for fine in [json!("Boss"), json!("Clerk"), Value::Null] {
        client.patch(&path, &title(fine)).await.expect(200);
    }
    // A PUT that does not name it clears what may be null.
    client.patch(&path, &title(json!("Boss"))).await.expect(200);
    let put = json!({"schemas": [CORE], "userName": "u"});
    client.put(&path, &put).await.expect(200);
    assert!(it.seen(&path).await.get("title").is_none());
    let answer = client.patch(&path, &title(json!("Chief"))).await;
    let detail = answer.expect_error(403, None);
    assert!(detail.contains("`Clerk`, `Boss`"), "{detail}");
    // In IT another line allows whatever it is.
    let department = format!("{ENTERPRISE}:department");
    let change = json!([{"op": "replace", "path": department, "value": "IT"}]);
    it.admin.patch(&path, &change).await.expect(200);
    client
        .patch(&path, &title(json!("Chief")))
        .await
        .expect(200);
}

#[tokio::test]
async fn an_element_that_a_value_path_makes_obeys_too() {
    let it = It::start(&[(
        "types",
        "read, update], values: {phoneNumbers.type: [mobile]}}, {resources: [Nothing], verbs: [read"
            .to_owned(),
    )])
    .await;
    let client = it.client("types");
    let body = json!({"schemas": [CORE], "userName": "u"});
    let path = format!(
        "/Users/{}",
        it.admin.post("/Users", &body).await.expect(201).id()
    );
    for (kind, fine) in [("mobile", true), ("work", false)] {
        let path_of = format!("phoneNumbers[type eq \"{kind}\"].value");
        let change = json!([{"op": "add", "path": path_of, "value": "1"}]);
        let answer = client.patch(&path, &change).await;
        let status = answer.status.as_u16();
        let wanted: &[u16] = if fine { &[200] } else { &[400, 403] };
        assert!(wanted.contains(&status), "{kind} {status}");
        let list = json!([{"type": kind, "value": "2"}]);
        let change = json!([{"op": "replace", "path": "phoneNumbers", "value": list}]);
        let status = client.patch(&path, &change).await.status.as_u16();
        assert_eq!(status, if fine { 200 } else { 403 }, "{kind}");
    }
    let seen = it.seen(&path).await;
    assert_eq!(
        seen["phoneNumbers"],
        json!([{"type": "mobile", "value": "2"}])
    );
}
