//! Everything that is in files changes while the program serves: as kubelet mounts them, as people
//! and editors write them. What is broken holds up nothing else.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::support::kubelet::{CONFIG_MAP, Mount, SECRET};
use super::support::program::{first_line, signal};
use super::support::scripted::{Act, Scripted, json_answer};
use super::support::world::{ADMIN, Account, access, folder, rule, token};
use super::support::{Client, Program};

const USERS: &str = "  User: {unmapped: pass}\n";
const SCIM: &str = ", supports: {patch: true, etag: false, filter: true, sort: true, page: true}";
const LIST: &str = r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":0,"Resources":[]}"#;

const OTHER: Account<'_> = Account {
    name: "other",
    ..ADMIN
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tenants_come_and_go_with_the_mounted_rules() {
    let directory = directory().await;
    let mut pod = Pod::new(&directory.url());
    let client = pod.start();
    client.get("/Users").await.expect(200);
    let sales = client.at("/sales");
    sales.get("/Users").await.expect(404);
    pod.rules
        .put("sales.yaml", &rule("/sales", &directory.url(), SCIM, USERS));
    until_status(&sales, 200).await;
    client.get("/Users").await.expect(200);
    pod.rules.remove("corp.yaml");
    until_status(&client, 404).await;
    sales.get("/Users").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_rule_serves_on_as_it_was_and_holds_up_no_revoked_token() {
    let directory = directory().await;
    let mut pod = Pod::new(&directory.url());
    let client = pod.start();
    let other = client.with_token(&token("other"));
    other.get("/Users").await.expect(200);
    pod.rules.put(
        "corp.yaml",
        "tenant_url: https://localhost/corp\nbackends: x\n",
    );
    let said = pod.log_line("backends").await;
    assert_eq!(said["level"], "ERROR", "{said}");
    assert_eq!(said["source"], "rules");
    let place = "rules/corp.yaml:2:1: unknown key `backends`";
    assert!(message(&said).contains(place), "{said}");
    other.get("/Users").await.expect(200);

    pod.access.put("access.yaml", &access(&[ADMIN]));
    until_status(&other, 401).await;
    client.get("/Users").await.expect(200);
    // Looked at again and again, said once.
    assert_eq!(pod.count("unknown key `backends`"), 1);

    pod.rules
        .put("corp.yaml", &rule("/corp", &directory.url(), SCIM, USERS));
    pod.log_line("are again as they serve").await;
    pod.rules
        .put("corp.yaml", &rule("/corp2", &directory.url(), SCIM, USERS));
    until_status(&client.at("/corp2"), 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_access_file_serves_on_as_it_was() {
    let directory = directory().await;
    let mut pod = Pod::new(&directory.url());
    let client = pod.start();
    pod.access
        .put("access.yaml", &access(&[ADMIN]).replace("verbs", "verb"));
    let said = pod.log_line("unknown key `verb`").await;
    assert_eq!(said["source"], "access");
    client.get("/Users").await.expect(200);
    pod.rules
        .put("more.yaml", &rule("/more", &directory.url(), SCIM, USERS));
    until_status(&client.at("/more"), 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_handshakes_see_the_new_certificate_and_old_connections_go_on() {
    use hyper_util::rt::TokioIo;
    let directory = directory().await;
    let mut pod = Pod::new(&directory.url());
    let client = pod.start();
    let stream = client.connect(&[b"http/1.1"]).await;
    let (mut old, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let ask = || {
        http::Request::get("/corp/Users")
            .header("host", "localhost")
            .header("authorization", &client.authorization)
            .body(String::new())
            .unwrap()
    };
    assert_eq!(old.send_request(ask()).await.unwrap().status(), 200);

    let (first, _) = pod.pair.clone();
    let (second, key) = pair();
    // A certificate without its key is none.
    pod.tls.put("tls.crt", &second);
    let said = pod.log_line("does not belong to").await;
    assert_eq!(said["source"], "tls");
    assert_eq!(shown(&client).await, der(&first));
    client.get("/Users").await.expect(200);

    pod.tls.swap(&[("tls.crt", &second), ("tls.key", &key)]);
    until("the new certificate", async || {
        shown(&pod.client(&second)).await == der(&second)
    })
    .await;
    pod.client(&second).get("/Users").await.expect(200);
    old.ready().await.unwrap();
    assert_eq!(old.send_request(ask()).await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_s_secret_rotates_and_no_other_connection_is_dropped() {
    let directory = directory().await;
    let quiet = Scripted::start([Act::Say(json_answer(200, LIST))]).await;
    let mut pod = Pod::new(&directory.url());
    let secret = format!("{SCIM}, bearer_file: ../secrets/token");
    pod.rules.swap(&[
        (
            "corp.yaml",
            &rule("/corp", &directory.url(), &secret, USERS),
        ),
        ("quiet.yaml", &rule("/quiet", &quiet.url(), SCIM, USERS)),
    ]);
    let client = pod.start();
    let still = client.at("/quiet");
    still.get("/Users").await.expect(200);
    client.get("/Users").await.expect(200);
    let last = |directory: &Scripted| directory.requests().pop().unwrap();
    assert!(last(&directory).contains("Bearer first"));
    let before = quiet.connections();
    assert!(before > 0);

    pod.secrets.put("token", "second\n");
    until("the new secret", async || {
        client.get("/Users").await.expect(200);
        last(&directory).contains("Bearer second")
    })
    .await;
    // An empty one is a mistake: the last good one is used, by a rule that is new as well.
    pod.secrets.put("token", "");
    let said = pod.log_line("is empty").await;
    assert_eq!(said["source"], "secrets");
    pod.rules.put(
        "corp.yaml",
        &rule("/corp-2", &directory.url(), &secret, USERS),
    );
    let moved = client.at("/corp-2");
    until_status(&moved, 200).await;
    assert!(last(&directory).contains("Bearer second"));
    pod.secrets.put("token", "third");
    until("the third secret", async || {
        moved.get("/Users").await.expect(200);
        last(&directory).contains("Bearer third")
    })
    .await;
    still.get("/Users").await.expect(200);
    assert_eq!(quiet.connections(), before);
}

/// kubelet brings the rules and the secrets at different times.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_waits_for_the_secret_that_it_names() {
    let directory = directory().await;
    let mut pod = Pod::new(&directory.url());
    let client = pod.start();
    let secret = format!("{SCIM}, bearer_file: ../secrets/later");
    pod.rules.put(
        "more.yaml",
        &rule("/more", &directory.url(), &secret, USERS),
    );
    let said = pod.log_line("`../secrets/later` cannot be read").await;
    assert_eq!(said["source"], "rules");
    client.get("/Users").await.expect(200);
    pod.secrets.put("later", "here");
    until_status(&client.at("/more"), 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_written_in_every_way_that_people_have() {
    let directory = directory().await;
    let mut plain = Plain::new(&directory.url());
    let client = plain.start("1h");
    let revision = async |wanted: &str| until_status(&client.at(wanted), 200).await;
    let text = |path: &str| rule(path, &directory.url(), SCIM, USERS);
    let file = plain.folder().join("rules/corp.yaml");
    // In place.
    fs::write(&file, text("/in-place")).unwrap();
    revision("/in-place").await;
    // Beside it and renamed, as editors do.
    let beside = plain.folder().join("rules/.corp.yaml.swp");
    fs::write(&beside, text("/renamed")).unwrap();
    fs::rename(&beside, &file).unwrap();
    revision("/renamed").await;
    // Moved away, and a new one in its place.
    fs::rename(&file, plain.folder().join("rules/corp.yaml~")).unwrap();
    fs::write(&file, text("/backup")).unwrap();
    revision("/backup").await;
    // The whole folder removed, and put back.
    let rules = plain.folder().join("rules");
    fs::remove_dir_all(&rules).unwrap();
    plain
        .log_line("the folder of the rules cannot be read")
        .await;
    revision("/backup").await;
    fs::create_dir(&rules).unwrap();
    fs::write(&file, text("/put-back")).unwrap();
    revision("/put-back").await;
    fs::write(&file, text("/watched-again")).unwrap();
    revision("/watched-again").await;
    // The whole folder exchanged for another.
    let next = plain.folder().join("next");
    fs::create_dir(&next).unwrap();
    fs::write(next.join("corp.yaml"), text("/exchanged")).unwrap();
    fs::rename(&rules, plain.folder().join("last")).unwrap();
    fs::rename(&next, &rules).unwrap();
    revision("/exchanged").await;
    // A link to it exchanged, as tools do that follow a repository.
    let versions = ["one", "two"].map(|name| plain.folder().join(name));
    for (version, path) in versions.iter().zip(["/one", "/two"]) {
        fs::create_dir(version).unwrap();
        fs::write(version.join("corp.yaml"), text(path)).unwrap();
    }
    let link = plain.folder().join("link");
    for (version, path) in versions.iter().zip(["/one", "/two"]) {
        symlink(version, &link).unwrap();
        let _ = fs::remove_dir_all(&rules);
        fs::rename(&link, &rules).unwrap();
        revision(path).await;
        fs::write(rules.join("more.yaml"), text("/more")).unwrap();
        revision("/more").await;
    }
}

/// Of a file that is written slowly nothing serves before it is whole. Who stops writing for a
/// while is taken to be done: where this machine stopped the test for so long, it begins again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_being_written_does_not_serve() {
    use std::io::Write as _;
    let directory = directory().await;
    let mut plain = Plain::new(&directory.url());
    let client = plain.start("1h");
    let other = client.with_token(&token("other"));
    let text = access(&[OTHER, ADMIN]);
    let half = text.find("  - name: admin").unwrap();
    let path = plain.folder().join("access.yaml");
    // A writer that pauses too long has done, so it counts only when this machine let it write.
    for _ in 0..50 {
        let before = plain.log();
        let mut file = File::create(&path).unwrap();
        let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
        let mut write = |part: &[u8]| {
            file.write_all(part).unwrap();
            longest = longest.max(last.elapsed());
            last = Instant::now();
        };
        // Longer than a hint is ever waited with.
        for part in text.as_bytes()[..half].chunks(half / 20) {
            write(part);
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
        write(&text.as_bytes()[half..]);
        drop(file);
        until_status(&other, 200).await;
        client.get("/Users").await.expect(200);
        if longest < Duration::from_millis(80) {
            assert_eq!(plain.log(), before, "nothing was wrong");
            return;
        }
        fs::write(&path, access(&[ADMIN])).unwrap();
        until_status(&other, 401).await;
    }
    panic!("this machine never let us write for a second");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_and_the_poll_find_what_the_system_does_not_tell() {
    let directory = directory().await;
    for (poll, by_signal) in [("1h", true), ("1s", false)] {
        let mut plain = Plain::new(&directory.url());
        let far = plain.folder().join("far");
        fs::create_dir(&far).unwrap();
        let file = plain.folder().join("access.yaml");
        fs::rename(&file, far.join("access.yaml")).unwrap();
        symlink(far.join("access.yaml"), &file).unwrap();
        let client = plain.start(poll);
        let other = client.with_token(&token("other"));
        other.get("/Users").await.expect(401);
        fs::write(far.join("access.yaml"), access(&[ADMIN, OTHER])).unwrap();
        if by_signal {
            signal(plain.serving.child.as_ref().unwrap(), "HUP");
        }
        until_status(&other, 200).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_only_a_restart_takes_is_named() {
    let directory = directory().await;
    let mut plain = Plain::new(&directory.url());
    let client = plain.start("1h");
    let file = plain.folder().join("postern.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let changed = text.replace("workers: 1", "workers: 2\nlimits: {body: 2MiB, page: 1000}");
    assert_ne!(text, changed);
    fs::write(&file, changed).unwrap();
    let said = plain.log_line("only a restart takes it").await;
    assert_eq!(said["level"], "WARN");
    assert!(message(&said).ends_with(": workers, limits.body"), "{said}");
    fs::write(&file, "tls: [\n").unwrap();
    let said = plain.log_line("could not be used at the next start").await;
    assert!(message(&said).contains("postern.yaml:"), "{said}");
    fs::write(&file, text).unwrap();
    plain.log_line("again as it runs").await;
    client.get("/Users").await.expect(200);
}

#[test]
fn at_the_start_there_is_no_last_good() {
    let program = Program::new(&[("corp.yaml", "tenant_url: https://localhost/corp\n")]);
    program.write("access.yaml", "roles: {}\n");
    program.write("tls.key", "none");
    let said = program.run(&["serve"]);
    assert_eq!(said.code, Some(64));
    for file in ["corp.yaml", "access.yaml", "tls.key"] {
        assert!(said.err.contains(file), "{}", said.err);
    }
}

async fn directory() -> Scripted {
    Scripted::start([Act::Say(json_answer(200, LIST))]).await
}

async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds().await {
        assert!(Instant::now() < deadline, "{what} did not come about");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn until_status(client: &Client, status: u16) {
    let what = format!("{status} at {}", client.base);
    until(&what, async || {
        client.get("/Users").await.status.as_u16() == status
    })
    .await;
}

/// A certificate for localhost with its key.
fn pair() -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned()];
    let certificate = rcgen::CertificateParams::new(names).unwrap();
    let certificate = certificate.self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}

fn der(pem: &str) -> Vec<u8> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;
    CertificateDer::from_pem_slice(pem.as_bytes())
        .unwrap()
        .to_vec()
}

/// The certificate that a new connection sees; nothing where the client does not trust it.
async fn shown(client: &Client) -> Vec<u8> {
    let Some(stream) = client.try_connect(&[b"http/1.1"]).await else {
        return Vec::new();
    };
    let (_, session) = stream.get_ref();
    session.peer_certificates().unwrap()[0].to_vec()
}

fn message(line: &Value) -> &str {
    line["message"].as_str().unwrap()
}

/// A program that serves, with its log in a file.
struct Serving {
    child: Option<Child>,
    folder: PathBuf,
}

impl Serving {
    /// Starts the program in its folder; where it listens.
    fn start(&mut self) -> std::net::SocketAddr {
        let mut child = Command::new(env!("CARGO_BIN_EXE_postern"))
            .args(["serve", "--json"])
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(self.folder.join("log")).unwrap())
            .spawn()
            .unwrap();
        let line = first_line(&mut child);
        self.child = Some(child);
        line["public"].as_str().unwrap().parse().unwrap()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap()
    }

    fn lines(&self, with: &str) -> Vec<Value> {
        let log = self.log();
        let lines = log.lines().filter(|line| line.contains(with));
        lines
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// Waits for a line of the log that has this text in it.
    async fn line(&self, with: &str) -> Value {
        until(with, async || !self.lines(with).is_empty()).await;
        self.lines(with).remove(0)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The program with everything mounted as in a pod.
struct Pod {
    serving: Serving,
    rules: Mount,
    access: Mount,
    tls: Mount,
    secrets: Mount,
    pair: (String, String),
    address: Option<std::net::SocketAddr>,
}

impl Pod {
    fn new(url: &str) -> Self {
        let folder = folder();
        let at = |name: &str| folder.join(name);
        let pair = pair();
        let rules = [("corp.yaml", &*rule("/corp", url, SCIM, USERS))];
        let accounts = access(&[ADMIN, OTHER]);
        let keys = [("tls.crt", &*pair.0), ("tls.key", &*pair.1)];
        let pod = Self {
            rules: Mount::new(&at("rules"), CONFIG_MAP, &rules),
            access: Mount::new(&at("access"), SECRET, &[("access.yaml", &accounts)]),
            tls: Mount::new(&at("tls"), SECRET, &keys),
            secrets: Mount::new(&at("secrets"), SECRET, &[("token", "first\n")]),
            pair,
            address: None,
            serving: Serving {
                child: None,
                folder,
            },
        };
        let config = format!("{CONFIG}access: access/access.yaml\nreload: {{poll: 1h}}\n");
        fs::write(pod.serving.folder.join("postern.yaml"), config).unwrap();
        pod
    }

    fn start(&mut self) -> Client {
        self.address = Some(self.serving.start());
        self.client(&self.pair.0)
    }

    /// A client that trusts this certificate.
    fn client(&self, ca: &str) -> Client {
        let address = self.address.unwrap();
        Client::new(address, ca.as_bytes(), "/corp", &token("admin"))
    }

    async fn log_line(&self, with: &str) -> Value {
        self.serving.line(with).await
    }

    fn count(&self, with: &str) -> usize {
        self.serving.lines(with).len()
    }
}

/// The program with plain files.
struct Plain {
    serving: Serving,
    ca: String,
}

impl Plain {
    fn new(url: &str) -> Self {
        let folder = folder();
        fs::create_dir_all(folder.join("rules")).unwrap();
        fs::create_dir_all(folder.join("tls")).unwrap();
        let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
        let (ca, key) = pair();
        write("tls/tls.crt", &ca);
        write("tls/tls.key", &key);
        write("rules/corp.yaml", &rule("/corp", url, SCIM, USERS));
        write("access.yaml", &access(&[ADMIN]));
        Self {
            serving: Serving {
                child: None,
                folder,
            },
            ca,
        }
    }

    fn start(&mut self, poll: &str) -> Client {
        let config = format!("{CONFIG}reload: {{poll: {poll}}}\n");
        fs::write(self.folder().join("postern.yaml"), config).unwrap();
        let address = self.serving.start();
        Client::new(address, self.ca.as_bytes(), "/corp", &token("admin"))
    }

    fn folder(&self) -> &Path {
        &self.serving.folder
    }

    async fn log_line(&self, with: &str) -> Value {
        self.serving.line(with).await
    }

    /// What is not merely told.
    fn log(&self) -> String {
        let log = self.serving.log();
        let wrong = log
            .lines()
            .filter(|line| !line.contains(r#""level":"INFO""#));
        wrong.collect()
    }
}

const CONFIG: &str =
    "listen: {public: \"127.0.0.1:0\", probe: \"127.0.0.1:0\", control: \"127.0.0.1:0\"}
tls: {certificate: tls/tls.crt, key: tls/tls.key}
workers: 1
";
