//! Writes under a version, and writes that are made of what is there: of several that were made of
//! the same state one is done, whichever of two programs they come through, and nobody is sent
//! away for others' changes.

use http::Method;
use postern::directory::ldap::{Attribute, Change, ChangeKind, Dn, Write};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::app::App;
use crate::place::{Kind, Place, done, on_every_server, soon};
use crate::support::{Answer, Client, long};

on_every_server! {
    of_two_writers_with_one_version_one_wins
    two_programs_hold_one_another_to_a_version
    any_version_will_do_and_none_is_made_up
    what_has_many_values_is_replaced_under_a_version_too
    sixteen_that_switch_one_user_are_all_served
}

/// A PATCH of one attribute under a version.
async fn under(client: &Client, path: &str, version: &str, (name, value): (&str, &str)) -> Answer {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": name, "value": value}],
    });
    let headers = [
        ("content-type", "application/scim+json"),
        ("if-match", version),
    ];
    client
        .send(Method::PATCH, path, &headers, body.to_string())
        .await
}

async fn version(client: &Client, path: &str) -> String {
    let seen = client.get(path).await.expect(200);
    seen.headers["etag"].to_str().unwrap().to_owned()
}

/// Two changes of a resource under one version; which of them was done.
async fn race(clients: [Client; 2], path: String, names: [&'static str; 2]) -> usize {
    let before = clients[0].get(&path).await.expect(200).json();
    let version = version(&clients[0], &path).await;
    let [one, two] = [0, 1].map(|n| {
        let (client, path, version) = (clients[n].clone(), path.clone(), version.clone());
        tokio::spawn(async move {
            let change = (names[n], ["one", "two"][n]);
            under(&client, &path, &version, change).await
        })
    });
    let told = [one.await.unwrap(), two.await.unwrap()];
    let statuses = [told[0].status.as_u16(), told[1].status.as_u16()];
    let winner = match statuses {
        [200, 412] => 0,
        [412, 200] => 1,
        other => panic!("{other:?}: {told:?}"),
    };
    // What was refused is not there.
    let seen = clients[0].get(&path).await.expect(200).json();
    let other = names[1 - winner];
    if other != names[winner] {
        assert_eq!(seen[other], before[other], "{seen}");
    }
    assert_eq!(seen[names[winner]], ["one", "two"][winner]);
    winner
}

async fn of_two_writers_with_one_version_one_wins(place: Place) {
    let app = App::start(&place, "app one version").await;
    let mut races = JoinSet::new();
    for number in 0..64 {
        let path = format!("/Users/{}", app.made(&format!("v{number}")).await);
        let clients = [app.client.clone(), app.client.clone()];
        let names = if number % 2 == 0 {
            ["title", "title"]
        } else {
            ["title", "userType"]
        };
        races.spawn(race(clients, path, names));
    }
    races.join_all().await;
}

async fn two_programs_hold_one_another_to_a_version(place: Place) {
    let app = App::start(&place, "app two programs").await;
    let rival = app.rival();
    // Where nothing tells what a write met, other attributes than those that it changes are
    // compared before it only (docs/ldap.md).
    let names = match place.kind {
        Kind::Samba => ["title", "title"],
        Kind::Slapd | Kind::Ds389 => ["title", "userType"],
    };
    let mut races = JoinSet::new();
    for number in 0..32 {
        let mut user = app.user(&format!("p{number}"));
        if number % 2 == 0 {
            user["title"] = json!("zero");
        }
        let path = format!("/Users/{}", app.make(&user).await.expect(201).id());
        let clients = [app.client.clone(), rival.client.clone()];
        races.spawn(race(clients, path, names));
    }
    races.join_all().await;
}

async fn any_version_will_do_and_none_is_made_up(place: Place) {
    let app = App::start(&place, "app any version").await;
    let client = &app.client;
    let path = format!("/Users/{}", app.made("any").await);
    let title = |value| ("title", value);
    let first = version(client, &path).await;
    under(client, &path, "*", title("any")).await.expect(200);
    let now = version(client, &path).await;
    assert_ne!(first, now);
    for wrong in [&*first, "W/\"\"", "\"*\"", "W/\"0-0\""] {
        let refused = under(client, &path, wrong, title("wrong")).await;
        refused.expect_error(412, None);
    }
    let both = format!("{first}, {now}");
    under(client, &path, &both, title("listed"))
        .await
        .expect(200);
    let seen = client.get(&path).await.expect(200).json();
    assert_eq!(seen["title"], "listed");
    // One answer that shows a part has the same version, or none.
    let part = client
        .get(&format!("{path}?attributes=title"))
        .await
        .expect(200);
    if let Some(tag) = part.headers.get("etag") {
        assert_eq!(tag.to_str().unwrap(), version(client, &path).await);
    }
    let group = format!("/Groups/{}", app.group("any", &[]).await);
    let stale = version(client, &group).await;
    let rename = json!([{"op": "replace", "path": "externalId", "value": "x"}]);
    client.patch(&group, &rename).await.expect(204);
    for path in [&path, &group] {
        let stale = if path == &group { &stale } else { &first };
        let refused = client
            .send(Method::DELETE, path, &[("if-match", stale)], "")
            .await;
        refused.expect_error(412, None);
        let now = version(client, path).await;
        let done = client
            .send(Method::DELETE, path, &[("if-match", &now)], "")
            .await;
        done.expect(204);
        let gone = client
            .send(Method::DELETE, path, &[("if-match", "*")], "")
            .await;
        gone.expect_error(404, None);
    }
}

async fn what_has_many_values_is_replaced_under_a_version_too(place: Place) {
    let target = match place.kind {
        Kind::Samba => "url",
        Kind::Slapd | Kind::Ds389 => "labeledURI",
    };
    let app = App::with(&place, "app many values", |rule| {
        let title = "      - {scim: title, target: title}\n";
        let many = format!("{title}      - {{scim: photos.value, target: {target}}}\n");
        let rule = rule.replacen(title, &many, 1);
        // The account of the shipped rule may not write what that does not name.
        rule.replace(place.text("service_dn"), place.text("bind_dn"))
    })
    .await;
    let id = app.made("many").await;
    let path = format!("/Users/{id}");
    let dn: Dn = app.found("sn", "many").await[0].parse().unwrap();
    for values in [&["http://a", "http://b"][..], &["http://c"], &[]] {
        let version = version(&app.client, &path).await;
        let photos: Vec<Value> = values.iter().map(|url| json!({"value": url})).collect();
        let body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "replace", "path": "photos", "value": photos}],
        });
        let headers = [
            ("content-type", "application/scim+json"),
            ("if-match", &*version),
        ];
        let told = app
            .client
            .send(Method::PATCH, &path, &headers, body.to_string())
            .await;
        told.expect(200);
        let entry = app.entry(&dn).await.unwrap();
        let mut there = entry.values(target).to_vec();
        there.sort_unstable();
        assert_eq!(there, values);
    }
    // A password goes with the rest, or not at all.
    let set = |title: &'static str| {
        json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [
                {"op": "replace", "path": "password", "value": "An0ther-s3cret-word"},
                {"op": "replace", "path": "title", "value": title},
            ],
        })
        .to_string()
    };
    let now = version(&app.client, &path).await;
    for (title, status) in [("first", 200), ("second", 412)] {
        let headers = [
            ("content-type", "application/scim+json"),
            ("if-match", &*now),
        ];
        let told = app
            .client
            .send(Method::PATCH, &path, &headers, set(title))
            .await;
        told.expect(status);
    }
    let seen = app.client.get(&path).await.expect(200).json();
    assert_eq!(seen["title"], "first");
}

async fn sixteen_that_switch_one_user_are_all_served(place: Place) {
    let app = App::start(&place, "app switches").await;
    let rival = app.rival();
    let id = app.made("switch").await;
    let dn: Dn = app.found("sn", "switch").await[0].parse().unwrap();
    let rounds = long(60, 8);
    let mut writers = JoinSet::new();
    for number in 0..16 {
        let client = match number % 4 {
            0 => rival.client.clone(),
            _ => app.client.clone(),
        };
        let path = format!("/Users/{id}");
        writers.spawn(async move {
            let mut last = Value::Null;
            for round in 0..rounds {
                last = json!((round + number) % 2 == 0);
                let change = json!([{"op": "replace", "path": "active", "value": last}]);
                let mut refused = 0;
                while refused < 3 {
                    let told = client.patch(&path, &change).await;
                    // Another program may be first eight times in a row: it is told, and rare.
                    if told.status == 200 {
                        break;
                    }
                    told.expect_error(503, None);
                    refused += 1;
                }
                assert!(refused < 3, "three times refused");
            }
            last
        });
    }
    for name in ["title", "userType"] {
        let (client, path) = (app.client.clone(), format!("/Users/{id}"));
        writers.spawn(async move {
            for round in 0..rounds * 4 {
                let value = format!("{name} {round}");
                let change = json!([{"op": "replace", "path": name, "value": value}]);
                client.patch(&path, &change).await.expect(200);
            }
            Value::Null
        });
    }
    let by_hand = async {
        for round in 0..rounds * 4 {
            let attribute = Attribute::one("telephoneNumber", format!("555 {round}"));
            let write = Write::Modify {
                dn: dn.clone(),
                changes: vec![Change::new(ChangeKind::Replace, attribute)],
            };
            done(app.pool.write(write, &[], soon()).await.map(|o| o.result));
        }
    };
    let (last, ()) = tokio::join!(writers.join_all(), by_hand);
    let seen = app.client.get(&format!("/Users/{id}")).await.expect(200);
    let seen = seen.json();
    assert!(last.contains(&seen["active"]), "{seen}");
    let round = rounds * 4 - 1;
    assert_eq!(seen["title"], json!(format!("title {round}")));
    assert_eq!(seen["userType"], json!(format!("userType {round}")));
    let phone = &seen["phoneNumbers"][0]["value"];
    assert_eq!(*phone, json!(format!("555 {round}")));
    // Said again, it is so.
    for state in [true, false] {
        let change = json!([{"op": "replace", "path": "active", "value": state}]);
        let told = app.patch_user(&id, change).await.expect(200).json();
        assert_eq!(told["active"], json!(state));
        if place.kind == Kind::Samba {
            let flags = app.entry(&dn).await.unwrap();
            let flags: u32 = flags.text("userAccountControl").unwrap().parse().unwrap();
            assert_eq!(flags & 0x202, if state { 0x200 } else { 0x202 });
        }
    }
}
