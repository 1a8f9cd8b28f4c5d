//! Single-valued attributes, extensions, and what is refused.

use super::*;
use crate::scim::schema::{ENTERPRISE_USER, group};

#[test]
fn simple_attributes() {
    let before = json!({"userName": "a", "title": "x"});
    for op in [Add, Replace] {
        check(
            &before,
            (op, "TITLE", json!("y")),
            &json!({"userName": "a", "title": "y"}),
        );
        check(
            &before,
            (op, "nickName", json!("n")),
            &json!({"userName": "a", "title": "x", "nickName": "n"}),
        );
        check(
            &before,
            (op, "title", json!(null)),
            &json!({"userName": "a"}),
        );
    }
    check(
        &before,
        (Remove, "title", json!(null)),
        &json!({"userName": "a"}),
    );
    check(&before, (Remove, "nickName", json!(null)), &before);
    check(&before, (Replace, "schemas", json!(["urn:x:y"])), &before);
    check(
        &json!({}),
        (Add, "active", json!(false)),
        &json!({"active": false}),
    );
}

#[test]
fn complex_attributes_are_merged() {
    let before = json!({"name": {"givenName": "a", "familyName": "b"}});
    for op in [Add, Replace] {
        check(
            &before,
            (op, "name", json!({"givenName": "c"})),
            &json!({"name": {"givenName": "c", "familyName": "b"}}),
        );
        check(
            &before,
            (op, "name", json!({"givenName": null, "familyName": "c"})),
            &json!({"name": {"familyName": "c"}}),
        );
        check(
            &before,
            (op, "name.formatted", json!("a b")),
            &json!({"name": {"givenName": "a", "familyName": "b", "formatted": "a b"}}),
        );
        check(
            &json!({}),
            (op, "name.givenName", json!("a")),
            &json!({"name": {"givenName": "a"}}),
        );
        check(&json!({}), (op, "name", json!({})), &json!({}));
    }
    check(
        &before,
        (Remove, "name.givenName", json!(null)),
        &json!({"name": {"familyName": "b"}}),
    );
    check(&before, (Remove, "name", json!(null)), &json!({}));
    check(
        &json!({"name": {"givenName": "a"}}),
        (Remove, "name.givenName", json!(null)),
        &json!({}),
    );
    check(
        &json!({}),
        (Remove, "name.givenName", json!(null)),
        &json!({}),
    );
}

#[test]
fn extensions_come_and_go_with_their_attributes() {
    let uri = ENTERPRISE_USER;
    let path = |name: &str| format!("{uri}:{name}");
    let bare = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"]});
    let one = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", uri], uri: {"department": "d"},
    });
    for op in [Add, Replace] {
        check(&bare, (op, &path("department"), json!("d")), &one);
        check(
            &bare,
            (op, uri, json!({"department": "d", "costCenter": null})),
            &one,
        );
        check(&one, (op, uri, json!({"department": null})), &bare);
    }
    check(&one, (Remove, &path("department"), json!(null)), &bare);
    check(&one, (Remove, uri, json!(null)), &bare);
    check(&bare, (Remove, uri, json!(null)), &bare);
    check(
        &json!({}),
        (Replace, &path("manager.value"), json!("1")),
        &json!({uri: {"manager": {"value": "1"}}}),
    );
    // What is read-only inside a value is left out.
    check(
        &json!({}),
        (
            Add,
            &path("manager"),
            json!({"value": "1", "displayName": "x"}),
        ),
        &json!({uri: {"manager": {"value": "1"}}}),
    );
    check(
        &json!({uri: {"manager": {"value": "1"}}}),
        (Remove, &path("manager"), json!(null)),
        &json!({}),
    );
}

#[test]
fn what_is_refused() {
    let before = json!({"userName": "a", "id": "1", "emails": [{"value": "a"}, {"value": "b"}]});
    let cases: &[(PatchOp, &str, Value, ScimType, &str)] = &[
        (
            Replace,
            "id",
            json!("2"),
            ScimType::Mutability,
            "`id` is read-only",
        ),
        (
            Add,
            "groups",
            json!([]),
            ScimType::Mutability,
            "`groups` is read-only",
        ),
        (
            Remove,
            "meta.created",
            json!(null),
            ScimType::Mutability,
            "`meta.created` is read-only",
        ),
        (
            Remove,
            "schemas",
            json!(null),
            ScimType::Mutability,
            "`schemas` cannot be removed",
        ),
        (
            Remove,
            "userName",
            json!(null),
            ScimType::Mutability,
            "`userName` is required and cannot be removed",
        ),
        (
            Replace,
            "userName",
            json!(null),
            ScimType::Mutability,
            "`userName` is required and cannot be removed",
        ),
        (
            Replace,
            "active",
            json!("yes"),
            ScimType::InvalidValue,
            "`active` takes true or false",
        ),
        (
            Replace,
            "title",
            json!(["x"]),
            ScimType::InvalidValue,
            "`title` takes a string",
        ),
        (
            Replace,
            "title",
            json!(1),
            ScimType::InvalidValue,
            "`title` takes a string",
        ),
        (
            Replace,
            "name",
            json!("x"),
            ScimType::InvalidValue,
            "`name` takes an object",
        ),
        (
            Add,
            "name",
            json!({"familyName": 1}),
            ScimType::InvalidValue,
            "`name.familyName` takes a string",
        ),
        (
            Add,
            "emails",
            json!(["x"]),
            ScimType::InvalidValue,
            "`emails` takes an object",
        ),
        (
            Add,
            "emails",
            json!([{"value": "x", "primary": "yes"}]),
            ScimType::InvalidValue,
            "`emails.primary` takes true or false",
        ),
        (
            Add,
            "emails",
            json!([{"value": "x", "primary": true}, {"value": "y", "primary": true}]),
            ScimType::InvalidValue,
            "`emails` has more than one primary value",
        ),
        (
            Replace,
            "emails.primary",
            json!(true),
            ScimType::InvalidValue,
            "`emails.primary` has more than one primary value",
        ),
        (
            Replace,
            r#"userName[value eq "x"]"#,
            json!("x"),
            ScimType::InvalidPath,
            "`userName` has no elements to choose from",
        ),
    ];
    for (op, path, value, kind, text) in cases {
        // A path that the grammar itself refuses cannot come here.
        if parse::patch_path(path, &user(), &mut Accents::accepted()).is_ok() {
            refused(&before, (*op, path, value.clone()), *kind, text);
        }
    }
    let missing = Patch {
        changes: vec![Change {
            value: None,
            ..change(&user(), Add, "title", json!("x"))
        }],
        create_missing: true,
    };
    assert_eq!(
        run(&user(), &before, &missing),
        Err((ScimType::InvalidValue, "`title` is given no value".into()))
    );
    let group = group();
    let immutable = Patch {
        changes: vec![change(
            &group,
            Replace,
            r#"members[value eq "1"].value"#,
            json!("2"),
        )],
        create_missing: true,
    };
    assert_eq!(
        run(&group, &json!({"members": [{"value": "1"}]}), &immutable),
        Err((
            ScimType::Mutability,
            "`members.value` cannot change once it is set".into()
        ))
    );
}

#[test]
fn all_or_nothing() {
    let schema = user();
    let before = json!({"userName": "a", "title": "x"});
    let patch = Patch {
        changes: vec![
            change(&schema, Replace, "title", json!("y")),
            change(&schema, Add, "emails", json!([{"value": "e"}])),
            change(&schema, Replace, "id", json!("1")),
        ],
        create_missing: true,
    };
    assert_eq!(
        run(&schema, &before, &patch).unwrap_err().0,
        ScimType::Mutability
    );
}

#[test]
fn attributes_that_the_schema_does_not_know_go_by_their_shape() {
    let schema = group();
    let case = |before: Value, case, after: Value| check_in(&schema, true, &before, case, &after);
    case(
        json!({"mail": ["a"]}),
        (Add, "mail", json!("b")),
        json!({"mail": ["a", "b"]}),
    );
    case(
        json!({}),
        (Add, "mail", json!(["b", "b"])),
        json!({"mail": ["b"]}),
    );
    case(
        json!({"mail": ["a", "B"]}),
        (Remove, "mail", json!(["b", "a"])),
        json!({"mail": ["B"]}),
    );
    case(
        json!({"cn": "x"}),
        (Replace, "cn", json!("y")),
        json!({"cn": "y"}),
    );
    case(
        json!({"o": {"a": 1}}),
        (Add, "o", json!({"b": 2})),
        json!({"o": {"a": 1, "b": 2}}),
    );
    case(json!({}), (Add, "o.b", json!(2)), json!({"o": {"b": 2}}));
    case(
        json!({}),
        (Replace, r#"tel[kind eq "x"].number"#, json!(1)),
        json!({"tel": [{"kind": "x", "number": 1}]}),
    );
}
