//! One request, from HTTP to the directory and back.

use std::sync::Arc;

use http::{Request, Response};

use crate::config::Live;
use crate::net::{Body, Peer};

/// The public door: everything that one request needs.
pub struct Gateway {
    live: Arc<Live>,
}

impl Gateway {
    /// Answers one request. Never fails and never panics: whatever goes wrong is a SCIM error.
    pub async fn handle(self: &Arc<Self>, request: Request<Body>, peer: Peer) -> Response<Body> {
        let _ = (&self.live, request, peer);
        todo!()
    }
}
