//! The task behind a connection: it alone reads from and writes to the stream. It ends when the
//! stream does, when the server says so or makes no sense, or when nobody has a handle any more;
//! then everyone who waits hears why, and whether anything of their operation may have left.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::SeqCst};
use std::time::{Duration, Instant};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;
use tokio::time::sleep_until;

use super::connection::Shared;
use super::failure::Why;
use super::feed::Source;
use super::request::Request;
use super::response::{self, Message, NOTICE_OF_DISCONNECTION, Response};
use crate::ldap::ber::{self, BerError};

/// What goes both ways: TCP, a Unix socket, TLS over TCP.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

/// Any of them.
pub(super) type Stream = Box<dyn Duplex>;

/// What handles ask of the task. The queue needs no bound of its own: whoever sends an operation
/// holds one of the connection's permits until it is over.
#[derive(Debug)]
pub(super) enum Command {
    /// Sends an operation.
    Send(Outgoing),
    /// Nobody waits any more; abandoned where that does no harm.
    Forget { id: i32, abandon: bool },
    /// The connection is of no use.
    Close(Why),
}

/// An operation on its way out.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub id: i32,
    pub bytes: Vec<u8>,
    pub stage: Arc<Stage>,
    pub reply: Reply,
}

/// Where the answers go.
#[derive(Debug)]
pub(super) enum Reply {
    /// Only the last.
    One(oneshot::Sender<Result<Bytes, Why>>),
    /// All.
    Many(Source),
}

/// Whether some of an operation may have left.
#[derive(Debug, Default)]
pub(super) struct Stage(AtomicU8);

const QUEUED: u8 = 0;
const TAKEN: u8 = 1;
const CANCELLED: u8 = 2;

/// How much the task takes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The largest message, in bytes.
    pub message: usize,
    /// How much all searches together may hold before no more is read, in bytes.
    pub held: usize,
    /// For how long that may be so before the search that holds most is given up.
    pub stall: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            message: 16 << 20,
            held: 4 << 20,
            stall: Duration::from_secs(5),
        }
    }
}

impl Stage {
    /// Takes it back. False where it is too late: some of it may have left.
    pub(super) fn cancel(&self) -> bool {
        let before = self.0.compare_exchange(QUEUED, CANCELLED, SeqCst, SeqCst);
        before != Err(TAKEN)
    }

    /// Whether some of it may have left.
    pub(super) fn has_left(&self) -> bool {
        self.0.load(SeqCst) == TAKEN
    }

    fn take(&self) -> bool {
        self.0
            .compare_exchange(QUEUED, TAKEN, SeqCst, SeqCst)
            .is_ok()
    }
}

/// Runs a connection to its end. `input` holds what was read already.
pub(super) async fn run(
    stream: Stream,
    input: BytesMut,
    shared: Arc<Shared>,
    mut commands: UnboundedReceiver<Command>,
    bounds: Bounds,
) {
    let mut wire = Wire {
        pending: HashMap::new(),
        input,
        out: BytesMut::new(),
        shared,
        bounds,
    };
    let why = wire.drive(stream, &mut commands).await;
    // First of all, so that nobody takes this connection for a good one.
    wire.shared.end(why.clone());
    commands.close();
    while let Some(command) = commands.recv().await {
        if let Command::Send(outgoing) = command {
            outgoing.reply.fail(&why);
        }
    }
    for reply in wire.pending.into_values() {
        reply.fail(&why);
    }
}

struct Wire {
    pending: HashMap<i32, Reply>,
    input: BytesMut,
    out: BytesMut,
    shared: Arc<Shared>,
    bounds: Bounds,
}

impl Wire {
    async fn drive(&mut self, stream: Stream, commands: &mut UnboundedReceiver<Command>) -> Why {
        let (mut reading, mut writing) = tokio::io::split(stream);
        let mut unflushed = false;
        let mut moved = Instant::now();
        let mut paused_at: Option<Instant> = None;
        let shared = Arc::clone(&self.shared);
        if let Err(why) = self.route() {
            return why;
        }
        loop {
            let sending = !self.out.is_empty() || unflushed;
            let paused = shared.flow.held() >= self.bounds.held;
            if paused {
                paused_at.get_or_insert_with(Instant::now);
            } else {
                paused_at = None;
            }
            let patience = paused_at.unwrap_or(moved) + self.bounds.stall;
            self.make_room();
            let write = async {
                if self.out.is_empty() {
                    writing.flush().await.map(|()| None)
                } else {
                    writing.write(&self.out).await.map(Some)
                }
            };
            tokio::select! {
                command = commands.recv(), if self.out.len() < MOST_OUT => match command {
                    None => {
                        self.out.extend_from_slice(&Request::Unbind.encode(i32::MAX, &[]));
                        let goodbye = async {
                            writing.write_all(&self.out).await?;
                            writing.shutdown().await
                        };
                        let _ = tokio::time::timeout(GOODBYE, goodbye).await;
                        return Why::Closed("nobody used it".into());
                    }
                    Some(command) => {
                        if !sending {
                            moved = Instant::now();
                        }
                        if let Err(why) = self.obey(command) {
                            return why;
                        }
                        while self.out.len() < MOST_OUT {
                            let Ok(command) = commands.try_recv() else {
                                break;
                            };
                            if let Err(why) = self.obey(command) {
                                return why;
                            }
                        }
                    }
                },
                written = write, if sending => {
                    moved = Instant::now();
                    match written {
                        Ok(None) => unflushed = false,
                        Ok(Some(0)) => return Why::Closed("it takes nothing more".into()),
                        Ok(Some(count)) => {
                            self.out.advance(count);
                            unflushed = true;
                        }
                        Err(error) => return closed(&error),
                    }
                }
                read = reading.read_buf(&mut self.input), if !paused => match read {
                    Ok(0) => return Why::Closed("the directory ended it".into()),
                    Ok(_) => {
                        shared.heard();
                        if let Err(why) = self.route() {
                            return why;
                        }
                    }
                    Err(error) => return closed(&error),
                },
                () = shared.flow.drained(), if paused => {}
                () = sleep_until(patience.into()), if paused => {
                    self.give_up_the_slowest();
                    paused_at = None;
                }
                () = sleep_until((moved + WRITE_STALL).into()), if sending => {
                    return Why::Closed("it takes nothing more".into());
                }
            }
        }
    }

    fn obey(&mut self, command: Command) -> Result<(), Why> {
        match command {
            Command::Send(outgoing) => {
                if outgoing.stage.take() {
                    self.out.extend_from_slice(&outgoing.bytes);
                    self.pending.insert(outgoing.id, outgoing.reply);
                }
            }
            Command::Forget { id, abandon } => {
                if self.pending.remove(&id).is_some() && abandon {
                    self.abandon(id);
                }
            }
            Command::Close(why) => return Err(why),
        }
        Ok(())
    }

    fn abandon(&mut self, id: i32) {
        let own = self.shared.next_id();
        self.out
            .extend_from_slice(&Request::Abandon(id).encode(own, &[]));
    }

    /// Hands on every message that is wholly here.
    fn route(&mut self) -> Result<(), Why> {
        let broken = |error: BerError| Why::malformed(&error);
        while let Some(length) =
            ber::message_length(&self.input, self.bounds.message).map_err(broken)?
        {
            if self.input.len() < length {
                break;
            }
            let frame = self.input.split_to(length).freeze();
            let (id, tag) = response::head(&frame).map_err(broken)?;
            self.shared.came();
            if id == 0 {
                notice(&frame)?;
                continue;
            }
            let last = !response::is_followed(tag);
            match self.pending.get(&id) {
                // An answer to what was abandoned, or to nothing.
                None => continue,
                Some(Reply::Many(source)) => source.push(frame, last),
                Some(Reply::One(_)) if !last => continue,
                Some(Reply::One(_)) => {
                    if let Some(Reply::One(waiting)) = self.pending.remove(&id) {
                        // Nobody may be waiting any more.
                        let _ = waiting.send(Ok(frame));
                    }
                    continue;
                }
            }
            if last {
                self.pending.remove(&id);
            }
        }
        Ok(())
    }

    /// Room for the next read: never more than what is here already, or one chunk, whatever the
    /// message's length claims.
    fn make_room(&mut self) {
        let here = self.input.len();
        let wanted = match ber::message_length(&self.input, self.bounds.message) {
            Ok(Some(length)) => length.saturating_sub(here).clamp(CHUNK, here.max(CHUNK)),
            Ok(None) | Err(_) => CHUNK,
        };
        if self.input.capacity() - here < wanted / 4 {
            self.input.reserve(wanted);
        }
    }

    fn give_up_the_slowest(&mut self) {
        let held = |reply: &Reply| match reply {
            Reply::Many(source) => source.held(),
            Reply::One(_) => 0,
        };
        let slowest = self.pending.iter().max_by_key(|(_, reply)| held(reply));
        if let Some(id) = slowest.map(|(id, _)| *id)
            && let Some(Reply::Many(source)) = self.pending.remove(&id)
        {
            source.fail(Why::TooSlow);
            self.abandon(id);
        }
    }
}

impl Reply {
    fn fail(self, why: &Why) {
        match self {
            // Nobody may be waiting any more.
            Self::One(waiting) => drop(waiting.send(Err(why.clone()))),
            Self::Many(source) => source.fail(why.clone()),
        }
    }
}

/// What a server says without being asked. Only one such thing has a meaning.
fn notice(frame: &Bytes) -> Result<(), Why> {
    match Message::decode(frame) {
        Ok(Message {
            body:
                Response::Done {
                    result,
                    oid: Some(oid),
                    ..
                },
            ..
        }) if oid == NOTICE_OF_DISCONNECTION => Err(Why::Closed(
            format!("the directory ended it with {}", result.code).into(),
        )),
        Ok(_) => Ok(()),
        Err(error) => Err(Why::malformed(&error)),
    }
}

fn closed(error: &std::io::Error) -> Why {
    Why::Closed(error.kind().to_string().into())
}

/// Operations wait in their queue while so much is on its way out.
const MOST_OUT: usize = 256 * 1024;
/// How much is read at a time, at least.
const CHUNK: usize = 16 * 1024;
/// A server that takes nothing for so long is gone.
const WRITE_STALL: Duration = Duration::from_secs(10);
/// For saying goodbye.
const GOODBYE: Duration = Duration::from_secs(1);
