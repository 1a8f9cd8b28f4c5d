//! The whole program before a server that has the limits of Active Directory, see
//! [`crate::limits`]: of no attribute more than a few values come at a time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use postern::directory::ldap::{Attribute, Change, ChangeKind, Dn, Pool, Search, Write};
use serde_json::{Value, json};

use crate::app::App;
use crate::front::{sorted, values};
use crate::limits::Limits;
use crate::place::{Kind, Place, done, on_every_server, soon};
use crate::relay::{Between, Relay};
use crate::support::long;

on_every_server! {
    members_beyond_the_first_part
    members_who_change_while_they_are_read
    values_beyond_the_first_part
    groups_beyond_the_first_part
    lists_in_parts
}

/// The program before a server with limits.
async fn limited(place: &Place, name: &str, values: usize, more: &str) -> (App, Relay) {
    let limits = Limits {
        cuts_itself: place.kind != Kind::Samba,
        ..Limits::of_values(values)
    };
    let relay = Relay::limited(place, limits).await;
    let (url, ca) = (relay.url(), relay.ca_file().display().to_string());
    let app = App::with(place, name, |rule| {
        let line = |key| {
            rule.lines()
                .find(|line| line.trim().starts_with(key))
                .unwrap()
        };
        let rule = rule
            .replace(line("urls:"), &format!("    urls: [{url}]"))
            .replace(line("ca_file:"), &format!("    ca_file: {ca}"));
        let last = rule.rfind("  Group:").unwrap();
        let (user, group) = rule.split_at(last);
        let (lines, end) = user.split_at(user.rfind("    unmapped:").unwrap());
        format!("{lines}{more}{end}{group}")
    })
    .await;
    (app, relay)
}

impl App {
    /// So many users.
    async fn several(&self, name: &str, count: usize) -> Vec<String> {
        let mut ids = Vec::new();
        for number in 0..count {
            ids.push(self.made(&format!("{name}{number}")).await);
        }
        ids
    }

    async fn change(&self, path: &str, op: &str, ids: &[&str]) {
        let value: Vec<Value> = ids.iter().map(|id| json!({"value": id})).collect();
        let patch = json!([{"op": op, "path": "members", "value": value}]);
        self.client.patch(path, &patch).await.expect(204);
    }

    /// The names of the members of a group, as the server has them.
    async fn names(&self, name: &str) -> Vec<String> {
        stored(
            &self.pool,
            &self.groups().child("cn", name.to_owned()).unwrap(),
        )
        .await
    }

    /// The ids that a filter finds.
    async fn listed(&self, kind: &str, filter: &str) -> Vec<String> {
        let filter = filter.replace(' ', "%20").replace('"', "%22");
        let path = format!("/{kind}?filter={filter}&attributes=id");
        let list = self.client.get(&path).await.expect(200).json();
        let all = list["Resources"].as_array().cloned().unwrap_or_default();
        let mut ids: Vec<_> = all
            .iter()
            .map(|r| r["id"].as_str().unwrap().to_owned())
            .collect();
        ids.sort();
        ids
    }
}

/// The members of an entry, asked straight of the server.
pub(crate) async fn stored(pool: &Arc<Pool>, dn: &Dn) -> Vec<String> {
    let found = pool
        .one(Search::entry(dn.clone(), &["member"]), soon())
        .await;
    let entry = found.unwrap().unwrap();
    let values = entry.values("member").iter();
    values
        .map(|v| String::from_utf8(v.to_vec()).unwrap())
        .collect()
}

fn all<'a>(ids: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    let ids: Vec<&str> = ids.into_iter().map(String::as_str).collect();
    sorted(&ids)
}

async fn members_beyond_the_first_part(place: Place) {
    let (app, relay) = limited(&place, "beyond", 5, "").await;
    let ids = app.several("m", 15).await;
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let id = app.group("g", &ids[..12]).await;
    let path = format!("/Groups/{id}");
    assert_eq!(app.members(&id).await, sorted(&ids[..12]));
    // What was asked, and what was told.
    relay.take();
    relay.told("member");
    app.members(&id).await;
    let told = relay.told("member");
    assert!((12..=24).contains(&told), "{told} values were told");
    assert!(relay.take().iter().any(|one| one.asks_for("member")));
    let read = app.client.get(&format!("{path}?attributes=members")).await;
    assert_eq!(
        values(&read.expect(200).json()["members"]),
        sorted(&ids[..12])
    );
    assert!(relay.told("member") >= 12);
    for short in ["excludedAttributes=members", "attributes=displayName"] {
        let read = app.client.get(&format!("{path}?{short}")).await.expect(200);
        assert_eq!(read.json()["displayName"], json!("g"));
        assert_eq!(relay.told("member"), 0, "{short}");
    }
    // Who is a member beyond the first part, and who is none.
    for who in [&ids[..12], &ids[11..12], &ids[5..9]] {
        app.change(&path, "add", who).await;
        assert_eq!(app.names("g").await.len(), 12);
    }
    app.change(&path, "remove", &ids[12..14]).await;
    assert_eq!(relay.told("member"), 0, "no member is read to change some");
    assert_eq!(app.members(&id).await, sorted(&ids[..12]));
    app.change(&path, "add", &ids[10..14]).await;
    assert_eq!(app.members(&id).await, sorted(&ids[..14]));
    for one in [13, 0, 7] {
        app.change(&path, "remove", &ids[one..=one]).await;
        app.change(&path, "remove", &ids[one..=one]).await;
        assert!(!app.members(&id).await.contains(&ids[one].to_owned()));
    }
    let left: Vec<&str> = (1..13).filter(|n| *n != 7).map(|n| ids[n]).collect();
    assert_eq!(app.members(&id).await, sorted(&left));
    // Who is in it.
    for (number, who) in ids.iter().enumerate() {
        let found = app
            .listed("Groups", &format!("members.value eq \"{who}\""))
            .await;
        let expected = left.contains(who).then(|| id.clone());
        assert_eq!(found, Vec::from_iter(expected), "{number}");
    }
    // All that is meant to be, and nobody else.
    let whole = |members: &[&str]| {
        let members: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
            "displayName": "g",
            "members": members,
        })
    };
    let meant = [&left[..3], &left[8..], &ids[13..]].concat();
    app.client.put(&path, &whole(&meant)).await.expect(200);
    assert_eq!(app.members(&id).await, sorted(&meant));
    app.client.put(&path, &whole(&ids)).await.expect(200);
    assert_eq!(app.members(&id).await, sorted(&ids));
    let patch = json!([{"op": "replace", "path": "members", "value": [{"value": ids[14]}, {"value": ids[2]}]}]);
    app.client.patch(&path, &patch).await.expect(204);
    assert_eq!(app.members(&id).await, sorted(&[ids[2], ids[14]]));
    app.client.put(&path, &whole(&ids)).await.expect(200);
    let patch = json!([{"op": "remove", "path": "members"}]);
    app.client.patch(&path, &patch).await.expect(204);
    assert_eq!(app.members(&id).await, Vec::<String>::new());
    // Who goes is in none any more.
    app.client.put(&path, &whole(&ids)).await.expect(200);
    let gone = format!("/Users/{}", ids[9]);
    app.client.delete(&gone).await.expect(204);
    let left: Vec<&str> = ids.iter().copied().filter(|id| *id != ids[9]).collect();
    assert_eq!(app.members(&id).await, sorted(&left));
}

async fn members_who_change_while_they_are_read(place: Place) {
    let (app, relay) = limited(&place, "changing", 5, "").await;
    let ids = app.several("c", 30).await;
    let first: Vec<&str> = ids[..24].iter().map(String::as_str).collect();
    let id = app.group("g", &first).await;
    let dn = app.groups().child("cn", "g").unwrap();
    let order = stored(&app.pool, &dn).await;
    // Before every other part is asked for, some of the first go: the others move up.
    let rounds = Arc::new(AtomicUsize::new(0));
    let gone: Vec<String> = [0, 1, 2, 6, 7, 3, 11, 4].map(|n| order[n].clone()).to_vec();
    let between: Between = {
        let (pool, dn, rounds, gone) = (
            Arc::clone(&app.pool),
            dn.clone(),
            Arc::clone(&rounds),
            gone.clone(),
        );
        Arc::new(move |_| {
            let round = rounds.fetch_add(1, SeqCst);
            let take: Vec<String> = gone.iter().skip(round * 2).take(2).cloned().collect();
            let (pool, dn) = (Arc::clone(&pool), dn.clone());
            Box::pin(async move {
                if !take.is_empty() {
                    let change = Change::new(ChangeKind::Delete, Attribute::many("member", take));
                    let write = Write::Modify {
                        dn,
                        changes: vec![change],
                    };
                    done(pool.write(write, &[], soon()).await.map(|o| o.result));
                }
            })
        })
    };
    relay.between(Some(between));
    let read = app.members(&id).await;
    relay.between(None);
    assert!(rounds.load(SeqCst) > 3, "parts were asked for");
    let mut once = read.clone();
    once.dedup();
    assert_eq!(once, read, "nobody is told twice");
    let left = app.members(&id).await;
    assert_eq!(left.len(), 24 - gone.len());
    for stays in &left {
        assert!(read.contains(stays), "{stays} was there all the time");
    }
    for one in &read {
        assert!(first.contains(&one.as_str()), "{one} was never there");
    }
    // By several clients at once, over and over.
    let always = left.clone();
    let others: Vec<String> = ids
        .iter()
        .filter(|id| !always.contains(id))
        .cloned()
        .collect();
    let path = format!("/Groups/{id}");
    let changes = async {
        for round in 0..6 {
            let some: Vec<&str> = others.iter().skip(round % 3).map(String::as_str).collect();
            app.change(&path, "add", &some).await;
            app.change(&path, "remove", &some).await;
        }
    };
    let reads = async {
        for _ in 0..8 {
            let read = app.members(&id).await;
            let mut once = read.clone();
            once.dedup();
            assert_eq!(once, read, "nobody is told twice");
            assert!(always.iter().all(|one| read.contains(one)), "{read:?}");
            assert!(read.iter().all(|one| ids.contains(one)), "{read:?}");
        }
    };
    tokio::join!(changes, reads);
    assert_eq!(app.members(&id).await, always);
}

async fn values_beyond_the_first_part(place: Place) {
    let target = match place.kind {
        Kind::Samba => "otherTelephone",
        Kind::Slapd | Kind::Ds389 => "pager",
    };
    let line = format!(
        "      - {{scim: 'phoneNumbers[type eq \"other\"].value', target: {target}, many: true}}\n"
    );
    let (app, relay) = limited(&place, "values", 4, &line).await;
    let numbers: Vec<String> = (10..23).map(|n| format!("+49 30 {n}")).collect();
    let phones = |numbers: &[String]| -> Vec<Value> {
        let all = numbers.iter();
        all.map(|number| json!({"type": "other", "value": number}))
            .collect()
    };
    let mut user = app.user("many");
    user["phoneNumbers"] = json!(phones(&numbers));
    let id = app.make(&user).await.expect(201).id();
    let path = format!("/Users/{id}");
    let read =
        async |path: &str| values(&app.client.get(path).await.expect(200).json()["phoneNumbers"]);
    assert_eq!(read(&path).await, all(&numbers));
    relay.told(target);
    app.client
        .get(&format!("{path}?attributes=userName"))
        .await
        .expect(200);
    assert_eq!(relay.told(target), 0);
    let patch = json!([
        {"op": "add", "path": "phoneNumbers", "value": phones(&["+49 40 1".to_owned(), numbers[12].clone()])},
        {"op": "remove", "path": format!("phoneNumbers[value eq \"{}\"]", numbers[9])},
    ]);
    let answer = app.client.patch(&path, &patch).await.expect(200);
    let mut left: Vec<String> = numbers
        .iter()
        .filter(|n| **n != numbers[9])
        .cloned()
        .collect();
    left.push("+49 40 1".to_owned());
    assert_eq!(values(&answer.json()["phoneNumbers"]), all(&left));
    assert_eq!(read(&path).await, all(&left));
    let answer = app.client.get(&path).await;
    if let Some(tag) = answer.headers.get("etag").cloned() {
        let unchanged = app.client.get(&path).await;
        assert_eq!(unchanged.headers.get("etag"), Some(&tag));
    }
    user["phoneNumbers"] = json!(phones(&left[3..]));
    app.client.put(&path, &user).await.expect(200);
    assert_eq!(read(&path).await, all(&left[3..]));
    // A change that fails at its end is undone wholly.
    app.made("other").await;
    let patch = json!([
        {"op": "remove", "path": format!("phoneNumbers[value eq \"{}\"]", left[11])},
        {"op": "replace", "path": "userName", "value": app.user_name("other")},
    ]);
    let answer = app.client.patch(&path, &patch).await;
    assert_eq!(
        answer.status,
        409,
        "{}",
        String::from_utf8_lossy(&answer.body)
    );
    assert_eq!(read(&path).await, all(&left[3..]));
}

async fn groups_beyond_the_first_part(place: Place) {
    let (app, _relay) = limited(&place, "groups of one", 3, "").await;
    let (ann, bob) = (app.made("ann").await, app.made("bob").await);
    let mut groups = Vec::new();
    for number in 0..10 {
        groups.push(app.group(&format!("in {number}"), &[&ann]).await);
    }
    let path = format!("/Users/{ann}");
    let read = async || values(&app.client.get(&path).await.expect(200).json()["groups"]);
    assert_eq!(read().await, all(&groups));
    let list = app
        .client
        .get("/Users?attributes=groups")
        .await
        .expect(200)
        .json();
    for user in list["Resources"].as_array().unwrap() {
        let expected = if user["id"] == json!(ann) {
            all(&groups)
        } else {
            Vec::new()
        };
        assert_eq!(values(&user["groups"]), expected);
    }
    for group in &groups {
        let filter = format!("groups.value eq \"{group}\"");
        assert_eq!(
            app.listed("Users", &filter).await,
            std::slice::from_ref(&ann)
        );
    }
    app.change(&format!("/Groups/{}", groups[8]), "remove", &[&ann])
        .await;
    app.change(&format!("/Groups/{}", groups[8]), "add", &[&bob])
        .await;
    let gone = groups.remove(8);
    assert_eq!(read().await, all(&groups));
    let filter = format!("groups.value eq \"{gone}\"");
    assert_eq!(app.listed("Users", &filter).await, [bob]);
}

async fn lists_in_parts(place: Place) {
    let (app, _relay) = limited(&place, "lists in parts", 5, "").await;
    let ids = app.several("l", 9).await;
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    for (number, count) in [9, 0, 5, 6, 8].into_iter().enumerate() {
        app.group(&format!("{number}"), &ids[..count]).await;
    }
    for page in ["/Groups", "/Groups?count=2", "/Groups?cursor="] {
        let list = app.client.get(page).await.expect(200).json();
        for group in list["Resources"].as_array().unwrap() {
            let count = match group["displayName"].as_str().unwrap() {
                "0" => 9,
                "1" => 0,
                "2" => 5,
                "3" => 6,
                "4" => 8,
                other => panic!("{other}"),
            };
            assert_eq!(values(&group["members"]), sorted(&ids[..count]), "{page}");
        }
    }
}

/// Whatever happens to a group, it is as a model of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_histories_are_as_a_model_has_them() {
    let (users, steps) = (18, long(600, 60));
    for kind in [Kind::Samba, Kind::Slapd] {
        let Some(place) = kind.place() else {
            continue;
        };
        let (app, relay) = limited(&place, "histories", 4, "").await;
        let ids = app.several("h", users).await;
        let refs: Vec<&str> = ids.iter().map(String::as_str).collect();
        let id = app.group("g", &refs[..3]).await;
        let path = format!("/Groups/{id}");
        let mut model: BTreeSet<&str> = refs[..3].iter().copied().collect();
        let mut random = Random(u64::from(std::process::id()));
        println!("{kind:?}: begins with {}", random.0);
        for step in 0..steps {
            let some: Vec<&str> = refs
                .iter()
                .copied()
                .filter(|_| random.below(3) == 0)
                .collect();
            let list: Vec<Value> = some.iter().map(|id| json!({"value": id})).collect();
            let op = random.below(5);
            let before = model.clone();
            match op {
                0 | 1 if !some.is_empty() => {
                    app.change(&path, "add", &some).await;
                    model.extend(&some);
                }
                2 if !some.is_empty() => {
                    app.change(&path, "remove", &some).await;
                    model.retain(|one| !some.contains(one));
                }
                3 => {
                    let patch = json!([{"op": "replace", "path": "members", "value": list}]);
                    app.client.patch(&path, &patch).await.expect(204);
                    model = some.iter().copied().collect();
                }
                _ => {
                    let whole = crate::front::group("g", &some);
                    app.client.put(&path, &whole).await.expect(200);
                    model = some.iter().copied().collect();
                }
            }
            let expected: Vec<&str> = model.iter().copied().collect();
            let read = app.members(&id).await;
            assert_eq!(
                read,
                sorted(&expected),
                "step {step}: {op} {some:?} of {before:?}"
            );
        }
        relay.take();
    }
}

/// Numbers that come again with the number that they began with (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % most
    }
}
