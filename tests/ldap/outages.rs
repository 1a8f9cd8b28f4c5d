//! Servers that go and come, seen by clients: who waits is served by the first that is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use postern::directory::ldap::{LdapConfig, LdapError, Pool, Search, Timeouts, Why};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::front::{Group, Way, rule};
use crate::own::Slapd;
use crate::place::soon;
use crate::support::Program;
use crate::support::client::plain_get;
use crate::support::program::Serving;

#[tokio::test]
async fn who_waits_is_served_when_a_server_is_back_however_long_it_was_away() {
    let Some(mut slapd) = Slapd::new("long-away") else {
        return;
    };
    let timeouts = Timeouts {
        connect: Duration::from_secs(3),
        ..Timeouts::default()
    };
    let config = LdapConfig {
        timeouts,
        ..slapd.config()
    };
    let pool = Pool::open(config, None).unwrap();
    let people = || Search::entry("ou=people,dc=example,dc=com".parse().unwrap(), &["ou"]);
    pool.one(people(), soon()).await.unwrap().unwrap();
    slapd.kill();
    // Longer than a request waits: who comes now must not be told what others were told.
    let error = pool.one(people(), soon()).await.unwrap_err();
    assert!(
        matches!(error, LdapError::Unsent(Why::Unreachable(_))),
        "{error:?}"
    );
    let failures = pool.vitals().connect_failures;
    assert!(failures > 5, "{failures}");
    let mut readers = JoinSet::new();
    for _ in 0..8 {
        let (pool, people) = (Arc::clone(&pool), people());
        readers.spawn(async move { pool.one(people, soon()).await });
    }
    // All of them wait, and a dial fails while they do.
    until(|| pool.vitals().waiting == 8 && pool.vitals().connect_failures > failures).await;
    slapd.start_again();
    let back = Instant::now();
    let before = pool.vitals().connect_failures;
    for found in readers.join_all().await {
        assert_eq!(found.unwrap().unwrap().text("ou"), Some("people"));
    }
    println!("served {:?} after slapd was back", back.elapsed());
    // At most one was on its way when it came back.
    assert!(pool.vitals().connect_failures <= before + 1);
}

/// A program before two servers.
struct Pair {
    serving: Serving,
    _program: Program,
}

impl Pair {
    async fn in_use(&self) -> Value {
        let control = self.serving.line["control"].as_str().unwrap();
        let (status, text) = plain_get(control.parse().unwrap(), "/status")
            .await
            .unwrap();
        assert_eq!(status, 200);
        let all: Value = serde_json::from_str(&text).unwrap();
        all["tenants"][0]["directory"]["server"].clone()
    }

    /// Waits until that server is used.
    async fn uses(&self, url: &str) -> Value {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let server = self.in_use().await;
            if server["in_use"] == url {
                return server;
            }
            assert!(Instant::now() < end, "{server}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_one_of_two_servers_dies_reads_go_on_and_writes_follow() {
    let people: String = ["one", "two"].map(person).concat();
    let (Some(mut first), Some(second)) = (
        Slapd::filled("pair-first", &people),
        Slapd::filled("pair-second", &people),
    ) else {
        return;
    };
    let password = first.password_file();
    let way = Way {
        flavor: "openldap",
        url: &format!("{}\", \"{}", first.url(), second.url()),
        bind_dn: "cn=admin,dc=example,dc=com",
        password_file: password.to_str().unwrap(),
        more: "    timeouts: {fail_back: 1s}\n",
    };
    let unit = |name| format!("ou={name},dc=example,dc=com").parse().unwrap();
    let text = rule(&way, &unit("people"), &unit("groups"), &Group::of_names());
    let program = Program::new(&[("t.yaml", &text)]);
    let pair = Pair {
        serving: program.serve("/t"),
        _program: program,
    };
    let running = Arc::new(AtomicBool::new(true));
    let (reads, writes) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut readers = JoinSet::new();
    for _ in 0..4 {
        let (client, running, reads) = (
            pair.serving.client.clone(),
            Arc::clone(&running),
            Arc::clone(&reads),
        );
        readers.spawn(async move {
            while running.load(SeqCst) {
                let user = client.get(&format!("/Users/{}", id("one"))).await;
                assert_eq!(user.expect(200).json()["userName"], "one");
                reads.fetch_add(1, SeqCst);
            }
        });
    }
    let writer = {
        let (client, running, writes) = (
            pair.serving.client.clone(),
            Arc::clone(&running),
            Arc::clone(&writes),
        );
        tokio::spawn(async move {
            let (mut unknown, mut number, mut last) = (0, 0, String::new());
            while running.load(SeqCst) {
                number += 1;
                let title = format!("t{number}");
                let change = json!([{"op": "replace", "path": "title", "value": title}]);
                let answer = client
                    .patch(&format!("/Users/{}", id("two")), &change)
                    .await;
                match answer.status.as_u16() {
                    200 => {
                        assert_eq!(answer.json()["title"], title);
                        writes.fetch_add(1, SeqCst);
                        last = title;
                    }
                    // It was on its way.
                    502 => unknown += 1,
                    other => panic!("{other}: {answer:?}"),
                }
            }
            (unknown, last)
        })
    };
    let more = async |count| {
        let wanted = (reads.load(SeqCst) + count, writes.load(SeqCst) + count);
        until(|| reads.load(SeqCst) >= wanted.0 && writes.load(SeqCst) >= wanted.1).await;
    };
    more(20).await;
    let server = pair.uses(&first.url()).await;
    assert_eq!(server["away"], json!([]));
    first.kill();
    let server = pair.uses(&second.url()).await;
    more(20).await;
    assert_eq!(server["away"][0]["name"], first.url(), "{server}");
    let there = title(&second).await;
    assert!(there.is_some_and(|title| title.starts_with('t')));
    first.start_again();
    let server = pair.uses(&first.url()).await;
    assert_eq!(server["away"], json!([]), "{server}");
    more(20).await;
    running.store(false, SeqCst);
    readers.join_all().await;
    let (unknown, last) = writer.await.unwrap();
    assert!(unknown <= 1, "{unknown}");
    assert_eq!(title(&first).await, Some(last));
}

/// A person with the same id on every server.
fn person(uid: &str) -> String {
    format!(
        "dn: uid={uid},ou=people,dc=example,dc=com\nobjectClass: inetOrgPerson\nuid: {uid}\n\
         cn: {uid}\nsn: {uid}\nentryUUID: {}\n\n",
        id(uid)
    )
}

fn id(uid: &str) -> &'static str {
    match uid {
        "one" => "11111111-1111-4111-8111-111111111111",
        _ => "22222222-2222-4222-8222-222222222222",
    }
}

/// What was written to a server.
async fn title(slapd: &Slapd) -> Option<String> {
    let pool = Pool::open(slapd.config(), None).unwrap();
    let dn = "uid=two,ou=people,dc=example,dc=com".parse().unwrap();
    let entry = pool.one(Search::entry(dn, &["title"]), soon()).await;
    entry.unwrap().unwrap().text("title").map(str::to_owned)
}

async fn until(is_so: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < end, "it never comes to that");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
