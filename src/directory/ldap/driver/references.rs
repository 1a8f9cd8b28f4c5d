//! References: ids outside, names of entries inside. Resolved both ways, many at a time.

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::{Map, Value, json};

use super::Ldap;
use super::find::name_of;
use super::home::{Home, is_wanted};
use super::refusal;
use crate::directory::ldap::{Dn, Entry, Filter, LdapError, Pool, Search};
use crate::directory::{Ask, DirectoryError};
use crate::ldap::layout::{Attribute, By, Reference, Values};
use crate::scim::operation::Projection;
use crate::scim::{Resource, ResourceType, ScimType};

/// What a reference points to, as clients see it.
#[derive(Debug, Clone)]
struct Target {
    id: String,
    resource: ResourceType,
    display: Option<String>,
}

impl Ldap {
    /// The values that point to these ids. An id that nobody has is refused, or left out where the
    /// rule says so.
    pub(super) async fn pointers(
        &self,
        name: &str,
        reference: &Reference,
        ids: &[&str],
        ask: &Ask,
    ) -> Result<Vec<Bytes>, DirectoryError> {
        let found = self.names(reference, ids, ask).await?;
        let mut values = Vec::with_capacity(ids.len());
        for id in ids {
            match found.get(&id.to_ascii_lowercase()) {
                Some(value) => values.push(value.clone()),
                None if reference.drop_unresolved => {}
                None => {
                    return Err(DirectoryError::Refused {
                        scim_type: Some(ScimType::InvalidValue),
                        detail: Some(format!("{name} refers to a resource that does not exist")),
                    });
                }
            }
        }
        Ok(values)
    }

    /// A question about a reference: equal to what has the id.
    pub(super) async fn pointing(
        &self,
        home: &Home,
        name: &str,
        reference: &Reference,
        id: &str,
        ask: &Ask,
    ) -> Result<Filter, DirectoryError> {
        if let By::Inverse(member) = &reference.by {
            return self
                .member_of(home, reference, member.as_str(), id, ask)
                .await;
        }
        let found = self.names(reference, &[id], ask).await?;
        let value = found.into_values().next();
        Ok(match value {
            Some(value) => Filter::equal(name, value),
            None => Filter::Or(Vec::new()),
        })
    }

    /// Those that one group has as members.
    async fn member_of(
        &self,
        home: &Home,
        reference: &Reference,
        member: &str,
        id: &str,
        ask: &Ask,
    ) -> Result<Filter, DirectoryError> {
        let mut parts = Vec::new();
        for group in self.targets(reference) {
            let Some(filter) = group.is(id) else { continue };
            let search = group.search(filter, vec![member.into()], 2);
            let found = self.pool.one(search, ask.deadline).await;
            let Some(entry) = found.map_err(refusal::of_read)? else {
                continue;
            };
            let names = entry.values(member).iter();
            let names: Vec<&str> = names.filter_map(|n| std::str::from_utf8(n).ok()).collect();
            let people = Reference {
                to: vec![home.place.resource.clone()],
                by: By::Dn,
                drop_unresolved: true,
                placeholder: None,
            };
            for target in self.seen(&people, &names, ask).await?.into_values() {
                let bytes = home.place.id_form.write(&target.id);
                parts.extend(bytes.map(|bytes| Filter::equal(home.place.id.as_str(), bytes)));
            }
        }
        Ok(Filter::Or(parts))
    }

    /// The values of ids, by the ids in small letters.
    async fn names(
        &self,
        reference: &Reference,
        ids: &[&str],
        ask: &Ask,
    ) -> Result<HashMap<String, Bytes>, DirectoryError> {
        let mut found = HashMap::with_capacity(ids.len());
        for home in self.targets(reference) {
            let own = home.place.id.as_str();
            let by = match &reference.by {
                By::Attribute(name) => Some(name.as_str()),
                By::Dn | By::Inverse(_) => None,
            };
            let questions = ids.chunks(BATCH).filter_map(|chunk| {
                let wanted = chunk.iter().filter_map(|id| home.place.id_form.write(id));
                let parts: Vec<Filter> = wanted.map(|id| Filter::equal(own, id)).collect();
                (!parts.is_empty()).then(|| {
                    let filter = home.exists().and(Filter::Or(parts));
                    let mut attributes: Vec<Arc<str>> = vec![own.into()];
                    attributes.extend(by.map(Arc::from));
                    home.search(filter, attributes, 0)
                })
            });
            for entry in self.every(questions.collect(), ask).await? {
                let id = entry.values(own).first();
                let Some(id) = id.and_then(|id| home.shown_id(id)) else {
                    continue;
                };
                let value = match by {
                    None => Some(Bytes::from(name_of(&entry)?.to_string())),
                    Some(by) => entry.values(by).first().cloned(),
                };
                if let Some(value) = value {
                    found.insert(id.to_ascii_lowercase(), value);
                }
            }
        }
        Ok(found)
    }

    /// Brings the names in resources into ids. Each resource is that of the entry beside it. What
    /// points nowhere, or to what is none of the tenant's, is left out.
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
            let name = attribute.name.as_str();
            if !is_wanted(projection, name) {
                continue;
            }
            if let By::Inverse(member) = &reference.by {
                self.groups(
                    attribute,
                    reference,
                    member.as_str(),
                    resources,
                    entries,
                    ask,
                )
                .await?;
                continue;
            }
            let mut names: HashSet<&str> = HashSet::new();
            for entry in entries {
                let values = entry.values(name).iter();
                names.extend(values.filter_map(|value| std::str::from_utf8(value).ok()));
            }
            let names: Vec<&str> = names.into_iter().collect();
            let targets = self.seen(reference, &names, ask).await?;
            for (resource, entry) in resources.iter_mut().zip(entries) {
                let values = entry.values(name).iter();
                let texts = values.filter_map(|value| std::str::from_utf8(value).ok());
                let seen = texts.filter_map(|text| targets.get(text));
                show(resource, attribute, seen);
            }
        }
        Ok(())
    }

    /// The groups that entries are members of.
    async fn groups(
        &self,
        attribute: &Attribute,
        reference: &Reference,
        member: &str,
        resources: &mut [&mut Resource],
        entries: &[&Entry],
        ask: &Ask,
    ) -> Result<(), DirectoryError> {
        let mut of: HashMap<String, Vec<Target>> = HashMap::new();
        for group in self.targets(reference) {
            let own = group.place.id.as_str();
            let mut attributes: Vec<Arc<str>> = vec![own.into(), member.into()];
            attributes.extend(
                group
                    .place
                    .display
                    .as_ref()
                    .map(|name| name.as_str().into()),
            );
            for chunk in entries.chunks(BATCH) {
                let parts = chunk
                    .iter()
                    .map(|entry| Filter::equal(member, entry.dn.clone()));
                let filter = group.exists().and(Filter::Or(parts.collect()));
                let search = group.search(filter, attributes.clone(), 0);
                for found in self.every(vec![search], ask).await? {
                    let Some(target) = group.target(&found) else {
                        continue;
                    };
                    for value in found.values(member) {
                        if let Some(key) = key(value) {
                            of.entry(key).or_default().push(target.clone());
                        }
                    }
                }
            }
        }
        for (resource, entry) in resources.iter_mut().zip(entries) {
            let groups = key(entry.dn.as_bytes()).and_then(|key| of.get(&key));
            show(resource, attribute, groups.into_iter().flatten());
        }
        Ok(())
    }

    /// What values point to, by the value.
    async fn seen(
        &self,
        reference: &Reference,
        values: &[&str],
        ask: &Ask,
    ) -> Result<HashMap<String, Target>, DirectoryError> {
        let mut found = HashMap::with_capacity(values.len());
        for home in self.targets(reference) {
            let mut attributes: Vec<Arc<str>> = vec![home.place.id.as_str().into()];
            attributes.extend(home.place.display.as_ref().map(|name| name.as_str().into()));
            match &reference.by {
                By::Attribute(by) => {
                    attributes.push(by.as_str().into());
                    let questions = values.chunks(BATCH).map(|chunk| {
                        let parts = chunk
                            .iter()
                            .map(|value| Filter::equal(by.as_str(), (*value).to_owned()));
                        let filter = home.exists().and(Filter::Or(parts.collect()));
                        home.search(filter, attributes.clone(), 0)
                    });
                    for entry in self.every(questions.collect(), ask).await? {
                        let value = entry.text(by.as_str()).map(str::to_owned);
                        if let (Some(value), Some(target)) = (value, home.target(&entry)) {
                            found.insert(value, target);
                        }
                    }
                }
                By::Dn | By::Inverse(_) => {
                    let within = values.iter().filter_map(|value| {
                        let dn: Dn = value.parse().ok()?;
                        let inside = dn.is_within(&home.place.base);
                        (inside && !found.contains_key(*value)).then_some((*value, dn))
                    });
                    let within: Vec<(&str, Dn)> = within.collect();
                    let looks = within.into_iter().map(|(value, dn)| {
                        let search = Search {
                            base: dn,
                            scope: crate::directory::ldap::Scope::Base,
                            ..home.search(home.exists(), attributes.clone(), 2)
                        };
                        look(&self.pool, value, search, ask.deadline)
                    });
                    let answers = at_once(looks.collect()).await;
                    for (value, answer) in answers {
                        // A name of what is gone is no error: it points nowhere.
                        let entry = match answer.map_err(refusal::of_read) {
                            Ok(entry) => entry,
                            Err(DirectoryError::NotFound) => None,
                            Err(error) => return Err(error),
                        };
                        if let Some(target) = entry.and_then(|entry| home.target(&entry)) {
                            found.insert(value, target);
                        }
                    }
                }
            }
        }
        Ok(found)
    }

    /// All entries of several searches.
    async fn every(&self, searches: Vec<Search>, ask: &Ask) -> Result<Vec<Entry>, DirectoryError> {
        let mut all = Vec::new();
        for search in searches {
            let mut entries = self.pool.search(search, &[], ask.deadline);
            while let Some(entry) = entries.next().await.map_err(refusal::of_read)? {
                all.push(entry);
            }
        }
        Ok(all)
    }

    fn targets(&self, reference: &Reference) -> Vec<&Home> {
        let types = reference.to.iter();
        types.filter_map(|to| self.homes.get(to)).collect()
    }
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
}

/// One entry that is asked for by its name, for a value.
type Look = Pin<Box<dyn Future<Output = (String, Result<Option<Entry>, LdapError>)> + Send>>;

fn look(pool: &Arc<Pool>, value: &str, search: Search, deadline: Instant) -> Look {
    let (pool, value) = (Arc::clone(pool), value.to_owned());
    Box::pin(async move { (value, pool.one(search, deadline).await) })
}

/// All of them, some at a time.
async fn at_once(looks: Vec<Look>) -> Vec<(String, Result<Option<Entry>, LdapError>)> {
    let asked = stream::iter(looks).buffer_unordered(AT_A_TIME);
    asked.collect().await
}

/// Puts what an attribute points to into a resource.
fn show<'a>(
    resource: &mut Resource,
    attribute: &Attribute,
    targets: impl Iterator<Item = &'a Target>,
) {
    let name = attribute.name.as_str();
    let mut targets = targets;
    let value = match attribute.values {
        Values::One => targets.next().map(|target| json!(target.id)),
        Values::Many => {
            let all: Vec<Value> = targets.map(object).collect();
            (!all.is_empty()).then_some(Value::Array(all))
        }
    };
    let map = resource.as_map_mut();
    match value {
        Some(value) => {
            map.insert(name.to_owned(), value);
        }
        None => {
            map.remove(name);
        }
    }
}

fn object(target: &Target) -> Value {
    let mut map = Map::new();
    map.insert("value".to_owned(), json!(target.id));
    map.insert("type".to_owned(), json!(target.resource.as_str()));
    if let Some(display) = &target.display {
        map.insert("display".to_owned(), json!(display));
    }
    Value::Object(map)
}

/// A name as lookups have it.
fn key(name: &[u8]) -> Option<String> {
    let dn: Dn = std::str::from_utf8(name).ok()?.parse().ok()?;
    Some(dn.key())
}

/// So many ids or names in one question.
const BATCH: usize = 100;
/// So many questions at a time for one request.
const AT_A_TIME: usize = 32;
