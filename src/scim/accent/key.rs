//! What the members of a document, or of a PATCH value without path, stand for.

use super::{Accent, Accents};
use crate::scim::error::{ScimError, ScimType};
use crate::scim::name::{AttrName, SchemaUri};
use crate::scim::parse;
use crate::scim::path::{AttrPath, PatchPath};
use crate::scim::schema::TypeSchema;

/// What a member's name stands for.
#[derive(Debug, PartialEq)]
pub(super) enum Key {
    /// The base schema's URI: its members are the resource's own.
    Base,
    /// An extension: its members are the extension's.
    Extension(SchemaUri),
    /// An attribute, under its plain name.
    Attribute(AttrPath),
    /// Something deeper: a dotted name, a name after a URI, an element.
    Path(PatchPath),
}

/// Reads a name; `home` is the extension that it stands in.
///
/// # Errors
/// `invalidPath`: it is no name, or it is an accent and accents are refused.
pub(super) fn read(
    text: &str,
    home: Option<&SchemaUri>,
    schema: &TypeSchema,
    accents: &mut Accents,
) -> Result<Key, ScimError> {
    if let Ok(name) = text.parse::<AttrName>() {
        let attr = AttrPath {
            uri: home.cloned(),
            name,
            sub: None,
        };
        return Ok(match elsewhere(&attr, schema) {
            Some(uri) if accents.met(Accent::ManagerShape) => {
                Key::Path(PatchPath::attribute(AttrPath {
                    uri: Some(uri),
                    ..attr
                }))
            }
            _ => Key::Attribute(attr),
        });
    }
    if schema.base.id.is(text) {
        return Ok(Key::Base);
    }
    if let Some(extension) = schema.extensions.iter().find(|schema| schema.id.is(text)) {
        return Ok(Key::Extension(extension.id.clone()));
    }
    let dotted = !text
        .split(['[', '"'])
        .next()
        .unwrap_or_default()
        .contains(':');
    let full = match home {
        Some(uri) if dotted => format!("{uri}:{text}"),
        _ => text.to_owned(),
    };
    let path = parse::patch_path(&full, schema, accents)
        .map_err(|error| error.refuse(ScimType::InvalidPath, &shortened(text)))?;
    let accent = if dotted {
        Accent::DottedKey
    } else {
        Accent::UrnKey
    };
    if accents.met(accent) {
        Ok(Key::Path(settle(path, schema, accents)))
    } else {
        Err(ScimError::bad(
            ScimType::InvalidPath,
            format!("`{}` is not the name of an attribute", shortened(text)),
        ))
    }
}

/// A path as the RFC has it: `manager` alone is the enterprise extension's.
pub(super) fn settle(path: PatchPath, schema: &TypeSchema, accents: &mut Accents) -> PatchPath {
    let uri = path.attr().and_then(|attr| elsewhere(&attr, schema));
    match (path, uri) {
        (
            PatchPath::Attribute {
                name, filter, sub, ..
            },
            Some(uri),
        ) if accents.met(Accent::ManagerShape) => PatchPath::Attribute {
            uri: Some(uri),
            name,
            filter,
            sub,
        },
        (path, _) => path,
    }
}

/// The same for a path in a filter, `attributes` or `sortBy`.
pub(in crate::scim) fn settle_attr(
    path: AttrPath,
    schema: &TypeSchema,
    accents: &mut Accents,
) -> AttrPath {
    match elsewhere(&path, schema) {
        Some(uri) if accents.met(Accent::ManagerShape) => AttrPath {
            uri: Some(uri),
            ..path
        },
        _ => path,
    }
}

/// The extension that `manager` belongs to, where it stands without one.
fn elsewhere(attr: &AttrPath, schema: &TypeSchema) -> Option<SchemaUri> {
    if attr.uri.is_some() || !attr.name.is("manager") || schema.find_attribute(attr).is_some() {
        return None;
    }
    let mut extensions = schema.extensions.iter();
    let home = extensions.find(|extension| extension.attribute(&attr.name).is_some())?;
    Some(home.id.clone())
}

pub(super) fn shortened(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}
