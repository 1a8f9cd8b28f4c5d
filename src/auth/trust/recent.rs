//! What was found out about tokens a moment ago, by their hash: bounded, and never older than it
//! may be.
//!
//! Two halves: new entries go into the young one; when it is full, it becomes the old one and what
//! was old is forgotten. So the room is bounded whatever comes, and putting in costs the same
//! however full it is.

use std::collections::HashMap;
use std::fmt;
use std::sync::{PoisonError, RwLock};
use std::time::SystemTime;

/// The SHA-256 of a token.
pub(super) type Digest = [u8; 32];

/// What was found out, for so many tokens at most.
pub(super) struct Recent<T> {
    half: usize,
    held: RwLock<Halves<T>>,
}

struct Halves<T> {
    young: Half<T>,
    old: Half<T>,
}

type Half<T> = HashMap<Digest, (SystemTime, T)>;

impl<T: Clone> Recent<T> {
    /// With room for `most` tokens.
    pub(super) fn with_room(most: usize) -> Self {
        Self {
            half: most.div_ceil(2).max(1),
            held: RwLock::new(Halves {
                young: HashMap::new(),
                old: HashMap::new(),
            }),
        }
    }

    /// What is known of a token and still holds.
    pub(super) fn get(&self, token: &Digest, now: SystemTime) -> Option<T> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let found = held.young.get(token).or_else(|| held.old.get(token));
        let (until, value) = found?;
        (now < *until).then(|| value.clone())
    }

    /// Whether a token was held a while ago, whether that still holds or not.
    pub(super) fn holds(&self, token: &Digest) -> bool {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.young.contains_key(token) || held.old.contains_key(token)
    }

    /// Holds nothing of a token any more.
    pub(super) fn forget(&self, token: &Digest) {
        if self.holds(token) {
            let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
            held.young.remove(token);
            held.old.remove(token);
        }
    }

    /// Notes what holds until then.
    pub(super) fn put(&self, token: Digest, until: SystemTime, value: T) {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        if held.young.len() >= self.half && !held.young.contains_key(&token) {
            held.old = std::mem::take(&mut held.young);
        }
        held.young.insert(token, (until, value));
    }

    /// How many are held, those that hold no more included.
    pub(super) fn len(&self) -> usize {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.young.len() + held.old.len()
    }
}

impl<T: Clone> fmt::Debug for Recent<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recent({})", self.len())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn digest(number: u32) -> Digest {
        let mut digest = [0; 32];
        digest[..4].copy_from_slice(&number.to_be_bytes());
        digest
    }

    #[test]
    fn what_is_over_is_not_told() {
        let (recent, now) = (Recent::with_room(4), SystemTime::UNIX_EPOCH);
        let second = Duration::from_secs(1);
        recent.put(digest(1), now + second, "a");
        assert_eq!(recent.get(&digest(1), now), Some("a"));
        assert_eq!(recent.get(&digest(1), now + second), None);
        assert_eq!(recent.get(&digest(2), now), None);
        recent.put(digest(1), now + second * 3, "b");
        assert_eq!(recent.get(&digest(1), now + second), Some("b"));
        assert!(recent.holds(&digest(1)) && !recent.holds(&digest(2)));
        recent.forget(&digest(1));
        assert!(!recent.holds(&digest(1)));
        assert_eq!(recent.get(&digest(1), now), None);
    }

    #[test]
    fn it_never_holds_more_than_its_room_and_keeps_the_newest() {
        let (recent, now) = (Recent::with_room(10), SystemTime::UNIX_EPOCH);
        let later = now + Duration::from_secs(9);
        for number in 0..1000 {
            recent.put(digest(number), later, number);
            assert!(recent.len() <= 10);
            for newest in number.saturating_sub(4)..=number {
                assert_eq!(recent.get(&digest(newest), now), Some(newest));
            }
        }
        assert_eq!(recent.get(&digest(0), now), None);
    }
}
