//! What changes come to in a rehearsal: refused as a server does, or done in memory.

use std::sync::Arc;

use bytes::Bytes;

use super::act::listed;
use super::matching::is_equal;
use super::{Rehearsal, Stage, heard, invent, said};
use crate::directory::ldap::code::Code;
use crate::directory::ldap::control::{self, Control};
use crate::directory::ldap::request::{Attribute, Search, Write};
use crate::directory::ldap::response::Entry;
use crate::directory::ldap::schema::Schema;
use crate::ldap::ber::Reader;
use crate::ldap::dn::Dn;
use crate::ldap::filter::Filter;
use crate::ldap::layout::Flavor;

impl Rehearsal {
    pub(super) async fn compare(
        &self,
        stage: &mut Stage,
        dn: &Dn,
        name: &str,
        value: &[u8],
    ) -> Code {
        self.load(stage, dn).await;
        match stage.tree.get(dn) {
            None => Code::NO_SUCH_OBJECT,
            Some(known) => {
                let own = known.entry.values(name);
                match own.iter().any(|own| is_equal(own, value)) {
                    true => Code::COMPARE_TRUE,
                    false => Code::COMPARE_FALSE,
                }
            }
        }
    }

    /// Does a change in memory, as a server would, and tells of the entry what is asked.
    pub(super) async fn write(
        &self,
        stage: &mut Stage,
        write: &Write,
        controls: &[Control],
        beside: &mut Vec<Control>,
    ) -> Result<(), Code> {
        let dn = write.dn();
        self.load(stage, dn).await;
        self.surroundings(stage, write).await?;
        let with = |oid: &str| controls.iter().find(|control| control.oid == oid);
        if let Some(assertion) = with(control::ASSERTION) {
            let known = stage.tree.get(dn).ok_or(Code::NO_SUCH_OBJECT)?;
            let value = assertion.value.as_deref().unwrap_or_default();
            let filter = heard::filter(&mut Reader::new(value), 0);
            let filter = filter.map_err(|_| Code::PROTOCOL_ERROR)?;
            if !known.candidate().fits(&filter) {
                return Err(Code::ASSERTION_FAILED);
            }
        }
        if self.layout.keeps_unique {
            self.unique(stage, write).await?;
        }
        let schema = stage.schema.take();
        let lacks = |entry: &Entry| self.lacks(entry, schema.as_ref());
        let permissive = with(control::PERMISSIVE).is_some();
        let done = stage.tree.apply(write, permissive, lacks);
        stage.schema = schema;
        done?;
        let now = place(write);
        self.keep(stage, write, &now);
        if let Some(asked) = with(control::POST_READ)
            && let Some(known) = stage.tree.get(&now)
        {
            let names = listed(asked);
            let entry = known.candidate().told(&names);
            beside.push(said::read(control::POST_READ, &entry));
        }
        Ok(())
    }

    /// Refuses a second entry with a value that must be unique, as the server is said to.
    async fn unique(&self, stage: &mut Stage, write: &Write) -> Result<(), Code> {
        let new: Vec<&Attribute> = match write {
            Write::Add { attributes, .. } => attributes.iter().collect(),
            Write::Modify { changes, .. } => changes.iter().map(|c| &c.attribute).collect(),
            Write::Delete { .. } | Write::Rename { .. } => return Ok(()),
        };
        let dn = write.dn();
        let homes = self.layout.types.iter();
        for home in homes.filter(|home| dn.is_within(&home.base)) {
            let is_unique = |name: &str| {
                home.attribute(name)
                    .is_some_and(|attribute| attribute.unique)
            };
            for attribute in new.iter().filter(|attribute| is_unique(&attribute.name)) {
                for value in &attribute.values {
                    let own = Filter::equal(Arc::clone(&attribute.name), value.clone());
                    let filter = home.filter.clone().and(own);
                    let search = Search::below(home.base.clone(), filter, &[]);
                    let (found, _) = self.search(stage, &search, false).await?;
                    let other = |entry: &Entry| {
                        let other = entry.dn.parse::<Dn>();
                        other.is_ok_and(|other| !other.is_same(dn))
                    };
                    // An entry of that very name is refused as such.
                    if found.iter().any(other) {
                        return Err(Code::CONSTRAINT_VIOLATION);
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether an entry lacks what its class wants, as far as that is known.
    fn lacks(&self, entry: &Entry, schema: Option<&Schema>) -> bool {
        let classes = entry.values("objectClass").iter();
        let classes: Vec<&str> = classes
            .filter_map(|class| std::str::from_utf8(class).ok())
            .collect();
        if let Some(schema) = schema.filter(|schema| !schema.is_empty()) {
            let required = schema.required(&classes);
            return required.iter().any(|name| {
                let mut has = entry.attributes.iter().filter(|one| !one.values.is_empty());
                !has.any(|one| schema.is_same(&one.name, name))
            });
        }
        let wants = [
            ("groupOfNames", "member"),
            ("groupOfUniqueNames", "uniqueMember"),
        ];
        self.layout.flavor == Flavor::OpenLdap
            && wants.iter().any(|(class, attribute)| {
                classes.iter().any(|own| own.eq_ignore_ascii_case(class))
                    && entry.values(attribute).is_empty()
            })
    }

    /// What a server itself sets of an entry that was made or changed.
    fn keep(&self, stage: &mut Stage, write: &Write, now: &Dn) {
        let is_new = matches!(write, Write::Add { .. });
        let changes = stage.tree.changes();
        let flavor = self.layout.flavor;
        let mut set = |name: &str, value: Bytes| stage.tree.keep(now, name, vec![value]);
        invent::stamp(flavor, changes, &mut set, is_new);
        if !is_new {
            return;
        }
        for home in self
            .layout
            .types
            .iter()
            .filter(|home| now.is_under(&home.base))
        {
            if let Some(id) = invent::id(home.id_form, changes) {
                set(home.id.as_str(), id);
            }
            // Active Directory finds it by itself.
            if let Some(category) = invent::category(home, flavor) {
                set("objectCategory", category);
            }
        }
    }
}

impl Stage {
    /// The control without which a change would fail, if there is one; else that which holds it to
    /// something.
    pub(super) fn decisive(&self, write: &Write) -> &'static str {
        match write {
            Write::Modify { dn, changes }
                if self.tree.modified(dn, changes, true).is_ok()
                    && self.tree.modified(dn, changes, false).is_err() =>
            {
                control::PERMISSIVE
            }
            _ => control::ASSERTION,
        }
    }
}

/// The name that the entry of a write has after it.
pub(super) fn place(write: &Write) -> Dn {
    match write {
        Write::Rename { dn, rdn, above, .. } => {
            let above = above.clone().or_else(|| dn.parent()).unwrap_or_default();
            above.below(rdn.clone())
        }
        other => other.dn().clone(),
    }
}
