//! What is remembered of clients that go through a list page by page: where each page ended, and
//! the ids that were found. Only for speed and exactness: whatever is forgotten, a walk goes on.
//!
//! Kept per (connections, type, filter), for ten minutes after the last use. All of it together,
//! over all tenants, takes at most [`MOST`]; what was not used for the longest time makes room.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use super::ids::Rank;
use super::room::{Lease, Room};
use super::snapshot::Snapshot;
use crate::directory::ldap::driver::home::Home;
use crate::directory::ldap::{Filter, Pool};
use crate::ldap::ber::Writer;

/// All walks.
#[derive(Debug)]
pub(in crate::directory::ldap::driver) struct Walks {
    room: Arc<Room>,
    inner: Mutex<Inner>,
}

/// What one is asked about: connections, type and filter.
#[derive(Debug, Clone)]
pub(super) struct Key {
    digest: [u8; 32],
    pool: Weak<Pool>,
}

#[derive(Debug)]
struct Inner {
    walks: HashMap<[u8; 32], Walk>,
    swept: Instant,
}

#[derive(Debug)]
struct Walk {
    pool: Weak<Pool>,
    used: Instant,
    /// The newest: it has everybody whom an older one has, and who still lives.
    snapshot: Option<Arc<Snapshot>>,
    /// By the `startIndex` that comes next: the last ids that were told before it.
    marks: BTreeMap<usize, Vec<Mark>>,
    /// For what is not the snapshot.
    lease: Lease,
}

#[derive(Debug)]
struct Mark {
    last: Rank,
    at: Instant,
}

/// Those of this process: the bound is one of its memory.
pub(in crate::directory::ldap::driver) fn of_this_process() -> Arc<Walks> {
    static WALKS: LazyLock<Arc<Walks>> = LazyLock::new(|| Arc::new(Walks::new(MOST)));
    Arc::clone(&WALKS)
}

impl Key {
    /// For those who ask over these connections: others may not see the same.
    pub(super) fn of(pool: &Arc<Pool>, home: &Home, filter: &Filter) -> Self {
        let mut digest = Sha256::new();
        // The address stays taken as long as a walk remembers the pool.
        digest.update(Arc::as_ptr(pool).addr().to_be_bytes());
        digest.update(question(home, filter).finalize());
        Self {
            digest: digest.finalize().into(),
            pool: Arc::downgrade(pool),
        }
    }
}

/// What is asked, whoever asks: every replica says the same.
fn question(home: &Home, filter: &Filter) -> Sha256 {
    let mut digest = Sha256::new();
    let mut asked = Writer::new();
    filter.encode(&mut asked);
    let asked = asked.finish();
    let place = &home.place;
    let scope = format!("{:?}", place.scope);
    let base = place.base.to_string();
    for part in [
        base.as_bytes(),
        scope.as_bytes(),
        place.id.as_str().as_bytes(),
        &asked,
    ] {
        digest.update(part.len().to_be_bytes());
        digest.update(part);
    }
    digest
}

impl Walks {
    pub(super) fn new(most: usize) -> Self {
        Self {
            room: Room::of(most),
            inner: Mutex::new(Inner {
                walks: HashMap::new(),
                swept: Instant::now(),
            }),
        }
    }

    /// Room for what is being collected.
    pub(super) fn lease(&self) -> Option<Lease> {
        Lease::new(Arc::clone(&self.room), 0)
    }

    /// Makes room; false where all of it is held by what is under way.
    pub(super) fn forget_oldest(&self) -> bool {
        self.inner(Instant::now()).forget_oldest(None)
    }

    /// The last id that was told before this `startIndex`. Where several walks passed there: the
    /// smallest, so that none of them misses anybody.
    pub(super) fn last(&self, key: &Key, start: usize) -> Option<Rank> {
        self.last_at(key, start, Instant::now())
    }

    fn last_at(&self, key: &Key, start: usize, now: Instant) -> Option<Rank> {
        let mut inner = self.inner(now);
        let walk = inner.walks.get_mut(&key.digest)?;
        walk.used = now;
        let marks = walk.marks.get(&start)?.iter();
        let live = marks.filter(|mark| now.duration_since(mark.at) < LIFE);
        live.map(|mark| &mark.last).min().cloned()
    }

    /// The newest snapshot that is not too old.
    pub(super) fn snapshot(&self, key: &Key) -> Option<Arc<Snapshot>> {
        self.snapshot_at(key, Instant::now())
    }

    fn snapshot_at(&self, key: &Key, now: Instant) -> Option<Arc<Snapshot>> {
        let mut inner = self.inner(now);
        let walk = inner.walks.get_mut(&key.digest)?;
        walk.used = now;
        let live = |snapshot: &&Arc<Snapshot>| now.duration_since(snapshot.made) < LIFE;
        walk.snapshot.as_ref().filter(live).cloned()
    }

    /// Remembers a snapshot, unless a newer one is known.
    pub(super) fn keep(&self, key: &Key, snapshot: &Arc<Snapshot>) {
        let mut inner = self.inner(Instant::now());
        if let Some(walk) = inner.walk(key, &self.room) {
            let older = |known: &Arc<Snapshot>| known.made <= snapshot.made;
            if walk.snapshot.as_ref().is_none_or(older) {
                walk.snapshot = Some(Arc::clone(snapshot));
            }
        }
    }

    /// Remembers the last id that was told before this `startIndex`.
    pub(super) fn mark(&self, key: &Key, start: usize, last: &Rank) {
        let now = Instant::now();
        let mut inner = self.inner(now);
        loop {
            let Some(walk) = inner.walk(key, &self.room) else {
                return;
            };
            if walk.mark(start, last, now) {
                return;
            }
            // Not its own: that is what the mark is for.
            if !inner.forget_oldest(Some(key)) {
                return;
            }
        }
    }

    fn inner(&self, now: Instant) -> MutexGuard<'_, Inner> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.sweep(now);
        inner
    }
}

impl Inner {
    fn walk(&mut self, key: &Key, room: &Arc<Room>) -> Option<&mut Walk> {
        while !self.walks.contains_key(&key.digest) {
            match Lease::new(Arc::clone(room), WALK) {
                Some(lease) => {
                    let walk = Walk {
                        pool: Weak::clone(&key.pool),
                        used: Instant::now(),
                        snapshot: None,
                        marks: BTreeMap::new(),
                        lease,
                    };
                    self.walks.insert(key.digest, walk);
                }
                None if self.forget_oldest(None) => {}
                None => return None,
            }
        }
        let walk = self.walks.get_mut(&key.digest)?;
        walk.used = Instant::now();
        Some(walk)
    }

    fn forget_oldest(&mut self, spare: Option<&Key>) -> bool {
        let others = self.walks.iter();
        let others = others.filter(|(digest, _)| spare.is_none_or(|key| key.digest != **digest));
        let oldest = others.min_by_key(|(_, walk)| walk.used);
        let oldest = oldest.map(|(digest, _)| *digest);
        oldest.is_some_and(|digest| self.walks.remove(&digest).is_some())
    }

    /// Forgets what is too old.
    fn sweep(&mut self, now: Instant) {
        if now.duration_since(self.swept) < SWEEP {
            return;
        }
        self.swept = now;
        self.walks.retain(|_, walk| {
            let used = now.duration_since(walk.used) < LIFE;
            used && walk.pool.strong_count() > 0
        });
        for walk in self.walks.values_mut() {
            walk.sweep(now);
        }
    }
}

impl Walk {
    /// False where there is no room.
    fn mark(&mut self, start: usize, last: &Rank, now: Instant) -> bool {
        let marks = self.marks.get(&start);
        let known = marks.is_some_and(|marks| marks.iter().any(|mark| mark.last == *last));
        if !known && !self.lease.grow(MARK + last.size()) {
            return false;
        }
        let marks = self.marks.entry(start).or_default();
        match marks.iter_mut().find(|mark| mark.last == *last) {
            Some(mark) => mark.at = now,
            None => marks.push(Mark {
                last: last.clone(),
                at: now,
            }),
        }
        if marks.len() > MARKS {
            // The smallest decides: of the others the largest says least.
            marks.retain(|mark| now.duration_since(mark.at) < LIFE);
            marks.sort_unstable_by(|a, b| a.last.cmp(&b.last));
            marks.truncate(MARKS);
            self.settle();
        }
        true
    }

    fn sweep(&mut self, now: Instant) {
        let old = |snapshot: &Arc<Snapshot>| now.duration_since(snapshot.made) >= LIFE;
        self.snapshot.take_if(|snapshot| old(snapshot));
        self.marks.retain(|_, marks| {
            marks.retain(|mark| now.duration_since(mark.at) < LIFE);
            !marks.is_empty()
        });
        self.settle();
    }

    /// Gives back what the marks do not need any more.
    fn settle(&mut self) {
        let marks = self.marks.values().flatten();
        let size: usize = marks.map(|mark| MARK + mark.last.size()).sum();
        self.lease.shrink_to(WALK + size);
    }
}

/// Two million ids of 16 bytes.
const MOST: usize = 32 * 1024 * 1024;
/// How long what is not used is remembered, and how old a snapshot may be.
const LIFE: Duration = Duration::from_secs(600);
/// How often what is too old is looked for.
const SWEEP: Duration = Duration::from_secs(10);
/// About what a walk takes beside its snapshot and its marks.
const WALK: usize = 512;
/// About what a mark takes beside its id.
const MARK: usize = 96;
/// So many walks are told apart at one `startIndex`.
const MARKS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::ldap::LdapConfig;
    use crate::directory::ldap::driver::listing::snapshot::Collector;
    use crate::ldap::IdForm;

    fn key(number: u8) -> Key {
        Key {
            digest: [number; 32],
            pool: Weak::new(),
        }
    }

    #[test]
    fn the_smallest_of_several_marks_decides() {
        let walks = Walks::new(1 << 20);
        for last in [30, 10, 20] {
            walks.mark(&key(1), 101, &Rank::Digits(last));
        }
        assert_eq!(walks.last(&key(1), 101), Some(Rank::Digits(10)));
        assert_eq!(walks.last(&key(1), 100), None);
        assert_eq!(walks.last(&key(2), 101), None);
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_makes_room() {
        let walks = Walks::new(20_000);
        for number in 0..100 {
            walks.mark(&key(number), 2, &Rank::Digits(1));
        }
        assert!(walks.room.held() <= 20_000);
        assert_eq!(walks.last(&key(0), 2), None);
        assert_eq!(walks.last(&key(99), 2), Some(Rank::Digits(1)));
        for start in 0..1_000 {
            walks.mark(&key(99), start, &Rank::Digits(1));
        }
        assert!(walks.room.held() <= 20_000);
        assert_eq!(walks.inner(Instant::now()).walks.len(), 1);
        while walks.forget_oldest() {}
        assert_eq!(walks.room.held(), 0);
    }

    fn snapshot(walks: &Walks, ids: u128) -> Arc<Snapshot> {
        let lease = walks.lease().unwrap();
        let mut collector = Collector::new(IdForm::Uuid, None, 1000, lease);
        for id in 0..ids {
            while collector.take(Rank::Digits(id)).is_err() {
                assert!(walks.forget_oldest());
            }
        }
        Arc::new(collector.finish())
    }

    #[test]
    fn snapshots_are_bounded_together_and_the_oldest_makes_room() {
        let walks = Walks::new(40_000);
        for number in 0..50 {
            let made = snapshot(&walks, 100);
            walks.keep(&key(number), &made);
            assert!(walks.room.held() <= 40_000);
        }
        let kept = (0..50).filter(|number| walks.snapshot(&key(*number)).is_some());
        let kept: Vec<u8> = kept.collect();
        assert!((15..25).contains(&kept.len()), "{kept:?}");
        assert_eq!(kept.last(), Some(&49));
        assert!(!kept.contains(&0));
    }

    #[test]
    fn what_is_too_old_is_forgotten_and_gives_its_room_back() {
        let walks = Walks::new(1 << 20);
        let config = LdapConfig::new(vec!["ldap://127.0.0.1:1".parse().unwrap()]);
        let pool = Pool::open(config, None).unwrap();
        let key = Key {
            pool: Arc::downgrade(&pool),
            ..key(1)
        };
        let begun = Instant::now();
        let made = snapshot(&walks, 100);
        walks.keep(&key, &made);
        drop(made);
        walks.mark(&key, 101, &Rank::Digits(7));
        let soon = begun + LIFE / 2;
        assert!(walks.snapshot_at(&key, soon).is_some());
        assert_eq!(walks.last_at(&key, 101, soon), Some(Rank::Digits(7)));
        // Used in the middle, it is still there, but what it says is too old.
        let late = Instant::now() + LIFE;
        assert!(walks.snapshot_at(&key, late).is_none());
        assert_eq!(walks.last_at(&key, 101, late), None);
        assert!(walks.snapshot_at(&key, late + LIFE + SWEEP).is_none());
        assert_eq!(walks.room.held(), 0);
    }
}
