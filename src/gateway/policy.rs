//! What a write must pass beside its mapping: between its encoding, which is where it is known what
//! it does, and its sending. Every write leaves through [`super::write::send`], which asks here.

use crate::auth::Permitted;
use crate::config::Tenant;
use crate::mapping::{Effect, Need};
use crate::scim::{Operation, Upstream};

use super::audit::Sent;
use super::error::GatewayError;
use super::run::Context;
use super::write::{Wanted, Written};

/// A write that is about to be sent.
#[expect(dead_code, reason = "what each policy looks at comes with it")]
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
    /// The audit trail knows of it.
    sent: Sent,
}

/// What the policies must know of the present resource. Where this is something, every
/// [`Step`] of the write has its effect.
pub(super) fn need(_tenant: &Tenant, _permitted: &Permitted) -> Option<Need> {
    None
}

/// Lets a write through or not.
pub(super) async fn pass(_context: &Context, step: &Step<'_>) -> Result<Passed, GatewayError> {
    // Last of all: what is in the trail as meant is sent.
    let sent = step.wanted.entry.intent(step.effect).await?;
    Ok(Passed { sent })
}

impl Passed {
    /// What became of it.
    pub(super) fn over(self, outcome: &Result<Written, GatewayError>) {
        self.sent.over(outcome);
    }
}
