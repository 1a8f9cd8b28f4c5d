//! Values that no two resources may have: who makes them waits for who is making the same, and
//! looks whether they are taken where the server does not.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::timeout_at;

use super::Ldap;
use super::home::Home;
use super::refusal;
use crate::directory::ldap::{Dn, Filter};
use crate::directory::{Ask, DirectoryError};
use crate::ldap::layout::{Container, Scope};
use crate::scim::ScimType;

/// A value, and the attribute that has it.
pub(super) type Pair = (Arc<str>, Bytes);

/// What nobody else in this process makes meanwhile.
#[derive(Debug)]
pub(super) struct Turn {
    _held: Vec<OwnedMutexGuard<()>>,
}

/// Waits for one's turn with these values. Values may share a turn: what is made at a time is few.
pub(super) async fn turn(home: &Home, pairs: &[Pair], ask: &Ask) -> Result<Turn, DirectoryError> {
    let places: BTreeSet<usize> = pairs
        .iter()
        .map(|(name, value)| {
            let mut hasher = DefaultHasher::new();
            home.place.base.key().hash(&mut hasher);
            name.to_ascii_lowercase().hash(&mut hasher);
            String::from_utf8_lossy(value)
                .to_lowercase()
                .hash(&mut hasher);
            usize::try_from(hasher.finish() % WIDTH).unwrap_or_default()
        })
        .collect();
    let mut held = Vec::with_capacity(places.len());
    // Always in one order: nobody waits for somebody who waits for them.
    for turn in places.into_iter().filter_map(|place| TURNS.get(place)) {
        let waiting = timeout_at(ask.deadline.into(), Arc::clone(turn).lock_owned());
        held.push(waiting.await.map_err(|_| DirectoryError::Overloaded)?);
    }
    Ok(Turn { _held: held })
}

impl Ldap {
    /// Whether another resource within the base has one of these values.
    pub(super) async fn is_taken(
        &self,
        home: &Home,
        pairs: &[Pair],
        own: Option<&Dn>,
        ask: &Ask,
    ) -> Result<bool, DirectoryError> {
        if pairs.is_empty() {
            return Ok(false);
        }
        let parts = pairs.iter();
        let parts = parts.map(|(name, value)| Filter::equal(Arc::clone(name), value.clone()));
        let filter = home.exists().and(Filter::Or(parts.collect()));
        let search = home.search(filter, Vec::new(), 2);
        let mut entries = self.pool.search(search, &[], ask.deadline);
        while let Some(entry) = entries.next().await.map_err(refusal::of_read)? {
            let is_own =
                own.is_some_and(|own| entry.dn.parse().is_ok_and(|dn: Dn| dn.is_same(own)));
            if !is_own {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The same, where it is not the server that sees to it.
    pub(super) async fn is_taken_unseen(
        &self,
        home: &Home,
        pairs: &[Pair],
        own: Option<&Dn>,
        ask: &Ask,
    ) -> Result<bool, DirectoryError> {
        if self.homes.keeps_unique() || home.names_are_unique(pairs) {
            return Ok(false);
        }
        self.is_taken(home, pairs, own, ask).await
    }
}

impl Home {
    /// Whether an attribute's values are unique by the rule.
    pub(super) fn is_unique(&self, name: &str) -> bool {
        self.place.attribute(name).is_some_and(|a| a.unique)
    }

    /// Whether no two entries of the type can have these values since they would have one name.
    fn names_are_unique(&self, pairs: &[Pair]) -> bool {
        let place = &self.place;
        place.create.as_ref().is_some_and(|create| {
            let named = pairs.iter().all(|(name, _)| create.rdn.is(name));
            let fixed =
                matches!(&create.container, Container::Fixed(dn) if dn.is_same(&place.base));
            named && fixed && place.scope == Scope::One && create.on_collision.is_none()
        })
    }
}

/// That a unique value is taken.
pub(super) fn taken() -> DirectoryError {
    DirectoryError::Conflict {
        scim_type: Some(ScimType::Uniqueness),
        detail: None,
    }
}

/// One for the whole process: a reload changes rules, not who is writing.
static TURNS: LazyLock<Vec<Arc<Mutex<()>>>> =
    LazyLock::new(|| (0..WIDTH).map(|_| Arc::default()).collect());
const WIDTH: u64 = 1024;
