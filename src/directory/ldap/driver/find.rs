//! One resource by its id.

use std::sync::Arc;

use super::Ldap;
use super::home::Home;
use super::refusal;
use crate::directory::ldap::{Dn, Entry, Search};
use crate::directory::{Ask, DirectoryError};
use crate::ldap::IdForm;
use crate::ldap::layout::Scope;
use crate::scim::operation::{Answer, Document, Projection};
use crate::scim::{Reply, ResourceId, Upstream};

impl Ldap {
    pub(super) async fn read(
        &self,
        home: &Home,
        id: &ResourceId,
        projection: &Projection,
        ask: &Ask,
    ) -> Result<Reply<Upstream>, DirectoryError> {
        let entry = self.find(home, id, home.wanted(projection), ask).await?;
        let mut shaped = home.shape(&entry, projection)?;
        let mut resources = [&mut shaped.resource];
        self.point(home, &mut resources, &[&entry], projection, ask)
            .await?;
        let answer = Answer::Resource(Document::Tree(shaped.resource));
        Ok(Reply::new(answer).versioned(shaped.etag))
    }

    /// The entry of an id: one search within base and filter.
    pub(super) async fn find(
        &self,
        home: &Home,
        id: &ResourceId,
        attributes: Vec<Arc<str>>,
        ask: &Ask,
    ) -> Result<Entry, DirectoryError> {
        let filter = home.is(id.as_str()).ok_or(DirectoryError::NotFound)?;
        let search = home.search(filter, attributes, 2);
        let found = self.pool.one(search, ask.deadline).await;
        let entry = found.map_err(refusal::of_read)?;
        let entry = entry.ok_or(DirectoryError::NotFound)?;
        home.within(&entry)?;
        let told = entry.attribute(home.place.id.as_str()).is_some();
        if told && !home.has_id(&entry, id.as_str()) {
            let text = "the directory tells another entry than the one that was asked for";
            return Err(DirectoryError::Malformed(text.to_owned()));
        }
        Ok(entry)
    }
}

impl Home {
    /// A search for resources of the type.
    pub(super) fn search(
        &self,
        filter: crate::directory::ldap::Filter,
        attributes: Vec<Arc<str>>,
        most: u32,
    ) -> Search {
        Search {
            base: self.place.base.clone(),
            scope: match self.place.scope {
                Scope::One => crate::directory::ldap::Scope::One,
                Scope::Sub => crate::directory::ldap::Scope::Sub,
            },
            filter,
            attributes,
            size_limit: most,
            time_limit: 0,
        }
    }

    /// The name of an entry that the directory found. Whatever it says, nothing outside of the base
    /// is taken for one of the tenant's: a write would follow the name.
    pub(super) fn within(&self, entry: &Entry) -> Result<Dn, DirectoryError> {
        let dn = name_of(entry)?;
        if dn.is_within(&self.place.base) {
            return Ok(dn);
        }
        let text = "the directory tells an entry outside of the base that was asked for: if it is \
                    none, write the base in the rule as the directory writes it";
        Err(DirectoryError::Malformed(text.to_owned()))
    }

    /// Whether the entry says that it is the one of the id.
    pub(super) fn has_id(&self, entry: &Entry, id: &str) -> bool {
        let own = entry.values(self.place.id.as_str()).first();
        let own = own.and_then(|bytes| self.shown_id(bytes));
        // Texts that are equal to a directory need not be so to us.
        let any = self.place.id_form == IdForm::Text;
        own.is_some_and(|own| any || Some(own) == self.place.id_form.canonical(id))
    }
}

/// The name of an entry that the directory gave.
pub(super) fn name_of(entry: &Entry) -> Result<Dn, DirectoryError> {
    entry.dn.parse().map_err(|_| {
        DirectoryError::Malformed("the name of an entry is no distinguished name".to_owned())
    })
}
