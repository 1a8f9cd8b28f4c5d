//! What a write makes of the present resource, for whoever decides whether it may: conditions of
//! roles, protected resources, the guard, the audit trail. Computed by what encodes the write.

use super::{Before, MappingError, Plan};
use crate::auth::Permitted;
use crate::mapping::compile::Type;
use crate::mapping::witness::Witness;
use crate::scim::Resource;
use crate::scim::json::Checked;
use crate::scim::operation::Verb;

/// The present resource and what becomes of it, both in the client's words, with everything that
/// any account may see. Secrets are in neither.
#[derive(Debug, Clone, PartialEq)]
pub struct Effect {
    /// As it is.
    pub present: Resource,
    /// As it will be; `None` where it is deleted.
    pub next: Option<Resource>,
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
        let next = match &operation.verb {
            Verb::Create(_) | Verb::Read(_) | Verb::List(_) => Some(present.clone()),
            Verb::Delete(_) => None,
            Verb::Replace(id, document) => {
                let document = self.left(ty, scope, document.clone(), true, &mut Vec::new())?;
                let new = self.replace(ty, scope, id, document, Some(before), &mut ())?;
                match new {
                    None => Some(present.clone()),
                    Some(new) => Some(self.seen(ty, &new.into_tree())?),
                }
            }
            Verb::Patch(_, patch) => {
                let patch = self.left_of(ty, scope, patch, &mut Vec::new());
                let left = self.patch(ty, &patch)?.left;
                let new = self.applied(ty, scope, &left, before, &mut ())?;
                Some(self.seen(ty, &new)?)
            }
        };
        Ok(Effect { present, next })
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
