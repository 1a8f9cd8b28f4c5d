//! The guard of a tenant: at most so many deletions, disablings and emptied groups in a window of
//! time (decisions, 56). What a write does is known from its effect, after mapping; a place is
//! taken before the first byte to the directory and given back where the directory says no, so
//! that writes side by side cannot pass the limit together.

mod census;
mod ledger;
mod window;

use std::sync::Arc;

pub use ledger::{Counted, Guards, Release, TenantGuard};

use crate::auth::rate::whole_seconds;
use crate::mapping::Harm;
use crate::scim::operation::VerbKind;

use super::error::GatewayError;
use super::policy::Step;
use super::run::Context;
use super::write::Written;
use ledger::Taken;

/// The places that a write holds, to be kept or given back when its outcome is known.
#[must_use]
#[derive(Debug, Default)]
pub(super) struct Places(Vec<(Arc<TenantGuard>, Taken)>);

/// Takes a place for every harm that the write does.
pub(super) async fn take(context: &Context, step: &Step<'_>) -> Result<Places, GatewayError> {
    let mut places = Places::default();
    let Some(rule) = context.tenant.plan.guard() else {
        return Ok(places);
    };
    let deletes = step.wanted.verb == VerbKind::Delete;
    for harm in Harm::ALL {
        let does = match harm {
            Harm::Delete => deletes,
            _ => !deletes && step.effect.is_some_and(|effect| effect.does(harm)),
        };
        let Some(limit) = rule.limit(harm).filter(|_| does) else {
            continue;
        };
        let (state, name) = (&context.state, context.tenant.name.as_str());
        let guard = state.guards().of(name);
        let resource = step.wanted.resource.as_str();
        let known = match limit.share {
            Some(_) => census::known(context, &guard, &step.wanted.resource).await,
            None => None,
        };
        let most = limit.allows(known);
        match guard.take(harm, resource, most, rule.window, state.age()) {
            Ok(taken) => places.0.push((guard, taken)),
            Err(over) => {
                places.give_back();
                let Some(most) = most else {
                    return Err(GatewayError::Uncounted);
                };
                let wait = whole_seconds(over.wait);
                if over.tell {
                    let window = rule.window.as_secs();
                    let effect = harm.as_str();
                    tracing::warn!(
                        tenant = name,
                        effect,
                        resource,
                        most,
                        window,
                        retry_after = wait,
                        "the guard lets no more through for now; if they are meant, `postern ctl \
                         guard release {name}` lets them"
                    );
                }
                return Err(GatewayError::OverGuard { harm, wait });
            }
        }
    }
    Ok(places)
}

impl Places {
    /// What became of the write. Where it is not known whether the directory did it, the place is
    /// kept.
    pub(super) fn over(self, outcome: &Result<Written, GatewayError>) {
        if let Err(error) = outcome
            && error.changed_nothing()
        {
            self.give_back();
        }
    }

    /// It is not sent after all.
    pub(super) fn give_back(self) {
        for (guard, taken) in self.0 {
            guard.give_back(&taken);
        }
    }
}
