//! Writes: each runs in one task that owns its admission and ends at its own deadline, whether or
//! not somebody still waits for the answer. Nobody's hang-up leaves a change half done.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::directory::DirectoryError;
use crate::mapping::plan::View;
use crate::mapping::{Effect, Encoded, Plan};
use crate::scim::operation::{Answer, Projection, Verb, VerbKind};
use crate::scim::{Client, Operation, Reply, Resource, ResourceId, ResourceType, Upstream};

use super::GRACE;
use super::audit::Entry;
use super::error::GatewayError;
use super::guarded::Guarded;
use super::panic::caught;
use super::policy;
use super::run::{Context, Prepared, prepare, whole};
use super::state::Held;

/// Runs `work` in a task of its own and waits for it as long as the request may take.
pub(super) async fn tracked<T: Send + 'static>(
    context: &Context,
    work: impl Future<Output = Result<T, GatewayError>> + Send + 'static,
) -> Result<T, GatewayError> {
    let limit = Instant::from_std(context.ask.deadline) + GRACE;
    let held = (context.state.begin_write(), context.admission.clone());
    let request_id = Arc::clone(&context.ask.request_id);
    let (tell, told) = oneshot::channel();
    let metrics = Arc::clone(context.state.metrics());
    tokio::spawn(async move {
        let outcome = caught(work).await.unwrap_or_else(|| {
            metrics.panicked();
            tracing::error!(%request_id, "a write ran into a defect");
            Err(GatewayError::Panic)
        });
        let done = outcome.is_ok();
        if tell.send(outcome).is_err() {
            tracing::info!(%request_id, done, "a write ended after its request");
        }
        drop(held);
    });
    match timeout_at(limit, told).await {
        Ok(Ok(outcome)) => outcome,
        // A task that is gone without a word went with its runtime.
        Ok(Err(_)) | Err(_) => Err(GatewayError::Deadline(true)),
    }
}

/// One write, from the client's words to the client's words. The caller tracks it.
pub(super) async fn perform(
    context: &Context,
    operation: Operation<Client>,
) -> Result<Reply<Client>, GatewayError> {
    let wanted = Wanted::of(&operation, context);
    let outcome = done(context, &wanted, operation).await;
    wanted.entry.over(&outcome);
    outcome
}

async fn done(
    context: &Context,
    wanted: &Wanted,
    operation: Operation<Client>,
) -> Result<Reply<Client>, GatewayError> {
    context.learn().await;
    let prepared = prepare(&context.tenant, &context.caller, operation)?;
    wanted.entry.allowed(prepared.permitted());
    let written = match (&prepared.need, &wanted.id) {
        (Some(need), Some(id)) => {
            let guarded = Guarded {
                context,
                wanted,
                prepared: &prepared,
                need,
                id,
            };
            guarded.write().await?
        }
        _ => {
            let _held = hold(context, wanted).await?;
            plain(context, wanted, prepared).await?
        }
    };
    answer(context, wanted, written).await
}

/// What the client wants, as far as it matters after the operation is used up.
pub(super) struct Wanted {
    pub(super) verb: VerbKind,
    pub(super) resource: ResourceType,
    pub(super) id: Option<ResourceId>,
    /// The client's own `If-Match`.
    if_match: Option<Vec<String>>,
    /// Whether it named the attributes of the answer.
    named: bool,
    /// What the audit trail has of it.
    pub(super) entry: Entry,
}

/// What became of a write.
pub(super) struct Written {
    reply: Reply<Upstream>,
    view: View,
    /// What of the resource the answer shows, in the directory's words.
    projection: Projection,
    /// Whether a PATCH went out as something else, so that the form of the answer is our choice.
    emulated: bool,
}

impl Wanted {
    fn of(operation: &Operation<Client>, context: &Context) -> Self {
        Self {
            verb: operation.verb.kind(),
            resource: operation.resource.clone(),
            id: operation.verb.id().cloned(),
            if_match: operation.precondition.if_match.clone(),
            named: matches!(operation.projection, Projection::Only(_)),
            entry: context.ledger.write(operation),
        }
    }

    /// Groups may be huge: what a PATCH leaves of them is shown only when it is asked for.
    fn is_group(&self) -> bool {
        self.resource.as_str().eq_ignore_ascii_case("Group")
    }

    /// Whether the client itself named a version; `*` only says that there must be some.
    pub(super) fn names_a_version(&self) -> bool {
        let tags = self.if_match.as_deref().unwrap_or_default();
        tags.iter().any(|tag| tag != "*")
    }
}

/// Waits for who must see the resource before changing it; and for everybody where a version is
/// named, so that at least nobody of this process writes between the driver's look and its write.
async fn hold(context: &Context, wanted: &Wanted) -> Result<Option<Held>, GatewayError> {
    let Some(id) = &wanted.id else {
        return Ok(None);
    };
    let (tenant, resource) = (context.tenant.name.as_str(), wanted.resource.as_str());
    let state = &context.state;
    let held = async {
        if wanted.names_a_version() {
            state.hold(tenant, resource, id.as_str()).await
        } else {
            state.share(tenant, resource, id.as_str()).await
        }
    };
    let limit = Instant::from_std(context.ask.deadline);
    let held = timeout_at(limit, held).await;
    held.map(Some).map_err(|_| GatewayError::Contended)
}

/// One round trip.
async fn plain(
    context: &Context,
    wanted: &Wanted,
    prepared: Prepared,
) -> Result<Written, GatewayError> {
    let (encoded, view) = context.encode(prepared, None, &mut context.counters())?;
    match encoded {
        Encoded::Ask(operation) => match send(context, wanted, operation, view, None).await {
            // Nobody asked for a version: this is not the client's to resolve.
            Err(GatewayError::Directory {
                error: DirectoryError::Precondition,
                ..
            }) if wanted.if_match.is_none() => Err(GatewayError::Contended),
            outcome => outcome,
        },
        Encoded::Unchanged(resource) => Ok(Written::unchanged(resource, None, view)),
        Encoded::Empty => Ok(Written::nothing(view)),
    }
}

/// Sends a write that the policies let through, and notes what its answer needs. `effect` is what
/// it makes of the present resource, where that is watched.
pub(super) async fn send(
    context: &Context,
    wanted: &Wanted,
    operation: Operation<Upstream>,
    view: View,
    effect: Option<&Effect>,
) -> Result<Written, GatewayError> {
    let step = policy::Step {
        wanted,
        operation: &operation,
        effect,
    };
    let passed = policy::pass(context, &step).await?;
    let outcome = execute(context, wanted, operation, view).await;
    passed.over(&outcome);
    outcome
}

async fn execute(
    context: &Context,
    wanted: &Wanted,
    operation: Operation<Upstream>,
    view: View,
) -> Result<Written, GatewayError> {
    let projection = operation.projection.clone();
    let emulated = wanted.verb == VerbKind::Patch && operation.verb.kind() != VerbKind::Patch;
    let reply = context
        .execute(operation, wanted.verb, &wanted.resource)
        .await
        .map_err(|error| error.told_to(&view.scope))?;
    Ok(Written {
        reply,
        view,
        projection,
        emulated,
    })
}

impl Written {
    /// The id of the resource that was made, as the directory gave it.
    pub(super) fn made(&self, plan: &Plan, resource: &ResourceType) -> Option<String> {
        match &self.reply.answer {
            Answer::Created(document) => plan.created_id(resource, document),
            _ => None,
        }
    }

    /// The version that it has now, where the directory gave one.
    pub(super) fn version(&self) -> Option<&str> {
        self.reply.etag.as_deref()
    }

    /// It would change nothing: the present resource is the answer.
    pub(super) fn unchanged(resource: Resource, version: Option<String>, view: View) -> Self {
        Self {
            reply: whole(resource).versioned(version),
            view,
            projection: Projection::All,
            emulated: true,
        }
    }

    /// It is about nothing.
    pub(super) fn nothing(view: View) -> Self {
        Self {
            reply: Reply::new(Answer::Nothing),
            view,
            projection: Projection::All,
            emulated: false,
        }
    }
}

/// Gives the client the representation that it expects, and no other.
async fn answer(
    context: &Context,
    wanted: &Wanted,
    written: Written,
) -> Result<Reply<Client>, GatewayError> {
    let group_patch = wanted.verb == VerbKind::Patch && wanted.is_group();
    if group_patch && written.emulated && !wanted.named {
        return Ok(Reply::new(Answer::Nothing).versioned(written.reply.etag));
    }
    let Written {
        reply,
        view,
        projection,
        ..
    } = written;
    let empty = matches!(reply.answer, Answer::Nothing);
    let reply = match (wanted.verb, &wanted.id) {
        (VerbKind::Create, _) if empty => {
            return Err(GatewayError::Nameless(wanted.resource.clone()));
        }
        (VerbKind::Replace | VerbKind::Patch, Some(id))
            if empty && (!group_patch || wanted.named) =>
        {
            read_back(context, wanted, id, projection)
                .await
                .unwrap_or(reply)
        }
        _ => reply,
    };
    context.decode(reply, &view)
}

/// The write is done whatever comes of this: where it fails the client gets a 204.
async fn read_back(
    context: &Context,
    wanted: &Wanted,
    id: &ResourceId,
    projection: Projection,
) -> Option<Reply<Upstream>> {
    let operation =
        Operation::new(wanted.resource.clone(), Verb::Read(id.clone())).projected(projection);
    let reply = context.call(operation).await.ok()?;
    matches!(reply.answer, Answer::Resource(_)).then_some(reply)
}
