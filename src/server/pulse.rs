//! Whether the workers still turn. A worker is asked only when somebody wants to know, and answers
//! when its runtime next looks at its tasks: without questions it costs nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// Asks after all workers of a door. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Pulse(Arc<[Beat]>);

/// What is wrong with a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrest {
    /// It has not answered for so long.
    Stuck(Duration),
    /// Its thread has ended.
    Ended,
}

/// The side of the one who asks.
#[derive(Debug)]
struct Beat {
    asked: watch::Sender<u64>,
    answered: Arc<AtomicU64>,
    /// When the question was asked that has no answer yet.
    since: Mutex<Instant>,
}

/// The side of the worker.
#[derive(Debug)]
pub(super) struct Heart {
    asked: watch::Receiver<u64>,
    answered: Arc<AtomicU64>,
}

impl Pulse {
    /// For so many workers.
    pub(super) fn of(workers: usize) -> (Self, Vec<Heart>) {
        let (beats, hearts): (Vec<_>, Vec<_>) = (0..workers).map(|_| Beat::new()).unzip();
        (Self(beats.into()), hearts)
    }

    /// Asks every worker that owes no answer, and tells which have owed one for longer than
    /// `patience` or never will give one. A worker is so found out by the second question at the
    /// earliest.
    #[must_use]
    pub fn arrests(&self, now: Instant, patience: Duration) -> Vec<(usize, Arrest)> {
        let beats = self.0.iter().enumerate();
        beats
            .filter_map(|(worker, beat)| Some((worker, beat.feel(now, patience)?)))
            .collect()
    }
}

impl Beat {
    fn new() -> (Self, Heart) {
        let (asked, hears) = watch::channel(0);
        let answered = Arc::new(AtomicU64::new(0));
        let beat = Self {
            asked,
            answered: Arc::clone(&answered),
            since: Mutex::new(Instant::now()),
        };
        let heart = Heart {
            asked: hears,
            answered,
        };
        (beat, heart)
    }

    fn feel(&self, now: Instant, patience: Duration) -> Option<Arrest> {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        if self.asked.is_closed() {
            return Some(Arrest::Ended);
        }
        if self.answered.load(Ordering::Acquire) == *self.asked.borrow() {
            *since = now;
            self.asked.send_modify(|asked| *asked += 1);
            return None;
        }
        let owed = now.saturating_duration_since(*since);
        (owed > patience).then_some(Arrest::Stuck(owed))
    }
}

impl Heart {
    /// Answers for as long as anybody can ask.
    pub(super) async fn beat(mut self) {
        while self.asked.changed().await.is_ok() {
            let asked = *self.asked.borrow_and_update();
            self.answered.store(asked, Ordering::Release);
        }
        // Gone is who asks, not the worker.
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn a_worker_is_stuck_when_it_owes_an_answer_for_too_long() {
        let (pulse, mut hearts) = Pulse::of(2);
        let start = Instant::now();
        let turning = tokio::spawn(hearts.remove(0).beat());
        let stuck = hearts.remove(0);
        let after = |seconds| pulse.arrests(start + Duration::from_secs(seconds), PATIENCE);
        assert_eq!(after(1000), []);
        tokio::task::yield_now().await;
        assert_eq!(after(1030), []);
        tokio::task::yield_now().await;
        let owes = Arrest::Stuck(Duration::from_secs(31));
        assert_eq!(after(1031), [(1, owes)]);
        // It was a long pause, and it is over.
        let turning_again = tokio::spawn(stuck.beat());
        tokio::task::yield_now().await;
        assert_eq!(after(1032), []);
        tokio::task::yield_now().await;
        assert_eq!(after(1100), []);

        turning.abort();
        assert!(turning.await.is_err());
        assert_eq!(after(1101), [(0, Arrest::Ended)]);
        turning_again.abort();
    }
}
