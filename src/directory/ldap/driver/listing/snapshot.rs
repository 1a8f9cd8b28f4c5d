//! The ids that a search found, in their order: as many as the room allows, from some place on.

use std::time::Instant;

use super::ids::{Ids, Rank};
use super::room::Lease;
use crate::ldap::IdForm;

/// The ids of what matched a filter at one moment, or the first of them after some id.
#[derive(Debug)]
pub(super) struct Snapshot {
    /// What is up to here is not in it.
    after: Option<Rank>,
    /// In their order.
    pub(super) ids: Ids,
    /// How many came after `after`; more than are here where the room did not do.
    beyond: usize,
    /// When the search began.
    pub(super) made: Instant,
    _lease: Lease,
}

/// A snapshot while it is being made.
pub(super) struct Collector {
    after: Option<Rank>,
    ids: Ids,
    beyond: usize,
    most: usize,
    begun: Instant,
    lease: Lease,
}

/// There is no room for another id.
#[derive(Debug)]
pub(super) struct Full;

impl Collector {
    /// Of at most `most` ids that come after `after`.
    pub(super) fn new(form: IdForm, after: Option<Rank>, most: usize, lease: Lease) -> Self {
        Self {
            after,
            ids: Ids::new(form),
            beyond: 0,
            most,
            begun: Instant::now(),
            lease,
        }
    }

    /// One more, in whatever order they come.
    pub(super) fn take(&mut self, rank: Rank) -> Result<(), Full> {
        if self.after.as_ref().is_some_and(|after| rank <= *after) {
            return Ok(());
        }
        self.beyond += 1;
        if !self.lease.grow(rank.size()) {
            return Err(Full);
        }
        self.ids.push(rank);
        if self.ids.len() >= self.most.saturating_mul(2) {
            self.ids.keep_smallest(self.most);
            self.lease.shrink_to(self.ids.size());
        }
        Ok(())
    }

    /// All are told.
    pub(super) fn finish(mut self) -> Snapshot {
        self.ids.keep_smallest(self.most);
        let told = self.ids.len();
        self.ids.settle();
        self.lease.shrink_to(self.ids.size());
        Snapshot {
            after: self.after,
            beyond: self.beyond - (told - self.ids.len()),
            ids: self.ids,
            made: self.begun,
            _lease: self.lease,
        }
    }
}

impl Snapshot {
    /// Whether it begins with the first of all.
    pub(super) fn is_whole(&self) -> bool {
        self.after.is_none()
    }

    /// Whether there are ids after its last.
    pub(super) fn has_more(&self) -> bool {
        self.beyond > self.ids.len()
    }

    /// Whether what comes after this id begins in it.
    pub(super) fn covers(&self, rank: &Rank) -> bool {
        let begins = self.after.as_ref().is_none_or(|after| after <= rank);
        let ends = self.has_more() && self.ids.last().is_none_or(|last| *rank >= last);
        begins && !ends
    }

    /// How many there are from this place on, those for which there was no room included.
    pub(super) fn left(&self, at: usize) -> usize {
        self.beyond.saturating_sub(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::ldap::driver::listing::room::Room;

    fn made(numbers: &[u128], after: Option<u128>, most: usize) -> Snapshot {
        let lease = Lease::new(Room::of(1 << 20), 0).unwrap();
        let after = after.map(Rank::Digits);
        let mut collector = Collector::new(IdForm::Uuid, after, most, lease);
        for number in numbers {
            collector.take(Rank::Digits(*number)).unwrap();
        }
        collector.finish()
    }

    #[test]
    fn a_snapshot_of_many_has_the_first_and_knows_of_the_others() {
        let numbers: Vec<u128> = (0..1000).rev().collect();
        let snapshot = made(&numbers, Some(99), 50);
        assert_eq!(snapshot.ids.len(), 50);
        assert_eq!(snapshot.ids.get(0), Some(Rank::Digits(100)));
        assert_eq!(snapshot.ids.last(), Some(Rank::Digits(149)));
        assert_eq!((snapshot.left(0), snapshot.left(50)), (900, 850));
        assert!(snapshot.has_more() && !snapshot.is_whole());
        let covered = [98, 99, 148, 149].map(|n| snapshot.covers(&Rank::Digits(n)));
        assert_eq!(covered, [false, true, true, false]);
    }

    #[test]
    fn a_snapshot_of_few_has_all_once() {
        let snapshot = made(&[5, 3, 5, 1], None, 50);
        assert_eq!((snapshot.ids.len(), snapshot.left(0)), (3, 3));
        assert!(snapshot.is_whole() && !snapshot.has_more());
        assert!(snapshot.covers(&Rank::Digits(5)));
    }

    #[test]
    fn room_is_given_back() {
        let room = Room::of(1000);
        let lease = Lease::new(std::sync::Arc::clone(&room), 0).unwrap();
        let mut collector = Collector::new(IdForm::Uuid, None, 10, lease);
        for number in 0..500 {
            collector.take(Rank::Digits(number)).unwrap();
        }
        let snapshot = collector.finish();
        assert_eq!(room.held(), 160);
        drop(snapshot);
        assert_eq!(room.held(), 0);
        let lease = Lease::new(std::sync::Arc::clone(&room), 0).unwrap();
        let mut collector = Collector::new(IdForm::Uuid, None, 100, lease);
        assert!((0..500).any(|n| collector.take(Rank::Digits(n)).is_err()));
    }
}
