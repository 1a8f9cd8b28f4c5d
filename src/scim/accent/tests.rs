//! Documents as Entra ID and Okta send them, in the form that their public documentation shows,
//! and what becomes of them.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::scim::error::ScimError;
use crate::scim::json::Checked;
use crate::scim::resource::Resource;
use crate::scim::schema::{ENTERPRISE_USER, GROUP, TypeSchema, USER, group, user};

fn read(schema: &TypeSchema, given: &Value, accents: &mut Accents) -> Result<Value, ScimError> {
    let mut resource = Resource::from(given.as_object().cloned().unwrap());
    document(&mut resource, schema, accents)?;
    Ok(resource.into())
}

#[track_caller]
fn check(schema: &TypeSchema, given: &Value, expected: &Value, met: &[Accent]) {
    let mut accents = Accents::accepted();
    assert_eq!(read(schema, given, &mut accents).unwrap(), *expected);
    assert_eq!(accents.seen(), met);
    // What has been brought into form stays as it is.
    let again = read(schema, expected, &mut Accents::refused()).unwrap();
    assert_eq!(again, *expected);
}

#[test]
fn entra_creates_a_user() {
    check(
        &user(),
        &json!({
            "schemas": [USER, ENTERPRISE_USER],
            "externalId": "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef",
            "userName": "avance@example.com",
            "active": "True",
            "addresses": null,
            "displayName": "Adele Vance",
            "emails": [
                {"primary": "true", "type": "work", "value": "avance@example.com"},
                {"type": "other", "value": ""},
            ],
            "meta": {"resourceType": "User"},
            "name": {"formatted": null, "familyName": "Vance", "givenName": "Adele"},
            "roles": [],
            "groups": [],
            "title": "",
            "phoneNumbers": {"type": "work", "value": "555"},
            ENTERPRISE_USER: {"department": "R&D", "manager": "26118915", "division": null},
        }),
        &json!({
            "schemas": [USER, ENTERPRISE_USER],
            "externalId": "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef",
            "userName": "avance@example.com",
            "active": true,
            "displayName": "Adele Vance",
            "emails": [{"primary": true, "type": "work", "value": "avance@example.com"}],
            "meta": {"resourceType": "User"},
            "name": {"familyName": "Vance", "givenName": "Adele"},
            "phoneNumbers": [{"type": "work", "value": "555"}],
            ENTERPRISE_USER: {"department": "R&D", "manager": {"value": "26118915"}},
        }),
        &[
            Accent::BooleanText,
            Accent::EmptyValue,
            Accent::BooleanText,
            Accent::EmptyValue,
            Accent::EmptyValue,
            Accent::EmptyValue,
            Accent::EmptyValue,
            Accent::EmptyValue,
            Accent::SingleAsArray,
            Accent::ManagerShape,
            Accent::EmptyValue,
        ],
    );
}

#[test]
fn entra_creates_a_group() {
    let foreign = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group";
    check(
        &group(),
        &json!({"schemas": [GROUP, foreign], "externalId": "8aa1a0c0", "displayName": "Sales",
            "members": [{"$ref": "../Users/1", "value": "1"}], foreign: {"x": 1}}),
        &json!({"schemas": [GROUP], "externalId": "8aa1a0c0", "displayName": "Sales",
            "members": [{"value": "1"}], foreign: {"x": 1}}),
        &[Accent::UnknownSchema],
    );
}

#[test]
fn okta_creates_a_user() {
    let given = json!({
        "schemas": [USER], "userName": "test.user@example.com",
        "name": {"givenName": "Test", "familyName": "User"},
        "emails": [{"primary": true, "value": "test.user@example.com", "type": "work"}],
        "displayName": "Test User", "locale": "en-US", "externalId": "00ujl29u0le5T6Aj10h7",
        "groups": [], "password": "1mz050nq", "active": true,
    });
    let mut expected = given.clone();
    expected.as_object_mut().unwrap().shift_remove("groups");
    check(&user(), &given, &expected, &[Accent::EmptyValue]);
}

#[test]
fn names_that_are_paths_find_their_place() {
    check(
        &user(),
        &json!({
            "name.givenName": "A", "name": {"familyName": "V"},
            "emails[type eq \"work\"].value": "a@example.com",
            format!("{ENTERPRISE_USER}:department"): "R&D",
            ENTERPRISE_USER: {"costCenter": "7", "manager.value": "1"},
            USER: {"title": "Dr", "nickName": ""},
            "groups.value": "x",
            "urn:acme:2.0:User:badge": "7",
        }),
        &json!({
            "name": {"givenName": "A", "familyName": "V"},
            "emails": [{"type": "work", "value": "a@example.com"}],
            ENTERPRISE_USER: {"costCenter": "7", "department": "R&D", "manager": {"value": "1"}},
            "title": "Dr",
            "urn:acme:2.0:User:badge": "7",
        }),
        &[
            Accent::DottedKey,
            Accent::DottedKey,
            Accent::UrnKey,
            Accent::DottedKey,
            Accent::UrnKey,
            Accent::EmptyValue,
            Accent::DottedKey,
            Accent::UrnKey,
        ],
    );
    check(
        &user(),
        &json!({"manager": ["1"]}),
        &json!({ENTERPRISE_USER: {"manager": {"value": "1"}}}),
        &[
            Accent::ManagerShape,
            Accent::ManagerShape,
            Accent::ManagerShape,
        ],
    );
}

#[test]
fn one_attribute_twice_is_refused() {
    for given in [
        json!({"name": {"givenName": "a"}, "name.givenName": "b"}),
        json!({"name.givenName": "a", format!("{USER}:name.givenName"): "b"}),
        json!({"title": "a", USER: {"TITLE": "b"}}),
        json!({USER: {"title": "a"}, "title": "b"}),
        json!({ENTERPRISE_USER: {"department": "a"}, format!("{ENTERPRISE_USER}:department"): "b"}),
        json!({ENTERPRISE_USER: {"department": "a"},
            USER: {ENTERPRISE_USER: {"department": "b"}}}),
        json!({"manager": "1", ENTERPRISE_USER: {"manager": "2"}}),
    ] {
        let error = read(&user(), &given, &mut Accents::accepted()).unwrap_err();
        assert_eq!(
            error.scim_type.map(|kind| kind.as_str()),
            Some("invalidSyntax"),
            "{given}"
        );
        assert!(error.detail.ends_with("is given twice"), "{}", error.detail);
    }
}

#[test]
fn an_element_that_holds_nothing_is_refused() {
    for given in [
        json!([{}]),
        json!([{"$ref": "x"}]),
        json!([{"value": null}]),
    ] {
        let given = json!({"displayName": "g", "members": given});
        let error = read(&group(), &given, &mut Accents::accepted()).unwrap_err();
        assert_eq!(
            error.detail,
            "a value of `members` holds nothing that could be stored"
        );
    }
}

#[test]
fn refusing_accents_leaves_what_the_rfc_does_not_take_for_absence() {
    let mut accents = Accents::refused();
    let given = json!({"schemas": [USER, "urn:x:y"], "title": "", "active": "True", "roles": [],
        "nickName": null, "name.givenName": "A", "emails": {"value": "x"},
        "phoneNumbers": [{"value": "", "type": "work"}],
        ENTERPRISE_USER: {"manager": "1", "division": null}});
    let expected = json!({"schemas": [USER], "title": "", "active": "True",
        "name.givenName": "A", "emails": {"value": "x"},
        "phoneNumbers": [{"value": "", "type": "work"}], ENTERPRISE_USER: {"manager": "1"}});
    assert_eq!(read(&user(), &given, &mut accents).unwrap(), expected);
    assert!(accents.seen().is_empty());
}

#[test]
fn many_names_cost_no_more_than_a_few() {
    let plain: Map<String, Value> = (0..50_000).map(|n| (format!("a{n}"), n.into())).collect();
    let given = Value::from(plain.clone());
    assert_eq!(
        read(&user(), &given, &mut Accents::accepted()).unwrap(),
        given
    );
    let dotted: Map<String, Value> = (0..50_000).map(|n| (format!("a.b{n}"), n.into())).collect();
    for given in [json!(dotted), json!({USER: plain})] {
        assert!(read(&user(), &given, &mut Accents::accepted()).is_err());
    }
}

#[test]
fn every_kind_has_a_word_of_its_own() {
    let words: std::collections::HashSet<_> = Accent::ALL.iter().map(|a| a.as_str()).collect();
    assert_eq!(words.len(), Accent::ALL.len());
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop::sample::select(vec![
        json!(null),
        json!(""),
        json!("x"),
        json!("True"),
        json!(true),
        json!(7),
        json!([]),
        json!({}),
    ]);
    leaf.prop_recursive(3, 12, 4, |inner| {
        let name = prop::sample::select(vec![
            "value",
            "type",
            "$ref",
            "primary",
            "department",
            "manager",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::hash_map(name, inner, 0..4).prop_map(|members| json!(members)),
        ]
    })
}

/// Without `$ref`, which goes either way.
fn without_references(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(without_references).collect(),
        Value::Object(members) => {
            let kept = members.iter().filter(|(name, _)| *name != "$ref");
            let kept = kept.map(|(name, value)| (name.clone(), without_references(value)));
            Value::Object(kept.collect())
        }
        other => other.clone(),
    }
}

#[test]
fn the_usual_document_is_seen_to_be_plain() {
    let given = json!({
        "schemas": [USER, ENTERPRISE_USER],
        "id": "1", "meta": {"resourceType": "User"},
        "userName": "a", "active": true, "name": {"givenName": "b"}, "other": {"x": null},
        "emails": [{"value": "a@example.com", "type": "work", "primary": true}],
        (ENTERPRISE_USER): {"department": "d", "manager": {"value": "2", "$ref": "../Users/2"}},
    });
    let text = Checked::of(&given.as_object().cloned().unwrap().into());
    assert!(is_plain(&mut text.members(), &user()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, ..ProptestConfig::default() })]

    #[test]
    fn what_is_in_form_stays_so(
        members in prop::collection::hash_map(
            prop::sample::select(vec![
                "userName", "active", "emails", "name", "title", "schemas", "other", "manager",
                "name.givenName", "emails[type eq \"work\"].value", "groups", "roles", "meta",
                ENTERPRISE_USER, USER,
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
                "urn:x:y", "a b", "",
            ]),
            any_value(), 0..6,
        ),
    ) {
        let given = json!(members);
        let text = Checked::of(&given.as_object().cloned().unwrap().into());
        if is_plain(&mut text.members(), &user()) {
            let mut accents = Accents::accepted();
            let read = read(&user(), &given, &mut accents).unwrap();
            prop_assert_eq!(without_references(&read), without_references(&given));
            prop_assert_eq!(accents.seen(), []);
        }
        if let Ok(once) = read(&user(), &given, &mut Accents::accepted()) {
            let mut accents = Accents::accepted();
            let twice = read(&user(), &once, &mut accents);
            prop_assert_eq!(twice, Ok(once), "{}", given);
        }
    }
}
