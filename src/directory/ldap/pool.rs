//! The connections to one directory, for all rules that reach it in the same way: opened when they
//! are needed, shared by many operations, made anew when they are lost. Knows nothing of rules.
//!
//! Every worker has its own (a connection lives on the runtime that opened it); which server is
//! used is decided for all together. A read is asked at most twice more, each time on another
//! connection; a write only as long as it is certain that nothing of it left (decisions 19).

mod entries;
mod gathered;
mod links;
mod pinned;
mod server;
mod supply;
#[cfg(test)]
mod tests;
mod whole;

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::directory::{Health, Vitals};
use crate::net::shard::SHARDS;
use crate::net::tls::{self, TlsError};

use super::code::Code;
use super::config::{Bind, LdapConfig};
use super::connection::{Answer, Connection};
use super::control::{self, Control};
use super::failure::{LdapError, Why};
use super::offers::Offers;
use super::request::{Request, Search, Write};
use super::response::{Entry, LdapResult};
use super::schema::Schema;
use super::tally::Tally;
use super::url::LdapUrl;
use crate::ldap::dn::Dn;
use crate::ldap::filter::Filter;
use links::Links;
use server::Server;

pub use entries::Entries;
pub use pinned::Pinned;

/// Connections to one directory.
#[derive(Debug)]
pub struct Pool {
    config: LdapConfig,
    tls: Arc<rustls::ClientConfig>,
    servers: Vec<Server>,
    /// Which server is used.
    active: AtomicUsize,
    /// When a preferred one was last tried.
    probed: Mutex<Option<Instant>>,
    /// By worker and server; made on first use.
    links: Vec<OnceLock<Vec<Links>>>,
    tally: Arc<Tally>,
    health: Mutex<Noted>,
}

/// How an operation that changes something ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteOutcome {
    /// How it ended; any code.
    pub result: LdapResult,
    /// What the entry was before, where that was asked and is told.
    pub pre_read: Option<Entry>,
    /// What the entry is now, where that was asked and is told.
    pub post_read: Option<Entry>,
}

/// Why there can be no pool: a mistake of configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// There is no server.
    #[error("urls: at least one is needed, such as ldaps://ldap.example.com")]
    Nowhere,
    /// The password would go over the network for everyone to see.
    #[error(
        "{0}: a password must not go over the network without TLS: write ldaps://, or \
         `starttls: true`; `plaintext: true` allows it all the same"
    )]
    Clear(String),
    /// The password is empty, which makes the bind an anonymous one.
    #[error("bind: the password is empty")]
    EmptyPassword,
    /// EXTERNAL needs something that shows who we are.
    #[error("{0}: a bind by certificate needs TLS and a client certificate, or an ldapi:// URL")]
    NoIdentity(String),
    /// The certificates do not do.
    #[error("tls: {0}")]
    Tls(#[from] TlsError),
}

/// A connection of the pool, and what its server offers.
#[derive(Debug, Clone)]
struct Link {
    server: usize,
    connection: Connection,
    offers: Arc<Offers>,
}

/// How the last exchange went, and when that was.
#[derive(Debug)]
struct Noted {
    health: Health,
    at: Instant,
}

impl Pool {
    /// A pool for `config`: `previous` where that is of an equal configuration, so that a reload
    /// drops no connection and forgets nothing. Where it is of another one to the same place, only
    /// what is counted there goes on. Nothing is connected yet.
    ///
    /// # Errors
    /// The configuration cannot work; see [`OpenError`].
    pub fn open(config: LdapConfig, previous: Option<&Arc<Self>>) -> Result<Arc<Self>, OpenError> {
        if let Some(previous) = previous.filter(|previous| previous.config == config) {
            return Ok(Arc::clone(previous));
        }
        let first = config.urls.first().ok_or(OpenError::Nowhere)?;
        check_bind(&config)?;
        let encrypted = config.urls.iter().any(|url| config.encrypts(url));
        let tls = if encrypted {
            let identity = config.identity.as_ref();
            tls::client_config(
                config.ca.as_deref(),
                identity.map(|i| (i.certificate.as_slice(), i.key.expose().as_bytes())),
            )?
        } else {
            tls::trusting_nobody()?
        };
        let same_place = |known: &&Arc<Self>| known.config.urls.first() == Some(first);
        let known = previous.filter(same_place);
        let tally = known.map_or_else(Arc::default, |known| Arc::clone(&known.tally));
        Ok(Arc::new(Self {
            tls: Arc::new(tls),
            servers: config.urls.iter().cloned().map(Server::new).collect(),
            active: AtomicUsize::new(0),
            probed: Mutex::new(None),
            links: (0..SHARDS).map(|_| OnceLock::new()).collect(),
            tally,
            health: Mutex::new(Noted {
                health: Health::Unknown,
                at: Instant::now(),
            }),
            config,
        }))
    }

    /// How it was opened.
    #[must_use]
    pub fn config(&self) -> &LdapConfig {
        &self.config
    }

    /// Where it is: scheme, host and port of the server that is preferred.
    #[must_use]
    pub fn name(&self) -> Arc<str> {
        let first = self.servers.first();
        first.map_or_else(|| Arc::from(""), |server| Arc::clone(&server.name))
    }

    /// Which server is used, for `/status`.
    #[must_use]
    pub fn in_use(&self) -> Arc<str> {
        let active = self.servers.get(self.active.load(Relaxed));
        active.map_or_else(|| self.name(), |server| Arc::clone(&server.name))
    }

    /// The servers that could not be used when they were tried last, and why.
    #[must_use]
    pub fn away(&self) -> Vec<(Arc<str>, String)> {
        let servers = self.servers.iter();
        let away = servers.filter_map(|server| {
            let why = server.last_failure(Instant::now(), Duration::ZERO)?.why;
            Some((Arc::clone(&server.name), why.to_string()))
        });
        away.collect()
    }

    /// How its connections are.
    #[must_use]
    pub fn vitals(&self) -> Vitals {
        self.tally.vitals()
    }

    /// How the last exchange went.
    #[must_use]
    pub fn health(&self) -> Health {
        self.lock_health().health.clone()
    }

    /// What the server in use offers, as far as is known.
    #[must_use]
    pub fn offers(&self) -> Option<Arc<Offers>> {
        self.servers.get(self.active.load(Relaxed))?.offers()
    }

    /// Asks for something small and takes note of how that went, unless an exchange has just gone
    /// well.
    pub async fn check(self: &Arc<Self>, deadline: Instant) {
        let just_now = {
            let noted = self.lock_health();
            noted.health == Health::Up && noted.at.elapsed() < JUST_NOW
        };
        self.look_back();
        if !just_now {
            // It is noted.
            let _ = self.one(Search::entry(Dn::root(), &[]), deadline).await;
        }
    }

    /// The entries that a search finds, in pages. One that wants at most a page's worth
    /// (`size_limit`) is one question.
    #[must_use]
    pub fn search(
        self: &Arc<Self>,
        search: Search,
        controls: &[Control],
        deadline: Instant,
    ) -> Entries {
        Entries::new(self, search, controls, None, deadline)
    }

    /// The one entry that a search finds, if it finds one, with all values of what is asked for.
    ///
    /// # Errors
    /// There are several, the server answers otherwise than with success (a missing base too), or
    /// not at all.
    pub async fn one(
        self: &Arc<Self>,
        search: Search,
        deadline: Instant,
    ) -> Result<Option<Entry>, LdapError> {
        match one_of(|search| self.search(search, &[], deadline), search).await? {
            Some(entry) => self.whole(entry, deadline).await.map(Some),
            None => Ok(None),
        }
    }

    /// The schema of the server in use; an empty one where it names none.
    ///
    /// # Errors
    /// As [`Self::one`].
    pub async fn schema(self: &Arc<Self>, deadline: Instant) -> Result<Schema, LdapError> {
        let pinned = self.pinned(deadline).await?;
        let Some(subschema) = pinned.offers().subschema.clone() else {
            return Ok(Schema::default());
        };
        // slapd gives it only to who asks for entries of this class.
        let search = Search {
            filter: Filter::equal("objectClass", "subschema"),
            ..Schema::question(subschema)
        };
        let entry = pinned.one(search, deadline).await?;
        Ok(entry.as_ref().map(Schema::of).unwrap_or_default())
    }

    /// Changes something, once. Any result code is an outcome.
    ///
    /// # Errors
    /// There is no answer; [`LdapError::Unknown`] where it may have been done all the same.
    pub async fn write(
        self: &Arc<Self>,
        write: Write,
        controls: &[Control],
        deadline: Instant,
    ) -> Result<WriteOutcome, LdapError> {
        let request = Request::Write(write);
        outcome(self.exchange(&request, controls, deadline).await?)
    }

    /// Compares a value, or does what is beyond the protocol. Any result code is an answer.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn call(
        self: &Arc<Self>,
        request: &Request,
        deadline: Instant,
    ) -> Result<Answer, LdapError> {
        self.exchange(request, &[], deadline).await
    }

    /// One connection for several operations.
    ///
    /// # Errors
    /// There is none before the deadline.
    pub async fn pinned(self: &Arc<Self>, deadline: Instant) -> Result<Pinned, LdapError> {
        let link = self.link(deadline).await?;
        Ok(Pinned::new(self, link))
    }

    async fn exchange(
        self: &Arc<Self>,
        request: &Request,
        controls: &[Control],
        deadline: Instant,
    ) -> Result<Answer, LdapError> {
        let mut retries = RETRIES;
        let outcome = loop {
            let link = match self.link(deadline).await {
                Ok(link) => link,
                Err(error) => break Err(error),
            };
            if request.writes() && link.connection.quiet_for() > QUIET {
                self.prove(&link, deadline).await;
            }
            let outcome = link.connection.call(request, controls, deadline).await;
            if let Err(error) = &outcome {
                self.lost(link.server, error);
            }
            let again = match &outcome {
                Ok(answer) if answer.result.code == Code::REFERRAL => self.has_another(link.server),
                Ok(_) => false,
                Err(error) => error.is_lost() && (error.is_unsent() || !request.writes()),
            };
            if !again || retries == 0 || Instant::now() >= deadline {
                break outcome;
            }
            retries -= 1;
            self.again(retries).await;
        };
        self.note(outcome.as_ref().map(|_| ()));
        outcome
    }

    /// Before something is asked again: a short while, so that what a server said before it died is
    /// not taken for a sign of life.
    async fn again(&self, left: u32) {
        self.tally.retried();
        let pause = FIRST_PAUSE * 4_u32.pow(RETRIES.saturating_sub(left + 1));
        tokio::time::sleep(pause.mul_f32(0.5 + supply::jitter())).await;
    }

    /// A connection on which nothing was heard for long may be gone without our knowing: better to
    /// learn that from a question than from a write.
    async fn prove(&self, link: &Link, deadline: Instant) {
        let by = deadline.min(Instant::now() + PROOF);
        let search = Search::entry(Dn::root(), &[]);
        let answered = async {
            let mut rows = link.connection.search(search, &[], by).await?;
            rows.next(by).await
        };
        if answered.await.is_err() {
            link.connection.close("it has been silent for long");
        }
    }

    /// Where a connection was lost, the others to that server are not trusted unheard: a read that
    /// is asked again must not meet one dead connection after the other.
    fn lost(&self, server: usize, error: &LdapError) {
        if let Some(links) = self.links(server).filter(|_| error.is_lost()) {
            links.lose();
        }
    }

    /// Takes note of how an exchange went.
    fn note(&self, outcome: Result<(), &LdapError>) {
        let health = match outcome {
            Ok(()) => Health::Up,
            Err(error) => match error {
                LdapError::Unsent(Why::Overloaded | Why::TooLarge)
                | LdapError::Unknown(Why::TooSlow) => return,
                LdapError::Refused(result)
                    if !matches!(result.code, Code::BUSY | Code::UNAVAILABLE) =>
                {
                    Health::Up
                }
                LdapError::Ambiguous => Health::Up,
                LdapError::Unsent(_) | LdapError::Unknown(_) | LdapError::Refused(_) => {
                    Health::Down(error.to_string())
                }
            },
        };
        let mut noted = self.lock_health();
        noted.at = Instant::now();
        if noted.health != health {
            noted.health = health;
        }
    }

    fn lock_health(&self) -> MutexGuard<'_, Noted> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What can be said of the credentials before anything is connected.
fn check_bind(config: &LdapConfig) -> Result<(), OpenError> {
    let in_the_clear = |url: &&LdapUrl| !config.encrypts(url) && !url.is_local();
    match &config.bind {
        Bind::Anonymous => Ok(()),
        Bind::Simple { password, .. } if password.is_empty() => Err(OpenError::EmptyPassword),
        Bind::Simple { .. } => match config.urls.iter().find(in_the_clear) {
            Some(url) if !config.insecure => Err(OpenError::Clear(url.to_string())),
            _ => Ok(()),
        },
        Bind::External => {
            let shows_nobody = |url: &&LdapUrl| match url {
                LdapUrl::Socket(_) => false,
                LdapUrl::Tcp { .. } => !config.encrypts(url) || config.identity.is_none(),
            };
            match config.urls.iter().find(shows_nobody) {
                Some(url) => Err(OpenError::NoIdentity(url.to_string())),
                None => Ok(()),
            }
        }
    }
}

/// The one entry of a search.
async fn one_of(
    ask: impl FnOnce(Search) -> Entries,
    mut search: Search,
) -> Result<Option<Entry>, LdapError> {
    if search.scope != super::request::Scope::Base {
        // A second one is enough to know.
        search.size_limit = 2;
    } else {
        search.size_limit = 1;
    }
    let mut entries = ask(search);
    loop {
        let found = first_and_only(&mut entries).await;
        match found {
            // Lost between the entry and the word that there is no other.
            Err(error) if error.is_lost() && entries.starts_again().await => {}
            found => return found,
        }
    }
}

async fn first_and_only(entries: &mut Entries) -> Result<Option<Entry>, LdapError> {
    let first = entries.next().await?;
    match entries.next().await {
        Ok(None) => Ok(first),
        Ok(Some(_)) => Err(LdapError::Ambiguous),
        Err(error) => Err(error),
    }
}

fn outcome(answer: Answer) -> Result<WriteOutcome, LdapError> {
    // A broken control does not undo the write, and does not hide how it ended.
    let read = |oid| Control::entry_read(&answer.controls, oid).ok().flatten();
    Ok(WriteOutcome {
        pre_read: read(control::PRE_READ),
        post_read: read(control::POST_READ),
        result: answer.result,
    })
}

/// How often a read is asked again.
const RETRIES: u32 = 2;
/// The pause before a read is asked a second time; before the third it is four times as long.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// An exchange that went well so long ago answers for a check.
const JUST_NOW: Duration = Duration::from_secs(5);
/// A connection on which nothing was heard for so long proves itself before a write.
const QUIET: Duration = Duration::from_secs(60);
/// How long it may take for that.
const PROOF: Duration = Duration::from_secs(2);
