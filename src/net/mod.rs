//! Bytes on the wire: bodies, deadlines, TLS material, the client towards directories, and the
//! guarded stream under every connection that is accepted.

pub mod body;

pub use body::{Body, BodyError};
