//! SCIM over HTTP: the driver for directories that speak it, however untidily.
//!
//! An operation becomes a fresh request (`request`), goes out over pooled connections
//! (`pool`), and its answer is judged in one place (`answer`). Lists are handed on as they
//! arrive, unread. What the directory can do is learnt in passing (`probe`).

mod answer;
mod config;
mod glance;
mod pool;
mod probe;
mod request;

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Response;

use crate::net::Body;
use crate::scim::operation::{Abilities, Answer, Listing, VerbKind};
use crate::scim::{Operation, Reply, Upstream};

use super::{Answering, Ask, Directory, DirectoryError, Health, Layout, Place, Preparing, Vitals};

pub use config::{Auth, HttpConfig, Identity, Timeouts};
pub use pool::{OpenError, Pool};
pub use probe::Supports;

use answer::{Head, Outcome};
use pool::Tries;
use request::Outgoing;

/// A view of a pool: where the types of one rule live behind it.
struct Http {
    pool: Arc<Pool>,
    layout: Arc<Layout>,
}

/// The directory behind a pool, laid out as a rule says.
#[must_use]
pub fn driver(pool: Arc<Pool>, layout: Arc<Layout>) -> Arc<dyn Directory> {
    Arc::new(Http { pool, layout })
}

impl Directory for Http {
    fn abilities(&self) -> Abilities {
        self.pool.abilities()
    }

    fn health(&self) -> Health {
        self.pool.health()
    }

    fn name(&self) -> Arc<str> {
        self.pool.name()
    }

    fn pool(&self) -> usize {
        Arc::as_ptr(&self.pool).addr()
    }

    fn vitals(&self) -> Vitals {
        self.pool.vitals()
    }

    fn check<'a>(&'a self, ask: &'a Ask) -> Preparing<'a> {
        Box::pin(self.pool.check(ask))
    }

    fn prepare<'a>(&'a self, ask: &'a Ask) -> Option<Preparing<'a>> {
        let due = self.pool.wants_to_learn();
        due.then(|| Box::pin(self.pool.learn(ask)) as Preparing<'a>)
    }

    fn execute<'a>(&'a self, operation: Operation<Upstream>, ask: &'a Ask) -> Answering<'a> {
        Box::pin(async move {
            let outcome = self.carry_out(operation, ask).await;
            self.pool.note(outcome.as_ref().map(|_| ()));
            outcome
        })
    }
}

impl Http {
    async fn carry_out(
        &self,
        operation: Operation<Upstream>,
        ask: &Ask,
    ) -> Result<Reply<Upstream>, DirectoryError> {
        let place = self
            .layout
            .place(&operation.resource)
            .ok_or(DirectoryError::Unsupported)?;
        let projection = operation.projection.clone();
        let outgoing = Outgoing::new(operation, place)?;
        match self.exchange(&outgoing, place, ask).await? {
            Outcome::Done(reply) => Ok(reply),
            Outcome::ReadBack(id) => {
                let look = Outgoing::read(place, &id, &projection);
                match self.exchange(&look, place, ask).await {
                    Ok(outcome) => created(outcome),
                    // It was made a moment ago: to the client this is not a missing resource.
                    Err(DirectoryError::NotFound) => Err(DirectoryError::Malformed(
                        "it made a resource and does not find it".to_owned(),
                    )),
                    Err(error) => Err(error),
                }
            }
        }
    }

    /// One request and its whole answer (of a list: its head). Looks are repeated where the answer
    /// breaks off, too.
    async fn exchange(
        &self,
        outgoing: &Outgoing,
        place: &Place,
        ask: &Ask,
    ) -> Result<Outcome, DirectoryError> {
        let mut tries = Tries::of(outgoing);
        loop {
            let response = self.pool.send(outgoing, ask, &mut tries).await?;
            match self.receive(outgoing, place, ask, response).await {
                Err(DirectoryError::Lost) if !outgoing.kind.writes() => {
                    if !self.pool.again(&mut tries, ask).await {
                        return Err(DirectoryError::Lost);
                    }
                }
                outcome => return outcome,
            }
        }
    }

    async fn receive(
        &self,
        outgoing: &Outgoing,
        place: &Place,
        ask: &Ask,
        response: Response<Body>,
    ) -> Result<Outcome, DirectoryError> {
        let kind = outgoing.kind;
        let (parts, body) = response.into_parts();
        let headers = &parts.headers;
        let conditional = kind == VerbKind::Read && outgoing.is_conditional();
        match answer::head(parts.status, headers, conditional)? {
            Head::NotModified => {
                let etag = answer::version(headers, None);
                Ok(Outcome::Done(
                    Reply::new(Answer::NotModified).versioned(etag),
                ))
            }
            Head::Error(status) => {
                // Its explanation is welcome and not waited for long.
                let until = ask.deadline.min(Instant::now() + ERROR_BODY);
                let text = self.pool.collect(body, MAX_ERROR_BODY, until).await;
                Err(answer::error(
                    kind,
                    status,
                    headers,
                    &text.unwrap_or_default(),
                ))
            }
            Head::Success if kind == VerbKind::List => self.list(parts.headers, body, ask).await,
            Head::Success => {
                let text = self.pool.collect(body, usize::MAX, ask.deadline).await?;
                // An attribute path, of which the look needs the attribute.
                let id = place.id.split('.').next().unwrap_or_default();
                answer::success(kind, headers, text, id)
            }
        }
    }

    /// A list is handed on unread; only a small one, which may be an error that came as a success,
    /// is looked at.
    async fn list(
        &self,
        headers: http::HeaderMap,
        body: Body,
        ask: &Ask,
    ) -> Result<Outcome, DirectoryError> {
        let size = http_body::Body::size_hint(&body).exact();
        let stream = if size.is_some_and(|size| size <= SMALL_LIST) {
            let text = self.pool.collect(body, usize::MAX, ask.deadline).await?;
            if let Some(error) = answer::list_error(&headers, &text) {
                return Err(error);
            }
            self.pool.stream(Body::Full(text))
        } else {
            self.pool.stream(body)
        };
        Ok(Outcome::Done(Reply::new(Answer::List(Listing::Bytes(
            stream,
        )))))
    }
}

/// What was read back of a resource that was made.
fn created(outcome: Outcome) -> Result<Reply<Upstream>, DirectoryError> {
    match outcome {
        Outcome::Done(Reply {
            answer: Answer::Resource(document),
            etag,
            ..
        }) => Ok(Reply::new(Answer::Created(document)).versioned(etag)),
        Outcome::Done(_) | Outcome::ReadBack(_) => Err(DirectoryError::Malformed(
            "it made a resource and does not show it".to_owned(),
        )),
    }
}

/// The longest that is read of an error's body.
const MAX_ERROR_BODY: usize = 16 * 1024;
/// How long an error's body is waited for.
const ERROR_BODY: Duration = Duration::from_secs(2);
/// Up to this many bytes, a list is read before it is handed on.
const SMALL_LIST: u64 = 4096;

#[cfg(test)]
mod tests;
