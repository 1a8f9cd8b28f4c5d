//! The control door: what an operator asks, and orders.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::{Method, Request, Response, StatusCode};
use serde_json::json;
use tokio::time::timeout;
use tracing::{Level, info, warn};

use super::entry::{Entry, Who};
use super::{document, method_not_allowed, plain, reading};
use crate::config::{Live, Reloading};
use crate::gateway::State;
use crate::net::body::collect;
use crate::net::{Body, CollectError, Peer, Terms};
use crate::server::Handler;
use crate::telemetry::logging::{self, Filter, Levels};

/// `/status`, `/reload`, `/log-level`.
#[derive(Clone)]
pub struct Control(Arc<Parts>);

pub(super) struct Parts {
    pub(super) live: Arc<Live>,
    pub(super) state: Arc<State>,
    pub(super) started: Instant,
    pub(super) entry: Entry,
    pub(super) reloading: Reloading,
}

impl Control {
    /// The control door of what `live` holds, for those whom `entry` lets in; uptime counts from
    /// here.
    #[must_use]
    pub fn new(live: Arc<Live>, state: Arc<State>, entry: Entry, reloading: Reloading) -> Self {
        Self(Arc::new(Parts {
            live,
            state,
            started: Instant::now(),
            entry,
            reloading,
        }))
    }

    /// Answers one request, at the time `now`.
    pub async fn answer(
        &self,
        request: Request<Body>,
        peer: Peer,
        now: SystemTime,
    ) -> Response<Body> {
        let (method, path) = (request.method().clone(), known(request.uri().path()));
        let (who, response) = match self.0.enter(&request, &peer, now) {
            Ok(who) => {
                let response = self.0.route(request, &who, now).await;
                (who.to_string(), response)
            }
            Err(refused) => ("nobody".to_owned(), refused.response()),
        };
        let status = response.status().as_u16();
        info!(who, peer = %peer.address, %method, path, status, "control");
        response
    }
}

impl Parts {
    async fn route(&self, request: Request<Body>, who: &Who, now: SystemTime) -> Response<Body> {
        match request.uri().path() {
            "/status" => reading(&request, || document(StatusCode::OK, &self.status(now))),
            "/reload" if request.method() == Method::POST => self.reload().await,
            "/reload" => method_not_allowed("POST"),
            "/log-level" if request.method() == Method::PUT => {
                self.set_level(request.into_body(), who).await
            }
            "/log-level" if request.method() == Method::GET || request.method() == Method::HEAD => {
                level(logging::levels())
            }
            "/log-level" => method_not_allowed("GET, HEAD, PUT"),
            _ => plain(
                StatusCode::NOT_FOUND,
                "here are /status, /reload and /log-level\n".to_owned(),
            ),
        }
    }

    /// Has the files looked at, and says what came of it.
    async fn reload(&self) -> Response<Body> {
        let unavailable = |text: &str| plain(StatusCode::SERVICE_UNAVAILABLE, text.to_owned());
        if self.state.is_draining() {
            return unavailable(ENDING);
        }
        let outcome = match timeout(LONGEST_RELOAD, self.reloading.now()).await {
            Ok(Some(outcome)) => outcome,
            Ok(None) => return unavailable(ENDING),
            Err(_) => {
                return unavailable(
                    "the files are still being read; look at the status in a minute\n",
                );
            }
        };
        let status = if outcome.errors.is_empty() {
            StatusCode::OK
        } else {
            StatusCode::CONFLICT
        };
        let value = json!({
            "revision": &*outcome.revision,
            "changed": outcome.changed,
            "errors": outcome.errors,
            "warnings": outcome.warnings,
        });
        document(status, &value)
    }

    async fn set_level(&self, body: Body, who: &Who) -> Response<Body> {
        let Some(levels) = logging::levels() else {
            return no_log();
        };
        let bad = |status, text: String| plain(status, text + "\n");
        let terms = Terms {
            limit: LONGEST_BODY,
            idle: BODY_TIME,
            deadline: Instant::now() + BODY_TIME,
        };
        let body = match collect(body, terms).await {
            Ok(body) => body,
            Err(error) => {
                let status = match error {
                    CollectError::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
                    CollectError::TimedOut => StatusCode::REQUEST_TIMEOUT,
                    CollectError::Broken => StatusCode::BAD_REQUEST,
                };
                return bad(status, error.to_string());
            }
        };
        // What is not text is no filter either.
        let text = String::from_utf8_lossy(&body);
        let filter = match Filter::parse(&text) {
            Ok(filter) => filter,
            Err(error) => return bad(StatusCode::BAD_REQUEST, error.to_string()),
        };
        let (from, to) = (levels.current(), filter.to_string());
        let tell = || warn!(%who, from, to, "the log level is changed");
        // Before it, where the new level would hide it; else after it.
        let before = tracing::enabled!(Level::WARN);
        if before {
            tell();
        }
        if let Err(error) = levels.change(filter) {
            return bad(StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
        }
        if !before {
            tell();
        }
        level(Some(levels))
    }
}

impl Handler for Control {
    #[expect(
        clippy::disallowed_methods,
        reason = "the outermost layer reads the clock"
    )]
    async fn handle(&self, request: Request<Body>, peer: Peer) -> Response<Body> {
        self.answer(request, peer, SystemTime::now()).await
    }
}

fn level(levels: Option<&Levels>) -> Response<Body> {
    match levels {
        Some(levels) => plain(StatusCode::OK, levels.current() + "\n"),
        None => no_log(),
    }
}

fn no_log() -> Response<Body> {
    plain(
        StatusCode::CONFLICT,
        "this process writes no log of its own\n".to_owned(),
    )
}

/// The path for the log: what a stranger can make up stays out of it.
fn known(path: &str) -> &'static str {
    let paths = ["/status", "/reload", "/log-level"];
    let known = paths.into_iter().find(|known| *known == path);
    known.unwrap_or("(another)")
}

const ENDING: &str = "it is ending: nothing is loaded any more\n";

/// Longer than any reload; it goes on when nobody waits for it.
const LONGEST_RELOAD: Duration = Duration::from_secs(60);

/// The longest body: that of a filter, with room for an answer that says it is too long.
const LONGEST_BODY: usize = 4096;

const BODY_TIME: Duration = Duration::from_secs(10);
