//! A directory that refuses, hangs, resets, truncates or talks nonsense: each gets its SCIM error
//! within the deadline, no write is sent twice, and nothing of ours or the client's leaks.

use serde_json::json;

use crate::support::scripted::{Act, json_answer};
use crate::support::world::rule;
use crate::support::{Client, Scripted, World};

const PASS: &str =
    "  User:\n    attributes:\n      - {scim: userName, target: login}\n    unmapped: pass\n";

async fn behind(acts: impl IntoIterator<Item = Act>) -> (World, Client, Scripted) {
    let directory = Scripted::start(acts).await;
    let options =
        ", timeouts: {connect: 1s, head: 1s, idle: 1s}, supports: {patch: true, etag: true}";
    let text = rule("/t/scim/v2", &directory.url(), options, PASS);
    let world = World::start(&[("t", &text)]);
    let client = world.client("/t/scim/v2");
    (world, client, directory)
}

#[tokio::test]
async fn statuses_of_the_directory_become_ours() {
    for (theirs, ours, scim_type) in [
        (
            json_answer(400, r#"{"scimType":"invalidValue","detail":"x"}"#),
            400,
            Some("invalidValue"),
        ),
        (json_answer(400, "<html>"), 400, None),
        (json_answer(401, ""), 502, None),
        (json_answer(403, ""), 502, None),
        (json_answer(404, "{}"), 404, None),
        (
            json_answer(409, r#"{"scimType":"uniqueness"}"#),
            409,
            Some("uniqueness"),
        ),
        (json_answer(429, ""), 429, None),
        (json_answer(500, "oh no"), 502, None),
        (json_answer(501, ""), 501, None),
        (json_answer(503, ""), 503, None),
        (
            "HTTP/1.1 302 Found\r\nlocation: http://evil/\r\ncontent-length: 0\r\n\r\n".to_owned(),
            502,
            None,
        ),
        (json_answer(999, "{}"), 502, None),
        (json_answer(200, "not json"), 502, None),
        (json_answer(200, "{\"id\":\"1\",\"id\":\"2\"}"), 502, None),
        ("garbage\r\n\r\n".to_owned(), 502, None),
    ] {
        let (_world, client, directory) = behind([Act::Say(theirs.clone())]).await;
        let answer = client.put("/Users/7", &json!({"userName": "a"})).await;
        if ours == 503 || ours == 429 {
            assert!(answer.headers.contains_key("retry-after"), "{theirs}");
        }
        assert!(answer.headers.get("location").is_none());
        answer.expect_error(ours, scim_type);
        assert_eq!(
            directory.requests().len(),
            1,
            "a write is sent once: {theirs}"
        );
    }
}

#[tokio::test]
async fn hangs_resets_and_truncations() {
    let short = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"id\":".to_owned();
    for (act, get, post) in [
        (Act::Hang, [504, 504], 504),
        (Act::Reset, [502, 503], 502),
        (Act::SayAndClose(short), [502, 502], 502),
    ] {
        let (_world, client, directory) = behind([act]).await;
        let answer = client.post("/Users", &json!({"userName": "a"})).await;
        answer.expect_error(post, None);
        assert_eq!(directory.requests().len(), 1, "a write is sent once");
        let answer = client.get("/Users/1").await;
        let status = answer.status.as_u16();
        assert!(get.contains(&status), "{status}");
        answer.expect_error(status, None);
    }
}

#[tokio::test]
async fn a_directory_that_is_down() {
    let (_world, client, _) = {
        let text = rule("/t/scim/v2", "http://127.0.0.1:1", "", PASS);
        let world = World::start(&[("t", &text)]);
        let client = world.client("/t/scim/v2");
        (world, client, ())
    };
    let answer = client.get("/Users/1").await;
    assert!(answer.headers.contains_key("retry-after"));
    let detail = answer.expect_error(503, None);
    assert!(
        !detail.contains("127.0.0.1"),
        "no address of the directory leaks: {detail}"
    );
}

#[tokio::test]
async fn a_read_is_tried_again_and_a_write_is_not() {
    let user = json_answer(200, r#"{"id":"1","login":"a"}"#);
    let (_world, client, directory) = behind([Act::Reset, Act::Say(user)]).await;
    let answer = client.get("/Users/1").await.expect(200);
    assert_eq!(answer.json()["userName"], "a");
    assert_eq!(directory.requests().len(), 2);
}

#[tokio::test]
async fn a_list_is_whole_or_an_error() {
    let cut = r#"{"totalResults":2,"Resources":[{"id":"1","login":"a"},{"id":"2","#;
    for act in [
        Act::Say(json_answer(200, cut)),
        Act::Say(json_answer(
            200,
            r#"{"totalResults":1,"Resources":[{"id":"1","id":"2"}]}"#,
        )),
        Act::Say(json_answer(
            200,
            r#"{"totalResults":1,"Resources":[{"login":"a"}]}"#,
        )),
        Act::SayAndClose(format!(
            "HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{cut}"
        )),
    ] {
        let (_world, client, _directory) = behind([act]).await;
        client.get("/Users").await.expect_error(502, None);
    }
}

#[tokio::test]
async fn only_our_own_headers_reach_the_directory() {
    let user = json_answer(200, r#"{"id":"1","login":"a"}"#);
    let (_world, client, directory) = behind([Act::Say(user)]).await;
    let headers = [
        ("cookie", "session=1"),
        ("x-forwarded-for", "1.2.3.4"),
        ("forwarded", "for=1.2.3.4"),
        ("x-remote-user", "root"),
        ("x-http-method-override", "DELETE"),
        ("te", "trailers"),
        ("x-request-id", "abc-123"),
    ];
    client
        .send(http::Method::GET, "/Users/1", &headers, "")
        .await
        .expect(200);
    let request = directory.requests().remove(0).to_ascii_lowercase();
    assert!(request.contains("x-request-id: abc-123"), "{request}");
    assert!(
        request.contains(&format!("host: {}", directory.address)),
        "{request}"
    );
    for name in [
        "authorization",
        "cookie",
        "forwarded",
        "x-remote-user",
        "override",
        "\nte:",
        "localhost",
    ] {
        assert!(!request.contains(name), "{name}: {request}");
    }
}

#[tokio::test]
async fn an_untidy_answer_is_repaired() {
    let made = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 23\r\n\r\n{\"id\":17,\"login\":\"ann\"}";
    let (_world, client, _directory) = behind([Act::Say(made.to_owned())]).await;
    let answer = client
        .post("/Users", &json!({"userName": "ann"}))
        .await
        .expect(201);
    let user = answer.json();
    assert_eq!(answer.headers["content-type"], "application/scim+json");
    assert_eq!(
        answer.headers["location"],
        "https://localhost/t/scim/v2/Users/17"
    );
    assert_eq!(
        user["meta"]["location"],
        "https://localhost/t/scim/v2/Users/17"
    );
    assert_eq!(user["meta"]["resourceType"], "User");
    assert_eq!(user["id"], "17");
    assert_eq!(
        user["schemas"],
        json!(["urn:ietf:params:scim:schemas:core:2.0:User"])
    );
}

#[tokio::test]
async fn what_was_never_heard_of_comes_through_unchanged() {
    let body = r#"{"id":"1","login":"a","big":123456789012345678901234567890.10,"exp":1E400,"text":"\u00e9\ud83d\ude00\/","deep":{"A":[null,true,-0]}}"#;
    let (_world, client, _directory) = behind([Act::Say(json_answer(200, body))]).await;
    let answer = client.get("/Users/1").await.expect(200);
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    // To the letter: neither numbers nor escapes are spelled anew.
    let (_, unheard) = body.split_once("\"big\"").unwrap();
    assert!(text.contains(unheard.trim_end_matches('}')), "{text}");
    assert_eq!(answer.json()["text"], "é😀/");
}
