//! Ids to values, and values to what they point to: many in one question, questions side by side.

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;

use super::super::Ldap;
use super::super::find::name_of;
use super::super::home::Home;
use super::super::refusal;
use super::{Pointed, Target, name};
use crate::directory::ldap::{Dn, Entry, Filter, Pool, Scope, Search};
use crate::directory::{Ask, DirectoryError};
use crate::ldap::layout::{Attribute, By, Flavor, Reference};

/// Whether it helps to ask for those who say that they are in a group (`memberOf`), as far as was
/// seen. Nothing but time depends on it.
#[derive(Debug)]
pub(in super::super) struct MemberOf {
    begun: Instant,
    /// Milliseconds after `begun` until which it is known, doubled, plus one where they tell.
    known: AtomicU64,
}

/// Values of one attribute that are asked after.
#[derive(Debug, Default)]
struct Asked {
    /// By their keys, where each of them stands below.
    places: HashMap<String, usize>,
    values: Vec<Bytes>,
    found: Vec<Option<Arc<Target>>>,
    left: usize,
}

impl Ldap {
    /// The values of ids, by the ids in small letters.
    pub(super) async fn names(
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
            let mut attributes: Vec<Arc<str>> = vec![own.into()];
            attributes.extend(by.map(Arc::from));
            let left: Vec<Vec<u8>> = ids
                .iter()
                .filter(|id| !found.contains_key(&id.to_ascii_lowercase()))
                .filter_map(|id| home.place.id_form.write(id))
                .collect();
            for some in left.chunks(BATCH * AT_A_TIME) {
                let questions = some.chunks(BATCH).map(|chunk| {
                    let parts = chunk.iter().map(|id| Filter::equal(own, id.clone()));
                    home.some_of(parts.collect(), attributes.clone())
                });
                for entry in self.every(questions.collect(), ask).await? {
                    let id = entry.values(own).first();
                    let Some(id) = id.and_then(|id| home.shown_id(id)) else {
                        continue;
                    };
                    let value = match by {
                        None => Some(Bytes::from(home.within(&entry)?.to_string())),
                        Some(by) => entry.values(by).first().cloned(),
                    };
                    if let Some(value) = value {
                        found.insert(id.to_ascii_lowercase(), value);
                    }
                }
            }
        }
        Ok(found)
    }

    /// What the values of an attribute point to, entry by entry.
    pub(super) async fn seen(
        &self,
        attribute: &Attribute,
        reference: &Reference,
        entries: &[&Entry],
        ask: &Ask,
    ) -> Result<Vec<Pointed>, DirectoryError> {
        let name = attribute.name.as_str();
        let (asked, own) = self.resolved(attribute, reference, entries, ask).await?;
        let mut all = Vec::with_capacity(entries.len());
        let primary = self.primary(name, reference, entries, ask).await?;
        for (places, primary) in own.into_iter().zip(primary) {
            let mut pointed = Pointed::default();
            let mut shown = HashSet::with_capacity(places.len());
            for place in places {
                let target = place.and_then(|place| asked.found.get(place)?.clone());
                match (target, place) {
                    (Some(target), Some(place)) => {
                        if shown.insert(place) {
                            pointed.targets.push(target);
                        }
                    }
                    _ => pointed.lost = true,
                }
            }
            pointed.targets.extend(primary);
            all.push(pointed);
        }
        Ok(all)
    }

    /// The values of an attribute of an entry, as they are spelled, that point to what the tenant
    /// may see, each with its key; and the keys of all.
    pub(in super::super) async fn visible(
        &self,
        attribute: &Attribute,
        reference: &Reference,
        entry: &Entry,
        ask: &Ask,
    ) -> Result<(Vec<(String, Bytes)>, HashSet<String>), DirectoryError> {
        let (asked, _) = self.resolved(attribute, reference, &[entry], ask).await?;
        let mut visible = Vec::new();
        let mut all = HashSet::with_capacity(asked.places.len());
        for (key, place) in asked.places {
            let found = asked.found.get(place).is_some_and(Option::is_some);
            if let Some(value) = asked.values.get(place).filter(|_| found) {
                visible.push((key.clone(), value.clone()));
            }
            all.insert(key);
        }
        Ok((visible, all))
    }

    /// The targets of all values of an attribute, and for each entry where those of its values are;
    /// `None` for one that cannot be read.
    async fn resolved(
        &self,
        attribute: &Attribute,
        reference: &Reference,
        entries: &[&Entry],
        ask: &Ask,
    ) -> Result<(Asked, Vec<Vec<Option<usize>>>), DirectoryError> {
        let name = attribute.name.as_str();
        let placeholder = reference.placeholder.as_ref().map(Dn::key);
        let mut asked = Asked::default();
        let mut own = Vec::with_capacity(entries.len());
        for entry in entries {
            let values = entry.values(name);
            let mut places = Vec::with_capacity(values.len());
            for value in values {
                match name::key(&reference.by, name, value) {
                    Some(key) if placeholder.as_ref() == Some(&key) => {}
                    key => places.push(key.map(|key| asked.place(key, value))),
                }
            }
            own.push(places);
        }
        for home in self.targets(reference) {
            if asked.left == 0 {
                break;
            }
            match &reference.by {
                By::Attribute(by) => self.by_value(home, by.as_str(), &mut asked, ask).await?,
                By::Dn | By::Inverse(_) => {
                    for (entry, places) in entries.iter().zip(&own) {
                        if asked.left_of(places) > MANY && is_membership(name) {
                            self.by_group(home, entry, places.len(), &mut asked, ask)
                                .await?;
                        }
                    }
                    self.by_name(home, name, &mut asked, ask).await?;
                }
            }
        }
        Ok((asked, own))
    }

    /// Values of an attribute of those that are pointed to, such as `uid`.
    async fn by_value(
        &self,
        home: &Home,
        by: &str,
        asked: &mut Asked,
        ask: &Ask,
    ) -> Result<(), DirectoryError> {
        let mut attributes = home.telling();
        attributes.push(by.into());
        let left: Vec<Bytes> = asked.left().map(|(_, value)| value.clone()).collect();
        for some in left.chunks(BATCH * AT_A_TIME) {
            let questions = some.chunks(BATCH).map(|chunk| {
                let parts = chunk.iter().map(|value| Filter::equal(by, value.clone()));
                home.some_of(parts.collect(), attributes.clone())
            });
            for entry in self.every(questions.collect(), ask).await? {
                let texts = entry.values(by).iter();
                let texts = texts.filter_map(|value| std::str::from_utf8(value).ok());
                for text in texts {
                    asked.answer(&name::folded(text), || home.target(&entry));
                }
            }
        }
        Ok(())
    }

    /// Members of a large group: one question after all who say that they are in it. Who does not
    /// say so is asked for by name afterwards, so nothing depends on it.
    async fn by_group(
        &self,
        home: &Home,
        group: &Entry,
        count: usize,
        asked: &mut Asked,
        ask: &Ask,
    ) -> Result<(), DirectoryError> {
        if self.member_of.is_known() == Some(false) {
            return Ok(());
        }
        let filter = home
            .exists()
            .and(Filter::equal("memberOf", group.dn.clone()));
        let search = home.search(filter, home.telling(), 0);
        let mut found = self.pool.search(search, &[], ask.deadline);
        let before = asked.left;
        while let Some(entry) = found.next().await.map_err(refusal::of_read)? {
            asked.answer(&name_of(&entry)?.key(), || home.target(&entry));
        }
        // In a directory that does not keep it, nobody is asked again for a while. That a group has
        // few members of this type says nothing.
        if before - asked.left == 0 && before >= count {
            self.member_of.note(false);
        }
        Ok(())
    }

    /// Entries by their names, many in one question. Where a server of which little is known finds
    /// none by that, it is asked one by one, side by side.
    async fn by_name(
        &self,
        home: &Home,
        attribute: &str,
        asked: &mut Asked,
        ask: &Ask,
    ) -> Result<(), DirectoryError> {
        let attributes = home.telling();
        let own_name = match home.flavor {
            Flavor::ActiveDirectory => "distinguishedName",
            Flavor::Ds389 => "entrydn",
            Flavor::OpenLdap => "entryDN",
        };
        let names = |(place, value): (usize, &Bytes)| {
            let dn = name::dn(attribute, value)?;
            dn.is_within(&home.place.base).then_some((place, dn))
        };
        let within: Vec<(usize, Dn)> = asked.left().filter_map(names).collect();
        for some in within.chunks(BATCH * AT_A_TIME) {
            let questions = some.chunks(BATCH).map(|chunk| {
                let parts = chunk.iter();
                let parts = parts.map(|(_, dn)| Filter::equal(own_name, dn.to_string()));
                home.some_of(parts.collect(), attributes.clone())
            });
            for entry in self.every(questions.collect(), ask).await? {
                asked.answer(&name_of(&entry)?.key(), || home.target(&entry));
            }
        }
        if home.flavor != Flavor::OpenLdap {
            return Ok(());
        }
        drop(within);
        let within: Vec<(usize, Dn)> = asked.left().filter_map(names).collect();
        let looks = within.into_iter().map(|(place, dn)| {
            let search = Search {
                base: dn,
                scope: Scope::Base,
                ..home.search(home.exists(), attributes.clone(), 1)
            };
            look(&self.pool, search, ask.deadline, place)
        });
        let mut answers = stream::iter(looks).buffer_unordered(AT_A_TIME);
        while let Some((place, answer)) = answers.next().await {
            let entry = answer?;
            if let Some(entry) = entry {
                asked.answer_at(place, || home.target(&entry));
            }
        }
        Ok(())
    }

    /// As [`Self::every`], where some may be about what is gone.
    pub(super) async fn every_there(
        &self,
        searches: Vec<Search>,
        ask: &Ask,
    ) -> Result<Vec<Entry>, DirectoryError> {
        let looks = searches
            .into_iter()
            .map(|search| look(&self.pool, search, ask.deadline, 0));
        let mut answers = stream::iter(looks).buffer_unordered(AT_A_TIME);
        let mut all = Vec::new();
        while let Some((_, entry)) = answers.next().await {
            all.extend(entry?);
        }
        Ok(all)
    }

    /// All entries of several questions, asked side by side.
    pub(super) async fn every(
        &self,
        searches: Vec<Search>,
        ask: &Ask,
    ) -> Result<Vec<Entry>, DirectoryError> {
        let asked = searches
            .into_iter()
            .map(|search| all_of(&self.pool, search, ask.deadline));
        let mut answers = stream::iter(asked).buffer_unordered(AT_A_TIME);
        let mut all = Vec::new();
        while let Some(entries) = answers.next().await {
            all.extend(entries?);
        }
        Ok(all)
    }

    /// Entries with the values that did not come with them, in their order.
    pub(in super::super) async fn wholes(
        &self,
        entries: Vec<Entry>,
        ask: &Ask,
    ) -> Result<Vec<Entry>, DirectoryError> {
        let asked = entries
            .into_iter()
            .map(|entry| whole_of(&self.pool, entry, ask.deadline));
        let mut answers = stream::iter(asked).buffered(AT_A_TIME);
        let mut all = Vec::new();
        while let Some(entry) = answers.next().await {
            all.push(entry?);
        }
        Ok(all)
    }
}

impl Home {
    /// A question after entries that fit one of these; each fits at most one.
    pub(super) fn some_of(&self, parts: Vec<Filter>, attributes: Vec<Arc<str>>) -> Search {
        let most = u32::try_from(parts.len()).unwrap_or(u32::MAX).max(2);
        let filter = self.exists().and(Filter::Or(parts));
        self.search(filter, attributes, most)
    }
}

impl Asked {
    fn place(&mut self, key: String, value: &Bytes) -> usize {
        let next = self.values.len();
        let place = *self.places.entry(key).or_insert(next);
        if place == next {
            self.values.push(value.clone());
            self.found.push(None);
            self.left += 1;
        }
        place
    }

    /// What nothing was found of yet.
    fn left(&self) -> impl Iterator<Item = (usize, &Bytes)> {
        let found = self.found.iter().enumerate().zip(&self.values);
        found.filter_map(|((place, found), value)| found.is_none().then_some((place, value)))
    }

    /// Of how many of these places nothing was found yet: another group may have the same members.
    fn left_of(&self, places: &[Option<usize>]) -> usize {
        let missing = |place: &&usize| self.found.get(**place).is_some_and(Option::is_none);
        places.iter().flatten().filter(missing).count()
    }

    fn answer(&mut self, key: &str, target: impl FnOnce() -> Option<Target>) {
        if let Some(place) = self.places.get(key) {
            self.answer_at(*place, target);
        }
    }

    fn answer_at(&mut self, place: usize, target: impl FnOnce() -> Option<Target>) {
        if let Some(slot @ None) = self.found.get_mut(place)
            && let Some(target) = target()
        {
            *slot = Some(Arc::new(target));
            self.left -= 1;
        }
    }
}

impl MemberOf {
    pub(in super::super) fn new() -> Self {
        Self {
            begun: Instant::now(),
            known: AtomicU64::new(0),
        }
    }

    fn is_known(&self) -> Option<bool> {
        let known = self.known.load(Relaxed);
        (self.now() < known >> 1).then_some(known & 1 == 1)
    }

    fn note(&self, tells: bool) {
        let until = self.now() + u64::try_from(FRESH.as_millis()).unwrap_or(0);
        self.known.store(until << 1 | u64::from(tells), Relaxed);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX >> 2)
    }
}

type Asking<T> = Pin<Box<dyn Future<Output = T> + Send>>;

fn look(
    pool: &Arc<Pool>,
    search: Search,
    deadline: Instant,
    place: usize,
) -> Asking<(usize, Result<Option<Entry>, DirectoryError>)> {
    let pool = Arc::clone(pool);
    Box::pin(async move {
        let found = pool.one(search, deadline).await.map_err(refusal::of_read);
        // A name of what is gone is no error: it points nowhere.
        let found = match found {
            Err(DirectoryError::NotFound) => Ok(None),
            found => found,
        };
        (place, found)
    })
}

fn whole_of(
    pool: &Arc<Pool>,
    entry: Entry,
    deadline: Instant,
) -> Asking<Result<Entry, DirectoryError>> {
    let pool = Arc::clone(pool);
    Box::pin(async move { pool.whole(entry, deadline).await.map_err(refusal::of_read) })
}

pub(super) fn all_of(
    pool: &Arc<Pool>,
    search: Search,
    deadline: Instant,
) -> Asking<Result<Vec<Entry>, DirectoryError>> {
    let pool = Arc::clone(pool);
    Box::pin(async move {
        let mut found = pool.search(search, &[], deadline);
        let (mut all, mut held) = (Vec::new(), 0);
        while let Some(entry) = found.next().await.map_err(refusal::of_read)? {
            let values = entry.attributes.iter().flat_map(|a| &a.values);
            held += BESIDE + values.map(|value| value.len() + BESIDE).sum::<usize>();
            if held > MOST_HELD {
                let text = "the directory tells more of references than can be held";
                return Err(DirectoryError::Malformed(text.to_owned()));
            }
            all.push(entry);
        }
        Ok(all)
    })
}

/// Whether servers keep `memberOf` by this attribute.
fn is_membership(attribute: &str) -> bool {
    ["member", "uniqueMember"]
        .iter()
        .any(|name| attribute.eq_ignore_ascii_case(name))
}

/// So many ids or names in one question. Of very many, so many times [`AT_A_TIME`] are asked for at
/// once: what is told of them is not held twice.
const BATCH: usize = 100;
/// So many questions at a time for one request.
pub(super) const AT_A_TIME: usize = 32;
/// From so many members on a group's are asked for at once.
const MANY: usize = 50;
/// What an entry or a value takes beside its own bytes, roughly.
const BESIDE: usize = 100;
/// So much the answers to one question may take: some fifty thousand groups of one person.
const MOST_HELD: usize = 32 << 20;
/// For how long what was seen of a directory is taken for true.
const FRESH: Duration = Duration::from_secs(600);
