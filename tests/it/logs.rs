//! The access line and the log: whole, one for each request, without a secret, and never in the
//! way of serving.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::support::program::Serving;
use super::support::scripted::{Act, Scripted, json_answer};
use super::support::{Program, world};

const USERS: &str = "  User: {unmapped: pass}\n";
const SCIM: &str = ", supports: {patch: true, etag: false, filter: true, sort: true, page: true}";
const USER: &str =
    r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"bjensen","userName":"b"}"#;

fn program(directory: &str) -> Program {
    let rule = world::rule("/corp", directory, SCIM, USERS);
    Program::new(&[("corp.yaml", &rule)])
}

/// The access lines, once the program has ended.
fn lines(program: &Program, serving: &mut Serving) -> Vec<Value> {
    serving.signal("TERM");
    assert_eq!(serving.end().code(), Some(0));
    let text = program.read("out");
    let (first, rest) = text.split_once('\n').unwrap();
    assert!(first.contains("\"public\""), "{first}");
    rest.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e} in {line}")))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_says_all_that_is_asked_at_three_in_the_morning() {
    let directory = Scripted::start([Act::Say(json_answer(200, USER))]).await;
    let program = program(&directory.url());
    let mut serving = program.serve_into("/corp", "out", "err");
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let headers = [
        ("x-request-id", "ticket-7"),
        ("user-agent", "Agent/1 \"x\""),
        ("traceparent", &format!("00-{trace}-00f067aa0ba902b7-01")),
    ];
    let client = serving.client.http2();
    let answer = client
        .send(Method::GET, "/Users/bjensen?filter=x", &headers, "")
        .await
        .expect(200);
    assert_eq!(answer.headers["x-request-id"], "ticket-7");
    let wrong = serving.client.with_token("wrong");
    wrong
        .post("/Users", &json!({"userName": "bjensen"}))
        .await
        .expect(401);
    let filter = "/Users?filter=userName%20nq%20%22bjensen%22";
    serving.client.get(filter).await.expect(400);
    let lines = lines(&program, &mut serving);
    let [read, refused, bad] = lines.as_slice() else {
        panic!("{lines:#?}")
    };

    let names: Vec<&str> = read
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let wanted = "time request_id trace_id peer protocol tenant account key user_agent method path \
                  id_digest operation resource status duration_us directory_us mapping_us bytes_in \
                  bytes_out revision";
    assert_eq!(names.join(" "), wanted);
    for (name, wanted) in [
        ("request_id", json!("ticket-7")),
        ("trace_id", json!(trace)),
        ("protocol", json!("h2")),
        ("tenant", json!("corp")),
        ("account", json!("admin")),
        ("key", json!("admin")),
        ("user_agent", json!("Agent/1 \"x\"")),
        ("method", json!("GET")),
        ("path", json!("/corp/Users/{id}")),
        ("operation", json!("read")),
        ("resource", json!("User")),
        ("status", json!(200)),
        ("bytes_in", json!(0)),
        ("bytes_out", json!(answer.body.len())),
    ] {
        assert_eq!(read[name], wanted, "{name}");
    }
    let time = |name: &str| read[name].as_u64().unwrap();
    assert!(time("directory_us") > 0 && time("mapping_us") > 0);
    assert!(time("directory_us") + time("mapping_us") <= time("duration_us"));

    for (name, wanted) in [
        ("protocol", json!("h1")),
        ("path", json!("/corp/Users")),
        ("status", json!(401)),
        ("fault", json!("client")),
        ("reason", json!("unknown token")),
    ] {
        assert_eq!(refused[name], wanted, "{name}");
    }
    assert!(refused.get("account").is_none() && refused.get("trace_id").is_none());
    assert!(!refused["request_id"].as_str().unwrap().is_empty());
    assert_eq!(bad["scim_type"], "invalidFilter");
    // What the directory was told to call it.
    let asked = directory.requests();
    assert!(asked[0].contains("x-request-id: ticket-7"), "{}", asked[0]);
    assert!(asked[0].contains(&format!("traceparent: 00-{trace}-00f067aa0ba902b7-01")));
}

/// Also of one whose head is refused, and of one whose client does not wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_has_its_line() {
    let directory = Scripted::start([Act::Hang]).await;
    let program = program(&directory.url());
    let mut serving = program.serve_into("/corp", "out", "err");
    let mut stream = serving.client.connect(&[b"http/1.1"]).await;
    stream
        .write_all(b"POST /corp/Users HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 400 "));

    let client = serving.client.clone();
    let gone = tokio::spawn(async move { client.get("/Users/bjensen").await });
    let deadline = Instant::now() + Duration::from_secs(60);
    while directory.requests().is_empty() {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    gone.abort();
    while program.read("out").lines().count() < 3 {
        assert!(Instant::now() < deadline, "{}", program.read("out"));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let lines = lines(&program, &mut serving);
    let [framing, left] = lines.as_slice() else {
        panic!("{lines:#?}")
    };
    assert_eq!(framing["status"], 400);
    assert_eq!(framing["fault"], "client");
    assert_eq!(framing["protocol"], "h1");
    assert!(framing.get("path").is_none());
    assert_eq!(left["status"], 499);
    assert_eq!(left["path"], "/corp/Users/{id}");
    assert!(left["directory_us"].as_u64().unwrap() > 0);
}

/// Everything that is a secret, or about a person, goes through every stage, and nothing of it
/// comes out again, at the most talkative level that there is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_secret_comes_out_at_any_level() {
    const SECRETS: [&str; 10] = [
        "hunter2password",
        "Cookie-8c1f",
        "ApiKey-77aa",
        "Forwarded-12ab",
        "Filtered-93de",
        "Value-51ce",
        "DirectorySecret-0a9b",
        "AnswerValue-6f6f",
        "ErrorDetail-1d1d",
        "Collector-3c3c",
    ];
    let user = USER.replace("\"userName\":\"b\"", "\"userName\":\"AnswerValue-6f6f\"");
    let refusal = r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"400","scimType":"invalidValue","detail":"ErrorDetail-1d1d"}"#;
    let directory = Scripted::start([
        Act::Say(json_answer(201, &user)),
        Act::Say(json_answer(400, refusal)),
        Act::Say("HTTP/1.1 200 X\r\ncontent-length: 16\r\n\r\nAnswerValue-6f6f".to_owned()),
        Act::Say(json_answer(200, &user)),
    ])
    .await;
    let program = program(&directory.url());
    let more = ", bearer_file: secret";
    let rule = world::rule("/corp", &directory.url(), &format!("{SCIM}{more}"), USERS);
    program.write("rules/corp.yaml", &rule);
    program.write("rules/secret", "DirectorySecret-0a9b\n");
    program.write("headers", "authorization: Collector-3c3c\n");
    let collector = Scripted::start([Act::Say(json_answer(401, "Collector-3c3c"))]).await;
    program.append(
        "postern.yaml",
        &format!(
            "log: {{level: trace, format: json}}\n\
             traces: {{endpoint: \"{}/v1/traces\", headers_file: headers}}\n",
            collector.url()
        ),
    );
    let mut serving = program.serve_into("/corp", "out", "err");
    let body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": "Value-51ce", "password": "hunter2password",
    })
    .to_string();
    let headers = [
        ("content-type", "application/scim+json"),
        ("cookie", "a=Cookie-8c1f"),
        ("x-api-key", "ApiKey-77aa"),
        ("x-forwarded-user", "Forwarded-12ab"),
        ("x-request-id", "Cookie-8c1f is not an id"),
    ];
    for client in [serving.client.clone(), serving.client.http2()] {
        for _ in 0..2 {
            client
                .send(Method::POST, "/Users", &headers, body.clone())
                .await;
        }
        for path in [
            "/Users?filter=userName%20eq%20%22Filtered-93de%22",
            "/Users?filter=Filtered-93de",
            "/Users?access_token=ApiKey-77aa&count=Filtered-93de",
        ] {
            client.send(Method::GET, path, &headers, "").await;
        }
        let wrong = client.with_token("hunter2password");
        wrong
            .send(Method::GET, "/Users", &headers, "")
            .await
            .expect(401);
        let broken = format!("{{\"Value-51ce\": {body}");
        client
            .send(Method::POST, "/Users", &headers, broken)
            .await
            .expect(400);
    }
    assert!(directory.requests()[0].contains("DirectorySecret-0a9b"));
    let lines = lines(&program, &mut serving);
    assert_eq!(lines.len(), 14);
    assert!(collector.requests().concat().contains("Collector-3c3c"));
    let token = world::token("admin");
    let (out, err) = (program.read("out"), program.read("err"));
    assert!(err.contains("\"level\":\"TRACE\""), "it is not talkative");
    for secret in SECRETS.iter().chain([&token.as_str()]) {
        for (name, text) in [("out", &out), ("err", &err), ("spans", &spans(&collector))] {
            let found = text.lines().find(|line| line.contains(secret));
            assert_eq!(found, None, "{secret} in {name}");
        }
    }
}

/// What the collector was sent, without the header that is meant for it.
fn spans(collector: &Scripted) -> String {
    let requests = collector.requests();
    let bodies = requests
        .iter()
        .filter_map(|text| text.split_once("\r\n\r\n"));
    bodies.map(|(_, body)| body).collect::<Vec<_>>().join("\n")
}

/// One request after the other is answered although nothing can be written any more.
async fn goes_on(serving: &Serving, requests: usize) {
    for _ in 0..requests {
        serving
            .client
            .get("/ServiceProviderConfig")
            .await
            .expect(200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_or_full_output_neither_ends_nor_blocks_it() {
    let program = program("http://127.0.0.1:9");
    program.append("postern.yaml", "log: {level: trace, format: json}\n");
    // Both outputs are pipes whose reader has gone after the first line: EPIPE.
    let mut child = program
        .command(&["serve", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    drop((out, child.stderr.take()));
    let mut serving = program.adopt(child, &line, "/corp");
    goes_on(&serving, 20).await;
    until_dropped(&serving, 19).await;
    serving.signal("TERM");
    assert_eq!(serving.end().code(), Some(0));

    // Pipes whose reader reads no more: they fill up at 64 KiB.
    let mut child = program
        .command(&["serve", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut line = Vec::new();
    let mut byte = [0];
    while line.last() != Some(&b'\n') {
        out.read_exact(&mut byte).unwrap();
        line.push(byte[0]);
    }
    let err = child.stderr.take().unwrap();
    let mut serving = program.adopt(child, &String::from_utf8(line).unwrap(), "/corp");
    goes_on(&serving, 300).await;
    serving.signal("TERM");
    assert_eq!(
        serving.end().code(),
        Some(0),
        "it ends although nobody reads"
    );
    drop((out, err));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_costs_lines_only() {
    let program = program("http://127.0.0.1:9");
    let mut child = Command::new("sh");
    let binary = env!("CARGO_BIN_EXE_postern");
    // The line that says where it listens would be lost as well.
    program.append("postern.yaml", "log: {level: info, format: json}\n");
    child
        .args(["-c", &format!("exec {binary} serve >/dev/full 2>err")])
        .current_dir(&program.folder)
        .stdin(Stdio::null());
    let child = child.spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let line = loop {
        let text = std::fs::read_to_string(program.folder.join("err")).unwrap_or_default();
        if let Some(line) = text.lines().find(|line| line.contains("\"serving\"")) {
            break line.to_owned();
        }
        assert!(Instant::now() < deadline, "it does not start: {text}");
        std::thread::sleep(Duration::from_millis(20));
    };
    let mut serving = program.adopt(child, &line, "/corp");
    goes_on(&serving, 10).await;
    assert_eq!(until_dropped(&serving, 10).await, 10);
    serving.signal("TERM");
    assert_eq!(serving.end().code(), Some(0));
}

/// The counter of lost lines, once it is `wanted` at least.
async fn until_dropped(serving: &Serving, wanted: u64) -> u64 {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let text = metrics(serving).await;
        let name = "postern_access_lines_dropped_total ";
        let now: u64 = text
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .map_or(0, |count| count.trim().parse().unwrap());
        if now >= wanted {
            return now;
        }
        assert!(Instant::now() < deadline, "{text}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The answer of `/metrics`.
pub(crate) async fn metrics(serving: &Serving) -> String {
    let probe = serving.line["probe"].as_str().unwrap();
    let mut stream = tokio::net::TcpStream::connect(probe).await.unwrap();
    let ask = b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(ask).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}
