//! How the pure core reports what it did, without doing anything about it.

use crate::scim::accent::Accent;

/// Sees what happens to one request or answer. `()` in benches, counters in `serve`, a trace in
/// commands that explain.
pub trait Witness {
    /// Something happened.
    fn saw(&mut self, event: Event<'_>);
}

/// What can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// An accent was brought into the RFC's form.
    Accent(Accent),
    /// An attribute was left out because no line maps it; the path in the words of the side that
    /// it came from.
    Dropped {
        /// The attribute.
        attribute: &'a str,
        /// Whether it came from the client (else from the directory).
        inbound: bool,
    },
    /// An attribute of a request was left out because the account may not write it
    /// (`forbidden: discard`); its path without any filter.
    Discarded {
        /// The attribute.
        attribute: &'a str,
    },
    /// A value of the directory could not be brought into SCIM and was left out.
    Undecodable {
        /// The line of the rule file.
        line: usize,
    },
}

impl Witness for () {
    fn saw(&mut self, _: Event<'_>) {}
}
