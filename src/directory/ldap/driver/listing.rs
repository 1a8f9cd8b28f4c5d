//! Queries. Resources come in the order of their ids, which never change. What a handful of entries
//! answer is one search. Of more, the ids are collected once, and each page is fetched by them, so
//! that no page searches from the start.
//!
//! A walk by `startIndex` goes on after the last id that it was told, whatever was deleted or made
//! meanwhile: nobody who lives throughout is missed, and nobody is told twice. Walkers are not told
//! apart: where several go through one list within ten minutes while it changes, the last of them is
//! waited for, and another may be told somebody twice. `totalResults` of a later page is what was
//! told before and what is left, so that a client which stops there has seen all. `startIndex=1` collects anew. Where nothing is remembered of a walk (another replica, a
//! restart, a client that jumps), its place is counted: exact where nothing has changed.
//!
//! The order is that of the directory's ids, so `sortBy` is not offered: it would take all entries
//! in memory, or a control that most servers do not have.

mod cursor;
mod ids;
mod pages;
mod room;
mod snapshot;
mod walks;
mod weight;

use std::sync::Arc;
use std::time::Duration;

use super::Ldap;
use super::home::Home;
use super::refusal;
use crate::directory::ldap::{Code, Entry, Filter, LdapError};
use crate::directory::{Ask, DirectoryError};
use crate::scim::operation::{Answer, Listing, Projection};
use crate::scim::query::Query;
use crate::scim::{Reply, Resource, ScimType, Upstream};

use ids::Rank;
use pages::Pages;
use snapshot::{Collector, Full, Snapshot};
use walks::Key;
use weight::{MOST, weight};

pub(super) use walks::{Walks, of_this_process};

/// A query, ready to be asked.
#[derive(Clone)]
struct Wanted {
    filter: Filter,
    projection: Projection,
    key: Key,
}

/// Where a page begins.
enum Begin {
    /// After all up to this id.
    After(Rank),
    /// After so many.
    Passing(usize),
}

/// Where a page begins: in which snapshot, where in it, and how many are before it.
struct Place {
    snapshot: Arc<Snapshot>,
    at: usize,
    before: usize,
}

impl Ldap {
    pub(super) async fn list(
        &self,
        home: &Home,
        query: Query,
        projection: &Projection,
        ask: &Ask,
    ) -> Result<Reply<Upstream>, DirectoryError> {
        let start = query.start_index.unwrap_or(1).max(1);
        let count = query.count.unwrap_or(usize::MAX);
        let Some(filter) = self.question(home, query.filter.as_ref(), ask).await? else {
            return Ok(page(Some(0), start, Vec::new()));
        };
        if count == 0 {
            let total = self.count(home, filter, ask).await?;
            return Ok(page(Some(total), start, Vec::new()));
        }
        let wanted = Wanted {
            key: Key::of(&self.pool, home, &filter),
            projection: projection.clone(),
            filter,
        };
        if let Some(cursor) = &query.cursor {
            let cursor = cursor.as_str();
            return self.after(home, wanted, cursor, query.count, ask).await;
        }
        let begin = match self.walks.last(&wanted.key, start) {
            // A walk begins, whoever passed here before.
            Some(last) if start > 1 => Begin::After(last),
            _ => Begin::Passing(start - 1),
        };
        // Of many, asking for all at once would be in vain.
        if self.walks.snapshot(&wanted.key).is_none()
            && let Some(entries) = self.handful(home, &wanted, ask).await?
        {
            return self
                .few(home, &wanted, entries, (begin, start, count), ask)
                .await;
        }
        let place = self.place(home, &wanted, begin, start, ask).await?;
        let pages = Pages::new(self, home, wanted, place, (start, count), ask);
        pages.listing().await.map(reply)
    }

    /// A page of what is all in hand.
    async fn few(
        &self,
        home: &Home,
        wanted: &Wanted,
        entries: Vec<(Rank, Entry)>,
        (begin, start, count): (Begin, usize, usize),
        ask: &Ask,
    ) -> Result<Reply<Upstream>, DirectoryError> {
        let all = entries.len();
        let (total, skip) = match begin {
            Begin::Passing(before) => (all, before),
            Begin::After(last) => {
                let passed = entries.partition_point(|(rank, _)| *rank <= last);
                (start - 1 + (all - passed), passed)
            }
        };
        let mut told: Vec<_> = entries.into_iter().skip(skip).collect();
        if told.len() > count {
            told.truncate(count);
            if let Some((last, _)) = told.last() {
                let next = start.saturating_add(told.len());
                self.walks.mark(&wanted.key, next, last);
            }
        }
        let entries: Vec<Entry> = told.into_iter().map(|(_, entry)| entry).collect();
        let shaped = self.shown(home, entries, &wanted.projection, ask).await?;
        Ok(page(Some(total), start, shaped))
    }

    /// All entries, in the order of their ids, where they are few; `None` where there are more, or
    /// where they hold too much to be taken in hand together.
    async fn handful(
        &self,
        home: &Home,
        wanted: &Wanted,
        ask: &Ask,
    ) -> Result<Option<Vec<(Rank, Entry)>>, DirectoryError> {
        let attributes = home.wanted(&wanted.projection);
        let search = home.search(wanted.filter.clone(), attributes, HANDFUL);
        let mut found = self.pool.search(search, &[], ask.deadline);
        let (mut entries, mut held) = (Vec::new(), 0);
        loop {
            match found.next().await {
                Ok(Some(entry)) => {
                    held += weight(home, &entry);
                    if held > MOST && !entries.is_empty() {
                        return Ok(None);
                    }
                    entries.push((home.rank(&entry)?, entry));
                }
                Ok(None) => break,
                // In pages it may give them all.
                Err(LdapError::Refused(result))
                    if [Code::SIZE_LIMIT_EXCEEDED, Code::ADMIN_LIMIT_EXCEEDED]
                        .contains(&result.code) =>
                {
                    return Ok(None);
                }
                Err(error) => return Err(refused(error)),
            }
        }
        entries.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        told_once(&mut entries);
        Ok(Some(entries))
    }

    /// How many there are.
    async fn count(&self, home: &Home, filter: Filter, ask: &Ask) -> Result<usize, DirectoryError> {
        let search = home.search(filter, vec![home.place.id.as_str().into()], 0);
        let mut found = self.pool.search(search, &[], ask.deadline);
        let mut count = 0;
        while let Some(entry) = found.next().await.map_err(refused)? {
            home.rank(&entry)?;
            count += 1;
        }
        Ok(count)
    }

    /// Where a page begins.
    async fn place(
        &self,
        home: &Home,
        wanted: &Wanted,
        begin: Begin,
        start: usize,
        ask: &Ask,
    ) -> Result<Place, DirectoryError> {
        let known = self.walks.snapshot(&wanted.key);
        match begin {
            Begin::After(last) => {
                let known = known.filter(|snapshot| snapshot.covers(&last));
                let snapshot = match known {
                    Some(snapshot) => snapshot,
                    None => self.collect(home, wanted, Some(last.clone()), ask).await?,
                };
                let at = snapshot.ids.after(&last);
                let before = start - 1;
                Ok(Place {
                    snapshot,
                    at,
                    before,
                })
            }
            Begin::Passing(before) => {
                let fresh = |snapshot: &Arc<Snapshot>| {
                    let young = snapshot.made.elapsed() < FRESH;
                    let within = before < snapshot.ids.len() || !snapshot.has_more();
                    before > 0 && young && snapshot.is_whole() && within
                };
                let mut snapshot = match known.filter(fresh) {
                    Some(snapshot) => snapshot,
                    None => self.collect(home, wanted, None, ask).await?,
                };
                let mut at = before;
                while at >= snapshot.ids.len() && snapshot.has_more() {
                    at -= snapshot.ids.len();
                    let last = snapshot.ids.last();
                    snapshot = self.collect(home, wanted, last, ask).await?;
                }
                // Behind the last, no more than all have been passed.
                let beyond = at.saturating_sub(snapshot.ids.len());
                let (at, before) = (at - beyond, before - beyond);
                Ok(Place {
                    snapshot,
                    at,
                    before,
                })
            }
        }
    }

    /// The ids of all that match after some id, as many as there is room for.
    async fn collect(
        &self,
        home: &Home,
        wanted: &Wanted,
        after: Option<Rank>,
        ask: &Ask,
    ) -> Result<Arc<Snapshot>, DirectoryError> {
        let attributes = vec![home.place.id.as_str().into()];
        let search = home.search(wanted.filter.clone(), attributes, 0);
        let lease = self.walks.lease().ok_or(DirectoryError::Overloaded)?;
        let mut collector = Collector::new(home.place.id_form, after, WINDOW, lease);
        let mut found = self.pool.search(search, &[], ask.deadline);
        while let Some(entry) = found.next().await.map_err(refused)? {
            let rank = home.rank(&entry)?;
            while let Err(Full) = collector.take(rank.clone()) {
                if !self.walks.forget_oldest() {
                    return Err(DirectoryError::Overloaded);
                }
            }
        }
        let snapshot = Arc::new(collector.finish());
        self.walks.keep(&wanted.key, &snapshot);
        Ok(snapshot)
    }

    /// Entries as resources, with their references.
    async fn shown(
        &self,
        home: &Home,
        entries: Vec<Entry>,
        projection: &Projection,
        ask: &Ask,
    ) -> Result<Vec<Resource>, DirectoryError> {
        let entries = self.wholes(entries, ask).await?;
        let mut shaped = Vec::with_capacity(entries.len());
        for entry in &entries {
            shaped.push(home.shape(entry, projection)?.resource);
        }
        let mut resources: Vec<&mut Resource> = shaped.iter_mut().collect();
        let sources: Vec<&Entry> = entries.iter().collect();
        self.point(home, &mut resources, &sources, projection, ask)
            .await?;
        Ok(shaped)
    }
}

impl Home {
    /// The place of an entry in the order. One whose id we may not read would be missed in silence.
    fn rank(&self, entry: &Entry) -> Result<Rank, DirectoryError> {
        let own = self.place.id.as_str();
        let id = entry.values(own).first();
        let id = id.and_then(|id| self.shown_id(id));
        let rank = id.and_then(|id| Rank::of(self.place.id_form, &id));
        rank.ok_or_else(|| DirectoryError::Malformed(format!("an entry has no usable {own}")))
    }
}

/// Some servers tell an entry twice that moves while they search.
fn told_once(entries: &mut Vec<(Rank, Entry)>) {
    entries.dedup_by(|(a, one), (b, other)| a == b && one.dn == other.dn);
}

fn reply(listing: Listing) -> Reply<Upstream> {
    Reply::new(Answer::List(listing))
}

fn page(total: Option<usize>, start: usize, resources: Vec<Resource>) -> Reply<Upstream> {
    reply(Listing::Page {
        total,
        start,
        resources,
    })
}

/// Why there is no list. A limit of the server is no answer that is short.
fn refused(error: LdapError) -> DirectoryError {
    let declined = |scim_type, why| DirectoryError::Declined { scim_type, why };
    let LdapError::Refused(result) = &error else {
        return refusal::of_read(error);
    };
    match result.code {
        Code::SIZE_LIMIT_EXCEEDED => declined(
            ScimType::TooMany,
            "more resources match than the directory tells in one search (its size limit); ask \
             with a narrower filter, or have the limit raised for this service's account",
        ),
        Code::ADMIN_LIMIT_EXCEEDED => declined(
            ScimType::TooMany,
            "the directory would have to look at more entries than it allows (its administrative \
             limit); ask with a filter on an indexed attribute, or have the limit raised for this \
             service's account",
        ),
        Code::TIME_LIMIT_EXCEEDED => declined(
            ScimType::TooMany,
            "the directory needs more time for this search than it allows (its time limit); ask \
             with a narrower filter, or have the limit raised for this service's account",
        ),
        Code::INVALID_ATTRIBUTE_SYNTAX | Code::INAPPROPRIATE_MATCHING => declined(
            ScimType::InvalidFilter,
            "the directory cannot be asked for such a value",
        ),
        _ => refusal::of_read(error),
    }
}

/// So many entries are told at once.
const HANDFUL: u32 = 200;
/// So many ids are kept of one list; those after them are looked for when a walk gets there.
const WINDOW: usize = 128 * 1024;
/// A snapshot of this age is good enough for who jumps into the middle of a list.
const FRESH: Duration = Duration::from_secs(60);
