//! How many resources of a type there are, for limits that are a share. The directory is asked by
//! a query for none of them, when a write needs to know and the last answer is a few minutes old;
//! an old answer does where a new one is not to be had.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::ledger::{Known, TenantGuard};
use crate::gateway::lists;
use crate::gateway::run::Context;
use crate::scim::ResourceType;
use crate::scim::operation::Answer;

/// How many there are, as far as is known.
pub(super) async fn known(
    context: &Context,
    guard: &TenantGuard,
    resource: &ResourceType,
) -> Option<u64> {
    let name = resource.as_str();
    let before = guard.known(name);
    if !is_due(before, context.state.age()) {
        return before.count.map(|(count, _)| count);
    }
    let limit = Instant::now() + LONGEST;
    let limit = limit.min(Instant::from_std(context.ask.deadline));
    // One asks; the others do with what is known, and wait where nothing is.
    let _turn = match before.count {
        Some((count, _)) => match guard.asking.try_lock() {
            Ok(turn) => turn,
            Err(_) => return Some(count),
        },
        None => timeout_at(limit, guard.asking.lock()).await.ok()?,
    };
    let known = guard.known(name);
    if is_due(known, context.state.age()) {
        let answer = timeout_at(limit, ask(context, resource)).await;
        guard.learn(name, answer.ok().flatten(), context.state.age());
    }
    guard.known(name).count.map(|(count, _)| count)
}

fn is_due(known: Known, now: Duration) -> bool {
    let past = |at: Duration, span| at + span <= now;
    known.count.is_none_or(|(_, at)| past(at, FRESH))
        && known.asked.is_none_or(|at| past(at, PAUSE))
}

async fn ask(context: &Context, resource: &ResourceType) -> Option<u64> {
    let plan = &context.tenant.plan;
    let abilities = context.tenant.directory.abilities();
    let reply = context
        .call(plan.how_many(resource, abilities))
        .await
        .ok()?;
    let Answer::List(listing) = reply.answer else {
        return None;
    };
    let list = lists::read(listing).await.ok()?;
    let whole = (!abilities.page).then_some(list.resources.len());
    u64::try_from(list.total.or(whole)?).ok()
}

/// How long an answer is as good as new.
const FRESH: Duration = Duration::from_secs(300);

/// How long a directory that did not answer is left alone.
const PAUSE: Duration = Duration::from_secs(10);

/// How long a write waits for the answer.
const LONGEST: Duration = Duration::from_secs(5);
