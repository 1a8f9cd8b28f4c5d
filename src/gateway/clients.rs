//! Every SCIM client that was seen: what makes a client "visible on the server". Bounded, kept
//! over reloads, pruned with the tenants and accounts that go.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use http::header::USER_AGENT;
use http::{HeaderMap, HeaderValue};

use crate::auth::TenantName;
use crate::config::Snapshot;

/// The inventory. One lock, held for the change of one entry.
#[derive(Debug, Default)]
pub struct Clients(Mutex<HashMap<Identity, Record>>);

/// What makes two requests those of one client.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The tenant that it calls.
    pub tenant: TenantName,
    /// The account that it calls as.
    pub account: Arc<str>,
    /// Where it calls from.
    pub address: IpAddr,
    /// What it says it is: at most 200 printable characters, empty where it says nothing.
    pub agent: Box<str>,
}

/// What is known of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The key id that it used last.
    pub key: Arc<str>,
    /// Its first request.
    pub first_seen: SystemTime,
    /// Its last request.
    pub last_seen: SystemTime,
    /// The last request that was answered well.
    pub last_success: Option<SystemTime>,
    /// The last one that was not.
    pub last_error: Option<Failure>,
    /// How many requests there were.
    pub requests: u64,
    /// How many things it said differently from the RFC.
    pub accents: u64,
}

/// A request that was not answered well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// When.
    pub at: SystemTime,
    /// The status; 499 where the client left before there was one.
    pub status: u16,
    /// Why, in our own words and without values.
    pub reason: String,
}

/// What is kept of a request for its client until it is known how it ended. Cheap: nothing is
/// copied.
#[derive(Debug)]
pub(super) struct Visit {
    clients: Arc<Clients>,
    agent: Option<HeaderValue>,
    accents: u64,
}

impl Clients {
    /// Every client, in the order of tenants, accounts, addresses and user agents.
    #[must_use]
    pub fn list(&self) -> Vec<(Identity, Record)> {
        let mut all: Vec<_> = {
            let known = self.known();
            known.iter().map(|(k, v)| (k.clone(), v.clone())).collect()
        };
        all.sort_by(|(a, _), (b, _)| {
            let order = |c: &Identity| (c.tenant.clone(), Arc::clone(&c.account), c.address);
            (order(a), &a.agent).cmp(&(order(b), &b.agent))
        });
        all
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.known().len()
    }

    /// Forgets the clients of tenants and accounts that are no more. (A request that still runs on
    /// an older snapshot may bring one back, until the next time.)
    pub fn prune(&self, snapshot: &Snapshot) {
        let tenants: HashSet<&TenantName> = snapshot.tenants().map(|t| &t.name).collect();
        let accounts: HashSet<&str> = snapshot.auth.accounts().map(|a| &*a.name).collect();
        self.keep(|client| tenants.contains(&client.tenant) && accounts.contains(&*client.account));
    }

    fn keep(&self, wanted: impl Fn(&Identity) -> bool) {
        self.known().retain(|client, _| wanted(client));
    }

    fn saw(&self, client: Identity, key: &Arc<str>, at: SystemTime, seen: Outcome) {
        let mut known = self.known();
        if known.len() >= MOST
            && !known.contains_key(&client)
            && let Some(one) = least_missed(&known)
        {
            known.remove(&one);
        }
        let record = known.entry(client).or_insert_with(|| Record {
            key: Arc::clone(key),
            first_seen: at,
            last_seen: at,
            last_success: None,
            last_error: None,
            requests: 0,
            accents: 0,
        });
        record.requests = record.requests.saturating_add(1);
        record.accents = record.accents.saturating_add(seen.accents);
        // Requests of one client end in any order.
        record.first_seen = record.first_seen.min(at);
        if record.last_seen <= at {
            record.last_seen = at;
            record.key = Arc::clone(key);
        }
        match seen.failure {
            None => record.last_success = record.last_success.max(Some(at)),
            Some((status, reason)) => {
                if record.last_error.as_ref().is_none_or(|last| last.at <= at) {
                    record.last_error = Some(Failure { at, status, reason });
                }
            }
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Identity, Record>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a request ended.
struct Outcome {
    accents: u64,
    failure: Option<(u16, String)>,
}

impl Visit {
    /// A request whose sender is known.
    pub(super) fn begin(clients: &Arc<Clients>, headers: &HeaderMap) -> Self {
        Self {
            clients: Arc::clone(clients),
            agent: headers.get(USER_AGENT).cloned(),
            accents: 0,
        }
    }

    /// It said so many things differently from the RFC.
    pub(super) fn accents(&mut self, met: usize) {
        let met = u64::try_from(met).unwrap_or(u64::MAX);
        self.accents = self.accents.saturating_add(met);
    }

    /// It has ended: `failure` is the status and our own short reason where it was not well.
    pub(super) fn end(
        self,
        tenant: TenantName,
        (account, key): &(Arc<str>, Arc<str>),
        address: IpAddr,
        at: SystemTime,
        failure: Option<(u16, String)>,
    ) {
        let client = Identity {
            tenant,
            account: Arc::clone(account),
            address: address.to_canonical(),
            agent: self.agent.as_ref().map(printable).unwrap_or_default(),
        };
        let outcome = Outcome {
            accents: self.accents,
            failure,
        };
        self.clients.saw(client, key, at, outcome);
    }
}

/// Who makes room: of the account that has the most clients, the one that was not seen for the
/// longest time. So a client that calls itself something else each time pushes out its own kind.
fn least_missed(known: &HashMap<Identity, Record>) -> Option<Identity> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for client in known.keys() {
        *counts.entry(&client.account).or_default() += 1;
    }
    let most = counts.values().max().copied()?;
    let of_many = |client: &Identity| counts.get(&*client.account) == Some(&most);
    let all = known.iter().filter(|(client, _)| of_many(client));
    let oldest = all.min_by_key(|(_, record)| record.last_seen);
    oldest.map(|(client, _)| client.clone())
}

/// The start of a user agent, without anything that a terminal or a log would take for more than
/// text.
fn printable(agent: &HeaderValue) -> Box<str> {
    let visible = |byte: &u8| match byte {
        b' '..=b'~' => char::from(*byte),
        _ => '?',
    };
    let agent = agent.as_bytes().iter().take(LONGEST_AGENT).map(visible);
    agent.collect()
}

/// How many clients are kept.
const MOST: usize = 1024;

const LONGEST_AGENT: usize = 200;

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn at(second: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(second)
    }

    /// One request: who calls, from where, when, and how it ended.
    fn visit(
        clients: &Arc<Clients>,
        (tenant, account, agent): (&str, &str, &[u8]),
        second: u64,
        failure: Option<(u16, &str)>,
    ) {
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, HeaderValue::from_bytes(agent).unwrap());
        let mut visit = Visit::begin(clients, &headers);
        visit.accents(2);
        let caller = (Arc::from(account), Arc::from("k1"));
        let address = "::ffff:192.0.2.7".parse().unwrap();
        let failure = failure.map(|(status, reason)| (status, reason.to_owned()));
        visit.end(tenant.into(), &caller, address, at(second), failure);
    }

    #[test]
    fn a_client_is_told_by_tenant_account_address_and_agent() {
        let clients = Arc::new(Clients::default());
        visit(&clients, ("corp", "entra", b"AAD"), 5, None);
        visit(
            &clients,
            ("corp", "entra", b"AAD"),
            9,
            Some((400, "invalidFilter")),
        );
        visit(
            &clients,
            ("corp", "entra", b"AAD"),
            7,
            Some((409, "uniqueness")),
        );
        visit(&clients, ("corp", "entra", b"curl/8"), 3, None);
        visit(&clients, ("lab", "entra", b"AAD"), 4, None);
        let all = clients.list();
        let names: Vec<_> = all
            .iter()
            .map(|(client, _)| (client.tenant.as_str(), &*client.agent))
            .collect();
        assert_eq!(names, [("corp", "AAD"), ("corp", "curl/8"), ("lab", "AAD")]);
        let (identity, record) = &all[0];
        assert_eq!(identity.address.to_string(), "192.0.2.7");
        let wanted = Record {
            key: "k1".into(),
            first_seen: at(5),
            last_seen: at(9),
            last_success: Some(at(5)),
            last_error: Some(Failure {
                at: at(9),
                status: 400,
                reason: "invalidFilter".to_owned(),
            }),
            requests: 3,
            accents: 6,
        };
        assert_eq!(*record, wanted);
    }

    #[test]
    fn a_user_agent_is_short_and_plain() {
        let clients = Arc::new(Clients::default());
        let agent = [b"\xe4\tb".as_slice(), &[b'x'; 5000]].concat();
        visit(&clients, ("corp", "entra", &agent), 1, None);
        let kept = clients.list().remove(0).0.agent;
        assert_eq!(*kept, *format!("??b{}", "x".repeat(197)));
    }

    #[test]
    fn the_least_recently_seen_goes_first() {
        let clients = Arc::new(Clients::default());
        for number in 0..MOST {
            let agent = number.to_string();
            let second = u64::try_from(number).unwrap() + 10;
            visit(&clients, ("corp", "entra", agent.as_bytes()), second, None);
        }
        visit(&clients, ("corp", "entra", b"0"), 5000, None);
        visit(&clients, ("corp", "entra", b"new"), 5001, None);
        assert_eq!(clients.count(), MOST);
        let has = |agent: &str| clients.list().iter().any(|(c, _)| &*c.agent == agent);
        assert!(has("0") && has("new") && has("2") && !has("1"));
    }

    #[test]
    fn an_account_with_many_names_pushes_out_its_own() {
        let clients = Arc::new(Clients::default());
        visit(&clients, ("corp", "okta", b"quiet"), 1, None);
        for number in 0..MOST * 2 {
            let agent = number.to_string();
            let second = u64::try_from(number).unwrap() + 10;
            visit(&clients, ("lab", "loud", agent.as_bytes()), second, None);
        }
        visit(&clients, ("corp", "entra", b"new"), 5000, None);
        assert_eq!(clients.count(), MOST);
        let all = clients.list();
        let quiet = all.iter().filter(|(c, _)| &*c.account != "loud").count();
        assert_eq!(quiet, 2);
    }

    #[test]
    fn clients_go_with_their_tenant_and_account() {
        let clients = Arc::new(Clients::default());
        for (tenant, account) in [("corp", "entra"), ("lab", "entra"), ("corp", "okta")] {
            visit(&clients, (tenant, account, b""), 1, None);
        }
        clients.keep(|client| client.tenant.as_str() == "corp" && &*client.account == "entra");
        let left = clients.list();
        assert_eq!(left.len(), 1);
        assert_eq!(&*left[0].0.account, "entra");
    }
}
