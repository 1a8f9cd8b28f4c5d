//! Who may come in at the control door.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::SystemTime;

use http::header::{HOST, ORIGIN, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};

use super::control::Parts;
use super::plain;
use crate::auth::{AuthError, OperatorCaller};
use crate::net::{Body, Certificate, Peer};
use crate::telemetry::AuthFailure;

/// Who is let in. (A certificate, where one is demanded, is TLS' business: without it there is no
/// connection.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// Whoever reaches the listener: loopback, or a Unix socket.
    Near,
    /// Whoever gets through TLS.
    Certified,
    /// Of those, who has an operator's token.
    Token,
}

/// Who came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Who {
    /// Somebody on this machine, by TCP.
    Loopback,
    /// Somebody who may open the Unix socket.
    Unix,
    /// Somebody who showed a certificate, and has an operator's token where one is wanted.
    Certificate(Arc<Certificate>, Option<OperatorCaller>),
    /// An operator by token alone.
    Operator(OperatorCaller),
    /// Somebody who got through TLS without showing anything, which the configuration prevents.
    Unknown,
}

/// Why one may not come in. One text for each, whatever the details.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// A page in a browser asks.
    Page,
    /// The listener is called by a name that is not loopback's.
    Name,
    /// There is no operator's token, or none that will do.
    Token,
}

impl Parts {
    /// Who asks, or why they may not.
    pub(super) fn enter(
        &self,
        request: &Request<Body>,
        peer: &Peer,
        now: SystemTime,
    ) -> Result<Who, Refused> {
        let headers = request.headers();
        // A page in a browser on this machine reaches loopback too. Browsers say where a page comes
        // from in `Origin`; and a name that a stranger's server gave to this address is no name of
        // ours.
        if headers.contains_key(ORIGIN) {
            return Err(Refused::Page);
        }
        let unix = peer.address.ip().is_unspecified();
        if self.entry == Entry::Near && !unix && !host_is_loopback(headers) {
            return Err(Refused::Name);
        }
        let operator = match self.entry {
            Entry::Near | Entry::Certified => None,
            Entry::Token => Some(self.operator(headers, now)?),
        };
        Ok(match (&peer.certificate, operator) {
            (Some(shown), operator) => Who::Certificate(Arc::clone(shown), operator),
            (None, Some(operator)) => Who::Operator(operator),
            (None, None) if self.entry == Entry::Certified => Who::Unknown,
            (None, None) if unix => Who::Unix,
            (None, None) => Who::Loopback,
        })
    }

    fn operator(&self, headers: &HeaderMap, now: SystemTime) -> Result<OperatorCaller, Refused> {
        let snapshot = self.live.current();
        let found = snapshot.auth.authenticate_operator(headers, now);
        found.map_err(|error| {
            self.state.metrics().auth_failed(reason(&error));
            Refused::Token
        })
    }
}

impl Refused {
    /// The answer.
    pub(super) fn response(self) -> Response<Body> {
        let (status, text) = match self {
            Self::Page => (
                StatusCode::FORBIDDEN,
                "this is for programs, not for pages in a browser\n",
            ),
            Self::Name => (
                StatusCode::MISDIRECTED_REQUEST,
                "call this listener by its loopback address or as localhost\n",
            ),
            Self::Token => (
                StatusCode::UNAUTHORIZED,
                "an operator's token is needed, as a bearer token\n",
            ),
        };
        let mut response = plain(status, text.to_owned());
        if self == Self::Token {
            let challenge = HeaderValue::from_static("Bearer realm=\"postern control\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loopback => f.write_str("loopback"),
            Self::Unix => f.write_str("unix"),
            Self::Unknown => f.write_str("unknown"),
            Self::Certificate(shown, None) => f.write_str(shown.word()),
            Self::Certificate(shown, Some(operator)) => {
                let subject = shown.word();
                write!(f, "{} (key {}, {subject})", operator.name, operator.key)
            }
            Self::Operator(operator) => write!(f, "{} (key {})", operator.name, operator.key),
        }
    }
}

/// The true reason, for metrics.
fn reason(error: &AuthError) -> AuthFailure {
    match error {
        AuthError::Missing => AuthFailure::Missing,
        AuthError::Rejected(rejection) => AuthFailure::from(*rejection),
        AuthError::Elsewhere { .. } => AuthFailure::Network,
        AuthError::Unavailable { .. } => AuthFailure::Unavailable,
        AuthError::Malformed
        | AuthError::Narrow { .. }
        | AuthError::Tenant { .. }
        | AuthError::Forbidden { .. }
        | AuthError::Unmet { .. }
        | AuthError::Hidden { .. } => AuthFailure::Malformed,
        AuthError::Certificate(fault) => AuthFailure::from(fault),
    }
}

/// Whether `Host` is `localhost` or an address of loopback, with or without a port.
fn host_is_loopback(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(HOST).iter();
    let (Some(host), None) = (lines.next(), lines.next()) else {
        return false;
    };
    let Ok(host) = host.to_str() else {
        return false;
    };
    if let Ok(address) = host.parse::<SocketAddr>() {
        return address.ip().is_loopback();
    }
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    if let Ok(address) = bare.unwrap_or(host).parse::<IpAddr>() {
        return address.is_loopback();
    }
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok() => name,
        Some(_) => return false,
        None => host,
    };
    name.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_has_few_names() {
        let ask = |host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_str(host).unwrap());
            host_is_loopback(&headers)
        };
        for good in [
            "localhost",
            "LocalHost:9465",
            "127.0.0.1",
            "127.9.9.9:80",
            "[::1]",
            "[::1]:9465",
        ] {
            assert!(ask(good), "{good}");
        }
        for bad in [
            "",
            "evil.example",
            "localhost.evil.example",
            "localhost:x",
            "localhost:1:2",
            "127.0.0.1.evil.example",
            "127.0.0.1@evil.example",
            "10.0.0.1",
            "[::2]:1",
            "0.0.0.0",
        ] {
            assert!(!ask(bad), "{bad}");
        }
        assert!(!host_is_loopback(&HeaderMap::new()));
    }
}
