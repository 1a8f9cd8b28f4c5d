//! Protection in an LDAP directory: the directory itself says whom the rule's filter means, so no
//! resource has to be read for it, and least of all the members of a group.

use serde_json::Value;

use super::super::harm::{MEMBERS, is_of};
use super::super::{Effect, Plan};
use super::{has_members, is_credential, names};
use crate::mapping::compile::{Line, Type};
use crate::mapping::ruleset::ProtectRule;
use crate::scim::filter::{CompareOp, Filter};
use crate::scim::operation::{Projection, Verb};
use crate::scim::patch::{Change, PatchOp};
use crate::scim::{
    AttrName, AttrPath, Client, Operation, PatchPath, Resource, ResourceType, Upstream, resource,
};

/// What a PATCH does to the members of a group, as far as that is known without reading it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Membership {
    /// Whether others belong to it afterwards.
    pub changes: bool,
    /// The ids of those who come, whether or not they are there already.
    pub joined: Vec<String>,
}

impl Plan {
    /// Whether the directory itself is asked who of the type is protected for what it is.
    #[must_use]
    pub fn asks_who_is_protected(&self, resource: &ResourceType) -> bool {
        let rule = self.protection(resource);
        rule.is_some_and(|rule| rule.layout.is_some() && rule.filter.is_some())
    }

    /// Whether the directory is asked about a resource that is not read for it.
    #[must_use]
    pub fn protection_asks(&self, operation: &Operation<Client>) -> bool {
        match (&operation.verb, self.ty(&operation.resource)) {
            (Verb::Patch(_, patch), Some(ty)) => {
                self.protects() && lets_in_and_out(ty, &patch.changes)
            }
            _ => false,
        }
    }

    /// What of the present resource it takes to tell what the operation does to what is protected.
    /// The members of a group are not read for what does not touch them.
    #[must_use]
    pub fn protection_sees(&self, operation: &Operation<Client>) -> Projection {
        let members = match (self.ty(&operation.resource), &operation.verb) {
            (Some(ty), Verb::Delete(_)) if ty.is_ldap() => targets(ty),
            (Some(ty), Verb::Patch(_, patch))
                if ty.is_ldap() && !patch.changes.iter().any(|c| is_of(c, MEMBERS)) =>
            {
                targets(ty)
            }
            _ => Vec::new(),
        };
        if members.is_empty() {
            return Projection::All;
        }
        Projection::Except(members.into_iter().map(AttrPath::of).collect())
    }

    /// What a write that was sent without a look at the present resource does to members; `None`
    /// where it may do something else that the resource is protected from, or where that cannot be
    /// told from it alone.
    #[must_use]
    pub fn membership(&self, operation: &Operation<Upstream>) -> Option<Membership> {
        let mut told = Membership::default();
        let ty = self.ty(&operation.resource)?;
        let own = ty.protect.is_some();
        let Verb::Patch(_, patch) = &operation.verb else {
            return (!own).then_some(told);
        };
        let tender = match own {
            true if !ty.is_ldap() => return None,
            true => tender(ty),
            false => Vec::new(),
        };
        let members = targets(ty);
        for change in &patch.changes {
            let name = match &change.path {
                PatchPath::Attribute { name, .. } => name,
                PatchPath::Extension(_) if own => return None,
                PatchPath::Extension(_) => continue,
            };
            if !members.contains(name) {
                if tender.contains(name) {
                    return None;
                }
                continue;
            }
            told.changes = true;
            match (change.op, change.value.as_ref().and_then(ids)) {
                (PatchOp::Add, Some(ids)) => told.joined.extend(ids),
                (PatchOp::Remove, Some(_)) => {}
                _ => return None,
            }
        }
        Some(told)
    }

    /// Whether the write changes something that the filter of the protection asks about.
    #[must_use]
    pub fn touches_protection(&self, resource: &ResourceType, effect: &Effect) -> bool {
        let (Some(rule), Some(becomes)) = (self.protection(resource), &effect.becomes) else {
            return false;
        };
        let differs = |path: &AttrPath| effect.was.at(path) != becomes.at(path);
        rule.layout.is_some() && rule.asks().iter().any(differs)
    }
}

/// Whether a PATCH does nothing but let single members in and out of a group whose directory takes
/// it so.
pub(super) fn lets_in_and_out(ty: &Type, changes: &[Change]) -> bool {
    ty.is_ldap() && has_members(ty) && !changes.is_empty() && changes.iter().all(is_single)
}

/// Whether a PATCH of an entry writes nothing that anybody is protected from, whatever the entry is.
pub(super) fn touches_nothing(ty: &Type, changes: &[Change]) -> bool {
    if !ty.is_ldap() {
        return false;
    }
    let tender = tender(ty);
    let harmless = |change: &Change| {
        let PatchPath::Attribute { uri, name, .. } = &change.path else {
            return false;
        };
        let mut concerned = ty.lines.iter().filter(|line| {
            let mut places = line.kind.touches().scim.iter();
            places.any(|place| place.is_beside(uri.as_ref(), name))
        });
        concerned.all(|line| written(line).all(|target| !tender.contains(target)))
    };
    changes.iter().all(harmless)
}

/// Whether the entry gets another name.
pub(super) fn is_renamed(ty: &Type, was: &Resource, becomes: &Resource) -> bool {
    let create = ty.home.as_ref().and_then(|home| home.create.as_ref());
    create.is_some_and(|create| {
        let path = AttrPath::of(create.rdn.clone());
        was.at(&path) != becomes.at(&path)
    })
}

/// Whether the entry belongs into another container.
pub(super) fn is_moved(ty: &Type, was: &Resource, becomes: &Resource) -> bool {
    let create = ty.home.as_ref().and_then(|home| home.create.as_ref());
    let Some((container, by)) = create.and_then(|c| Some((&c.container, c.container.by()?))) else {
        return false;
    };
    let path = AttrPath::of(by.clone());
    let place = |of: &Resource| {
        let value = of.at(&path).and_then(Value::as_str).map(str::to_owned);
        container.for_value(value.as_deref()).clone()
    };
    !place(was).is_same(&place(becomes))
}

/// The attributes of the directory that say who is active, what somebody is called or what proves
/// it, those that an entry is named and put by, those that hold members, and those that the rule's
/// filter asks about.
fn tender(ty: &Type) -> Vec<AttrName> {
    let guarded = |line: &&Line| {
        let named = line.scim.as_ref().is_some_and(|place| {
            let known = ["active", MEMBERS].into_iter().chain(names(ty));
            place.uri.is_none() && known.into_iter().any(|name| place.name.is(name))
        });
        let target = line.target.as_ref();
        named || line.secret || target.is_some_and(|place| is_credential(ty, &place.path()))
    };
    let lines = ty.lines.iter().filter(guarded);
    let asks = ty.protect.iter().flat_map(ProtectRule::asks);
    let asks = asks.map(|path| path.name);
    let create = ty.home.as_ref().and_then(|home| home.create.as_ref());
    let place = create.map(|create| std::iter::once(&create.rdn).chain(create.container.by()));
    let place = place.into_iter().flatten().cloned();
    lines
        .flat_map(written)
        .cloned()
        .chain(asks)
        .chain(place)
        .collect()
}

fn written(line: &Line) -> impl Iterator<Item = &AttrName> {
    line.kind.touches().target.iter().map(|place| &place.name)
}

/// `add` of members, `remove` of those that are named.
fn is_single(change: &Change) -> bool {
    let PatchPath::Attribute {
        filter, sub: None, ..
    } = &change.path
    else {
        return false;
    };
    if !is_of(change, MEMBERS) {
        return false;
    }
    let values = || change.value.as_ref().and_then(ids);
    match (change.op, filter) {
        (PatchOp::Add, None) => values().is_some(),
        (PatchOp::Remove, None) => values().is_some_and(|ids| !ids.is_empty()),
        (PatchOp::Remove, Some(Filter::Compare(comparison))) => {
            change.value.is_none()
                && comparison.op == CompareOp::Eq
                && comparison.path.name.is("value")
        }
        _ => false,
    }
}

/// The attributes of the directory that hold members.
fn targets(ty: &Type) -> Vec<AttrName> {
    let lines = ty.lines.iter().filter(|line| {
        let place = line.scim.as_ref();
        place.is_some_and(|place| place.uri.is_none() && place.name.is(MEMBERS))
    });
    let places = lines.flat_map(|line| &line.kind.touches().target);
    places.map(|place| place.name.clone()).collect()
}

/// The ids of members, as a client or a change has them.
fn ids(value: &Value) -> Option<Vec<String>> {
    let items = match value {
        Value::Array(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    let id = |item: &Value| match item {
        Value::Object(parts) => resource::get(parts, "value")?.as_str().map(str::to_owned),
        other => other.as_str().map(str::to_owned),
    };
    items.iter().map(id).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_are_read_in_every_form() {
        assert_eq!(ids(&json!("a")), Some(vec!["a".to_owned()]));
        let both = json!([{"VALUE": "a"}, "b"]);
        assert_eq!(ids(&both), Some(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(ids(&json!([])), Some(Vec::new()));
        for other in [
            json!(null),
            json!([1]),
            json!([{"display": "x"}]),
            json!({}),
        ] {
            assert_eq!(ids(&other), None, "{other}");
        }
    }
}
