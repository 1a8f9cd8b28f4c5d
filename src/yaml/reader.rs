//! A table read key by key: what is missing and what is unknown is reported at its place.

use super::diagnostic::{Diagnostic, Diagnostics};
use super::node::{Key, Node, Source, Span, Value};
use super::suggest::suggest;

/// A table whose keys are being taken.
#[derive(Debug)]
pub struct Table<'a> {
    source: &'a Source,
    span: Span,
    what: &'static str,
    entries: &'a [(Key, Node)],
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
        let Value::Table(entries) = &node.value else {
            diagnostics.push(node.expected(source, &format!("{what} as a table (`key: value`)")));
            return None;
        };
        Some(Self {
            source,
            span: node.span,
            what,
            entries,
            taken: Vec::new(),
        })
    }

    /// The value of a key that must be there.
    pub fn required(
        &mut self,
        key: &'static str,
        diagnostics: &mut Diagnostics,
    ) -> Option<&'a Node> {
        let found = self.optional(key);
        if found.is_none() {
            diagnostics.push(Diagnostic::error(
                self.source,
                self.span,
                format!("`{key}` is missing in {}", self.what),
            ));
        }
        found
    }

    /// The value of a key that may be there.
    pub fn optional(&mut self, key: &'static str) -> Option<&'a Node> {
        self.taken.push(key);
        self.entry(key).map(|(_, node)| node)
    }

    /// The place of a key that is there, else of the table; takes nothing.
    #[must_use]
    pub fn place(&self, key: &str) -> Span {
        self.entry(key).map_or(self.span, |(key, _)| key.span)
    }

    /// The place of the table.
    #[must_use]
    pub fn span(&self) -> Span {
        self.span
    }

    /// The entries of a table whose keys are the user's own.
    #[must_use]
    pub fn entries(self) -> &'a [(Key, Node)] {
        self.entries
    }

    /// Reports every key that nobody took, with the nearest known one.
    pub fn finish(self, diagnostics: &mut Diagnostics) {
        for (key, _) in self.entries {
            if self.taken.iter().any(|taken| *taken == key.text) {
                continue;
            }
            let shown: String = key.text.chars().take(60).collect();
            let message = format!("unknown key `{shown}` in {}", self.what);
            let help = match suggest(&key.text, self.taken.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("known here: {}", list(&self.taken)),
            };
            diagnostics.push(Diagnostic::error(self.source, key.span, message).help(help));
        }
    }

    fn entry(&self, key: &str) -> Option<&'a (Key, Node)> {
        self.entries.iter().find(|(k, _)| k.text == key)
    }
}

fn list(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}
