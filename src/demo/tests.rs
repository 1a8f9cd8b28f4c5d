//! The demo's directory through postern's own driver, and by hand where that would never ask.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::Request;
use serde_json::{Value, json};

use super::directory::{Directory, Running, Seen, Tap};
use crate::directory::http::{self as driver, Auth, HttpConfig, Supports, Timeouts};
use crate::directory::{Ask, DirectoryError, Health, Layout, Place};
use crate::net::body::{Terms, collect};
use crate::net::client::{Client, ClientConfig};
use crate::net::{Body, Secret};
use crate::scim::operation::{Answer as Got, Document, Listing, Precondition, Projection, Verb};
use crate::scim::query::Query;
use crate::scim::{AttrPath, Filter, Operation, Resource, ResourceId, Upstream};

struct Caller {
    client: Client,
    url: String,
    seen: Arc<Mutex<Vec<String>>>,
    _running: Running,
}

struct Answer {
    status: u16,
    etag: Option<String>,
    headers: http::HeaderMap,
    body: Value,
}

impl Caller {
    async fn new() -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let tap: Tap = Arc::new({
            let seen = Arc::clone(&seen);
            move |s: &Seen<'_>| {
                let id = s.request_id.unwrap_or("-");
                let body = String::from_utf8_lossy(s.body);
                let line = format!(
                    "{id} {} {} {body} {}",
                    s.method,
                    s.target,
                    s.status.as_u16()
                );
                seen.lock().unwrap().push(line);
            }
        });
        let secret = Secret::new("s3cret".to_owned());
        let (address, running) = Directory::start(secret, Some(tap)).await.unwrap();
        let ca = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        let tls = crate::net::tls::client_config(Some(ca.cert.pem().as_bytes()), None).unwrap();
        Self {
            client: Client::new(ClientConfig::new(tls)),
            url: format!("http://{address}"),
            seen,
            _running: running,
        }
    }

    async fn call(&self, line: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let (method, target) = line.split_once(' ').unwrap();
        let text = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{target}", self.url))
            .header("x-request-id", "r1");
        if !headers.iter().any(|(name, _)| *name == "authorization") {
            request = request.header("authorization", "Bearer s3cret");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let deadline = Instant::now() + Duration::from_secs(20);
        let request = request.body(Body::Full(text.into())).unwrap();
        let answer = self.client.send(request, deadline).await.unwrap();
        let (parts, body) = answer.into_parts();
        let terms = Terms {
            limit: 1 << 20,
            idle: Duration::from_secs(20),
            deadline,
        };
        let body = collect(body, terms).await.unwrap();
        Answer {
            status: parts.status.as_u16(),
            etag: parts
                .headers
                .get("etag")
                .map(|tag| tag.to_str().unwrap().to_owned()),
            body: serde_json::from_slice(&body).unwrap_or_default(),
            headers: parts.headers,
        }
    }

    async fn get(&self, target: &str) -> Answer {
        self.call(&format!("GET {target}"), &[], &Value::Null).await
    }

    /// The logins of a list, in its order.
    async fn logins(&self, query: &str) -> Vec<String> {
        let answer = self.get(&format!("/people?{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.body);
        let people = answer.body["resources"].as_array().unwrap();
        people
            .iter()
            .map(|p| p["login"].as_str().unwrap().to_owned())
            .collect()
    }
}

#[tokio::test]
async fn a_person_lives() {
    let caller = Caller::new().await;
    let body = json!({ "login": "zoe", "surname": "Example", "password": "hunter2" });
    let made = caller.call("POST /people", &[], &body).await;
    assert_eq!(made.status, 201);
    assert_eq!(
        made.body,
        json!({ "no": 7, "login": "zoe", "surname": "Example", "status": "staff" })
    );
    assert!(made.headers.get("location").is_none());
    assert_eq!(made.headers["content-type"], "text/html");
    assert_eq!(made.etag.as_deref(), Some("\"v1\""));

    let changed = json!({ "login": "zoe", "status": "leaver", "boss": 1 });
    let old = [("if-match", "\"v9\"")];
    assert_eq!(
        caller.call("PUT /people/7", &old, &changed).await.status,
        412
    );
    let now = [("if-match", "\"v9\", \"v1\"")];
    let put = caller.call("PUT /people/7", &now, &changed).await;
    assert_eq!((put.status, put.etag.as_deref()), (200, Some("\"v2\"")));
    let wanted = json!({ "no": 7, "login": "zoe", "status": "leaver", "boss": "1" });
    assert_eq!(caller.get("/people/7").await.body, wanted);
    let same = [("if-none-match", "\"v2\"")];
    assert_eq!(
        caller
            .call("GET /people/7", &same, &Value::Null)
            .await
            .status,
        304
    );

    assert_eq!(
        caller
            .call("DELETE /people/7", &old, &Value::Null)
            .await
            .status,
        412
    );
    assert_eq!(
        caller
            .call("DELETE /people/7", &[], &Value::Null)
            .await
            .status,
        204
    );
    assert_eq!(
        caller
            .call("DELETE /people/7", &[], &Value::Null)
            .await
            .status,
        404
    );
    assert_eq!(caller.get("/people/7").await.status, 404);
}

#[tokio::test]
async fn lists_are_filtered_sorted_and_cut() {
    let caller = Caller::new().await;
    assert_eq!(
        caller.logins("").await,
        ["ada", "ben", "cleo", "dan", "eve"]
    );
    assert_eq!(caller.logins("filter=no%20eq%20%222%22").await, ["ben"]);
    assert_eq!(caller.logins("filter=no%20eq%202").await, ["ben"]);
    assert_eq!(
        caller.logins("filter=no%20eq%20%22x%22").await,
        Vec::<String>::new()
    );
    assert_eq!(
        caller.logins("filter=login%20eq%20%22ADA%22").await,
        ["ada"]
    );
    let either = "filter=title%20eq%20%22operator%22%20and%20not%20(no%20eq%20%223%22)";
    assert_eq!(caller.logins(either).await, ["ben"]);
    assert_eq!(
        caller.logins("sortBy=surname").await,
        ["ada", "dan", "cleo", "ben", "eve"]
    );
    assert_eq!(
        caller
            .logins("sortBy=login&sortOrder=descending&count=2")
            .await,
        ["eve", "dan"]
    );
    assert_eq!(caller.logins("startIndex=2&count=2").await, ["ben", "cleo"]);

    let none = caller.get("/people?count=0").await.body;
    assert_eq!(none, json!({ "totalResults": 5, "resources": [] }));
    let beyond = caller.get("/people?startIndex=99").await.body;
    assert_eq!(beyond, json!({ "totalResults": 5, "resources": [] }));
    let team = caller
        .get("/teams?excludedAttributes=member_ids")
        .await
        .body;
    assert_eq!(
        team["resources"],
        json!([{ "no": 6, "team_name": "Example Operators" }])
    );
    let found = caller
        .get("/teams?filter=member_ids%20eq%20%222%22&attributes=ext_ref")
        .await
        .body;
    assert_eq!(found["resources"], json!([{ "no": 6 }]));
}

#[tokio::test]
async fn what_it_refuses_it_refuses_in_one_sentence() {
    let caller = Caller::new().await;
    for (line, body, status) in [
        ("GET /people?filter=login%20is%20%22x%22", Value::Null, 400),
        ("GET /people?filter=", Value::Null, 400),
        ("POST /people", json!({ "login": "ADA" }), 409),
        ("POST /people", json!({}), 400),
        ("POST /people", json!(["x"]), 400),
        ("POST /people", Value::Null, 400),
        ("PUT /people/2", json!({ "login": "ada" }), 409),
        ("PUT /people/99", json!({ "login": "nobody" }), 404),
        (
            "POST /teams",
            json!({ "team_name": "example operators" }),
            409,
        ),
        (
            "POST /teams",
            json!({ "team_name": "T", "member_ids": ["99"] }),
            400,
        ),
        ("PATCH /people/1", json!({}), 405),
        ("DELETE /people", Value::Null, 405),
        ("GET /people/one", Value::Null, 404),
        ("GET /people/1/x", Value::Null, 404),
        ("GET /elsewhere", Value::Null, 404),
        ("POST /ServiceProviderConfig", json!({}), 405),
    ] {
        let answer = caller.call(line, &[], &body).await;
        assert_eq!(answer.status, status, "{line}: {}", answer.body);
        let members: Vec<&String> = answer.body.as_object().unwrap().keys().collect();
        assert_eq!(members, ["error"], "{line}");
    }
}

#[tokio::test]
async fn it_wants_its_own_secret() {
    let caller = Caller::new().await;
    for given in ["Bearer wrong", "Bearer ", "Basic s3cret", "Bearer s3cret2"] {
        let answer = caller
            .call("GET /people", &[("authorization", given)], &Value::Null)
            .await;
        assert_eq!(answer.status, 401, "{given}");
    }
    let config = caller.get("/ServiceProviderConfig").await.body;
    assert_eq!(config["patch"]["supported"], json!(false));
    assert_eq!(config["etag"]["supported"], json!(true));
}

#[tokio::test]
async fn a_tap_sees_both_sides() {
    let caller = Caller::new().await;
    caller.get("/people/1?attributes=login").await;
    caller.call("DELETE /people/99", &[], &Value::Null).await;
    let body = json!({ "login": "zoe" });
    caller.call("POST /people", &[], &body).await;
    let seen = caller.seen.lock().unwrap().clone();
    assert_eq!(
        seen,
        [
            "r1 GET /people/1?attributes=login  200",
            "r1 DELETE /people/99  404",
            r#"r1 POST /people {"login":"zoe"} 201"#,
        ]
    );
}

/// The same by the driver that postern uses.
#[tokio::test]
async fn the_driver_gets_along_with_it() {
    let secret = Secret::new("s3cret".to_owned());
    let (address, _running) = Directory::start(secret.clone(), None).await.unwrap();
    let config = HttpConfig {
        url: format!("http://{address}"),
        ca: None,
        identity: None,
        auth: Auth::Bearer(secret),
        timeouts: Timeouts::default(),
        connections: 4,
        supports: Supports::default(),
        answer_limit: 1 << 20,
    };
    let place = |resource: &str, endpoint: &str| Place {
        resource: resource.parse().unwrap(),
        endpoint: endpoint.into(),
        id: "no".into(),
    };
    let layout = Layout {
        types: vec![place("User", "people"), place("Group", "teams")],
    };
    let directory = driver::driver(driver::Pool::open(config, None).unwrap(), layout.into());
    let ask = Ask {
        request_id: "r1".into(),
        traceparent: None,
        deadline: Instant::now() + Duration::from_secs(20),
    };
    directory.prepare(&ask).unwrap().await;
    let abilities = directory.abilities();
    assert!(!abilities.patch && abilities.etag && abilities.sort && abilities.filter);

    let user = |verb| Operation::<Upstream>::new("User".parse().unwrap(), verb);
    let person = |body: Value| Document::Tree(Resource::from(body.as_object().unwrap().clone()));
    let create = Verb::Create(person(json!({ "login": "zoe" })));
    let made = directory.execute(user(create), &ask).await.unwrap();
    assert_eq!(made.etag.as_deref(), Some("\"v1\""));
    assert!(matches!(made.answer, Got::Created(_)), "{made:?}");

    let again = Verb::Create(person(json!({ "login": "Zoe" })));
    let taken = directory.execute(user(again), &ask).await.unwrap_err();
    let detail = Some("login is taken".to_owned());
    assert_eq!(
        taken,
        DirectoryError::Conflict {
            scim_type: None,
            detail
        }
    );

    let id = || "7".parse::<ResourceId>().unwrap();
    let stale = Precondition {
        if_match: Some(vec!["\"v2\"".to_owned()]),
        if_none_match: None,
    };
    let replace = Verb::Replace(id(), person(json!({ "login": "zoe" })));
    let replace = user(replace).guarded(stale);
    let refused = directory.execute(replace, &ask).await.unwrap_err();
    assert_eq!(refused, DirectoryError::Precondition);

    let filter = Filter::eq("no".parse().unwrap(), json!("7"));
    let query = Query {
        filter: Some(filter),
        ..Query::default()
    };
    let list = user(Verb::List(query)).projected(Projection::Only(vec![AttrPath::of(
        "login".parse().unwrap(),
    )]));
    let found = directory.execute(list, &ask).await.unwrap();
    let Got::List(Listing::Bytes(mut stream)) = found.answer else {
        panic!("{found:?}")
    };
    let part = std::future::poll_fn(|cx| stream.as_mut().poll_next(cx)).await;
    let body: Value = serde_json::from_slice(&part.unwrap().unwrap()).unwrap();
    let wanted = json!({ "totalResults": 1, "resources": [{ "no": 7, "login": "zoe" }] });
    assert_eq!(body, wanted);

    let gone = directory
        .execute(user(Verb::Delete(id())), &ask)
        .await
        .unwrap();
    assert!(matches!(gone.answer, Got::Nothing), "{gone:?}");
    let missing = directory
        .execute(user(Verb::Read(id())), &ask)
        .await
        .unwrap_err();
    assert_eq!(missing, DirectoryError::NotFound);
    assert_eq!(directory.health(), Health::Up);
}
