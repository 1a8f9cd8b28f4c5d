//! The stream under every HTTP/1.1 connection: hyper reads through it only what the
//! [`Scanner`] has cleared.
//!
//! A head that is refused, or does not arrive in time, never reaches hyper. In its place hyper is
//! given one harmless request, and [`Refusals`] tells the service that this one is to be answered
//! with the refusal: so the answer takes its turn behind those of earlier requests, in SCIM's
//! form, and hyper closes the connection after it. What is refused within a body ends the read
//! with an error, which the one who reads the body sees.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::framing::{Limits, Refusal, Scanner};

/// A stream that is read by HTTP/1.1 rules only.
#[derive(Debug)]
pub struct Guarded<S> {
    inner: S,
    /// Whether bytes have arrived that a read does not give yet.
    look: fn(&S) -> bool,
    scanner: Scanner,
    /// Read and not handed on.
    held: BytesMut,
    /// So many of them may be.
    cleared: usize,
    /// How long a head may take from its first byte.
    head_time: Duration,
    /// Runs while a head has begun and is not complete: which one, and its clock.
    head_timer: Option<(u64, Pin<Box<Sleep>>)>,
    end: End,
    refusals: Refusals,
    farewell: Farewell,
    lingering: Option<Lingering>,
}

/// Which request of a connection was refused; shared with its service.
#[derive(Debug, Clone, Default)]
pub struct Refusals(Arc<OnceLock<(u64, Refusal)>>);

/// What is said about the moment between two requests: the wish that the connection end there, the
/// answer to it, and that the stream changes hands. Shared with whoever sees the connection out.
#[derive(Debug, Clone, Default)]
pub struct Farewell(Arc<Parting>);

#[derive(Debug, Default)]
struct Parting {
    wished: AtomicBool,
    /// Whether anything was asked so far.
    begun: AtomicBool,
    /// Whether the last read found that nothing is being asked.
    quiet: AtomicBool,
    /// Whether the last read found nothing, and no message begun.
    between: AtomicBool,
    /// Whether the last write did not get through.
    unwritten: AtomicBool,
    /// Whether the stream goes on when its reader shuts it down.
    kept: AtomicBool,
}

#[derive(Debug, Clone, Copy)]
enum End {
    /// There is none.
    Open,
    /// The refusal is being answered: nothing more to read, but no end of file either, since
    /// hyper would drop the answer on one.
    Answering,
    /// The body under way is broken.
    Broken(Refusal),
}

/// After the last byte written, what still comes in is read and thrown away for a moment:
/// closing a socket with unread bytes resets it, and the peer would lose the answer.
#[derive(Debug)]
struct Lingering {
    timer: Pin<Box<Sleep>>,
    bytes: usize,
}

impl<S> Guarded<S> {
    /// Puts the stream under guard. `head_time` counts from the first byte of a head.
    pub fn new(inner: S, limits: Limits, head_time: Duration) -> Self {
        Self {
            inner,
            look: |_| false,
            scanner: Scanner::new(limits),
            held: BytesMut::new(),
            cleared: 0,
            head_time,
            head_timer: None,
            end: End::Open,
            refusals: Refusals::default(),
            farewell: Farewell::default(),
            lingering: None,
        }
    }

    /// With a way to see whether bytes have arrived that a read does not give yet.
    #[must_use]
    pub fn looking(self, look: fn(&S) -> bool) -> Self {
        Self { look, ..self }
    }

    /// Where it is wished that the connection end.
    pub fn farewell(&self) -> Farewell {
        self.farewell.clone()
    }

    /// Where the service looks up whether a request is to be refused.
    pub fn refusals(&self) -> Refusals {
        self.refusals.clone()
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.held.truncate(self.cleared);
        self.head_timer = None;
        if self.scanner.refused_in_body() {
            self.end = End::Broken(refusal);
        } else {
            self.end = End::Answering;
            // Set before hyper can see the stand-in; there is only one per connection.
            let _ = self.refusals.0.set((self.scanner.heads(), refusal));
            self.held.extend_from_slice(STAND_IN);
            self.cleared = self.held.len();
        }
    }

    /// Starts or stops the clock of the head.
    fn time_the_head(&mut self) {
        if self.held.len() == self.cleared || !self.scanner.in_head() {
            self.head_timer = None;
            return;
        }
        // What completes one head may begin the next, whose time is its own.
        let head = self.scanner.heads();
        if self.head_timer.as_ref().is_none_or(|(of, _)| *of != head) {
            self.head_timer = Some((head, Box::pin(sleep(self.head_time))));
        }
    }

    /// Scans what was read into `buf` from `start` on, and leaves in it what may be handed on.
    fn scan(&mut self, buf: &mut ReadBuf<'_>, start: usize) {
        let fresh = buf.filled().get(start..).unwrap_or_default();
        let refusal = if self.held.is_empty() {
            let (size, refusal) = self.scanner.advance(fresh);
            self.held
                .extend_from_slice(fresh.get(size..).unwrap_or_default());
            buf.set_filled(start + size);
            refusal
        } else {
            self.held.extend_from_slice(fresh);
            buf.set_filled(start);
            let (size, refusal) = self.scanner.advance(&self.held);
            self.cleared = size;
            refusal
        };
        match refusal {
            Some(refusal) => self.refuse(refusal),
            None => self.time_the_head(),
        }
    }

    /// Hands on what is cleared. Whether there was any.
    fn hand_on(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let size = self.cleared.min(buf.remaining());
        buf.put_slice(self.held.get(..size).unwrap_or_default());
        self.held.advance(size);
        self.cleared -= size;
        size > 0
    }

    /// Puts back what was handed on and not used.
    pub fn give_back(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let mut held = BytesMut::with_capacity(bytes.len() + self.held.len());
        held.extend_from_slice(bytes);
        held.extend_from_slice(&self.held);
        self.held = held;
        self.cleared += bytes.len();
    }

    /// Whether everything that the peer has sent so far has been read to its end.
    pub fn is_between_messages(&self) -> bool {
        matches!(self.end, End::Open) && self.scanner.in_head() && self.held.is_empty()
    }
}

impl Refusals {
    /// Whether the request of this number, from 0, is to be refused.
    #[must_use]
    pub fn of(&self, request: u64) -> Option<Refusal> {
        let (number, refusal) = self.0.get()?;
        (*number == request).then_some(*refusal)
    }
}

impl Farewell {
    /// Wishes it, and says whether this is the moment: nothing is being asked, as far as anybody
    /// can know, and something was before, or its time is over (`late`). True only for as long as
    /// the connection is not polled again.
    #[must_use]
    pub fn is_heard(&self, late: bool) -> bool {
        self.0.wished.store(true, Ordering::Relaxed);
        self.0.quiet.load(Ordering::Relaxed) && (late || self.0.begun.load(Ordering::Relaxed))
    }

    /// Whether nothing is being asked and everything written is out, as far as the last read and
    /// the last write found.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.0.between.load(Ordering::Relaxed) && !self.0.unwritten.load(Ordering::Relaxed)
    }

    /// From now on the stream goes on when its reader shuts it down, or no longer.
    pub fn keep(&self, kept: bool) {
        self.0.kept.store(kept, Ordering::Relaxed);
    }

    /// Remembers how a write went.
    fn wrote<T>(&self, outcome: Poll<T>) -> Poll<T> {
        self.0
            .unwritten
            .store(outcome.is_pending(), Ordering::Relaxed);
        outcome
    }

    fn is_wished(&self) -> bool {
        self.0.wished.load(Ordering::Relaxed)
    }
}

impl<S: AsyncRead + Unpin> Guarded<S> {
    /// Ready when a read would give something: a message, the end of the stream, an error. Holds
    /// nothing in memory while it waits.
    pub fn poll_arrived(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.cleared > 0 {
            return Poll::Ready(());
        }
        let mut first = [0; 2048];
        let mut buf = ReadBuf::new(&mut first);
        // The end and an error are there for the next read as well.
        let _ = ready!(Pin::new(&mut *self).poll_read(cx, &mut buf));
        self.give_back(buf.filled());
        Poll::Ready(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            if this.hand_on(buf) {
                return Poll::Ready(Ok(()));
            }
            match this.end {
                End::Open => {}
                End::Answering => return Poll::Pending,
                End::Broken(refusal) => {
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, refusal)));
                }
            }
            let start = buf.filled().len();
            if Pin::new(&mut this.inner).poll_read(cx, buf)?.is_pending() {
                let timer = this.head_timer.as_mut();
                if timer.is_some_and(|(_, timer)| timer.as_mut().poll(cx).is_ready()) {
                    this.scanner.refuse(Refusal::TooSlow);
                    this.refuse(Refusal::TooSlow);
                    continue;
                }
                let between = this.is_between_messages();
                this.farewell.0.between.store(between, Ordering::Relaxed);
                if this.farewell.is_wished() {
                    let quiet = between && !(this.look)(&this.inner);
                    this.farewell.0.quiet.store(quiet, Ordering::Relaxed);
                }
                return Poll::Pending;
            }
            this.farewell.0.begun.store(true, Ordering::Relaxed);
            this.farewell.0.quiet.store(false, Ordering::Relaxed);
            this.farewell.0.between.store(false, Ordering::Relaxed);
            if buf.filled().len() == start {
                return Poll::Ready(Ok(()));
            }
            this.scan(buf, start);
            if buf.filled().len() > start {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.farewell.wrote(outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.farewell.wrote(outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.inner).poll_flush(cx);
        self.farewell.wrote(outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.farewell.0.kept.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        // It is not at rest, but at its end.
        this.farewell.0.between.store(false, Ordering::Relaxed);
        if this.lingering.is_none() {
            ready!(Pin::new(&mut this.inner).poll_shutdown(cx))?;
            // After a farewell a request may still be on its way: a reset would be all that its
            // client hears, which many take for a lost request and do not repeat.
            if this.is_between_messages() && !this.farewell.is_wished() {
                return Poll::Ready(Ok(()));
            }
        }
        let time = if this.is_between_messages() {
            FAREWELL_TIME
        } else {
            LINGER_TIME
        };
        let lingering = this.lingering.get_or_insert_with(|| Lingering {
            timer: Box::pin(sleep(time)),
            bytes: 0,
        });
        let mut waste = [0; 4096];
        while lingering.bytes < LINGER_BYTES {
            let mut buf = ReadBuf::new(&mut waste);
            match Pin::new(&mut this.inner).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {
                    lingering.bytes += buf.filled().len();
                }
                Poll::Ready(_) => break,
                Poll::Pending => return lingering.timer.as_mut().poll(cx).map(Ok),
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// What hyper is given in the place of a refused head.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n";

const LINGER_TIME: Duration = Duration::from_secs(2);
const FAREWELL_TIME: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 8 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;

    const GET: &str = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
    const LONG: Duration = Duration::from_secs(600);

    fn guarded(head_time: Duration) -> (Guarded<DuplexStream>, DuplexStream) {
        let (ours, theirs) = duplex(1024);
        (Guarded::new(ours, Limits::DEFAULT, head_time), theirs)
    }

    async fn read(from: &mut Guarded<DuplexStream>) -> String {
        let mut buf = [0; 2048];
        let size = from.read(&mut buf).await.unwrap();
        String::from_utf8_lossy(&buf[..size]).into_owned()
    }

    #[tokio::test]
    async fn a_head_is_handed_on_whole_however_it_comes() {
        let (mut ours, mut theirs) = guarded(LONG);
        tokio::spawn(async move {
            for byte in GET.bytes() {
                theirs.write_all(&[byte]).await.unwrap();
                tokio::task::yield_now().await;
            }
            theirs
                .write_all(format!("{GET}GET /b").as_bytes())
                .await
                .unwrap();
        });
        assert_eq!(read(&mut ours).await, GET);
        assert_eq!(read(&mut ours).await, GET);
        assert_eq!(
            read(&mut ours).await,
            "",
            "the end of the file, not half a head"
        );
    }

    #[tokio::test]
    async fn a_small_buffer_gets_a_large_head_in_parts() {
        let (mut ours, mut theirs) = guarded(LONG);
        theirs.write_all(&GET.as_bytes()[..10]).await.unwrap();
        let mut tiny = [0; 3];
        let early = tokio::time::timeout(Duration::ZERO, ours.read(&mut tiny)).await;
        assert!(early.is_err());
        theirs.write_all(&GET.as_bytes()[10..]).await.unwrap();
        drop(theirs);
        let mut all = Vec::new();
        loop {
            let size = ours.read(&mut tiny).await.unwrap();
            if size == 0 {
                break;
            }
            all.extend_from_slice(&tiny[..size]);
        }
        assert_eq!(all, GET.as_bytes());
    }

    #[tokio::test]
    async fn a_refused_head_becomes_the_stand_in_of_its_number() {
        let (mut ours, mut theirs) = guarded(LONG);
        let bad = "GET /a HTTP/1.1\r\nHost: a\nX: y\r\n\r\n";
        theirs
            .write_all(format!("{GET}{GET}{bad}{GET}").as_bytes())
            .await
            .unwrap();
        let refusals = ours.refusals();
        assert_eq!(read(&mut ours).await, format!("{GET}{GET}"));
        assert_eq!(read(&mut ours).await.as_bytes(), STAND_IN);
        assert_eq!(refusals.of(2), Some(Refusal::BareLineFeed));
        assert_eq!((refusals.of(1), refusals.of(3)), (None, None));
        let more = tokio::time::timeout(Duration::ZERO, ours.read(&mut [0; 9])).await;
        assert!(more.is_err(), "no end of file before the answer is out");
    }

    #[tokio::test]
    async fn a_head_that_drips_is_refused_when_its_time_is_up() {
        let (mut ours, mut theirs) = guarded(Duration::from_millis(30));
        let refusals = ours.refusals();
        let drip = tokio::spawn(async move {
            for byte in GET.bytes().cycle() {
                theirs.write_all(&[byte]).await?;
                sleep(Duration::from_millis(20)).await;
            }
            io::Result::Ok(())
        });
        assert_eq!(read(&mut ours).await.as_bytes(), STAND_IN);
        assert_eq!(refusals.of(0), Some(Refusal::TooSlow));
        drip.abort();
    }

    /// A client that pipelines for longer than one head may take is not slow: its reads end in the
    /// middle of a head again and again.
    #[tokio::test]
    async fn each_head_has_a_time_of_its_own() {
        let (mut ours, mut theirs) = guarded(LONG);
        let (start, end) = GET.split_at(10);
        let until = |ours: &Guarded<DuplexStream>| ours.head_timer.as_ref().unwrap().1.deadline();
        theirs.write_all(start.as_bytes()).await.unwrap();
        let nothing = tokio::time::timeout(Duration::ZERO, ours.read(&mut [0; 9])).await;
        assert!(nothing.is_err());
        let first = until(&ours);
        theirs
            .write_all(format!("{end}{start}").as_bytes())
            .await
            .unwrap();
        assert_eq!(read(&mut ours).await, GET);
        let second = until(&ours);
        assert!(second > first);
        theirs.write_all(&end.as_bytes()[..5]).await.unwrap();
        let nothing = tokio::time::timeout(Duration::ZERO, ours.read(&mut [0; 9])).await;
        assert!(nothing.is_err());
        assert_eq!(until(&ours), second, "a drip gains no time");
    }

    #[tokio::test]
    async fn a_broken_body_breaks_the_read() {
        let (mut ours, mut theirs) = guarded(LONG);
        let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        theirs
            .write_all(format!("{head}3\r\nabc\r\n0x3\r\nabc").as_bytes())
            .await
            .unwrap();
        assert_eq!(read(&mut ours).await, format!("{head}3\r\nabc\r\n"));
        let error = ours.read(&mut [0; 9]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert_eq!(ours.refusals().of(1), None);
    }
}
