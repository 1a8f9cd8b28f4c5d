//! What outlives a snapshot: admission, the count of writes under way, locks per resource, request
//! ids, and whether we are about to stop.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{
    Notify, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, OwnedSemaphorePermit, RwLock, Semaphore,
};

use super::clients::Clients;
use super::guard::Guards;
use crate::audit::Trail;
use crate::auth::issue::Replays;
use crate::auth::rate::Rates;
use crate::auth::throttle::Throttle;
use crate::config::Snapshot;
use crate::telemetry::Metrics;

/// How much of everything. All of it is explicit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest request body, in bytes.
    pub body: usize,
    /// How long a body may take to arrive.
    pub body_time: Duration,
    /// How long a request may take from its head to the head of its answer.
    pub request_time: Duration,
    /// The same for a bulk request: its operations run one after the other.
    pub bulk_time: Duration,
    /// How many operations a bulk request may have.
    pub bulk_operations: usize,
    /// The largest body of a bulk request.
    pub bulk_body: usize,
    /// How many requests may be under way at a time, in this process.
    pub in_flight: usize,
    /// How much of a list is held before its head is sent: up to here errors get their status.
    pub commit_point: usize,
    /// The `maxResults` that discovery tells.
    pub max_results: usize,
}

/// The state of the gateway; one per process.
#[derive(Debug)]
pub struct State {
    limits: Limits,
    metrics: Arc<Metrics>,
    places: Arc<Semaphore>,
    locks: Mutex<HashMap<String, Weak<RwLock<()>>>>,
    writes: AtomicUsize,
    idle: Notify,
    draining: AtomicBool,
    instance: u64,
    requests: AtomicU64,
    clients: Arc<Clients>,
    rates: Rates,
    throttle: Throttle,
    replays: Replays,
    trail: Trail,
    guards: Guards,
    started: Instant,
}

/// A place among the requests under way. It is free again when the last clone is dropped: that of
/// a read goes into the body of its answer, that of a write into its task.
#[derive(Debug, Clone)]
pub struct Admission {
    _place: Arc<OwnedSemaphorePermit>,
}

/// A write under way; dropping this says that it is over.
#[derive(Debug)]
pub struct Writing(Arc<State>);

/// The only writer of one resource, as far as this process goes, or one of several who need not
/// see it first.
#[derive(Debug)]
pub struct Held {
    state: Arc<State>,
    key: String,
    guard: Option<Share>,
}

#[derive(Debug)]
enum Share {
    Alone(#[expect(dead_code, reason = "it is held")] OwnedRwLockWriteGuard<()>),
    WithOthers(#[expect(dead_code, reason = "it is held")] OwnedRwLockReadGuard<()>),
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 1024 * 1024,
            body_time: Duration::from_secs(30),
            request_time: Duration::from_secs(30),
            bulk_time: Duration::from_secs(120),
            bulk_operations: 1_000,
            bulk_body: 1024 * 1024,
            in_flight: 1_024,
            commit_point: 256 * 1024,
            max_results: 1_000,
        }
    }
}

impl State {
    /// A state in which nothing is under way.
    #[must_use]
    pub fn new(limits: Limits, metrics: Arc<Metrics>) -> Self {
        Self {
            limits,
            metrics,
            places: Arc::new(Semaphore::new(limits.in_flight.min(Semaphore::MAX_PERMITS))),
            locks: Mutex::default(),
            writes: AtomicUsize::new(0),
            idle: Notify::new(),
            draining: AtomicBool::new(false),
            instance: RandomState::new().hash_one(std::process::id()),
            requests: AtomicU64::new(0),
            clients: Arc::default(),
            rates: Rates::default(),
            throttle: Throttle::default(),
            replays: Replays::default(),
            trail: Trail::off(),
            guards: Guards::default(),
            started: Instant::now(),
        }
    }

    /// The same with an audit trail.
    #[must_use]
    pub fn with_trail(self, trail: Trail) -> Self {
        Self { trail, ..self }
    }

    /// The audit trail.
    #[must_use]
    pub fn trail(&self) -> &Trail {
        &self.trail
    }

    /// The limits.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Where things are counted.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// The SCIM clients that were seen.
    #[must_use]
    pub fn clients(&self) -> &Arc<Clients> {
        &self.clients
    }

    /// How often accounts call.
    #[must_use]
    pub fn rates(&self) -> &Rates {
        &self.rates
    }

    /// Who fails to prove who they are.
    #[must_use]
    pub fn throttle(&self) -> &Throttle {
        &self.throttle
    }

    /// The assertions of OAuth clients that were taken.
    #[must_use]
    pub fn replays(&self) -> &Replays {
        &self.replays
    }

    /// What the guards of tenants remember.
    #[must_use]
    pub fn guards(&self) -> &Guards {
        &self.guards
    }

    /// The time since this state began: the clock of [`Self::rates`], [`Self::throttle`] and
    /// [`Self::guards`], which never goes back.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Forgets what belongs to tenants and accounts that are no more.
    pub fn prune(&self, snapshot: &Snapshot) {
        self.clients.prune(snapshot);
        self.rates.prune(&snapshot.auth);
        self.guards.prune(snapshot);
    }

    /// A place for one more request, at once or not at all.
    #[must_use]
    pub fn admit(&self) -> Option<Admission> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Admission {
            _place: Arc::new(place),
        })
    }

    /// How many more requests could be taken.
    #[must_use]
    pub fn free_places(&self) -> usize {
        self.places.available_permits()
    }

    /// Notes that a write begins.
    #[must_use]
    pub fn begin_write(self: &Arc<Self>) -> Writing {
        self.writes.fetch_add(1, Ordering::AcqRel);
        self.metrics.writes_in_flight().inc();
        Writing(Arc::clone(self))
    }

    /// How many writes are under way, those of clients that have hung up included.
    #[must_use]
    pub fn writes(&self) -> usize {
        self.writes.load(Ordering::Acquire)
    }

    /// Waits until no write is under way. A drain waits for this as well as for its connections.
    pub async fn writes_idle(&self) {
        loop {
            let mut idle = std::pin::pin!(self.idle.notified());
            idle.as_mut().enable();
            if self.writes() == 0 {
                return;
            }
            idle.await;
        }
    }

    /// Says that we are about to stop: readiness goes, requests under way go on.
    pub fn start_draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Whether we are about to stop.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// An id for a request that brought none.
    #[must_use]
    pub fn next_request_id(&self) -> Arc<str> {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        format!("{:016x}-{number:x}", self.instance).into()
    }

    /// Waits to be the only writer of a resource in this process: nobody changes it between its
    /// being read and its being written, so that whoever must read first comes to an end.
    pub async fn hold(self: &Arc<Self>, tenant: &str, resource: &str, id: &str) -> Held {
        let (lock, mut held) = self.lock_of(tenant, resource, id);
        held.guard = Some(Share::Alone(lock.write_owned().await));
        held
    }

    /// Waits until nobody is the only writer of a resource in this process. Many may write so at a
    /// time.
    pub async fn share(self: &Arc<Self>, tenant: &str, resource: &str, id: &str) -> Held {
        let (lock, mut held) = self.lock_of(tenant, resource, id);
        held.guard = Some(Share::WithOthers(lock.read_owned().await));
        held
    }

    fn lock_of(
        self: &Arc<Self>,
        tenant: &str,
        resource: &str,
        id: &str,
    ) -> (Arc<RwLock<()>>, Held) {
        // No name has a line break in it.
        let key = format!("{tenant}\n{resource}\n{id}");
        let lock = {
            let mut locks = self.locks();
            let present = locks.get(&key).and_then(Weak::upgrade);
            present.unwrap_or_else(|| {
                let lock = Arc::new(RwLock::new(()));
                locks.insert(key.clone(), Arc::downgrade(&lock));
                lock
            })
        };
        // Made before the wait, so that a wait that is given up leaves nothing behind.
        let held = Held {
            state: Arc::clone(self),
            key,
            guard: None,
        };
        (lock, held)
    }

    fn locks(&self) -> MutexGuard<'_, HashMap<String, Weak<RwLock<()>>>> {
        self.locks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.0.metrics.writes_in_flight().dec();
        if self.0.writes.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.guard = None;
        let mut locks = self.state.locks();
        // Locks are only ever taken from the map under this mutex: nobody is left means nobody.
        if locks
            .get(&self.key)
            .is_some_and(|lock| lock.strong_count() == 0)
        {
            locks.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(in_flight: usize) -> Arc<State> {
        let limits = Limits {
            in_flight,
            ..Limits::default()
        };
        Arc::new(State::new(limits, Arc::new(Metrics::new())))
    }

    #[test]
    fn places_are_free_again_when_the_last_holder_is_gone() {
        let state = state(1);
        let first = state.admit().unwrap();
        let task = first.clone();
        assert!(state.admit().is_none());
        drop(first);
        assert!(state.admit().is_none());
        drop(task);
        assert!(state.admit().is_some());
    }

    #[tokio::test]
    async fn a_drain_waits_for_the_last_write() {
        let state = state(1);
        state.writes_idle().await;
        let (one, two) = (state.begin_write(), state.begin_write());
        let waiting = {
            let state = Arc::clone(&state);
            tokio::spawn(async move { state.writes_idle().await })
        };
        drop(one);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(two);
        waiting.await.unwrap();
    }

    #[tokio::test]
    async fn one_writer_per_resource_and_no_lock_is_left_behind() {
        let state = state(1);
        let first = state.hold("corp", "User", "1").await;
        let other = state.hold("corp", "User", "2").await;
        let second = {
            let state = Arc::clone(&state);
            tokio::spawn(async move { drop(state.hold("corp", "User", "1").await) })
        };
        let given_up = {
            let state = Arc::clone(&state);
            tokio::spawn(async move { drop(state.hold("corp", "User", "1").await) })
        };
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        given_up.abort();
        assert!(given_up.await.is_err());
        drop(first);
        second.await.unwrap();
        drop(other);
        assert_eq!(state.locks().len(), 0);
    }

    #[test]
    fn request_ids_are_never_the_same() {
        let state = state(1);
        assert_ne!(state.next_request_id(), state.next_request_id());
    }
}
