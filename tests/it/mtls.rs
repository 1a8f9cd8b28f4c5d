//! Client certificates at the public door: the real program, and certificates that `openssl` made.

mod tokens;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::HandshakeKind;
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::stopping::until;
use super::support::Program;
use super::support::client::plain_get;
use super::support::pki::Pki;
use super::support::program::Serving;
use super::support::scripted::{Act, Scripted, json_answer};
use super::support::world::{ADMIN, access, rule, token};

const USER: &str =
    r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"1","userName":"a"}"#;

/// A program whose public listener asks for certificates of `root` (these words of `tls:`), with
/// the account `admin` and these lines of more accounts, which may do what `admin` may.
async fn program(tls: &str, accounts: &str) -> (Scripted, Program) {
    let directory = Scripted::start([Act::Say(json_answer(200, USER))]).await;
    let rule = rule("/corp", &directory.url(), "", "  User: {unmapped: pass}\n");
    let program = Program::new(&[("corp.yaml", &rule)]);
    program.write(
        "postern.yaml",
        &format!(
            "listen: {{public: \"127.0.0.1:0\", probe: \"127.0.0.1:0\", control: \"127.0.0.1:0\"}}\n\
             tls: {{certificate: tls.crt, key: tls.key, client_ca: root.crt, {tls}}}\n\
             workers: 2\nreload: {{poll: 1h}}\ntimeouts: {{grace: 0s}}\n"
        ),
    );
    let mut text = access(&[ADMIN]);
    for account in accounts.lines() {
        writeln!(text, "  - {{roles: [admin], tenants: [corp], {account}}}").unwrap();
    }
    program.write("access.yaml", &text);
    (directory, program)
}

/// What a client has to show, kept for several connections: it resumes what it can.
fn identity(program: &Program, name: Option<&str>) -> Arc<rustls::ClientConfig> {
    let read = |file: String| std::fs::read(program.folder.join(file)).unwrap();
    let ca = read("tls.crt".to_owned());
    let pair = name.map(|name| (read(format!("{name}.crt")), read(format!("{name}.key"))));
    let pair = pair
        .as_ref()
        .map(|(cert, key)| (cert.as_slice(), key.as_slice()));
    let mut config = postern::net::tls::client_config(Some(&ca), pair).unwrap();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

async fn connect(
    serving: &Serving,
    tls: &Arc<rustls::ClientConfig>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(serving.public()).await.unwrap();
    over(stream, tls).await
}

async fn over(
    stream: TcpStream,
    tls: &Arc<rustls::ClientConfig>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::clone(tls))
        .connect(name, stream)
        .await
}

/// The status of a request on a connection that stays; none where it has ended.
async fn ask(stream: &mut TlsStream<TcpStream>, headers: &str) -> Option<u16> {
    let request = format!("GET /corp/Users/1 HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    loop {
        let mut bytes = [0; 4096];
        let length = stream
            .read(&mut bytes)
            .await
            .ok()
            .filter(|length| *length > 0)?;
        answer.push_str(std::str::from_utf8(&bytes[..length]).unwrap());
        let Some((head, body)) = answer.split_once("\r\n\r\n") else {
            continue;
        };
        let head = head.to_lowercase();
        let (_, length) = head.split_once("content-length: ").unwrap();
        let length: usize = length.lines().next().unwrap().parse().unwrap();
        if body.len() == length {
            return Some(head[9..12].parse().unwrap());
        }
    }
}

/// The same on a connection of its own; none where the handshake comes to nothing.
async fn once(serving: &Serving, tls: &Arc<rustls::ClientConfig>, headers: &str) -> Option<u16> {
    let mut stream = connect(serving, tls).await.ok()?;
    ask(&mut stream, headers).await
}

async fn refused(serving: &Serving, reason: &str) -> u64 {
    let (_, text) = plain_get(serving.probe(), "/metrics").await.unwrap();
    let series = format!("postern_client_certificates_refused_total{{reason=\"{reason}\"}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&series));
    line.unwrap_or_else(|| panic!("no {series}"))
        .parse()
        .unwrap()
}

/// Waits until so many were: the client may hear of it before it is counted.
async fn are_refused(serving: &Serving, reason: &str, wanted: u64) {
    let counted = async || refused(serving, reason).await == wanted;
    until(&format!("{wanted} {reason}"), counted).await;
}

fn ctl(program: &Program, serving: &Serving, command: &[&str]) -> super::support::program::Said {
    let control = serving.line["control"].as_str().unwrap();
    program.run(&[&["ctl", "--control", control], command].concat())
}

fn bearer(account: &str) -> String {
    format!("authorization: Bearer {}\r\n", token(account))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_looked_at_from_all_sides() {
    let accounts = "name: okta, certificates: [{subject: \"CN=okta,O=Example\"}]
name: deep, certificates: [{subject: \"CN=deep,O=Example\"}]
name: named, certificates: [{san: \"dns:named.example.com\"}, {san: \"ip:192.0.2.7\"}]";
    let lists = "client_crl: [root.crl, middle.crl], client_certificates: required";
    let (_directory, program) = program(lists, accounts).await;
    let Some(pki) = Pki::of(&program) else { return };
    pki.root("root");
    pki.root("other");
    pki.intermediate("middle", "root");
    pki.client("okta", "root");
    pki.client("deep", "middle");
    pki.client("stranger", "other");
    pki.client("gone", "root");
    pki.client("nobody", "root");
    pki.issue("named", "root", "named", &[]);
    pki.issue("server", "root", "server", &[]);
    let past = [
        "-startdate",
        "20200101000000Z",
        "-enddate",
        "20200201000000Z",
    ];
    pki.issue("old", "root", "client", &past);
    let future = [
        "-startdate",
        "20900101000000Z",
        "-enddate",
        "20900201000000Z",
    ];
    pki.issue("young", "root", "client", &future);
    pki.revoke("gone", "root");
    pki.list("root", "root.crl");
    pki.list("middle", "middle.crl");
    let serving = program.serve("/corp");

    let ask = async |name: &str| once(&serving, &identity(&program, Some(name)), "").await;
    assert_eq!(ask("okta").await, Some(200));
    assert_eq!(ask("named").await, Some(200));
    assert_eq!(
        ask("nobody").await,
        Some(401),
        "of a CA of ours, and of no account"
    );
    // The CA in between has to be sent along.
    for (name, reason) in [
        ("deep", "unknown_ca"),
        ("stranger", "unknown_ca"),
        ("gone", "revoked"),
        ("old", "expired"),
        ("young", "not_yet"),
        ("server", "usage"),
    ] {
        let before = refused(&serving, reason).await;
        assert_eq!(ask(name).await, None, "{name}");
        are_refused(&serving, reason, before + 1).await;
    }
    program.append("deep.crt", &program.read("middle.crt"));
    assert_eq!(ask("deep").await, Some(200));
    assert_eq!(
        once(&serving, &identity(&program, None), &bearer("admin")).await,
        None
    );
    are_refused(&serving, "missing", 1).await;
    // HTTP/2 is no other way in.
    let h2 = async |name: &str| {
        let mut config = (*identity(&program, Some(name))).clone();
        config.alpn_protocols = vec![b"h2".to_vec()];
        serving
            .client
            .with_tls(config)
            .http2()
            .try_get("/Users/1")
            .await
    };
    assert_eq!(h2("okta").await, Some(200));
    assert_eq!(h2("gone").await, None);

    until("access lines", async || serving.access().len() >= 5).await;
    let lines = serving.access();
    let of = |word: &str| {
        lines
            .iter()
            .find(|line| line["certificate"] == word)
            .unwrap()
    };
    let okta = of("CN=okta");
    assert_eq!(okta["account"], "okta");
    assert!(
        okta["key"].as_str().unwrap().starts_with("sha256:"),
        "{okta}"
    );
    assert_eq!(of("CN=nobody")["status"], 401);
    let status: Value = {
        let said = ctl(&program, &serving, &["status", "--json"]);
        serde_json::from_str(&said.out).unwrap()
    };
    let accounts = status["accounts"].as_array().unwrap();
    let okta = accounts.iter().find(|one| one["name"] == "okta").unwrap();
    assert_eq!(okta["requires"], "certificate");
    assert_eq!(okta["certificates"][0]["subject"], "CN=okta,O=Example");
    assert!(okta["certificates"][0]["last_use"].is_string(), "{okta}");
    let (_, metrics) = plain_get(serving.probe(), "/metrics").await.unwrap();
    for series in [
        "postern_certificate_expiry_timestamp_seconds{tenant=\"-\",use=\"client_ca\"}",
        "postern_revocation_list_due_timestamp_seconds{use=\"client_crl\"}",
        "postern_authentication_failures_total{reason=\"certificate\"} 1",
    ] {
        assert!(metrics.contains(series), "{series} in {metrics}");
    }
    let log = program.log();
    let told = log
        .lines()
        .filter(|line| line.contains("a client certificate was refused"));
    assert!((1..=8).contains(&told.count()), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_and_tokens_together() {
    let hash = |id: &str| {
        use sha2::{Digest as _, Sha256};
        let hash = Sha256::digest(token(id));
        hash.iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let accounts = format!(
        "name: okta, certificates: [{{subject: \"CN=okta,O=Example\"}}]
name: both, requires: both, certificates: [{{subject: \"CN=both,O=Example\"}}], tokens: [{{id: both, sha256: {}}}]
name: first, certificates: [{{san: \"dns:first.example.com\"}}]
name: second, certificates: [{{san: \"dns:second.example.com\"}}]
name: far, networks: [10.0.0.0/8], certificates: [{{subject: \"CN=far,O=Example\"}}]",
        hash("both")
    );
    let (_directory, program) = program("client_certificates: optional", &accounts).await;
    let Some(pki) = Pki::of(&program) else { return };
    pki.root("root");
    for name in ["okta", "both", "far", "stranger"] {
        pki.client(name, "root");
    }
    pki.issue("two", "root", "two", &[]);
    let serving = program.serve("/corp");
    let (admin, both) = (bearer("admin"), bearer("both"));
    let wrong = bearer("nobody");
    let spoofed = "x-client-cert: CN=okta\r\nssl-client-s-dn: CN=okta,O=Example\r\n\
                   x-forwarded-client-cert: Subject=\"CN=okta,O=Example\"\r\n\
                   x-ssl-client-verify: SUCCESS\r\nclient-cert: :AAAA:\r\n";
    let both_twice = format!("{both}{both}");
    for (certificate, headers, status) in [
        (None, "", 401),
        (None, spoofed, 401),
        (Some("stranger"), spoofed, 401),
        (None, &*admin, 200),
        (Some("okta"), "", 200),
        (Some("okta"), &*admin, 200),
        (Some("okta"), &*wrong, 401),
        (Some("okta"), "authorization: Basic b2t0YTp4\r\n", 401),
        (Some("okta"), "authorization: \r\n", 401),
        (Some("both"), "", 401),
        (Some("both"), &*both, 200),
        (Some("both"), &*wrong, 401),
        (Some("both"), &*both_twice, 400),
        (None, &*both, 401),
        (Some("okta"), &*both, 401),
        (Some("two"), "", 401),
        (Some("two"), &*admin, 200),
        (Some("far"), "", 401),
    ] {
        let tls = identity(&program, certificate);
        let found = once(&serving, &tls, headers).await;
        assert_eq!(found, Some(status), "{certificate:?} with {headers}");
    }
    let (_, metrics) = plain_get(serving.probe(), "/metrics").await.unwrap();
    let ambiguous = "postern_authentication_failures_total{reason=\"ambiguous\"} 1";
    assert!(metrics.contains(ambiguous), "{metrics}");
    // A certificate that will not do is refused, though none is needed.
    pki.root("other");
    pki.client("foreign", "other");
    let foreign = identity(&program, Some("foreign"));
    assert_eq!(once(&serving, &foreign, &admin).await, None);
    are_refused(&serving, "unknown_ca", 1).await;
}

/// The trap: who is revoked has a ticket of a session from before, and a connection that stands.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_revoked_neither_resumes_nor_stays() {
    let accounts = "name: okta, certificates: [{subject: \"CN=okta,O=Example\"}]
name: entra, certificates: [{subject: \"CN=entra,O=Example\"}]";
    let lists = "client_crl: [lists/root.crl], client_certificates: required";
    let (_directory, program) = program(lists, accounts).await;
    let Some(pki) = Pki::of(&program) else { return };
    std::fs::create_dir_all(program.folder.join("lists")).unwrap();
    pki.root("root");
    pki.client("okta", "root");
    pki.client("entra", "root");
    pki.list("root", "lists/root.crl");
    let serving = program.serve("/corp");
    let (okta, entra) = (
        identity(&program, Some("okta")),
        identity(&program, Some("entra")),
    );
    let mut standing = connect(&serving, &okta).await.unwrap();
    assert_eq!(ask(&mut standing, "").await, Some(200));
    let kind = |stream: &TlsStream<TcpStream>| stream.get_ref().1.handshake_kind();
    for tls in [&okta, &entra] {
        assert_eq!(once(&serving, tls, "").await, Some(200));
        let mut resumed = connect(&serving, tls).await.unwrap();
        assert_eq!(kind(&resumed), Some(HandshakeKind::Resumed));
        assert_eq!(ask(&mut resumed, "").await, Some(200));
    }
    let mut busy = connect(&serving, &okta).await.unwrap();
    assert_eq!(ask(&mut busy, "").await, Some(200));
    let mut other = connect(&serving, &entra).await.unwrap();
    assert_eq!(ask(&mut other, "").await, Some(200));

    // Another certificate of the listener's own changes nothing for anybody.
    let before = ["tls.crt", "tls.key"].map(|file| (file, program.read(file)));
    super::support::world::certificate(&program.folder);
    assert_eq!(ctl(&program, &serving, &["reload"]).code, Some(0));
    assert_eq!(ask(&mut busy, "").await, Some(200));
    let resumed = connect(&serving, &okta).await.unwrap();
    assert_eq!(kind(&resumed), Some(HandshakeKind::Resumed));
    drop(resumed);
    for (file, text) in &before {
        program.write(file, text);
    }
    assert_eq!(ctl(&program, &serving, &["reload"]).code, Some(0));

    pki.revoke("okta", "root");
    pki.list("root", "lists/root.crl");
    assert_eq!(ctl(&program, &serving, &["reload"]).code, Some(0));
    // Not one request more, whatever stood before.
    assert!(matches!(ask(&mut busy, "").await, None | Some(421)));
    let _ = standing.read_to_end(&mut Vec::new()).await;
    let fresh = identity(&program, Some("okta"));
    for tls in [&okta, &fresh] {
        assert_eq!(once(&serving, tls, "").await, None);
    }
    are_refused(&serving, "revoked", 2).await;
    // Who is still trusted is not disturbed.
    assert_eq!(ask(&mut other, "").await, Some(200));
    let fresh = identity(&program, Some("entra"));
    assert_eq!(once(&serving, &fresh, "").await, Some(200));

    // A list that is broken takes nothing back of what was taken back.
    program.write("lists/root.crl", "nonsense");
    assert_eq!(ctl(&program, &serving, &["reload"]).code, Some(1));
    assert_eq!(
        once(&serving, &identity(&program, Some("okta")), "").await,
        None
    );
    assert_eq!(once(&serving, &fresh, "").await, Some(200));
    assert_eq!(ask(&mut other, "").await, Some(200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_do_not_notice_when_cas_and_lists_change() {
    let accounts = "name: okta, certificates: [{subject: \"CN=okta,O=Example\"}]";
    let lists = "client_crl: [root.crl, other.crl], client_certificates: optional";
    let (_directory, program) = program(lists, accounts).await;
    let Some(pki) = Pki::of(&program) else { return };
    pki.root("root");
    pki.root("other");
    pki.client("okta", "root");
    pki.list("root", "root.crl");
    pki.list("other", "other.crl");
    let root = program.read("root.crt");
    let both = root.clone() + &program.read("other.crt");
    let serving = program.serve("/corp");
    let over = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut clients = Vec::new();
    for name in [Some("okta"), None] {
        let (tls, over) = (identity(&program, name), Arc::clone(&over));
        let headers = if name.is_some() {
            String::new()
        } else {
            bearer("admin")
        };
        let mut stream = connect(&serving, &tls).await.unwrap();
        clients.push(tokio::spawn(async move {
            let mut asked = 0;
            while !over.load(std::sync::atomic::Ordering::SeqCst) {
                assert_eq!(ask(&mut stream, &headers).await, Some(200), "after {asked}");
                asked += 1;
            }
            asked
        }));
    }
    let deadline = Instant::now() + Duration::from_secs(60);
    for round in 0..6 {
        if round % 2 == 0 {
            program.write("root.crt", if round % 4 == 0 { &both } else { &root });
        } else {
            pki.list("root", "root.crl");
        }
        // A moment may pass until the files are quiet.
        while ctl(&program, &serving, &["reload"]).code != Some(0) {
            assert!(Instant::now() < deadline, "{}", program.log());
        }
    }
    over.store(true, std::sync::atomic::Ordering::SeqCst);
    for client in clients {
        assert!(client.await.unwrap() > 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_balancer_says_where_a_certificate_comes_from() {
    let accounts =
        "name: okta, networks: [10.9.8.0/24], certificates: [{subject: \"CN=okta,O=Example\"}]";
    let (_directory, program) = program("client_certificates: required", accounts).await;
    let Some(pki) = Pki::of(&program) else { return };
    program.append("postern.yaml", "trusted_proxies: [127.0.0.1]\n");
    pki.root("root");
    pki.client("okta", "root");
    let serving = program.serve("/corp");
    for (from, status) in [("10.9.8.7", 200), ("10.9.9.7", 401)] {
        let mut stream = TcpStream::connect(serving.public()).await.unwrap();
        let header = format!("PROXY TCP4 {from} 127.0.0.1 1234 443\r\n");
        stream.write_all(header.as_bytes()).await.unwrap();
        let tls = identity(&program, Some("okta"));
        let mut stream = over(stream, &tls).await.unwrap();
        assert_eq!(ask(&mut stream, "").await, Some(status), "{from}");
    }
}
