//! A control listener that others may reach: TLS, certificates of operators, tokens of operators.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use postern::net::oneshot::OneshotError;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::*;

/// A CA, which makes certificates in files.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("CA {number}");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    fn write(&self, program: &Program, file: &str) {
        program.write(file, &self.0.pem());
    }

    /// `NAME.crt` and `NAME.key` for a common name and a host.
    fn make(&self, program: &Program, name: &str) {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        program.write(&format!("{name}.crt"), &certificate.pem());
        program.write(&format!("{name}.key"), &key.serialize_pem());
    }
}

/// With the files of a secured listener in place: `ours` is the CA of its certificate, `theirs`
/// of the operators'.
fn files() -> (Program, Authority) {
    files_for("http://127.0.0.1:9")
}

fn files_for(directory: &str) -> (Program, Authority) {
    let rule = world::rule("/corp", directory, SCIM, USERS);
    let program = Program::new(&[("corp.yaml", &rule)]);
    let (ours, theirs) = (Authority::new(), Authority::new());
    ours.write(&program, "ours.crt");
    ours.make(&program, "door");
    theirs.write(&program, "theirs.crt");
    theirs.make(&program, "alice");
    ours.make(&program, "mallory");
    add(&program, "access.yaml", &operator("on-call", "ops"));
    for (file, id) in [("ops.token", "ops"), ("admin.token", "admin")] {
        program.write(file, &(token(id) + "\n"));
    }
    (program, theirs)
}

fn start(program: Program, more: &str) -> Desk {
    let secured = format!("{LISTEN}\ncontrol: {{certificate: door.crt, key: door.key{more}}}");
    Desk::of(program, &secured)
}

const CA: [&str; 4] = ["--ca", "ours.crt", "--server-name", "localhost"];
const ALICE: [&str; 4] = ["--cert", "alice.crt", "--key", "alice.key"];
const MALLORY: [&str; 4] = ["--cert", "mallory.crt", "--key", "mallory.key"];
const OPS: [&str; 2] = ["--token-file", "ops.token"];
const ADMIN: [&str; 2] = ["--token-file", "admin.token"];

/// The exit code and the first line of what was said.
fn knock(desk: &Desk, proofs: &[&[&str]]) -> String {
    let arguments = [&CA[..], &proofs.concat(), &["log-level"]].concat();
    let said = desk.ctl(&arguments);
    let text = format!("{} {}{}", said.code.unwrap(), said.out, said.err);
    text.replace(desk.control(), "127.0.0.1:PORT")
}

fn all(desk: &Desk) -> String {
    let tries: [(&str, &[&[&str]]); 6] = [
        ("nothing", &[]),
        ("a certificate", &[&ALICE]),
        ("a certificate of another CA", &[&MALLORY]),
        ("a token", &[&OPS]),
        ("a token of an account", &[&ADMIN, &ALICE]),
        ("both", &[&ALICE, &OPS]),
    ];
    let tried = tries.map(|(what, proofs)| format!("== {what}\n{}", knock(desk, proofs)));
    tried.concat()
}

#[test]
fn a_certificate_where_one_is_wanted() {
    let (program, _) = files();
    let desk = start(program, ", client_ca: theirs.crt");
    insta::assert_snapshot!(all(&desk));
    desk.logged(&["\"who\":\"CN=alice\"", "/log-level"]);
}

#[test]
fn a_token_where_one_is_wanted() {
    let (program, _) = files();
    let desk = start(program, ", operator_token: true");
    insta::assert_snapshot!(all(&desk));
    desk.logged(&["\"who\":\"on-call (key ops)\"", "/log-level"]);
    desk.logged(&["\"who\":\"nobody\"", "401"]);
    assert!(!desk.log().contains(&token("ops")) && !desk.log().contains(&token("admin")));
}

#[test]
fn both_where_both_are_wanted() {
    let (program, _) = files();
    let desk = start(program, ", client_ca: theirs.crt, operator_token: true");
    insta::assert_snapshot!(all(&desk));
    desk.logged(&["\"who\":\"on-call (key ops, CN=alice)\""]);
}

fn place(desk: &Desk, protocols: &[&[u8]]) -> Place {
    let ca = std::fs::read(desk.program.folder.join("ours.crt")).unwrap();
    let mut config = postern::net::tls::client_config(Some(&ca), None).unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let name = ServerName::try_from("localhost").unwrap();
    Place::Tls(desk.control().to_owned(), name, Arc::new(config))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_wrong_token_gets_the_same_answer_and_is_counted() {
    let (program, _) = files();
    let desk = start(program, ", operator_token: true");
    let place = place(&desk, &[]);
    let try_token = async |headers: &[(&str, &str)]| {
        exchange(&place, Method::GET, "/status", headers, "").await
    };
    let bearer = |token: &str| format!("Bearer {token}");
    let good = bearer(&token("ops"));
    let (status, text) = try_token(&[("authorization", &good)]).await;
    assert_eq!(status, 200, "{text}");
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["operators"][0]["name"], "on-call");
    assert!(value["operators"][0]["keys"][0]["last_use"].is_string());
    let mut answers = vec![try_token(&[]).await];
    for wrong in [
        bearer(&token("admin")),
        bearer(&token("nobody")),
        bearer("x"),
        bearer(&good),
        "Basic b3BzOm9wcw==".to_owned(),
    ] {
        answers.push(try_token(&[("authorization", &wrong)]).await);
    }
    let twice = [("authorization", &*good), ("authorization", &*good)];
    answers.push(try_token(&twice).await);
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(answers[0].0, 401);
    // Wherever it points, and whatever name it uses: on TLS the certificate holds the name.
    let odd = [("authorization", &*good), ("host", "postern.example")];
    assert_eq!(try_token(&odd).await.0, 200);
    assert_eq!(
        exchange(&place, Method::GET, "/nowhere", &[], "").await.0,
        401
    );

    // An operator is nobody at the other door.
    desk.client("ops")
        .get("/Users/1")
        .await
        .expect_error(401, None);
    let probe = Place::Tcp(desk.line["probe"].as_str().unwrap().to_owned());
    let (_, metrics) = exchange(&probe, Method::GET, "/metrics", &[], "").await;
    let failures = |reason: &str| {
        let mark = format!("failures_total{{reason=\"{reason}\"}} ");
        let line = metrics.lines().find(|line| line.contains(&mark)).unwrap();
        line.rsplit(' ').next().unwrap().parse::<u32>().unwrap()
    };
    // Two without a token (the other scheme counts as none), one more at a path that is not there.
    assert_eq!(failures("missing"), 3, "{metrics}");
    assert_eq!(failures("malformed"), 2, "{metrics}");
    assert_eq!(failures("unknown"), 4, "{metrics}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_speaks_http_1_by_tls_and_nothing_else() {
    let (program, _) = files();
    let desk = start(program, ", operator_token: true");
    let only_h2 = place(&desk, &[b"h2"]);
    let request = Request::new(Body::Empty);
    let deadline = Instant::now() + Duration::from_secs(60);
    let outcome = ask(&only_h2, request, deadline, 1000).await;
    assert!(
        matches!(outcome, Err(OneshotError::Handshake(_))),
        "{outcome:?}"
    );
    let (status, text) = desk.ask(Method::GET, "/status", &[], "").await;
    assert_eq!(status, 400);
    assert!(text.contains("HTTPS"), "{text}");
    // The command knows what that means.
    let plain = desk.ctl(&["status"]);
    assert_eq!(plain.code, Some(1));
    assert!(
        plain.err.contains("speaks TLS: --ca names the CA"),
        "{plain:?}"
    );
    let strange = desk.ctl(&["--ca", "tls.crt", "status"]);
    assert_eq!(strange.code, Some(1));
    assert!(strange.err.contains("--ca names the CA"), "{strange:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_configuration_says_that_the_listener_is_secured() {
    let directory = directory().await;
    let (program, _) = files_for(&directory.url());
    let desk = start(program, ", operator_token: true");
    let text = std::fs::read_to_string(desk.program.folder.join("postern.yaml")).unwrap();
    let fixed = text.replace(
        "control: \"127.0.0.1:0\"",
        &format!("control: \"{}\"", desk.control()),
    );
    desk.program.write("postern.yaml", &fixed);
    let found = |command| {
        let arguments = [&["ctl"], &CA[..], &OPS, &[command]].concat();
        desk.program.run(&arguments)
    };
    assert_eq!(found("reload").code, Some(0));
    let page = found("status");
    assert_eq!(page.code, Some(0), "{page:?}");
    assert!(page.out.contains("A RESTART IS NEEDED"), "{page:?}");
}

/// Certificate, key and CA are exchanged while it runs; who was let in before is not any more.
#[test]
fn certificates_and_the_ca_of_operators_rotate() {
    let (program, _) = files();
    let desk = start(program, ", client_ca: theirs.crt");
    let with =
        |proofs: &[&str], command: &str| desk.ctl(&[&CA[..], proofs, &[command]].concat()).code;
    assert_eq!(with(&ALICE, "reload"), Some(0));
    // A CA that cannot be used leaves the last good one in force.
    let good = std::fs::read_to_string(desk.program.folder.join("theirs.crt")).unwrap();
    desk.program.write("theirs.crt", "nonsense");
    assert_eq!(with(&ALICE, "reload"), Some(1));
    assert_eq!(with(&ALICE, "log-level"), Some(0));
    assert_eq!(with(&[], "log-level"), Some(1));
    desk.program.write("theirs.crt", &good);
    assert_eq!(with(&ALICE, "reload"), Some(0));

    let (ours, theirs) = (Authority::new(), Authority::new());
    theirs.write(&desk.program, "theirs.crt");
    theirs.make(&desk.program, "bob");
    let _ = with(&ALICE, "reload");
    let bob = ["--cert", "bob.crt", "--key", "bob.key"];
    assert_eq!(with(&bob, "log-level"), Some(0));
    assert_eq!(with(&ALICE, "log-level"), Some(1));
    ours.make(&desk.program, "door");
    let _ = with(&bob, "reload");
    assert_eq!(
        with(&bob, "log-level"),
        Some(1),
        "the old CA is not the new certificate's"
    );
    ours.write(&desk.program, "ours.crt");
    assert_eq!(with(&bob, "log-level"), Some(0));
}

/// A connection that stands is judged again when other CAs are trusted: it ends, or is told to be
/// made again, whichever is first. A change elsewhere leaves it alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_is_not_older_than_the_ca_of_operators() {
    let (program, _) = files();
    let desk = start(program, ", client_ca: theirs.crt");
    let mut alice = held(&desk).await;
    assert_eq!(status(&mut alice).await, 200);
    add(&desk.program, "access.yaml", "\n");
    let reload = |with: &[&str]| desk.ctl(&[&CA[..], with, &["reload"]].concat()).code;
    assert_eq!(reload(&ALICE), Some(0));
    assert_eq!(status(&mut alice).await, 200);

    let theirs = Authority::new();
    theirs.write(&desk.program, "theirs.crt");
    theirs.make(&desk.program, "bob");
    let _ = reload(&ALICE);
    let _ = alice
        .write_all(b"GET /log-level HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await;
    let mut rest = Vec::new();
    let _ = alice.read_to_end(&mut rest).await;
    assert!(
        rest.is_empty() || rest.starts_with(b"HTTP/1.1 421"),
        "{rest:?}"
    );
    assert_eq!(reload(&["--cert", "bob.crt", "--key", "bob.key"]), Some(0));
}

/// A connection of Alice's.
async fn held(desk: &Desk) -> TlsStream<TcpStream> {
    let read = |name: &str| std::fs::read(desk.program.folder.join(name)).unwrap();
    let (ca, certificate, key) = (read("ours.crt"), read("alice.crt"), read("alice.key"));
    let identity = Some((&*certificate, &*key));
    let config = postern::net::tls::client_config(Some(&ca), identity).unwrap();
    let stream = TcpStream::connect(desk.control()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    connector.connect(name, stream).await.unwrap()
}

/// The status of a request on it, whose answer is read whole.
async fn status(stream: &mut TlsStream<TcpStream>) -> u16 {
    let ask = b"GET /log-level HTTP/1.1\r\nhost: localhost\r\n\r\n";
    stream.write_all(ask).await.unwrap();
    let mut answer = String::new();
    loop {
        let mut byte = [0];
        stream.read_exact(&mut byte).await.unwrap();
        answer.push(char::from(byte[0]));
        if let Some((head, body)) = answer.split_once("\r\n\r\n") {
            let head = head.to_lowercase();
            let length = head.split_once("content-length: ").unwrap().1;
            let length: usize = length.lines().next().unwrap().parse().unwrap();
            if body.len() == length {
                return head[9..12].parse().unwrap();
            }
        }
    }
}

#[test]
fn it_does_not_start_without_its_files() {
    let (program, _) = files();
    program.write(
        "postern.yaml",
        &format!(
            "{LISTEN}\ntls: {{certificate: tls.crt, key: tls.key}}\n\
             control: {{certificate: door.crt, key: alice.key, client_ca: none.crt}}\n"
        ),
    );
    for (command, code) in [("serve", 64), ("check", 1)] {
        let said = program.run(&[command]);
        assert_eq!(said.code, Some(code), "{command}: {said:?}");
        assert!(said.err.contains("--> none.crt"), "{command}: {said:?}");
    }
}
