//! The control door: what an operator asks, and orders.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::{Method, Request, Response, StatusCode};
use serde_json::json;
use tokio::time::timeout;
use tracing::{Level, info, warn};

use super::entry::{Entry, Who};
use super::{document, method_not_allowed, plain, reading};
use crate::audit::Record;
use crate::config::{Live, Reloading};
use crate::gateway::State;
use crate::net::body::collect;
use crate::net::{Body, CollectError, Peer, Terms};
use crate::server::Handler;
use crate::telemetry::logging::{self, Filter, Levels};

/// `/status`, `/reload`, `/log-level`, `/guard/…`.
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
        let reads = [Method::GET, Method::HEAD].contains(&method);
        let (who, response) = match self.0.enter(&request, &peer, now) {
            Ok(who) => {
                let response = self.0.route(request, &who, now).await;
                (who.to_string(), response)
            }
            Err(refused) => (NOBODY.to_owned(), refused.response()),
        };
        let status = response.status().as_u16();
        info!(who, peer = %peer.address, %method, path, status, "control");
        // Orders, and whoever may not even look.
        if !reads || who == NOBODY {
            let record = Record::new("operator", now)
                .text("who", &who)
                .text("peer", &peer.address.to_string())
                .text("method", method.as_str())
                .text("path", path)
                .number("status", u64::from(status));
            self.0.state.trail().tell(record);
        }
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
            "/guard/release" if request.method() == Method::POST => {
                self.release(request.into_body(), who, now).await
            }
            "/guard/hold" if request.method() == Method::POST => {
                self.hold(request.into_body(), who).await
            }
            "/guard/release" | "/guard/hold" => method_not_allowed("POST"),
            _ => plain(
                StatusCode::NOT_FOUND,
                "here are /status, /reload, /log-level, /guard/release and /guard/hold\n"
                    .to_owned(),
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
        let text = match body_text(body).await {
            Ok(text) => text,
            Err(refused) => return refused,
        };
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

/// The body of an order as text; what is none makes no order either.
pub(super) async fn body_text(body: Body) -> Result<String, Response<Body>> {
    let terms = Terms {
        limit: LONGEST_BODY,
        idle: BODY_TIME,
        deadline: Instant::now() + BODY_TIME,
    };
    let body = collect(body, terms).await.map_err(|error| {
        let status = match error {
            CollectError::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            CollectError::TimedOut => StatusCode::REQUEST_TIMEOUT,
            CollectError::Broken => StatusCode::BAD_REQUEST,
        };
        plain(status, format!("{error}\n"))
    })?;
    Ok(String::from_utf8_lossy(&body).into_owned())
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
    let paths = [
        "/status",
        "/reload",
        "/log-level",
        "/guard/release",
        "/guard/hold",
    ];
    let known = paths.into_iter().find(|known| *known == path);
    known.unwrap_or("(another)")
}

/// Who has not proved who they are.
const NOBODY: &str = "nobody";

const ENDING: &str = "it is ending: nothing is loaded any more\n";

/// Longer than any reload; it goes on when nobody waits for it.
const LONGEST_RELOAD: Duration = Duration::from_secs(60);

/// The longest body: that of a filter, with room for an answer that says it is too long.
const LONGEST_BODY: usize = 4096;

const BODY_TIME: Duration = Duration::from_secs(10);
