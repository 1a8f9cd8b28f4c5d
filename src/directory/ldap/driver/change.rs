//! A change of a resource: one modify of its entry, all or nothing, and another name after it where
//! what names it changed.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use super::Ldap;
use super::find::name_of;
use super::home::Home;
use super::make::{passwords, read_again, texts};
use super::members::Wants;
use super::references::Missing;
use super::refusal;
use super::values;
use crate::directory::ldap::request::Request;
use crate::directory::ldap::{
    Attribute, Change as Modification, ChangeKind, Code, Control, Dn, Entry, Filter, Rdn, Write,
};
use crate::directory::{Ask, DirectoryError};
use crate::ldap::layout::{By, Secret, Values};
use crate::net::Secret as Password;
use crate::scim::operation::{Answer, Document, Precondition, Projection};
use crate::scim::patch::{Change, Patch, PatchOp};
use crate::scim::{PatchPath, Reply, ResourceId, ScimType, Upstream};

/// What a PATCH comes to.
#[derive(Debug, Default)]
struct Work {
    modifications: Vec<Modification>,
    /// A password that is set by an operation of its own.
    password: Option<Password>,
    /// The entry's own part of its name from now on.
    rdn: Option<Rdn>,
    /// The entry above it from now on.
    above: Option<Dn>,
}

impl Ldap {
    pub(super) async fn change(
        &self,
        home: &Home,
        id: &ResourceId,
        patch: Patch,
        precondition: &Precondition,
        projection: &Projection,
        ask: &Ask,
    ) -> Result<Reply<Upstream>, DirectoryError> {
        let wanted = home.wanted(&home.told(projection));
        let entry = self.find(home, id, home.decisive(&patch), ask).await?;
        let dn = name_of(&entry)?;
        let mut work = self.work(home, &entry, &dn, &patch, ask).await?;
        let pinned = self.pool.pinned(ask.deadline).await;
        let pinned = pinned.map_err(refusal::of_write)?;
        if let Some(password) = &work.password {
            // First, since it is the likeliest to be refused: then nothing has changed.
            let request = Request::password_modify(&dn, password);
            let result = pinned.call(&request, ask.deadline).await;
            let result = result.map_err(refusal::of_write)?;
            if result.code != Code::SUCCESS {
                return Err(refusal::of(&result));
            }
        }
        let mut told = None;
        let renamed = work.renamed(&dn);
        if !work.modifications.is_empty() {
            let told_too = pinned.offers().post_read && renamed.is_none();
            let wants = Wants {
                held: home.held_to(precondition),
                told: told_too.then(|| Control::post_read(&wanted)),
            };
            let changes = std::mem::take(&mut work.modifications);
            let outcome = self.modify(home, &pinned, &dn, changes, wants, ask).await?;
            if let Some(outcome) = outcome {
                if outcome.result.code != Code::SUCCESS {
                    return Err(refusal::of(&outcome.result));
                }
                told = outcome.post_read;
            }
        }
        let mut place = dn.clone();
        if let Some((next, write)) = renamed {
            let outcome = pinned.write(write, &[], ask.deadline).await;
            let outcome = outcome.map_err(refusal::of_write)?;
            if outcome.result.code != Code::SUCCESS {
                return Err(refusal::of(&outcome.result));
            }
            place = next;
        }
        let told = match told {
            Some(entry) => Some(entry),
            // It is done, whatever comes of this.
            None => {
                let search = read_again(place, wanted);
                pinned.one(search, ask.deadline).await.ok().flatten()
            }
        };
        let Some(entry) = told else {
            return Ok(Reply::new(Answer::Nothing));
        };
        if home.is_group() && matches!(projection, Projection::All) {
            return Ok(Reply::new(Answer::Nothing).versioned(home.etag(&entry)));
        }
        let mut shaped = home.shape(&entry, projection)?;
        let mut resources = [&mut shaped.resource];
        self.point(home, &mut resources, &[&entry], projection, ask)
            .await?;
        let answer = Answer::Resource(Document::Tree(shaped.resource));
        Ok(Reply::new(answer).versioned(shaped.etag))
    }

    async fn work(
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
            let attribute = home.place.attribute(name);
            let value = change.value.as_ref().unwrap_or(&Value::Null);
            let reference = attribute.and_then(|a| a.reference.as_ref());
            let secret = attribute.and_then(|a| a.secret);
            let values = match (reference, secret) {
                (Some(reference), _) if matches!(reference.by, By::Inverse(_)) => continue,
                (Some(reference), _) => {
                    let ids = texts(value);
                    let missing = match change.op {
                        PatchOp::Remove => Missing::LeftOut,
                        PatchOp::Add | PatchOp::Replace => Missing::AsTheRuleSays,
                    };
                    let values = self.pointers(name, reference, &ids, missing, ask).await?;
                    let whole = change.op == PatchOp::Replace || change.value.is_none();
                    if let Some(attribute) = attribute.filter(|a| a.values == Values::Many) {
                        if whole {
                            let changes = self.exactly(attribute, reference, &dn, values, ask);
                            work.modifications.extend(changes.await?);
                            continue;
                        }
                        if values.is_empty() {
                            continue;
                        }
                    }
                    values
                }
                (None, Some(Secret::Extended)) if self.offers().password_modify => {
                    if let Some(password) = value.as_str() {
                        work.password = Some(Password::new(password.to_owned()));
                    }
                    continue;
                }
                (None, Some(Secret::Unicode)) => passwords(value),
                (None, _) => values::written(attribute, name, value)?,
            };
            if names_entry(home, name) && change.op != PatchOp::Remove {
                work.names(dn, name, &values)?;
                continue;
            }
            let many = attribute.is_some_and(|a| a.values == Values::Many);
            let present = entry.values(name);
            work.modify(change.op, name, values, present, many);
        }
        Ok(work)
    }
}

impl Work {
    fn modify(
        &mut self,
        op: PatchOp,
        name: &str,
        values: Vec<Bytes>,
        present: &[Bytes],
        many: bool,
    ) {
        let kind = match (op, values.is_empty()) {
            (PatchOp::Add, true) => return,
            (PatchOp::Add, false) if many => ChangeKind::Add,
            (PatchOp::Remove, false) => ChangeKind::Delete,
            (PatchOp::Remove, true) | (PatchOp::Add | PatchOp::Replace, _) => ChangeKind::Replace,
        };
        // Of several values the rule maps the first: the others are not its business.
        if kind == ChangeKind::Replace
            && !many
            && let [first, _, ..] = present
        {
            self.push(ChangeKind::Delete, name, vec![first.clone()]);
            if !values.is_empty() {
                self.push(ChangeKind::Add, name, values);
            }
            return;
        }
        self.push(kind, name, values);
    }

    fn push(&mut self, kind: ChangeKind, name: &str, values: Vec<Bytes>) {
        let attribute = Attribute {
            name: name.into(),
            values,
        };
        self.modifications.push(Modification::new(kind, attribute));
    }

    /// The entry gets another name, unless it is the one that it has.
    fn names(&mut self, dn: &Dn, name: &str, values: &[Bytes]) -> Result<(), DirectoryError> {
        let rdn = values
            .first()
            .and_then(|value| Rdn::new(name, value.clone()));
        let rdn = rdn.ok_or_else(|| DirectoryError::Refused {
            scim_type: Some(ScimType::InvalidValue),
            detail: Some(format!("{name} names the entry and cannot be empty")),
        })?;
        // Another spelling of the same name is a change as well.
        let same = dn.rdn().is_some_and(|own| *own == rdn);
        self.rdn = (!same).then_some(rdn);
        Ok(())
    }

    fn renamed(&self, dn: &Dn) -> Option<(Dn, Write)> {
        let rdn = self.rdn.clone().or_else(|| {
            let moved = self.above.as_ref();
            moved.and_then(|_| dn.rdn().cloned())
        })?;
        let above = self.above.clone().or_else(|| dn.parent())?;
        let write = Write::Rename {
            dn: dn.clone(),
            rdn: rdn.clone(),
            delete_old: true,
            above: self.above.clone(),
        };
        Some((above.below(rdn), write))
    }
}

impl Home {
    /// What of the entry a change must know.
    fn decisive(&self, patch: &Patch) -> Vec<Arc<str>> {
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
        }
        names
    }

    /// What the answer to a change carries.
    fn told(&self, projection: &Projection) -> Projection {
        match projection {
            Projection::All if self.is_group() => Projection::Only(Vec::new()),
            other => other.clone(),
        }
    }

    /// What holds a write to the versions that a client names.
    pub(super) fn held_to(&self, precondition: &Precondition) -> Option<Control> {
        let version = self.stamps().version?;
        let tags = precondition.if_match.as_ref()?;
        let versions = tags.iter().filter_map(|tag| {
            let opaque = tag.strip_prefix("W/").unwrap_or(tag);
            opaque.strip_prefix('"')?.strip_suffix('"')
        });
        let parts = versions.map(|text| Filter::equal(version, text.to_owned()));
        Some(Control::assertion(&Filter::Or(parts.collect())))
    }
}

/// Whether an attribute names the entry.
fn names_entry(home: &Home, name: &str) -> bool {
    let create = home.place.create.as_ref();
    create.is_some_and(|create| create.rdn.is(name))
}

/// The attribute that a change is about.
fn name(change: &Change) -> Result<&str, DirectoryError> {
    match &change.path {
        PatchPath::Attribute {
            uri: None,
            name,
            filter: None,
            sub: None,
        } => Ok(name.as_str()),
        _ => Err(DirectoryError::Malformed(
            "a change is about a part of an attribute".to_owned(),
        )),
    }
}
