//! One line of JSON per request, by a serializer of our own and a writer thread behind a bounded
//! queue: a slow disk drops and counts lines, it never slows a request. A line has names, counts
//! and times, never a secret, a query, an attribute value or the id of a resource.

use std::fmt::Write as _;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use super::json::Json;
use super::lines::Lines;
use super::metrics::Metrics;
use crate::auth::instant;
use crate::net::secret;

/// What is said of one request.
#[derive(Debug, Clone, Default)]
pub struct Line<'a> {
    /// The id that client, directory and answer know it by.
    pub request_id: &'a str,
    /// The trace that it belongs to, where client or we trace it.
    pub trace_id: Option<&'a str>,
    /// The client's address.
    pub peer: &'a str,
    /// The proxy that stood in between and told us that address.
    pub through: Option<&'a str>,
    /// `h1` or `h2`.
    pub protocol: &'a str,
    /// The tenant, where one was found.
    pub tenant: Option<&'a str>,
    /// The account, where there was a valid token.
    pub account: Option<&'a str>,
    /// The key that proved it.
    pub key: Option<&'a str>,
    /// Whose client certificate the connection has, as `CN=okta`.
    pub certificate: Option<&'a str>,
    /// What the client calls itself.
    pub user_agent: Option<&'a str>,
    /// The method.
    pub method: &'a str,
    /// The canonical path with `{id}` for ids, without its query; none where it had no canonical
    /// form.
    pub path: Option<&'a str>,
    /// The id in the path, see [`AccessLog::digest`].
    pub id_digest: Option<&'a str>,
    /// What was asked for: `create`, `bulk`, …
    pub operation: Option<&'a str>,
    /// The resource type, where it is about one.
    pub resource: Option<&'a str>,
    /// The status that was sent; 499 where the client left before there was one.
    pub status: u16,
    /// Who has to act, where something failed.
    pub fault: Option<&'a str>,
    /// Why it failed, in our own words, for the operator.
    pub reason: Option<&'a str>,
    /// The keyword of the SCIM error, where there is one.
    pub scim_type: Option<&'a str>,
    /// The attributes that were left out because the account may not write them, by name.
    pub discarded: Option<&'a str>,
    /// How long it took, the body of the answer included.
    pub took: Duration,
    /// How much of that the directory took.
    pub directory: Duration,
    /// How much of that mapping took.
    pub mapping: Duration,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
    /// The snapshot that served it.
    pub revision: &'a str,
}

/// Where access lines go.
#[derive(Clone)]
pub struct AccessLog {
    lines: Option<Lines>,
    metrics: Arc<Metrics>,
    salt: [u8; 16],
}

impl AccessLog {
    /// Nowhere.
    #[must_use]
    pub fn off(metrics: Arc<Metrics>) -> Self {
        Self {
            lines: None,
            metrics,
            salt: [0; 16],
        }
    }

    /// To `out`, by a thread that ends with the last clone of this.
    #[must_use]
    pub fn to(out: impl Write + Send + 'static, metrics: Arc<Metrics>) -> Self {
        let mut salt = [0; 16];
        // Without randomness a digest hides less, and nothing else depends on it.
        let _ = secret::random(&mut salt);
        let count = Arc::clone(&metrics);
        let lost = move |lines| (0..lines).for_each(|_| count.access_dropped());
        Self {
            lines: Lines::to("access-log", out, lost),
            metrics,
            salt,
        }
    }

    /// Writes a line, or drops it where the queue is full.
    pub fn write(&self, at: SystemTime, line: &Line<'_>) {
        let Some(lines) = &self.lines else { return };
        if !lines.write(line.to_json(at)) {
            self.metrics.access_dropped();
        }
    }

    /// Whether anybody reads lines at all.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.lines.is_some()
    }

    /// Waits until all lines are written, but no longer than this.
    pub fn flush(&self, wait: Duration) {
        if let Some(lines) = &self.lines
            && !lines.flush(wait)
        {
            tracing::warn!("standard output takes no more: access lines are lost");
        }
    }

    /// Stands for the id of a resource, which on some directories is the name of a person: the
    /// same id has the same digest as long as this process lives, and nobody can look it up.
    #[must_use]
    pub fn digest(&self, id: &str) -> String {
        let mut hash = Sha256::new();
        hash.update(self.salt);
        hash.update(id.as_bytes());
        let mut text = String::with_capacity(12);
        for byte in hash.finalize().iter().take(6) {
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

impl Line<'_> {
    fn to_json(&self, at: SystemTime) -> Vec<u8> {
        let mut out = Json::with_capacity(768);
        out.text("time", &rfc3339(at), SHORT);
        out.text("request_id", self.request_id, SHORT);
        out.maybe("trace_id", self.trace_id, SHORT);
        out.text("peer", self.peer, SHORT);
        out.maybe("through", self.through, SHORT);
        out.text("protocol", self.protocol, SHORT);
        out.maybe("tenant", self.tenant, SHORT);
        out.maybe("account", self.account, SHORT);
        out.maybe("key", self.key, SHORT);
        out.maybe("certificate", self.certificate, SHORT);
        out.maybe("user_agent", self.user_agent, SHORT);
        out.text("method", self.method, 32);
        out.maybe("path", self.path, LONG);
        out.maybe("id_digest", self.id_digest, SHORT);
        out.maybe("operation", self.operation, SHORT);
        out.maybe("resource", self.resource, SHORT);
        out.number("status", u64::from(self.status));
        out.maybe("fault", self.fault, SHORT);
        out.maybe("reason", self.reason, LONG);
        out.maybe("discarded", self.discarded, LONG);
        out.maybe("scim_type", self.scim_type, SHORT);
        out.time("duration_us", self.took);
        out.time("directory_us", self.directory);
        out.time("mapping_us", self.mapping);
        out.number("bytes_in", self.bytes_in);
        out.number("bytes_out", self.bytes_out);
        out.text("revision", self.revision, SHORT);
        out.line()
    }
}

/// `2026-11-24T08:30:44.123456Z`.
fn rfc3339(at: SystemTime) -> String {
    let micros = at
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .subsec_micros();
    let mut text = instant::format(at);
    text.truncate(text.len().saturating_sub(1));
    let _ = write!(text, ".{micros:06}Z");
    text
}

/// How much is said of names, and of texts.
const SHORT: usize = 256;
const LONG: usize = 1_024;

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, channel};

    use proptest::prelude::*;

    use super::super::lines::QUEUE;
    use super::*;
    use crate::telemetry::Scene;

    #[test]
    fn times_are_written_as_the_calendar_has_them() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_827_696, "2000-02-29T12:34:56.000000Z"),
            (1_709_164_800, "2024-02-29T00:00:00.000000Z"),
            (1_798_761_599, "2026-12-31T23:59:59.000000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000000Z"),
        ] {
            assert_eq!(rfc3339(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn a_line_is_json_whatever_a_client_sent() {
        let line = Line {
            request_id: "a\"b\n",
            path: Some("/corp/Users/\u{7}"),
            status: 200,
            took: Duration::from_micros(1500),
            ..Line::default()
        };
        let text = line.to_json(UNIX_EPOCH);
        assert_eq!(text.iter().filter(|byte| **byte == b'\n').count(), 1);
        let value: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(value["request_id"], "a\"b\n");
        assert_eq!(value["duration_us"], 1500);
        assert!(value.get("tenant").is_none());
    }

    proptest! {
        #[test]
        fn a_line_is_one_line_of_printable_ascii_and_reads_back(text in "\\PC{0,40}", odd in any::<String>()) {
            let line = Line { reason: Some(&text), user_agent: Some(&odd), ..Line::default() };
            let json = line.to_json(UNIX_EPOCH);
            let (end, rest) = json.split_last().unwrap();
            prop_assert_eq!(*end, b'\n');
            prop_assert!(rest.iter().all(|byte| (b' '..=b'~').contains(byte)));
            let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
            prop_assert_eq!(&value["reason"], &text);
            if odd.len() <= SHORT {
                prop_assert_eq!(&value["user_agent"], &odd);
            }
        }
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        let long = "é".repeat(SHORT);
        let line = Line {
            user_agent: Some(&long),
            ..Line::default()
        };
        let value: serde_json::Value = serde_json::from_slice(&line.to_json(UNIX_EPOCH)).unwrap();
        assert_eq!(value["user_agent"], "é".repeat(SHORT / 2) + "…");
    }

    #[test]
    fn a_digest_is_the_same_in_one_process_only() {
        let metrics = Arc::new(Metrics::new());
        let log = || AccessLog::to(std::io::sink(), Arc::clone(&metrics));
        let (one, two) = (log(), log());
        assert_eq!(one.digest("bjensen"), one.digest("bjensen"));
        assert_ne!(one.digest("bjensen"), one.digest("ajensen"));
        assert_ne!(one.digest("bjensen"), two.digest("bjensen"));
    }

    /// A writer that waits for a permission before each write.
    struct Slow(Mutex<Receiver<()>>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let _ = self.0.lock().unwrap().recv();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stuck_writer_drops_and_counts_lines() {
        let (_hold, wait) = channel();
        let metrics = Arc::new(Metrics::new());
        let log = AccessLog::to(Slow(Mutex::new(wait)), Arc::clone(&metrics));
        for _ in 0..QUEUE * 2 {
            log.write(UNIX_EPOCH, &Line::default());
        }
        let text = metrics.render(&Scene::default());
        let dropped = text
            .lines()
            .find_map(|line| line.strip_prefix("postern_access_lines_dropped_total "))
            .unwrap();
        // Some lines are in the writer's hands.
        let dropped: usize = dropped.parse().unwrap();
        assert!((QUEUE / 2..=QUEUE).contains(&dropped), "{dropped}");
    }
}
