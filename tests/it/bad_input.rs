//! What bad input gets: every row of the table that the documentation promises, and nothing of it
//! reaches the directory.

use http::Method;
use serde_json::json;

use crate::support::scripted::{Act, json_answer};
use crate::support::world::rule;
use crate::support::{Client, Scripted, World};

const RESOURCES: &str = "  User:\n    attributes:\n      \
    - {scim: userName, target: login, required: true}\n      \
    - {scim: displayName, target: shown}\n      \
    - {scim: active, target: status, values: {\"true\": on, \"false\": off}, otherwise: error}\n    \
    unmapped: reject\n  \
  Group:\n    attributes:\n      - {scim: displayName, target: name, required: true}\n      \
    - {scim: members, target: members}\n";

/// A tenant whose directory would answer anything; the tests see that it is not asked.
struct Door {
    world: World,
    client: Client,
    directory: Scripted,
}

impl Door {
    async fn start() -> Self {
        let list = json_answer(200, r#"{"totalResults":0,"Resources":[]}"#);
        let directory = Scripted::start([Act::Say(list)]).await;
        let text = rule("/t/scim/v2", &directory.url(), "", RESOURCES);
        let world = World::start(&[("t", &text)]);
        let client = world.client("/t/scim/v2");
        Self {
            world,
            client,
            directory,
        }
    }

    #[track_caller]
    fn nothing_was_asked(&self) {
        assert_eq!(self.directory.requests(), Vec::<String>::new());
    }

    async fn post_text(&self, body: impl Into<bytes::Bytes>) -> crate::support::Answer {
        let headers = [("content-type", "application/scim+json")];
        self.client
            .send(Method::POST, "/Users", &headers, body)
            .await
    }
}

#[tokio::test]
async fn bodies_that_are_not_strict_json() {
    let it = Door::start().await;
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(70), "]".repeat(70));
    for body in [
        &b"{"[..],
        b"",
        b"[]",
        b"\"x\"",
        b"{\"userName\":\"a\",\"userName\":\"b\"}",
        b"{\"userName\":\"a\",\"USERNAME\":\"b\"}",
        b"{\"userName\":\"a\",\"user\\u004eame\":\"b\"}",
        b"{\"userName\":\"\xff\"}",
        b"{\"userName\":\"\\ud800\"}",
        b"{\"userName\":\"a\"} x",
        b"{\"userName\":01}",
        b"{\"$serde_json::private::Number\":\"1\"}",
        deep.as_bytes(),
    ] {
        let detail = it
            .post_text(body.to_vec())
            .await
            .expect_error(400, Some("invalidSyntax"));
        assert!(!detail.is_empty());
    }
    it.nothing_was_asked();
}

#[tokio::test]
async fn bodies_that_are_too_large_or_of_another_type() {
    let it = Door::start().await;
    let large = format!("{{\"userName\":\"{}\"}}", "x".repeat(1 << 20));
    it.post_text(large).await.expect_error(413, None);
    for media in [
        "text/plain",
        "application/xml",
        "application/x-www-form-urlencoded",
        "json",
    ] {
        let headers = [("content-type", media)];
        it.client
            .send(Method::POST, "/Users", &headers, "{}")
            .await
            .expect_error(415, None);
    }
    let headers = [
        ("content-type", "application/json"),
        ("content-encoding", "gzip"),
    ];
    it.client
        .send(Method::POST, "/Users", &headers, "{}")
        .await
        .expect_error(415, None);
    it.nothing_was_asked();
}

#[tokio::test]
async fn filters_and_paths_that_do_not_parse_or_translate() {
    let it = Door::start().await;
    for filter in [
        "userName",
        "userName eq",
        "userName eq bjensen",
        "userName xx \"a\"",
        "(userName eq \"a\"",
        "userName eq \"a\" and",
        "nickName eq \"a\"",
        "password eq \"a\"",
        "active gt true",
        "userName eq \"a\")",
    ] {
        let query: String = filter.bytes().map(|b| format!("%{b:02X}")).collect();
        let detail = it
            .client
            .get(&format!("/Users?filter={query}"))
            .await
            .expect_error(400, Some("invalidFilter"));
        assert!(!detail.is_empty(), "{filter}");
    }
    for path in ["emails[", "name..familyName", "1a", "userName eq"] {
        it.client
            .patch(
                "/Users/1",
                &json!([{"op": "replace", "path": path, "value": "x"}]),
            )
            .await
            .expect_error(400, Some("invalidPath"));
    }
    it.nothing_was_asked();
}

#[tokio::test]
async fn unknown_places_and_wrong_methods() {
    let it = Door::start().await;
    it.client.get("/Things").await.expect_error(404, None);
    it.client.get("/users").await.expect_error(404, None);
    it.client
        .at("/other/scim/v2")
        .get("/Users")
        .await
        .expect_error(404, None);
    it.client.get("/Me").await.expect_error(501, None);
    for (method, path, allow) in [
        (Method::PUT, "/Users", "GET, POST"),
        (Method::DELETE, "/Users", "GET, POST"),
        (Method::POST, "/Users/1", "GET, PUT, PATCH, DELETE"),
        (Method::GET, "/Bulk", "POST"),
        (Method::POST, "/Schemas", "GET"),
        (Method::PATCH, "/ServiceProviderConfig", "GET"),
        (Method::DELETE, "/ResourceTypes", "GET"),
        (Method::GET, "/Users/.search", "POST"),
    ] {
        let answer = it.client.json(method.clone(), path, &json!({})).await;
        assert_eq!(
            answer.headers.get("allow").map(|v| v.to_str().unwrap()),
            Some(allow),
            "{method} {path}"
        );
        answer.expect_error(405, None);
    }
    it.client
        .get("/Schemas?filter=id%20pr")
        .await
        .expect_error(403, None);
    it.nothing_was_asked();
}

#[tokio::test]
async fn paths_that_are_not_canonical() {
    let it = Door::start().await;
    for path in [
        "/Users/..%2fGroups",
        "/./Users",
        "//Users",
        "/Users/%00",
        "/Users/a;b",
        "/Users/%ff",
        "/Users/%5c",
    ] {
        it.client.get(path).await.expect_error(400, None);
    }
    it.nothing_was_asked();
}

#[tokio::test]
async fn the_host_is_never_believed() {
    let it = Door::start().await;
    let mut client = it.client.clone();
    client.host = "evil.example".to_owned();
    client.get("/Users").await.expect_error(421, None);
    client.http2().get("/Users").await.expect_error(421, None);
    it.nothing_was_asked();
}

#[tokio::test]
async fn attributes_that_cannot_be_taken() {
    let it = Door::start().await;
    let detail = it
        .client
        .post("/Users", &json!({"userName": "a", "nickName": "n"}))
        .await
        .expect_error(400, Some("invalidValue"));
    assert!(detail.contains("nickName"), "{detail}");
    let detail = it
        .client
        .post("/Users", &json!({"displayName": "a"}))
        .await
        .expect_error(400, Some("invalidValue"));
    assert!(detail.contains("userName"), "{detail}");
    let detail = it
        .client
        .patch(
            "/Users/1",
            &json!([{"op": "replace", "path": "id", "value": "2"}]),
        )
        .await
        .expect_error(400, Some("mutability"));
    assert!(detail.contains("id"), "{detail}");
    it.nothing_was_asked();
}

#[tokio::test]
async fn a_value_that_the_mapping_cannot_produce_is_not_asked_for() {
    let it = Door::start().await;
    let list = it
        .client
        .get("/Users?filter=active%20eq%20%22maybe%22")
        .await
        .expect(200)
        .json();
    assert_eq!(list["totalResults"], 0);
    it.nothing_was_asked();
    it.client
        .get("/Users?filter=active%20eq%20false")
        .await
        .expect(200);
    assert!(
        it.directory.requests()[0].contains("status%20eq%20%22off%22"),
        "{:?}",
        it.directory.requests()
    );
}

#[tokio::test]
async fn a_connection_stays_usable_after_an_error() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let it = Door::start().await;
    let mut stream = it.world.tls_stream().await;
    let token = it.client.authorization.clone();
    for _ in 0..3 {
        let body = "{\"userName\":}";
        let request = format!(
            "POST /t/scim/v2/Users HTTP/1.1\r\nhost: localhost\r\nauthorization: {token}\r\n\
             content-type: application/scim+json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        while !text.contains("invalidSyntax") {
            let mut part = [0; 4096];
            let n = stream.read(&mut part).await.unwrap();
            assert_ne!(n, 0, "closed after: {text}");
            text.push_str(std::str::from_utf8(&part[..n]).unwrap());
        }
        assert!(text.starts_with("HTTP/1.1 400 "), "{text}");
    }
}
