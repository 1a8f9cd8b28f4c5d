//! How a connection ends, whatever it speaks.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::HttpService;
use hyper_util::server::graceful::GracefulConnection;
use tokio::time::{Instant, sleep, sleep_until};

use super::connections::Connection;
use super::limits::Limits;
use crate::net::Peer;

/// A connection that can be told to end.
pub(super) trait Parts: Future<Output = Result<(), hyper::Error>> {
    /// It is to end after the request under way; at once, if there is none.
    fn part(self: Pin<&mut Self>);
}

impl<I, S, E> Parts for http2::Connection<I, S, E>
where
    S: HttpService<Incoming>,
    Self: GracefulConnection<Error = hyper::Error>,
{
    fn part(self: Pin<&mut Self>) {
        GracefulConnection::graceful_shutdown(self);
    }
}

/// Runs a connection to its end: its own; or, asked to end because the door drains, it is too
/// old, or was `idle`, the end of the request under way; or, `stalled`, at once.
///
/// Once it is to end, `parts` says whether this moment does. It is told whether the time is over
/// that a client has for its first request: who has just connected has come to ask something.
///
/// The connection is boxed: a future has room for each of its parameters and for each place that
/// one is moved to, and there are thousands of them that idle.
pub(super) async fn see_out<C, I>(
    mut connection: Pin<Box<C>>,
    peer: &Peer,
    place: &mut Connection,
    limits: &Limits,
    idle: impl Fn(Duration) -> I,
    stalled: impl Future<Output = ()>,
    parts: impl Fn(bool) -> bool,
) where
    C: Parts,
    I: Future<Output = ()>,
{
    let first = Instant::now() + FIRST_REQUEST;
    tokio::pin!(stalled);
    tokio::select! {
        biased;
        end = connection.as_mut() => return log(peer, end),
        () = stalled.as_mut() => return log_stall(peer),
        () = place.draining() => {}
        () = idle(limits.idle) => {}
        () = sleep(limits.age) => {}
    }
    tokio::select! {
        biased;
        // Looked at before `parts` is asked, each time: what has come in is served.
        end = connection.as_mut() => return log(peer, end),
        () = stalled.as_mut() => return log_stall(peer),
        () = the_moment(parts, first) => {}
    }
    connection.as_mut().part();
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

/// Ready when `parts` says so. What it depends on changes only while the connection is polled, by
/// the same task; so it is asked whenever the task wakes, and once more after the first time.
async fn the_moment(parts: impl Fn(bool) -> bool, first: Instant) {
    let mut first = pin!(sleep_until(first));
    let (mut late, mut asked) = (false, false);
    poll_fn(|cx| {
        late = late || first.as_mut().poll(cx).is_ready();
        if parts(late) {
            return Poll::Ready(());
        }
        if !asked {
            asked = true;
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    })
    .await;
}

fn log(peer: &Peer, end: Result<(), hyper::Error>) {
    if let Err(error) = end {
        tracing::debug!(peer = %peer.address, %error, "connection ended");
    }
}

fn log_stall(peer: &Peer) {
    tracing::debug!(peer = %peer.address, "connection cut: the client does not read");
}

/// How long a connection that is to end waits for a first request that has not come yet.
const FIRST_REQUEST: Duration = Duration::from_secs(2);

/// How long a peer with nothing under way may take to answer the farewell.
const MUTE: Duration = Duration::from_secs(3);
