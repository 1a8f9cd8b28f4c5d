//! The keys of an issuer, kept at hand: read from a file once, or fetched from its URL before they
//! are too old, and once more when a token names a key that is not among them.
//!
//! Nothing waits for an issuer that is down: what was fetched last serves on, for so long as the
//! access file allows. Whoever forges key names makes us ask once in ten seconds and no more.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use http::header::{ACCEPT, CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use tokio::sync::{Notify, watch};
use tokio::time::timeout_at;

use super::endpoint::{Endpoint, PATIENCE};
use crate::auth::jwt::Keys;
use crate::net::Body;

/// The keys of one issuer. The same one serves from one access file to the next, as long as they
/// come from the same place.
#[derive(Debug)]
pub struct Ring {
    source: Source,
    held: ArcSwap<Held>,
    pace: Mutex<Pace>,
    wanted: Notify,
    turns: watch::Sender<Turns>,
    counts: [AtomicU64; Fetched::ALL.len()],
}

/// Where keys come from.
#[derive(Debug)]
enum Source {
    File,
    Url { endpoint: Endpoint, stale: Duration },
}

/// What is at hand.
#[derive(Debug, Default)]
struct Held {
    keys: Arc<Keys>,
    /// Another number where the keys are others: what was proven by the old ones is void.
    generation: u64,
    /// When they were last seen to be right; never, at first.
    fetched: Option<Instant>,
    tag: Option<HeaderValue>,
    /// Why the last fetch failed, if it did.
    error: Option<String>,
}

/// When it may be asked out of turn.
#[derive(Debug, Default)]
struct Pace {
    last: Option<Instant>,
    /// Somebody waits for a fetch that has not begun.
    pending: bool,
    /// When a fetch last failed.
    failed: Option<Instant>,
}

/// How many fetches have ended: all, and those that somebody waited for.
#[derive(Debug, Clone, Copy, Default)]
struct Turns {
    all: u64,
    wanted: u64,
}

/// What came of a fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fetched {
    /// Keys.
    New,
    /// The same as before, by the issuer's own word.
    Unchanged,
    /// Nothing.
    Failed,
}

/// Keys with the number of their generation.
#[derive(Debug, Clone)]
pub(super) struct Present {
    pub(super) keys: Arc<Keys>,
    pub(super) generation: u64,
}

/// How a ring is, for `/status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RingState {
    /// Where the keys come from; nothing for a file.
    pub url: Option<String>,
    /// The names of the keys.
    pub names: Vec<String>,
    /// How many keys of the set cannot be used.
    pub left_out: usize,
    /// How long ago they were last seen to be right.
    pub age: Option<Duration>,
    /// Whether they are so old that they are not used.
    pub expired: bool,
    /// Why the last fetch failed, if it did.
    pub error: Option<String>,
}

impl Fetched {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::New, Self::Unchanged, Self::Failed];

    /// The word for metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "ok",
            Self::Unchanged => "unchanged",
            Self::Failed => "failed",
        }
    }
}

impl Ring {
    /// Keys of a file.
    pub(in crate::auth) fn of_file(keys: Keys) -> Self {
        let ring = Self::new(Source::File);
        ring.held.store(Arc::new(Held {
            keys: Arc::new(keys),
            fetched: Some(Instant::now()),
            ..Held::default()
        }));
        ring
    }

    /// Keys of a URL, none yet. When it cannot be asked, what was fetched serves on for `stale`.
    pub(in crate::auth) fn of_url(endpoint: Endpoint, stale: Duration) -> Self {
        Self::new(Source::Url { endpoint, stale })
    }

    fn new(source: Source) -> Self {
        Self {
            source,
            held: ArcSwap::default(),
            pace: Mutex::default(),
            wanted: Notify::new(),
            turns: watch::Sender::new(Turns::default()),
            counts: Default::default(),
        }
    }

    /// Whether it comes from the same place as another; files are read anew each time.
    pub(super) fn same(&self, other: &Self) -> bool {
        match (&self.source, &other.source) {
            (
                Source::Url { endpoint, stale },
                Source::Url {
                    endpoint: its,
                    stale: its_stale,
                },
            ) => endpoint.same(its) && stale == its_stale,
            _ => false,
        }
    }

    /// What is at hand, if it is not too old.
    pub(super) fn present(&self, now: Instant) -> Option<Present> {
        let held = self.held.load();
        let fetched = held.fetched?;
        let usable = match &self.source {
            Source::File => true,
            Source::Url { stale, .. } => now.saturating_duration_since(fetched) < *stale,
        };
        usable.then(|| Present {
            keys: Arc::clone(&held.keys),
            generation: held.generation,
        })
    }

    /// Waits for keys newer than those at hand, where that is worth it: false when the issuer was
    /// asked so short a time ago that it is not asked again.
    pub(super) async fn newer(&self) -> bool {
        if matches!(self.source, Source::File) {
            return false;
        }
        let mut turns = self.turns.subscribe();
        let before = *turns.borrow_and_update();
        // Keys are there a moment before the turn that brought them ends.
        let first = before.all == 0 && self.held.load().fetched.is_none();
        if !first && !self.ask_for(Instant::now()) {
            return false;
        }
        let deadline = Instant::now() + PATIENCE + GRACE;
        let ended = |now: &Turns| now.wanted > before.wanted || first && now.all > 0;
        let waited = timeout_at(deadline.into(), turns.wait_for(ended)).await;
        waited.is_ok_and(|turn| turn.is_ok())
    }

    /// Whether the last fetch failed.
    pub(super) fn is_failing(&self) -> bool {
        let held = self.held.load();
        held.error.is_some() || held.fetched.is_none()
    }

    /// Fetches for as long as it is polled: at once, before the keys are too old, and when somebody
    /// waits for newer ones. Ends at once where keys come from a file.
    pub async fn keep(&self) {
        let Source::Url { endpoint, .. } = &self.source else {
            return;
        };
        let mut pause = FIRST_PAUSE;
        loop {
            let awaited = std::mem::take(&mut self.pace().pending);
            let (fetched, life) = self.fetch(endpoint).await;
            self.count(fetched);
            let rest = if fetched == Fetched::Failed {
                self.pace().failed = Some(Instant::now());
                let rest = pause;
                pause = (pause * 2).min(LONGEST_PAUSE);
                rest
            } else {
                pause = FIRST_PAUSE;
                life
            };
            self.turns.send_modify(|turns| {
                turns.all += 1;
                turns.wanted += u64::from(awaited);
            });
            // Before the end of their life, so that nobody waits for the next.
            let next = Instant::now() + rest.mul_f64(0.8);
            let _ = timeout_at(next.into(), self.wanted.notified()).await;
        }
    }

    async fn fetch(&self, endpoint: &Endpoint) -> (Fetched, Duration) {
        let before = self.held.load_full();
        let outcome = ask(endpoint, before.tag.as_ref()).await;
        let now = Instant::now();
        let (held, fetched, life) = match outcome {
            Ok((Some((keys, tag)), life)) => {
                let same = before.fetched.is_some() && before.keys.same(&keys);
                let held = Held {
                    generation: before.generation + u64::from(!same),
                    keys: Arc::new(keys),
                    fetched: Some(now),
                    tag,
                    error: None,
                };
                (held, Fetched::New, life)
            }
            Ok((None, life)) => {
                let held = Held {
                    keys: Arc::clone(&before.keys),
                    generation: before.generation,
                    fetched: Some(now),
                    tag: before.tag.clone(),
                    error: None,
                };
                (held, Fetched::Unchanged, life)
            }
            Err(why) => {
                if before.error.as_ref() != Some(&why) {
                    tracing::warn!(
                        url = endpoint.url(),
                        why,
                        "the keys of an issuer were not fetched"
                    );
                }
                let held = Held {
                    keys: Arc::clone(&before.keys),
                    generation: before.generation,
                    fetched: before.fetched,
                    tag: before.tag.clone(),
                    error: Some(why),
                };
                (held, Fetched::Failed, Duration::ZERO)
            }
        };
        if fetched != Fetched::Failed && before.error.is_some() {
            tracing::info!(
                url = endpoint.url(),
                "the keys of an issuer are fetched again"
            );
        }
        self.held.store(Arc::new(held));
        (fetched, life)
    }

    /// Somebody waits for newer keys; false where it is too soon to ask again.
    fn ask_for(&self, now: Instant) -> bool {
        let mut pace = self.pace();
        if pace.pending {
            return true;
        }
        let recent = |then: Option<Instant>| {
            then.is_some_and(|then| now.saturating_duration_since(then) < APART)
        };
        if recent(pace.last) || recent(pace.failed) {
            return false;
        }
        pace.last = Some(now);
        pace.pending = true;
        self.wanted.notify_one();
        true
    }

    /// How it is.
    pub(super) fn state(&self, now: Instant) -> RingState {
        let held = self.held.load();
        RingState {
            url: match &self.source {
                Source::File => None,
                Source::Url { endpoint, .. } => Some(endpoint.url().to_owned()),
            },
            names: held.keys.names().map(str::to_owned).collect(),
            left_out: held.keys.left_out(),
            age: held.fetched.map(|then| now.saturating_duration_since(then)),
            expired: held.fetched.is_some() && self.present(now).is_none(),
            error: held.error.clone(),
        }
    }

    /// How often a fetch came to this; nothing where keys come from a file.
    pub(super) fn fetches(&self) -> Option<[(Fetched, u64); 3]> {
        match &self.source {
            Source::File => None,
            Source::Url { .. } => Some(Fetched::ALL.map(|one| (one, self.counted(one)))),
        }
    }

    fn count(&self, fetched: Fetched) {
        if let Some(count) = self.counts.get(fetched as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn counted(&self, fetched: Fetched) -> u64 {
        let count = self.counts.get(fetched as usize);
        count.map_or(0, |count| count.load(Ordering::Relaxed))
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keys with their tag.
type Tagged = (Keys, Option<HeaderValue>);

/// Keys, or nothing when they are as they were; and for how long they are good.
async fn ask(
    endpoint: &Endpoint,
    tag: Option<&HeaderValue>,
) -> Result<(Option<Tagged>, Duration), String> {
    let mut request = Request::new(Body::Empty);
    *request.uri_mut() = endpoint
        .path()
        .parse()
        .map_err(|_| "the URL has no path".to_owned())?;
    let headers = request.headers_mut();
    let wanted = "application/jwk-set+json, application/json";
    headers.insert(ACCEPT, HeaderValue::from_static(wanted));
    if let Some(tag) = tag {
        headers.insert(IF_NONE_MATCH, tag.clone());
    }
    let answer = endpoint.ask(request, MAX_TEXT).await?;
    match answer.status {
        StatusCode::OK => {
            let keys = Keys::read(&answer.body)?;
            let tag = answer.headers.get(ETAG).cloned();
            Ok((Some((keys, tag)), life(&answer.headers)))
        }
        StatusCode::NOT_MODIFIED if tag.is_some() => Ok((None, life(&answer.headers))),
        status if status.is_redirection() => Err(format!(
            "it answers {}: redirects are not followed",
            status.as_u16()
        )),
        status => Err(format!("it answers {}", status.as_u16())),
    }
}

/// For how long keys are good, by what the issuer says and what is sensible.
fn life(headers: &HeaderMap) -> Duration {
    let lines = headers.get_all(CACHE_CONTROL).iter();
    let lines = lines.filter_map(|line| line.to_str().ok());
    let mut life = LIFE;
    for word in lines.flat_map(|line| line.split(',')).map(str::trim) {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        if name.eq_ignore_ascii_case("no-store") || name.eq_ignore_ascii_case("no-cache") {
            return SHORTEST_LIFE;
        }
        if name.eq_ignore_ascii_case("max-age")
            && let Ok(seconds) = value.trim_matches('"').parse()
        {
            life = Duration::from_secs(seconds);
        }
    }
    life.clamp(SHORTEST_LIFE, LONGEST_LIFE)
}

/// For how long keys are good where the issuer does not say.
const LIFE: Duration = Duration::from_secs(15 * 60);
const SHORTEST_LIFE: Duration = Duration::from_secs(60);
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// The largest set, in bytes.
const MAX_TEXT: usize = 256 * 1024;
/// Between two fetches out of turn, and after one that failed.
const APART: Duration = Duration::from_secs(10);
/// After a fetch that failed; twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);
/// A fetch has a deadline of its own, which comes first.
const GRACE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_issuer_says_is_taken_within_bounds() {
        let life_of = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(CACHE_CONTROL, HeaderValue::from_str(line).unwrap());
            }
            life(&headers).as_secs()
        };
        for (lines, seconds) in [
            (&[][..], 900),
            (&["max-age=3600"], 3600),
            (&["public, Max-Age=\"120\""], 120),
            (&["private", "max-age=600"], 600),
            (&["max-age=5"], 60),
            (&["max-age=99999999999"], 86_400),
            (&["max-age=99999999999999999999999"], 900),
            (&["max-age=-1"], 900),
            (&["max-age=3600, no-cache"], 60),
            (&["no-store"], 60),
            (&["s-maxage=5"], 900),
        ] {
            assert_eq!(life_of(lines), seconds, "{lines:?}");
        }
    }
}
