//! A directory whose answers betray the rule that they were read by. Each resource has every
//! attribute `k0`, `k1`, … and `t0`, `t1`, …; a rule maps one pair of them, its *mark*. What the
//! directory is asked in is told in the answer as well (`sawn`), so that a request and an answer
//! that two rules had a hand in cannot go unseen.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// How many marks there are.
pub(crate) const MARKS: usize = 10;

/// The sync rule with a mark; `backend` is what follows `backend:`.
pub(crate) fn rule(path: &str, backend: &str, mark: usize) -> String {
    format!(
        "tenant_url: https://localhost{path}\n\
         backend: {backend}\n\
         resources:\n\
         \x20 User:\n\
         \x20   attributes:\n\
         \x20     - {{scim: userName, target: login, required: true}}\n\
         \x20     - {{scim: nickName, target: k{mark}}}\n\
         \x20     - {{scim: title, target: t{mark}}}\n\
         \x20     - {{scim: displayName, target: sawn, direction: read}}\n\
         \x20   unmapped: drop\n"
    )
}

/// What a directory like this can do, for `supports:`.
pub(crate) const SUPPORTS: &str =
    "supports: {patch: true, etag: false, filter: true, sort: true, page: true}";

/// A directory that runs.
pub(crate) struct Marked {
    pub address: SocketAddr,
    seen: Arc<Seen>,
}

/// What it has seen.
#[derive(Default)]
struct Seen {
    /// Connections that ended though they had just been used.
    cut: AtomicU64,
    /// The last `Authorization`, and how often each came.
    secrets: Mutex<(String, BTreeMap<String, u64>)>,
    wrong: Mutex<Vec<String>>,
}

impl Marked {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen::default());
        let all = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let seen = Arc::clone(&all);
                tokio::spawn(async move {
                    let used = Arc::new(Mutex::new(Instant::now()));
                    let service = {
                        let (seen, used) = (Arc::clone(&seen), Arc::clone(&used));
                        hyper::service::service_fn(move |request| {
                            let (seen, used) = (Arc::clone(&seen), Arc::clone(&used));
                            async move {
                                let answer = seen.answer(request).await;
                                *used.lock().unwrap() = Instant::now();
                                Ok::<_, Infallible>(answer)
                            }
                        })
                    };
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                    if used.lock().unwrap().elapsed() < IDLE {
                        seen.cut.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        Self { address, seen }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Connections that were closed sooner than for being idle.
    pub(crate) fn cut(&self) -> u64 {
        self.seen.cut.load(Ordering::Relaxed)
    }

    /// The secret of the last request.
    pub(crate) fn last_secret(&self) -> String {
        self.seen.secrets.lock().unwrap().0.clone()
    }

    /// Every secret that came.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let secrets = self.seen.secrets.lock().unwrap();
        secrets.1.keys().cloned().collect()
    }

    /// Requests that no single rule can have made.
    pub(crate) fn wrong(&self) -> Vec<String> {
        self.seen.wrong.lock().unwrap().clone()
    }
}

impl Seen {
    async fn answer(&self, request: Request<Incoming>) -> Response<BoxBody<Bytes, Infallible>> {
        let (head, body) = request.into_parts();
        let path = head.uri.path().to_owned();
        let query = head.uri.query().unwrap_or_default().to_owned();
        let body = body.collect().await.map(|body| body.to_bytes());
        let body = String::from_utf8(body.unwrap_or_default().to_vec()).unwrap();
        if path == "/ServiceProviderConfig" {
            return answer(StatusCode::NOT_FOUND, &json!({}));
        }
        if let Some(secret) = head.headers.get("authorization") {
            let secret = secret.to_str().unwrap().to_owned();
            let mut secrets = self.secrets.lock().unwrap();
            *secrets.1.entry(secret.clone()).or_default() += 1;
            secrets.0 = secret;
        }
        // The marks in the query and in the body.
        let told = format!("{query}\n{body}");
        let marks: Vec<usize> = (0..MARKS)
            .filter(|mark| told.contains(&format!("k{mark}")) || told.contains(&format!("t{mark}")))
            .collect();
        let both =
            |mark: &usize| told.contains(&format!("k{mark}")) && told.contains(&format!("t{mark}"));
        if marks.len() > 1 || !marks.iter().all(both) {
            let what = format!("{} {path} {told}", head.method);
            self.wrong.lock().unwrap().push(what);
        }
        let sawn = marks.first().map_or("none".to_owned(), usize::to_string);
        let id = path.rsplit('/').next().unwrap_or_default();
        match head.method {
            Method::POST => answer(StatusCode::CREATED, &person("new", &sawn)),
            Method::GET if path == "/Users" && query.contains("count=400") => slowly(&sawn),
            Method::GET if path == "/Users" => {
                let people: Vec<Value> = (0..5).map(|n| person(&n.to_string(), &sawn)).collect();
                answer(StatusCode::OK, &list(&people))
            }
            _ => answer(StatusCode::OK, &person(id, &sawn)),
        }
    }
}

/// A person with all marks.
fn person(id: &str, sawn: &str) -> Value {
    let mut person = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "id": id,
        "login": format!("login-{id}"),
        "sawn": sawn,
    });
    for mark in 0..MARKS {
        person[format!("k{mark}")] = format!("k-{mark}").into();
        person[format!("t{mark}")] = format!("t-{mark}").into();
    }
    person
}

fn list(people: &[Value]) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": people.len(),
        "startIndex": 1,
        "itemsPerPage": people.len(),
        "Resources": people,
    })
}

fn answer(status: StatusCode, body: &Value) -> Response<BoxBody<Bytes, Infallible>> {
    Response::builder()
        .status(status)
        .header("content-type", "application/scim+json")
        .body(Full::new(Bytes::from(body.to_string())).boxed())
        .unwrap()
}

/// A list that is on its way long enough for a swap to come between, and too large to be held:
/// its first part is sent while its last is not there yet.
fn slowly(sawn: &str) -> Response<BoxBody<Bytes, Infallible>> {
    let people: Vec<Value> = (0..400).map(|n| person(&n.to_string(), sawn)).collect();
    let text = Bytes::from(list(&people).to_string());
    let (parts, arriving) = tokio::sync::mpsc::channel::<Bytes>(1);
    tokio::spawn(async move {
        let step = text.len().div_ceil(PARTS);
        for start in (0..text.len()).step_by(step) {
            let end = (start + step).min(text.len());
            if parts.send(text.slice(start..end)).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let body = StreamBody::new(Parts(arriving)).boxed();
    Response::builder()
        .header("content-type", "application/scim+json")
        .body(body)
        .unwrap()
}

struct Parts(tokio::sync::mpsc::Receiver<Bytes>);

impl futures_core::Stream for Parts {
    type Item = Result<Frame<Bytes>, Infallible>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0
            .poll_recv(context)
            .map(|part| part.map(|bytes| Ok(Frame::data(bytes))))
    }
}

const PARTS: usize = 20;

/// Postern closes connections to a directory that it has not used for 10 s; before that it has
/// no reason to.
const IDLE: Duration = Duration::from_secs(9);
