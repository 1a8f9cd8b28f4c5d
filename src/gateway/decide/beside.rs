//! What stands beside roles: a write that the present resource does not take, protected resources,
//! and the guard. What the rule can tell is decided; what only a directory can tell is named.

use crate::config::Tenant;
use crate::gateway::error::GatewayError;
use crate::gateway::protect;
use crate::gateway::run::Prepared;
use crate::mapping::{Effect, Encoded, Harm, MappingError, Plan};
use crate::scim::operation::{Verb, VerbKind};
use crate::scim::{Client, Operation, Resource, ResourceId};

/// What would be looked at, where nothing is known of the present resource.
pub(super) fn looks(plan: &Plan, operation: &Operation<Client>) -> Vec<String> {
    let mut all = Vec::new();
    if plan.protection_looks(operation) || plan.protection_asks(operation) {
        all.push(PROTECTED.to_owned());
    }
    others(plan, operation, &mut all);
    if operation.verb.kind() == VerbKind::Delete {
        counted(plan, Harm::Delete, &mut all);
    } else if plan.guard_looks(operation) {
        all.push("whether it is a `disable` or an `empty`, which the guard counts".to_owned());
    }
    all
}

/// The same, where the present resource is known in the client's words; refuses what it cannot
/// become. `None` where the rule cannot say what the directory holds.
pub(super) fn written(
    tenant: &Tenant,
    prepared: &Prepared,
    present: &Resource,
) -> Result<Option<Vec<String>>, GatewayError> {
    let (plan, operation) = (&tenant.plan, prepared.operation());
    let id = match &operation.verb {
        Verb::Replace(id, _) | Verb::Patch(id, _) | Verb::Delete(id) => id,
        Verb::Create(_) | Verb::Read(_) | Verb::List(_) => return Ok(None),
    };
    let Ok(before) = plan.imagined(&operation.resource, present) else {
        return Ok(None);
    };
    let encoded = match prepared.clone().encode(tenant, Some(&before), &mut ()) {
        Ok((encoded, _)) => encoded,
        // That is about what was made up, not about the request.
        Err(MappingError::Malformed(_) | MappingError::NoVersions | MappingError::Changed) => {
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    let Encoded::Ask(sent) = encoded else {
        return Ok(Some(Vec::new()));
    };
    let Ok(effect) = plan.effect(prepared.permitted(), &before) else {
        return Ok(None);
    };
    protect::own(plan, Some(ResourceId::as_str(id)), &sent, &effect)?;
    let mut all = Vec::new();
    // The filter may ask for what no line maps.
    let rule = plan.protection(&operation.resource);
    let touches = || {
        plan.touched(&sent, &effect).is_some()
            || plan.touches_protection(&operation.resource, &effect)
    };
    if rule.is_some_and(|rule| rule.filter.is_some()) && touches() {
        all.push(PROTECTED.to_owned());
    }
    let members = operation.verb.kind() != VerbKind::Delete && plan.protects();
    if members && (effect.changes_members() || !effect.joined().is_empty()) {
        all.push(OTHERS.to_owned());
    } else if operation.verb.kind() == VerbKind::Delete {
        others(plan, operation, &mut all);
    }
    let harms = Harm::ALL.into_iter();
    for harm in harms.filter(|harm| does(operation, &effect, *harm)) {
        counted(plan, harm, &mut all);
    }
    Ok(Some(all))
}

fn does(operation: &Operation<Client>, effect: &Effect, harm: Harm) -> bool {
    match operation.verb.kind() {
        VerbKind::Delete => harm == Harm::Delete,
        _ => harm != Harm::Delete && effect.does(harm),
    }
}

fn others(plan: &Plan, operation: &Operation<Client>, all: &mut Vec<String>) {
    if protect::asks_about_others(plan, operation) {
        all.push(OTHERS.to_owned());
    }
}

fn counted(plan: &Plan, harm: Harm, all: &mut Vec<String>) {
    if plan.guard().is_some_and(|rule| rule.limit(harm).is_some()) {
        let harm = harm.as_str();
        all.push(format!("whether the guard has room for one more `{harm}`"));
    }
}

const PROTECTED: &str = "whether the resource is protected";

const OTHERS: &str = "whether it changes who belongs to what is protected";
