//! The vigil over the directories: every one is asked whether it is there, at the start and now and
//! then, so that readiness, alerts and `/status` do not depend on somebody asking through us.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::{JoinHandle, JoinSet};
use tracing::{info, warn};

use crate::config::{Live, Snapshot};
use crate::directory::{Ask, Directory, Health};

/// The vigil at work; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Vigil(JoinHandle<()>);

/// One directory, watched.
struct Watch {
    directory: Arc<dyn Directory>,
    /// The tenants behind it, for the log.
    tenants: String,
    /// Whether it is being asked.
    asking: bool,
    /// When to ask next.
    due: Instant,
    /// Since when it has been away, and how long the last pause was.
    away: Option<(Instant, Duration)>,
}

/// What came of asking: each a line in the log.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    Lost(String),
    Back(Duration),
}

impl Vigil {
    /// Begins, on the runtime of the caller, over what `live` holds from one moment to the next.
    pub(super) fn begin(live: Arc<Live>) -> Self {
        Self(tokio::spawn(keep(live)))
    }
}

impl Drop for Vigil {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn keep(live: Arc<Live>) {
    let mut changes = live.changes();
    let mut watches = HashMap::new();
    let mut asked = JoinSet::new();
    follow(&live.current(), &mut watches, Instant::now());
    loop {
        let now = Instant::now();
        for (pool, watch) in &mut watches {
            if asked.len() < AT_A_TIME && watch.is_due(now) {
                watch.asking = true;
                let (pool, directory) = (*pool, Arc::clone(&watch.directory));
                asked.spawn(async move {
                    ask(&*directory).await;
                    (pool, directory)
                });
            }
        }
        let next = watches.values().filter(|watch| !watch.asking);
        let next = next.map(|watch| watch.due).min();
        // In between it is seen, without asking, whether traffic found a directory away.
        let next = next.map(|due| due.clamp(now + SOONEST, now + GLANCE));
        let pause = async {
            match next {
                Some(due) => tokio::time::sleep_until(due.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = changes.changed() => {
                if changed.is_err() {
                    return;
                }
                follow(&live.current(), &mut watches, Instant::now());
            }
            Some(done) = asked.join_next() => {
                // One that panicked is not asked again before its rule changes.
                let Ok((pool, _directory)) = done else { continue };
                if let Some(watch) = watches.get_mut(&pool) {
                    watch.answered(Instant::now());
                }
            }
            () = pause => {}
        }
    }
}

/// Takes up the directories that are new, and lets go of those that are gone.
fn follow(snapshot: &Snapshot, watches: &mut HashMap<usize, Watch>, now: Instant) {
    let mut before = std::mem::take(watches);
    let mut tenants: Vec<_> = snapshot.tenants().collect();
    tenants.sort_by(|a, b| a.name.cmp(&b.name));
    for tenant in tenants {
        let pool = tenant.directory.pool();
        let watch = watches.entry(pool).or_insert_with(|| {
            let directory = &tenant.directory;
            let mut watch = before
                .remove(&pool)
                .unwrap_or_else(|| Watch::new(Arc::clone(directory), now));
            watch.tenants.clear();
            watch
        });
        if !watch.tenants.is_empty() {
            watch.tenants.push_str(", ");
        }
        watch.tenants.push_str(tenant.name.as_str());
    }
}

async fn ask(directory: &dyn Directory) {
    let ask = Ask {
        request_id: "vigil".into(),
        traceparent: None,
        deadline: Instant::now() + PATIENCE,
    };
    // A driver keeps the deadline; this one is for a driver that does not.
    let _ = tokio::time::timeout(PATIENCE * 2, directory.check(&ask)).await;
}

impl Watch {
    fn new(directory: Arc<dyn Directory>, now: Instant) -> Self {
        Self {
            directory,
            tenants: String::new(),
            asking: false,
            due: now,
            away: None,
        }
    }

    /// Whether to ask now: it is time, or traffic says that it has gone away.
    fn is_due(&self, now: Instant) -> bool {
        let gone = || self.away.is_none() && matches!(self.directory.health(), Health::Down(_));
        !self.asking && (self.due <= now || gone())
    }

    /// Takes note of what came of asking.
    fn answered(&mut self, now: Instant) {
        self.asking = false;
        let turn = self.judge(self.directory.health(), now);
        let (directory, tenants) = (&*self.directory.name(), &*self.tenants);
        match turn {
            Some(Turn::Lost(reason)) => {
                warn!(directory, tenants, reason, "the directory does not answer");
            }
            Some(Turn::Back(away)) => {
                let seconds = away.as_secs();
                info!(
                    directory,
                    tenants,
                    away_seconds = seconds,
                    "the directory answers again"
                );
            }
            None => {}
        }
    }

    fn judge(&mut self, health: Health, now: Instant) -> Option<Turn> {
        let (pause, turn) = match (health, self.away) {
            (Health::Down(reason), None) => {
                self.away = Some((now, FIRST_PAUSE));
                (FIRST_PAUSE, Some(Turn::Lost(reason)))
            }
            (Health::Down(_), Some((since, pause))) => {
                let pause = (pause * 2).min(PAUSE);
                self.away = Some((since, pause));
                (pause, None)
            }
            (Health::Up | Health::Unknown, away) => {
                self.away = None;
                let back = away.map(|(since, _)| Turn::Back(now.duration_since(since)));
                (PAUSE, back)
            }
        };
        self.due = now + jittered(pause);
        turn
    }
}

/// Some 20 % more or less, so that replicas do not ask in step.
fn jittered(pause: Duration) -> Duration {
    // Hash keys are the randomness that `std` has.
    let bits = RandomState::new().hash_one(0);
    let share = f64::from(u16::try_from(bits & 0xffff).unwrap_or_default()) / f64::from(u16::MAX);
    pause.mul_f64(0.8 + 0.4 * share)
}

/// How long a directory may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two questions.
const PAUSE: Duration = Duration::from_secs(15);
/// The same at first when it is away; twice as long each time, up to [`PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// How often it is seen what traffic found.
const GLANCE: Duration = Duration::from_secs(2);
/// When all places are taken, the next is given by an answer and not by time.
const SOONEST: Duration = Duration::from_millis(100);
/// So many directories are asked at a time.
const AT_A_TIME: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::Layout;
    use crate::directory::http::{Auth, HttpConfig, Pool, Supports, Timeouts, driver};

    fn watch() -> (Watch, Instant) {
        let config = HttpConfig {
            url: "http://127.0.0.1:9".to_owned(),
            ca: None,
            identity: None,
            auth: Auth::None,
            timeouts: Timeouts::default(),
            connections: 1,
            supports: Supports::default(),
            answer_limit: 1,
        };
        let pool = Pool::open(config, None).unwrap();
        let now = Instant::now();
        (
            Watch::new(driver(pool, Arc::new(Layout::default())), now),
            now,
        )
    }

    fn down() -> Health {
        Health::Down("gone".to_owned())
    }

    #[test]
    fn one_turn_is_one_line_and_pauses_grow_while_it_is_away() {
        let (mut watch, start) = watch();
        assert!(watch.is_due(start));
        assert_eq!(watch.judge(Health::Up, start), None);
        assert!(watch.due >= start + PAUSE.mul_f64(0.79));
        assert!(watch.due <= start + PAUSE.mul_f64(1.21));
        assert!(!watch.is_due(start));

        assert_eq!(
            watch.judge(down(), start),
            Some(Turn::Lost("gone".to_owned()))
        );
        let mut pauses = vec![watch.due - start];
        for _ in 0..5 {
            assert_eq!(watch.judge(down(), start), None);
            pauses.push(watch.due - start);
        }
        for (pause, about) in pauses.iter().zip([2, 4, 8, 15, 15, 15]) {
            let about = Duration::from_secs(about);
            assert!(
                *pause >= about.mul_f64(0.79) && *pause <= about.mul_f64(1.21),
                "{pauses:?}"
            );
        }
        let later = start + Duration::from_secs(90);
        assert_eq!(
            watch.judge(Health::Up, later),
            Some(Turn::Back(later - start))
        );
        assert_eq!(watch.judge(Health::Up, later), None);
    }

    #[test]
    fn nothing_is_asked_twice_at_a_time() {
        let (mut watch, start) = watch();
        watch.asking = true;
        assert!(!watch.is_due(start + PAUSE * 2));
    }
}
