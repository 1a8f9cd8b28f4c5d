//! Members of groups. A class that wants at least one has a placeholder exactly as long as there is
//! no real one, whoever else writes: what is assumed of the entry is part of the write, and where
//! that was wrong the next try assumes the opposite.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;

use super::Ldap;
use super::apply::Order;
use super::home::Home;
use super::references;
use super::refusal;
use crate::directory::ldap::{Attribute, Change, ChangeKind, Dn, Filter, Search, Write};
use crate::directory::{Ask, DirectoryError};
use crate::ldap::layout::{Attribute as Known, Reference, Values};

/// The placeholders that changes of an entry are about.
#[derive(Debug, Default)]
pub(super) struct StandIns(Vec<StandIn>);

/// A value that stands in where an attribute must have one, and what becomes of it.
#[derive(Debug)]
struct StandIn {
    name: Arc<str>,
    value: Bytes,
    step: Step,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Real ones come: it must not be there.
    Absent,
    /// Real ones come, and it is there: it goes.
    Goes,
    /// The last real one goes: it comes.
    Comes,
    /// It is not touched.
    Stays,
}

impl Ldap {
    /// What gives an attribute exactly these values, of those that the tenant may see: what it does
    /// not see stays. Told value by value, so that what others add in between stays too.
    pub(super) async fn exactly(
        &self,
        known: &Known,
        reference: &Reference,
        dn: &Dn,
        wanted: Vec<Bytes>,
        ask: &Ask,
    ) -> Result<Vec<Change>, DirectoryError> {
        let name = known.name.as_str();
        let found = self
            .pool
            .one(Search::entry(dn.clone(), &[name]), ask.deadline);
        let entry = found.await.map_err(refusal::of_read)?;
        let entry = entry.ok_or(DirectoryError::NotFound)?;
        let (visible, there) = self.visible(known, reference, &entry, ask).await?;
        let key = |value: &Bytes| references::key(&reference.by, name, value);
        let keys: HashSet<String> = wanted.iter().filter_map(key).collect();
        let gone = visible.into_iter().filter(|(key, _)| !keys.contains(key));
        let gone: Vec<Bytes> = gone.map(|(_, value)| value).collect();
        let new = wanted.into_iter();
        let new: Vec<Bytes> = new
            .filter(|value| key(value).is_none_or(|key| !there.contains(&key)))
            .collect();
        // Those that must have a value never go without.
        let changes = [(ChangeKind::Add, new), (ChangeKind::Delete, gone)];
        let changes = changes.into_iter().filter(|(_, values)| !values.is_empty());
        Ok(changes
            .map(|(kind, values)| Change::new(kind, Attribute::many(name, values)))
            .collect())
    }
}

impl StandIns {
    /// Those of the attributes whose values come and go.
    pub(super) fn of(home: &Home, changes: &[Change]) -> Self {
        let mut all: Vec<StandIn> = Vec::new();
        for change in changes {
            let adds = match change.kind {
                ChangeKind::Add => true,
                ChangeKind::Delete => false,
                ChangeKind::Replace | ChangeKind::Increment => continue,
            };
            let name = &change.attribute.name;
            let known = home.place.attribute(name);
            let known = known.filter(|known| known.values == Values::Many);
            let reference = known.and_then(|known| known.reference.as_ref());
            let Some(dn) = reference.and_then(|reference| reference.placeholder.as_ref()) else {
                continue;
            };
            match all.iter_mut().find(|one| one.is_of(change)) {
                Some(one) if adds => one.step = Step::Absent,
                Some(_) => {}
                None => all.push(StandIn {
                    name: Arc::clone(name),
                    value: dn.to_string().into(),
                    step: if adds { Step::Absent } else { Step::Stays },
                }),
            }
        }
        Self(all)
    }

    /// The changes, with what becomes of the placeholders.
    pub(super) fn beside(&self, changes: &[Change]) -> Vec<Change> {
        let of = |step, kind| {
            let fit = self.0.iter().filter(move |one| one.step == step);
            fit.map(move |one| Change::new(kind, one.attribute()))
        };
        // What comes, comes first: no attribute is without a value, even in between.
        of(Step::Comes, ChangeKind::Add)
            .chain(changes.iter().cloned())
            .chain(of(Step::Goes, ChangeKind::Delete))
            .collect()
    }

    /// What is taken for true of the entry.
    pub(super) fn assumed(&self) -> Option<Filter> {
        let absent = self.0.iter().filter(|one| one.step == Step::Absent);
        let none = absent.map(|one| {
            let there = Filter::equal(Arc::clone(&one.name), one.value.clone());
            Filter::Not(Box::new(there))
        });
        none.reduce(Filter::and)
    }

    /// What was assumed was wrong.
    pub(super) fn go(&mut self) {
        let absent = self.0.iter_mut().filter(|one| one.step == Step::Absent);
        absent.for_each(|one| one.step = Step::Goes);
    }

    /// The entry would be without a value: the placeholders come. False where none can.
    pub(super) fn come(&mut self, changes: &[Change]) -> bool {
        let mut found = false;
        for one in &mut self.0 {
            let mut goes = changes.iter().filter(|c| c.kind == ChangeKind::Delete);
            if one.step != Step::Comes && goes.any(|change| one.is_of(change)) {
                one.step = Step::Comes;
                found = true;
            }
        }
        found
    }

    /// Finds out which of them are there.
    pub(super) async fn look(
        &mut self,
        order: &Order<'_>,
        ask: &Ask,
    ) -> Result<(), DirectoryError> {
        for one in &mut self.0 {
            let value = std::slice::from_ref(&one.value);
            let there = order.which_are_there(&one.name, value, ask).await?;
            let there = there.first() == Some(&true);
            one.step = match one.step {
                Step::Absent | Step::Goes if there => Step::Goes,
                Step::Absent | Step::Goes => Step::Absent,
                Step::Comes if there => Step::Stays,
                step => step,
            };
        }
        Ok(())
    }

    /// Takes a placeholder that has just come away again, should a real value have come at the same
    /// time: where none has, the server refuses, as its class wants one.
    pub(super) async fn withdraw(&self, order: &Order<'_>, ask: &Ask) {
        for one in self.0.iter().filter(|one| one.step == Step::Comes) {
            let write = Write::Modify {
                dn: order.dn.clone(),
                changes: vec![Change::new(ChangeKind::Delete, one.attribute())],
            };
            // Whatever comes of it: the change itself is done.
            let _ = order.pinned.write(write, &[], ask.deadline).await;
        }
    }
}

impl StandIn {
    fn attribute(&self) -> Attribute {
        Attribute::one(Arc::clone(&self.name), self.value.clone())
    }

    fn is_of(&self, change: &Change) -> bool {
        self.name.eq_ignore_ascii_case(&change.attribute.name)
    }
}
