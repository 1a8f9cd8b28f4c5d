//! The public door: TCP, then TLS, then the protocol that ALPN agreed on.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::connections::{Connection, Connections};
use super::limits::Limits;
use super::{Handler, http1, http2, refuse};
use crate::net::Peer;
use crate::net::paced::Paced;

/// What one worker needs to serve.
pub(super) struct Door<H> {
    pub(super) tls: Arc<ArcSwap<ServerConfig>>,
    pub(super) handler: H,
    pub(super) limits: Limits,
    pub(super) connections: Connections,
}

impl<H: Handler> Door<H> {
    /// Accepts until the door drains.
    pub(super) async fn serve(self, listener: TcpListener) {
        let door = Arc::new(self);
        let mut patience = Patience::default();
        loop {
            let accepted = tokio::select! {
                biased;
                () = door.connections.draining() => return,
                accepted = listener.accept() => accepted,
            };
            let Some((stream, address)) = patience.take(accepted).await else {
                continue;
            };
            // Beyond the limit one accepted socket per worker waits here, unread, and the rest in
            // the system's queue. (Waiting for a place before accepting would let an idle worker
            // keep a place that a busy one needs.)
            let Some(connection) = door.connections.enter().await else {
                return;
            };
            tokio::spawn(Arc::clone(&door).connection(stream, address, connection));
        }
    }

    async fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        address: SocketAddr,
        place: Connection,
    ) {
        let life = |mut place| async move {
            let _ = stream.set_nodelay(true);
            let peer = Peer { address };
            let Some(stream) = self.handshake(stream, peer).await else {
                return;
            };
            if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                http2::serve(stream, peer, &self.handler, &self.limits, &mut place).await;
            } else {
                http1::serve(stream, peer, &self.handler, &self.limits, &mut place).await;
            }
        };
        place.run(life).await;
    }

    /// TLS, or the reason why not, in time.
    async fn handshake(
        &self,
        stream: TcpStream,
        peer: Peer,
    ) -> Option<TlsStream<Paced<TcpStream>>> {
        let outcome = timeout(self.limits.handshake, async {
            if !refuse::speaks_tls(&stream).await? {
                refuse::plain_http(stream).await?;
                return Err(io::Error::other("plain HTTP on the TLS port"));
            }
            TlsAcceptor::from(self.tls.load_full())
                .accept(Paced::new(stream, self.limits.pace))
                .await
        })
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        match outcome {
            Ok(stream) => Some(stream),
            Err(error) => {
                tracing::debug!(peer = %peer.address, %error, "no TLS connection");
                None
            }
        }
    }
}

/// What accepting does about errors: those of one connection are passed over; those of the
/// process (no file descriptors, no memory) are waited out, longer and longer.
#[derive(Debug, Default)]
pub(super) struct Patience {
    wait: Duration,
}

impl Patience {
    /// The connection, if there is one.
    pub(super) async fn take<C>(&mut self, accepted: io::Result<C>) -> Option<C> {
        match accepted {
            Ok(connection) => {
                self.wait = Duration::ZERO;
                Some(connection)
            }
            Err(error) if of_the_peer(&error) => None,
            Err(error) => {
                self.wait = (self.wait * 2).clamp(FIRST_WAIT, LONGEST_WAIT);
                let wait = self.wait;
                tracing::error!(%error, ?wait, "connections cannot be accepted");
                sleep(wait).await;
                None
            }
        }
    }
}

fn of_the_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

const FIRST_WAIT: Duration = Duration::from_millis(10);
const LONGEST_WAIT: Duration = Duration::from_secs(1);
