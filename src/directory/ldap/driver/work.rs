//! What a PATCH comes to: changes of an entry value by value, a password, another name. What would
//! change nothing is left out.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use super::Ldap;
use super::draft::{texts, unnamed};
use super::home::Home;
use super::password;
use super::references::{self, Missing};
use super::unique::Pair;
use super::values::{self, refused};
use crate::directory::ldap::{Attribute, Change as Modification, ChangeKind, Dn, Entry, Rdn};
use crate::directory::{Ask, DirectoryError};
use crate::ldap::layout::{Attribute as Known, By, Secret, Values};
use crate::net::Secret as Password;
use crate::scim::PatchPath;
use crate::scim::patch::{Change, Patch, PatchOp};

/// What a PATCH comes to.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub(super) modifications: Vec<Modification>,
    /// Values that are taken away only where they are still there.
    pub(super) guarded: Vec<Pair>,
    /// A password that is set by an operation of its own.
    pub(super) password: Option<Password>,
    /// Those of the modifications that come after the others.
    pub(super) secrets: Vec<Modification>,
    /// Whether a password is among the modifications.
    pub(super) has_secret: bool,
    /// The entry's own part of its name from now on: what it should be, and what else it may be
    /// where that is taken.
    pub(super) names: Vec<Rdn>,
    /// The entry above it from now on.
    pub(super) above: Option<Dn>,
    /// New values that no other resource may have.
    pub(super) unique: Vec<Pair>,
    /// Attributes that get a new single value, by which others may point to the entry.
    pub(super) pointed: Vec<(Arc<str>, Option<Bytes>)>,
}

impl Ldap {
    /// What a patch comes to; `entry` has what is decisive for it.
    pub(super) async fn work(
        &self,
        home: &Home,
        entry: &Entry,
        dn: &Dn,
        patch: &Patch,
        ask: &Ask,
    ) -> Result<Work, DirectoryError> {
        let mut work = Work::default();
        for change in &patch.changes {
            let name = name(change)?;
            let known = home.place.attribute(name).ok_or_else(|| unnamed(name))?;
            let value = change.value.as_ref().unwrap_or(&Value::Null);
            let values = match (&known.reference, known.secret) {
                (Some(reference), _) if matches!(reference.by, By::Inverse(_)) => continue,
                (Some(reference), _) => {
                    let ids = texts(value);
                    let missing = match change.op {
                        PatchOp::Remove => Missing::LeftOut,
                        PatchOp::Add | PatchOp::Replace => Missing::AsTheRuleSays,
                    };
                    let found = self.pointers(name, reference, &ids, missing, ask).await?;
                    if found.is_empty() && !ids.is_empty() {
                        // All of them were left out: that is not to say that none are meant.
                        continue;
                    }
                    let whole = change.op == PatchOp::Replace || ids.is_empty();
                    if whole && known.values == Values::Many {
                        let exactly = self.exactly(known, reference, dn, found, ask).await?;
                        work.modifications
                            .retain(|m| !m.attribute.name.eq_ignore_ascii_case(name));
                        work.modifications.extend(exactly);
                        continue;
                    }
                    found
                }
                (None, Some(Secret::Extended)) if self.offers().password_modify => {
                    if let Some(text) = value.as_str().filter(|text| !text.is_empty()) {
                        work.password = Some(Password::new(text.to_owned()));
                    }
                    continue;
                }
                (None, Some(form)) => {
                    let values = password::values(form, value);
                    work.has_secret |= !values.is_empty();
                    values
                }
                (None, None) => values::written(Some(known), name, value)?,
            };
            work.take(home, entry, dn, known, (change.op, values))?;
        }
        work.find_names(home, entry, dn)?;
        Ok(work)
    }
}

impl Work {
    /// Whether the entry gets another name.
    pub(super) fn is_rename(&self) -> bool {
        !self.names.is_empty()
    }

    fn take(
        &mut self,
        home: &Home,
        entry: &Entry,
        dn: &Dn,
        known: &Known,
        (op, values): (PatchOp, Vec<Bytes>),
    ) -> Result<(), DirectoryError> {
        let name = known.name.as_str();
        let many = known.values == Values::Many;
        let present = entry.values(name);
        let kind = match (op, values.is_empty()) {
            (PatchOp::Add, true) => return Ok(()),
            (PatchOp::Add, false) if many || known.guarded => ChangeKind::Add,
            (PatchOp::Remove, false) => ChangeKind::Delete,
            (PatchOp::Remove, true) | (PatchOp::Add | PatchOp::Replace, _) => ChangeKind::Replace,
        };
        if known.guarded && kind == ChangeKind::Delete {
            let old = values.iter().cloned();
            self.guarded.extend(old.map(|value| (name.into(), value)));
        }
        if home.is_unique(name) && kind != ChangeKind::Delete {
            let new = values.iter().filter(|value| !present.contains(value));
            self.unique
                .extend(new.cloned().map(|value| (name.into(), value)));
        }
        if kind != ChangeKind::Delete && !many {
            self.pointed.push((name.into(), values.first().cloned()));
            self.moves(home, entry, dn, name, values.first());
        }
        if dn.rdn().is_some_and(|rdn| rdn.has(name)) && kind == ChangeKind::Replace {
            return self.names(dn, name, &values, present);
        }
        if let Some(class) = known.needs_class.as_deref().filter(|_| !values.is_empty())
            && kind != ChangeKind::Delete
        {
            self.needs(entry, class);
        }
        let touched = self.has_touched(name);
        if kind == ChangeKind::Replace && !many && !touched && known.secret.is_none() {
            // What is so already is left alone.
            if present == values {
                return Ok(());
            }
        }
        if many && kind != ChangeKind::Replace {
            self.supersede(known, &values);
        }
        self.push(kind, name, values);
        Ok(())
    }

    /// What the same request said of these values before does not count: the last word does. In one
    /// modify it would be refused as said twice, or come out in another order.
    fn supersede(&mut self, known: &Known, values: &[Bytes]) {
        let name = known.name.as_str();
        let key = |value: &Bytes| match &known.reference {
            Some(reference) => references::key(&reference.by, name, value)
                .map_or_else(|| value.to_vec(), String::into_bytes),
            None => value.to_vec(),
        };
        let last: HashSet<Vec<u8>> = values.iter().map(key).collect();
        self.modifications.retain_mut(|m| {
            if m.kind == ChangeKind::Replace || !m.attribute.name.eq_ignore_ascii_case(name) {
                return true;
            }
            m.attribute.values.retain(|v| !last.contains(&key(v)));
            !m.attribute.values.is_empty()
        });
    }

    /// The naming attribute gets another value: that is left to the renaming, which comes last.
    fn names(
        &mut self,
        dn: &Dn,
        name: &str,
        values: &[Bytes],
        present: &[Bytes],
    ) -> Result<(), DirectoryError> {
        let empty = || refused(format!("{name} names the entry and cannot be empty"));
        let wanted = values.first().ok_or_else(empty)?;
        let own = dn.rdn().and_then(|rdn| value_in(rdn, name));
        let own = own.unwrap_or_default();
        // Until then the value that names it stays, and others go.
        let mut kept = values.to_vec();
        if !kept.contains(&own) {
            kept.push(own.clone());
        }
        kept.retain(|value| *value == own || values.len() > 1);
        let is_known = !present.is_empty();
        if is_known && (present.len() != kept.len() || !kept.iter().all(|v| present.contains(v))) {
            self.push(ChangeKind::Replace, name, kept);
        }
        self.names.clear();
        if values.contains(&own) {
            return Ok(());
        }
        let renamed = dn.rdn().and_then(|rdn| with_value(rdn, name, wanted));
        self.names.push(renamed.ok_or_else(empty)?);
        Ok(())
    }

    /// Where its name is taken, the rule may know another; one that has it already keeps it. An
    /// entry that only moves keeps its own.
    fn find_names(&mut self, home: &Home, entry: &Entry, dn: &Dn) -> Result<(), DirectoryError> {
        let Some(create) = &home.place.create else {
            return Ok(());
        };
        let naming = create.rdn.as_str();
        if let Some(first) = self.names.first()
            && let Some(pattern) = &create.on_collision
            && let Some(value) = value_in(first, naming)
            && let Ok(text) = std::str::from_utf8(&value)
        {
            let of = |name: &crate::scim::AttrName| {
                let new = self.modifications.iter().rev();
                let new = new.filter(|m| m.kind != ChangeKind::Delete);
                let mut new = new.filter(|m| name.is(&m.attribute.name));
                let value = match new.next() {
                    Some(modification) => modification.attribute.values.first(),
                    None => entry.values(name.as_str()).first(),
                };
                std::str::from_utf8(value?).ok()
            };
            let second = pattern
                .fill(of)
                .and_then(|more| with_value(first, naming, &format!("{text}{more}").into()));
            if second.as_ref() == dn.rdn() {
                self.names.clear();
            } else {
                self.names.extend(second);
            }
        }
        if self.above.is_some() && self.names.is_empty() {
            self.names.extend(dn.rdn().cloned());
        }
        Ok(())
    }

    /// Another value of the attribute that containers go by moves the entry.
    fn moves(&mut self, home: &Home, entry: &Entry, dn: &Dn, name: &str, new: Option<&Bytes>) {
        let Some(create) = &home.place.create else {
            return;
        };
        if !create.container.by().is_some_and(|by| by.is(name)) {
            return;
        }
        let text = |value: Option<&Bytes>| {
            value
                .and_then(|v| std::str::from_utf8(v).ok())
                .map(str::to_owned)
        };
        let (was, is) = (text(entry.values(name).first()), text(new));
        let (old, new) = (
            create.container.for_value(was.as_deref()),
            create.container.for_value(is.as_deref()),
        );
        // Where somebody has put it elsewhere, a value that means the same leaves it there.
        let here = dn.parent().is_some_and(|above| above.is_same(new));
        self.above = (!here && !old.is_same(new)).then(|| new.clone());
    }

    fn needs(&mut self, entry: &Entry, class: &str) {
        let is = |value: &Bytes| value.eq_ignore_ascii_case(class.as_bytes());
        let has = entry.values(CLASSES).iter().any(is);
        let mut added = self
            .modifications
            .iter()
            .filter(|m| &*m.attribute.name == CLASSES);
        if !has && !added.any(|m| m.attribute.values.iter().any(is)) {
            self.push(ChangeKind::Add, CLASSES, vec![class.to_owned().into()]);
        }
    }

    fn has_touched(&self, name: &str) -> bool {
        self.modifications
            .iter()
            .any(|m| m.attribute.name.eq_ignore_ascii_case(name))
    }

    fn push(&mut self, kind: ChangeKind, name: &str, values: Vec<Bytes>) {
        let attribute = Attribute {
            name: name.into(),
            values,
        };
        self.modifications.push(Modification::new(kind, attribute));
    }
}

impl Home {
    /// What of the entry a change must know.
    pub(super) fn decisive(&self, patch: &Patch) -> Vec<Arc<str>> {
        let mut names: Vec<Arc<str>> = vec![self.place.id.as_str().into()];
        for change in &patch.changes {
            let Ok(name) = name(change) else { continue };
            let attribute = self.place.attribute(name);
            // Members come and go by their values: nobody reads the others for that.
            let many = attribute.is_some_and(|a| a.values == Values::Many);
            let secret = attribute.is_some_and(|a| a.secret.is_some());
            if !many && !secret {
                names.push(name.into());
            }
            if attribute.is_some_and(|a| a.needs_class.is_some()) {
                names.push(CLASSES.into());
            }
            let create = self.place.create.as_ref();
            if let Some(create) = create.filter(|create| create.rdn.is(name))
                && let Some(pattern) = &create.on_collision
            {
                names.extend(pattern.0.iter().filter_map(|piece| match piece {
                    crate::ldap::layout::Piece::Attribute(name) => Some(name.as_str().into()),
                    crate::ldap::layout::Piece::Text(_) => None,
                }));
            }
        }
        names
    }
}

/// The attribute that a change is about.
pub(super) fn name(change: &Change) -> Result<&str, DirectoryError> {
    match &change.path {
        PatchPath::Attribute {
            uri: None,
            name,
            filter: None,
            sub: None,
        } => Ok(name.as_str()),
        _ => Err(refused("a change is about a part of an attribute")),
    }
}

/// The value of an attribute in a part of a name.
fn value_in(rdn: &Rdn, name: &str) -> Option<Bytes> {
    let mut pairs = rdn.pairs();
    pairs.find_map(|(own, value)| is_type(own, name).then(|| Bytes::copy_from_slice(value)))
}

/// The same part of a name with another value of an attribute.
fn with_value(rdn: &Rdn, name: &str, value: &Bytes) -> Option<Rdn> {
    let mut made: Option<Rdn> = None;
    for (own, old) in rdn.pairs() {
        let value = if is_type(own, name) {
            value.clone()
        } else {
            Bytes::copy_from_slice(old)
        };
        made = Some(match made {
            None => Rdn::new(own, value)?,
            Some(rdn) => rdn.and(own, value)?,
        });
    }
    made
}

/// Whether two names are of one attribute: `uid` is `userid` as well.
fn is_type(one: &str, other: &str) -> bool {
    Rdn::new(one, "x").is_some_and(|rdn| rdn.has(other))
}

const CLASSES: &str = "objectClass";
