//! One line of `attributes`.

use std::sync::Arc;

use serde_json::Value;

use crate::scim::accent::Accents;
use crate::scim::schema::{Schema, TypeSchema};
use crate::scim::{AttrName, PatchPath, SchemaUri, parse};
use crate::yaml::{self, Diagnostic, Diagnostics, Node, Source, Table, suggest};

use super::{Direction, LineRule, Spot, entry, keys, scalar};
use crate::mapping::place::Place;

/// Reads a line; `known` are the URNs that a target may begin with. Targets in an LDAP directory
/// are attributes of entries.
pub(super) fn read(
    source: &Source,
    node: &Node,
    schema: &TypeSchema,
    (known, is_ldap): (&[SchemaUri], bool),
    d: &mut Diagnostics,
) -> Option<LineRule> {
    let mut table = Table::open(source, node, "a line", d)?;
    let scim_node = table.optional("scim");
    let scim = scim_node.and_then(|node| spot(source, node, schema, d));
    let target_node = table.optional("target");
    let target = target_node.and_then(|node| match is_ldap {
        false => spot(source, node, &foreign(known)?, d),
        true => attribute(source, node, d),
    });
    let broken =
        (scim_node.is_some() && scim.is_none()) || (target_node.is_some() && target.is_none());
    let directions = [
        ("both", Direction::Both),
        ("read", Direction::Read),
        ("write", Direction::Write),
        ("create", Direction::Create),
    ];
    let direction = table.optional("direction").and_then(|node| {
        let direction = scalar::word(source, node, &directions, d)?;
        Some((direction, node.span))
    });
    let required = flag(source, &mut table, "required", d).is_some_and(|(on, _)| on);
    let values = table
        .optional("values")
        .and_then(|node| Some((rows(source, node, d)?, node.span)));
    let otherwise = table
        .optional("otherwise")
        .and_then(|node| Some((scalar::value(source, node, d)?, node.span)));
    let prefer = table
        .optional("prefer")
        .map(|node| preferred(source, node, d))
        .unwrap_or_default();
    let prefix = table
        .optional("prefix")
        .and_then(|node| scalar::text(source, node, d));
    let suffix = table
        .optional("suffix")
        .map(|node| suffixes(source, node, d))
        .unwrap_or_default();
    let swap = table
        .optional("swap")
        .and_then(|node| Some((keys::swap(source, node, d)?, node.span)));
    let default = table
        .optional("default")
        .and_then(|node| Some((scalar::value(source, node, d)?, node.span)));
    let constant = table
        .optional("constant")
        .and_then(|node| Some((scalar::value(source, node, d)?, node.span)));
    let join_node = table.optional("join");
    let join = join_node.and_then(|node| joined(source, node, schema, d));
    let with = table
        .optional("with")
        .and_then(|node| Some((node.string(source, d)?.to_owned(), node.span)));
    let many = flag(source, &mut table, "many", d);
    let rest = flag(source, &mut table, "rest", d);
    let element = table
        .optional("element")
        .map(|node| constants(source, node, d))
        .unwrap_or_default();
    let unique = flag(source, &mut table, "unique", d).is_some_and(|(on, _)| on);
    let secret = flag(source, &mut table, "secret", d).is_some_and(|(on, _)| on);
    let form = table
        .optional("as")
        .and_then(|node| Some((scalar::word(source, node, &keys::FORMS, d)?, node.span)));
    let ldap = keys::read(
        source,
        &mut table,
        is_ldap,
        &|node, d| spot(source, node, schema, d),
        d,
    );
    table.finish(d);
    let ldap = ldap?;
    if broken || (join_node.is_some() && join.is_none()) {
        return None;
    }
    Some(LineRule {
        span: node.span,
        scim,
        target,
        direction,
        required,
        values,
        otherwise,
        prefer,
        prefix,
        suffix,
        swap,
        default,
        constant,
        join,
        with,
        many,
        rest,
        element,
        unique,
        secret,
        form,
        ldap,
    })
}

/// The name of an attribute of an LDAP entry.
pub(super) fn attribute(source: &Source, node: &Node, d: &mut Diagnostics) -> Option<Spot> {
    let name = entry::name(source, node, d)?;
    Some(Spot {
        text: name.to_string(),
        place: Place::of(name),
        span: node.span,
    })
}

fn suffixes(source: &Source, node: &Node, d: &mut Diagnostics) -> Vec<String> {
    let items = match &node.value {
        yaml::Value::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    if items.is_empty() {
        d.push(Diagnostic::error(source, node.span, "`suffix` names none"));
    }
    let texts = items
        .iter()
        .filter_map(|item| scalar::text(source, item, d));
    texts.collect()
}

fn flag(
    source: &Source,
    table: &mut Table<'_>,
    key: &'static str,
    d: &mut Diagnostics,
) -> Option<(bool, yaml::Span)> {
    let node = table.optional(key)?;
    Some((node.boolean(source, d)?, node.span))
}

/// An attribute path with an element filter or without.
fn spot(source: &Source, node: &Node, schema: &TypeSchema, d: &mut Diagnostics) -> Option<Spot> {
    let text = node.string(source, d)?;
    let shown: String = text.chars().take(120).collect();
    let path = match parse::patch_path(text, schema, &mut Accents::refused()) {
        Ok(path) => path,
        Err(error) => {
            let message = format!("`{shown}` is not an attribute path: {error}");
            let mut diagnostic = Diagnostic::error(source, node.span, message);
            if text.contains(':') {
                let uris: Vec<_> = schema.uris().map(SchemaUri::as_str).collect();
                let head = text.rsplit_once(':').map_or(text, |(head, _)| head);
                diagnostic = diagnostic.help(match suggest(head, uris) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "a schema URN of your own is declared under `schemas`".to_owned(),
                });
            }
            d.push(diagnostic);
            return None;
        }
    };
    if let PatchPath::Extension(_) = path {
        let message = format!("`{shown}` is a whole schema");
        let error = Diagnostic::error(source, node.span, message);
        d.push(error.help("name one attribute of it after a `:`"));
        return None;
    }
    let Some(place) = Place::from_path(path) else {
        let message = format!("the filter in `{shown}` must be `eq` terms joined by `and`");
        let error = Diagnostic::error(source, node.span, message);
        d.push(error.help("such as `emails[type eq \"work\"].value`"));
        return None;
    };
    Some(Spot {
        place,
        text: text.to_owned(),
        span: node.span,
    })
}

/// A schema that knows nothing but the URNs which paths of the directory may begin with.
fn foreign(known: &[SchemaUri]) -> Option<TypeSchema> {
    let named = |uri: &SchemaUri| Arc::new(Schema::new(uri.clone(), "", "", Vec::new()));
    Some(TypeSchema {
        name: "Directory".parse().ok()?,
        endpoint: "".into(),
        description: "".into(),
        base: named(known.first()?),
        extensions: known.iter().skip(1).map(named).collect(),
    })
}

fn rows(
    source: &Source,
    node: &Node,
    d: &mut Diagnostics,
) -> Option<Vec<(String, yaml::Span, Vec<Value>)>> {
    let table = Table::open(source, node, "a value table", d)?;
    let mut rows = Vec::new();
    for (key, node) in table.entries() {
        let targets = match &node.value {
            yaml::Value::List(items) if !items.is_empty() => items
                .iter()
                .filter_map(|item| scalar::value(source, item, d))
                .collect(),
            _ => scalar::value(source, node, d).into_iter().collect(),
        };
        rows.push((key.text.clone(), key.span, targets));
    }
    if rows.is_empty() {
        d.push(Diagnostic::error(
            source,
            node.span,
            "the value table is empty",
        ));
        return None;
    }
    Some(rows)
}

fn preferred(source: &Source, node: &Node, d: &mut Diagnostics) -> Vec<(String, yaml::Span)> {
    let items = match &node.value {
        yaml::Value::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    items
        .iter()
        .filter_map(|item| match scalar::value(source, item, d)? {
            Value::String(text) => Some((text, item.span)),
            other => Some((other.to_string(), item.span)),
        })
        .collect()
}

fn joined(
    source: &Source,
    node: &Node,
    schema: &TypeSchema,
    d: &mut Diagnostics,
) -> Option<(Vec<Spot>, yaml::Span)> {
    let items = node.list(source, d)?;
    if items.len() < 2 {
        let message = "`join` needs two attributes or more";
        d.push(Diagnostic::error(source, node.span, message));
        return None;
    }
    let spots: Vec<Spot> = items
        .iter()
        .filter_map(|item| spot(source, item, schema, d))
        .collect();
    (spots.len() == items.len()).then_some((spots, node.span))
}

fn constants(source: &Source, node: &Node, d: &mut Diagnostics) -> Vec<(AttrName, Value)> {
    let Some(table) = Table::open(source, node, "an element", d) else {
        return Vec::new();
    };
    let mut constants = Vec::new();
    for (key, node) in table.entries() {
        match (key.text.parse(), scalar::value(source, node, d)) {
            (Ok(name), Some(value)) => constants.push((name, value)),
            (Err(_), _) => {
                let message = format!("`{}` is not an attribute name", key.text);
                d.push(Diagnostic::error(source, key.span, message));
            }
            (Ok(_), None) => {}
        }
    }
    constants
}
