//! A directory that speaks LDAP: operations on resources as operations on entries.
//!
//! A resource is found by (base, object filter, id attribute), never by a name that a client sent:
//! whatever a client says, nothing outside the bases of its rule is read or written. A write takes
//! two operations: the entry is found, and changed with the answer in the same breath (RFC 4527),
//! or read again on the same connection where the server has no such control.

mod apply;
mod change;
mod counter;
mod draft;
mod examine;
mod find;
mod held;
mod home;
mod integrity;
mod listing;
mod make;
mod members;
mod password;
mod protect;
mod question;
mod references;
mod refusal;
mod rehearse;
mod remove;
mod rename;
mod shape;
mod soft;
mod unique;
mod values;
mod version;
mod work;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::offers::Offers;
use super::pool::Pool;
use super::rehearsal::Scene;
use crate::directory::{
    Answering, Ask, Directory, DirectoryError, Examining, Finding, Health, Preparing, Rehearsed,
    Server, Vitals,
};
use crate::ldap::Layout;
use crate::scim::operation::{Abilities, Verb};
use crate::scim::{Operation, Reply, Upstream};

use home::Homes;
use listing::Walks;
use question::Learnt;

/// One rule's view of an LDAP directory: the connections, and where its resources live.
#[derive(Debug, Clone)]
pub(super) struct Ldap {
    pool: Arc<Pool>,
    homes: Arc<Homes>,
    walks: Arc<Walks>,
    member_of: Arc<references::MemberOf>,
    /// What the last look at the directory's own schema found.
    findings: Arc<Mutex<Option<Arc<[Finding]>>>>,
    /// How the server compares.
    learnt: Arc<Learnt>,
}

/// A rule's view of a directory.
#[must_use]
pub fn driver(pool: Arc<Pool>, layout: Layout) -> Arc<dyn Directory> {
    Arc::new(Ldap {
        homes: Arc::new(Homes::of(layout, Some(&pool))),
        pool,
        walks: listing::of_this_process(),
        member_of: Arc::new(references::MemberOf::new()),
        findings: Arc::default(),
        learnt: Arc::default(),
    })
}

impl Ldap {
    /// What the server offers, as far as is known.
    fn offers(&self) -> Arc<Offers> {
        self.pool.offers().unwrap_or_default()
    }

    fn lock_findings(&self) -> MutexGuard<'_, Option<Arc<[Finding]>>> {
        self.findings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn done(
        &self,
        operation: Operation<Upstream>,
        ask: &Ask,
    ) -> Result<Reply<Upstream>, DirectoryError> {
        let home = self.homes.get(&operation.resource);
        let home = home.ok_or(DirectoryError::Unsupported)?;
        let Operation {
            verb,
            projection,
            precondition,
            ..
        } = operation;
        match verb {
            Verb::Read(id) => self.read(home, &id, &projection, ask).await,
            Verb::List(query) => self.list(home, query, &projection, ask).await,
            Verb::Create(document) => self.create(home, document, &projection, ask).await,
            Verb::Patch(id, patch) => {
                self.change(home, &id, patch, &precondition, &projection, ask)
                    .await
            }
            Verb::Delete(id) => self.remove(home, &id, &precondition, ask).await,
            // What it changes is told as a PATCH.
            Verb::Replace(..) => Err(DirectoryError::Unsupported),
        }
    }
}

impl Directory for Ldap {
    fn abilities(&self) -> Abilities {
        let offers = self.offers();
        Abilities {
            patch: true,
            // Either it is asserted, or what a write met is told and made good (ADR 12).
            etag: (offers.assertion && self.homes.has_versions()) || offers.pre_read,
            compares: true,
            filter: true,
            sort: false,
            page: true,
            put: false,
        }
    }

    fn has_cursors(&self) -> bool {
        true
    }

    fn health(&self) -> Health {
        self.pool.health()
    }

    fn prepare<'a>(&'a self, ask: &'a Ask) -> Option<Preparing<'a>> {
        if self.pool.offers().is_some() {
            return None;
        }
        Some(Box::pin(self.pool.check(ask.deadline)))
    }

    fn name(&self) -> Arc<str> {
        self.pool.name()
    }

    fn server(&self) -> Option<Server> {
        let offers = self.pool.offers();
        Some(Server {
            name: self.pool.in_use(),
            vendor: offers.as_ref().and_then(|offers| offers.vendor.clone()),
            offers: offers.map(|offers| offers.names()),
            away: self.pool.away(),
        })
    }

    fn pool(&self) -> usize {
        Arc::as_ptr(&self.pool).addr()
    }

    fn vitals(&self) -> Vitals {
        self.pool.vitals()
    }

    fn check<'a>(&'a self, ask: &'a Ask) -> Preparing<'a> {
        Box::pin(self.pool.check(ask.deadline))
    }

    fn examine<'a>(&'a self, ask: &'a Ask) -> Examining<'a> {
        Box::pin(async {
            let found = self.look(ask).await?;
            let mut known = self.lock_findings();
            *known = Some(found.into());
            Ok(())
        })
    }

    fn findings(&self) -> Option<Arc<[Finding]>> {
        self.lock_findings().clone()
    }

    fn holds(&self, operation: &Operation<Upstream>) -> bool {
        let (Verb::Patch(_, patch), Some(home)) =
            (&operation.verb, self.homes.get(&operation.resource))
        else {
            return false;
        };
        patch.changes.iter().all(|change| {
            let known = work::name(change).ok();
            let known = known.and_then(|name| home.place.attribute(name));
            known.is_some_and(|known| known.guarded)
        })
    }

    fn rehearse(&self, scene: Scene) -> Option<Rehearsed> {
        self.rehearsed(scene).ok()
    }

    fn execute<'a>(&'a self, operation: Operation<Upstream>, ask: &'a Ask) -> Answering<'a> {
        Box::pin(self.done(operation, ask))
    }
}
