//! Multi-valued attributes: all of them, elements by filter, members.

use super::*;
use crate::scim::schema::group;

#[test]
fn adding_to_many_adds_what_is_not_there() {
    let before = json!({"emails": [
        {"value": "a@x", "type": "work", "primary": true}, {"value": "b@x", "type": "home"},
    ]});
    let added = |element: Value| {
        let mut after = before.clone();
        after["emails"].as_array_mut().unwrap().push(element);
        after
    };
    check(
        &before,
        (Add, "emails", json!([{"value": "c@x"}])),
        &added(json!({"value": "c@x"})),
    );
    check(
        &before,
        (Add, "emails", json!({"value": "c@x"})),
        &added(json!({"value": "c@x"})),
    );
    check(
        &before,
        (Add, "emails.value", json!("c@x")),
        &added(json!({"value": "c@x"})),
    );
    check(
        &before,
        (
            Add,
            "emails",
            json!([{"value": "A@X"}, {"value": "b@x", "type": "HOME"}]),
        ),
        &json!({"emails": [
            {"value": "a@x", "type": "work", "primary": true}, {"value": "b@x", "type": "HOME"},
        ]}),
    );
    check(
        &before,
        (Add, "emails", json!([{"value": "a@x", "type": "home"}])),
        &added(json!({"value": "a@x", "type": "home"})),
    );
    check(&before, (Add, "emails", json!([])), &before);
    check(&before, (Add, "emails", json!(null)), &before);
    check(
        &before,
        (Add, "emails", json!([null, {}, {"value": null}])),
        &before,
    );
    check(
        &before,
        (Add, "emails", json!([{"value": "c", "primary": true}])),
        &json!({"emails": [
            {"value": "a@x", "type": "work", "primary": false}, {"value": "b@x", "type": "home"},
            {"value": "c", "primary": true},
        ]}),
    );
    check(
        &before,
        (Add, "emails", json!([{"value": "b@x", "primary": true}])),
        &json!({"emails": [
            {"value": "a@x", "type": "work", "primary": false},
            {"value": "b@x", "type": "home", "primary": true},
        ]}),
    );
    // The same element twice in one request is one.
    check(
        &json!({}),
        (Add, "emails", json!([{"value": "a"}, {"value": "A"}])),
        &json!({"emails": [{"value": "a"}]}),
    );
    // Without a `value`, the whole is compared.
    check(
        &json!({"addresses": [{"locality": "x"}]}),
        (
            Add,
            "addresses",
            json!([{"locality": "x"}, {"locality": "y"}]),
        ),
        &json!({"addresses": [{"locality": "x"}, {"locality": "y"}]}),
    );
}

#[test]
fn replacing_many() {
    let before =
        json!({"emails": [{"value": "a", "type": "work"}, {"value": "b", "type": "home"}]});
    check(
        &before,
        (Replace, "emails", json!([{"value": "c"}])),
        &json!({"emails": [{"value": "c"}]}),
    );
    check(
        &before,
        (Replace, "emails", json!({"value": "c"})),
        &json!({"emails": [{"value": "c"}]}),
    );
    check(&before, (Replace, "emails", json!([])), &json!({}));
    check(&before, (Replace, "emails", json!(null)), &json!({}));
    check(
        &before,
        (Replace, "emails", json!([{"value": "c"}, {"value": "c"}])),
        &json!({"emails": [{"value": "c"}]}),
    );
    check(
        &before,
        (Replace, "emails.type", json!("other")),
        &json!({"emails": [{"value": "a", "type": "other"}, {"value": "b", "type": "other"}]}),
    );
    check(
        &before,
        (Replace, "emails.value", json!(["c", "d"])),
        &json!({"emails": [{"value": "c"}, {"value": "d"}]}),
    );
    check(
        &json!({}),
        (Replace, "emails.value", json!("c")),
        &json!({"emails": [{"value": "c"}]}),
    );
}

#[test]
fn removing_from_many() {
    let before = json!({"emails": [{"value": "a", "type": "work"}, {"value": "a", "type": "home"},
        {"value": "b"}]});
    check(&before, (Remove, "emails", json!(null)), &json!({}));
    check(&before, (Remove, "emails", json!([])), &before);
    check(
        &before,
        (Remove, "emails", json!([{"value": "a", "display": "x"}])),
        &json!({"emails": [{"value": "b"}]}),
    );
    check(
        &before,
        (Remove, "emails", json!({"value": "a", "type": "work"})),
        &json!({"emails": [{"value": "a", "type": "home"}, {"value": "b"}]}),
    );
    check(
        &before,
        (Remove, "emails", json!("B")),
        &json!({"emails": [{"value": "a", "type": "work"}, {"value": "a", "type": "home"}]}),
    );
    check(
        &before,
        (Remove, "emails", json!([{"value": "z"}])),
        &before,
    );
    check(
        &before,
        (Remove, "emails.type", json!(null)),
        &json!({"emails": [{"value": "a"}, {"value": "a"}, {"value": "b"}]}),
    );
    check(&before, (Remove, "emails.value", json!(null)), &json!({}));
    check(
        &before,
        (Remove, r#"emails[type eq "work"]"#, json!(null)),
        &json!({"emails": [{"value": "a", "type": "home"}, {"value": "b"}]}),
    );
    check(
        &before,
        (Remove, r#"emails[type eq "work"].value"#, json!(null)),
        &json!({"emails": [{"value": "a", "type": "home"}, {"value": "b"}]}),
    );
    check(
        &before,
        (Remove, r#"emails[type eq "other"]"#, json!(null)),
        &before,
    );
    check(
        &before,
        (Replace, r#"emails[type eq "work"]"#, json!(null)),
        &json!({"emails": [{"value": "a", "type": "home"}, {"value": "b"}]}),
    );
}

#[test]
fn elements_by_filter() {
    let before = json!({"emails": [
        {"value": "a", "type": "work", "primary": true, "display": "A"}, {"value": "b", "type": "home"},
    ]});
    for op in [Add, Replace] {
        check(
            &before,
            (
                op,
                r#"emails[type eq "WORK" and value sw "A"].value"#,
                json!("a2"),
            ),
            &json!({"emails": [{"value": "a2", "type": "work", "primary": true, "display": "A"},
                {"value": "b", "type": "home"}]}),
        );
        check(
            &before,
            (op, r#"emails[type eq "home"].primary"#, json!(true)),
            &json!({"emails": [{"value": "a", "type": "work", "primary": false, "display": "A"},
                {"value": "b", "type": "home", "primary": true}]}),
        );
    }
    // `replace` puts the new element in its place; what the filter asks for stays.
    check(
        &before,
        (Replace, r#"emails[type eq "work"]"#, json!({"value": "c"})),
        &json!({"emails": [{"type": "work", "value": "c"}, {"value": "b", "type": "home"}]}),
    );
    check(
        &before,
        (Add, r#"emails[type eq "work"]"#, json!({"value": "c"})),
        &json!({"emails": [{"value": "c", "type": "work", "primary": true, "display": "A"},
            {"value": "b", "type": "home"}]}),
    );
}

#[test]
fn a_missing_element_is_made_where_accents_are_accepted() {
    let path = r#"emails[type eq "work"].value"#;
    for op in [Add, Replace] {
        check(
            &json!({}),
            (op, path, json!("a")),
            &json!({"emails": [{"type": "work", "value": "a"}]}),
        );
        check(
            &json!({"emails": [{"value": "b"}]}),
            (op, path, json!("a")),
            &json!({"emails": [{"value": "b"}, {"type": "work", "value": "a"}]}),
        );
        check(
            &json!({"phoneNumbers": [{"value": "1", "primary": true}]}),
            (
                op,
                r#"phoneNumbers[type eq "fax" and primary eq true]"#,
                json!({"value": "2"}),
            ),
            &json!({"phoneNumbers": [{"value": "1", "primary": false},
                {"type": "fax", "primary": true, "value": "2"}]}),
        );
        refused(
            &json!({}),
            (op, path, json!("a")),
            ScimType::NoTarget,
            "`emails.value` has no value that the filter matches",
        );
    }
    // Not where the filter does not say what to make, or a repeat would make another.
    for path in [
        r#"emails[type ne "work"].value"#,
        r#"emails[type eq "a" or type eq "b"].value"#,
        r#"emails[not (type eq "work")].value"#,
        r#"emails[value eq "a"].display"#,
        r#"emails[type eq "work"].type"#,
    ] {
        let schema = user();
        let changes = vec![change(&schema, Replace, path, json!("x"))];
        let patch = Patch {
            changes,
            create_missing: true,
        };
        assert_eq!(
            run(&schema, &json!({}), &patch).unwrap_err().0,
            ScimType::NoTarget,
            "{path}"
        );
    }
}

#[test]
fn members() {
    let check = |before: &Value, case: (PatchOp, &str, Value), after: &Value| {
        check_in(&group(), true, before, case, after);
    };
    let before = json!({"displayName": "g", "members": [{"value": "1"}, {"value": "2"}]});
    let only = |ids: &[&str]| {
        let members: Vec<_> = ids.iter().map(|id| json!({ "value": id })).collect();
        if members.is_empty() {
            json!({"displayName": "g"})
        } else {
            json!({"displayName": "g", "members": members})
        }
    };
    check(
        &before,
        (Add, "members", json!([{"value": "3"}, {"value": "1"}])),
        &only(&["1", "2", "3"]),
    );
    check(
        &before,
        (Remove, "members", json!([{"value": "1"}])),
        &only(&["2"]),
    );
    check(
        &before,
        (Remove, r#"members[value eq "1"]"#, json!(null)),
        &only(&["2"]),
    );
    check(&before, (Remove, "members", json!(null)), &only(&[]));
    check(&before, (Replace, "members", json!([])), &only(&[]));
    // Members compare with case, and what is known of one does not change.
    let ab = json!({"members": [{"value": "a"}]});
    check(
        &ab,
        (Add, "members", json!([{"value": "A"}])),
        &json!({"members": [{"value": "a"}, {"value": "A"}]}),
    );
    check(
        &json!({"members": [{"value": "a", "display": "x"}]}),
        (Add, "members", json!([{"value": "a", "display": "y"}])),
        &json!({"members": [{"value": "a", "display": "x"}]}),
    );
}

#[test]
fn large_groups_take_many_changes() {
    let members: Vec<_> = (0..50_000)
        .map(|n| json!({"value": format!("id{n}")}))
        .collect();
    let before = json!({"displayName": "g", "members": members});
    let schema = group();
    let mut changes = Vec::new();
    for n in 49_500..50_500 {
        changes.push(change(
            &schema,
            Add,
            "members",
            json!([{"value": format!("id{n}")}]),
        ));
    }
    for n in 0..1_000 {
        let path = format!(r#"members[value eq "id{n}"]"#);
        changes.push(change(&schema, Remove, &path, json!(null)));
    }
    let patch = Patch {
        changes,
        create_missing: false,
    };
    let after = run(&schema, &before, &patch).unwrap();
    let members = after["members"].as_array().unwrap();
    assert_eq!(members.len(), 49_500);
    assert_eq!(members[0]["value"], "id1000");
    assert_eq!(members[49_499]["value"], "id50499");
}

#[test]
fn the_index_finds_what_a_look_at_each_finds() {
    // Above the threshold, with types that are there or not.
    let one = |n: usize| match n % 3 {
        0 => json!({"value": format!("v{}", n / 6)}),
        1 => json!({"value": format!("V{}", n / 6), "type": "work"}),
        _ => json!({"value": format!("v{}", n / 6), "type": "home", "display": "d"}),
    };
    let all: Vec<_> = (0..60).map(one).collect();
    let schema = user();
    let at_once = Patch {
        changes: vec![change(&schema, Add, "emails", all.clone().into())],
        create_missing: false,
    };
    let expected = run(&schema, &json!({}), &at_once).unwrap();
    let mut after = json!({});
    for element in all {
        let patch = Patch {
            changes: vec![change(&schema, Add, "emails", json!([element]))],
            create_missing: false,
        };
        after = run(&schema, &after, &patch).unwrap();
    }
    assert_eq!(after, expected);
}

#[test]
fn what_was_created_is_counted_and_work_is_bounded() {
    let schema = user();
    let patch = Patch {
        changes: vec![
            change(
                &schema,
                Replace,
                r#"emails[type eq "work"].value"#,
                json!("a"),
            ),
            change(
                &schema,
                Replace,
                r#"emails[type eq "work"].display"#,
                json!("b"),
            ),
        ],
        create_missing: true,
    };
    let mut after = resource(&json!({}));
    let applied = apply_noting(&mut after, &patch, &schema).unwrap();
    assert_eq!((applied.changed, applied.created), (true, 1));
    let applied = apply_noting(&mut after, &patch, &schema).unwrap();
    assert_eq!((applied.changed, applied.created), (false, 0));

    let emails: Vec<_> = (0..20_000)
        .map(|n| json!({"value": format!("{n}")}))
        .collect();
    let before = json!({ "emails": emails });
    let filtered = |count: usize| Patch {
        changes: vec![
            change(
                &schema,
                Remove,
                r#"emails[type eq "x"].display"#,
                json!(null)
            );
            count
        ],
        create_missing: false,
    };
    assert!(run(&schema, &before, &filtered(20)).is_ok());
    let error = run(&schema, &before, &filtered(501)).unwrap_err();
    assert_eq!(error.0, ScimType::TooMany);
}
