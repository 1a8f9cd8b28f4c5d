//! How much memory the walks of all tenants may take together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Memory that is shared by those who hold a [`Lease`] of it.
#[derive(Debug)]
pub(super) struct Room {
    most: usize,
    held: AtomicUsize,
}

/// A part of it; given back when this is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    room: Arc<Room>,
    bytes: usize,
}

impl Room {
    /// Of so many bytes.
    pub(super) fn of(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            held: AtomicUsize::new(0),
        })
    }

    /// How many bytes are held.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.held.load(Relaxed)
    }

    fn take(&self, bytes: usize) -> bool {
        let more = |held: usize| held.checked_add(bytes).filter(|held| *held <= self.most);
        self.held.fetch_update(Relaxed, Relaxed, more).is_ok()
    }
}

impl Lease {
    /// So many bytes of the room, if there are.
    pub(super) fn new(room: Arc<Room>, bytes: usize) -> Option<Self> {
        // Not `then_some`: a lease that was not granted must not be given back.
        room.take(bytes).then(|| Self { room, bytes })
    }

    /// Takes more, if there is any.
    pub(super) fn grow(&mut self, bytes: usize) -> bool {
        let grown = self.room.take(bytes);
        if grown {
            self.bytes += bytes;
        }
        grown
    }

    /// Gives back what is above.
    pub(super) fn shrink_to(&mut self, bytes: usize) {
        let spare = self.bytes.saturating_sub(bytes);
        self.bytes -= spare;
        self.room.held.fetch_sub(spare, Relaxed);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}
