//! How the connections to one place are. The numbers belong to the place, not to the client: when
//! a reload opens another client to it, they go on.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use http::{Extensions, Uri};
use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tower::Service;

use super::interim::Interim;

/// The numbers of one place.
#[derive(Debug, Default)]
pub struct Tally {
    open: AtomicU64,
    busy: AtomicU64,
    waiting: AtomicU64,
    connect_failures: AtomicU64,
    retries: AtomicU64,
}

impl Tally {
    /// Connections that stand.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.open.load(Relaxed)
    }

    /// Of these, how many carry no request.
    #[must_use]
    pub fn idle(&self) -> u64 {
        self.open().saturating_sub(self.busy.load(Relaxed))
    }

    /// Requests that wait for a place among the open ones.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Relaxed)
    }

    /// How often a connection did not come to stand.
    #[must_use]
    pub fn connect_failures(&self) -> u64 {
        self.connect_failures.load(Relaxed)
    }

    /// How often [`Self::retried`] was told.
    #[must_use]
    pub fn retries(&self) -> u64 {
        self.retries.load(Relaxed)
    }

    /// A request is sent again.
    pub fn retried(&self) {
        self.retries.fetch_add(1, Relaxed);
    }

    pub(super) fn connect_failed(&self) {
        self.connect_failures.fetch_add(1, Relaxed);
    }

    pub(super) fn wait(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Relaxed);
        Waiting(self)
    }
}

/// A request waits; until this is dropped.
pub(super) struct Waiting<'t>(&'t Tally);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Relaxed);
    }
}

/// A place among the open requests, and the connection that it is on once there is one. It is given
/// back when the answer's body ends.
#[derive(Debug)]
pub(in crate::net) struct Place {
    _permit: OwnedSemaphorePermit,
    on: Option<Mark>,
}

impl Place {
    pub(super) fn new(permit: OwnedSemaphorePermit) -> Self {
        let on = None;
        Self {
            _permit: permit,
            on,
        }
    }

    /// The request is on this connection.
    pub(super) fn is_on(&mut self, connection: &Connected) {
        let mut extras = Extensions::new();
        connection.get_extras(&mut extras);
        if let Some(mark) = extras.remove::<Mark>() {
            mark.begin();
            self.on = Some(mark);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(mark) = &self.on {
            mark.end();
        }
    }
}

/// Which connection it is, and how many requests it carries.
#[derive(Debug, Clone)]
struct Mark {
    requests: Arc<AtomicU64>,
    tally: Arc<Tally>,
}

impl Mark {
    fn begin(&self) {
        if self.requests.fetch_add(1, Relaxed) == 0 {
            self.tally.busy.fetch_add(1, Relaxed);
        }
    }

    fn end(&self) {
        if self.requests.fetch_sub(1, Relaxed) == 1 {
            self.tally.busy.fetch_sub(1, Relaxed);
        }
    }
}

/// Connects, and counts what comes of it.
#[derive(Clone)]
pub(super) struct Connector {
    inner: HttpsConnector<HttpConnector>,
    tally: Arc<Tally>,
}

impl Connector {
    pub(super) fn new(inner: HttpsConnector<HttpConnector>, tally: Arc<Tally>) -> Self {
        Self { inner, tally }
    }
}

impl Service<Uri> for Connector {
    type Response = Standing;
    type Error = <HttpsConnector<HttpConnector> as Service<Uri>>::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Standing, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let (connecting, tally) = (self.inner.call(to), Arc::clone(&self.tally));
        Box::pin(async move {
            match connecting.await {
                Ok(stream) => Ok(Standing::new(stream, tally)),
                Err(error) => {
                    tally.connect_failed();
                    Err(error)
                }
            }
        })
    }
}

/// A connection that stands.
pub(super) struct Standing {
    inner: MaybeHttpsStream<TokioIo<TcpStream>>,
    interim: Interim,
    mark: Mark,
}

impl Standing {
    fn new(inner: MaybeHttpsStream<TokioIo<TcpStream>>, tally: Arc<Tally>) -> Self {
        tally.open.fetch_add(1, Relaxed);
        let requests = Arc::default();
        let mark = Mark { requests, tally };
        let interim = Interim::new();
        Self {
            inner,
            interim,
            mark,
        }
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        self.mark.tally.open.fetch_sub(1, Relaxed);
    }
}

impl Connection for Standing {
    fn connected(&self) -> Connected {
        self.inner.connected().extra(self.mark.clone())
    }
}

impl Read for Standing {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.interim.is_waiting() {
            return Pin::new(&mut self.inner).poll_read(cx, buffer);
        }
        let mut first = [0; FIRST];
        let room = buffer.remaining().min(FIRST);
        let mut read = ReadBuf::new(first.get_mut(..room).unwrap_or_default());
        ready!(Pin::new(&mut self.inner).poll_read(cx, read.unfilled()))?;
        if !self.interim.bears(read.filled()) {
            let text = "one interim answer after the other";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, text)));
        }
        buffer.put_slice(read.filled());
        Poll::Ready(Ok(()))
    }
}

impl Write for Standing {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.interim.asked();
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.interim.asked();
        Pin::new(&mut self.inner).poll_write_vectored(cx, parts)
    }
}

/// How much of an answer is read for a look at its status.
const FIRST: usize = 8 * 1024;
