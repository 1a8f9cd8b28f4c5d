//! LDAP directories through the six places: how entries look, what is asked, what is changed.
#![expect(
    clippy::needless_pass_by_value,
    reason = "documents made in place read better at the call"
)]

mod laws;
mod rules;

use serde_json::{Value, json};

use super::support::*;
use crate::mapping::{Before, Encoded, Guard, Plan};
use crate::scim::json::Checked;
use crate::scim::operation::{Document, Precondition, Projection, Verb};
use crate::scim::{Operation, ResourceType, Upstream};

pub(super) const UUID: &str = "597ae2f6-16a6-1027-98f4-d28b5365dc14";
pub(super) const GUID: &str = "6e0d83a7-5c14-4f2b-9a01-020304050607";

pub(super) fn openldap() -> std::sync::Arc<Plan> {
    plan(include_str!("../../../rules/openldap.yaml"))
}

pub(super) fn active_directory() -> std::sync::Arc<Plan> {
    plan(include_str!("../../../rules/active-directory.yaml"))
}

fn ds389() -> std::sync::Arc<Plan> {
    plan(include_str!("../../../rules/389ds.yaml"))
}

/// What a PATCH of a type becomes, and whether the present resource was needed.
pub(super) fn change(
    plan: &Plan,
    ty: &str,
    before: Option<Value>,
    operations: Value,
) -> (bool, Option<Value>, Precondition) {
    let ty: ResourceType = ty.parse().unwrap();
    let body = json!({"schemas": [crate::scim::message::PATCH_OP], "Operations": operations});
    let schema = plan.types().find(|schema| schema.name == ty).unwrap();
    let patch = crate::scim::message::patch_request(
        body,
        schema,
        &mut crate::scim::accent::Accents::accepted(),
    )
    .unwrap();
    let verb = || Verb::Patch("1".parse().unwrap(), patch.clone());
    run(plan, &ty, verb(), before)
}

/// What an operation becomes: whether it looks first, the changes, what they are held to.
pub(super) fn run(
    plan: &Plan,
    ty: &ResourceType,
    verb: Verb,
    before: Option<Value>,
) -> (bool, Option<Value>, Precondition) {
    let operation = Operation::new(ty.clone(), verb);
    let need = plan.need_of(&operation, &scope(), CHANGES).is_some();
    let before = before.filter(|_| need).map(|value| Before {
        resource: resource(value),
        guard: Guard::Version("\"7\"".to_owned()),
    });
    let encoded = plan.encode_operation(
        operation,
        (&scope(), None),
        CHANGES,
        before.as_ref(),
        &mut (),
    );
    match encoded.unwrap().0 {
        Encoded::Unchanged(_) => (need, None, Precondition::default()),
        Encoded::Ask(operation) => {
            let held = operation.precondition.clone();
            (need, Some(told(operation)), held)
        }
        Encoded::Empty => panic!("no query"),
    }
}

pub(super) fn told(operation: Operation<Upstream>) -> Value {
    let Verb::Patch(_, patch) = operation.verb else {
        panic!("{:?}", operation.verb);
    };
    let changes = patch.changes.iter().map(|change| {
        let mut told = json!({"op": change.op.as_str(), "path": change.path.to_string()});
        if let Some(value) = &change.value {
            told["value"] = value.clone();
        }
        told
    });
    changes.collect()
}

pub(super) fn put(plan: &Plan, ty: &str, before: Value, document: Value) -> (bool, Option<Value>) {
    let verb = Verb::Replace("1".parse().unwrap(), Document::Tree(resource(document)));
    let (need, told, _) = run(plan, &ty.parse().unwrap(), verb, Some(before));
    (need, told)
}

fn shown(plan: &Plan, ty: &str, upstream: Value) -> Value {
    let ty = plan.ty(&ty.parse().unwrap()).unwrap();
    let text = Checked::of(&resource(upstream));
    let shown = plan.show(ty, text.members(), &view(Projection::All), None, &mut ());
    Value::from(shown.unwrap().unwrap().to_resource())
}

fn account(flags: &str) -> Value {
    json!({"objectGUID": GUID, "userPrincipalName": "b@corp.example.com", "sn": "J", "cn": "B J",
        "givenName": "B", "userAccountControl": flags, "whenChanged": "20261101080000.0Z"})
}

#[test]
fn a_new_account_is_text_from_end_to_end() {
    let user = json!({"userName": "b.jensen@example.com", "active": false, "password": "Pass-1",
        "name": {"givenName": "B", "familyName": "J"}, "title": ""});
    let made = created(&active_directory(), user).unwrap();
    assert_eq!(
        made,
        json!({"sAMAccountName": "b.jensen@example.com", "cn": "B J",
            "userPrincipalName": "b.jensen@corp.example.com", "givenName": "B", "sn": "J",
            "userAccountControl": "514", "unicodePwd": "Pass-1"})
    );
    let plain = json!({"userName": "a@example.com", "name": {"familyName": "A"}});
    assert_eq!(
        created(&active_directory(), plain).unwrap()["userAccountControl"],
        "512"
    );
    let user = json!({"userName": "b", "name": {"familyName": "J"}});
    assert_eq!(
        created(&ds389(), user).unwrap(),
        json!({"gidNumber": "10000", "homeDirectory": "b", "cn": "J", "uid": "b", "sn": "J"})
    );
}

#[test]
fn what_no_name_can_be_made_of_is_refused() {
    let user = json!({"userName": "*@example.com", "name": {"familyName": "J"}});
    let refused = created(&active_directory(), user).unwrap_err();
    assert!(
        format!("{refused:?}").contains("sAMAccountName"),
        "{refused:?}"
    );
}

#[test]
fn a_bit_looks_first_keeps_the_others_and_is_held_to_what_was_there() {
    let plan = active_directory();
    let disable = json!([{"op": "replace", "path": "active", "value": false}]);
    let (need, told, held) = change(&plan, "User", Some(account("66048")), disable.clone());
    assert!(need);
    assert_eq!(held.if_match, Some(vec!["\"7\"".to_owned()]));
    let expected = json!([{"op": "remove", "path": "userAccountControl", "value": ["66048"]},
        {"op": "add", "path": "userAccountControl", "value": ["66050"]}]);
    assert_eq!(told, Some(expected));
    // Twice is once.
    let (_, told, _) = change(&plan, "User", Some(account("66050")), disable);
    assert_eq!(told, None);
    // What touches no bit does not look.
    let title = json!([{"op": "add", "path": "title", "value": "x"}]);
    let (need, told, held) = change(&plan, "User", Some(account("512")), title);
    assert!(!need && held.if_match.is_none());
    let expected = json!([{"op": "replace", "path": "title", "value": "x"}]);
    assert_eq!(told, Some(expected));
}

#[test]
fn a_marker_comes_and_goes_alone_in_one_round_trip() {
    let plan = openldap();
    let set = |value: bool| json!([{"op": "replace", "path": "active", "value": value}]);
    let (need, told, _) = change(&plan, "User", None, set(false));
    let expected =
        json!([{"op": "replace", "path": "pwdAccountLockedTime", "value": "000001010000Z"}]);
    assert_eq!((need, told), (false, Some(expected)));
    // A lock after too many wrong passwords has another value: it stays.
    let (need, told, _) = change(&plan, "User", None, set(true));
    let expected =
        json!([{"op": "remove", "path": "pwdAccountLockedTime", "value": ["000001010000Z"]}]);
    assert_eq!((need, told), (false, Some(expected)));
    let (need, told, _) = change(
        &plan,
        "User",
        None,
        json!([{"op": "replace", "path": "title", "value": ""}]),
    );
    assert_eq!(
        (need, told),
        (false, Some(json!([{"op": "remove", "path": "title"}])))
    );
}

#[test]
fn a_brute_force_lock_reads_as_active_and_survives_a_put() {
    let plan = openldap();
    let entry = json!({"entryUUID": UUID, "uid": "b", "sn": "J", "cn": "J",
        "pwdAccountLockedTime": "20261101080000Z"});
    assert_eq!(shown(&plan, "User", entry.clone())["active"], true);
    let document = json!({"userName": "b", "name": {"familyName": "K"}, "active": true});
    let (need, told) = put(&plan, "User", entry, document);
    let expected = json!([{"op": "replace", "path": "cn", "value": "K"},
        {"op": "replace", "path": "sn", "value": "K"}]);
    let mut told = told.unwrap();
    told.as_array_mut()
        .unwrap()
        .sort_by_key(|change| change["path"].to_string());
    assert_eq!((need, told), (true, expected));
    let disabled = json!({"entryUUID": UUID, "uid": "b", "pwdAccountLockedTime": "000001010000Z"});
    assert_eq!(shown(&plan, "User", disabled)["active"], false);
    assert_eq!(
        shown(&plan, "User", json!({"entryUUID": UUID}))["active"],
        true
    );
}

#[test]
fn members_come_and_go_by_value_without_a_look() {
    let plan = openldap();
    let adds = json!([{"op": "Add", "path": "members", "value": [{"value": "a"}, {"value": "b"}, {"value": "a"}]}]);
    let (need, told, _) = change(&plan, "Group", None, adds);
    let expected = json!([{"op": "add", "path": "member", "value": ["a", "b"]}]);
    assert_eq!((need, told), (false, Some(expected)));
    for removal in [
        json!([{"op": "remove", "path": "members[value eq \"a\"]"}]),
        json!([{"op": "Remove", "path": "members", "value": [{"value": "a"}]}]),
    ] {
        let (need, told, _) = change(&plan, "Group", None, removal);
        let expected = json!([{"op": "remove", "path": "member", "value": ["a"]}]);
        assert_eq!((need, told), (false, Some(expected)));
    }
    let bare = json!([{"op": "remove", "path": "members"}]);
    let (need, told, _) = change(&plan, "Group", None, bare);
    assert_eq!(
        (need, told),
        (false, Some(json!([{"op": "remove", "path": "member"}])))
    );
}

#[test]
fn replacing_members_is_told_as_what_comes_and_goes() {
    let plan = openldap();
    let before = json!({"entryUUID": UUID, "cn": "g", "member": ["a", "b"]});
    let set = |ids: Value| json!([{"op": "replace", "path": "members", "value": ids}]);
    let all = set(json!([{"value": "b"}, {"value": "c"}]));
    let (need, told, held) = change(&plan, "Group", Some(before), all);
    let expected = json!([{"op": "remove", "path": "member", "value": ["a"]},
        {"op": "add", "path": "member", "value": ["c"]}]);
    assert_eq!((need, told), (true, Some(expected)));
    assert!(held.if_match.is_some());
    let (need, told, _) = change(&plan, "Group", None, set(json!([])));
    assert_eq!(
        (need, told),
        (false, Some(json!([{"op": "remove", "path": "member"}])))
    );
}

#[test]
fn a_put_of_a_group_changes_what_differs_and_keeps_what_nobody_sees() {
    let plan = openldap();
    let before = json!({"entryUUID": UUID, "cn": "g", "member": [
        {"value": "a", "type": "User", "display": "A"}, {"value": "b", "type": "Group"}]});
    let same = json!({"displayName": "g", "members": [{"value": "b"}, {"value": "a"}]});
    assert_eq!(put(&plan, "Group", before.clone(), same), (true, None));
    let other = json!({"displayName": "g", "members": [{"value": "b"}, {"value": "c"}]});
    let expected = json!([{"op": "remove", "path": "member", "value": ["a"]},
        {"op": "add", "path": "member", "value": ["c"]}]);
    assert_eq!(put(&plan, "Group", before, other), (true, Some(expected)));
}

#[test]
fn references_read_with_their_type_and_display() {
    let plan = openldap();
    let group = json!({"entryUUID": UUID, "CN": "g", "member": [
        {"value": "a", "type": "User", "display": "A"}, "plain"],
        "createTimestamp": "20261101080000Z", "modifyTimestamp": "nonsense"});
    let seen = shown(&plan, "Group", group);
    assert_eq!(
        seen["members"],
        json!([{"value": "a", "type": "User", "display": "A",
            "$ref": "https://scim.example.com/openldap/scim/v2/Users/a"}, {"value": "plain"}])
    );
    assert_eq!(seen["displayName"], "g");
    assert_eq!(seen["meta"]["created"], "2026-11-01T08:00:00Z");
    assert!(seen["meta"].get("lastModified").is_none());
    let user = json!({"entryUUID": UUID, "uid": "b", "manager": "m",
        "$groups": [{"value": "g", "type": "Group", "display": "G"}]});
    let seen = shown(&plan, "User", user);
    assert_eq!(seen["groups"][0]["value"], "g");
    assert_eq!(
        seen["groups"][0]["$ref"],
        "https://scim.example.com/openldap/scim/v2/Groups/g"
    );
    assert_eq!(seen[ENTERPRISE]["manager"]["value"], "m");
}

#[test]
fn filters_are_asked_in_the_words_of_entries() {
    let bit = "urn:oid:1.2.840.113556.1.4.803:userAccountControl eq \"2\"";
    let manager = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value";
    for (plan, asked, wanted) in [
        (active_directory(), "active eq false", Some(bit.to_owned())),
        (
            active_directory(),
            "active eq true",
            Some(format!("userAccountControl pr and not ({bit})")),
        ),
        (
            active_directory(),
            "userName eq \"B@EXAMPLE.com\"",
            Some("userPrincipalName eq \"B@corp.example.com\"".into()),
        ),
        (
            active_directory(),
            "userName eq \"b@corp.example.com\"",
            None,
        ),
        (
            openldap(),
            "active eq false",
            Some("pwdAccountLockedTime eq \"000001010000Z\"".into()),
        ),
        (
            openldap(),
            "active eq true",
            Some("not (pwdAccountLockedTime eq \"000001010000Z\")".into()),
        ),
        (openldap(), "active pr", Some("all".into())),
        (
            openldap(),
            &format!("id eq \"{}\"", UUID.to_uppercase()),
            Some(format!("entryUUID eq \"{UUID}\"")),
        ),
        (openldap(), "id eq \"*\"", None),
        (openldap(), "id ne \"*\"", Some("all".into())),
        (openldap(), "title eq \"\"", None),
        (
            openldap(),
            "userName eq \"*)(uid=*\"",
            Some("uid eq \"*)(uid=*\"".into()),
        ),
        (
            openldap(),
            "meta.created gt \"2026-11-01T08:00:00.5Z\"",
            Some("createTimestamp gt \"20261101080000Z\"".into()),
        ),
        (
            openldap(),
            &format!("{manager} eq \"m\""),
            Some("manager eq \"m\"".into()),
        ),
        (
            openldap(),
            "groups.value eq \"g\"",
            Some("$groups eq \"g\"".into()),
        ),
        (openldap(), "groups eq \"g/h\"", None),
        (
            openldap(),
            "emails[type eq \"work\" and value eq \"a@b\"]",
            Some("mail eq \"a@b\"".into()),
        ),
    ] {
        assert_eq!(filtered(&plan, asked), Ok(wanted), "{asked}");
    }
    for asked in [
        "id co \"5\"".to_owned(),
        format!("{manager} sw \"m\""),
        "meta.version eq \"1\"".to_owned(),
        "groups.value co \"g\"".to_owned(),
    ] {
        let refused = filtered(&openldap(), &asked).unwrap_err();
        assert!(refused.contains("cannot be asked"), "{refused}");
    }
    assert!(filtered(&openldap(), "password eq \"x\"").is_err());
}
