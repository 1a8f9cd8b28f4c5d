//! The laws, on random values: what is put comes back; PATCH then read is read then apply; a
//! filter means the same on either side; nothing panics.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::support::*;
use crate::mapping::kind::Class;
use crate::mapping::{Encoded, MappingError, Plan};
use crate::scim::accent::Accents;
use crate::scim::operation::{Document, Verb};
use crate::scim::query::Query;
use crate::scim::value::same;
use crate::scim::{parse, patch};

/// A rule of every kind; each line that is not one-way is lossless or its loss is not generated.
const EVERY_KIND: &str = "{scim: name.givenName, target: given}
    {scim: name.familyName, target: person.last}
    {scim: title, target: t, default: \"-\"}
    {scim: nickName, target: nick, suffix: \"@corp\"}
    {scim: displayName, target: shown, prefix: \"Dr. \"}
    {scim: userType, target: kind, values: {Employee: e, Intern: [i, trainee], Guest: 3}, otherwise: omit}
    {scim: active, target: status, values: {\"true\": staff, \"false\": leaver}, otherwise: \"true\"}
    {scim: locale, target: lang, as: number}
    {scim: 'emails[type eq \"work\"].value', target: mail}
    {scim: 'emails[type eq \"home\"].value', target: 'contacts[kind eq \"mail\"].at'}
    {scim: 'addresses[type eq \"work\"].locality', target: city}
    {scim: 'addresses[type eq \"work\"].country', target: land}
    {scim: phoneNumbers.value, target: phones, element: {type: work}}
    {scim: ims, target: chats}
    {scim: externalId, target: ext}
    {scim: 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department', target: 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:dept'}
    {scim: 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value', target: boss}
    {target: full, join: [name.givenName, name.familyName]}";

pub(super) fn every_kind(policy: &str) -> Arc<Plan> {
    users(EVERY_KIND, policy)
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-c]{1,3}",
        "[a-cA-C@ .\"\\\\é😀]{1,6}",
        Just("-x".to_owned()),
        Just("0".to_owned())
    ]
}

fn maybe<T: Clone + std::fmt::Debug>(
    strategy: impl Strategy<Value = T>,
) -> impl Strategy<Value = Option<T>> {
    prop::option::weighted(0.6, strategy)
}

prop_compose! {
    /// A user as a client would send it, within what the rule can hold.
    pub(super) fn user_document()(
        name in ("[a-z]{1,4}", maybe(text()), maybe(text()), maybe(text())),
        affixed in (maybe("[a-c]{1,3}"), maybe("[a-c]{1,3}")),
        tabled in (maybe(prop::sample::select(vec!["Employee", "Intern", "Guest"])), maybe(any::<bool>())),
        number in maybe(0u64..u64::MAX),
        mails in (maybe(text()), maybe(text())),
        address in (maybe(text()), maybe(text())),
        phones in prop::collection::btree_set("[0-9]{1,3}", 0..3),
        ims in prop::collection::vec((text(), text()), 0..2),
        enterprise in (maybe(text()), maybe("[0-9a-f]{1,4}"), maybe(text())),
    ) -> Value {
        let mut user = Map::new();
        let mut put = |path: &[&str], value: Option<Value>| {
            let (Some(value), Some((last, parents))) = (value, path.split_last()) else { return };
            let mut home = &mut user;
            for parent in parents {
                home = home.entry(*parent).or_insert_with(|| json!({})).as_object_mut().unwrap();
            }
            home.insert((*last).to_owned(), value);
        };
        put(&["userName"], Some(json!(name.0)));
        put(&["name", "givenName"], name.1.map(Value::from));
        put(&["name", "familyName"], name.2.map(Value::from));
        put(&["title"], name.3.map(Value::from));
        put(&["nickName"], affixed.0.map(|text| json!(format!("{text}@corp"))));
        put(&["displayName"], affixed.1.map(|text| json!(format!("Dr. {text}"))));
        put(&["userType"], tabled.0.map(Value::from));
        put(&["active"], tabled.1.map(Value::from));
        put(&["locale"], number.map(|n| json!(n.to_string())));
        let mail = |kind: &str, value: Option<String>| value.map(|v| json!({"value": v, "type": kind}));
        let mails: Vec<_> = [mail("work", mails.0), mail("home", mails.1)].into_iter().flatten().collect();
        put(&["emails"], (!mails.is_empty()).then(|| json!(mails)));
        let mut parts = Map::new();
        parts.extend(address.0.map(|v| ("locality".to_owned(), json!(v))));
        parts.extend(address.1.map(|v| ("country".to_owned(), json!(v))));
        if !parts.is_empty() {
            parts.insert("type".to_owned(), json!("work"));
            put(&["addresses"], Some(json!([parts])));
        }
        let phones: Vec<_> = phones.iter().map(|v| json!({"value": v, "type": "work"})).collect();
        put(&["phoneNumbers"], (!phones.is_empty()).then(|| json!(phones)));
        let ims: Vec<_> = ims.iter().map(|(v, d)| json!({"value": v, "display": d})).collect();
        put(&["ims"], (!ims.is_empty()).then(|| json!(ims)));
        put(&["externalId"], enterprise.0.map(Value::from));
        put(&[ENTERPRISE, "manager", "value"], enterprise.1.map(Value::from));
        put(&[ENTERPRISE, "department"], enterprise.2.map(Value::from));
        Value::Object(user)
    }
}

prop_compose! {
    /// A record of the directory, its odd values included.
    pub(super) fn record()(
        document in user_document(),
        kind in maybe(prop::sample::select(vec![json!("e"), json!("i"), json!("trainee"), json!(3), json!("odd")])),
        status in maybe(prop::sample::select(vec!["staff", "leaver", "sabbatical"])),
        title in maybe(prop::sample::select(vec!["-", "a", "b"])),
        note in maybe(text()),
    ) -> Value {
        let mut record = created(&every_kind("drop"), document).unwrap();
        record["id"] = json!("1");
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                record[name] = value;
            }
        };
        put("kind", kind);
        put("status", status.map(Value::from));
        put("t", title.map(Value::from));
        put("note", note.map(Value::from));
        record
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let name = prop::sample::select(vec![
            "value",
            "type",
            "primary",
            "givenName",
            "manager",
            "department",
            "kind",
            "at",
            "x",
            "$ref",
            "TYPE",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name, inner), 0..4).prop_map(|members| {
                Value::Object(
                    members
                        .into_iter()
                        .map(|(k, v)| (k.to_owned(), v))
                        .collect(),
                )
            }),
        ]
    })
}

pub(super) fn any_document() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec![
        "userName",
        "name",
        "title",
        "nickName",
        "active",
        "emails",
        "addresses",
        "phoneNumbers",
        "ims",
        ENTERPRISE,
        "login",
        "given",
        "person",
        "status",
        "mail",
        "contacts",
        "phones",
        "chats",
        "id",
        "meta",
        "schemas",
        "groups",
        "password",
        "other",
        "urn:x:y",
        "kind",
        "lang",
        "boss",
    ]);
    prop::collection::vec((name, any_json()), 0..8).prop_map(|members| {
        Value::Object(
            members
                .into_iter()
                .map(|(k, v)| (k.to_owned(), v))
                .collect(),
        )
    })
}

fn filter_text() -> impl Strategy<Value = String> {
    let path = prop::sample::select(vec![
        "userName",
        "name.givenName",
        "name.familyName",
        "title",
        "nickName",
        "displayName",
        "userType",
        "active",
        "locale",
        "emails.value",
        "emails",
        "emails.type",
        "phoneNumbers.value",
        "ims.display",
        "externalId",
        "addresses.locality",
        "id",
    ]);
    let value = prop_oneof![
        Just("true".to_owned()),
        Just("null".to_owned()),
        prop::sample::select(vec![
            "a", "ab", "@corp", "b@corp", "c@", "Dr. ", "Dr. a", ". a", "D", "employee", "intern",
            "work", "home", "-", "1", "corp", "e",
        ])
        .prop_map(|text| format!("\"{text}\"")),
    ];
    let op = prop::sample::select(vec!["eq", "ne", "co", "sw", "ew", "gt", "le"]);
    let compare =
        (path.clone(), op.clone(), value.clone()).prop_map(|(p, o, v)| format!("{p} {o} {v}"));
    let present = path.prop_map(|p| format!("{p} pr"));
    let element = (
        prop::sample::select(vec!["emails", "phoneNumbers"]),
        prop::sample::select(vec![
            "type eq \"work\"",
            "type eq \"home\"",
            "type ne \"work\"",
            "value pr",
            "type pr",
        ]),
        op,
        value,
    )
        .prop_map(|(p, t, o, v)| format!("{p}[{t} and value {o} {v}]"));
    let leaf = prop_oneof![4 => compare, 1 => present, 2 => element];
    leaf.prop_recursive(2, 6, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) and ({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) or ({b})")),
            inner.prop_map(|a| format!("not ({a})")),
        ]
    })
}

fn operation_of_patch() -> impl Strategy<Value = Value> {
    let single = prop::sample::select(vec![
        "userName",
        "name.givenName",
        "name.familyName",
        "title",
        "externalId",
        "emails[type eq \"work\"].value",
        "emails[type eq \"home\"].value",
        "addresses[type eq \"work\"].country",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
    ]);
    let set = (
        prop::sample::select(vec!["add", "replace"]),
        single.clone(),
        "[a-c]{1,2}",
    )
        .prop_map(|(op, path, value)| json!({"op": op, "path": path, "value": value}));
    let remove = single
        .prop_filter("userName stays", |path| *path != "userName")
        .prop_map(|path| json!({"op": "remove", "path": path}));
    let phones = (
        prop::sample::select(vec!["add", "replace"]),
        prop::collection::vec("[0-9]", 0..3),
    )
        .prop_map(|(op, values)| {
            let values: Vec<_> = values
                .iter()
                .map(|v| json!({"value": v, "type": "work"}))
                .collect();
            json!({"op": op, "path": "phoneNumbers", "value": values})
        });
    let ims = (prop::sample::select(vec!["add", "replace"]), "[a-b]").prop_map(
        |(op, v)| json!({"op": op, "path": "ims", "value": [{"value": v, "display": "d"}]}),
    );
    let tables = prop_oneof![
        any::<bool>().prop_map(|v| json!({"op": "replace", "path": "active", "value": v})),
        prop::sample::select(vec!["Employee", "Intern", "Guest"])
            .prop_map(|v| json!({"op": "replace", "path": "userType", "value": v})),
        Just(json!({"op": "remove", "path": "userType"})),
        "[a-c]{1,2}"
            .prop_map(|v| json!({"op": "add", "path": "nickName", "value": format!("{v}@corp")})),
    ];
    let names = (maybe("[a-c]"), maybe("[a-c]")).prop_map(|(given, family)| {
        json!({"op": "replace", "path": "name", "value": {"givenName": given, "familyName": family}})
    });
    prop_oneof![4 => set, 2 => remove, 1 => phones, 1 => ims, 2 => tables, 1 => names]
}

/// An element of which only the fixed parts are left is nothing to the directory.
fn without_shells(mut value: Value) -> Value {
    for name in ["emails", "addresses"] {
        if let Some(Value::Array(items)) = value.get_mut(name) {
            items.retain(|item| item.as_object().unwrap().keys().any(|key| key != "type"));
            // The order of elements is the rule's, not the client's.
            items.sort_by_key(|item| item["type"].to_string());
            if items.is_empty() {
                value.as_object_mut().unwrap().shift_remove(name);
            }
        }
    }
    value
}

/// The directory's own reading of filters and patches: it knows what is multi-valued only from the
/// values, as an old directory would.
fn apply_upstream(before: &Value, encoded: Encoded) -> Value {
    match encoded {
        Encoded::Unchanged(_) | Encoded::Empty => before.clone(),
        Encoded::Ask(operation) => match operation.verb {
            Verb::Replace(_, document) => tree(document),
            Verb::Patch(_, changes) => {
                let mut after = resource(before.clone());
                patch::apply(&mut after, &changes, &flat()).unwrap();
                after.into()
            }
            other => panic!("{other:?}"),
        },
    }
}

/// The schema of the directory: nothing is known but what holds several values.
fn flat() -> crate::scim::schema::TypeSchema {
    use crate::scim::schema::{Attribute, Kind, Schema, TypeSchema};
    let name = |text: &str| text.parse().unwrap();
    TypeSchema {
        name: user(),
        endpoint: "".into(),
        description: "".into(),
        base: Arc::new(Schema::new(
            "urn:directory".parse().unwrap(),
            "Directory",
            "",
            vec![
                Attribute::new(name("phones"), Kind::String).many(),
                Attribute::new(name("chats"), Kind::Complex).many(),
                Attribute::new(name("ext"), Kind::String).exact(),
                Attribute::new(name("boss"), Kind::String).exact(),
            ],
        )),
        extensions: Vec::new(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, max_global_rejects: 100_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_put_comes_back(document in user_document(), policy in prop::sample::select(vec!["drop", "reject", "pass"])) {
        let plan = every_kind(policy);
        let mut record = created(&plan, document.clone()).unwrap();
        record["id"] = json!("1");
        let mut back = bare(seen(&plan, record));
        if let Some(manager) = back.pointer_mut(&format!("/{ENTERPRISE}/manager")) {
            manager.as_object_mut().unwrap().shift_remove("$ref");
        }
        prop_assert!(same(&back, &document), "{back}\n{document}");
    }

    #[test]
    fn a_put_of_what_was_read_changes_nothing(record in record()) {
        let plan = every_kind("drop");
        let document = bare(seen(&plan, record.clone()));
        let put = replaced(&plan, record.clone(), document).unwrap();
        // The join alone is made anew from what is known now.
        let without = |mut value: Value| { value.as_object_mut().unwrap().shift_remove("full"); bare(value) };
        prop_assert!(same(&without(put.clone()), &without(record.clone())), "{put}\n{record}");
    }

    #[test]
    fn put_then_read_is_what_was_put(record in record(), document in user_document()) {
        let plan = every_kind("drop");
        let put = replaced(&plan, record.clone(), document.clone()).unwrap();
        prop_assert_eq!(put.get("note"), record.get("note"));
        let mut back = bare(seen(&plan, put));
        if let Some(manager) = back.pointer_mut(&format!("/{ENTERPRISE}/manager")) {
            manager.as_object_mut().unwrap().shift_remove("$ref");
        }
        prop_assert!(same(&back, &document), "{back}\n{document}");
    }

    #[test]
    fn patch_then_read_is_read_then_apply(record in record(), operations in prop::collection::vec(operation_of_patch(), 1..4), has_patch in any::<bool>()) {
        let plan = every_kind("drop");
        let abilities = if has_patch { FULL } else { PLAIN };
        let operations = Value::from(operations);
        let mut wanted = resource(seen(&plan, record.clone()));
        let schema = plan.endpoint("Users").unwrap();
        let applied = patch::apply(&mut wanted, &patch_of(&plan, operations.clone()), schema);
        prop_assume!(applied.is_ok());
        let encoded = patched(&plan, abilities, record.clone(), operations.clone()).unwrap();
        let sent = format!("{encoded:?}");
        let after = apply_upstream(&record, encoded);
        let got = without_shells(bare(seen(&plan, after.clone())));
        let wanted = without_shells(bare(wanted.into()));
        prop_assert!(same(&got, &wanted), "{operations}\nbefore {record}\nsent {sent}\nafter {after}\ngot {got}\nwanted {wanted}");
    }

    #[test]
    fn a_filter_means_the_same_on_either_side(record in record(), text in filter_text()) {
        let plan = every_kind("drop");
        let schema = plan.endpoint("Users").unwrap();
        let parsed = parse::filter(&text, schema, &mut Accents::accepted());
        prop_assume!(parsed.is_ok());
        let filter = parsed.unwrap();
        let query = Query { filter: Some(filter.clone()), ..Query::default() };
        let pushed = match encode(&plan, operation(Verb::List(query)), FULL, None) {
            Ok((Encoded::Empty, _)) => Some(None),
            Ok((Encoded::Ask(operation), _)) => match operation.verb {
                Verb::List(query) => Some(query.filter),
                other => panic!("{other:?}"),
            },
            Ok((other, _)) => panic!("{other:?}"),
            Err(MappingError::Refused(..)) => None,
            Err(other) => panic!("{other:?}"),
        };
        let full = plan.ty(&user()).unwrap().full.clone();
        let client = filter.matches(&resource(seen(&plan, record.clone())), &full);
        let upstream = resource(record.clone());
        let empty = matches!(pushed, Some(None));
        match pushed {
            None => return Err(TestCaseError::reject("it cannot be asked")),
            Some(None) => {
                // No filter is all, or the provably empty list.
                let all = filtered(&plan, &text).unwrap().is_some();
                prop_assert_eq!(client, all && empty, "{} on {}", text, record);
            }
            Some(Some(filter)) => {
                prop_assert_eq!(client, filter.matches(&upstream, &flat()), "{} became {} on {}", text, filter, record);
            }
        }
    }

    #[test]
    fn nothing_panics(document in any_document(), before in any_document(), policy in prop::sample::select(vec!["drop", "reject", "pass"])) {
        let plan = every_kind(policy);
        let _ = created(&plan, document.clone());
        let mut upstream = before;
        upstream["id"] = json!("1");
        let shown = seen(&plan, upstream.clone());
        prop_assert!(shown["id"] == "1" && shown["meta"]["location"].is_string());
        let _ = replaced(&plan, upstream.clone(), document.clone());
        let verb = || Verb::Replace("1".parse().unwrap(), Document::Tree(resource(document.clone())));
        let _ = encode(&plan, operation(verb()), FULL, None);
        for (name, value) in document.as_object().unwrap() {
            let body = json!({"schemas": [crate::scim::message::PATCH_OP],
                "Operations": [{"op": "add", "path": name, "value": value}, {"op": "remove", "path": name}]});
            let schema = plan.endpoint("Users").unwrap();
            if let Ok(patch) = crate::scim::message::patch_request(body, schema, &mut Accents::accepted()) {
                let verb = || Verb::Patch("1".parse().unwrap(), patch.clone());
                let _ = encode(&plan, operation(verb()), FULL, None);
                let _ = encode(&plan, operation(verb()), FULL, Some(upstream.clone()));
            }
        }
    }

    #[test]
    fn a_secret_never_comes_back(document in any_document()) {
        let plan = users("{scim: password, target: hidden}", "pass");
        let mut record = document;
        record["id"] = json!("1");
        record["hidden"] = json!("s3cret");
        record["userPassword"] = json!("s3cret");
        prop_assert!(!seen(&plan, record).to_string().contains("s3cret"));
    }
}

#[test]
fn every_line_of_the_rule_keeps_its_law() {
    let plan = every_kind("drop");
    for line in plan.lines() {
        let lossy = matches!(line.class, Class::Lossy(_));
        let expected = matches!(line.kind, "element" | "values") || line.scim == "title";
        assert_eq!(lossy, expected, "{} {}", line.scim, line.class);
    }
}
