//! Keys of issuers: rotation, storms of unknown names, issuers that are away.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::stopping::until;
use super::super::support::issuer::{Issuer, Key};
use super::{ROBOT, ask, by, by_keys, claims, failures, metrics, program, reload, status, with};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_key_is_seen_when_it_is_used_and_an_old_one_is_gone() {
    let issuer = Issuer::start().await;
    let (old, new) = (Key::ec("old"), Key::ec("new"));
    issuer.publish(&[&old]);
    let (_directory, program) = program(&by_keys(&issuer), ROBOT).await;
    let serving = program.serve("/corp");
    let first = old.token(&claims());
    ask(&serving, &first).await.expect(200);
    issuer.publish(&[&new]);
    // Nobody has told us yet, and what was proven stays so until then.
    ask(&serving, &first).await.expect(200);
    ask(&serving, &new.token(&claims())).await.expect(200);
    assert_eq!(issuer.asked("/keys"), 2);
    ask(&serving, &first).await.expect(401);
    assert_eq!(
        status(&program, &serving)["trust"][0]["keys"],
        json!(["new"])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_unknown_names_is_one_question() {
    let issuer = Issuer::start().await;
    let key = Key::ec("real");
    issuer.publish(&[&key]);
    issuer.held().delay = Duration::from_millis(50);
    let (_directory, program) = program(&by_keys(&issuer), ROBOT).await;
    let serving = program.serve("/corp");
    ask(&serving, &key.token(&claims())).await.expect(200);
    assert_eq!(issuer.asked("/keys"), 1);
    let stranger = Key::ec("stranger");
    let forged = |number: usize| {
        let header = json!({"alg": "ES256", "kid": format!("k{number}")});
        stranger.sign(&header.to_string(), &claims().to_string())
    };
    let client = |number: usize| {
        let from = format!("127.0.1.{}", number % 200 + 1);
        serving
            .client
            .by(serving.public(), &from)
            .with_token(&forged(number))
    };
    for round in 0..5 {
        let mut asked = tokio::task::JoinSet::new();
        for number in 0..20 {
            let client = client(round * 20 + number);
            asked.spawn(async move { client.get("/Users/1").await.status.as_u16() });
        }
        let answers = asked.join_all().await;
        assert!(answers.iter().all(|status| *status == 401), "{answers:?}");
    }
    assert_eq!(issuer.asked("/keys"), 2, "100 forged names");
    ask(&serving, &key.token(&claims())).await.expect(200);
    assert!((failures(&serving, "key").await - 100.0).abs() < 0.1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_issuer_that_goes_away_holds_nobody_up() {
    let issuer = Issuer::start().await;
    let key = Key::ec("a");
    issuer.publish(&[&key]);
    let (_directory, program) = program(&by_keys(&issuer), ROBOT).await;
    let serving = program.serve("/corp");
    ask(&serving, &key.token(&claims())).await.expect(200);
    issuer.held().down = true;
    // What was fetched serves on.
    ask(&serving, &key.token(&claims())).await.expect(200);
    // A key that nobody knows: whether there is such a one by now cannot be found out.
    let unknown = Key::ec("b").token(&claims());
    let answer = ask(&serving, &unknown).await.expect(503);
    assert_eq!(answer.headers["retry-after"], "5");
    assert!(!answer.headers.contains_key("www-authenticate"));
    ask(&serving, &unknown).await.expect(503);
    ask(&serving, &key.token(&claims())).await.expect(200);
    let state = &status(&program, &serving)["trust"][0];
    assert!(
        state["error"].is_string() && state["too_old"] == false,
        "{state}"
    );
    assert!((failures(&serving, "unavailable").await - 2.0).abs() < 0.1);
    // One fetch was for the unknown key; the second token did not cause another.
    let page = metrics(&serving).await;
    let labels = [("issuer", "corp"), ("result", "failed")];
    assert_eq!(
        page.get("postern_oauth_keys_fetches_total", &labels),
        Some(1.0)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_starts_without_the_issuer_and_takes_tokens_when_that_comes() {
    let issuer = Issuer::start().await;
    let key = Key::ec("a");
    issuer.publish(&[&key]);
    issuer.held().down = true;
    let (_directory, program) = program(&by_keys(&issuer), ROBOT).await;
    let serving = program.serve("/corp");
    let token = key.token(&claims());
    ask(&serving, &token).await.expect(503);
    serving.client.get("/Users/1").await.expect(200);
    issuer.held().down = false;
    until("the keys", async || {
        ask(&serving, &token).await.status == 200
    })
    .await;
    assert_eq!(status(&program, &serving)["trust"][0]["error"], Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_are_no_keys_are_not_taken() {
    let large = format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(300 * 1024));
    let many = json!({"keys": vec![Key::ec("a").jwk; 101]}).to_string();
    let trap = Issuer::start().await;
    trap.publish(&[&Key::ec("a")]);
    let elsewhere = trap.url("/keys");
    for (status_of, headers, body, says) in [
        (200, vec![], "<html>", "not a JSON object"),
        (200, vec![], "{}", "no list `keys`"),
        (200, vec![], &*large, "larger than"),
        (200, vec![], &*many, "more than 100 keys"),
        (
            302,
            vec![("location", &*elsewhere)],
            "",
            "redirects are not followed",
        ),
        (500, vec![], "", "it answers 500"),
        (304, vec![], "", "it answers 304"),
    ] {
        let issuer = Issuer::start().await;
        issuer.say("/keys", status_of, &headers, body);
        let (_directory, program) = program(&by_keys(&issuer), ROBOT).await;
        let serving = program.serve("/corp");
        ask(&serving, &Key::ec("a").token(&claims()))
            .await
            .expect(503);
        let state = &status(&program, &serving)["trust"][0];
        let error = state["error"].as_str().unwrap_or_default();
        assert!(error.contains(says), "{says}: {state}");
    }
    assert_eq!(trap.asked("/keys"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_a_file_are_read_with_the_access_file() {
    let (old, new) = (Key::ec("old"), Key::rsa("new"));
    let trust = by("file: keys.json");
    let (_directory, program) = program(&trust, ROBOT).await;
    let set = |key: &Key| json!({"keys": [key.jwk]}).to_string();
    program.write("keys.json", &set(&old));
    let serving = program.serve("/corp");
    let token = old.token(&claims());
    ask(&serving, &token).await.expect(200);
    ask(&serving, &new.token(&claims())).await.expect(401);
    program.write("keys.json", &set(&new));
    reload(&program, &serving);
    ask(&serving, &new.token(&claims())).await.expect(200);
    ask(&serving, &token).await.expect(401);
    // A set without keys is not taken, and what was good serves on.
    program.write("keys.json", "{\"keys\": []}");
    let control = serving.line["control"].as_str().unwrap();
    let said = program.run(&["ctl", "--control", control, "reload"]);
    assert!(
        format!("{said:?}").contains("no key of this file can be used"),
        "{said:?}"
    );
    ask(&serving, &new.token(&claims())).await.expect(200);
    program.write("access.yaml", &with("", "claims: []"));
    reload(&program, &serving);
    ask(&serving, &new.token(&claims())).await.expect(401);
}
