//! What is noted of one request on its way, and what becomes of that: one access line and one
//! count, whatever happens, even where the client leaves before there is an answer.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use http::{Method, Response};

use crate::auth::{AuthError, Caller, TenantName};
use crate::config::Tenant;
use crate::mapping::MappingError;
use crate::net::{Body, Peer};
use crate::scim::ScimType;
use crate::scim::operation::{BoxStream, Interrupted};
use crate::telemetry::traces::Served;
use crate::telemetry::{
    AccessLog, AuthFailure, Denial, Direction, Fault, Line, Metrics, OperationKind, Outcome,
    TenantMetrics,
};

use super::arrival::Arrival;
use super::clients::Visit;
use super::discarded::Discarded;
use super::error::GatewayError;
use super::refusal::Refusal;
use super::timing::Timing;

/// What is known of a request by now.
pub(super) struct Seen {
    pub(super) request_id: Arc<str>,
    pub(super) arrival: Arrival,
    pub(super) tenant: Option<TenantName>,
    /// The type's name and what is asked for: from fixed sets, as they become labels.
    pub(super) resource: Option<String>,
    pub(super) operation: Option<OperationKind>,
    pub(super) revision: Arc<str>,
    /// Whether the request's body has been read to its end.
    pub(super) body_ended: bool,
    /// For the inventory of clients, once it is known who calls.
    pub(super) visit: Option<Visit>,
    pub(super) account: Option<(Arc<str>, Arc<str>)>,
    pub(super) peer: Peer,
    pub(super) method: Method,
    pub(super) timing: Arc<Timing>,
    pub(super) discarded: Arc<Discarded>,
    status: Option<u16>,
    failure: Option<Failure>,
    /// It is one of so many that it gets no access line.
    pub(super) quiet: bool,
    /// The audit trail hears of its end from whoever carries it out.
    pub(super) told: bool,
    bytes: u64,
    metrics: Arc<Metrics>,
    counted: Arc<TenantMetrics>,
    log: AccessLog,
}

impl Seen {
    /// A request has come.
    pub(super) fn begin(
        request_id: Arc<str>,
        peer: Peer,
        method: Method,
        arrival: Arrival,
        metrics: &Arc<Metrics>,
        log: &AccessLog,
    ) -> Self {
        metrics.in_flight().inc();
        Self {
            request_id,
            tenant: None,
            resource: None,
            operation: None,
            revision: "".into(),
            body_ended: true,
            visit: None,
            account: None,
            peer,
            method,
            timing: Timing::begin(arrival.started, arrival.tracing.clone()),
            arrival,
            discarded: Arc::default(),
            status: None,
            failure: None,
            quiet: false,
            told: false,
            bytes: 0,
            metrics: Arc::clone(metrics),
            counted: Arc::clone(metrics.nobody()),
            log: log.clone(),
        }
    }

    /// Its tenant is known.
    pub(super) fn found(&mut self, tenant: &Tenant) {
        self.tenant = Some(tenant.name.clone());
        self.counted = Arc::clone(&tenant.metrics);
    }

    /// What is counted of its tenant, or of nobody.
    pub(super) fn metrics(&self) -> &TenantMetrics {
        &self.counted
    }

    /// Who calls is known.
    pub(super) fn called_by(&mut self, caller: &Caller) {
        self.account = Some((Arc::clone(caller.account()), Arc::clone(&caller.key)));
    }

    /// It said so many things differently from the RFC.
    pub(super) fn met(&mut self, accents: usize) {
        if let Some(visit) = &mut self.visit {
            visit.accents(accents);
        }
    }

    /// Notes the client, unless it is not known which tenant it wanted.
    fn leave(&mut self) {
        let known = (self.visit.take(), self.tenant.clone(), &self.account);
        if let (Some(visit), Some(tenant), Some(caller)) = known {
            let status = self.status.unwrap_or(CLIENT_GONE);
            let reason = match &self.failure {
                Some(failure) => Some(failure.reason.clone()),
                None if self.status.is_none() => Some("the client left".to_owned()),
                None => None,
            };
            let failure = reason.map(|reason| (status, reason));
            visit.end(
                tenant,
                caller,
                self.peer.address.ip(),
                self.arrival.at,
                failure,
            );
        }
    }

    /// It was refused, or failed.
    pub(super) fn failed(&mut self, refusal: &Refusal) {
        self.failure = Some(Failure {
            fault: refusal.fault,
            reason: refusal.reason.clone(),
            scim_type: refusal.error.scim_type,
            broken_off: false,
        });
    }

    /// Its head was not understood.
    pub(super) fn refused_head(&mut self, reason: &str) {
        self.failure = Some(Failure {
            fault: Fault::Client,
            reason: reason.to_owned(),
            scim_type: None,
            broken_off: false,
        });
    }

    /// There is an answer; from here on only its body is watched.
    pub(super) fn answered(mut self, response: Response<Body>) -> Response<Body> {
        let failed = |failure: &Failure| Outcome::Failed(failure.fault);
        let outcome = self.failure.as_ref().map_or(Outcome::Ok, failed);
        self.status = Some(response.status().as_u16());
        self.count(outcome);
        let (head, body) = response.into_parts();
        let body = match body {
            Body::Full(bytes) => {
                self.bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                Body::Full(bytes)
            }
            Body::Stream(rest) => Body::Stream(Box::pin(Watched { rest, seen: self })),
            body @ (Body::Empty | Body::Incoming(_)) => body,
        };
        Response::from_parts(head, body)
    }

    fn count(&self, outcome: Outcome) {
        let (resource, took) = (self.resource.as_deref(), self.timing.started().elapsed());
        self.counted
            .answered(resource, self.operation, outcome, took);
    }
}

impl Drop for Seen {
    fn drop(&mut self) {
        self.metrics.in_flight().dec();
        if self.status.is_none() {
            self.count(Outcome::Gone);
        }
        self.counted.sent(self.bytes);
        self.tell_discarded();
        self.leave();
        self.write_line();
        self.end_span();
    }
}

impl Seen {
    fn tell_discarded(&self) {
        if let Some(attributes) = self.discarded.names() {
            tracing::warn!(
                request_id = &*self.request_id,
                tenant = self.tenant.as_ref().map(TenantName::as_str),
                account = self.account.as_ref().map(|(account, _)| &**account),
                attributes,
                "left out what the account may not write"
            );
        }
    }

    fn write_line(&self) {
        if self.quiet || !self.log.is_on() {
            return;
        }
        let (arrival, failure) = (&self.arrival, self.failure.as_ref());
        let shown = arrival.shown.as_ref();
        let peer = self.peer.address.to_string();
        let through = self.peer.through.map(|proxy| proxy.to_string());
        let trace_id = arrival.trace_id();
        let digest = shown.and_then(|shown| shown.id.as_deref());
        let digest = digest.map(|id| self.log.digest(id));
        let discarded = self.discarded.names();
        let line = Line {
            request_id: &self.request_id,
            trace_id: trace_id.as_deref(),
            peer: &peer,
            through: through.as_deref(),
            protocol: arrival.protocol(),
            tenant: self.tenant.as_ref().map(TenantName::as_str),
            account: self.account.as_ref().map(|(account, _)| &**account),
            key: self.account.as_ref().map(|(_, key)| &**key),
            certificate: self.peer.certificate.as_ref().map(|shown| &**shown.word()),
            user_agent: arrival.user_agent.as_deref(),
            method: self.method.as_str(),
            path: shown.map(|shown| shown.path.as_str()),
            id_digest: digest.as_deref(),
            operation: self.operation.map(OperationKind::as_str),
            resource: self.resource.as_deref(),
            status: self.status.unwrap_or(CLIENT_GONE),
            fault: failure.map(|failure| failure.fault.as_str()),
            reason: failure.map(|failure| &*failure.reason),
            scim_type: failure.and_then(|failure| failure.scim_type.map(ScimType::as_str)),
            discarded: discarded.as_deref(),
            took: self.timing.started().elapsed(),
            directory: self.timing.directory(),
            mapping: self.timing.mapping(),
            bytes_in: arrival.received,
            bytes_out: self.bytes,
            revision: &self.revision,
        };
        self.log.write(arrival.at, &line);
    }

    fn end_span(&self) {
        let arrival = &self.arrival;
        let Some(tracing) = &arrival.tracing else {
            return;
        };
        let peer = self.peer.address.ip().to_string();
        let (base, host) = match &arrival.tenant {
            Some((base, host)) => (Some(&**base), host.as_deref()),
            None => (None, None),
        };
        let shown = arrival.shown.as_ref();
        tracing.end(&Served {
            method: self.method.as_str(),
            base,
            endpoint: shown.and_then(|shown| shown.endpoint.as_deref()),
            status: self.status,
            broken_off: self
                .failure
                .as_ref()
                .is_some_and(|failure| failure.broken_off),
            host,
            peer: &peer,
            protocol: arrival.version,
            tenant: self.tenant.as_ref().map(TenantName::as_str),
            operation: self.operation.map(OperationKind::as_str),
            resource: self.resource.as_deref(),
            revision: &self.revision,
            request_id: &self.request_id,
            mapping: self.timing.mapping(),
        });
    }
}

/// Why a request had no success.
struct Failure {
    fault: Fault,
    reason: String,
    scim_type: Option<ScimType>,
    /// After the head of the answer.
    broken_off: bool,
}

/// A body whose bytes are counted, and whose end is noted.
struct Watched {
    rest: BoxStream<Bytes>,
    seen: Seen,
}

impl Stream for Watched {
    type Item = Result<Bytes, Interrupted>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let polled = this.rest.as_mut().poll_next(cx);
        match &polled {
            Poll::Ready(Some(Ok(bytes))) => {
                let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                this.seen.bytes = this.seen.bytes.saturating_add(length);
            }
            Poll::Ready(Some(Err(error))) => {
                this.seen.failure = Some(Failure {
                    fault: Fault::Directory,
                    reason: format!("truncated: {error}"),
                    scim_type: None,
                    broken_off: true,
                });
            }
            Poll::Ready(None) | Poll::Pending => {}
        }
        polled
    }
}

/// Counts who was refused for who they are, by the true reason, and what the rule could not do.
pub(super) fn count_refused(metrics: &Metrics, tenant: &TenantMetrics, error: &GatewayError) {
    match error {
        GatewayError::SeveralAuthorizations => metrics.auth_failed(AuthFailure::Several),
        GatewayError::Auth(error) => count_unknown(metrics, tenant, error),
        GatewayError::OAuth(error) => {
            metrics.token_issued(error.code.issuing());
            if let Some(why) = &error.why {
                count_unknown(metrics, tenant, why);
            }
        }
        GatewayError::Mapping(MappingError::Forbidden(_)) => tenant.denied(Denial::Attribute),
        GatewayError::OverRate(_) => tenant.rate_limited(),
        GatewayError::OverGuard { harm, .. } => tenant.guard_refused(*harm),
        GatewayError::Protected(_) => tenant.protected_refused(),
        GatewayError::Throttled(_) => metrics.auth_throttled(),
        GatewayError::Mapping(MappingError::Refused(..)) => {
            tenant.mapping_failed(Direction::Request);
        }
        GatewayError::Mapping(MappingError::Malformed(_)) => {
            tenant.mapping_failed(Direction::Answer);
        }
        _ => {}
    }
}

fn count_unknown(metrics: &Metrics, tenant: &TenantMetrics, error: &AuthError) {
    match error {
        AuthError::Missing => metrics.auth_failed(AuthFailure::Missing),
        AuthError::Malformed => metrics.auth_failed(AuthFailure::Malformed),
        AuthError::Rejected(why) => metrics.auth_failed(AuthFailure::from(*why)),
        AuthError::Elsewhere { .. } => metrics.auth_failed(AuthFailure::Network),
        AuthError::Unavailable { .. } => metrics.auth_failed(AuthFailure::Unavailable),
        AuthError::Certificate(fault) => metrics.auth_failed(AuthFailure::from(fault)),
        AuthError::Tenant { .. } => tenant.denied(Denial::Tenant),
        AuthError::Narrow { .. } | AuthError::Forbidden { .. } | AuthError::Unmet { .. } => {
            tenant.denied(Denial::Role);
        }
        // To the client there is no such resource.
        AuthError::Hidden { .. } => {}
    }
}

/// What nginx writes where the client closed the connection before there was an answer.
const CLIENT_GONE: u16 = 499;
