//! One HTTP/1.1 exchange on a connection of its own, over TCP, TLS or a Unix socket: what a command
//! needs to ask a listener of this program. One deadline for everything, and a limit on the answer.

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout_at;
use tokio_rustls::TlsConnector;

use super::body::{Body, CollectError, Terms, collect};

/// Where to ask.
#[derive(Debug, Clone)]
pub enum Place {
    /// `host:port`, in the clear.
    Tcp(String),
    /// `host:port`, by TLS; the certificate must be for this name.
    Tls(String, ServerName<'static>, Arc<ClientConfig>),
    /// A Unix socket.
    Unix(PathBuf),
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

/// Why nothing came back.
#[derive(Debug, thiserror::Error)]
pub enum OneshotError {
    /// No connection.
    #[error("no connection: {0}")]
    Connect(io::Error),
    /// A connection, but no TLS on it: the certificate does not do, or it is another protocol.
    #[error("no TLS connection: {0}")]
    Handshake(io::Error),
    /// The other side ended the connection by an alert of TLS: with TLS 1.3 that is how a client
    /// hears that its certificate is missing or not accepted.
    #[error("refused by TLS: {0}")]
    Alert(String),
    /// The connection was lost before the answer was there.
    #[error("the connection was lost before the answer came")]
    Lost,
    /// What came is not HTTP.
    #[error("the answer is not HTTP")]
    NotHttp,
    /// It is larger than the limit.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    /// The deadline passed.
    #[error("no answer came in time")]
    TimedOut,
}

/// Sends the request, whose target is a path, once, and reads the whole answer. `Host` and
/// `Connection` are the caller's.
///
/// # Errors
/// See [`OneshotError`].
pub async fn ask(
    place: &Place,
    request: Request<Body>,
    deadline: Instant,
    limit: usize,
) -> Result<Answer, OneshotError> {
    let exchange = async {
        match place {
            Place::Unix(path) => {
                let stream = UnixStream::connect(path)
                    .await
                    .map_err(OneshotError::Connect)?;
                talk(stream, request, deadline, limit).await
            }
            Place::Tcp(address) => talk(tcp(address).await?, request, deadline, limit).await,
            Place::Tls(address, name, config) => {
                let stream = tcp(address).await?;
                let stream = TlsConnector::from(Arc::clone(config))
                    .connect(name.clone(), stream)
                    .await
                    .map_err(OneshotError::Handshake)?;
                talk(stream, request, deadline, limit).await
            }
        }
    };
    timeout_at(deadline.into(), exchange)
        .await
        .unwrap_or(Err(OneshotError::TimedOut))
}

async fn tcp(address: &str) -> Result<TcpStream, OneshotError> {
    let stream = TcpStream::connect(address)
        .await
        .map_err(OneshotError::Connect)?;
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

async fn talk<S>(
    stream: S,
    request: Request<Body>,
    deadline: Instant,
    limit: usize,
) -> Result<Answer, OneshotError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| failure(&error))?;
    // It ends with the exchange: the sender is dropped, or the task's runtime is.
    let connection = tokio::spawn(connection);
    let exchange = async {
        let response = sender.send_request(request).await;
        let (head, body) = response.map_err(|error| failure(&error))?.into_parts();
        let terms = Terms {
            limit,
            idle: deadline.saturating_duration_since(Instant::now()),
            deadline,
        };
        let body = collect(Body::from(body), terms).await;
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body: body.map_err(|error| match error {
                CollectError::TooLarge(limit) => OneshotError::TooLarge(limit),
                CollectError::TimedOut => OneshotError::TimedOut,
                CollectError::Broken => OneshotError::Lost,
            })?,
        })
    };
    let outcome = exchange.await;
    connection.abort();
    outcome
}

/// What a failed exchange means: an alert is told apart, since it says what to do.
fn failure(error: &hyper::Error) -> OneshotError {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(source) = next {
        let within = source
            .downcast_ref::<io::Error>()
            .and_then(|io| io.get_ref())
            .and_then(|inner| inner.downcast_ref::<rustls::Error>());
        if let Some(alert) = within.or_else(|| source.downcast_ref::<rustls::Error>()) {
            return OneshotError::Alert(alert.to_string());
        }
        next = source.source();
    }
    if error.is_parse() || error.is_parse_status() {
        OneshotError::NotHttp
    } else {
        OneshotError::Lost
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// A listener that says these bytes to whoever asks; nothing, and stays, when there are none.
    async fn saying(bytes: &'static [u8]) -> Place {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = Place::Tcp(listener.local_addr().unwrap().to_string());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 1024];
            let _ = stream.read(&mut head).await;
            if bytes.is_empty() {
                std::future::pending::<()>().await;
            }
            let _ = stream.write_all(bytes).await;
        });
        place
    }

    async fn outcome(place: &Place, time: Duration) -> Result<Answer, OneshotError> {
        let mut request = Request::new(Body::Empty);
        *request.uri_mut() = "/status".parse().unwrap();
        ask(place, request, Instant::now() + time, 10).await
    }

    const FAR: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn an_answer_is_read_whole() {
        let place = saying(b"HTTP/1.1 409 Conflict\r\ncontent-length: 2\r\n\r\nno").await;
        let answer = outcome(&place, FAR).await.unwrap();
        assert_eq!((answer.status.as_u16(), &*answer.body), (409, &b"no"[..]));
    }

    #[tokio::test]
    async fn every_way_to_fail_has_its_name() {
        let large = saying(b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n12345678901").await;
        let large = outcome(&large, FAR).await;
        assert!(
            matches!(large, Err(OneshotError::TooLarge(10))),
            "{large:?}"
        );
        let broken = saying(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n12").await;
        let broken = outcome(&broken, FAR).await;
        assert!(matches!(broken, Err(OneshotError::Lost)), "{broken:?}");
        let other = outcome(&saying(b"SSH-2.0-OpenSSH_9.2\r\n").await, FAR).await;
        assert!(matches!(other, Err(OneshotError::NotHttp)), "{other:?}");
        let silent = outcome(&saying(b"").await, Duration::from_millis(50)).await;
        assert!(matches!(silent, Err(OneshotError::TimedOut)), "{silent:?}");
        let nobody = outcome(&Place::Unix("/nonexistent/x.sock".into()), FAR).await;
        assert!(
            matches!(nobody, Err(OneshotError::Connect(_))),
            "{nobody:?}"
        );
    }
}
