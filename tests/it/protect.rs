//! Protected resources: every way around the protection that is known, and that what harms nothing
//! goes on.

use serde_json::{Value, json};

use crate::guard::{ALL, It, done};
use crate::support::{Answer, World};

const OLD: &str = "{patch: false, etag: false, filter: true, sort: true, page: true}";
const BLIND: &str = "{patch: true, etag: true, filter: false, sort: false, page: true}";
const URN: &str = "urn:ietf:params:scim:schemas:core:2.0";

/// `root` and the group `admins` are protected by id, `boss` and the group `board` for what they
/// are. `ada` and `ben` are anybody; `staff` is in `board` through `middle`.
async fn start(supports: &str) -> It {
    let by = |id: &str| format!("    protect: {{filter: 'adminCount eq 1', ids: [{id}]}}\n");
    let it = It::start(supports, "", &by("root"), &by("admins")).await;
    let registry = &it.registry;
    registry.user("root", json!({"title": "t"}));
    // The number as a text: what the directory writes makes no difference.
    registry.user("boss", json!({"adminCount": 1}));
    registry.user("text", json!({"adminCount": "1"}));
    registry.user("ada", json!({}));
    registry.user("ben", json!({}));
    registry.group("admins", &["ada"], json!({}));
    registry.group("board", &["middle"], json!({"adminCount": 1}));
    registry.group("middle", &["staff", "ben"], json!({}));
    registry.group("staff", &["ada"], json!({}));
    registry.group("plain", &["ada", "ben"], json!({}));
    registry.group("holds", &["inner"], json!({}));
    registry.group("inner", &["boss"], json!({}));
    it
}

fn protected(answer: Answer) {
    let detail = answer.expect_error(403, None);
    assert!(detail.contains("the rule"), "{detail}");
    assert!(!detail.contains("adminCount"), "{detail}");
}

fn members(ids: &[&str]) -> Value {
    ids.iter().map(|id| json!({ "value": id })).collect()
}

fn group(name: &str, ids: &[&str]) -> Value {
    json!({"schemas": [format!("{URN}:Group")], "displayName": name, "members": members(ids)})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_protected_user_is_neither_deleted_disabled_renamed_nor_let_in() {
    for supports in [ALL, OLD, BLIND] {
        let it = start(supports).await;
        for user in ["root", "boss"] {
            let path = format!("/Users/{user}");
            let before = it.registry.held(&path);
            protected(it.client.delete(&path).await);
            for patch in [
                json!([{"op": "replace", "path": "active", "value": false}]),
                json!([{"op": "Replace", "path": "Active", "value": "False"}]),
                json!([{"op": "remove", "path": "active"}]),
                json!([{"op": "replace", "value": {"active": false}}]),
                json!([{"op": "replace", "value": {format!("{URN}:User:active"): false}}]),
                json!([{"op": "replace", "path": "userName", "value": "other"}]),
                json!([{"op": "replace", "path": "USERNAME", "value": "other"}]),
                json!([{"op": "replace", "value": {"userName": "other", "title": "x"}}]),
                json!([{"op": "replace", "path": format!("{URN}:User:userName"), "value": "other"}]),
                json!([{"op": "add", "path": "password", "value": "s3cret"}]),
                json!([{"op": "replace", "value": {"PASSWORD": "s3cret"}}]),
                json!([{"op": "replace", "value": {format!("{URN}:User:password"): "s3cret"}}]),
                json!([{"op": "replace", "path": "title", "value": "x"},
                       {"op": "replace", "path": "password", "value": "s3cret"}]),
                json!([{"op": "add", "path": "x509Certificates", "value": [{"value": "MIIB"}]}]),
                json!([{"op": "replace", "value": {"x509Certificates": [{"value": "MIIB"}]}}]),
            ] {
                let answer = it.client.patch(&path, &patch).await;
                assert_eq!(answer.status, 403, "{patch}: {:?}", answer.body);
                protected(answer);
            }
            let put = |more: Value| {
                let mut body = json!({"schemas": [format!("{URN}:User")], "userName": user});
                body["active"] = json!(true);
                for (name, value) in more.as_object().unwrap() {
                    body[name] = value.clone();
                }
                body
            };
            for more in [
                json!({"active": false}),
                json!({"active": null}),
                json!({"userName": "other"}),
                json!({"password": "s3cret"}),
                json!({"x509Certificates": [{"value": "MIIB"}]}),
            ] {
                protected(it.client.put(&path, &put(more)).await);
            }
            let bulk = json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
                "Operations": [
                    {"method": "DELETE", "path": path},
                    {"method": "PUT", "path": path, "data": put(json!({"active": false}))},
                    {"method": "PATCH", "path": path, "data": {"Operations": [
                        {"op": "replace", "path": "password", "value": "s3cret"}]}},
                ]
            });
            let results = it.client.post("/Bulk", &bulk).await.expect(200).json();
            for result in results["Operations"].as_array().unwrap() {
                assert_eq!(result["status"], "403", "{results}");
            }
            assert_eq!(it.registry.held(&path), before);
            // What harms nothing is done, and what changes nothing as well.
            let patch = json!([{"op": "replace", "path": "title", "value": "chief"},
                               {"op": "replace", "path": "active", "value": true}]);
            it.client.patch(&path, &patch).await.expect(200);
            it.client
                .put(&path, &put(json!({"title": "more"})))
                .await
                .expect(200);
            it.registry
                .user(user, json!({"active": false, "adminCount": 1}));
            let repeat = json!([{"op": "replace", "path": "active", "value": false}]);
            it.client.patch(&path, &repeat).await.expect(200);
        }
        protected(it.client.delete("/Users/text").await);
        it.client
            .delete("/Users/ROOT")
            .await
            .expect_error(404, None);
        let refused = it.metric("postern_protected_refused_total", &[]).await;
        assert!(refused > 40.0, "{refused}");
        it.client.delete("/Groups/plain").await.expect(204);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_members_of_a_protected_group_stay_who_they_are() {
    for supports in [ALL, OLD, BLIND] {
        let it = start(supports).await;
        // Two by what they are; `middle` and `staff` through them.
        for id in ["admins", "board", "middle", "staff"] {
            let path = format!("/Groups/{id}");
            let before = it.registry.held(&path);
            let inside = before["members"][0]["value"].as_str().unwrap();
            for patch in [
                json!([{"op": "add", "path": "members", "value": members(&["eve"])}]),
                json!([{"op": "add", "value": {"members": members(&["eve"])}}]),
                json!([{"op": "add", "value": {"MEMBERS": members(&["eve"])}}]),
                json!([{"op": "add", "value": {format!("{URN}:Group:members"): members(&["eve"])}}]),
                json!([{"op": "add", "path": format!("{URN}:Group:members"), "value": members(&["eve"])}]),
                json!([{"op": "remove", "path": "members"}]),
                json!([{"op": "remove", "path": format!("members[value eq \"{inside}\"]")}]),
                json!([{"op": "Remove", "path": "members", "value": members(&[inside])}]),
                json!([{"op": "replace", "path": "members", "value": members(&["eve"])}]),
                json!([{"op": "replace", "path": "members", "value": []}]),
                json!([{"op": "replace", "path": format!("members[value eq \"{inside}\"].value"), "value": "eve"}]),
            ] {
                let answer = it.client.patch(&path, &patch).await;
                assert!([400, 403].contains(&answer.status.as_u16()), "{id} {patch}");
                let sub = patch.to_string().contains("].value");
                assert!(
                    sub || answer.status == 403,
                    "{id} {patch}: {:?}",
                    answer.body
                );
            }
            protected(it.client.put(&path, &group(id, &["eve"])).await);
            protected(it.client.put(&path, &group(id, &[])).await);
            protected(it.client.delete(&path).await);
            assert_eq!(it.registry.held(&path), before, "{id}");
            // The same members again change nothing.
            let all: Vec<_> = before["members"].as_array().unwrap().iter().collect();
            let all: Vec<_> = all.iter().map(|m| m["value"].as_str().unwrap()).collect();
            it.client.put(&path, &group(id, &all)).await.expect(200);
            let again = json!([{"op": "add", "path": "members", "value": members(&[inside])}]);
            done(&it.client.patch(&path, &again).await);
        }
        for id in ["admins", "board"] {
            let rename = json!([{"op": "replace", "path": "displayName", "value": "x"}]);
            protected(it.client.patch(&format!("/Groups/{id}"), &rename).await);
        }
        // Who belongs to one is not deleted out of it, however far down.
        protected(it.client.delete("/Users/ada").await);
        protected(it.client.delete("/Users/ben").await);
        it.registry.user("eve", json!({}));
        it.client.delete("/Users/eve").await.expect(204);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_protected_resource_becomes_a_member_of_nothing() {
    for supports in [ALL, OLD, BLIND] {
        let it = start(supports).await;
        let before = it.registry.held("/Groups/plain");
        // Themselves; a group that is protected; groups that have them, two levels down.
        for id in ["root", "boss", "ROOT", "admins", "board", "inner", "holds"] {
            let add = json!([{"op": "add", "path": "members", "value": members(&["ben", id])}]);
            protected(it.client.patch("/Groups/plain", &add).await);
            let put = group("plain", &["ada", "ben", id]);
            protected(it.client.put("/Groups/plain", &put).await);
            protected(it.client.post("/Groups", &group("new", &["ada", id])).await);
            let bulk = json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
                "Operations": [
                    {"method": "POST", "path": "/Groups", "bulkId": "a", "data": group("a", &["ada"])},
                    {"method": "POST", "path": "/Groups", "bulkId": "b",
                     "data": group("b", &["bulkId:a", id])},
                    {"method": "PATCH", "path": "/Groups/bulkId:a", "data": {"Operations": [
                        {"op": "add", "value": {"members": members(&[id])}}]}},
                ]
            });
            let results = it.client.post("/Bulk", &bulk).await.expect(200).json();
            let of = |n: usize| {
                results["Operations"][n]["status"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            };
            assert_eq!(
                [of(0), of(1), of(2)],
                ["201", "403", "403"],
                "{id} {results}"
            );
        }
        assert_eq!(it.registry.held("/Groups/plain"), before);
        // One that stands there already may stay, and leave.
        it.registry.group("old", &["boss", "ada"], json!({}));
        let add = json!([{"op": "add", "path": "members", "value": members(&["boss", "ben"])}]);
        done(&it.client.patch("/Groups/old", &add).await);
        let leave = json!([{"op": "remove", "path": "members[value eq \"boss\"]"}]);
        done(&it.client.patch("/Groups/old", &leave).await);
        protected(it.client.patch("/Groups/old", &add).await);
        it.client
            .post("/Groups", &group("new", &["ada", "plain"]))
            .await
            .expect(201);
    }
}

/// Chains and circles end, and what is too deep is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_found_out_is_refused() {
    let it = start(ALL).await;
    it.registry.group("c0", &["c1"], json!({}));
    it.registry.group("c1", &["c0", "ada"], json!({}));
    let add = json!([{"op": "add", "path": "members", "value": members(&["ben"])}]);
    done(&it.client.patch("/Groups/c0", &add).await);
    for number in 0..12 {
        let inner = format!("d{}", number + 1);
        it.registry
            .group(&format!("d{number}"), &[&inner], json!({}));
    }
    let detail = it
        .client
        .patch("/Groups/d11", &add)
        .await
        .expect_error(403, None);
    assert!(detail.contains("could not be found out"), "{detail}");
    let add = json!([{"op": "add", "path": "members", "value": members(&["d0"])}]);
    let detail = it
        .client
        .patch("/Groups/c0", &add)
        .await
        .expect_error(403, None);
    assert!(detail.contains("could not be found out"), "{detail}");
    // A directory that says no to the questions says nothing about the resources.
    it.registry.refuse(Some(("GET", 500)));
    let answer = it.client.post("/Groups", &group("new", &["ada"])).await;
    assert!(answer.status.is_server_error(), "{:?}", answer.status);
    assert!(
        it.registry
            .asked()
            .iter()
            .all(|line| !line.starts_with("POST"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_are_few_and_a_directory_that_takes_no_filters_is_read() {
    let it = start(ALL).await;
    for number in 0..30 {
        it.registry.user(&format!("m{number}"), json!({}));
    }
    let ids: Vec<_> = (0..30).map(|number| format!("m{number}")).collect();
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    it.registry.asked();
    it.client
        .post("/Groups", &group("new", &ids))
        .await
        .expect(201);
    let asked = it.registry.asked();
    assert_eq!(asked.len(), 4, "{asked:?}");
    it.registry.deafen();
    it.client
        .post("/Groups", &group("new", &ids[..2]))
        .await
        .expect(201);
    protected(
        it.client
            .post("/Groups", &group("new", &["m0", "holds"]))
            .await,
    );
    let asked = it.registry.asked();
    assert!(asked.contains(&"GET /Users/m1".to_owned()), "{asked:?}");
    // Nothing is asked for what touches nothing that anybody protects.
    it.client.get("/Users/ada").await.expect(200);
    assert_eq!(it.registry.asked(), ["GET /Users/ada"]);
}

/// The state that is checked is the state that is written: who is made protected in between is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_protects_cannot_be_taken_away_first() {
    let by = "    protect: {filter: 'title eq \"keeper\"'}\n";
    for supports in [ALL, OLD] {
        let it = It::start(supports, "", by, "").await;
        it.registry.user("ada", json!({"title": "keeper"}));
        let title = json!([{"op": "replace", "path": "title", "value": "guest"}]);
        protected(it.client.patch("/Users/ada", &title).await);
        let name = json!([{"op": "replace", "path": "displayName", "value": "Ada"}]);
        it.client.patch("/Users/ada", &name).await.expect(200);
        it.registry.user("ben", json!({}));
        let keeper = json!([{"op": "replace", "path": "title", "value": "keeper"}]);
        it.client.patch("/Users/ben", &keeper).await.expect(200);
        protected(it.client.delete("/Users/ben").await);
        let born =
            json!({"schemas": [format!("{URN}:User")], "userName": "eve", "title": "keeper"});
        let eve = it.client.post("/Users", &born).await.expect(201).id();
        protected(it.client.delete(&format!("/Users/{eve}")).await);
    }
}
/// The demo's directory: names of its own, numbers for ids, no PATCH.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_of_the_old_kind_is_protected_as_well() {
    let secret = postern::net::Secret::new("s3cret".to_owned());
    let started = postern::demo::directory::Directory::start(secret, None).await;
    let (address, _directory) = started.unwrap();
    let text = postern::demo::rule("https://localhost/demo", &format!("http://{address}"));
    let entry = text
        .lines()
        .find(|line| line.contains("path: people"))
        .unwrap();
    let text = text.replace(
        entry,
        &format!("{entry}\n    protect: {{filter: \"no eq 1\"}}"),
    );
    let entry = text
        .lines()
        .find(|line| line.contains("path: teams"))
        .unwrap();
    let text = text.replace(entry, &format!("{entry}\n    protect: {{ids: [\"6\"]}}"));
    let world = World::prepared(&[("demo", &text)], &[("directory-token", "s3cret")]);
    let client = world.client("/demo");
    protected(client.delete("/Users/1").await);
    protected(client.delete("/Groups/6").await);
    let team = client
        .post("/Groups", &group("new", &["3"]))
        .await
        .expect(201)
        .id();
    let path = format!("/Groups/{team}");
    let add = |id: &str| json!([{"op": "add", "path": "members", "value": members(&[id])}]);
    protected(client.patch(&path, &add("1")).await);
    protected(client.patch("/Groups/6", &add("9")).await);
    done(&client.patch(&path, &add("2")).await);
    let eve = json!({"schemas": [format!("{URN}:User")], "userName": "newcomer"});
    let eve = client.post("/Users", &eve).await.expect(201).id();
    client.delete(&format!("/Users/{eve}")).await.expect(204);
}
