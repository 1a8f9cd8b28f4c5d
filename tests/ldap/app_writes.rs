//! Resources are made, changed and removed through the whole program.

use serde_json::json;

use crate::app::App;
use crate::place::{Kind, Place, on_every_server};

on_every_server! {
    a_user_is_made_changed_and_removed
    a_name_that_is_taken_is_no_user_name_that_is
    members_come_and_go
    a_policy_of_passwords_is_told_in_plain_words
}

async fn a_user_is_made_changed_and_removed(place: Place) {
    let app = App::start(&place, "app life").await;
    let mut user = app.user("life");
    user["title"] = json!("Boss");
    user["password"] = json!("Secret-Secret-1");
    let made = app.make(&user).await.expect(201).json();
    let id = made["id"].as_str().unwrap();
    assert_eq!(
        (&made["title"], &made["active"]),
        (&json!("Boss"), &json!(true))
    );
    assert!(made.get("password").is_none());
    app.make(&user).await.expect_error(409, Some("uniqueness"));
    let path = format!("/Users/{id}");
    let seen = app.client.get(&path).await.expect(200).json();
    assert_eq!(seen, made);
    assert!(seen["meta"]["version"].is_string());

    let changed = app
        .patch_user(
            id,
            json!([
                {"op": "replace", "path": "active", "value": false},
                {"op": "add", "path": "title", "value": "Chief"},
                {"op": "add", "path": "externalId", "value": "e-1"},
            ]),
        )
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&changed["title"], &changed["active"]),
        (&json!("Chief"), &json!(false))
    );
    assert_ne!(changed["meta"]["version"], seen["meta"]["version"]);
    let again = app
        .patch_user(
            id,
            json!([{"op": "replace", "path": "active", "value": true}]),
        )
        .await
        .expect(200)
        .json();
    assert_eq!(again["active"], true);

    let mut other = app.user("life, \"2\" + #");
    if app.kind == Kind::Samba {
        other = app.user("life2");
    }
    other["name"] = json!({"givenName": "B", "familyName": "Other"});
    let put = app.client.put(&path, &other).await.expect(200).json();
    assert_eq!(put["userName"], other["userName"]);
    assert_eq!(put["id"], made["id"]);
    assert!(put.get("title").is_none() && put.get("externalId").is_none());
    assert_eq!(app.client.get(&path).await.expect(200).json(), put);

    app.client.delete(&path).await.expect(204);
    app.client.delete(&path).await.expect_error(404, None);
    app.client.get(&path).await.expect_error(404, None);
    app.patch_user(
        id,
        json!([{"op": "replace", "path": "title", "value": "x"}]),
    )
    .await
    .expect_error(404, None);
    assert!(!app.log().contains("Secret-Secret-1"));
}

/// The rule names entries by `cn` in Active Directory; the others do it here as well.
async fn a_name_that_is_taken_is_no_user_name_that_is(place: Place) {
    let by_cn = |rule: String| {
        let pattern = "{from: cn, on_collision: \" ({uid})\"}";
        rule.replace("create: {rdn: uid,", &format!("create: {{rdn: {pattern},"))
            .replace("        rdn: uid\n", &format!("        rdn: {pattern}\n"))
            .replace("uniqueness: directory", "uniqueness: postern")
    };
    let app = App::with(&place, "app collide", by_cn).await;
    let user = |name: &str| {
        let mut user = app.user(name);
        user["name"] = json!({"givenName": "Jane", "familyName": "Doe"});
        user
    };
    let first = app.make(&user("jdoe")).await.expect(201).id();
    let second = app.make(&user("jdoe2")).await.expect(201).id();
    assert_ne!(first, second);
    app.make(&user("JDOE"))
        .await
        .expect_error(409, Some("uniqueness"));
    let account = app.user_name("jdoe2").replace("@example.com", "");
    let taken = format!("cn=Jane Doe ({account}),{}", app.people());
    assert!(app.entry(&taken.parse().unwrap()).await.is_some());
    // A change that makes the name again keeps the one that it has.
    app.patch_user(
        &second,
        json!([{"op": "replace", "path": "name.givenName", "value": "Jane"}]),
    )
    .await
    .expect(200);
    assert!(app.entry(&taken.parse().unwrap()).await.is_some());
    app.patch_user(
        &second,
        json!([{"op": "replace", "path": "name.givenName", "value": "Janet"}]),
    )
    .await
    .expect(200);
    assert!(app.entry(&taken.parse().unwrap()).await.is_none());
    app.patch_user(
        &second,
        json!([{"op": "replace", "path": "name.givenName", "value": "Jane"}]),
    )
    .await
    .expect(200);
    assert!(app.entry(&taken.parse().unwrap()).await.is_some());
    let path = format!("/Users/{second}");
    app.client
        .put(&path, &user("jdoe"))
        .await
        .expect_error(409, Some("uniqueness"));
    let seen = app.client.get(&path).await.expect(200).json();
    assert_eq!(seen["userName"], app.user_name("jdoe2"));
}

async fn members_come_and_go(place: Place) {
    let app = App::start(&place, "app members").await;
    let mut ids = Vec::new();
    for name in ["m1", "m2", "m3"] {
        ids.push(app.made(name).await);
    }
    ids.sort();
    let group = app.group("g1", &[&ids[0]]).await;
    let path = format!("/Groups/{group}");
    let add = |id: &str| json!([{"op": "add", "path": "members", "value": [{"value": id}]}]);
    let remove =
        |id: &str| json!([{"op": "remove", "path": format!("members[value eq \"{id}\"]")}]);
    for id in [&ids[0], &ids[1], &ids[1], &ids[2]] {
        app.client.patch(&path, &add(id)).await.expect(204);
    }
    assert_eq!(app.members(&group).await, ids);
    for id in [&ids[1], &ids[1], &ids[0], &ids[2], &ids[2]] {
        app.client.patch(&path, &remove(id)).await.expect(204);
    }
    assert!(app.members(&group).await.is_empty());
    app.client.patch(&path, &add(&ids[2])).await.expect(204);
    assert_eq!(app.members(&group).await, [ids[2].clone()]);
    // Who goes is no member any more, and a group of nobody is one still.
    app.client
        .delete(&format!("/Users/{}", ids[2]))
        .await
        .expect(204);
    assert!(app.members(&group).await.is_empty() || app.kind == Kind::Samba);
    app.client.delete(&path).await.expect(204);
}

async fn a_policy_of_passwords_is_told_in_plain_words(place: Place) {
    let app = App::start(&place, "app policy").await;
    let mut user = app.user("policy");
    user["password"] = json!("Sh0rt");
    let detail = app
        .make(&user)
        .await
        .expect_error(400, Some("invalidValue"));
    assert!(detail.contains("password"), "{detail}");
    user["password"] = json!("Good-Password-1");
    user["title"] = json!("Old");
    let id = app.make(&user).await.expect(201).id();
    let change = json!([
        {"op": "replace", "path": "title", "value": "New"},
        {"op": "replace", "path": "password", "value": "Sh0rt"},
    ]);
    let detail = app
        .patch_user(&id, change)
        .await
        .expect_error(400, Some("invalidValue"));
    assert!(
        detail.contains("password") && !detail.contains("Sh0rt"),
        "{detail}"
    );
    let seen = app
        .client
        .get(&format!("/Users/{id}"))
        .await
        .expect(200)
        .json();
    assert_eq!(seen["title"], "Old", "all or nothing");
    let change = json!([{"op": "replace", "path": "password", "value": "Other-Password-2"}]);
    app.patch_user(&id, change).await.expect(200);
    for secret in ["Sh0rt", "Good-Password", "Other-Password"] {
        assert!(!app.log().contains(secret));
    }
}
