//! Many clients at once through the whole program: every acknowledged write is in the end state,
//! nothing is there that was never sent, and a write of which nothing is known is wholly there or
//! not at all. Also while slapd is killed and started again: then the server's own log says that
//! nothing was done twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use postern::directory::ldap::{Filter, Scope, Search};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::front::{Front, Group, values};
use crate::own::Slapd;
use crate::place::{Kind, soon};
use crate::support::{Client, long};

const CLIENTS: usize = 64;
const SHARED: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_writers_lose_nothing() {
    let Some(slapd) = Slapd::new("parallel") else {
        return;
    };
    let front = Front::own(&slapd, &slapd.url(), &Group::of_names());
    let load = Load::start(&front).await;
    load.rounds(long(60_000, 8)).await;
    let end = load.stop(&front).await;
    end.check(&front, true).await;
    assert_eq!(end.unknown, 0, "nothing went wrong on the way");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_writers_lose_nothing_on_389ds() {
    let Some(place) = Kind::Ds389.place() else {
        return;
    };
    let front = Front::new(&place, "parallel", &Group::of_names()).await;
    let load = Load::start(&front).await;
    load.rounds(long(10_000, 4)).await;
    let end = load.stop(&front).await;
    end.check(&front, false).await;
    assert_eq!(end.unknown, 0, "nothing went wrong on the way");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_writers_lose_nothing_while_slapd_is_killed() {
    let Some(mut slapd) = Slapd::logged("killed-under") else {
        return;
    };
    let front = Front::own(&slapd, &slapd.url(), &Group::of_names());
    let load = Load::start(&front).await;
    let (mut firsts, mut recoveries) = (Vec::new(), Vec::new());
    for _ in 0..long(12, 2) {
        load.rounds(long(4000, 1)).await;
        slapd.kill();
        // Some are sent into the void.
        load.attempts(CLIENTS as u64).await;
        slapd.start_again();
        let back = Instant::now();
        load.reads(1).await;
        firsts.push(back.elapsed());
        load.reads(19).await;
        recoveries.push(back.elapsed());
    }
    load.rounds(long(4000, 1)).await;
    let end = load.stop(&front).await;
    for (what, times) in [
        ("the first read", &mut firsts),
        ("20 reads", &mut recoveries),
    ] {
        times.sort();
        let (middle, most) = (times[times.len() / 2], times[times.len() - 1]);
        println!("{what} after slapd was back: p50 {middle:.1?}, at most {most:.1?}");
    }
    end.check(&front, false).await;
    end.check_log(&front).await;
}

/// What the clients do, all the time.
struct Load {
    running: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    tried: Arc<AtomicU64>,
    read: Arc<AtomicU64>,
    clients: JoinSet<Writer>,
    readers: JoinSet<u64>,
    began: Instant,
    group: String,
    shared: Vec<String>,
}

/// One client: it alone knows its three members, and shares the users that it changes.
struct Writer {
    name: usize,
    members: [String; 3],
    /// Whether the first is in the group, and whether the two others are: what is possible.
    alone: BTreeSet<bool>,
    together: BTreeSet<bool>,
    /// By user: the mark that was acknowledged last, and those after it of which nothing is known.
    marks: BTreeMap<String, (Option<String>, Vec<String>)>,
    /// All marks of the users, and whether each was acknowledged.
    sent: Vec<(String, Outcome)>,
    acknowledged: u64,
    unknown: u64,
    refused: u64,
}

/// What they came to.
struct End {
    writers: Vec<Writer>,
    unknown: u64,
    group: String,
    shared: Vec<String>,
}

/// How a write ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Done,
    NotDone,
    Unknown,
}

impl Load {
    async fn start(front: &Front) -> Self {
        let mut shared = Vec::new();
        for number in 0..SHARED {
            shared.push(front.user(&format!("shared-{number}")).await);
        }
        let group = front.group("everybody", &[]).await;
        let mut load = Self {
            running: Arc::new(AtomicBool::new(true)),
            done: Arc::default(),
            tried: Arc::default(),
            read: Arc::default(),
            clients: JoinSet::new(),
            readers: JoinSet::new(),
            began: Instant::now(),
            group,
            shared,
        };
        let mut writers = Vec::new();
        for name in 0..CLIENTS {
            let mut members = Vec::new();
            for part in ["a", "b", "c"] {
                members.push(front.user(&format!("{part}-{name}")).await);
            }
            writers.push(Writer {
                name,
                members: members.try_into().unwrap(),
                alone: BTreeSet::from([false]),
                together: BTreeSet::from([false]),
                marks: BTreeMap::new(),
                sent: Vec::new(),
                acknowledged: 0,
                unknown: 0,
                refused: 0,
            });
        }
        load.began = Instant::now();
        for writer in writers {
            let line = Line::open(&front.client).await;
            let (running, done) = (Arc::clone(&load.running), Arc::clone(&load.done));
            let (group, shared) = (load.group.clone(), load.shared.clone());
            let tried = Arc::clone(&load.tried);
            load.clients.spawn(async move {
                let mut writer = writer;
                let mut number = 0;
                while running.load(SeqCst) {
                    number += 1;
                    writer.round(&line, &group, &shared, number, &tried).await;
                    done.fetch_add(1, SeqCst);
                }
                writer
            });
        }
        for number in 0..4 {
            let line = Line::open(&front.client).await;
            let (running, read) = (Arc::clone(&load.running), Arc::clone(&load.read));
            let path = format!("/Users/{}", load.shared[number]);
            load.readers.spawn(async move {
                let mut failed = 0;
                while running.load(SeqCst) {
                    let (status, body) = line.send(Method::GET, &path, None).await;
                    match status {
                        200 => {
                            let user: Value = serde_json::from_slice(&body).unwrap();
                            check_mark(&user);
                            read.fetch_add(1, SeqCst);
                        }
                        502..=504 => failed += 1,
                        other => panic!("{other}: {body:?}"),
                    }
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                failed
            });
        }
        load
    }

    /// Waits for so many rounds of each client.
    async fn rounds(&self, count: usize) {
        if count > 8 && std::env::var_os("POSTERN_TEST_LONG").is_some() {
            // The long size is a time, in milliseconds.
            tokio::time::sleep(Duration::from_millis(count as u64)).await;
            return;
        }
        wait(&self.done, (count * CLIENTS) as u64).await;
    }

    async fn attempts(&self, count: u64) {
        wait(&self.tried, count).await;
    }

    async fn reads(&self, count: u64) {
        wait(&self.read, count).await;
    }

    async fn stop(mut self, front: &Front) -> End {
        self.running.store(false, SeqCst);
        let mut writers = Vec::new();
        while let Some(writer) = self.clients.join_next().await {
            writers.push(writer.unwrap());
        }
        let took = self.began.elapsed();
        let mut failed = 0;
        while let Some(reader) = self.readers.join_next().await {
            failed += reader.unwrap();
        }
        let sum = |of: fn(&Writer) -> u64| writers.iter().map(of).sum::<u64>();
        let (done, unknown) = (sum(|w| w.acknowledged), sum(|w| w.unknown));
        println!(
            "{CLIENTS} clients for {took:.1?}: {done} writes acknowledged ({:.0} a second), \
             {unknown} unknown, {} not done; {} reads, {failed} without an answer; {:?}",
            f64::from(u32::try_from(done).unwrap()) / took.as_secs_f64(),
            sum(|w| w.refused),
            self.read.load(SeqCst),
            front.pool.vitals(),
        );
        assert!(done > 0);
        End {
            writers,
            unknown,
            group: self.group,
            shared: self.shared,
        }
    }
}

impl Writer {
    async fn round(
        &mut self,
        line: &Line,
        group: &str,
        shared: &[String],
        number: u64,
        tried: &AtomicU64,
    ) {
        let path = format!("/Groups/{group}");
        let [first, second, third] = self.members.clone();
        let goes_in = number % 2 == 1;
        let alone = membership(goes_in, &[&first]);
        let outcome = self.write(line, &path, &alone, 204, tried).await;
        settle(&mut self.alone, goes_in, outcome);
        let together = membership(goes_in, &[&second, &third]);
        let outcome = self.write(line, &path, &together, 204, tried).await;
        settle(&mut self.together, goes_in, outcome);
        let place = (self.name + usize::try_from(number).unwrap()) % shared.len();
        let user = &shared[place];
        let mark = format!("{}-{number}", self.name);
        let both = json!([
            {"op": "replace", "path": "title", "value": mark},
            {"op": "replace", "path": "displayName", "value": mark},
        ]);
        let path = format!("/Users/{user}");
        let outcome = self.write(line, &path, &both, 200, tried).await;
        self.sent.push((mark.clone(), outcome));
        let (last, unknown) = self.marks.entry(user.clone()).or_default();
        match outcome {
            Outcome::Done => {
                *last = Some(mark);
                unknown.clear();
            }
            Outcome::Unknown => unknown.push(mark),
            Outcome::NotDone => {}
        }
    }

    async fn write(
        &mut self,
        line: &Line,
        path: &str,
        operations: &Value,
        good: u16,
        tried: &AtomicU64,
    ) -> Outcome {
        let body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": operations,
        });
        let (status, body) = line.send(Method::PATCH, path, Some(&body)).await;
        tried.fetch_add(1, SeqCst);
        match status {
            // Without the user where what it refers to could not be read any more.
            status if status == good || status == 204 => {
                self.acknowledged += 1;
                Outcome::Done
            }
            502 | 504 => {
                self.unknown += 1;
                Outcome::Unknown
            }
            503 => {
                self.refused += 1;
                // Nobody can do anything about it at once.
                tokio::time::sleep(Duration::from_millis(5)).await;
                Outcome::NotDone
            }
            other => panic!("{other}: {}", String::from_utf8_lossy(&body)),
        }
    }
}

impl End {
    async fn check(&self, front: &Front, all_is_kept: bool) {
        let members: BTreeSet<String> = front.members(&self.group).await.into_iter().collect();
        let known: BTreeSet<&String> = self.writers.iter().flat_map(|w| &w.members).collect();
        for member in &members {
            assert!(known.contains(member), "{member} was never sent");
        }
        for writer in &self.writers {
            let there = writer.members.each_ref().map(|id| members.contains(id));
            let name = writer.name;
            assert!(writer.alone.contains(&there[0]), "{name}: {there:?}");
            assert_eq!(there[1], there[2], "{name}: wholly, or not at all");
            assert!(writer.together.contains(&there[1]), "{name}: {there:?}");
        }
        for user in &self.shared {
            let resource = front.read(&format!("/Users/{user}")).await;
            check_mark(&resource);
            let Some(mark) = resource["title"].as_str() else {
                continue;
            };
            let of = mark.split_once('-').unwrap().0.parse::<usize>().unwrap();
            let writer = self.writers.iter().find(|w| w.name == of).unwrap();
            let (last, unknown) = &writer.marks[user];
            let possible = last.iter().chain(unknown).any(|known| known == mark);
            assert!(possible, "{mark} was overwritten by {last:?}");
        }
        if all_is_kept {
            // The server tells the same the other way round.
            for id in &members {
                let user = front.read(&format!("/Users/{id}")).await;
                assert_eq!(values(&user["groups"]), std::slice::from_ref(&self.group));
            }
            let filter = format!("groups.value eq \"{}\"", self.group);
            if !members.is_empty() {
                let found = front.found("Users", &filter).await;
                assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), members);
            }
        }
        // The placeholder is there for want of others only, at the latest from the next change on.
        let dn = front.groups.child("cn", "everybody").unwrap();
        let nobody = "cn=nobody,dc=example,dc=com".to_owned();
        let stored = front.stored(dn.clone(), "member").await;
        if all_is_kept {
            let stands_in = stored.contains(&nobody);
            assert_eq!(stands_in, members.is_empty(), "{stored:?}");
        }
        let add = membership(true, &[&self.writers[0].members[0]]);
        let path = format!("/Groups/{}", self.group);
        front.client.patch(&path, &add).await.expect(204);
        assert!(!front.stored(dn, "member").await.contains(&nobody));
    }
}

impl End {
    /// What the server wrote down: each mark that was acknowledged was set once, each of which
    /// nothing is known at most once, and no other.
    async fn check_log(&self, front: &Front) {
        let search = Search {
            base: "cn=accesslog".parse().unwrap(),
            scope: Scope::One,
            filter: Filter::equal("objectClass", "auditModify"),
            attributes: vec!["reqMod".into()],
            size_limit: 0,
            time_limit: 0,
        };
        let mut found = front.pool.search(search, &[], soon());
        let mut done: BTreeMap<String, u64> = BTreeMap::new();
        while let Some(entry) = found.next().await.unwrap() {
            for value in entry.values("reqMod") {
                let value = String::from_utf8_lossy(value);
                if let Some(mark) = value.strip_prefix("title:= ") {
                    *done.entry(mark.to_owned()).or_default() += 1;
                }
            }
        }
        let mut known = [0_u64; 2];
        for (mark, outcome) in self.writers.iter().flat_map(|writer| &writer.sent) {
            let times = done.remove(mark).unwrap_or_default();
            match outcome {
                Outcome::Done => assert_eq!(times, 1, "{mark} was acknowledged"),
                Outcome::Unknown => assert!(times <= 1, "{mark} was done {times} times"),
                Outcome::NotDone => assert_eq!(times, 0, "{mark} was said not to be done"),
            }
            known[usize::from(*outcome == Outcome::Unknown)] += times;
        }
        assert!(done.is_empty(), "nobody sent {done:?}");
        println!(
            "the server's log has {} marks, and {} of those of which nothing was known",
            known[0], known[1]
        );
        assert!(known[0] > 0);
    }
}

fn membership(goes_in: bool, ids: &[&String]) -> Value {
    let op = if goes_in { "add" } else { "remove" };
    let value: Vec<Value> = ids.iter().map(|id| json!({"value": id})).collect();
    json!([{"op": op, "path": "members", "value": value}])
}

fn settle(possible: &mut BTreeSet<bool>, state: bool, outcome: Outcome) {
    match outcome {
        Outcome::Done => *possible = BTreeSet::from([state]),
        Outcome::Unknown => drop(possible.insert(state)),
        Outcome::NotDone => {}
    }
}

/// Both attributes are always set in one request.
fn check_mark(user: &Value) {
    if user["title"].is_string() {
        assert_eq!(user["title"], user["displayName"], "wholly, or not at all");
    }
}

async fn wait(of: &AtomicU64, count: u64) {
    let wanted = of.load(SeqCst) + count;
    let end = soon() + Duration::from_secs(90);
    while of.load(SeqCst) < wanted {
        assert!(Instant::now() < end, "nothing goes on");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// A connection that stays.
struct Line {
    sender: SendRequest<Full<Bytes>>,
    client: Client,
}

impl Line {
    async fn open(client: &Client) -> Self {
        let io = TokioIo::new(client.connect(&[b"h2"]).await);
        let (sender, connection) = handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        Self {
            sender,
            client: client.clone(),
        }
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> (u16, Bytes) {
        let uri = format!("https://localhost{}{path}", self.client.base);
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header("authorization", &self.client.authorization)
            .header("content-type", "application/scim+json");
        let body = body.map(|body| Bytes::from(body.to_string()));
        let request = request.body(Full::new(body.unwrap_or_default())).unwrap();
        let mut sender = self.sender.clone();
        sender.ready().await.unwrap();
        let answer = sender.send_request(request).await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, body)
    }
}
