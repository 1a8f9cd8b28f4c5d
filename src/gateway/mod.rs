//! One request, from HTTP to the directory and back.
//!
//! Around `Gateway::serve`, which tells the story, stand three small pieces: *observe* sees the
//! final status of whatever happened, *respond* turns every error and every defect into a SCIM
//! error, *admit* bounds how much is under way. tower's layers for this end at the head of an
//! answer; ours hold a place until the body of a list is over, or the task of a write.

mod arrival;
mod audit;
mod bulk;
mod call;
pub mod clients;
pub mod decide;
mod discarded;
mod discovery;
mod door;
mod endpoint;
mod error;
mod everything;
pub mod guard;
mod guarded;
mod head;
mod intake;
mod limit;
mod listing;
mod lists;
mod oauth;
mod observe;
mod pages;
mod panic;
mod policy;
pub mod protect;
mod refusal;
mod respond;
mod run;
mod shown;
mod state;
pub mod target;
mod timing;
mod write;

#[cfg(test)]
mod tests;

pub use error::{BulkReference, GatewayError};
pub use oauth::{Code, OAuthError};
pub use run::{Prepared, prepare};
pub use state::{Admission, Held, Limits, State, Writing};

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::request::Parts as Head;
use http::{Request, Response, StatusCode};
use http_body::Body as _;
use tokio::time::{Instant, timeout_at};

use crate::auth::{Authenticator, Caller, Presented, Proven};
use crate::config::{Live, Tenant};
use crate::directory::Ask;
use crate::net::{Body, Peer};
use crate::scim::accent::Accents;
use crate::scim::{Client, Operation};
use crate::telemetry::{AccessLog, OperationKind, TenantMetrics, Tracer};

use arrival::Arrival;
use audit::Ledger;
use call::{Call, Discovery, Parts};
use clients::Visit;
use endpoint::Endpoint;
use oauth::Desk;
use observe::Seen;
use refusal::Refusal;
use respond::Manner;
use run::Context;

/// The public door: everything that one request needs.
pub struct Gateway {
    live: Arc<Live>,
    state: Arc<State>,
    log: AccessLog,
    tap: Option<Arc<dyn Tap>>,
    tracer: Tracer,
    /// Who calls whatever they show, in a rehearsal; nobody where requests come over a network.
    supposed: Option<Caller>,
}

/// Sees requests and answers as the client does, for a demonstration. Bodies that stream are not
/// shown.
pub trait Tap: Send + Sync + 'static {
    /// A request whose sender is known has been read.
    fn asked(&self, request_id: &str, method: &http::Method, target: &str, body: &[u8]);
    /// The answer is on its way.
    fn answered(&self, request_id: &str, status: StatusCode, body: &[u8]);
}

/// A request that was refused before it came this far.
#[derive(Debug, Clone)]
pub struct Refused<'a> {
    /// The method, as far as it could be read.
    pub method: &'a http::Method,
    /// The version of HTTP.
    pub version: http::Version,
    /// Who sent it.
    pub peer: Peer,
    /// Why, in our words.
    pub reason: &'a str,
}

impl Gateway {
    /// A gateway that serves what `live` holds.
    #[must_use]
    pub fn new(
        live: Arc<Live>,
        state: Arc<State>,
        log: AccessLog,
        tap: Option<Arc<dyn Tap>>,
    ) -> Self {
        Self {
            live,
            state,
            log,
            tap,
            tracer: Tracer::off(),
            supposed: None,
        }
    }

    /// The same, with spans of the requests that `tracer` takes.
    #[must_use]
    pub fn traced(self, tracer: Tracer) -> Self {
        Self { tracer, ..self }
    }

    /// The same for a rehearsal: all requests are this caller's. Such a gateway stands behind no
    /// listener.
    #[must_use]
    pub fn supposing(self, caller: Caller) -> Self {
        let supposed = Some(caller);
        Self { supposed, ..self }
    }

    /// What outlives the requests.
    #[must_use]
    pub fn state(&self) -> &Arc<State> {
        &self.state
    }

    /// Answers one request. Never fails and never panics: whatever goes wrong is a SCIM error.
    pub async fn handle(self: &Arc<Self>, request: Request<Body>, peer: Peer) -> Response<Body> {
        // observe
        let id =
            head::request_id(request.headers()).unwrap_or_else(|| self.state.next_request_id());
        let (metrics, method) = (self.state.metrics(), request.method().clone());
        let arrival = Arrival::of(request.headers(), request.version(), &self.tracer, now());
        let mut seen = Seen::begin(Arc::clone(&id), peer, method, arrival, metrics, &self.log);
        seen.body_ended = request.body().is_end_stream();
        // HTTP/2 has no `Connection`: there an unread body ends its stream only.
        let one_of_many = request.version() >= http::Version::HTTP_2;
        let (head, mut body) = request.into_parts();

        // respond
        let mut response = match panic::caught(self.admit(head, &mut body, &mut seen)).await {
            Some(Ok(response)) => response,
            Some(Err(error)) => {
                let error = limit::throttled(error, &mut seen, &self.state);
                if !seen.quiet {
                    intake::discard(&mut body, &mut seen.body_ended).await;
                }
                self.refuse(error, &mut seen, one_of_many)
            }
            None => {
                metrics.panicked();
                tracing::error!(request_id = %id, "a request ran into a defect");
                self.refuse(GatewayError::Panic, &mut seen, one_of_many)
            }
        };
        respond::mark(&mut response, &id);
        if let Some(tap) = &self.tap {
            let body: &[u8] = match response.body() {
                Body::Full(bytes) => bytes,
                _ => b"",
            };
            tap.answered(&id, response.status(), body);
        }
        seen.answered(response)
    }

    /// Takes note of a request that was refused for its head, which nobody understands: all that is
    /// said of it is its method. Gives the answer with its marks.
    #[must_use]
    pub fn refused(&self, mut answer: Response<Body>, refused: &Refused<'_>) -> Response<Body> {
        let id = self.state.next_request_id();
        let nothing = http::HeaderMap::new();
        let arrival = Arrival::of(&nothing, refused.version, &Tracer::off(), now());
        let (metrics, method) = (self.state.metrics(), refused.method.clone());
        let id_of = Arc::clone(&id);
        let mut seen = Seen::begin(
            id_of,
            refused.peer.clone(),
            method,
            arrival,
            metrics,
            &self.log,
        );
        seen.refused_head(refused.reason);
        respond::mark(&mut answer, &id);
        seen.answered(answer)
    }

    fn refuse(&self, error: GatewayError, seen: &mut Seen, one_of_many: bool) -> Response<Body> {
        observe::count_refused(self.state.metrics(), seen.metrics(), &error);
        let trail = self.state.trail();
        let told = seen.is_told(trail, &error).then(|| error.clone());
        let mut refusal = Refusal::from(error);
        if seen.operation == Some(OperationKind::Token) {
            refusal = refusal.in_words_of_oauth();
        }
        if let Some(error) = told {
            seen.tell(trail, &error, &refusal);
        }
        seen.failed(&refusal);
        // Who is throttled has to connect anew.
        let close = seen.quiet || !seen.body_ended;
        respond::refusal(&refusal, !one_of_many && close)
    }

    /// Bounds how much is under way: what does not fit is refused at once, nothing queues.
    async fn admit(
        &self,
        head: Head,
        body: &mut Body,
        seen: &mut Seen,
    ) -> Result<Response<Body>, GatewayError> {
        match self.state.admit() {
            Some(admission) => self.serve(head, body, admission, seen).await,
            None => {
                self.state.metrics().shed();
                Err(GatewayError::Shed)
            }
        }
    }

    /// The story of one request.
    async fn serve(
        &self,
        head: Head,
        body: &mut Body,
        admission: Admission,
        seen: &mut Seen,
    ) -> Result<Response<Body>, GatewayError> {
        let snapshot = self.live.current();
        seen.revision = Arc::clone(&snapshot.revision);
        let path = door::canonical(&head.uri);
        let routed = path.as_deref().ok().and_then(|path| snapshot.route(path));
        if let Ok(path) = &path {
            tracing::debug!(request_id = &*seen.request_id, path, "request");
            seen.arrival.leads_to(path, routed);
        }

        if let (Ok(path), Some(issuer)) = (&path, snapshot.auth.issuer())
            && let Some(door) = issuer.door(path)
        {
            let desk = Desk {
                snapshot: &snapshot,
                issuer,
                state: &self.state,
                now: now(),
            };
            return Box::pin(desk.serve(door, &head, body, seen)).await;
        }

        // Who asks comes before everything that the answer could tell a stranger.
        head::one_authorization(&head.headers)?;
        let certificate = seen.peer.certificate.as_ref();
        let presented = Presented::new(&head.headers, seen.peer.address.ip()).over(certificate);
        let caller = match &self.supposed {
            Some(caller) => caller.clone(),
            None => match snapshot.auth.authenticate(&presented, now())? {
                Proven::Caller(caller) => caller,
                Proven::Later(later) => {
                    let _leave = limit::asking(&later, seen, &self.state)?;
                    later.caller.await?
                }
            },
        };
        seen.called_by(&caller);
        seen.visit = Some(Visit::begin(self.state.clients(), &head.headers));
        if let Some((tenant, _)) = routed {
            seen.found(tenant);
        }
        limit::request(&caller, &self.state)?;

        let (tenant, rest) = match (&path, routed) {
            (Ok(_), Some(routed)) => routed,
            (Ok(_), None) => return Err(GatewayError::NoTenant),
            (Err(error), _) => return Err(error.clone()),
        };
        caller.enter(&tenant.name)?;
        let host = door::host(&head.uri, &head.headers)?;
        if !tenant.hosts.iter().any(|known| **known == host) {
            return Err(GatewayError::Misdirected);
        }

        let endpoint = Endpoint::find(&tenant.plan, rest)?;
        seen.resource = endpoint.resource().map(str::to_owned);
        endpoint.takes(&head.method)?;
        let operation = endpoint.operation(&head.method);
        seen.operation = Some(operation);
        seen.timing.belongs_to(&tenant.metrics, operation);
        let largest = endpoint.largest_body(self.state.limits());
        let body = self.body(&head, body, largest, seen).await?;
        seen.arrival.received = u64::try_from(body.len()).unwrap_or(u64::MAX);

        let mut accents = if tenant.plan.accepts_accents() {
            Accents::accepted()
        } else {
            Accents::refused()
        };
        let parts = Parts {
            method: &head.method,
            query: head.uri.query().unwrap_or_default(),
            precondition: head::precondition(&head.headers)?,
            body,
        };
        let operations = self.state.limits().bulk_operations;
        let call = Call::parse(&endpoint, parts, operations, &mut accents);
        count(&tenant.metrics, &accents);
        seen.met(accents.seen().len());
        let call = call?;
        if let Call::Bulk(request) = &call {
            limit::operations(&caller, request.operations.len(), &self.state)?;
        }

        seen.told = call.writes();
        let context = Context {
            tenant: Arc::clone(tenant),
            ledger: Ledger::of(self.state.trail(), tenant, &caller, seen),
            caller,
            ask: Ask {
                request_id: Arc::clone(&seen.request_id),
                traceparent: seen.arrival.context(),
                deadline: std::time::Instant::now() + self.time_for(&call),
            },
            state: Arc::clone(&self.state),
            timing: Arc::clone(&seen.timing),
            discarded: Arc::clone(&seen.discarded),
            admission,
        };
        // By far the largest part of the future, and all that comes before it is over: boxed here
        // it is not carried along by every connection that is idle.
        Box::pin(self.answer(call, context, &snapshot.auth)).await
    }

    /// The body, bounded; empty where the method has none.
    async fn body(
        &self,
        head: &Head,
        body: &mut Body,
        largest: usize,
        seen: &mut Seen,
    ) -> Result<Bytes, GatewayError> {
        let bytes = if call::has_body(&head.method) {
            head::json_body(&head.headers)?;
            let deadline = Instant::now() + self.state.limits().body_time;
            let bytes = intake::read(body, largest, deadline, &mut seen.body_ended).await?;
            seen.metrics().received(length(&bytes));
            bytes
        } else {
            Bytes::new()
        };
        if let Some(tap) = &self.tap {
            let target = head
                .uri
                .path_and_query()
                .map_or("", |target| target.as_str());
            tap.asked(&seen.request_id, &head.method, target, &bytes);
        }
        Ok(bytes)
    }

    /// Does what is asked, and answers.
    async fn answer(
        &self,
        call: Call,
        context: Context,
        auth: &Authenticator,
    ) -> Result<Response<Body>, GatewayError> {
        let limits = self.state.limits();
        // What is asked seldom is boxed, so that the rest is not carried in the room that it takes.
        match call {
            Call::One(operation) => self.one(operation, &context).await,
            Call::Everything(operations) => {
                let limit = Instant::from_std(context.ask.deadline) + GRACE;
                let search = Box::pin(everything::search(&context, operations));
                match timeout_at(limit, search).await {
                    Ok(page) => Ok(respond::list(page?)),
                    Err(_) => Err(GatewayError::Deadline(false)),
                }
            }
            Call::Bulk(request) => {
                let own = context.clone();
                let work = Box::pin(async move { Ok(bulk::run(&own, request).await) });
                let value = write::tracked(&context, work).await?;
                Ok(respond::document(&value))
            }
            Call::Discovery(asked) => {
                let tenant = &context.tenant;
                let value = match asked {
                    Discovery::ServiceProviderConfig => {
                        context.learn().await;
                        discovery::service_provider_config(tenant, auth, limits)
                    }
                    Discovery::Schemas(id) => discovery::schemas(tenant, id.as_deref())?,
                    Discovery::ResourceTypes(name) => {
                        discovery::resource_types(tenant, name.as_deref())?
                    }
                };
                Ok(respond::document(&value))
            }
        }
    }

    async fn one(
        &self,
        operation: Operation<Client>,
        context: &Context,
    ) -> Result<Response<Body>, GatewayError> {
        let manner = Manner {
            collection: collection(&context.tenant, &operation),
            commit_point: self.state.limits().commit_point,
            metrics: self.state.metrics(),
            admission: &context.admission,
        };
        let reply = run::run(context, operation).await?;
        // A list is collected up to its commit point: that is still before the head.
        let limit = Instant::from_std(context.ask.deadline) + GRACE;
        match timeout_at(limit, respond::success(reply, manner)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(GatewayError::Deadline(false)),
        }
    }

    fn time_for(&self, call: &Call) -> Duration {
        match call {
            Call::One(_) | Call::Everything(_) | Call::Discovery(_) => {
                self.state.limits().request_time
            }
            Call::Bulk(_) => self.state.limits().bulk_time,
        }
    }
}

/// Counts what a tenant's clients say differently.
fn count(metrics: &TenantMetrics, accents: &Accents) {
    for accent in accents.seen() {
        metrics.accent(*accent);
    }
}

/// As metrics count it.
fn length(bytes: &Bytes) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// Where the resources of an operation's type are.
fn collection(tenant: &Tenant, operation: &Operation<Client>) -> String {
    let schema = tenant
        .plan
        .types()
        .find(|schema| schema.name == operation.resource);
    let endpoint = schema.map_or("", |schema| &*schema.endpoint);
    format!("{}/{endpoint}", tenant.url)
}

/// The clock; below this, time is an argument.
#[expect(
    clippy::disallowed_methods,
    reason = "the outermost layer reads the clock"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

/// A directory's own deadline passes first: its error says more than ours.
const GRACE: Duration = Duration::from_millis(500);
