//! Sockets: what is accepted, how it is spoken to, and how it ends.
//!
//! The public door ([`start`]) has as many workers as it is told. Each is a thread with a runtime
//! of its own and a listener of its own on the same address (`SO_REUSEPORT`): a connection lives
//! and dies on one thread. The small doors ([`plain`]) run on the runtime that starts them.

mod accept;
mod bind;
mod connections;
mod entry;
mod exchange;
mod guests;
mod http1;
mod http2;
pub mod limits;
mod parting;
pub mod plain;
mod pulse;
mod refuse;

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use http::{Request, Response};
use ipnet::IpNet;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::gateway::{Gateway, Refused};
use crate::net::shard::{MOST_WORKERS, Shard};
use crate::net::tls::Switch;
use crate::net::{Body, Peer};
use crate::telemetry::Metrics;
use connections::Connections;
use pulse::Heart;

pub use limits::Limits;
pub use pulse::{Arrest, Pulse};

/// What answers requests. Every connection has a clone of its own.
///
/// A request has exactly one `Host`, checked for its form only, and a URI that is a path with
/// an optional query, whether it came by HTTP/1.1 or HTTP/2. (HTTP/1.0 may come without `Host`.)
pub trait Handler: Clone + Send + Sync + 'static {
    /// Answers one request.
    fn handle(
        &self,
        request: Request<Body>,
        peer: Peer,
    ) -> impl Future<Output = Response<Body>> + Send;

    /// A request was refused for its head, before it could be asked for. Gives the answer as it
    /// is to be sent.
    fn refused(&self, answer: Response<Body>, refused: &Refused<'_>) -> Response<Body> {
        let _ = refused;
        answer
    }
}

/// Where the public door listens.
#[derive(Debug, Clone)]
pub struct Listen {
    /// The address; with port 0 the system chooses one, the same for all workers.
    pub address: SocketAddr,
    /// How many threads serve it, at least one.
    pub workers: usize,
    /// Connections from these networks must begin with a header of the PROXY protocol, and are
    /// the client's that it names.
    pub proxies: Arc<[IpNet]>,
}

/// The public door at work. Dropping it ends the workers with whatever they are doing.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    connections: Connections,
    pulse: Pulse,
    stop: watch::Sender<bool>,
    workers: Vec<JoinHandle<()>>,
    ended: Mutex<Receiver<()>>,
}

/// Why a door does not open.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {at}: {reason}")]
    Bind {
        /// The address or path.
        at: String,
        /// In the system's words. (Not a source: those who print the chain would say it twice.)
        reason: io::Error,
    },
    /// The system gives no threads, or no timers.
    #[error("cannot start a worker: {0}")]
    Worker(io::Error),
}

/// Opens the public door. `tls` may be exchanged while it is open: the next connection takes what
/// is there then, and those whose client would not be let in any more end.
///
/// # Errors
/// When the address is taken or may not be used, or the system is out of threads.
pub fn start<H: Handler>(
    listen: &Listen,
    tls: &Arc<Switch>,
    handler: &H,
    limits: Limits,
    metrics: &Arc<Metrics>,
) -> Result<Running, StartError> {
    let workers = listen.workers.clamp(1, MOST_WORKERS);
    let (address, listeners) = bind::shared(listen.address, workers)?;
    let connections = Connections::new(limits.connections);
    let (stop, _) = watch::channel(false);
    let (pulse, hearts) = Pulse::of(workers);
    let (at_work, ended) = mpsc::channel();
    let mut running = Running {
        address,
        connections: connections.clone(),
        pulse,
        stop,
        workers: Vec::with_capacity(workers),
        ended: Mutex::new(ended),
    };
    for (number, (listener, heart)) in listeners.into_iter().zip(hearts).enumerate() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(StartError::Worker)?;
        let door = accept::Door {
            tls: Arc::clone(tls),
            handler: handler.clone(),
            limits,
            connections: connections.clone(),
            proxies: Arc::clone(&listen.proxies),
            metrics: Arc::clone(metrics),
            refusals: accept::Sparingly::default(),
        };
        let source = connections.source();
        let listener = {
            let _context = runtime.enter();
            TcpListener::from_std(listener).map_err(StartError::Worker)?
        };
        let (stopped, at_work) = (running.stop.subscribe(), at_work.clone());
        let worker = std::thread::Builder::new()
            .name(format!("worker-{number}"))
            .spawn(move || {
                work(
                    number,
                    runtime,
                    door.serve(listener, source),
                    heart,
                    stopped,
                );
                drop(at_work);
            })
            .map_err(StartError::Worker)?;
        running.workers.push(worker);
    }
    Ok(running)
}

impl Running {
    /// Where it listens, with the port that was chosen.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.connections.open()
    }

    /// Tells whether the workers turn.
    #[must_use]
    pub fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// From now on the answers of HTTP/1.1 end their connections, so that clients come back through
    /// whatever spreads them, and find another of us there. All else goes on.
    pub fn leave(&self) {
        self.connections.leave();
    }

    /// Closes the door behind the last who has connected, tells every connection to end after the
    /// request under way (a new one: after its first), waits for them until the deadline and cuts
    /// what is left. Says how many were cut. The workers go on, for
    /// whatever else runs on them (writes that a client no longer waits for), until
    /// [`Running::stop`].
    pub async fn drain(&self, deadline: Instant) -> usize {
        self.connections.drain(deadline).await
    }

    /// Ends the workers and waits for their threads, but not for ever: one that is stuck ends with
    /// the process. Everything still running on them is dropped.
    pub fn stop(mut self) {
        self.stop.send_replace(true);
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Nothing is ever sent: the last sender goes with the last worker.
        if ended.recv_timeout(LAST_WAIT) == Err(RecvTimeoutError::Disconnected) {
            for worker in self.workers.drain(..) {
                // A worker that panicked has ended as well.
                let _ = worker.join();
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

impl Handler for Arc<Gateway> {
    async fn handle(&self, request: Request<Body>, peer: Peer) -> Response<Body> {
        Gateway::handle(self, request, peer).await
    }

    fn refused(&self, answer: Response<Body>, refused: &Refused<'_>) -> Response<Body> {
        Gateway::refused(self, answer, refused)
    }
}

impl<F, A> Handler for F
where
    F: Fn(Request<Body>, Peer) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response<Body>> + Send,
{
    async fn handle(&self, request: Request<Body>, peer: Peer) -> Response<Body> {
        self(request, peer).await
    }
}

/// The life of a worker's thread.
fn work(
    number: usize,
    runtime: Runtime,
    serving: impl Future<Output = ()> + Send + 'static,
    heart: Heart,
    mut stopped: watch::Receiver<bool>,
) {
    Shard::enter(number);
    runtime.block_on(async {
        tokio::spawn(serving);
        tokio::spawn(heart.beat());
        // An error means that `Running` is gone, which ends the worker too.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    });
    // Not waiting for a name lookup that hangs.
    runtime.shutdown_background();
}

/// How long the threads may take to end: nothing waits in them by then.
const LAST_WAIT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
