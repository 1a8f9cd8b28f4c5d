//! Who is on a small door. Its places are few, and whoever reaches it may take one: when all are
//! taken, the guest who has been there longest without asking for anything at this moment makes
//! room. So strangers cannot keep kubelet from learning that we live.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::{AbortHandle, JoinHandle};

/// The connections of one door, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Guests(Mutex<VecDeque<Guest>>);

/// Requests of one connection that are being answered. Clones share the count.
#[derive(Debug, Clone, Default)]
pub(super) struct Asking(Arc<AtomicUsize>);

/// One of them; dropping it ends it.
#[derive(Debug)]
pub(super) struct Asked(Asking);

#[derive(Debug)]
struct Guest {
    asking: Asking,
    task: AbortHandle,
}

impl Guests {
    /// A connection that `task` serves.
    pub(super) fn add(&self, asking: Asking, task: &JoinHandle<()>) {
        let mut guests = self.lock();
        guests.retain(|guest| !guest.task.is_finished());
        guests.push_back(Guest {
            asking,
            task: task.abort_handle(),
        });
    }

    /// Ends the oldest connection on which nothing is being answered, if there is one.
    pub(super) fn make_room(&self) {
        let mut guests = self.lock();
        guests.retain(|guest| !guest.task.is_finished());
        let idle = guests.iter().position(|guest| !guest.asking.is_busy());
        if let Some(guest) = idle.and_then(|at| guests.remove(at)) {
            guest.task.abort();
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Guest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Asking {
    /// A request has come.
    pub(super) fn begin(&self) -> Asked {
        self.0.fetch_add(1, Ordering::Relaxed);
        Asked(self.clone())
    }

    fn is_busy(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
