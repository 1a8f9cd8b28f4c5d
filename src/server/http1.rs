//! One HTTP/1.1 connection.

use std::convert::Infallible;
use std::future::pending;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::sleep;

use super::connections::Connection;
use super::limits::Limits;
use super::{Handler, refuse};
use crate::net::guarded::Guarded;
use crate::net::{Body, Peer};

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
    let stream = Guarded::new(stream, limits.framing, limits.head);
    let refusals = stream.refusals();
    let number = AtomicU64::new(0);
    let service = service_fn(move |request: Request<Incoming>| {
        let refusal = refusals.of(number.fetch_add(1, Ordering::Relaxed));
        let handler = handler.clone();
        async move {
            Ok::<_, Infallible>(match refusal {
                Some(refusal) => {
                    tracing::debug!(peer = %peer.address, %refusal, "request refused");
                    refuse::refused(refusal)
                }
                None => handler.handle(request.map(Body::from), peer).await,
            })
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // hyper starts this timer when it begins to wait for a head, so it is the time that a
        // connection may be idle; the time of the head itself is the guard's.
        .header_read_timeout(limits.idle)
        .max_headers(limits.framing.fields)
        .max_buf_size(MAX_BUFFER)
        .half_close(false)
        .serve_connection(TokioIo::new(stream), service);
    see_out(connection, peer, place, limits, |_| pending(), pending()).await;
}

/// Runs a connection to its end: its own; or, asked to end because the door drains, it is too
/// old, or was `idle`, the end of the request under way; or, `stalled`, at once.
pub(super) async fn see_out<C, I>(
    connection: C,
    peer: Peer,
    place: &mut Connection,
    limits: &Limits,
    idle: impl Fn(Duration) -> I,
    stalled: impl Future<Output = ()>,
) where
    C: GracefulConnection<Error = hyper::Error>,
    I: Future<Output = ()>,
{
    tokio::pin!(connection, stalled);
    tokio::select! {
        biased;
        end = connection.as_mut() => return log(peer, end),
        () = stalled.as_mut() => return log_stall(peer),
        () = place.draining() => {}
        () = idle(limits.idle) => {}
        () = sleep(limits.age) => {}
    }
    connection.as_mut().graceful_shutdown();
    let mute = async {
        sleep(MUTE).await;
        idle(MUTE).await;
    };
    tokio::select! {
        biased;
        end = connection.as_mut() => log(peer, end),
        () = stalled.as_mut() => log_stall(peer),
        // Nothing is under way, and the peer does not answer the farewell of HTTP/2.
        () = mute => {}
    }
}

fn log(peer: Peer, end: Result<(), hyper::Error>) {
    if let Err(error) = end {
        tracing::debug!(peer = %peer.address, %error, "connection ended");
    }
}

fn log_stall(peer: Peer) {
    tracing::debug!(peer = %peer.address, "connection cut: the client does not read");
}

/// How long a peer with nothing under way may take to answer the farewell.
const MUTE: Duration = Duration::from_secs(3);

/// Twice what the guard lets a head be, so that it is the guard who says what is too large.
const MAX_BUFFER: usize = 64 * 1024;
