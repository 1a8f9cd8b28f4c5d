//! The places of our own issuer: the token endpoint (RFC 6749), its public keys, and its metadata
//! (RFC 8414). Keys and metadata are for everybody: whoever is to verify a token, or to ask for
//! one, reads them before it can show who it is, and there is nothing in them to hide.

mod form;
mod proof;

use std::time::SystemTime;

use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, PRAGMA};
use http::request::Parts as Head;
use http::{Method, Response, StatusCode};
use serde_json::json;
use tokio::time::Instant;

use super::error::GatewayError;
use super::observe::Seen;
use super::respond::plain_json;
use super::state::State;
use super::{door, head, intake, limit};
use crate::auth::AuthError;
use crate::auth::issue::{Door, Issuer, NoToken, Refused};
use crate::config::Snapshot;
use crate::net::{Body, secret};
use crate::telemetry::{Issuing, OperationKind};

use form::Form;
use proof::Shown;

/// Why no token is given (RFC 6749 §5.2).
#[derive(Debug, Clone, PartialEq)]
pub struct OAuthError {
    /// The keyword.
    pub code: Code,
    /// For whoever has set the client up: never a value.
    pub detail: &'static str,
    /// Whether the answer asks for Basic.
    pub basic: bool,
    /// Why it is not known who asks, for metrics and logs only.
    pub why: Option<AuthError>,
}

/// The keywords of OAuth's errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// It is not known who asks.
    InvalidClient,
    /// The request is not understood.
    InvalidRequest,
    /// More than the account may.
    InvalidScope,
    /// Another grant than `client_credentials`.
    UnsupportedGrantType,
    /// Not now.
    TemporarilyUnavailable,
}

/// What answers here, for one request.
pub(super) struct Desk<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) issuer: &'a Issuer,
    pub(super) state: &'a State,
    pub(super) now: SystemTime,
}

impl Desk<'_> {
    /// Answers a request for one of the places.
    pub(super) async fn serve(
        &self,
        place: Door,
        head: &Head,
        body: &mut Body,
        seen: &mut Seen,
    ) -> Result<Response<Body>, GatewayError> {
        seen.operation = Some(match place {
            Door::Token => OperationKind::Token,
            Door::Keys | Door::Metadata => OperationKind::Discovery,
        });
        let host = door::host(&head.uri, &head.headers)?;
        let of_tenant = |host: &str| {
            let mut hosts = self.snapshot.tenants().flat_map(|tenant| &tenant.hosts);
            hosts.any(|known| **known == *host)
        };
        if self.issuer.host() != host && !of_tenant(&host) {
            return Err(GatewayError::Misdirected);
        }
        let value = match place {
            Door::Token if head.method == Method::POST => {
                return self.token(head, body, seen).await;
            }
            Door::Token => return Err(GatewayError::Method("POST")),
            _ if head.method != Method::GET => return Err(GatewayError::Method("GET")),
            Door::Keys => self.issuer.jwks(),
            Door::Metadata => self.issuer.metadata(),
        };
        let mut response = plain_json(StatusCode::OK, &value);
        let fresh = HeaderValue::from_static("public, max-age=300");
        response.headers_mut().insert(CACHE_CONTROL, fresh);
        Ok(response)
    }

    async fn token(
        &self,
        head: &Head,
        body: &mut Body,
        seen: &mut Seen,
    ) -> Result<Response<Body>, GatewayError> {
        head::one_authorization(&head.headers)?;
        if head.uri.query().is_some_and(|query| !query.is_empty()) {
            let detail = "parameters are sent in the body, never in the URL";
            return Err(OAuthError::request(detail).into());
        }
        form_body(&head.headers)?;
        let deadline = Instant::now() + self.state.limits().body_time;
        let bytes = intake::read(body, LARGEST, deadline, &mut seen.body_ended).await?;
        seen.arrival.received = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let form = Form::read(&bytes).map_err(|why| OAuthError::request(why.as_str()))?;

        let shown = Shown::read(&head.headers, form)?;
        match shown.get("grant_type") {
            Some("client_credentials") => {}
            Some(_) => {
                return Err(OAuthError {
                    code: Code::UnsupportedGrantType,
                    detail: "the only grant is `client_credentials`",
                    basic: false,
                    why: None,
                }
                .into());
            }
            None => return Err(OAuthError::request("`grant_type` is missing").into()),
        }
        let proof = shown.proof()?;
        let (auth, replays) = (&self.snapshot.auth, self.state.replays());
        let from = seen.peer.address.ip();
        let known = auth.client(proof, from, replays, self.now);
        let known = known
            .unwrap_or(Err(Refused::Busy))
            .map_err(|refused| match refused {
                Refused::Client(why) => OAuthError {
                    code: Code::InvalidClient,
                    detail: "the client is not known, or has not shown that it is it",
                    basic: shown.by_basic,
                    why: Some(why),
                },
                Refused::Busy => OAuthError::busy("too many assertions are under way; come back"),
            })?;
        let caller = known.caller();
        seen.called_by(&caller);
        limit::request(&caller, self.state)?;
        let issued = known.issue(shown.get("scope"), self.now, &mut secret::random);
        let issued = issued.map_err(|why| match why {
            NoToken::Scope => OAuthError {
                code: Code::InvalidScope,
                detail: "`scope` names a role or a tenant that the account does not have",
                basic: false,
                why: None,
            },
            NoToken::Randomness => OAuthError::busy("no token can be made right now"),
        })?;
        self.state.metrics().token_issued(Issuing::Issued);
        seen.issued(self.state.trail(), &issued, self.now);
        let answer = json!({
            "access_token": issued.token.expose(),
            "token_type": "Bearer",
            "expires_in": issued.lifetime.as_secs(),
            "scope": issued.scope,
        });
        let mut response = plain_json(StatusCode::OK, &answer);
        // Beside `Cache-Control: no-store`, as RFC 6749 §5.1 has it.
        let never = HeaderValue::from_static("no-cache");
        response.headers_mut().insert(PRAGMA, never);
        Ok(response)
    }
}

impl OAuthError {
    fn request(detail: &'static str) -> Self {
        Self {
            code: Code::InvalidRequest,
            detail,
            basic: false,
            why: None,
        }
    }

    fn busy(detail: &'static str) -> Self {
        Self {
            code: Code::TemporarilyUnavailable,
            ..Self::request(detail)
        }
    }
}

impl Code {
    /// As it stands in the answer.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidClient => "invalid_client",
            Self::InvalidRequest => "invalid_request",
            Self::InvalidScope => "invalid_scope",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
        }
    }

    /// What it counts as.
    pub(super) fn issuing(self) -> Issuing {
        match self {
            Self::InvalidClient => Issuing::InvalidClient,
            Self::InvalidScope => Issuing::InvalidScope,
            Self::InvalidRequest | Self::UnsupportedGrantType => Issuing::InvalidRequest,
            Self::TemporarilyUnavailable => Issuing::Unavailable,
        }
    }
}

impl From<OAuthError> for GatewayError {
    fn from(error: OAuthError) -> Self {
        Self::OAuth(error)
    }
}

/// A form, in UTF-8 if it says so, and not compressed.
fn form_body(headers: &HeaderMap) -> Result<(), GatewayError> {
    if headers.contains_key(CONTENT_ENCODING) {
        return Err(GatewayError::ContentEncoding);
    }
    let mut lines = headers.get_all(CONTENT_TYPE).iter();
    let line = match (lines.next(), lines.next()) {
        (Some(line), None) => line.to_str().unwrap_or_default(),
        _ => "",
    };
    let mut parts = line.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default();
    let utf8 = parts
        .filter_map(|part| part.split_once('='))
        .all(|(name, value)| {
            !name.eq_ignore_ascii_case("charset")
                || value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        });
    if media.eq_ignore_ascii_case("application/x-www-form-urlencoded") && utf8 {
        return Ok(());
    }
    let detail = "send application/x-www-form-urlencoded, in UTF-8";
    Err(OAuthError::request(detail).into())
}

/// The largest body of a request for a token, in bytes.
const LARGEST: usize = 8 * 1024;
