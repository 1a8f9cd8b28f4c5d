//! A tenant's mapping, compiled: operations in, operations out; replies in, replies out.

use std::sync::Arc;

use crate::auth::{Permitted, Scope};
use crate::scim::operation::{Abilities, Projection};
use crate::scim::schema::TypeSchema;
use crate::scim::{
    Client, Operation, Reply, Resource, ResourceType, ScimError, ScimType, Upstream,
};

use super::witness::Witness;

/// Everything that one tenant's rule says about attributes.
#[derive(Debug)]
pub struct Plan {}

/// Why an operation must see the present resource before it can be sent, and what of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Need {
    /// In the directory's words.
    pub projection: Projection,
    /// For the log and `explain`: `patch without PATCH`, `put overlay`, `mapping with memory`.
    pub why: &'static str,
}

/// The present resource, read once by the gateway for everyone who needs it.
#[derive(Debug, Clone)]
pub struct Before {
    /// As the directory has it.
    pub resource: Resource,
    /// What makes sure that it is still so when the write arrives.
    pub guard: Guard,
}

/// What makes sure that nobody wrote in between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guard {
    /// The directory's version, sent back as `If-Match`.
    Version(String),
    /// Nothing but a second look just before the write.
    None,
}

/// An operation in the directory's words.
#[derive(Debug)]
pub enum Encoded {
    /// To be asked of the directory.
    Ask(Operation<Upstream>),
    /// A query that provably matches nothing; there is nothing to ask.
    Empty,
    /// A write that would change nothing; the answer is the present resource.
    Unchanged(Resource),
}

/// What of the request the answer needs: who may see what, and what was asked for.
#[derive(Debug, Clone)]
pub struct View {
    /// The type.
    pub resource: ResourceType,
    /// What the caller may see.
    pub scope: Scope,
    /// What was asked for, in the client's words.
    pub projection: Projection,
    /// The 1-based index that a query asked for.
    pub start: usize,
}

/// Why a request cannot be brought into the directory's words, or an answer not back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MappingError {
    /// The client's fault: 400 with a keyword; the text is in the client's words.
    Refused(ScimType, String),
    /// The directory's answer makes no sense; the text is for the log.
    Malformed(String),
    /// The client's `If-Match` cannot be held with this directory: 412.
    NoVersions,
}

impl Plan {
    /// The type at a path segment (`Users`), compared with case.
    #[must_use]
    pub fn endpoint(&self, segment: &str) -> Option<&TypeSchema> {
        let _ = segment;
        todo!()
    }

    /// All types, as this tenant can truly hold them.
    pub fn types(&self) -> impl Iterator<Item = &TypeSchema> {
        std::iter::empty()
    }

    /// Whether client accents are accepted.
    #[must_use]
    pub fn accepts_accents(&self) -> bool {
        todo!()
    }

    /// What the operation must know of the present resource, if anything. `None` means one round
    /// trip.
    #[must_use]
    pub fn need(&self, permitted: &Permitted, abilities: Abilities) -> Option<Need> {
        let _ = (permitted, abilities);
        todo!()
    }

    /// Brings an operation into the directory's words.
    ///
    /// # Errors
    /// See [`MappingError`].
    pub fn encode(
        &self,
        permitted: Permitted,
        abilities: Abilities,
        before: Option<&Before>,
        witness: &mut impl Witness,
    ) -> Result<(Encoded, View), MappingError> {
        let _ = (permitted, abilities, before, witness);
        todo!()
    }

    /// Brings an answer into the client's words. `base` is the Tenant URL without a slash at the
    /// end; every location is made from it. Lists are rewritten one resource at a time as they
    /// are read from the answer.
    ///
    /// # Errors
    /// [`MappingError::Malformed`].
    pub fn decode<W: Witness + Send + 'static>(
        self: &Arc<Self>,
        reply: Reply<Upstream>,
        view: &View,
        witness: W,
    ) -> Result<Reply<Client>, MappingError> {
        let _ = (reply, view, witness);
        todo!()
    }

    /// Brings a directory's explanation into the client's words where every name in it can be
    /// brought back; else `None`, and a general text is used.
    #[must_use]
    pub fn decode_error(&self, resource: &ResourceType, detail: &str) -> Option<String> {
        let _ = (resource, detail);
        todo!()
    }
}

impl From<MappingError> for ScimError {
    fn from(error: MappingError) -> Self {
        match error {
            MappingError::Refused(kind, detail) => Self::bad(kind, detail),
            MappingError::Malformed(_) => Self::new(
                http::StatusCode::BAD_GATEWAY,
                None,
                "the directory's answer could not be understood",
            ),
            MappingError::NoVersions => Self::new(
                http::StatusCode::PRECONDITION_FAILED,
                None,
                "the directory keeps no versions, so If-Match cannot be held",
            ),
        }
    }
}
