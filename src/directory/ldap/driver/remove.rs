//! The end of a resource: its entry goes, or stays disabled where no client sees it.

use std::sync::Arc;

use super::Ldap;
use super::change::TRIES;
use super::find::name_of;
use super::home::Home;
use super::refusal;
use super::version::names_one;
use crate::directory::ldap::{Entry, Write};
use crate::directory::{Ask, DirectoryError};
use crate::ldap::layout::OnDelete;
use crate::scim::operation::{Answer, Precondition};
use crate::scim::{Reply, ResourceId, Upstream};

impl Ldap {
    pub(super) async fn remove(
        &self,
        home: &Home,
        id: &ResourceId,
        precondition: &Precondition,
        ask: &Ask,
    ) -> Result<Reply<Upstream>, DirectoryError> {
        let mut names: Vec<Arc<str>> = vec![home.place.id.as_str().into()];
        if names_one(precondition) {
            names.extend(home.version_names());
        }
        names.extend(self.pointers_by(home));
        names.extend(home.disabled_by());
        // As in a change: a 404 says that it is gone.
        for _ in 0..TRIES {
            let entry = self.find(home, id, names.clone(), ask).await?;
            match self
                .remove_found(home, (id, &entry), precondition, ask)
                .await
            {
                Err(DirectoryError::NotFound) => {}
                outcome => return outcome,
            }
        }
        Err(refusal::unsteady())
    }

    async fn remove_found(
        &self,
        home: &Home,
        (id, entry): (&ResourceId, &Entry),
        precondition: &Precondition,
        ask: &Ask,
    ) -> Result<Reply<Upstream>, DirectoryError> {
        let by_values = self.sees_to(home, precondition);
        if !home.has_version(entry, precondition) {
            return Err(DirectoryError::Precondition);
        }
        let dn = name_of(entry)?;
        let pinned = self.pool.pinned(ask.deadline).await;
        let pinned = pinned.map_err(refusal::of_write)?;
        let held = home
            .held_to(precondition)
            .filter(|_| pinned.offers().assertion);
        if let OnDelete::Keep { disable, move_to } = &home.place.on_delete {
            let to = (disable.as_slice(), move_to.as_ref());
            let held = (held, by_values.then_some(precondition));
            self.put_away(home, &pinned, (id, entry), to, held, ask)
                .await?;
            return Ok(Reply::new(Answer::Nothing));
        }
        self.clean(home, entry, &pinned, ask).await?;
        let controls: Vec<_> = held.into_iter().collect();
        let write = Write::Delete { dn };
        let outcome = pinned.write(write, &controls, ask.deadline).await;
        let result = outcome.map_err(refusal::of_write)?.result;
        if result.is_success() {
            return Ok(Reply::new(Answer::Nothing));
        }
        Err(refusal::of(&result))
    }
}
