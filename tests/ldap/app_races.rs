//! Many clients at once: one wins where there can be one, nobody loses what was promised, and no
//! number is given twice.

use std::collections::HashSet;

use postern::directory::ldap::{Attribute, Change, ChangeKind, Write};
use serde_json::{Value, json};

use crate::app::App;
use crate::place::{Kind, Place, done, on_every_server, soon};

on_every_server! {
    one_user_name_is_had_once
    a_number_is_given_once
    a_version_that_is_gone_is_not_written_to
    what_others_change_meanwhile_stays
}

async fn one_user_name_is_had_once(place: Place) {
    let app = App::with(&place, "app race", |rule| {
        // The naming attribute does not tell them apart.
        rule.replace(
            "create: {rdn: uid,",
            "create: {rdn: {from: cn, on_collision: \" ({uid})\"},",
        )
        .replace("uniqueness: directory", "uniqueness: postern")
    })
    .await;
    let mut asked = tokio::task::JoinSet::new();
    for number in 0..16 {
        let mut user = app.user(if number % 2 == 0 { "race" } else { "RACE" });
        user["name"]["familyName"] = json!(format!("Race {number}"));
        let client = app.client.clone();
        asked.spawn(async move { client.post("/Users", &user).await.status.as_u16() });
    }
    let mut told: Vec<u16> = asked.join_all().await;
    told.sort_unstable();
    assert_eq!(told[0], 201);
    assert!(told[1..].iter().all(|status| *status == 409), "{told:?}");
    let all = app.client.get("/Users").await.expect(200).json();
    assert_eq!(all["totalResults"], 1);
}

async fn a_number_is_given_once(place: Place) {
    if place.kind != Kind::Ds389 {
        // No line of the other rules counts; the driver does the same everywhere.
        return;
    }
    let app = App::start(&place, "app numbers").await;
    let mut asked = tokio::task::JoinSet::new();
    for number in 0..24 {
        let user = app.user(&format!("n{number}"));
        let client = app.client.clone();
        asked.spawn(async move { client.post("/Users", &user).await.expect(201) });
    }
    asked.join_all().await;
    let mut numbers = HashSet::new();
    for number in 0..24 {
        let dn = app.people().child("uid", format!("n{number}")).unwrap();
        let entry = app.entry(&dn).await.unwrap();
        let classes = entry.values("objectClass");
        assert!(
            classes
                .iter()
                .any(|c| c.eq_ignore_ascii_case(b"posixAccount"))
        );
        assert_eq!(
            entry.text("homeDirectory"),
            Some(&*format!("/home/n{number}"))
        );
        let uid: u64 = entry.text("uidNumber").unwrap().parse().unwrap();
        assert!((10000..10024).contains(&uid), "{uid}");
        assert!(numbers.insert(uid), "{uid} twice");
    }
}

async fn a_version_that_is_gone_is_not_written_to(place: Place) {
    let app = App::start(&place, "app versions").await;
    let id = app.made("version").await;
    let path = format!("/Users/{id}");
    let seen = app.client.get(&path).await.expect(200);
    let version = seen.headers["etag"].to_str().unwrap().to_owned();
    assert_eq!(seen.json()["meta"]["version"], json!(version));
    let body = |title: &str| {
        json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "replace", "path": "title", "value": title}],
        })
        .to_string()
    };
    let config = app
        .client
        .get("/ServiceProviderConfig")
        .await
        .expect(200)
        .json();
    let held = config["etag"]["supported"].as_bool().unwrap();
    // Of Active Directory, a change of other attributes is noticed before a write only.
    assert_eq!(held, place.kind != Kind::Samba);
    let json = ("content-type", "application/scim+json");
    let with = [json, ("if-match", &*version)];
    let first = app
        .client
        .send(http::Method::PATCH, &path, &with, body("one"))
        .await;
    let second = app
        .client
        .send(http::Method::PATCH, &path, &with, body("two"))
        .await;
    second.expect_error(412, None);
    let gone = app
        .client
        .send(http::Method::DELETE, &path, &with[1..], "")
        .await;
    gone.expect_error(412, None);
    let told = first.expect(200).json();
    assert_eq!(told["title"], "one");
    let now = told["meta"]["version"].as_str().unwrap().to_owned();
    let with = [json, ("if-match", &*now)];
    app.client
        .send(http::Method::DELETE, &path, &with[1..], "")
        .await
        .expect(204);
}

/// Clients patch different attributes of one user while somebody writes to the directory itself.
async fn what_others_change_meanwhile_stays(place: Place) {
    let app = App::start(&place, "app overlap").await;
    let id = app.made("overlap").await;
    let dn = app.found("sn", "overlap").await[0].parse().unwrap();
    let rounds = 12;
    let by_hand = async {
        for round in 0..rounds {
            let attribute = Attribute::one("telephoneNumber", format!("555 {round}"));
            let write = Write::Modify {
                dn: postern::directory::ldap::Dn::clone(&dn),
                changes: vec![Change::new(ChangeKind::Replace, attribute)],
            };
            done(app.pool.write(write, &[], soon()).await.map(|o| o.result));
        }
    };
    let patching = |path: &'static str| {
        let (client, id) = (app.client.clone(), id.clone());
        async move {
            for round in 0..rounds {
                let value: Value = match path {
                    "active" => json!(round % 2 == 1),
                    _ => json!(format!("{path} {round}")),
                };
                let change = json!([{"op": "replace", "path": path, "value": value}]);
                let answer = client.patch(&format!("/Users/{id}"), &change).await;
                answer.expect(200);
            }
        }
    };
    tokio::join!(
        by_hand,
        patching("title"),
        patching("displayName"),
        patching("active"),
        patching("externalId"),
    );
    let seen = app
        .client
        .get(&format!("/Users/{id}"))
        .await
        .expect(200)
        .json();
    let last = rounds - 1;
    assert_eq!(seen["title"], json!(format!("title {last}")));
    assert_eq!(seen["displayName"], json!(format!("displayName {last}")));
    assert_eq!(seen["externalId"], json!(format!("externalId {last}")));
    assert_eq!(seen["active"], json!(last % 2 == 1));
    assert_eq!(
        seen["phoneNumbers"][0]["value"],
        json!(format!("555 {last}"))
    );
}
