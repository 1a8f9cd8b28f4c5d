//! A SCIM client as plain as can be: one connection per request, HTTP/1.1 or HTTP/2 over TLS.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Sends requests to one Tenant URL with one token.
#[derive(Clone)]
pub(crate) struct Client {
    address: SocketAddr,
    tls: Arc<rustls::ClientConfig>,
    /// The path of the Tenant URL.
    pub base: String,
    /// What goes into `Authorization`; nothing when empty.
    pub authorization: String,
    /// What goes into `Host`.
    pub host: String,
    http2: bool,
    /// The address to come from, where it matters.
    from: Option<IpAddr>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Client {
    pub(crate) fn new(address: SocketAddr, ca_pem: &[u8], base: &str, token: &str) -> Self {
        Self {
            address,
            tls: trust(ca_pem),
            base: base.to_owned(),
            authorization: format!("Bearer {token}"),
            host: "localhost".to_owned(),
            http2: false,
            from: None,
        }
    }

    pub(crate) fn http2(&self) -> Self {
        Self {
            http2: true,
            ..self.clone()
        }
    }

    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self {
            authorization: format!("Bearer {token}"),
            ..self.clone()
        }
    }

    /// The same with other means of TLS, such as a certificate of its own.
    pub(crate) fn with_tls(&self, tls: rustls::ClientConfig) -> Self {
        Self {
            tls: Arc::new(tls),
            authorization: String::new(),
            ..self.clone()
        }
    }

    pub(crate) fn at(&self, base: &str) -> Self {
        Self {
            base: base.to_owned(),
            ..self.clone()
        }
    }

    /// The same by another address, such as a balancer's, and from one of this machine's own.
    pub(crate) fn by(&self, address: SocketAddr, from: &str) -> Self {
        Self {
            address,
            from: Some(from.parse().unwrap()),
            ..self.clone()
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], Bytes::new()).await
    }

    /// The status of a GET by HTTP/2; nothing where there is no answer.
    pub(crate) async fn try_get(&self, path: &str) -> Option<u16> {
        let stream = self.try_connect(&[b"h2"]).await?;
        let io = TokioIo::new(stream);
        let shaken = hyper::client::conn::http2::handshake(TokioExecutor::new(), io);
        let (mut sender, connection) = shaken.await.ok()?;
        tokio::spawn(connection);
        let target = format!("https://{}{}{path}", self.host, self.base);
        let request = Request::get(target).body(Full::new(Bytes::new())).unwrap();
        let answer = sender.send_request(request).await.ok()?;
        Some(answer.status().as_u16())
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &[], Bytes::new()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.json(Method::POST, path, body).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.json(Method::PUT, path, body).await
    }

    pub(crate) async fn patch(&self, path: &str, operations: &Value) -> Answer {
        let body = serde_json::json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": operations,
        });
        self.json(Method::PATCH, path, &body).await
    }

    pub(crate) async fn json(&self, method: Method, path: &str, body: &Value) -> Answer {
        let headers = [("content-type", "application/scim+json")];
        self.send(method, path, &headers, body.to_string()).await
    }

    /// A TLS connection that offers these protocols.
    pub(crate) async fn connect(&self, protocols: &[&[u8]]) -> TlsStream<TcpStream> {
        self.try_connect(protocols).await.unwrap()
    }

    /// The same; nothing where the handshake fails.
    pub(crate) async fn try_connect(&self, protocols: &[&[u8]]) -> Option<TlsStream<TcpStream>> {
        let mut config = (*self.tls).clone();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let socket = TcpSocket::new_v4().unwrap();
        if let Some(from) = self.from {
            socket.bind(SocketAddr::new(from, 0)).unwrap();
        }
        let stream = socket.connect(self.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
            .ok()
    }

    /// Sends a request as it is given; `path` follows the path of the Tenant URL.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let protocol: &[u8] = if self.http2 { b"h2" } else { b"http/1.1" };
        let stream = self.connect(&[protocol]).await;
        let target = format!("{}{path}", self.base);
        let mut request = if self.http2 {
            Request::builder().uri(format!("https://{}{target}", self.host))
        } else {
            Request::builder().uri(target).header("host", &self.host)
        }
        .method(method);
        if !self.authorization.is_empty() {
            request = request.header("authorization", &self.authorization);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        let io = TokioIo::new(stream);
        let response = if self.http2 {
            let (mut sender, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
                    .await
                    .unwrap();
            tokio::spawn(connection);
            sender.send_request(request).await.unwrap()
        } else {
            let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
            tokio::spawn(connection);
            sender.send_request(request).await.unwrap()
        };
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: head.status,
            headers: head.headers,
            body,
        }
    }
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {:?} {:?}", self.status, self.body))
    }

    /// The status, with the body in the message when it is another.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(
            self.status.as_u16(),
            status,
            "{}",
            String::from_utf8_lossy(&self.body)
        );
        self
    }

    /// An error of this status and keyword, in SCIM's form; gives its detail.
    #[track_caller]
    pub(crate) fn expect_error(self, status: u16, scim_type: Option<&str>) -> String {
        let answer = self.expect(status);
        assert_eq!(answer.headers["content-type"], "application/scim+json");
        let body = answer.json();
        assert_eq!(
            body["schemas"][0],
            "urn:ietf:params:scim:api:messages:2.0:Error"
        );
        assert_eq!(body["status"], status.to_string());
        assert_eq!(
            body.get("scimType").and_then(Value::as_str),
            scim_type,
            "{body}"
        );
        body["detail"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn id(&self) -> String {
        self.json()["id"].as_str().unwrap().to_owned()
    }
}

/// What a client trusts: the certificates that this one signed, and itself.
pub(crate) fn trust(ca_pem: &[u8]) -> Arc<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(ca_pem).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(tls)
}

/// The first certificate that a server shows to somebody who has never been there.
pub(crate) async fn certificate_shown(
    address: SocketAddr,
    tls: &Arc<rustls::ClientConfig>,
) -> Vec<u8> {
    let mut config = (**tls).clone();
    config.resumption = rustls::client::Resumption::disabled();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .unwrap();
    let chain = stream.get_ref().1.peer_certificates().unwrap();
    chain[0].to_vec()
}

/// A GET without TLS, as of a probe: status and body. Nothing when nobody answers.
pub(crate) async fn plain_get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let stream = TcpStream::connect(address).await.ok()?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .ok()?;
    tokio::spawn(connection);
    let request = Request::get(path)
        .header("host", address.to_string())
        .header("connection", "close")
        .body(Full::new(Bytes::new()))
        .unwrap();
    let response = sender.send_request(request).await.ok()?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.ok()?.to_bytes();
    Some((status, String::from_utf8(body.to_vec()).unwrap()))
}
