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
