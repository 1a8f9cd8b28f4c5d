//! `audit: {plain: [userName, active]}` of a resource type: the attributes whose values the audit
//! trail may show as they are. Of all others it shows keyed digests, of secrets nothing.

use crate::mapping::compile::is_secret;
use crate::scim::schema::TypeSchema;
use crate::scim::{AttrPath, parse};
use crate::yaml::{Diagnostic, Diagnostics, Node, Source, Table};

pub(super) fn plain(
    source: &Source,
    node: &Node,
    schema: &TypeSchema,
    d: &mut Diagnostics,
) -> Vec<AttrPath> {
    let Some(mut table) = Table::open(source, node, "`audit`", d) else {
        return Vec::new();
    };
    let list = table.required("plain", d);
    table.finish(d);
    let items = list
        .and_then(|list| list.list(source, d))
        .unwrap_or_default();
    let mut paths = Vec::new();
    for item in items {
        let Some(text) = item.string(source, d) else {
            continue;
        };
        match parse::attr_path(text, schema) {
            Ok(path) => {
                let secret = |name: Option<&str>| name.is_some_and(is_secret);
                let sub = path.sub.as_ref().map(|sub| sub.as_str());
                if secret(Some(path.name.as_str())) || secret(sub) {
                    let error = Diagnostic::error(source, item.span, "secrets are never shown");
                    d.push(error.help("take it out of the list"));
                    continue;
                }
                paths.push(path);
            }
            Err(error) => {
                let shown: String = text.chars().take(120).collect();
                let message = format!("`{shown}` is not an attribute path: {error}");
                let error = Diagnostic::error(source, item.span, message);
                d.push(
                    error.help("such as `userName`, `name.familyName` or `urn:…:User:department`"),
                );
            }
        }
    }
    paths
}
