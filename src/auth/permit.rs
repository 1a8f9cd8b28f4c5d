//! The proof that an operation is allowed, and the roles that it comes from.

use std::net::IpAddr;
use std::sync::Arc;

use super::authenticator::{Account, Tenants};
use super::condition::Condition;
use super::grant::{Grant, RoleLine};
use super::issue::Narrowed;
use super::rights::Verdict;
use super::scope::Scope;
use super::sight::Sight;
use super::{AuthError, TenantName, network};
use crate::scim::operation::VerbKind;
use crate::scim::{Client, Operation};

/// An authenticated account.
#[derive(Debug, Clone)]
pub struct Caller {
    pub(super) account: Arc<Account>,
    /// The key that proved it: of an access token, the client.
    pub key: Arc<str>,
    /// Where its token was made for less than the account may.
    pub(super) narrowed: Option<Arc<Narrowed>>,
}

/// An operation that the caller may do, with what of it they may see and change.
#[derive(Debug, Clone)]
pub struct Permitted {
    operation: Operation<Client>,
    scope: Scope,
    verdict: Arc<Verdict>,
    account: Arc<Account>,
    stage: Stage,
}

/// Which lines a permit stands on.
#[derive(Debug, Clone)]
enum Stage {
    /// All that there are: none has a condition that matters to the operation.
    All,
    /// Those whose conditions the present resource will turn out to satisfy. The scope is what all
    /// of them would allow.
    Open,
    /// Those without a condition.
    Sure,
    /// Those at these places, whose conditions the present resource satisfies.
    Held(Arc<[bool]>),
}

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
        let of_token = self.narrowed.as_ref().and_then(|it| it.tenants.as_ref());
        if welcome && of_token.is_some_and(|names| !names.contains(tenant)) {
            return Err(self.narrow());
        }
        if welcome {
            return Ok(());
        }
        Err(AuthError::Tenant {
            account: Arc::clone(&self.account.name),
            tenant: tenant.clone(),
        })
    }

    /// Whether the account may call from an address.
    ///
    /// # Errors
    /// [`AuthError::Elsewhere`].
    pub fn calls_from(&self, address: IpAddr) -> Result<(), AuthError> {
        let networks = self.account.networks.as_deref();
        if networks.is_none_or(|networks| network::contain(networks, address)) {
            return Ok(());
        }
        Err(AuthError::Elsewhere {
            account: Arc::clone(&self.account.name),
            key: Arc::clone(&self.key),
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
        let of_account = self.account.rights.verdict(&operation.resource, verb);
        let verdict = match &self.narrowed {
            Some(narrowed) => narrowed.rights.verdict(&operation.resource, verb),
            None => of_account,
        };
        if let (None, Some(_)) = (verdict, of_account) {
            return Err(self.narrow());
        }
        if let Some(verdict) = verdict {
            // A reading finds its lines when the answer is there: see `Permitted::sight`. A new
            // resource has no present state, so its lines have no conditions.
            let exists = matches!(verb, VerbKind::Replace | VerbKind::Patch | VerbKind::Delete);
            let open = exists && verdict.conditions().next().is_some();
            return Ok(Permitted {
                operation,
                scope: verdict.most.clone(),
                verdict: Arc::clone(verdict),
                account: Arc::clone(&self.account),
                stage: if open { Stage::Open } else { Stage::All },
            });
        }
        Err(AuthError::Forbidden {
            account: Arc::clone(&self.account.name),
            verb,
            resource: operation.resource,
        })
    }
}

impl Caller {
    fn narrow(&self) -> AuthError {
        let account = Arc::clone(&self.account.name);
        AuthError::Narrow { account }
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

    /// The lines of the account's roles that allow it, in the order of its roles. Where the present
    /// resource is not known, those too that may turn out to have nothing to do with it.
    pub fn allowed_by(&self) -> impl Iterator<Item = &Arc<RoleLine>> {
        let lines = self.verdict.lines.iter().enumerate();
        let lines = lines.filter(|(index, line)| match &self.stage {
            Stage::All | Stage::Open => true,
            Stage::Sure => line.when.is_none(),
            Stage::Held(held) => held.get(*index).copied().unwrap_or(false),
        });
        lines.map(|(_, line)| &line.origin)
    }

    /// Whether it stands on conditions that nobody has looked at yet. Such a permit is not enough
    /// for a write: see [`Permitted::narrow`].
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open)
    }

    /// The same by the lines without a condition alone; `None` where each has one.
    #[must_use]
    pub fn sure(&self) -> Option<Self> {
        Some(Self {
            scope: self.verdict.sure.clone()?,
            stage: Stage::Sure,
            ..self.clone()
        })
    }

    /// The same by the lines whose conditions the present resource satisfies.
    ///
    /// # Errors
    /// [`AuthError::Hidden`] where the account does not see it, [`AuthError::Unmet`] where it does
    /// and may not do this.
    pub fn narrow(&self, holds: impl Fn(&Condition) -> bool) -> Result<Self, AuthError> {
        let counts = |line: &Grant| line.when.as_ref().is_none_or(|when| holds(when));
        let held: Arc<[bool]> = self.verdict.lines.iter().map(|line| counts(line)).collect();
        if !held.iter().any(|held| *held) {
            let (account, resource) = (self.account().clone(), self.operation.resource.clone());
            if !self.verdict.reading.iter().any(|line| counts(line)) {
                return Err(AuthError::Hidden { account, resource });
            }
            let verb = self.operation.verb.kind();
            return Err(AuthError::Unmet {
                account,
                verb,
                resource,
            });
        }
        Ok(Self {
            scope: self.verdict.scope(counts),
            stage: Stage::Held(held),
            ..self.clone()
        })
    }

    /// By which lines resources are seen in the answer; `None` where that is the same for all of
    /// them, and the [`Scope`] says it.
    #[must_use]
    pub fn sight(&self) -> Option<Sight> {
        Sight::of(&self.verdict.reading, self.verdict.base())
    }

    /// Whose it is.
    #[must_use]
    pub fn account(&self) -> &Arc<str> {
        &self.account.name
    }

    /// Both, to be used up.
    #[must_use]
    pub fn into_parts(self) -> (Operation<Client>, Scope) {
        (self.operation, self.scope)
    }
}

#[cfg(test)]
mod tests {
    use super::super::access::tests::authenticator;
    use super::super::rights::VERBS;
    use super::*;
    use crate::scim::Resource;
    use crate::scim::operation::{Document, Verb};
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
    fn a_permit_knows_the_lines_that_gave_it() {
        let caller = authenticator(
            "roles:
  readers: {allow: [{resources: [User, Group], verbs: [read]}]}
  desk:
    allow:
      - resources: [User]
        verbs: [update]
      - {resources: [User], verbs: [{read: by-id}], attributes: [title]}
accounts:
  - {name: a, roles: [readers, desk], tenants: [corp]}",
        )
        .caller_for_test("a");
        let by = |resource, kind| {
            let permitted = caller.authorize(&"corp".into(), operation(resource, kind));
            let permitted = permitted.unwrap();
            let lines = permitted.allowed_by();
            let lines: Vec<_> = lines.map(|line| format!("{line}: {}", line.text)).collect();
            lines.join(" | ")
        };
        let readers = "readers (access.yaml:2): {resources: [User, Group], verbs: [read]}";
        assert_eq!(
            by("User", VerbKind::Read),
            format!(
                "{readers} | desk (access.yaml:7): \
                 {{resources: [User], verbs: [{{read: by-id}}], attributes: [title]}}"
            )
        );
        assert_eq!(by("User", VerbKind::List), readers);
        assert_eq!(
            by("User", VerbKind::Patch),
            "desk (access.yaml:5): resources: [User] verbs: [update]"
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
