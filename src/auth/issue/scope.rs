//! What a token is made for: `role` names one of the account's roles, `tenant:NAME` one of its
//! tenants. Without a role it is all roles, without a tenant all tenants.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::auth::TenantName;
use crate::auth::authenticator::{Account, Tenants};
use crate::auth::grant::Grant;
use crate::auth::rights::Rights;

/// What a token allows of what its account may.
#[derive(Debug)]
pub(in crate::auth) struct Narrowed {
    /// Of fewer roles.
    pub(in crate::auth) rights: Arc<Rights>,
    /// Where not each tenant of the account.
    pub(in crate::auth) tenants: Option<Vec<TenantName>>,
}

/// The lines of every role, and what has been made of them for tokens.
#[derive(Debug, Default)]
pub(in crate::auth) struct Roles {
    lines: HashMap<Arc<str>, Vec<Arc<Grant>>>,
    made: Mutex<Made>,
}

/// By the account and the scope.
type Made = HashMap<(Arc<str>, String), Arc<Narrowed>>;

/// A scope as it is written, its parts apart.
#[derive(Debug, Default, PartialEq, Eq)]
struct Parts<'a> {
    roles: Vec<&'a str>,
    tenants: Vec<&'a str>,
}

/// A scope that names what the account does not have, or is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadScope;

impl Roles {
    pub(in crate::auth) fn new(lines: HashMap<Arc<str>, Vec<Arc<Grant>>>) -> Self {
        Self {
            lines,
            made: Mutex::default(),
        }
    }

    /// What a token of this scope allows at this moment; `None` where that is all that its account
    /// may. What the account does not have (any more) is left out.
    pub(super) fn narrow(&self, account: &Account, scope: &str) -> Option<Arc<Narrowed>> {
        let parts = Parts::read(scope).unwrap_or_default();
        let named = |role: &Arc<str>| parts.roles.contains(&&**role);
        if parts.tenants.is_empty() && account.roles.iter().all(named) {
            return None;
        }
        let key = (Arc::clone(&account.name), scope.to_owned());
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = made.get(&key) {
            return Some(Arc::clone(known));
        }
        let roles = account.roles.iter().filter(|role| named(role));
        let lines = roles.filter_map(|role| self.lines.get(role)).flatten();
        let lines: Vec<_> = lines.cloned().collect();
        let tenants = parts.tenants.iter().map(|name| TenantName::from(*name));
        let narrowed = Arc::new(Narrowed {
            rights: Arc::new(Rights::new(&lines)),
            tenants: (!parts.tenants.is_empty()).then(|| tenants.collect()),
        });
        if made.len() >= MOST {
            made.clear();
        }
        made.insert(key, Arc::clone(&narrowed));
        Some(narrowed)
    }
}

/// The scope that a token gets, of what was asked for: each role by its name.
pub(super) fn granted(account: &Account, asked: Option<&str>) -> Result<String, BadScope> {
    let parts = match asked {
        Some(text) => Parts::read(text).ok_or(BadScope)?,
        None => Parts::default(),
    };
    let has_role = |name: &&str| account.roles.iter().any(|role| **role == **name);
    let has_tenant = |name: &&str| match &account.tenants {
        Tenants::All => true,
        Tenants::Only(names) => names.iter().any(|tenant| tenant.as_str() == *name),
    };
    if !parts.roles.iter().all(has_role) || !parts.tenants.iter().all(has_tenant) {
        return Err(BadScope);
    }
    let all = parts.roles.is_empty();
    let roles = account.roles.iter().map(|role| &**role);
    let mut words: Vec<String> = Vec::new();
    let roles = roles.filter(|role| all || parts.roles.contains(role));
    let tenants = parts.tenants.iter().map(|name| format!("{TENANT}{name}"));
    for word in roles.map(str::to_owned).chain(tenants) {
        if !words.contains(&word) {
            words.push(word);
        }
    }
    Ok(words.join(" "))
}

impl<'a> Parts<'a> {
    /// RFC 6749 §3.3: words with one space between them, of printable ASCII without `"` and `\`.
    fn read(text: &'a str) -> Option<Self> {
        let mut parts = Self::default();
        if text.is_empty() {
            return Some(parts);
        }
        let plain = |b: u8| b.is_ascii_graphic() && !b"\"\\".contains(&b);
        for word in text.split(' ') {
            if word.is_empty() || !word.bytes().all(plain) {
                return None;
            }
            match word.strip_prefix(TENANT) {
                Some("") => return None,
                Some(tenant) => parts.tenants.push(tenant),
                None => parts.roles.push(word),
            }
        }
        Some(parts)
    }
}

/// What stands before the name of a tenant. No name of a role has a colon.
const TENANT: &str = "tenant:";

/// So many narrowed accounts are kept ready.
const MOST: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::access::tests::authenticator;

    const ACCESS: &str = "roles:
  see: {allow: [{resources: [User], verbs: [read]}]}
  feed: {allow: [{resources: [User], verbs: [create]}]}
accounts:
  - {name: both, roles: [see, feed], tenants: [corp, lab]}
  - {name: all, roles: [see], tenants: \"*\"}
  - {name: none, roles: [], tenants: []}";

    #[test]
    fn a_scope_asks_for_no_more_than_there_is() {
        let found = authenticator(ACCESS);
        let granted = |name: &str, asked: Option<&str>| {
            let account = found.accounts().find(|account| &*account.name == name);
            granted(account.unwrap(), asked).ok()
        };
        for (account, asked, wanted) in [
            ("both", None, Some("see feed")),
            ("both", Some(""), Some("see feed")),
            ("both", Some("feed"), Some("feed")),
            ("both", Some("feed see feed"), Some("see feed")),
            ("both", Some("tenant:lab"), Some("see feed tenant:lab")),
            (
                "both",
                Some("tenant:lab see tenant:lab"),
                Some("see tenant:lab"),
            ),
            ("both", Some("admin"), None),
            ("both", Some("see admin"), None),
            ("both", Some("See"), None),
            ("both", Some("tenant:other"), None),
            ("both", Some("tenant:"), None),
            ("both", Some("see  feed"), None),
            ("both", Some(" see"), None),
            ("both", Some("see\tfeed"), None),
            ("both", Some("s\u{e9}e"), None),
            ("all", Some("tenant:any"), Some("see tenant:any")),
            ("none", None, Some("")),
        ] {
            assert_eq!(
                granted(account, asked).as_deref(),
                wanted,
                "{account} {asked:?}"
            );
        }
    }

    #[test]
    fn a_token_for_all_is_the_account_and_one_for_less_is_made_once() {
        let found = authenticator(ACCESS);
        let account = found.accounts().next().unwrap();
        let roles = Roles::default();
        assert!(roles.narrow(account, "feed see").is_none());
        // A role that it no longer has is left out.
        assert!(roles.narrow(account, "feed see gone").is_none());
        let one = roles.narrow(account, "see").unwrap();
        assert!(one.tenants.is_none());
        assert!(Arc::ptr_eq(&one, &roles.narrow(account, "see").unwrap()));
        let lab = roles.narrow(account, "see feed tenant:lab").unwrap();
        assert_eq!(lab.tenants, Some(vec!["lab".into()]));
        for number in 0..2 * MOST {
            assert!(roles.narrow(account, &format!("see x{number}")).is_some());
        }
        assert!(roles.made.lock().unwrap().len() <= MOST);
    }
}
