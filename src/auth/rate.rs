//! How often an account may call. The bucket of an account (GCRA: one number says when it will be
//! full again) outlives reloads, and is that of this process alone.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use super::{Authenticator, Caller};
use crate::yaml::{Diagnostic, Diagnostics, Node, Source, Table, Value};

/// So many requests in a time, and so many at once after a rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    count: u64,
    per: Per,
    burst: u64,
}

/// The buckets of all accounts that have a rate.
#[derive(Debug, Default)]
pub struct Rates(RwLock<HashMap<Arc<str>, (Rate, Bucket)>>);

/// When what was taken will have come back, in nanoseconds; in the past, it is full.
#[derive(Debug, Default)]
pub(super) struct Bucket(AtomicU64);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Per {
    Second,
    Minute,
    Hour,
}

impl Rates {
    /// Takes one request of the caller's account out of its bucket. Time is since a moment that
    /// stays the same, such as the start of the process.
    ///
    /// # Errors
    /// How long until there is one again.
    pub fn take(&self, caller: &Caller, now: Duration) -> Result<(), Duration> {
        self.of(caller, |rate, bucket| bucket.take(rate, 1, 1, now))
    }

    /// The same for so many operations more of a request that was taken: all of them at once, and
    /// out of a full bucket more than it holds, so that no request waits for ever.
    ///
    /// # Errors
    /// How long until the request, sent again, finds enough.
    pub fn take_more(&self, caller: &Caller, more: usize, now: Duration) -> Result<(), Duration> {
        let more = u64::try_from(more).unwrap_or(u64::MAX);
        self.of(caller, |rate, bucket| {
            let needed = more.min(rate.burst.saturating_sub(1));
            let again = |wait: Duration| wait.saturating_add(Duration::from_nanos(rate.interval()));
            bucket.take(rate, needed, more, now).map_err(again)
        })
    }

    /// Forgets the accounts that are no more, or have no rate any more.
    pub fn prune(&self, access: &Authenticator) {
        let limited = access.accounts().filter(|account| account.rate.is_some());
        let names: HashSet<&str> = limited.map(|account| &*account.name).collect();
        let mut buckets = self.0.write().unwrap_or_else(PoisonError::into_inner);
        buckets.retain(|name, _| names.contains(&**name));
    }

    fn of(
        &self,
        caller: &Caller,
        take: impl Fn(Rate, &Bucket) -> Result<(), Duration>,
    ) -> Result<(), Duration> {
        let Some(rate) = caller.account.rate else {
            return Ok(());
        };
        let name = caller.account();
        if let Some((known, bucket)) = self.buckets().get(name)
            && *known == rate
        {
            return take(rate, bucket);
        }
        let mut buckets = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // Another worker may have been here first.
        let (known, bucket) = buckets
            .entry(Arc::clone(name))
            .or_insert_with(|| (rate, Bucket::default()));
        if *known != rate {
            // What was taken at another rate says nothing.
            (*known, *bucket) = (rate, Bucket::default());
        }
        take(rate, bucket)
    }

    fn buckets(&self) -> RwLockReadGuard<'_, HashMap<Arc<str>, (Rate, Bucket)>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bucket {
    /// How long it will take until there is one in it, where there is none. Nothing is taken.
    pub(super) fn wait(&self, rate: Rate, now: Duration) -> Option<Duration> {
        let (now, interval) = (nanos(now), rate.interval());
        let room = interval.saturating_mul(rate.burst);
        let from = self.0.load(Ordering::Relaxed).max(now);
        let missing = (from - now).saturating_add(interval);
        let wait = missing.checked_sub(room).filter(|wait| *wait > 0);
        wait.map(Duration::from_nanos)
    }

    /// Takes `taken` out if `needed` are in it. Otherwise nothing changes, and it is told how long
    /// that will take.
    pub(super) fn take(
        &self,
        rate: Rate,
        needed: u64,
        taken: u64,
        now: Duration,
    ) -> Result<(), Duration> {
        let (now, interval) = (nanos(now), rate.interval());
        let room = interval.saturating_mul(rate.burst);
        let mut full_at = self.0.load(Ordering::Relaxed);
        loop {
            let from = full_at.max(now);
            let missing = (from - now).saturating_add(interval.saturating_mul(needed));
            if missing > room {
                return Err(Duration::from_nanos(missing - room));
            }
            let next = from.saturating_add(interval.saturating_mul(taken));
            let order = Ordering::Relaxed;
            match self.0.compare_exchange_weak(full_at, next, order, order) {
                Ok(_) => return Ok(()),
                Err(present) => full_at = present,
            }
        }
    }

    /// When it will be full, since the same moment as `now` is.
    pub(super) fn full_at(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

impl Rate {
    /// So many in a second, and so many at once.
    pub(super) const fn per_second(count: u64, burst: u64) -> Self {
        Self {
            count,
            per: Per::Second,
            burst,
        }
    }

    /// Reads `{requests: 50/s, burst: 100}`.
    pub(super) fn read(node: &Node, source: &Source, found: &mut Diagnostics) -> Option<Self> {
        let mut table = Table::open(source, node, "`rate`", found)?;
        let requests = table.required("requests", found);
        let burst = table.optional("burst");
        table.finish(found);
        let requests = requests.and_then(|node| {
            let text = match &node.value {
                Value::String(text) | Value::Number(text) => Some(text.as_str()),
                _ => node.string(source, found),
            }?;
            let read = frequency(text);
            if read.is_none() {
                let short: String = text.chars().take(60).collect();
                let message = format!("`{short}` is no rate");
                let help =
                    format!("from 1 to {MOST}, and in which time: `50/s`, `600/m`, `5000/h`");
                found.push(Diagnostic::error(source, node.span, message).help(help));
            }
            read
        });
        let at_once = match burst {
            None => None,
            Some(node) => {
                let number = node.integer(source, found)?;
                if !(1..=MOST).contains(&number) {
                    let message = "this is no number of requests";
                    let help = format!("from 1 to {MOST}");
                    found.push(Diagnostic::error(source, node.span, message).help(help));
                }
                Some(number)
            }
        };
        let (count, per) = requests?;
        let burst = at_once.unwrap_or(count);
        Some(Self { count, per, burst })
    }

    /// As it is written: `50/s`.
    #[must_use]
    pub fn requests(self) -> String {
        let unit = match self.per {
            Per::Second => 's',
            Per::Minute => 'm',
            Per::Hour => 'h',
        };
        format!("{}/{unit}", self.count)
    }

    /// How many at once.
    #[must_use]
    pub fn burst(self) -> u64 {
        self.burst
    }

    /// The time of one request, rounded up: never more than what is written.
    fn interval(self) -> u64 {
        let seconds = match self.per {
            Per::Second => 1,
            Per::Minute => 60,
            Per::Hour => 3_600,
        };
        (seconds * NANOS).div_ceil(self.count.max(1))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} at once", self.requests(), self.burst)
    }
}

/// As `Retry-After` has it: whole seconds, at least one.
#[must_use]
pub fn whole_seconds(wait: Duration) -> u64 {
    let part = u64::from(wait.subsec_nanos() > 0);
    wait.as_secs().saturating_add(part).max(1)
}

fn frequency(text: &str) -> Option<(u64, Per)> {
    let (count, unit) = text.split_once('/')?;
    let digits = count.bytes().all(|byte| byte.is_ascii_digit());
    let count = count
        .parse()
        .ok()
        .filter(|count| (1..=MOST).contains(count));
    let per = match unit {
        "s" => Per::Second,
        "m" => Per::Minute,
        "h" => Per::Hour,
        _ => return None,
    };
    Some((count.filter(|_| digits)?, per))
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

const NANOS: u64 = 1_000_000_000;

/// The largest number that a rate may have.
const MOST: u64 = 1_000_000;

#[cfg(test)]
mod tests;
