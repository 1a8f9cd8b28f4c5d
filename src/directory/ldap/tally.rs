//! How the connections to one place are. The numbers belong to the place: when a reload opens
//! another pool to it, they go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::directory::Vitals;

/// The numbers of one place.
#[derive(Debug, Default)]
pub(super) struct Tally {
    open: AtomicU64,
    busy: AtomicU64,
    waiting: AtomicU64,
    connect_failures: AtomicU64,
    retries: AtomicU64,
}

/// Counts one more for as long as it lives.
#[derive(Debug)]
pub(super) struct Counted {
    tally: Arc<Tally>,
    of: fn(&Tally) -> &AtomicU64,
}

impl Tally {
    pub(super) fn vitals(&self) -> Vitals {
        let open = self.open.load(Relaxed);
        Vitals {
            open,
            idle: open.saturating_sub(self.busy.load(Relaxed)),
            waiting: self.waiting.load(Relaxed),
            connect_failures: self.connect_failures.load(Relaxed),
            retries: self.retries.load(Relaxed),
        }
    }

    pub(super) fn connect_failed(&self) {
        self.connect_failures.fetch_add(1, Relaxed);
    }

    pub(super) fn retried(&self) {
        self.retries.fetch_add(1, Relaxed);
    }

    pub(super) fn begin(&self) {
        self.busy.fetch_add(1, Relaxed);
    }

    pub(super) fn end(&self) {
        self.busy.fetch_sub(1, Relaxed);
    }
}

impl Counted {
    /// A connection that stands.
    pub(super) fn open(tally: &Arc<Tally>) -> Self {
        Self::new(tally, |tally| &tally.open)
    }

    /// Somebody waits.
    pub(super) fn waiting(tally: &Arc<Tally>) -> Self {
        Self::new(tally, |tally| &tally.waiting)
    }

    fn new(tally: &Arc<Tally>, of: fn(&Tally) -> &AtomicU64) -> Self {
        of(tally).fetch_add(1, Relaxed);
        Self {
            tally: Arc::clone(tally),
            of,
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.of)(&self.tally).fetch_sub(1, Relaxed);
    }
}
