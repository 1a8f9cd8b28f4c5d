//! Assertions that were taken once are not taken again (RFC 7523 §3, point 7). They are remembered
//! until they end, in this process alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};

/// The assertions that were taken and have not ended.
#[derive(Debug, Default)]
pub struct Replays(Mutex<Seen>);

/// By a hash of the client and of the number that it gave; and how many each client has here.
#[derive(Debug, Default)]
struct Seen {
    all: HashMap<[u8; 32], (SystemTime, Arc<str>)>,
    counts: HashMap<Arc<str>, usize>,
}

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
    pub(super) fn note(
        &self,
        client: &Arc<str>,
        id: &str,
        until: SystemTime,
        now: SystemTime,
    ) -> Known {
        let mut hash = Sha256::new();
        hash.update(client.len().to_le_bytes());
        hash.update(client.as_bytes());
        hash.update(id.as_bytes());
        let digest: [u8; 32] = hash.finalize().into();
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.all.get(&digest).is_some_and(|(end, _)| *end > now) {
            return Known::Again;
        }
        if seen.is_full(client) {
            seen.forget(now);
            if seen.is_full(client) {
                return Known::Full;
            }
        }
        seen.all.insert(digest, (until, Arc::clone(client)));
        *seen.counts.entry(Arc::clone(client)).or_default() += 1;
        Known::New
    }
}

impl Seen {
    /// Whether no more can be remembered of a client: none takes the room of all others.
    fn is_full(&self, client: &str) -> bool {
        let own = self.counts.get(client).copied().unwrap_or_default();
        own >= MOST_OF_ONE || self.all.len() >= MOST
    }

    fn forget(&mut self, now: SystemTime) {
        self.all.retain(|_, (end, _)| *end > now);
        self.counts.clear();
        for (_, client) in self.all.values() {
            *self.counts.entry(Arc::clone(client)).or_default() += 1;
        }
    }
}

/// So many are remembered: each is taken for some minutes at most.
const MOST: usize = 65_536;

/// The same of one client: six in a second, and a token lasts for minutes.
const MOST_OF_ONE: usize = 4_096;

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn an_assertion_is_taken_once_until_it_ends() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let replays = Replays::default();
        let (a, b) = (&Arc::from("a"), &Arc::from("b"));
        assert_eq!(replays.note(a, "1", at(10), at(0)), Known::New);
        assert_eq!(replays.note(a, "1", at(10), at(9)), Known::Again);
        assert_eq!(replays.note(b, "1", at(10), at(9)), Known::New);
        assert_eq!(replays.note(a, "2", at(10), at(9)), Known::New);
        assert_eq!(replays.note(a, "1", at(20), at(10)), Known::New);
    }

    #[test]
    fn what_is_full_is_refused_until_some_have_ended() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let replays = Replays::default();
        let busy: Arc<str> = "busy".into();
        for id in 0..MOST_OF_ONE {
            let known = replays.note(&busy, &id.to_string(), at(10), at(0));
            assert_eq!(known, Known::New);
        }
        assert_eq!(replays.note(&busy, "x", at(10), at(5)), Known::Full);
        assert_eq!(replays.note(&busy, "0", at(10), at(5)), Known::Again);
        // Nobody else notices.
        for id in MOST_OF_ONE..MOST {
            let client = Arc::from(format!("c{}", id % 100));
            let known = replays.note(&client, &id.to_string(), at(20), at(5));
            assert_eq!(known, Known::New);
        }
        let late: Arc<str> = "late".into();
        assert_eq!(replays.note(&late, "x", at(20), at(5)), Known::Full);
        assert_eq!(replays.note(&late, "x", at(20), at(10)), Known::New);
        assert_eq!(replays.note(&busy, "x", at(20), at(10)), Known::New);
        assert_eq!(replays.note(&busy, "y", at(20), at(10)), Known::New);
    }
}
