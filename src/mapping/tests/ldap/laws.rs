//! The laws on random accounts: what is put comes back; putting it again changes nothing; the bits
//! and the values of others stay.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const LINES: &str = "tenant_url: https://scim.example.com/t/scim/v2
backend: {ldap: {urls: [ldap://127.0.0.1], bind: {dn: \"cn=p\", password_file: p}, flavor: openldap}}
schemas:
  \"urn:acme:2.0:User\": {never: boolean, count: integer, until: dateTime, since: dateTime, day: dateTime, win: dateTime, key: string}
resources:
  User:
    extensions: [\"urn:acme:2.0:User\"]
    entry: {base: \"o=x\", filter: \"(objectClass=person)\"}
    attributes:
      - {scim: userName, target: uid, suffix: [\"@a.example\", \"@b.example\"], domain: o}
      - {scim: active, target: flags, bit: 2, inverted: true, default: 512}
      - {scim: 'urn:acme:2.0:User:never', target: flags, bit: 65536}
      - {scim: 'urn:acme:2.0:User:count', target: count}
      - {scim: 'urn:acme:2.0:User:until', target: until}
      - {scim: 'urn:acme:2.0:User:since', target: since, as: epoch-seconds}
      - {scim: 'urn:acme:2.0:User:day', target: shadowExpire, as: epoch-days}
      - {scim: 'urn:acme:2.0:User:win', target: accountExpires, as: filetime}
      - {scim: 'urn:acme:2.0:User:key', target: key, as: guid}
      - {scim: nickName, target: upn, swap: {\"@out\": \"@in\"}}
      - {scim: userType, target: kind, values: {Employee: 1, Guest: \"g\"}, otherwise: omit}
      - {scim: phoneNumbers.value, target: phone}
      - {scim: externalId, target: ext}
";

fn everything() -> std::sync::Arc<Plan> {
    plan(LINES)
}

prop_compose! {
    fn account()(
        name in "[a-z]{1,4}@(a|b)\\.example",
        flags in (any::<bool>(), any::<bool>()),
        count: i64,
        times in prop::collection::vec(0i64..4_000_000_000, 4),
        key: [u8; 16],
        nick in "[a-z]{1,3}@out",
        kind in prop::sample::select(vec!["Employee", "Guest"]),
        phones in prop::collection::btree_set("[0-9]{1,3}", 1..4),
        ext in "[ -~é😀]{1,8}",
    ) -> Value {
        let time = |seconds: i64| crate::scim::value::Instant::print(seconds, 0);
        let phones: Vec<Value> = phones.iter().map(|phone| json!({"value": phone})).collect();
        json!({"userName": name, "active": flags.0, "nickName": nick, "userType": kind, "externalId": ext,
            "phoneNumbers": phones, "urn:acme:2.0:User": {"never": flags.1, "count": count,
                "until": time(times[0]), "since": time(times[1]), "day": time(times[2] / 86_400 * 86_400),
                "win": time(times[3]), "key": crate::ldap::id::guid_text(&key)}})
    }
}

fn entry_of(document: Value) -> Value {
    let mut entry = created(&everything(), document).unwrap();
    entry["entryUUID"] = json!(UUID);
    entry
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_put_comes_back_and_is_text(document in account()) {
        let entry = entry_of(document.clone());
        for (name, value) in entry.as_object().unwrap() {
            let texts = match value {
                Value::Array(items) => items.iter().all(Value::is_string),
                one => one.is_string(),
            };
            prop_assert!(texts, "{} is {}", name, value);
        }
        let seen = bare(seen(&everything(), entry));
        prop_assert_eq!(crate::scim::value::same(&seen, &document), true, "{} {}", seen, document);
    }

    #[test]
    fn putting_the_same_again_changes_nothing(document in account()) {
        let (need, told) = put(&everything(), "User", entry_of(document.clone()), document);
        prop_assert!(need);
        prop_assert_eq!(told, None);
    }

    #[test]
    fn the_last_put_counts_and_other_bits_stay(first in account(), second in account(), other in 0u32..=u32::MAX >> 1) {
        let others = other & !2 & !65536;
        let mut entry = entry_of(first);
        let flags: u32 = entry["flags"].as_str().unwrap().parse().unwrap();
        entry["flags"] = json!((flags & (2 | 65536) | others).to_string());
        let (_, told) = put(&everything(), "User", entry.clone(), second.clone());
        for change in told.iter().flat_map(|told| told.as_array().unwrap()) {
            apply(&mut entry, change);
        }
        let flags: u32 = entry["flags"].as_str().unwrap().parse().unwrap();
        prop_assert_eq!(flags & !2 & !65536, others);
        let seen = bare(seen(&everything(), entry));
        prop_assert_eq!(sorted(seen), sorted(second));
    }
}

/// A change of an entry, as a driver carries it out.
fn apply(entry: &mut Value, change: &Value) {
    let name = change["path"].as_str().unwrap();
    let values = |value: &Value| match value {
        Value::Array(items) => items.clone(),
        Value::Null => Vec::new(),
        one => vec![one.clone()],
    };
    let mut held = values(&entry[name]);
    let given = values(&change["value"]);
    match (change["op"].as_str().unwrap(), change.get("value")) {
        ("add", _) => held.extend(given),
        ("remove", Some(_)) => held.retain(|value| !given.contains(value)),
        ("remove", None) => held.clear(),
        _ => held = given,
    }
    let many = name == "phone";
    entry[name] = match held.as_slice() {
        [] => Value::Null,
        [one] if !many => one.clone(),
        _ => Value::Array(held),
    };
}

/// Phones are a set.
fn sorted(mut value: Value) -> Value {
    if let Some(phones) = value["phoneNumbers"].as_array_mut() {
        phones.sort_by_key(|phone| phone.to_string());
    }
    let text = Checked::of(&resource(value));
    let mut map: Vec<_> = Value::from(text.parse())
        .as_object()
        .unwrap()
        .clone()
        .into_iter()
        .collect();
    map.sort_by(|a, b| a.0.cmp(&b.0));
    let mut inner = map.into_iter().collect::<serde_json::Map<_, _>>();
    if let Some(own) = inner
        .get_mut("urn:acme:2.0:User")
        .and_then(Value::as_object_mut)
    {
        let mut parts: Vec<_> = own.clone().into_iter().collect();
        parts.sort_by(|a, b| a.0.cmp(&b.0));
        *own = parts.into_iter().collect();
    }
    Value::Object(inner)
}
