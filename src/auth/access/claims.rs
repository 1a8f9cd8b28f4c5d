//! `claims` of an account: which tokens of others are its own.
//!
//! ```yaml
//! accounts:
//!   - name: keycloak-prod
//!     claims:
//!       - {trust: keycloak, azp: scim-client}
//!       - {trust: keycloak, sub: [a, b], roles: scim}   # all that is named must be there
//! ```
//!
//! At least one of `sub`, `oid`, `username`, `azp`, `client_id`, `appid` must be named: these say
//! who it is, and the others do not.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Reader, short, text};
use crate::auth::authenticator::Owned;
use crate::auth::trust::{IDENTIFYING, Wanted};
use crate::yaml::{Node, Span, Table, Value, suggest};

/// One entry, with its place.
pub(super) struct Claimed {
    trust: String,
    wanted: Wanted,
    span: Span,
}

impl<'a> Reader<'a> {
    /// The entries of one account.
    pub(super) fn claims(&mut self, node: Option<&'a Node>) -> Vec<Claimed> {
        let node = node.filter(|node| node.value != Value::Null);
        let entries = self.list(node).iter();
        entries.filter_map(|entry| self.claim(entry)).collect()
    }

    fn claim(&mut self, node: &'a Node) -> Option<Claimed> {
        let mut table = Table::open(self.source, node, "an entry of `claims`", &mut self.found)?;
        let trust = table.required("trust", &mut self.found);
        let trust = trust.and_then(|node| self.trusted(node));
        let mut wanted = Wanted::default();
        let mut whole = true;
        for (key, node) in table.entries() {
            if key.text == "trust" {
                continue;
            }
            if matches!(&*key.text, "iss" | "aud" | "exp" | "nbf" | "iat") {
                let message = format!("`{}` is judged by the entry of `trust`", key.text);
                self.error(key.span, message, "leave it out here");
                continue;
            }
            match self.claim_values(node) {
                Some(values) => wanted.add(key.text.clone(), values),
                None => whole = false,
            }
        }
        if !whole {
            return None;
        }
        if wanted.telling().is_none() {
            let message = if wanted.is_empty() {
                "this takes every token of the trust"
            } else {
                "none of these says who it is"
            };
            let help = format!("name at least one of {}", IDENTIFYING.join(", "));
            self.error(node.span, message, help);
            return None;
        }
        Some(Claimed {
            trust: trust?,
            wanted,
            span: node.span,
        })
    }

    fn trusted(&mut self, node: &'a Node) -> Option<String> {
        let name = text(node).or_else(|| node.string(self.source, &mut self.found))?;
        if self.trusts.contains_key(name) {
            return Some(name.to_owned());
        }
        let mut known: Vec<&str> = self.trusts.keys().copied().collect();
        known.sort_unstable();
        let help = match suggest(name, known) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "define it under `trust`".to_owned(),
        };
        let message = format!("there is no entry `{}` of `trust`", short(name));
        self.error(node.span, message, help);
        None
    }

    /// All entries together: where one takes tokens that are another account's, that is a mistake.
    pub(super) fn owned(&mut self, all: Vec<(Arc<str>, Vec<Claimed>)>) -> Vec<Owned> {
        let flat: Vec<(Arc<str>, Claimed)> = all
            .into_iter()
            .flat_map(|(account, entries)| {
                entries
                    .into_iter()
                    .map(move |entry| (Arc::clone(&account), entry))
            })
            .collect();
        // Who takes from another shares a value of the most telling claim with it.
        let mut by: HashMap<(&str, &str, &str), Vec<usize>> = HashMap::new();
        for (at, (_, entry)) in flat.iter().enumerate() {
            for name in IDENTIFYING {
                for value in entry.wanted.values(name).unwrap_or_default() {
                    by.entry((&entry.trust, name, value)).or_default().push(at);
                }
            }
        }
        let mut clashes: Vec<(usize, usize)> = Vec::new();
        for (at, (account, entry)) in flat.iter().enumerate() {
            let Some((name, values)) = entry.wanted.telling() else {
                continue;
            };
            let places = values
                .iter()
                .filter_map(|value| by.get(&(&*entry.trust, name, value)));
            for other in places.flatten() {
                let Some((its, theirs)) = flat.get(*other) else {
                    continue;
                };
                let pair = (at.max(*other), at.min(*other));
                if its != account
                    && entry.wanted.takes_from(&theirs.wanted)
                    && !clashes.contains(&pair)
                {
                    clashes.push(pair);
                    break;
                }
            }
        }
        let spans: Vec<(Span, Span, String)> = clashes
            .into_iter()
            .filter_map(|(later, first)| {
                let ((account, first), (_, later)) = (flat.get(first)?, flat.get(later)?);
                let message = format!("the same token would also be that of `{account}`");
                Some((later.span, first.span, message))
            })
            .collect();
        for (span, first, message) in spans {
            self.twice(span, message, first);
        }
        let owned = flat.into_iter().map(|(account, entry)| Owned {
            account,
            trust: entry.trust,
            wanted: entry.wanted,
        });
        owned.collect()
    }
}
