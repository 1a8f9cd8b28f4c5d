//! The connections to one directory with what is known of it: what it can do, how it is, how often
//! a request had to be sent again. Knows nothing of rules.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Response;

use crate::directory::{Ask, DirectoryError, Health, Vitals};
use crate::net::client::{Client, ClientConfig, SendError};
use crate::net::tls::{self, TlsError};
use crate::net::{Body, CollectError, Terms, body};
use crate::scim::operation::{Abilities, BoxStream};

use super::config::HttpConfig;
use super::probe::{self, Knowledge, Lesson};
use super::request::{Base, Outgoing};

/// Connections to one directory, shared by all rules that reach it in the same way.
#[derive(Debug)]
pub struct Pool {
    config: HttpConfig,
    base: Base,
    client: Client,
    knowledge: Knowledge,
    /// Held by the one request that asks what the directory can do.
    asking: tokio::sync::Mutex<()>,
    health: Mutex<Noted>,
}

/// How the last exchange went, and when that was.
#[derive(Debug)]
struct Noted {
    health: Health,
    at: Instant,
}

/// Why there can be no pool: a mistake of configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The URL does not do.
    #[error("url: {0}")]
    Url(String),
    /// The credentials do not do.
    #[error("auth: {0}")]
    Auth(String),
    /// The certificates do not do.
    #[error("tls: {0}")]
    Tls(#[from] TlsError),
}

impl Pool {
    /// A pool for `config`: `previous` where that is of an equal configuration, so that a reload
    /// drops no connection and forgets nothing. Where it is of another one to the same place, only
    /// what is counted there goes on. Nothing is connected yet.
    ///
    /// # Errors
    /// The configuration cannot work; see [`OpenError`].
    pub fn open(config: HttpConfig, previous: Option<&Arc<Self>>) -> Result<Arc<Self>, OpenError> {
        if let Some(previous) = previous.filter(|previous| previous.config == config) {
            return Ok(Arc::clone(previous));
        }
        let authorization = config.auth.header().map_err(OpenError::Auth)?;
        let base = Base::new(&config.url, authorization).map_err(OpenError::Url)?;
        let tls = if base.is_https() {
            let identity = config.identity.as_ref();
            tls::client_config(
                config.ca.as_deref(),
                identity.map(|i| (i.certificate.as_slice(), i.key.expose().as_bytes())),
            )?
        } else {
            tls::trusting_nobody()?
        };
        // What is counted belongs to the place.
        let same_place = |known: &&Arc<Self>| known.config.place() == config.place();
        let known = previous.filter(same_place);
        let tally = known.map_or_else(Arc::default, |known| Arc::clone(known.client.tally()));
        let client = Client::new(ClientConfig {
            tally,
            connect_timeout: config.timeouts.connect,
            max_open: config.connections,
            ..ClientConfig::new(tls)
        });
        Ok(Arc::new(Self {
            knowledge: Knowledge::new(config.supports),
            config,
            base,
            client,
            asking: tokio::sync::Mutex::new(()),
            health: Mutex::new(Noted {
                health: Health::Unknown,
                at: Instant::now(),
            }),
        }))
    }

    /// How it was opened.
    #[must_use]
    pub fn config(&self) -> &HttpConfig {
        &self.config
    }

    /// Where it is: scheme, host and port.
    pub(super) fn name(&self) -> Arc<str> {
        self.base.name().into()
    }

    /// How its connections are.
    #[must_use]
    pub fn vitals(&self) -> Vitals {
        let tally = self.client.tally();
        Vitals {
            open: tally.open(),
            idle: tally.idle(),
            waiting: tally.waiting(),
            connect_failures: tally.connect_failures(),
            retries: tally.retries(),
        }
    }

    /// Asks for something small and takes note of how that went, unless an exchange has just gone
    /// well.
    pub(super) async fn check(&self, ask: &Ask) {
        if self.lock_health().is_up_since(Instant::now(), JUST_NOW) {
            return;
        }
        let (outcome, lesson) = self.inquire(ask).await;
        self.note(outcome.as_ref().copied());
        // What nobody has asked for needs no second try soon.
        if lesson != Lesson::Away {
            self.knowledge.take(lesson, Instant::now());
        }
    }

    /// How the last exchange went.
    #[must_use]
    pub fn health(&self) -> Health {
        self.lock_health().health.clone()
    }

    /// What the directory can do, as far as is known.
    pub(super) fn abilities(&self) -> Abilities {
        self.knowledge.abilities()
    }

    /// Whether [`Self::learn`] has something to do.
    pub(super) fn wants_to_learn(&self) -> bool {
        self.knowledge.is_due(Instant::now())
    }

    /// Asks what the directory can do. One request asks; others that come meanwhile wait for it,
    /// since a PATCH must not be emulated only because it came early.
    pub(super) async fn learn(&self, ask: &Ask) {
        let until = ask.deadline.min(Instant::now() + PROBE);
        let turn = if self.knowledge.is_known() {
            // What is known does until the one that asks again has its answer.
            self.asking.try_lock().ok()
        } else {
            tokio::time::timeout_at(until.into(), self.asking.lock())
                .await
                .ok()
        };
        let Some(turn) = turn else {
            return;
        };
        if !self.wants_to_learn() {
            return;
        }
        let ask = Ask {
            deadline: until,
            ..ask.clone()
        };
        let (_, lesson) = self.inquire(&ask).await;
        self.knowledge.take(lesson, Instant::now());
        drop(turn);
    }

    /// One exchange up to the head of the answer: sent once, or again while that is certain to be
    /// harmless (decisions 19).
    pub(super) async fn send(
        &self,
        outgoing: &Outgoing,
        ask: &Ask,
        tries: &mut Tries,
    ) -> Result<Response<Body>, DirectoryError> {
        let deadline = ask.deadline.min(Instant::now() + self.config.timeouts.head);
        loop {
            let request = self.base.request(outgoing, ask)?;
            match self.client.send(request, deadline).await {
                Ok(response) => return Ok(response),
                Err(error) => {
                    let harmless = match error {
                        SendError::Unreachable(_) => true,
                        SendError::Lost => !outgoing.kind.writes(),
                        _ => false,
                    };
                    if !harmless || !self.again(tries, ask).await {
                        return Err(why(error));
                    }
                }
            }
        }
    }

    /// Waits a little before another try, if there may be one.
    pub(super) async fn again(&self, tries: &mut Tries, ask: &Ask) -> bool {
        let Some(pause) = tries.next() else {
            return false;
        };
        let left = ask.deadline.saturating_duration_since(Instant::now());
        if left <= pause {
            return false;
        }
        self.client.tally().retried();
        tokio::time::sleep(pause).await;
        true
    }

    /// The whole body of an answer of at most `limit` bytes.
    pub(super) async fn collect(
        &self,
        body: Body,
        limit: usize,
        deadline: Instant,
    ) -> Result<Bytes, DirectoryError> {
        let terms = self.terms(limit, deadline);
        body::collect(body, terms).await.map_err(broken_off)
    }

    /// The body of an answer as it comes, within the limits.
    pub(super) fn stream(&self, body: Body) -> BoxStream<Bytes> {
        let deadline = Instant::now() + WHOLE_LIST;
        body::stream(body, self.terms(usize::MAX, deadline))
    }

    fn terms(&self, limit: usize, deadline: Instant) -> Terms {
        Terms {
            limit: limit.min(self.config.answer_limit),
            idle: self.config.timeouts.idle,
            deadline,
        }
    }

    /// Takes note of how an exchange went.
    pub(super) fn note(&self, outcome: Result<(), &DirectoryError>) {
        let health = match outcome {
            Err(DirectoryError::Overloaded) => return,
            Err(
                error @ (DirectoryError::Unreachable(_)
                | DirectoryError::Lost
                | DirectoryError::TimedOut
                | DirectoryError::Malformed(_)
                | DirectoryError::Credentials(_)
                | DirectoryError::Busy { status: 503, .. }
                | DirectoryError::Failed(_)
                | DirectoryError::Partly),
            ) => Health::Down(error.to_string()),
            Err(
                DirectoryError::Refused { .. }
                | DirectoryError::Declined { .. }
                | DirectoryError::NotFound
                | DirectoryError::Conflict { .. }
                | DirectoryError::Precondition
                | DirectoryError::Busy { .. }
                | DirectoryError::TooLarge
                | DirectoryError::Unsupported,
            )
            | Ok(()) => Health::Up,
        };
        let mut noted = self.lock_health();
        noted.at = Instant::now();
        if noted.health != health {
            noted.health = health;
        }
    }

    /// Asks what the directory can do: how that went, and what it taught.
    async fn inquire(&self, ask: &Ask) -> (Result<(), DirectoryError>, Lesson) {
        let outgoing = Outgoing::get("/ServiceProviderConfig".to_owned());
        let answer = match self.send(&outgoing, ask, &mut Tries::none()).await {
            Ok(answer) => answer,
            Err(error) => return (Err(error), Lesson::Away),
        };
        let status = answer.status().as_u16();
        // Read to its end whatever it is: the connection is kept then.
        let body = self
            .collect(answer.into_body(), MAX_CONFIG, ask.deadline)
            .await;
        match (status, body) {
            (200..300, Ok(text)) => (Ok(()), probe::read(&text)),
            // Too long to be one.
            (200..300, Err(DirectoryError::Malformed(_))) => (Ok(()), Lesson::Nothing),
            (200..300, Err(error)) => (Err(error), Lesson::Away),
            (401, _) => (Err(DirectoryError::Credentials(status)), Lesson::Away),
            // Not to see this page, or not now, says nothing of other pages.
            (403 | 429, _) => (Ok(()), Lesson::Away),
            // That there is no such page is an answer.
            (501, _) => (Ok(()), Lesson::Nothing),
            (500.., _) => (Err(DirectoryError::Failed(status)), Lesson::Away),
            _ => (Ok(()), Lesson::Nothing),
        }
    }

    fn lock_health(&self) -> std::sync::MutexGuard<'_, Noted> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Noted {
    fn is_up_since(&self, now: Instant, time: Duration) -> bool {
        self.health == Health::Up && now.saturating_duration_since(self.at) < time
    }
}

/// How often a request may be sent again.
#[derive(Debug)]
pub(super) struct Tries {
    left: u32,
    pause: Duration,
}

impl Tries {
    /// Twice more for what only looks, once more for what changes (and then only if nothing left).
    pub(super) fn of(outgoing: &Outgoing) -> Self {
        let left = if outgoing.kind.writes() { 1 } else { 2 };
        Self {
            left,
            pause: FIRST_PAUSE,
        }
    }

    fn none() -> Self {
        Self {
            left: 0,
            pause: FIRST_PAUSE,
        }
    }

    /// How long to wait before the next try, if there may be one.
    fn next(&mut self) -> Option<Duration> {
        self.left = self.left.checked_sub(1)?;
        let pause = self.pause;
        self.pause *= 4;
        Some(pause.mul_f32(0.5 + jitter()))
    }
}

/// From 0 to 1, different for each caller: hash keys are the randomness that `std` has.
fn jitter() -> f32 {
    use std::hash::{BuildHasher as _, Hasher as _};
    let bits = std::hash::RandomState::new().build_hasher().finish();
    f32::from(u16::try_from(bits & 0xffff).unwrap_or_default()) / f32::from(u16::MAX)
}

fn why(error: SendError) -> DirectoryError {
    match error {
        SendError::Unreachable(reason) => DirectoryError::Unreachable(reason),
        SendError::Overloaded => DirectoryError::Overloaded,
        SendError::Lost => DirectoryError::Lost,
        SendError::TimedOut => DirectoryError::TimedOut,
        SendError::Malformed(reason) => DirectoryError::Malformed(reason.to_owned()),
    }
}

fn broken_off(why: CollectError) -> DirectoryError {
    match why {
        CollectError::Broken => DirectoryError::Lost,
        CollectError::TimedOut => DirectoryError::TimedOut,
        CollectError::TooLarge(_) => DirectoryError::Malformed(why.to_string()),
    }
}

/// How long a list may take from its head to its end.
const WHOLE_LIST: Duration = Duration::from_secs(600);
/// An exchange that went well so long ago answers for a check.
const JUST_NOW: Duration = Duration::from_secs(5);
/// How long asking what a directory can do may hold up a request.
const PROBE: Duration = Duration::from_secs(2);
/// The longest that a `ServiceProviderConfig` may be.
const MAX_CONFIG: usize = 64 * 1024;
/// The pause before the second try; the third waits four times as long.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
