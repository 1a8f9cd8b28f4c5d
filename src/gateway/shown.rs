//! What of a path may stand in logs and traces. The id of a resource is an attribute's value, on
//! some directories the name of a person, so it does not: `{id}` stands in its place.

use crate::config::Tenant;
use crate::mapping::Plan;

/// A path without what is not to be seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Shown {
    /// As it stands in the access line.
    pub(super) path: String,
    /// What follows the path of the Tenant URL, where that is an endpoint: few of them.
    pub(super) endpoint: Option<String>,
    /// The id of a resource.
    pub(super) id: Option<String>,
}

impl Shown {
    /// Of a canonical path, which leads to a tenant and has a rest there, or leads nowhere.
    pub(super) fn of(path: &str, tenant: Option<(&Tenant, &str)>) -> Self {
        match tenant {
            Some((tenant, rest)) => Self::within(&tenant.path, &tenant.plan, rest),
            None => Self {
                path: known_part(path, None, true),
                ..Self::default()
            },
        }
    }

    fn within(base: &str, plan: &Plan, rest: &str) -> Self {
        match endpoint(plan, rest) {
            Some((endpoint, id)) => Self {
                path: format!("{base}{endpoint}"),
                endpoint: Some(endpoint),
                id: id.map(str::to_owned),
            },
            None => Self {
                path: format!("{base}{}", known_part(rest, Some(plan), false)),
                ..Self::default()
            },
        }
    }
}

/// The form of an endpoint's path, and the id in it.
fn endpoint<'p>(plan: &Plan, rest: &'p str) -> Option<(String, Option<&'p str>)> {
    let mut segments = rest.split('/').skip(1);
    let (first, second) = (segments.next()?, segments.next());
    if segments.next().is_some() {
        return None;
    }
    let of_type = plan.endpoint(first).is_some();
    match second {
        None if of_type || OURS.contains(&first) => Some((format!("/{first}"), None)),
        Some(".search") if of_type => Some((format!("/{first}/.search"), None)),
        Some(id) if of_type => Some((format!("/{first}/{{id}}"), Some(id))),
        Some(_) if LISTED.contains(&first) => Some((format!("/{first}/{{id}}"), None)),
        _ => None,
    }
}

/// A path up to the first word that SCIM or the rule knows, in any case: behind it ids begin.
/// Where there is none, at most the `first` segment.
fn known_part(path: &str, plan: Option<&Plan>, first: bool) -> String {
    let is_known = |segment: &str| {
        let named = plan.is_some_and(|plan| {
            plan.types()
                .any(|schema| schema.endpoint.eq_ignore_ascii_case(segment))
        });
        named || KNOWN.iter().any(|word| word.eq_ignore_ascii_case(segment))
    };
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let upto = segments.iter().position(|segment| is_known(segment));
    let upto = upto.map_or(usize::from(first), |at| at + 1);
    let mut shown = String::new();
    for segment in segments.iter().take(upto) {
        shown.push('/');
        shown.push_str(segment);
    }
    if segments.len() > upto {
        shown.push_str("/{rest}");
    }
    shown
}

const OURS: [&str; 6] = [
    ".search",
    "Bulk",
    "Me",
    "ServiceProviderConfig",
    "Schemas",
    "ResourceTypes",
];
const LISTED: [&str; 2] = ["Schemas", "ResourceTypes"];
const KNOWN: [&str; 8] = [
    "Users",
    "Groups",
    ".search",
    "Bulk",
    "Me",
    "ServiceProviderConfig",
    "Schemas",
    "ResourceTypes",
];

#[cfg(test)]
mod tests {
    use super::super::tests::plan;
    use super::*;

    #[test]
    fn ids_are_not_shown() {
        let plan = plan();
        for (rest, path, endpoint, id) in [
            ("/Users", "/c/Users", Some("/Users"), None),
            (
                "/Users/bjensen",
                "/c/Users/{id}",
                Some("/Users/{id}"),
                Some("bjensen"),
            ),
            (
                "/Users/.search",
                "/c/Users/.search",
                Some("/Users/.search"),
                None,
            ),
            ("/.search", "/c/.search", Some("/.search"), None),
            ("/Bulk", "/c/Bulk", Some("/Bulk"), None),
            (
                "/Schemas/urn:x",
                "/c/Schemas/{id}",
                Some("/Schemas/{id}"),
                None,
            ),
            ("/Users/bjensen/groups", "/c/Users/{rest}", None, None),
            ("/users/bjensen", "/c/users/{rest}", None, None),
            ("/bjensen", "/c/{rest}", None, None),
            ("/Me/bjensen", "/c/Me/{rest}", None, None),
            ("", "/c", None, None),
        ] {
            let wanted = Shown {
                path: path.to_owned(),
                endpoint: endpoint.map(str::to_owned),
                id: id.map(str::to_owned),
            };
            assert_eq!(Shown::within("/c", &plan, rest), wanted, "{rest}");
        }
    }

    #[test]
    fn a_path_to_nowhere_says_where_it_was_meant_to_go() {
        for (path, wanted) in [
            ("/corp/scim/v3/Users/bjensen", "/corp/scim/v3/Users/{rest}"),
            ("/corp/scim/v3/users", "/corp/scim/v3/users"),
            ("/staff/bjensen", "/staff/{rest}"),
            ("/.env", "/.env"),
            ("/", "/"),
        ] {
            assert_eq!(Shown::of(path, None).path, wanted);
        }
    }
}
