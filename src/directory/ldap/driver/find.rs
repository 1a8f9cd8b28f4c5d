//! One resource by its id.

use std::sync::Arc;

use super::Ldap;
use super::home::Home;
use super::refusal;
use crate::directory::ldap::{Dn, Entry, Search};
use crate::directory::{Ask, DirectoryError};
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
        match found.map_err(refusal::of_read)? {
            Some(entry) => Ok(entry),
            None => Err(DirectoryError::NotFound),
        }
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
}

/// The name of an entry that the directory gave.
pub(super) fn name_of(entry: &Entry) -> Result<Dn, DirectoryError> {
    entry.dn.parse().map_err(|_| {
        DirectoryError::Malformed("the name of an entry is no distinguished name".to_owned())
    })
}
