//! What of a write the guard counts, and which writes it must see the present resource for
//! (decisions, 56).
//!
//! A resource is *disabled* where `active` goes from true, or from being unknown, to false, and
//! where a true one is taken away. A group is *emptied* where one write takes away more than half
//! of its members: all of them, a PUT with few of them, a filter that matches many. Removing one
//! member by its value empties nothing, so that no group is read for what clients do all day.

use std::collections::HashSet;

use serde_json::Value;

use super::{Effect, Plan};
use crate::mapping::ruleset::{GuardRule, Harm};
use crate::scim::filter::{CompareOp, Filter};
use crate::scim::operation::Verb;
use crate::scim::patch::{Change, Patch, PatchOp};
use crate::scim::{Client, Operation, PatchPath, Resource, resource};

impl Plan {
    /// How much harm may be done, where the rule says so.
    #[must_use]
    pub fn guard(&self) -> Option<&GuardRule> {
        self.guard.as_ref()
    }

    /// Whether it takes the present resource to tell what harm the operation does.
    #[must_use]
    pub fn guard_looks(&self, operation: &Operation<Client>) -> bool {
        let Some(guard) = &self.guard else {
            return false;
        };
        let counts = |harm| guard.limit(harm).is_some();
        match &operation.verb {
            Verb::Replace(..) => counts(Harm::Disable) || counts(Harm::Empty),
            Verb::Patch(_, patch) => {
                let disables = || patch.changes.iter().any(|change| is_of(change, ACTIVE));
                (counts(Harm::Disable) && disables()) || (counts(Harm::Empty) && thins(patch))
            }
            Verb::Create(_) | Verb::Read(_) | Verb::List(_) | Verb::Delete(_) => false,
        }
    }
}

impl Effect {
    /// Whether it does this harm.
    #[must_use]
    pub fn does(&self, harm: Harm) -> bool {
        match (harm, &self.next) {
            (Harm::Delete, next) => next.is_none(),
            (_, None) => false,
            (Harm::Disable, Some(next)) => Active::of(next) < Active::of(&self.present),
            (Harm::Empty, Some(next)) => empties(&self.present, next),
        }
    }
}

/// The ids of the members of a group in the client's words, as they stand there.
#[must_use]
pub fn members(group: &Resource) -> Vec<String> {
    let items = match group.attr(MEMBERS) {
        Some(Value::Array(items)) => items.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    let value = |item: &Value| match item {
        Value::Object(parts) => resource::get(parts, "value").cloned(),
        other => Some(other.clone()),
    };
    let text = |item| match item {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    items.iter().filter_map(value).filter_map(text).collect()
}

/// What `active` says; the less, the more harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Active {
    No,
    Unknown,
    Yes,
}

impl Active {
    fn of(resource: &Resource) -> Self {
        match resource.attr(ACTIVE) {
            None | Some(Value::Null) => Self::Unknown,
            Some(Value::Bool(true)) => Self::Yes,
            Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Self::Yes,
            Some(_) => Self::No,
        }
    }
}

fn empties(present: &Resource, next: &Resource) -> bool {
    let folded = |group: &Resource| -> HashSet<String> {
        members(group).iter().map(|id| id.to_lowercase()).collect()
    };
    let (before, after) = (folded(present), folded(next));
    let lost = before.difference(&after).count();
    lost * 2 > before.len()
}

/// Whether a PATCH takes more than one member away by its value.
fn thins(patch: &Patch) -> bool {
    let mut losses = patch
        .changes
        .iter()
        .filter(|change| change.op != PatchOp::Add && is_of(change, MEMBERS));
    match (losses.next(), losses.next()) {
        (None, _) => false,
        (Some(only), None) => !removes_one(only),
        (Some(_), Some(_)) => true,
    }
}

/// `remove` of `members[value eq "x"]`, or of `members` with one value.
fn removes_one(change: &Change) -> bool {
    let PatchPath::Attribute {
        filter, sub: None, ..
    } = &change.path
    else {
        return false;
    };
    if change.op != PatchOp::Remove {
        return false;
    }
    match (filter, &change.value) {
        (Some(Filter::Compare(comparison)), None) => {
            comparison.op == CompareOp::Eq && comparison.path.name.is("value")
        }
        (None, Some(Value::Array(values))) => values.len() == 1,
        _ => false,
    }
}

/// Whether a change is one of this attribute of the base schema.
pub(super) fn is_of(change: &Change, attribute: &str) -> bool {
    matches!(
        &change.path,
        PatchPath::Attribute { uri: None, name, .. } if name.is(attribute)
    )
}

const ACTIVE: &str = "active";
pub(super) const MEMBERS: &str = "members";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn resource(value: Value) -> Resource {
        match value {
            Value::Object(map) => map.into(),
            _ => unreachable!(),
        }
    }

    fn does(harm: Harm, present: Value, next: Value) -> bool {
        let (present, next) = (resource(present), resource(next));
        let effect = Effect {
            was: present.clone(),
            becomes: Some(next.clone()),
            present,
            next: Some(next),
        };
        effect.does(harm)
    }

    #[test]
    fn who_is_disabled_was_not_before() {
        let disables = |present, next| does(Harm::Disable, present, next);
        assert!(disables(json!({"active": true}), json!({"active": false})));
        assert!(disables(json!({}), json!({"Active": false})));
        assert!(disables(json!({"active": true}), json!({})));
        assert!(disables(
            json!({"active": "True"}),
            json!({"active": "False"})
        ));
        assert!(disables(json!({"active": true}), json!({"active": 0})));
        assert!(!disables(
            json!({"active": false}),
            json!({"active": false})
        ));
        assert!(!disables(json!({"active": false}), json!({})));
        assert!(!disables(json!({"active": false}), json!({"active": true})));
        assert!(!disables(json!({}), json!({"title": "x"})));
    }

    #[test]
    fn who_loses_more_than_half_of_its_members_is_emptied() {
        let group = |ids: &[&str]| {
            let members: Vec<_> = ids.iter().map(|id| json!({"value": id})).collect();
            json!({ "members": members })
        };
        let empties = |a: &[&str], b: &[&str]| does(Harm::Empty, group(a), group(b));
        assert!(empties(&["1"], &[]));
        assert!(empties(&["1", "2", "3"], &["3"]));
        assert!(empties(&["1", "2", "3"], &["4", "5", "6"]));
        assert!(does(
            Harm::Empty,
            group(&["1"]),
            json!({"displayName": "x"})
        ));
        assert!(!empties(&[], &[]));
        assert!(!empties(&[], &["1"]));
        assert!(!empties(&["1", "2"], &["2"]));
        assert!(!empties(&["a", "b"], &["A", "B"]));
    }

    #[test]
    fn one_member_less_is_not_looked_at() {
        let thin = |text: &str| {
            let schema = crate::scim::schema::group();
            let mut accents = crate::scim::accent::Accents::accepted();
            let body = serde_json::from_str(text).unwrap();
            thins(&crate::scim::message::patch_request(body, &schema, &mut accents).unwrap())
        };
        let patch = |operations: &str| {
            format!(
                r#"{{"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
                    "Operations": [{operations}]}}"#
            )
        };
        for one in [
            r#"{"op": "remove", "path": "members[value eq \"1\"]"}"#,
            r#"{"op": "Remove", "path": "members", "value": [{"value": "1"}]}"#,
            r#"{"op": "add", "path": "members", "value": [{"value": "1"}, {"value": "2"}]}"#,
            r#"{"op": "replace", "path": "displayName", "value": "x"}"#,
        ] {
            assert!(!thin(&patch(one)), "{one}");
        }
        for more in [
            r#"{"op": "remove", "path": "members"}"#,
            r#"{"op": "replace", "path": "members", "value": []}"#,
            r#"{"op": "replace", "value": {"MEMBERS": []}}"#,
            r#"{"op": "remove", "path": "members[value ne \"1\"]"}"#,
            r#"{"op": "remove", "path": "members[not (value eq \"1\")]"}"#,
            r#"{"op": "remove", "path": "members", "value": [{"value": "1"}, {"value": "2"}]}"#,
            r#"{"op": "remove", "path": "urn:ietf:params:scim:schemas:core:2.0:Group:members"}"#,
            r#"{"op": "remove", "path": "members[value eq \"1\"]"},
               {"op": "remove", "path": "members[value eq \"2\"]"}"#,
        ] {
            assert!(thin(&patch(more)), "{more}");
        }
    }
}
