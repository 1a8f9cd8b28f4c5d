//! The HTTP client towards directories: pooled HTTP/1.1 and HTTP/2 over TLS or plain TCP.
//!
//! What it adds to hyper-util's client: a limit on open requests, a pool per worker, one deadline
//! for everything up to the answer's head, and errors that say whether anything of the request
//! may have left. It never repeats a request by itself.

mod interim;
mod tally;

use std::error::Error as StdError;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use http::{Request, Response, StatusCode};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::connect::{CaptureConnection, HttpConnector, capture_connection};
use hyper_util::client::legacy::{Client as Pool, Error as PoolError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::Semaphore;
use tokio::time::timeout_at;

use super::body::{Arriving, Body};
use super::shard::{SHARDS, Shard};
use tally::Connector;

pub(super) use tally::Place;
pub use tally::Tally;

/// How a client connects.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// For `https` URLs; without ALPN, which is set here.
    pub tls: rustls::ClientConfig,
    /// For a connection to stand, TLS included, and for a place among the open requests.
    pub connect_timeout: Duration,
    /// How long an unused connection is kept: less than the directory keeps it.
    pub idle_timeout: Duration,
    /// How many requests may be open at once, from all workers together; over HTTP/1.1 this is
    /// the number of connections in use.
    pub max_open: usize,
    /// Where its connections are counted.
    pub tally: Arc<Tally>,
}

/// A client with its connections. Cheap to clone; the clones share them.
#[derive(Clone)]
pub struct Client(Arc<Shared>);

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Nothing of the request left. The text says why, for operators.
    #[error("no connection: {0}")]
    Unreachable(String),
    /// Nothing of the request left: no place among the open requests became free in time.
    #[error("too many requests are open")]
    Overloaded,
    /// The connection ended when some of the request may have left.
    #[error("the connection was lost before the answer came")]
    Lost,
    /// The deadline passed when some of the request may have left.
    #[error("no answer came in time")]
    TimedOut,
    /// What came is not a sensible HTTP answer; some of the request has left.
    #[error("the answer is not understood: {0}")]
    Malformed(&'static str),
}

struct Shared {
    config: ClientConfig,
    open: Arc<Semaphore>,
    /// Made on first use, one per worker.
    pools: Vec<OnceLock<Connections>>,
}

type Connections = Pool<Connector, Body>;

impl ClientConfig {
    /// With the usual times and limits.
    #[must_use]
    pub fn new(tls: rustls::ClientConfig) -> Self {
        Self {
            tls,
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(15),
            max_open: 256,
            tally: Arc::default(),
        }
    }
}

impl Client {
    /// Opens nothing yet.
    #[must_use]
    pub fn new(mut config: ClientConfig) -> Self {
        // The connector sets it, and insists on finding it empty.
        config.tls.alpn_protocols.clear();
        let open = Arc::new(Semaphore::new(config.max_open.min(Semaphore::MAX_PERMITS)));
        let pools = (0..SHARDS).map(|_| OnceLock::new()).collect();
        Self(Arc::new(Shared {
            config,
            open,
            pools,
        }))
    }

    /// Sends the request, whose URI is absolute, once, and waits for the head of the answer. The
    /// body of the request must be in hand ([`Body::Empty`] or [`Body::Full`]); that of the answer
    /// arrives as it is read, under terms of the caller's.
    ///
    /// # Errors
    /// See [`SendError`]; only `Unreachable` and `Overloaded` are certain that nothing left.
    pub async fn send(
        &self,
        mut request: Request<Body>,
        deadline: Instant,
    ) -> Result<Response<Body>, SendError> {
        let start = Instant::now();
        let connected_by = start
            .checked_add(self.0.config.connect_timeout)
            .map_or(deadline, |time| time.min(deadline));
        let mut place = self.place(connected_by).await?;
        let mut connection = capture_connection(&mut request);
        let answering = self.connections()?.request(request);
        tokio::pin!(answering);

        // Until a connection is there, its own time counts; whichever ends first ends the wait.
        let connecting = async {
            tokio::select! {
                biased;
                answer = &mut answering => Some(answer),
                _ = connection.wait_for_connection_metadata() => None,
            }
        };
        let answer = match timeout_at(connected_by.into(), connecting).await {
            Err(_) => {
                self.tally().connect_failed();
                return Err(SendError::Unreachable("connecting took too long".into()));
            }
            Ok(Some(answer)) => {
                on_its_connection(&mut place, &connection);
                answer
            }
            Ok(None) => {
                on_its_connection(&mut place, &connection);
                timeout_at(deadline.into(), answering)
                    .await
                    .map_err(|_| SendError::TimedOut)?
            }
        };
        let answer = answer.map_err(|error| failure(&error, &connection))?;
        sensible(answer.status())?;
        Ok(answer.map(|incoming| Body::Incoming(Arriving::with_place(incoming, place))))
    }

    /// How many more requests could be opened now.
    #[must_use]
    pub fn places(&self) -> usize {
        self.0.open.available_permits()
    }

    /// How its connections are.
    #[must_use]
    pub fn tally(&self) -> &Arc<Tally> {
        &self.0.config.tally
    }

    async fn place(&self, by: Instant) -> Result<Place, SendError> {
        let _waiting = self.tally().wait();
        let place = Arc::clone(&self.0.open).acquire_owned();
        match timeout_at(by.into(), place).await {
            Ok(Ok(permit)) => Ok(Place::new(permit)),
            // It is never closed.
            Ok(Err(_)) | Err(_) => Err(SendError::Overloaded),
        }
    }

    fn connections(&self) -> Result<&Connections, SendError> {
        let pool = self.0.pools.get(Shard::current().index());
        let pool = pool.ok_or_else(|| SendError::Unreachable("no such worker".into()))?;
        Ok(pool.get_or_init(|| connections(&self.0.config)))
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

fn connections(config: &ClientConfig) -> Connections {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(config.connect_timeout));
    tcp.set_keepalive(Some(Duration::from_secs(60)));
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(config.tls.clone())
        .https_or_http()
        .enable_http1()
        .enable_http2()
        .wrap_connector(tcp);
    Pool::builder(TokioExecutor::new())
        // Without a timer neither idle connections nor dead HTTP/2 peers are ever noticed.
        .pool_timer(TokioTimer::new())
        .timer(TokioTimer::new())
        .pool_idle_timeout(config.idle_timeout)
        .pool_max_idle_per_host(config.max_open)
        // Repeating is the caller's decision, and it never is for a write.
        .retry_canceled_requests(false)
        .http1_max_buf_size(128 * 1024)
        .http2_max_header_list_size(64 * 1024)
        .http2_keep_alive_interval(Duration::from_secs(20))
        .http2_keep_alive_timeout(Duration::from_secs(10))
        .build(Connector::new(connector, Arc::clone(&config.tally)))
}

/// Takes note of which connection a request is on, if it came so far.
fn on_its_connection(place: &mut Place, connection: &CaptureConnection) {
    if let Some(connected) = &*connection.connection_metadata() {
        place.is_on(connected);
    }
}

/// Certain that nothing left: when no connection was given to the request, or the connection gave
/// it back unwritten. Otherwise it may have arrived.
fn failure(error: &PoolError, connection: &CaptureConnection) -> SendError {
    let source = error
        .source()
        .and_then(|s| s.downcast_ref::<hyper::Error>());
    let unwritten = source.is_some_and(hyper::Error::is_canceled);
    if connection.connection_metadata().is_none() || unwritten {
        SendError::Unreachable(chain(error))
    } else if source.is_some_and(|s| s.is_parse() || s.is_parse_status()) {
        SendError::Malformed("it is not HTTP")
    } else {
        SendError::Lost
    }
}

/// What no server may answer: we never ask to switch protocols, and RFC 9110 15 ends at 599.
fn sensible(status: StatusCode) -> Result<(), SendError> {
    match status.as_u16() {
        ..200 => Err(SendError::Malformed(
            "an interim status that was not asked for",
        )),
        200..600 => Ok(()),
        600.. => Err(SendError::Malformed("a status above 599")),
    }
}

/// The innermost reason: `connection refused`, not `client error (Connect)`.
fn chain(error: &PoolError) -> String {
    let mut innermost: &dyn StdError = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests;
