//! The certificates of a configuration reach the wire, over HTTP/1.1 and HTTP/2.

use std::convert::Infallible;

use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use tokio::net::TcpListener;

use super::*;
use crate::net::tls;

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    fn issue(&self) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        (params.signed_by(&key, &self.0).unwrap(), key)
    }

    fn identity(&self) -> Identity {
        let (certificate, key) = self.issue();
        Identity {
            certificate: certificate.pem().into_bytes(),
            key: Secret::new(key.serialize_pem()),
        }
    }
}

/// A directory that wants a certificate of `authority` and has one of its own; it answers with the
/// version of HTTP and the host that it was called by.
async fn start(authority: &Authority, protocol: &'static str) -> String {
    let (certificate, key) = authority.issue();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.0.der().clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), tls::provider());
    let mut config = rustls::ServerConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(stream) = acceptor.accept(stream).await else {
                continue;
            };
            let service = hyper::service::service_fn(|request| async move {
                let request = http::Request::map(request, Body::from);
                let host = request
                    .headers()
                    .get("host")
                    .map(|h| h.to_str().unwrap().to_owned());
                let host = host.or(request.uri().authority().map(ToString::to_string));
                let version = format!("{:?}", request.version());
                let text = json!({ "no": 17, "version": version, "host": host }).to_string();
                Ok::<_, Infallible>(Response::new(Body::Full(text.into())))
            });
            let stream = TokioIo::new(stream);
            tokio::spawn(async move {
                if protocol == "h2" {
                    let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    let _ = http.serve_connection(stream, service).await;
                } else {
                    let http = hyper::server::conn::http1::Builder::new();
                    let _ = http.serve_connection(stream, service).await;
                }
            });
        }
    });
    format!("https://localhost:{port}/scim")
}

async fn read(config: HttpConfig) -> Result<Value, DirectoryError> {
    let directory = driver(Pool::open(config, None).unwrap(), layout());
    let reply = directory
        .execute(user(Verb::Read(id("17"))), &ask(LATER))
        .await?;
    let Answer::Resource(document) = reply.answer else {
        panic!("{reply:?}")
    };
    Ok(Value::from(document.into_tree()))
}

#[tokio::test]
async fn both_sides_show_their_certificates() {
    let authority = Authority::new();
    for (protocol, version) in [("http/1.1", "HTTP/1.1"), ("h2", "HTTP/2.0")] {
        let url = start(&authority, protocol).await;
        let known = HttpConfig {
            ca: Some(authority.0.pem().into_bytes()),
            identity: Some(authority.identity()),
            ..config(url.clone())
        };
        let seen = read(known.clone()).await.unwrap();
        let host = url.trim_start_matches("https://").trim_end_matches("/scim");
        assert_eq!(seen, json!({ "no": 17, "version": version, "host": host }));

        let stranger = HttpConfig {
            identity: None,
            ..known.clone()
        };
        read(stranger).await.unwrap_err();

        let other = Authority::new().0.pem().into_bytes();
        let error = read(HttpConfig {
            ca: Some(other),
            ..known
        })
        .await
        .unwrap_err();
        assert!(matches!(error, DirectoryError::Unreachable(_)), "{error:?}");
    }
}

#[tokio::test]
async fn certificates_that_do_not_do_are_refused_before_anything_is_sent() {
    let url = || "https://localhost:1/".to_owned();
    let odd = HttpConfig {
        ca: Some(b"not a certificate".to_vec()),
        ..config(url())
    };
    assert!(matches!(Pool::open(odd, None), Err(OpenError::Tls(_))));
    let authority = Authority::new();
    let mut identity = authority.identity();
    identity.key = authority.identity().key;
    let mixed = HttpConfig {
        ca: Some(authority.0.pem().into_bytes()),
        identity: Some(identity),
        ..config(url())
    };
    assert!(matches!(Pool::open(mixed, None), Err(OpenError::Tls(_))));
}
