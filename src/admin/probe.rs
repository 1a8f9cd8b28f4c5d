//! The probe door: `/livez`, `/readyz`, `/metrics`.

use std::sync::Arc;

use http::{Request, Response, StatusCode};
use serde_json::json;

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
}

impl Probe {
    /// The probe of what `live` holds.
    #[must_use]
    pub fn new(live: Arc<Live>, state: Arc<State>, metrics: Arc<Metrics>) -> Self {
        Self {
            live,
            state,
            metrics,
        }
    }

    /// Answers one request.
    #[must_use]
    pub fn answer(&self, request: &Request<Body>) -> Response<Body> {
        match request.uri().path() {
            "/livez" => reading(request, || plain(StatusCode::OK, "alive\n".to_owned())),
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

    /// Ready until the drain begins: a broken directory or a broken new rule file is told
    /// elsewhere, since taking every replica out of service helps nobody.
    fn readiness(&self) -> Response<Body> {
        let snapshot = self.live.current();
        let draining = self.state.is_draining();
        let serving = snapshot.tenants().next().is_some();
        let ready = serving && !draining;
        let status = if ready {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        let parts = json!({
            "ready": ready,
            "listening": true,
            "snapshot": {"ready": serving, "revision": &*snapshot.revision},
            "draining": draining,
        });
        document(status, &parts)
    }
}

impl Handler for Probe {
    async fn handle(&self, request: Request<Body>, _: Peer) -> Response<Body> {
        self.answer(&request)
    }
}
