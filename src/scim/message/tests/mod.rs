//! Envelopes by example.

mod laws;
mod shapes;

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
