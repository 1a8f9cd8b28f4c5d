//! A table read key by key: what is missing and what is unknown is reported at its place.

use super::diagnostic::Diagnostics;
use super::node::{Key, Node, Source};

/// A table whose keys are being taken.
#[derive(Debug)]
pub struct Table<'a> {
    source: &'a Source,
    node: &'a Node,
    taken: Vec<&'static str>,
}

impl<'a> Table<'a> {
    /// Opens a node as a table; `what` is what the table is, with its article, for messages.
    pub fn open(
        source: &'a Source,
        node: &'a Node,
        what: &'static str,
        diagnostics: &mut Diagnostics,
    ) -> Option<Self> {
        let _ = (what, diagnostics);
        Some(Self {
            source,
            node,
            taken: Vec::new(),
        })
    }

    /// The value of a key that must be there.
    pub fn required(
        &mut self,
        key: &'static str,
        diagnostics: &mut Diagnostics,
    ) -> Option<&'a Node> {
        let _ = (key, diagnostics);
        todo!()
    }

    /// The value of a key that may be there.
    pub fn optional(&mut self, key: &'static str) -> Option<&'a Node> {
        let _ = key;
        todo!()
    }

    /// The entries of a table whose keys are the user's own.
    #[must_use]
    pub fn entries(self) -> &'a [(Key, Node)] {
        todo!()
    }

    /// Reports every key that nobody took, with the nearest known one.
    pub fn finish(self, diagnostics: &mut Diagnostics) {
        let _ = (self.source, self.node, self.taken, diagnostics);
        todo!()
    }
}
