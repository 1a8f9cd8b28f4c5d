//! The demo's directory on the network: a small HTTP server on loopback that only postern's own
//! demo and tests talk to. It wants a secret of its own, answers `text/html` whatever it says, and
//! shows everything that it gets to a tap.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::IF_NONE_MATCH;
use http::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_MATCH};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper_util::rt::{TokioIo, TokioTimer};
use subtle::ConstantTimeEq as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

use crate::net::Body;
use crate::net::secret::Secret;

use super::rest::{self, Answered, Asked, Service};

/// The demo's directory.
#[derive(Clone)]
pub struct Directory(Arc<Inner>);

/// Called with every request and its answer.
pub type Tap = Arc<dyn Fn(&Seen<'_>) + Send + Sync>;

/// A request and its answer, as the directory saw them.
#[derive(Debug)]
pub struct Seen<'a> {
    /// The method.
    pub method: &'a Method,
    /// Path and query.
    pub target: &'a str,
    /// `X-Request-Id`, which ties it to a request of the SCIM client.
    pub request_id: Option<&'a str>,
    /// What was sent.
    pub body: &'a [u8],
    /// The status of the answer.
    pub status: StatusCode,
    /// The answer.
    pub answer: &'a [u8],
}

/// A directory that runs; it stops when this is dropped.
#[derive(Debug)]
pub struct Running(AbortHandle);

struct Inner {
    secret: Secret,
    tap: Option<Tap>,
    service: Mutex<Service>,
}

impl Directory {
    /// Starts a directory on a free port of loopback. `secret` is the bearer token that it wants.
    ///
    /// # Errors
    /// There is no port to be had.
    pub async fn start(secret: Secret, tap: Option<Tap>) -> std::io::Result<(SocketAddr, Running)> {
        let directory = Self::new(secret, tap)?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(directory.accept(listener));
        Ok((address, Running(task.abort_handle())))
    }

    fn new(secret: Secret, tap: Option<Tap>) -> std::io::Result<Self> {
        let service = Service::seeded().ok_or(std::io::ErrorKind::Other)?;
        Ok(Self(Arc::new(Inner {
            secret,
            tap,
            service: Mutex::new(service),
        })))
    }

    async fn accept(self, listener: TcpListener) {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        // Connections end with the task that accepts them.
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let directory = self.clone();
                    connections.spawn(async move {
                        directory.serve(stream).await;
                        drop(place);
                    });
                }
                // Out of descriptors, most likely: others must end first.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
            while connections.try_join_next().is_some() {}
        }
    }

    async fn serve(self, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let service = hyper::service::service_fn(move |request| {
            let directory = self.clone();
            async move {
                let request = Request::map(request, Body::from);
                Ok::<_, Infallible>(directory.handle(request).await)
            }
        });
        // An error is the peer's: there is nobody to tell.
        let _ = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(IDLE)
            .serve_connection(TokioIo::new(stream), service)
            .await;
    }

    async fn handle(&self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let body = tokio::time::timeout(IDLE, Limited::new(body, MAX_BODY).collect()).await;
        let (body, answered) = match body {
            Ok(Ok(body)) => {
                let body = body.to_bytes();
                let answered = self.answer(&parts, &body);
                (body, answered)
            }
            Ok(Err(_)) => (
                Bytes::new(),
                rest::failure(StatusCode::PAYLOAD_TOO_LARGE, "too large"),
            ),
            Err(_) => (
                Bytes::new(),
                rest::failure(StatusCode::REQUEST_TIMEOUT, "too slow"),
            ),
        };
        let text = answered
            .body
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        if let Some(tap) = &self.0.tap {
            tap(&Seen {
                method: &parts.method,
                target: parts
                    .uri
                    .path_and_query()
                    .map_or("/", |target| target.as_str()),
                request_id: text_of(&parts.headers, &REQUEST_ID),
                body: &body,
                status: answered.status,
                answer: text.as_bytes(),
            });
        }
        respond(&answered, text)
    }

    fn answer(&self, parts: &http::request::Parts, body: &[u8]) -> Answered {
        if !self.knows(&parts.headers) {
            return rest::failure(StatusCode::UNAUTHORIZED, "who are you?");
        }
        let asked = Asked {
            method: &parts.method,
            path: parts.uri.path(),
            query: parts.uri.query().unwrap_or_default(),
            if_match: text_of(&parts.headers, &IF_MATCH),
            if_none_match: text_of(&parts.headers, &IF_NONE_MATCH),
            body,
        };
        self.0
            .service
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .answer(&asked)
    }

    fn knows(&self, headers: &HeaderMap) -> bool {
        let wanted = format!("Bearer {}", self.0.secret.expose());
        let given = headers
            .get(AUTHORIZATION)
            .map_or(&b""[..], HeaderValue::as_bytes);
        bool::from(given.ct_eq(wanted.as_bytes()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn respond(answered: &Answered, text: String) -> Response<Body> {
    let mut response = Response::new(Body::Full(text.into()));
    *response.status_mut() = answered.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
    let tag = answered.version.map(rest::tag);
    if let Some(tag) = tag.and_then(|tag| HeaderValue::from_str(&tag).ok()) {
        headers.insert(ETAG, tag);
    }
    response
}

fn text_of<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const IDLE: Duration = Duration::from_secs(75);
const MAX_CONNECTIONS: usize = 256;
const MAX_BODY: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_over_the_limit_is_refused_unread() {
        let directory = Directory::new(Secret::new("s".to_owned()), None).unwrap();
        for (size, status) in [(MAX_BODY, 400), (MAX_BODY + 1, 413)] {
            let request = Request::post("/people").header(AUTHORIZATION, "Bearer s");
            let request = request.body(Body::Full(vec![b'x'; size].into())).unwrap();
            assert_eq!(directory.handle(request).await.status(), status);
        }
    }
}
