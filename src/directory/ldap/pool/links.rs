//! The connections of one worker to one server.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as Turn, OwnedMutexGuard, OwnedSemaphorePermit};

use super::super::connection::Connection;

/// The connections of one worker to one server.
#[derive(Debug, Default)]
pub(super) struct Links {
    live: Mutex<Vec<Connection>>,
    /// Held by whoever opens another.
    opening: Arc<Turn<()>>,
}

impl Links {
    /// The one with the least under way, and how many there are. Those that are over are let go,
    /// as are idle ones beyond `keep`.
    pub(super) fn least_busy(&self, keep: usize) -> (Option<Connection>, usize) {
        let mut live = self.lock();
        live.retain(Connection::is_usable);
        let mut spare = live.len().saturating_sub(keep);
        live.retain(|connection| {
            let idle = connection.in_flight() == 0
                && connection.lane().available_permits() > 0
                && connection.quiet_for() > SPARE;
            let goes = spare > 0 && idle;
            spare -= usize::from(goes);
            !goes
        });
        let least = live
            .iter()
            .min_by_key(|connection| connection.in_flight())
            .cloned();
        (least, live.len())
    }

    /// One on which no search goes from page to page, and the right to do so.
    pub(super) fn free_lane(&self) -> Option<(Connection, OwnedSemaphorePermit)> {
        let live = self.lock();
        live.iter()
            .filter(|connection| connection.is_usable())
            .find_map(|connection| {
                let lane = Arc::clone(connection.lane()).try_acquire_owned().ok()?;
                Some((connection.clone(), lane))
            })
    }

    pub(super) fn add(&self, connection: Connection) {
        self.lock().push(connection);
    }

    /// The right to open another, where nobody else is at it.
    pub(super) fn try_turn(&self) -> Option<OwnedMutexGuard<()>> {
        Arc::clone(&self.opening).try_lock_owned().ok()
    }

    /// The same, once nobody else is.
    pub(super) async fn turn(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.opening).lock_owned().await
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that was opened for much traffic is kept for so long after it.
const SPARE: Duration = Duration::from_secs(60);
