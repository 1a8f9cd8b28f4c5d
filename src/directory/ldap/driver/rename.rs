//! Another name for an entry: the last step of a change. Where it fails, what was changed before is
//! undone.

use super::Ldap;
use super::apply::Order;
use super::home::Home;
use super::make::is_there;
use super::refusal;
use super::unique::taken;
use super::work::Work;
use crate::directory::ldap::{
    Attribute, Change as Modification, ChangeKind, Code, Control, Dn, Entry, Pinned, Rdn, Search,
    Write,
};
use crate::directory::{Ask, DirectoryError};
use crate::ldap::layout::Values;

/// How an entry can be brought back to what it was.
#[derive(Debug)]
pub(super) struct Undo(Vec<Modification>);

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
                _ => return Err(refusal::of(&result)),
            }
        }
        Err(taken())
    }

    /// What it takes to undo a change of which a later step fails.
    pub(super) async fn undo_of(
        &self,
        home: &Home,
        pinned: &Pinned,
        dn: &Dn,
        work: &Work,
        ask: &Ask,
    ) -> Result<Undo, DirectoryError> {
        let names = work.modifications.iter().map(|m| &*m.attribute.name);
        let names: Vec<&str> = names.collect();
        if names.is_empty() {
            return Ok(Undo(Vec::new()));
        }
        let search = Search::entry(dn.clone(), &names);
        let entry = pinned.one(search, ask.deadline).await;
        let entry = entry.map_err(refusal::of_read)?;
        let entry = entry.ok_or(DirectoryError::NotFound)?;
        Ok(Undo::of(home, &work.modifications, &entry))
    }

    /// Undoes a change, once; a failure of that is told to the operator, not to the client.
    pub(super) async fn undo(&self, home: &Home, pinned: &Pinned, dn: &Dn, undo: Undo, ask: &Ask) {
        if undo.0.is_empty() {
            return;
        }
        let order = Order {
            home,
            pinned,
            dn,
            modifications: undo.0,
            guarded: &[],
            has_secret: false,
            held: None,
            met: None,
            told: None,
        };
        if let Err(error) = self.apply(order, ask).await {
            let request_id = &ask.request_id;
            tracing::warn!(%request_id, %error, "a change that failed later could not be undone");
        }
    }
}

impl Undo {
    fn of(home: &Home, modifications: &[Modification], before: &Entry) -> Self {
        let mut out: Vec<Modification> = Vec::new();
        for Modification { kind, attribute } in modifications.iter().rev() {
            let name = &attribute.name;
            let old = before.values(name);
            let known = home.place.attribute(name);
            if known.is_some_and(|known| known.secret.is_some()) {
                // What it was nobody can read.
                continue;
            }
            let delta = |kind, there: bool| {
                let values = attribute.values.iter();
                let values = values.filter(|value| old.contains(value) == there);
                let values = Attribute::many(name.clone(), values.cloned());
                Modification::new(kind, values)
            };
            let single = known.is_some_and(|known| known.values == Values::One);
            let undoing = match kind {
                _ if single => Modification::new(
                    ChangeKind::Replace,
                    Attribute::many(name.clone(), old.to_vec()),
                ),
                ChangeKind::Add => delta(ChangeKind::Delete, false),
                ChangeKind::Delete => delta(ChangeKind::Add, true),
                ChangeKind::Replace | ChangeKind::Increment => Modification::new(
                    ChangeKind::Replace,
                    Attribute::many(name.clone(), old.to_vec()),
                ),
            };
            let is_replace = undoing.kind == ChangeKind::Replace;
            let again = out
                .iter()
                .any(|m| is_replace && m.kind == ChangeKind::Replace && m.attribute.name == *name);
            if !again && (is_replace || !undoing.attribute.values.is_empty()) {
                out.push(undoing);
            }
        }
        Self(out)
    }
}
