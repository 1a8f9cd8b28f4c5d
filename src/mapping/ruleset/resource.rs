//! `resources` of a rule: the types, where they live in the directory, and their lines.

use std::sync::Arc;

use crate::scim::schema::{self, Schema, TypeSchema};
use crate::scim::{ResourceType, SchemaUri};
use crate::yaml::{Diagnostic, Diagnostics, Key, Node, Source, Table, suggest};

use super::{TypeRule, Unmapped, discreet, entry, line, protect, scalar};
use crate::ldap::layout::Flavor;

pub(super) fn types(
    source: &Source,
    node: &Node,
    own: &[Arc<Schema>],
    ldap: Option<Flavor>,
    d: &mut Diagnostics,
) -> Vec<TypeRule> {
    let Some(table) = Table::open(source, node, "the resources", d) else {
        return Vec::new();
    };
    let mut types: Vec<TypeRule> = Vec::new();
    for (key, node) in table.entries() {
        let Some(rule) = one(source, key, node, (own, ldap), d) else {
            continue;
        };
        if let Some(other) = types.iter().find(|t| {
            t.schema
                .endpoint
                .eq_ignore_ascii_case(&rule.schema.endpoint)
        }) {
            let message = format!(
                "`{}` and `{}` have the same endpoint `{}`",
                other.name, rule.name, rule.schema.endpoint
            );
            d.push(Diagnostic::error(source, key.span, message));
        }
        types.push(rule);
    }
    types
}

fn one(
    source: &Source,
    key: &Key,
    node: &Node,
    (own, ldap): (&[Arc<Schema>], Option<Flavor>),
    d: &mut Diagnostics,
) -> Option<TypeRule> {
    let mut table = Table::open(source, node, "a resource type", d)?;
    let name = match key.text.parse::<ResourceType>() {
        Ok(name) => Some(name),
        Err(error) => {
            d.push(Diagnostic::error(source, key.span, error.to_string()));
            None
        }
    };
    let schema_node = table.optional("schema");
    let schema = base(source, key, schema_node, own, d);
    let endpoint = table
        .optional("endpoint")
        .and_then(|node| segment(source, node, d));
    let extensions = table
        .optional("extensions")
        .map(|node| extensions(source, node, own, d))
        .unwrap_or_default();
    let entry_node = table.optional("entry");
    let ends = (table.optional("on_delete"), table.optional("on_create"));
    let attributes_node = table.optional("attributes");
    let policies = [
        ("pass", Unmapped::Pass),
        ("drop", Unmapped::Drop),
        ("reject", Unmapped::Reject),
    ];
    let unmapped = table
        .optional("unmapped")
        .and_then(|node| scalar::word(source, node, &policies, d))
        .unwrap_or_default();
    let audit = table.optional("audit");
    let protect_node = table.optional("protect");
    let discards = table
        .optional("forbidden")
        .and_then(|node| scalar::word(source, node, &[("refuse", false), ("discard", true)], d))
        .unwrap_or_default();
    table.finish(d);
    let (name, mut schema) = (name?, schema?);
    schema.name = name.clone();
    if let Some(endpoint) = endpoint {
        schema.endpoint = endpoint.into();
    }
    for extension in extensions {
        if schema.extension(&extension.id).is_none() {
            schema.extensions.push(extension);
        }
    }
    let plain = audit
        .map(|node| discreet::plain(source, node, &schema, d))
        .unwrap_or_default();
    let mut entry = entry::read(source, entry_node, key.span, &schema, ldap, d);
    entry::ends(source, ends, &mut entry, d);
    if let (Some(_), Unmapped::Pass) = (ldap, unmapped) {
        let message = "`unmapped: pass` means nothing here: entries have no SCIM attributes";
        let error = Diagnostic::error(source, key.span, message);
        d.push(error.help("`drop` or `reject`, and a line for each attribute"));
    }
    // The first is the base schema of the directory's own documents.
    let mut known: Vec<SchemaUri> = entry.schemas.iter().flatten().cloned().collect();
    known.extend(schema.uris().cloned());
    known.extend(own.iter().map(|schema| schema.id.clone()));
    let protect = protect_node
        .and_then(|node| protect::read(source, node, &schema, (&known, ldap.is_some()), d));
    let mut lines = Vec::new();
    if let Some(node) = attributes_node {
        for item in node.list(source, d).unwrap_or_default() {
            lines.extend(line::read(
                source,
                item,
                &schema,
                (&known, ldap.is_some()),
                d,
            ));
        }
    } else if unmapped != Unmapped::Pass {
        let error = Diagnostic::error(source, key.span, format!("`{name}` has no `attributes`"));
        d.push(error.help("add lines, or let everything through with `unmapped: pass`"));
    }
    Some(TypeRule {
        name,
        span: key.span,
        schema,
        entry,
        lines,
        unmapped,
        plain,
        protect,
        discards,
    })
}

/// The base schema: the RFC's for User and Group, else one of the rule's own.
fn base(
    source: &Source,
    key: &Key,
    node: Option<&Node>,
    own: &[Arc<Schema>],
    d: &mut Diagnostics,
) -> Option<TypeSchema> {
    match (key.text.as_str(), node) {
        ("User", None) => Some(schema::user()),
        ("Group", None) => Some(schema::group()),
        ("User" | "Group", Some(node)) => {
            let message = format!("`{}` has the schema of RFC 7643", key.text);
            let error = Diagnostic::error(source, node.span, message);
            d.push(error.help("own attributes go into a schema under `extensions`"));
            None
        }
        (_, Some(node)) => {
            let text = node.string(source, d)?;
            let schema = declared(source, node, text, own, d)?;
            Some(TypeSchema {
                name: key.text.parse().ok()?,
                endpoint: format!("{}s", key.text).into(),
                description: "A resource type of this service provider's own.".into(),
                base: schema,
                extensions: Vec::new(),
            })
        }
        (other, None) => {
            let message = format!("`{other}` needs a `schema`");
            let near = suggest(other, ["User", "Group"]);
            let help = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => "`schema: urn:…` of one under `schemas`".to_owned(),
            };
            d.push(Diagnostic::error(source, key.span, message).help(help));
            None
        }
    }
}

fn declared(
    source: &Source,
    node: &Node,
    text: &str,
    own: &[Arc<Schema>],
    d: &mut Diagnostics,
) -> Option<Arc<Schema>> {
    if let Some(schema) = own.iter().find(|schema| schema.id.is(text)) {
        return Some(Arc::clone(schema));
    }
    let shown: String = text.chars().take(120).collect();
    let error = Diagnostic::error(source, node.span, format!("`{shown}` is not declared"));
    let near = suggest(text, own.iter().map(|schema| schema.id.as_str()));
    d.push(error.help(match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => "declare it under `schemas`".to_owned(),
    }));
    None
}

fn extensions(
    source: &Source,
    node: &Node,
    own: &[Arc<Schema>],
    d: &mut Diagnostics,
) -> Vec<Arc<Schema>> {
    let mut extensions = Vec::new();
    for item in node.list(source, d).unwrap_or_default() {
        let Some(text) = item.string(source, d) else {
            continue;
        };
        if text.eq_ignore_ascii_case(schema::ENTERPRISE_USER) {
            let user = schema::user();
            extensions.extend(user.extensions.into_iter().find(|e| e.id.is(text)));
        } else {
            extensions.extend(declared(source, item, text, own, d));
        }
    }
    extensions
}

fn segment(source: &Source, node: &Node, d: &mut Diagnostics) -> Option<String> {
    let text = entry::path(source, node, d)?;
    let reserved = [
        "Bulk",
        "Me",
        ".search",
        "Schemas",
        "ResourceTypes",
        "ServiceProviderConfig",
    ];
    if text.contains('/') || reserved.iter().any(|r| r.eq_ignore_ascii_case(&text)) {
        let message = format!("`{text}` cannot be an endpoint");
        d.push(Diagnostic::error(source, node.span, message));
        return None;
    }
    Some(text)
}
