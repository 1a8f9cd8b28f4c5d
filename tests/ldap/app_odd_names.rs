//! People and groups with names that look like something else: they point to one another, are
//! found, renamed and removed as all others are.

use serde_json::{Value, json};

use crate::app::App;
use crate::place::{Kind, Place, on_every_server};

on_every_server! {
    odd_names_can_be_pointed_to
    a_group_may_have_itself_and_go_round
    ids_are_taken_in_any_case
}

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

const NAMES: [&str; 21] = [
    "a,b",
    "a+b=c",
    "\"q\"",
    "#hash",
    "back\\slash",
    "ends\\",
    "\\2c",
    "\\,",
    "semi;<>",
    "*)(uid=*",
    "*",
    "(x)",
    "日本語 😀",
    "e\u{301} é",
    "ou=x,dc=y",
    "a\tb",
    "%2c",
    "#'0101'B",
    "ß straße",
    "İstanbul",
    "a / b",
];

fn filtered(kind: &str, filter: &str) -> String {
    let escaped: String = filter.bytes().map(|byte| format!("%{byte:02x}")).collect();
    format!("/{kind}?filter={escaped}")
}

fn ids(of: &Value) -> Vec<String> {
    let all = of.as_array().cloned().unwrap_or_default();
    let mut ids: Vec<String> = all
        .iter()
        .map(|one| {
            let id = one.get("value").or(one.get("id"));
            id.unwrap().as_str().unwrap().to_owned()
        })
        .collect();
    ids.sort();
    ids
}

/// A user whose entry has the name.
fn user(app: &App, number: usize, name: &str) -> Value {
    let mut user = app.user(&format!("odd{number}"));
    match app.kind {
        Kind::Slapd => user["userName"] = json!(name),
        // A home folder is made of it.
        Kind::Ds389 if name.is_ascii() => user["userName"] = json!(format!("o{name}")),
        Kind::Ds389 => {}
        // The entry is named by both.
        Kind::Samba => {
            user["name"] = json!({"givenName": format!("o{number}"), "familyName": name});
        }
    }
    user
}

async fn odd_names_can_be_pointed_to(place: Place) {
    let app = App::start(&place, "app odd names").await;
    let mut made: Vec<String> = Vec::new();
    for (number, name) in NAMES.iter().enumerate() {
        let mut user = user(&app, number, name);
        if let Some(last) = made.last() {
            user[ENTERPRISE] = json!({"manager": {"value": last}});
        }
        let answer = app.make(&user).await;
        if app.kind == Kind::Samba && answer.status == 400 {
            println!("Samba takes no {name:?}");
            continue;
        }
        let seen = answer.expect(201).json();
        assert_eq!(seen["userName"], user["userName"], "{name:?}");
        assert_eq!(seen["name"], user["name"], "{name:?}");
        let manager = seen[ENTERPRISE]["manager"]["value"].as_str();
        assert_eq!(manager, made.last().map(String::as_str), "{name:?}");
        let id = seen["id"].as_str().unwrap();
        if let Some(last) = made.last() {
            let filter = format!("{ENTERPRISE}:manager.value eq \"{last}\"");
            let found = app.client.get(&filtered("Users", &filter)).await;
            assert_eq!(
                ids(&found.expect(200).json()["Resources"]),
                [id],
                "{name:?}"
            );
        }
        made.push(id.to_owned());
    }
    assert!(made.len() > 12);
    made.sort();
    let all: Vec<&str> = made.iter().map(String::as_str).collect();
    let mut groups = Vec::new();
    for name in NAMES {
        let name = format!("g{name}");
        let members: Vec<Value> = all.iter().map(|id| json!({"value": id})).collect();
        let group = json!({"schemas": [], "displayName": name, "members": members});
        let answer = app.client.post("/Groups", &group).await;
        if app.kind == Kind::Samba && answer.status == 400 {
            println!("Samba takes no group {name:?}");
            continue;
        }
        let id = answer.expect(201).id();
        let seen = app.client.get(&format!("/Groups/{id}")).await.expect(200);
        let seen = seen.json();
        assert_eq!(seen["displayName"], json!(name));
        assert_eq!(ids(&seen["members"]), made, "{name:?}");
        let filter = format!("displayName eq {}", json!(name));
        let found = app.client.get(&filtered("Groups", &filter)).await;
        assert_eq!(ids(&found.expect(200).json()["Resources"]), [id.as_str()]);
        groups.push(id);
    }
    groups.sort();
    for id in &all {
        let seen = app.client.get(&format!("/Users/{id}")).await.expect(200);
        assert_eq!(ids(&seen.json()["groups"]), groups, "{}", seen.json());
    }
    for group in &groups {
        let filter = format!("groups.value eq \"{group}\"");
        let found = app.client.get(&filtered("Users", &filter)).await;
        assert_eq!(ids(&found.expect(200).json()["Resources"]), made);
    }
    // Renamed, they are pointed to still; removed, no more.
    for (number, id) in all.iter().enumerate() {
        let name = format!("x{}", NAMES[number % NAMES.len()]);
        let change = match app.kind {
            Kind::Slapd => json!({"userName": name}),
            Kind::Ds389 if name.is_ascii() && is_plain(&app, id).await => {
                json!({"userName": name})
            }
            Kind::Ds389 => json!({"displayName": name}),
            Kind::Samba => json!({"name": {"familyName": name}}),
        };
        let operations = json!([{"op": "replace", "value": change}]);
        let seen = app.patch_user(id, operations).await;
        assert_eq!(seen.status, 200, "{name:?} {}", seen.json());
        let seen = seen.json();
        assert_eq!(ids(&seen["groups"]), groups, "{name:?}");
    }
    for group in &groups {
        assert_eq!(app.members(group).await, made);
    }
    for (number, id) in all.iter().enumerate() {
        let path = format!("members[value eq \"{id}\"]");
        let operations = json!([{"op": "remove", "path": path}]);
        let group = &groups[number % groups.len()];
        let path = format!("/Groups/{group}");
        app.client.patch(&path, &operations).await.expect(204);
        assert!(!app.members(group).await.contains(&(*id).to_owned()));
        app.client.delete(&format!("/Users/{id}")).await.expect(204);
    }
    for group in &groups {
        assert_eq!(app.members(group).await, Vec::<String>::new());
        let path = format!("/Groups/{group}");
        app.client.delete(&path).await.expect(204);
    }
}

/// Attribute Uniqueness of 389 DS lets nobody be renamed whose name has to be escaped: whatever the
/// new name is, the answer is operationsError.
async fn is_plain(app: &App, id: &str) -> bool {
    let seen = app.client.get(&format!("/Users/{id}")).await.expect(200);
    let name = seen.json()["userName"].as_str().unwrap().to_owned();
    name.chars().all(char::is_alphanumeric)
}

async fn a_group_may_have_itself_and_go_round(place: Place) {
    let app = App::start(&place, "app circles").await;
    let user = app.made("round").await;
    let one = app.group("circle one", &[&user]).await;
    let two = app.group("circle two", &[&one]).await;
    let add = |id: &str| json!([{"op": "add", "path": "members", "value": [{"value": id}]}]);
    let path = format!("/Groups/{one}");
    app.client.patch(&path, &add(&two)).await.expect(204);
    let own = app.client.patch(&path, &add(&one)).await;
    let mut members = vec![user.clone(), two.clone()];
    // Active Directory has no group in itself.
    if app.kind == Kind::Samba && own.status != 204 {
        own.expect_error(400, Some("invalidValue"));
    } else {
        own.expect(204);
        members.push(one.clone());
    }
    members.sort();
    assert_eq!(app.members(&one).await, members);
    assert_eq!(app.members(&two).await, [one.as_str()]);
    let seen = app.client.get(&format!("/Users/{user}")).await.expect(200);
    assert!(ids(&seen.json()["groups"]).contains(&one));
    for id in [&one, &two] {
        app.client.get(&format!("/Groups/{id}")).await.expect(200);
        app.client.get("/Groups").await.expect(200);
        let filter = format!("groups.value eq \"{id}\"");
        let found = app.client.get(&filtered("Users", &filter)).await;
        let found = ids(&found.expect(200).json()["Resources"]);
        assert!(found.is_empty() || found == [user.as_str()]);
    }
    for id in [&one, &two] {
        app.client
            .delete(&format!("/Groups/{id}"))
            .await
            .expect(204);
    }
    let seen = app.client.get(&format!("/Users/{user}")).await.expect(200);
    assert!(ids(&seen.json()["groups"]).is_empty());
}

async fn ids_are_taken_in_any_case(place: Place) {
    let app = App::start(&place, "app cases").await;
    let (a, b) = (app.made("casea").await, app.made("caseb").await);
    let upper = a.to_uppercase();
    assert_ne!(upper, a);
    let seen = app.client.get(&format!("/Users/{upper}")).await.expect(200);
    assert_eq!(seen.id(), a);
    let found = app
        .client
        .get(&filtered("Users", &format!("id eq \"{upper}\"")))
        .await;
    assert_eq!(found.expect(200).json()["totalResults"], 1);
    let group = app.group("cases", &[&a, &b, &upper]).await;
    let mut both = vec![a.clone(), b.clone()];
    both.sort();
    assert_eq!(app.members(&group).await, both);
    let path = format!("/Groups/{group}");
    let add = json!([{"op": "add", "path": "members", "value": [{"value": upper, "$ref": format!("https://evil/Users/{b}"), "display": "x"}]}]);
    app.client.patch(&path, &add).await.expect(204);
    assert_eq!(app.members(&group).await, both);
    let remove = json!([{"op": "remove", "path": format!("members[value eq \"{upper}\"]")}]);
    app.client.patch(&path, &remove).await.expect(204);
    assert_eq!(app.members(&group).await, [b.as_str()]);
    let change = json!([{"op": "replace", "path": "title", "value": "t"}]);
    let seen = app.patch_user(&upper, change).await.expect(200);
    assert_eq!(seen.id(), a);
    app.client
        .delete(&format!("/Users/{upper}"))
        .await
        .expect(204);
    app.client.get(&format!("/Users/{a}")).await.expect(404);
}
