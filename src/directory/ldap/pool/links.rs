//! The connections of one worker to one server.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard, OwnedSemaphorePermit};

use super::super::connection::Connection;

/// The connections of one worker to one server.
#[derive(Debug, Default)]
pub(super) struct Links {
    live: Mutex<Live>,
    /// Held by whoever opens another.
    opening: Arc<Turn<()>>,
}

#[derive(Debug, Default)]
struct Live {
    connections: Vec<Connection>,
    /// When one was lost. The server may be gone, and the others with it: none is used on which
    /// nothing has been heard since.
    lost: Option<Instant>,
}

impl Links {
    /// The one with the least under way, and how many there are. Those that are over are let go,
    /// as are idle ones beyond `keep`.
    pub(super) fn least_busy(&self, keep: usize) -> (Option<Connection>, usize) {
        let mut live = self.lock();
        let before = live.connections.len();
        live.connections.retain(Connection::is_usable);
        if live.connections.len() < before {
            live.lose(Instant::now());
        }
        let mut spare = live.connections.len().saturating_sub(keep);
        live.connections.retain(|connection| {
            let goes = spare > 0 && is_idle(connection) && connection.quiet_for() > SPARE;
            spare -= usize::from(goes);
            !goes
        });
        let least = live
            .trusted()
            .min_by_key(|connection| connection.in_flight())
            .cloned();
        (least, live.connections.len())
    }

    /// One on which no search goes from page to page, and the right to do so.
    pub(super) fn free_lane(&self) -> Option<(Connection, OwnedSemaphorePermit)> {
        self.lock().trusted().find_map(|connection| {
            let lane = Arc::clone(connection.lane()).try_acquire_owned().ok()?;
            Some((connection.clone(), lane))
        })
    }

    /// One was lost in the middle of something.
    pub(super) fn lose(&self) {
        self.lock().lose(Instant::now());
    }

    pub(super) fn add(&self, connection: Connection) {
        self.lock().connections.push(connection);
    }

    /// The right to open another, where nobody else is at it.
    pub(super) fn try_turn(&self) -> Option<OwnedMutexGuard<()>> {
        Arc::clone(&self.opening).try_lock_owned().ok()
    }

    /// The same, once nobody else is.
    pub(super) async fn turn(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.opening).lock_owned().await
    }

    fn lock(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Live {
    /// Idle ones are let go at once; the others have to be heard first.
    fn lose(&mut self, now: Instant) {
        self.lost = Some(now);
        self.connections
            .retain(|connection| !is_idle(connection) || connection.last_heard() > now);
    }

    fn trusted(&self) -> impl Iterator<Item = &Connection> {
        self.connections.iter().filter(|connection| {
            connection.is_usable() && self.lost.is_none_or(|at| connection.last_heard() > at)
        })
    }
}

fn is_idle(connection: &Connection) -> bool {
    connection.in_flight() == 0 && connection.lane().available_permits() > 0
}

/// A connection that was opened for much traffic is kept for so long after it.
const SPARE: Duration = Duration::from_secs(60);
