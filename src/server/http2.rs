//! One HTTP/2 connection.
//!
//! h2 checks the framing; what it leaves open is checked here before the handler sees a request,
//! so that the handler finds the same shape as from HTTP/1.1. And since PING frames keep such a
//! connection alive for ever, its [`Streams`] tell when nothing is asked, or nothing taken.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep};

use super::connections::Connection;
use super::limits::Limits;
use super::parting::see_out;
use super::{Handler, refuse};
use crate::gateway::Refused;
use crate::net::framing::{Refusal, content_length, is_host};
use crate::net::{Body, BodyError, Peer};

/// Serves until either side ends it.
pub(super) async fn serve<S, H>(
    stream: S,
    peer: Peer,
    handler: &H,
    limits: &Limits,
    place: &mut Connection,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Handler,
{
    let streams = Arc::new(Streams::new());
    let watched = Arc::clone(&streams);
    let (target, head) = (limits.framing.target, limits.head);
    let asks = peer.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let peer = asks.clone();
        let open = OpenStream::new(&streams);
        let handler = handler.clone();
        let method = request.method().clone();
        let is_head = method == Method::HEAD;
        async move {
            let request = without_empty_body(request.map(Body::from), head).await;
            let answer = match in_shape(request, target) {
                Ok(request) => handler.handle(request, peer).await,
                Err((status, detail)) => {
                    tracing::debug!(peer = %peer.address, detail, "request refused");
                    let refused = Refused {
                        method: &method,
                        version: Version::HTTP_2,
                        peer,
                        reason: detail,
                    };
                    handler.refused(refuse::error(status, detail), &refused)
                }
            };
            let answer = if is_head {
                without_body(answer)
            } else {
                answer
            };
            Ok::<_, Infallible>(answer.map(|body| Tracked::new(body, open)))
        }
    });
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(HEADER_LIST)
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(64)
        .initial_stream_window_size(256 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .max_send_buf_size(128 * 1024)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(10))
        .serve_connection(TokioIo::new(stream), service);
    let connection = Box::pin(connection);
    let idle = |time| watched.idle(time);
    let stalled = watched.stalled(limits.stall);
    // What was asked before the client hears of the farewell is served; but who has asked nothing
    // yet would be sent away for nothing.
    let parts = |late| late || watched.has_begun();
    see_out(connection, &peer, place, limits, idle, stalled, parts).await;
}

/// Brings a request into the shape that [`Handler`] promises: one `Host`, a path for a URI.
fn in_shape(
    mut request: Request<Body>,
    longest: usize,
) -> Result<Request<Body>, (StatusCode, &'static str)> {
    const BAD: StatusCode = StatusCode::BAD_REQUEST;
    let target = request.uri().path_and_query().map(PathAndQuery::as_str);
    let target = target.filter(|target| target.starts_with('/'));
    let Some(target) = target.filter(|_| request.method() != Method::CONNECT) else {
        return Err((BAD, "the request target must be a path"));
    };
    if target.len() > longest {
        let refusal = Refusal::TargetTooLong;
        return Err((refusal.status(), "the request target is too long"));
    }
    let host = one_host(&request).ok_or((BAD, "there must be exactly one well-formed `Host`"))?;
    if !length_fits(&request) {
        return Err((
            BAD,
            "`Content-Length` is malformed or does not fit the body",
        ));
    }
    let path = request.uri().path_and_query().cloned();
    *request.uri_mut() = path.map(Uri::from).unwrap_or_default();
    request.headers_mut().insert(header::HOST, host);
    Ok(request)
}

/// `:authority` and `Host`: one of the two, or both and the same.
fn one_host(request: &Request<Body>) -> Option<HeaderValue> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (_, Some(_)) => return None,
        (host, None) => host,
    };
    let authority = request.uri().authority().map(Authority::as_str);
    let value = match (authority, host) {
        (Some(authority), Some(host)) => authority
            .as_bytes()
            .eq_ignore_ascii_case(host.as_bytes())
            .then(|| host.clone())?,
        (Some(authority), None) => HeaderValue::from_str(authority).ok()?,
        (None, Some(host)) => host.clone(),
        (None, None) => return None,
    };
    is_host(value.as_bytes()).then_some(value)
}

/// A body that was announced as empty may still need a frame to say that it is over: that frame
/// is taken here, so that whatever is left of a body has bytes in it.
async fn without_empty_body(mut request: Request<Body>, patience: Duration) -> Request<Body> {
    let empty = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .is_some_and(|length| content_length(length.as_bytes()) == Ok(0));
    if empty && !request.body().is_end_stream() {
        let next = tokio::time::timeout(patience, request.body_mut().frame()).await;
        let bytes = |frame: &Frame<Bytes>| frame.data_ref().is_some_and(|data| !data.is_empty());
        if matches!(&next, Ok(None)) || matches!(&next, Ok(Some(Ok(frame))) if !bytes(frame)) {
            *request.body_mut() = Body::Empty;
        }
    }
    request
}

/// The answer to HEAD: hyper leaves the body out in HTTP/1.1 only.
fn without_body(mut answer: Response<Body>) -> Response<Body> {
    if let Some(length) = answer.body().size_hint().exact() {
        let length = HeaderValue::from(length);
        answer
            .headers_mut()
            .entry(header::CONTENT_LENGTH)
            .or_insert(length);
    }
    answer.map(|_| Body::Empty)
}

/// h2 counts the body against `Content-Length`, except against 0.
fn length_fits(request: &Request<Body>) -> bool {
    let mut lengths = request.headers().get_all(header::CONTENT_LENGTH).iter();
    match (lengths.next(), lengths.next()) {
        (None, _) => true,
        (Some(length), None) => match content_length(length.as_bytes()) {
            Ok(0) => request.body().is_end_stream(),
            Ok(_) => true,
            Err(_) => false,
        },
        (Some(_), Some(_)) => false,
    }
}

/// What goes on on a connection.
#[derive(Debug)]
struct Streams {
    start: Instant,
    /// Whether there has been a request.
    begun: AtomicBool,
    /// Requests whose answer has not ended.
    open: AtomicUsize,
    /// Of those, answers of which the client has to take the next part.
    offered: AtomicUsize,
    /// When a stream last got on, in milliseconds from the start.
    touched: AtomicU64,
}

impl Streams {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            begun: AtomicBool::new(false),
            open: AtomicUsize::new(0),
            offered: AtomicUsize::new(0),
            touched: AtomicU64::new(0),
        }
    }

    fn touch(&self) {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.touched.store(now, Ordering::Relaxed);
    }

    fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed)
    }

    fn quiet(&self) -> Duration {
        let touched = Duration::from_millis(self.touched.load(Ordering::Relaxed));
        self.start.elapsed().saturating_sub(touched)
    }

    /// Ready when nothing was asked for so long.
    async fn idle(&self, time: Duration) {
        quiet_for(time, self, &self.open, |open| open == 0).await;
    }

    /// Ready when something was there to be taken for so long, and nothing was.
    async fn stalled(&self, time: Duration) {
        quiet_for(time, self, &self.offered, |offered| offered > 0).await;
    }
}

async fn quiet_for(
    time: Duration,
    streams: &Streams,
    count: &AtomicUsize,
    counts: fn(usize) -> bool,
) {
    loop {
        let left = time.saturating_sub(streams.quiet());
        if !counts(count.load(Ordering::Relaxed)) {
            sleep(time).await;
        } else if left.is_zero() {
            return;
        } else {
            sleep(left).await;
        }
    }
}

/// One request that has not ended.
#[derive(Debug)]
struct OpenStream {
    streams: Arc<Streams>,
    offered: bool,
}

impl OpenStream {
    fn new(streams: &Arc<Streams>) -> Self {
        streams.begun.store(true, Ordering::Relaxed);
        streams.open.fetch_add(1, Ordering::Relaxed);
        streams.touch();
        Self {
            streams: Arc::clone(streams),
            offered: false,
        }
    }

    fn offer(&mut self, offered: bool) {
        if offered {
            self.streams.touch();
        }
        if offered != self.offered {
            self.offered = offered;
            let count = &self.streams.offered;
            if offered {
                count.fetch_add(1, Ordering::Relaxed);
            } else {
                count.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.offer(false);
        self.streams.touch();
        self.streams.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The body of an answer, whose parts hyper takes when the client has room for them.
struct Tracked {
    body: Body,
    open: OpenStream,
}

impl Tracked {
    fn new(body: Body, mut open: OpenStream) -> Self {
        open.offer(true);
        Self { body, open }
    }
}

impl http_body::Body for Tracked {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        // h2 would take a large part whole, and nobody could see it being taken.
        if let Body::Full(bytes) = &mut self.body
            && bytes.len() > PART
        {
            let part = bytes.split_to(PART);
            self.open.offer(true);
            return Poll::Ready(Some(Ok(Frame::data(part))));
        }
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        // While the source is slow, the client is not to blame.
        self.open.offer(matches!(frame, Poll::Ready(Some(Ok(_)))));
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// As much as a DATA frame holds.
const PART: usize = 16 * 1024;
const HEADER_LIST: u32 = 32 * 1024;
