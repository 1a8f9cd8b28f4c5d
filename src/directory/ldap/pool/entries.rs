//! A search over a pool: from page to page on one connection, asked again on another one as long
//! as nothing of it has been handed on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use super::super::connection::{Row, Rows};
use super::super::control::{self, Control};
use super::super::failure::{LdapError, Why};
use super::super::request::Search;
use super::super::response::Entry;
use super::{Link, Pool, RETRIES};

/// The entries that a search finds, as they come. Dropped early, the search is abandoned.
#[derive(Debug)]
pub struct Entries {
    pool: Arc<Pool>,
    search: Search,
    controls: Vec<Control>,
    deadline: Instant,
    page: Option<u32>,
    pinned: bool,
    link: Option<(Link, Option<OwnedSemaphorePermit>)>,
    /// The server that was asked last.
    server: Option<usize>,
    rows: Option<Rows>,
    cookie: Bytes,
    /// The size of the page that is asked for, where it is one.
    asked: Option<u32>,
    /// How many entries of it came.
    came: u32,
    begun: bool,
    over: bool,
    retries: u32,
    referrals: u32,
    handed_on: u64,
}

impl Entries {
    pub(super) fn new(
        pool: &Arc<Pool>,
        search: Search,
        controls: &[Control],
        link: Option<Link>,
        deadline: Instant,
    ) -> Self {
        // Few enough for one page need none: `slapd` keeps one search in pages per connection.
        let page = pool.config.page;
        let few = search.size_limit != 0 && search.size_limit <= page;
        Self {
            pool: Arc::clone(pool),
            search,
            controls: controls.to_vec(),
            deadline,
            page: (!few && page > 0).then_some(page),
            pinned: link.is_some(),
            link: link.map(|link| (link, None)),
            server: None,
            rows: None,
            cookie: Bytes::new(),
            asked: None,
            came: 0,
            begun: false,
            over: false,
            retries: RETRIES,
            referrals: 0,
            handed_on: 0,
        }
    }

    /// The next entry; `None` at the end.
    ///
    /// # Errors
    /// The search ended otherwise than with success, after what was handed on; or there is no
    /// answer. Nothing follows an error.
    pub async fn next(&mut self) -> Result<Option<Entry>, LdapError> {
        while !self.over {
            match self.step().await {
                Ok(Some(entry)) => {
                    self.handed_on += 1;
                    return Ok(Some(entry));
                }
                Ok(None) => {}
                Err(error) => {
                    (self.rows, self.link) = (None, None);
                    if let Some(server) = self.server {
                        self.pool.lost(server, &error);
                    }
                    let again = error.is_lost() && self.handed_on == 0;
                    if !again || !self.starts_again().await {
                        self.over = true;
                        self.pool.note(Err(&error));
                        return Err(error);
                    }
                }
            }
        }
        Ok(None)
    }

    /// Asks everything again, where that is still allowed: for who has made no use yet of what was
    /// handed on.
    pub(super) async fn starts_again(&mut self) -> bool {
        if self.pinned || self.retries == 0 || Instant::now() >= self.deadline {
            return false;
        }
        self.retries -= 1;
        self.pool.again(self.retries).await;
        (self.rows, self.link) = (None, None);
        (self.begun, self.over, self.handed_on) = (false, false, 0);
        self.cookie = Bytes::new();
        true
    }

    /// How many references to other servers came; they are not followed.
    #[must_use]
    pub fn referrals(&self) -> u32 {
        self.referrals
    }

    /// How many entries were handed on.
    #[must_use]
    pub fn handed_on(&self) -> u64 {
        self.handed_on
    }

    async fn step(&mut self) -> Result<Option<Entry>, LdapError> {
        if self.rows.is_none() {
            self.rows = Some(self.ask().await?);
        }
        let deadline = self.patience();
        let Some(rows) = &mut self.rows else {
            return Ok(None);
        };
        match rows.next(deadline).await? {
            Row::Entry(entry) => {
                self.begun = true;
                self.came = self.came.saturating_add(1);
                return Ok(Some(entry));
            }
            Row::Reference(_) => self.referrals = self.referrals.saturating_add(1),
            Row::Done(answer) => {
                self.rows = None;
                if !answer.result.is_success() {
                    return Err(LdapError::Refused(answer.result));
                }
                self.begun = true;
                self.cookie = self.next_page(&answer.controls)?;
                if self.cookie.is_empty() {
                    self.over = true;
                    if self.referrals > 0 {
                        let references = self.referrals;
                        tracing::debug!(
                            references,
                            "parts of a tree that other servers have are left out"
                        );
                    }
                    self.link = None;
                    self.pool.note(Ok(()));
                }
            }
        }
        Ok(None)
    }

    async fn ask(&mut self) -> Result<Rows, LdapError> {
        let deadline = self.patience();
        let (link, lane) = match self.link.take() {
            Some(link) => link,
            None if self.page.is_some() => {
                let (link, lane) = self.pool.lane(deadline).await?;
                (link, Some(lane))
            }
            None => (self.pool.link(deadline).await?, None),
        };
        self.server = Some(link.server);
        let mut controls = self.controls.clone();
        self.asked = self.page.filter(|_| link.offers.paged);
        self.came = 0;
        if let Some(page) = self.asked {
            controls.push(Control::paged(page, &self.cookie));
        }
        let rows = link
            .connection
            .search(self.search.clone(), &controls, deadline)
            .await?;
        self.link = Some((link, lane));
        Ok(rows)
    }

    /// The cookie of the next page; empty where there is none. A full page without a word on what
    /// follows is no end: what is behind it would be missed in silence.
    fn next_page(&self, controls: &[Control]) -> Result<Bytes, LdapError> {
        let Some(page) = self.asked else {
            return Ok(Bytes::new());
        };
        let told = controls.iter().any(|control| control.oid == control::PAGED);
        match Control::next_page(controls) {
            Some(cookie) => Ok(cookie),
            None if told || self.came >= page => Err(LdapError::Unknown(Why::malformed(
                "it does not say whether a page is followed by another",
            ))),
            None => Ok(Bytes::new()),
        }
    }

    /// Until when the next answer must be here.
    fn patience(&self) -> Instant {
        if self.begun {
            let now = Instant::now();
            (now + self.pool.config.timeouts.idle).min(self.deadline + WHOLE)
        } else {
            self.deadline
        }
    }
}

/// How much longer a search may take from its first answer to its end.
const WHOLE: Duration = Duration::from_secs(600);
