//! Queries. What a handful of entries answer is one question; of more the ids are collected first,
//! put in their order, and the page is fetched by them.

use std::sync::Arc;

use super::Ldap;
use super::home::Home;
use super::refusal;
use crate::directory::ldap::{Code, Entry, Filter, LdapError};
use crate::directory::{Ask, DirectoryError};
use crate::scim::operation::{Answer, Listing, Projection};
use crate::scim::query::Query;
use crate::scim::{Reply, Resource, Upstream};

impl Ldap {
    pub(super) async fn list(
        &self,
        home: &Home,
        query: Query,
        projection: &Projection,
        ask: &Ask,
    ) -> Result<Reply<Upstream>, DirectoryError> {
        let start = query.start_index.unwrap_or(1).max(1);
        let Some(filter) = self.question(home, query.filter.as_ref(), ask).await? else {
            return Ok(Reply::new(Answer::List(Listing::Page {
                total: Some(0),
                start,
                resources: Vec::new(),
            })));
        };
        let count = query.count.unwrap_or(usize::MAX);
        let (total, entries) = match self.handful(home, &filter, projection, ask).await? {
            Some(entries) => (entries.len(), cut(entries, start, count)),
            None => {
                let ids = self.ids(home, filter, ask).await?;
                let wanted = cut(ids.clone(), start, count);
                (
                    ids.len(),
                    self.by_ids(home, &wanted, projection, ask).await?,
                )
            }
        };
        let mut shaped = Vec::with_capacity(entries.len());
        for entry in &entries {
            shaped.push(home.shape(entry, projection)?.resource);
        }
        let mut resources: Vec<&mut Resource> = shaped.iter_mut().collect();
        let sources: Vec<&Entry> = entries.iter().collect();
        self.point(home, &mut resources, &sources, projection, ask)
            .await?;
        Ok(Reply::new(Answer::List(Listing::Page {
            total: Some(total),
            start,
            resources: shaped,
        })))
    }

    /// All entries, in the order of their ids, where they are few; `None` where there are more.
    async fn handful(
        &self,
        home: &Home,
        filter: &Filter,
        projection: &Projection,
        ask: &Ask,
    ) -> Result<Option<Vec<Entry>>, DirectoryError> {
        let search = home.search(filter.clone(), home.wanted(projection), HANDFUL);
        let mut found = self.pool.search(search, &[], ask.deadline);
        let mut entries = Vec::new();
        loop {
            match found.next().await {
                Ok(Some(entry)) => entries.push(entry),
                Ok(None) => break,
                Err(LdapError::Refused(result)) if result.code == Code::SIZE_LIMIT_EXCEEDED => {
                    return Ok(None);
                }
                Err(error) => return Err(refusal::of_read(error)),
            }
        }
        home.put_in_order(&mut entries);
        Ok(Some(entries))
    }

    /// The ids of all that match, in their order.
    async fn ids(
        &self,
        home: &Home,
        filter: Filter,
        ask: &Ask,
    ) -> Result<Vec<String>, DirectoryError> {
        let own: Arc<str> = home.place.id.as_str().into();
        let search = home.search(filter, vec![Arc::clone(&own)], 0);
        let mut found = self.pool.search(search, &[], ask.deadline);
        let mut ids = Vec::new();
        while let Some(entry) = found.next().await.map_err(refusal::of_read)? {
            let id = entry.values(&own).first();
            ids.extend(id.and_then(|id| home.shown_id(id)));
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    /// The entries of these ids that still exist, in their order.
    async fn by_ids(
        &self,
        home: &Home,
        ids: &[String],
        projection: &Projection,
        ask: &Ask,
    ) -> Result<Vec<Entry>, DirectoryError> {
        let own = home.place.id.as_str();
        let mut entries = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(BATCH) {
            let parts = chunk.iter().filter_map(|id| home.place.id_form.write(id));
            let parts = parts.map(|id| Filter::equal(own, id)).collect();
            let filter = home.exists().and(Filter::Or(parts));
            let search = home.search(filter, home.wanted(projection), 0);
            let mut found = self.pool.search(search, &[], ask.deadline);
            while let Some(entry) = found.next().await.map_err(refusal::of_read)? {
                entries.push(entry);
            }
        }
        home.put_in_order(&mut entries);
        Ok(entries)
    }
}

impl Home {
    /// By their ids, as clients see them: those never change.
    fn put_in_order(&self, entries: &mut [Entry]) {
        let own = self.place.id.as_str();
        entries.sort_by_cached_key(|entry| {
            let id = entry.values(own).first();
            id.and_then(|id| self.shown_id(id))
        });
    }
}

fn cut<T>(all: Vec<T>, start: usize, count: usize) -> Vec<T> {
    all.into_iter().skip(start - 1).take(count).collect()
}

/// So many entries are told at once.
const HANDFUL: u32 = 200;
/// So many ids in one question.
const BATCH: usize = 100;
