//! A page of a long list: fetched by ids, a hundred at a time, or fewer where these hold much, as
//! fast as the client takes it. One of up to a hundred is in hand before it is answered, as far as
//! there is room for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};

use super::ids::Rank;
use super::snapshot::Snapshot;
use super::weight::{MOST, weight};
use super::{Place, Wanted, refused, told_once};
use crate::directory::ldap::driver::Ldap;
use crate::directory::ldap::driver::home::Home;
use crate::directory::ldap::{Entry, Filter};
use crate::directory::{Ask, DirectoryError};
use crate::scim::operation::{Interrupted, Listing};
use crate::scim::{Resource, ResourceType};

/// What is still to be told of a page.
pub(super) struct Pages {
    ldap: Ldap,
    resource: ResourceType,
    wanted: Wanted,
    ask: Ask,
    /// Until when all of it must be told.
    end: Instant,
    snapshot: Arc<Snapshot>,
    /// The next in the snapshot.
    at: usize,
    /// How many are before the page.
    before: usize,
    start: usize,
    /// The index of what comes next.
    next: usize,
    /// How many are wanted still.
    left: usize,
    /// So many are asked for at once.
    batch: usize,
    /// What those came to that were told last.
    weight: usize,
    /// Whether its end is remembered by its index.
    marks: bool,
}

impl Pages {
    pub(super) fn new(
        ldap: &Ldap,
        home: &Home,
        wanted: Wanted,
        place: Place,
        (start, count): (usize, usize),
        ask: &Ask,
    ) -> Self {
        Self {
            ldap: ldap.clone(),
            resource: home.place.resource.clone(),
            wanted,
            ask: ask.clone(),
            end: ask.deadline + WHOLE,
            snapshot: place.snapshot,
            at: place.at,
            before: place.before,
            start,
            next: start,
            left: count,
            batch: BATCH,
            weight: 0,
            marks: true,
        }
    }

    /// The page: in hand where it is small, else its first part, and the rest as it is taken.
    pub(super) async fn listing(mut self) -> Result<Listing, DirectoryError> {
        let streams = self.left > BATCH;
        let (mut first, mut held) = (Vec::new(), 0);
        while let Some(more) = self.part().await? {
            first.extend(more);
            held += self.weight;
            if (streams && !first.is_empty()) || held > MOST / 2 {
                break;
            }
        }
        let start = self.start;
        if self.is_over() {
            return Ok(Listing::Page {
                total: Some(self.total()),
                start,
                resources: first,
            });
        }
        // Of all that is left nobody knows before the end how many of them are still there.
        let all = self.snapshot.left(self.at) <= self.left;
        let total = (!all).then(|| self.total());
        let rest = stream::unfold(Some(self), |pages| async move {
            let mut pages = pages?;
            pages.ask.deadline = pages.patience();
            match pages.part().await {
                Ok(None) => None,
                Ok(Some(part)) => {
                    let part: Vec<_> = part.into_iter().map(Ok).collect();
                    Some((part, Some(pages)))
                }
                Err(error) => Some((vec![Err(interrupted(error))], None)),
            }
        });
        let first = stream::iter(first.into_iter().map(Ok));
        Ok(Listing::Stream {
            total,
            start,
            resources: Box::pin(first.chain(rest.flat_map(stream::iter))),
        })
    }

    /// A page in hand, and the last id of it where there is more. It ends early where it holds much:
    /// a client goes on by the cursor, however many there are.
    pub(super) async fn in_hand(mut self) -> Result<(Vec<Resource>, Option<Rank>), DirectoryError> {
        self.marks = false;
        let (mut all, mut held) = (Vec::new(), 0);
        while let Some(more) = self.part().await? {
            all.extend(more);
            held += self.weight;
            if !all.is_empty() && held > MOST / 2 {
                break;
            }
        }
        let more = self.snapshot.left(self.at) > 0;
        let last = self.at.checked_sub(1).filter(|_| more);
        Ok((all, last.and_then(|last| self.snapshot.ids.get(last))))
    }

    /// The next part; empty where all of it is gone meanwhile. `None` at the end.
    async fn part(&mut self) -> Result<Option<Vec<Resource>>, DirectoryError> {
        let ldap = self.ldap.clone();
        let home = ldap.homes.get(&self.resource);
        let home = home.ok_or(DirectoryError::Unsupported)?;
        if self.at >= self.snapshot.ids.len() && self.snapshot.has_more() && self.left > 0 {
            let last = self.snapshot.ids.last();
            let next = ldap.collect(home, &self.wanted, last, &self.ask).await?;
            (self.snapshot, self.at) = (next, 0);
        }
        if self.is_over() {
            return Ok(None);
        }
        let (size, entries) = self.fetch(home).await?;
        let projection = &self.wanted.projection;
        let shown = ldap.shown(home, entries, projection, &self.ask).await?;
        self.at = (self.at + size).min(self.snapshot.ids.len());
        self.next = self.next.saturating_add(shown.len());
        self.left = self.left.saturating_sub(shown.len());
        // Before the last of it is told: a client may ask for the next page at once. After the very
        // last one too: who asks on is told that there is nothing more.
        if self.marks
            && self.is_over()
            && let Some(last) = self.at.checked_sub(1)
            && let Some(last) = self.snapshot.ids.get(last)
        {
            ldap.walks.mark(&self.wanted.key, self.next, &last);
        }
        Ok(Some(shown))
    }

    /// Those of the next ids that still exist and match, in their order, and how many ids these
    /// are: as many as there is room for.
    async fn fetch(&mut self, home: &Home) -> Result<(usize, Vec<Entry>), DirectoryError> {
        loop {
            let size = self.left.min(self.batch);
            match self.some(home, size).await? {
                Ok(entries) => {
                    if self.weight < MOST / 2 {
                        self.batch = (self.batch * 2).min(BATCH);
                    }
                    return Ok((size, entries));
                }
                Err(Fit(count)) => self.batch = count,
            }
        }
    }

    /// The same of so many ids, or how many there is room for.
    async fn some(
        &mut self,
        home: &Home,
        size: usize,
    ) -> Result<Result<Vec<Entry>, Fit>, DirectoryError> {
        let form = home.place.id_form;
        let ids = (self.at..self.at + size).map_while(|index| self.snapshot.ids.get(index));
        let values = ids.filter_map(|rank| form.write(&rank.id(form)));
        let own = home.place.id.as_str();
        let parts = values.map(|value| Filter::equal(own, value)).collect();
        let filter = self.wanted.filter.clone().and(Filter::Or(parts));
        let search = home.search(filter, home.wanted(&self.wanted.projection), 0);
        let mut found = self.ldap.pool.search(search, &[], self.ask.deadline);
        let mut entries = Vec::with_capacity(size);
        self.weight = 0;
        while let Some(entry) = found.next().await.map_err(refused)? {
            self.weight += weight(home, &entry);
            if self.weight > MOST && size > 1 {
                return Ok(Err(Fit(entries.len().clamp(1, size - 1))));
            }
            if entries.len() >= size * MOST_NAMESAKES {
                let text = "the directory tells more entries than were asked for";
                return Err(DirectoryError::Malformed(text.to_owned()));
            }
            entries.push((home.rank(&entry)?, entry));
        }
        entries.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        told_once(&mut entries);
        Ok(Ok(entries.into_iter().map(|(_, entry)| entry).collect()))
    }

    fn is_over(&self) -> bool {
        let last = self.at >= self.snapshot.ids.len() && !self.snapshot.has_more();
        self.left == 0 || last
    }

    /// What was told and what is left.
    fn total(&self) -> usize {
        let told = self.next - self.start;
        self.before + told + self.snapshot.left(self.at)
    }

    /// Until when the next part must be here.
    fn patience(&self) -> Instant {
        let answer = self.ldap.pool.config().timeouts.answer;
        (Instant::now() + answer).min(self.end)
    }
}

/// So many of the next may be asked for, as far as was seen.
struct Fit(usize);

fn interrupted(error: DirectoryError) -> Interrupted {
    match error {
        DirectoryError::TimedOut | DirectoryError::Overloaded | DirectoryError::Busy { .. } => {
            Interrupted::TimedOut
        }
        DirectoryError::Lost | DirectoryError::Unreachable(_) => Interrupted::Lost,
        DirectoryError::Malformed(what) => Interrupted::Malformed(what),
        other => Interrupted::Malformed(other.to_string()),
    }
}

/// So many ids in one question, at most.
const BATCH: usize = 100;
/// So many entries may have one id, where the rule's ids are not the directory's own.
const MOST_NAMESAKES: usize = 4;
/// How much longer a page may take from its first part to its end.
const WHOLE: Duration = Duration::from_secs(600);
