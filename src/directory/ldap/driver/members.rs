//! One modify whose values come and go: what is there already, and what is gone already, is
//! forgiven on every server, and a class that wants at least one member has its placeholder exactly
//! as long as there is no real one. Whoever else changes the same entry at the same time loses
//! nothing: values are told one by one, and what is assumed of the entry is part of the write.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;

use super::Ldap;
use super::home::Home;
use super::references;
use super::refusal;
use crate::directory::ldap::request::Request;
use crate::directory::ldap::{
    Attribute, Change, ChangeKind, Code, Control, Dn, Filter, Pinned, Search, Write, WriteOutcome,
};
use crate::directory::{Ask, DirectoryError};
use crate::ldap::layout::{self, Reference, Values};

/// The controls of a modify that its caller wants.
#[derive(Debug, Default)]
pub(super) struct Wants {
    /// What the client holds it to.
    pub(super) held: Option<Control>,
    /// What the answer tells of the entry.
    pub(super) told: Option<Control>,
}

/// Values that come or go.
#[derive(Debug, Clone)]
struct Delta {
    name: Arc<str>,
    add: bool,
    values: Vec<Bytes>,
}

/// Values that come or go in one operation, what goes with the first, and the placeholder.
#[derive(Debug, Default)]
struct Batch {
    rest: Vec<Change>,
    deltas: Vec<Delta>,
    guarded: bool,
}

/// An attribute that must have a value, and what is known of the one that stands in.
#[derive(Debug, Clone)]
struct StandIn {
    name: Arc<str>,
    value: Bytes,
    /// What becomes of it.
    step: Step,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// It is not touched, and must not be there when real ones come.
    Absent,
    /// It goes.
    Remove,
    /// It comes: the last real one goes.
    Add,
    /// It is not touched.
    Leave,
}

impl Ldap {
    /// What gives an attribute exactly the values that point to these ids, of those that the tenant
    /// may see: what it does not see stays.
    pub(super) async fn exactly(
        &self,
        attribute: &layout::Attribute,
        reference: &Reference,
        dn: &Dn,
        wanted: Vec<Bytes>,
        ask: &Ask,
    ) -> Result<Vec<Change>, DirectoryError> {
        let name = attribute.name.as_str();
        let found = self
            .pool
            .one(Search::entry(dn.clone(), &[name]), ask.deadline);
        let entry = found.await.map_err(refusal::of_read)?;
        let entry = entry.ok_or(DirectoryError::NotFound)?;
        let (visible, there) = self.visible(attribute, reference, &entry, ask).await?;
        let key = |value: &Bytes| references::key(&reference.by, name, value);
        let keys: HashSet<String> = wanted.iter().filter_map(key).collect();
        let gone = visible.into_iter().filter(|(key, _)| !keys.contains(key));
        let gone: Vec<Bytes> = gone.map(|(_, value)| value).collect();
        let new = wanted.into_iter();
        let new: Vec<Bytes> = new
            .filter(|value| key(value).is_none_or(|key| !there.contains(&key)))
            .collect();
        let changes = [(ChangeKind::Add, new), (ChangeKind::Delete, gone)];
        let changes = changes.into_iter().filter(|(_, values)| !values.is_empty());
        Ok(changes
            .map(|(kind, values)| Change::new(kind, Attribute::many(name, values)))
            .collect())
    }

    /// Changes an entry. Any result is an outcome that forgiving does not mend; `None` where
    /// nothing was left to change.
    pub(super) async fn modify(
        &self,
        home: &Home,
        pinned: &Pinned,
        dn: &Dn,
        changes: Vec<Change>,
        wants: Wants,
        ask: &Ask,
    ) -> Result<Option<WriteOutcome>, DirectoryError> {
        let batches = home.batches(changes);
        let count = batches.len();
        let mut last = None;
        for (at, batch) in batches.into_iter().enumerate() {
            let wants = Wants {
                held: wants.held.clone().filter(|_| at == 0),
                told: wants.told.clone().filter(|_| at + 1 == count),
            };
            let outcome = self.modify_once(home, pinned, dn, batch, &wants, ask).await;
            match outcome {
                Ok(Some(outcome)) if outcome.result.code != Code::SUCCESS => {
                    return if at == 0 {
                        Ok(Some(outcome))
                    } else {
                        Err(in_part())
                    };
                }
                Ok(outcome) => last = outcome.or(last),
                Err(error) if at == 0 => return Err(error),
                Err(_) => return Err(in_part()),
            }
        }
        Ok(last)
    }

    async fn modify_once(
        &self,
        home: &Home,
        pinned: &Pinned,
        dn: &Dn,
        mut batch: Batch,
        wants: &Wants,
        ask: &Ask,
    ) -> Result<Option<WriteOutcome>, DirectoryError> {
        let may_assert = pinned.offers().assertion && wants.held.is_none();
        let mut stand_ins = home.stand_ins(&batch.deltas);
        if !may_assert {
            self.look_for(pinned, dn, &mut stand_ins, ask).await?;
        }
        let mut tries = TRIES;
        loop {
            let changes = batch.changes(&stand_ins);
            if changes.is_empty() {
                return Ok(None);
            }
            let mut controls: Vec<Control> =
                wants.held.iter().chain(&wants.told).cloned().collect();
            let assumed = assumption(&stand_ins).filter(|_| may_assert);
            controls.extend(assumed.as_ref().map(Control::assertion));
            if pinned.offers().permissive && !batch.guarded {
                controls.push(Control::permissive());
            }
            let write = Write::Modify {
                dn: dn.clone(),
                changes,
            };
            let outcome = pinned.write(write, &controls, ask.deadline).await;
            let outcome = outcome.map_err(refusal::of_write)?;
            let again = tries > 0
                && match outcome.result.code {
                    Code::ASSERTION_FAILED if assumed.is_some() => {
                        let assumed = stand_ins.iter_mut();
                        assumed
                            .filter(|one| one.step == Step::Absent)
                            .for_each(|one| one.step = Step::Remove);
                        true
                    }
                    Code::OBJECT_CLASS_VIOLATION => stand_in(&mut stand_ins, &batch.deltas),
                    Code::ATTRIBUTE_OR_VALUE_EXISTS | Code::NO_SUCH_ATTRIBUTE => {
                        let looked = self.look_for(pinned, dn, &mut stand_ins, ask).await?;
                        self.settle(pinned, dn, &mut batch.deltas, ask).await? || looked
                    }
                    _ => false,
                };
            if !again {
                if outcome.result.code == Code::SUCCESS {
                    withdraw(pinned, dn, &stand_ins, ask).await;
                }
                return Ok(Some(outcome));
            }
            tries -= 1;
        }
    }

    /// Takes out what is there, or gone, already. False where that is nothing.
    async fn settle(
        &self,
        pinned: &Pinned,
        dn: &Dn,
        deltas: &mut Vec<Delta>,
        ask: &Ask,
    ) -> Result<bool, DirectoryError> {
        let mut settled = false;
        for delta in deltas.iter_mut() {
            let values = std::mem::take(&mut delta.values);
            let looks = values.into_iter().map(|value| {
                let (pinned, dn, name) = (pinned.clone(), dn.clone(), Arc::clone(&delta.name));
                let deadline = ask.deadline;
                Box::pin(async move {
                    let there = has(&pinned, dn, name, value.clone(), deadline).await;
                    (value, there)
                })
            });
            let mut answers = stream::iter(looks).buffered(AT_A_TIME);
            let mut left = Vec::new();
            while let Some((value, there)) = answers.next().await {
                if there? == delta.add {
                    settled = true;
                } else {
                    left.push(value);
                }
            }
            drop(answers);
            delta.values = left;
        }
        deltas.retain(|delta| !delta.values.is_empty());
        Ok(settled)
    }

    /// Finds out which placeholders are there. False where all was known already.
    async fn look_for(
        &self,
        pinned: &Pinned,
        dn: &Dn,
        stand_ins: &mut [StandIn],
        ask: &Ask,
    ) -> Result<bool, DirectoryError> {
        let mut changed = false;
        for one in stand_ins {
            let (name, value) = (Arc::clone(&one.name), one.value.clone());
            let there = has(pinned, dn.clone(), name, value, ask.deadline).await?;
            let step = match (one.step, there) {
                (Step::Absent | Step::Remove, true) => Step::Remove,
                (Step::Absent | Step::Remove, false) => Step::Absent,
                (Step::Add, true) => Step::Leave,
                (step, _) => step,
            };
            changed |= step != one.step;
            one.step = step;
        }
        Ok(changed)
    }
}

impl Home {
    /// The changes, in as many operations as they need: more than one only for many values that
    /// come and go.
    fn batches(&self, changes: Vec<Change>) -> Vec<Batch> {
        let mut first = Batch::default();
        let mut deltas = Vec::new();
        for change in changes {
            let attribute = self.place.attribute(&change.attribute.name);
            let guarded = attribute.is_some_and(|attribute| attribute.guarded);
            let many = attribute.is_some_and(|attribute| attribute.values == Values::Many);
            let add = change.kind == ChangeKind::Add;
            let is_delta = add || change.kind == ChangeKind::Delete;
            if many && !guarded && is_delta && !change.attribute.values.is_empty() {
                deltas.push(Delta {
                    name: change.attribute.name,
                    add,
                    values: change.attribute.values,
                });
            } else {
                first.guarded |= guarded;
                first.rest.push(change);
            }
        }
        let mut batches = vec![first];
        let mut room = MOST;
        for delta in deltas {
            let mut values = delta.values.as_slice();
            while !values.is_empty() {
                if room == 0 {
                    batches.push(Batch::default());
                    room = MOST;
                }
                let (now, then) = values.split_at(room.min(values.len()));
                room -= now.len();
                values = then;
                if let Some(batch) = batches.last_mut() {
                    batch.deltas.push(Delta {
                        name: Arc::clone(&delta.name),
                        add: delta.add,
                        values: now.to_vec(),
                    });
                }
            }
        }
        batches
    }

    /// The placeholders that the changes are about: one goes where real ones come.
    fn stand_ins(&self, deltas: &[Delta]) -> Vec<StandIn> {
        let mut all: Vec<StandIn> = Vec::new();
        for delta in deltas {
            let attribute = self.place.attribute(&delta.name);
            let reference = attribute.and_then(|attribute| attribute.reference.as_ref());
            let Some(dn) = reference.and_then(|reference| reference.placeholder.as_ref()) else {
                continue;
            };
            let known = all
                .iter_mut()
                .find(|one| one.name.eq_ignore_ascii_case(&delta.name));
            match known {
                Some(one) if delta.add => one.step = Step::Absent,
                Some(_) => {}
                None => all.push(StandIn {
                    name: Arc::clone(&delta.name),
                    value: dn.to_string().into(),
                    step: if delta.add { Step::Absent } else { Step::Leave },
                }),
            }
        }
        all
    }
}

impl Batch {
    fn changes(&self, stand_ins: &[StandIn]) -> Vec<Change> {
        let of = |kind, name: &Arc<str>, values| {
            let name = Arc::clone(name);
            Change::new(kind, Attribute { name, values })
        };
        let stands = |step, kind| {
            let fit = stand_ins.iter().filter(move |one| one.step == step);
            fit.map(move |one| of(kind, &one.name, vec![one.value.clone()]))
        };
        let deltas = self.deltas.iter().map(|delta| {
            let kind = if delta.add {
                ChangeKind::Add
            } else {
                ChangeKind::Delete
            };
            of(kind, &delta.name, delta.values.clone())
        });
        let real: Vec<Change> = self.rest.iter().cloned().chain(deltas).collect();
        if real.is_empty() {
            return real;
        }
        // What comes, comes first: an attribute without a value is gone, even in between.
        stands(Step::Add, ChangeKind::Add)
            .chain(real)
            .chain(stands(Step::Remove, ChangeKind::Delete))
            .collect()
    }
}

/// What is taken for true of the placeholders.
fn assumption(stand_ins: &[StandIn]) -> Option<Filter> {
    let absent = stand_ins.iter().filter(|one| one.step == Step::Absent);
    let none = absent.map(|one| {
        let there = Filter::equal(Arc::clone(&one.name), one.value.clone());
        Filter::Not(Box::new(there))
    });
    none.reduce(Filter::and)
}

/// The last real one goes: the placeholder must come. False where that is none of the causes.
fn stand_in(stand_ins: &mut [StandIn], deltas: &[Delta]) -> bool {
    let mut changed = false;
    for one in stand_ins {
        let goes = deltas
            .iter()
            .any(|delta| !delta.add && delta.name.eq_ignore_ascii_case(&one.name));
        if goes && one.step != Step::Add {
            one.step = Step::Add;
            changed = true;
        }
    }
    changed
}

/// Takes a placeholder that has just come away again, should a real one have come at the same time:
/// where none has, the server refuses, as its class wants one.
async fn withdraw(pinned: &Pinned, dn: &Dn, stand_ins: &[StandIn], ask: &Ask) {
    for one in stand_ins.iter().filter(|one| one.step == Step::Add) {
        let value = Attribute::one(Arc::clone(&one.name), one.value.clone());
        let write = Write::Modify {
            dn: dn.clone(),
            changes: vec![Change::new(ChangeKind::Delete, value)],
        };
        // Whatever comes of it: the change itself is done.
        let _ = pinned.write(write, &[], ask.deadline).await;
    }
}

/// Whether an attribute of an entry has a value.
async fn has(
    pinned: &Pinned,
    dn: Dn,
    attribute: Arc<str>,
    value: Bytes,
    deadline: std::time::Instant,
) -> Result<bool, DirectoryError> {
    let request = Request::Compare {
        dn,
        attribute,
        value,
    };
    let result = pinned.call(&request, deadline).await;
    let result = result.map_err(refusal::of_read)?;
    match result.code {
        Code::COMPARE_TRUE => Ok(true),
        // The attribute may have no value at all.
        Code::COMPARE_FALSE | Code::NO_SUCH_ATTRIBUTE => Ok(false),
        _ => Err(refusal::of(&result)),
    }
}

/// Some of it is done.
fn in_part() -> DirectoryError {
    DirectoryError::Malformed(
        "only a part of the change is done; the same request again does the rest".to_owned(),
    )
}

/// So many values in one operation; servers take more, but not much more.
const MOST: usize = 1000;
/// How often others may change the entry in between.
const TRIES: usize = 16;
/// So many questions at a time.
const AT_A_TIME: usize = 32;
