//! What must be known to reach a directory over HTTP.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::HeaderValue;

use crate::net::secret::Secret;
use crate::net::tls::not_after;

use super::probe::Supports;

/// How a directory is reached, and as whom. Two that are equal share their connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpConfig {
    /// Its base: `https://directory.example.com/scim/v2`.
    pub url: String,
    /// The authorities that may have signed its certificate, as PEM; the usual ones where `None`.
    pub ca: Option<Vec<u8>>,
    /// Our own certificate and key, as PEM.
    pub identity: Option<Identity>,
    /// How we prove who we are.
    pub auth: Auth,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// At most so many connections at a time.
    pub connections: usize,
    /// What it can do, where the rule says so.
    pub supports: Supports,
    /// The largest answer, in bytes.
    pub answer_limit: usize,
}

impl HttpConfig {
    /// Where the directory is: scheme, host and port, without the path.
    #[must_use]
    pub fn place(&self) -> String {
        let parts: Vec<&str> = self.url.splitn(4, '/').take(3).collect();
        parts.join("/").to_ascii_lowercase()
    }

    /// When our own certificate ends.
    #[must_use]
    pub fn certificate_ends(&self) -> Option<SystemTime> {
        not_after(&self.identity.as_ref()?.certificate)
    }
}

/// A certificate with its key, as PEM.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The chain.
    pub certificate: Vec<u8>,
    /// The private key.
    pub key: Secret,
}

/// How we prove who we are.
#[derive(Debug, Clone)]
pub enum Auth {
    /// Not at all, or by certificate only.
    None,
    /// `Authorization: Bearer …`.
    Bearer(Secret),
    /// `Authorization: Basic …`.
    Basic {
        /// The name; it holds no colon.
        user: String,
        /// The password.
        password: Secret,
    },
}

/// How long things may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Connecting, TLS included.
    pub connect: Duration,
    /// From the request to the head of the answer.
    pub head: Duration,
    /// Between two pieces of a body.
    pub idle: Duration,
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.certificate == other.certificate && self.key.expose() == other.key.expose()
    }
}

impl Eq for Identity {}

impl PartialEq for Auth {
    // Both come from our own files: there is nobody to whom the time would tell anything.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::None, Self::None) => true,
            (Self::Bearer(a), Self::Bearer(b)) => a.expose() == b.expose(),
            (
                Self::Basic {
                    user: a,
                    password: x,
                },
                Self::Basic {
                    user: b,
                    password: y,
                },
            ) => a == b && x.expose() == y.expose(),
            (Self::None | Self::Bearer(_) | Self::Basic { .. }, _) => false,
        }
    }
}

impl Eq for Auth {}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            head: crate::directory::DEFAULT_TIMEOUT,
            idle: Duration::from_secs(10),
        }
    }
}

impl Auth {
    /// The header, marked so that nothing prints it.
    pub(super) fn header(&self) -> Result<Option<HeaderValue>, String> {
        let text = match self {
            Self::None => return Ok(None),
            Self::Bearer(secret) => format!("Bearer {}", secret.expose()),
            Self::Basic { user, .. } if user.contains(':') => {
                return Err(format!("the user `{user}` must not contain a colon"));
            }
            Self::Basic { user, password } => {
                let pair = format!("{user}:{}", password.expose());
                format!("Basic {}", BASE64_STANDARD.encode(pair.as_bytes()))
            }
        };
        let mut value = HeaderValue::from_str(&text)
            .map_err(|_| "the secret has characters that no header can hold".to_owned())?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_made_and_not_printed() {
        let basic = Auth::Basic {
            user: "u".into(),
            password: Secret::new("p".to_owned()),
        };
        let header = basic.header().unwrap().unwrap();
        assert_eq!(header.to_str().unwrap(), "Basic dTpw");
        assert!(header.is_sensitive());
        let shown = format!("{basic:?}{header:?}");
        assert!(
            !shown.contains("dTpw") && !shown.contains("\"p\""),
            "{shown}"
        );
        let bearer = Auth::Bearer(Secret::new("t0ken".to_owned()))
            .header()
            .unwrap()
            .unwrap();
        assert_eq!(bearer.to_str().unwrap(), "Bearer t0ken");
    }

    #[test]
    fn a_secret_that_no_header_can_hold_is_refused() {
        assert!(
            Auth::Bearer(Secret::new("a\nb".to_owned()))
                .header()
                .is_err()
        );
        let colon = Auth::Basic {
            user: "a:b".into(),
            password: Secret::new("p".to_owned()),
        };
        assert!(colon.header().is_err());
    }
}
