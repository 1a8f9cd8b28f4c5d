//! What is known of each server of a directory, and which of them is used.
//!
//! All goes to the first that works (a replica that lags makes clients create duplicates). Once
//! all has moved to another, it moves back only when a preferred one has worked for long enough.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::super::failure::Why;
use super::super::offers::Offers;
use super::super::url::LdapUrl;

/// One server.
#[derive(Debug)]
pub(super) struct Server {
    pub url: LdapUrl,
    pub name: Arc<str>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    offers: Option<Arc<Offers>>,
    down: Option<Down>,
    /// Since when every try went well; kept for the fail-back.
    up_since: Option<Instant>,
    /// It sends writes elsewhere: of no use until then.
    refers_until: Option<Instant>,
}

#[derive(Debug)]
struct Down {
    since: Instant,
    failures: u32,
    next_try: Instant,
    why: Why,
}

/// Why a server cannot be used now.
#[derive(Debug, Clone)]
pub(super) struct Away {
    pub why: Why,
    /// When it may be tried again.
    pub next_try: Instant,
    /// For how long it is worth waiting for.
    pub patience: Duration,
}

impl Server {
    pub(super) fn new(url: LdapUrl) -> Self {
        Self {
            name: url.to_string().into(),
            url,
            state: Mutex::default(),
        }
    }

    /// A connection came to stand.
    pub(super) fn is_up(&self, offers: Offers, now: Instant) -> Arc<Offers> {
        let mut state = self.lock();
        state.down = None;
        state.up_since.get_or_insert(now);
        let offers = match state.offers.take().filter(|known| **known == offers) {
            Some(known) => known,
            None => Arc::new(offers),
        };
        state.offers = Some(Arc::clone(&offers));
        offers
    }

    /// A connection did not come to stand. It is tried again when somebody wants it, and soon: what
    /// is there again serves at once.
    ///
    /// Whether that is news.
    pub(super) fn is_down(&self, why: Why, now: Instant, jitter: f32) -> bool {
        let mut state = self.lock();
        state.up_since = None;
        let is_news = state.down.as_ref().is_none_or(|down| down.why != why);
        let (since, failures) = match &state.down {
            Some(down) => (down.since, down.failures.saturating_add(1)),
            None => (now, 1),
        };
        let (first, most) = match why {
            // Directories lock accounts whose password is wrong too often.
            Why::Credentials(_) => (CREDENTIALS_PAUSE, MOST_CREDENTIALS_PAUSE),
            // Nobody mends that within a second.
            Why::Untrusted(_) => (MOST_PAUSE, CREDENTIALS_PAUSE),
            _ => (FIRST_PAUSE, MOST_PAUSE),
        };
        let pause = (first * 2_u32.saturating_pow((failures - 1).min(16))).min(most);
        state.down = Some(Down {
            since,
            failures,
            next_try: now + pause.mul_f32(0.5 + jitter),
            why,
        });
        is_news
    }

    /// Why it must not be tried now. `None` where it may.
    pub(super) fn away(&self, now: Instant, patience: Duration) -> Option<Away> {
        let state = self.lock();
        let down = state.down.as_ref()?;
        (now < down.next_try).then(|| down.away(now, patience))
    }

    /// Why it did not work the last time.
    pub(super) fn last_failure(&self, now: Instant, patience: Duration) -> Option<Away> {
        let state = self.lock();
        state.down.as_ref().map(|down| down.away(now, patience))
    }

    /// What it offered the last time.
    pub(super) fn offers(&self) -> Option<Arc<Offers>> {
        self.lock().offers.clone()
    }

    /// It sends writes elsewhere.
    pub(super) fn refers(&self, until: Instant) {
        self.lock().refers_until = Some(until);
    }

    pub(super) fn is_referring(&self, now: Instant) -> bool {
        self.lock().refers_until.is_some_and(|until| now < until)
    }

    /// Whether every try since so long ago went well.
    pub(super) fn is_steady(&self, now: Instant, time: Duration) -> bool {
        self.lock()
            .up_since
            .is_some_and(|since| now.saturating_duration_since(since) >= time)
    }

    /// All moves away from it: it has to prove itself anew.
    pub(super) fn leave(&self) {
        self.lock().up_since = None;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Down {
    fn away(&self, now: Instant, patience: Duration) -> Away {
        let patience = match self.why {
            // Waiting does not help.
            Why::Credentials(_) | Why::Untrusted(_) => Duration::ZERO,
            _ if now.saturating_duration_since(self.since) < RESTART => patience,
            // Who waits takes up room that requests for other directories need.
            _ => patience.min(LATE_PATIENCE),
        };
        Away {
            why: self.why.clone(),
            next_try: self.next_try,
            patience,
        }
    }
}

/// The pause after the first failure.
const FIRST_PAUSE: Duration = Duration::from_millis(40);
/// The longest.
const MOST_PAUSE: Duration = Duration::from_millis(200);
/// The first after wrong credentials.
const CREDENTIALS_PAUSE: Duration = Duration::from_secs(1);
/// The longest after those.
const MOST_CREDENTIALS_PAUSE: Duration = Duration::from_secs(5);
/// A server that has been away for less may be one that is started again.
const RESTART: Duration = Duration::from_secs(30);
/// For how long a request waits for a server that has been away for longer.
const LATE_PATIENCE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::super::super::code::Code;
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    fn server() -> Server {
        Server::new("ldap://x".parse().unwrap())
    }

    fn refused() -> Why {
        Why::Unreachable("refused".into())
    }

    #[test]
    fn pauses_grow_and_stay_short() {
        let server = server();
        let start = Instant::now();
        let mut now = start;
        let mut pauses = Vec::new();
        while now < start + RESTART {
            server.is_down(refused(), now, 0.5);
            let away = server.away(now, PATIENCE).unwrap();
            assert_eq!(away.patience, PATIENCE);
            pauses.push(away.next_try - now);
            now = away.next_try;
        }
        assert!(pauses.is_sorted(), "{pauses:?}");
        let about = |pause: &Duration| (pause.as_secs_f32() * 1000.0).round();
        assert_eq!(pauses.first().map(about), Some(about(&FIRST_PAUSE)));
        assert_eq!(pauses.last().map(about), Some(about(&MOST_PAUSE)));
        server.is_down(refused(), now, 0.5);
        let away = server.away(now, PATIENCE).unwrap();
        assert_eq!(about(&(away.next_try - now)), about(&MOST_PAUSE));
        assert_eq!(away.patience, LATE_PATIENCE);
        assert!(server.away(away.next_try, PATIENCE).is_none());
        server.is_up(Offers::default(), now);
        assert!(server.last_failure(now, PATIENCE).is_none());
    }

    #[test]
    fn wrong_credentials_are_not_waited_for_and_not_tried_often() {
        let server = server();
        let now = Instant::now();
        server.is_down(Why::Credentials(Code::INVALID_CREDENTIALS), now, 0.5);
        let away = server.away(now, PATIENCE).unwrap();
        assert_eq!(away.patience, Duration::ZERO);
        assert!(away.next_try - now >= CREDENTIALS_PAUSE.mul_f32(0.9));
    }

    #[test]
    fn a_server_is_steady_after_its_time_without_failure() {
        let server = server();
        let now = Instant::now();
        let later = now + PATIENCE;
        assert!(!server.is_steady(later, PATIENCE));
        server.is_up(Offers::default(), now);
        assert!(server.is_steady(later, PATIENCE) && !server.is_steady(now, PATIENCE));
        server.is_down(refused(), now, 0.0);
        server.is_up(Offers::default(), later);
        assert!(!server.is_steady(later, PATIENCE));
    }
}
