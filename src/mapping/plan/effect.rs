//! What a write makes of the present resource, for whoever decides whether it may: conditions of
//! roles, protected resources, the guard, the audit trail. Computed by what encodes the write.

use super::{Before, MappingError, Plan};
use crate::auth::Permitted;
use crate::mapping::compile::Type;
use crate::mapping::witness::Witness;
use crate::scim::Resource;
use crate::scim::json::Checked;
use crate::scim::operation::{Document, Verb};

/// The present resource and what becomes of it. In the client's words it has everything that any
/// account may see, and no secrets.
#[derive(Debug, Clone, PartialEq)]
pub struct Effect {
    /// As it is.
    pub present: Resource,
    /// As it will be; `None` where it is deleted.
    pub next: Option<Resource>,
    /// As it is in the directory's words, secrets included where the directory shows any.
    pub was: Resource,
    /// As it will be in the directory's words.
    pub becomes: Option<Resource>,
}

impl Plan {
    /// What the operation makes of the present resource. A read and a creation make nothing of it.
    ///
    /// # Errors
    /// Those of [`Plan::encode`].
    pub fn effect(&self, permitted: &Permitted, before: &Before) -> Result<Effect, MappingError> {
        let operation = permitted.operation();
        let ty = self.known(&operation.resource)?;
        let scope = &permitted.scope().based(&ty.held.base.id);
        let present = self.seen(ty, &before.resource)?;
        let was = before.resource.clone();
        let becomes = match &operation.verb {
            Verb::Create(_) | Verb::Read(_) | Verb::List(_) => Some(was.clone()),
            Verb::Delete(_) => None,
            Verb::Replace(id, document) => {
                let document = self.left(ty, scope, document.clone(), true, &mut Vec::new())?;
                let new = self.replace(ty, scope, id, document, Some(before), &mut ())?;
                Some(new.map_or_else(|| was.clone(), Document::into_tree))
            }
            Verb::Patch(_, patch) => {
                let patch = self.left_of(ty, scope, patch, &mut Vec::new());
                let left = self.patch(ty, &patch)?.left;
                Some(self.applied(ty, scope, &left, before, &mut ())?)
            }
        };
        let next = match &becomes {
            Some(new) => Some(self.seen(ty, new)?),
            None => None,
        };
        Ok(Effect {
            present,
            next,
            was,
            becomes,
        })
    }

    /// A resource of the directory in the client's words, whole.
    pub(super) fn seen(&self, ty: &Type, resource: &Resource) -> Result<Resource, MappingError> {
        self.seen_by(ty, resource, &mut ())
    }

    /// The same, with what is to be reported of it.
    pub(super) fn seen_by(
        &self,
        ty: &Type,
        resource: &Resource,
        witness: &mut impl Witness,
    ) -> Result<Resource, MappingError> {
        let text = Checked::of(resource);
        let members = self.to_client(ty, text.members(), None, witness)?;
        Ok(members.to_resource())
    }
}
