//! References through the whole program: both ways, in all forms of groups, and what is wrong with
//! them.

use postern::directory::ldap::{Attribute, Change, ChangeKind, Write};
use serde_json::json;

use crate::front::{Front, Group, sorted, told, values};
use crate::place::{Kind, Place, done, soon};

const MANAGER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

#[tokio::test(flavor = "multi_thread")]
async fn references_go_both_ways_on_slapd() {
    if let Some(place) = Kind::Slapd.place() {
        references_go_both_ways(place).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn references_go_both_ways_on_389ds() {
    if let Some(place) = Kind::Ds389.place() {
        references_go_both_ways(place).await;
    }
}

async fn references_go_both_ways(place: Place) {
    let app = Front::new(&place, "both ways", &Group::of_names()).await;
    let (ann, bob) = (app.user("ann, \"+ x").await, app.user("bob").await);
    let inner = app.group("inner", &[&ann]).await;
    let outer = app.group("outer", &[&inner, &bob, &bob]).await;
    assert_eq!(app.members(&outer).await, sorted(&[&inner, &bob]));
    let read = app.read(&format!("/Groups/{outer}")).await;
    for member in read["members"].as_array().unwrap() {
        let (kind, display) = if member["value"] == json!(inner) {
            ("Group", "inner")
        } else {
            ("User", "The bob")
        };
        assert_eq!(member["type"], json!(kind), "{member}");
        assert_eq!(member["display"], json!(display), "{member}");
        let reference = member["$ref"].as_str().unwrap();
        let id = member["value"].as_str().unwrap();
        assert!(reference.ends_with(&format!("/t/{kind}s/{id}")), "{member}");
    }
    // The groups of users: those that they are members of themselves.
    let read = app.read(&format!("/Users/{ann}")).await;
    assert_eq!(values(&read["groups"]), std::slice::from_ref(&inner));
    assert_eq!(read["groups"][0]["display"], json!("inner"));
    let list = app.read("/Users").await;
    for user in list["Resources"].as_array().unwrap() {
        let expected = if user["id"] == json!(ann) {
            &inner
        } else {
            &outer
        };
        assert_eq!(
            values(&user["groups"]),
            std::slice::from_ref(expected),
            "{user}"
        );
    }
    // Managers.
    let path = format!("/Users/{ann}");
    let manager = format!("{MANAGER}:manager.value");
    let patch = json!([{"op": "add", "path": manager, "value": bob}]);
    let answer = app.client.patch(&path, &patch).await;
    assert_eq!(answer.status, 200, "{}", told(&answer));
    assert_eq!(answer.json()[MANAGER]["manager"]["value"], json!(bob));
    // Filters.
    let user = format!("{MANAGER}:manager.value eq \"{bob}\"");
    assert_eq!(app.found("Users", &user).await, std::slice::from_ref(&ann));
    let nobody = "00000000-0000-0000-0000-000000000000";
    for (kind, filter, found) in [
        (
            "Groups",
            format!("members.value eq \"{bob}\""),
            vec![&*outer],
        ),
        (
            "Groups",
            format!("members[value eq \"{ann}\"]"),
            vec![&*inner],
        ),
        ("Groups", format!("members eq \"{ann}\""), vec![&*inner]),
        (
            "Groups",
            format!("id eq \"{inner}\" and members eq \"{ann}\""),
            vec![&*inner],
        ),
        (
            "Groups",
            format!("id eq \"{outer}\" and members eq \"{ann}\""),
            vec![],
        ),
        (
            "Groups",
            format!("not (members.value eq \"{ann}\")"),
            vec![&*outer],
        ),
        ("Groups", format!("members.value eq \"{nobody}\""), vec![]),
        ("Groups", format!("members.value eq \"{outer}x\""), vec![]),
        ("Groups", "members.value eq \"*\"".to_owned(), vec![]),
        (
            "Groups",
            format!("not (members.value eq \"{nobody}\")"),
            vec![&*inner, &*outer],
        ),
        ("Groups", "members pr".to_owned(), vec![&*inner, &*outer]),
        ("Groups", "not (members pr)".to_owned(), vec![]),
        ("Users", format!("groups.value eq \"{outer}\""), vec![&*bob]),
        ("Users", format!("groups.value eq \"{nobody}\""), vec![]),
        (
            "Users",
            format!("not (groups.value eq \"{outer}\")"),
            vec![&*ann],
        ),
    ] {
        assert_eq!(app.found(kind, &filter).await, sorted(&found), "{filter}");
    }
    // What cannot be pointed to.
    let patch = json!([{"op": "replace", "path": manager, "value": outer}]);
    let answer = app.client.patch(&path, &patch).await;
    assert_eq!(answer.status, 400, "{}", told(&answer));
    assert_eq!(answer.json()["scimType"], json!("invalidValue"));
    let patch = json!([{"op": "add", "path": "members", "value": [{"value": nobody}]}]);
    let answer = app.client.patch(&format!("/Groups/{outer}"), &patch).await;
    assert_eq!(answer.status, 400, "{}", told(&answer));
    assert_eq!(answer.json()["scimType"], json!("invalidValue"));
    // What is nobody's, what is gone, and what is another tenant's is not shown.
    let dn = app.groups.child("cn", "outer").unwrap();
    let strange = [
        "cn=gone,ou=elsewhere,dc=example,dc=com".to_owned(),
        app.people.child("uid", "ghost").unwrap().to_string(),
        place.base().to_string(),
    ];
    let write = Write::Modify {
        dn: dn.clone(),
        changes: vec![Change::new(
            ChangeKind::Add,
            Attribute::many("member", strange.clone()),
        )],
    };
    done(app.pool.write(write, &[], soon()).await.map(|o| o.result));
    assert_eq!(app.members(&outer).await, sorted(&[&inner, &bob]));
    // Replacing touches only what is seen.
    let patch = json!([{"op": "replace", "path": "members", "value": [{"value": ann}]}]);
    let answer = app.client.patch(&format!("/Groups/{outer}"), &patch).await;
    assert_eq!(answer.status, 204, "{}", told(&answer));
    assert_eq!(app.members(&outer).await, std::slice::from_ref(&ann));
    let patch = json!([{"op": "remove", "path": "members"}]);
    let answer = app.client.patch(&format!("/Groups/{outer}"), &patch).await;
    assert_eq!(answer.status, 204, "{}", told(&answer));
    assert_eq!(app.members(&outer).await, Vec::<String>::new());
    let left = app.stored(dn, "member").await;
    for strange in &strange {
        assert!(
            left.iter().any(|left| left.eq_ignore_ascii_case(strange)),
            "{strange}: {left:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn members_come_and_go_by_their_values_on_slapd() {
    if let Some(place) = Kind::Slapd.place() {
        members_come_and_go(place).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn members_come_and_go_by_their_values_on_389ds() {
    if let Some(place) = Kind::Ds389.place() {
        members_come_and_go(place).await;
    }
}

async fn members_come_and_go(place: Place) {
    let app = Front::new(&place, "come and go", &Group::of_names()).await;
    let mut ids = Vec::new();
    for name in ["ann", "bob", "cay"] {
        ids.push(app.user(name).await);
    }
    let id = app.group("g", &[]).await;
    let dn = app.groups.child("cn", "g").unwrap();
    let nobody = ["cn=nobody,dc=example,dc=com".to_owned()];
    let path = format!("/Groups/{id}");
    let change = async |op: &str, ids: &[&String]| {
        let value: Vec<_> = ids.iter().map(|id| json!({"value": id})).collect();
        let patch = json!([{"op": op, "path": "members", "value": value}]);
        let answer = app.client.patch(&path, &patch).await;
        assert_eq!(answer.status, 204, "{op}: {}", told(&answer));
        assert!(answer.body.is_empty());
    };
    // 389 DS is content with a group of nobody.
    let stands_in = async || {
        let stored = app.stored(dn.clone(), "member").await;
        stored == nobody || (place.kind == Kind::Ds389 && stored.is_empty())
    };
    let [ann, bob, cay] = &ids[..] else { panic!() };
    assert!(stands_in().await);
    assert_eq!(app.members(&id).await, Vec::<String>::new());
    assert_eq!(
        app.found("Groups", "members pr").await,
        Vec::<String>::new()
    );
    assert_eq!(
        app.found("Groups", "not (members pr)").await,
        std::slice::from_ref(&id)
    );
    change("add", &[ann]).await;
    assert_eq!(
        app.stored(dn.clone(), "member").await.len(),
        1,
        "it is gone"
    );
    assert!(!stands_in().await);
    assert_eq!(
        app.found("Groups", "members pr").await,
        std::slice::from_ref(&id)
    );
    // There already, and twice.
    change("add", &[ann, bob, ann]).await;
    change("add", &[bob]).await;
    assert_eq!(app.members(&id).await, sorted(&[ann, bob]));
    // Not there, and nobody's.
    change("remove", &[cay]).await;
    change("remove", &[bob, cay]).await;
    let nobodys = "00000000-0000-0000-0000-000000000000".to_owned();
    change("remove", &[&nobodys]).await;
    assert_eq!(app.members(&id).await, sorted(&[ann]));
    change("remove", &[ann]).await;
    assert!(stands_in().await);
    change("remove", &[ann]).await;
    assert!(stands_in().await);
    change("add", &[ann, bob, cay]).await;
    assert_eq!(app.members(&id).await, sorted(&[ann, bob, cay]));
    change("remove", &[ann, bob, cay]).await;
    assert!(stands_in().await);
    change("add", &[ann]).await;
    // By PUT, with nobody.
    let mut whole = crate::front::group("g", &[]);
    whole["id"] = json!(id);
    let answer = app.client.put(&path, &whole).await;
    assert_eq!(answer.status, 200, "{}", told(&answer));
    assert!(stands_in().await);
    // And the name.
    let patch = json!([{"op": "add", "path": "members", "value": [{"value": cay}]}, {"op": "replace", "path": "displayName", "value": "h"}]);
    let answer = app.client.patch(&path, &patch).await;
    assert_eq!(answer.status, 204, "{}", told(&answer));
    assert_eq!(app.members(&id).await, sorted(&[cay]));
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_of_unique_names_on_slapd() {
    let Some(place) = Kind::Slapd.place() else {
        return;
    };
    let group = Group {
        class: "groupOfUniqueNames",
        members: "{scim: members.value, target: uniqueMember, reference: {to: [User], by: dn, placeholder: \"cn=nobody,dc=example,dc=com\"}}",
        ..Group::of_names()
    };
    let front = Front::new(&place, "unique names", &group).await;
    let (ann, bob) = (front.user("ann").await, front.user("bob").await);
    let id = front.group("g", &[]).await;
    let path = format!("/Groups/{id}");
    // One is there as somebody else has put it.
    let dn = front.groups.child("cn", "g").unwrap();
    let name = front.people.child("uid", "ann").unwrap();
    let write = Write::Modify {
        dn: dn.clone(),
        changes: vec![Change::new(
            ChangeKind::Add,
            Attribute::one("uniqueMember", format!("{name}#'0101'B")),
        )],
    };
    done(front.pool.write(write, &[], soon()).await.map(|o| o.result));
    assert_eq!(front.members(&id).await, std::slice::from_ref(&ann));
    let change = async |op: &str, who: &str| {
        let patch = json!([{"op": op, "path": "members", "value": [{"value": who}]}]);
        front.client.patch(&path, &patch).await.expect(204);
    };
    change("add", &bob).await;
    assert_eq!(front.members(&id).await, sorted(&[&ann, &bob]));
    assert_eq!(front.stored(dn.clone(), "uniqueMember").await.len(), 2);
    change("remove", &ann).await;
    assert_eq!(front.members(&id).await, std::slice::from_ref(&bob));
    change("remove", &bob).await;
    assert_eq!(front.members(&id).await, Vec::<String>::new());
    let stored = front.stored(dn, "uniqueMember").await;
    assert_eq!(stored, ["cn=nobody,dc=example,dc=com"]);
    assert_eq!(
        front.found("Groups", "members pr").await,
        Vec::<String>::new()
    );
    change("add", &ann).await;
    let read = front.read(&format!("/Users/{ann}")).await;
    assert_eq!(values(&read["groups"]), std::slice::from_ref(&id));
    assert_eq!(
        front
            .found("Users", &format!("groups.value eq \"{id}\""))
            .await,
        [ann]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn posix_groups_on_slapd() {
    let Some(place) = Kind::Slapd.place() else {
        return;
    };
    let group = Group {
        class: "posixGroup",
        members: "{scim: members.value, target: memberUid, reference: {to: [User], by: uid}}",
        more: "      - {target: gidNumber, constant: 10000, direction: create}",
        groups: "{scim: groups, inverse: Group.members}",
    };
    let front = Front::new(&place, "posix", &group).await;
    let (ann, bob) = (front.user("Ann").await, front.user("bob").await);
    let id = front.group("g", &[&ann]).await;
    let other = front.group("h", &[]).await;
    let dn = front.groups.child("cn", "g").unwrap();
    assert_eq!(front.stored(dn.clone(), "memberUid").await, ["Ann"]);
    let path = format!("/Groups/{id}");
    let change = async |op: &str, who: &str| {
        let patch = json!([{"op": op, "path": "members", "value": [{"value": who}]}]);
        front.client.patch(&path, &patch).await.expect(204);
    };
    change("add", &bob).await;
    change("add", &bob).await;
    assert_eq!(front.members(&id).await, sorted(&[&ann, &bob]));
    let read = front.read(&path).await;
    for member in read["members"].as_array().unwrap() {
        assert_eq!(member["type"], json!("User"), "{member}");
        assert!(
            member["display"].as_str().unwrap().starts_with("The "),
            "{member}"
        );
    }
    // Somebody who does not exist.
    let write = Write::Modify {
        dn: dn.clone(),
        changes: vec![Change::new(
            ChangeKind::Add,
            Attribute::one("memberUid", "ghost"),
        )],
    };
    done(front.pool.write(write, &[], soon()).await.map(|o| o.result));
    assert_eq!(front.members(&id).await, sorted(&[&ann, &bob]));
    let read = front.read(&format!("/Users/{ann}")).await;
    assert_eq!(values(&read["groups"]), std::slice::from_ref(&id));
    for (kind, filter, found) in [
        ("Groups", format!("members.value eq \"{ann}\""), vec![&*id]),
        (
            "Groups",
            format!("not (members.value eq \"{ann}\")"),
            vec![&*other],
        ),
        (
            "Users",
            format!("groups.value eq \"{id}\""),
            vec![&*ann, &*bob],
        ),
        ("Users", format!("groups.value eq \"{other}\""), vec![]),
        (
            "Users",
            format!("not (groups.value eq \"{other}\")"),
            vec![&*ann, &*bob],
        ),
    ] {
        assert_eq!(front.found(kind, &filter).await, sorted(&found), "{filter}");
    }
    change("remove", &ann).await;
    assert_eq!(front.members(&id).await, [bob]);
    let patch = json!([{"op": "remove", "path": "members"}]);
    front.client.patch(&path, &patch).await.expect(204);
    assert_eq!(
        front.stored(dn, "memberUid").await,
        ["ghost"],
        "nobody sees it, so it stays"
    );
}
