//! What the guards of all tenants remember: it outlives reloads, and is that of this process
//! alone.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::window::{Mark, Window};
use crate::config::Snapshot;
use crate::mapping::Harm;

/// The guards by the names of their tenants.
#[derive(Debug, Default)]
pub struct Guards(Mutex<HashMap<Arc<str>, Arc<TenantGuard>>>);

/// What the guard of one tenant remembers.
#[derive(Debug, Default)]
pub struct TenantGuard {
    kept: Mutex<Kept>,
    /// Held by who asks the directory how many resources there are.
    pub(super) asking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Kept {
    counts: BTreeMap<(Harm, Arc<str>), Count>,
    releases: [Option<Release>; Harm::ALL.len()],
    census: BTreeMap<Arc<str>, Known>,
}

/// What happened to resources of one type.
#[derive(Debug, Default)]
struct Count {
    window: Window,
    refused: u64,
    /// When the log was last told.
    told: Option<Duration>,
}

/// How many resources of a type there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// How many, and since when that is known.
    pub(super) count: Option<(u64, Duration)>,
    /// When the directory was last asked.
    pub(super) asked: Option<Duration>,
}

/// An operator's leave to do more than the limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Until when, on the clock of the state.
    pub until: Duration,
    /// The same for people.
    pub ends: SystemTime,
    /// How many more; no bound where that is not said.
    pub left: Option<u64>,
    /// Who gave it.
    pub by: Arc<str>,
}

/// A place that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Taken {
    harm: Harm,
    resource: Arc<str>,
    mark: Mark,
    /// Whether it was a release that let it through.
    released: bool,
}

/// There is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Over {
    /// Until there is one.
    pub(super) wait: Duration,
    /// Whether the log has to be told: once in a window.
    pub(super) tell: bool,
}

/// A count, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// Of what.
    pub harm: Harm,
    /// The type.
    pub resource: Arc<str>,
    /// How often in the window.
    pub count: u64,
    /// How often since the start it was refused.
    pub refused: u64,
    /// How many resources there are, and how long ago that was learnt.
    pub known: Option<(u64, Duration)>,
}

impl Guards {
    /// The guard of this tenant.
    #[must_use]
    pub fn of(&self, tenant: &str) -> Arc<TenantGuard> {
        let mut guards = self.guards();
        if let Some(known) = guards.get(tenant) {
            return Arc::clone(known);
        }
        let new = Arc::<TenantGuard>::default();
        guards.insert(tenant.into(), Arc::clone(&new));
        new
    }

    /// Forgets the tenants that are no more.
    pub fn prune(&self, snapshot: &Snapshot) {
        let names: HashSet<&str> = snapshot.tenants().map(|t| t.name.as_str()).collect();
        self.guards().retain(|name, _| names.contains(&**name));
    }

    fn guards(&self) -> MutexGuard<'_, HashMap<Arc<str>, Arc<TenantGuard>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TenantGuard {
    /// Takes a place of `most`, or one that an operator has released. Without a known limit only
    /// the latter.
    pub(super) fn take(
        &self,
        harm: Harm,
        resource: &str,
        most: Option<u64>,
        span: Duration,
        now: Duration,
    ) -> Result<Taken, Over> {
        let mut kept = self.kept();
        let Kept {
            counts, releases, ..
        } = &mut *kept;
        let resource: Arc<str> = resource.into();
        let count = counts.entry((harm, Arc::clone(&resource))).or_default();
        let fits = most.is_some_and(|most| count.window.count(span, now) < most);
        let mut released = false;
        if !fits {
            let release = releases.get_mut(harm.index()).and_then(Option::as_mut);
            released = match release {
                Some(release) if release.is_open(now) => {
                    release.left = release.left.map(|left| left.saturating_sub(1));
                    true
                }
                _ => false,
            };
        }
        if !fits && !released {
            count.refused += 1;
            let tell = count.told.is_none_or(|told| told + span <= now);
            if tell && most.is_some() {
                count.told = Some(now);
            }
            let wait = count.window.room(most.unwrap_or(0), span, now);
            return Err(Over { wait, tell });
        }
        let mark = count.window.add(span, now);
        Ok(Taken {
            harm,
            resource,
            mark,
            released,
        })
    }

    /// Gives a place back that was not used.
    pub(super) fn give_back(&self, taken: &Taken) {
        let mut kept = self.kept();
        let key = (taken.harm, Arc::clone(&taken.resource));
        if let Some(count) = kept.counts.get_mut(&key) {
            count.window.remove(taken.mark);
        }
        if taken.released
            && let Some(Some(release)) = kept.releases.get_mut(taken.harm.index())
        {
            release.left = release.left.map(|left| left.saturating_add(1));
        }
    }

    /// Lets more of these through than the limit allows; what was released before ends.
    pub fn release(&self, harms: &[Harm], release: &Release) {
        let mut kept = self.kept();
        for harm in harms {
            if let Some(place) = kept.releases.get_mut(harm.index()) {
                *place = Some(release.clone());
            }
        }
    }

    /// Ends the releases of these; gives how many were open.
    pub fn hold(&self, harms: &[Harm], now: Duration) -> usize {
        let mut kept = self.kept();
        let mut ended = 0;
        for harm in harms {
            let place = kept.releases.get_mut(harm.index());
            let release = place.and_then(Option::take);
            ended += usize::from(release.is_some_and(|release| release.is_open(now)));
        }
        ended
    }

    /// The releases that are open.
    #[must_use]
    pub fn releases(&self, now: Duration) -> Vec<(Harm, Release)> {
        let kept = self.kept();
        let each = Harm::ALL.into_iter().zip(&kept.releases);
        let open = each.filter_map(|(harm, release)| Some((harm, release.clone()?)));
        open.filter(|(_, release)| release.is_open(now)).collect()
    }

    /// What was counted, in a window of this length.
    #[must_use]
    pub fn counted(&self, span: Duration, now: Duration) -> Vec<Counted> {
        let kept = self.kept();
        let each = kept.counts.iter().map(|((harm, resource), count)| {
            let known = kept.census.get(resource).and_then(|known| known.count);
            Counted {
                harm: *harm,
                resource: Arc::clone(resource),
                count: count.window.count(span, now),
                refused: count.refused,
                known: known.map(|(count, at)| (count, now.saturating_sub(at))),
            }
        });
        each.collect()
    }

    /// What is known of how many resources of the type there are.
    pub(super) fn known(&self, resource: &str) -> Known {
        let kept = self.kept();
        kept.census.get(resource).copied().unwrap_or_default()
    }

    /// The directory was asked.
    pub(super) fn learn(&self, resource: &str, count: Option<u64>, now: Duration) {
        let mut kept = self.kept();
        let known = kept.census.entry(resource.into()).or_default();
        known.asked = Some(now);
        if let Some(count) = count {
            known.count = Some((count, now));
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Release {
    fn is_open(&self, now: Duration) -> bool {
        now < self.until && self.left != Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Duration = Duration::from_secs(3_600);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn release(until: u64, left: Option<u64>) -> Release {
        Release {
            until: at(until),
            ends: SystemTime::UNIX_EPOCH,
            left,
            by: "loopback".into(),
        }
    }

    fn take(guard: &TenantGuard, resource: &str, most: u64, now: u64) -> Result<Taken, Over> {
        guard.take(Harm::Delete, resource, Some(most), SPAN, at(now))
    }

    #[test]
    fn each_type_and_each_harm_has_its_own_count() {
        let guard = TenantGuard::default();
        take(&guard, "User", 1, 0).unwrap();
        take(&guard, "Group", 1, 0).unwrap();
        guard
            .take(Harm::Disable, "User", Some(1), SPAN, at(0))
            .unwrap();
        let over = take(&guard, "User", 1, 10).unwrap_err();
        assert!(over.tell && over.wait == at(3_650), "{over:?}");
        assert!(!take(&guard, "User", 1, 20).unwrap_err().tell);
        assert!(take(&guard, "User", 1, 3_660).is_ok());
        assert_eq!(guard.counted(SPAN, at(20)).len(), 3);
    }

    #[test]
    fn a_release_ends_by_time_by_number_and_by_order() {
        let guard = TenantGuard::default();
        let refused = |now| take(&guard, "User", 0, now).is_err();
        assert!(refused(0));
        guard.release(&Harm::ALL, &release(100, Some(2)));
        assert_eq!(guard.releases(at(1)).len(), 3);
        assert!(!refused(1) && !refused(2) && refused(3));
        guard.release(&[Harm::Delete], &release(100, None));
        assert!(!refused(99) && refused(100));
        guard.release(&[Harm::Delete], &release(200, None));
        assert_eq!(guard.hold(&Harm::ALL, at(101)), 1);
        assert!(refused(102));
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let guard = TenantGuard::default();
        let first = take(&guard, "User", 1, 0).unwrap();
        assert!(take(&guard, "User", 1, 1).is_err());
        guard.give_back(&first);
        take(&guard, "User", 1, 2).unwrap();
        guard.release(&Harm::ALL, &release(100, Some(1)));
        let released = take(&guard, "User", 1, 3).unwrap();
        assert!(take(&guard, "User", 1, 4).is_err());
        guard.give_back(&released);
        take(&guard, "User", 1, 5).unwrap();
    }

    #[test]
    fn without_a_known_limit_only_a_release_lets_through() {
        let guard = TenantGuard::default();
        let refused = || guard.take(Harm::Delete, "User", None, SPAN, at(0)).is_err();
        assert!(refused());
        guard.release(&Harm::ALL, &release(10, None));
        assert!(!refused());
    }
}
