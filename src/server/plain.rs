//! The small doors, probe and control: HTTP/1.1 on a TCP or Unix socket, with the same guard and
//! limits as the public door. Plain, or behind TLS where others than this machine may knock.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::accept::Patience;
use super::connections::{Connection, Connections};
use super::entry::{Entry, Watched};
use super::guests::{Asking, Guests};
use super::limits::Limits;
use super::refuse::First;
use super::{Handler, StartError, bind, http1, refuse};
use crate::gateway::Refused;
use crate::net::paced::Paced;
use crate::net::tls::{Server, Switch};
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
/// what is there then, and those whose client would not be let in any more end. Requests of a client
/// that showed a certificate carry it in their [`Peer`].
///
/// # Errors
/// As [`start`].
pub fn start_tls<H: Handler>(
    address: SocketAddr,
    tls: Arc<Switch>,
    handler: H,
    limits: Limits,
) -> Result<Running, StartError> {
    open(&Listen::Tcp(address), Some(tls), handler, limits)
}

fn open<H: Handler>(
    listen: &Listen,
    tls: Option<Arc<Switch>>,
    handler: H,
    limits: Limits,
) -> Result<Running, StartError> {
    let connections = Connections::new(limits.connections);
    if let Some(tls) = &tls {
        tokio::spawn(connections.clone().follow(Arc::clone(tls)));
    }
    let door = Door {
        handler,
        limits,
        tls,
        connections: connections.clone(),
        guests: Guests::default(),
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
    tls: Option<Arc<Switch>>,
    connections: Connections,
    guests: Guests,
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
        let Some(place) = self.place().await else {
            return;
        };
        let (handler, limits) = (self.heard(), self.limits);
        let asking = handler.asking.clone();
        let stream = Paced::new(stream, limits.pace);
        let task = tokio::spawn(place.run(move |mut place| async move {
            http1::serve(stream, peer, &handler, &limits, &mut place).await;
        }));
        self.guests.add(asking, &task);
    }

    /// The same behind TLS: the handshake has its time, and a place among the connections.
    async fn secured(&self, stream: TcpStream, tls: &Arc<Switch>, mut peer: Peer) {
        let Some(place) = self.place().await else {
            return;
        };
        let (handler, limits) = (self.heard(), self.limits);
        let asking = handler.asking.clone();
        let switch = Arc::clone(tls);
        let task = tokio::spawn(place.run(move |mut place| async move {
            let server = switch.current();
            let Some(stream) = handshake(stream, &server, &limits, &peer).await else {
                return;
            };
            let Some(entry) = Entry::of(stream.get_ref().1, &server, &switch) else {
                return;
            };
            peer.certificate = entry.certificate().cloned();
            place.admit(entry.clone());
            let handler = Watched { handler, entry };
            http1::serve(stream, peer, &handler, &limits, &mut place).await;
        }));
        self.guests.add(asking, &task);
    }

    /// A place, which somebody else has to leave where all are taken.
    async fn place(&self) -> Option<Connection> {
        loop {
            match timeout(FOR_A_PLACE, self.connections.enter()).await {
                Ok(place) => return place,
                Err(_) => self.guests.make_room(),
            }
        }
    }

    fn heard(&self) -> Heard<H> {
        Heard {
            handler: self.handler.clone(),
            asking: Asking::default(),
        }
    }
}

/// TLS, or the reason why not, in time.
async fn handshake(
    stream: TcpStream,
    server: &Server,
    limits: &Limits,
    peer: &Peer,
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
        match TlsAcceptor::from(Arc::clone(&server.config))
            .accept(stream)
            .into_fallible()
            .await
        {
            Ok(stream) => Ok(stream),
            Err((error, stream)) => {
                refuse::read_out(stream).await;
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

/// Says with each request that it is being answered.
#[derive(Clone)]
struct Heard<H> {
    handler: H,
    asking: Asking,
}

impl<H: Handler> Handler for Heard<H> {
    async fn handle(&self, request: Request<Body>, peer: Peer) -> Response<Body> {
        let _asked = self.asking.begin();
        self.handler.handle(request, peer).await
    }

    fn refused(&self, answer: Response<Body>, refused: &Refused<'_>) -> Response<Body> {
        self.handler.refused(answer, refused)
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

/// How long a place is waited for before somebody has to leave, each time: long enough for the one
/// who was sent away to be gone.
const FOR_A_PLACE: Duration = Duration::from_millis(20);
