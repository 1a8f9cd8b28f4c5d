//! The must-accept shapes: PATCH bodies as Entra ID and Okta send them, in the form that their
//! public documentation shows, and what becomes of them.

use super::*;
use crate::scim::patch;
use crate::scim::resource::Resource;

#[test]
fn shape_1_and_2_operators_in_any_case_and_booleans_as_text() {
    check(
        &user(),
        &json!([
            {"op": "Replace", "path": "active", "value": "False"},
            {"op": "Add", "path": "displayName", "value": "Adele Vance"},
            {"op": "REMOVE", "path": "title"},
            {"op": "add", "path": "emails[type eq \"work\"].primary", "value": "True"},
            {"op": "add", "path": "emails", "value": [{"value": "a@example.com", "primary": "true"}]},
            {"op": "replace", "path": "emails[primary eq \"True\"].value", "value": "b@example.com"},
        ]),
        &json!([
            {"op": "replace", "path": "active", "value": false},
            {"op": "add", "path": "displayName", "value": "Adele Vance"},
            {"op": "remove", "path": "title"},
            {"op": "add", "path": "emails[type eq \"work\"].primary", "value": true},
            {"op": "add", "path": "emails", "value": [{"value": "a@example.com", "primary": true}]},
            {"op": "replace", "path": "emails[primary eq true].value", "value": "b@example.com"},
        ]),
        &[
            Accent::OpCase,
            Accent::BooleanText,
            Accent::OpCase,
            Accent::OpCase,
            Accent::BooleanText,
            Accent::BooleanText,
            Accent::BooleanTextInFilter,
        ],
    );
}

#[test]
fn shape_3_values_without_path() {
    let department = enterprise("department");
    check(
        &user(),
        &json!([{"op": "replace", "value": {
            "id": "2819c223", "schemas": ["urn:x:y"], "meta": {"resourceType": "User"},
            "active": "true",
            "displayName": "Bjfe",
            "name.givenName": "Kjetil",
            "name": {"familyName": "Vance"},
            "emails[type eq \"work\"].value": "k@example.com",
            "phoneNumbers": [{"value": "555", "type": "work"}],
            department.clone(): "R&D",
            "urn:ietf:params:scim:schemas:core:2.0:User:title": "Dr",
            ENTERPRISE_USER: {"costCenter": "7", "manager": "26118915", "division": null},
            "nickName": null,
        }}]),
        &json!([
            {"op": "replace", "path": "active", "value": true},
            {"op": "replace", "path": "displayName", "value": "Bjfe"},
            {"op": "replace", "path": "name.givenName", "value": "Kjetil"},
            {"op": "replace", "path": "name", "value": {"familyName": "Vance"}},
            {"op": "replace", "path": "emails[type eq \"work\"].value", "value": "k@example.com"},
            {"op": "replace", "path": "phoneNumbers", "value": [{"value": "555", "type": "work"}]},
            {"op": "replace", "path": department, "value": "R&D"},
            {"op": "replace", "path": "title", "value": "Dr"},
            {"op": "replace", "path": enterprise("costCenter"), "value": "7"},
            {"op": "replace", "path": enterprise("manager"), "value": {"value": "26118915"}},
            {"op": "remove", "path": enterprise("division")},
            {"op": "remove", "path": "nickName"},
        ]),
        &[
            Accent::BooleanText,
            Accent::DottedKey,
            Accent::DottedKey,
            Accent::UrnKey,
            Accent::UrnKey,
            Accent::ManagerShape,
            Accent::EmptyValue,
            Accent::EmptyValue,
        ],
    );
    // Okta: deactivation, and the rename that goes with every change of members.
    check(
        &user(),
        &json!([{"op": "replace", "value": {"active": false}}]),
        &json!([{"op": "replace", "path": "active", "value": false}]),
        &[],
    );
    check(
        &group(),
        &json!([{"op": "replace", "value": {"id": "abf4dd94", "displayName": "Sales"}}]),
        &json!([{"op": "replace", "path": "displayName", "value": "Sales"}]),
        &[],
    );
    // An extension that is not known is left to the mapping, whole.
    check(
        &user(),
        &json!([{"op": "add", "value": {"urn:acme:2.0:User": {"badge": null}}}]),
        &json!([{"op": "add", "path": "urn:acme:2.0:User", "value": {"badge": null}}]),
        &[Accent::UrnKey],
    );
    check(
        &user(),
        &json!([{"op": "replace", "path": ENTERPRISE_USER, "value": null}]),
        &json!([{"op": "remove", "path": ENTERPRISE_USER}]),
        &[],
    );
}

#[test]
fn shape_4_members() {
    let cases = [
        // Entra ID, without and with its flag; Okta.
        (
            json!({"op": "Remove", "path": "members", "value": [{"$ref": null, "value": "f648"}]}),
            json!([{"op": "remove", "path": "members[value eq \"f648\"]"}]),
            vec![Accent::OpCase, Accent::RemoveWithValues],
        ),
        (
            json!({"op": "remove", "path": "members[value eq \"f648\"]"}),
            json!([{"op": "remove", "path": "members[value eq \"f648\"]"}]),
            vec![],
        ),
        (
            json!({"op": "Add", "path": "members", "value": [{"$ref": null, "value": "f648"}]}),
            json!([{"op": "add", "path": "members", "value": [{"value": "f648"}]}]),
            vec![Accent::OpCase],
        ),
        (
            json!({"op": "remove", "path": "members",
            "value": [{"value": "23a35c27", "display": "x"}, {"value": "a\"b"}]}),
            json!([{"op": "remove", "path": "members[value eq \"23a35c27\"]"},
                {"op": "remove", "path": "members[value eq \"a\\\"b\"]"}]),
            vec![Accent::RemoveWithValues],
        ),
        (
            json!({"op": "remove", "path": "members", "value": {"value": "1"}}),
            json!([{"op": "remove", "path": "members[value eq \"1\"]"}]),
            vec![Accent::RemoveWithValues],
        ),
        (
            json!({"op": "remove", "path": "members", "value": "1"}),
            json!([{"op": "remove", "path": "members[value eq \"1\"]"}]),
            vec![Accent::RemoveWithValues],
        ),
        (
            json!({"op": "remove", "path": "members.value", "value": ["1"]}),
            json!([{"op": "remove", "path": "members[value eq \"1\"]"}]),
            vec![Accent::RemoveWithValues],
        ),
        (
            json!({"op": "remove", "path": "members", "value": []}),
            json!([]),
            vec![Accent::RemoveWithValues],
        ),
        (
            json!({"op": "remove", "path": "members"}),
            json!([{"op": "remove", "path": "members"}]),
            vec![],
        ),
        (
            json!({"op": "remove", "path": "members", "value": null}),
            json!([{"op": "remove", "path": "members"}]),
            vec![],
        ),
        (
            json!({"op": "replace", "path": "members", "value": []}),
            json!([{"op": "replace", "path": "members", "value": []}]),
            vec![Accent::EmptyValue],
        ),
        (
            json!({"op": "replace", "path": "members", "value": {"value": "1"}}),
            json!([{"op": "replace", "path": "members", "value": [{"value": "1"}]}]),
            vec![Accent::SingleAsArray],
        ),
        (
            json!({"op": "add", "path": "members", "value": []}),
            json!([]),
            vec![Accent::EmptyValue],
        ),
        (
            json!({"op": "add", "path": "members", "value": null}),
            json!([]),
            vec![Accent::EmptyValue],
        ),
    ];
    for (operation, expected, accents) in cases {
        check(&group(), &json!([operation]), &expected, &accents);
    }
    // What names no member must not become a `remove` or `replace` of all of them.
    for (op, value) in [
        ("remove", json!("")),
        ("remove", json!([{}])),
        ("remove", json!([null])),
        ("remove", json!([{"$ref": "x"}])),
        ("remove", json!({"value": ""})),
        ("replace", json!([{}])),
        ("replace", json!([{"$ref": "x"}])),
        ("replace", json!([{"value": null}])),
        ("replace", json!([{"value": ""}])),
    ] {
        let operations = json!([{"op": op, "path": "members", "value": value}]);
        let error = read(&group(), &operations).unwrap_err();
        assert_eq!(
            error.scim_type,
            Some(ScimType::InvalidValue),
            "{operations}"
        );
    }
}

#[test]
fn a_remove_of_values_takes_out_what_they_name_and_no_more() {
    for (operation, expected) in [
        (
            json!({"op": "remove", "path": "emails.value", "value": {"primary": "True"}}),
            json!([{"op": "remove", "path": "emails[primary eq true]"}]),
        ),
        (
            json!({"op": "remove", "path": "emails.value", "value": ["a", {"value": "b"}]}),
            json!([{"op": "remove", "path": "emails[value eq \"a\"]"},
                {"op": "remove", "path": "emails[value eq \"b\"]"}]),
        ),
        (
            json!({"op": "remove", "path": "unknown.value", "value": "a"}),
            json!([{"op": "remove", "path": "unknown[value eq \"a\"]"}]),
        ),
        (
            json!({"op": "remove", "path": "name.givenName", "value": "a"}),
            json!([{"op": "remove", "path": "name.givenName"}]),
        ),
    ] {
        let (read, _) = read(&user(), &json!([operation])).unwrap();
        assert_eq!(Value::from(read), expected, "{operation}");
    }
    for (path, value, kind) in [
        // The values of a sub-attribute name no elements.
        ("emails.type", json!("work"), ScimType::InvalidSyntax),
        ("unknown.sub", json!(["x"]), ScimType::InvalidSyntax),
        // A part that no filter compares would be lost, and all that have the others removed.
        (
            "addresses",
            json!({"locality": "a", "region": ["b", "c"]}),
            ScimType::InvalidValue,
        ),
        (
            "emails",
            json!({"value": "a", "type": ["b", "c"]}),
            ScimType::InvalidValue,
        ),
        (
            "emails",
            json!([{"value": {"a": "b"}}]),
            ScimType::InvalidValue,
        ),
        (
            "unknown",
            json!({"a": "b", "c d": "e"}),
            ScimType::InvalidValue,
        ),
        ("unknown", json!([{"a": null}]), ScimType::InvalidValue),
        ("unknown", json!([[]]), ScimType::InvalidValue),
    ] {
        let operations = json!([{"op": "remove", "path": path, "value": value}]);
        let error = read(&user(), &operations).unwrap_err();
        assert_eq!(error.scim_type, Some(kind), "{operations}");
    }
}

#[test]
fn what_is_wrapped_twice_is_left_to_be_refused() {
    for (path, value) in [
        ("emails.value", json!([[null, null]])),
        ("emails.value", json!([["a"]])),
        ("title", json!([["Dr"]])),
        ("title", json!([[]])),
    ] {
        let operations = json!([{"op": "add", "path": path, "value": value}]);
        check(&user(), &operations, &operations, &[]);
        let body = json!({"schemas": [PATCH_OP], "Operations": operations});
        let patch = patch_request(body, &user(), &mut Accents::accepted()).unwrap();
        let error = patch::apply(&mut Resource::new(), &patch, &user()).unwrap_err();
        assert_eq!(error.scim_type, ScimType::InvalidValue);
    }
}

#[test]
fn shape_6_managers() {
    let path = enterprise("manager");
    let set = json!([{"op": "replace", "path": path, "value": {"value": "26118915"}}]);
    for value in [
        json!("26118915"),
        json!(26118915),
        json!({"value": "26118915"}),
        json!({"value": "26118915", "$ref": "../Users/26118915"}),
        json!(["26118915"]),
        json!([{"value": "26118915"}]),
    ] {
        for path in ["manager", &path] {
            let operations = json!([{"op": "replace", "path": path, "value": value}]);
            let (read, met) = read(&user(), &operations).unwrap();
            assert_eq!(Value::from(read), set, "{operations}");
            assert!(
                met.iter().all(|accent| *accent == Accent::ManagerShape),
                "{met:?}"
            );
        }
    }
    let clear = json!([{"op": "remove", "path": path}]);
    for value in [
        json!(null),
        json!(""),
        json!([]),
        json!({"value": null}),
        json!({"value": ""}),
        json!([{"value": ""}]),
        json!([""]),
        json!({"value": "", "displayName": "x"}),
    ] {
        for (op, path) in [
            ("replace", "manager"),
            ("add", &path),
            ("remove", "manager"),
        ] {
            let operations = json!([{"op": op, "path": path, "value": value}]);
            assert_eq!(
                Value::from(read(&user(), &operations).unwrap().0),
                clear,
                "{operations}"
            );
        }
    }
    check(
        &user(),
        &json!([{"op": "replace", "path": "manager.value", "value": "1"}]),
        &json!([{"op": "replace", "path": enterprise("manager.value"), "value": "1"}]),
        &[Accent::ManagerShape],
    );
    check(
        &user(),
        &json!([{"op": "replace", "value": {"manager": "1"}}]),
        &json!([{"op": "replace", "path": path, "value": {"value": "1"}}]),
        &[Accent::ManagerShape, Accent::ManagerShape],
    );
}

#[test]
fn empty_wrapped_and_single_values() {
    let user = user();
    for (operation, expected) in [
        (
            json!({"op": "replace", "path": "title", "value": ""}),
            json!([{"op": "remove", "path": "title"}]),
        ),
        (
            json!({"op": "add", "path": "title", "value": [{"value": "Dr"}]}),
            json!([{"op": "add", "path": "title", "value": "Dr"}]),
        ),
        (
            json!({"op": "add", "path": "title", "value": {"value": "Dr"}}),
            json!([{"op": "add", "path": "title", "value": "Dr"}]),
        ),
        (
            json!({"op": "add", "path": "active", "value": [{"value": "True"}]}),
            json!([{"op": "add", "path": "active", "value": true}]),
        ),
        (
            json!({"op": "add", "path": "emails[type eq \"work\"].value", "value": ""}),
            json!([{"op": "remove", "path": "emails[type eq \"work\"].value"}]),
        ),
        (
            json!({"op": "replace", "path": "emails[type eq \"work\"]", "value": [{"value": "a"}]}),
            json!([{"op": "replace", "path": "emails[type eq \"work\"]", "value": {"value": "a"}}]),
        ),
        (
            json!({"op": "replace", "path": "emails", "value": [{"type": "work", "value": ""}]}),
            json!([{"op": "remove", "path": "emails"}]),
        ),
        (
            json!({"op": "replace", "path": "name", "value": {"givenName": "", "familyName": "x"}}),
            json!([{"op": "replace", "path": "name",
                "value": {"givenName": null, "familyName": "x"}}]),
        ),
        (
            json!({"op": "add", "path": "emails.$ref", "value": "x"}),
            json!([]),
        ),
        (
            json!({"op": "remove", "path": "title", "value": "Dr"}),
            json!([{"op": "remove", "path": "title"}]),
        ),
        (
            json!({"op": "replace", "path": user.base.id.as_str(), "value": {"title": "x"}}),
            json!([{"op": "replace", "path": "title", "value": "x"}]),
        ),
        (
            json!({"op": "replace", "path": "unknown", "value": ""}),
            json!([{"op": "replace", "path": "unknown", "value": ""}]),
        ),
        (
            json!({"op": "replace", "path": "unknown", "value": {"a": [null]}}),
            json!([{"op": "replace", "path": "unknown", "value": {"a": [null]}}]),
        ),
    ] {
        let (read, _) = read(&user, &json!([operation])).unwrap();
        assert_eq!(Value::from(read), expected, "{operation}");
    }
}

#[test]
fn refusing_accents_leaves_the_rfc() {
    let refuse = |operation: Value| {
        let body = json!({"schemas": [PATCH_OP], "Operations": [operation]});
        let mut accents = Accents::refused();
        let patch = patch_request(body, &user(), &mut accents);
        assert!(accents.seen().is_empty());
        patch
    };
    for operation in [
        json!({"op": "Add", "path": "title", "value": "x"}),
        json!({"op": "remove", "path": "emails", "value": [{"value": "x"}]}),
        json!({"op": "add", "value": {"name.givenName": "x"}}),
        json!({"op": "add", "value": {enterprise("department"): "x"}}),
    ] {
        assert!(refuse(operation.clone()).is_err(), "{operation}");
    }
    for operation in [
        json!({"op": "add", "path": "title", "value": ""}),
        json!({"op": "add", "path": "active", "value": "True"}),
        json!({"op": "add", "path": "emails", "value": {"value": "x"}}),
        json!({"op": "add", "path": "manager", "value": "x"}),
        json!({"op": "add", "path": "emails", "value": [{"value": "x", "type": ""}]}),
    ] {
        let patch = refuse(operation.clone()).unwrap();
        assert!(!patch.create_missing);
        assert_eq!(patch_value(&patch)["Operations"], json!([operation]));
    }
    let mut accents = Accents::refused();
    let body = json!({"Operations": [{"op": "remove", "path": "title"}]});
    assert!(patch_request(body, &user(), &mut accents).is_err());
}
