//! PATCH by example, and its laws.

mod laws;
mod plural;
mod single;

use serde_json::json;

use super::*;
use crate::scim::accent::Accents;
use crate::scim::parse;
use crate::scim::schema::user;
use PatchOp::{Add, Remove, Replace};

fn change(schema: &TypeSchema, op: PatchOp, path: &str, value: Value) -> Change {
    let path = parse::patch_path(path, schema, &mut Accents::accepted()).unwrap();
    let value = (op != Remove || !value.is_null()).then_some(value);
    Change { op, path, value }
}

fn resource(value: &Value) -> Resource {
    value.as_object().cloned().unwrap().into()
}

/// Applies one change; gives the resource after it, or the error's keyword and text.
fn run(schema: &TypeSchema, before: &Value, patch: &Patch) -> Result<Value, (ScimType, String)> {
    let mut after = resource(before);
    let outcome = apply(&mut after, patch, schema);
    let after = Value::from(after);
    match outcome {
        Ok(changed) => {
            assert_eq!(changed, after != *before);
            Ok(after)
        }
        Err(error) => {
            assert_eq!(after, *before, "not atomic: {}", error.detail);
            Err((error.scim_type, error.detail))
        }
    }
}

#[track_caller]
fn check(before: &Value, (op, path, value): (PatchOp, &str, Value), expected: &Value) {
    check_in(&user(), true, before, (op, path, value), expected);
}

#[track_caller]
fn check_in(
    schema: &TypeSchema,
    create_missing: bool,
    before: &Value,
    (op, path, value): (PatchOp, &str, Value),
    expected: &Value,
) {
    let patch = Patch {
        changes: vec![change(schema, op, path, value)],
        create_missing,
    };
    let after = run(schema, before, &patch).unwrap();
    assert_eq!(after, *expected, "{:?}", patch.changes);
    assert_eq!(
        run(schema, &after, &patch).unwrap(),
        after,
        "a repeat changes it: {patch:?}"
    );
}

#[track_caller]
fn refused(before: &Value, (op, path, value): (PatchOp, &str, Value), kind: ScimType, text: &str) {
    let schema = user();
    let patch = Patch {
        changes: vec![change(&schema, op, path, value)],
        create_missing: false,
    };
    assert_eq!(run(&schema, before, &patch), Err((kind, text.to_owned())));
}

#[test]
fn debug_shows_no_values() {
    let secret = change(
        &user(),
        Replace,
        r#"emails[value eq "a@x"].display"#,
        json!("b"),
    );
    assert_eq!(format!("{secret:?}"), "replace emails.display (by filter)");
}
