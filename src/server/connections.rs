//! The connections of a door: how many there are, and the word that they are to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{timeout, timeout_at};

use super::entry::Entry;
use crate::net::tls::Switch;

/// Shared by everything that serves one door.
#[derive(Debug, Clone)]
pub(super) struct Connections(Arc<Shared>);

/// One connection. Dropping it counts it out.
#[derive(Debug)]
pub(super) struct Connection {
    shared: Arc<Shared>,
    phase: watch::Receiver<State>,
    entry: Entry,
    _place: OwnedSemaphorePermit,
}

/// Something that may still bring connections: a listener, or a socket that waits for its place.
/// A drain waits until it is dropped.
#[derive(Debug)]
pub(super) struct Source(Arc<Shared>);

/// Tells how the door stands, without waiting.
#[derive(Debug, Clone)]
pub(super) struct Standing(watch::Receiver<State>);

#[derive(Debug)]
struct Shared {
    places: Arc<Semaphore>,
    left: watch::Sender<Left>,
    phase: watch::Sender<State>,
    cut: AtomicUsize,
}

/// What a drain waits for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Left {
    connections: usize,
    sources: usize,
}

/// What every connection of a door hears of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    phase: Phase,
    /// The number of what clients are checked against.
    trust: u64,
}

/// How a door stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// It accepts.
    Open,
    /// It accepts, and asks clients to come back elsewhere.
    Leaving,
    /// Connections end after the request under way.
    Draining,
    /// Connections end now.
    Cut,
}

impl Connections {
    pub(super) fn new(limit: usize) -> Self {
        Self(Arc::new(Shared {
            places: Arc::new(Semaphore::new(limit.clamp(1, Semaphore::MAX_PERMITS))),
            left: watch::Sender::default(),
            phase: watch::Sender::new(State {
                phase: Phase::Open,
                trust: 0,
            }),
            cut: AtomicUsize::new(0),
        }))
    }

    /// Counts a source in.
    pub(super) fn source(&self) -> Source {
        self.0.left.send_modify(|left| left.sources += 1);
        Source(Arc::clone(&self.0))
    }

    /// Waits for a place. None once everything is cut, which counts as a connection cut.
    pub(super) async fn enter(&self) -> Option<Connection> {
        let mut phase = self.0.phase.subscribe();
        let place = tokio::select! {
            biased;
            () = reached(&mut phase, Phase::Cut) => {
                self.0.cut.fetch_add(1, Ordering::Release);
                return None;
            }
            place = Arc::clone(&self.0.places).acquire_owned() => place.ok()?,
        };
        self.0.left.send_modify(|left| left.connections += 1);
        Some(Connection {
            shared: Arc::clone(&self.0),
            phase,
            entry: Entry::default(),
            _place: place,
        })
    }

    pub(super) fn open(&self) -> usize {
        self.0.left.borrow().connections
    }

    /// Ready once the door drains.
    pub(super) async fn draining(&self) {
        reached(&mut self.0.phase.subscribe(), Phase::Draining).await;
    }

    /// See [`super::Running::leave`].
    pub(super) fn leave(&self) {
        self.enter_phase(Phase::Leaving);
    }

    /// See [`super::Running::drain`].
    pub(super) async fn drain(&self, deadline: Instant) -> usize {
        self.enter_phase(Phase::Draining);
        let mut left = self.0.left.subscribe();
        let nothing = |left: &Left| *left == Left::default();
        if timeout_at(deadline.into(), left.wait_for(nothing))
            .await
            .is_err()
        {
            self.enter_phase(Phase::Cut);
            // They only have to be dropped, unless a worker is stuck; the sender lives as long as
            // `self`.
            let _ = timeout(CUTTING, left.wait_for(nothing)).await;
        }
        let stuck = left.borrow().connections;
        self.0.cut.load(Ordering::Acquire).saturating_add(stuck)
    }

    fn enter_phase(&self, phase: Phase) {
        self.0.phase.send_if_modified(|now| {
            let later = now.phase < phase;
            now.phase = phase.max(now.phase);
            later
        });
    }

    /// Tells every connection, each time that clients are checked against something else.
    pub(super) async fn follow(self, switch: Arc<Switch>) {
        let mut changes = switch.changes();
        // It does not keep alive what it follows.
        drop(switch);
        loop {
            let trust = *changes.borrow_and_update();
            self.0.phase.send_if_modified(|now| {
                let other = now.trust != trust;
                now.trust = trust;
                other
            });
            if changes.changed().await.is_err() {
                return;
            }
        }
    }
}

impl Connection {
    /// How its client was let in.
    pub(super) fn admit(&mut self, entry: Entry) {
        self.entry = entry;
    }

    /// Ready once the connection is to end after the request under way: the door drains, or who
    /// was let in would not be any more.
    pub(super) async fn draining(&mut self) {
        let Self { phase, entry, .. } = self;
        loop {
            let due = |now: &State| now.phase >= Phase::Draining || !entry.is_judged_by(now.trust);
            let now = phase.wait_for(due).await.map(|now| *now);
            let Ok(now) = now else {
                return std::future::pending().await;
            };
            if now.phase >= Phase::Draining || !entry.is_welcome() {
                return;
            }
            // Who is still welcome is judged by what is served now, which may be newer than what
            // was told: that is to come.
            if !entry.is_judged_by(now.trust) && phase.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// How the door stands.
    pub(super) fn standing(&self) -> Standing {
        Standing(self.phase.clone())
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

impl Standing {
    /// Whether clients had better come back elsewhere.
    pub(super) fn is_leaving(&self) -> bool {
        self.0.borrow().phase >= Phase::Leaving
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.shared.left.send_modify(|left| left.connections -= 1);
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.0.left.send_modify(|left| left.sources -= 1);
    }
}

/// Ready when the phase is reached; never, when the door is gone before.
async fn reached(state: &mut watch::Receiver<State>, wanted: Phase) {
    if state.wait_for(|now| now.phase >= wanted).await.is_err() {
        std::future::pending().await
    }
}

/// How long a drain waits for what it has cut.
const CUTTING: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    /// As those on a worker that is stuck.
    #[tokio::test]
    async fn a_connection_that_cannot_be_cut_does_not_hold_up_the_end() {
        let connections = Connections::new(9);
        let _source = connections.source();
        let _held = connections.enter().await;
        let cut = connections.drain(Instant::now());
        let cut = timeout(Duration::from_secs(60), cut).await;
        assert_eq!(cut, Ok(1));
    }
}
