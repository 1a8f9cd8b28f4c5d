//! Files that people write: YAML read strictly into a tree that knows where everything stands,
//! and diagnostics that point at it. Every mistake of a file is reported in one go.

mod diagnostic;
mod mask;
mod node;
mod parse;
mod reader;
mod suggest;
#[cfg(test)]
mod tests;

pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use mask::{TOKEN_PREFIX, mask};
pub use node::{Key, Node, Source, Span, Value};
pub use parse::{MAX_DEPTH, MAX_FILE, parse};
pub use reader::Table;
pub use suggest::suggest;
