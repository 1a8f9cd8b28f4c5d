//! One HTTP/1.1 connection.

use std::convert::Infallible;
use std::future::pending;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderValue, Request, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use tokio::io::{AsyncRead, AsyncWrite};

use super::connections::Connection;
use super::exchange::Exchange;
use super::limits::Limits;
use super::parting::see_out;
use super::{Handler, refuse};
use crate::gateway::Refused;
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
    serve_guarded(stream, peer, handler, limits, place).await;
}

/// The same for a stream that is under guard already. Not an `async fn`, whose future would keep
/// room for the stream.
pub(super) fn serve_guarded<'a, S, H>(
    stream: Guarded<S>,
    peer: Peer,
    handler: &H,
    limits: &'a Limits,
    place: &'a mut Connection,
) -> impl Future<Output = ()> + Send + use<'a, S, H>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Handler,
{
    let (refusals, farewell) = (stream.refusals(), stream.farewell());
    let standing = place.standing();
    let (number, handler) = (AtomicU64::new(0), handler.clone());
    let asks = peer.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let peer = asks.clone();
        let refusal = refusals.of(number.fetch_add(1, Ordering::Relaxed));
        let (handler, standing) = (handler.clone(), standing.clone());
        async move {
            let mut answer = match refusal {
                Some(refusal) => {
                    tracing::debug!(peer = %peer.address, %refusal, "request refused");
                    let refused = Refused {
                        method: request.method(),
                        version: request.version(),
                        peer,
                        reason: &refusal.to_string(),
                    };
                    handler.refused(refuse::refused(refusal), &refused)
                }
                None => handler.handle(request.map(Body::from), peer).await,
            };
            if standing.is_leaving() {
                let close = HeaderValue::from_static("close");
                answer.headers_mut().insert(header::CONNECTION, close);
            }
            Ok::<_, Infallible>(answer)
        }
    });
    let exchange = Box::pin(Exchange::new(stream, service, limits));
    async move {
        // An idle connection that is told to end does so at once, and with it a request is lost that
        // has just arrived.
        let parts = |late| farewell.is_heard(late);
        let idle = |_| pending();
        see_out(exchange, &peer, place, limits, idle, pending(), parts).await;
    }
}
