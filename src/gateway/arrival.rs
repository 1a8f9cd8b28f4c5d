//! What the access line and the span say of a request beside what became of it: what its head
//! says, where it leads, and the trace that it belongs to.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use http::header::USER_AGENT;
use http::{HeaderMap, Version};

use crate::config::Tenant;
use crate::net::TraceContext;
use crate::telemetry::Tracer;
use crate::telemetry::traces::Tracing;

use super::shown::Shown;

/// What is known of a request from its head on.
pub(super) struct Arrival {
    /// When it came, by the clock and by the stopwatch.
    pub(super) at: SystemTime,
    pub(super) started: Instant,
    /// Of HTTP: `1.1` or `2`.
    pub(super) version: &'static str,
    pub(super) user_agent: Option<String>,
    /// The trace that the client says it belongs to.
    context: Option<TraceContext>,
    /// Its span, where it is traced.
    pub(super) tracing: Option<Arc<Tracing>>,
    pub(super) shown: Option<Shown>,
    /// The path and the host of the Tenant URL.
    pub(super) tenant: Option<(Arc<str>, Option<Arc<str>>)>,
    /// Bytes of the body.
    pub(super) received: u64,
}

impl Arrival {
    /// A request has come.
    pub(super) fn of(
        headers: &HeaderMap,
        version: Version,
        tracer: &Tracer,
        at: SystemTime,
    ) -> Self {
        let started = Instant::now();
        let context = TraceContext::read(headers);
        Self {
            at,
            started,
            version: if version >= Version::HTTP_2 {
                "2"
            } else {
                "1.1"
            },
            user_agent: headers.get(USER_AGENT).map(|value| {
                let bytes = value.as_bytes();
                let bytes = bytes.get(..USER_AGENT_LIMIT).unwrap_or(bytes);
                String::from_utf8_lossy(bytes).into_owned()
            }),
            tracing: tracer.begin(context.as_ref(), at, started),
            context,
            shown: None,
            tenant: None,
            received: 0,
        }
    }

    /// Where its canonical path leads, as far as it leads anywhere.
    pub(super) fn leads_to(&mut self, path: &str, tenant: Option<(&Arc<Tenant>, &str)>) {
        let tenant = tenant.map(|(tenant, rest)| (&**tenant, rest));
        self.shown = Some(Shown::of(path, tenant));
        self.tenant =
            tenant.map(|(tenant, _)| (Arc::clone(&tenant.path), tenant.hosts.first().cloned()));
    }

    /// What the directory is told: our span where there is one, else what the client said.
    pub(super) fn context(&self) -> Option<TraceContext> {
        match &self.tracing {
            Some(tracing) => Some(tracing.context().clone()),
            None => self.context.clone(),
        }
    }

    /// The trace, for the access line.
    pub(super) fn trace_id(&self) -> Option<String> {
        let own = self.tracing.as_ref().map(|tracing| tracing.context());
        own.or(self.context.as_ref())
            .map(|context| context.trace.to_string())
    }

    /// The protocol, as the access line has it.
    pub(super) fn protocol(&self) -> &'static str {
        if self.version == "2" { "h2" } else { "h1" }
    }
}

/// How much of what a client calls itself is kept.
const USER_AGENT_LIMIT: usize = 256;
