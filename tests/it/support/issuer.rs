//! An issuer of access tokens as a test wants it: real keys, a real HTTP server on loopback that
//! gives them out, answers about tokens, and counts what it was asked.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// A private key, and what stands for it in a set.
#[derive(Clone)]
pub(crate) struct Key {
    pub name: String,
    pub algorithm: Algorithm,
    private: EncodingKey,
    pub jwk: Value,
}

/// A server at work; it stops when it is dropped.
pub(crate) struct Issuer {
    pub address: SocketAddr,
    secure: bool,
    held: Arc<Mutex<Held>>,
    task: tokio::task::JoinHandle<()>,
}

/// Status, headers, body.
type Said = (u16, Vec<(&'static str, String)>, String);

/// What it says, and what it was asked.
#[derive(Default)]
pub(crate) struct Held {
    /// What it answers by path.
    pub answers: HashMap<String, Said>,
    /// What it says of tokens that are asked about.
    pub tokens: HashMap<String, Value>,
    /// Connections are dropped at once.
    pub down: bool,
    /// How long an answer takes.
    pub delay: Duration,
    /// What came: path with query, headers, body.
    pub seen: Vec<(String, HeaderMap, String)>,
}

impl Key {
    pub(crate) fn ec(name: &str) -> Self {
        let pair = rcgen::KeyPair::generate().unwrap();
        Self::of(
            name,
            Algorithm::ES256,
            EncodingKey::from_ec_der(&pair.serialize_der()),
        )
    }

    pub(crate) fn ed(name: &str) -> Self {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let der = pair.serialize_der();
        // The short form of PKCS #8, as it was before there were attributes.
        let short = [&der[..4], &[0], &der[5..16], &der[16..48]].concat();
        let short = [&[0x30, 46, 2, 1][..], &short[4..]].concat();
        Self::of(name, Algorithm::EdDSA, EncodingKey::from_ed_der(&short))
    }

    pub(crate) fn rsa(name: &str) -> Self {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        let der = pair.serialize_der();
        // The key itself stands within PKCS #8, behind 26 bytes.
        Self::of(
            name,
            Algorithm::RS256,
            EncodingKey::from_rsa_der(&der[26..]),
        )
    }

    fn of(name: &str, algorithm: Algorithm, private: EncodingKey) -> Self {
        let jwk = Jwk::from_encoding_key(&private, algorithm).unwrap();
        let mut jwk = serde_json::to_value(jwk).unwrap();
        // As Entra ID has it: no `alg`.
        jwk.as_object_mut().unwrap().remove("alg");
        jwk["kid"] = name.into();
        jwk["use"] = "sig".into();
        Self {
            name: name.to_owned(),
            algorithm,
            private,
            jwk,
        }
    }

    /// A token that says this, signed as it should be.
    pub(crate) fn token(&self, claims: &Value) -> String {
        self.sign(&self.header().to_string(), &claims.to_string())
    }

    pub(crate) fn header(&self) -> Value {
        json!({"alg": format!("{:?}", self.algorithm), "kid": self.name, "typ": "at+jwt"})
    }

    /// A token with these very texts, signed whatever they say.
    pub(crate) fn sign(&self, header: &str, claims: &str) -> String {
        let signed = format!(
            "{}.{}",
            encode(header.as_bytes()),
            encode(claims.as_bytes())
        );
        let algorithm = self.algorithm;
        let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &self.private, algorithm);
        format!("{signed}.{}", signature.unwrap())
    }
}

impl Issuer {
    pub(crate) async fn start() -> Self {
        Self::serve(None).await
    }

    /// The same by TLS; `localhost` is its name.
    pub(crate) async fn start_tls(certificate: &str, key: &str) -> Self {
        let own = (certificate.as_bytes(), key.as_bytes());
        let tls = postern::net::tls::Server::public(own, None, None).unwrap();
        Self::serve(Some(TlsAcceptor::from(tls.config))).await
    }

    async fn serve(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let held = Arc::new(Mutex::new(Held::default()));
        let (shared, secure) = (Arc::clone(&held), tls.is_some());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if shared.lock().unwrap().down {
                    continue;
                }
                tokio::spawn(talk(stream, tls.clone(), Arc::clone(&shared)));
            }
        });
        Self {
            address,
            secure,
            held,
            task,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        if self.secure {
            format!("https://localhost:{}{path}", self.address.port())
        } else {
            format!("http://{}{path}", self.address)
        }
    }

    pub(crate) fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap()
    }

    /// These are its keys from now on, at `/keys`.
    pub(crate) fn publish(&self, keys: &[&Key]) {
        let keys: Vec<&Value> = keys.iter().map(|key| &key.jwk).collect();
        self.say("/keys", 200, &[], &json!({"keys": keys}).to_string());
    }

    pub(crate) fn say(
        &self,
        path: &str,
        status: u16,
        headers: &[(&'static str, &str)],
        body: &str,
    ) {
        let headers = headers
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        let answer = (status, headers.collect(), body.to_owned());
        self.held().answers.insert(path.to_owned(), answer);
    }

    /// How often a path was asked for.
    pub(crate) fn asked(&self, path: &str) -> usize {
        let held = self.held();
        let paths = held.seen.iter().map(|(seen, ..)| seen.split('?').next());
        paths.filter(|seen| *seen == Some(path)).count()
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn talk(stream: TcpStream, tls: Option<TlsAcceptor>, held: Arc<Mutex<Held>>) {
    let service = service_fn(move |request| answer(request, Arc::clone(&held)));
    let http = hyper::server::conn::http1::Builder::new();
    let _ = match tls {
        None => http.serve_connection(TokioIo::new(stream), service).await,
        Some(tls) => match tls.accept(stream).await {
            Ok(stream) => http.serve_connection(TokioIo::new(stream), service).await,
            Err(_) => return,
        },
    };
}

async fn answer(
    request: Request<Incoming>,
    held: Arc<Mutex<Held>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .map(|body| body.to_bytes())
        .unwrap_or_default();
    let body = String::from_utf8_lossy(&body).into_owned();
    let path = head.uri.path().to_owned();
    let delay = {
        let mut held = held.lock().unwrap();
        let whole = head.uri.path_and_query().unwrap().to_string();
        held.seen.push((whole, head.headers.clone(), body.clone()));
        held.delay
    };
    tokio::time::sleep(delay).await;
    let held = held.lock().unwrap();
    let token = || {
        let form = body.split('&').find_map(|pair| pair.strip_prefix("token="));
        let bearer = head
            .headers
            .get("authorization")
            .and_then(|value| value.to_str().ok());
        let bearer = bearer.and_then(|value| value.strip_prefix("Bearer "));
        form.or(bearer).unwrap_or_default().to_owned()
    };
    let (status, headers, body) = match (&*path, held.answers.get(&path)) {
        (_, Some(answer)) => answer.clone(),
        ("/introspect", None) => {
            let said = held.tokens.get(&token()).cloned();
            let said = said.unwrap_or_else(|| json!({"active": false}));
            (200, Vec::new(), said.to_string())
        }
        ("/verify_token/", None) => match held.tokens.get(&token()) {
            Some(said) => (200, Vec::new(), said.to_string()),
            None => (401, Vec::new(), String::new()),
        },
        _ => (404, Vec::new(), String::new()),
    };
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    Ok(response.body(Full::new(body.into())).unwrap())
}

/// Seconds since 1970, so many from now.
pub(crate) fn seconds(from_now: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap() + from_now
}

/// Base64url without padding.
pub(crate) fn encode(bytes: &[u8]) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let all = chunk
            .iter()
            .fold(0u32, |all, byte| all << 8 | u32::from(*byte));
        let all = all << (8 * (3 - chunk.len()));
        for at in 0..=chunk.len() {
            out.push(char::from(ALPHABET[(all >> (18 - 6 * at) & 63) as usize]));
        }
    }
    out
}
