//! One line of JSON per request, by a serializer of our own and a writer thread behind a bounded
//! queue: a slow disk drops and counts lines, it never slows a request. A line has names, counts
//! and times, never a secret, a query or an attribute value.

use std::fmt::Write as _;
use std::io::Write;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::metrics::Metrics;
use crate::auth::instant;

/// What is said of one request.
#[derive(Debug, Clone, Default)]
pub struct Line<'a> {
    /// The id that client, directory and answer know it by.
    pub request_id: &'a str,
    /// The address of the socket.
    pub peer: &'a str,
    /// The tenant, where one was found.
    pub tenant: Option<&'a str>,
    /// The account, where there was a valid token.
    pub account: Option<&'a str>,
    /// The key that proved it.
    pub key: Option<&'a str>,
    /// The method.
    pub method: &'a str,
    /// The canonical path, without its query; none where it had no canonical form.
    pub path: Option<&'a str>,
    /// What was asked for: `create`, `bulk`, …
    pub operation: Option<&'a str>,
    /// The status that was sent; 499 where the client left before there was one.
    pub status: u16,
    /// Who has to act, where something failed.
    pub fault: Option<&'a str>,
    /// Why it failed, in our own words, for the operator.
    pub reason: Option<&'a str>,
    /// How long it took, the body of the answer included.
    pub took: Duration,
    /// Bytes of the answer's body.
    pub bytes: u64,
    /// The snapshot that served it.
    pub revision: &'a str,
}

/// Where access lines go.
#[derive(Clone)]
pub struct AccessLog {
    queue: Option<SyncSender<Vec<u8>>>,
    metrics: Arc<Metrics>,
}

impl AccessLog {
    /// Nowhere.
    #[must_use]
    pub fn off(metrics: Arc<Metrics>) -> Self {
        Self {
            queue: None,
            metrics,
        }
    }

    /// To `out`, by a thread that ends with the last clone of this.
    #[must_use]
    pub fn to(out: impl Write + Send + 'static, metrics: Arc<Metrics>) -> Self {
        let (queue, lines) = sync_channel(QUEUE);
        let writer = std::thread::Builder::new().name("access-log".to_owned());
        let started = writer.spawn(move || write_all(out, &lines));
        Self {
            queue: started.is_ok().then_some(queue),
            metrics,
        }
    }

    /// Writes a line, or drops it where the queue is full.
    pub fn write(&self, at: SystemTime, line: &Line<'_>) {
        let Some(queue) = &self.queue else { return };
        match queue.try_send(line.to_json(at)) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.metrics.access_dropped();
            }
        }
    }
}

impl Line<'_> {
    fn to_json(&self, at: SystemTime) -> Vec<u8> {
        let mut out = Json(Vec::with_capacity(400));
        out.text("time", &rfc3339(at));
        out.text("request_id", self.request_id);
        out.text("peer", self.peer);
        out.maybe("tenant", self.tenant);
        out.maybe("account", self.account);
        out.maybe("key", self.key);
        out.text("method", self.method);
        out.maybe("path", self.path);
        out.maybe("operation", self.operation);
        out.number("status", u64::from(self.status));
        out.maybe("fault", self.fault);
        out.maybe("reason", self.reason);
        let took = u64::try_from(self.took.as_micros()).unwrap_or(u64::MAX);
        out.number("duration_us", took);
        out.number("bytes", self.bytes);
        out.text("revision", self.revision);
        out.finish()
    }
}

/// Appends members to one object.
struct Json(Vec<u8>);

impl Json {
    fn name(&mut self, name: &'static str) {
        let lead: &[u8] = if self.0.is_empty() { b"{\"" } else { b",\"" };
        self.0.extend_from_slice(lead);
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
    }

    fn text(&mut self, name: &'static str, text: &str) {
        self.name(name);
        // Writing a string into memory does not fail.
        let _ = serde_json::to_writer(&mut self.0, text);
    }

    fn maybe(&mut self, name: &'static str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    fn number(&mut self, name: &'static str, number: u64) {
        self.name(name);
        self.0.extend_from_slice(number.to_string().as_bytes());
    }

    fn finish(mut self) -> Vec<u8> {
        self.0.extend_from_slice(b"}\n");
        self.0
    }
}

fn write_all(mut out: impl Write, lines: &Receiver<Vec<u8>>) {
    while let Ok(line) = lines.recv() {
        // A log that cannot be written must not stop the service; what follows may fit again.
        let _ = out.write_all(&line);
        while let Ok(line) = lines.try_recv() {
            let _ = out.write_all(&line);
        }
        let _ = out.flush();
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

const QUEUE: usize = 4_096;

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::channel;

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
        for _ in 0..QUEUE + 10 {
            log.write(UNIX_EPOCH, &Line::default());
        }
        let text = metrics.render(&Scene::default());
        let dropped = text
            .lines()
            .find_map(|line| line.strip_prefix("postern_access_lines_dropped_total "))
            .unwrap();
        // One line may be in the writer's hands.
        assert!(
            (9..=10).contains(&dropped.parse::<u32>().unwrap()),
            "{dropped}"
        );
    }
}
