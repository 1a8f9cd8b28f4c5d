//! The end of a resource: its entry goes, or stays disabled where no client sees it.

use std::sync::Arc;

use super::Ldap;
use super::find::name_of;
use super::home::Home;
use super::refusal;
use crate::directory::ldap::{Code, Write};
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
        let own: Arc<str> = home.place.id.as_str().into();
        let entry = self.find(home, id, vec![own], ask).await?;
        let dn = name_of(&entry)?;
        let write = match &home.place.on_delete {
            OnDelete::Remove => Write::Delete { dn },
            OnDelete::Keep { .. } => return Err(DirectoryError::Unsupported),
        };
        let controls: Vec<_> = home.held_to(precondition).into_iter().collect();
        let outcome = self.pool.write(write, &controls, ask.deadline).await;
        let result = outcome.map_err(refusal::of_write)?.result;
        match result.code {
            Code::SUCCESS => Ok(Reply::new(Answer::Nothing)),
            _ => Err(refusal::of(&result)),
        }
    }
}
