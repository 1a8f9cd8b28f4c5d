//! A write that must see the present resource, and must not undo what others do meanwhile: guarded
//! by the directory's version, or by a second look just before it is sent.

use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use crate::directory::DirectoryError;
use crate::mapping::{Before, Effect, Encoded, Guard, Need};
use crate::scim::operation::{Answer, Projection, Verb, VerbKind};
use crate::scim::{Operation, Resource, ResourceId, Upstream, resource};

use super::error::GatewayError;
use super::run::{Context, Prepared};
use super::state::Held;
use super::write::{Wanted, Written, send};

/// A write that must see the present resource, and must not overwrite what others do meanwhile.
pub(super) struct Guarded<'a> {
    pub(super) context: &'a Context,
    pub(super) wanted: &'a Wanted,
    pub(super) prepared: &'a Prepared,
    pub(super) need: &'a Need,
    pub(super) id: &'a ResourceId,
}

impl Guarded<'_> {
    /// Reads, encodes, and writes where nobody has written in between; else once more.
    pub(super) async fn write(&self) -> Result<Written, GatewayError> {
        // The writers in this process wait for one another: clients send the members of a group
        // in parallel. Those elsewhere are noticed by the version, or by a second look.
        let _held = self.hold().await?;
        let abilities = self.prepared.abilities();
        let versions = abilities.etag || abilities.compares;
        let mut tags = true;
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                self.context.metrics().write_conflict();
                if !self.pause(attempt).await {
                    break;
                }
            }
            let mut before = self.read().await?;
            if !tags {
                before.guard = Guard::None;
            }
            // What is checked and what is written are the same bytes.
            let narrowed = self.prepared.narrowed(&self.context.tenant, &before)?;
            // What an operation says is counted once, however often it is prepared.
            let (context, prepared) = (self.context, narrowed.clone());
            let (encoded, view) = if attempt == 0 {
                context.encode(prepared, Some(&before), &mut context.counters())?
            } else {
                context.encode(prepared, Some(&before), &mut ())?
            };
            let mut operation = match encoded {
                Encoded::Ask(operation) => operation,
                Encoded::Unchanged(resource) => {
                    return Ok(Written::unchanged(resource, version(&before), view));
                }
                Encoded::Empty => return Ok(Written::nothing(view)),
            };
            if self.holds_itself(&operation) {
                // It is held to what it was made of: what others change beside that is no matter.
                operation.precondition.if_match = None;
            } else if !versions || before.guard == Guard::None {
                self.may_go_unguarded(&operation)?;
                if self.read().await?.resource != before.resource {
                    continue;
                }
                self.context.metrics().unguarded_write();
            }
            let effect = self.effect(&narrowed, &before)?;
            match send(self.context, self.wanted, operation, view, effect.as_ref()).await {
                Err(GatewayError::Directory {
                    error: DirectoryError::Precondition,
                    ..
                }) if !self.wanted.names_a_version() => {
                    // It shows tags and does not say that it honours them: with them every
                    // attempt could fail, and the second look stands without.
                    tags = versions;
                }
                outcome => return outcome,
            }
        }
        Err(GatewayError::Contended)
    }

    /// Whether the operation is held to all that was looked at for it.
    fn holds_itself(&self, operation: &Operation<Upstream>) -> bool {
        let for_itself = !self.prepared.watched && !self.prepared.permitted().is_open();
        for_itself
            && self.wanted.verb == VerbKind::Patch
            && !self.wanted.names_a_version()
            && self.context.tenant.directory.holds(operation)
    }

    /// Before another attempt: a short while, longer each time and never the same, so that writers
    /// of several processes do not meet again and again. False where there is no time left.
    async fn pause(&self, attempt: u32) -> bool {
        use std::hash::{BuildHasher as _, RandomState};
        let longest = FIRST_PAUSE * 2_u32.saturating_pow(attempt.saturating_sub(1).min(4));
        let part = RandomState::new().hash_one(attempt) % 1000;
        let pause = longest.mul_f64(0.5 + f64::from(u32::try_from(part).unwrap_or(0)) / 2000.0);
        let until = Instant::now() + pause;
        if until >= Instant::from_std(self.context.ask.deadline) {
            return false;
        }
        sleep_until(until).await;
        true
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

    /// What the write makes of the resource, where somebody wants to know.
    fn effect(&self, narrowed: &Prepared, before: &Before) -> Result<Option<Effect>, GatewayError> {
        let of = || {
            let permitted = narrowed.permitted();
            self.context.tenant.plan.effect(permitted, before)
        };
        if narrowed.watched {
            return Ok(Some(of()?));
        }
        // The trail says what was before where that was read whole for another reason.
        let whole = self.need.projection == Projection::All;
        Ok((whole && self.wanted.entry.is_kept())
            .then(of)
            .and_then(Result::ok))
    }

    async fn read(&self) -> Result<Before, GatewayError> {
        let operation = Operation::new(self.wanted.resource.clone(), Verb::Read(self.id.clone()))
            .projected(self.need.projection.clone());
        // An error is about what the client wants: a resource that is not there is a 404 of it.
        let reply = match self.context.call(operation).await {
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
            .told_to(self.prepared.scope())
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

fn version(before: &Before) -> Option<String> {
    match &before.guard {
        Guard::Version(version) => Some(version.clone()),
        Guard::None => None,
    }
}

fn meta_version(resource: &Resource) -> Option<String> {
    let meta = resource.attr("meta")?.as_object()?;
    let version = resource::get(meta, "version")?.as_str()?;
    let tagged = version.ends_with('"') && version.trim_start_matches("W/").starts_with('"');
    // One that is no entity tag cannot be sent back as `If-Match`.
    tagged.then(|| version.to_owned())
}

/// How often a write is prepared before it is given up: once, and seven times more.
const ATTEMPTS: u32 = 8;
/// How long it waits before the second time, at most.
const FIRST_PAUSE: Duration = Duration::from_millis(4);
