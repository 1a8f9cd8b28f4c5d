//! Another name for an entry: the last step of a change. Where it fails, what was changed before is
//! undone.

use std::sync::Arc;

use super::Ldap;
use super::apply::Order;
use super::held::back;
use super::home::Home;
use super::make::is_there;
use super::refusal;
use super::unique::{Pair, taken};
use crate::directory::ldap::{
    Change as Modification, ChangeKind, Code, Control, Dn, Entry, Pinned, Rdn, Search, Write,
};
use crate::directory::{Ask, DirectoryError};
use crate::ldap::layout::Values;

impl Ldap {
    /// Gives the entry the first of its names that is free. Its name from now on.
    pub(super) async fn rename(
        &self,
        (pinned, held): (&Pinned, Option<&Control>),
        dn: &Dn,
        (names, above): (&[Rdn], Option<&Dn>),
        ask: &Ask,
    ) -> Result<Dn, DirectoryError> {
        let place = above.cloned().or_else(|| dn.parent()).unwrap_or_default();
        for rdn in names {
            let next = place.below(rdn.clone());
            if next == *dn {
                return Ok(next);
            }
            let write = Write::Rename {
                dn: dn.clone(),
                rdn: rdn.clone(),
                delete_old: true,
                above: above.cloned(),
            };
            let controls: Vec<Control> = held.cloned().into_iter().collect();
            let outcome = pinned.write(write, &controls, ask.deadline).await;
            let result = outcome.map_err(refusal::of_write)?.result;
            match result.code {
                Code::SUCCESS => return Ok(next),
                Code::ENTRY_ALREADY_EXISTS => {}
                // It is gone itself, or its new place is not there.
                Code::NO_SUCH_OBJECT if above.is_some() && is_there(pinned, dn, ask).await? => {
                    return Err(refusal::no_place());
                }
                _ => return Err(refusal::of_name(&result, Some(rdn))),
            }
        }
        Err(taken())
    }

    /// What an entry is before a change of which a later step may fail, of what it changes.
    pub(super) async fn before(
        &self,
        (pinned, dn): (&Pinned, &Dn),
        names: &[Arc<str>],
        ask: &Ask,
    ) -> Result<Entry, DirectoryError> {
        let search = Search {
            attributes: names.to_vec(),
            ..Search::entry(dn.clone(), &[])
        };
        let entry = pinned.one(search, ask.deadline).await;
        let entry = entry.map_err(refusal::of_read)?;
        entry.ok_or(DirectoryError::NotFound)
    }

    /// Undoes a change of an entry that was `before`, once; a failure of that is told to the
    /// operator, not to the client. What others have changed since is theirs, and stays.
    pub(super) async fn undo(
        &self,
        (home, pinned, dn): (&Home, &Pinned, &Dn),
        done: &[Modification],
        before: &Entry,
        ask: &Ask,
    ) {
        // What a secret was nobody can read.
        let readable = done.iter().filter(|m| !is_secret(home, &m.attribute.name));
        let readable: Vec<Modification> = readable.cloned().collect();
        let all = back(&readable, before);
        if all.is_empty() {
            return;
        }
        let whole = self.undone((home, pinned, dn), all.clone(), ask).await;
        let Err(DirectoryError::Precondition) = whole else {
            return told(whole, ask);
        };
        let mut left = all;
        while let Some(name) = left.first().map(|m| Arc::clone(&m.attribute.name)) {
            let of = |m: &mut Modification| m.attribute.name.eq_ignore_ascii_case(&name);
            let own: Vec<Modification> = left.extract_if(.., of).collect();
            match self.undone((home, pinned, dn), own, ask).await {
                Err(DirectoryError::Precondition) => {}
                outcome => told(outcome, ask),
            }
        }
    }

    /// A value is taken away only where it is still there; members come and go each by itself.
    async fn undone(
        &self,
        (home, pinned, dn): (&Home, &Pinned, &Dn),
        modifications: Vec<Modification>,
        ask: &Ask,
    ) -> Result<(), DirectoryError> {
        let single = modifications.iter().filter(|m| {
            let known = home.place.attribute(&m.attribute.name);
            let is_single = known.is_some_and(|known| known.values == Values::One);
            m.kind == ChangeKind::Delete && is_single
        });
        let guarded: Vec<Pair> = single
            .flat_map(|m| {
                let name = &m.attribute.name;
                let values = m.attribute.values.iter();
                values.map(move |value| (Arc::clone(name), value.clone()))
            })
            .collect();
        let order = Order {
            guarded: &guarded,
            ..Order::of(home, pinned, dn, modifications)
        };
        self.apply(order, ask).await.map(drop)
    }
}

fn is_secret(home: &Home, name: &str) -> bool {
    let known = home.place.attribute(name);
    known.is_some_and(|known| known.secret.is_some())
}

fn told(outcome: Result<(), DirectoryError>, ask: &Ask) {
    if let Err(error) = outcome {
        let request_id = &ask.request_id;
        tracing::warn!(%request_id, %error, "a change that failed later could not be undone");
    }
}
