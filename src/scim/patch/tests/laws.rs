//! What holds whatever the resource and the changes.

use proptest::prelude::*;

use super::*;
use crate::scim::schema::ENTERPRISE_USER;

/// Resources and changes over few names and values, so that they meet.
fn text() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!("a"),
        json!("A"),
        json!("b"),
        json!("work"),
        json!("home"),
    ])
}

fn element() -> impl Strategy<Value = Value> {
    let flag = prop::option::of(any::<bool>());
    (prop::option::of(text()), prop::option::of(text()), flag).prop_map(|(value, kind, primary)| {
        let mut parts = Map::new();
        value.map(|v| parts.insert("value".into(), v));
        kind.map(|v| parts.insert("type".into(), v));
        primary.map(|v| parts.insert("primary".into(), v.into()));
        parts.into()
    })
}

fn any_resource() -> impl Strategy<Value = Value> {
    let emails = prop::collection::vec(element(), 0..4).prop_map(|mut emails| {
        emails.retain(|email| email != &json!({}));
        let mut seen = false;
        for email in &mut emails {
            if email["primary"] == json!(true) {
                if seen {
                    email["primary"] = json!(false);
                }
                seen = true;
            }
        }
        emails
    });
    (emails, prop::option::of(text()), prop::option::of(text())).prop_map(|(emails, title, dep)| {
        let mut map = json!({"userName": "u"});
        if !emails.is_empty() {
            map["emails"] = emails.into();
        }
        if let Some(title) = title {
            map["title"] = title;
        }
        if let Some(dep) = dep {
            map[ENTERPRISE_USER] = json!({ "department": dep });
        }
        map
    })
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        text(),
        element(),
        Just(json!(null)),
        Just(json!(true)),
        Just(json!(7)),
        Just(json!({})),
        prop::collection::vec(element(), 0..4).prop_map(Value::from),
        prop::collection::vec(text(), 0..3).prop_map(Value::from),
        (text(), text()).prop_map(|(a, b)| json!({"givenName": a, "department": b, "emails": [a]})),
    ]
}

fn any_change() -> impl Strategy<Value = Change> {
    let path = prop::sample::select(vec![
        "userName",
        "title",
        "name",
        "name.givenName",
        "emails",
        "emails.value",
        "emails.type",
        "emails.primary",
        r#"emails[type eq "work"]"#,
        r#"emails[type eq "work"].value"#,
        r#"emails[type eq "work"].primary"#,
        r#"emails[value eq "a"]"#,
        r#"emails[primary eq true]"#,
        r#"emails[type eq "home" and primary eq true].value"#,
        r#"emails[not (type eq "a")].type"#,
        "active",
        "id",
        "schemas",
        "other",
        "other.sub",
        r#"other[value eq "a"].type"#,
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager",
    ]);
    let op = prop::sample::select(vec![Add, Replace, Remove]);
    (op, path, any_value(), any::<bool>()).prop_filter_map("parses", |(op, path, value, none)| {
        let path = parse::patch_path(path, &user(), &mut Accents::accepted()).ok()?;
        let value = (!none).then_some(value);
        Some(Change { op, path, value })
    })
}

fn primaries(resource: &Value) -> usize {
    let emails = resource["emails"].as_array();
    emails.map_or(0, |all| {
        all.iter().filter(|e| e["primary"] == json!(true)).count()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn twice_is_once(
        before in any_resource(), change in any_change(), create_missing in any::<bool>(),
    ) {
        let schema = user();
        let patch = Patch { changes: vec![change], create_missing };
        if let Ok(once) = run(&schema, &before, &patch) {
            let twice = run(&schema, &once, &patch);
            // A change may take away what its own filter asks for; then a repeat finds nothing.
            if !matches!(&twice, Err((ScimType::NoTarget, _)) if once != before) {
                prop_assert_eq!(twice, Ok(once), "{:?}", patch.changes[0].value);
            }
        }
    }

    #[test]
    fn primary_stays_unique_and_errors_change_nothing(
        before in any_resource(), changes in prop::collection::vec(any_change(), 0..5),
    ) {
        let schema = user();
        let patch = Patch { changes, create_missing: true };
        if let Ok(after) = run(&schema, &before, &patch) {
            prop_assert!(primaries(&after) <= 1, "{:?}", patch);
        }
    }

    #[test]
    fn in_one_patch_is_one_after_the_other(
        before in any_resource(), changes in prop::collection::vec(any_change(), 1..4),
    ) {
        let schema = user();
        let patch = Patch { changes: changes.clone(), create_missing: true };
        let mut step = Ok(before.clone());
        for change in changes {
            let patch = Patch { changes: vec![change], create_missing: true };
            step = step.and_then(|before| run(&schema, &before, &patch));
        }
        prop_assert_eq!(run(&schema, &before, &patch).ok(), step.ok());
    }
}
