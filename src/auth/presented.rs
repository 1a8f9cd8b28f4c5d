//! What a request shows of who sent it, and what that proves.

use std::fmt;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use http::HeaderMap;

use super::{AuthError, Caller};
use crate::net::Certificate;

/// What a request shows of who sent it.
#[derive(Debug, Clone, Copy)]
pub struct Presented<'a> {
    /// All of its headers; only `Authorization` is looked at.
    pub headers: &'a HeaderMap,
    /// The address of the client.
    pub from: IpAddr,
    /// The certificate of the connection, which TLS has verified.
    pub certificate: Option<&'a Arc<Certificate>>,
}

/// What that proves.
pub enum Proven {
    /// Who it is.
    Caller(Caller),
    /// Somebody else has to be asked.
    Later(Later),
}

/// Somebody else is asked when `caller` is polled.
pub struct Later {
    /// What they say.
    pub caller: Pin<Box<dyn Future<Output = Result<Caller, AuthError>> + Send>>,
    /// Whether the same token was a good one a while ago.
    pub was_good: bool,
}

impl<'a> Presented<'a> {
    /// Headers that came from an address.
    #[must_use]
    pub fn new(headers: &'a HeaderMap, from: IpAddr) -> Self {
        Self {
            headers,
            from,
            certificate: None,
        }
    }

    /// The same over a connection with this certificate.
    #[must_use]
    pub fn over(self, certificate: Option<&'a Arc<Certificate>>) -> Self {
        Self {
            certificate,
            ..self
        }
    }
}

impl Proven {
    /// The caller, where nobody has to be asked.
    #[must_use]
    pub fn now(self) -> Option<Caller> {
        match self {
            Self::Caller(caller) => Some(caller),
            Self::Later(_) => None,
        }
    }
}

impl fmt::Debug for Proven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Caller(caller) => f.debug_tuple("Caller").field(caller).finish(),
            Self::Later(_) => f.write_str("Later"),
        }
    }
}
