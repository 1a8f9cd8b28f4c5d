//! Which worker a thread is.
//!
//! Every worker is a runtime of its own, and a connection lives on the runtime that opened it: used
//! from another, it would wake threads back and forth, and stop with its runtime. So whatever
//! keeps connections keeps them by shard, and a request uses those of its own thread.

use std::cell::Cell;

/// One worker, or all threads that are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard(usize);

/// More workers than this share shards with one another.
pub const MOST_WORKERS: usize = 64;

/// How many shards there can be.
pub const SHARDS: usize = MOST_WORKERS + 1;

impl Shard {
    /// The shard of this thread.
    #[must_use]
    pub fn current() -> Self {
        Self(CURRENT.get())
    }

    /// From 0, below [`SHARDS`].
    #[must_use]
    pub fn index(self) -> usize {
        self.0
    }

    /// Makes this thread the worker of this number, from 0.
    pub fn enter(worker: usize) {
        CURRENT.set(1 + worker % MOST_WORKERS);
    }
}

thread_local! {
    /// 0 is every thread that is no worker.
    static CURRENT: Cell<usize> = const { Cell::new(0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_thread_has_its_own() {
        let of = |worker: Option<usize>| {
            let thread = std::thread::spawn(move || {
                if let Some(worker) = worker {
                    Shard::enter(worker);
                }
                Shard::current().index()
            });
            thread.join().unwrap()
        };
        assert_eq!(of(None), 0);
        assert_eq!((of(Some(0)), of(Some(1))), (1, 2));
        assert!(of(Some(MOST_WORKERS - 1)) < SHARDS);
        assert_eq!(of(Some(MOST_WORKERS)), 1);
    }
}
