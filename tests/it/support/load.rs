//! A steady load: clients that keep their connections, HTTP/1.1 and HTTP/2 over TLS, and judge
//! every answer.
//!
//! They are decent and strict. A connection that the server gives notice of (`Connection: close`,
//! GOAWAY), or that is gone before a request went out on it, is replaced without a word. A request
//! that went out and gets no answer, a wrong one, or a broken one is a failure; nothing is sent
//! twice but what the server says that it has not begun (RFC 9113 §8.7).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::Answer;

/// What is asked, and what is thought of the answer.
pub(crate) trait Job: Send + Sync + 'static {
    /// The request with this number.
    fn ask(&self, number: u64) -> Ask;
    /// Says what is wrong with an answer.
    fn judge(&self, number: u64, answer: &Answer) -> Result<(), String>;
}

/// A request.
#[derive(Debug)]
pub(crate) struct Ask {
    pub method: Method,
    /// Path and query, with the path of the Tenant URL.
    pub target: String,
    /// What goes into `Authorization`.
    pub authorization: String,
    /// A JSON document, or nothing.
    pub body: String,
}

/// How much load. `X-Request-Id` of each request is `load-` and its number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Connections of HTTP/1.1.
    pub http1: usize,
    /// Connections of HTTP/2.
    pub http2: usize,
    /// Requests at a time on each connection of HTTP/2.
    pub streams: usize,
    /// What each client thinks between two requests.
    pub pause: Duration,
}

/// A load under way. Dropping it ends it.
pub(crate) struct Load {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    clients: JoinSet<()>,
}

/// What came of it.
#[derive(Debug, Default, Clone)]
pub(crate) struct Record {
    /// Good answers by protocol.
    pub answered: BTreeMap<&'static str, u64>,
    /// Connections made, by protocol.
    pub connected: BTreeMap<&'static str, u64>,
    /// How often nobody listened.
    pub refused: u64,
    /// Connections that ended before they were ready for a request.
    pub unconnected: u64,
    /// Requests sent again because the server said that it had not begun them.
    pub not_begun: u64,
    /// How many failures there were, and the first of them in words.
    pub failed: u64,
    pub failures: Vec<String>,
}

struct Shared {
    job: Box<dyn Job>,
    shape: Shape,
    tls: Arc<rustls::ClientConfig>,
    places: watch::Receiver<Vec<SocketAddr>>,
    stop: watch::Receiver<bool>,
    next: AtomicU64,
    turn: AtomicU64,
    answered: watch::Sender<u64>,
    record: Mutex<Record>,
}

/// A connection of either protocol that requests can be sent on.
#[derive(Clone)]
enum Way {
    One(Arc<tokio::sync::Mutex<http1::SendRequest<Full<Bytes>>>>),
    Two(http2::SendRequest<Full<Bytes>>),
}

/// How one try of a request ended.
enum Try {
    /// With an answer; whether the server closes the connection after it.
    Answered(Answer, bool),
    /// It has not left, or the server has not begun it.
    NotBegun(bool),
    Failed(String),
}

impl Shape {
    pub(crate) fn small() -> Self {
        Self {
            http1: 4,
            http2: 2,
            streams: 3,
            pause: Duration::from_millis(5),
        }
    }
}

impl Load {
    /// Starts a load on whatever address `places` names at the moment a client connects; several
    /// are taken in turn. `tls` is what the clients trust.
    pub(crate) fn start(
        tls: &Arc<rustls::ClientConfig>,
        places: watch::Receiver<Vec<SocketAddr>>,
        shape: Shape,
        job: impl Job,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let shared = Arc::new(Shared {
            job: Box::new(job),
            shape,
            tls: Arc::clone(tls),
            places,
            stop: stopped,
            next: AtomicU64::new(0),
            turn: AtomicU64::new(0),
            answered: watch::Sender::new(0),
            record: Mutex::default(),
        });
        let mut clients = JoinSet::new();
        for _ in 0..shape.http1 {
            let way = Arc::new(tokio::sync::Mutex::new(None));
            clients.spawn(Arc::clone(&shared).client(false, way));
        }
        for _ in 0..shape.http2 {
            let way = Arc::new(tokio::sync::Mutex::new(None));
            for _ in 0..shape.streams {
                clients.spawn(Arc::clone(&shared).client(true, Arc::clone(&way)));
            }
        }
        Self {
            shared,
            stop,
            clients,
        }
    }

    /// Waits until so many more requests have been answered well.
    pub(crate) async fn more(&self, count: u64) {
        let mut answered = self.shared.answered.subscribe();
        let goal = *answered.borrow() + count;
        let reached = answered.wait_for(|now| *now >= goal);
        if tokio::time::timeout(PATIENCE, reached).await.is_err() {
            panic!(
                "no {count} answers within {PATIENCE:?}: {:?}",
                self.so_far()
            );
        }
    }

    pub(crate) fn so_far(&self) -> Record {
        self.shared.record.lock().unwrap().clone()
    }

    /// Lets every request end, and tells.
    pub(crate) async fn stop(mut self) -> Record {
        self.stop.send_replace(true);
        while let Some(client) = self.clients.join_next().await {
            client.unwrap();
        }
        self.so_far()
    }
}

impl Record {
    /// Good answers in all.
    pub(crate) fn good(&self) -> u64 {
        self.answered.values().sum()
    }

    #[track_caller]
    pub(crate) fn assert_no_failure(&self) {
        assert!(
            self.failed == 0,
            "{} of {} failed:\n{}\n{self:?}",
            self.failed,
            self.good() + self.failed,
            self.failures.join("\n"),
        );
    }
}

impl Shared {
    /// One client: request after request until it is stopped.
    async fn client(self: Arc<Self>, http2: bool, way: Arc<tokio::sync::Mutex<Option<Way>>>) {
        let began = Instant::now();
        while !*self.stop.borrow() && began.elapsed() < LONGEST {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            self.one(number, http2, &way).await;
            tokio::time::sleep(self.shape.pause).await;
        }
    }

    /// One request, to its end.
    async fn one(&self, number: u64, http2: bool, slot: &tokio::sync::Mutex<Option<Way>>) {
        let mut stop = self.stop.clone();
        loop {
            let way = self.way(http2, slot).await;
            let Some(mut way) = way else {
                // Nobody is there: look again in a moment, unless the end has come.
                tokio::select! {
                    _ = stop.wait_for(|stop| *stop) => return,
                    () = tokio::time::sleep(Duration::from_millis(5)) => continue,
                }
            };
            let ask = self.job.ask(number);
            let told = format!("{number} ({}): {} {}", word(http2), ask.method, ask.target);
            let tried = tokio::time::timeout(PATIENCE, way.send(number, ask)).await;
            match tried.unwrap_or_else(|_| Try::Failed("no answer in time".to_owned())) {
                Try::NotBegun(sent) => {
                    if sent {
                        self.record.lock().unwrap().not_begun += 1;
                    }
                    drop_if_ended(slot, &way).await;
                }
                Try::Failed(why) => {
                    drop_if_ended(slot, &way).await;
                    return self.failed(format!("{told}: {why}"));
                }
                Try::Answered(answer, closes) => {
                    if closes {
                        *slot.lock().await = None;
                    }
                    if let Err(why) = self.job.judge(number, &answer) {
                        let body = String::from_utf8_lossy(&answer.body);
                        let start: String = body.chars().take(600).collect();
                        return self.failed(format!("{told}: {why}: {} {start}", answer.status));
                    }
                    let mut record = self.record.lock().unwrap();
                    *record.answered.entry(word(http2)).or_default() += 1;
                    drop(record);
                    return self.answered.send_modify(|answered| *answered += 1);
                }
            }
        }
    }

    /// The connection of a client, made anew where there is none.
    async fn way(&self, http2: bool, slot: &tokio::sync::Mutex<Option<Way>>) -> Option<Way> {
        let mut slot = slot.lock().await;
        if slot.as_ref().is_none_or(Way::has_ended) {
            *slot = None;
            *slot = self.connect(http2).await;
        }
        slot.clone()
    }

    async fn connect(&self, http2: bool) -> Option<Way> {
        let places = self.places.borrow().clone();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let at = places
            .get(usize::try_from(turn).unwrap() % places.len().max(1))
            .copied()?;
        let Ok(stream) = TcpStream::connect(at).await else {
            self.record.lock().unwrap().refused += 1;
            return None;
        };
        stream.set_nodelay(true).unwrap();
        let way = tokio::time::timeout(PATIENCE, self.greet(http2, stream)).await;
        let mut record = self.record.lock().unwrap();
        match way {
            Ok(Ok(way)) => {
                *record.connected.entry(word(http2)).or_default() += 1;
                Some(way)
            }
            // A listener that closes resets what waits in its queue; nothing was asked yet.
            Ok(Err(error)) if error.kind() != std::io::ErrorKind::InvalidData => {
                record.unconnected += 1;
                None
            }
            other => {
                drop(record);
                let what = other.map(|way| way.err());
                self.failed(format!("no handshake with {at}: {what:?}"));
                None
            }
        }
    }

    async fn greet(&self, http2: bool, stream: TcpStream) -> std::io::Result<Way> {
        let mut tls = (*self.tls).clone();
        tls.alpn_protocols = vec![if http2 {
            b"h2".to_vec()
        } else {
            b"http/1.1".to_vec()
        }];
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::new(tls))
            .connect(name, stream)
            .await?;
        let io = TokioIo::new(stream);
        let other = std::io::Error::other;
        if http2 {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), io)
                .await
                .map_err(other)?;
            tokio::spawn(connection);
            Ok(Way::Two(sender))
        } else {
            let (sender, connection) = http1::handshake(io).await.map_err(other)?;
            tokio::spawn(connection);
            Ok(Way::One(Arc::new(tokio::sync::Mutex::new(sender))))
        }
    }

    fn failed(&self, what: String) {
        let mut record = self.record.lock().unwrap();
        record.failed += 1;
        if record.failures.len() < 20 {
            record.failures.push(what);
        }
    }
}

impl Way {
    fn has_ended(&self) -> bool {
        match self {
            Self::One(sender) => sender.try_lock().is_ok_and(|sender| sender.is_closed()),
            Self::Two(sender) => sender.is_closed(),
        }
    }

    async fn send(&mut self, number: u64, ask: Ask) -> Try {
        let request = Request::builder()
            .method(ask.method)
            .header("authorization", ask.authorization)
            .header("x-request-id", format!("load-{number}"))
            .header("content-type", "application/scim+json");
        let body = Full::new(Bytes::from(ask.body));
        let answer = match self {
            Self::One(sender) => {
                let request = request.uri(ask.target).header("host", "localhost");
                let mut sender = sender.lock().await;
                if sender.ready().await.is_err() {
                    return Try::NotBegun(false);
                }
                sender.send_request(request.body(body).unwrap()).await
            }
            Self::Two(sender) => {
                let request = request.uri(format!("https://localhost{}", ask.target));
                if sender.ready().await.is_err() {
                    return Try::NotBegun(false);
                }
                sender.send_request(request.body(body).unwrap()).await
            }
        };
        match answer {
            Ok(response) => read(response).await,
            Err(error) if error.is_canceled() => Try::NotBegun(false),
            Err(error) if was_not_begun(&error) => Try::NotBegun(true),
            Err(error) => Try::Failed(format!("no answer: {error:?}")),
        }
    }
}

async fn read(response: Response<Incoming>) -> Try {
    let (head, body) = response.into_parts();
    let closes = head
        .headers
        .get("connection")
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"));
    match body.collect().await {
        Ok(body) => {
            let answer = Answer {
                status: head.status,
                headers: head.headers,
                body: body.to_bytes(),
            };
            Try::Answered(answer, closes)
        }
        Err(error) => Try::Failed(format!("{}, and then {error:?}", head.status)),
    }
}

/// HTTP/2: the stream is past the last one of a GOAWAY, or was refused. (The type of the source is
/// not ours to name.)
fn was_not_begun(error: &hyper::Error) -> bool {
    let source = format!("{:?}", std::error::Error::source(error));
    source.contains("REFUSED_STREAM")
        || source.contains("GoAway") && source.contains("NO_ERROR, Remote")
}

/// Makes room for a new connection, unless another client of this one has done so.
async fn drop_if_ended(slot: &tokio::sync::Mutex<Option<Way>>, way: &Way) {
    let mut slot = slot.lock().await;
    let same = match (&*slot, way) {
        (Some(Way::One(_)), Way::One(_)) => true,
        (Some(Way::Two(now)), Way::Two(_)) => now.is_closed(),
        _ => false,
    };
    if same {
        *slot = None;
    }
}

fn word(http2: bool) -> &'static str {
    if http2 { "HTTP/2" } else { "HTTP/1.1" }
}

/// For one answer, and for a number of them.
const PATIENCE: Duration = Duration::from_secs(60);

/// No load goes on for longer.
const LONGEST: Duration = Duration::from_secs(20 * 60);
