//! What the audit trail hears of requests: each write twice, before it is sent and after, and
//! whatever is refused.
//!
//! A *refusal* is a write that came to an end before anything of it was sent, for whatever reason,
//! and a read that was refused for who asks: no valid token, another tenant, a forbidden attribute.
//! The trail of a request without a valid token ends where its access line does: what is throttled
//! is told in the log, not line by line.

mod changes;
mod refused;
mod tokens;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Instant, SystemTime};

use crate::audit::{Change, Record, Trail};
use crate::auth::{Caller, Permitted};
use crate::config::Tenant;
use crate::mapping::Effect;
use crate::scim::operation::VerbKind;
use crate::scim::{Client, Operation, ResourceId, ResourceType};

use super::error::GatewayError;
use super::observe::Seen;
use super::refusal::Refusal;
use super::write::Written;

/// What is the same for all records of one request, and which operation of it is meant.
#[derive(Clone, Default)]
pub(super) struct Ledger {
    facts: Option<Arc<Facts>>,
    /// Of a bulk request, counted from 0.
    at: Option<usize>,
}

/// Who asks, and where.
struct Facts {
    trail: Trail,
    tenant: Arc<Tenant>,
    account: Arc<str>,
    key: Arc<str>,
    peer: String,
    through: Option<String>,
    certificate: Option<Arc<str>>,
    request_id: Arc<str>,
    trace_id: Option<String>,
    revision: Arc<str>,
    started: Instant,
}

/// One write in the trail.
pub(super) struct Entry(Option<Arc<Write>>);

struct Write {
    facts: Arc<Facts>,
    at: Option<usize>,
    number: String,
    verb: VerbKind,
    resource: ResourceType,
    id: Option<ResourceId>,
    changes: Vec<Change>,
    allowed: OnceLock<String>,
    /// How often it was about to be sent.
    intents: AtomicU32,
    told: AtomicBool,
}

/// A write that may be sent, for the trail knows of it. What becomes of it must be said; where
/// nobody does, that is not known.
#[must_use]
pub(super) struct Sent {
    entry: Option<Arc<Write>>,
    attempt: u32,
    begun: Instant,
}

impl Ledger {
    /// Of a request by this caller, where there is a trail.
    pub(super) fn of(trail: &Trail, tenant: &Arc<Tenant>, caller: &Caller, seen: &Seen) -> Self {
        if !trail.is_on() {
            return Self::default();
        }
        let facts = Facts {
            trail: trail.clone(),
            tenant: Arc::clone(tenant),
            account: Arc::clone(caller.account()),
            key: Arc::clone(&caller.key),
            peer: seen.peer.address.to_string(),
            through: seen.peer.through.map(|proxy| proxy.to_string()),
            certificate: seen.certificate(),
            request_id: Arc::clone(&seen.request_id),
            trace_id: seen.arrival.trace_id(),
            revision: Arc::clone(&seen.revision),
            started: seen.arrival.started,
        };
        Self {
            facts: Some(Arc::new(facts)),
            at: None,
        }
    }

    /// The same of one operation of a bulk request.
    pub(super) fn at(&self, index: usize) -> Self {
        Self {
            facts: self.facts.clone(),
            at: Some(index),
        }
    }

    /// A write, of which is known now what it is.
    pub(super) fn write(&self, operation: &Operation<Client>) -> Entry {
        Entry(self.facts.as_ref().map(|facts| {
            Arc::new(Write {
                facts: Arc::clone(facts),
                at: self.at,
                number: facts.trail.number(),
                verb: operation.verb.kind(),
                resource: operation.resource.clone(),
                id: operation.verb.id().cloned(),
                changes: changes::of(operation, &facts.tenant, &facts.trail),
                allowed: OnceLock::new(),
                intents: AtomicU32::new(0),
                told: AtomicBool::new(false),
            })
        }))
    }

    /// An operation of a bulk request that is none: what is wrong with it was seen before.
    pub(super) fn refused(&self, method: &http::Method, error: &GatewayError) {
        let Some(facts) = &self.facts else { return };
        let record = facts
            .record("refusal", self.at)
            .text("method", method.as_str());
        let record = refused::reason(record, error, &Refusal::from(error.clone()));
        facts.trail.tell(record.took(facts.started.elapsed()));
    }
}

impl Facts {
    fn record(&self, event: &'static str, at: Option<usize>) -> Record {
        let mut record = Record::new(event, now())
            .text("request_id", &self.request_id)
            .maybe("trace_id", self.trace_id.as_deref());
        if let Some(at) = at {
            record = record.number("operation", u64::try_from(at).unwrap_or(u64::MAX));
        }
        record
            .text("account", &self.account)
            .text("key", &self.key)
            .text("peer", &self.peer)
            .maybe("through", self.through.as_deref())
            .maybe("certificate", self.certificate.as_deref())
            .text("tenant", self.tenant.name.as_str())
            .text("revision", &self.revision)
    }
}

impl Entry {
    /// Whether there is a trail.
    pub(super) fn is_kept(&self) -> bool {
        self.0.is_some()
    }

    /// Roles allow it.
    pub(super) fn allowed(&self, permitted: &Permitted) {
        if let Some(write) = &self.0 {
            let lines: Vec<_> = permitted.allowed_by().map(ToString::to_string).collect();
            let _ = write.allowed.set(lines.join(", "));
        }
    }

    /// It is about to be sent: it may be when this returns well.
    pub(super) async fn intent(&self, effect: Option<&Effect>) -> Result<Sent, GatewayError> {
        let begun = Instant::now();
        let Some(write) = &self.0 else {
            let (entry, attempt) = (None, 0);
            return Ok(Sent {
                entry,
                attempt,
                begun,
            });
        };
        let attempt = write.intents.load(Ordering::Acquire).saturating_add(1);
        let facts = &write.facts;
        let known = effect.map(|effect| changes::with(write, effect, &facts.tenant, &facts.trail));
        let record = write
            .record("intent", attempt)
            .text("decision", "allowed")
            .maybe("allowed_by", write.allowed.get().map(String::as_str))
            .changes(known.as_deref().unwrap_or(&write.changes));
        let told = facts.trail.intent(record).await;
        told.map_err(|_| GatewayError::Unrecorded)?;
        write.intents.store(attempt, Ordering::Release);
        let entry = Some(Arc::clone(write));
        Ok(Sent {
            entry,
            attempt,
            begun,
        })
    }

    /// It is over. Where nothing of it was sent, this says why.
    pub(super) fn over<T>(&self, outcome: &Result<T, GatewayError>) {
        let Some(write) = &self.0 else { return };
        write.told.store(true, Ordering::Release);
        if write.intents.load(Ordering::Acquire) > 0 {
            return;
        }
        let facts = &write.facts;
        let record = match outcome {
            Ok(_) => write
                .record("outcome", 0)
                .text("decision", "allowed")
                .maybe("allowed_by", write.allowed.get().map(String::as_str))
                .text("result", "unchanged")
                .changes(&write.changes),
            Err(error) => {
                let refusal = Refusal::from(error.clone());
                // Roles may have allowed what something else forbade.
                let record = write
                    .record("refusal", 0)
                    .maybe("allowed_by", write.allowed.get().map(String::as_str))
                    .changes(&write.changes);
                refused::reason(record, error, &refusal)
            }
        };
        facts.trail.tell(record.took(facts.started.elapsed()));
    }
}

impl Write {
    fn record(&self, event: &'static str, attempt: u32) -> Record {
        let mut record = self
            .facts
            .record(event, self.at)
            .text("write", &self.number);
        if attempt > 1 {
            record = record.number("attempt", u64::from(attempt));
        }
        let id = self.id.as_ref().map(ResourceId::as_str);
        record
            .text("verb", self.verb.as_str())
            .text("resource", self.resource.as_str())
            .maybe("id", id)
    }
}

impl Drop for Write {
    /// A defect of ours, or the end of the program, came between.
    fn drop(&mut self) {
        if !self.told.load(Ordering::Acquire) && self.intents.load(Ordering::Acquire) == 0 {
            let record = self
                .record("refusal", 0)
                .text("reason", "it broke off before it was sent");
            self.facts.trail.tell(record);
        }
    }
}

impl Sent {
    /// What became of it.
    pub(super) fn over(mut self, outcome: &Result<Written, GatewayError>) {
        let Some(write) = self.entry.take() else {
            return;
        };
        let record = write.record("outcome", self.attempt);
        let record = match outcome {
            Ok(written) => {
                let made = written.made(&write.facts.tenant.plan, &write.resource);
                record
                    .text("result", "done")
                    .maybe("created", made.as_deref())
                    .maybe("version", written.version())
            }
            Err(error) => {
                let result = if error.changed_nothing() {
                    "refused"
                } else {
                    "unknown"
                };
                let refusal = Refusal::from(error.clone());
                refused::reason(record.text("result", result), error, &refusal)
            }
        };
        write.facts.trail.outcome(record.took(self.begun.elapsed()));
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        if let Some(write) = self.entry.take() {
            let record = write
                .record("outcome", self.attempt)
                .text("result", "unknown")
                .text("reason", "it broke off while it was under way");
            write.facts.trail.outcome(record.took(self.begun.elapsed()));
        }
    }
}

/// The clock; below this, time is an argument.
#[expect(
    clippy::disallowed_methods,
    reason = "a record has the time at which it is made"
)]
fn now() -> SystemTime {
    SystemTime::now()
}
