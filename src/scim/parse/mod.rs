//! The one grammar for filters, attribute paths and PATCH paths (RFC 7644 §3.4.2.2, §3.5.2, §3.10):
//! hand-written recursive descent with limits on length, depth and number of terms, and errors
//! that say where and what was expected.
//!
//! Names and operators are read in any case, and several spaces or tabs where the RFC has one
//! space. Names with a URI split at the longest URI that the type knows; the base schema's own URI
//! is dropped, an unknown one ends at the last colon.

mod cursor;
mod expression;
mod literal;
mod name;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;

use super::accent::Accents;
use super::error::ParseError;
use super::filter::Filter;
use super::path::{AttrPath, PatchPath};
use super::schema::TypeSchema;

use cursor::Cursor;
use expression::{Parser, Scope};

/// The longest filter or path, in bytes.
pub const MAX_LENGTH: usize = 16 * 1024;
/// The deepest nesting of parentheses and brackets.
pub const MAX_DEPTH: usize = 128;
/// The most comparisons in a filter, and the most attributes in a selection.
pub const MAX_TERMS: usize = 1024;

/// Parses a filter about resources of the type. Paths split at the longest URI that `schema`
/// knows; the base schema's own URI is dropped.
///
/// A comparison that RFC 7644 §3.4.2.2 forbids, such as `active gt true`, does not parse.
///
/// ```
/// use postern::scim::{accent::Accents, parse, schema};
/// let mut accents = Accents::accepted();
/// let text = "USERNAME Eq \"bjensen\" AND (title pr or not(active eq \"False\"))";
/// let filter = parse::filter(text, &schema::user(), &mut accents).unwrap();
/// assert_eq!(
///     filter.to_string(),
///     "USERNAME eq \"bjensen\" and (title pr or not (active eq false))"
/// );
/// ```
///
/// # Errors
/// Where the text stops making sense, and what was expected.
pub fn filter(
    text: &str,
    schema: &TypeSchema,
    accents: &mut Accents,
) -> Result<Filter, ParseError> {
    let mut parser = Parser::new(Cursor::new(text)?, schema, accents);
    let filter = parser.any_of(Scope::Resource)?;
    parser.cursor.end("`and`, `or` or the end")?;
    Ok(filter)
}

/// Parses an attribute path.
///
/// # Errors
/// Where the text stops making sense, and what was expected.
pub fn attr_path(text: &str, schema: &TypeSchema) -> Result<AttrPath, ParseError> {
    let mut cursor = Cursor::new(text)?;
    cursor.space();
    let path = name::attr_path(&mut cursor, schema)?;
    cursor.end("the end of the path")?;
    Ok(path)
}

/// Parses the list of an `attributes` or `excludedAttributes` parameter. The URI of an extension
/// stands for the whole extension ([`AttrPath::whole`]), the URI of the base schema for each of
/// its attributes; empty items are passed over.
///
/// # Errors
/// Where the text stops making sense, and what was expected.
pub fn selection(text: &str, schema: &TypeSchema) -> Result<Vec<AttrPath>, ParseError> {
    let mut cursor = Cursor::new(text)?;
    let mut paths = Vec::new();
    loop {
        cursor.space();
        if cursor.eat(b',') {
            continue;
        }
        if cursor.rest().is_empty() {
            return Ok(paths);
        }
        if paths.len() >= MAX_TERMS {
            return Err(cursor.fail("at most 1024 attributes"));
        }
        name::selector(&mut cursor, schema, &mut paths)?;
        cursor.space();
        if !cursor.rest().is_empty() && !cursor.eat(b',') {
            return Err(cursor.fail("a comma or the end"));
        }
    }
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
    let mut cursor = Cursor::new(text)?;
    cursor.space();
    let whole = text.trim_matches([' ', '\t']);
    if let Some(extension) = schema.extensions.iter().find(|e| e.id.is(whole)) {
        return Ok(PatchPath::Extension(extension.id.clone()));
    }
    let AttrPath { uri, name, mut sub } = name::attr_path(&mut cursor, schema)?;
    let mut filter = None;
    let mut parser = Parser::new(cursor, schema, accents);
    if sub.is_none() && parser.cursor.peek() == Some(b'[') {
        let attribute = AttrPath {
            uri: uri.clone(),
            name: name.clone(),
            sub: None,
        };
        filter = Some(parser.bracketed(&attribute)?);
        if parser.cursor.eat(b'.') {
            sub = Some(name::simple(&mut parser.cursor)?);
        }
    }
    parser.cursor.end("the end of the path")?;
    Ok(PatchPath::Attribute {
        uri,
        name,
        filter,
        sub,
    })
}
