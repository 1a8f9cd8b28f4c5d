//! Who is let in, to what, and in which order that is told.

use super::*;

async fn status(world: &World, change: impl FnOnce(&mut Request<Body>)) -> u16 {
    let mut request = request(Method::GET, "/corp/v2/Users", &Value::Null);
    change(&mut request);
    world.send(request).await.status
}

fn set(request: &mut Request<Body>, name: &'static str, value: &str) {
    request.headers_mut().insert(name, value.parse().unwrap());
}

#[tokio::test]
async fn strangers_learn_nothing_from_the_path() {
    let world = World::new(Fake::new());
    for path in [
        "/corp/v2/Users",
        "/nowhere",
        "/corp/../x",
        "/corp/v2/Nothing",
        "//",
    ] {
        for token in [
            None,
            Some("Bearer postern_k1_wrong"),
            Some("Basic eDp5"),
            Some("Bearer"),
        ] {
            let mut request = request(Method::GET, path, &Value::Null);
            request.headers_mut().remove("authorization");
            if let Some(token) = token {
                set(&mut request, "authorization", token);
            }
            let got = world.send(request).await;
            assert_eq!(got.status, 401, "{path} {token:?}");
            assert!(
                got.header("www-authenticate")
                    .starts_with("Bearer realm=\"scim\"")
            );
            assert_eq!(got.body["status"], "401");
        }
    }
    assert!(world.counts("postern_authentication_failures_total{reason=\"unknown\"} 5"));
}

#[tokio::test]
async fn after_that_each_refusal_is_its_own() {
    let world = World::new(Fake::new());
    let path = |path: &'static str| {
        move |request: &mut Request<Body>| *request.uri_mut() = path.parse().unwrap()
    };
    assert_eq!(status(&world, |_| ()).await, 200);
    assert_eq!(status(&world, path("/nowhere/v2/Users")).await, 404);
    assert_eq!(status(&world, path("/other/v2/Users")).await, 403);
    assert_eq!(status(&world, path("/other/v2/Schemas")).await, 403);
    assert_eq!(status(&world, path("/corp/v2/%2e%2e/Users")).await, 400);
    assert_eq!(status(&world, path("/corp/v2/users")).await, 404);
    assert_eq!(status(&world, path("/corp/v2")).await, 404);
    assert_eq!(status(&world, path("/corp/v2/Users/a/b")).await, 404);
    assert_eq!(status(&world, path("/corp/v2/Me")).await, 501);
    assert_eq!(
        status(&world, |r| set(r, "host", "evil.example")).await,
        421
    );
    assert_eq!(
        status(&world, |r| drop(r.headers_mut().remove("host"))).await,
        400
    );
    assert_eq!(
        status(&world, |r| {
            let token = format!("Bearer {}", secret("k1")).parse().unwrap();
            r.headers_mut().append("authorization", token);
        })
        .await,
        400
    );
    assert_eq!(status(&world, |r| set(r, "if-match", "\"open")).await, 400);
}

#[tokio::test]
async fn methods() {
    let world = World::new(Fake::new());
    for (path, allow) in [
        ("/Users", "GET, POST"),
        ("/Users/1", "GET, PUT, PATCH, DELETE"),
        ("/Users/.search", "POST"),
        ("/Bulk", "POST"),
        ("/Schemas", "GET"),
        ("/ResourceTypes/User", "GET"),
        ("/ServiceProviderConfig", "GET"),
    ] {
        for method in [Method::HEAD, Method::OPTIONS, Method::TRACE] {
            let got = world.ask(method, path, Value::Null).await;
            assert_eq!((got.status, got.header("allow")), (405, allow));
        }
    }
}

#[tokio::test]
async fn bodies() {
    let limits = Limits {
        body: 200,
        ..Limits::default()
    };
    let world = World::limited(Fake::new(), limits, true);
    let post = |text: &str| {
        let mut request = request(Method::POST, "/corp/v2/Users", &Value::Null);
        *request.body_mut() = Body::Full(text.to_owned().into());
        request
    };
    for (text, status, scim_type) in [
        ("", 400, "invalidSyntax"),
        ("{", 400, "invalidSyntax"),
        ("[]", 400, "invalidSyntax"),
        (r#"{"userName":"a","USERNAME":"b"}"#, 400, "invalidSyntax"),
        (r#"{"userName":"\ud800"}"#, 400, "invalidSyntax"),
    ] {
        let got = world.send(post(text)).await;
        assert_eq!(got.status, status, "{text}");
        assert_eq!(got.body["scimType"], scim_type, "{text}");
    }
    let got = world.send(post(&" ".repeat(201))).await;
    assert_eq!((got.status, got.header("connection")), (413, ""));
    let got = world.send(post(&" ".repeat(65 * 1024))).await;
    assert_eq!((got.status, got.header("connection")), (413, "close"));
    let mut text = post("{}");
    set(&mut text, "content-type", "text/plain");
    let got = world.send(text).await;
    assert_eq!((got.status, got.header("connection")), (415, ""));
    assert_eq!(world.fake.writes(), 0);
}

#[tokio::test]
async fn roles_and_what_does_not_fit() {
    let world = World::new(Fake::new());
    let mut request = request(Method::POST, "/corp/v2/Users", &user("anna"));
    set(
        &mut request,
        "authorization",
        &format!("Bearer {}", secret("k2")),
    );
    let got = world.send(request).await;
    assert_eq!(got.status, 403);
    let detail = got.body["detail"].as_str().unwrap();
    assert!(
        detail.contains("create") && detail.contains("User"),
        "{detail}"
    );

    let none = Limits {
        in_flight: 0,
        ..Limits::default()
    };
    let world = World::limited(Fake::new(), none, true);
    let got = world.ask(Method::GET, "/Users", Value::Null).await;
    assert_eq!((got.status, got.header("retry-after")), (503, "1"));
}

#[tokio::test]
async fn a_defect_ends_one_request_only() {
    let world = World::new(Fake::new());
    let mut bad = user("anna");
    bad["displayName"] = "panic".into();
    let got = world.ask(Method::POST, "/Users", bad).await;
    assert_eq!(got.status, 500);
    assert_eq!(got.body["detail"], "something is wrong with this service");
    let got = world.ask(Method::POST, "/Users", user("anna")).await;
    assert_eq!(got.status, 201);
    assert_eq!(world.gateway.state.writes(), 0);
    assert_eq!(world.gateway.state.free_places(), 1024);
}

#[tokio::test]
async fn answers_carry_what_clients_need() {
    let world = World::new(Fake::new().versioned());
    let mut request = request(Method::POST, "/corp/v2/Users", &user("anna"));
    set(&mut request, "x-request-id", "mine-1");
    let got = world.send(request).await;
    assert_eq!(got.status, 201, "{got:?}");
    let location = "https://scim.example.com/corp/v2/Users/1";
    assert_eq!(got.header("location"), location);
    assert_eq!(got.body["meta"]["location"], location);
    assert_eq!(got.header("etag"), "\"1\"");
    assert_eq!(got.body["meta"]["version"], "\"1\"");
    assert_eq!(got.header("x-request-id"), "mine-1");
    assert_eq!(got.header("content-type"), "application/scim+json");
    assert_eq!(got.header("cache-control"), "no-store");

    let mut again = super::request(Method::GET, "/corp/v2/Users/1", &Value::Null);
    set(&mut again, "if-none-match", "W/\"1\"");
    assert_eq!(world.send(again).await.status, 304);
    let got = world.ask(Method::GET, "/Users/7", Value::Null).await;
    assert_eq!(got.status, 404);
    let got = world.ask(Method::GET, "/Users?filter=x", Value::Null).await;
    assert_eq!(
        (got.status, &got.body["scimType"]),
        (400, &json!("invalidFilter"))
    );
    let labels = "operation=\"list\",outcome=\"client\",resource=\"User\",tenant=\"corp\"";
    assert!(world.counts(&format!("postern_requests_total{{{labels}}} 1")));
    let got = world.ask(Method::POST, "/Users", user("taken")).await;
    assert_eq!(
        (got.status, &got.body["scimType"]),
        (409, &json!("uniqueness"))
    );
    let got = world.ask(Method::DELETE, "/Users/1", Value::Null).await;
    assert_eq!((got.status, got.header("content-type")), (204, ""));
    let got = world.ask(Method::DELETE, "/Users/1", Value::Null).await;
    assert_eq!(got.status, 404);
}
