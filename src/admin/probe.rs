//! The probe door: `/livez`, `/readyz`, `/metrics`.

use std::sync::Arc;
use std::time::Instant;

use http::{Request, Response, StatusCode};

use super::readiness::Signs;
use super::{document, plain, reading, scene};
use crate::config::Live;
use crate::gateway::State;
use crate::net::{Body, Peer};
use crate::server::Handler;
use crate::telemetry::Metrics;

/// `/livez`, `/readyz`, `/metrics`.
#[derive(Clone)]
pub struct Probe {
    live: Arc<Live>,
    state: Arc<State>,
    metrics: Arc<Metrics>,
    signs: Signs,
}

impl Probe {
    /// The probe of what `live` holds.
    #[must_use]
    pub fn new(live: Arc<Live>, state: Arc<State>, metrics: Arc<Metrics>, signs: Signs) -> Self {
        Self {
            live,
            state,
            metrics,
            signs,
        }
    }

    /// Answers one request.
    #[must_use]
    pub fn answer(&self, request: &Request<Body>) -> Response<Body> {
        match request.uri().path() {
            "/livez" => reading(request, || {
                let (status, text) = self.signs.life(Instant::now());
                plain(status, text)
            }),
            "/readyz" => reading(request, || self.readiness()),
            "/metrics" => reading(request, || {
                let scene = scene::of(&self.live, &self.state, scene::now());
                plain(StatusCode::OK, self.metrics.render(&scene))
            }),
            _ => plain(
                StatusCode::NOT_FOUND,
                "here are /livez, /readyz and /metrics\n".to_owned(),
            ),
        }
    }

    fn readiness(&self) -> Response<Body> {
        let snapshot = self.live.current();
        let mut tenants: Vec<_> = snapshot.tenants().collect();
        tenants.sort_by(|a, b| a.name.cmp(&b.name));
        let draining = self.state.is_draining();
        let mut found = self.signs.readiness(draining, &snapshot.revision, &tenants);
        if self.state.trail().is_on() {
            found.audit(self.state.trail().stops_writes());
        }
        let (status, parts) = found.answer();
        document(status, &parts)
    }
}

impl Handler for Probe {
    async fn handle(&self, request: Request<Body>, _: Peer) -> Response<Body> {
        self.answer(&request)
    }
}
