//! The small doors, probe and control: HTTP/1.1 on a TCP or Unix socket, with the same guard and
//! limits as the public door. Plain, or behind TLS where others than this machine may knock.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use http::{Request, Response};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::accept::Patience;
use super::connections::Connections;
use super::limits::Limits;
use super::refuse::First;
use super::{Handler, StartError, bind, http1, refuse};
use crate::net::paced::Paced;
use crate::net::subject::Subject;
use crate::net::{Body, Peer};

/// Where a small door listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// On TCP; with port 0 the system chooses one.
    Tcp(SocketAddr),
    /// On a Unix socket that only the own user may open.
    Unix(PathBuf),
}

/// A small door at work. Dropping it stops the accepting; connections end by themselves.
#[derive(Debug)]
pub struct Running {
    at: Listen,
    connections: Connections,
    accepting: tokio::task::JoinHandle<()>,
}

/// Opens a small door on the runtime of the caller.
///
/// # Errors
/// When the address or the path is taken or may not be used.
pub fn start<H: Handler>(
    listen: &Listen,
    handler: H,
    limits: Limits,
) -> Result<Running, StartError> {
    open(listen, None, handler, limits)
}

/// The same behind TLS, which may be exchanged while the door is open: the next connection takes
/// what is there then. Requests of a client that showed a certificate carry its [`Subject`].
///
/// # Errors
/// As [`start`].
pub fn start_tls<H: Handler>(
    address: SocketAddr,
    tls: Arc<ArcSwap<ServerConfig>>,
    handler: H,
    limits: Limits,
) -> Result<Running, StartError> {
    open(&Listen::Tcp(address), Some(tls), handler, limits)
}

fn open<H: Handler>(
    listen: &Listen,
    tls: Option<Arc<ArcSwap<ServerConfig>>>,
    handler: H,
    limits: Limits,
) -> Result<Running, StartError> {
    let connections = Connections::new(limits.connections);
    let door = Door {
        handler,
        limits,
        tls,
        connections: connections.clone(),
    };
    let (at, accepting) = match listen {
        Listen::Tcp(address) => {
            let (address, listeners) = bind::shared(*address, 1)?;
            let failed = |reason| failed(&address.to_string(), reason);
            let listener = listeners.into_iter().next();
            let listener = listener.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
            let listener = TcpListener::from_std(listener).map_err(failed)?;
            let accepting = tokio::spawn(door.serve_tcp(listener));
            (Listen::Tcp(address), accepting)
        }
        Listen::Unix(path) => {
            let listener =
                bind_unix(path).map_err(|reason| failed(&path.display().to_string(), reason))?;
            let accepting = tokio::spawn(door.serve_unix(listener));
            (Listen::Unix(path.clone()), accepting)
        }
    };
    Ok(Running {
        at,
        connections,
        accepting,
    })
}

impl Running {
    /// Where it listens, with the port that was chosen.
    #[must_use]
    pub fn at(&self) -> &Listen {
        &self.at
    }

    /// As [`super::Running::drain`].
    pub async fn drain(&self, deadline: Instant) -> usize {
        self.connections.drain(deadline).await
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.accepting.abort();
        if let Listen::Unix(path) = &self.at {
            // It may be gone already.
            let _ = std::fs::remove_file(path);
        }
    }
}

struct Door<H> {
    handler: H,
    limits: Limits,
    tls: Option<Arc<ArcSwap<ServerConfig>>>,
    connections: Connections,
}

impl<H: Handler> Door<H> {
    async fn serve_tcp(self, listener: TcpListener) {
        let mut patience = Patience::default();
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.connections.draining() => return,
                accepted = listener.accept() => accepted,
            };
            if let Some((stream, address)) = patience.take(accepted).await {
                let _ = stream.set_nodelay(true);
                let peer = Peer::direct(address);
                match &self.tls {
                    None => self.connection(stream, peer).await,
                    Some(tls) => self.secured(stream, tls, peer).await,
                }
            }
        }
    }

    async fn serve_unix(self, listener: UnixListener) {
        let mut patience = Patience::default();
        let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.connections.draining() => return,
                accepted = listener.accept() => accepted,
            };
            if let Some((stream, _)) = patience.take(accepted).await {
                self.connection(stream, Peer::direct(address)).await;
            }
        }
    }

    /// Waits for a place and starts serving.
    async fn connection<S>(&self, stream: S, peer: Peer)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Some(place) = self.connections.enter().await else {
            return;
        };
        let (handler, limits) = (self.handler.clone(), self.limits);
        let stream = Paced::new(stream, limits.pace);
        tokio::spawn(place.run(move |mut place| async move {
            http1::serve(stream, peer, &handler, &limits, &mut place).await;
        }));
    }
}

impl<H: Handler> Door<H> {
    /// The same behind TLS: the handshake has its time, and a place among the connections.
    async fn secured(&self, stream: TcpStream, tls: &Arc<ArcSwap<ServerConfig>>, peer: Peer) {
        let Some(place) = self.connections.enter().await else {
            return;
        };
        let (handler, limits, tls) = (self.handler.clone(), self.limits, Arc::clone(tls));
        tokio::spawn(place.run(move |mut place| async move {
            let checked_by = tls.load_full();
            let Some(stream) = handshake(stream, Arc::clone(&checked_by), &limits, peer).await
            else {
                return;
            };
            let shown = stream.get_ref().1.peer_certificates();
            let subject = shown.and_then(<[_]>::first).map(|leaf| Subject::of(leaf));
            let handler = Named {
                handler,
                subject,
                checked_by,
                tls,
            };
            http1::serve(stream, peer, &handler, &limits, &mut place).await;
        }));
    }
}

/// TLS, or the reason why not, in time.
async fn handshake(
    stream: TcpStream,
    tls: Arc<ServerConfig>,
    limits: &Limits,
    peer: Peer,
) -> Option<TlsStream<Paced<TcpStream>>> {
    let outcome = timeout(limits.handshake, async {
        match refuse::first_bytes(&stream).await? {
            First::Tls => {}
            First::PlainHttp => {
                refuse::plain_http(stream).await?;
                return Err(io::Error::other("plain HTTP on the TLS port"));
            }
            First::End | First::ProxyHeader | First::Other => {
                return Err(io::Error::other("something else than TLS"));
            }
        }
        let stream = Paced::new(stream, limits.pace);
        match TlsAcceptor::from(tls).accept(stream).into_fallible().await {
            Ok(stream) => Ok(stream),
            Err((error, stream)) => {
                part(stream).await;
                Err(error)
            }
        }
    })
    .await
    .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    let refused =
        |error: &io::Error| tracing::info!(peer = %peer.address, %error, "no control connection");
    outcome.inspect_err(refused).ok()
}

/// Lets a client that was refused read why: with TLS 1.3 it has sent its request by then, and
/// closing on what is unread would reset the alert away.
async fn part(mut stream: Paced<TcpStream>) {
    let reading = async {
        let mut waste = [0; 4096];
        stream.shutdown().await?;
        for _ in 0..16 {
            if stream.read(&mut waste).await? == 0 {
                break;
            }
        }
        io::Result::Ok(())
    };
    let _ = timeout(Duration::from_secs(1), reading).await;
}

/// Says with each request whose certificate the connection showed, as long as what checked it
/// is in force: a CA that is no longer trusted lets nobody go on.
#[derive(Clone)]
struct Named<H> {
    handler: H,
    subject: Option<Subject>,
    checked_by: Arc<ServerConfig>,
    tls: Arc<ArcSwap<ServerConfig>>,
}

impl<H: Handler> Handler for Named<H> {
    async fn handle(&self, mut request: Request<Body>, peer: Peer) -> Response<Body> {
        if let Some(subject) = &self.subject {
            if !Arc::ptr_eq(&self.tls.load(), &self.checked_by) {
                return refuse::outdated();
            }
            request.extensions_mut().insert(subject.clone());
        }
        self.handler.handle(request, peer).await
    }
}

/// A socket left behind by a process that is gone is replaced; one that is in use is not.
fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};

    if std::fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket()) {
        match std::os::unix::net::UnixStream::connect(path) {
            Ok(_) => return Err(io::ErrorKind::AddrInUse.into()),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                std::fs::remove_file(path)?;
            }
            Err(error) => return Err(error),
        }
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

fn failed(at: &str, reason: io::Error) -> StartError {
    StartError::Bind {
        at: at.to_owned(),
        reason,
    }
}
