//! One connection that carries many operations at a time. Its handles are cheap to clone; it ends
//! when the last is gone.
//!
//! A read whose future or rows are dropped is abandoned; a write is not, since it may have been
//! done already. What is told of a failure is whether anything of the operation may have left.

use std::future::poll_fn;
use std::sync::atomic::{AtomicI32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout_at;

use super::control::Control;
use super::failure::{LdapError, Why};
use super::feed::{Feed, Flow, feed};
use super::request::{Request, Search};
use super::response::{Entry, LdapResult, Message, Response};
use super::tally::{Counted, Tally};
use super::wire::{self, Bounds, Command, Outgoing, Reply, Stage, Stream};

/// A handle to a connection.
#[derive(Debug, Clone)]
pub struct Connection(Arc<Handle>);

#[derive(Debug)]
struct Handle {
    commands: UnboundedSender<Command>,
    permits: Arc<Semaphore>,
    lane: Arc<Semaphore>,
    shared: Arc<Shared>,
}

/// What the handles and the task both know.
#[derive(Debug)]
pub(super) struct Shared {
    pub flow: Arc<Flow>,
    next: AtomicI32,
    ended: OnceLock<Why>,
    born: Instant,
    /// When something was last read, in microseconds since `born`.
    heard: AtomicU64,
    messages: AtomicU64,
    in_flight: AtomicUsize,
    tally: Arc<Tally>,
}

/// The last message that answers an operation.
#[derive(Debug)]
pub struct Answer {
    /// How it ended.
    pub result: LdapResult,
    /// The value of an extended answer.
    pub value: Option<Bytes>,
    /// With what added.
    pub controls: Vec<Control>,
}

/// One of the answers to a search.
#[derive(Debug)]
pub enum Row {
    /// An entry.
    Entry(Entry),
    /// Where more may be found.
    Reference(Vec<String>),
    /// The end.
    Done(Answer),
}

/// The answers to a search, as they come. Dropped early, the search is abandoned.
#[derive(Debug)]
pub struct Rows {
    feed: Feed,
    ticket: Ticket,
    asked: Instant,
}

impl Connection {
    /// Starts to work with a stream on which everything that must come first (TLS, bind) is done.
    /// At most `in_flight` operations are under way at a time. Must be called on the runtime on
    /// which the connection is to live.
    pub(super) fn start(
        stream: Stream,
        input: BytesMut,
        first_id: i32,
        in_flight: usize,
        bounds: Bounds,
        tally: &Arc<Tally>,
    ) -> Self {
        let (commands, queue) = unbounded_channel();
        let shared = Arc::new(Shared {
            flow: Arc::default(),
            next: AtomicI32::new(first_id),
            ended: OnceLock::new(),
            born: Instant::now(),
            heard: AtomicU64::new(0),
            messages: AtomicU64::new(0),
            in_flight: AtomicUsize::new(0),
            tally: Arc::clone(tally),
        });
        let counted = Counted::open(tally);
        let running = wire::run(stream, input, Arc::clone(&shared), queue, bounds);
        tokio::spawn(async move {
            running.await;
            drop(counted);
        });
        let permits = Arc::new(Semaphore::new(in_flight.clamp(1, Semaphore::MAX_PERMITS)));
        Self(Arc::new(Handle {
            commands,
            permits,
            lane: Arc::new(Semaphore::new(1)),
            shared,
        }))
    }

    /// Whether it can take another operation.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        let shared = &self.0.shared;
        shared.ended.get().is_none()
            && !self.0.commands.is_closed()
            && shared.next.load(Relaxed) < LAST_ID
    }

    /// How many operations are under way on it.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.0.shared.in_flight.load(Relaxed)
    }

    /// The right to go through a search page by page: slapd keeps one such search in mind for each
    /// connection, and forgets it over the next.
    pub(super) fn lane(&self) -> &Arc<Semaphore> {
        &self.0.lane
    }

    /// How many messages have come over it.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.0.shared.messages.load(Relaxed)
    }

    /// For how long nothing has been heard on it.
    #[must_use]
    pub fn quiet_for(&self) -> Duration {
        self.last_heard().elapsed()
    }

    /// When something was last heard on it; when it came to stand, if nothing was since.
    pub(super) fn last_heard(&self) -> Instant {
        self.0.shared.last_heard()
    }

    /// One operation that has one answer.
    ///
    /// # Errors
    /// There is no answer; any result code is one.
    pub async fn call(
        &self,
        request: &Request,
        controls: &[Control],
        deadline: Instant,
    ) -> Result<Answer, LdapError> {
        let (sender, answer) = oneshot::channel();
        let asked = Instant::now();
        let mut ticket = self
            .send(request, controls, deadline, || Reply::One(sender))
            .await?;
        let frame = match timeout_at(deadline.into(), answer).await {
            Ok(Ok(Ok(frame))) => frame,
            Ok(Ok(Err(why))) => return Err(ticket.failed(why)),
            // The task is gone with its runtime.
            Ok(Err(_)) => return Err(ticket.failed(Why::Closed("it was given up".into()))),
            Err(_) => return Err(ticket.timed_out(asked)),
        };
        ticket.over = true;
        let (body, controls) = decode(&frame)?;
        match body {
            Response::Done {
                tag, result, value, ..
            } if Some(tag) == request.answered_by() => Ok(Answer {
                result,
                value,
                controls,
            }),
            _ => Err(unexpected()),
        }
    }

    /// Starts a search.
    ///
    /// # Errors
    /// Nothing left.
    pub async fn search(
        &self,
        search: Search,
        controls: &[Control],
        deadline: Instant,
    ) -> Result<Rows, LdapError> {
        let (source, feed) = feed(&self.0.shared.flow);
        let request = Request::Search(search);
        let ticket = self
            .send(&request, controls, deadline, || Reply::Many(source))
            .await?;
        Ok(Rows {
            feed,
            ticket,
            asked: Instant::now(),
        })
    }

    /// Ends it. Whoever waits hears that it was lost.
    pub fn close(&self, why: &str) {
        let why = Why::Closed(why.into());
        self.0.shared.end(why.clone());
        let _ = self.0.commands.send(Command::Close(why));
    }

    async fn send(
        &self,
        request: &Request,
        controls: &[Control],
        deadline: Instant,
        reply: impl FnOnce() -> Reply,
    ) -> Result<Ticket, LdapError> {
        let shared = &self.0.shared;
        let waiting = Counted::waiting(&shared.tally);
        let permit = Arc::clone(&self.0.permits).acquire_owned();
        let Ok(Ok(permit)) = timeout_at(deadline.into(), permit).await else {
            return Err(LdapError::Unsent(Why::Overloaded));
        };
        drop(waiting);
        if let Some(why) = shared.ended.get() {
            return Err(LdapError::Unsent(why.clone()));
        }
        let id = shared.next_id();
        let bytes = request.encode(id, controls);
        if bytes.len() > LARGEST_REQUEST {
            return Err(LdapError::Unsent(Why::TooLarge));
        }
        let stage = Arc::new(Stage::default());
        let outgoing = Outgoing {
            id,
            bytes,
            stage: Arc::clone(&stage),
            reply: reply(),
        };
        if self.0.commands.send(Command::Send(outgoing)).is_err() {
            let why = shared.ended.get().cloned();
            let why = why.unwrap_or_else(|| Why::Closed("it was given up".into()));
            return Err(LdapError::Unsent(why));
        }
        if shared.in_flight.fetch_add(1, Relaxed) == 0 {
            shared.tally.begin();
        }
        Ok(Ticket {
            connection: self.clone(),
            id,
            stage,
            writes: request.writes(),
            over: false,
            _permit: permit,
        })
    }
}

impl Rows {
    /// The next answer; after [`Row::Done`], none is asked for.
    ///
    /// # Errors
    /// None came before the deadline, or nothing more comes.
    pub async fn next(&mut self, deadline: Instant) -> Result<Row, LdapError> {
        loop {
            let frame = poll_fn(|cx| self.feed.poll(cx));
            let frame = match timeout_at(deadline.into(), frame).await {
                Ok(Ok(Some(frame))) => frame,
                Ok(Ok(None)) => return Err(unexpected()),
                Ok(Err(why)) => return Err(self.ticket.failed(why)),
                Err(_) => return Err(self.ticket.timed_out(self.asked)),
            };
            let (body, controls) = decode(&frame)?;
            match body {
                Response::Entry(entry) => return Ok(Row::Entry(entry)),
                Response::Reference(urls) => return Ok(Row::Reference(urls)),
                Response::Done {
                    tag: 0x65, result, ..
                } => {
                    self.ticket.over = true;
                    return Ok(Row::Done(Answer {
                        result,
                        value: None,
                        controls,
                    }));
                }
                Response::Intermediate => {}
                Response::Done { .. } | Response::Unknown(_) => return Err(unexpected()),
            }
        }
    }
}

impl Shared {
    /// The id of the next message. None is used twice: before they end, the connection is.
    pub(super) fn next_id(&self) -> i32 {
        self.next.fetch_add(1, Relaxed)
    }

    /// Something was read.
    pub(super) fn heard(&self) {
        let now = u64::try_from(self.born.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.heard.store(now, Relaxed);
    }

    /// A message came.
    pub(super) fn came(&self) {
        self.messages.fetch_add(1, Relaxed);
    }

    /// It is over, and why; only the first reason counts.
    pub(super) fn end(&self, why: Why) {
        let _ = self.ended.set(why);
    }

    fn last_heard(&self) -> Instant {
        self.born + Duration::from_micros(self.heard.load(Relaxed))
    }
}

/// An operation that is under way. Dropped before it is over, it is forgotten.
#[derive(Debug)]
struct Ticket {
    connection: Connection,
    id: i32,
    stage: Arc<Stage>,
    writes: bool,
    over: bool,
    _permit: OwnedSemaphorePermit,
}

impl Ticket {
    fn failed(&mut self, why: Why) -> LdapError {
        self.over = true;
        LdapError::of(why, self.stage.has_left())
    }

    /// A server that has said nothing at all since then is gone.
    fn timed_out(&self, asked: Instant) -> LdapError {
        let left = !self.stage.cancel();
        if left && self.connection.0.shared.last_heard() < asked {
            self.connection.close("the directory has fallen silent");
        }
        LdapError::of(Why::TimedOut, left)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let handle = &self.connection.0;
        if handle.shared.in_flight.fetch_sub(1, Relaxed) == 1 {
            handle.shared.tally.end();
        }
        if !self.over {
            self.stage.cancel();
            let abandon = !self.writes;
            let id = self.id;
            let _ = handle.commands.send(Command::Forget { id, abandon });
        }
    }
}

fn decode(frame: &Bytes) -> Result<(Response, Vec<Control>), LdapError> {
    match Message::decode(frame) {
        Ok(message) => Ok((message.body, message.controls)),
        Err(error) => Err(LdapError::Unknown(Why::malformed(&error))),
    }
}

fn unexpected() -> LdapError {
    LdapError::Unknown(Why::malformed("it answers another question"))
}

/// From here on no operation is begun: what is left is for abandoning those that are under way.
const LAST_ID: i32 = i32::MAX - (1 << 20);
/// No server takes more.
const LARGEST_REQUEST: usize = 16 << 20;
