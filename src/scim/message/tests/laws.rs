//! What holds whatever a client sends.

use proptest::prelude::*;

use super::*;
use crate::scim::patch;
use crate::scim::resource::Resource;

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop::sample::select(vec![
        json!(null),
        json!(""),
        json!("x"),
        json!("True"),
        json!(" false "),
        json!(true),
        json!(7),
        json!([]),
        json!({}),
    ]);
    leaf.prop_recursive(4, 16, 4, |inner| {
        let name = prop::sample::select(vec![
            "value",
            "type",
            "$ref",
            "primary",
            "active",
            "title",
            "emails",
            "manager",
            "members",
            "schemas",
            "addresses",
            "locality",
            "display",
            "displayName",
            "members[value eq \"x\"]",
            "name",
            "givenName",
            "name.givenName",
            "emails[type eq \"work\"].value",
            "urn:x:y:2.0:User",
            "a b",
            "id",
            ENTERPRISE_USER,
            "urn:ietf:params:scim:schemas:core:2.0:User",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::hash_map(name, inner, 0..4).prop_map(|members| json!(members)),
        ]
    })
}

fn any_operation() -> impl Strategy<Value = Value> {
    let op = prop::sample::select(vec!["add", "Replace", "remove"]);
    let path = prop::sample::select(vec![
        "title",
        "active",
        "name",
        "name.givenName",
        "emails",
        "emails.value",
        "emails[type eq \"work\"]",
        "emails[type eq \"work\"].value",
        "emails[primary eq \"True\"].type",
        "emails.type",
        "emails.$ref",
        "emails.primary",
        "members",
        "members.value",
        "members[value eq \"x\"]",
        "members[value eq \"x\"].display",
        "addresses",
        "name[givenName eq \"x\"]",
        "groups",
        "schemas",
        "meta",
        "meta.version",
        "urn:ietf:params:scim:schemas:core:2.0:User",
        "urn:ietf:params:scim:schemas:core:2.0:User:active",
        "manager",
        "manager[value eq \"x\"]",
        "unknown",
        "unknown.sub",
        ENTERPRISE_USER,
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value",
        "urn:x:y:2.0:User:z",
    ]);
    let (path, value) = (prop::option::of(path), prop::option::of(any_value()));
    (op, path, value).prop_map(|(op, path, value)| {
        let mut operation = json!({ "op": op });
        if let Some(path) = path {
            operation["path"] = path.into();
        }
        if let Some(value) = value {
            operation["value"] = value;
        }
        operation
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_read_is_the_rfc_and_stays_so(
        operations in prop::collection::vec(any_operation(), 1..4),
        of_user in any::<bool>(),
    ) {
        let schema = if of_user { user() } else { group() };
        let body = json!({"schemas": [PATCH_OP], "Operations": operations});
        let Ok(patch) = patch_request(body, &schema, &mut Accents::accepted()) else {
            return Ok(());
        };
        // It may be applied or refused, and does not panic.
        let _ = patch::apply(&mut Resource::new(), &patch, &schema);
        let printed = patch_value(&patch);
        if printed["Operations"] == json!([]) {
            return Ok(());
        }
        let again = patch_request(printed.clone(), &schema, &mut Accents::refused());
        prop_assert_eq!(again.map(|patch| patch_value(&patch)), Ok(printed));
    }

    #[test]
    fn no_body_panics(body in any_value()) {
        for schema in [user(), group()] {
            let _ = patch_request(body.clone(), &schema, &mut Accents::accepted());
            let operations = json!({"Operations": body});
            let _ = patch_request(operations, &schema, &mut Accents::accepted());
        }
        let _ = bulk_request(body.clone(), 10);
        let _ = bulk_request(json!({"schemas": [BULK_REQUEST], "Operations": body}), 10);
    }
}
