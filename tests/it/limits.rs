//! What an account may do where and how often, and what becomes of those who do not say who they
//! are: the real program, from several addresses of this machine.

use serde_json::{Value, json};

use super::stopping::until;
use super::support::client::plain_get;
use super::support::exposition::Page;
use super::support::program::Serving;
use super::support::scripted::{Act, Scripted, json_answer};
use super::support::world::{ADMIN, Account, access, rule, token};
use super::support::{Client, Program};

const OTHER: Account<'_> = Account {
    name: "other",
    ..ADMIN
};

const USER: &str =
    r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"1","userName":"a"}"#;

/// A program with the accounts `admin`, of which these lines are told besides, and `other`.
async fn program(lines: &str) -> (Scripted, Program) {
    let directory = Scripted::start([Act::Say(json_answer(200, USER))]).await;
    let scim = ", supports: {patch: true, etag: true}";
    let rule = rule(
        "/corp",
        &directory.url(),
        scim,
        "  User: {unmapped: pass}\n",
    );
    let program = Program::new(&[("corp.yaml", &rule)]);
    program.write("access.yaml", &accounts(lines));
    (directory, program)
}

fn accounts(lines: &str) -> String {
    let tokens = "    tokens:";
    access(&[ADMIN, OTHER]).replacen(tokens, &format!("    {lines}\n{tokens}"), 1)
}

async fn metrics(serving: &Serving) -> Page {
    let (_, text) = plain_get(serving.probe(), "/metrics").await.unwrap();
    Page::read(&text)
}

fn status(program: &Program, serving: &Serving) -> Value {
    let control = serving.line["control"].as_str().unwrap();
    let said = program.run(&["ctl", "--control", control, "status", "--json"]);
    serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{said:?}"))
}

fn seconds(answer: &super::support::client::Answer) -> u64 {
    answer.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stolen_token_is_worth_nothing_elsewhere_and_does_not_say_so() {
    let (_directory, program) =
        program("networks: [127.0.0.2, 192.0.2.0/24, \"2001:db8::/32\"]").await;
    let serving = program.serve("/corp");
    let inside = serving.client.by(serving.public(), "127.0.0.2");
    inside.get("/Users/1").await.expect(200);

    let unknown = serving.client.with_token("postern_admin_x");
    for path in ["/Users/1", "/Nothing", "/ServiceProviderConfig"] {
        for version in [Client::clone, Client::http2] {
            let wrong = version(&unknown).get(path).await.expect(401);
            let stolen = version(&serving.client).get(path).await.expect(401);
            assert_eq!(stolen.body, wrong.body);
            let without = |mut headers: http::HeaderMap| {
                headers.remove("x-request-id");
                headers.remove("date");
                headers
            };
            assert_eq!(without(stolen.headers), without(wrong.headers));
        }
    }
    // Whose networks are not limited is as free as before.
    let other = serving.client.with_token(&token("other"));
    other.get("/Users/1").await.expect(200);

    let page = metrics(&serving).await;
    let failures = |reason| {
        let name = "postern_authentication_failures_total";
        page.get(name, &[("reason", reason)])
    };
    assert_eq!(
        (failures("network"), failures("unknown")),
        (Some(6.0), Some(6.0))
    );
    let said = "token `admin` of account `admin` from another network";
    until("the reason in the access log", async || {
        let lines = serving.access();
        lines.iter().filter(|line| line["reason"] == said).count() == 6
    })
    .await;
    let line = serving.access();
    let line = line.iter().find(|line| line["reason"] == said).unwrap();
    assert_eq!(line["status"], 401);
    assert!(line.get("account").is_none(), "nobody is known: {line}");

    let status = status(&program, &serving);
    let networks = ["127.0.0.2/32", "192.0.2.0/24", "2001:db8::/32"];
    assert_eq!(status["accounts"][0]["networks"], json!(networks));
    assert_eq!(status["accounts"][1]["networks"], Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_has_its_rate_and_a_reload_gives_nothing_back() {
    let (_directory, program) = program("rate: {requests: 1/h, burst: 4}").await;
    let serving = program.serve("/corp");
    let client = &serving.client;
    client.get("/Users/1").await.expect(200);
    client.get("/Nothing").await.expect(404);
    client.http2().get("/Users/1").await.expect(200);
    client.at("/nowhere").get("/Users/1").await.expect(404);
    for client in [client.clone(), client.http2(), client.at("/nowhere")] {
        let refused = client.get("/Users/1").await;
        assert!((3_500..=3_600).contains(&seconds(&refused)), "{refused:?}");
        refused.expect_error(429, None);
    }
    let other = client.with_token(&token("other"));
    other.get("/Users/1").await.expect(200);

    let before = status(&program, &serving);
    let rate = json!({"requests": "1/h", "burst": 4});
    assert_eq!(before["accounts"][0]["rate"], rate);
    assert_eq!(before["accounts"][1]["rate"], Value::Null);
    let reload = |text: &str| {
        program.write("access.new", text);
        let path = |name| program.folder.join(name);
        std::fs::rename(path("access.new"), path("access.yaml")).unwrap();
        let control = serving.line["control"].as_str().unwrap();
        let said = program.run(&["ctl", "--control", control, "reload"]);
        assert_eq!(said.code, Some(0), "{said:?}");
    };
    let text = program.read("access.yaml");
    reload(&text.replace("verbs: [create, ", "verbs: ["));
    let after = status(&program, &serving);
    assert_ne!(before["revision"], after["revision"]);
    client.get("/Users/1").await.expect(429);
    reload(&text.replace("burst: 4", "burst: 1"));
    client.get("/Users/1").await.expect(200);
    client.get("/Users/1").await.expect(429);

    let page = metrics(&serving).await;
    let limited = |tenant| page.get("postern_rate_limited_total", &[("tenant", tenant)]);
    assert_eq!((limited("corp"), limited("-")), (Some(4.0), Some(1.0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_of_a_bulk_request_counts() {
    let (directory, program) = program("rate: {requests: 1/h, burst: 5}").await;
    let serving = program.serve("/corp");
    let bulk = |operations: usize| {
        let one = json!({"method": "DELETE", "path": "/Users/1"});
        json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
            "Operations": vec![one; operations],
        })
    };
    let client = &serving.client;
    client.post("/Bulk", &bulk(3)).await.expect(200);
    let asked = directory.requests().len();
    let refused = client.post("/Bulk", &bulk(3)).await;
    assert!((7_000..=7_200).contains(&seconds(&refused)), "{refused:?}");
    refused.expect_error(429, None);
    assert_eq!(directory.requests().len(), asked, "nothing of it was done");
    client.get("/Users/1").await.expect(200);
    client.get("/Users/1").await.expect(429);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guessing_gets_short_answers_and_locks_nobody_out() {
    let (_directory, program) = program("rate: {requests: 1000000/s}").await;
    let serving = program.serve("/corp");
    let wrong = serving.client.with_token("postern_admin_x");
    let mut told = 0;
    let throttled = loop {
        let answer = wrong.get("/Users/1").await;
        if answer.status != 401 {
            break answer;
        }
        told += 1;
        assert!(told < 10_000, "nobody is throttled");
    };
    assert!(told >= 60, "{told}");
    assert_eq!(throttled.headers["connection"], "close");
    assert_eq!(seconds(&throttled), 1);
    assert!(!throttled.headers.contains_key("www-authenticate"));
    throttled.expect_error(429, None);

    // From the same address: a valid token is answered at once.
    let good = &serving.client;
    good.get("/Users/1").await.expect(200);
    good.http2().get("/Users/1").await.expect(200);
    // From another: nothing has happened yet.
    let elsewhere = wrong.by(serving.public(), "127.0.0.3");
    elsewhere.get("/Users/1").await.expect(401);

    let page = metrics(&serving).await;
    let failures = "postern_authentication_failures_total";
    let unknown = page.get(failures, &[("reason", "unknown")]);
    assert_eq!(unknown, Some(f64::from(told) + 2.0));
    let count = page.get("postern_authentication_throttled_total", &[]);
    assert_eq!(count, Some(1.0));
    until("the access lines of all others", async || {
        serving.access().len() == usize::try_from(told).unwrap() + 3
    })
    .await;
    assert!(serving.access().iter().all(|line| line["status"] != 429));
    until("a line in the log", async || {
        let log = program.log();
        let lines = log
            .lines()
            .filter(|l| l.contains("too many requests without a valid token"));
        let lines: Vec<_> = lines.collect();
        lines.len() == 1 && lines[0].contains("127.0.0.1")
    })
    .await;
}
