//! Changes of more members than one modify may have: they come in parts, and where one of them is
//! lost the answer says so, and the same request again does the rest.

use std::time::Instant;

use serde_json::{Value, json};

use crate::front::{Group, Way, group, rule, sorted, told, units, values};
use crate::place::{Kind, Place};
use crate::relay::Relay;
use crate::support::program::Serving;
use crate::support::{Answer, Program, long};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_change_that_breaks_converges_on_slapd() {
    if let Some(place) = Kind::Slapd.place() {
        converges(place).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_change_that_breaks_converges_on_389ds() {
    if let Some(place) = Kind::Ds389.place() {
        converges(place).await;
    }
}

async fn converges(place: Place) {
    // More than one part; 389 DS takes some milliseconds for each member.
    let (many, few) = (long(5_000, 1_050), long(5_000, 20));
    let front = Parted::new(&place, many + few).await;
    let client = &front.serving.client;
    let all = front.users().await;
    let ids: Vec<&str> = all.iter().map(String::as_str).collect();
    assert_eq!(ids.len(), many + few);
    let (some, others) = ids.split_at(many);
    let made = client.post("/Groups", &group("many", &[])).await;
    let id = made.expect(201).id();
    let path = format!("/Groups/{id}");
    let parts = |of: usize| of.div_ceil(1000);

    // Some are added; the last part is lost before it arrives.
    let values: Vec<Value> = some.iter().map(|id| json!({"value": id})).collect();
    let add = json!([{"op": "add", "path": "members", "value": values}]);
    // Where an empty group has a placeholder, the first attempt finds it.
    let attempts = parts(many) + usize::from(place.kind == Kind::Slapd);
    front.relay.lose(attempts, false);
    broken(&front.took("add", client.patch(&path, &add)).await);
    assert_eq!(front.members(&path).await.len(), (parts(many) - 1) * 1000);
    let again = front.took("add again", client.patch(&path, &add)).await;
    good(&again, 204);
    assert_eq!(front.members(&path).await, sorted(some));

    // Others take their place; the first part of what goes is done, and nobody hears of it.
    let mut whole = group("many", others);
    whole["id"] = json!(id);
    front.relay.lose(parts(few) + 1, true);
    broken(&front.took("replace", client.put(&path, &whole)).await);
    let between = front.members(&path).await.len();
    assert_eq!(between, few + many - 1000, "those that come are there");
    let again = front.took("replace again", client.put(&path, &whole)).await;
    good(&again, 200);
    assert_eq!(front.members(&path).await, sorted(others));

    // All go; once more the last part is lost.
    let remove = json!([{"op": "remove", "path": "members"}]);
    if parts(few) > 1 {
        front.relay.lose(parts(few), false);
        broken(&front.took("remove", client.patch(&path, &remove)).await);
        let left = front.members(&path).await.len();
        assert_eq!(left, few - (parts(few) - 1) * 1000);
    }
    let again = front.took("remove again", client.patch(&path, &remove));
    good(&again.await, 204);
    assert_eq!(front.members(&path).await, Vec::<String>::new());
}

/// postern before a part of a server with so many people in it, through a relay.
struct Parted {
    _program: Program,
    serving: Serving,
    relay: Relay,
}

impl Parted {
    async fn new(place: &Place, people: usize) -> Self {
        let pool = place.pool();
        let unit = place.unit(&pool, "in parts").await;
        let (below, groups) = units(&pool, &unit).await;
        place.people(&pool, &below, people).await;
        let (_, server) = place.text("url").rsplit_once('/').unwrap();
        let relay = Relay::new(server).await;
        let way = Way {
            flavor: match place.kind {
                Kind::Ds389 => "389ds",
                Kind::Slapd | Kind::Samba => "openldap",
            },
            url: &relay.url(),
            bind_dn: place.text("bind_dn"),
            password_file: place.text("password_file"),
            more: "",
        };
        let rule = rule(&way, &below, &groups, &Group::of_names());
        let program = Program::new(&[("t.yaml", &rule)]);
        let config = program.read("postern.yaml");
        // The server is slow.
        let config = config.replace("request: 20s", "request: 300s");
        program.write("postern.yaml", &config);
        let serving = program.serve("/t");
        Self {
            _program: program,
            serving,
            relay,
        }
    }

    /// The ids of all users.
    async fn users(&self) -> Vec<String> {
        let mut ids = Vec::new();
        loop {
            let path = format!(
                "/Users?attributes=id&count=1000&startIndex={}",
                ids.len() + 1
            );
            let list = self.serving.client.get(&path).await.expect(200).json();
            let page = list["Resources"].as_array().unwrap().iter();
            ids.extend(page.map(|user| user["id"].as_str().unwrap().to_owned()));
            if list["totalResults"] == json!(ids.len()) {
                return ids;
            }
        }
    }

    async fn members(&self, path: &str) -> Vec<String> {
        let group = self.serving.client.get(path).await.expect(200).json();
        values(&group["members"])
    }

    /// Says how long a request takes, and how many operations.
    async fn took(&self, what: &str, request: impl Future<Output = Answer>) -> Answer {
        self.relay.take();
        let began = Instant::now();
        let answer = request.await;
        println!(
            "{what}: {}, {} operations, {:.1?}",
            answer.status,
            self.relay.take().len(),
            began.elapsed()
        );
        answer
    }
}

#[track_caller]
fn good(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{}", told(answer));
}

/// It says that a part is done, and what to do.
#[track_caller]
fn broken(answer: &Answer) {
    good(answer, 502);
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("repeat the request"), "{detail}");
    assert!(detail.contains("a part is made"), "{detail}");
}
