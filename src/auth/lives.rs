//! When keys begin and end, sorted once, so that asking how many are alive is cheap however many
//! there are.

use std::time::SystemTime;

use super::authenticator::Key;

/// How the keys are at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TokenCounts {
    /// Keys that are valid.
    pub live: usize,
    /// Keys past their time.
    pub expired: usize,
    /// Keys before their time.
    pub not_yet: usize,
    /// When the first of the live ones ends, if any does.
    pub nearest_end: Option<SystemTime>,
}

/// The lives of all keys.
#[derive(Debug, Default)]
pub(super) struct Lives {
    keys: usize,
    /// Of the keys that have a beginning, sorted.
    starts: Vec<SystemTime>,
    /// Of the keys that have an end, with their beginning, sorted.
    ends: Vec<(SystemTime, Option<SystemTime>)>,
}

impl Lives {
    pub(super) fn of<'k>(keys: impl Iterator<Item = &'k Key>) -> Self {
        let mut lives = Self::default();
        for key in keys {
            lives.keys += 1;
            lives.starts.extend(key.not_before);
            lives
                .ends
                .extend(key.expires.map(|end| (end, key.not_before)));
        }
        lives.starts.sort_unstable();
        lives.ends.sort_unstable();
        lives
    }

    /// As [`Key::state`] has it; a key ends after it begins, which the reader has seen to.
    pub(super) fn at(&self, now: SystemTime) -> TokenCounts {
        let expired = self.ends.partition_point(|(end, _)| *end <= now);
        let started = self.starts.partition_point(|start| *start <= now);
        let not_yet = self.starts.len() - started;
        let mut to_come = self.ends.iter().skip(expired);
        TokenCounts {
            live: self.keys.saturating_sub(expired + not_yet),
            expired,
            not_yet,
            nearest_end: to_come
                .find(|(_, start)| start.is_none_or(|start| start <= now))
                .map(|(end, _)| *end),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use proptest::prelude::*;

    use super::super::authenticator::KeyState;
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn key(start: Option<u64>, life: Option<u64>) -> Key {
        Key {
            id: "k".into(),
            not_before: start.map(at),
            expires: life.map(|life| at(start.unwrap_or_default() + life)),
        }
    }

    proptest! {
        #[test]
        fn they_are_counted_as_each_key_says(
            keys in prop::collection::vec(
                (prop::option::of(0u64..20), prop::option::of(1u64..20)), 0..12),
            now in 0u64..45,
        ) {
            let keys: Vec<Key> = keys.into_iter().map(|(start, life)| key(start, life)).collect();
            let now = at(now);
            let counts = Lives::of(keys.iter()).at(now);
            let with = |state| keys.iter().filter(move |key| key.state(now) == state);
            prop_assert_eq!(counts.live, with(KeyState::Live).count());
            prop_assert_eq!(counts.expired, with(KeyState::Expired).count());
            prop_assert_eq!(counts.not_yet, with(KeyState::NotYet).count());
            let nearest = with(KeyState::Live).filter_map(|key| key.expires).min();
            prop_assert_eq!(counts.nearest_end, nearest);
        }
    }
}
