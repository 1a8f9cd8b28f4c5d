//! How a connection was let in by TLS, and whether it would be now.
//!
//! A session outlives what it was judged by: a CA goes, a certificate is revoked, or ends. So a
//! connection whose client showed a certificate is judged again, by the same verifier that new
//! handshakes meet: when other clients are trusted than before, and at each request once the
//! certificate is past its time. Who would not be let in any more is not served any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use rustls::ServerConnection;

use super::{Handler, refuse};
use crate::gateway::Refused;
use crate::net::tls::{Server, Switch};
use crate::net::{Body, Certificate, Peer};

/// How a client was let in.
#[derive(Debug, Clone, Default)]
pub(super) struct Entry(Option<Arc<Pass>>);

/// Of one that showed a certificate.
#[derive(Debug)]
struct Pass {
    certificate: Arc<Certificate>,
    /// When it ends, since 1970.
    ends: Duration,
    /// What it was found good by.
    trust: AtomicU64,
    switch: Arc<Switch>,
}

impl Entry {
    /// Of a handshake that `server` has judged. `None` where the certificate cannot be read, or is
    /// past its time, which who resumes a session is not asked.
    pub(super) fn of(
        connection: &ServerConnection,
        server: &Server,
        switch: &Arc<Switch>,
    ) -> Option<Self> {
        let Some(chain) = connection.peer_certificates().filter(|c| !c.is_empty()) else {
            return Some(Self::default());
        };
        let certificate = Certificate::read(chain)?;
        let pass = Pass {
            ends: certificate
                .ends()
                .duration_since(std::time::UNIX_EPOCH)
                .unwrap_or_default(),
            certificate: Arc::new(certificate),
            trust: AtomicU64::new(server.trust()),
            switch: Arc::clone(switch),
        };
        let entry = Self(Some(Arc::new(pass)));
        entry.is_welcome().then_some(entry)
    }

    /// The certificate that was shown.
    pub(super) fn certificate(&self) -> Option<&Arc<Certificate>> {
        self.0.as_ref().map(|pass| &pass.certificate)
    }

    /// Whether who was let in would be now. Cheap while nothing has changed.
    pub(super) fn is_welcome(&self) -> bool {
        let Some(pass) = &self.0 else {
            return true;
        };
        let trust = pass.trust.load(Ordering::Relaxed);
        if pass.switch.trusts(trust) && !pass.has_ended() {
            return true;
        }
        let server = pass.switch.current();
        let welcome = server.lets_in(pass.certificate.chain());
        if welcome {
            pass.trust.store(server.trust(), Ordering::Relaxed);
        }
        welcome
    }

    /// Whether another judgement is due, where clients are checked against what this number is of.
    pub(super) fn is_judged_by(&self, trust: u64) -> bool {
        let pass = self.0.as_ref();
        pass.is_none_or(|pass| pass.trust.load(Ordering::Relaxed) == trust)
    }
}

impl Pass {
    fn has_ended(&self) -> bool {
        let now = self.switch.now();
        now.is_none_or(|now| now.as_secs() > self.ends.as_secs())
    }
}

/// A handler that serves only who is still welcome.
#[derive(Clone)]
pub(super) struct Watched<H> {
    pub(super) handler: H,
    pub(super) entry: Entry,
}

impl<H: Handler> Handler for Watched<H> {
    async fn handle(&self, request: Request<Body>, peer: Peer) -> Response<Body> {
        if self.entry.is_welcome() {
            return self.handler.handle(request, peer).await;
        }
        let refused = Refused {
            method: request.method(),
            version: request.version(),
            peer,
            reason: OUTDATED,
        };
        let mut answer = self.handler.refused(outdated(), &refused);
        if refused.version < Version::HTTP_2 {
            let close = HeaderValue::from_static("close");
            answer.headers_mut().insert(header::CONNECTION, close);
        }
        answer
    }

    fn refused(&self, answer: Response<Body>, refused: &Refused<'_>) -> Response<Body> {
        self.handler.refused(answer, refused)
    }
}

/// To a client that would not be let in now. It may repeat its request on another connection, with
/// another certificate.
fn outdated() -> Response<Body> {
    refuse::error(StatusCode::MISDIRECTED_REQUEST, OUTDATED)
}

const OUTDATED: &str = "the client certificate is not accepted any more: connect again";
