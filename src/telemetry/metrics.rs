//! The metric families, in a registry of our own that is built once. Typed functions hide label
//! lists, so that a label can be neither forgotten nor unbounded: tenants, types, kinds and
//! reasons are names of the configuration or of this code, never texts of a client.

use std::sync::Arc;
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
    TextEncoder,
};

use crate::mapping::{Event, Witness};
use crate::scim::accent::Accent;

/// Who has to act when something fails. It chooses the class of the status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Whoever sent the request.
    Client,
    /// The system behind.
    Directory,
    /// We ourselves.
    Gateway,
}

/// All families.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    duration: HistogramVec,
    accents: IntCounterVec,
    dropped: IntCounterVec,
    undecodable: IntCounterVec,
    unguarded: IntCounterVec,
    retries: IntCounterVec,
    auth_failures: IntCounterVec,
    in_flight: IntGauge,
    writes_in_flight: IntGauge,
    truncated: IntCounter,
    shed: IntCounter,
    panics: IntCounter,
    access_dropped: IntCounter,
    tenants: IntGauge,
}

/// What one tenant's requests report to: the [`Witness`] of `serve`.
#[derive(Debug, Clone)]
pub struct Counters {
    metrics: Arc<Metrics>,
    tenant: Arc<str>,
}

impl Fault {
    /// The word for labels and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Directory => "directory",
            Self::Gateway => "gateway",
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All families at zero.
    #[must_use]
    pub fn new() -> Self {
        let registry = Registry::new();
        let kept = Kept(&registry);
        Self {
            requests: kept.counters(
                "postern_requests_total",
                "Requests answered, by what came of them.",
                &["tenant", "resource", "operation", "outcome"],
            ),
            duration: kept.histograms(
                "postern_request_duration_seconds",
                "From the head of a request to the head of its answer.",
                &["tenant", "operation"],
            ),
            accents: kept.counters(
                "postern_accents_total",
                "Things that clients said differently from RFC 7644 and that were understood.",
                &["kind"],
            ),
            dropped: kept.counters(
                "postern_attributes_dropped_total",
                "Attributes left out because no line of the rule maps them.",
                &["tenant", "direction"],
            ),
            undecodable: kept.counters(
                "postern_undecodable_total",
                "Values of the directory left out because a line could not read them.",
                &["tenant", "line"],
            ),
            unguarded: kept.counters(
                "postern_unguarded_writes_total",
                "Writes that only a second look guarded, for want of versions.",
                &["tenant"],
            ),
            retries: kept.counters(
                "postern_retries_total",
                "Writes prepared again because the resource changed in between.",
                &["tenant"],
            ),
            auth_failures: kept.counters(
                "postern_auth_failures_total",
                "Requests refused for who sent them, by the true reason.",
                &["reason"],
            ),
            in_flight: kept.gauge("postern_in_flight", "Requests that have no answer yet."),
            writes_in_flight: kept.gauge(
                "postern_writes_in_flight",
                "Writes under way, those of clients that hung up included.",
            ),
            truncated: kept.counter(
                "postern_truncated_total",
                "Lists that broke off after their head was sent.",
            ),
            shed: kept.counter(
                "postern_shed_total",
                "Requests refused because too many were under way.",
            ),
            panics: kept.counter("postern_panics_total", "Defects that a request ran into."),
            access_dropped: kept.counter(
                "postern_access_lines_dropped_total",
                "Access lines dropped because they could not be written fast enough.",
            ),
            tenants: kept.gauge("postern_tenants", "Tenants that are being served."),
            registry,
        }
    }

    /// The text that Prometheus reads.
    #[must_use]
    pub fn render(&self) -> String {
        TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .unwrap_or_default()
    }

    /// A request was answered.
    pub fn answered(
        &self,
        tenant: &str,
        resource: &str,
        operation: &str,
        outcome: &str,
        took: Duration,
    ) {
        self.requests
            .with_label_values(&[tenant, resource, operation, outcome])
            .inc();
        self.duration_of(tenant, operation)
            .observe(took.as_secs_f64());
    }

    /// A client's accent was understood.
    pub fn accent(&self, accent: Accent) {
        self.accents.with_label_values(&[accent.as_str()]).inc();
    }

    /// A write was guarded by a second look only.
    pub fn unguarded_write(&self, tenant: &str) {
        self.unguarded.with_label_values(&[tenant]).inc();
    }

    /// A write was prepared again.
    pub fn retry(&self, tenant: &str) {
        self.retries.with_label_values(&[tenant]).inc();
    }

    /// A caller was refused; the reason is one of a fixed set.
    pub fn auth_failure(&self, reason: &'static str) {
        self.auth_failures.with_label_values(&[reason]).inc();
    }

    /// Requests that have no answer yet.
    pub fn in_flight(&self) -> &IntGauge {
        &self.in_flight
    }

    /// Writes under way.
    pub fn writes_in_flight(&self) -> &IntGauge {
        &self.writes_in_flight
    }

    /// A list broke off after its head.
    pub fn truncated(&self) {
        self.truncated.inc();
    }

    /// A request was refused for load.
    pub fn shed(&self) {
        self.shed.inc();
    }

    /// A request ran into a defect.
    pub fn panicked(&self) {
        self.panics.inc();
    }

    /// An access line was dropped.
    pub fn access_dropped(&self) {
        self.access_dropped.inc();
    }

    /// How many tenants there are.
    pub fn set_tenants(&self, count: usize) {
        self.tenants.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// For the families of other floors (connections, reloads).
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    fn duration_of(&self, tenant: &str, operation: &str) -> Histogram {
        self.duration.with_label_values(&[tenant, operation])
    }
}

impl Counters {
    /// The counters of one tenant.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>, tenant: &str) -> Self {
        Self {
            metrics,
            tenant: tenant.into(),
        }
    }
}

impl Witness for Counters {
    fn saw(&mut self, event: Event<'_>) {
        match event {
            Event::Accent(accent) => self.metrics.accent(accent),
            Event::Dropped { inbound, .. } => {
                let direction = if inbound { "request" } else { "answer" };
                self.metrics
                    .dropped
                    .with_label_values(&[&*self.tenant, direction])
                    .inc();
            }
            Event::Undecodable { line } => self
                .metrics
                .undecodable
                .with_label_values(&[&*self.tenant, &line.to_string()])
                .inc(),
        }
    }
}

/// Makes families and keeps them in the registry.
struct Kept<'a>(&'a Registry);

impl Kept<'_> {
    #[expect(
        clippy::expect_used,
        reason = "names, labels and buckets are constants of this file; a test makes them all"
    )]
    fn keep<C: Collector + Clone + 'static>(&self, family: prometheus::Result<C>) -> C {
        let family = family.expect("a valid family");
        self.0
            .register(Box::new(family.clone()))
            .expect("a family of its own");
        family
    }

    fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.keep(IntCounter::new(name, help))
    }

    fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.keep(IntGauge::new(name, help))
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.keep(IntCounterVec::new(Opts::new(name, help), labels))
    }

    fn histograms(&self, name: &str, help: &str, labels: &[&str]) -> HistogramVec {
        let opts = HistogramOpts::new(name, help).buckets(BUCKETS.to_vec());
        self.keep(HistogramVec::new(opts, labels))
    }
}

const BUCKETS: [f64; 10] = [0.001, 0.005, 0.01, 0.025, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_rendered_with_its_labels() {
        let metrics = Arc::new(Metrics::new());
        metrics.answered("corp", "User", "create", "ok", Duration::from_millis(20));
        metrics.truncated();
        let mut counters = Counters::new(Arc::clone(&metrics), "corp");
        counters.saw(Event::Accent(Accent::OpCase));
        counters.saw(Event::Dropped {
            attribute: "secretColour",
            inbound: true,
        });
        counters.saw(Event::Undecodable { line: 7 });
        let text = metrics.render();
        for line in [
            r#"postern_requests_total{operation="create",outcome="ok",resource="User",tenant="corp"} 1"#,
            r#"postern_request_duration_seconds_bucket{operation="create",tenant="corp",le="0.025"} 1"#,
            r#"postern_request_duration_seconds_bucket{operation="create",tenant="corp",le="0.01"} 0"#,
            r#"postern_accents_total{kind="op_case"} 1"#,
            r#"postern_attributes_dropped_total{direction="request",tenant="corp"} 1"#,
            r#"postern_undecodable_total{line="7",tenant="corp"} 1"#,
            "postern_truncated_total 1",
            "postern_shed_total 0",
        ] {
            assert!(text.contains(line), "no {line} in\n{text}");
        }
        assert!(!text.contains("secretColour"));
    }
}
