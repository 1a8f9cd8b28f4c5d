//! OpenTelemetry traces: one span per request, and one for each time that the directory is asked.
//!
//! Off unless configured, and then only for the requests that are sampled; for every other one
//! [`Tracer::begin`] gives `None` and nothing more happens. Spans go into a bounded queue, and from
//! there by OTLP over HTTP to a collector. `docs/adr/0008-traces.md` says why all of that is ours.

mod export;
mod otlp;
mod span;

pub use export::{Exporter, Headers, Settings};
pub use span::{Called, Served};

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::metrics::Metrics;
use crate::net::TraceContext;
use crate::net::trace::{SpanId, TraceId};

use span::{Kind, Span};

/// Decides which requests are traced, and takes their spans. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Tracer(Option<Arc<Shared>>);

#[derive(Debug)]
struct Shared {
    queue: mpsc::Sender<Span>,
    /// A trace is sampled where its share of 2^64 is below this.
    bound: u128,
    metrics: Arc<Metrics>,
}

/// A request that is traced.
#[derive(Debug)]
pub struct Tracing {
    shared: Arc<Shared>,
    /// The span of the request, as what it leads to sees it.
    own: TraceContext,
    /// The span that the client named.
    parent: Option<SpanId>,
    at: SystemTime,
    started: Instant,
    calls: AtomicU32,
}

/// The directory is being asked. Where this is dropped before [`Call::end`], nobody waited for the
/// answer.
#[derive(Debug)]
pub struct Call {
    tracing: Arc<Tracing>,
    own: TraceContext,
    begun: Duration,
    what: Called,
    over: bool,
}

impl Tracer {
    /// No request is traced.
    #[must_use]
    pub fn off() -> Self {
        Self(None)
    }

    /// Spans go where `settings` say, by a task on the runtime of `handle`.
    ///
    /// # Errors
    /// The endpoint cannot be used; the text says why.
    pub fn start(
        handle: &Handle,
        settings: Settings,
        metrics: &Arc<Metrics>,
    ) -> Result<(Self, Exporter), String> {
        let (queue, spans) = mpsc::channel(QUEUE);
        let shared = Shared {
            queue,
            bound: bound(settings.ratio),
            metrics: Arc::clone(metrics),
        };
        let exporter = Exporter::start(handle, settings, spans, metrics)?;
        Ok((Self(Some(Arc::new(shared))), exporter))
    }

    /// A request has come, `at` this time by the clock, `started` at this one by the stopwatch.
    /// `None` where it is not traced. The decision is that of the client's trace, where there is
    /// one; else chance's.
    #[must_use]
    pub fn begin(
        &self,
        context: Option<&TraceContext>,
        at: SystemTime,
        started: Instant,
    ) -> Option<Arc<Tracing>> {
        let shared = self.0.as_ref()?;
        let own = match context {
            Some(context) if !context.sampled() => return None,
            Some(context) => context.under(SpanId::random()),
            None => {
                let trace = TraceId::random();
                if u128::from(trace.share()) >= shared.bound {
                    return None;
                }
                TraceContext::new(trace, SpanId::random())
            }
        };
        Some(Arc::new(Tracing {
            shared: Arc::clone(shared),
            own,
            parent: context.map(|context| context.parent),
            at,
            started,
            calls: AtomicU32::new(0),
        }))
    }
}

impl Tracing {
    /// The trace, with the request's span as the parent of what it leads to.
    #[must_use]
    pub fn context(&self) -> &TraceContext {
        &self.own
    }

    /// The directory is about to be asked. `None` where that was done too often for one request
    /// to be told each time.
    #[must_use]
    pub fn call(self: &Arc<Self>, what: impl FnOnce() -> Called) -> Option<Call> {
        if self.calls.fetch_add(1, Ordering::Relaxed) >= MOST_CALLS {
            return None;
        }
        Some(Call {
            tracing: Arc::clone(self),
            own: self.own.under(SpanId::random()),
            begun: self.started.elapsed(),
            what: what(),
            over: false,
        })
    }

    /// The request is over.
    pub fn end(&self, served: &Served<'_>) {
        let calls = self.calls.load(Ordering::Relaxed);
        let (name, attributes) = (served.name(), served.attributes(calls));
        self.send(Span {
            trace: self.own.trace,
            id: self.own.parent,
            parent: self.parent,
            remote: self.parent.is_some(),
            flags: self.own.flags,
            state: self.own.state.clone(),
            kind: Kind::Server,
            name,
            begin: self.at,
            end: self.at + self.started.elapsed(),
            attributes,
            failed: served.failed(),
        });
    }

    fn send(&self, span: Span) {
        if self.shared.queue.try_send(span).is_err() {
            self.shared.metrics.traces_dropped(1);
        }
    }
}

impl Call {
    /// The trace, with the call's span as the parent of what the directory does.
    #[must_use]
    pub fn context(&self) -> &TraceContext {
        &self.own
    }

    /// The directory has answered, or not: then `error` says in one word why.
    pub fn end(mut self, status: Option<u16>, error: Option<&'static str>) {
        self.tell(status, error);
    }

    fn tell(&mut self, status: Option<u16>, error: Option<&'static str>) {
        self.over = true;
        let tracing = &self.tracing;
        tracing.send(Span {
            trace: self.own.trace,
            id: self.own.parent,
            parent: Some(tracing.own.parent),
            remote: false,
            flags: self.own.flags,
            state: self.own.state.clone(),
            kind: Kind::Client,
            name: self.what.name(),
            begin: tracing.at + self.begun,
            end: tracing.at + tracing.started.elapsed(),
            attributes: self.what.attributes(status, error),
            failed: error.is_some(),
        });
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.over {
            self.tell(None, Some("cancelled"));
        }
    }
}

/// How many of 2^64 traces are sampled.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a ratio is from 0 to 1, and so the product from 0 to 2^64"
)]
fn bound(ratio: f64) -> u128 {
    (ratio.clamp(0.0, 1.0) * 18_446_744_073_709_551_616.0) as u128
}

/// How many spans wait for the collector at most, some two megabytes of them.
const QUEUE: usize = 4_096;
/// How many calls of one request have a span of their own: a bulk request may make thousands.
const MOST_CALLS: u32 = 128;

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn tracer(ratio: f64, room: usize) -> (Tracer, mpsc::Receiver<Span>, Arc<Metrics>) {
        let (queue, spans) = mpsc::channel(room);
        let metrics = Arc::new(Metrics::new());
        let shared = Shared {
            queue,
            bound: bound(ratio),
            metrics: Arc::clone(&metrics),
        };
        (Tracer(Some(Arc::new(shared))), spans, metrics)
    }

    fn context(flags: &str) -> TraceContext {
        let text = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}");
        TraceContext::parse(text.as_bytes()).unwrap()
    }

    fn begin(tracer: &Tracer, context: Option<&TraceContext>) -> Option<Arc<Tracing>> {
        tracer.begin(context, UNIX_EPOCH, Instant::now())
    }

    fn called() -> Called {
        Called {
            directory: "http://d:1".into(),
            verb: "read",
            method: "GET",
            resource: Some("User".to_owned()),
        }
    }

    #[test]
    fn the_client_s_decision_stands_else_the_ratio() {
        for ratio in [0.0, 1.0] {
            let (tracer, _spans, _) = tracer(ratio, 1);
            assert!(begin(&tracer, Some(&context("01"))).is_some());
            assert!(begin(&tracer, Some(&context("00"))).is_none());
            assert_eq!(begin(&tracer, None).is_some(), ratio > 0.5);
        }
        assert!(begin(&Tracer::off(), Some(&context("01"))).is_none());
        let (tracer, _spans, _) = tracer(0.25, 1);
        let sampled = (0..4_000).filter(|_| begin(&tracer, None).is_some());
        // Six standard deviations: this fails once in 500 million runs.
        assert!((835..1_165).contains(&sampled.count()));
    }

    #[test]
    fn the_directory_hangs_under_the_call_and_the_call_under_the_request() {
        let (tracer, mut spans, _) = tracer(0.0, 9);
        let client = context("01");
        let tracing = begin(&tracer, Some(&client)).unwrap();
        let call = tracing.call(called).unwrap();
        let told = call.context().clone();
        assert_eq!((told.trace, told.flags), (client.trace, 1));
        call.end(Some(200), None);
        drop(tracing.call(called).unwrap());
        tracing.end(&Served {
            status: Some(200),
            ..Served::default()
        });
        let [first, second, server] = std::array::from_fn(|_| spans.try_recv().unwrap());
        assert_eq!(server.parent, Some(client.parent));
        assert_eq!(first.parent, Some(server.id));
        assert_eq!(first.id, told.parent);
        assert_ne!(first.id, server.id);
        assert!(!first.failed && second.failed && !server.failed);
        assert!(spans.try_recv().is_err());
    }

    #[test]
    fn what_has_no_room_is_dropped_and_counted() {
        let (tracer, spans, metrics) = tracer(1.0, 3);
        let tracing = begin(&tracer, None).unwrap();
        for _ in 0..5 {
            tracing.end(&Served::default());
        }
        assert_eq!(spans.len(), 3);
        assert!(
            metrics
                .render(&crate::telemetry::Scene::default())
                .contains("postern_traces_dropped_total 2")
        );
        let calls = (0..1_000).filter_map(|_| tracing.call(called));
        assert_eq!(calls.count(), usize::try_from(MOST_CALLS).unwrap());
    }
}
