//! Every limit and timer of a door, in one place. None is left to a library's default.

use std::time::Duration;

use crate::net::framing;
use crate::net::paced::Pace;

/// How much a door takes, and how long it waits.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at a time, over all workers.
    pub connections: usize,
    /// For a TLS handshake, from the moment of accepting.
    pub handshake: Duration,
    /// For the head of an HTTP/1.1 request, from its first byte.
    pub head: Duration,
    /// For a connection on which nothing is asked.
    pub idle: Duration,
    /// The parts of an HTTP/1.1 head; an HTTP/2 target has the same limit.
    pub framing: framing::Limits,
    /// How a client must read.
    pub pace: Pace,
    /// For an HTTP/2 client to take the next part of an answer that is ready.
    pub stall: Duration,
    /// Requests at a time on one HTTP/2 connection.
    pub streams: u32,
    /// After this a connection is asked to end, so that none outlives certificates and
    /// balancing for ever.
    pub age: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            framing: framing::Limits::DEFAULT,
            pace: Pace::DEFAULT,
            stall: Duration::from_secs(30),
            streams: 128,
            age: Duration::from_secs(60 * 60),
        }
    }
}
