//! How the program ends: what is under way finishes, and the exit code is 0.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::Semaphore;

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
