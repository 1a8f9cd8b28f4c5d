//! PATCH: translated where that can be done, applied to the present resource where not.

use serde_json::{Value, json};

use super::support::*;
use crate::mapping::{Encoded, MappingError};
use crate::scim::ScimType;
use crate::scim::message::patch_value;
use crate::scim::operation::Verb;

/// The operations that the directory gets; `PUT …` where it gets a whole document.
fn sent(encoded: Encoded) -> Value {
    match encoded {
        Encoded::Unchanged(_) => json!("unchanged"),
        Encoded::Empty => json!("empty"),
        Encoded::Ask(operation) => match operation.verb {
            Verb::Patch(_, patch) => patch_value(&patch)["Operations"].clone(),
            Verb::Replace(_, document) => json!({"PUT": tree(document)}),
            other => panic!("{other:?}"),
        },
    }
}

fn record() -> Value {
    json!({"no": 7, "login": "b", "surname": "J", "given": "B", "full_name": "B J", "mail": "old",
        "status": "staff", "note": "n", "meta": {"version": "7"}})
}

#[test]
fn changes_are_translated_without_looking() {
    let plan = legacy();
    let cases = [
        (
            json!([{"op": "replace", "path": "title", "value": "x"}]),
            json!([{"op": "replace", "path": "title", "value": "x"}]),
        ),
        (
            json!([{"op": "Replace", "path": "active", "value": "False"}]),
            json!([{"op": "replace", "path": "status", "value": "leaver"}]),
        ),
        (
            json!([{"op": "replace", "path": "emails[type eq \"work\"].value", "value": "new"}]),
            json!([{"op": "replace", "path": "mail", "value": "new"}]),
        ),
        (
            json!([{"op": "replace", "path": "emails", "value": [{"type": "work", "value": "new", "primary": true}]}]),
            json!([{"op": "replace", "path": "mail", "value": "new"}]),
        ),
        (
            json!([{"op": "replace", "value": {"title": "x", "externalId": "e"}}]),
            json!([{"op": "replace", "path": "title", "value": "x"},
                   {"op": "replace", "path": "ext_ref", "value": "e"}]),
        ),
        (
            json!([{"op": "add", "path": format!("{ENTERPRISE}:manager"), "value": "3"}]),
            json!([{"op": "add", "path": "boss", "value": "3"}]),
        ),
        (
            json!([{"op": "remove", "path": format!("{ENTERPRISE}:department")}]),
            json!([{"op": "remove", "path": "dept"}]),
        ),
    ];
    for (asked, wanted) in cases {
        let encoded = patched(&plan, FULL, json!("nobody should look"), asked.clone());
        assert_eq!(sent(encoded.unwrap()), wanted, "{asked}");
    }
}

#[test]
fn what_needs_the_present_resource_reads_it_and_sends_the_difference() {
    let plan = legacy();
    let cases = [
        // The full name is joined of two.
        (
            json!([{"op": "replace", "path": "name.givenName", "value": "C"}]),
            json!([{"op": "replace", "path": "given", "value": "C"},
                   {"op": "replace", "path": "full_name", "value": "C J"}]),
        ),
        // Other values than `staff` read as active.
        (
            json!([{"op": "replace", "path": "active", "value": true}]),
            json!("unchanged"),
        ),
        (
            json!([{"op": "remove", "path": "emails[value eq \"old\"]"}]),
            json!([{"op": "remove", "path": "mail"}]),
        ),
        (
            json!([{"op": "replace", "path": "nickName", "value": "x"}]),
            json!("unchanged"),
        ),
    ];
    for (asked, wanted) in cases {
        let encoded = patched(&plan, FULL, record(), asked.clone());
        assert_eq!(sent(encoded.unwrap()), wanted, "{asked}");
    }
}

#[test]
fn a_directory_without_patch_gets_the_whole_new_state() {
    let plan = legacy();
    let asked = json!([{"op": "replace", "path": "title", "value": "x"}]);
    let encoded = patched(&plan, PLAIN, record(), asked).unwrap();
    let Encoded::Ask(operation) = encoded else {
        panic!()
    };
    assert_eq!(
        operation.precondition.if_match,
        Some(vec!["\"7\"".to_owned()])
    );
    let Verb::Replace(_, document) = operation.verb else {
        panic!()
    };
    let mut wanted = record();
    wanted["title"] = json!("x");
    wanted.as_object_mut().unwrap().remove("meta");
    assert_eq!(tree(document), wanted);
}

#[test]
fn members_of_groups_are_added_as_deltas_and_removed_by_value() {
    let text = "tenant_url: https://e.com/a\nbackend: {scim: {url: \"https://d.internal\"}}\n\
        resources:\n  User: {unmapped: pass}\n  Group:\n    attributes:\n      \
        - {scim: displayName, target: name}\n      - {scim: members, target: people}\n";
    let plan = plan(text);
    let patch = |operations: Value| {
        let body = json!({"schemas": [crate::scim::message::PATCH_OP], "Operations": operations});
        let schema = plan.endpoint("Groups").unwrap();
        let patch =
            crate::scim::message::patch_request(body, schema, &mut Default::default()).unwrap();
        let ty = plan.ty(&"Group".parse().unwrap()).unwrap();
        let changes = plan.patch(ty, &patch).unwrap().changes.expect("stateless");
        let create_missing = false;
        patch_value(&crate::scim::patch::Patch {
            changes,
            create_missing,
        })["Operations"]
            .clone()
    };
    assert_eq!(
        patch(json!([{"op": "add", "path": "members", "value": [{"value": "1", "$ref": "x"}]}])),
        json!([{"op": "add", "path": "people", "value": [{"value": "1"}]}])
    );
    assert_eq!(
        patch(
            json!([{"op": "Remove", "path": "members", "value": [{"value": "1"}, {"value": "2"}]}])
        ),
        json!([{"op": "remove", "path": "people[value eq \"1\"]"}, {"op": "remove", "path": "people[value eq \"2\"]"}])
    );
    assert_eq!(
        patch(json!([{"op": "remove", "path": "members[value eq \"1\"]"}])),
        json!([{"op": "remove", "path": "people[value eq \"1\"]"}])
    );
    assert_eq!(
        patch(json!([{"op": "replace", "path": "members", "value": []}])),
        json!([{"op": "remove", "path": "people"}])
    );
}

#[test]
fn what_cannot_be_changed_is_said_so() {
    let plan = users(
        "{scim: title, target: t, direction: read}
         {scim: nickName, target: n, direction: create}
         {scim: displayName, target: d, required: true}",
        "drop",
    );
    let cases = [
        (
            json!({"op": "replace", "path": "title", "value": "x"}),
            ScimType::Mutability,
            "`title`",
        ),
        (
            json!({"op": "replace", "path": "nickName", "value": "x"}),
            ScimType::Mutability,
            "`nickName`",
        ),
        (
            json!({"op": "replace", "path": "groups", "value": []}),
            ScimType::Mutability,
            "`groups`",
        ),
        (
            json!({"op": "replace", "path": "id", "value": "2"}),
            ScimType::Mutability,
            "`id`",
        ),
        (
            json!({"op": "remove", "path": "displayName"}),
            ScimType::InvalidValue,
            "`displayName` is required",
        ),
        (
            json!({"op": "replace", "path": "userName", "value": ""}),
            ScimType::InvalidValue,
            "`userName`",
        ),
    ];
    for (asked, kind, wanted) in cases {
        for abilities in [FULL, PLAIN] {
            let before = json!({"id": "1", "login": "a", "d": "x"});
            let result = patched(&plan, abilities, before, json!([asked.clone()]));
            let Err(MappingError::Refused(got, text)) = result else {
                panic!("{asked}: {result:?}")
            };
            assert_eq!(got, kind, "{asked}: {text}");
            assert!(text.contains(wanted), "{asked}: {text}");
        }
    }
}

#[test]
fn unmapped_changes_are_dropped_refused_or_passed() {
    let asked = json!([{"op": "replace", "path": "nickName", "value": "x"}, {"op": "replace", "path": "userName", "value": "b"}]);
    let before = json!({"id": "1", "login": "a"});
    let drop = patched(&users("", "drop"), FULL, before.clone(), asked.clone()).unwrap();
    assert_eq!(
        sent(drop),
        json!([{"op": "replace", "path": "login", "value": "b"}])
    );
    let pass = patched(&users("", "pass"), FULL, before.clone(), asked.clone()).unwrap();
    assert_eq!(
        sent(pass),
        json!([{"op": "replace", "path": "nickName", "value": "x"}, {"op": "replace", "path": "login", "value": "b"}])
    );
    let reject = patched(&users("", "reject"), FULL, before.clone(), asked).unwrap_err();
    assert!(
        matches!(reject, MappingError::Refused(ScimType::InvalidValue, text) if text.contains("`nickName`"))
    );
    // The directory's `login` is not the client's.
    let asked = json!([{"op": "replace", "path": "login", "value": "root"}]);
    let pass = patched(&users("", "pass"), FULL, before, asked).unwrap();
    assert_eq!(sent(pass), json!("unchanged"));
}

#[test]
fn a_password_is_set_and_removed_without_being_seen() {
    let plan = users(
        "{scim: password, target: pwd}\n{scim: title, target: t}",
        "drop",
    );
    let before = json!({"id": "1", "login": "a", "pwd": "hash"});
    let set = json!([{"op": "replace", "path": "password", "value": "p"}]);
    let put = sent(patched(&plan, PLAIN, before.clone(), set).unwrap());
    assert_eq!(put["PUT"]["pwd"], "p");
    let other = json!([{"op": "replace", "path": "title", "value": "x"}]);
    let put = sent(patched(&plan, PLAIN, before.clone(), other).unwrap());
    assert_eq!(put["PUT"]["pwd"], "hash");
    let gone = json!([{"op": "remove", "path": "password"}]);
    let put = sent(patched(&plan, PLAIN, before, gone).unwrap());
    assert_eq!(put["PUT"].get("pwd"), None);
}

#[test]
fn a_clients_own_condition_is_held() {
    let plan = legacy();
    let conditioned = |tag: &str| {
        let verb = Verb::Patch(
            "7".parse().unwrap(),
            patch_of(
                &plan,
                json!([{"op": "replace", "path": "title", "value": "x"}]),
            ),
        );
        let condition = crate::scim::operation::Precondition {
            if_match: Some(vec![tag.to_owned()]),
            if_none_match: None,
        };
        operation(verb).guarded(condition)
    };
    let held = encode(&plan, conditioned("W/\"7\""), PLAIN, Some(record()))
        .unwrap()
        .0;
    assert_eq!(
        ask(held).precondition.if_match,
        Some(vec!["\"7\"".to_owned()])
    );
    let changed = encode(&plan, conditioned("\"6\""), PLAIN, Some(record())).unwrap_err();
    assert_eq!(changed, MappingError::Changed);
    let versionless = crate::scim::operation::Abilities {
        etag: false,
        compares: false,
        ..FULL
    };
    let none = encode(&plan, conditioned("\"7\""), versionless, None).unwrap_err();
    assert_eq!(none, MappingError::NoVersions);
}

#[test]
fn a_removal_of_all_looks_first_where_one_line_must() {
    let plan = users(
        "{scim: 'emails[type eq \"work\"].value', target: mail}
         {scim: 'emails[type eq \"home\"].value', target: 'contacts[kind eq \"h\"].addr'}",
        "drop",
    );
    let before = json!({
        "id": "1", "login": "a", "mail": "w", "contacts": [{"kind": "h", "addr": "h"}, {"kind": "x"}],
    });
    let asked = json!([{"op": "remove", "path": "emails"}]);
    let encoded = patched(&plan, FULL, before, asked).unwrap();
    assert_eq!(
        sent(encoded),
        json!([{"op": "replace", "path": "contacts", "value": [{"kind": "x"}]},
               {"op": "remove", "path": "mail"}])
    );
}

#[test]
fn under_pass_a_change_of_what_the_directory_means_in_part_looks_first() {
    let plan = users(
        "{scim: nickName, target: 'contacts[kind eq \"nick\"].text'}",
        "pass",
    );
    let before = json!({
        "id": "1", "login": "a", "contacts": [{"kind": "nick", "text": "n"}, {"kind": "x"}],
    });
    let asked = json!([{"op": "replace", "path": "contacts", "value": [{"kind": "y"}]}]);
    let encoded = patched(&plan, FULL, before, asked).unwrap();
    assert_eq!(
        sent(encoded),
        json!([{"op": "replace", "path": "contacts",
                "value": [{"kind": "nick", "text": "n"}, {"kind": "y"}]}])
    );
}

#[test]
fn a_put_is_told_as_changes_where_the_directory_takes_no_documents() {
    let plan = legacy();
    let put = |document: Value, before: Option<Value>| {
        let document = crate::scim::operation::Document::Tree(resource(document));
        let verb = Verb::Replace("7".parse().unwrap(), document);
        sent(encode(&plan, operation(verb), CHANGES, before).unwrap().0)
    };
    let document = json!({"userName": "b", "name": {"familyName": "K", "givenName": "B"},
        "title": "x", "active": true, "password": "Secret-1"});
    let told = put(document, None);
    let of = |path: &str| {
        let mut told = told.as_array().unwrap().iter();
        told.find(|change| change["path"] == path).cloned()
    };
    let replace = |path: &str, value: &str| json!({"op": "replace", "path": path, "value": value});
    assert_eq!(of("login"), Some(replace("login", "b")));
    // A join needs nobody to look first: all its parts are there.
    assert_eq!(of("full_name"), Some(replace("full_name", "B K")));
    // What the document does not say is cleared, but for what nobody could have seen.
    assert_eq!(of("mail"), Some(json!({"op": "remove", "path": "mail"})));
    let silent = put(json!({"userName": "b", "name": {"familyName": "K"}}), None);
    assert!(!silent.to_string().contains("secret") && !silent.to_string().contains("pass"));
    // Where the present resource is known, only what differs is told.
    let same = json!({"userName": "b", "name": {"familyName": "J", "givenName": "B"},
        "active": true, "emails": [{"type": "work", "value": "new"}]});
    let told = put(same, Some(record()));
    assert_eq!(told[0]["path"], "mail", "{told}");
}
