//! Where the connections of a pool come from: which server is used, when another one is opened,
//! and who waits for it. One at a time opens one, in the background: whoever asked may go away.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit};
use tokio::time::{sleep_until, timeout_at};

use crate::net::shard::Shard;

use super::super::dial::dial;
use super::super::failure::{LdapError, Why};
use super::super::tally::Counted;
use super::links::Links;
use super::server::{Away, Server};
use super::{Link, Pool};

impl Pool {
    /// A connection to the server in use, or to the next that works.
    pub(super) async fn link(self: &Arc<Self>, deadline: Instant) -> Result<Link, LdapError> {
        let _waiting = Counted::waiting(&self.tally);
        self.look_back();
        let arrived = Instant::now();
        loop {
            let mut aways = Vec::new();
            for index in self.order() {
                match self.link_to(index, deadline).await {
                    Ok(link) => {
                        self.use_server(index);
                        return Ok(link);
                    }
                    Err(away) => aways.push(away),
                }
            }
            let now = Instant::now();
            let worth_waiting = aways.iter().map(|away| away.patience).max();
            let next_try = aways.iter().map(|away| away.next_try).min();
            let why = aways.into_iter().next().map(|away| away.why);
            let why = why.unwrap_or_else(|| Why::Unreachable("no server is known".into()));
            let until = (arrived + worth_waiting.unwrap_or_default()).min(deadline);
            let next_try = next_try.unwrap_or(until);
            if until <= now || next_try >= until {
                self.note(Err(&LdapError::Unsent(why.clone())));
                return Err(LdapError::Unsent(why));
            }
            sleep_until(next_try.into()).await;
        }
    }

    /// A connection that goes from page to page for nobody else, and the right to.
    pub(super) async fn lane(
        self: &Arc<Self>,
        deadline: Instant,
    ) -> Result<(Link, OwnedSemaphorePermit), LdapError> {
        loop {
            let link = self.link(deadline).await?;
            let links = self.links(link.server);
            if let Some((connection, lane)) = links.and_then(Links::free_lane) {
                return Ok((Link { connection, ..link }, lane));
            }
            let Some(links) = links else {
                return Err(LdapError::Unsent(Why::Overloaded));
            };
            let (_, open) = links.least_busy(MOST_LANES);
            if open < self.config.connections.max(MOST_LANES)
                && self
                    .servers
                    .get(link.server)
                    .is_some_and(|server| server.away(Instant::now(), Duration::ZERO).is_none())
            {
                let Ok(turn) = timeout_at(deadline.into(), links.turn()).await else {
                    return Err(LdapError::Unsent(Why::Overloaded));
                };
                // Whether it came to stand shows in the next round.
                let _ = timeout_at(deadline.into(), self.open_another(link.server, turn)).await;
                continue;
            }
            let _waiting = Counted::waiting(&self.tally);
            let lane = Arc::clone(link.connection.lane()).acquire_owned();
            return match timeout_at(deadline.into(), lane).await {
                Ok(Ok(lane)) => Ok((link, lane)),
                // It is never closed.
                Ok(Err(_)) | Err(_) => Err(LdapError::Unsent(Why::Overloaded)),
            };
        }
    }

    /// A connection to this server.
    async fn link_to(self: &Arc<Self>, index: usize, deadline: Instant) -> Result<Link, Away> {
        let patience = self.config.timeouts.connect;
        let nowhere = || Away {
            why: Why::Unreachable("no such server".into()),
            next_try: deadline,
            patience: Duration::ZERO,
        };
        let (Some(server), Some(links)) = (self.servers.get(index), self.links(index)) else {
            return Err(nowhere());
        };
        let most = self.config.connections.max(1);
        let link = |connection| Link {
            server: index,
            connection,
            offers: server.offers().unwrap_or_default(),
        };
        let (least, open) = links.least_busy(most);
        if let Some(connection) = least {
            // Another one is opened beside, and waited for by nobody.
            if open < most
                && connection.in_flight() > 0
                && server.away(Instant::now(), patience).is_none()
                && let Some(turn) = links.try_turn()
            {
                tokio::spawn(Arc::clone(self).open_now(index, turn));
            }
            return Ok(link(connection));
        }
        if let Some(away) = server.away(Instant::now(), patience) {
            return Err(away);
        }
        let too_late = || Away {
            why: Why::TimedOut,
            next_try: deadline,
            patience: Duration::ZERO,
        };
        let turn = timeout_at(deadline.into(), links.turn()).await;
        let turn = turn.map_err(|_| too_late())?;
        // Whoever had the turn before may have brought one, or found that there is none.
        if let (Some(connection), _) = links.least_busy(most) {
            return Ok(link(connection));
        }
        if let Some(away) = server.away(Instant::now(), patience) {
            return Err(away);
        }
        let opening = timeout_at(deadline.into(), self.open_another(index, turn));
        opening.await.map_err(|_| too_late())?;
        match links.least_busy(most) {
            (Some(connection), _) => Ok(link(connection)),
            (None, _) => {
                let now = Instant::now();
                // One that dies between its first word and the next is worth another try.
                Err(server.last_failure(now, patience).unwrap_or_else(|| Away {
                    why: Why::Unreachable("the directory ends connections at once".into()),
                    next_try: now + AT_ONCE,
                    patience,
                }))
            }
        }
    }

    /// Opens another connection. That goes on when whoever asked for it goes away: it is not the
    /// server's fault if a client is in a hurry.
    async fn open_another(self: &Arc<Self>, index: usize, turn: OwnedMutexGuard<()>) {
        // It fails only with its runtime.
        let _ = tokio::spawn(Arc::clone(self).open_now(index, turn)).await;
    }

    async fn open_now(self: Arc<Self>, index: usize, turn: OwnedMutexGuard<()>) {
        let (Some(server), Some(links)) = (self.servers.get(index), self.links(index)) else {
            return;
        };
        let patience = self.config.timeouts.connect;
        let deadline = Instant::now() + patience;
        match dial(&self.config, &self.tls, &server.url, &self.tally, deadline).await {
            Ok((connection, offers)) => {
                server.is_up(offers, Instant::now());
                links.add(connection);
            }
            Err(why) => {
                self.tally.connect_failed();
                self.is_away(server, why);
            }
        }
        drop(turn);
    }

    /// A server cannot be used. Where it is one of several this is told here; whether the directory
    /// as a whole answers is watched elsewhere.
    fn is_away(&self, server: &Server, why: Why) {
        let reason = why.to_string();
        if server.is_down(why, Instant::now(), jitter()) && self.servers.len() > 1 {
            let server = &*server.name;
            tracing::warn!(server, reason, "a server of the directory cannot be used");
        }
    }

    /// The server in use, then the others in order of preference; those that send writes elsewhere
    /// only if there is no other.
    fn order(&self) -> Vec<usize> {
        let now = Instant::now();
        let active = self.active.load(Relaxed);
        let mut all: Vec<usize> = (0..self.servers.len()).collect();
        let refers = |index: &usize| {
            let server = self.servers.get(*index);
            server.is_some_and(|server| server.is_referring(now))
        };
        all.sort_by_key(|index| (refers(index), *index != active, *index));
        all
    }

    /// All goes there from now on.
    fn use_server(&self, index: usize) {
        let before = self.active.swap(index, Relaxed);
        if before != index {
            if let Some(server) = self.servers.get(before) {
                server.leave();
            }
            tracing::warn!(
                from = self.servers.get(before).map(|server| &*server.name),
                to = self.servers.get(index).map(|server| &*server.name),
                "another server of the directory is used from now on"
            );
        }
    }

    /// This server sent a write elsewhere. Whether there is another one to ask.
    pub(super) fn has_another(&self, index: usize) -> bool {
        let now = Instant::now();
        if let Some(server) = self.servers.get(index) {
            server.refers(now + self.config.timeouts.fail_back);
        }
        self.servers.iter().any(|server| !server.is_referring(now))
    }

    /// Where a less preferred server is in use: tries the preferred ones now and then, and goes
    /// back to the first that has worked for long enough.
    pub(super) fn look_back(self: &Arc<Self>) {
        let active = self.active.load(Relaxed);
        if active == 0 {
            return;
        }
        let now = Instant::now();
        let time = self.config.timeouts.fail_back;
        {
            let mut probed = self.probed.lock().unwrap_or_else(PoisonError::into_inner);
            let interval = (time / 20).clamp(Duration::from_millis(10), PROBE_EVERY);
            if probed.is_some_and(|at| now.saturating_duration_since(at) < interval) {
                return;
            }
            *probed = Some(now);
        }
        let pool = Arc::clone(self);
        tokio::spawn(async move {
            for (index, server) in pool.servers.iter().enumerate().take(active) {
                let patience = pool.config.timeouts.connect;
                let deadline = Instant::now() + patience;
                if server.is_referring(Instant::now()) {
                    continue;
                }
                match dial(&pool.config, &pool.tls, &server.url, &pool.tally, deadline).await {
                    Ok((_, offers)) => {
                        server.is_up(offers, Instant::now());
                    }
                    Err(why) => pool.is_away(server, why),
                }
                if server.is_steady(Instant::now(), time) {
                    pool.use_server(index);
                    return;
                }
            }
        });
    }

    pub(super) fn links(&self, index: usize) -> Option<&Links> {
        let of_worker = self.links.get(Shard::current().index())?;
        let make = || self.servers.iter().map(|_| Links::default()).collect();
        of_worker.get_or_init(make).get(index)
    }
}

/// From 0 to 1, different for each caller: hash keys are the randomness that `std` has.
pub(super) fn jitter() -> f32 {
    use std::hash::{BuildHasher as _, Hasher as _};
    let bits = std::hash::RandomState::new().build_hasher().finish();
    f32::from(u16::try_from(bits & 0xffff).unwrap_or_default()) / f32::from(u16::MAX)
}

/// The pause after a connection that was lost before it could be used.
const AT_ONCE: Duration = Duration::from_millis(100);
/// How often a preferred server is tried while another is in use, at most.
const PROBE_EVERY: Duration = Duration::from_secs(30);
/// So many searches in pages at a time per worker, each on a connection of its own.
const MOST_LANES: usize = 8;
