//! Assertions that were taken once are not taken again (RFC 7523 §3, point 7). They are remembered
//! until they end, in this process alone.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};

/// The assertions that were taken and have not ended.
#[derive(Debug, Default)]
pub struct Replays(Mutex<HashMap<[u8; 32], SystemTime>>);

/// What is known of an assertion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// It has not been seen; from now on it has.
    New,
    /// It has been taken before.
    Again,
    /// There are so many that no more can be remembered.
    Full,
}

impl Replays {
    /// Notes an assertion of a client, by its `jti`, until it ends. Only of those that are proven:
    /// nobody else fills this.
    pub(super) fn note(&self, client: &str, id: &str, until: SystemTime, now: SystemTime) -> Known {
        let mut hash = Sha256::new();
        hash.update(client.len().to_le_bytes());
        hash.update(client.as_bytes());
        hash.update(id.as_bytes());
        let digest: [u8; 32] = hash.finalize().into();
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.get(&digest).is_some_and(|end| *end > now) {
            return Known::Again;
        }
        if seen.len() >= MOST {
            seen.retain(|_, end| *end > now);
            if seen.len() >= MOST {
                return Known::Full;
            }
        }
        seen.insert(digest, until);
        Known::New
    }
}

/// So many are remembered: each is taken for some minutes at most.
const MOST: usize = 65_536;

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn an_assertion_is_taken_once_until_it_ends() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let replays = Replays::default();
        assert_eq!(replays.note("a", "1", at(10), at(0)), Known::New);
        assert_eq!(replays.note("a", "1", at(10), at(9)), Known::Again);
        assert_eq!(replays.note("b", "1", at(10), at(9)), Known::New);
        assert_eq!(replays.note("a", "2", at(10), at(9)), Known::New);
        assert_eq!(replays.note("a", "1", at(20), at(10)), Known::New);
    }

    #[test]
    fn what_is_full_is_refused_until_some_have_ended() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let replays = Replays::default();
        for id in 0..MOST {
            let known = replays.note("a", &id.to_string(), at(10), at(0));
            assert_eq!(known, Known::New);
        }
        assert_eq!(replays.note("a", "x", at(10), at(5)), Known::Full);
        assert_eq!(replays.note("a", "0", at(10), at(5)), Known::Again);
        assert_eq!(replays.note("a", "x", at(20), at(10)), Known::New);
        assert_eq!(replays.note("a", "y", at(20), at(10)), Known::New);
    }
}
