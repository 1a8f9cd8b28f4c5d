//! The way of spans to the collector: batches, retries, and an end within a deadline. Whatever goes
//! wrong costs spans, which are counted, and nothing else.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use serde::Deserialize;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, sleep_until, timeout_at};

use super::otlp::{Process, message};
use super::span::Span;
use crate::net::client::{Client, ClientConfig};
use crate::net::{Body, Terms, body, secret, tls};
use crate::telemetry::metrics::Metrics;

/// Where spans go.
pub struct Settings {
    /// The URL that they are posted to.
    pub endpoint: String,
    /// Of the requests that bring no decision, how many are traced: from 0 to 1.
    pub ratio: f64,
    /// Headers that the collector wants, where it wants any: read at the start, and again whenever
    /// a message fails.
    pub headers: Option<Headers>,
    /// The name of this machine, where it is known.
    pub host: Option<String>,
}

/// Reads headers, which are secrets; the text says why they cannot be read.
pub type Headers = Arc<dyn Fn() -> Result<Vec<(HeaderName, HeaderValue)>, String> + Send + Sync>;

/// The task that sends spans.
pub struct Exporter {
    /// The time by which all must be over, once that is asked for.
    until: watch::Sender<Option<Instant>>,
    task: JoinHandle<()>,
}

impl Exporter {
    pub(super) fn start(
        handle: &Handle,
        settings: Settings,
        spans: mpsc::Receiver<Span>,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, String> {
        let uri: Uri = settings
            .endpoint
            .parse()
            .map_err(|_| "the endpoint is no URL".to_owned())?;
        let tls = if uri.scheme_str() == Some("https") {
            tls::client_config(None, None)
        } else {
            tls::trusting_nobody()
        };
        let client = Client::new(ClientConfig {
            max_open: 1,
            ..ClientConfig::new(tls.map_err(|error| error.to_string())?)
        });
        let headers = match &settings.headers {
            Some(read) => read()?,
            None => Vec::new(),
        };
        let (until, asked) = watch::channel(None);
        let work = Work {
            collector: Collector {
                client,
                uri,
                source: settings.headers,
                headers,
                process: Process {
                    instance: instance(),
                    host: settings.host,
                },
            },
            spans,
            until: asked,
            metrics: Arc::clone(metrics),
            complaints: Complaints::default(),
        };
        Ok(Self {
            until,
            task: handle.spawn(work.run()),
        })
    }

    /// Sends what is there, until `deadline` at the latest; what is left then is lost.
    pub async fn flush(self, deadline: Instant) {
        self.until.send_replace(Some(deadline));
        let mut task = self.task;
        if timeout_at(deadline.into(), &mut task).await.is_err() {
            task.abort();
        }
    }
}

struct Work {
    collector: Collector,
    spans: mpsc::Receiver<Span>,
    until: watch::Receiver<Option<Instant>>,
    metrics: Arc<Metrics>,
    complaints: Complaints,
}

impl Work {
    async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        while self.gather(&mut batch).await {
            self.deliver(&batch).await;
            batch.clear();
        }
    }

    /// Waits for the first span, and then a little for more. False where there are no more to
    /// come.
    async fn gather(&mut self, batch: &mut Vec<Span>) -> bool {
        let first = tokio::select! {
            biased;
            first = self.spans.recv() => first,
            () = ending(&mut self.until) => self.spans.try_recv().ok(),
        };
        let Some(first) = first else {
            return false;
        };
        batch.push(first);
        let full = tokio::time::Instant::now() + LINGER;
        while let Some(room) = BATCH.checked_sub(batch.len()).filter(|room| *room > 0) {
            tokio::select! {
                biased;
                more = self.spans.recv_many(batch, room) => if more == 0 { break },
                () = ending(&mut self.until) => break,
                () = sleep_until(full) => break,
            }
        }
        true
    }

    /// Sends a batch, again where the collector may take it later.
    async fn deliver(&mut self, batch: &[Span]) {
        let message = Bytes::from(message(&self.collector.process, batch));
        let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        let mut pause = FIRST_PAUSE;
        for attempt in 1..=ATTEMPTS {
            let (problem, wait) = match self.collector.post(message.clone()).await {
                Ok(Taken { rejected, why }) => {
                    let rejected = rejected.min(count);
                    self.metrics.traces_exported(count - rejected);
                    self.metrics.traces_dropped(rejected);
                    self.complaints.rejected(rejected, &why);
                    return;
                }
                Err(Refused::ForEver(problem)) => (problem, None),
                Err(Refused::ForNow(problem, asked)) => {
                    let wait = asked.unwrap_or_else(|| pause.mul_f64(0.5 + jitter()));
                    (problem, Some(wait.min(LONGEST_PAUSE)))
                }
            };
            self.complaints.failed(&problem);
            // Perhaps the key has changed since.
            self.collector.read_headers(&mut self.complaints).await;
            let Some(wait) = wait.filter(|_| attempt < ATTEMPTS) else {
                break;
            };
            pause *= 2;
            tokio::select! {
                biased;
                () = ending(&mut self.until) => {
                    // The last chance, and not for long: [`Exporter::flush`] sees to that.
                    sleep(wait.min(LAST_PAUSE)).await;
                }
                () = sleep(wait) => {}
            }
        }
        self.metrics.traces_dropped(count);
    }
}

/// Where spans are posted to.
struct Collector {
    client: Client,
    uri: Uri,
    source: Option<Headers>,
    headers: Vec<(HeaderName, HeaderValue)>,
    process: Process,
}

/// The collector has taken a message, or at least some of it.
struct Taken {
    rejected: u64,
    why: String,
}

/// It has not. The texts are ours.
enum Refused {
    /// Sending it again would not help.
    ForEver(String),
    /// It may help, after this time where the collector said one.
    ForNow(String, Option<Duration>),
}

impl Collector {
    async fn post(&self, message: Bytes) -> Result<Taken, Refused> {
        let deadline = Instant::now() + POST;
        let mut request = Request::new(Body::Full(message));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        headers.insert(ACCEPT, HeaderValue::from_static(JSON));
        headers.insert(USER_AGENT, HeaderValue::from_static("postern"));
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
        let answer = self.client.send(request, deadline).await;
        let answer = answer.map_err(|error| Refused::ForNow(error.to_string(), None))?;
        let status = answer.status();
        let later = retry_after(answer.headers());
        let terms = Terms {
            limit: ANSWER,
            idle: POST,
            deadline,
        };
        // Read even where nobody wants to know, so that the connection can be used again.
        let text = body::collect(answer.into_body(), terms).await;
        match status.as_u16() {
            200..300 => Ok(Taken::read(&text.unwrap_or_default())),
            429 | 502 | 503 | 504 => Err(Refused::ForNow(said(status), later)),
            _ => Err(Refused::ForEver(said(status))),
        }
    }

    /// Reads the headers again; where that fails, those from before stand.
    async fn read_headers(&mut self, complaints: &mut Complaints) {
        let Some(read) = self.source.clone() else {
            return;
        };
        // A file may be on something slow, and this thread has others to serve.
        match tokio::task::spawn_blocking(move || read()).await {
            Ok(Ok(headers)) => self.headers = headers,
            Ok(Err(problem)) => complaints.failed(&problem),
            Err(_) => {}
        }
    }
}

impl Taken {
    fn read(text: &[u8]) -> Self {
        let answer: Answer = serde_json::from_slice(text).unwrap_or_default();
        let partial = answer.partial_success.unwrap_or_default();
        let rejected = match partial.rejected_spans {
            Some(Number::Text(text)) => text.parse().unwrap_or(0),
            Some(Number::Number(number)) => number,
            None => 0,
        };
        Self {
            rejected,
            why: partial.error_message.unwrap_or_default(),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    partial_success: Option<Partial>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Partial {
    rejected_spans: Option<Number>,
    error_message: Option<String>,
}

/// A 64-bit number is a text in protobuf's JSON, and a number is to be understood as well.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Text(String),
    Number(u64),
}

/// What is said in the log, which is little.
#[derive(Default)]
struct Complaints {
    last: Option<Instant>,
    since: u64,
    rejected: bool,
}

impl Complaints {
    /// A message did not get through: said at most once a minute.
    fn failed(&mut self, problem: &str) {
        let now = Instant::now();
        let soon = self
            .last
            .is_some_and(|last| now.saturating_duration_since(last) < QUIET);
        if soon {
            self.since = self.since.saturating_add(1);
            return;
        }
        let unsaid = std::mem::take(&mut self.since);
        tracing::warn!(problem, unsaid, "traces do not reach the collector");
        self.last = Some(now);
    }

    /// The collector took a message and threw some of it away: said once.
    fn rejected(&mut self, spans: u64, why: &str) {
        if (spans == 0 && why.is_empty()) || self.rejected {
            return;
        }
        self.rejected = true;
        let why: String = why.chars().take(200).collect();
        tracing::warn!(
            spans,
            ?why,
            "the collector did not want all spans; this is said once"
        );
    }
}

/// Ready when all is to come to an end; never, where nobody can say so any more.
async fn ending(until: &mut watch::Receiver<Option<Instant>>) {
    if until.wait_for(Option::is_some).await.is_err() {
        std::future::pending().await
    }
}

fn said(status: StatusCode) -> String {
    format!("the collector answered {}", status.as_u16())
}

/// Seconds; a date is not understood, and taken for no word at all.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

/// From 0 to 1.
fn jitter() -> f64 {
    let mut byte = [0];
    let _ = secret::random(&mut byte);
    f64::from(byte[0]) / 255.0
}

/// A random UUID (RFC 9562, version 4).
fn instance() -> String {
    let mut bytes = [0; 16];
    let _ = secret::random(&mut bytes);
    let number = u128::from_be_bytes(bytes);
    let number = number & !(0xf << 76) & !(0b11 << 62) | 0x4 << 76 | 0b10 << 62;
    let text = format!("{number:032x}");
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| text.get(part).unwrap_or(""));
    parts.join("-")
}

const JSON: &str = "application/json";
/// How many spans go into one message at most.
const BATCH: usize = 512;
/// How long the first of them waits for others.
const LINGER: Duration = Duration::from_secs(2);
/// For a message, from connecting to the end of the answer.
const POST: Duration = Duration::from_secs(10);
/// The longest that an answer may be.
const ANSWER: usize = 64 * 1024;
/// How often a message is sent at most.
const ATTEMPTS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Between two attempts where all is about to end.
const LAST_PAUSE: Duration = Duration::from_millis(100);
/// How long the log says nothing after it has said that messages fail.
const QUIET: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partial_success_is_understood_in_every_form() {
        let read = |text: &str| Taken::read(text.as_bytes());
        for (text, rejected) in [
            ("", 0),
            ("{}", 0),
            ("null", 0),
            ("<html>", 0),
            (r#"{"partialSuccess":null}"#, 0),
            (r#"{"partialSuccess":{}}"#, 0),
            (
                r#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"x"}}"#,
                3,
            ),
            (r#"{"partialSuccess":{"rejectedSpans":3}}"#, 3),
            (r#"{"partialSuccess":{"rejectedSpans":"-1"}}"#, 0),
        ] {
            assert_eq!(read(text).rejected, rejected, "{text}");
        }
    }

    #[test]
    fn an_instance_is_a_uuid() {
        let text = instance();
        assert_ne!(text, instance());
        let lengths: Vec<usize> = text.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert_eq!(text.as_bytes()[14], b'4');
        assert!(matches!(text.as_bytes()[19], b'8' | b'9' | b'a' | b'b'));
    }

    #[test]
    fn the_log_hears_of_failures_once_a_minute() {
        let mut complaints = Complaints::default();
        complaints.failed("x");
        let first = complaints.last;
        complaints.failed("x");
        assert_eq!((complaints.last, complaints.since), (first, 1));
        complaints.last = Instant::now().checked_sub(QUIET);
        complaints.failed("x");
        assert_eq!(complaints.since, 0);
    }
}
