//! One connection for several operations: what is read after a write is read from the server that
//! did it.

use std::sync::Arc;
use std::time::Instant;

use super::super::code::Code;
use super::super::connection::Connection;
use super::super::control::Control;
use super::super::failure::LdapError;
use super::super::offers::Offers;
use super::super::request::{Request, Search, Write};
use super::super::response::{Entry, LdapResult};
use super::{Entries, Link, Pool, WriteOutcome, one_of, outcome};

/// A pool's connection that others use too, but that stays the same. Nothing is asked again.
#[derive(Debug, Clone)]
pub struct Pinned {
    pool: Arc<Pool>,
    link: Link,
}

impl Pinned {
    pub(super) fn new(pool: &Arc<Pool>, link: Link) -> Self {
        Self {
            pool: Arc::clone(pool),
            link,
        }
    }

    /// What the server offers.
    #[must_use]
    pub fn offers(&self) -> &Arc<Offers> {
        &self.link.offers
    }

    /// The connection.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.link.connection
    }

    /// As [`Pool::search`].
    #[must_use]
    pub fn search(&self, search: Search, controls: &[Control], deadline: Instant) -> Entries {
        let link = Some(self.link.clone());
        Entries::new(&self.pool, search, controls, link, deadline)
    }

    /// As [`Pool::one`].
    ///
    /// # Errors
    /// As there.
    pub async fn one(&self, search: Search, deadline: Instant) -> Result<Option<Entry>, LdapError> {
        match one_of(|search| self.search(search, &[], deadline), search).await? {
            Some(entry) => self.whole(entry, deadline).await.map(Some),
            None => Ok(None),
        }
    }

    /// As [`Pool::write`].
    ///
    /// # Errors
    /// As there.
    pub async fn write(
        &self,
        write: Write,
        controls: &[Control],
        deadline: Instant,
    ) -> Result<WriteOutcome, LdapError> {
        let request = Request::Write(write);
        let answer = self.link.connection.call(&request, controls, deadline);
        let answer = answer.await;
        self.pool.note(answer.as_ref().map(|_| ()));
        let answer = answer?;
        if answer.result.code == Code::REFERRAL {
            // Others are asked from now on, where there are any.
            self.pool.has_another(self.link.server);
        }
        outcome(answer)
    }

    /// Compares a value, or does what is beyond the protocol.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn call(
        &self,
        request: &Request,
        deadline: Instant,
    ) -> Result<LdapResult, LdapError> {
        let answer = self.link.connection.call(request, &[], deadline).await?;
        Ok(answer.result)
    }
}
