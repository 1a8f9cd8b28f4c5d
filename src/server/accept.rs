//! The public door: TCP, then TLS, then the protocol that ALPN agreed on.

use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ipnet::IpNet;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::connections::{Connection, Connections, Source};
use super::entry::{Entry, Watched};
use super::limits::Limits;
use super::refuse::First;
use super::{Handler, bind, http1, http2, refuse};
use crate::net::Peer;
use crate::net::guarded::Guarded;
use crate::net::paced::Paced;
use crate::net::proxy::{self, ProxyError};
use crate::net::tls::{self, Switch};
use crate::telemetry::Metrics;

/// What one worker needs to serve.
pub(super) struct Door<H> {
    pub(super) tls: Arc<Switch>,
    pub(super) handler: H,
    pub(super) limits: Limits,
    pub(super) connections: Connections,
    /// Who must say whose connections they bring.
    pub(super) proxies: Arc<[IpNet]>,
    pub(super) metrics: Arc<Metrics>,
    /// What was said of client certificates.
    pub(super) refusals: Sparingly,
}

impl<H: Handler> Door<H> {
    /// Accepts until the door drains; then takes what the system has accepted already, so that
    /// closing the listener resets nobody. A drain waits for this as long as `source` is there.
    pub(super) async fn serve(self, listener: TcpListener, source: Source) {
        let door = Arc::new(self);
        tokio::spawn(door.connections.clone().follow(Arc::clone(&door.tls)));
        let mut patience = Patience::default();
        loop {
            let accepted = tokio::select! {
                biased;
                () = door.connections.draining() => break,
                accepted = listener.accept() => accepted,
            };
            let Some((stream, address)) = patience.take(accepted).await else {
                continue;
            };
            // Beyond the limit one accepted socket per worker waits here, unread, and the rest in
            // the system's queue. (Waiting for a place before accepting would let an idle worker
            // keep a place that a busy one needs.)
            let connection = tokio::select! {
                biased;
                connection = door.connections.enter() => connection,
                () = door.connections.draining() => {
                    door.admit_later(stream, address);
                    break;
                }
            };
            if let Some(connection) = connection {
                tokio::spawn(Arc::clone(&door).connection(stream, address, connection));
            }
        }
        door.close(listener).await;
        drop(source);
    }

    async fn close(self: &Arc<Self>, listener: TcpListener) {
        if bind::admit_no_more(&listener).is_ok() {
            // Whoever is in the middle of connecting gets through.
            let through = sleep(CONNECTING);
            tokio::pin!(through);
            loop {
                tokio::select! {
                    biased;
                    () = through.as_mut() => break,
                    accepted = listener.accept() => match accepted {
                        Ok((stream, address)) => self.admit_later(stream, address),
                        Err(error) if of_the_peer(&error) => {}
                        Err(_) => break,
                    },
                }
            }
        }
        // What the runtime has not heard of yet.
        let Ok(listener) = listener.into_std() else {
            return;
        };
        loop {
            match listener.accept() {
                Ok((stream, address)) => {
                    let _ = stream.set_nonblocking(true);
                    if let Ok(stream) = TcpStream::from_std(stream) {
                        self.admit_later(stream, address);
                    }
                }
                Err(error) if of_the_peer(&error) => {}
                Err(_) => return,
            }
        }
    }

    /// Serves a connection when there is a place, without holding up the others.
    fn admit_later(self: &Arc<Self>, stream: TcpStream, address: SocketAddr) {
        let door = Arc::clone(self);
        let source = door.connections.source();
        tokio::spawn(async move {
            let connection = door.connections.enter().await;
            drop(source);
            if let Some(connection) = connection {
                door.connection(stream, address, connection).await;
            }
        });
    }

    async fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        address: SocketAddr,
        place: Connection,
    ) {
        let _counted = self.metrics.connection();
        let life = |mut place: Connection| async move {
            let _ = stream.set_nodelay(true);
            // A socket for both families writes the older one's addresses in the newer one's way.
            let address = SocketAddr::new(address.ip().to_canonical(), address.port());
            // Boxed: what it takes to greet is not kept for as long as the connection lives.
            let Some((stream, peer, entry)) = Box::pin(self.greet(stream, address)).await else {
                return;
            };
            place.admit(entry.clone());
            let handler = Watched {
                handler: self.handler.clone(),
                entry,
            };
            if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                let life = http2::serve(stream, peer, &handler, &self.limits, &mut place);
                Box::pin(life).await;
            } else {
                let stream = Guarded::new(stream, self.limits.framing, self.limits.head)
                    .looking(|stream| has_arrived(stream.get_ref().0.get_ref()));
                http1::serve_guarded(stream, peer, &handler, &self.limits, &mut place).await;
            }
        };
        place.run(life).await;
    }

    /// The PROXY protocol from those who must speak it, and TLS: both, or the reason why not, in
    /// time.
    async fn greet(&self, stream: TcpStream, address: SocketAddr) -> Option<(Tls, Peer, Entry)> {
        let end = Instant::now() + self.limits.handshake;
        let outcome = async {
            let late = || {
                Err(Failure::Header(
                    io::Error::from(io::ErrorKind::TimedOut).into(),
                ))
            };
            let (stream, mut peer) = timeout_at(end, self.presented(stream, address))
                .await
                .unwrap_or_else(|_| late())?;
            let late = || Err(Failure::Tls(io::ErrorKind::TimedOut.into()));
            let (stream, entry) = timeout_at(end, self.handshake(stream))
                .await
                .unwrap_or_else(|_| late())?;
            peer.certificate = entry.certificate().cloned();
            Ok((stream, peer, entry))
        }
        .await;
        match outcome {
            Ok(greeted) => Some(greeted),
            Err(failure) => {
                self.count(&failure, address);
                tracing::debug!(peer = %address, error = %failure, "no TLS connection");
                None
            }
        }
    }

    /// Whose connection it is.
    async fn presented(
        &self,
        mut stream: TcpStream,
        address: SocketAddr,
    ) -> Result<(TcpStream, Peer), Failure> {
        let trusts = |network: &IpNet| network.contains(&address.ip());
        if !self.proxies.iter().any(trusts) {
            return Ok((stream, Peer::direct(address)));
        }
        let client = proxy::read(&mut stream).await.map_err(Failure::Header)?;
        let peer = Peer {
            address: client.unwrap_or(address),
            through: client.is_some().then_some(address),
            certificate: None,
        };
        Ok((stream, peer))
    }

    async fn handshake(&self, stream: TcpStream) -> Result<(Tls, Entry), Failure> {
        match refuse::first_bytes(&stream).await? {
            First::Tls => {}
            First::End => return Err(Failure::Nothing),
            First::ProxyHeader => return Err(Failure::Untrusted),
            First::PlainHttp => {
                refuse::plain_http(stream).await?;
                return Err(Failure::Tls(io::Error::other("plain HTTP on the TLS port")));
            }
            First::Other => return Err(Failure::Tls(io::Error::other("something else than TLS"))),
        }
        let stream = Paced::new(stream, self.limits.pace);
        let server = self.tls.current();
        let accept = TlsAcceptor::from(Arc::clone(&server.config)).accept(stream);
        let stream = match accept.into_fallible().await {
            Ok(stream) => Box::new(stream),
            Err((error, stream)) => {
                refuse::read_out(stream).await;
                return Err(error.into());
            }
        };
        match Entry::of(stream.get_ref().1, &server, &self.tls) {
            Some(entry) => Ok((stream, entry)),
            None => Err(Failure::Outdated),
        }
    }

    fn count(&self, failure: &Failure, address: SocketAddr) {
        match failure {
            Failure::Nothing | Failure::Header(ProxyError::Nothing) => {}
            Failure::Header(_) | Failure::Untrusted => self.metrics.proxy_header_failed(),
            Failure::Tls(error) => {
                self.metrics.handshake_failed();
                if let Some(refused) = tls::Refused::of(error) {
                    self.refused(address, refused);
                }
            }
            Failure::Outdated => {
                self.metrics.handshake_failed();
                self.refused(address, tls::Refused::Expired);
            }
        }
    }

    /// A certificate was refused: counted, and told once in a while.
    fn refused(&self, peer: SocketAddr, refused: tls::Refused) {
        self.metrics.client_certificate_refused(refused);
        if let Some(more) = self.refusals.say() {
            let reason = refused.as_str();
            tracing::info!(%peer, reason, more, "a client certificate was refused");
        }
    }
}

/// Boxed: it is more than 1 KB, and a future has room for each place that it is moved to.
type Tls = Box<TlsStream<Paced<TcpStream>>>;

/// Why a connection comes to nothing.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// Somebody only looked whether we listen, as balancers do all day.
    #[error("the connection ended before it began")]
    Nothing,
    /// From a network of `trusted_proxies`.
    #[error(transparent)]
    Header(ProxyError),
    /// From any other.
    #[error("a PROXY protocol header from an address that is not in `trusted_proxies`")]
    Untrusted,
    /// Who resumed a session that is older than the certificate allows, or showed one that cannot
    /// be read.
    #[error("the client certificate has ended, or does not follow RFC 5280")]
    Outdated,
    /// TLS, or what should have been it.
    #[error(transparent)]
    Tls(#[from] io::Error),
}

/// What strangers can bring about as often as they like is said once in a while.
#[derive(Debug, Default)]
pub(super) struct Sparingly(Mutex<Said>);

#[derive(Debug, Default)]
struct Said {
    last: Option<Instant>,
    unsaid: u64,
}

impl Sparingly {
    /// Whether it is to be said now, and how often it was not since the last time.
    fn say(&self) -> Option<u64> {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if said.last.is_some_and(|last| last.elapsed() < ONCE_IN) {
            said.unsaid = said.unsaid.saturating_add(1);
            return None;
        }
        said.last = Some(Instant::now());
        Some(std::mem::take(&mut said.unsaid))
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

/// Whether the system holds bytes of this socket, or its end, that nobody has read: the runtime
/// hears of them a little later.
fn has_arrived(stream: &TcpStream) -> bool {
    let mut byte = [MaybeUninit::uninit()];
    SockRef::from(stream).peek(&mut byte).is_ok()
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

/// How long connecting may take that has begun when the door closes: a few round trips.
const CONNECTING: Duration = Duration::from_millis(200);

/// A worker says the same no more often than this.
const ONCE_IN: Duration = Duration::from_secs(1);

const FIRST_WAIT: Duration = Duration::from_millis(10);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Body;
    use http::{Request, Response};

    /// It is there for as long as the connection, thousands of times.
    #[tokio::test]
    async fn the_task_of_a_connection_is_small() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let pem = certificate.cert.pem();
        let key = certificate.signing_key.serialize_pem();
        let tls = tls::Server::public((pem.as_bytes(), key.as_bytes()), None, None).unwrap();
        let connections = Connections::new(1);
        let place = connections.enter().await.unwrap();
        let door = Arc::new(Door {
            tls: Arc::new(Switch::new(tls)),
            handler: |_: Request<Body>, _: Peer| async { Response::new(Body::Empty) },
            limits: Limits::default(),
            connections,
            proxies: Arc::default(),
            metrics: Arc::new(Metrics::new()),
            refusals: Sparingly::default(),
        });
        let size = size_of_val(&door.connection(stream, address, place));
        assert!(size <= 1536, "{size} bytes");
    }
}
