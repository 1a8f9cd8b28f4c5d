//! Rules with a guard and protected resources: what the compiler must say about them.

use serde_json::{Value, json};

use super::support::*;
use crate::mapping::Effect;
use crate::mapping::plan::Touched;
use crate::scim::accent::Accents;
use crate::scim::operation::Verb;
use crate::scim::patch::{self, Change, Patch, PatchOp};
use crate::scim::{Operation, parse, schema};

fn said(head: &str, user: &str) -> Vec<String> {
    let text = format!(
        "tenant_url: https://scim.example.com/corp\n\
         backend: {{scim: {{url: \"https://directory.internal\"}}}}\n\
         {head}\nresources:\n  User:\n{user}\n"
    );
    match compile(&text) {
        Ok((_, warnings)) => complaints(&warnings),
        Err(found) => complaints(&found),
    }
}

const LINES: &str = "    attributes:\n      - {scim: userName, target: login}\n      \
                     - {scim: externalId, target: ext}\n";

#[test]
fn what_is_only_written_cannot_be_watched() {
    let active = format!("{LINES}      - {{scim: active, target: on, direction: write}}");
    assert!(said("", &active).is_empty());
    let found = said("guard: {disable: {most: 5}}", &active);
    assert!(found[0].contains("`active` is only written"), "{found:?}");
    let own = format!("    protect: {{ids: [root]}}\n{active}");
    let found = said("", &own);
    assert!(found[0].contains("`active` is only written"), "{found:?}");
}

#[test]
fn a_limit_that_counts_nothing_is_told() {
    let found = said("guard: {disable: {most: 5}, empty: {most: 1}}", LINES);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains("`disable` counts nothing"), "{found:?}");
    assert!(found[1].contains("`empty` counts nothing"), "{found:?}");
}

#[test]
fn protection_is_neither_by_a_secret_nor_beside_what_passes() {
    for (filter, line) in [
        ("userPassword pr", ""),
        (
            "pin eq \\\"1\\\"",
            "      - {scim: title, target: pin, secret: true}\n",
        ),
    ] {
        let own = format!("    protect: {{filter: \"{filter}\"}}\n{LINES}{line}");
        let found = said("", &own);
        assert!(found[0].contains("which is a secret"), "{found:?}");
    }
    let own = format!("    protect: {{ids: [root]}}\n{LINES}    unmapped: pass");
    let found = said("", &own);
    assert!(found[0].contains("`unmapped: pass` beside"), "{found:?}");
}

#[test]
fn only_what_the_rule_admits_can_be_a_member() {
    let admits = |plan: &crate::mapping::Plan, name: &str| plan.may_belong(&name.parse().unwrap());
    let shipped = legacy();
    assert!(admits(&shipped, "User") && !admits(&shipped, "Group"));
    let text = "tenant_url: https://scim.example.com/corp\n\
                backend: {scim: {url: \"https://directory.internal\"}}\n\
                resources:\n  User: {unmapped: pass}\n  Group: {unmapped: pass}\n";
    let (open, _) = compile(text).unwrap();
    assert!(admits(&open, "User") && admits(&open, "Group"));
}

/// What a change of the directory's does to a user; the directory shows no secrets.
fn touched(op: PatchOp, path: &str, value: Option<Value>) -> Option<Touched> {
    let text = "tenant_url: https://scim.example.com/corp\n\
                backend: {scim: {url: \"https://directory.internal\"}}\n\
                resources:\n  User:\n    protect: {ids: [root]}\n    attributes:\n      \
                - {scim: userName, target: login}\n      - {scim: externalId, target: ext}\n      \
                - {scim: title, target: auth.hint}\n      \
                - {scim: password, target: auth.pin, secret: true}\n      \
                - {scim: x509Certificates, target: certs}\n";
    let plan = plan(text);
    let was = json!({"id": "root", "auth": {"hint": "h"}, "certs": [{"value": "MIIB"}]});
    let mut becomes = resource(was.clone());
    let schema = schema::user();
    let path = parse::patch_path(path, &schema, &mut Accents::accepted()).unwrap();
    let change = Change { op, path, value };
    let patch = Patch {
        changes: vec![change],
        create_missing: false,
    };
    patch::apply(&mut becomes, &patch, &schema).unwrap();
    let effect = Effect {
        present: resource(json!({"userName": "root"})),
        next: Some(resource(json!({"userName": "root"}))),
        was: resource(was),
        becomes: Some(becomes),
    };
    let verb = Verb::Patch("root".parse().unwrap(), patch);
    plan.touched(&Operation::new(user(), verb), &effect)
}

#[test]
fn credentials_are_found_wherever_the_directory_keeps_them() {
    let given = Some(Touched::Credentials);
    let (add, remove) = (PatchOp::Add, PatchOp::Remove);
    let pin = || Some(json!("s3cret"));
    assert_eq!(touched(add, "auth.pin", pin()), given);
    assert_eq!(touched(remove, "auth.pin", None), given);
    assert_eq!(touched(add, "auth", Some(json!({"pin": "s3cret"}))), given);
    assert_eq!(touched(add, "userPassword", pin()), given);
    assert_eq!(touched(remove, "userPassword", None), given);
    assert_eq!(
        touched(add, "other", Some(json!({"unicodePwd": "x"}))),
        given
    );
    let more = Some(json!([{"value": "MIIC"}]));
    assert_eq!(touched(add, "certs", more), given);
    assert_eq!(touched(remove, "certs", None), given);
    let same = Some(json!([{"value": "MIIB"}]));
    assert_eq!(touched(PatchOp::Replace, "certs", same), None);
    assert_eq!(touched(add, "auth.hint", Some(json!("h2"))), None);
    assert_eq!(touched(add, "note", Some(json!("n"))), None);
}
