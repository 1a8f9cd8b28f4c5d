//! Writes: each runs in one task that owns its admission and ends at its own deadline, whether or
//! not somebody still waits for the answer. Nobody's hang-up leaves a change half done.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::directory::DirectoryError;
use crate::mapping::plan::View;
use crate::mapping::{Before, Encoded, Guard, Need};
use crate::scim::operation::{Answer, Projection, Verb, VerbKind};
use crate::scim::{Client, Operation, Reply, Resource, ResourceId, ResourceType, Upstream};

use super::GRACE;
use super::error::GatewayError;
use super::panic::caught;
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
    let wanted = Wanted::of(&operation);
    context.learn().await;
    let prepared = prepare(&context.tenant, &context.caller, operation)?;
    let written = match (&prepared.need, &wanted.id) {
        (Some(need), Some(id)) => {
            let guarded = Guarded {
                context,
                wanted: &wanted,
                prepared: &prepared,
                need,
                id,
            };
            guarded.write().await?
        }
        _ => plain(context, &wanted, prepared).await?,
    };
    answer(context, &wanted, written).await
}

/// What the client wants, as far as it matters after the operation is used up.
struct Wanted {
    verb: VerbKind,
    resource: ResourceType,
    id: Option<ResourceId>,
    /// The client's own `If-Match`.
    if_match: Option<Vec<String>>,
    /// Whether it named the attributes of the answer.
    named: bool,
}

/// What became of a write.
struct Written {
    reply: Reply<Upstream>,
    view: View,
    /// What of the resource the answer shows, in the directory's words.
    projection: Projection,
    /// Whether a PATCH went out as something else, so that the form of the answer is our choice.
    emulated: bool,
}

impl Wanted {
    fn of(operation: &Operation<Client>) -> Self {
        Self {
            verb: operation.verb.kind(),
            resource: operation.resource.clone(),
            id: operation.verb.id().cloned(),
            if_match: operation.precondition.if_match.clone(),
            named: matches!(operation.projection, Projection::Only(_)),
        }
    }

    /// Groups may be huge: what a PATCH leaves of them is shown only when it is asked for.
    fn is_group(&self) -> bool {
        self.resource.as_str().eq_ignore_ascii_case("Group")
    }

    /// Whether the client itself named a version; `*` only says that there must be some.
    fn names_a_version(&self) -> bool {
        let tags = self.if_match.as_deref().unwrap_or_default();
        tags.iter().any(|tag| tag != "*")
    }
}

/// One round trip.
async fn plain(
    context: &Context,
    wanted: &Wanted,
    prepared: Prepared,
) -> Result<Written, GatewayError> {
    let mut witness = context.counters.clone();
    let (encoded, view) = prepared.encode(&context.tenant, None, &mut witness)?;
    match encoded {
        Encoded::Ask(operation) => match send(context, wanted, operation, view).await {
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

async fn send(
    context: &Context,
    wanted: &Wanted,
    operation: Operation<Upstream>,
    view: View,
) -> Result<Written, GatewayError> {
    let projection = operation.projection.clone();
    let emulated = wanted.verb == VerbKind::Patch && operation.verb.kind() != VerbKind::Patch;
    let reply = context
        .execute(operation, wanted.verb, &wanted.resource)
        .await?;
    Ok(Written {
        reply,
        view,
        projection,
        emulated,
    })
}

/// A write that must see the present resource, and must not overwrite what others do meanwhile.
struct Guarded<'a> {
    context: &'a Context,
    wanted: &'a Wanted,
    prepared: &'a Prepared,
    need: &'a Need,
    id: &'a ResourceId,
}

impl Guarded<'_> {
    async fn write(&self) -> Result<Written, GatewayError> {
        let versions = self.prepared.abilities().etag;
        // Without versions the others in this process wait; those elsewhere are looked for.
        let mut held = if versions {
            None
        } else {
            Some(self.hold().await?)
        };
        let mut before = self.read().await?;
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                self.context.state.metrics().retry(self.tenant());
                before = self.read().await?;
            }
            let look_again = !versions || before.guard == Guard::None;
            if look_again && held.is_none() {
                held = Some(self.hold().await?);
                before = self.read().await?;
            }
            let mut witness = self.context.counters.clone();
            let prepared = self.prepared.clone();
            let (encoded, view) =
                prepared.encode(&self.context.tenant, Some(&before), &mut witness)?;
            let operation = match encoded {
                Encoded::Ask(operation) => operation,
                Encoded::Unchanged(resource) => {
                    return Ok(Written::unchanged(resource, version(&before), view));
                }
                Encoded::Empty => return Ok(Written::nothing(view)),
            };
            if !versions || before.guard == Guard::None {
                self.may_go_unguarded(&operation)?;
                if self.read().await?.resource != before.resource {
                    continue;
                }
                self.context.state.metrics().unguarded_write(self.tenant());
            }
            match send(self.context, self.wanted, operation, view).await {
                Err(GatewayError::Directory {
                    error: DirectoryError::Precondition,
                    ..
                }) if !self.wanted.names_a_version() => {}
                outcome => return outcome,
            }
        }
        Err(GatewayError::Contended)
    }

    /// The rule may refuse to emulate PATCH on a second look alone.
    fn may_go_unguarded(&self, operation: &Operation<Upstream>) -> Result<(), GatewayError> {
        let emulated =
            self.wanted.verb == VerbKind::Patch && operation.verb.kind() == VerbKind::Replace;
        if emulated && !self.context.tenant.verify_without_etag {
            return Err(GatewayError::Unguarded);
        }
        Ok(())
    }

    async fn read(&self) -> Result<Before, GatewayError> {
        let operation = Operation::new(self.wanted.resource.clone(), Verb::Read(self.id.clone()))
            .projected(self.need.projection.clone());
        // An error is about what the client wants: a resource that is not there is a 404 of it.
        let reply = match self
            .context
            .tenant
            .directory
            .execute(operation, &self.context.ask)
            .await
        {
            Ok(reply) => reply,
            Err(error) => return Err(self.nothing_changed(error)),
        };
        let Answer::Resource(document) = reply.answer else {
            let error = DirectoryError::Malformed("a read answered without a resource".to_owned());
            return Err(self.nothing_changed(error));
        };
        let resource = document.into_tree();
        let guard = match reply.etag.or_else(|| meta_version(&resource)) {
            Some(version) => Guard::Version(version),
            None => Guard::None,
        };
        Ok(Before { resource, guard })
    }

    /// What went wrong in reading: the outcome of the write is known, it was not begun.
    fn nothing_changed(&self, error: DirectoryError) -> GatewayError {
        let plan = &self.context.tenant.plan;
        GatewayError::directory(error, plan, VerbKind::Read, &self.wanted.resource)
    }

    async fn hold(&self) -> Result<Held, GatewayError> {
        let hold = self.context.state.hold(
            self.tenant(),
            self.wanted.resource.as_str(),
            self.id.as_str(),
        );
        let limit = Instant::from_std(self.context.ask.deadline);
        timeout_at(limit, hold)
            .await
            .map_err(|_| GatewayError::Contended)
    }

    fn tenant(&self) -> &str {
        self.context.tenant.name.as_str()
    }
}

impl Written {
    fn unchanged(resource: Resource, version: Option<String>, view: View) -> Self {
        Self {
            reply: whole(resource).versioned(version),
            view,
            projection: Projection::All,
            emulated: true,
        }
    }

    fn nothing(view: View) -> Self {
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
    let directory = &context.tenant.directory;
    let reply = directory.execute(operation, &context.ask).await.ok()?;
    matches!(reply.answer, Answer::Resource(_)).then_some(reply)
}

fn version(before: &Before) -> Option<String> {
    match &before.guard {
        Guard::Version(version) => Some(version.clone()),
        Guard::None => None,
    }
}

fn meta_version(resource: &Resource) -> Option<String> {
    let meta = resource.attr("meta")?.as_object()?;
    let version = crate::scim::resource::get(meta, "version")?.as_str()?;
    let tagged = version.ends_with('"') && version.trim_start_matches("W/").starts_with('"');
    // One that is no entity tag cannot be sent back as `If-Match`.
    tagged.then(|| version.to_owned())
}

/// How often a write is prepared before it is given up: once, and three times more.
const ATTEMPTS: usize = 4;
