//! Tokens whose issuer is asked: RFC 7662 and the appliance's call.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::stopping::until;
use super::super::support::issuer::{Issuer, Key, seconds};
use super::super::support::{Program, Scripted};
use super::{AUDIENCE, ask, by_keys, claims, failures, metrics, program, reload, status, with};

fn introspect(issuer: &Issuer, more: &str) -> String {
    format!(
        "  - {{name: opaque, introspect: {{url: \"{}\", client_id: postern, client_secret_file: word}}{more}}}\n",
        issuer.url("/introspect")
    )
}

async fn introspecting(issuer: &Issuer, more: &str) -> (Scripted, Program) {
    let lines = "claims: [{trust: opaque, client_id: robot}]";
    let (directory, program) = program(&introspect(issuer, more), lines).await;
    program.write("word", "s3cret\n");
    (directory, program)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_issuer_is_asked_once_a_minute_and_wrong_tokens_are_wrong() {
    let issuer = Issuer::start().await;
    let good = json!({"active": true, "client_id": "robot", "exp": seconds(600)});
    issuer.held().tokens.insert("good".to_owned(), good);
    let other = json!({"active": true, "client_id": "other"});
    issuer.held().tokens.insert("other".to_owned(), other);
    let (_directory, program) = introspecting(&issuer, "").await;
    let serving = program.serve("/corp");
    for _ in 0..3 {
        ask(&serving, "good").await.expect(200);
        ask(&serving, "wrong").await.expect(401);
        ask(&serving, "other").await.expect(401);
    }
    assert_eq!(issuer.asked("/introspect"), 3, "each token once");
    // Our own tokens are shown to nobody.
    ask(&serving, "postern_x_y").await.expect(401);
    serving.client.get("/Users/1").await.expect(200);
    assert_eq!(issuer.asked("/introspect"), 3);
    let (_, headers, body) = issuer.held().seen[0].clone();
    assert_eq!(headers["authorization"], "Basic cG9zdGVybjpzM2NyZXQ=");
    assert_eq!(headers["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(body, "token=good&token_type_hint=access_token");
    assert!((failures(&serving, "inactive").await - 3.0).abs() < 0.1);
    assert!((failures(&serving, "account").await - 3.0).abs() < 0.1);
    let page = metrics(&serving).await;
    let told = |result| {
        let labels = [("issuer", "opaque"), ("result", result)];
        page.get("postern_oauth_introspections_total", &labels)
    };
    assert_eq!(
        (told("active"), told("inactive"), told("failed")),
        (Some(2.0), Some(1.0), Some(0.0))
    );
    let state = &status(&program, &serving)["trust"][0];
    assert_eq!(
        (&state["known_good"], &state["known_wrong"]),
        (&json!(2), &json!(1))
    );

    // Another access file, the same who is asked: nothing is forgotten but who has it.
    program.write("access.yaml", &with(&introspect(&issuer, ""), "claims: []"));
    reload(&program, &serving);
    ask(&serving, "good").await.expect(401);
    let lines = "claims: [{trust: opaque, client_id: [robot, x]}]";
    program.write("access.yaml", &with(&introspect(&issuer, ""), lines));
    reload(&program, &serving);
    ask(&serving, "good").await.expect(200);
    assert_eq!(issuer.asked("/introspect"), 3);
    // Another secret is another who asks.
    program.write("word", "other");
    reload(&program, &serving);
    ask(&serving, "good").await.expect(200);
    assert_eq!(issuer.asked("/introspect"), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_asked_lets_nobody_in_and_is_no_401() {
    let issuer = Issuer::start().await;
    let good = json!({"active": true, "client_id": "robot"});
    issuer.held().tokens.insert("good".to_owned(), good.clone());
    issuer.held().tokens.insert("later".to_owned(), good);
    let (_directory, program) = introspecting(&issuer, "").await;
    let serving = program.serve("/corp");
    ask(&serving, "good").await.expect(200);
    issuer.held().down = true;
    ask(&serving, "good").await.expect(200);
    let answer = ask(&serving, "later").await.expect(503);
    assert_eq!(answer.headers["retry-after"], "5");
    serving.client.get("/Users/1").await.expect(200);
    let state = status(&program, &serving)["trust"][0].clone();
    assert!(state["error"].is_string(), "{state}");
    issuer.held().down = false;
    ask(&serving, "later").await.expect(200);
    assert_eq!(status(&program, &serving)["trust"][0]["error"], Value::Null);

    // Whatever is no clear answer is none.
    for (number, (code, body)) in [
        (401, ""),
        (500, ""),
        (302, ""),
        (200, "[]"),
        (200, "{}"),
        (200, r#"{"active":"true"}"#),
        (200, r#"{"active":false,"active":true}"#),
    ]
    .iter()
    .enumerate()
    {
        issuer.say("/introspect", *code, &[("location", "/keys")], body);
        ask(&serving, &format!("t{number}")).await.expect(503);
    }
    assert_eq!(issuer.asked("/keys"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_requests_with_one_token_are_one_question() {
    let issuer = Issuer::start().await;
    let good = json!({"active": true, "client_id": "robot"});
    issuer.held().tokens.insert("good".to_owned(), good);
    issuer.held().delay = Duration::from_millis(200);
    let (_directory, program) = introspecting(&issuer, "").await;
    let serving = program.serve("/corp");
    let mut asked = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let client = serving.client.with_token("good");
        asked.spawn(async move { client.get("/Users/1").await.status.as_u16() });
    }
    let answers = asked.join_all().await;
    assert!(answers.iter().all(|status| *status == 200), "{answers:?}");
    assert_eq!(issuer.asked("/introspect"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_for_another_audience_is_not_taken() {
    let issuer = Issuer::start().await;
    for (token, audience) in [("ours", json!(["x", AUDIENCE])), ("theirs", json!("x"))] {
        let said = json!({"active": true, "client_id": "robot", "aud": audience});
        issuer.held().tokens.insert(token.to_owned(), said);
    }
    let none = json!({"active": true, "client_id": "robot"});
    issuer.held().tokens.insert("none".to_owned(), none);
    let more = format!(", audience: [\"{AUDIENCE}\"]");
    let (_directory, program) = introspecting(&issuer, &more).await;
    let serving = program.serve("/corp");
    ask(&serving, "ours").await.expect(200);
    ask(&serving, "theirs").await.expect(401);
    ask(&serving, "none").await.expect(401);
    assert!((failures(&serving, "audience").await - 2.0).abs() < 0.1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_appliance_is_asked_in_its_own_way() {
    let (issuer, signer) = (Issuer::start().await, Issuer::start().await);
    let good = json!({"username": "robot", "expires_in": 1});
    issuer.held().tokens.insert("good".to_owned(), good);
    let key = Key::ec("e");
    signer.publish(&[&key]);
    let trust = format!(
        "{}  - {{name: box, verify_token: {{url: \"{}\", client_id: rp 1}}}}\n",
        by_keys(&signer),
        issuer.url("/verify_token/")
    );
    let lines = "claims: [{trust: box, username: robot}, {trust: corp, sub: robot-1}]";
    let (_directory, program) = program(&trust, lines).await;
    let serving = program.serve("/corp");
    ask(&serving, "good").await.expect(200);
    ask(&serving, "wrong").await.expect(401);
    {
        let held = issuer.held();
        let (path, headers, _) = &held.seen[0];
        assert_eq!(path, "/verify_token/?client_id=rp%201");
        assert_eq!(headers["authorization"], "Bearer good");
    }
    // It holds no longer than the appliance says.
    issuer.held().tokens.clear();
    until("the end of the token", async || {
        ask(&serving, "good").await.status == 401
    })
    .await;
    // A token whose issuer is known by its keys is not asked about, a forged one neither.
    let before = issuer.asked("/verify_token/");
    ask(&serving, &key.token(&claims())).await.expect(200);
    ask(&serving, &Key::ec("e").token(&claims()))
        .await
        .expect(401);
    assert_eq!(issuer.asked("/verify_token/"), before);
    issuer.held().down = true;
    ask(&serving, "later").await.expect(503);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_throttled_has_one_question_asked_at_a_time_and_others_there_do_not_suffer() {
    let issuer = Issuer::start().await;
    let trust = format!(
        "  - {{name: box, verify_token: {{url: \"{}\", client_id: rp}}}}\n",
        issuer.url("/verify_token/")
    );
    let good = json!({"username": "robot", "expires_in": 1});
    issuer.held().tokens.insert("good".to_owned(), good);
    let lines = "claims: [{trust: box, username: robot}]";
    let (_directory, program) = program(&trust, lines).await;
    let serving = program.serve("/corp");
    ask(&serving, "good").await.expect(200);
    let mut failed = 0;
    while ask(&serving, &format!("postern_x_{failed}")).await.status != 429 {
        failed += 1;
        assert!(failed < 1_000, "never throttled");
    }
    assert_eq!(issuer.asked("/verify_token/"), 1);
    issuer.held().delay = Duration::from_millis(300);
    let mut flood = tokio::task::JoinSet::new();
    for number in 0..30 {
        let client = serving.client.with_token(&format!("unknown-{number}"));
        flood.spawn(async move { client.get("/Users/1").await.status.as_u16() });
    }
    let answers = flood.join_all().await;
    let throttled = answers.iter().filter(|status| **status == 429).count();
    assert!(throttled >= 20, "{answers:?}");
    let asked = issuer.asked("/verify_token/");
    assert!(asked <= 11, "asked {asked} times");
    // Once more when it has ended, whatever else comes from here.
    issuer.held().delay = Duration::ZERO;
    let before = issuer.asked("/verify_token/");
    until("another question", async || {
        ask(&serving, "good").await.expect(200);
        issuer.asked("/verify_token/") > before
    })
    .await;
}
