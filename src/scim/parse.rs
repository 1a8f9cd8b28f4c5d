//! The one grammar for filters, attribute paths and PATCH paths: hand-written recursive descent
//! with limits on length and depth, and errors that say where and what was expected.

use super::accent::Accents;
use super::error::ParseError;
use super::filter::Filter;
use super::path::{AttrPath, PatchPath};
use super::schema::TypeSchema;

/// The longest filter or path, in bytes.
pub const MAX_LENGTH: usize = 16 * 1024;
/// The deepest nesting of parentheses and brackets.
pub const MAX_DEPTH: usize = 128;

/// Parses a filter about resources of the type. Paths split at the longest URI that `schema`
/// knows; the base schema's own URI is dropped.
///
/// # Errors
/// Where the text stops making sense, and what was expected.
pub fn filter(
    text: &str,
    schema: &TypeSchema,
    accents: &mut Accents,
) -> Result<Filter, ParseError> {
    let _ = (text, schema, accents);
    todo!()
}

/// Parses an attribute path.
///
/// # Errors
/// Where the text stops making sense, and what was expected.
pub fn attr_path(text: &str, schema: &TypeSchema) -> Result<AttrPath, ParseError> {
    let _ = (text, schema);
    todo!()
}

/// Parses a PATCH path.
///
/// # Errors
/// Where the text stops making sense, and what was expected.
pub fn patch_path(
    text: &str,
    schema: &TypeSchema,
    accents: &mut Accents,
) -> Result<PatchPath, ParseError> {
    let _ = (text, schema, accents);
    todo!()
}
