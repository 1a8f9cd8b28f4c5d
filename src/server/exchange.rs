//! The requests of one HTTP/1.1 connection, and what is left of it while there are none.
//!
//! hyper's connection has two buffers of 8 KB and room for the work on a request. Most connections
//! of an identity provider are idle most of the time; so after a moment without a request hyper
//! hands the stream back and is dropped, and the stream waits alone. The next request finds a new
//! one of hyper's. A connection on which nothing was asked yet has none either.

use std::convert::Infallible;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant as StdInstant};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::rt;
use hyper::server::conn::http1::{Builder, Connection};
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep, sleep};

use super::limits::Limits;
use super::parting::Parts;
use crate::net::Body;
use crate::net::guarded::{Farewell, Guarded};

/// The requests of one connection, one after the other, until either side ends it.
pub(super) struct Exchange<S, V>
where
    V: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
{
    state: State<S, V>,
    farewell: Farewell,
    waits: Arc<Waits>,
    /// While hyper serves: when to look at it again. While the stream waits: its end.
    timer: Pin<Box<Sleep>>,
    /// The wait that was seen last, and when it was seen first.
    seen: (u64, Instant),
    /// How long nothing may be asked.
    idle: Duration,
    /// How many fields a head may have.
    fields: usize,
}

/// Moving one moves pointers and the service.
enum State<S, V>
where
    V: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
{
    /// Nothing is asked.
    Waiting(Box<Guarded<S>>, V),
    /// hyper is at work, or was a moment ago.
    Serving(Box<Connection<TokioIo<Box<Guarded<S>>>, V>>),
    /// Nothing was asked for too long, or the connection was to end.
    Ending(Box<Guarded<S>>),
    Over,
}

/// hyper's waits for a head, as its timer sees them: one begins when everything before it is
/// answered, and ends when a head is there.
#[derive(Debug, Default)]
struct Waits {
    under_way: AtomicBool,
    /// How many there were.
    count: AtomicU64,
    /// The one under way is to end.
    over: AtomicBool,
}

impl<S, V> Exchange<S, V>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    V: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
{
    pub(super) fn new(stream: Guarded<S>, service: V, limits: &Limits) -> Self {
        Self {
            farewell: stream.farewell(),
            state: State::Waiting(Box::new(stream), service),
            waits: Arc::default(),
            timer: Box::pin(sleep(limits.idle)),
            seen: (0, Instant::now()),
            idle: limits.idle,
            fields: limits.framing.fields,
        }
    }

    /// Something has arrived.
    fn wake(&mut self) {
        match mem::replace(&mut self.state, State::Over) {
            State::Waiting(stream, service) => {
                let connection = Builder::new()
                    .timer(Timer(Arc::clone(&self.waits)))
                    .header_read_timeout(self.idle)
                    .max_headers(self.fields)
                    .max_buf_size(MAX_BUFFER)
                    .half_close(false)
                    .serve_connection(TokioIo::new(stream), service);
                self.state = State::Serving(Box::new(connection));
                self.timer.as_mut().reset(Instant::now() + MOMENT);
            }
            other => self.state = other,
        }
    }

    /// Looks whether hyper has waited for a moment, and lets the stream wait alone then. Gives
    /// hyper's last word, if it was that.
    fn look(&mut self, cx: &mut Context<'_>) -> Option<Result<(), hyper::Error>> {
        let now = Instant::now();
        self.timer.as_mut().reset(now + MOMENT);
        let wait = self.waits.count.load(Ordering::Relaxed);
        if !self.waits.under_way.load(Ordering::Relaxed) || self.seen.0 != wait {
            self.seen = (wait, now);
        } else if self.farewell.is_at_rest() {
            return self.rest(cx);
        } else if now - self.seen.1 >= self.idle {
            // hyper has an answer that the client does not take, or half a head that is too slow.
            self.waits.over.store(true, Ordering::Relaxed);
        }
        None
    }

    /// Takes the stream back. An idle connection of hyper's ends at once when it is told to.
    fn rest(&mut self, cx: &mut Context<'_>) -> Option<Result<(), hyper::Error>> {
        let State::Serving(mut connection) = mem::replace(&mut self.state, State::Over) else {
            return None;
        };
        self.farewell.keep(true);
        Pin::new(&mut *connection).graceful_shutdown();
        let end = Pin::new(&mut *connection).poll(cx);
        self.farewell.keep(false);
        match end {
            Poll::Ready(Ok(())) => {
                let parts = connection.into_parts();
                let mut stream = parts.io.into_inner();
                stream.give_back(&parts.read_buf);
                self.state = State::Waiting(stream, parts.service);
                self.timer
                    .as_mut()
                    .reset(Instant::now() + self.idle.saturating_sub(MOMENT));
                None
            }
            Poll::Ready(error) => Some(error),
            // It is at work after all, and ends when that is done.
            Poll::Pending => {
                self.state = State::Serving(connection);
                None
            }
        }
    }

    fn end(&mut self) {
        if let State::Waiting(stream, _) = mem::replace(&mut self.state, State::Over) {
            self.state = State::Ending(stream);
        }
    }
}

// Nothing in it is pinned in place.
impl<S, V> Unpin for Exchange<S, V> where
    V: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>
{
}

impl<S, V> Future for Exchange<S, V>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    V: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
{
    type Output = Result<(), hyper::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        loop {
            match &mut this.state {
                State::Waiting(stream, _) => {
                    if stream.poll_arrived(cx).is_ready() {
                        this.wake();
                    } else if stream.is_between_messages()
                        && this.timer.as_mut().poll(cx).is_ready()
                    {
                        this.end();
                    } else {
                        return Poll::Pending;
                    }
                }
                State::Serving(connection) => {
                    if let Poll::Ready(end) = Pin::new(&mut **connection).poll(cx) {
                        this.state = State::Over;
                        return Poll::Ready(end);
                    }
                    if this.timer.as_mut().poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                    if let Some(end) = this.look(cx) {
                        return Poll::Ready(end);
                    }
                }
                State::Ending(stream) => {
                    // Whether the peer hears of it changes nothing.
                    let _ = std::task::ready!(Pin::new(&mut **stream).poll_shutdown(cx));
                    this.state = State::Over;
                }
                State::Over => return Poll::Ready(Ok(())),
            }
        }
    }
}

impl<S, V> Parts for Exchange<S, V>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    V: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
{
    fn part(mut self: Pin<&mut Self>) {
        match &mut self.state {
            State::Serving(connection) => Pin::new(&mut **connection).graceful_shutdown(),
            State::Waiting(..) => self.end(),
            State::Ending(_) | State::Over => {}
        }
    }
}

/// What hyper takes for a clock. It has none: [`Exchange`] looks at the waits now and then, which
/// costs nothing for each request.
struct Timer(Arc<Waits>);

/// One wait for a head.
struct Wait(Arc<Waits>);

impl Timer {
    fn begin(&self) {
        self.0.count.fetch_add(1, Ordering::Relaxed);
        self.0.under_way.store(true, Ordering::Relaxed);
    }
}

impl rt::Timer for Timer {
    fn sleep(&self, _: Duration) -> Pin<Box<dyn rt::Sleep>> {
        self.begin();
        Box::pin(Wait(Arc::clone(&self.0)))
    }

    fn sleep_until(&self, _: StdInstant) -> Pin<Box<dyn rt::Sleep>> {
        self.sleep(Duration::ZERO)
    }

    fn reset(&self, _: &mut Pin<Box<dyn rt::Sleep>>, _: StdInstant) {
        self.begin();
    }
}

impl rt::Sleep for Wait {}

impl Future for Wait {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.0.over.load(Ordering::Relaxed) {
            Poll::Ready(())
        } else {
            // Who sets it polls hyper after that.
            Poll::Pending
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.0.under_way.store(false, Ordering::Relaxed);
    }
}

/// After so much time without a request hyper is dropped: long enough that a client who asks one
/// thing after the other finds it there, and short, since what thousands of clients leave behind
/// who ask in turns is not given back to the system. It is looked for once in this time, so it
/// may be twice.
const MOMENT: Duration = Duration::from_millis(20);

/// Twice what the guard lets a head be, so that it is the guard who says what is too large.
const MAX_BUFFER: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use std::future::{pending, poll_fn};

    use bytes::Bytes;
    use hyper::service::service_fn;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;

    const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";

    fn exchange<V>(service: V, room: usize) -> (Exchange<DuplexStream, V>, DuplexStream)
    where
        V: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
    {
        let limits = Limits::default();
        let (ours, theirs) = duplex(room);
        let stream = Guarded::new(ours, limits.framing, limits.head);
        (Exchange::new(stream, service, &limits), theirs)
    }

    fn body(size: usize) -> Body {
        Body::Full(Bytes::from(vec![b'x'; size]))
    }

    impl<S, V> Exchange<S, V>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        V: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
    {
        fn waits(&self) -> bool {
            matches!(self.state, State::Waiting(..))
        }

        /// Polls until it waits, or does not.
        async fn until(&mut self, waits: bool) {
            poll_fn(|cx| {
                assert!(Pin::new(&mut *self).poll(cx).is_pending());
                if self.waits() == waits {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            })
            .await;
        }

        /// Whether it waits after so many looks, as many as there are in a long time.
        async fn waits_after_all(&mut self) -> bool {
            poll_fn(|cx| {
                for _ in 0..5 {
                    assert!(self.look(cx).is_none());
                    if Pin::new(&mut *self).poll(cx).is_ready() {
                        break;
                    }
                }
                Poll::Ready(self.waits())
            })
            .await
        }
    }

    #[tokio::test]
    async fn it_waits_without_hyper_between_requests() {
        let service = service_fn(|_| async { Ok(Response::new(body(2))) });
        let (mut exchange, mut theirs) = exchange(service, 4096);
        exchange.until(true).await;
        for _ in 0..3 {
            // In two parts: only a whole head is worth a connection of hyper's.
            let (start, end) = GET.split_at(9);
            theirs.write_all(start).await.unwrap();
            exchange.until(true).await;
            theirs.write_all(end).await.unwrap();
            exchange.until(false).await;
            exchange.until(true).await;
            let mut answer = [0; 4096];
            let size = theirs.read(&mut answer).await.unwrap();
            assert!(answer[..size].starts_with(b"HTTP/1.1 200"));
            assert!(answer[..size].ends_with(b"\r\n\r\nxx"));
        }
        drop(theirs);
        exchange.await.unwrap();
    }

    #[tokio::test]
    async fn it_does_not_wait_while_a_request_is_answered() {
        let service = service_fn(|_| pending());
        let (mut exchange, mut theirs) = exchange(service, 4096);
        theirs.write_all(GET).await.unwrap();
        exchange.until(false).await;
        assert!(!exchange.waits_after_all().await);
    }

    #[tokio::test]
    async fn it_does_not_wait_while_an_answer_is_not_taken() {
        let service = service_fn(|_| async { Ok(Response::new(body(8192))) });
        let (mut exchange, mut theirs) = exchange(service, 256);
        theirs.write_all(GET).await.unwrap();
        exchange.until(false).await;
        assert!(!exchange.waits_after_all().await);
        let reading = async {
            let mut taken = 0;
            while taken < 8192 {
                taken += theirs.read(&mut [0; 4096]).await.unwrap();
            }
        };
        tokio::join!(reading, exchange.until(true));
    }

    #[tokio::test]
    async fn it_ends_when_it_is_told_to_and_when_nothing_is_asked() {
        for told in [true, false] {
            let service = service_fn(|_| async { Ok(Response::new(body(2))) });
            let (mut exchange, mut theirs) = exchange(service, 4096);
            if told {
                exchange.until(true).await;
                Pin::new(&mut exchange).part();
            } else {
                exchange.timer.as_mut().reset(Instant::now());
            }
            exchange.await.unwrap();
            assert_eq!(theirs.read(&mut [0]).await.unwrap(), 0);
        }
    }
}
