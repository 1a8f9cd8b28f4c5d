//! What `/readyz` makes of directories, and how it is known whether they are there.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::stopping::until;
use super::support::client::plain_get;
use super::support::program::Serving;
use super::support::{Program, world};

const USERS: &str = "  User: {unmapped: pass}\n";

/// A program whose configuration has these lines more, and where its probe is.
fn serve(rules: &[(&str, &str)], more: &str) -> (Program, Serving) {
    let program = Program::new(rules);
    program.write(
        "postern.yaml",
        &format!(
            "listen: {{public: \"127.0.0.1:0\", probe: \"127.0.0.1:0\", control: \"127.0.0.1:0\"}}\n\
             tls: {{certificate: tls.crt, key: tls.key}}\n\
             log: {{format: json}}\n\
             timeouts: {{grace: 0s}}\n{more}\n"
        ),
    );
    let serving = program.serve("/");
    (program, serving)
}

/// What `/readyz` says, with its status.
pub(crate) async fn readyz(probe: SocketAddr) -> (u16, Value) {
    let (status, body) = plain_get(probe, "/readyz")
        .await
        .expect("the probe answers");
    (status, serde_json::from_str(&body).unwrap())
}

async fn ready(serving: &Serving, what: &str, holds: impl Fn(u16, &Value) -> bool) {
    until(what, async || {
        let (status, parts) = readyz(serving.probe()).await;
        holds(status, &parts)
    })
    .await;
}

/// A directory that answers everything with 404, and counts.
async fn directory(listener: TcpListener) -> Arc<AtomicUsize> {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                while stream.read(&mut buffer).await.is_ok_and(|size| size > 0) {
                    count.fetch_add(1, Ordering::SeqCst);
                    let answer = b"HTTP/1.1 404 X\r\ncontent-length: 0\r\n\r\n";
                    if stream.write_all(answer).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    asked
}

/// Where nobody listens.
async fn nowhere() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

fn rule_at(path: &str, address: SocketAddr) -> String {
    world::rule(path, &format!("http://{address}"), "", USERS)
}

/// One directory that is there and one that is not, under each policy; nobody asks through us.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_that_is_down_counts_as_the_configuration_says() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = rule_at("/here", listener.local_addr().unwrap());
    let gone = rule_at("/gone", nowhere().await);
    directory(listener).await;
    let rules = [("here.yaml", &*here), ("gone.yaml", &*gone)];
    for (policy, status) in [("ignore", 200), ("any", 200), ("all", 503)] {
        let (_program, serving) = serve(&rules, &format!("ready: {{directories: {policy}}}"));
        ready(&serving, "an answer of both", |_, parts| {
            let tenants = &parts["directories"]["tenants"];
            tenants["here"]["health"] == "up" && tenants["gone"]["health"] == "down"
        })
        .await;
        let (got, parts) = readyz(serving.probe()).await;
        assert_eq!(got, status, "{policy}: {parts:#}");
        assert_eq!(parts["ready"], status == 200);
        assert_eq!(parts["listeners"]["ready"], true);
        assert_eq!(parts["snapshot"]["ready"], true);
        assert_eq!(parts["draining"], false);
        assert_eq!(parts["directories"]["policy"], policy);
        let reason = &parts["directories"]["tenants"]["gone"]["reason"];
        assert!(
            reason.as_str().unwrap().contains("cannot be reached"),
            "{parts:#}"
        );
        let reasons = parts["reasons"].as_array().unwrap();
        if status == 200 {
            assert_eq!(reasons.len(), 0);
        } else {
            let reason = reasons[0].as_str().unwrap();
            assert!(
                reason.starts_with("directories: that of gone is down: "),
                "{reason}"
            );
        }
        assert_eq!(
            plain_get(serving.probe(), "/livez").await.unwrap(),
            (200, "alive\n".to_owned())
        );
    }
    // With none but the one that is down, `any` is not enough.
    let (_program, serving) = serve(&rules[1..], "ready: {directories: any}");
    ready(&serving, "an answer", |_, parts| {
        parts["directories"]["tenants"]["gone"]["health"] == "down"
    })
    .await;
    assert_eq!(readyz(serving.probe()).await.0, 503);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_of_many_tenants_is_asked_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = directory(listener).await;
    let rules: Vec<_> = (0..5)
        .map(|n| (format!("t{n}.yaml"), rule_at(&format!("/t{n}"), address)))
        .collect();
    let rules: Vec<_> = rules
        .iter()
        .map(|(name, rule)| (&**name, &**rule))
        .collect();
    let (_program, serving) = serve(&rules, "ready: {directories: all}");
    ready(&serving, "readiness", |status, _| status == 200).await;
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

/// Away and back: two lines, however often it was asked in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_that_goes_and_comes_back_is_two_lines_in_the_log() {
    let address = nowhere().await;
    let rule = rule_at("/corp", address);
    let (program, mut serving) = serve(&[("corp.yaml", &rule)], "ready: {directories: any}");
    ready(&serving, "that it is down", |status, parts| {
        status == 503 && parts["directories"]["tenants"]["corp"]["health"] == "down"
    })
    .await;
    directory(TcpListener::bind(address).await.unwrap()).await;
    ready(&serving, "that it is back", |status, _| status == 200).await;
    serving.signal("TERM");
    assert_eq!(serving.end().code(), Some(0));
    let log = program.log();
    let log: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |message: &str| -> Vec<&Value> {
        let lines = log.iter();
        lines
            .filter(|line| line["fields"]["message"] == message || line["message"] == message)
            .collect()
    };
    let (lost, back) = (
        of("the directory does not answer"),
        of("the directory answers again"),
    );
    assert_eq!((lost.len(), back.len()), (1, 1), "{log:#?}");
    assert_eq!(lost[0]["level"], "WARN");
    assert_eq!(back[0]["level"], "INFO");
    assert!(
        lost[0].to_string().contains(&format!("http://{address}")),
        "{}",
        lost[0]
    );
}
