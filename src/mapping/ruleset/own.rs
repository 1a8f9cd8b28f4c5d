//! `schemas` of a rule: schemas of its own, in the words of RFC 7643 §7.

use std::sync::Arc;

use crate::scim::schema::{Attribute, Kind, Mutability, Schema, Uniqueness};
use crate::scim::{AttrName, SchemaUri};
use crate::yaml::{self, Diagnostic, Diagnostics, Node, Source, Table};

use super::scalar;

pub(super) fn schemas(source: &Source, node: &Node, d: &mut Diagnostics) -> Vec<Arc<Schema>> {
    let Some(table) = Table::open(source, node, "the schemas", d) else {
        return Vec::new();
    };
    let mut schemas: Vec<Arc<Schema>> = Vec::new();
    for (key, node) in table.entries() {
        let uri = match key.text.parse::<SchemaUri>() {
            Ok(uri) if key.text.starts_with("urn:") => uri,
            _ => {
                let error = Diagnostic::error(
                    source,
                    key.span,
                    format!("`{}` is not a schema URN", key.text),
                );
                d.push(error.help("such as `urn:acme:params:scim:schemas:2.0:User`"));
                continue;
            }
        };
        if let Some(other) = schemas.iter().find(|schema| schema.id == uri) {
            let message = format!("`{}` is declared already, as `{}`", key.text, other.id);
            d.push(Diagnostic::error(source, key.span, message));
            continue;
        }
        let attributes = attributes(source, node, 0, d);
        let name = key.text.rsplit(':').next().unwrap_or(&key.text);
        let description = "A schema of this service provider's own.";
        schemas.push(Arc::new(Schema::new(uri, name, description, attributes)));
    }
    schemas
}

fn attributes(source: &Source, node: &Node, depth: usize, d: &mut Diagnostics) -> Vec<Attribute> {
    let Some(table) = Table::open(source, node, "the attributes of a schema", d) else {
        return Vec::new();
    };
    let mut attributes: Vec<Attribute> = Vec::new();
    for (key, node) in table.entries() {
        let Ok(name) = key.text.parse::<AttrName>() else {
            let message = format!("`{}` is not an attribute name", key.text);
            d.push(Diagnostic::error(source, key.span, message));
            continue;
        };
        if attributes.iter().any(|a| a.name == name) {
            let message = format!("`{name}` is defined already, in another case");
            d.push(Diagnostic::error(source, key.span, message));
            continue;
        }
        attributes.extend(attribute(source, name, node, depth, d));
    }
    attributes
}

fn attribute(
    source: &Source,
    name: AttrName,
    node: &Node,
    depth: usize,
    d: &mut Diagnostics,
) -> Option<Attribute> {
    // `badge: string` is short for `badge: {type: string}`.
    if let yaml::Value::String(_) = node.value {
        let kind = scalar::word(source, node, &KINDS, d)?;
        return Some(Attribute::new(name, kind));
    }
    let mut table = Table::open(source, node, "an attribute", d)?;
    let kind = table
        .required("type", d)
        .and_then(|node| scalar::word(source, node, &KINDS, d));
    let mut flag = |key, d: &mut Diagnostics| {
        let node = table.optional(key)?;
        node.boolean(source, d)
    };
    let many = flag("multiValued", d).unwrap_or(false);
    let exact = flag("caseExact", d);
    let required = flag("required", d).unwrap_or(false);
    let mutability = table
        .optional("mutability")
        .and_then(|node| scalar::word(source, node, &MUTABILITIES, d));
    let uniqueness = table
        .optional("uniqueness")
        .and_then(|node| scalar::word(source, node, &UNIQUENESSES, d));
    let description = table
        .optional("description")
        .and_then(|node| scalar::text(source, node, d));
    let subs = table.optional("subAttributes");
    let subs = match (kind, subs) {
        (Some(Kind::Complex), Some(node)) if depth == 0 => attributes(source, node, 1, d),
        (Some(Kind::Complex), None) => {
            let message = "a complex attribute needs `subAttributes`";
            d.push(Diagnostic::error(source, node.span, message));
            Vec::new()
        }
        (Some(_), Some(node)) => {
            let message = "only a complex attribute has sub-attributes, and they are not complex";
            d.push(Diagnostic::error(source, node.span, message));
            Vec::new()
        }
        _ => Vec::new(),
    };
    table.finish(d);
    let mut attribute = Attribute::new(name, kind?);
    attribute.multi_valued = many;
    attribute.required = required;
    attribute.case_exact = exact.unwrap_or(attribute.case_exact);
    attribute.mutability = mutability.unwrap_or(attribute.mutability);
    attribute.uniqueness = uniqueness.unwrap_or(attribute.uniqueness);
    attribute.description = description.unwrap_or_default();
    attribute.sub_attributes = subs;
    Some(attribute)
}

const KINDS: [(&str, Kind); 8] = [
    ("string", Kind::String),
    ("boolean", Kind::Boolean),
    ("decimal", Kind::Decimal),
    ("integer", Kind::Integer),
    ("dateTime", Kind::DateTime),
    ("binary", Kind::Binary),
    ("reference", Kind::Reference),
    ("complex", Kind::Complex),
];

const MUTABILITIES: [(&str, Mutability); 4] = [
    ("readOnly", Mutability::ReadOnly),
    ("readWrite", Mutability::ReadWrite),
    ("immutable", Mutability::Immutable),
    ("writeOnly", Mutability::WriteOnly),
];

const UNIQUENESSES: [(&str, Uniqueness); 3] = [
    ("none", Uniqueness::None),
    ("server", Uniqueness::Server),
    ("global", Uniqueness::Global),
];
