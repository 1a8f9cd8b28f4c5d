//! The connections of a door: how many there are, and the word that they are to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout_at;

/// Shared by everything that serves one door.
#[derive(Debug, Clone)]
pub(super) struct Connections(Arc<Shared>);

/// One connection. Dropping it counts it out.
#[derive(Debug)]
pub(super) struct Connection {
    shared: Arc<Shared>,
    phase: watch::Receiver<Phase>,
    _place: OwnedSemaphorePermit,
}

#[derive(Debug)]
struct Shared {
    places: Arc<Semaphore>,
    open: watch::Sender<usize>,
    phase: watch::Sender<Phase>,
    cut: AtomicUsize,
}

/// How a door stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// It accepts.
    Open,
    /// Connections end after the request under way.
    Draining,
    /// Connections end now.
    Cut,
}

impl Connections {
    pub(super) fn new(limit: usize) -> Self {
        Self(Arc::new(Shared {
            places: Arc::new(Semaphore::new(limit.clamp(1, Semaphore::MAX_PERMITS))),
            open: watch::Sender::new(0),
            phase: watch::Sender::new(Phase::Open),
            cut: AtomicUsize::new(0),
        }))
    }

    /// Waits for a place; none once the door drains.
    pub(super) async fn enter(&self) -> Option<Connection> {
        let mut phase = self.0.phase.subscribe();
        let place = tokio::select! {
            biased;
            () = reached(&mut phase, Phase::Draining) => return None,
            place = Arc::clone(&self.0.places).acquire_owned() => place.ok()?,
        };
        self.0.open.send_modify(|open| *open += 1);
        Some(Connection {
            shared: Arc::clone(&self.0),
            phase,
            _place: place,
        })
    }

    pub(super) fn open(&self) -> usize {
        *self.0.open.borrow()
    }

    /// Ready once the door drains.
    pub(super) async fn draining(&self) {
        reached(&mut self.0.phase.subscribe(), Phase::Draining).await;
    }

    /// See [`super::Running::drain`].
    pub(super) async fn drain(&self, deadline: Instant) -> usize {
        self.enter_phase(Phase::Draining);
        let mut open = self.0.open.subscribe();
        if timeout_at(deadline.into(), open.wait_for(|open| *open == 0))
            .await
            .is_err()
        {
            self.enter_phase(Phase::Cut);
            // They only have to be dropped; the sender lives as long as `self`.
            let _ = open.wait_for(|open| *open == 0).await;
        }
        self.0.cut.load(Ordering::Acquire)
    }

    fn enter_phase(&self, phase: Phase) {
        self.0.phase.send_if_modified(|now| {
            let later = *now < phase;
            *now = phase.max(*now);
            later
        });
    }
}

impl Connection {
    /// Ready once the connection is to end after the request under way.
    pub(super) async fn draining(&mut self) {
        reached(&mut self.phase, Phase::Draining).await;
    }

    /// Runs it until it ends by itself or is cut.
    pub(super) async fn run<L>(self, life: impl FnOnce(Self) -> L)
    where
        L: Future<Output = ()>,
    {
        let mut phase = self.phase.clone();
        let shared = Arc::clone(&self.shared);
        let cut = async {
            reached(&mut phase, Phase::Cut).await;
            // Before the connection is dropped and counted out: the drain waits for that.
            shared.cut.fetch_add(1, Ordering::Release);
        };
        tokio::select! {
            biased;
            () = life(self) => {}
            () = cut => {}
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.shared.open.send_modify(|open| *open -= 1);
    }
}

/// Ready when the phase is reached; never, when the door is gone before.
async fn reached(phase: &mut watch::Receiver<Phase>, wanted: Phase) {
    if phase.wait_for(|now| *now >= wanted).await.is_err() {
        std::future::pending().await
    }
}
