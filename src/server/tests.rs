//! The doors from outside: real sockets, real TLS, bytes by hand. Times are short by the limits
//! of a test's own door; every wait is for an event.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::net::body::{Terms, collect};
use crate::net::client::{Client, ClientConfig as DirectoryClient};
use crate::net::tls;

mod drain;
mod entry;
mod http2;
mod plain;
mod proxy;
mod public;
mod smuggling;

const FAR: Duration = Duration::from_secs(60);

/// A public door whose handler says what it was asked.
struct TestDoor {
    running: Option<Running>,
    tls: Arc<Switch>,
    ca: String,
    /// Requests that reached the handler.
    asked: Arc<AtomicUsize>,
    metrics: Arc<Metrics>,
    /// Each request to `/wait` needs one of these to be answered.
    go: Arc<Semaphore>,
}

type Tls = TlsStream<TcpStream>;

impl TestDoor {
    fn open(change: impl FnOnce(&mut Limits)) -> Self {
        Self::with_workers(1, change)
    }

    fn with_workers(workers: usize, change: impl FnOnce(&mut Limits)) -> Self {
        Self::behind(&[], workers, change)
    }

    fn behind(proxies: &[&str], workers: usize, change: impl FnOnce(&mut Limits)) -> Self {
        let proxies: Vec<_> = proxies.iter().map(|net| net.parse().unwrap()).collect();
        let mut limits = Limits::default();
        change(&mut limits);
        let (ca, tls) = certificate();
        let tls = Arc::new(Switch::new(tls));
        let metrics = Arc::new(Metrics::new());
        let asked = Arc::new(AtomicUsize::new(0));
        let go = Arc::new(Semaphore::new(0));
        let handler = echo(Arc::clone(&asked), Arc::clone(&go));
        let listen = Listen {
            address: "127.0.0.1:0".parse().unwrap(),
            workers,
            proxies: proxies.into(),
        };
        let running = start(&listen, &tls, &handler, limits, &metrics).unwrap();
        Self {
            running: Some(running),
            tls,
            ca,
            asked,
            metrics,
            go,
        }
    }

    fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    async fn tcp(&self) -> TcpStream {
        TcpStream::connect(self.running().address()).await.unwrap()
    }

    async fn tls(&self, alpn: &[&str]) -> Tls {
        self.handshake(alpn, rustls::ALL_VERSIONS).await.unwrap()
    }

    async fn handshake(
        &self,
        alpn: &[&str],
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> io::Result<Tls> {
        let config = self.client_config(alpn, versions);
        TlsConnector::from(Arc::new(config))
            .connect(ServerName::try_from("localhost").unwrap(), self.tcp().await)
            .await
    }

    fn client_config(
        &self,
        alpn: &[&str],
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(self.ca.as_bytes()).unwrap())
            .unwrap();
        let mut config = ClientConfig::builder_with_provider(tls::provider())
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        config
    }

    /// The client that directories are asked with; here it asks the door.
    fn client(&self) -> Client {
        let tls = tls::client_config(Some(self.ca.as_bytes()), None).unwrap();
        Client::new(DirectoryClient::new(tls))
    }

    fn url(&self, path: &str) -> String {
        format!(
            "https://localhost:{}{path}",
            self.running().address().port()
        )
    }
}

fn certificate() -> (String, tls::Server) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let config = tls::Server::public((cert.as_bytes(), key.as_bytes()), None, None).unwrap();
    (cert, config)
}

/// Answers `METHOD path host body`, or as much data as the path says: `/bytes/1000000`.
fn echo(asked: Arc<AtomicUsize>, go: Arc<Semaphore>) -> impl Handler {
    move |request: Request<Body>, peer: Peer| {
        let (asked, go) = (Arc::clone(&asked), Arc::clone(&go));
        async move {
            asked.fetch_add(1, Ordering::SeqCst);
            let (head, body) = request.into_parts();
            if head.uri.path() == "/wait" {
                go.acquire().await.unwrap().forget();
            }
            if head.uri.path() == "/block" {
                while go.try_acquire().map(|permit| permit.forget()).is_err() {
                    std::thread::yield_now();
                }
            }
            if let Some(size) = head.uri.path().strip_prefix("/bytes/") {
                let bytes = vec![b'x'; size.parse().unwrap()];
                return Response::new(Body::Full(bytes.into()));
            }
            if head.uri.path() == "/peer" {
                let text = match peer.through {
                    Some(proxy) => format!("{} through {}", peer.address, proxy.ip()),
                    None => format!("{} directly", peer.address.ip()),
                };
                return Response::new(Body::Full(text.into()));
            }
            if head.uri.path() == "/early" {
                return Response::new(Body::Full("early".into()));
            }
            if head.uri.path() == "/late" {
                return Response::new(Body::Stream(Box::pin(Late(Some(Box::pin(async move {
                    go.acquire().await.unwrap().forget();
                }))))));
            }
            if head.uri.path() == "/stream" {
                return Response::new(Body::Stream(Box::pin(Endless)));
            }
            let terms = Terms {
                limit: 1 << 20,
                idle: FAR,
                deadline: Instant::now() + FAR,
            };
            match collect(body, terms).await {
                Ok(body) => {
                    let host = head
                        .headers
                        .get("host")
                        .map_or("-", |host| host.to_str().unwrap());
                    let body = String::from_utf8_lossy(&body);
                    let text = format!("{} {} {host} {body}", head.method, head.uri);
                    Response::new(Body::Full(text.into()))
                }
                Err(_) => refuse::error(http::StatusCode::BAD_REQUEST, "broken body"),
            }
        }
    }
}

/// A body whose only part comes when a future is done.
struct Late(Option<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl futures_core::Stream for Late {
    type Item = Result<Bytes, crate::scim::operation::Interrupted>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(until) = self.0.as_mut() else {
            return Poll::Ready(None);
        };
        std::task::ready!(until.as_mut().poll(cx));
        self.0 = None;
        Poll::Ready(Some(Ok(Bytes::from_static(b"late"))))
    }
}

/// A body that always has more.
struct Endless;

impl futures_core::Stream for Endless {
    type Item = Result<Bytes, crate::scim::operation::Interrupted>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(Some(Ok(Bytes::from_static(&[b'x'; 1000]))))
    }
}

/// One answer of known length from a stream: its status and its body.
async fn answer(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> (u16, String) {
    let (status, _, body) = whole_answer(stream).await;
    (status, body)
}

async fn whole_answer(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> (u16, String, String) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = stream.read_u8().await.expect("an answer");
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let status = head.get(9..12).unwrap().parse().unwrap();
    let length = head.split_once("content-length: ").map_or(0, |(_, rest)| {
        rest.split_once("\r\n").unwrap().0.parse().unwrap()
    });
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    (status, head, String::from_utf8(body).unwrap())
}

/// Everything up to the end, however it ends.
async fn rest(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all).await;
    String::from_utf8_lossy(&all).into_owned()
}

/// A sample of the metrics, by its name as it is written there.
fn sample(metrics: &Metrics, name: &str) -> f64 {
    let text = metrics.render(&crate::telemetry::Scene::default());
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.map_or(0.0, |value| value.parse().unwrap())
}

async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + FAR;
    while !holds() {
        assert!(Instant::now() < end, "{what} did not come about");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
