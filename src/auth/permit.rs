//! The proof that an operation is allowed, and the roles that it comes from.

use std::sync::Arc;

use super::attributes::Attributes;
use super::authenticator::{Account, Tenants};
use super::scope::{Scope, Set, Use};
use super::{AuthError, TenantName};
use crate::scim::operation::VerbKind;
use crate::scim::{Client, Operation, ResourceType, schema};

/// An authenticated account.
#[derive(Debug, Clone)]
pub struct Caller {
    pub(super) account: Arc<Account>,
    /// The key that proved it.
    pub key: Arc<str>,
}

/// An operation that the caller may do, with what of it they may see and change.
#[derive(Debug, Clone)]
pub struct Permitted {
    operation: Operation<Client>,
    scope: Scope,
}

/// One line of a role. A role may do what any of its lines allows; an account what any of its
/// roles allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) resources: Resources,
    pub(super) verbs: Verbs,
    /// `None` is every attribute.
    pub(super) attributes: Option<Arc<Attributes>>,
}

/// The resource types of a [`Grant`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Resources {
    All,
    Only(Vec<ResourceType>),
}

/// What an account may do, worked out when `access.yaml` is read.
#[derive(Debug, Default)]
pub(super) struct Rights {
    /// The resource types that have a line of their own.
    named: Vec<(ResourceType, Verdicts)>,
    /// All other types.
    others: Verdicts,
}

/// One for each [`VerbKind`]; `None` is no.
type Verdicts = [Option<Scope>; VERBS.len()];

/// A set of the verbs that a role is written in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Verbs(u8);

impl Caller {
    /// The account's name.
    #[must_use]
    pub fn account(&self) -> &Arc<str> {
        &self.account.name
    }

    /// Whether the account may use the tenant at all; discovery asks no more than this.
    ///
    /// # Errors
    /// [`AuthError::Tenant`].
    pub fn enter(&self, tenant: &TenantName) -> Result<(), AuthError> {
        let welcome = match &self.account.tenants {
            Tenants::All => true,
            Tenants::Only(names) => names.contains(tenant),
        };
        if welcome {
            return Ok(());
        }
        Err(AuthError::Tenant {
            account: Arc::clone(&self.account.name),
            tenant: tenant.clone(),
        })
    }

    /// Makes the proof that the operation is allowed.
    ///
    /// # Errors
    /// [`AuthError::Tenant`], [`AuthError::Forbidden`].
    pub fn authorize(
        &self,
        tenant: &TenantName,
        operation: Operation<Client>,
    ) -> Result<Permitted, AuthError> {
        self.enter(tenant)?;
        let verb = operation.verb.kind();
        if let Some(scope) = self.account.rights.scope(&operation.resource, verb) {
            let scope = scope.clone();
            return Ok(Permitted { operation, scope });
        }
        Err(AuthError::Forbidden {
            account: Arc::clone(&self.account.name),
            verb,
            resource: operation.resource,
        })
    }
}

impl Permitted {
    /// The operation.
    #[must_use]
    pub fn operation(&self) -> &Operation<Client> {
        &self.operation
    }

    /// What may be seen and changed.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Both, to be used up.
    #[must_use]
    pub fn into_parts(self) -> (Operation<Client>, Scope) {
        (self.operation, self.scope)
    }
}

impl Rights {
    /// What these lines allow together.
    pub(super) fn new(grants: &[Grant]) -> Self {
        let mut types: Vec<ResourceType> = Vec::new();
        // Roles may name the attributes of these by their schema's URN.
        types.extend(
            ["User", "Group"]
                .iter()
                .filter_map(|name| name.parse().ok()),
        );
        for grant in grants {
            if let Resources::Only(more) = &grant.resources {
                types.extend(
                    more.iter()
                        .filter(|ty| !types.contains(ty))
                        .cloned()
                        .collect::<Vec<_>>(),
                );
            }
        }
        let verdicts =
            |resource: Option<&ResourceType>| VERBS.map(|verb| scope(grants, resource, verb));
        Self {
            others: verdicts(None),
            named: types
                .into_iter()
                .map(|ty| {
                    let verdicts = verdicts(Some(&ty));
                    (ty, verdicts)
                })
                .collect(),
        }
    }

    fn scope(&self, resource: &ResourceType, verb: VerbKind) -> Option<&Scope> {
        let mut named = self.named.iter();
        let verdicts = named
            .find(|(ty, _)| ty == resource)
            .map_or(&self.others, |(_, verdicts)| verdicts);
        let index = VERBS.iter().position(|other| *other == verb)?;
        verdicts.get(index)?.as_ref()
    }
}

/// What the lines allow of one verb on one type; `None` where that is nothing.
fn scope(grants: &[Grant], resource: Option<&ResourceType>, verb: VerbKind) -> Option<Scope> {
    let base = resource.and_then(|ty| match ty.as_str() {
        name if name.eq_ignore_ascii_case("User") => Some(schema::USER),
        name if name.eq_ignore_ascii_case("Group") => Some(schema::GROUP),
        _ => None,
    });
    let of = |verb| {
        let meant = grants
            .iter()
            .filter(move |grant| grant.allows(resource, verb));
        meant.map(|grant| grant.attributes.clone())
    };
    // A line without a list makes it everything.
    let set = |verb, use_| {
        let lists: Option<Vec<_>> = of(verb).collect();
        Set::compile(lists?, use_, base)
    };
    of(verb).next()?;
    Some(match verb {
        // There is no part of a resource to delete.
        VerbKind::Delete => Scope::whole(),
        VerbKind::Read | VerbKind::List => Scope::new(set(verb, Use::Read), None),
        // What a write answers is a reading of that resource.
        VerbKind::Create | VerbKind::Replace | VerbKind::Patch => {
            Scope::new(set(VerbKind::Read, Use::Read), set(verb, Use::Write))
        }
    })
}

impl Grant {
    /// `None` is a type that no line names.
    fn allows(&self, resource: Option<&ResourceType>, verb: VerbKind) -> bool {
        let resource = match &self.resources {
            Resources::All => true,
            Resources::Only(types) => resource.is_some_and(|ty| types.contains(ty)),
        };
        resource && self.verbs.cover(verb)
    }
}

impl Verbs {
    /// The words, each with its bits: `read` covers one resource and queries.
    pub(super) const WORDS: [(&'static str, Self); 4] = [
        ("create", Self(1)),
        ("read", Self(2 | 16)),
        ("update", Self(4)),
        ("delete", Self(8)),
    ];

    /// `read: by-id`: one resource whose id is known, and no queries.
    pub(super) const READ_BY_ID: Self = Self(2);

    /// Both sets together.
    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the sets have something in common.
    pub(super) fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// `update` covers PUT and PATCH.
    fn cover(self, verb: VerbKind) -> bool {
        let bit = match verb {
            VerbKind::Create => 1,
            VerbKind::Read => 2,
            VerbKind::Replace | VerbKind::Patch => 4,
            VerbKind::Delete => 8,
            VerbKind::List => 16,
        };
        self.0 & bit != 0
    }
}

/// Every kind of verb, in the order of [`Verdicts`].
const VERBS: [VerbKind; 6] = [
    VerbKind::Create,
    VerbKind::Read,
    VerbKind::List,
    VerbKind::Replace,
    VerbKind::Patch,
    VerbKind::Delete,
];

#[cfg(test)]
mod tests {
    use super::super::access::tests::authenticator;
    use super::*;
    use crate::scim::Resource;
    use crate::scim::operation::Document;
    use crate::scim::operation::Verb;
    use crate::scim::patch::Patch;
    use crate::scim::query::Query;

    fn operation(resource: &str, kind: VerbKind) -> Operation<Client> {
        let id = || "1".parse().unwrap();
        let document = || Document::Tree(Resource::default());
        let verb = match kind {
            VerbKind::Create => Verb::Create(document()),
            VerbKind::Read => Verb::Read(id()),
            VerbKind::List => Verb::List(Query::default()),
            VerbKind::Replace => Verb::Replace(id(), document()),
            VerbKind::Patch => Verb::Patch(id(), Patch::default()),
            VerbKind::Delete => Verb::Delete(id()),
        };
        Operation::new(resource.parse().unwrap(), verb)
    }

    /// What a caller with these roles may do, as `create User, read User, …`.
    fn allowed(roles: &str) -> String {
        let caller = authenticator(&format!(
            "roles:
  all: {{allow: [{{resources: \"*\", verbs: [create, read, update, delete]}}]}}
  readers: {{allow: [{{resources: [User, Group], verbs: [read]}}]}}
  feed: {{allow: [{{resources: [User], verbs: [update]}}, {{resources: [group], verbs: [create, delete]}}]}}
  none: {{allow: []}}
  desk: {{allow: [{{resources: [User], verbs: [{{read: by-id}}], attributes: [title]}}]}}
accounts:
  - {{name: a, roles: {roles}, tenants: [corp, other]}}"
        ));
        let caller = caller.caller_for_test("a");
        let mut out = Vec::new();
        for resource in ["User", "Group", "Device"] {
            for kind in VERBS {
                match caller.authorize(&"corp".into(), operation(resource, kind)) {
                    Ok(permitted) => {
                        assert_eq!(permitted.operation().verb.kind(), kind);
                        out.push(format!("{} {resource}", kind.as_str()));
                    }
                    Err(error) => assert_eq!(
                        error.to_string(),
                        format!("account `a` may not {} {resource}", kind.as_str())
                    ),
                }
            }
        }
        out.join(", ")
    }

    #[test]
    fn roles_allow_by_type_and_verb() {
        assert_eq!(allowed("[]"), "");
        assert_eq!(allowed("[none]"), "");
        assert_eq!(
            allowed("[readers]"),
            "read User, list User, read Group, list Group"
        );
        let feed = "replace User, patch User, create Group, delete Group";
        assert_eq!(allowed("[feed]"), feed);
        assert_eq!(allowed("[desk]"), "read User");
        assert_eq!(allowed("[all]").split(", ").count(), 18);
    }

    #[test]
    fn an_account_may_do_the_union_of_its_roles() {
        assert_eq!(
            allowed("[readers, feed]"),
            "read User, list User, replace User, patch User, create Group, read Group, list Group, delete Group"
        );
    }

    #[test]
    fn tenants_do_not_cross() {
        let found = authenticator(
            "roles: {r: {allow: [{resources: \"*\", verbs: [read]}]}}
accounts:
  - {name: one, roles: [r], tenants: [corp]}
  - {name: all, roles: [r], tenants: \"*\"}
  - {name: parked, roles: [r], tenants: []}",
        );
        let enter = |account, tenant: &str| found.caller_for_test(account).enter(&tenant.into());
        assert_eq!(enter("one", "corp"), Ok(()));
        assert_eq!(enter("all", "anything"), Ok(()));
        for (account, tenant) in [
            ("one", "Corp"),
            ("one", "corp2"),
            ("one", "*"),
            ("parked", "corp"),
        ] {
            let refused = AuthError::Tenant {
                account: account.into(),
                tenant: tenant.into(),
            };
            assert_eq!(enter(account, tenant), Err(refused.clone()));
            let caller = found.caller_for_test(account);
            let tried = caller.authorize(&tenant.into(), operation("User", VerbKind::Read));
            assert_eq!(tried.unwrap_err(), refused);
        }
    }
}
