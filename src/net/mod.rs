//! Bytes on the wire: bodies, deadlines, TLS material, the client towards directories, and the
//! guarded stream under every connection that is accepted.

pub mod body;
pub mod client;
pub mod framing;
pub mod guarded;
pub mod oneshot;
pub mod paced;
mod reading;
pub mod secret;
pub mod shard;
pub mod subject;
pub mod tls;

pub use body::{Body, BodyError, CollectError, Terms};
pub use secret::Secret;

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// The address of the socket; of a Unix socket, which has none, `0.0.0.0:0`.
    pub address: std::net::SocketAddr,
}
