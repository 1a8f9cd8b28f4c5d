//! Where entries are: containers that an attribute chooses, names that are taken, resources that
//! are put away and come back, references that follow.

use postern::directory::ldap::Attribute;
use serde_json::json;

use crate::app::{App, add};
use crate::place::{Kind, Place, on_every_server};

on_every_server! {
    an_attribute_chooses_the_container
    a_renaming_that_fails_leaves_everything_as_it_was
    who_is_deleted_is_put_away_and_comes_back
    references_follow_without_the_servers_help
}

const DEPARTMENT: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// A rule whose people are put by department.
fn by_department(app: &str) -> impl FnOnce(String) -> String {
    let _ = app;
    |rule: String| {
        // The rule of 389 DS does so as it is shipped.
        let people = rule
            .lines()
            .find_map(|line| line.trim().strip_prefix("base: "));
        let people = people.unwrap().trim_matches('"').to_owned();
        let (by, from, to) = if rule.contains("flavor: openldap") {
            (
                "ou",
                "create: {rdn: uid, object_classes: [inetOrgPerson]}",
                "create: {rdn: uid, object_classes: [inetOrgPerson], in: IN}",
            )
        } else {
            (
                "department",
                "        object_classes: [user]\n",
                "        object_classes: [user]\n        in: IN\n",
            )
        };
        let chosen = format!(
            "{{by: {by}, values: {{sales: \"ou=sales,{people}\", lab: \"ou=lab,{people}\"}}, otherwise: \"{people}\"}}"
        );
        rule.replace(from, &to.replace("IN", &chosen))
    }
}

async fn containers(app: &App) {
    if app.kind == Kind::Ds389 {
        return;
    }
    for name in ["sales", "lab"] {
        let dn = app.people().child("ou", name).unwrap();
        let attributes = vec![
            Attribute::one("objectClass", "organizationalUnit"),
            Attribute::one("ou", name),
        ];
        add(&app.pool, dn, attributes).await;
    }
}

async fn an_attribute_chooses_the_container(place: Place) {
    let app = App::with(&place, "app containers", by_department("")).await;
    containers(&app).await;
    let mut user = app.user("mover");
    user[ENTERPRISE] = json!({"department": "SALES"});
    let id = app.make(&user).await.expect(201).id();
    let sales = app.people().child("ou", "sales").unwrap();
    let lab = app.people().child("ou", "lab").unwrap();
    let below = |names: &[String], above: &str| {
        assert_eq!(names.len(), 1, "{names:?}");
        assert!(
            names[0]
                .to_lowercase()
                .ends_with(&format!(",{above}").to_lowercase()),
            "{names:?} not in {above}"
        );
    };
    let find = || app.found("sn", "mover");
    below(&find().await, &sales.to_string());
    let set = |value| json!([{"op": "replace", "path": DEPARTMENT, "value": value}]);
    let seen = app.patch_user(&id, set("lab")).await.expect(200).json();
    assert_eq!(seen[ENTERPRISE]["department"], "lab");
    below(&find().await, &lab.to_string());
    // Any other value, and an attempt to name a place.
    for other in ["ou=lab", "x,ou=groups", "lab,ou=people"] {
        let seen = app.patch_user(&id, set(other)).await.expect(200).json();
        assert_eq!(seen[ENTERPRISE]["department"], other);
        below(&find().await, &app.people().to_string());
    }
    app.patch_user(
        &id,
        json!([{"op": "replace", "value": {DEPARTMENT: "Lab", "title": "T"}}]),
    )
    .await
    .expect(200);
    below(&find().await, &lab.to_string());
    app.patch_user(&id, json!([{"op": "remove", "path": DEPARTMENT}]))
        .await
        .expect(200);
    below(&find().await, &app.people().to_string());
    let seen = app
        .client
        .get(&format!("/Users/{id}"))
        .await
        .expect(200)
        .json();
    assert_eq!((&seen["title"], &seen["id"]), (&json!("T"), &json!(id)));
}

async fn a_renaming_that_fails_leaves_everything_as_it_was(place: Place) {
    let app = App::with(&place, "app undo", by_department("")).await;
    // The containers of the others are not there: what should go into one cannot.
    if app.kind == Kind::Ds389 {
        let lab = app.people().child("ou", "lab").unwrap();
        let write = postern::directory::ldap::Write::Delete { dn: lab };
        app.pool
            .write(write, &[], crate::place::soon())
            .await
            .unwrap();
    }
    let mut user = app.user("stays");
    user["title"] = json!("Old");
    let id = app.make(&user).await.expect(201).id();
    let before = app
        .client
        .get(&format!("/Users/{id}"))
        .await
        .expect(200)
        .json();
    let change = json!([{"op": "replace", "value": {"title": "New", "displayName": "D", DEPARTMENT: "lab"}}]);
    app.patch_user(&id, change).await.expect_error(502, None);
    let after = app
        .client
        .get(&format!("/Users/{id}"))
        .await
        .expect(200)
        .json();
    for same in ["title", "displayName", ENTERPRISE, "name", "userName"] {
        assert_eq!(before.get(same), after.get(same), "{same}");
    }
    user["userName"] = json!(app.user_name("stays2"));
    user[ENTERPRISE] = json!({"department": "lab"});
    app.make(&user).await.expect_error(502, None);
}

async fn who_is_deleted_is_put_away_and_comes_back(place: Place) {
    let keep = |rule: String| {
        if rule.contains("on_delete") {
            return rule;
        }
        let people = rule
            .lines()
            .find_map(|line| line.trim().strip_prefix("base: "));
        let unit = people.unwrap().trim_matches('"').split_once(',').unwrap().1;
        let more = format!(
            "  User:\n    on_delete: {{disable: true, move_to: \"ou=leavers,{unit}\"}}\n    on_create: revive\n"
        );
        rule.replace("  User:\n", &more)
    };
    let app = App::with(&place, "app leavers", keep).await;
    let leavers = app.unit.child("ou", "Leavers").unwrap();
    if app.kind != Kind::Samba {
        let attributes = vec![
            Attribute::one("objectClass", "organizationalUnit"),
            Attribute::one("ou", "leavers"),
        ];
        add(&app.pool, leavers.clone(), attributes).await;
    }
    let mut user = app.user("leaver");
    user["password"] = json!("Secret-Secret-1");
    user["title"] = json!("First");
    let id = app.make(&user).await.expect(201).id();
    let path = format!("/Users/{id}");
    app.client.delete(&path).await.expect(204);
    app.client.get(&path).await.expect_error(404, None);
    app.client.delete(&path).await.expect_error(404, None);
    let away = app.found("sn", "leaver").await;
    assert_eq!(away.len(), 1);
    assert!(away[0].to_lowercase().contains("ou=leavers"), "{away:?}");
    let entry = app.entry(&away[0].parse().unwrap()).await.unwrap();
    match app.kind {
        Kind::Slapd => assert_eq!(entry.text("pwdAccountLockedTime"), Some("000001010000Z")),
        Kind::Ds389 => assert!(
            entry
                .text("nsAccountLock")
                .unwrap()
                .eq_ignore_ascii_case("true")
        ),
        Kind::Samba => {
            let bits: i64 = entry.text("userAccountControl").unwrap().parse().unwrap();
            assert_eq!(bits & 2, 2);
        }
    }
    user["title"] = json!("Second");
    // Servers remember passwords.
    user["password"] = json!("Secret-Secret-2");
    let back = app.make(&user).await.expect(201).json();
    assert_eq!(back["id"], json!(id), "the same entry comes back");
    assert_eq!(
        (&back["active"], &back["title"]),
        (&json!(true), &json!("Second"))
    );
    assert_eq!(app.client.get(&path).await.expect(200).json(), back);
    // Two of one name are told apart there, and the last comes back.
    app.client.delete(&path).await.expect(204);
    let mut other = app.user("leaver2");
    other["name"] = user["name"].clone();
    if app.kind != Kind::Samba {
        other["userName"] = user["userName"].clone();
        // Whoever is there comes back first; so make another by hand.
        return;
    }
    let second = app.make(&other).await.expect(201).id();
    assert_ne!(second, id);
    app.client
        .delete(&format!("/Users/{second}"))
        .await
        .expect(204);
    assert_eq!(app.found("sn", "leaver").await.len(), 2);
    let back = app.make(&user).await.expect(201).id();
    assert_eq!(back, id);
    let back = app.make(&other).await.expect(201).id();
    assert_eq!(back, second);
}

async fn references_follow_without_the_servers_help(place: Place) {
    let ours = |rule: String| rule.replace("integrity: directory", "integrity: postern");
    let app = App::with(&place, "app references", ours).await;
    let boss = app.made("boss").await;
    let mut user = app.user("follower");
    user[ENTERPRISE] = json!({"manager": {"value": boss}});
    let id = app.make(&user).await.expect(201).id();
    let group = app.group("band", &[&boss, &id]).await;
    // Both are named by what changes.
    let (path, value) = match app.kind {
        Kind::Samba => ("name.givenName", json!("Renamed")),
        Kind::Slapd | Kind::Ds389 => ("userName", json!("renamed")),
    };
    app.patch_user(
        &boss,
        json!([{"op": "replace", "path": path, "value": value}]),
    )
    .await
    .expect(200);
    let mut both = vec![boss.clone(), id.clone()];
    both.sort();
    assert_eq!(app.members(&group).await, both);
    let seen = app
        .client
        .get(&format!("/Users/{id}"))
        .await
        .expect(200)
        .json();
    assert_eq!(seen[ENTERPRISE]["manager"]["value"], json!(boss));
    app.client
        .delete(&format!("/Users/{boss}"))
        .await
        .expect(204);
    assert_eq!(app.members(&group).await, std::slice::from_ref(&id));
    let seen = app
        .client
        .get(&format!("/Users/{id}"))
        .await
        .expect(200)
        .json();
    assert!(seen[ENTERPRISE].get("manager").is_none());
    if app.kind != Kind::Samba {
        let entry = app.groups().child("cn", "band").unwrap();
        let entry = app.entry(&entry).await.unwrap();
        assert_eq!(entry.values("member").len(), 1);
    }
}
