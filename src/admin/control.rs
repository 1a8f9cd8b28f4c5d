//! The control door: what an operator asks, and orders.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use http::{Request, Response, StatusCode};

use super::{document, plain, reading};
use crate::config::Live;
use crate::gateway::State;
use crate::net::{Body, Peer};
use crate::server::Handler;

/// `/status`.
#[derive(Clone)]
pub struct Control {
    pub(super) live: Arc<Live>,
    pub(super) state: Arc<State>,
    pub(super) started: Instant,
}

impl Control {
    /// The control door of what `live` holds; uptime counts from here.
    #[must_use]
    pub fn new(live: Arc<Live>, state: Arc<State>) -> Self {
        Self {
            live,
            state,
            started: Instant::now(),
        }
    }

    /// Answers one request, at the time `now`.
    #[must_use]
    pub fn answer(&self, request: &Request<Body>, now: SystemTime) -> Response<Body> {
        match request.uri().path() {
            "/status" => reading(request, || document(StatusCode::OK, &self.status(now))),
            _ => plain(StatusCode::NOT_FOUND, "here is /status\n".to_owned()),
        }
    }
}

impl Handler for Control {
    #[expect(
        clippy::disallowed_methods,
        reason = "the outermost layer reads the clock"
    )]
    async fn handle(&self, request: Request<Body>, _: Peer) -> Response<Body> {
        self.answer(&request, SystemTime::now())
    }
}
