//! Where somebody else is asked: one exchange over TLS, with a deadline, a limit on the answer, and
//! no redirects. What a URL may be is decided here, once, when the access file is read.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::header::{CONNECTION, HOST, USER_AGENT};
use http::{HeaderValue, Request, Uri};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use crate::net::Body;
use crate::net::oneshot::{self, Answer, Place};
use crate::net::tls;

/// An address that is asked.
pub(in crate::auth) struct Endpoint {
    url: String,
    host: HeaderValue,
    path: String,
    address: String,
    /// With TLS: the name that the certificate must be for, and the CAs that are trusted.
    tls: Option<(ServerName<'static>, Authorities)>,
}

/// Who is trusted to vouch for a name.
enum Authorities {
    /// Those of a file.
    Own(Vec<u8>, Arc<ClientConfig>),
    /// Those of the system, read when they are first needed.
    System(Mutex<Option<Arc<ClientConfig>>>),
}

impl Endpoint {
    /// Reads a URL, and the file with the CAs that are trusted for it.
    ///
    /// # Errors
    /// What is wrong with it, and what to do.
    pub(in crate::auth) fn new(url: &str, ca: Option<&[u8]>) -> Result<Self, (String, String)> {
        let refuse = |why: &str| (why.to_owned(), EXAMPLE.to_owned());
        let uri: Uri = url.parse().map_err(|_| refuse("this is no URL"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(refuse("this is no whole URL"));
        };
        if authority.as_str().contains('@') {
            return Err(refuse("a URL with a user name in it is not taken"));
        }
        if url.contains('#') {
            return Err(refuse("a URL with a fragment (`#`) is not taken"));
        }
        let host = authority.host();
        let bare = host.trim_matches(['[', ']']);
        let ip: Option<IpAddr> = bare.parse().ok();
        let here = bare.eq_ignore_ascii_case("localhost") || ip.is_some_and(|ip| ip.is_loopback());
        if ip.is_some_and(is_link_local) {
            return Err(refuse("a link-local address is not asked"));
        }
        let (port, tls) = match scheme {
            "https" => (443, true),
            "http" if here => (80, false),
            _ => return Err(refuse("the URL must begin with `https://`")),
        };
        let port = authority.port_u16().unwrap_or(port);
        let tls = if tls {
            let name = ServerName::try_from(bare.to_owned())
                .map_err(|_| refuse("the URL has a host that no certificate can be for"))?;
            let authorities = match ca {
                None => Authorities::System(Mutex::new(None)),
                Some(pem) => {
                    let config = tls::client_config(Some(pem), None);
                    let config = config.map_err(|why| (why.to_string(), CA.to_owned()))?;
                    Authorities::Own(pem.to_vec(), Arc::new(config))
                }
            };
            Some((name, authorities))
        } else {
            None
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self {
            url: url.to_owned(),
            host: HeaderValue::from_str(authority.as_str())
                .map_err(|_| refuse("this is no URL"))?,
            path: path.to_owned(),
            address: format!("{host}:{port}"),
            tls,
        })
    }

    /// Whether another one is the same, trust included.
    pub(super) fn same(&self, other: &Self) -> bool {
        let ca = |one: &Self| match &one.tls {
            Some((_, Authorities::Own(pem, _))) => Some(pem.clone()),
            _ => None,
        };
        self.url == other.url && ca(self) == ca(other)
    }

    /// The URL, for `/status` and the log.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Path and query of the URL.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Sends a request to the path that it has, and reads the whole answer.
    ///
    /// # Errors
    /// Why there is none, for operators.
    pub(super) async fn ask(
        &self,
        mut request: Request<Body>,
        limit: usize,
    ) -> Result<Answer, String> {
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        headers.insert(USER_AGENT, HeaderValue::from_static("postern"));
        let place = match &self.tls {
            None => Place::Tcp(self.address.clone()),
            Some((name, authorities)) => {
                Place::Tls(self.address.clone(), name.clone(), authorities.config()?)
            }
        };
        let deadline = Instant::now() + PATIENCE;
        let answer = oneshot::ask(&place, request, deadline, limit).await;
        answer.map_err(|error| error.to_string())
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({})", self.url)
    }
}

impl Authorities {
    fn config(&self) -> Result<Arc<ClientConfig>, String> {
        match self {
            Self::Own(_, config) => Ok(Arc::clone(config)),
            Self::System(held) => {
                let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(config) = &*held {
                    return Ok(Arc::clone(config));
                }
                let config = tls::client_config(None, None).map_err(|why| why.to_string())?;
                let config = Arc::new(config);
                *held = Some(Arc::clone(&config));
                Ok(config)
            }
        }
    }
}

/// Where cloud machines tell their secrets to whoever asks from within.
fn is_link_local(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_link_local() || ip.is_unspecified(),
        IpAddr::V6(ip) => ip.is_unicast_link_local() || ip.is_unspecified(),
    }
}

/// How long an answer may take, connection and all.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
const EXAMPLE: &str = "such as `https://id.example.com/keys`; `http` only to this machine itself";
const CA: &str = "name a PEM file with the CA certificates that are trusted";

#[cfg(test)]
mod tests {
    use super::*;

    fn why(url: &str) -> Option<String> {
        Endpoint::new(url, None).err().map(|(why, _)| why)
    }

    #[test]
    fn a_url_is_plain_and_by_tls() {
        for good in [
            "https://id.example.com/keys",
            "https://id.example.com:8443/keys?x=y",
            "https://10.0.0.1/",
            "https://[2001:db8::1]:8443",
            "http://127.0.0.1:8080/keys",
            "http://[::1]/keys",
            "http://localhost/keys",
        ] {
            assert_eq!(why(good), None, "{good}");
        }
        for (bad, says) in [
            ("http://id.example.com/keys", "must begin with `https://`"),
            ("http://10.0.0.1/keys", "must begin with `https://`"),
            ("ftp://id.example.com/keys", "must begin with `https://`"),
            ("/keys", "no whole URL"),
            ("id.example.com", "no whole URL"),
            ("https://a b/", "no URL"),
            ("https://user:word@id.example.com/", "user name"),
            ("https://id.example.com/#x", "fragment"),
            ("https://169.254.169.254/latest", "link-local"),
            ("https://[fe80::1]/", "link-local"),
            ("https://[::ffff:169.254.169.254]/", "link-local"),
            ("https://0.0.0.0/", "link-local"),
        ] {
            let found = why(bad).unwrap_or_default();
            assert!(found.contains(says), "{bad}: {found}");
        }
        let (why, _) = Endpoint::new("https://a/", Some(b"x")).unwrap_err();
        assert!(why.contains("CA"), "{why}");
    }

    #[test]
    fn the_same_is_the_same_url_with_the_same_trust() {
        let made = |url| Endpoint::new(url, None).unwrap();
        assert!(made("https://a/x").same(&made("https://a/x")));
        assert!(!made("https://a/x").same(&made("https://a/y")));
        let pem = rcgen::generate_simple_self_signed(vec!["a".into()]).unwrap();
        let own = Endpoint::new("https://a/x", Some(pem.cert.pem().as_bytes())).unwrap();
        assert!(!own.same(&made("https://a/x")));
    }
}
