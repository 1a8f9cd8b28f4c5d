//! Attribute paths: taking a name apart into URI, attribute and sub-attribute.

use super::cursor::Cursor;
use crate::scim::error::ParseError;
use crate::scim::name::{AttrName, SchemaUri};
use crate::scim::path::AttrPath;
use crate::scim::schema::TypeSchema;

/// `[uri:]name[.sub]`.
pub(super) fn attr_path(
    cursor: &mut Cursor<'_>,
    schema: &TypeSchema,
) -> Result<AttrPath, ParseError> {
    let uri = prefix(cursor, schema)?;
    let name = simple(cursor)?;
    let sub = if cursor.eat(b'.') {
        Some(simple(cursor)?)
    } else {
        None
    };
    Ok(AttrPath { uri, name, sub })
}

/// One item of a selection: an attribute path, or the URI of a schema.
pub(super) fn selector(
    cursor: &mut Cursor<'_>,
    schema: &TypeSchema,
    out: &mut Vec<AttrPath>,
) -> Result<(), ParseError> {
    let mut ahead = *cursor;
    let text = ahead.run(is_path_byte);
    if schema.base.id.is(text) {
        let all = schema.base.attributes.iter();
        out.extend(all.map(|attribute| AttrPath::of(attribute.name.clone())));
        *cursor = ahead;
    } else if let Some(extension) = schema.extensions.iter().find(|e| e.id.is(text)) {
        out.push(AttrPath::whole(extension.id.clone()));
        *cursor = ahead;
    } else {
        out.push(attr_path(cursor, schema)?);
    }
    Ok(())
}

/// A name without URI and sub-attribute.
pub(super) fn simple(cursor: &mut Cursor<'_>) -> Result<AttrName, ParseError> {
    let start = cursor.at();
    let text = cursor.run(|byte| byte.is_ascii_alphanumeric() || b"-_$".contains(&byte));
    text.parse()
        .map_err(|_| cursor.fail_at(start, "an attribute name"))
}

/// The URI before a name with its colon, if there is one; `None` as well for the base schema's.
fn prefix(cursor: &mut Cursor<'_>, schema: &TypeSchema) -> Result<Option<SchemaUri>, ParseError> {
    let start = cursor.at();
    let mut ahead = *cursor;
    let text = ahead.run(is_path_byte);
    if schema.uris().any(|uri| uri.is(text)) {
        return Err(ahead.fail("`:` and an attribute name after the schema URI"));
    }
    // The longest known URI that leaves one name, which has no colon: all shorter ones leave more.
    let known = schema.uris().find(|uri| {
        let uri = uri.as_str();
        text.split_at_checked(uri.len())
            .is_some_and(|(head, tail)| {
                head.eq_ignore_ascii_case(uri) && tail.strip_prefix(':').is_some_and(no_colon)
            })
    });
    if let Some(uri) = known {
        skip(cursor, uri.as_str().len() + 1);
        return Ok((*uri != schema.base.id).then(|| uri.clone()));
    }
    let Some((uri, _)) = text.rsplit_once(':') else {
        return Ok(None);
    };
    let uri = uri
        .parse()
        .map_err(|_| cursor.fail_at(start, "an attribute name, or a schema URI before it"))?;
    skip(cursor, text.rfind(':').map_or(0, |colon| colon + 1));
    Ok(Some(uri))
}

fn no_colon(text: &str) -> bool {
    !text.contains(':')
}

fn skip(cursor: &mut Cursor<'_>, bytes: usize) {
    for _ in 0..bytes {
        cursor.next();
    }
}

/// What can stand in a URI or a name: what [`SchemaUri`] takes but for the comma, which ends an
/// item of a selection.
fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\"'<>[]{}()\\^`|,".contains(&byte)
}
