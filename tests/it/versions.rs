//! Versions: If-Match and If-None-Match, a directory without PATCH served under its ETag, one
//! without ETag by looking twice, and a PUT that never erases what the rule cannot see.

use serde_json::{Value, json};

use crate::support::scripted::{Act, json_answer};
use crate::support::world::rule;
use crate::support::{Client, Scripted, World};

const MAPPED: &str = "  User:\n    attributes:\n      - {scim: userName, target: login}\n      \
    - {scim: title, target: job}\n    unmapped: drop\n";

async fn behind(supports: &str, acts: Vec<Act>) -> (World, Client, Scripted) {
    let directory = Scripted::start(acts).await;
    let options = format!(", supports: {{{supports}}}");
    let text = rule("/t/scim/v2", &directory.url(), &options, MAPPED);
    let world = World::start(&[("t", &text)]);
    let client = world.client("/t/scim/v2");
    (world, client, directory)
}

fn versioned(tag: &str, body: &str) -> Act {
    Act::Say(format!(
        "HTTP/1.1 200 OK\r\netag: {tag}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ))
}

fn body(request: &str) -> Value {
    serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap()
}

const ANN: &str = r#"{"id":"1","login":"ann","job":"clerk","room":"12"}"#;

#[tokio::test]
async fn patch_by_read_modify_replace_under_if_match() {
    let (_world, client, directory) = behind(
        "patch: false, etag: true",
        vec![
            versioned("\"v1\"", ANN),
            versioned("\"v2\"", &ANN.replace("clerk", "chief")),
        ],
    )
    .await;
    let patch = json!([{"op": "replace", "path": "title", "value": "chief"}]);
    let answer = client.patch("/Users/1", &patch).await.expect(200);
    assert_eq!(answer.json()["title"], "chief");
    let requests = directory.requests();
    assert!(requests[0].starts_with("GET /Users/1"), "{requests:?}");
    assert!(requests[1].starts_with("PUT /Users/1"), "{requests:?}");
    assert!(
        requests[1]
            .to_ascii_lowercase()
            .contains("if-match: \"v1\""),
        "{requests:?}"
    );
    let sent = body(&requests[1]);
    assert_eq!(
        (&sent["login"], &sent["job"], &sent["room"]),
        (&json!("ann"), &json!("chief"), &json!("12"))
    );
}

#[tokio::test]
async fn a_lost_race_is_run_again_a_bounded_number_of_times() {
    let conflict = Act::Say(json_answer(412, ""));
    let (_world, client, directory) = behind(
        "patch: false, etag: true",
        vec![
            versioned("\"v1\"", ANN),
            conflict.clone(),
            versioned("\"v2\"", &ANN.replace("12", "13")),
            versioned("\"v3\"", &ANN.replace("clerk", "chief").replace("12", "13")),
        ],
    )
    .await;
    let patch = json!([{"op": "replace", "path": "title", "value": "chief"}]);
    client.patch("/Users/1", &patch).await.expect(200);
    let requests = directory.requests();
    assert_eq!(requests.len(), 4);
    assert_eq!(
        body(&requests[3])["room"],
        "13",
        "what the other wrote is kept"
    );

    let mut acts = Vec::new();
    for _ in 0..8 {
        acts.extend([versioned("\"v1\"", ANN), conflict.clone()]);
    }
    let (_world, client, directory) = behind("patch: false, etag: true", acts).await;
    let answer = client.patch("/Users/1", &patch).await;
    assert!(answer.headers.contains_key("retry-after"));
    answer.expect_error(503, None);
    let writes = directory
        .requests()
        .iter()
        .filter(|r| r.starts_with("PUT"))
        .count();
    assert_eq!(writes, 8);
}

#[tokio::test]
async fn the_clients_own_condition_is_412() {
    let (_world, client, directory) =
        behind("patch: false, etag: true", vec![versioned("\"v2\"", ANN)]).await;
    let headers = [
        ("content-type", "application/scim+json"),
        ("if-match", "\"v1\""),
    ];
    let text =
        json!({"Operations": [{"op": "replace", "path": "title", "value": "x"}]}).to_string();
    client
        .send(http::Method::PATCH, "/Users/1", &headers, text)
        .await
        .expect_error(412, None);
    assert!(directory.requests().iter().all(|r| r.starts_with("GET")));
}

#[tokio::test]
async fn a_directory_without_versions_is_looked_at_twice() {
    let same = Act::Say(json_answer(200, ANN));
    let done = Act::Say(json_answer(200, &ANN.replace("clerk", "chief")));
    let (_world, client, directory) = behind(
        "patch: false, etag: false",
        vec![same.clone(), same.clone(), done],
    )
    .await;
    let patch = json!([{"op": "replace", "path": "title", "value": "chief"}]);
    client.patch("/Users/1", &patch).await.expect(200);
    let methods: Vec<String> = directory
        .requests()
        .iter()
        .map(|r| r.split(' ').next().unwrap().to_owned())
        .collect();
    assert_eq!(methods, ["GET", "GET", "PUT"]);
}

#[tokio::test]
async fn a_put_keeps_what_the_rule_cannot_see() {
    let (_world, client, directory) = behind(
        "patch: true, etag: true",
        vec![
            versioned("\"v1\"", ANN),
            versioned("\"v2\"", r#"{"id":"1","login":"anna","room":"12"}"#),
        ],
    )
    .await;
    client
        .put("/Users/1", &json!({"userName": "anna"}))
        .await
        .expect(200);
    let requests = directory.requests();
    let sent = body(&requests[1]);
    assert_eq!(sent["login"], "anna");
    assert_eq!(sent["room"], "12", "not mapped, so not erased");
    assert!(
        sent.get("job").is_none(),
        "mapped and absent, so cleared: {sent}"
    );
    assert!(
        requests[1]
            .to_ascii_lowercase()
            .contains("if-match: \"v1\"")
    );
}

#[tokio::test]
async fn reads_carry_versions() {
    let (_world, client, directory) = behind("etag: true", vec![versioned("W/\"v7\"", ANN)]).await;
    let answer = client.get("/Users/1").await.expect(200);
    assert_eq!(answer.headers["etag"], "W/\"v7\"");
    assert_eq!(answer.json()["meta"]["version"], "W/\"v7\"");
    let headers = [("if-none-match", "W/\"v7\"")];
    client
        .send(http::Method::GET, "/Users/1", &headers, "")
        .await
        .expect(304);
    assert!(!directory.requests().is_empty());
}

#[tokio::test]
async fn tags_of_a_directory_that_does_not_honour_them_do_not_stand_in_the_way() {
    let tagged = r#"{"id":"1","login":"ann","job":"clerk","meta":{"version":"W/\"1\""}}"#;
    let (_world, client, directory) = behind(
        "patch: false, etag: false",
        vec![
            Act::Say(json_answer(200, tagged)),
            Act::Say(json_answer(200, tagged)),
            Act::Say(json_answer(412, "")),
            Act::Say(json_answer(200, tagged)),
        ],
    )
    .await;
    let patch = json!([{"op": "replace", "path": "title", "value": "chief"}]);
    client.patch("/Users/1", &patch).await.expect(200);
    let puts: Vec<String> = directory
        .requests()
        .into_iter()
        .filter(|r| r.starts_with("PUT"))
        .collect();
    assert_eq!(puts.len(), 2);
    assert!(
        !puts[1].to_ascii_lowercase().contains("if-match"),
        "{puts:?}"
    );
}
