//! A new resource: a new entry in the container that the rule says, under a name that the rule
//! makes of it.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use super::Ldap;
use super::home::Home;
use super::references::Missing;
use super::refusal;
use super::values;
use crate::directory::ldap::{Attribute, Code, Control, Dn, Search, Write};
use crate::directory::{Ask, DirectoryError};
use crate::ldap::layout::{By, Create, Secret};
use crate::ldap::secret::unicode_pwd;
use crate::scim::operation::{Answer, Document, Projection};
use crate::scim::{Reply, Resource, ScimType, Upstream};

impl Ldap {
    pub(super) async fn create(
        &self,
        home: &Home,
        document: Document,
        projection: &Projection,
        ask: &Ask,
    ) -> Result<Reply<Upstream>, DirectoryError> {
        let create = home.place.create.as_ref();
        let create = create.ok_or(DirectoryError::Unsupported)?;
        let document = document.into_tree();
        let attributes = self.attributes(home, create, &document, ask).await?;
        let dn = name(create, &document)?;
        let wanted = home.wanted(projection);
        let pinned = self.pool.pinned(ask.deadline).await;
        let pinned = pinned.map_err(refusal::of_write)?;
        let told = pinned.offers().post_read;
        let controls: Vec<Control> = told
            .then(|| Control::post_read(&wanted))
            .into_iter()
            .collect();
        let write = Write::Add {
            dn: dn.clone(),
            attributes,
        };
        let outcome = pinned.write(write, &controls, ask.deadline).await;
        let outcome = outcome.map_err(refusal::of_write)?;
        if outcome.result.code != Code::SUCCESS {
            return Err(refusal::of(&outcome.result));
        }
        let entry = match outcome.post_read {
            Some(entry) => Some(entry),
            None => {
                let search = read_again(dn, wanted);
                // It is made, whatever comes of this.
                pinned.one(search, ask.deadline).await.ok().flatten()
            }
        };
        let entry = entry
            .ok_or_else(|| DirectoryError::Malformed("a new entry could not be read".to_owned()))?;
        let mut shaped = home.shape(&entry, projection)?;
        self.point(
            home,
            &mut [&mut shaped.resource],
            &[&entry],
            projection,
            ask,
        )
        .await?;
        let answer = Answer::Created(Document::Tree(shaped.resource));
        Ok(Reply::new(answer).versioned(shaped.etag))
    }

    async fn attributes(
        &self,
        home: &Home,
        create: &Create,
        document: &Resource,
        ask: &Ask,
    ) -> Result<Vec<Attribute>, DirectoryError> {
        let mut classes: Vec<&str> = create.object_classes.iter().map(String::as_str).collect();
        let mut attributes: Vec<Attribute> = Vec::new();
        for (name, value) in document.as_map() {
            if name.eq_ignore_ascii_case("schemas") || *home.place.id.as_str() == **name {
                continue;
            }
            let known = home.place.attribute(name);
            let reference = known.and_then(|attribute| attribute.reference.as_ref());
            let values = match reference {
                Some(reference) if matches!(reference.by, By::Inverse(_)) => continue,
                Some(reference) => {
                    let ids = texts(value);
                    self.pointers(name, reference, &ids, Missing::AsTheRuleSays, ask)
                        .await?
                }
                None => match known.and_then(|attribute| attribute.secret) {
                    Some(Secret::Unicode) => passwords(value),
                    _ => values::written(known, name, value)?,
                },
            };
            if values.is_empty() {
                continue;
            }
            if let Some(class) = known.and_then(|attribute| attribute.needs_class.as_deref())
                && !classes
                    .iter()
                    .any(|known| known.eq_ignore_ascii_case(class))
            {
                classes.push(class);
            }
            attributes.push(Attribute {
                name: name.as_str().into(),
                values,
            });
        }
        for attribute in &home.place.attributes {
            let placeholder = attribute
                .reference
                .as_ref()
                .and_then(|r| r.placeholder.as_ref());
            let name = attribute.name.as_str();
            let has = attributes.iter().any(|a| a.name.eq_ignore_ascii_case(name));
            if let Some(dn) = placeholder.filter(|_| !has) {
                attributes.push(Attribute::one(name, dn.to_string()));
            }
        }
        let classes = classes.into_iter().map(str::to_owned);
        attributes.push(Attribute::many("objectClass", classes));
        Ok(attributes)
    }
}

/// The name of the new entry: the value of the naming attribute, in the container.
fn name(create: &Create, document: &Resource) -> Result<Dn, DirectoryError> {
    let by = create.container.by();
    let by = by.and_then(|name| document.attr(name.as_str()));
    let container = create.container.for_value(by.and_then(first));
    let rdn = create.rdn.as_str();
    let value = document.attr(rdn).and_then(first);
    let nameless = || DirectoryError::Refused {
        scim_type: Some(ScimType::InvalidValue),
        detail: Some(format!("{rdn} is missing, which names the entry")),
    };
    let value = value.ok_or_else(nameless)?;
    container.child(rdn, value.to_owned()).ok_or_else(nameless)
}

/// The entry itself.
pub(super) fn read_again(dn: Dn, wanted: Vec<Arc<str>>) -> Search {
    Search {
        attributes: wanted,
        ..Search::entry(dn, &[])
    }
}

/// The text of a value, or of the first of several.
pub(super) fn first(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        Value::Array(items) => items.first().and_then(Value::as_str),
        _ => None,
    }
}

/// The ids in the value of a reference.
pub(super) fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(items) => items
            .iter()
            .filter_map(|item| match item {
                Value::Object(parts) => parts.get("value").and_then(Value::as_str),
                item => item.as_str(),
            })
            .collect(),
        item => item.as_str().into_iter().collect(),
    }
}

pub(super) fn passwords(value: &Value) -> Vec<Bytes> {
    let password = value.as_str();
    password
        .map(|password| Bytes::from(unicode_pwd(password)))
        .into_iter()
        .collect()
}
