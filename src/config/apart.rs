//! Whether tenants can be told apart: by the path that requests come to, and by the name that
//! accounts are limited to.

use std::sync::Arc;

use super::find::span_of;
use super::rules::Rule;
use crate::yaml::Diagnostic;

/// What is wrong with `new` beside those before it; nothing when they can be told apart.
pub(super) fn clash(new: &Rule, others: &[Arc<Rule>]) -> Option<Diagnostic> {
    let error = |message: String, help: &str| {
        let at = span_of(&new.source, &new.url);
        Diagnostic::error(&new.source, at, message).help(help.to_owned())
    };
    let name = new.name.as_str();
    // It stands in access.yaml, in logs and as a label of metrics.
    let plain = |c: char| c.is_alphanumeric() || "-_. ".contains(c);
    if !name.chars().all(plain) {
        let message = format!("`{}` cannot be the name of a tenant", name.escape_debug());
        let help = "the file's name is the tenant's: letters, digits, `-`, `_` and `.`";
        return Some(error(message, help));
    }
    for other in others {
        let file = &other.source.name;
        if other.name == new.name {
            let message = format!("`{file}` makes a tenant named `{name}` already");
            let help = "accounts are limited to tenants by name: rename one of the files";
            return Some(error(message, help));
        }
        let path = &new.path;
        if other.path == *path {
            let message = format!("the path `{path}` of the Tenant URL is taken by `{file}`");
            let help = "requests are told apart by the path: give each tenant its own";
            return Some(error(message, help));
        }
        let pairs = [(&**other, new), (new, other)];
        if pairs.iter().any(|(outer, inner)| hides(inner, outer)) {
            let message = format!(
                "one of the paths `{path}` and, of `{file}`, `{}` hides an endpoint of the other",
                other.path
            );
            let help = "requests are told apart by the path: do not put one within the other";
            return Some(error(message, help));
        }
    }
    None
}

/// Whether requests for an endpoint of `outer` would go to `inner`.
fn hides(inner: &Rule, outer: &Rule) -> bool {
    let Some(rest) = inner.path.strip_prefix(&*outer.path) else {
        return false;
    };
    let Some(segment) = rest.strip_prefix('/').and_then(|r| r.split('/').next()) else {
        return false;
    };
    OURS.contains(&segment) || outer.plan.endpoint(segment).is_some()
}

/// The endpoints that every tenant has.
const OURS: [&str; 6] = [
    "Bulk",
    "Me",
    ".search",
    "Schemas",
    "ResourceTypes",
    "ServiceProviderConfig",
];
