//! Who sent a request: one lookup by key id, one hash, one comparison in constant time.
//!
//! Accounts call at the SCIM door, operators at the control door; a token of the ones is nothing
//! at the door of the others.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use http::HeaderMap;
use ipnet::IpNet;
use subtle::ConstantTimeEq;

use super::certificates::{CertificateName, Certificates, Requires};
use super::last_use::LastUse;
use super::lives::{Lives, TokenCounts};
use super::mentions::Mentions;
use super::network;
use super::permit::Caller;
use super::presented::{Presented, Proven};
use super::rate::Rate;
use super::rights::Rights;
use super::token::{TokenHash, bearer, key_id};
use super::{AuthError, Rejection, TenantName};
use crate::scim::schema::TypeSchema;
use crate::yaml::{Diagnostic, Diagnostics, suggest};

/// Everything loaded from `access.yaml`, ready to answer. The default knows nobody.
#[derive(Debug, Default)]
pub struct Authenticator {
    keys: HashMap<Arc<str>, Entry<Account>>,
    accounts: Vec<Arc<Account>>,
    operator_keys: HashMap<Arc<str>, Entry<Operator>>,
    operators: Vec<Arc<Operator>>,
    certificates: Arc<Certificates>,
    lives: Lives,
    mentions: Mentions,
}

/// An account of `access.yaml`.
#[derive(Debug)]
pub struct Account {
    /// Its name.
    pub name: Arc<str>,
    /// The names of its roles.
    pub roles: Vec<Arc<str>>,
    /// The tenants that it may use.
    pub tenants: Tenants,
    /// Where it may call from, if not from everywhere.
    pub networks: Option<Vec<IpNet>>,
    /// How often it may call, if not as it likes.
    pub rate: Option<Rate>,
    /// Its keys, without their hashes.
    pub keys: Vec<Key>,
    /// Its client certificates.
    pub certificates: Vec<CertificateName>,
    /// What proves that it calls.
    pub requires: Requires,
    pub(super) rights: Arc<Rights>,
}

/// Who may use the control door: an entry of `operators` in `access.yaml`.
#[derive(Debug)]
pub struct Operator {
    /// Its name.
    pub name: Arc<str>,
    /// Its keys, without their hashes.
    pub keys: Vec<Key>,
}

/// An operator whose token was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorCaller {
    /// The operator's name.
    pub name: Arc<str>,
    /// The key id that was used.
    pub key: Arc<str>,
}

/// Tenants that an account may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tenants {
    /// Each one, those of the future included.
    All,
    /// These.
    Only(Vec<TenantName>),
}

/// One key of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The part of the token between the underscores.
    pub id: Arc<str>,
    /// The first moment of its life.
    pub not_before: Option<SystemTime>,
    /// The first moment after its life.
    pub expires: Option<SystemTime>,
}

/// Where a key is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// Before it.
    NotYet,
    /// In it.
    Live,
    /// After it.
    Expired,
}

/// What a key id leads to.
#[derive(Debug)]
struct Entry<T> {
    hash: TokenHash,
    key: Key,
    owner: Arc<T>,
    used: LastUse,
}

impl Authenticator {
    /// Puts together what was read. Key ids are unique over accounts and operators, which the
    /// reader has seen to.
    pub(super) fn new(
        accounts: Vec<(Account, Vec<TokenHash>)>,
        operators: Vec<(Operator, Vec<TokenHash>)>,
        mentions: Mentions,
    ) -> Self {
        let mut found = Self {
            mentions,
            ..Self::default()
        };
        for (account, hashes) in accounts {
            let account = Arc::new(account);
            enter(&mut found.keys, &account, &account.keys, hashes);
            found.accounts.push(account);
        }
        found.certificates = Arc::new(Certificates::of(&found.accounts));
        for (operator, hashes) in operators {
            let operator = Arc::new(operator);
            enter(&mut found.operator_keys, &operator, &operator.keys, hashes);
            found.operators.push(operator);
        }
        let keys = found.keys.values().map(|entry| &entry.key);
        let of_operators = found.operator_keys.values().map(|entry| &entry.key);
        found.lives = Lives::of(keys.chain(of_operators));
        found
    }

    /// Who presents this. For a secret token: hash and lookup, no allocation, no waiting.
    ///
    /// # Errors
    /// [`AuthError::Missing`], [`AuthError::Malformed`], [`AuthError::Rejected`],
    /// [`AuthError::Elsewhere`], [`AuthError::Certificate`].
    pub fn authenticate(
        &self,
        presented: &Presented<'_>,
        now: SystemTime,
    ) -> Result<Proven, AuthError> {
        if let Some(caller) = self.certificates.alone(presented, now)? {
            return Ok(Proven::Caller(caller));
        }
        let proven = self.secret(presented, now).map(Proven::Caller)?;
        self.certificates.confirm(proven, presented, now)
    }

    /// Whose secret token it is.
    fn secret(&self, presented: &Presented<'_>, now: SystemTime) -> Result<Caller, AuthError> {
        let entry = find(&self.keys, presented.headers, now)?;
        let account = &entry.owner;
        let networks = account.networks.as_deref();
        if networks.is_some_and(|networks| !network::contain(networks, presented.from)) {
            return Err(AuthError::Elsewhere {
                account: Arc::clone(&account.name),
                key: Arc::clone(&entry.key.id),
            });
        }
        entry.used.note(now);
        Ok(Caller {
            account: Arc::clone(&entry.owner),
            key: Arc::clone(&entry.key.id),
        })
    }

    /// The same for the control door.
    ///
    /// # Errors
    /// As [`Self::authenticate`].
    pub fn authenticate_operator(
        &self,
        headers: &HeaderMap,
        now: SystemTime,
    ) -> Result<OperatorCaller, AuthError> {
        let entry = find(&self.operator_keys, headers, now)?;
        entry.used.note(now);
        Ok(OperatorCaller {
            name: Arc::clone(&entry.owner.name),
            key: Arc::clone(&entry.key.id),
        })
    }

    /// Takes over when keys were last used: of those that have the same id and the same hash.
    /// May be called again; right after the swap is best, when nobody uses `previous` any more.
    pub fn adopt(&self, previous: &Self) {
        adopt(&self.keys, &previous.keys);
        adopt(&self.operator_keys, &previous.operator_keys);
        self.certificates.adopt(&previous.certificates);
    }

    /// When a certificate of this name was last accepted, as [`Self::last_use`].
    #[must_use]
    pub fn certificate_last_use(&self, name: &CertificateName) -> Option<SystemTime> {
        self.certificates.last_use(name)
    }

    /// When a key was last accepted, by the second; `None` where it was not since we started.
    #[must_use]
    pub fn last_use(&self, key: &str) -> Option<SystemTime> {
        let of_account = self.keys.get(key).map(|entry| &entry.used);
        let of_operator = || self.operator_keys.get(key).map(|entry| &entry.used);
        of_account.or_else(of_operator)?.get()
    }

    /// Every operator, in the file's order.
    pub fn operators(&self) -> impl Iterator<Item = &Operator> {
        self.operators.iter().map(|operator| &**operator)
    }

    /// The operator of a key id.
    #[must_use]
    pub fn operator_of(&self, key: &str) -> Option<&Operator> {
        self.operator_keys.get(key).map(|entry| &*entry.owner)
    }

    /// Every account, in the file's order.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.iter().map(|account| &**account)
    }

    /// How many keys are alive at this time, and when the first of these ends. Cheap, however many
    /// there are.
    #[must_use]
    pub fn tokens(&self, now: SystemTime) -> TokenCounts {
        self.lives.at(now)
    }

    /// The account of a key id.
    #[must_use]
    pub fn account_of(&self, key: &str) -> Option<&Account> {
        self.keys.get(key).map(|entry| &*entry.owner)
    }

    /// Warnings about tenants and resource types that no rule file defines: such a grant gives
    /// nothing, which is seldom what was meant.
    #[must_use]
    pub fn cross_check(&self, tenants: &[&str], resources: &[&str]) -> Diagnostics {
        let mut diagnostics = Diagnostics::default();
        let Some(source) = &self.mentions.source else {
            return diagnostics;
        };
        let mut warn = |span, what: &str, name: &str, known: &[&str]| {
            let message = format!("no rule file defines the {what} `{name}`");
            let warning = Diagnostic::warning(source, span, message);
            diagnostics.push(match suggest(name, known.iter().copied()) {
                Some(meant) => warning.help(format!("did you mean `{meant}`?")),
                None => warning,
            });
        };
        for (tenant, span) in &self.mentions.tenants {
            if !tenants.contains(&tenant.as_str()) {
                warn(*span, "tenant", tenant.as_str(), tenants);
            }
        }
        for (resource, span) in &self.mentions.resources {
            if !resources
                .iter()
                .any(|known| known.eq_ignore_ascii_case(resource.as_str()))
            {
                warn(*span, "resource type", resource.as_str(), resources);
            }
        }
        diagnostics
    }

    /// Warnings about attributes in roles that no schema of any tenant has: these allow nothing
    /// and take nothing away.
    #[must_use]
    pub fn check_attributes(&self, schemas: &[&TypeSchema]) -> Diagnostics {
        self.mentions.check_attributes(schemas)
    }

    /// A caller as if the account had proven itself, for dry runs: no request gets one this way.
    #[must_use]
    pub fn suppose(&self, account: &str) -> Option<Caller> {
        let found = self.accounts.iter().find(|a| &*a.name == account)?;
        Some(Caller {
            account: Arc::clone(found),
            key: "none".into(),
        })
    }

    /// The same of an account that is there.
    #[cfg(test)]
    pub(crate) fn caller_for_test(&self, account: &str) -> Caller {
        self.suppose(account).unwrap()
    }
}

impl Key {
    /// Where the key is in its life: `not_before` is its first moment, `expires` the first after.
    #[must_use]
    pub fn state(&self, now: SystemTime) -> KeyState {
        if self.not_before.is_some_and(|start| now < start) {
            KeyState::NotYet
        } else if self.expires.is_some_and(|end| now >= end) {
            KeyState::Expired
        } else {
            KeyState::Live
        }
    }
}

/// Puts the keys of one owner into a map.
fn enter<T>(
    keys: &mut HashMap<Arc<str>, Entry<T>>,
    owner: &Arc<T>,
    own: &[Key],
    hashes: Vec<TokenHash>,
) {
    for (key, hash) in own.iter().zip(hashes) {
        let entry = Entry {
            hash,
            key: key.clone(),
            owner: Arc::clone(owner),
            used: LastUse::default(),
        };
        keys.insert(Arc::clone(&key.id), entry);
    }
}

/// The entry of the one token in these headers, if it is valid now.
fn find<'a, T>(
    keys: &'a HashMap<Arc<str>, Entry<T>>,
    headers: &HeaderMap,
    now: SystemTime,
) -> Result<&'a Entry<T>, AuthError> {
    let token = bearer(headers)?;
    let entry = key_id(token).and_then(|id| keys.get(id));
    // An unknown key id costs the same hash and comparison as a known one.
    let wanted = entry.map_or(&NOBODY, |entry| &entry.hash);
    let fits = TokenHash::of(token).0.ct_eq(&wanted.0);
    let Some(entry) = entry.filter(|_| bool::from(fits)) else {
        return Err(AuthError::Rejected(Rejection::Unknown));
    };
    match entry.key.state(now) {
        KeyState::Live => Ok(entry),
        KeyState::NotYet => Err(AuthError::Rejected(Rejection::NotYet)),
        KeyState::Expired => Err(AuthError::Rejected(Rejection::Expired)),
    }
}

fn adopt<T>(keys: &HashMap<Arc<str>, Entry<T>>, previous: &HashMap<Arc<str>, Entry<T>>) {
    for (id, entry) in keys {
        if let Some(before) = previous.get(id)
            && before.hash == entry.hash
        {
            entry.used.adopt(&before.used);
        }
    }
}

/// The hash of no token that anyone can find.
const NOBODY: TokenHash = TokenHash([0; 32]);

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::Duration;

    use http::HeaderValue;
    use http::header::AUTHORIZATION;

    use super::super::access::tests::authenticator;
    use super::super::instant;
    use super::super::token::{generate, tests::counting};
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn token(id: &str) -> String {
        let id = id.parse().unwrap();
        generate(&id, &mut counting(3)).unwrap().expose().to_owned()
    }

    fn example() -> Authenticator {
        let line = |id: &str, life: &str| {
            format!("{{id: {id}, sha256: {}{life}}}", TokenHash::of(&token(id)))
        };
        authenticator(&format!(
            "roles: {{r: {{allow: [{{resources: [User], verbs: [read]}}]}}}}
accounts:
  - name: entra
    roles: [r]
    tenants: [corp, crop]
    tokens: [{}, {}, {}]
  - name: okta
    roles: [r]
    tenants: \"*\"
    tokens: [{}]",
            line("k1", ""),
            line("k2", ", not_before: 2026-11-01, expires: 2027-02-01"),
            line("k3", ", expires: 2026-01-01T12:00:00+01:00"),
            line("k4", ""),
        ))
    }

    fn ask(found: &Authenticator, token: &str, now: &str) -> Result<(String, String), AuthError> {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
        headers.insert(AUTHORIZATION, value);
        let presented = Presented::new(&headers, HERE);
        let proven = found.authenticate(&presented, instant::parse(now).unwrap())?;
        let caller = proven.now().unwrap();
        Ok((caller.account().to_string(), caller.key.to_string()))
    }

    fn rejected<T>(reason: Rejection) -> Result<T, AuthError> {
        Err(AuthError::Rejected(reason))
    }

    #[test]
    fn a_token_leads_to_its_account() {
        let found = example();
        for (id, account) in [("k1", "entra"), ("k2", "entra"), ("k4", "okta")] {
            let wanted = Ok((account.to_owned(), id.to_owned()));
            assert_eq!(ask(&found, &token(id), "2026-11-15"), wanted);
            assert_eq!(&*found.account_of(id).unwrap().name, account);
        }
    }

    #[test]
    fn what_is_nearly_a_token_is_unknown() {
        let found = example();
        let good = token("k1");
        let tries = [
            token("k9"),
            good.replace("_k1_", "_k2_"),
            good.replace("_k1_", "_K1_"),
            good.replace("postern_", "Postern_"),
            good.get(1..).unwrap().to_owned(),
            good.get(..good.len() - 1).unwrap().to_owned(),
            format!("{good}="),
            good.to_uppercase(),
            "postern_k1_".to_owned(),
            "postern__".to_owned(),
            TokenHash::of(&good).to_string(),
            "x".repeat(600),
        ];
        for token in tries {
            assert_eq!(
                ask(&found, &token, "2026-11-15"),
                rejected(Rejection::Unknown),
                "{token}"
            );
        }
        let nobody = Authenticator::default();
        assert_eq!(
            ask(&nobody, &good, "2026-11-15"),
            rejected(Rejection::Unknown)
        );
    }

    #[test]
    fn a_key_lives_from_not_before_until_expires() {
        let found = example();
        let at = |id: &str, now: &str| ask(&found, &token(id), now).map(|_| ());
        assert_eq!(
            at("k2", "2026-10-31T23:59:59.999Z"),
            rejected(Rejection::NotYet)
        );
        assert_eq!(at("k2", "2026-11-01"), Ok(()));
        assert_eq!(at("k2", "2027-01-31T23:59:59.999Z"), Ok(()));
        assert_eq!(at("k2", "2027-02-01"), rejected(Rejection::Expired));
        assert_eq!(at("k3", "2026-01-01T10:59:59Z"), Ok(()));
        assert_eq!(
            at("k3", "2026-01-01T11:00:00Z"),
            rejected(Rejection::Expired)
        );
        let stranger = token("k3").replace("_k3_", "_k3_x");
        assert_eq!(
            ask(&found, &stranger, "2027-01-01"),
            rejected(Rejection::Unknown)
        );
    }

    #[test]
    fn unknown_and_expired_read_the_same() {
        let texts: Vec<String> = [Rejection::Unknown, Rejection::Expired, Rejection::NotYet]
            .map(|reason| AuthError::Rejected(reason).to_string())
            .into();
        assert!(texts.iter().all(|text| *text == texts[0]));
    }

    #[test]
    fn accounts_are_listed_without_secrets() {
        let found = example();
        let names: Vec<_> = found.accounts().map(|a| (&*a.name, a.keys.len())).collect();
        assert_eq!(names, [("entra", 3), ("okta", 1)]);
        let entra = found.accounts().next().unwrap();
        let life = entra.keys[1]
            .expires
            .unwrap()
            .duration_since(entra.keys[1].not_before.unwrap());
        assert_eq!(life.unwrap(), Duration::from_secs(92 * 86_400));
        let printed = format!("{found:?}");
        assert!(!printed.contains(&TokenHash::of(&token("k1")).to_string()));
    }

    fn with_operator(id: &str, more: &str) -> Authenticator {
        authenticator(&format!(
            "roles: {{}}
accounts: [{{name: entra, roles: [], tenants: [], tokens: [{{id: k1, sha256: {}}}]}}]
operators: [{{name: ops, tokens: [{{id: {id}, sha256: {}{more}}}]}}]",
            TokenHash::of(&token("k1")),
            TokenHash::of(&token(id)),
        ))
    }

    #[test]
    fn accounts_and_operators_have_a_door_each() {
        let found = with_operator("o1", "");
        let mut headers = HeaderMap::new();
        let mut set = |token: &str| {
            let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
            headers.insert(AUTHORIZATION, value);
            let now = instant::parse("2026-11-15").unwrap();
            let operator = found.authenticate_operator(&headers, now);
            (
                found
                    .authenticate(&Presented::new(&headers, HERE), now)
                    .is_ok(),
                operator.map(|caller| (caller.name.to_string(), caller.key.to_string())),
            )
        };
        let ours = ("ops".to_owned(), "o1".to_owned());
        assert_eq!(set(&token("o1")), (false, Ok(ours)));
        assert_eq!(set(&token("k1")), (true, rejected(Rejection::Unknown)));
        assert_eq!(&*found.operator_of("o1").unwrap().name, "ops");
        assert!(found.operator_of("k1").is_none() && found.account_of("o1").is_none());
    }

    #[test]
    fn the_last_use_is_noted_and_outlives_a_reload() {
        let found = example();
        assert_eq!(found.last_use("k1"), None);
        let later = "2026-11-15T10:00:00Z";
        ask(&found, &token("k1"), later).unwrap();
        ask(&found, &token("k1"), "2026-11-14T10:00:00Z").unwrap();
        ask(&found, &token("k3"), later).unwrap_err();
        assert_eq!(found.last_use("k1"), instant::parse(later));
        assert_eq!((found.last_use("k3"), found.last_use("zz")), (None, None));

        let next = example();
        next.adopt(&found);
        assert_eq!(next.last_use("k1"), instant::parse(later));
        let even_later = "2026-11-16T10:00:00Z";
        ask(&next, &token("k1"), even_later).unwrap();
        next.adopt(&found);
        assert_eq!(next.last_use("k1"), instant::parse(even_later));

        // The same id with another secret is another key.
        let other = TokenHash::of("x").to_string();
        let text = format!(
            "roles: {{}}\naccounts: [{{name: a, roles: [], tenants: [], \
             tokens: [{{id: k1, sha256: {other}}}]}}]"
        );
        let stranger = authenticator(&text);
        stranger.adopt(&found);
        assert_eq!(stranger.last_use("k1"), None);
    }

    #[test]
    fn names_that_no_rule_defines_are_warned_about() {
        let found = example();
        let warnings = found.cross_check(&["corp", "lab"], &["group"]);
        let lines: Vec<String> = warnings.iter().map(Diagnostic::one_line).collect();
        assert_eq!(
            lines,
            [
                "access.yaml:5:21: no rule file defines the tenant `crop` (did you mean `corp`?)",
                "access.yaml:1:34: no rule file defines the resource type `User`",
            ]
        );
        assert!(!warnings.has_errors());
        assert!(found.cross_check(&["corp", "crop"], &["USER"]).is_empty());
    }
}
