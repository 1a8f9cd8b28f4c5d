//! Bytes on the wire: bodies, deadlines, TLS material, the client towards directories, and the
//! guarded stream under every connection that is accepted.

pub mod body;
pub mod certificate;
pub mod client;
pub mod framing;
pub mod guarded;
pub mod hex;
pub mod oneshot;
pub mod paced;
pub mod proxy;
mod reading;
pub mod secret;
pub mod shard;
pub mod tls;
pub mod trace;

pub use body::{Body, BodyError, CollectError, Terms};
pub use certificate::Certificate;
pub use secret::Secret;
pub use trace::TraceContext;

/// Who is at the other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Of the client: the address of the socket, or what a trusted proxy says; of a Unix socket,
    /// which has none, `0.0.0.0:0`.
    pub address: std::net::SocketAddr,
    /// The proxy that says so.
    pub through: Option<std::net::SocketAddr>,
    /// The certificate that it showed, which TLS has verified: never what a header says.
    pub certificate: Option<std::sync::Arc<Certificate>>,
}

impl Peer {
    /// Whoever is at the other end of the socket.
    #[must_use]
    pub fn direct(address: std::net::SocketAddr) -> Self {
        Self {
            address,
            through: None,
            certificate: None,
        }
    }
}
