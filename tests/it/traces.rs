//! Traces: what a collector is sent by OTLP, what the directory is told, and what becomes of it
//! when the collector does not want it. `tests/suites/otlp.py` holds the messages against OTLP's
//! own schema.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};

use super::support::program::Serving;
use super::support::scripted::{Act, Scripted, json_answer};
use super::support::{Program, world};

const USERS: &str = "  User: {unmapped: pass}\n";
const SCIM: &str = ", supports: {patch: true, etag: false, filter: true, sort: true, page: true}";
const USER: &str =
    r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"bjensen","userName":"b"}"#;
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// A program that sends its traces to `collector`, with `more` about them.
fn program(directory: &Scripted, collector: &str, more: &str) -> Program {
    let rule = world::rule("/corp", &directory.url(), SCIM, USERS);
    let program = Program::new(&[("corp.yaml", &rule)]);
    program.append(
        "postern.yaml",
        &format!("traces: {{endpoint: \"{collector}/v1/traces\"{more}}}\n"),
    );
    program
}

fn taking() -> Act {
    Act::Say(json_answer(200, "{}"))
}

async fn directory() -> Scripted {
    Scripted::start([Act::Say(json_answer(200, USER))]).await
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "{what} did not come about");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn stop(serving: &mut Serving) {
    serving.signal("TERM");
    serving.signal("TERM");
    assert_eq!(serving.end().code(), Some(0));
}

/// The spans of all messages; the rest of each message is held against what it must be.
fn spans(collector: &Scripted) -> Vec<Value> {
    let mut all = Vec::new();
    for request in collector.requests() {
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("content-type: application/json"), "{head}");
        let message: Value = serde_json::from_str(body).unwrap();
        let resource = &message["resourceSpans"][0];
        let names = attributes(&resource["resource"]);
        assert_eq!(names["service.name"], "postern");
        assert_eq!(names["service.version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(names["service.instance.id"].as_str().unwrap().len(), 36);
        let scope = &resource["scopeSpans"][0];
        all.extend(scope["spans"].as_array().unwrap().iter().cloned());
    }
    all
}

/// The attributes as one object of plain values.
fn attributes(of: &Value) -> Value {
    let list = of["attributes"].as_array().unwrap().iter();
    list.map(|attribute| {
        let value = attribute["value"].as_object().unwrap();
        let value = value.values().next().unwrap().clone();
        (attribute["key"].as_str().unwrap().to_owned(), value)
    })
    .collect::<serde_json::Map<_, _>>()
    .into()
}

fn of_kind(spans: &[Value], kind: u64) -> Vec<&Value> {
    spans.iter().filter(|span| span["kind"] == kind).collect()
}

/// `traceparent` and `tracestate` as the directory was sent them.
fn told(request: &str) -> (Option<&str>, Option<&str>) {
    let header = |name: &str| {
        let mut lines = request.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    };
    (header("traceparent"), header("tracestate"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_and_its_call_are_spans_of_the_client_s_trace() {
    let (directory, collector) = (directory().await, Scripted::start([taking()]).await);
    let program = program(&directory, &collector.url(), ", ratio: 0");
    let mut serving = program.serve("/corp");
    let parent = format!("00-{TRACE}-{PARENT}-01");
    let headers = [
        ("traceparent", parent.as_str()),
        ("tracestate", "vendor=1, other@x=2"),
        ("x-request-id", "ticket-7"),
    ];
    let client = serving.client.http2();
    client
        .send(Method::GET, "/Users/bjensen?attributes=id", &headers, "")
        .await
        .expect(200);
    stop(&mut serving);

    let spans = spans(&collector);
    let (servers, calls) = (of_kind(&spans, 2), of_kind(&spans, 3));
    let ([server], [call]) = (servers.as_slice(), calls.as_slice()) else {
        panic!("{spans:#?}")
    };
    for span in [server, call] {
        assert_eq!(span["traceId"], TRACE);
        assert_eq!(span["traceState"], "vendor=1,other@x=2");
        assert_eq!(span["status"], json!({}));
        let time = |name: &str| span[name].as_str().unwrap().parse::<u128>().unwrap();
        assert!(time("startTimeUnixNano") <= time("endTimeUnixNano"));
        assert!(!span.to_string().contains("bjensen"), "{span}");
    }
    assert_eq!(server["parentSpanId"], PARENT);
    assert_eq!(call["parentSpanId"], server["spanId"]);
    assert_eq!(server["name"], "GET /Users/{id}");
    assert_eq!(call["name"], "GET User");
    let mut said = attributes(server);
    let mapping = said.as_object_mut().unwrap().remove("postern.mapping_us");
    assert!(mapping.unwrap().as_str().unwrap().parse::<u64>().is_ok());
    let revision = said.as_object_mut().unwrap().remove("postern.revision");
    assert!(!revision.unwrap().as_str().unwrap().is_empty());
    let wanted = json!({
        "http.request.method": "GET",
        "url.scheme": "https",
        "http.route": "/corp/Users/{id}",
        "server.address": "localhost",
        "client.address": "127.0.0.1",
        "network.protocol.name": "http",
        "network.protocol.version": "2",
        "http.response.status_code": "200",
        "postern.request_id": "ticket-7",
        "postern.tenant": "corp",
        "postern.operation": "read",
        "postern.resource": "User",
        "postern.directory_calls": "1",
    });
    assert_eq!(said, wanted);
    let wanted = json!({
        "http.request.method": "GET",
        "url.scheme": "http",
        "server.address": "127.0.0.1",
        "server.port": directory.address.port().to_string(),
        "postern.operation": "read",
        "postern.resource": "User",
    });
    assert_eq!(attributes(call), wanted);
    // What the directory does hangs under the call.
    let asked = directory.requests();
    let own = format!("00-{TRACE}-{}-01", call["spanId"].as_str().unwrap());
    assert_eq!(told(&asked[0]), (Some(&*own), Some("vendor=1,other@x=2")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_sampled_is_handed_on_and_nothing_else() {
    let (directory, collector) = (directory().await, Scripted::start([taking()]).await);
    let program = program(&directory, &collector.url(), ", ratio: 0");
    let mut serving = program.serve("/corp");
    let unsampled = format!("00-{TRACE}-{PARENT}-00");
    let broken = format!("00-{TRACE}-{PARENT}");
    for (parent, wanted) in [
        (Some(&unsampled), Some(&*unsampled)),
        (Some(&broken), None),
        (None, None),
    ] {
        let mut headers = vec![("tracestate", "a=1")];
        headers.extend(parent.map(|parent| ("traceparent", parent.as_str())));
        serving
            .client
            .send(Method::GET, "/Users/1", &headers, "")
            .await
            .expect(200);
        let asked = directory.requests();
        let state = wanted.map(|_| "a=1");
        assert_eq!(told(asked.last().unwrap()), (wanted, state));
    }
    stop(&mut serving);
    assert!(collector.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_of_our_own_goes_on_to_the_directory() {
    let directory = Scripted::start([Act::Say(json_answer(500, "{}"))]).await;
    let collector = Scripted::start([taking()]).await;
    let program = program(&directory, &collector.url(), "");
    let mut serving = program.serve("/corp");
    serving.client.get("/Users/1").await.expect(502);
    serving
        .client
        .with_token("wrong")
        .get("/Users/1")
        .await
        .expect(401);
    stop(&mut serving);
    let spans = spans(&collector);
    let (servers, calls) = (of_kind(&spans, 2), of_kind(&spans, 3));
    let ([failed, refused], [call]) = (servers.as_slice(), calls.as_slice()) else {
        panic!("{spans:#?}")
    };
    let own = format!(
        "00-{}-{}-01",
        call["traceId"].as_str().unwrap(),
        call["spanId"].as_str().unwrap()
    );
    let asked = directory.requests();
    assert_eq!(told(&asked[0]), (Some(&*own), None));
    assert_eq!(call["parentSpanId"], failed["spanId"]);
    assert!(failed.get("parentSpanId").is_none());
    assert_ne!(failed["traceId"], refused["traceId"]);
    assert_eq!(failed["status"], json!({"code": 2}));
    assert_eq!(attributes(failed)["error.type"], "502");
    assert_eq!(call["status"], json!({"code": 2}));
    assert_eq!(attributes(call)["error.type"], "failed");
    assert_eq!(attributes(call)["http.response.status_code"], "500");
    // It is the client's own fault.
    assert_eq!(refused["status"], json!({}));
    assert_eq!(refused["name"], "GET /Users/{id}");
}

/// A counter of `/metrics`.
async fn counter(serving: &Serving, name: &str) -> u64 {
    let text = super::logs::metrics(serving).await;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.map_or(0, |count| count.trim().parse().unwrap())
}

async fn until_counted(serving: &Serving, name: &str, wanted: u64) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while counter(serving, name).await != wanted {
        assert!(Instant::now() < deadline, "{name} is not {wanted}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

const EXPORTED: &str = "postern_traces_exported_total";
const DROPPED: &str = "postern_traces_dropped_total";

/// 503 is tried again, 400 is not, and a part that is refused is counted; the key of the collector
/// is read anew after a failure.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_collector_says_is_heeded() {
    let later = "HTTP/1.1 503 X\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n".to_owned();
    let partly = r#"{"partialSuccess":{"rejectedSpans":"1","errorMessage":"too old"}}"#;
    let collector = Scripted::start([
        Act::Say(later),
        taking(),
        Act::Say(json_answer(401, "")),
        Act::Say(json_answer(200, partly)),
        taking(),
    ])
    .await;
    let directory = directory().await;
    let program = program(&directory, &collector.url(), ", headers_file: headers");
    program.write("headers", "authorization: first\n");
    let mut serving = program.serve("/corp");
    let read = async || serving.client.get("/Users/1").await.expect(200);

    read().await;
    until_counted(&serving, EXPORTED, 2).await;
    program.write("headers", "authorization: second\n");
    read().await;
    until_counted(&serving, DROPPED, 2).await;
    read().await;
    until_counted(&serving, DROPPED, 3).await;
    until_counted(&serving, EXPORTED, 3).await;

    stop(&mut serving);
    let requests = collector.requests();
    assert_eq!(requests.len(), 4);
    let body = |at: usize| requests[at].split_once("\r\n\r\n").unwrap().1;
    assert_eq!(body(0), body(1), "the same message once more");
    for (at, key) in ["first", "first", "first", "second"].iter().enumerate() {
        let header = format!("authorization: {key}\r\n");
        assert!(requests[at].contains(&header), "{}", requests[at]);
    }
}

/// A collector that is away or hangs holds up neither requests nor the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_not_there_costs_spans_only() {
    let directory = directory().await;
    let hanging = Scripted::start([Act::Hang]).await;
    for collector in [hanging.url(), "http://127.0.0.1:9".to_owned()] {
        let program = program(&directory, &collector, "");
        let mut serving = program.serve("/corp");
        for _ in 0..20 {
            serving.client.get("/Users/1").await.expect(200);
        }
        stop(&mut serving);
    }
    until("a try", || !hanging.requests().is_empty()).await;
}

#[test]
fn headers_that_cannot_be_read_are_said_at_the_start() {
    let rule = world::rule("/corp", "http://127.0.0.1:9", SCIM, USERS);
    let program = Program::new(&[("corp.yaml", &rule)]);
    program.append(
        "postern.yaml",
        "traces: {endpoint: \"http://127.0.0.1:9\", headers_file: headers}\n",
    );
    program.write("headers", "secret-without-a-name\n");
    for command in ["serve", "check"] {
        let said = program.run(&[command]);
        assert_eq!(said.code, Some(if command == "serve" { 64 } else { 1 }));
        let wanted = "line 1 is not `Name: value`";
        assert!(
            said.err.contains("--> headers\n") && said.err.contains(wanted),
            "{}",
            said.err
        );
        assert!(!said.err.contains("secret-without"), "{}", said.err);
    }
}
