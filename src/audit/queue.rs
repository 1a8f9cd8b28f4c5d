//! What waits for the writer: bounded, and whoever puts something in never waits for room.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::line::Head;
use super::record::Record;

/// The queue, and what the writer tells of itself.
#[derive(Debug, Default)]
pub(super) struct Queue {
    inner: Mutex<Inner>,
    /// Something is there, or it is time to end.
    more: Condvar,
    /// The writer has ended.
    over: Condvar,
    ended: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: VecDeque<Entry>,
    bytes: usize,
    gap: Gap,
    closing: bool,
}

/// A record that waits.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) record: Record,
    /// Who wants to hear whether it is written.
    pub(super) tell: Option<oneshot::Sender<bool>>,
}

/// How urgent a record is: the less, the sooner there is no room for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// What became of a write that was sent.
    Outcome,
    /// A write that is about to be sent.
    Intent,
    /// Everything else; strangers can cause such.
    Other,
}

/// What is missing in the chain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Gap {
    /// Records of what has happened all the same.
    pub(super) lost: u64,
    /// Writes that were not sent for it.
    pub(super) refused: u64,
}

/// How the trail is.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// Where the chain stands.
    pub head: Head,
    /// Records lost since the start.
    pub lost: u64,
    /// Writes refused since the start.
    pub refused: u64,
    /// Why nothing can be written, where that is so.
    pub down: Option<String>,
    /// Since when the writer has been at one thing.
    pub(super) busy: Option<Instant>,
}

/// What the writer gets to do.
pub(super) enum Order {
    /// To write these.
    Write(Vec<Entry>),
    /// The time is over.
    Look,
    /// To end.
    End,
}

impl Queue {
    /// Takes a record; gives it back, at once, where there is no room.
    pub(super) fn put(&self, entry: Entry, class: Class) -> Result<(), Entry> {
        let mut inner = self.lock();
        let (most, largest) = match class {
            Class::Outcome => (RECORDS, BYTES),
            Class::Intent => (RECORDS / 4 * 3, BYTES / 4 * 3),
            Class::Other => (RECORDS / 2, BYTES / 2),
        };
        let bytes = inner.bytes + entry.record.members().len();
        if inner.entries.len() >= most || bytes > largest || self.ended.load(Ordering::Acquire) {
            return Err(entry);
        }
        inner.bytes = bytes;
        inner.entries.push_back(entry);
        drop(inner);
        self.more.notify_one();
        Ok(())
    }

    /// Notes what is missing.
    pub(super) fn miss(&self, gap: Gap) {
        let mut inner = self.lock();
        inner.gap.lost += gap.lost;
        inner.gap.refused += gap.refused;
        drop(inner);
        let mut state = self.state();
        state.lost += gap.lost;
        state.refused += gap.refused;
    }

    /// What is missing, as far as the chain does not say so yet.
    pub(super) fn gap(&self) -> Gap {
        self.lock().gap
    }

    /// The chain says now that so much is missing.
    pub(super) fn told(&self, gap: Gap) {
        let mut inner = self.lock();
        inner.gap.lost = inner.gap.lost.saturating_sub(gap.lost);
        inner.gap.refused = inner.gap.refused.saturating_sub(gap.refused);
    }

    /// Waits for something to do, at most so long.
    pub(super) fn take(&self, wait: Duration) -> Order {
        let until = Instant::now() + wait;
        let mut inner = self.lock();
        loop {
            if !inner.entries.is_empty() {
                let count = inner.entries.len().min(BATCH);
                let entries: Vec<_> = inner.entries.drain(..count).collect();
                let bytes: usize = entries
                    .iter()
                    .map(|entry| entry.record.members().len())
                    .sum();
                inner.bytes = inner.bytes.saturating_sub(bytes);
                return Order::Write(entries);
            }
            if inner.closing {
                return Order::End;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Order::Look;
            }
            let waited = self.more.wait_timeout(inner, left);
            inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Has the writer end when it has written what waits.
    pub(super) fn close(&self) {
        self.lock().closing = true;
        self.more.notify_one();
    }

    /// The writer has ended.
    pub(super) fn end(&self) {
        let inner = self.lock();
        self.ended.store(true, Ordering::Release);
        drop(inner);
        self.over.notify_all();
    }

    /// Waits for the end of the writer: whether it came in time.
    pub(super) fn ended(&self, wait: Duration) -> bool {
        let inner = self.lock();
        let over = |_: &mut Inner| !self.ended.load(Ordering::Acquire);
        let waited = self.over.wait_timeout_while(inner, wait, over);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// What the writer tells of itself.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many records wait at most, and how large they are together.
pub(super) const RECORDS: usize = 8_192;
const BYTES: usize = 32 << 20;
/// How many are written in one go.
const BATCH: usize = 512;

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn entry() -> Entry {
        Entry {
            record: Record::new("x", UNIX_EPOCH),
            tell: None,
        }
    }

    #[test]
    fn what_matters_more_finds_room_longer() {
        let queue = Queue::default();
        let fill = |class| {
            let mut count = 0;
            while queue.put(entry(), class).is_ok() {
                count += 1;
            }
            count
        };
        assert_eq!(fill(Class::Other), RECORDS / 2);
        assert_eq!(fill(Class::Intent), RECORDS / 4);
        assert_eq!(fill(Class::Outcome), RECORDS / 4);
        assert!(
            matches!(queue.take(Duration::ZERO), Order::Write(entries) if entries.len() == BATCH)
        );
        queue.close();
        let mut left = RECORDS - BATCH;
        while let Order::Write(entries) = queue.take(Duration::ZERO) {
            left -= entries.len();
        }
        assert_eq!(left, 0);
        assert!(matches!(queue.take(Duration::MAX / 4), Order::End));
        queue.end();
        assert!(queue.ended(Duration::ZERO) && queue.put(entry(), Class::Outcome).is_err());
    }
}
