//! Envelopes by example: PATCH bodies as Entra ID and Okta send them, in the form that their
//! public documentation shows, and what becomes of them.

use serde_json::json;

use super::*;
use crate::scim::accent::{Accent, Accents};
use crate::scim::patch::{Patch, PatchOp};
use crate::scim::path::PatchPath;
use crate::scim::schema::{ENTERPRISE_USER, TypeSchema, group, user};

/// Reads operations as a client sends them; gives those that the RFC would have, and the accents.
fn read(schema: &TypeSchema, operations: &Value) -> Result<(Vec<Value>, Vec<Accent>), ScimError> {
    let mut accents = Accents::accepted();
    let body = json!({"schemas": [PATCH_OP], "Operations": operations});
    let patch = patch_request(body, schema, &mut accents)?;
    assert!(patch.create_missing);
    let printed = patch_value(&patch);
    Ok((
        printed["Operations"].as_array().unwrap().clone(),
        accents.seen().to_vec(),
    ))
}

#[track_caller]
fn check(schema: &TypeSchema, operations: &Value, expected: &Value, accents: &[Accent]) {
    let (read, met) = read(schema, operations).unwrap();
    assert_eq!(Value::from(read), *expected);
    assert_eq!(met, accents);
}

#[track_caller]
fn refused(schema: &TypeSchema, operations: &Value, kind: ScimType, detail: &str) {
    let error = read(schema, operations).unwrap_err();
    assert_eq!(
        (error.scim_type, error.detail.as_str()),
        (Some(kind), detail),
        "{operations}"
    );
}

fn enterprise(name: &str) -> String {
    format!("{ENTERPRISE_USER}:{name}")
}

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
            json!([{"op": "remove", "path": "unknown"}]),
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
fn what_is_refused_says_which_operation() {
    let user = user();
    let cases = [
        (
            json!([{"op": "move", "path": "title"}]),
            ScimType::InvalidSyntax,
            "operation 1: `op` is not `add`, `replace` or `remove`",
        ),
        (
            json!([{"op": "remove", "path": "title"}, {"path": "title"}]),
            ScimType::InvalidSyntax,
            "operation 2: `op` is not `add`, `replace` or `remove`",
        ),
        (
            json!([7]),
            ScimType::InvalidSyntax,
            "operation 1: it is not an object",
        ),
        (
            json!([{"op": "remove"}]),
            ScimType::NoTarget,
            "operation 1: `remove` needs a `path`",
        ),
        (
            json!([{"op": "add"}]),
            ScimType::InvalidValue,
            "operation 1: `add` has neither `path` nor `value`",
        ),
        (
            json!([{"op": "add", "path": "title"}]),
            ScimType::InvalidValue,
            "operation 1: `add` of `title` has no `value`",
        ),
        (
            json!([{"op": "add", "value": "x"}]),
            ScimType::InvalidValue,
            "operation 1: `value` without a `path` is not an object of attributes",
        ),
        (
            json!([{"op": "add", "path": 1, "value": "x"}]),
            ScimType::InvalidPath,
            "operation 1: `path` is not a string",
        ),
        (
            json!([{"op": "add", "value": {ENTERPRISE_USER: "x"}}]),
            ScimType::InvalidValue,
            "operation 1: `urn:ietf:params:scim:schemas:extension:enterprise:2.0:User` takes an object",
        ),
        (json!([]), ScimType::InvalidSyntax, "`Operations` is empty"),
        (
            json!("x"),
            ScimType::InvalidSyntax,
            "`Operations` is not an array",
        ),
    ];
    for (operations, kind, detail) in cases {
        refused(&user, &operations, kind, detail);
    }
    for path in [
        "",
        "title[",
        "emails[type eq",
        "a b",
        "urn:",
        "emails[type eq \"x\"].",
    ] {
        let error = read(&user, &json!([{"op": "add", "path": path, "value": "x"}])).unwrap_err();
        assert_eq!(error.scim_type, Some(ScimType::InvalidPath), "{path}");
        assert!(
            error
                .detail
                .starts_with("operation 1: `path` does not parse"),
            "{}",
            error.detail
        );
    }
    let mut accents = Accents::accepted();
    for body in [
        json!([]),
        json!({}),
        json!("x"),
        json!({"schemas": [PATCH_OP]}),
    ] {
        let error = patch_request(body, &user, &mut accents).unwrap_err();
        assert_eq!(error.scim_type, Some(ScimType::InvalidSyntax));
    }
}

#[test]
fn there_is_a_limit() {
    let many = |count: usize| vec![json!({"op": "remove", "path": "title"}); count];
    assert!(read(&user(), &many(MAX_OPERATIONS).into()).is_ok());
    let error = read(&user(), &many(MAX_OPERATIONS + 1).into()).unwrap_err();
    assert_eq!(error.status(), 413);
    let names: Map<String, Value> = (0..=MAX_CHANGES)
        .map(|n| (format!("a{n}"), n.into()))
        .collect();
    let error = read(&user(), &json!([{"op": "add", "value": names}])).unwrap_err();
    assert_eq!(error.status(), 413);
}

#[test]
fn the_envelope_is_read_in_any_case() {
    let mut accents = Accents::accepted();
    let body = json!({"SCHEMAS": [PATCH_OP.to_uppercase()],
        "operations": {"OP": "add", "Path": "title", "VALUE": "x"}});
    let patch = patch_request(body, &user(), &mut accents).unwrap();
    assert_eq!(
        patch_value(&patch)["Operations"],
        json!([{"op": "add", "path": "title", "value": "x"}])
    );
    assert_eq!(accents.seen(), [Accent::SingleAsArray]);
    let body = json!({"Operations": [{"op": "remove", "path": "title"}]});
    assert!(patch_request(body, &user(), &mut accents).is_ok());
    assert_eq!(accents.seen().last(), Some(&Accent::UnknownSchema));
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

#[test]
fn a_remove_is_never_printed_without_what_it_removes() {
    let change = |value: Value| Patch {
        changes: vec![crate::scim::patch::Change {
            op: PatchOp::Remove,
            path: PatchPath::attribute(crate::scim::AttrPath::of("x".parse().unwrap())),
            value: Some(value),
        }],
        create_missing: false,
    };
    for (value, paths) in [
        (json!([]), json!([])),
        (json!([{}]), json!([])),
        (json!([{"value": {"a": 1}}]), json!([])),
        (
            json!(["a", {"value": "b", "type": "work", "display": "z"}]),
            json!([
                "x[value eq \"a\"]",
                "x[value eq \"b\" and type eq \"work\"]"
            ]),
        ),
        (
            json!({"locality": "a", "region": null}),
            json!(["x[locality eq \"a\"]"]),
        ),
    ] {
        let printed = patch_value(&change(value));
        let operations = printed["Operations"].as_array().unwrap();
        let shown: Vec<&Value> = operations
            .iter()
            .map(|operation| &operation["path"])
            .collect();
        assert_eq!(json!(shown), paths);
    }
}

#[test]
fn errors_and_lists() {
    let error = ScimError::bad(ScimType::InvalidFilter, "no");
    assert_eq!(
        error_value(&error),
        json!({"schemas": [ERROR], "status": "400", "scimType": "invalidFilter", "detail": "no"})
    );
    let error = ScimError::new(http::StatusCode::NOT_FOUND, None, "gone");
    assert_eq!(
        error_value(&error),
        json!({"schemas": [ERROR], "status": "404", "detail": "gone"})
    );
    let bytes = list(7, 3, &[json!({"id": "1"})]);
    let value: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(
        value,
        json!({"schemas": [LIST_RESPONSE], "totalResults": 7, "startIndex": 3,
        "itemsPerPage": 1, "Resources": [{"id": "1"}]})
    );
}

#[test]
fn bulk_requests() {
    let body = json!({"schemas": [BULK_REQUEST], "failOnErrors": 1, "Operations": [
        {"method": "post", "path": "/Users", "bulkId": "q", "data": {"userName": "a"}},
        {"method": "PATCH", "path": "/Groups/1", "version": "W/\"1\"", "data": {}},
        {"method": "DELETE", "path": "/Users/1", "data": null},
    ]});
    let bulk = bulk_request(body.clone(), 3).unwrap();
    assert_eq!(bulk.fail_on_errors, Some(1));
    assert_eq!(
        format!("{:?}", bulk.operations),
        "[POST /Users, PATCH /Groups/1, DELETE /Users/1]"
    );
    assert_eq!(bulk.operations[0].bulk_id.as_deref(), Some("q"));
    assert_eq!(bulk.operations[1].version.as_deref(), Some("W/\"1\""));
    assert_eq!(bulk_request(body, 2).unwrap_err().status(), 413);
    let one = |operation: Value| json!({"schemas": [BULK_REQUEST], "Operations": [operation]});
    let post = json!({"method": "POST", "path": "/Users", "bulkId": "q", "data": {}});
    for (body, detail) in [
        (
            json!({"Operations": []}),
            "`schemas` does not name `urn:ietf:params:scim:api:messages:2.0:BulkRequest`",
        ),
        (json!({"schemas": BULK_REQUEST}), "`Operations` is missing"),
        (
            json!({"schemas": [BULK_REQUEST], "failOnErrors": "1", "Operations": []}),
            "`failOnErrors` is not a whole number above 0",
        ),
        (
            one(json!({"method": "GET", "path": "/Users"})),
            "operation 1: `method` is not POST, PUT, PATCH or DELETE",
        ),
        (
            one(json!({"method": "POST", "path": "/Users", "data": {}})),
            "operation 1: a POST has no `bulkId`",
        ),
        (
            one(json!({"method": "PUT", "path": "/Users/1"})),
            "operation 1: a PUT has no `data`",
        ),
        (
            one(json!({"method": "DELETE", "path": "Users/1"})),
            "operation 1: `path` is not a path such as `/Users`",
        ),
        (
            one(json!({"method": "DELETE", "path": 1})),
            "operation 1: `path` is not a string",
        ),
        (
            json!({"schemas": [BULK_REQUEST], "Operations": [post, post]}),
            "operation 2: its `bulkId` was used before",
        ),
    ] {
        assert_eq!(bulk_request(body, 9).unwrap_err().detail, detail);
    }
}
