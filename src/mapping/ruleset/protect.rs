//! `protect` of a resource type: which resources of the directory nobody may harm through this
//! tenant.
//!
//! ```yaml
//! protect:
//!   filter: 'adminCount eq 1 or uid eq "root"'   # over the directory's own attributes
//!   ids: ["1000", "break-glass"]                 # the ids that clients see
//! ```
//!
//! Of an LDAP directory the filter is one of LDAP (RFC 4515), as that of `entry` is, over any
//! attributes of entries, whether or not a line maps them. The directory itself is asked whom it
//! means: only it compares as it does, and some attributes are computed when somebody asks.
//!
//! ```yaml
//! protect: {filter: "(|(adminCount=1)(isCriticalSystemObject=TRUE))"}
//! ```

use std::sync::Arc;

use serde_json::Value;

use crate::ldap;
use crate::ldap::layout::{PROTECTED, Protect};
use crate::scim::accent::Accents;
use crate::scim::filter::{CompareOp, Comparison, Filter};
use crate::scim::schema::{Schema, TypeSchema};
use crate::scim::{AttrName, AttrPath, Resource, ResourceId, SchemaUri, parse};
use crate::yaml::{Diagnostic, Diagnostics, Node, Source, Table};

/// Which resources of a type are protected.
#[derive(Debug, Clone)]
pub struct ProtectRule {
    /// Those that match this, in the directory's words. Of an LDAP directory it only names the
    /// filter of `layout`.
    pub filter: Option<Filter>,
    /// Of an LDAP directory the filter itself, which alone tells whom it means.
    pub layout: Option<Protect>,
    /// The same for a resource in hand: whether the directory writes `1` or `"1"` makes no
    /// difference.
    loose: Option<Filter>,
    /// Those with these ids, made plain.
    pub ids: Vec<String>,
    /// What the paths of the filter are read by.
    pub schema: TypeSchema,
}

/// Reads it; `known` are the URNs that an attribute of the directory may begin with.
pub(super) fn read(
    source: &Source,
    node: &Node,
    schema: &TypeSchema,
    (known, ldap): (&[SchemaUri], bool),
    d: &mut Diagnostics,
) -> Option<ProtectRule> {
    let mut table = Table::open(source, node, "`protect`", d)?;
    let filter_node = table.optional("filter");
    let ids_node = table.optional("ids");
    let span = table.span();
    table.finish(d);
    let schema = directory_schema(schema, known);
    let entries = filter_node
        .filter(|_| ldap)
        .and_then(|node| of_entries(source, node, d));
    let filter = match filter_node {
        Some(_) if ldap => entries.as_ref().map(|_| named()),
        Some(node) => filter(source, node, &schema, d),
        None => None,
    };
    let mut ids: Vec<String> = Vec::new();
    for item in ids_node
        .and_then(|node| node.list(source, d))
        .unwrap_or_default()
    {
        let Some(text) = item.string(source, d) else {
            continue;
        };
        if !ResourceId::fits(text) {
            d.push(Diagnostic::error(source, item.span, "this cannot be an id"));
        }
        ids.push(plain(text));
    }
    if filter_node.is_none() && ids.is_empty() {
        let text = "`protect` protects nothing: give a `filter`, `ids`, or both";
        d.push(Diagnostic::error(source, span, text));
        return None;
    }
    if filter_node.is_some() && filter.is_none() {
        return None;
    }
    Some(ProtectRule {
        loose: filter.as_ref().filter(|_| !ldap).map(loosened),
        filter,
        layout: ldap.then(|| Protect {
            filter: entries,
            ids: ids.clone(),
            line: span.line,
        }),
        ids,
        schema,
    })
}

fn filter(
    source: &Source,
    node: &Node,
    schema: &TypeSchema,
    d: &mut Diagnostics,
) -> Option<Filter> {
    let text = node.string(source, d)?;
    match parse::filter(text, schema, &mut Accents::refused()) {
        Ok(filter) => Some(filter),
        Err(error) => {
            let help =
                "a SCIM filter over the directory's own attributes, such as `adminCount eq 1`";
            let error = Diagnostic::error(source, node.span, format!("the filter {error}"));
            d.push(error.help(help));
            None
        }
    }
}

fn of_entries(source: &Source, node: &Node, d: &mut Diagnostics) -> Option<ldap::Filter> {
    let text = node.string(source, d)?;
    match text.parse::<ldap::Filter>() {
        Ok(filter) => Some(filter),
        Err(error) => {
            let text = format!("this is no filter of LDAP: {error}");
            let help = "such as `(adminCount=1)`, over any attributes of the entries";
            d.push(Diagnostic::error(source, node.span, text).help(help));
            None
        }
    }
}

/// `$protected pr`.
fn named() -> Filter {
    Filter::Present(AttrPath::of(AttrName::known(PROTECTED)))
}

/// The directory's own attributes are not described: anything goes, and strings are compared
/// without case.
fn directory_schema(like: &TypeSchema, known: &[SchemaUri]) -> TypeSchema {
    let bare = |uri: &SchemaUri| {
        let text = "What the directory keeps.";
        Arc::new(Schema::new(uri.clone(), "directory", text, Vec::new()))
    };
    let base = known.first().unwrap_or(&like.base.id);
    TypeSchema {
        base: bare(base),
        extensions: known
            .iter()
            .skip(1)
            .filter(|uri| *uri != base)
            .map(bare)
            .collect(),
        ..like.clone()
    }
}

impl ProtectRule {
    /// Whether a resource in the directory's words is protected for what it is, as far as that is
    /// told here: of an LDAP directory it is not.
    #[must_use]
    pub fn matches(&self, resource: &Resource) -> bool {
        let matches = |filter: &Filter| filter.matches(resource, &self.schema);
        self.loose.as_ref().is_some_and(matches)
    }

    /// Whether the resource of this id is protected for its id.
    #[must_use]
    pub fn names(&self, id: &str) -> bool {
        let id = plain(id);
        self.ids.contains(&id)
    }

    /// The attributes of the directory that the filter asks about.
    #[must_use]
    pub fn asks(&self) -> Vec<AttrPath> {
        if let Some(layout) = &self.layout {
            let names = layout.filter.iter().flat_map(ldap::Filter::attributes);
            let names = names.filter_map(|name| name.parse().ok());
            return names.map(AttrPath::of).collect();
        }
        let mut paths = Vec::new();
        if let Some(filter) = &self.filter {
            collect(filter, &mut paths);
        }
        paths.into_iter().cloned().collect()
    }

    /// The filter as it stands in the rule.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        match &self.layout {
            Some(layout) => layout.filter.as_ref().map(ldap::Filter::to_string),
            None => self.filter.as_ref().map(Filter::to_string),
        }
    }
}

/// An id as it is compared: one that a directory could take for another of these is that.
fn plain(id: &str) -> String {
    let id = id.trim().to_lowercase();
    let number = id.trim_start_matches('0');
    if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) {
        return number.to_owned();
    }
    id
}

/// The filter with every `eq` satisfied by the same value of another kind as well. Not below a
/// `not`: there it would protect less.
fn loosened(filter: &Filter) -> Filter {
    let each = |parts: &[Filter]| parts.iter().map(loosened).collect();
    match filter {
        Filter::And(parts) => Filter::And(each(parts)),
        Filter::Or(parts) => Filter::Or(each(parts)),
        Filter::Element(path, inner) => Filter::Element(path.clone(), Box::new(loosened(inner))),
        Filter::Compare(comparison) if comparison.op == CompareOp::Eq => {
            let other = match &comparison.value {
                Value::String(text) => match serde_json::from_str(text) {
                    Ok(value @ (Value::Bool(_) | Value::Number(_))) => value,
                    _ => return filter.clone(),
                },
                Value::Bool(_) | Value::Number(_) => Value::String(comparison.value.to_string()),
                _ => return filter.clone(),
            };
            let other = Filter::Compare(Comparison {
                value: other,
                ..comparison.clone()
            });
            Filter::Or(vec![filter.clone(), other])
        }
        _ => filter.clone(),
    }
}

fn collect<'a>(filter: &'a Filter, paths: &mut Vec<&'a AttrPath>) {
    match filter {
        Filter::And(parts) | Filter::Or(parts) => {
            parts.iter().for_each(|part| collect(part, paths));
        }
        Filter::Not(inner) => collect(inner, paths),
        Filter::Compare(comparison) => paths.push(&comparison.path),
        Filter::Present(path) | Filter::Element(path, _) => paths.push(path),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::scim::schema;
    use crate::yaml;

    fn protect(text: &str) -> Result<ProtectRule, String> {
        protect_of(text, false)
    }

    fn protect_of(text: &str, ldap: bool) -> Result<ProtectRule, String> {
        let source = Source::new("rules/corp.yaml", text);
        let mut d = Diagnostics::default();
        let root = yaml::parse(&source).unwrap();
        let known = [
            schema::USER.parse().unwrap(),
            "urn:acme:2.0:Own".parse().unwrap(),
        ];
        match read(&source, &root, &schema::user(), (&known, ldap), &mut d) {
            Some(rule) if !d.has_errors() => Ok(rule),
            _ => Err(d.iter().map(|one| one.one_line() + "\n").collect()),
        }
    }

    #[test]
    fn what_is_protected_is_told_by_filter_and_id() {
        let text =
            r#"{filter: 'adminCount eq 1 or urn:acme:2.0:Own:keep eq "TRUE"', ids: [Root, "007"]}"#;
        let rule = protect(text).unwrap();
        for id in ["root", "ROOT", " root", "7", "007", "0007"] {
            assert!(rule.names(id), "{id}");
        }
        assert!(!rule.names("70") && !rule.names("") && !rule.names("0"));
        let matches = |value: Value| rule.matches(&value.as_object().unwrap().clone().into());
        assert!(matches(json!({"adminCount": 1})));
        assert!(matches(json!({"ADMINCOUNT": "1"})));
        assert!(matches(json!({"adminCount": ["0", "1"]})));
        assert!(matches(json!({"urn:acme:2.0:Own": {"keep": "true"}})));
        assert!(!matches(
            json!({"adminCount": 0, "urn:acme:2.0:Own": {"keep": "no"}})
        ));
        let rule = protect("{filter: 'not (level eq 1)'}").unwrap();
        let matches = |value: Value| rule.matches(&value.as_object().unwrap().clone().into());
        assert!(matches(json!({"level": "1"})) && !matches(json!({"level": 1})));
    }

    #[test]
    fn entries_are_protected_by_a_filter_of_their_own() {
        let text = "(|(adminCount=1)(memberOf:1.2.840.113556.1.4.1941:=cn=a)(!(cn;x-y=b)))";
        let rule = protect_of(&format!("{{filter: '{text}'}}"), true).unwrap();
        assert_eq!(rule.text().as_deref(), Some(text));
        let asks = rule.asks();
        let asks: Vec<_> = asks.iter().map(|path| path.name.as_str()).collect();
        assert_eq!(asks, ["adminCount", "memberOf", "cn"]);
        assert_eq!(rule.filter.as_ref().unwrap().to_string(), "$protected pr");
        // What is in hand tells nothing.
        assert!(
            !rule.matches(
                &json!({"adminCount": "1"})
                    .as_object()
                    .unwrap()
                    .clone()
                    .into()
            )
        );
        let found = protect_of("{filter: 'adminCount eq 1'}", true).unwrap_err();
        assert!(found.contains("this is no filter of LDAP"), "{found}");
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        for (text, said) in [
            ("{}", "protects nothing"),
            ("{ids: []}", "protects nothing"),
            ("{filter: 'adminCount is 1'}", "the filter"),
            ("{filter: '(adminCount=1)'}", "the filter"),
            ("{ids: ['a/b']}", "cannot be an id"),
            ("{ids: [[]]}", "expected"),
            ("{filters: 'a pr'}", "did you mean `filter`?"),
        ] {
            let found = protect(text).unwrap_err();
            assert!(
                found.contains(said) || said.starts_with("did"),
                "{text}: {found}"
            );
        }
    }
}
