//! Changes of one entry: one modify, all or nothing. A value that is there already, or gone already,
//! is no error: where the server cannot be told so, it is asked which those are, and the rest is
//! sent. Only changes of very many members come in parts.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};

use super::Ldap;
use super::home::Home;
use super::members::StandIns;
use super::password;
use super::references;
use super::refusal;
use super::unique::Pair;
use crate::directory::ldap::request::Request;
use crate::directory::ldap::{
    Attribute, Change as Modification, ChangeKind, Code, Control, Dn, Entry, LdapResult, Pinned,
    Search, Write,
};
use crate::directory::{Ask, DirectoryError};
use crate::ldap::layout::{By, Values};
use crate::scim::operation::Precondition;

/// What is to be done with an entry.
#[derive(Debug)]
pub(super) struct Order<'a> {
    pub(super) home: &'a Home,
    pub(super) pinned: &'a Pinned,
    pub(super) dn: &'a Dn,
    pub(super) modifications: Vec<Modification>,
    /// Values that are taken away only where they are still there.
    pub(super) guarded: &'a [Pair],
    /// Whether a password is among them.
    pub(super) has_secret: bool,
    /// What the write is held to.
    pub(super) held: Option<Control>,
    /// The version that it is held to where the server cannot do that ([`super::held`]).
    pub(super) met: Option<&'a Precondition>,
    /// What to tell of the entry before, where the server does.
    pub(super) before: &'a [Arc<str>],
    /// What to tell of the entry afterwards, where the server does.
    pub(super) told: Option<&'a [Arc<str>]>,
}

impl<'a> Order<'a> {
    /// Changes that are held to nothing, and of which nothing is to be told.
    pub(super) fn of(
        home: &'a Home,
        pinned: &'a Pinned,
        dn: &'a Dn,
        modifications: Vec<Modification>,
    ) -> Self {
        Self {
            home,
            pinned,
            dn,
            modifications,
            guarded: &[],
            has_secret: false,
            held: None,
            met: None,
            before: &[],
            told: None,
        }
    }
}

/// What is told of an entry that was changed, as far as it was asked.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// What it was.
    pub(super) before: Option<Entry>,
    /// What it is.
    pub(super) after: Option<Entry>,
}

impl Ldap {
    /// Does it.
    pub(super) async fn apply(
        &self,
        mut order: Order<'_>,
        ask: &Ask,
    ) -> Result<Done, DirectoryError> {
        let mut changes = std::mem::take(&mut order.modifications);
        // In between, nobody is out of a group who is in it before and after.
        changes.sort_by_key(|change| order.takes_away(change));
        let changes = order.divisible(changes, ask).await?;
        let mut parts = in_parts(changes).into_iter();
        let first = parts.next().unwrap_or_default();
        let only = parts.len() == 0;
        let mut told = order.part(first, true, only, ask).await?;
        while let Some(part) = parts.next() {
            let last = parts.len() == 0;
            match order.part(part, false, last, ask).await {
                Ok(done) => told.after = done.after,
                Err(error) => {
                    // Whatever it was: a part is done, and a repeat does the rest.
                    let request_id = &ask.request_id;
                    tracing::warn!(%request_id, %error, "a change of many members ended midway");
                    return Err(DirectoryError::Partly);
                }
            }
        }
        Ok(told)
    }
}

impl Order<'_> {
    /// Whether a change takes away some of many references. Of other values a new one may be another
    /// spelling of what goes: these stay in the order that they came in.
    fn takes_away(&self, change: &Modification) -> bool {
        let known = self.home.place.attribute(&change.attribute.name);
        let points = known.is_some_and(|k| k.reference.is_some() && k.values == Values::Many);
        change.kind == ChangeKind::Delete && points
    }

    async fn part(
        &self,
        mut changes: Vec<Modification>,
        first: bool,
        last: bool,
        ask: &Ask,
    ) -> Result<Done, DirectoryError> {
        let offers = self.pinned.offers();
        let mut stand_ins = StandIns::of(self.home, &changes);
        // One assertion is all that a write can have.
        let may_assume = offers.assertion && !(first && self.held.is_some());
        if !may_assume {
            stand_ins.look(self, ask).await?;
        }
        let mut futile = 0;
        for _ in 0..TRIES {
            if changes.is_empty() {
                return Ok(Done::default());
            }
            let mut controls: Vec<Control> = self.held.iter().filter(|_| first).cloned().collect();
            if offers.permissive && self.guarded.is_empty() && has_values(&changes) {
                controls.push(Control::permissive());
            }
            if let Some(wanted) = self.told.filter(|_| last && offers.post_read) {
                controls.push(Control::post_read(wanted));
            }
            let met = self.met.filter(|_| first);
            let before = self.told_before(&changes, met.is_some(), first);
            if !before.is_empty() && offers.pre_read {
                controls.push(Control::pre_read(&before));
            }
            let assumed = stand_ins.assumed().filter(|_| may_assume);
            controls.extend(assumed.as_ref().map(Control::assertion));
            let sent = stand_ins.beside(&changes);
            let write = Write::Modify {
                dn: self.dn.clone(),
                changes: sent.clone(),
            };
            let outcome = self.pinned.write(write, &controls, ask.deadline).await;
            let outcome = outcome.map_err(refusal::of_write)?;
            let result = outcome.result;
            if result.is_success() {
                if let (Some(precondition), Some(before)) = (met, &outcome.pre_read) {
                    self.met(before, &sent, precondition, ask).await?;
                }
                stand_ins.withdraw(self, ask).await;
                return Ok(Done {
                    before: outcome.pre_read,
                    after: outcome.post_read,
                });
            }
            if result.code == Code::ASSERTION_FAILED && assumed.is_some() {
                stand_ins.go();
                continue;
            }
            if let Some(precondition) = met {
                // Whatever it is about, it is not this client's where another version is there.
                self.still(precondition, ask).await?;
            }
            if is_about_values(&result) && has_values(&changes) {
                stand_ins.look(self, ask).await?;
                let rest = self.rest(changes.clone(), ask).await?;
                futile = if rest == changes { futile + 1 } else { 0 };
                if futile == MOST_FUTILE || (futile > 0 && !is_surely_so(&result)) {
                    return Err(refusal::of(&result));
                }
                changes = rest;
                continue;
            }
            if result.code == Code::OBJECT_CLASS_VIOLATION && stand_ins.come(&changes) {
                continue;
            }
            let policy = self.has_secret.then(|| password::policy(&result));
            return Err(policy.flatten().unwrap_or_else(|| refusal::of(&result)));
        }
        // Others keep changing the same values.
        Err(refusal::unsteady())
    }

    /// What of the changes is left to be done, by the values that the entry has now.
    async fn rest(
        &self,
        changes: Vec<Modification>,
        ask: &Ask,
    ) -> Result<Vec<Modification>, DirectoryError> {
        let mut left = Vec::with_capacity(changes.len());
        let respelled = Respelled::of(&changes);
        for mut change in changes {
            let adds = match change.kind {
                ChangeKind::Add => true,
                ChangeKind::Delete => false,
                ChangeKind::Replace | ChangeKind::Increment => {
                    left.push(change);
                    continue;
                }
            };
            let name = Arc::clone(&change.attribute.name);
            let values = std::mem::take(&mut change.attribute.values);
            if !adds && references::may_be_spelled_otherwise(&name) {
                change.attribute.values = self.as_spelled(&name, &values, ask).await?;
                if !change.attribute.values.is_empty() {
                    left.push(change);
                }
                continue;
            }
            let there = self.which_are_there(&name, &values, ask).await?;
            for (value, is_there) in values.into_iter().zip(there) {
                let guards = |(of, old): &Pair| of.eq_ignore_ascii_case(&name) && *old == value;
                if !adds && !is_there && self.guarded.iter().any(guards) {
                    // It was made of a value that is another by now.
                    return Err(DirectoryError::Precondition);
                }
                // The other spelling goes by this change: without the new one, it would be lost.
                let is_there = is_there && !(adds && respelled.has(&name, &value));
                if adds != is_there {
                    change.attribute.values.push(value);
                }
            }
            if !change.attribute.values.is_empty() {
                left.push(change);
            }
        }
        Ok(left)
    }

    /// The values of an entry that name the same as these.
    async fn as_spelled(
        &self,
        name: &str,
        values: &[Bytes],
        ask: &Ask,
    ) -> Result<Vec<Bytes>, DirectoryError> {
        let key = |value: &Bytes| references::key(&By::Dn, name, value);
        let meant: HashSet<String> = values.iter().filter_map(key).collect();
        let mut present = self.present(name, ask).await?;
        present.retain(|value| key(value).is_some_and(|key| meant.contains(&key)));
        Ok(present)
    }

    pub(super) async fn which_are_there(
        &self,
        name: &Arc<str>,
        values: &[Bytes],
        ask: &Ask,
    ) -> Result<Vec<bool>, DirectoryError> {
        let questions = values.iter().map(|value| {
            let request = Request::Compare {
                dn: self.dn.clone(),
                attribute: Arc::clone(name),
                value: value.clone(),
            };
            async move { self.pinned.call(&request, ask.deadline).await }
        });
        let questions: Vec<_> = questions.collect();
        let answers: Vec<_> = stream::iter(questions).buffered(AT_A_TIME).collect().await;
        let mut there = Vec::with_capacity(values.len());
        for answer in answers {
            let result = answer.map_err(refusal::of_read)?;
            there.push(match result.code {
                Code::COMPARE_TRUE => true,
                Code::COMPARE_FALSE | Code::NO_SUCH_ATTRIBUTE => false,
                Code::INAPPROPRIATE_MATCHING | Code::UNWILLING_TO_PERFORM => {
                    let present = self.present(name, ask).await?;
                    return Ok(values.iter().map(|v| present.contains(v)).collect());
                }
                _ => return Err(refusal::of(&result)),
            });
        }
        Ok(there)
    }

    /// All values of an attribute.
    pub(super) async fn present(
        &self,
        name: &str,
        ask: &Ask,
    ) -> Result<Vec<Bytes>, DirectoryError> {
        let search = Search::entry(self.dn.clone(), &[name]);
        let entry = self.pinned.one(search, ask.deadline).await;
        let entry = entry.map_err(refusal::of_read)?;
        let entry = entry.ok_or(DirectoryError::NotFound)?;
        Ok(entry.values(name).to_vec())
    }

    /// Very many values are not set at once: what is missing is added, and what is not meant goes.
    async fn divisible(
        &self,
        changes: Vec<Modification>,
        ask: &Ask,
    ) -> Result<Vec<Modification>, DirectoryError> {
        let mut out = Vec::with_capacity(changes.len());
        for change in changes {
            if change.kind != ChangeKind::Replace || change.attribute.values.len() <= CHUNK {
                out.push(change);
                continue;
            }
            let present = self.present(&change.attribute.name, ask).await?;
            let same: fn(&Bytes) -> Vec<u8> = same;
            let there: HashSet<Vec<u8>> = present.iter().map(same).collect();
            let meant: HashSet<Vec<u8>> = change.attribute.values.iter().map(same).collect();
            let new = change.attribute.values.iter();
            let new = new.filter(|value| !there.contains(&same(value))).cloned();
            let gone = present
                .iter()
                .filter(|v| !meant.contains(&same(v)))
                .cloned();
            for (kind, values) in [
                // Those that must have a value never go without.
                (ChangeKind::Add, new.collect::<Vec<_>>()),
                (ChangeKind::Delete, gone.collect()),
            ] {
                if !values.is_empty() {
                    let attribute = Attribute {
                        name: Arc::clone(&change.attribute.name),
                        values,
                    };
                    out.push(Modification::new(kind, attribute));
                }
            }
        }
        Ok(out)
    }
}

/// Values that go by a change, as a server may compare them: another spelling of one may come by the
/// same change.
struct Respelled(HashMap<String, HashSet<Vec<u8>>>);

impl Respelled {
    fn of(changes: &[Modification]) -> Self {
        let mut all: HashMap<String, HashSet<Vec<u8>>> = HashMap::new();
        let gone = changes.iter().filter(|m| m.kind == ChangeKind::Delete);
        for Modification { attribute, .. } in gone {
            let own = all.entry(attribute.name.to_ascii_lowercase()).or_default();
            own.extend(attribute.values.iter().map(|value| folded(value)));
        }
        Self(all)
    }

    fn has(&self, name: &str, value: &[u8]) -> bool {
        let own = self.0.get(&name.to_ascii_lowercase());
        own.is_some_and(|own| own.contains(&folded(value)))
    }
}

/// Without regard to case and spaces.
fn folded(value: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(value) {
        Ok(text) => {
            let words: Vec<&str> = text.split_whitespace().collect();
            words.join(" ").to_lowercase().into_bytes()
        }
        Err(_) => value.to_vec(),
    }
}

/// A value that adds to nothing or takes nothing away. Active Directory has its own ways to say so
/// of members.
fn is_about_values(result: &LdapResult) -> bool {
    match result.code {
        Code::NO_SUCH_ATTRIBUTE | Code::ATTRIBUTE_OR_VALUE_EXISTS | Code::ENTRY_ALREADY_EXISTS => {
            true
        }
        // A member that is none, or none any more.
        Code::UNWILLING_TO_PERFORM => true,
        _ => false,
    }
}

/// Whether nothing else can be meant, whatever the entry looks like a moment later.
fn is_surely_so(result: &LdapResult) -> bool {
    result.code != Code::UNWILLING_TO_PERFORM
}

/// Whether some of the changes are about values by themselves.
fn has_values(changes: &[Modification]) -> bool {
    changes.iter().any(|change| {
        matches!(change.kind, ChangeKind::Add | ChangeKind::Delete)
            && !change.attribute.values.is_empty()
    })
}

/// The same for two spellings of one name.
fn same(value: &Bytes) -> Vec<u8> {
    let dn = std::str::from_utf8(value).ok();
    let dn = dn.and_then(|text| text.parse::<Dn>().ok());
    dn.map_or_else(|| value.to_vec(), |dn| dn.key().into_bytes())
}

/// One modify, unless so many values come and go that servers refuse them; then everything else is
/// in the first.
fn in_parts(changes: Vec<Modification>) -> Vec<Vec<Modification>> {
    let (mut first, mut more) = (Vec::with_capacity(changes.len()), Vec::new());
    let mut room = CHUNK;
    for change in changes {
        let Modification { kind, attribute } = change;
        let divides = matches!(kind, ChangeKind::Add | ChangeKind::Delete);
        if !divides || attribute.values.len() <= room {
            if divides {
                room -= attribute.values.len();
            }
            first.push(Modification::new(kind, attribute));
            continue;
        }
        for values in attribute.values.chunks(CHUNK) {
            let attribute = Attribute {
                name: Arc::clone(&attribute.name),
                values: values.to_vec(),
            };
            more.push(vec![Modification::new(kind, attribute)]);
        }
    }
    if !first.is_empty() {
        more.insert(0, first);
    }
    more
}

/// Active Directory refuses modifies of some thousand values.
pub(super) const CHUNK: usize = 1000;
/// So many questions at a time.
const AT_A_TIME: usize = 32;
/// Once, and again for each time that others change the same values meanwhile.
const TRIES: usize = 16;
/// So often in a row nothing is found that would explain a refusal.
const MOST_FUTILE: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn change(kind: ChangeKind, count: usize) -> Modification {
        let values = (0..count).map(|n| n.to_string());
        Modification::new(kind, Attribute::many("member", values))
    }

    fn sizes(changes: Vec<Modification>) -> Vec<Vec<usize>> {
        let sizes =
            |part: Vec<Modification>| part.iter().map(|m| m.attribute.values.len()).collect();
        in_parts(changes).into_iter().map(sizes).collect()
    }

    #[test]
    fn only_very_many_values_are_divided() {
        use ChangeKind::{Add, Delete, Replace};
        assert_eq!(
            sizes(vec![
                change(Replace, 1),
                change(Add, 400),
                change(Delete, 600)
            ]),
            [[1, 400, 600]]
        );
        assert_eq!(
            sizes(vec![change(Add, 2500), change(Replace, 1)]),
            [vec![1], vec![1000], vec![1000], vec![500]]
        );
        assert_eq!(sizes(Vec::new()), Vec::<Vec<usize>>::new());
    }

    #[test]
    fn names_are_compared_as_names() {
        let same = |text: &'static str| same(&Bytes::from_static(text.as_bytes()));
        assert_eq!(same("UID=a, dc=X"), same("uid=A,dc=x"));
        assert_ne!(same("a"), same("A"));
    }
}
