//! How the program ends: what is under way finishes, and the exit code is 0.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::CONNECTION;
use serde_json::json;
use tokio::sync::Semaphore;

use super::readiness::readyz;
use super::support::client::plain_get;
use super::support::scripted::{Act, Scripted, json_answer};
use super::support::{Program, world};

const USERS: &str = "  User: {unmapped: pass}\n";
const SCIM: &str = ", supports: {patch: true, etag: false, filter: true, sort: true, page: true}";

pub(crate) async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds().await {
        assert!(Instant::now() < deadline, "{what} did not come about");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// As early as a script can: when it has read the line that says where the program listens.
#[test]
fn a_signal_right_after_the_first_line_ends_it_in_good_order() {
    let rule = world::rule("/corp", "http://127.0.0.1:9", SCIM, USERS);
    let program = Program::new(&[("corp.yaml", &rule)]);
    for name in ["TERM", "INT"] {
        for _ in 0..5 {
            let mut serving = program.serve("/corp");
            serving.signal(name);
            assert_eq!(serving.end().code(), Some(0), "after {name}");
        }
    }
}

/// Requests under way, by both protocols, are answered, and nobody new gets in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_under_way_are_answered_after_the_signal() {
    let user =
        r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"1","userName":"a"}"#;
    let go = Arc::new(Semaphore::new(0));
    let act = Act::When(Arc::clone(&go), json_answer(201, user));
    let directory = Scripted::start([act]).await;
    let rule = world::rule("/corp", &directory.url(), SCIM, USERS);
    let program = Program::new(&[("corp.yaml", &rule)]);
    let mut serving = program.serve("/corp");
    let mut requests = Vec::new();
    for client in [serving.client.clone(), serving.client.http2()] {
        requests.push(tokio::spawn(async move {
            client
                .post("/Users", &json!({"userName": "a"}))
                .await
                .status
        }));
    }
    until("both writes", async || directory.requests().len() == 2).await;
    // A second signal does not cut short what the first began.
    serving.signal("TERM");
    serving.signal("TERM");
    let public = serving.line["public"].as_str().unwrap().to_owned();
    until("the closing of the door", async || {
        tokio::net::TcpStream::connect(&public).await.is_err()
    })
    .await;
    go.add_permits(2);
    for request in requests {
        assert_eq!(request.await.unwrap(), 201);
    }
    assert_eq!(serving.end().code(), Some(0));
    // The port is free at once.
    program.write(
        "postern.yaml",
        &format!(
            "listen: {{public: \"{public}\", probe: \"127.0.0.1:0\", control: \"127.0.0.1:0\"}}\n\
             tls: {{certificate: tls.crt, key: tls.key}}\n"
        ),
    );
    assert_eq!(program.serve("/corp").line["public"], public);
}

/// Not ready at once, open until the grace ends, by a second signal here; a third changes nothing;
/// the probe answers until the process ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_the_time_of_grace_everybody_is_served() {
    let user =
        r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"1","userName":"a"}"#;
    let go = Arc::new(Semaphore::new(3));
    let act = Act::When(Arc::clone(&go), json_answer(201, user));
    let directory = Scripted::start([act]).await;
    let rule = world::rule("/corp", &directory.url(), SCIM, USERS);
    let program = Program::new(&[("corp.yaml", &rule)]);
    program.write(
        "postern.yaml",
        "listen: {public: \"127.0.0.1:0\", probe: \"127.0.0.1:0\", control: \"127.0.0.1:0\"}\n\
         tls: {certificate: tls.crt, key: tls.key}\n\
         timeouts: {request: 50m, grace: 50m, drain: 50m}\n",
    );
    let mut serving = program.serve("/corp");
    let (client, probe) = (serving.client.clone(), serving.probe());
    assert_eq!(readyz(probe).await.0, 200);
    let body = json!({"userName": "a"});
    let answer = client.post("/Users", &body).await.expect(201);
    assert_eq!(answer.headers.get(CONNECTION), None);

    serving.signal("TERM");
    until("the end of readiness", async || {
        readyz(probe).await.0 == 503
    })
    .await;
    let (_, parts) = readyz(probe).await;
    assert_eq!(parts["draining"], true);
    assert_eq!(parts["reasons"], json!(["draining: about to stop"]));
    // It may be known a moment earlier that readiness has gone than that clients are to leave.
    until("that HTTP/1.1 is sent elsewhere", async || {
        go.add_permits(1);
        let answer = client.post("/Users", &body).await.expect(201);
        answer
            .headers
            .get(CONNECTION)
            .is_some_and(|close| close == "close")
    })
    .await;
    go.add_permits(1);
    client.http2().post("/Users", &body).await.expect(201);

    let waiting = {
        let (client, before) = (client.clone(), directory.requests().len());
        let body = body.clone();
        while go.try_acquire().map(|permit| permit.forget()).is_ok() {}
        let request = tokio::spawn(async move { client.post("/Users", &body).await.status });
        until("a request", async || directory.requests().len() > before).await;
        request
    };
    serving.signal("TERM");
    let public = serving.public();
    until("the closing of the door", async || {
        tokio::net::TcpStream::connect(public).await.is_err()
    })
    .await;
    serving.signal("INT");
    assert_eq!(readyz(probe).await.0, 503);
    assert_eq!(plain_get(probe, "/livez").await.unwrap().0, 200);
    go.add_permits(1);
    assert_eq!(waiting.await.unwrap(), 201);
    assert_eq!(serving.end().code(), Some(0));
}
