//! The control listener of the real program, asked by hand and by `postern ctl`.

mod ctl;
mod guard;
mod secured;

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use http::{Method, Request};
use postern::net::Body;
use postern::net::oneshot::{Place, ask};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::program::{Said, end, first_line, signal};
use crate::support::scripted::{Act, json_answer};
use crate::support::world::{self, token};
use crate::support::{Client, Program, Scripted};

const USERS: &str =
    "  User:\n    attributes:\n      - {scim: userName, target: login}\n    unmapped: pass\n";
const SCIM: &str = ", supports: {patch: true, etag: false, filter: true, sort: true, page: true}";
const LISTEN: &str =
    "listen: {public: \"127.0.0.1:0\", probe: \"127.0.0.1:0\", control: \"127.0.0.1:0\"}";

/// A program at work with its log in a file; it is killed when this is dropped.
struct Desk {
    program: Program,
    child: Child,
    /// Where it listens, as it says itself.
    line: Value,
}

impl Desk {
    /// With one tenant `corp`, and these lines of `postern.yaml` before the usual ones.
    fn start(directory: &str, head: &str) -> Self {
        let rule = world::rule("/corp", directory, SCIM, USERS);
        Self::of(Program::new(&[("corp.yaml", &rule)]), head)
    }

    fn of(program: Program, head: &str) -> Self {
        program.write(
            "postern.yaml",
            &format!("{head}\ntls: {{certificate: tls.crt, key: tls.key}}\nworkers: 2\n"),
        );
        let log = File::create(program.folder.join("log")).unwrap();
        let mut child = program
            .command(&["serve", "--json"])
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let line = first_line(&mut child);
        Self {
            program,
            child,
            line,
        }
    }

    fn control(&self) -> &str {
        self.line["control"].as_str().unwrap()
    }

    fn client(&self, account: &str) -> Client {
        let ca = std::fs::read(self.program.folder.join("tls.crt")).unwrap();
        let public = self.line["public"].as_str().unwrap().parse().unwrap();
        Client::new(public, &ca, "/corp", &token(account))
    }

    /// `postern ctl` with `--control`.
    fn ctl(&self, arguments: &[&str]) -> Said {
        let all = [&["ctl", "--control", self.control()], arguments].concat();
        self.program.run(&all)
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (u16, String) {
        let place = Place::Tcp(self.control().to_owned());
        exchange(&place, method, path, headers, body).await
    }

    async fn status(&self) -> Value {
        let (status, text) = self.ask(Method::GET, "/status", &[], "").await;
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.program.folder.join("log")).unwrap()
    }

    /// Waits until the log has a line with all of these in it.
    fn logged(&self, parts: &[&str]) {
        let deadline = Instant::now() + Duration::from_secs(60);
        let has = |line: &str| parts.iter().all(|part| line.contains(part));
        while !self.log().lines().any(has) {
            assert!(Instant::now() < deadline, "no {parts:?} in {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn exchange(
    place: &Place,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, String) {
    let mut request = Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", "localhost");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::Full(body.to_owned().into())).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let answer = ask(place, request, deadline, 1 << 20).await.unwrap();
    let body = String::from_utf8(answer.body.to_vec()).unwrap();
    (answer.status.as_u16(), body)
}

/// More of an access file: one operator, whose token is `token(id)`.
fn operator(name: &str, id: &str) -> String {
    let hash: String = Sha256::digest(token(id))
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("operators: [{{name: {name}, tokens: [{{id: {id}, sha256: \"{hash}\"}}]}}]\n")
}

fn add(program: &Program, file: &str, more: &str) {
    let path: PathBuf = program.folder.join(file);
    let text = std::fs::read_to_string(&path).unwrap() + more;
    std::fs::write(&path, text).unwrap();
}

async fn directory() -> Scripted {
    let user =
        r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"1","login":"Ann"}"#;
    Scripted::start([Act::Say(json_answer(200, user))]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_becomes_visible_and_a_stranger_does_not() {
    let directory = directory().await;
    let desk = Desk::start(&directory.url(), LISTEN);
    let before = desk.status().await;
    assert_eq!(before["clients"], serde_json::json!([]));
    assert_eq!(before["accounts"][0]["keys"][0]["last_use"], Value::Null);
    assert_eq!(before["tenants"][0]["tenant_url"], "https://localhost/corp");
    assert_eq!(before["tenants"][0]["directory"]["name"], directory.url());
    assert!(before["since"].is_string() && before["uptime_seconds"].is_u64());
    let kinds: Vec<_> = before["sources"].as_array().unwrap().iter().collect();
    assert!(kinds.iter().any(|source| source["kind"] == "rules"));

    let client = desk.client("admin");
    let agent = [("user-agent", "Okta SCIM Client 1.0.0")];
    let get = async |path: &str| client.send(Method::GET, path, &agent, "").await;
    get("/Users/1").await.expect(200);
    let secret = "hunter2";
    get(&format!("/Users?filter=nonsense%20eqq%20%22{secret}%22"))
        .await
        .expect(400);
    let accent = serde_json::json!([{"op": "Replace", "path": "userName", "value": "b"}]);
    client.patch("/Users/1", &accent).await.expect(200);
    // None of these is a client: a stranger, and one that wants no tenant that there is.
    client.with_token(&token("nobody")).get("/Users/1").await;
    client.at("/nowhere").get("/Users/1").await.expect(404);

    let after = desk.status().await;
    let seen = after["clients"].as_array().unwrap();
    assert_eq!(seen.len(), 2, "{after:#}");
    let named = |agent: &str| seen.iter().find(|c| c["user_agent"] == agent).unwrap();
    let (okta, other) = (named("Okta SCIM Client 1.0.0"), named(""));
    for client in [okta, other] {
        assert_eq!(client["tenant"], "corp");
        assert_eq!(client["account"], "admin");
        assert_eq!(client["key"], "admin");
        assert_eq!(client["address"], "127.0.0.1");
        assert!(client["first_seen"].is_string() && client["last_success"].is_string());
    }
    assert_eq!(
        (&okta["requests"], &okta["accents"]),
        (&2.into(), &0.into())
    );
    assert_eq!(okta["last_error"]["status"], 400);
    assert_eq!(okta["last_error"]["reason"], "invalidFilter");
    assert_eq!(other["last_error"], Value::Null);
    assert_eq!(other["accents"], 1);
    assert!(after["accounts"][0]["keys"][0]["last_use"].is_string());
    assert!(!after.to_string().contains(secret));
    assert!(!desk.log().contains(secret) && !desk.log().contains(&token("admin")));
    desk.logged(&["\"who\":\"loopback\"", "\"path\":\"/status\"", "200"]);

    // Gone with its account, and the last use stays with the key over a reload.
    add(&desk.program, "access.yaml", "# touched\n");
    assert_eq!(desk.ctl(&["reload"]).code, Some(0));
    let touched = desk.status().await;
    assert_eq!(touched["accounts"][0]["keys"], after["accounts"][0]["keys"]);
    assert_eq!(touched["clients"].as_array().unwrap().len(), 2);
    let access = std::fs::read_to_string(desk.program.folder.join("access.yaml")).unwrap();
    desk.program.write(
        "access.yaml",
        &access.replace("- name: admin", "- name: another"),
    );
    assert_eq!(desk.ctl(&["reload"]).code, Some(0));
    assert_eq!(desk.status().await["clients"], serde_json::json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_listener_takes_and_what_it_refuses() {
    let desk = Desk::start("http://127.0.0.1:9", LISTEN);
    let get = async |headers: &[(&str, &str)]| {
        let (status, _) = desk.ask(Method::GET, "/status", headers, "").await;
        status
    };
    assert_eq!(get(&[("host", "127.0.0.1:9465")]).await, 200);
    assert_eq!(get(&[("host", "[::1]:9465")]).await, 200);
    assert_eq!(get(&[("host", "rebound.example")]).await, 421);
    let page = [("origin", "https://evil.example")];
    assert_eq!(get(&page).await, 403);
    let (status, _) = desk.ask(Method::POST, "/reload", &page, "").await;
    assert_eq!(status, 403);
    let (status, _) = desk.ask(Method::POST, "/status", &[], "").await;
    assert_eq!(status, 405);
    let (status, text) = desk.ask(Method::GET, "/livez", &[], "").await;
    assert_eq!(status, 404);
    let paths = "/status, /reload, /log-level, /guard/release and /guard/hold";
    assert_eq!(text, format!("here are {paths}\n"));
    let put = async |body: &str| desk.ask(Method::PUT, "/log-level", &[], body).await;
    assert_eq!(put("loud").await.0, 400);
    assert_eq!(put("postern=debug").await.0, 400);
    assert_eq!(put(&"info,".repeat(300)).await.0, 400);
    assert_eq!(put(&"x".repeat(100_000)).await.0, 413);
    let (status, text) = desk.ask(Method::GET, "/log-level", &[], "").await;
    assert_eq!((status, text.as_str()), (200, "info\n"));
    desk.logged(&["\"who\":\"nobody\"", "421"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_level_changes_while_it_runs() {
    let desk = Desk::start("http://127.0.0.1:9", LISTEN);
    let knock = async || {
        let public = desk.line["public"].as_str().unwrap();
        // Plain HTTP on the TLS port: told at debug only.
        let place = Place::Tcp(public.to_owned());
        exchange(&place, Method::GET, "/", &[], "").await.0
    };
    assert_eq!(knock().await, 400);
    let said = desk.ctl(&["log-level", "info,postern::server=debug"]);
    assert_eq!(
        (said.code, said.out.as_str()),
        (Some(0), "info,postern::server=debug\n")
    );
    assert!(!desk.log().contains("no TLS connection"));
    desk.logged(&["WARN", "the log level is changed", "\"from\":\"info\""]);
    assert_eq!(knock().await, 400);
    desk.logged(&["DEBUG", "no TLS connection"]);
    // The change is told where the new level would hide it, and where the old one did.
    assert_eq!(desk.ctl(&["log-level", "error"]).code, Some(0));
    desk.logged(&["WARN", "\"to\":\"error\""]);
    assert_eq!(desk.ctl(&["log-level", "info"]).code, Some(0));
    desk.logged(&["WARN", "\"from\":\"error\""]);
    let said = desk.ctl(&["log-level"]);
    assert_eq!((said.code, said.out.as_str()), (Some(0), "info\n"));
    let said = desk.ctl(&["log-level", "loud"]);
    assert_eq!(said.code, Some(64));
    insta::assert_snapshot!(said.err);
}

#[test]
fn while_it_ends_nothing_is_loaded_any_more() {
    let head = format!("{LISTEN}\ntimeouts: {{grace: 20s, drain: 20s}}");
    let mut desk = Desk::start("http://127.0.0.1:9", &head);
    signal(&desk.child, "TERM");
    let deadline = Instant::now() + Duration::from_secs(60);
    while !desk.ctl(&["status"]).out.contains("IT IS ENDING") {
        assert!(Instant::now() < deadline, "it does not say that it ends");
    }
    let said = desk.ctl(&["reload"]);
    assert_eq!(said.code, Some(1));
    assert!(
        said.err.contains("answered 503: it is ending"),
        "{}",
        said.err
    );
    signal(&desk.child, "TERM");
    assert_eq!(end(&mut desk.child).code(), Some(0));
}
