//! What a write must pass beside its mapping: between its encoding, which is where it is known what
//! it does, and its sending. Every write leaves through [`super::write::send`], which asks here.

use crate::auth::Permitted;
use crate::config::Tenant;
use crate::mapping::{Effect, Need};
use crate::scim::operation::Projection;
use crate::scim::{Operation, Upstream};

use super::audit::Sent;
use super::error::GatewayError;
use super::run::Context;
use super::write::{Wanted, Written};
use super::{guard, protect};

/// A write that is about to be sent.
pub(super) struct Step<'a> {
    /// What the client wants.
    pub(super) wanted: &'a Wanted,
    /// What the directory is to be told.
    pub(super) operation: &'a Operation<Upstream>,
    /// What it makes of the present resource, where that was read for [`need`].
    pub(super) effect: Option<&'a Effect>,
}

/// A write that may be sent, with what was noted for it.
#[must_use]
pub(super) struct Passed {
    places: guard::Places,
    /// The audit trail knows of it.
    sent: Sent,
}

/// What the policies must know of the present resource. Where this is something, every
/// [`Step`] of the write has its effect.
pub(super) fn need(tenant: &Tenant, permitted: &Permitted) -> Option<Need> {
    let (plan, operation) = (&tenant.plan, permitted.operation());
    if !operation.verb.kind().writes() {
        return None;
    }
    let (protection, guard) = (
        plan.protection_looks(operation),
        plan.guard_looks(operation),
    );
    let (projection, why) = match (protection, guard) {
        (true, false) => (plan.protection_sees(operation), "protected resources"),
        (true, true) => (Projection::All, "protected resources"),
        (false, true) => (Projection::All, "the guard"),
        (false, false) => return None,
    };
    Some(Need { projection, why })
}

/// Lets a write through or not.
pub(super) async fn pass(context: &Context, step: &Step<'_>) -> Result<Passed, GatewayError> {
    protect::check(context, step).await?;
    let places = guard::take(context, step).await?;
    // Last: what the trail has as meant is sent. Where it cannot have it, the place is free again.
    match step.wanted.entry.intent(step.effect).await {
        Ok(sent) => Ok(Passed { places, sent }),
        Err(error) => {
            places.give_back();
            Err(error)
        }
    }
}

impl Passed {
    /// What became of it.
    pub(super) fn over(self, outcome: &Result<Written, GatewayError>) {
        self.sent.over(outcome);
        self.places.over(outcome);
    }
}
