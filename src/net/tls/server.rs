//! What a listener speaks TLS with, and its exchange while the listener is open.

use std::fmt;
use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::ClientCertVerifier;
use rustls::{CertificateError, ServerConfig};
use tokio::sync::watch;

use super::{Checks, Input, TlsError, pair, provider};

/// What a listener shows and demands: one state of it.
#[derive(Clone)]
pub struct Server {
    /// What rustls runs with.
    pub config: Arc<ServerConfig>,
    clients: Option<Arc<dyn ClientCertVerifier>>,
    trust: u64,
}

/// The state that new connections take. It may be exchanged at any time.
#[derive(Debug)]
pub struct Switch {
    server: ArcSwap<Server>,
    trust: watch::Sender<u64>,
}

/// Why a client's certificate was refused, in a word for labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refused {
    /// There is none.
    Missing,
    /// No CA of ours made it.
    UnknownCa,
    /// It has ended, or one above it has.
    Expired,
    /// It has not begun.
    NotYet,
    /// Its CA has taken it back.
    Revoked,
    /// Revocation lists are configured, and none is of its CA.
    Unlisted,
    /// It is for something else than clients.
    Usage,
    /// Anything else: it cannot be read, or its proof fails.
    Other,
}

impl Server {
    /// For SCIM clients: TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1 by ALPN. Where other clients were
    /// trusted before, nothing of `previous` is resumed: whoever resumes is not looked at again.
    /// Where only the listener's own certificate is another, its ticket keys are kept.
    ///
    /// # Errors
    /// Says which of the two inputs, certificate and key, is wrong, and how.
    pub fn public(
        own: (&[u8], &[u8]),
        clients: Option<&Checks>,
        previous: Option<&Self>,
    ) -> Result<Self, TlsError> {
        let mut config = config(own, clients)?;
        let clients = clients.map(|checks| Arc::clone(&checks.verifier));
        let same = previous.filter(|previous| previous.trusts_as(clients.as_ref()));
        if let Some(previous) = same {
            config.ticketer = Arc::clone(&previous.config.ticketer);
            config.session_storage = Arc::clone(&previous.config.session_storage);
        } else {
            let ticketer = aws_lc_rs::Ticketer::new();
            config.ticketer = ticketer.map_err(|e| TlsError::Library(e.to_string()))?;
        }
        Ok(Self::after(previous, same.is_some(), config, clients))
    }

    /// For operators: HTTP/1.1 only, and nothing is ever resumed.
    ///
    /// # Errors
    /// As [`Self::public`].
    pub fn control(
        own: (&[u8], &[u8]),
        clients: Option<&Checks>,
        previous: Option<&Self>,
    ) -> Result<Self, TlsError> {
        let mut config = config(own, clients)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        let clients = clients.map(|checks| Arc::clone(&checks.verifier));
        let same = previous.is_some_and(|previous| previous.trusts_as(clients.as_ref()));
        Ok(Self::after(previous, same, config, clients))
    }

    fn after(
        previous: Option<&Self>,
        same: bool,
        config: ServerConfig,
        clients: Option<Arc<dyn ClientCertVerifier>>,
    ) -> Self {
        let trust = previous.map_or(0, |previous| previous.trust);
        Self {
            config: Arc::new(config),
            clients,
            trust: if same { trust } else { trust.wrapping_add(1) },
        }
    }

    /// The number of what clients are checked against: another where that is another.
    #[must_use]
    pub fn trust(&self) -> u64 {
        self.trust
    }

    /// Whether a client with this certificate, and these above it, would be let in now.
    #[must_use]
    pub fn lets_in(&self, chain: &[CertificateDer<'_>]) -> bool {
        let now = self.config.time_provider.current_time();
        let (Some(verifier), Some((end, above)), Some(now)) =
            (&self.clients, chain.split_first(), now)
        else {
            return false;
        };
        verifier.verify_client_cert(end, above, now).is_ok()
    }

    fn trusts_as(&self, clients: Option<&Arc<dyn ClientCertVerifier>>) -> bool {
        match (&self.clients, clients) {
            (None, None) => true,
            (Some(ours), Some(theirs)) => Arc::ptr_eq(ours, theirs),
            _ => false,
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("asks", &self.clients.is_some())
            .field("trust", &self.trust)
            .finish_non_exhaustive()
    }
}

impl Switch {
    /// Begins with a state.
    #[must_use]
    pub fn new(server: impl Into<Arc<Server>>) -> Self {
        let server = server.into();
        Self {
            trust: watch::Sender::new(server.trust),
            server: ArcSwap::from(server),
        }
    }

    /// What is served now.
    #[must_use]
    pub fn current(&self) -> Arc<Server> {
        self.server.load_full()
    }

    /// Whether clients are still checked against what this number is of. Cheap.
    #[must_use]
    pub fn trusts(&self, trust: u64) -> bool {
        self.server.load().trust == trust
    }

    /// What the clock of TLS says, without holding up who exchanges.
    #[must_use]
    pub fn now(&self) -> Option<UnixTime> {
        self.server.load().config.time_provider.current_time()
    }

    /// Puts another state in its place.
    pub fn replace(&self, server: Arc<Server>) {
        let trust = server.trust;
        self.server.store(server);
        self.trust.send_if_modified(|known| {
            let other = *known != trust;
            *known = trust;
            other
        });
    }

    /// Tells the number of each state that checks clients against something else.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.trust.subscribe()
    }
}

impl Refused {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Missing,
        Self::UnknownCa,
        Self::Expired,
        Self::NotYet,
        Self::Revoked,
        Self::Unlisted,
        Self::Usage,
        Self::Other,
    ];

    /// What a handshake failed for, where it was the client's certificate.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<Self> {
        let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
        let certificate = match error {
            rustls::Error::NoCertificatesPresented => return Some(Self::Missing),
            rustls::Error::InvalidCertificate(certificate) => certificate,
            rustls::Error::InvalidCertRevocationList(_) => return Some(Self::Other),
            _ => return None,
        };
        Some(match certificate {
            CertificateError::UnknownIssuer => Self::UnknownCa,
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Self::NotYet
            }
            CertificateError::Revoked => Self::Revoked,
            CertificateError::UnknownRevocationStatus => Self::Unlisted,
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                Self::Usage
            }
            _ => Self::Other,
        })
    }

    /// The word for labels and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::UnknownCa => "unknown_ca",
            Self::Expired => "expired",
            Self::NotYet => "not_yet",
            Self::Revoked => "revoked",
            Self::Unlisted => "unlisted",
            Self::Usage => "usage",
            Self::Other => "other",
        }
    }
}

fn config(own: (&[u8], &[u8]), clients: Option<&Checks>) -> Result<ServerConfig, TlsError> {
    let (chain, key) = pair(own.0, Input::Certificate, own.1, Input::Key)?;
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|e| TlsError::Library(e.to_string()))?;
    let builder = match clients {
        Some(checks) => builder.with_client_cert_verifier(Arc::clone(&checks.verifier)),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|e| TlsError::Library(e.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // The server's order of cipher suites counts, not the client's.
    config.ignore_client_order = true;
    config.send_tls13_tickets = 1;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::super::Clients;
    use super::*;

    fn made() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    fn checks() -> Checks {
        let ca = made().0;
        let clients = Clients {
            ca: ca.as_bytes(),
            lists: Vec::new(),
            required: true,
        };
        clients.checks().unwrap()
    }

    fn public(clients: Option<&Checks>, previous: Option<&Server>) -> Server {
        let (cert, key) = made();
        Server::public((cert.as_bytes(), key.as_bytes()), clients, previous).unwrap()
    }

    #[test]
    fn tickets_live_as_long_as_what_clients_are_checked_against() {
        let ours = checks();
        for clients in [None, Some(&ours)] {
            let first = public(clients, None);
            let second = public(clients, Some(&first));
            let ticket = first.config.ticketer.encrypt(b"state").unwrap();
            let read = |server: &Server| server.config.ticketer.decrypt(&ticket);
            assert_eq!(read(&second).unwrap(), b"state");
            assert_eq!(first.trust(), second.trust());
            let storage = |server: &Server| Arc::as_ptr(&server.config.session_storage);
            assert!(std::ptr::addr_eq(storage(&first), storage(&second)));
            let theirs = checks();
            for other in [
                Some(&theirs),
                if clients.is_some() { None } else { Some(&ours) },
            ] {
                let third = public(other, Some(&second));
                assert_eq!(read(&third), None);
                assert_ne!(third.trust(), second.trust());
                assert!(!std::ptr::addr_eq(storage(&third), storage(&second)));
            }
        }
    }

    #[test]
    fn nothing_is_resumed_at_the_control_listener() {
        let (cert, key) = made();
        let control = Server::control((cert.as_bytes(), key.as_bytes()), None, None).unwrap();
        assert_eq!(control.config.alpn_protocols, [b"http/1.1"]);
        assert_eq!(control.config.send_tls13_tickets, 0);
        assert!(!control.config.ticketer.enabled());
    }

    #[test]
    fn only_a_change_of_trust_is_told() {
        let first = public(None, None);
        let switch = Switch::new(first.clone());
        let mut changes = switch.changes();
        switch.replace(Arc::new(public(None, Some(&first))));
        assert!(!changes.has_changed().unwrap());
        let other = public(Some(&checks()), Some(&first));
        let number = other.trust();
        switch.replace(Arc::new(other));
        assert_eq!(*changes.borrow_and_update(), number);
        assert!(switch.trusts(number) && !switch.trusts(first.trust()));
    }
}
