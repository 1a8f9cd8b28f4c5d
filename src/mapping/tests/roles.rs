//! Roles with conditions and values against a plain reading of what they say: whatever a PATCH
//! looks like, what the account may not write never changes, and what it may not read never shows.

use std::fmt::Write as _;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::support::{ENTERPRISE, PLAIN, plan, resource, rule, user, view};
use crate::auth::access;
use crate::auth::{AuthError, Caller};
use crate::mapping::{Before, Encoded, Guard, Plan};
use crate::scim::accent::Accents;
use crate::scim::json::Checked;
use crate::scim::operation::{Projection, Verb, VerbKind};
use crate::scim::patch::Patch;
use crate::scim::{Operation, Resource, message};
use crate::yaml::Source;

/// An attribute: as roles and paths name it, the attribute around it, and where its value is.
struct Named {
    role: &'static str,
    whole: &'static str,
    path: &'static str,
    pointer: &'static str,
}

const DEPARTMENT: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department";

const NAMED: [Named; 6] = [
    Named {
        role: "title",
        whole: "title",
        path: "title",
        pointer: "/title",
    },
    Named {
        role: "nickName",
        whole: "nickName",
        path: "NICKNAME",
        pointer: "/nickName",
    },
    Named {
        role: "name.familyName",
        whole: "name",
        path: "name.familyName",
        pointer: "/name/familyName",
    },
    Named {
        role: "name.givenName",
        whole: "name",
        path: "name.givenName",
        pointer: "/name/givenName",
    },
    Named {
        role: "phoneNumbers.value",
        whole: "phoneNumbers",
        path: "phoneNumbers[type eq \"work\"].value",
        pointer: "/phoneNumbers/0/value",
    },
    Named {
        role: DEPARTMENT,
        whole: "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
        path: DEPARTMENT,
        pointer: "/urn:ietf:params:scim:schemas:extension:enterprise:2.0:User/department",
    },
];

/// One line of a role, as numbers.
#[derive(Debug, Clone)]
struct Line {
    update: bool,
    read: bool,
    /// Which attributes, by bits, and whether by their whole; all of them where there are none.
    attributes: Option<(u8, bool)>,
    /// `title eq "vN"`, negated or not.
    when: Option<(u8, bool)>,
    /// An attribute, the last value that it may become, and whether it may be removed.
    values: Option<(usize, u8, bool)>,
}

impl Line {
    fn text(&self) -> String {
        let mut verbs = Vec::new();
        verbs.extend(self.read.then_some("read"));
        verbs.extend(self.update.then_some("update"));
        let mut text = format!("{{resources: [User], verbs: [{}]", verbs.join(", "));
        if let Some((bits, whole)) = self.attributes {
            let named = NAMED
                .iter()
                .enumerate()
                .filter(|(index, _)| bits & (1 << index) != 0);
            let names: Vec<_> = named
                .map(|(_, named)| format!("'{}'", if whole { named.whole } else { named.role }))
                .collect();
            write!(text, ", attributes: [{}]", names.join(", ")).unwrap();
        }
        if let Some((value, not)) = self.when {
            let filter = format!("title eq \"v{value}\"");
            let filter = if not {
                format!("not ({filter})")
            } else {
                filter
            };
            write!(text, ", when: '{filter}'").unwrap();
        }
        if let Some((index, last, null)) = self.bounds() {
            let mut values: Vec<String> = (0..=last).map(|value| format!("v{value}")).collect();
            values.extend(null.then(|| "null".to_owned()));
            write!(
                text,
                ", values: {{'{}': [{}]}}",
                NAMED[index].role,
                values.join(", ")
            )
            .unwrap();
        }
        text + "}"
    }

    /// Where the line writes, and allows the attribute at all.
    fn bounds(&self) -> Option<(usize, u8, bool)> {
        self.values
            .filter(|(index, ..)| self.update && self.names(*index))
    }

    fn names(&self, index: usize) -> bool {
        self.attributes.is_none_or(|(bits, whole)| {
            let mut named = (0..NAMED.len()).filter(|other| bits & (1 << other) != 0);
            named.any(|other| index == other || whole && NAMED[index].whole == NAMED[other].whole)
        })
    }

    fn holds(&self, present: &Value) -> bool {
        self.when.is_none_or(|(value, not)| {
            let title = present.pointer("/title").and_then(Value::as_str);
            (title == Some(&format!("v{value}"))) != not
        })
    }

    fn allows(&self, index: usize, becomes: Option<&Value>) -> bool {
        let fits = self.bounds().filter(|(bounded, ..)| *bounded == index);
        let fits = fits.is_none_or(|(_, last, null)| match becomes.and_then(Value::as_str) {
            Some(text) => (0..=last).any(|value| text == format!("v{value}")),
            None => null,
        });
        self.update && self.names(index) && fits
    }
}

fn lines() -> impl Strategy<Value = Vec<Line>> {
    let line = (
        (any::<bool>(), any::<bool>()),
        proptest::option::of((1u8..64, any::<bool>())),
        proptest::option::of((0u8..3, any::<bool>())),
        proptest::option::of((0..NAMED.len(), 0u8..3, any::<bool>())),
    );
    let line = line.prop_map(|((update, read), attributes, when, values)| Line {
        update,
        // A line of no verbs is a mistake of the file.
        read: read || !update,
        attributes,
        when,
        values,
    });
    vec(line, 1..4)
}

/// One operation of a PATCH: which attribute, what, by which channel, and the value.
type Step = (usize, u8, u8, u8);

fn operations(steps: &[Step]) -> Value {
    let one = |&(index, op, channel, value): &Step| {
        let named = &NAMED[index];
        let op = ["add", "replace", "remove"][usize::from(op)];
        let value = json!(format!("v{value}"));
        if op == "remove" {
            let path = if channel == 0 {
                named.path
            } else {
                named.whole
            };
            return json!({"op": op, "path": path});
        }
        let inner = match named.role {
            "name.familyName" => json!({"familyName": value}),
            "name.givenName" => json!({"givenName": value}),
            "phoneNumbers.value" => json!([{"type": "work", "value": value}]),
            DEPARTMENT => json!({"department": value}),
            _ => value.clone(),
        };
        match channel {
            0 => json!({"op": op, "path": named.path, "value": value}),
            1 => json!({"op": op, "value": {(named.path): value}}),
            2 => json!({"op": op, "value": {(named.whole): inner}}),
            3 => json!({"op": op, "path": named.whole, "value": inner}),
            _ => json!({"op": op, "path": named.path, "value": null}),
        }
    };
    steps.iter().map(one).collect()
}

fn world(discards: bool) -> Arc<Plan> {
    let text = rule(
        &format!(
            "{{scim: userName, target: login}}
             {{scim: title, target: job}}
             {{scim: nickName, target: nick}}
             {{scim: name.familyName, target: surname}}
             {{scim: name.givenName, target: given}}
             {{scim: 'phoneNumbers[type eq \"work\"].value', target: phone}}
             {{scim: '{DEPARTMENT}', target: dept}}"
        ),
        "drop",
    );
    let more = if discards { "discard" } else { "refuse" };
    plan(&format!("{text}    forbidden: {more}\n"))
}

fn caller(lines: &[Line]) -> Caller {
    let lines: Vec<String> = lines.iter().map(Line::text).collect();
    let text = format!(
        "roles: {{r: {{allow: [{}]}}}}\naccounts: [{{name: a, roles: [r], tenants: [t]}}]\n",
        lines.join(", ")
    );
    let found = access::load(&Source::new("access.yaml", text), &access::Files::default());
    let found = found.unwrap_or_else(|found| panic!("{}", found.render(false)));
    found.suppose("a").unwrap()
}

fn patch(plan: &Plan, operations: &Value) -> Option<Patch> {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations,
    });
    let schema = plan.endpoint("Users").unwrap();
    message::patch_request(body, schema, &mut Accents::accepted()).ok()
}

/// What the directory holds after a PATCH; nothing where that was refused.
fn written(plan: &Plan, caller: &Caller, patch: Patch, before: &Before) -> Option<Resource> {
    let operation = Operation::new(user(), Verb::Patch("7".parse().unwrap(), patch));
    let permitted = caller.authorize(&"t".into(), operation).ok()?;
    let mut permitted = plan.settle(permitted).ok()?;
    if permitted.is_open() {
        let present = plan.present(&user(), before).unwrap();
        permitted = permitted.narrow(|when| present.holds(when)).ok()?;
    }
    plan.permit(&permitted).ok()?;
    let (encoded, _) = plan.encode(permitted, PLAIN, Some(before), &mut ()).ok()?;
    match encoded {
        Encoded::Unchanged(resource) => Some(resource),
        Encoded::Ask(operation) => match operation.verb {
            Verb::Replace(_, document) => Some(document.into_tree()),
            other => panic!("{other:?}"),
        },
        Encoded::Empty => panic!("a write of nothing"),
    }
}

fn seen(plan: &Plan, resource: &Resource) -> Value {
    let ty = plan.ty(&user()).unwrap();
    let (text, view) = (Checked::of(resource), view(Projection::All));
    let shown = plan.show(ty, text.members(), &view, None, &mut ()).unwrap();
    Value::from(shown.unwrap().to_resource())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn nothing_forbidden_is_written_or_shown(
        lines in lines(),
        steps in vec((0..NAMED.len(), 0u8..3, 0u8..5, 0u8..4), 1..4),
        fields in vec(proptest::option::of(0u8..4), NAMED.len()),
        discards: bool,
    ) {
        let (plan, caller) = (world(discards), caller(&lines));
        let mut present = json!({"id": "7", "login": "u"});
        let targets = ["job", "nick", "surname", "given", "phone", "dept"];
        for (target, value) in targets.iter().zip(&fields) {
            if let Some(value) = value {
                present[*target] = json!(format!("v{value}"));
            }
        }
        let before = Before { resource: resource(present), guard: Guard::None };
        let was = seen(&plan, &before.resource);
        let after = patch(&plan, &operations(&steps))
            .and_then(|patch| written(&plan, &caller, patch, &before))
            .unwrap_or_else(|| before.resource.clone());
        let now = seen(&plan, &after);
        for (index, named) in NAMED.iter().enumerate() {
            let (old, new) = (was.pointer(named.pointer), now.pointer(named.pointer));
            if old != new {
                let mut lines = lines.iter();
                prop_assert!(
                    lines.any(|line| line.holds(&was) && line.allows(index, new)),
                    "{} became {new:?}", named.role
                );
            }
        }

        let reading = Operation::new(user(), Verb::Read("7".parse().unwrap()));
        let counts: Vec<&Line> = lines.iter().filter(|l| l.read && l.holds(&now)).collect();
        match caller.authorize(&"t".into(), reading) {
            Err(error) => {
                let forbidden = matches!(error, AuthError::Forbidden { verb: VerbKind::Read, .. });
                prop_assert!(forbidden && !lines.iter().any(|line| line.read));
            }
            Ok(permitted) => {
                let (_, view) = plan.encode(permitted, PLAIN, None, &mut ()).unwrap();
                let (ty, text) = (plan.ty(&user()).unwrap(), Checked::of(&after));
                let shown = plan.show(ty, text.members(), &view, None, &mut ()).unwrap();
                prop_assert_eq!(shown.is_some(), !counts.is_empty());
                let shown = shown.map(|shown| Value::from(shown.to_resource()));
                for (index, named) in NAMED.iter().enumerate() {
                    let shows = shown.as_ref().and_then(|shown| shown.pointer(named.pointer));
                    let may = counts.iter().any(|line| line.names(index));
                    let wanted = now.pointer(named.pointer).filter(|_| may);
                    prop_assert_eq!(shows, wanted, "{}", named.role);
                }
            }
        }
    }
}

#[test]
fn the_pointers_lead_somewhere() {
    let plan = world(false);
    let all = json!({"id": "7", "login": "u", "job": "v", "nick": "v", "surname": "v", "given": "v", "phone": "v", "dept": "v"});
    let seen = seen(&plan, &resource(all));
    for named in NAMED {
        assert_eq!(seen.pointer(named.pointer), Some(&json!("v")), "{seen}");
    }
    assert!(DEPARTMENT.starts_with(ENTERPRISE));
}
