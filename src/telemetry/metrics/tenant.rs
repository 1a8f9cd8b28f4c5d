//! What one tenant's requests are counted with. Each series is made when it is first counted and
//! then found by its place in a table: the way of a request takes no lock and allocates nothing,
//! and `/metrics` shows no series that never moved; but for what alerts wait for, which begins at
//! zero.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prometheus::core::Metric;
use prometheus::{Histogram, IntCounter};

use super::families::{
    ACCENTS, CONFLICTS, CREDENTIALS, DENIALS, DIRECTORY_DURATION, DISCARDED, DROPPED, Family,
    GUARD_REFUSED, MAPPING_DURATION, MAPPING_ERRORS, PROTECTED_REFUSED, RATE_LIMITED,
    REQUEST_BYTES, REQUEST_DURATION, REQUESTS, RESPONSE_BYTES, UNDECODABLE, UNGUARDED,
};
use super::lines::Lines;
use super::page::Page;
use super::types::Types;
use super::words::{Denial, Direction, NONE, OperationKind, Outcome};
use crate::mapping::{Event, Harm, Witness};
use crate::scim::accent::Accent;

/// The series of one tenant; they end with it.
#[derive(Debug)]
pub struct TenantMetrics {
    name: Arc<str>,
    requests: Types,
    request_duration: Durations,
    directory_duration: Durations,
    mapping_duration: Durations,
    request_bytes: Slot<IntCounter>,
    response_bytes: Slot<IntCounter>,
    denials: [Slot<IntCounter>; 3],
    rate_limited: Slot<IntCounter>,
    guard_refused: [Slot<IntCounter>; Harm::ALL.len()],
    protected_refused: Slot<IntCounter>,
    accents: [Slot<IntCounter>; Accent::ALL.len()],
    dropped: [Slot<IntCounter>; 2],
    discarded: Slot<IntCounter>,
    undecodable: Lines,
    mapping_errors: [Slot<IntCounter>; 2],
    unguarded: Slot<IntCounter>,
    conflicts: Slot<IntCounter>,
    credentials: Slot<IntCounter>,
}

/// What the mapping reports to while it serves a tenant: the [`Witness`] of `serve`.
#[derive(Debug, Clone)]
pub struct Counters(Arc<TenantMetrics>);

/// A series that is made when it is first needed.
#[derive(Debug)]
pub(super) struct Slot<C>(OnceLock<C>);

/// One histogram for each operation, the first for what is none.
#[derive(Debug)]
struct Durations {
    family: &'static Family,
    slots: [Slot<Histogram>; OperationKind::COUNT + 1],
}

impl TenantMetrics {
    pub(super) fn new(name: Arc<str>) -> Self {
        let new = Self {
            name,
            requests: Types::new(NONE),
            request_duration: Durations::new(&REQUEST_DURATION),
            directory_duration: Durations::new(&DIRECTORY_DURATION),
            mapping_duration: Durations::new(&MAPPING_DURATION),
            request_bytes: Slot::new(),
            response_bytes: Slot::new(),
            denials: [const { Slot::new() }; 3],
            rate_limited: Slot::new(),
            guard_refused: [const { Slot::new() }; Harm::ALL.len()],
            protected_refused: Slot::new(),
            accents: [const { Slot::new() }; Accent::ALL.len()],
            dropped: [const { Slot::new() }; 2],
            discarded: Slot::new(),
            undecodable: Lines::new(),
            mapping_errors: [const { Slot::new() }; 2],
            unguarded: Slot::new(),
            conflicts: Slot::new(),
            credentials: Slot::new(),
        };
        if &*new.name != NONE {
            new.begin();
        }
        new
    }

    /// Prometheus' `increase()` does not see how a series appears: the first mishap would alert
    /// nobody. `scripts/test deploy` knows what the alerts ask of.
    fn begin(&self) {
        self.one(&self.unguarded, &UNGUARDED);
        self.one(&self.credentials, &CREDENTIALS);
        self.one(&self.protected_refused, &PROTECTED_REFUSED);
        for (slot, harm) in self.guard_refused.iter().zip(Harm::ALL) {
            slot.get(|| GUARD_REFUSED.counter(&[&self.name, harm.as_str()]));
        }
        for (slot, why) in
            self.denials
                .iter()
                .zip([Denial::Tenant, Denial::Role, Denial::Attribute])
        {
            slot.get(|| DENIALS.counter(&[&self.name, why.as_str()]));
        }
    }

    /// The tenant's name; `-` for requests that found none.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A request was answered, or its client left. `resource` is the name of a type of the rule.
    pub fn answered(
        &self,
        resource: Option<&str>,
        operation: Option<OperationKind>,
        outcome: Outcome,
        took: Duration,
    ) {
        let resource = resource.unwrap_or(NONE);
        let slot = self.requests.slot(resource, operation, outcome);
        slot.get(|| {
            let operation = operation.map_or(NONE, OperationKind::as_str);
            REQUESTS.counter(&[&self.name, resource, operation, outcome.as_str()])
        })
        .inc();
        self.request_duration.observe(&self.name, operation, took);
    }

    /// A request asked the directory, which took so long in all.
    pub fn directory_took(&self, operation: Option<OperationKind>, took: Duration) {
        self.directory_duration.observe(&self.name, operation, took);
    }

    /// Its mapping took so long, both ways together.
    pub fn mapping_took(&self, operation: Option<OperationKind>, took: Duration) {
        self.mapping_duration.observe(&self.name, operation, took);
    }

    /// The body of a request was read.
    pub fn received(&self, bytes: u64) {
        if bytes > 0 {
            self.one(&self.request_bytes, &REQUEST_BYTES).inc_by(bytes);
        }
    }

    /// So much of an answer's body went out.
    pub fn sent(&self, bytes: u64) {
        if bytes > 0 {
            self.one(&self.response_bytes, &RESPONSE_BYTES)
                .inc_by(bytes);
        }
    }

    /// A caller who is known was not let through.
    pub fn denied(&self, why: Denial) {
        self.of(&self.denials, why as usize, &DENIALS, why.as_str());
    }

    /// An account's rate was used up.
    pub fn rate_limited(&self) {
        self.one(&self.rate_limited, &RATE_LIMITED).inc();
    }

    /// The guard had no place for a write.
    pub fn guard_refused(&self, harm: Harm) {
        let slots = &self.guard_refused;
        self.of(slots, harm.index(), &GUARD_REFUSED, harm.as_str());
    }

    /// A write would have harmed what is protected.
    pub fn protected_refused(&self) {
        self.one(&self.protected_refused, &PROTECTED_REFUSED).inc();
    }

    /// A client's accent was understood.
    pub fn accent(&self, accent: Accent) {
        self.of(&self.accents, accent as usize, &ACCENTS, accent.as_str());
    }

    /// The rule could not bring a request or an answer over.
    pub fn mapping_failed(&self, way: Direction) {
        let word = way.as_str();
        self.of(&self.mapping_errors, way as usize, &MAPPING_ERRORS, word);
    }

    /// A write was guarded by a second look only.
    pub fn unguarded_write(&self) {
        self.one(&self.unguarded, &UNGUARDED).inc();
    }

    /// A write was prepared again.
    pub fn write_conflict(&self) {
        self.one(&self.conflicts, &CONFLICTS).inc();
    }

    /// The directory does not accept our credentials.
    pub fn credentials_refused(&self) {
        self.one(&self.credentials, &CREDENTIALS).inc();
    }

    fn dropped(&self, way: Direction) {
        self.of(&self.dropped, way as usize, &DROPPED, way.as_str());
    }

    fn undecodable(&self, line: usize) {
        let slot = self.undecodable.slot(line);
        let line = Lines::shown(line);
        slot.get(|| UNDECODABLE.counter(&[&self.name, &line.to_string()]))
            .inc();
    }

    fn one<'a>(&self, slot: &'a Slot<IntCounter>, family: &Family) -> &'a IntCounter {
        slot.get(|| family.counter(&[&self.name]))
    }

    fn of(&self, slots: &[Slot<IntCounter>], index: usize, family: &Family, word: &str) {
        if let Some(slot) = slots.get(index) {
            slot.get(|| family.counter(&[&self.name, word])).inc();
        }
    }

    /// Adds every series that there is.
    pub(super) fn fill(&self, page: &mut Page) {
        self.requests.fill(page);
        for durations in [
            &self.request_duration,
            &self.directory_duration,
            &self.mapping_duration,
        ] {
            page.slots(durations.family, &durations.slots);
        }
        self.undecodable.fill(page);
        page.slots(&REQUEST_BYTES, [&self.request_bytes]);
        page.slots(&RESPONSE_BYTES, [&self.response_bytes]);
        page.slots(&DENIALS, &self.denials);
        page.slots(&RATE_LIMITED, [&self.rate_limited]);
        page.slots(&GUARD_REFUSED, &self.guard_refused);
        page.slots(&PROTECTED_REFUSED, [&self.protected_refused]);
        page.slots(&ACCENTS, &self.accents);
        page.slots(&DROPPED, &self.dropped);
        page.slots(&DISCARDED, [&self.discarded]);
        page.slots(&MAPPING_ERRORS, &self.mapping_errors);
        page.slots(&UNGUARDED, [&self.unguarded]);
        page.slots(&CONFLICTS, [&self.conflicts]);
        page.slots(&CREDENTIALS, [&self.credentials]);
    }
}

impl Counters {
    /// What counts for this tenant.
    #[must_use]
    pub fn new(tenant: Arc<TenantMetrics>) -> Self {
        Self(tenant)
    }

    /// The tenant's series.
    #[must_use]
    pub fn tenant(&self) -> &Arc<TenantMetrics> {
        &self.0
    }
}

impl Witness for Counters {
    fn saw(&mut self, event: Event<'_>) {
        match event {
            Event::Accent(accent) => self.0.accent(accent),
            Event::Dropped { inbound: true, .. } => self.0.dropped(Direction::Request),
            Event::Dropped { inbound: false, .. } => self.0.dropped(Direction::Answer),
            Event::Discarded { .. } => self.0.one(&self.0.discarded, &DISCARDED).inc(),
            Event::Undecodable { line } => self.0.undecodable(line),
        }
    }
}

impl<C: Metric> Slot<C> {
    pub(super) const fn new() -> Self {
        Self(OnceLock::new())
    }

    pub(super) fn get(&self, make: impl FnOnce() -> C) -> &C {
        self.0.get_or_init(make)
    }

    pub(super) fn made(&self) -> Option<&C> {
        self.0.get()
    }
}

impl Durations {
    fn new(family: &'static Family) -> Self {
        let slots = [const { Slot::new() }; OperationKind::COUNT + 1];
        Self { family, slots }
    }

    fn observe(&self, tenant: &str, operation: Option<OperationKind>, took: Duration) {
        let index = operation.map_or(0, |operation| 1 + operation as usize);
        if let Some(slot) = self.slots.get(index) {
            let word = operation.map_or(NONE, OperationKind::as_str);
            slot.get(|| self.family.histogram(&[tenant, word]))
                .observe(took.as_secs_f64());
        }
    }
}
