//! The audit trail: what it says of every kind of write and refusal, what it never says, and that
//! it is whole after crashes, on full disks and under load.

mod records;
mod robust;

use std::path::Path;

use http::Method;
use serde_json::{Value, json};

use super::support::program::{Said, Serving};
use super::support::scripted::{Act, Scripted, json_answer};
use super::support::world::{ADMIN, Account, access, rule};
use super::support::{Client, Program};

/// A program with a trail in front of a directory that answers by script; its client is `admin`'s.
struct It {
    program: Program,
    serving: Serving,
    directory: Scripted,
}

impl It {
    /// `resources` of the rule, and what `audit:` says.
    async fn start(acts: impl IntoIterator<Item = Act>, resources: &str, audit: &str) -> Self {
        let directory = Scripted::start(acts).await;
        let supports = ", timeouts: {connect: 1s, head: 1s, idle: 1s}, supports: {patch: true, \
                        etag: false, filter: true, sort: true, page: true}";
        let text = rule("/corp", &directory.url(), supports, resources);
        let program = Program::new(&[("corp.yaml", &text)]);
        program.write("access.yaml", &access(&[ADMIN, READER, STRANGER]));
        program.write("audit.key", &"k".repeat(32));
        std::fs::create_dir(program.folder.join("audit")).unwrap();
        program.append("postern.yaml", &format!("audit: {audit}\n"));
        let serving = program.serve("/corp");
        Self {
            program,
            serving,
            directory,
        }
    }

    fn client(&self) -> &Client {
        &self.serving.client
    }

    fn client_of(&self, account: &str) -> Client {
        let token = super::support::world::token(account);
        self.serving.client.with_token(&token)
    }

    /// Stops in good order, and gives the records.
    fn stopped(mut self) -> Vec<Value> {
        self.serving.signal("TERM");
        assert_eq!(self.serving.end().code(), Some(0));
        let said = verified(&self.program);
        assert_eq!(said.code, Some(0), "{said:?}");
        records(&self.program.folder)
    }

    /// The records so far, once this holds of them.
    async fn until(&self, what: &str, holds: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        eventually(what, || {
            let records = records(&self.program.folder);
            holds(&records).then_some(records)
        })
        .await
    }
}

const READER: Account<'_> = Account {
    name: "reader",
    verbs: "read",
    tenants: "corp",
    more: "",
};

const STRANGER: Account<'_> = Account {
    name: "stranger",
    verbs: "create, read, update, delete",
    tenants: "",
    more: "",
};

const PASS: &str =
    "  User: {unmapped: pass, audit: {plain: [active]}}\n  Group: {unmapped: pass}\n";
const KEYED: &str = "{file: audit/audit.ndjson, key_file: audit.key, wait: 10s}";

/// `postern audit verify` of all that the configuration names.
fn verified(program: &Program) -> Said {
    program.run(&["audit", "verify"])
}

/// Every record, the oldest first.
fn records(folder: &Path) -> Vec<Value> {
    lines(folder)
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}")))
        .collect()
}

fn lines(folder: &Path) -> Vec<String> {
    let path = folder.join("audit/audit.ndjson");
    let mut files = postern::audit::full(&path).unwrap();
    files.push(path);
    let text: String = files
        .iter()
        .map(|file| std::fs::read_to_string(file).unwrap_or_default())
        .collect();
    // The last one may be on its way.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(str::to_owned).collect()
}

/// The records of an event.
fn of<'r>(records: &'r [Value], event: &str) -> Vec<&'r Value> {
    records
        .iter()
        .filter(|record| record["event"] == event)
        .collect()
}

async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(std::time::Instant::now() < deadline, "{what}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// What the directory answers a creation of `user` with.
fn made(id: &str) -> Act {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "id": id,
        "userName": "x",
    });
    Act::Say(json_answer(201, &body.to_string()))
}

/// The command line says where it is broken, and a digest can be looked up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commands_find_what_was_done_to_a_trail() {
    let it = It::start([made("7")], PASS, KEYED).await;
    for name in ["ann", "bob", "cyd"] {
        it.client()
            .post("/Users", &json!({"userName": name}))
            .await
            .expect(201);
    }
    let It {
        program,
        mut serving,
        ..
    } = it;
    serving.signal("TERM");
    assert_eq!(serving.end().code(), Some(0));
    let said = verified(&program);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.out.starts_with("8 records\nfirst 1 at 20"),
        "{}",
        said.out
    );
    let log = program.log();
    let head = said
        .out
        .lines()
        .find_map(|line| line.strip_prefix("head "))
        .unwrap();
    assert!(log.contains(head), "the log is an anchor: {log}");

    let digest = [
        "audit", "digest", "--tenant", "corp", "--path", "userName", "bob",
    ];
    let digest = program.run(&digest).out;
    let text = program.read("audit/audit.ndjson");
    assert_eq!(text.matches(digest.trim()).count(), 1);

    let lines: Vec<&str> = text.lines().collect();
    let without = |at: usize| {
        let mut lines = lines.clone();
        lines.remove(at);
        lines.join("\n") + "\n"
    };
    program.write("audit/audit.ndjson", &without(3));
    let said = verified(&program);
    assert_eq!(said.code, Some(1));
    assert!(
        said.err
            .contains("audit/audit.ndjson:4: record 4 is missing"),
        "{}",
        said.err
    );
    assert!(said.err.ends_with("the trail is broken\n"), "{}", said.err);
    program.write(
        "audit/audit.ndjson",
        &text.replacen("\"account\":\"admin\"", "\"account\":\"nobody\"", 1),
    );
    let said = verified(&program);
    assert!(
        said.err.contains("audit.ndjson:2: it was altered"),
        "{}",
        said.err
    );
    // Without the key nothing can be said of it.
    let said = program.run(&["audit", "verify", "audit/audit.ndjson"]);
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("name the key file"), "{}", said.err);
    program.write("audit.key", "short");
    assert_eq!(verified(&program).code, Some(64));
}

/// Between the access lines, each line whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trail_on_standard_output_is_whole_between_the_access_lines() {
    let it = It::start([made("7")], PASS, "{file: stdout, wait: 10s}").await;
    let It {
        program,
        serving,
        directory: _directory,
    } = it;
    drop(serving);
    let mut serving = program.serve_into("/corp", "out", "err");
    let client = serving.client.http2();
    let all: Vec<_> = (0..50)
        .map(|n| {
            let client = client.clone();
            tokio::spawn(async move {
                client
                    .post("/Users", &json!({"userName": format!("u{n}")}))
                    .await
                    .expect(201);
            })
        })
        .collect();
    for one in all {
        one.await.unwrap();
    }
    serving.signal("TERM");
    assert_eq!(serving.end().code(), Some(0));
    let text = program.read("out");
    assert!(
        text.lines()
            .all(|line| serde_json::from_str::<Value>(line).is_ok()),
        "{text}"
    );
    let said = program.run(&["audit", "verify", "--mixed", "out"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.starts_with("102 records\n"), "{}", said.out);
    assert_eq!(text.matches("\"bytes_in\"").count(), 50);
    // From a pipe as well.
    let piped = std::process::Command::new("sh")
        .args(["-c", "cat out | \"$0\" audit verify --mixed /dev/stdin"])
        .arg(env!("CARGO_BIN_EXE_postern"))
        .current_dir(&program.folder)
        .output()
        .unwrap();
    assert!(piped.status.success());
}
