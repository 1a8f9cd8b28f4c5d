//! Whether tenants can be told apart: by the path that requests come to, and by the name that
//! accounts are limited to.

use std::sync::Arc;

use super::snapshot::Tenant;
use crate::yaml::{Diagnostic, Source, Span};

/// A tenant with the file that it comes from.
pub(super) struct Ruled {
    pub(super) tenant: Arc<Tenant>,
    pub(super) source: Source,
    /// Where the file says its Tenant URL.
    pub(super) at: Span,
}

/// What is wrong with `new` beside those before it; nothing when they can be told apart.
pub(super) fn clash(new: &Ruled, others: &[Ruled]) -> Option<Diagnostic> {
    let error = |message: String, help: &str| {
        Diagnostic::error(&new.source, new.at, message).help(help.to_owned())
    };
    let name = new.tenant.name.as_str();
    // It stands in access.yaml, in logs and as a label of metrics.
    let plain = |c: char| c.is_alphanumeric() || "-_. ".contains(c);
    if !name.chars().all(plain) {
        let message = format!("`{}` cannot be the name of a tenant", name.escape_debug());
        let help = "the file's name is the tenant's: letters, digits, `-`, `_` and `.`";
        return Some(error(message, help));
    }
    for other in others {
        let file = &other.source.name;
        if other.tenant.name == new.tenant.name {
            let message = format!("`{file}` makes a tenant named `{name}` already");
            let help = "accounts are limited to tenants by name: rename one of the files";
            return Some(error(message, help));
        }
        let path = &new.tenant.path;
        if other.tenant.path == *path {
            let message = format!("the path `{path}` of the Tenant URL is taken by `{file}`");
            let help = "requests are told apart by the path: give each tenant its own";
            return Some(error(message, help));
        }
        let pairs = [(&other.tenant, &new.tenant), (&new.tenant, &other.tenant)];
        if pairs.iter().any(|(outer, inner)| hides(inner, outer)) {
            let message = format!(
                "one of the paths `{path}` and, of `{file}`, `{}` hides an endpoint of the other",
                other.tenant.path
            );
            let help = "requests are told apart by the path: do not put one within the other";
            return Some(error(message, help));
        }
    }
    None
}

/// Whether requests for an endpoint of `outer` would go to `inner`.
fn hides(inner: &Tenant, outer: &Tenant) -> bool {
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
