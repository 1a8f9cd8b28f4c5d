//! When a key was last used: one atomic number, no lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last use of one key, in seconds since 1970; zero is never.
#[derive(Debug, Default)]
pub(super) struct LastUse(AtomicU64);

impl LastUse {
    /// It was used at this moment. Written at most once a second, so that workers that serve one
    /// busy client do not fight over the cache line.
    pub(super) fn note(&self, now: SystemTime) {
        let seconds = now
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        if self.0.load(Ordering::Relaxed) < seconds {
            self.0.fetch_max(seconds, Ordering::Relaxed);
        }
    }

    /// The later one of both.
    pub(super) fn adopt(&self, other: &Self) {
        self.0
            .fetch_max(other.0.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// When it was.
    pub(super) fn get(&self) -> Option<SystemTime> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            seconds => UNIX_EPOCH.checked_add(Duration::from_secs(seconds)),
        }
    }
}
