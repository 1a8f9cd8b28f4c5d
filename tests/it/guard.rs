//! The guard: so much harm in a window and no more, whichever way it is said, with an operator's
//! leave to do more.

use http::{Method, Request};
use postern::net::Body;
use postern::net::oneshot::{Place, ask};
use serde_json::{Value, json};

use crate::support::client::plain_get;
use crate::support::exposition::Page;
use crate::support::{Answer, Client, Registry, World};

/// A program in front of a registry, with a guard.
pub(crate) struct It {
    pub world: World,
    pub client: Client,
    pub registry: Registry,
}

impl It {
    pub(crate) async fn start(supports: &str, head: &str, user: &str, group: &str) -> Self {
        let registry = Registry::start().await;
        let text = rule(&registry, supports, head, user, group);
        let world = World::start(&[("corp", &text)]);
        let client = world.client("/corp");
        Self {
            world,
            client,
            registry,
        }
    }

    /// With people `u0` to `u19`, and this guard.
    async fn guarded(guard: &str) -> Self {
        let it = Self::start(ALL, &format!("guard: {guard}\n"), "", "").await;
        for number in 0..20 {
            it.registry.user(&format!("u{number}"), json!({}));
        }
        it
    }

    pub(crate) async fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let probe = self.world.running().probe;
        let (_, text) = plain_get(probe, "/metrics").await.unwrap();
        let labels = [&[("tenant", "corp")], labels].concat();
        Page::read(&text).get(name, &labels).unwrap_or(0.0)
    }

    async fn control(&self, method: Method, path: &str, body: &Value) -> (u16, Value) {
        let address = self.world.running().control.clone();
        let mut request = Request::new(match body {
            Value::Null => Body::Empty,
            body => Body::Full(body.to_string().into()),
        });
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().unwrap();
        let headers = request.headers_mut();
        headers.insert("host", "localhost".parse().unwrap());
        headers.insert("connection", "close".parse().unwrap());
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
        let answer = ask(&Place::Tcp(address), request, deadline, 1 << 20).await;
        let answer = answer.unwrap();
        let value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        (answer.status.as_u16(), value)
    }

    async fn status(&self) -> Value {
        let (_, status) = self.control(Method::GET, "/status", &Value::Null).await;
        status["tenants"][0]["guard"].clone()
    }

    async fn active(&self, id: &str, active: Value) -> Answer {
        let patch = json!([{"op": "replace", "path": "active", "value": active}]);
        self.client.patch(&format!("/Users/{id}"), &patch).await
    }
}

pub(crate) fn rule(
    registry: &Registry,
    supports: &str,
    head: &str,
    user: &str,
    group: &str,
) -> String {
    let url = registry.url();
    format!(
        "tenant_url: https://localhost/corp\n\
         backend:\n  scim: {{url: \"{url}\", supports: {supports}}}\n\
         {head}resources:\n\
         \x20 User:\n{user}\
         \x20   attributes:\n\
         \x20     - {{scim: userName, target: userName, required: true}}\n\
         \x20     - {{scim: displayName, target: displayName}}\n\
         \x20     - {{scim: title, target: title}}\n\
         \x20     - {{scim: active, target: active}}\n\
         \x20     - {{scim: password, target: password, direction: write}}\n\
         \x20     - {{scim: x509Certificates, target: x509Certificates}}\n\
         \x20 Group:\n{group}\
         \x20   attributes:\n\
         \x20     - {{scim: displayName, target: displayName, required: true}}\n\
         \x20     - {{scim: members, target: members}}\n"
    )
}

pub(crate) const ALL: &str = "{patch: true, etag: true, filter: true, sort: true, page: true}";
const OLD: &str = "{patch: false, etag: false, filter: true, sort: true, page: true}";

/// A PATCH of a group: whether the answer shows it is the directory's choice.
pub(crate) fn done(answer: &Answer) {
    assert!(answer.status.is_success(), "{:?}", answer.body);
}

fn refused(answer: Answer) -> u64 {
    let wait = answer.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    let detail = answer.expect_error(429, None);
    assert!(detail.contains("nothing was changed"), "{detail}");
    wait
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deletions_end_at_the_limit_and_users_and_groups_count_apart() {
    let it = It::guarded("{window: 1h, delete: {most: 3}}").await;
    it.registry.group("g0", &[], json!({}));
    for id in 0..3 {
        it.client.delete(&format!("/Users/u{id}")).await.expect(204);
    }
    let wait = refused(it.client.delete("/Users/u3").await);
    assert!((3_500..=3_660).contains(&wait), "{wait}");
    assert!(!it.registry.held("/Users/u3").is_null());
    it.client.delete("/Groups/g0").await.expect(204);
    // What is not there takes no place, and what else is done is not the guard's.
    it.active("u3", json!(false)).await.expect(200);
    let of = async |effect| {
        let labels = [("effect", effect)];
        it.metric("postern_guard_refused_total", &labels).await
    };
    assert_eq!(of("delete").await, 1.0);
    assert_eq!(of("disable").await, 0.0);
    let status = it.status().await;
    assert_eq!(status["window_seconds"], 3_600);
    assert_eq!(status["counts"][1]["count"], 3, "{status}");
    assert_eq!(status["counts"][1]["refused"], 1, "{status}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_directory_refuses_takes_no_place() {
    let it = It::guarded("{delete: {most: 1}, disable: {most: 1}}").await;
    for _ in 0..3 {
        it.client.delete("/Users/nobody").await.expect(404);
    }
    it.registry.refuse(Some(("DELETE", 400)));
    it.client.delete("/Users/u0").await.expect(400);
    it.registry.refuse(Some(("DELETE", 503)));
    it.client.delete("/Users/u0").await.expect(503);
    it.registry.refuse(Some(("PATCH", 409)));
    it.active("u0", json!(false)).await.expect(409);
    // Whether a 500 has done it, nobody knows: its place is kept.
    it.registry.refuse(Some(("DELETE", 500)));
    it.client.delete("/Users/u0").await.expect(502);
    it.registry.refuse(None);
    refused(it.client.delete("/Users/u0").await);
    it.active("u0", json!(false)).await.expect(200);
    refused(it.active("u1", json!(false)).await);
}

/// Every way to disable somebody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disabling_counts_however_it_is_said() {
    let said = [
        json!([{"op": "replace", "path": "active", "value": false}]),
        json!([{"op": "Replace", "path": "ACTIVE", "value": "False"}]),
        json!([{"op": "add", "path": "active", "value": false}]),
        json!([{"op": "replace", "value": {"active": false}}]),
        json!([{"op": "replace", "value": {"urn:ietf:params:scim:schemas:core:2.0:User:active": false}}]),
        json!([{"op": "replace", "path": "urn:ietf:params:scim:schemas:core:2.0:User:active", "value": false}]),
        json!([{"op": "replace", "value": {"urn:ietf:params:scim:schemas:core:2.0:User": {"active": false}}}]),
        json!([{"op": "remove", "path": "active"}]),
        json!([{"op": "replace", "path": "title", "value": "x"},
               {"op": "replace", "path": "active", "value": true},
               {"op": "replace", "path": "active", "value": false}]),
    ];
    for supports in [ALL, OLD] {
        let it = It::start(supports, "guard: {disable: {most: 0}}\n", "", "").await;
        it.registry.user("u", json!({}));
        for patch in &said {
            refused_or_not_understood(&it.client.patch("/Users/u", patch).await, patch);
            assert_eq!(it.registry.held("/Users/u")["active"], true, "{patch}");
        }
        let put = |active: Value| json!({"schemas": [], "userName": "u", "active": active});
        refused(it.client.put("/Users/u", &put(json!(false))).await);
        refused(it.client.put("/Users/u", &put(Value::Null)).await);
        it.client
            .put("/Users/u", &put(json!(true)))
            .await
            .expect(200);
        let bulk = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
            "Operations": [
                {"method": "PATCH", "path": "/Users/u", "data": {"Operations": said[0]}},
                {"method": "PUT", "path": "/Users/u", "data": put(json!(false))},
            ]
        });
        let results = it.client.post("/Bulk", &bulk).await.expect(200).json();
        for result in results["Operations"].as_array().unwrap() {
            assert_eq!(result["status"], "429", "{results}");
        }
        assert_eq!(it.registry.held("/Users/u")["active"], true);
        // A repeat, and everything else, is let through.
        it.registry.user("u", json!({"active": false}));
        it.active("u", json!(false)).await.expect(200);
        it.client
            .put("/Users/u", &put(json!(false)))
            .await
            .expect(200);
        it.active("u", json!(true)).await.expect(200);
        it.client
            .patch(
                "/Users/u",
                &json!([{"op": "replace", "path": "title", "value": "y"}]),
            )
            .await
            .expect(200);
    }
}

fn refused_or_not_understood(answer: &Answer, patch: &Value) {
    let status = answer.status.as_u16();
    assert!(status == 429 || status == 400, "{status} {patch}");
    let whole_schema = patch.to_string().contains("User\":{\"active");
    assert!(status == 429 || whole_schema, "{patch}: {:?}", answer.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn emptying_counts_however_it_is_said() {
    let said = [
        json!([{"op": "replace", "path": "members", "value": []}]),
        json!([{"op": "remove", "path": "members"}]),
        json!([{"op": "remove", "path": "members[value pr]"}]),
        json!([{"op": "remove", "path": "members[value ne \"u9\"]"}]),
        json!([{"op": "replace", "value": {"members": [{"value": "u9"}]}}]),
        json!([{"op": "remove", "path": "members[value eq \"u0\"]"},
               {"op": "remove", "path": "members[value eq \"u1\"]"}]),
        json!([{"op": "remove", "path": "members", "value": [{"value": "u0"}, {"value": "u1"}]}]),
    ];
    for supports in [ALL, OLD] {
        let it = It::start(supports, "guard: {empty: {most: 0}}\n", "", "").await;
        it.registry.group("g", &["u0", "u1", "u2"], json!({}));
        for patch in &said {
            refused(it.client.patch("/Groups/g", patch).await);
        }
        let put = |members: Value| json!({"schemas": [], "displayName": "g", "members": members});
        refused(it.client.put("/Groups/g", &put(json!([]))).await);
        refused(
            it.client
                .put("/Groups/g", &put(json!([{"value": "u0"}])))
                .await,
        );
        let held = it.registry.held("/Groups/g");
        assert_eq!(held["members"].as_array().unwrap().len(), 3);
        let most = json!([{"value": "u0"}, {"value": "u1"}]);
        it.client.put("/Groups/g", &put(most)).await.expect(200);
        let one = json!([{"op": "remove", "path": "members[value eq \"u0\"]"}]);
        done(&it.client.patch("/Groups/g", &one).await);
        let more = json!([{"op": "add", "path": "members", "value": [{"value": "u5"}]}]);
        done(&it.client.patch("/Groups/g", &more).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_side_by_side_cannot_pass_the_limit_together() {
    let it = It::start(ALL, "guard: {delete: {most: 10}}\n", "", "").await;
    for number in 0..64 {
        it.registry.user(&format!("u{number}"), json!({}));
    }
    // None of them is done before all have come.
    let gate = it.registry.gate();
    let deletions: Vec<_> = (0..64)
        .map(|number| {
            let client = it.client.http2();
            tokio::spawn(async move {
                let answer = client.delete(&format!("/Users/u{number}")).await;
                answer.status.as_u16()
            })
        })
        .collect();
    gate.add_permits(64);
    let mut done = [0, 0];
    for deletion in deletions {
        match deletion.await.unwrap() {
            204 => done[0] += 1,
            429 => done[1] += 1,
            other => panic!("{other}"),
        }
    }
    assert_eq!(done, [10, 54]);
    assert_eq!(it.registry.users(), 54);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_lets_more_through_and_ends_it() {
    let it = It::guarded("{delete: {most: 0}, disable: {most: 0}}").await;
    refused(it.client.delete("/Users/u0").await);
    let order = json!({"tenant": "corp", "effect": "delete", "most": 2});
    let (status, answer) = it.control(Method::POST, "/guard/release", &order).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["released"][0]["left"], 2);
    assert_eq!(answer["released"][0]["by"], "loopback");
    assert_eq!(it.metric(RELEASED, &[]).await, 1.0);
    refused(it.active("u1", json!(false)).await);
    it.client.delete("/Users/u0").await.expect(204);
    it.client.delete("/Users/nobody").await.expect(404);
    it.client.delete("/Users/u1").await.expect(204);
    refused(it.client.delete("/Users/u2").await);
    assert_eq!(it.metric(RELEASED, &[]).await, 0.0);

    let order = json!({"tenant": "corp", "seconds": 600});
    it.control(Method::POST, "/guard/release", &order).await;
    assert_eq!(it.status().await["released"].as_array().unwrap().len(), 2);
    it.client.delete("/Users/u2").await.expect(204);
    it.active("u3", json!(false)).await.expect(200);
    let order = json!({"tenant": "corp", "effect": "disable"});
    it.control(Method::POST, "/guard/hold", &order).await;
    refused(it.active("u4", json!(false)).await);
    it.client.delete("/Users/u3").await.expect(204);
    it.control(Method::POST, "/guard/hold", &json!({"tenant": "corp"}))
        .await;
    refused(it.client.delete("/Users/u4").await);

    for (order, wanted) in [
        (json!({"tenant": "other"}), 409),
        (json!({"tenant": "corp", "effect": "empty"}), 409),
        (json!({"tenant": "corp", "effect": "all"}), 400),
        (json!({}), 400),
    ] {
        let (status, _) = it.control(Method::POST, "/guard/release", &order).await;
        assert_eq!(status, wanted, "{order}");
    }
    let (status, _) = it
        .control(Method::GET, "/guard/release", &Value::Null)
        .await;
    assert_eq!(status, 405);
}

const RELEASED: &str = "postern_guard_released";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_keeps_the_window_and_takes_the_new_limit() {
    let it = It::guarded("{delete: {most: 2}}").await;
    it.client.delete("/Users/u0").await.expect(204);
    it.client.delete("/Users/u1").await.expect(204);
    let reload = async |guard: &str| {
        let text = rule(&it.registry, ALL, guard, "", "");
        std::fs::write(it.world.folder.join("rules/corp.yaml"), text).unwrap();
        let (status, answer) = it.control(Method::POST, "/reload", &Value::Null).await;
        assert_eq!(status, 200, "{answer}");
    };
    reload("guard: {window: 2h, delete: {most: 3}}\n").await;
    it.client.delete("/Users/u2").await.expect(204);
    refused(it.client.delete("/Users/u3").await);
    reload("").await;
    it.client.delete("/Users/u3").await.expect(204);
    reload("guard: {delete: {most: 3}}\n").await;
    refused(it.client.delete("/Users/u4").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_share_is_of_what_the_directory_says_there_is() {
    let it = It::guarded("{delete: {share: 10%}, disable: {most: 1, share: 50%}}").await;
    it.client.delete("/Users/u0").await.expect(204);
    let asked = it.registry.asked();
    let counts = asked.iter().filter(|line| line.contains("count=0"));
    assert_eq!(counts.count(), 1, "{asked:?}");
    it.client.delete("/Users/u1").await.expect(204);
    refused(it.client.delete("/Users/u2").await);
    assert_eq!(it.registry.asked(), ["DELETE /Users/u1"]);
    let status = it.status().await;
    assert_eq!(status["counts"][0]["known_resources"], 20, "{status}");
    assert_eq!(status["counts"][0]["most"], 2, "{status}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_share_of_what_is_not_known_lets_nothing_through() {
    let it = It::guarded("{delete: {share: 10%}, disable: {most: 1, share: 50%}}").await;
    it.registry.refuse(Some(("GET", 500)));
    let answer = it.client.delete("/Users/u0").await;
    assert!(answer.headers.contains_key("retry-after"));
    answer.expect_error(503, None);
    assert_eq!(it.registry.users(), 20);
    it.registry.refuse(None);
    // With a number beside it the number holds until the share is known. (The directory is left
    // alone for a while after it has failed to say.)
    it.active("u0", json!(false)).await.expect(200);
    refused(it.active("u1", json!(false)).await);
    let order = json!({"tenant": "corp", "effect": "delete"});
    it.control(Method::POST, "/guard/release", &order).await;
    it.client.delete("/Users/u0").await.expect(204);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bulk_is_decided_one_operation_at_a_time() {
    let it = It::guarded("{delete: {most: 3}}").await;
    let operations: Vec<_> = (0..5)
        .map(|number| json!({"method": "DELETE", "path": format!("/Users/u{number}")}))
        .collect();
    let bulk = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": operations,
    });
    let results = it.client.post("/Bulk", &bulk).await.expect(200).json();
    let results = results["Operations"].as_array().unwrap().clone();
    let statuses: Vec<_> = results
        .iter()
        .map(|result| result["status"].clone())
        .collect();
    assert_eq!(statuses, ["204", "204", "204", "429", "429"]);
    assert_eq!(it.registry.users(), 17);
}
