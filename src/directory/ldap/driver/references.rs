//! References: ids outside, names of entries inside. Resolved both ways, many at a time.
//!
//! A value of the directory is never handed to a client, and a name that a client sends is never
//! asked for: ids are looked up within base and filter of the types that the rule allows, and names
//! are shown only where they lie within those. What points nowhere is an empty text in the resource,
//! which is nobody's id: the mapping leaves it out and counts it (decisions 47).

mod ask;
mod inverse;
mod name;
mod primary;
mod resolve;

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::Ldap;
use super::home::{Home, is_wanted};
use crate::directory::ldap::Entry;
use crate::directory::{Ask, DirectoryError};
use crate::ldap::layout::{Attribute, By, Reference, Values};
use crate::scim::operation::Projection;
use crate::scim::{Resource, ResourceType, ScimType};

pub(super) use name::{key, may_be_spelled_otherwise};
pub(super) use resolve::MemberOf;

/// What a reference points to, as clients see it.
#[derive(Debug, Clone)]
struct Target {
    id: String,
    resource: ResourceType,
    display: Option<String>,
}

/// What becomes of an id that nobody has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// As the rule says: refused, or left out.
    AsTheRuleSays,
    /// It is left out: what is nobody's cannot be taken away either.
    LeftOut,
}

impl Ldap {
    /// The values that point to these ids, each once.
    pub(super) async fn pointers(
        &self,
        name: &str,
        reference: &Reference,
        ids: &[&str],
        missing: Missing,
        ask: &Ask,
    ) -> Result<Vec<Bytes>, DirectoryError> {
        let mut seen = HashSet::with_capacity(ids.len());
        let ids: Vec<&str> = ids
            .iter()
            .copied()
            .filter(|id| seen.insert(id.to_ascii_lowercase()))
            .collect();
        let mut found = self.names(reference, &ids, ask).await?;
        let mut values = Vec::with_capacity(ids.len());
        for id in ids {
            match found.remove(&id.to_ascii_lowercase()) {
                Some(value) => values.push(value),
                None if reference.drop_unresolved || missing == Missing::LeftOut => {}
                None => return Err(points_nowhere(name, reference)),
            }
        }
        Ok(values)
    }

    /// Brings the references of entries, as ids, into the resources beside them.
    pub(super) async fn point(
        &self,
        home: &Home,
        resources: &mut [&mut Resource],
        entries: &[&Entry],
        projection: &Projection,
        ask: &Ask,
    ) -> Result<(), DirectoryError> {
        for attribute in &home.place.attributes {
            let Some(reference) = &attribute.reference else {
                continue;
            };
            if !is_wanted(projection, attribute.name.as_str()) {
                continue;
            }
            let pointed = match &reference.by {
                By::Inverse(member) => {
                    self.groups(reference, member.as_str(), entries, ask)
                        .await?
                }
                By::Dn | By::Attribute(_) => self.seen(attribute, reference, entries, ask).await?,
            };
            for (resource, pointed) in resources.iter_mut().zip(pointed) {
                show(resource, attribute, pointed);
            }
        }
        Ok(())
    }

    /// The types that a reference allows.
    fn targets(&self, reference: &Reference) -> Vec<&Home> {
        let types = reference.to.iter();
        types.filter_map(|to| self.homes.get(to)).collect()
    }
}

/// What the references of one attribute of one entry come to.
#[derive(Debug, Default)]
struct Pointed {
    targets: Vec<Arc<Target>>,
    /// Whether some point nowhere, or to what is none of the tenant's.
    lost: bool,
}

impl Home {
    fn target(&self, entry: &Entry) -> Option<Target> {
        let id = entry.values(self.place.id.as_str()).first()?;
        let display = self.place.display.as_ref();
        Some(Target {
            id: self.shown_id(id)?,
            resource: self.place.resource.clone(),
            display: display.and_then(|name| entry.text(name.as_str()).map(str::to_owned)),
        })
    }

    /// The attributes that make a [`Target`].
    fn telling(&self) -> Vec<Arc<str>> {
        let mut names: Vec<Arc<str>> = vec![self.place.id.as_str().into()];
        let display = self.place.display.as_ref();
        names.extend(display.map(|name| name.as_str().into()));
        names
    }
}

/// Puts what an attribute points to into a resource.
fn show(resource: &mut Resource, attribute: &Attribute, pointed: Pointed) {
    let lost = pointed.lost.then(|| Value::String(String::new()));
    let mut targets = pointed.targets.into_iter();
    let value = match attribute.values {
        Values::One => targets
            .next()
            .map(|target| Value::String(target.id.clone()))
            .or(lost),
        Values::Many => {
            let all: Vec<Value> = targets.map(|target| object(&target)).chain(lost).collect();
            (!all.is_empty()).then_some(Value::Array(all))
        }
    };
    let (map, name) = (resource.as_map_mut(), attribute.name.as_str());
    match value {
        Some(value) => drop(map.insert(name.to_owned(), value)),
        None => drop(map.remove(name)),
    }
}

fn object(target: &Target) -> Value {
    // Very many of them may be held: no more room than they need.
    let mut map = Map::with_capacity(2 + usize::from(target.display.is_some()));
    map.insert("value".to_owned(), json!(target.id));
    map.insert("type".to_owned(), json!(target.resource.as_str()));
    if let Some(display) = &target.display {
        map.insert("display".to_owned(), json!(display));
    }
    Value::Object(map)
}

fn points_nowhere(name: &str, reference: &Reference) -> DirectoryError {
    let types: Vec<&str> = reference.to.iter().map(ResourceType::as_str).collect();
    let types = types.join(" or ");
    DirectoryError::Refused {
        scim_type: Some(ScimType::InvalidValue),
        detail: Some(format!("{name} refers to a {types} that does not exist")),
    }
}
