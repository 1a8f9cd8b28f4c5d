//! Who sent a request: one lookup by key id, one hash, one comparison in constant time.
//!
//! Accounts call at the SCIM door, operators at the control door; a token of the ones is nothing
//! at the door of the others.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use http::HeaderMap;
use ipnet::IpNet;

use super::certificates::{CertificateName, Certificates, Requires};
use super::grant::Grant;
use super::issue::{
    Client, Clients, Credential, Issuer, Issuing, Known, Proof, Refused, Replays, Roles,
};
use super::keyring::Keyring;
use super::last_use::LastUse;
use super::lives::{Lives, TokenCounts};
use super::mentions::Mentions;
use super::network;
use super::permit::Caller;
use super::presented::{Later, Presented, Proven};
use super::rate::Rate;
use super::rights::Rights;
use super::token::{MAX_SECRET, TokenHash, bearer, key_id};
use super::trust::{Judged, Trust, Trusts, Wanted};
use super::{AuthError, Rejection, TenantName};
use crate::scim::schema::TypeSchema;
use crate::yaml::{Diagnostics, TOKEN_PREFIX};

/// Everything loaded from `access.yaml`, ready to answer. The default knows nobody.
#[derive(Debug, Default)]
pub struct Authenticator {
    keys: Keyring<Entry<Account>>,
    accounts: Vec<Arc<Account>>,
    operator_keys: Keyring<Entry<Operator>>,
    operators: Vec<Arc<Operator>>,
    certificates: Arc<Certificates>,
    lives: Lives,
    trusts: Arc<Trusts>,
    mentions: Mentions,
    issuing: Option<Box<Issuing>>,
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
    /// Its OAuth clients, each of their secrets and keys under the client's id.
    pub clients: Vec<Key>,
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

/// Tokens of others that are an account's.
#[derive(Debug)]
pub(super) struct Owned {
    pub(super) account: Arc<str>,
    pub(super) trust: String,
    pub(super) wanted: Wanted,
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
        let of_clients = found.accounts.iter().flat_map(|account| &account.clients);
        found.lives = Lives::of(keys.chain(of_operators).chain(of_clients));
        found
    }

    /// The same, taking the tokens of these, of which those that say so are an account's.
    pub(super) fn trusting(mut self, list: Vec<Trust>, owned: Vec<Owned>) -> Self {
        let mut trusts = Trusts::new(list);
        let accounts = self.accounts.iter();
        let accounts: HashMap<&str, _> = accounts.map(|one| (&*one.name, one)).collect();
        for one in owned {
            if let Some(account) = accounts.get(&*one.account) {
                trusts.own(&one.trust, one.wanted, account);
            }
        }
        self.trusts = Arc::new(trusts);
        self
    }

    /// The same with access tokens of our own: for these clients, each with its account's name.
    pub(super) fn issuing(
        mut self,
        issuer: Issuer,
        credentials: Vec<(Arc<str>, Credential)>,
        roles: HashMap<Arc<str>, Vec<Arc<Grant>>>,
    ) -> Self {
        let accounts = self.accounts.iter();
        let accounts: HashMap<_, _> = accounts.map(|one| (Arc::clone(&one.name), one)).collect();
        let mut clients = Clients::new();
        for (name, credential) in credentials {
            let Some(account) = accounts.get(&name) else {
                continue;
            };
            let id = Arc::clone(&credential.key.id);
            let client = clients.entry(Arc::clone(&id)).or_insert_with(|| Client {
                id,
                account: Arc::clone(account),
                credentials: Vec::new(),
                used: LastUse::default(),
            });
            client.credentials.push(credential);
        }
        self.issuing = Some(Box::new(Issuing {
            issuer,
            clients,
            roles: Roles::new(roles),
        }));
        self
    }

    /// Who issues access tokens here, if anybody does.
    #[must_use]
    pub fn issuer(&self) -> Option<&Issuer> {
        self.issuing.as_ref().map(|issuing| &issuing.issuer)
    }

    /// The client of ours that shows this; nothing where no tokens are issued. What was shown
    /// before is remembered in `replays`.
    #[must_use]
    pub fn client(
        &self,
        proof: Proof<'_>,
        from: IpAddr,
        replays: &Replays,
        now: SystemTime,
    ) -> Option<Result<Known<'_>, Refused>> {
        let issuing = self.issuing.as_ref()?;
        Some(issuing.client(proof, from, replays, now))
    }

    /// Who presents this. For a secret token: hash and lookup, no allocation, no waiting.
    ///
    /// # Errors
    /// [`AuthError::Missing`], [`AuthError::Malformed`], [`AuthError::Rejected`],
    /// [`AuthError::Elsewhere`], [`AuthError::Certificate`]; later also [`AuthError::Unavailable`].
    pub fn authenticate(
        &self,
        presented: &Presented<'_>,
        now: SystemTime,
    ) -> Result<Proven, AuthError> {
        if let Some(caller) = self.certificates.alone(presented, now)? {
            return Ok(Proven::Caller(caller));
        }
        let proven = self.token(presented, now)?;
        self.certificates.confirm(proven, presented, now)
    }

    /// Whose token it is.
    fn token(&self, presented: &Presented<'_>, now: SystemTime) -> Result<Proven, AuthError> {
        let token = bearer(presented.headers)?;
        if token.starts_with(TOKEN_PREFIX) {
            return self.secret(token, presented, now).map(Proven::Caller);
        }
        if let Some(issuing) = &self.issuing
            && let Some(judged) = issuing.judge(token, presented, now)
        {
            return judged.map(Proven::Caller);
        }
        if self.trusts.is_empty() {
            return self.secret(token, presented, now).map(Proven::Caller);
        }
        let from = presented.from;
        Ok(match self.trusts.judge(token, now)? {
            Judged::Now((account, key)) => Proven::Caller(admit(&account, &key, from)?),
            Judged::Later { owner, was_good } => {
                let caller = Box::pin(async move {
                    let (account, key) = owner.await?;
                    admit(&account, &key, from)
                });
                Proven::Later(Later { caller, was_good })
            }
        })
    }

    /// Whose secret token it is.
    fn secret(
        &self,
        token: &str,
        presented: &Presented<'_>,
        now: SystemTime,
    ) -> Result<Caller, AuthError> {
        let entry = find(&self.keys, token, now)?;
        let caller = admit(&entry.owner, &entry.key.id, presented.from)?;
        entry.used.note(now);
        Ok(caller)
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
        let entry = find(&self.operator_keys, bearer(headers)?, now)?;
        entry.used.note(now);
        Ok(OperatorCaller {
            name: Arc::clone(&entry.owner.name),
            key: Arc::clone(&entry.key.id),
        })
    }

    /// Takes over when keys were last used: of those that have the same id and the same hash; and
    /// what is known of the tokens of others. May be called again; before the swap, so that nothing
    /// is asked twice, and right after it, when nobody uses `previous` any more.
    pub fn adopt(&self, previous: &Self) {
        self.trusts.adopt(&previous.trusts);
        adopt(&self.keys, &previous.keys);
        adopt(&self.operator_keys, &previous.operator_keys);
        self.certificates.adopt(&previous.certificates);
        if let (Some(issuing), Some(before)) = (&self.issuing, &previous.issuing) {
            for (id, client) in &issuing.clients {
                if let Some(before) = before.clients.get(id) {
                    client.used.adopt(&before.used);
                }
            }
        }
    }

    /// When a certificate of this name was last accepted, as [`Self::last_use`].
    #[must_use]
    pub fn certificate_last_use(&self, name: &CertificateName) -> Option<SystemTime> {
        self.certificates.last_use(name)
    }

    /// When a client was last given a token, or a token of it accepted.
    #[must_use]
    pub fn last_use_of_client(&self, id: &str) -> Option<SystemTime> {
        self.issuing.as_ref()?.clients.get(id)?.used.get()
    }

    /// When a key was last accepted, by the second; `None` where it was not since we started.
    #[must_use]
    pub fn last_use(&self, key: &str) -> Option<SystemTime> {
        let of_account = self.keys.get(key).map(|entry| &entry.used);
        let of_operator = || self.operator_keys.get(key).map(|entry| &entry.used);
        of_account.or_else(of_operator)?.get()
    }

    /// Those whose tokens are taken.
    #[must_use]
    pub fn trusts(&self) -> &Arc<Trusts> {
        &self.trusts
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
        self.mentions.cross_check(tenants, resources)
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
            narrowed: None,
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
fn enter<T>(keys: &mut Keyring<Entry<T>>, owner: &Arc<T>, own: &[Key], hashes: Vec<TokenHash>) {
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
    keys: &'a Keyring<Entry<T>>,
    token: &str,
    now: SystemTime,
) -> Result<&'a Entry<T>, AuthError> {
    if token.len() > MAX_SECRET {
        return Err(AuthError::Rejected(Rejection::Unknown));
    }
    let entry = keys.get(key_id(token).unwrap_or_default());
    // An unknown key id costs the same hash and comparison as a known one.
    let wanted = entry.map_or(&NOBODY, |entry| &entry.hash);
    let fits = TokenHash::of(token).fits(wanted);
    let Some(entry) = entry.filter(|_| bool::from(fits)) else {
        return Err(AuthError::Rejected(Rejection::Unknown));
    };
    match entry.key.state(now) {
        KeyState::Live => Ok(entry),
        KeyState::NotYet => Err(AuthError::Rejected(Rejection::NotYet)),
        KeyState::Expired => Err(AuthError::Rejected(Rejection::Expired)),
    }
}

/// Lets an account in whose token was good, if it comes from where it may.
fn admit(account: &Arc<Account>, key: &Arc<str>, from: IpAddr) -> Result<Caller, AuthError> {
    let networks = account.networks.as_deref();
    if networks.is_some_and(|networks| !network::contain(networks, from)) {
        return Err(AuthError::Elsewhere {
            account: Arc::clone(&account.name),
            key: Arc::clone(key),
        });
    }
    Ok(Caller {
        account: Arc::clone(account),
        key: Arc::clone(key),
        narrowed: None,
    })
}

fn adopt<T>(keys: &Keyring<Entry<T>>, previous: &Keyring<Entry<T>>) {
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
mod tests;
