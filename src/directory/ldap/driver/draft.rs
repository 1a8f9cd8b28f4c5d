//! A new entry before it is made: what the document says, what is made here, and the names that it
//! may get.

use std::sync::Arc;

use serde_json::Value;

use super::Ldap;
use super::home::Home;
use super::password;
use super::references::Missing;
use super::unique::Pair;
use super::values::{self, refused};
use crate::directory::ldap::{Attribute, Dn, Entry, Pinned, Rdn};
use crate::directory::{Ask, DirectoryError};
use crate::ldap::layout::{By, Create, Made};
use crate::ldap::made::Candidates;
use crate::scim::Resource;

/// An entry to be.
#[derive(Debug)]
pub(super) struct Draft {
    /// What it has, without object classes and without what has candidates.
    pub(super) attributes: Vec<Attribute>,
    classes: Vec<String>,
    choices: Vec<Choice>,
    /// Whether the next name is that with what tells it from others.
    second: bool,
    /// Whether it has a password.
    pub(super) has_secret: bool,
}

/// A value of which the first is taken that is free.
#[derive(Debug)]
struct Choice {
    name: Arc<str>,
    candidates: Candidates,
    source: String,
    number: usize,
}

impl Ldap {
    /// What a document makes of an entry. Numbers of counters are not taken yet.
    pub(super) async fn draft(
        &self,
        home: &Home,
        create: &Create,
        document: &Resource,
        ask: &Ask,
    ) -> Result<Draft, DirectoryError> {
        let mut draft = Draft {
            attributes: Vec::new(),
            classes: create.object_classes.clone(),
            choices: Vec::new(),
            second: false,
            has_secret: false,
        };
        for (name, value) in document.as_map() {
            if name.eq_ignore_ascii_case("schemas")
                || name.eq_ignore_ascii_case(home.place.id.as_str())
            {
                continue;
            }
            let known = home.place.attribute(name).ok_or_else(|| unnamed(name))?;
            if let Some(Made::Candidates(candidates)) = &known.made {
                draft.choices.push(Choice {
                    name: known.name.as_str().into(),
                    candidates: candidates.clone(),
                    source: first(value).unwrap_or_default().to_owned(),
                    number: 0,
                });
                draft.needs(known.needs_class.as_deref());
                continue;
            }
            let values = match (&known.reference, known.secret) {
                (Some(reference), _) if matches!(reference.by, By::Inverse(_)) => continue,
                (Some(reference), _) => {
                    let ids = texts(value);
                    self.pointers(name, reference, &ids, Missing::AsTheRuleSays, ask)
                        .await?
                }
                (None, Some(form)) => {
                    draft.has_secret = true;
                    password::values(form, value)
                }
                (None, None) => values::written(Some(known), name, value)?,
            };
            if !values.is_empty() {
                draft.needs(known.needs_class.as_deref());
                draft.attributes.push(Attribute {
                    name: known.name.as_str().into(),
                    values,
                });
            }
        }
        draft.complete(home)?;
        Ok(draft)
    }

    /// Takes the numbers that the entry has from counters.
    pub(super) async fn number(
        &self,
        home: &Home,
        draft: &mut Draft,
        pinned: &Pinned,
        ask: &Ask,
    ) -> Result<(), DirectoryError> {
        for attribute in &home.place.attributes {
            let name = attribute.name.as_str();
            if let Some(Made::Allocate {
                low,
                high,
                counter,
                attribute: of,
            }) = &attribute.made
                && !draft.has(name)
            {
                let from = (counter, of.as_str());
                let number = self.take_number(pinned, from, (*low, *high), ask).await?;
                draft.needs(attribute.needs_class.as_deref());
                draft
                    .attributes
                    .push(Attribute::one(name, number.to_string()));
            }
        }
        Ok(())
    }
}

impl Draft {
    /// The name of the entry as things stand, and all that it has.
    pub(super) fn entry(&self, create: &Create) -> Result<(Dn, Vec<Attribute>), DirectoryError> {
        let mut attributes = self.attributes.clone();
        for choice in &self.choices {
            let value = choice.value().ok_or_else(used_up)?;
            attributes.push(Attribute::one(Arc::clone(&choice.name), value));
        }
        let text = |name: &str| {
            let found = attributes
                .iter()
                .find(|a| a.name.eq_ignore_ascii_case(name));
            found.and_then(|a| std::str::from_utf8(a.values.first()?).ok())
        };
        let naming = create.rdn.as_str();
        let nameless = || refused(format!("{naming} is missing, which names the entry"));
        let mut value = text(naming).ok_or_else(nameless)?.to_owned();
        if self.second {
            let more = create.on_collision.as_ref();
            let more = more.and_then(|pattern| pattern.fill(|name| text(name.as_str())));
            value.push_str(&more.ok_or_else(used_up)?);
        }
        let by = create.container.by().and_then(|by| text(by.as_str()));
        let container = create.container.for_value(by);
        let rdn = Rdn::new(naming, value.clone()).ok_or_else(nameless)?;
        let dn = container.below(rdn);
        for attribute in &mut attributes {
            // The name must be among the values.
            if attribute.name.eq_ignore_ascii_case(naming)
                && let Some(own) = attribute.values.first_mut()
            {
                *own = value.clone().into();
            }
        }
        let classes = self.classes.iter().cloned();
        attributes.push(Attribute::many("objectClass", classes));
        Ok((dn, attributes))
    }

    /// The values that no other resource may have.
    pub(super) fn unique(&self, home: &Home) -> Vec<Pair> {
        let own = self.attributes.iter().filter(|a| home.is_unique(&a.name));
        own.flat_map(|a| a.values.iter().map(|v| (Arc::clone(&a.name), v.clone())))
            .collect()
    }

    /// The values that were made here, and which others may have.
    pub(super) fn chosen(&self) -> Vec<Pair> {
        let chosen = self.choices.iter().filter(|choice| choice.must_differ());
        chosen
            .filter_map(|choice| Some((Arc::clone(&choice.name), choice.value()?.into())))
            .collect()
    }

    /// Takes the other name that the rule has, if it has one and that was not taken yet.
    pub(super) fn rename(&mut self, create: &Create) -> bool {
        let more = !self.second && create.on_collision.is_some();
        self.second = true;
        more
    }

    /// Takes the next candidates, if there are any.
    pub(super) fn choose_others(&mut self) -> bool {
        let mut more = false;
        for choice in self.choices.iter_mut().filter(|c| c.must_differ()) {
            choice.number += 1;
            more |= choice.value().is_some();
        }
        more
    }

    /// The attributes that a value is chosen for.
    pub(super) fn choices(&self) -> impl Iterator<Item = &Arc<str>> {
        self.choices.iter().map(|choice| &choice.name)
    }

    /// What an entry that comes back has already is not chosen anew.
    pub(super) fn settle(&mut self, entry: &Entry) {
        for choice in std::mem::take(&mut self.choices) {
            match entry.values(&choice.name).first() {
                Some(own) => self
                    .attributes
                    .push(Attribute::one(Arc::clone(&choice.name), own.clone())),
                None => self.choices.push(choice),
            }
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.attributes
            .iter()
            .any(|a| a.name.eq_ignore_ascii_case(name))
    }

    /// Whether it gets numbers of counters.
    pub(super) fn counts(&self, home: &Home) -> bool {
        let mut all = home.place.attributes.iter();
        all.any(|a| matches!(a.made, Some(Made::Allocate { .. })) && !self.has(a.name.as_str()))
    }

    /// What the document cannot know, and the placeholders.
    fn complete(&mut self, home: &Home) -> Result<(), DirectoryError> {
        for attribute in &home.place.attributes {
            let name = attribute.name.as_str();
            if self.has(name) {
                continue;
            }
            if let Some(Made::Random(length)) = attribute.made {
                let value = password::unknown(attribute.secret, length)?;
                self.has_secret |= attribute.secret.is_some();
                self.needs(attribute.needs_class.as_deref());
                self.attributes.push(Attribute::one(name, value));
                continue;
            }
            let reference = attribute.reference.as_ref();
            if let Some(dn) = reference.and_then(|r| r.placeholder.as_ref()) {
                self.attributes.push(Attribute::one(name, dn.to_string()));
            }
        }
        Ok(())
    }

    fn needs(&mut self, class: Option<&str>) {
        let known = |class: &str| self.classes.iter().any(|c| c.eq_ignore_ascii_case(class));
        if let Some(class) = class
            && !known(class)
        {
            self.classes.push(class.to_owned());
        }
    }
}

impl Choice {
    fn value(&self) -> Option<String> {
        self.candidates.nth(&self.source, self.number)
    }

    /// Whether another is taken where one is not free; of others nobody asks.
    fn must_differ(&self) -> bool {
        self.candidates.nth(&self.source, 1).is_some()
    }
}

/// That the rule has no further name or value.
pub(super) fn used_up() -> DirectoryError {
    DirectoryError::Conflict {
        scim_type: None,
        detail: Some("every name that the rule makes for the new entry is taken".to_owned()),
    }
}

/// That a client names what the rule does not.
pub(super) fn unnamed(name: &str) -> DirectoryError {
    refused(format!("{name} is not an attribute that the rule names"))
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
