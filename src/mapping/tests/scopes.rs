//! What an account may see and change: answers against a plain reading of the role's list, and
//! what a write leaves alone.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::laws::{every_kind, user_document};
use super::support::*;
use crate::auth::Scope;
use crate::mapping::{Before, Encoded, Guard, MappingError, Plan};
use crate::scim::json::Checked;
use crate::scim::operation::{Document, Projection, Verb};

/// What a role could name.
const ITEMS: [&str; 18] = [
    "*",
    "userName",
    "name",
    "NAME.givenName",
    "name.familyName",
    "title",
    "nickName",
    "emails",
    "emails.value",
    "emails.TYPE",
    "phoneNumbers",
    "phoneNumbers.value",
    "ims.display",
    "urn:ietf:params:scim:schemas:core:2.0:User",
    "urn:ietf:params:scim:schemas:core:2.0:User:addresses",
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:USER:manager.value",
];

const CORE: &str = "urn:ietf:params:scim:schemas:core:2.0:user";

fn items() -> impl Strategy<Value = Vec<String>> {
    let item = (prop::sample::select(ITEMS.to_vec()), any::<bool>());
    prop::collection::vec(item, 1..6).prop_map(|items| {
        let item = |(text, minus): (&str, bool)| match (text, minus) {
            ("*", _) | (_, false) => text.to_owned(),
            _ => format!("-{text}"),
        };
        items.into_iter().map(item).collect()
    })
}

fn scope_of(read: &[String], write: &[String]) -> Scope {
    let texts = |items: &[String]| -> Vec<&'static str> {
        let leak = |item: &String| &*Box::leak(item.clone().into_boxed_str());
        items.iter().map(leak).collect()
    };
    Scope::of(&texts(read), &texts(write))
}

/// The plain reading: `path` is `urn:name.sub` in lower case, without the base schema's URN.
fn allows(items: &[String], path: &str) -> bool {
    let covers = |item: &str| {
        let item = item.to_ascii_lowercase();
        let item = match item.strip_prefix(CORE) {
            Some("") => return !path.starts_with("urn:"),
            Some(rest) => rest.trim_start_matches(':').to_owned(),
            None => item,
        };
        let rest = path.strip_prefix(&item);
        item == "*" || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '.']))
    };
    let (minus, plus): (Vec<&String>, Vec<_>) = items.iter().partition(|i| i.starts_with('-'));
    plus.iter().any(|item| covers(item))
        && !minus
            .iter()
            .any(|item| covers(item.trim_start_matches('-')))
}

/// What is left of a member, by the plain reading.
fn left(items: &[String], path: &str, value: &Value) -> Option<Value> {
    let path = path.to_ascii_lowercase();
    let parts = |element: &Map<String, Value>| -> Option<Value> {
        let kept = element.iter().filter(|(sub, _)| {
            let tells = *sub != "$ref" || allows(items, &format!("{path}.value"));
            tells && allows(items, &format!("{path}.{}", sub.to_ascii_lowercase()))
        });
        let kept: Map<String, Value> = kept.map(|(k, v)| (k.clone(), v.clone())).collect();
        (!kept.is_empty()).then(|| kept.into())
    };
    match value {
        Value::Object(element) => parts(element),
        Value::Array(list) => {
            let kept: Vec<Value> = list
                .iter()
                .filter_map(|item| match item {
                    Value::Object(element) => parts(element),
                    plain => allows(items, &format!("{path}.value")).then(|| plain.clone()),
                })
                .collect();
            (!kept.is_empty()).then(|| kept.into())
        }
        plain => allows(items, &path).then(|| plain.clone()),
    }
}

fn reference(items: &[String], shown: &Value) -> Value {
    let mut out = Map::new();
    for (key, value) in shown.as_object().unwrap() {
        if ["id", "schemas", "meta"].contains(&key.as_str()) {
            out.insert(key.clone(), value.clone());
        } else if key.contains(':') {
            let members = value.as_object().unwrap().iter();
            let kept = members.filter_map(|(name, value)| {
                Some((name.clone(), left(items, &format!("{key}:{name}"), value)?))
            });
            let kept: Map<String, Value> = kept.collect();
            if !kept.is_empty() {
                out.insert(key.clone(), kept.into());
            }
        } else if let Some(value) = left(items, key, value) {
            out.insert(key.clone(), value);
        }
    }
    let keys: Vec<String> = out.keys().cloned().collect();
    let own = |uri: &Value| {
        let uri = uri.as_str().unwrap();
        uri.eq_ignore_ascii_case(CORE) || keys.iter().any(|key| key == uri)
    };
    out["schemas"].as_array_mut().unwrap().retain(own);
    out.into()
}

fn shown(plan: &Plan, upstream: &Value, scope: Scope) -> Vec<u8> {
    let text = Checked::of(&resource(upstream.clone()));
    let mut view = view(Projection::All);
    view.scope = scope;
    let ty = plan.ty(&user()).unwrap();
    let members = plan
        .show(ty, text.members(), &view, None, &mut ())
        .unwrap()
        .unwrap();
    let mut out = bytes::BytesMut::new();
    members.print(&mut out);
    out.to_vec()
}

/// Gives every text a value that stands nowhere else.
fn mark(value: &mut Value, count: &mut usize) {
    match value {
        Value::String(text) => {
            *count += 1;
            *text = format!("<{count}>");
        }
        Value::Array(list) => list.iter_mut().for_each(|item| mark(item, count)),
        Value::Object(map) => map.values_mut().for_each(|item| mark(item, count)),
        _ => {}
    }
}

fn marks(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::String(text) if text.starts_with('<') => out.push(text.clone()),
        Value::Array(list) => list.iter().for_each(|item| marks(item, out)),
        Value::Object(map) => map.values().for_each(|item| marks(item, out)),
        _ => {}
    }
}

proptest! {
    #[test]
    fn answers_are_what_a_plain_reading_of_the_list_leaves(
        document in user_document(), items in items(), passes in any::<bool>()
    ) {
        let (plan, mut upstream) = if passes {
            let mut upstream = document;
            mark(&mut upstream, &mut 0);
            (users("", "pass"), upstream)
        } else {
            let plan = every_kind("drop");
            let upstream = created(&plan, document).unwrap();
            (plan, upstream)
        };
        upstream["id"] = json!("7");
        let all = serde_json::from_slice(&shown(&plan, &upstream, scope())).unwrap();
        let text = shown(&plan, &upstream, scope_of(&items, &[]));
        let wanted = reference(&items, &all);
        prop_assert_eq!(String::from_utf8(text.clone()).unwrap(), wanted.to_string(), "{:?}", items);
        let (mut every, mut kept) = (Vec::new(), Vec::new());
        marks(&all, &mut every);
        marks(&wanted, &mut kept);
        let text = String::from_utf8(text).unwrap();
        for value in every {
            prop_assert_eq!(text.contains(&value), kept.contains(&value), "{}", value);
        }
    }

    /// Whatever it sends: what an account may not change is afterwards as it was.
    #[test]
    fn a_put_changes_only_what_the_account_may_see_and_change(
        present in user_document(), document in user_document(), read in items(), write in items()
    ) {
        let plan = every_kind("drop");
        let mut upstream = created(&plan, present).unwrap();
        upstream["id"] = json!("7");
        upstream["note"] = json!("not mapped");
        let before = seen(&plan, upstream.clone());
        let after = match put(&plan, &upstream, document, &scope_of(&read, &write)) {
            Ok(upstream) => seen(&plan, upstream),
            Err(MappingError::Forbidden(_) | MappingError::Refused(..)) => return Ok(()),
            Err(other) => panic!("{other:?}"),
        };
        let hidden = |shown: &Value| without(&write, &bare(shown.clone()));
        prop_assert_eq!(hidden(&after), hidden(&before), "{:?}", write);
    }
}

/// The members that may not be changed, each part of one by itself.
fn without(write: &[String], shown: &Value) -> Value {
    let mut out = Map::new();
    for (key, value) in shown.as_object().unwrap() {
        if key.contains(':') {
            for (name, value) in value.as_object().unwrap() {
                let path = format!("{key}:{name}");
                out.extend(rest(write, &path, value).map(|rest| (path, rest)));
            }
        } else {
            out.extend(rest(write, key, value).map(|rest| (key.clone(), rest)));
        }
    }
    out.into()
}

/// What [`left`] does not leave of a member.
fn rest(items: &[String], path: &str, value: &Value) -> Option<Value> {
    match value {
        Value::Object(element) => {
            let kept = left(items, path, value);
            let gone = element.iter().filter(|(sub, _)| {
                let kept = kept.as_ref().and_then(|kept| kept.get(sub));
                // What it points to is made from the value.
                kept.is_none() && *sub != "$ref"
            });
            let gone: Map<String, Value> = gone.map(|(k, v)| (k.clone(), v.clone())).collect();
            (!gone.is_empty()).then(|| gone.into())
        }
        Value::Array(list) => {
            let gone = list.iter().filter_map(|item| match item {
                Value::Object(_) => rest(items, path, item),
                plain => rest(items, &format!("{path}.value"), plain),
            });
            let gone: Vec<Value> = gone.collect();
            (!gone.is_empty()).then(|| gone.into())
        }
        plain => (!allows(items, &path.to_ascii_lowercase())).then(|| plain.clone()),
    }
}

fn put(
    plan: &Plan,
    present: &Value,
    document: Value,
    scope: &Scope,
) -> Result<Value, MappingError> {
    let before = Before {
        resource: resource(present.clone()),
        guard: Guard::None,
    };
    let verb = Verb::Replace("7".parse().unwrap(), Document::Tree(resource(document)));
    let (encoded, _) =
        plan.encode_operation(operation(verb), (scope, None), FULL, Some(&before), &mut ())?;
    Ok(match encoded {
        Encoded::Unchanged(resource) => Value::from(resource),
        encoded => match ask(encoded).verb {
            Verb::Replace(_, document) => tree(document),
            other => panic!("{other:?}"),
        },
    })
}

#[test]
fn a_list_of_which_parts_are_hidden_is_kept_or_refused() {
    let plan = users("{scim: emails, target: mails}", "drop");
    let mails =
        json!([{"value": "a", "type": "work", "display": "A"}, {"value": "b", "display": "B"}]);
    let present = json!({"id": "7", "login": "u", "mails": mails});
    let scope = || Scope::of(&["*"], &["*", "-emails.display"]);
    let same = json!({"userName": "v", "emails": [{"type": "work", "value": "a"}, {"value": "b"}]});
    let kept = put(&plan, &present, same, &scope()).unwrap();
    assert_eq!(
        kept,
        json!({"id": "7", "login": "v", "mails": mails, "schemas": kept["schemas"]})
    );
    let none = put(&plan, &present, json!({"userName": "u"}), &scope()).unwrap();
    assert_eq!(none["mails"], mails);
    let other = json!({"userName": "u", "emails": [{"value": "c"}]});
    let refused = put(&plan, &present, other, &scope()).unwrap_err();
    assert!(matches!(refused, MappingError::Forbidden(text) if text.contains("`emails`")));
}

#[test]
fn what_a_line_cannot_read_survives_a_put_that_is_not_about_it() {
    let plan = users(
        "{scim: locale, target: lang, as: number}
         {scim: password, target: userPassword, direction: write}
         {scim: nickName, target: nick, direction: write}
         {scim: title, target: t}",
        "drop",
    );
    // `lang` is no number, so the client cannot see it.
    let present =
        json!({"id": "7", "login": "u", "lang": "odd", "userPassword": "x", "nick": "n", "t": "T"});
    let scope = || Scope::of(&["*", "-locale"], &["*", "-locale", "-nickName"]);
    let document = json!({"userName": "u", "password": "new"});
    let after = put(&plan, &present, document, &scope()).unwrap();
    assert_eq!(after["lang"], "odd");
    assert_eq!(after["nick"], "n");
    assert_eq!(after["userPassword"], "new");
    assert_eq!(after.get("t").filter(|t| !t.is_null()), None);
}

#[test]
fn a_type_of_the_rules_own_can_be_named_by_its_schema() {
    let plan = plan(
        "tenant_url: https://scim.example.com/t/scim/v2
backend: {scim: {url: \"https://directory.internal/api\"}}
schemas:
  urn:acme:2.0:Device: {serial: string, owner: string}
resources:
  Device:
    schema: urn:acme:2.0:Device
    attributes:
      - {scim: serial, target: no}
      - {scim: owner, target: who}
    unmapped: drop
",
    );
    let ty = plan.ty(&"Device".parse().unwrap()).unwrap();
    let scope = Scope::of(&["*", "-urn:acme:2.0:Device:owner"], &["*"]);
    let scope = scope.based(&ty.held.base.id);
    let text = Checked::of(&resource(json!({"id": "1", "no": "s", "who": "me"})));
    let mut view = view(Projection::All);
    (view.resource, view.scope) = ("Device".parse().unwrap(), scope);
    let shown = plan
        .show(ty, text.members(), &view, None, &mut ())
        .unwrap()
        .unwrap();
    assert_eq!(
        bare(Value::from(shown.to_resource())),
        json!({"serial": "s"})
    );
}
