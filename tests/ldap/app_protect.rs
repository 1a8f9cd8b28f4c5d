//! Whom a rule protects is seen and not harmed, whatever verb it is, in bulk, and through groups
//! within groups. Who is meant is told by attributes that no line maps.

use std::sync::Arc;

use postern::directory::ldap::{Attribute, Change, ChangeKind, Dn, Pool, Write};
use serde_json::{Value, json};

use crate::app::App;
use crate::place::{Kind, Place, done, on_every_server, soon};
use crate::support::Answer;

on_every_server! {
    a_protected_user_is_seen_and_not_harmed
    a_protected_user_becomes_a_member_of_nothing
    the_members_of_a_protected_group_stay_who_they_are
    who_is_not_protected_goes_on
}

async fn start(place: &Place, name: &str) -> App {
    App::with(place, name, |rule| {
        if rule.contains("protect:") {
            return rule;
        }
        let protect = "    protect: {filter: \"(description=root)\"}\n    attributes:\n";
        rule.replace("    attributes:\n", protect)
    })
    .await
}

/// The administrator makes an entry one that the rule protects.
async fn protect(app: &App, name: &str) {
    let marks = match app.kind {
        Kind::Samba => Attribute::one("adminCount", "1"),
        Kind::Slapd | Kind::Ds389 => Attribute::many("description", ["other", "root"]),
    };
    set(&app.pool, only(app, name).await, ChangeKind::Replace, marks).await;
}

async fn set(pool: &Arc<Pool>, dn: Dn, kind: ChangeKind, attribute: Attribute) {
    let changes = vec![Change::new(kind, attribute)];
    let write = Write::Modify { dn, changes };
    done(pool.write(write, &[], soon()).await.map(|o| o.result));
}

/// The entry of a name, a user's or a group's.
async fn only(app: &App, name: &str) -> Dn {
    let mut found = app.found("sn", name).await;
    found.extend(app.found("cn", name).await);
    assert_eq!(found.len(), 1, "{name}: {found:?}");
    found[0].parse().unwrap()
}

#[track_caller]
fn protected(answer: Answer) {
    let detail = answer.expect_error(403, None);
    assert!(detail.contains("the rule"), "{detail}");
}

fn add(id: &str) -> Value {
    json!([{"op": "add", "path": "members", "value": [{"value": id}]}])
}

fn remove(id: &str) -> Value {
    json!([{"op": "remove", "path": format!("members[value eq \"{id}\"]")}])
}

fn group(name: &str, ids: &[&str]) -> Value {
    let members: Vec<Value> = ids.iter().map(|id| json!({"value": id})).collect();
    let schema = "urn:ietf:params:scim:schemas:core:2.0:Group";
    json!({"schemas": [schema], "displayName": name, "members": members})
}

/// What became of the operations of a bulk request.
async fn bulk(app: &App, operations: Vec<Value>) -> Vec<String> {
    let schema = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
    let body = json!({"schemas": [schema], "Operations": operations});
    let answer = app.client.post("/Bulk", &body).await.expect(200).json();
    let done = answer["Operations"].as_array().unwrap();
    let status = |one: &Value| one["status"].as_str().unwrap().to_owned();
    done.iter().map(status).collect()
}

fn operations(changes: &Value) -> Value {
    let schema = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
    json!({"schemas": [schema], "Operations": changes})
}

async fn a_protected_user_is_seen_and_not_harmed(place: Place) {
    let app = start(&place, "protected user").await;
    let id = app.made("boss").await;
    protect(&app, "boss").await;
    let path = format!("/Users/{id}");
    let seen = app.client.get(&path).await.expect(200).json();
    assert_eq!(seen["userName"], app.user_name("boss"));
    for hidden in ["adminCount", "description", "protected"] {
        assert!(!seen.to_string().contains(hidden), "{seen}");
    }
    let filter = format!(
        "/Users?filter=userName%20eq%20%22{}%22",
        app.user_name("boss")
    );
    let list = app.client.get(&filter).await.expect(200).json();
    assert_eq!(list["totalResults"], 1);

    let before = app.everything().await;
    let changes = [
        json!([{"op": "replace", "path": "active", "value": false}]),
        json!([{"op": "Replace", "value": {"Active": "False"}}]),
        json!([{"op": "replace", "path": "userName", "value": app.user_name("other")}]),
        json!([{"op": "replace", "path": "title", "value": "x"},
               {"op": "replace", "path": "password", "value": "Good-Password-1"}]),
        json!([{"op": "add", "value": {"PASSWORD": "Good-Password-1"}}]),
    ];
    for change in &changes {
        protected(app.client.patch(&path, change).await);
    }
    let mut user = app.user("boss");
    user["active"] = json!(false);
    protected(app.client.put(&path, &user).await);
    let mut user = app.user("boss");
    user["userName"] = json!(app.user_name("other"));
    protected(app.client.put(&path, &user).await);
    let mut user = app.user("boss");
    user["password"] = json!("Good-Password-1");
    protected(app.client.put(&path, &user).await);
    protected(app.client.delete(&path).await);
    let mut all = vec![json!({"method": "DELETE", "path": path})];
    for change in &changes {
        let data = operations(change);
        all.push(json!({"method": "PATCH", "path": path, "data": data}));
    }
    assert_eq!(bulk(&app, all).await, ["403"; 6]);
    assert_eq!(app.everything().await, before);

    // Everything else goes on.
    let title = json!([{"op": "replace", "path": "title", "value": "Chief"}]);
    let seen = app.patch_user(&id, title).await.expect(200).json();
    assert_eq!(seen["title"], "Chief");
    let active = json!([{"op": "replace", "path": "active", "value": true}]);
    app.patch_user(&id, active).await.expect(200);
}

async fn a_protected_user_becomes_a_member_of_nothing(place: Place) {
    let app = start(&place, "protected member").await;
    let (boss, ada) = (app.made("boss").await, app.made("ada").await);
    let inner = app.group("inner", &[&boss]).await;
    let middle = app.group("middle", &[&inner]).await;
    let plain = app.group("plain", &[&ada]).await;
    protect(&app, "boss").await;
    let before = app.everything().await;
    let path = format!("/Groups/{plain}");
    for id in [&boss, &inner, &middle] {
        protected(app.client.patch(&path, &add(id)).await);
        let both =
            json!([{"op": "add", "path": "members", "value": [{"value": ada}, {"value": id}]}]);
        protected(app.client.patch(&path, &both).await);
        let whole = json!([{"op": "replace", "path": "members", "value": [{"value": id}]}]);
        protected(app.client.patch(&path, &whole).await);
        protected(app.client.put(&path, &group("plain", &[&ada, id])).await);
        protected(app.client.post("/Groups", &group("new", &[id])).await);
    }
    let made = json!({"method": "POST", "path": "/Groups", "bulkId": "g", "data": group("new", &[&inner])});
    let data = operations(&add(&boss));
    let patched = json!({"method": "PATCH", "path": path, "data": data});
    assert_eq!(bulk(&app, vec![made, patched]).await, ["403"; 2]);
    assert_eq!(app.everything().await, before);
    // It may leave what is not protected.
    let inner = format!("/Groups/{inner}");
    app.client.patch(&inner, &remove(&boss)).await.expect(204);
}

async fn the_members_of_a_protected_group_stay_who_they_are(place: Place) {
    let app = start(&place, "protected group").await;
    let (ada, ben) = (app.made("ada").await, app.made("ben").await);
    let inner = app.group("inner", &[&ada]).await;
    let middle = app.group("middle", &[&inner]).await;
    let admins = app.group("admins", &[&middle]).await;
    let plain = app.group("plain", &[&ada]).await;
    protect(&app, "admins").await;
    let seen = app
        .client
        .get(&format!("/Groups/{admins}"))
        .await
        .expect(200);
    assert_eq!(seen.json()["members"][0]["value"], middle);
    let before = app.everything().await;
    let mut all = Vec::new();
    for (id, own) in [(&admins, &middle), (&middle, &inner), (&inner, &ada)] {
        let path = format!("/Groups/{id}");
        for change in [
            add(&ben),
            remove(own),
            json!([{"op": "remove", "path": "members", "value": [{"value": own}]}]),
            json!([{"op": "remove", "path": "members"}]),
            json!([{"op": "replace", "path": "members", "value": []}]),
            json!([{"op": "replace", "value": {"members": [{"value": ben}]}}]),
            json!([{"op": "replace", "path": "externalId", "value": "x"},
                   {"op": "add", "path": "members", "value": [{"value": ben}]}]),
        ] {
            protected(app.client.patch(&path, &change).await);
            let data = operations(&change);
            all.push(json!({"method": "PATCH", "path": path, "data": data}));
        }
        let name = if id == &admins { "admins" } else { "x" };
        protected(app.client.put(&path, &group(name, &[own, &ben])).await);
        // It belongs to one, or is one.
        protected(app.client.delete(&path).await);
        all.push(json!({"method": "DELETE", "path": path}));
    }
    protected(app.client.delete(&format!("/Users/{ada}")).await);
    let name = json!([{"op": "replace", "path": "displayName", "value": "others"}]);
    protected(app.client.patch(&format!("/Groups/{admins}"), &name).await);
    let count = all.len();
    assert_eq!(bulk(&app, all).await, vec!["403"; count]);
    assert_eq!(app.everything().await, before);
    // What has nothing to do with it goes on.
    let path = format!("/Groups/{plain}");
    app.client.patch(&path, &add(&ben)).await.expect(204);
    app.client
        .delete(&format!("/Users/{ben}"))
        .await
        .expect(204);
    let external = json!([{"op": "replace", "path": "externalId", "value": "x"}]);
    let path = format!("/Groups/{admins}");
    app.client.patch(&path, &external).await.expect(204);
}

async fn who_is_not_protected_goes_on(place: Place) {
    let app = start(&place, "protected none").await;
    let (ada, ben) = (app.made("ada").await, app.made("ben").await);
    let id = app.group("group", &[&ada]).await;
    let path = format!("/Groups/{id}");
    app.client.patch(&path, &add(&ben)).await.expect(204);
    app.client.patch(&path, &remove(&ada)).await.expect(204);
    assert_eq!(app.members(&id).await, [&*ben]);
    let name = json!([{"op": "replace", "path": "displayName", "value": "others"}]);
    app.client.patch(&path, &name).await.expect(204);
    assert_eq!(app.members(&id).await, [&*ben]);
    for change in [
        json!([{"op": "replace", "path": "active", "value": false}]),
        json!([{"op": "replace", "path": "userName", "value": app.user_name("benny")}]),
        json!([{"op": "replace", "path": "password", "value": "Good-Password-1"}]),
    ] {
        app.patch_user(&ben, change).await.expect(200);
    }
    app.client.delete(&path).await.expect(204);
    app.client
        .delete(&format!("/Users/{ben}"))
        .await
        .expect(204);
}

/// Another department puts an entry into another container, and its parts of a name rename it.
#[tokio::test]
async fn a_protected_entry_stays_where_it_is() {
    let Some(place) = Kind::Ds389.place() else {
        return;
    };
    let app = App::with(&place, "protected place", |rule| {
        let protect = "    protect: {filter: \"(description=root)\"}\n    attributes:\n";
        let rule = rule.replace("    attributes:\n", protect);
        rule.replace("rdn: uid", "rdn: cn")
    })
    .await;
    let id = app.made("boss").await;
    protect(&app, "boss").await;
    let department = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department";
    let before = app.everything().await;
    for change in [
        json!([{"op": "replace", "path": department, "value": "Sales"}]),
        json!([{"op": "replace", "value": {department: "lab", "title": "x"}}]),
        json!([{"op": "replace", "path": "name.givenName", "value": "Other"}]),
        json!([{"op": "replace", "value": {"name": {"familyName": "Other"}}}]),
    ] {
        protected(app.patch_user(&id, change).await);
    }
    assert_eq!(app.everything().await, before);
    let elsewhere = json!([{"op": "replace", "path": department, "value": "nowhere"}]);
    app.patch_user(&id, elsewhere).await.expect(200);
}

/// Nobody is protected by what the directory does not know: who might be is not harmed, and the
/// rule's mistake is told.
#[tokio::test]
async fn what_the_schema_lacks_protects_everybody() {
    let Some(place) = Kind::Slapd.place() else {
        return;
    };
    let app = App::with(&place, "protected unknown", |rule| {
        let protect = "    protect: {filter: \"(noSuchThing=1)\"}\n    attributes:\n";
        rule.replace("    attributes:\n", protect)
    })
    .await;
    let id = app.made("ada").await;
    let change = json!([{"op": "replace", "path": "active", "value": false}]);
    protected(app.patch_user(&id, change).await);
    protected(app.client.delete(&format!("/Users/{id}")).await);
    let said = app.online();
    let text = said.out + &said.err;
    assert_eq!(said.code, Some(1), "{text}");
    assert!(
        text.contains("no attribute `noSuchThing`, which `protect` asks about"),
        "{text}"
    );
}

/// The domain's own administrators, as the shipped rule has them.
#[tokio::test]
async fn the_administrators_of_a_domain_are_protected() {
    let Some(place) = Kind::Samba.place() else {
        return;
    };
    let domain = place.base().to_string();
    let administrators = format!("CN=Administrators,CN=Builtin,{domain}");
    // The whole domain is the base; new entries go where they always do.
    let widened = |own: String| {
        let staff = own
            .lines()
            .find(|line| line.contains("base: \"OU=Staff"))
            .unwrap();
        let staff = staff.split('"').nth(1).unwrap().to_owned();
        let groups = staff.replacen("OU=Staff", "OU=Groups", 1);
        let unit = staff.split_once(',').unwrap().1.to_owned();
        let kept = |line: &&str| !line.contains("on_delete:") && !line.contains("on_create:");
        let own = own.lines().filter(kept).collect::<Vec<_>>().join("\n");
        own.replace(
            &format!("base: \"{staff}\""),
            &format!("base: \"{domain}\""),
        )
        .replace(
            &format!("base: \"{groups}\""),
            &format!("base: \"{domain}\""),
        )
        .replace(
            "        object_classes: [user]\n",
            &format!("        object_classes: [user]\n        in: \"{staff}\"\n"),
        )
        .replace(
            "object_classes: [group]}",
            &format!("object_classes: [group], in: \"{groups}\"}}"),
        )
        .replace(
            &format!("CN=Administrators,CN=Builtin,{unit}"),
            &administrators,
        )
    };
    let app = App::with(&place, "protected domain", widened).await;
    let id_of = async |rdn: &str| {
        let dn: Dn = format!("{rdn},{domain}").parse().unwrap();
        let entry = app.entry(&dn).await.unwrap();
        postern::ldap::id::guid_text(&entry.values("objectGUID")[0]).unwrap()
    };
    let root = id_of("CN=Administrator,CN=Users").await;
    let guest = id_of("CN=Guest,CN=Users").await;
    // Names of groups are unique in the whole domain then.
    let own_name = |name: &str| format!("{name} {}", std::process::id());
    let ada = app.made("ada").await;
    let plain = app.group(&own_name("plain"), &[]).await;
    for id in [&root, &guest] {
        let path = format!("/Users/{id}");
        app.client.get(&path).await.expect(200);
        protected(app.client.delete(&path).await);
        let path = format!("/Groups/{plain}");
        protected(app.client.patch(&path, &add(id)).await);
    }
    // Who has no userName cannot be changed for that alone.
    let dn: Dn = format!("CN=Guest,CN=Users,{domain}").parse().unwrap();
    let name = format!("guest.{}@corp.example.com", std::process::id());
    for (attribute, value) in [("userPrincipalName", name.as_str()), ("sn", "Guest")] {
        let attribute = Attribute::one(attribute, value.to_owned());
        set(&app.pool, dn.clone(), ChangeKind::Replace, attribute).await;
    }
    for change in [
        json!([{"op": "replace", "path": "password", "value": "Good-Password-1"}]),
        json!([{"op": "replace", "path": "userName", "value": app.user_name("visitor")}]),
    ] {
        protected(app.patch_user(&guest, change).await);
    }
    for name in ["Domain Admins", "Enterprise Admins", "Domain Users"] {
        let path = format!("/Groups/{}", id_of(&format!("CN={name},CN=Users")).await);
        protected(app.client.patch(&path, &add(&ada)).await);
        protected(app.client.delete(&path).await);
    }
    let builtin = id_of("CN=Administrators,CN=Builtin").await;
    protected(
        app.client
            .patch(&format!("/Groups/{builtin}"), &add(&ada))
            .await,
    );

    // A group of ours within the administrators, and who belongs to it.
    let (ben, own) = (app.made("ben").await, app.made("cleo").await);
    let helpers = app.group(&own_name("helpers"), &[&own]).await;
    let outer = app.group(&own_name("outer"), &[&helpers]).await;
    let admins: Dn = format!("CN=Domain Admins,CN=Users,{domain}")
        .parse()
        .unwrap();
    let member = Attribute::one("member", only(&app, &own_name("outer")).await.to_string());
    set(&app.pool, admins.clone(), ChangeKind::Add, member.clone()).await;
    for group in [&helpers, &outer] {
        let path = format!("/Groups/{group}");
        protected(app.client.patch(&path, &add(&ben)).await);
        protected(app.client.patch(&path, &remove(&own)).await);
        protected(
            app.client
                .patch(&format!("/Groups/{plain}"), &add(group))
                .await,
        );
    }
    let password = json!([{"op": "replace", "path": "password", "value": "Good-Password-1"}]);
    protected(app.patch_user(&own, password.clone()).await);
    app.patch_user(&ben, password.clone()).await.expect(200);
    set(&app.pool, admins, ChangeKind::Delete, member).await;
    app.patch_user(&own, password).await.expect(200);
    app.client
        .patch(&format!("/Groups/{helpers}"), &add(&ben))
        .await
        .expect(204);
}

/// As the rule is shipped the administrators lie outside the base: Active Directory itself tells who
/// is within them.
#[tokio::test]
async fn a_group_within_administrators_outside_the_base_is_protected() {
    let Some(place) = Kind::Samba.place() else {
        return;
    };
    let domain = place.base().to_string();
    let app = App::with(&place, "protected outside", |rule| {
        let mut lines: Vec<String> = rule.lines().map(str::to_owned).collect();
        for line in lines
            .iter_mut()
            .filter(|line| line.contains("CN=Administrators,"))
        {
            let (start, _) = line.split_once("CN=Administrators,").unwrap();
            *line = format!("{start}CN=Administrators,CN=Builtin,{domain}))\"");
        }
        lines.join("\n")
    })
    .await;
    let (ada, ben) = (app.made("ada").await, app.made("ben").await);
    let helpers = app.group("helpers", &[&ada]).await;
    let admins: Dn = format!("CN=Domain Admins,CN=Users,{domain}")
        .parse()
        .unwrap();
    let member = Attribute::one("member", only(&app, "helpers").await.to_string());
    set(&app.pool, admins.clone(), ChangeKind::Add, member.clone()).await;
    protected(
        app.client
            .patch(&format!("/Groups/{helpers}"), &add(&ben))
            .await,
    );
    let active = json!([{"op": "replace", "path": "active", "value": false}]);
    protected(app.patch_user(&ada, active.clone()).await);
    set(&app.pool, admins, ChangeKind::Delete, member).await;
    app.patch_user(&ada, active).await.expect(200);
}

/// Somebody who was put away does not come back with a password that a client chose, once the
/// administrator has made him one of those whom nobody harms.
#[tokio::test]
async fn who_is_protected_is_not_revived() {
    let Some(place) = Kind::Samba.place() else {
        return;
    };
    let app = start(&place, "protected leaver").await;
    let id = app.made("gone").await;
    app.client.delete(&format!("/Users/{id}")).await.expect(204);
    protect(&app, "gone").await;
    let before = app.everything().await;
    app.make(&app.user("gone"))
        .await
        .expect_error(409, Some("uniqueness"));
    assert_eq!(app.everything().await, before);
}
