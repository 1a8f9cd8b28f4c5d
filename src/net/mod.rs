//! Bytes on the wire: bodies, deadlines, TLS material, the client towards directories, and the
//! guarded stream under every connection that is accepted.

pub mod body;
pub mod secret;

pub use body::{Body, BodyError};
pub use secret::Secret;

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// The address of the socket.
    pub address: std::net::SocketAddr,
}
