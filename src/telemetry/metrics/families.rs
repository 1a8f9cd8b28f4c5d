//! Every metric family there is: its name, its labels, what it means. `/metrics` and
//! `docs/metrics.md` are both made from this table, so that neither knows one more than the other.
//!
//! A label's value is a name of the configuration or a word of this program, never a text of a
//! client's: that keeps the number of series bounded and persons out of them.

use std::collections::HashMap;

use prometheus::proto::{self, MetricType};
use prometheus::{Histogram, HistogramOpts, IntCounter, IntGauge, Opts};

/// One family.
#[derive(Debug)]
pub struct Family {
    /// Its name.
    pub name: &'static str,
    /// What is measured how.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it means, for whoever is woken by it.
    pub help: &'static str,
}

/// What is measured how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A number that only grows, from the start of the program.
    Counter,
    /// A number that comes and goes.
    Gauge,
    /// Durations, counted by their size.
    Histogram,
}

impl Kind {
    /// The word for `# TYPE` and the documentation.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

#[expect(
    clippy::expect_used,
    reason = "names, labels and buckets are constants of this file; a test makes them all"
)]
impl Family {
    pub(super) fn counter(&self, values: &[&str]) -> IntCounter {
        IntCounter::with_opts(self.opts(values)).expect("a valid counter")
    }

    pub(super) fn gauge(&self, values: &[&str]) -> IntGauge {
        IntGauge::with_opts(self.opts(values)).expect("a valid gauge")
    }

    pub(super) fn histogram(&self, values: &[&str]) -> Histogram {
        let opts = HistogramOpts {
            common_opts: self.opts(values),
            buckets: BUCKETS.to_vec(),
        };
        Histogram::with_opts(opts).expect("a valid histogram")
    }
}

impl Family {
    /// A series of this family that is known only now.
    pub(super) fn now(&self, values: &[&str], value: f64) -> proto::Metric {
        let pairs = self.labels.iter().zip(values);
        let mut labels: Vec<proto::LabelPair> = pairs
            .map(|(name, value)| {
                let mut pair = proto::LabelPair::default();
                pair.set_name((*name).to_owned());
                pair.set_value((*value).to_owned());
                pair
            })
            .collect();
        labels.sort_by(|a, b| a.name().cmp(b.name()));
        let mut series = proto::Metric::from_label(labels);
        if self.kind == Kind::Counter {
            let mut counter = proto::Counter::default();
            counter.set_value(value);
            series.set_counter(counter);
        } else {
            let mut gauge = proto::Gauge::default();
            gauge.set_value(value);
            series.set_gauge(gauge);
        }
        series
    }

    /// The family with these series.
    pub(super) fn with(&self, series: Vec<proto::Metric>) -> proto::MetricFamily {
        let mut family = proto::MetricFamily::default();
        family.set_name(self.name.to_owned());
        family.set_help(self.help.to_owned());
        family.set_field_type(match self.kind {
            Kind::Counter => MetricType::COUNTER,
            Kind::Gauge => MetricType::GAUGE,
            Kind::Histogram => MetricType::HISTOGRAM,
        });
        family.set_metric(series);
        family
    }

    fn opts(&self, values: &[&str]) -> Opts {
        let pairs = self.labels.iter().zip(values);
        let labels: HashMap<String, String> = pairs
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Opts::new(self.name, self.help).const_labels(labels)
    }
}

/// The upper ends of the buckets of every histogram, in seconds.
pub const BUCKETS: [f64; 10] = [0.001, 0.005, 0.01, 0.025, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

macro_rules! families {
    ($($id:ident: $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(pub(super) const $id: Family = Family {
            name: $name,
            kind: Kind::$kind,
            labels: &[$($label),*],
            help: $help,
        };)*

        /// All of them, in the order of the documentation.
        pub const FAMILIES: &[Family] = &[$($id),*];
    };
}

families! {
    REQUESTS: Counter "postern_requests_total" ["tenant", "resource", "operation", "outcome"]
        "Requests answered, by who had to act: ok (nobody), client, directory, gateway; gone means that the client left first.";
    REQUEST_DURATION: Histogram "postern_request_duration_seconds" ["tenant", "operation"]
        "From the head of a request to the head of its answer.";
    DIRECTORY_DURATION: Histogram "postern_directory_duration_seconds" ["tenant", "operation"]
        "Time that a request spent waiting for the directory, all its calls together; only of requests that asked it.";
    MAPPING_DURATION: Histogram "postern_mapping_duration_seconds" ["tenant", "operation"]
        "Time that a request spent in the rule, both ways together; only of requests that asked the directory.";
    REQUEST_BYTES: Counter "postern_request_body_bytes_total" ["tenant"]
        "Bytes of request bodies that were read whole.";
    RESPONSE_BYTES: Counter "postern_response_body_bytes_total" ["tenant"]
        "Bytes of answer bodies.";
    IN_FLIGHT: Gauge "postern_requests_in_flight" []
        "Requests whose answer is not out yet.";
    WRITES_IN_FLIGHT: Gauge "postern_writes_in_flight" []
        "Writes under way, those of clients that hung up included; a stop waits for them.";
    SHED: Counter "postern_requests_shed_total" []
        "Requests refused with 503 because limits.in_flight were under way already.";
    TRUNCATED: Counter "postern_lists_truncated_total" []
        "Lists broken off after their head was sent, because the directory failed midway; the client sees a broken connection, never a short list.";
    PANICS: Counter "postern_panics_total" []
        "Defects of postern that a request ran into (it got a 500): please report them.";
    AUTH_FAILURES: Counter "postern_authentication_failures_total" ["reason"]
        "Requests answered 401 (400 for several; 503 for unavailable; 429 from an address that failed too often), by the true reason, which the client is not told.";
    AUTH_THROTTLED: Counter "postern_authentication_throttled_total" []
        "Those of them answered 429, because their address had failed too often; they have no access line.";
    TOKENS_ISSUED: Counter "postern_oauth_tokens_issued_total" ["result"]
        "Requests for an access token at /oauth2/token, by what came of them: issued, invalid_client (not known who asked), invalid_scope, invalid_request, unavailable.";
    RATE_LIMITED: Counter "postern_rate_limited_total" ["tenant"]
        "Requests answered 429 because the account's own rate in the access file was used up, in this replica.";
    DENIALS: Counter "postern_authorization_denials_total" ["tenant", "reason"]
        "Requests answered 403: the account may not use the tenant (tenant), no role of it allows the operation (role), or an attribute that the request names (attribute).";
    GUARD_REFUSED: Counter "postern_guard_refused_total" ["tenant", "effect"]
        "Writes answered 429 because as many resources were deleted (delete), disabled (disable) or emptied (empty) as the rule's `guard` lets through in its window, in this replica.";
    GUARD_RELEASED: Gauge "postern_guard_released" ["tenant"]
        "1 while an operator lets the tenant do more than its `guard` allows (`postern ctl guard release`).";
    PROTECTED_REFUSED: Counter "postern_protected_refused_total" ["tenant"]
        "Writes answered 403 because they would harm what the rule's `protect` names, or because that could not be found out.";
    ACCENTS: Counter "postern_accents_total" ["tenant", "kind"]
        "Things that clients said differently from RFC 7644 and that were understood.";
    DROPPED: Counter "postern_attributes_dropped_total" ["tenant", "direction"]
        "Attributes left out because no line of the rule maps them; `postern check` lists what the rule maps.";
    DISCARDED: Counter "postern_attributes_discarded_total" ["tenant"]
        "Attributes left out of requests because the account may not write them, and the rule says `forbidden: discard`.";
    UNDECODABLE: Counter "postern_values_undecodable_total" ["tenant", "line"]
        "Values of the directory left out of answers because this line of the rule file could not read them.";
    MAPPING_ERRORS: Counter "postern_mapping_errors_total" ["tenant", "direction"]
        "Requests that failed in the rule: what the client sent cannot be said to the directory (request), or what the directory said makes no sense (answer).";
    UNGUARDED: Counter "postern_unguarded_writes_total" ["tenant"]
        "Writes that only a second look guarded, because the directory keeps no versions: another writer could have slipped in.";
    CONFLICTS: Counter "postern_write_conflicts_total" ["tenant"]
        "Writes prepared again because somebody else changed the resource in between.";
    UP: Gauge "postern_directory_up" ["tenant", "directory"]
        "Whether the last exchange with the tenant's directory went well (1) or not (0); no series while nothing was asked yet.";
    FINDINGS: Gauge "postern_directory_findings" ["tenant"]
        "Places where the tenant's rule does not fit what its directory says of itself: requests will fail there. The log, /status and `postern check --online` say which; no series while nothing was compared yet.";
    CONNECTIONS: Gauge "postern_directory_connections" ["directory", "state"]
        "Connections that stand to the directory (open), and how many of these carry no request (idle).";
    WAITING: Gauge "postern_directory_requests_waiting" ["directory"]
        "Requests that wait because as many as the rule's backend.connections allows are open already.";
    CONNECT_FAILURES: Counter "postern_directory_connect_failures_total" ["directory"]
        "Connections to the directory that did not come to stand: refused, timed out, or TLS failed.";
    RETRIES: Counter "postern_directory_retries_total" ["directory"]
        "Requests sent to the directory again: looks after a lost connection, writes only where nothing had left.";
    CREDENTIALS: Counter "postern_directory_credentials_refused_total" ["tenant"]
        "Answers 401 or 403 of the directory: it does not accept the credentials in the rule's backend.";
    PUBLIC_CONNECTIONS: Gauge "postern_connections" []
        "Connections that stand on the public listener.";
    HANDSHAKES: Counter "postern_tls_handshake_failures_total" []
        "Connections of the public listener that ended before TLS stood.";
    CLIENT_CERTIFICATES: Counter "postern_client_certificates_refused_total" ["reason"]
        "Those of them that were refused for the client's certificate: missing, unknown_ca, expired, not_yet, revoked, unlisted (no revocation list of its CA), usage (it is not for clients), other.";
    PROXY_HEADERS: Counter "postern_proxy_header_failures_total" []
        "Connections refused for their PROXY protocol header: missing or broken from a trusted proxy, or sent by someone else.";
    RELOADS: Counter "postern_config_reloads_total" ["source", "result"]
        "Loadings of a source folder that had changed; after a failure the last good state serves on.";
    RELOAD_GOOD: Gauge "postern_config_last_reload_successful" ["source"]
        "Whether what is in the folder now is what serves (1); 0 means that it is broken, and the log and /status say where.";
    RELOAD_TIME: Gauge "postern_config_last_reload_success_timestamp_seconds" ["source"]
        "When the folder was last loaded with success.";
    CONFIG_INFO: Gauge "postern_config_info" ["revision"]
        "Always 1; the revision that serves. Replicas that differ for long do not see the same files.";
    CERTIFICATES: Gauge "postern_certificate_expiry_timestamp_seconds" ["use", "tenant"]
        "When the certificate ends, of its chain the first: of the public or control listener, of the CAs of SCIM clients (client_ca) or operators (operator_ca), or of the client certificate that a tenant's directory wants.";
    LISTS: Gauge "postern_revocation_list_due_timestamp_seconds" ["use"]
        "When the first of the revocation lists should have been replaced: of SCIM clients (client_crl) or operators (operator_crl). It counts after that, too; who was revoked since is let in.";
    TOKEN_EXPIRY: Gauge "postern_token_nearest_expiry_timestamp_seconds" []
        "When the next of the live tokens ends; no series where none does.";
    TOKENS: Gauge "postern_tokens" ["state"]
        "Tokens of the access file, by where they are in their life.";
    KEY_FETCHES: Counter "postern_oauth_keys_fetches_total" ["issuer", "result"]
        "Fetches of the keys of an entry of `trust`: ok, unchanged (by the issuer's own word), failed; what was fetched before serves on for a day.";
    INTROSPECTIONS: Counter "postern_oauth_introspections_total" ["issuer", "result"]
        "Questions about tokens that an entry of `trust` was asked: active, inactive, failed; while they fail, such tokens are answered 503.";
    TENANTS: Gauge "postern_tenants" []
        "Tenants that are served.";
    CLIENTS: Gauge "postern_clients" []
        "SCIM clients seen since the start: /status lists them.";
    DRAINING: Gauge "postern_draining" []
        "1 from the signal to stop until the end.";
    ACCESS_DROPPED: Counter "postern_access_lines_dropped_total" []
        "Access lines dropped because whoever reads standard output was too slow.";
    TRACES_EXPORTED: Counter "postern_traces_exported_total" []
        "Traces that the collector took.";
    TRACES_DROPPED: Counter "postern_traces_dropped_total" []
        "Traces lost: the collector was away, too slow, or refused them.";
    AUDIT_RECORDS: Counter "postern_audit_records_total" ["result"]
        "Records of the audit trail: written, dropped (it happened all the same), refused (a write that was not sent for it).";
    AUDIT_UP: Gauge "postern_audit_up" []
        "Whether the audit trail can be written: 1 or 0; not there where none is kept.";
    BUILD_INFO: Gauge "postern_build_info" ["version"]
        "Always 1; the version that runs.";
    CPU: Counter "process_cpu_seconds_total" []
        "Time on a processor, user and system together, in seconds.";
    RESIDENT: Gauge "process_resident_memory_bytes" []
        "Memory that is really there, in bytes.";
    VIRTUAL: Gauge "process_virtual_memory_bytes" []
        "Memory that is addressed, in bytes.";
    OPEN_FDS: Gauge "process_open_fds" []
        "Open files and sockets.";
    MAX_FDS: Gauge "process_max_fds" []
        "How many files and sockets may be open.";
    START_TIME: Gauge "process_start_time_seconds" []
        "When the program started, in seconds since 1970.";
    THREADS: Gauge "process_threads" []
        "Threads of the program.";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use prometheus::core::Metric as _;

    use super::*;

    #[test]
    fn every_family_can_be_made_and_follows_the_conventions() {
        let mut names = HashSet::new();
        for family in FAMILIES {
            let values: Vec<&str> = family.labels.iter().map(|_| "x").collect();
            let labels = match family.kind {
                Kind::Counter => family.counter(&values).metric().get_label().len(),
                Kind::Gauge => family.gauge(&values).metric().get_label().len(),
                Kind::Histogram => family.histogram(&values).metric().get_label().len(),
            };
            assert_eq!(labels, family.labels.len());
            let name = family.name;
            assert!(names.insert(name), "{name} stands twice");
            assert_eq!(
                name.ends_with("_total"),
                family.kind == Kind::Counter,
                "{name}"
            );
            if family.kind == Kind::Histogram {
                assert!(name.ends_with("_seconds"), "{name}");
            }
            assert!(
                family.help.ends_with('.') && !family.help.contains('\n'),
                "{name}"
            );
            assert!(
                name.starts_with("postern_") || name.starts_with("process_"),
                "{name}"
            );
        }
    }

    #[test]
    fn a_series_of_the_moment_looks_like_one_that_is_kept() {
        let kept = UP.gauge(&["corp", "https://a"]);
        kept.set(1);
        assert_eq!(kept.metric(), UP.now(&["corp", "https://a"], 1.0));
        let kept = RETRIES.counter(&["https://a"]);
        kept.inc_by(3);
        assert_eq!(kept.metric(), RETRIES.now(&["https://a"], 3.0));
    }
}
