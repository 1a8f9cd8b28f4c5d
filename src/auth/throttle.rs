//! Who fails again and again to prove who they are gets short answers. Asked only after a failure,
//! so that it can lock nobody out: a valid token is answered whatever its address did before.
//!
//! A table of fixed size, in sets of a few places each. The hash is seeded by chance, so nobody
//! can aim at a set; where a set is full, the address that waits the shortest is forgotten.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::network::site;
use super::rate::{Bucket, Rate};

/// The failures of the addresses seen last: an IPv4 address, or an IPv6 network of 64 bits.
#[derive(Debug)]
pub struct Throttle {
    seed: RandomState,
    sets: Box<[Mutex<[Place; WAYS]>]>,
    /// The throttled addresses on whose behalf somebody is being asked.
    asking: Mutex<HashSet<IpAddr>>,
}

/// Leave to ask somebody else about a token that came from an address. It ends when it is dropped.
#[derive(Debug)]
#[must_use]
pub struct Leave<'a>(Option<(&'a Throttle, IpAddr)>);

/// What becomes of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is told as what it is.
    Told,
    /// There were too many: come back after this time.
    Refused {
        /// Until then.
        wait: Duration,
        /// Say so in the log: how many were refused since that was last said.
        say: Option<u64>,
    },
}

#[derive(Debug, Default)]
struct Place {
    from: Option<IpAddr>,
    bucket: Bucket,
    /// When it was last said in the log.
    said: Option<Duration>,
    unsaid: u64,
}

impl Default for Throttle {
    fn default() -> Self {
        Self {
            seed: RandomState::new(),
            sets: (0..SETS).map(|_| Mutex::default()).collect(),
            asking: Mutex::default(),
        }
    }
}

impl Throttle {
    /// Somebody at this address has failed. Time is since a moment that stays the same.
    pub fn failed(&self, from: IpAddr, now: Duration) -> Verdict {
        let from = site(from);
        let Some(mut set) = self.set(from) else {
            return Verdict::Told;
        };
        let known = set.iter().position(|place| place.from == Some(from));
        let oldest = || {
            let places = set.iter().enumerate();
            let oldest =
                places.min_by_key(|(_, place)| (place.from.is_some(), place.bucket.full_at()));
            oldest.map(|(at, _)| at)
        };
        let Some(place) = known.or_else(oldest).and_then(|at| set.get_mut(at)) else {
            return Verdict::Told;
        };
        if place.from != Some(from) {
            *place = Place {
                from: Some(from),
                ..Place::default()
            };
        }
        place.failed(now)
    }

    /// Whether somebody else may be asked about a token, unknown as yet, that came from this
    /// address: without limit, unless it has failed too often. Then one question at a time is asked
    /// for it, so that it cannot take the places of others.
    ///
    /// # Errors
    /// How long to wait.
    pub fn ask(&self, from: IpAddr, now: Duration) -> Result<Leave<'_>, Duration> {
        let from = site(from);
        let wait = self.set(from).and_then(|set| {
            let place = set.iter().find(|place| place.from == Some(from))?;
            place.bucket.wait(FAILURES, now)
        });
        let Some(wait) = wait else {
            return Ok(Leave(None));
        };
        if self.asking().insert(from) {
            Ok(Leave(Some((self, from))))
        } else {
            Err(wait)
        }
    }

    fn set(&self, from: IpAddr) -> Option<MutexGuard<'_, [Place; WAYS]>> {
        let number = usize::try_from(self.seed.hash_one(from) % SETS).unwrap_or_default();
        let set = self.sets.get(number)?;
        Some(set.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn asking(&self) -> MutexGuard<'_, HashSet<IpAddr>> {
        self.asking.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        if let Some((throttle, from)) = self.0 {
            throttle.asking().remove(&from);
        }
    }
}

impl Place {
    fn failed(&mut self, now: Duration) -> Verdict {
        let Err(wait) = self.bucket.take(FAILURES, 1, 1, now) else {
            return Verdict::Told;
        };
        self.unsaid = self.unsaid.saturating_add(1);
        let due = |said: Duration| now.saturating_sub(said) >= SILENCE;
        let say = self.said.is_none_or(due).then_some(self.unsaid);
        if say.is_some() {
            (self.said, self.unsaid) = (Some(now), 0);
        }
        Verdict::Refused { wait, say }
    }
}

/// How many failures of one address are told as what they are.
const FAILURES: Rate = Rate::per_second(1, 60);

/// How long the log does not repeat itself about one address.
const SILENCE: Duration = Duration::from_secs(60);

const SETS: u64 = 1_024;
const WAYS: usize = 4;

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn told(verdict: Verdict) -> bool {
        verdict == Verdict::Told
    }

    #[test]
    fn a_minute_s_worth_is_told_and_then_one_each_second() {
        let throttle = Throttle::default();
        let from = address("192.0.2.1");
        for _ in 0..60 {
            assert!(told(throttle.failed(from, at(0))));
        }
        let wait = at(1_000);
        let first = Verdict::Refused { wait, say: Some(1) };
        assert_eq!(throttle.failed(from, at(0)), first);
        let silent = Verdict::Refused { wait, say: None };
        for _ in 0..100 {
            assert_eq!(throttle.failed(from, at(0)), silent);
        }
        assert!(told(throttle.failed(from, at(1_000))));
        assert_eq!(throttle.failed(from, at(1_000)), silent);
        let answered = (2..=70).filter(|second| told(throttle.failed(from, at(second * 1_000))));
        assert_eq!(answered.count(), 69);
        let again = Verdict::Refused {
            wait,
            say: Some(102),
        };
        assert_eq!(throttle.failed(from, at(70_000)), again);
        // After a rest, as at the beginning.
        assert!((0..60).all(|_| told(throttle.failed(from, at(200_000)))));
        assert!(!told(throttle.failed(from, at(200_000))));
    }

    #[test]
    fn a_site_counts_as_one_and_others_do_not_suffer() {
        let throttle = Throttle::default();
        for host in 0..60 {
            let from = address(&format!("2001:db8:0:1::{host:x}"));
            assert!(told(throttle.failed(from, at(0))));
        }
        assert!(!told(
            throttle.failed(address("2001:db8:0:1:ffff::"), at(0))
        ));
        assert!(told(throttle.failed(address("2001:db8:0:2::"), at(0))));
        for _ in 0..60 {
            throttle.failed(address("::ffff:192.0.2.1"), at(0));
        }
        assert!(!told(throttle.failed(address("192.0.2.1"), at(0))));
        assert!(told(throttle.failed(address("192.0.2.2"), at(0))));
    }

    #[test]
    fn a_flood_of_addresses_takes_no_more_room_and_frees_few() {
        let throttle = Throttle::default();
        let busy = address("192.0.2.1");
        for _ in 0..61 {
            throttle.failed(busy, at(0));
        }
        for number in 0..100_000 {
            let from = IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + number));
            throttle.failed(from, at(1));
        }
        // Each of them has failed once only: the one that waits longest is kept.
        assert!(!told(throttle.failed(busy, at(2))));
        let used: usize = throttle
            .sets
            .iter()
            .map(|set| set.lock().unwrap().len())
            .sum();
        assert_eq!(used, 4_096);
    }

    #[test]
    fn who_fails_too_often_has_one_question_asked_at_a_time() {
        let throttle = Throttle::default();
        let (from, other) = (address("192.0.2.1"), address("192.0.2.2"));
        for _ in 0..60 {
            let leaves = [throttle.ask(from, at(0)), throttle.ask(from, at(0))];
            assert!(leaves.iter().all(Result::is_ok));
            throttle.failed(from, at(0));
        }
        let leave = throttle.ask(from, at(0));
        assert!(leave.is_ok());
        assert_eq!(throttle.ask(from, at(0)).err(), Some(at(1_000)));
        assert!(throttle.ask(other, at(0)).is_ok());
        assert!(throttle.ask(from, at(1_000)).is_ok(), "a second later");
        drop(leave);
        assert!(throttle.ask(from, at(0)).is_ok());
        // It has cost nothing.
        assert!(told(throttle.failed(from, at(1_000))));
    }

    #[test]
    fn a_clock_that_goes_back_frees_nobody() {
        let throttle = Throttle::default();
        let from = address("192.0.2.1");
        for _ in 0..60 {
            throttle.failed(from, at(100_000));
        }
        for millis in [100_000, 50_000, 0] {
            assert!(!told(throttle.failed(from, at(millis))));
        }
    }
}
