//! Requests that come again, and requests between which others write: the end is the same, and what
//! was acknowledged stays.

use std::sync::Arc;

use postern::directory::ldap::{Attribute, Change, ChangeKind, Dn, Pool, Rdn, Write};
use serde_json::json;

use crate::app::{App, add};
use crate::place::{Kind, Place, done, on_every_server, soon};
use crate::scripted::{DELETE, MODIFY, RENAME};

on_every_server! {
    one_request_may_take_a_member_and_give_it_back
    an_entry_that_gets_another_name_meanwhile_is_found_again
    what_others_write_before_a_change_is_undone_stays
    spelling_can_be_changed
    one_of_many_values_can_be_spelled_otherwise
    all_parts_of_a_name_change_at_once
    a_password_that_is_set_already_is_no_refusal
    a_refused_creation_uses_no_number_up
    a_name_that_is_too_long_is_the_clients_mistake
}

async fn one_request_may_take_a_member_and_give_it_back(place: Place) {
    let app = App::start(&place, "app again").await;
    let id = app.made("again").await;
    let other = app.made("other").await;
    let group = app.group("again", &[&id, &other]).await;
    let path = format!("/Groups/{group}");
    let one = json!([{"value": id}]);
    let taken = format!("members[value eq \"{id}\"]");
    for (operations, is_in) in [
        (
            json!([
                {"op": "remove", "path": taken},
                {"op": "add", "path": "members", "value": one},
            ]),
            true,
        ),
        (
            json!([
                {"op": "add", "path": "members", "value": one},
                {"op": "remove", "path": taken},
            ]),
            false,
        ),
        (
            json!([
                {"op": "add", "path": "members", "value": one},
                {"op": "add", "path": "members", "value": one},
            ]),
            true,
        ),
        (
            json!([
                {"op": "remove", "path": taken},
                {"op": "remove", "path": taken},
            ]),
            false,
        ),
        (
            json!([
                {"op": "add", "path": "members", "value": one},
                {"op": "replace", "path": "members", "value": [{"value": other}]},
            ]),
            false,
        ),
        (
            json!([
                {"op": "remove", "path": "members"},
                {"op": "add", "path": "members", "value": [{"value": other}, {"value": id}]},
            ]),
            true,
        ),
    ] {
        let told = app.client.patch(&path, &operations).await;
        assert_eq!(told.status, 204, "{operations}: {:?}", told.body);
        let members = app.members(&group).await;
        assert_eq!(members.contains(&id), is_in, "{operations}");
        assert!(members.contains(&other));
    }
}

async fn an_entry_that_gets_another_name_meanwhile_is_found_again(place: Place) {
    let (app, relay) = App::relayed(&place, "app moved").await;
    let member = app.made("member").await;
    let group = app.group("moved", &[]).await;
    let path = format!("/Groups/{group}");
    let renamed = |from: &str, to: &str| {
        let name = |of: &str| app.groups().child("cn", of.to_owned()).unwrap();
        rename(
            &app.pool,
            name(from),
            Rdn::new("cn", to.to_owned()).unwrap(),
        )
    };
    relay.before(MODIFY, renamed("moved", "moved on"));
    let add = json!([{"op": "add", "path": "members", "value": [{"value": member}]}]);
    app.client.patch(&path, &add).await.expect(204);
    assert_eq!(app.members(&group).await, [member.clone()]);
    relay.before(RENAME, renamed("moved on", "moved once more"));
    let name = json!([{"op": "replace", "path": "displayName", "value": "named"}]);
    app.client.patch(&path, &name).await.expect(204);
    let seen = app.client.get(&path).await.expect(200).json();
    assert_eq!(seen["displayName"], "named");
    // Whoever is told that it is gone believes that.
    relay.before(DELETE, renamed("named", "still there"));
    app.client.delete(&path).await.expect(204);
    app.client.get(&path).await.expect_error(404, None);
}

async fn what_others_write_before_a_change_is_undone_stays(place: Place) {
    let (app, relay) = App::relayed(&place, "app undone").await;
    let id = app.made("undone").await;
    let dn: Dn = app.found("sn", "undone").await[0].parse().unwrap();
    let path = format!("/Users/{id}");
    // It cannot have the name that it is to get.
    let refused = match place.kind {
        Kind::Samba => ("name.givenName", json!("Taken")),
        Kind::Slapd | Kind::Ds389 => ("userName", json!("taken")),
    };
    let change = json!([
        {"op": "replace", "path": "title", "value": "mine"},
        {"op": "replace", "path": refused.0, "value": refused.1},
    ]);
    for before in [MODIFY, RENAME] {
        if place.kind == Kind::Samba && before == MODIFY {
            // It does not tell what a write met.
            continue;
        }
        let old = json!([{"op": "replace", "path": "title", "value": "old"}]);
        app.patch_user(&id, old).await.expect(200);
        let (pool, dn) = (Arc::clone(&app.pool), dn.clone());
        let (taken, class) = match place.kind {
            Kind::Slapd | Kind::Ds389 => (vec![("uid", "taken".to_owned())], "account"),
            Kind::Samba => {
                let account = app.user_name("undone").replace("@example.com", "");
                let second = format!("Taken undone ({account})");
                (
                    vec![("cn", "Taken undone".to_owned()), ("cn", second)],
                    "contact",
                )
            }
        };
        let taken: Vec<(Dn, Vec<Attribute>)> = taken
            .into_iter()
            .map(|(by, name)| {
                let attributes = vec![
                    Attribute::one("objectClass", class),
                    Attribute::one(by, name.clone()),
                ];
                (app.people().child(by, name).unwrap(), attributes)
            })
            .collect();
        let gone: Vec<Dn> = taken.iter().map(|(dn, _)| dn.clone()).collect();
        relay.before(before, async move {
            let theirs = Attribute::one("title", "theirs");
            let write = Write::Modify {
                dn,
                changes: vec![Change::new(ChangeKind::Replace, theirs)],
            };
            done(pool.write(write, &[], soon()).await.map(|o| o.result));
            for (dn, attributes) in taken {
                add(&pool, dn, attributes).await;
            }
        });
        let told = app.patch_user(&id, change.clone()).await;
        assert!(told.status.is_client_error(), "{:?}", told.body);
        let seen = app.client.get(&path).await.expect(200).json();
        assert_eq!(seen["title"], "theirs", "{before:x}");
        for dn in gone {
            let write = Write::Delete { dn };
            done(app.pool.write(write, &[], soon()).await.map(|o| o.result));
        }
    }
}

async fn spelling_can_be_changed(place: Place) {
    let app = App::start(&place, "app spelling").await;
    let mut user = app.user("spelled");
    user["title"] = json!("boss");
    user["displayName"] = json!("a b");
    user["emails"] = json!([{"type": "work", "value": "a@x.com"}]);
    let id = app.make(&user).await.expect(201).id();
    let path = format!("/Users/{id}");
    let mut checks = vec![
        ("title", json!("Boss")),
        ("displayName", json!("a  b")),
        ("name.familyName", json!("SPELLED")),
        ("emails[type eq \"work\"].value", json!("A@x.com")),
    ];
    checks.push(("userName", json!(app.user_name("Spelled"))));
    for (what, value) in checks {
        let told = app
            .patch_user(
                &id,
                json!([{"op": "replace", "path": what, "value": value}]),
            )
            .await;
        let told = told.expect(200).json();
        let seen = app.client.get(&path).await.expect(200).json();
        let at = match what {
            "name.familyName" => &seen["name"]["familyName"],
            "emails[type eq \"work\"].value" => &seen["emails"][0]["value"],
            other => &seen[other],
        };
        assert_eq!(*at, value, "{what}");
        assert_eq!(told, seen);
    }
    let group = app.group("spelled", &[]).await;
    let name = json!([{"op": "replace", "path": "displayName", "value": "Spelled"}]);
    app.client
        .patch(&format!("/Groups/{group}"), &name)
        .await
        .expect(204);
    let seen = app
        .client
        .get(&format!("/Groups/{group}"))
        .await
        .expect(200)
        .json();
    assert_eq!(seen["displayName"], "Spelled");
}

async fn one_of_many_values_can_be_spelled_otherwise(place: Place) {
    let app = App::with(&place, "app spelled", |rule| {
        let many = "      - {scim: emails.value, target: mail}";
        let lines = rule.lines();
        let lines = lines.map(|line| {
            if line.contains("target: mail,") {
                many
            } else {
                line
            }
        });
        if place.kind == Kind::Samba {
            // There it holds one value.
            return rule.clone();
        }
        lines.collect::<Vec<_>>().join("\n")
    })
    .await;
    if place.kind == Kind::Samba {
        return;
    }
    let mut user = app.user("spelled");
    user["emails"] = json!([{"value": "a@x.com"}, {"value": "b@x.com"}]);
    let id = app.make(&user).await.expect(201).id();
    let change = json!([
        {"op": "remove", "path": "emails[value eq \"a@x.com\"]"},
        {"op": "add", "path": "emails", "value": [{"value": "A@x.com"}]},
        {"op": "add", "path": "emails", "value": [{"value": "b@x.com"}]},
    ]);
    let told = app.patch_user(&id, change).await.expect(200).json();
    let mut emails: Vec<&str> = told["emails"]
        .as_array()
        .unwrap()
        .iter()
        .map(|email| email["value"].as_str().unwrap())
        .collect();
    emails.sort_unstable();
    assert_eq!(emails, ["A@x.com", "b@x.com"]);
}

/// Somebody has named the entry by two attributes.
async fn all_parts_of_a_name_change_at_once(place: Place) {
    if place.kind == Kind::Samba {
        // It has no such names.
        return;
    }
    let app = App::start(&place, "app parts").await;
    let id = app.made("parts").await;
    let dn = app.people().child("uid", "parts").unwrap();
    let rdn = Rdn::new("uid", "parts").unwrap();
    let rdn = rdn.and("cn", "Barbara parts").unwrap();
    rename(&app.pool, dn, rdn).await;
    let change = json!([
        {"op": "replace", "path": "userName", "value": "other, parts"},
        {"op": "replace", "path": "name.givenName", "value": "Ann+e"},
    ]);
    let told = app.patch_user(&id, change).await.expect(200).json();
    assert_eq!(told["userName"], "other, parts");
    assert_eq!(told["name"]["givenName"], "Ann+e");
    let entry = app.found("uid", "other, parts").await;
    let dn: Dn = entry[0].parse().unwrap();
    let parts: Vec<&[u8]> = dn.rdn().unwrap().pairs().map(|(_, value)| value).collect();
    assert!(
        parts.contains(&&b"other, parts"[..]) && parts.contains(&&b"Ann+e parts"[..]),
        "{dn}"
    );
    if place.kind == Kind::Ds389 {
        // It fails within (1) where it is to take away a name of escaped parts.
        return;
    }
    let back = json!([
        {"op": "replace", "path": "name.givenName", "value": "Ann"},
        {"op": "replace", "path": "userName", "value": "x"},
        {"op": "replace", "path": "userName", "value": "other, parts"},
    ]);
    let told = app.patch_user(&id, back).await.expect(200).json();
    assert_eq!(told["userName"], "other, parts");
    assert_eq!(told["name"]["givenName"], "Ann");
}

/// The answer was lost, or the client sends it each time.
async fn a_password_that_is_set_already_is_no_refusal(place: Place) {
    if place.kind != Kind::Slapd {
        // Of the others, 389 DS does not tell that from a password of long ago.
        return;
    }
    let app = App::start(&place, "app history").await;
    let policy = app.unit.child("cn", "policy").unwrap();
    let attributes = vec![
        Attribute::many("objectClass", ["device", "pwdPolicy"]),
        Attribute::one("cn", "policy"),
        Attribute::one("pwdAttribute", "userPassword"),
        Attribute::one("pwdInHistory", "5"),
    ];
    add(&app.pool, policy.clone(), attributes).await;
    let mut user = app.user("history");
    user["password"] = json!("Good-Password-1");
    let id = app.make(&user).await.expect(201).id();
    let own = Attribute::one("pwdPolicySubentry", policy.to_string());
    let write = Write::Modify {
        dn: app.people().child("uid", "history").unwrap(),
        changes: vec![Change::new(ChangeKind::Replace, own)],
    };
    done(app.pool.write(write, &[], soon()).await.map(|o| o.result));
    let set = |password: &str| {
        json!([
            {"op": "replace", "path": "password", "value": password},
            {"op": "replace", "path": "title", "value": password.len().to_string()},
        ])
    };
    for password in ["Good-Password-2", "Good-Password-2", "Good-Password-33"] {
        app.patch_user(&id, set(password)).await.expect(200);
    }
    let detail = app
        .patch_user(&id, set("Good-Password-2"))
        .await
        .expect_error(400, Some("invalidValue"));
    assert!(detail.contains("used before"), "{detail}");
    let path = format!("/Users/{id}");
    let seen = app.client.get(&path).await.expect(200).json();
    assert_eq!(seen["title"], "16", "all or nothing");
    // What else is refused leaves the password as it was: put right, the request is done.
    let change = |number: &str| {
        json!([
            {"op": "replace", "path": "password", "value": "Good-Password-4"},
            {"op": "replace", "path": "phoneNumbers[type eq \"work\"].value", "value": number},
        ])
    };
    app.patch_user(&id, change("\u{e4}"))
        .await
        .expect_error(400, Some("invalidValue"));
    app.patch_user(&id, set("Good-Password-5"))
        .await
        .expect(200);
    app.patch_user(&id, change("1")).await.expect(200);
}

async fn a_refused_creation_uses_no_number_up(place: Place) {
    if place.kind != Kind::Ds389 {
        // No line of the other rules counts.
        return;
    }
    let app = App::with(&place, "app refused", |rule| {
        rule.replace("uniqueness: postern", "uniqueness: directory")
    })
    .await;
    app.made("refused").await;
    for _ in 0..3 {
        app.make(&app.user("refused"))
            .await
            .expect_error(409, Some("uniqueness"));
    }
    let counter = app.unit.child("ou", "services").unwrap();
    let counter = app
        .entry(&counter.child("cn", "next-uid").unwrap())
        .await
        .unwrap();
    assert_eq!(counter.text("uidNumber"), Some("10001"));
}

async fn a_name_that_is_too_long_is_the_clients_mistake(place: Place) {
    let app = App::start(&place, "app long").await;
    let group = app.group("short", &[]).await;
    for length in [300, 600, 2000] {
        let name = "x".repeat(length);
        let body = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
            "displayName": name,
        });
        let told = app.client.post("/Groups", &body).await;
        assert!(matches!(told.status.as_u16(), 201 | 400), "{length}");
        let change = json!([{"op": "replace", "path": "displayName", "value": format!("y{name}")}]);
        let told = app.client.patch(&format!("/Groups/{group}"), &change).await;
        assert!(matches!(told.status.as_u16(), 204 | 400), "{length}");
    }
}

fn rename(pool: &Arc<Pool>, dn: Dn, rdn: Rdn) -> impl Future<Output = ()> + Send + 'static {
    let pool = Arc::clone(pool);
    async move {
        let write = Write::Rename {
            dn,
            rdn,
            delete_old: true,
            above: None,
        };
        done(pool.write(write, &[], soon()).await.map(|o| o.result));
    }
}
