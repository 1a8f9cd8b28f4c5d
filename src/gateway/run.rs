//! The story without HTTP: one operation, from the client's words to the client's words. Bulk asks
//! for it once per operation.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use crate::auth::{AuthError, Caller, Permitted, Scope};
use crate::config::Tenant;
use crate::directory::{Ask, DirectoryError};
use crate::mapping::plan::{Present, View};
use crate::mapping::{Before, Encoded, MappingError, Need, Witness};
use crate::scim::operation::{Abilities, Answer, Document, Following, Listing, Verb, VerbKind};
use crate::scim::query::Query;
use crate::scim::{Client, Operation, Reply, Resource, ResourceType, Upstream};
use crate::telemetry::traces::Called;
use crate::telemetry::{Counters, TenantMetrics};

use super::audit::Ledger;
use super::discarded::{Discarded, Noting};
use super::error::GatewayError;
use super::state::{Admission, State};
use super::timing::{Timing, Watch};
use super::{GRACE, pages, policy, write};

/// What accompanies the operations of one request.
#[derive(Clone)]
pub(super) struct Context {
    pub(super) tenant: Arc<Tenant>,
    pub(super) caller: Caller,
    pub(super) ask: Ask,
    pub(super) state: Arc<State>,
    pub(super) timing: Arc<Timing>,
    pub(super) discarded: Arc<Discarded>,
    pub(super) admission: Admission,
    pub(super) ledger: Ledger,
}

/// An operation that may be done, with what must be known before it can be sent. Everything up to
/// here, and [`Prepared::encode`], is pure.
#[derive(Debug, Clone)]
pub struct Prepared {
    permitted: Permitted,
    abilities: Abilities,
    /// What of the present resource must be read first, if anything.
    pub need: Option<Need>,
    /// Whether that is needed to know what the write does with it.
    pub(super) watched: bool,
}

/// The pure half of an operation: may the caller do it, and what must be known for it?
///
/// # Errors
/// [`GatewayError::Auth`], [`MappingError::Forbidden`].
pub fn prepare(
    tenant: &Tenant,
    caller: &Caller,
    operation: Operation<Client>,
) -> Result<Prepared, GatewayError> {
    let permitted = caller.authorize(&tenant.name, operation)?;
    let permitted = tenant.plan.settle(permitted)?;
    let abilities = tenant.directory.abilities();
    let need = tenant.plan.need(&permitted, abilities);
    let watched = policy::need(tenant, &permitted);
    let (need, watched) = match watched {
        Some(more) => (need.or(Some(more)), true),
        None => (need, false),
    };
    if need.is_some() {
        // Nothing is sent for what is forbidden, not even a read.
        tenant.plan.permit(&permitted)?;
    }
    Ok(Prepared {
        permitted,
        abilities,
        need,
        watched,
    })
}

impl Prepared {
    /// The operation in the directory's words.
    ///
    /// # Errors
    /// See [`MappingError`].
    pub fn encode(
        self,
        tenant: &Tenant,
        before: Option<&Before>,
        witness: &mut impl Witness,
    ) -> Result<(Encoded, View), MappingError> {
        let (permitted, abilities) = (self.permitted, self.abilities);
        tenant.plan.encode(permitted, abilities, before, witness)
    }

    /// The same where the present resource is known: by the lines whose conditions it satisfies.
    ///
    /// # Errors
    /// [`AuthError::Hidden`],
    /// [`AuthError::Unmet`], and [`MappingError::Forbidden`] where
    /// those lines do not allow all of it.
    pub fn narrowed(&self, tenant: &Tenant, before: &Before) -> Result<Self, GatewayError> {
        if !self.permitted.is_open() {
            return Ok(self.clone());
        }
        let resource = &self.operation().resource;
        let present = tenant.plan.present(resource, before)?;
        self.by(tenant, &present)
    }

    /// The same by a present resource that can be asked about conditions.
    pub(super) fn by(&self, tenant: &Tenant, present: &Present<'_>) -> Result<Self, GatewayError> {
        let permitted = self
            .permitted
            .narrow(|condition| present.holds(condition))?;
        tenant.plan.permit(&permitted)?;
        Ok(Self {
            permitted,
            ..self.clone()
        })
    }

    /// The operation, in the client's words.
    #[must_use]
    pub fn operation(&self) -> &Operation<Client> {
        self.permitted.operation()
    }

    /// The proof.
    pub(super) fn permitted(&self) -> &Permitted {
        &self.permitted
    }

    /// What of a resource the account may see and change.
    pub(super) fn scope(&self) -> &Scope {
        self.permitted.scope()
    }

    /// What the directory could do when this was prepared.
    #[must_use]
    pub fn abilities(&self) -> Abilities {
        self.abilities
    }
}

/// Carries one operation out. A read ends with the client's patience; a write does not.
pub(super) async fn run(
    context: &Context,
    operation: Operation<Client>,
) -> Result<Reply<Client>, GatewayError> {
    if operation.verb.kind().writes() {
        let own = context.clone();
        // Boxed: its room is not that of every read, and a task takes it over without a copy.
        let work = Box::pin(async move { write::perform(&own, operation).await });
        return write::tracked(context, work).await;
    }
    let limit = Instant::from_std(context.ask.deadline) + GRACE;
    match timeout_at(limit, read(context, operation)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(GatewayError::Deadline(false)),
    }
}

async fn read(
    context: &Context,
    mut operation: Operation<Client>,
) -> Result<Reply<Client>, GatewayError> {
    let (verb, resource) = (operation.verb.kind(), operation.resource.clone());
    let unless = operation.precondition.if_none_match.clone();
    let seal = pages::open(&context.tenant, &mut operation)?;
    context.learn().await;
    if let Verb::List(query) = &mut operation.verb {
        context.bound(query);
    }
    let prepared = prepare(&context.tenant, &context.caller, operation)?;
    let (encoded, view) = context.encode(prepared, None, &mut context.counters())?;
    let reply = match encoded {
        Encoded::Ask(operation) => {
            let asked = context.execute(operation, verb, &resource).await;
            asked.map_err(|error| error.told_to(&view.scope))?
        }
        Encoded::Empty => {
            let mut nothing = nothing_matches(view.start);
            nothing.following = seal.map(|_| Following::Nothing);
            return Ok(nothing);
        }
        Encoded::Unchanged(resource) => whole(resource),
    };
    let following = reply.following.clone();
    let mut reply = context.decode(reply, &view)?;
    reply.following = match (seal, following) {
        (Some(seal), Some(following)) => Some(seal.close(following)),
        _ => None,
    };
    if let (Answer::Nothing, Some(_)) = (&reply.answer, &view.sight) {
        let account = Arc::clone(context.caller.account());
        return Err(AuthError::Hidden { account, resource }.into());
    }
    // A directory that keeps versions and does not honour the header has done the work for
    // nothing; the client is still told what it wants to know.
    match (&unless, &reply.etag) {
        (Some(tags), Some(etag)) if verb == VerbKind::Read && any_matches(tags, etag) => {
            let etag = reply.etag;
            Ok(Reply::new(Answer::NotModified).versioned(etag))
        }
        _ => Ok(reply),
    }
}

impl Context {
    /// Lets the directory find out what it can do, where that is not known yet.
    pub(super) async fn learn(&self) {
        if let Some(learning) = self.tenant.directory.prepare(&self.ask) {
            let call = self.timing.call(|| self.called("learn", "GET", None));
            learning.await;
            call.over();
        }
    }

    /// Keeps the page of a list as small as it has to be.
    pub(super) fn bound(&self, query: &mut Query) {
        let most = self.state.limits().max_results;
        pages::bound(query, &*self.tenant.directory, most);
    }

    /// What the mapping reports to.
    pub(super) fn counters(&self) -> Noting {
        let counters = Counters::new(Arc::clone(self.metrics()));
        Noting::new(counters, &self.discarded)
    }

    /// What is counted of this tenant.
    pub(super) fn metrics(&self) -> &Arc<TenantMetrics> {
        &self.tenant.metrics
    }

    /// The operation in the directory's words.
    pub(super) fn encode(
        &self,
        prepared: Prepared,
        before: Option<&Before>,
        witness: &mut impl Witness,
    ) -> Result<(Encoded, View), MappingError> {
        let encode = || prepared.encode(&self.tenant, before, witness);
        self.timing.map(encode)
    }

    /// Asks the directory, and takes note of how long that took. The error is in its words.
    pub(super) async fn call(
        &self,
        operation: Operation<Upstream>,
    ) -> Result<Reply<Upstream>, DirectoryError> {
        let call = self.timing.call(|| {
            let verb = operation.verb.kind();
            self.called(verb.as_str(), method(verb), Some(&operation.resource))
        });
        let ask = call.ask(&self.ask);
        let asked = self.tenant.directory.execute(operation, &ask).await;
        drop(ask);
        call.ended(&asked);
        if let Err(DirectoryError::Credentials(_)) = asked {
            self.metrics().credentials_refused();
        }
        asked
    }

    /// A call to the directory, for its span.
    fn called(
        &self,
        verb: &'static str,
        method: &'static str,
        resource: Option<&ResourceType>,
    ) -> Called {
        Called {
            directory: self.tenant.directory.name(),
            verb,
            method,
            resource: resource.map(|resource| resource.as_str().to_owned()),
        }
    }

    /// Asks the directory. `verb` is what the client wants, for the words of an error.
    pub(super) async fn execute(
        &self,
        operation: Operation<Upstream>,
        verb: VerbKind,
        resource: &ResourceType,
    ) -> Result<Reply<Upstream>, GatewayError> {
        let asked = self.call(operation).await;
        asked.map_err(|error| GatewayError::directory(error, &self.tenant.plan, verb, resource))
    }

    /// The answer in the client's words.
    pub(super) fn decode(
        &self,
        mut reply: Reply<Upstream>,
        view: &View,
    ) -> Result<Reply<Client>, GatewayError> {
        let watch = Watch::new(&self.timing, self.metrics());
        reply.answer = match reply.answer {
            Answer::List(Listing::Bytes(list)) => Answer::List(Listing::Bytes(watch.before(list))),
            Answer::List(Listing::Stream {
                total,
                start,
                resources,
            }) => Answer::List(Listing::Stream {
                total,
                start,
                resources: watch.before(resources),
            }),
            other => other,
        };
        let decode = || self.tenant.plan.decode(reply, view, self.counters());
        let mut reply = self.timing.map(decode)?;
        if let Answer::List(Listing::Bytes(list)) = reply.answer {
            reply.answer = Answer::List(Listing::Bytes(watch.after(list)));
        }
        Ok(reply)
    }
}

/// What stands for it in SCIM, should the directory speak that.
fn method(verb: VerbKind) -> &'static str {
    match verb {
        VerbKind::Create => "POST",
        VerbKind::Read | VerbKind::List => "GET",
        VerbKind::Replace => "PUT",
        VerbKind::Patch => "PATCH",
        VerbKind::Delete => "DELETE",
    }
}

/// A resource that is known without asking.
pub(super) fn whole(resource: Resource) -> Reply<Upstream> {
    Reply::new(Answer::Resource(Document::Tree(resource)))
}

fn nothing_matches(start: usize) -> Reply<Client> {
    Reply::new(Answer::List(Listing::Page {
        total: Some(0),
        start,
        resources: Vec::new(),
    }))
}

/// Weak comparison (RFC 9110 §8.8.3.2).
fn any_matches(tags: &[String], etag: &str) -> bool {
    let opaque = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
    tags.iter()
        .any(|tag| tag == "*" || opaque(tag) == opaque(etag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_weakly() {
        let tags = [r#"W/"1""#.to_owned(), r#""2""#.to_owned()];
        assert!(any_matches(&tags, r#""1""#));
        assert!(any_matches(&tags, r#"W/"2""#));
        assert!(!any_matches(&tags, r#""3""#));
        assert!(any_matches(&["*".to_owned()], r#""3""#));
    }
}
