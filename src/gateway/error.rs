//! Everything that can keep a request from its answer. These only wrap what the floors below say;
//! what each becomes on the wire is decided in [`super::respond`].

use super::oauth::OAuthError;
use crate::auth::{AuthError, Scope};
use crate::directory::DirectoryError;
use crate::mapping::{Harm, MappingError, Plan};
use crate::scim::json::JsonError;
use crate::scim::operation::{Interrupted, VerbKind};
use crate::scim::{ResourceType, ScimError};

use super::protect::Shield;

/// Why a request does not get what it asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum GatewayError {
    /// Who calls, or what they may do.
    Auth(AuthError),
    /// Who wants an access token, or how.
    OAuth(OAuthError),
    /// The account's own rate is used up; seconds until it is not.
    OverRate(u64),
    /// It is not known who calls, and the address has failed too often; seconds until it is told
    /// more.
    Throttled(u64),
    /// More than one `Authorization` header.
    SeveralAuthorizations,
    /// The path has no canonical form; the text says why.
    Path(&'static str),
    /// `Host` or `:authority` is missing, doubled or not readable; the text says which.
    Host(&'static str),
    /// It is readable, and not one of the tenant's.
    Misdirected,
    /// No tenant has this path.
    NoTenant,
    /// The tenant has no such endpoint.
    NoEndpoint,
    /// There is no discovery resource of this name.
    NoSuchDefinition,
    /// The endpoint does not take the method; these it takes.
    Method(&'static str),
    /// The body is of another media type.
    MediaType,
    /// The body is compressed or otherwise coded.
    ContentEncoding,
    /// The body is larger than this.
    TooLarge(usize),
    /// The body did not arrive in time.
    SlowBody,
    /// The body broke off, or its framing is wrong.
    BrokenBody,
    /// A header that matters cannot be read; its name.
    Header(&'static str),
    /// The body is not the JSON that it must be.
    Json(JsonError),
    /// The protocol's own refusals.
    Scim(ScimError),
    /// A filter on the discovery endpoints.
    FilterOnDiscovery,
    /// `/Me`, which is not mapped.
    Me,
    /// An operation of a bulk request that was not begun: the time for the whole is over.
    NotBegun,
    /// An operation of a bulk request refers to one that is not there, failed, or waits for it.
    BulkReference(BulkReference),
    /// The mapping, either way.
    Mapping(MappingError),
    /// The directory did not do it.
    Directory {
        /// What it said.
        error: DirectoryError,
        /// What was asked.
        verb: VerbKind,
        /// Of which type.
        resource: ResourceType,
        /// Its explanation in the client's words, where it could be brought into those.
        detail: Option<String>,
    },
    /// A list ended before its commit point.
    Interrupted(Interrupted),
    /// The directory made a resource and did not say which.
    Nameless(ResourceType),
    /// The audit trail cannot be written, and without its record no write is sent.
    Unrecorded,
    /// Others kept changing the resource while we prepared the write.
    Contended,
    /// The rule refuses to emulate PATCH where the directory keeps no versions.
    Unguarded,
    /// The tenant's guard lets no more of this through for now.
    OverGuard {
        /// Of what.
        harm: Harm,
        /// Seconds until it does.
        wait: u64,
    },
    /// The tenant's guard must know how many resources there are, and the directory does not say.
    Uncounted,
    /// It would harm what the rule protects.
    Protected(Shield),
    /// Too many requests are under way.
    Shed,
    /// The time for the whole request is over; whether it was a write.
    Deadline(bool),
    /// A defect of ours.
    Panic,
}

/// What is wrong with a reference `bulkId:…`; each holds the name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BulkReference {
    /// No operation of the request makes it.
    Unknown(String),
    /// The operation that was to make it failed.
    Failed(String),
    /// The operations wait for one another in a circle.
    Circular,
}

impl GatewayError {
    /// What a directory said, with its explanation brought into the client's words.
    pub(super) fn directory(
        error: DirectoryError,
        plan: &Plan,
        verb: VerbKind,
        resource: &ResourceType,
    ) -> Self {
        let detail = match &error {
            DirectoryError::Refused { detail, .. } | DirectoryError::Conflict { detail, .. } => {
                let said = detail.as_deref();
                said.and_then(|text| plan.decode_error(resource, text))
            }
            DirectoryError::Declined { why, .. } => Some((*why).to_owned()),
            DirectoryError::NotFound
            | DirectoryError::Precondition
            | DirectoryError::Busy { .. }
            | DirectoryError::TooLarge
            | DirectoryError::Credentials(_)
            | DirectoryError::Unsupported
            | DirectoryError::Unreachable(_)
            | DirectoryError::Lost
            | DirectoryError::TimedOut
            | DirectoryError::Malformed(_)
            | DirectoryError::Failed(_)
            | DirectoryError::Partly
            | DirectoryError::Overloaded => None,
        };
        Self::Directory {
            error,
            verb,
            resource: resource.clone(),
            detail,
        }
    }

    /// Whether it is certain that a write that was sent, and ended so, changed nothing.
    pub(super) fn changed_nothing(&self) -> bool {
        let Self::Directory { error, .. } = self else {
            return false;
        };
        match error {
            DirectoryError::Refused { .. }
            | DirectoryError::Declined { .. }
            | DirectoryError::NotFound
            | DirectoryError::Conflict { .. }
            | DirectoryError::Precondition
            | DirectoryError::Busy { .. }
            | DirectoryError::TooLarge
            | DirectoryError::Credentials(_)
            | DirectoryError::Unsupported
            | DirectoryError::Unreachable(_)
            | DirectoryError::Overloaded => true,
            DirectoryError::Lost
            | DirectoryError::TimedOut
            | DirectoryError::Malformed(_)
            | DirectoryError::Failed(_)
            | DirectoryError::Partly => false,
        }
    }

    /// The same for an account: where it may not see everything, what the directory explains is
    /// left out, for it may name or tell what is not to be seen.
    pub(super) fn told_to(self, scope: &Scope) -> Self {
        match self {
            Self::Directory {
                error,
                verb,
                resource,
                detail,
            } => Self::Directory {
                error,
                verb,
                resource,
                detail: detail.filter(|_| scope.is_whole()),
            },
            other => other,
        }
    }
}

impl From<AuthError> for GatewayError {
    fn from(error: AuthError) -> Self {
        Self::Auth(error)
    }
}

impl From<JsonError> for GatewayError {
    fn from(error: JsonError) -> Self {
        Self::Json(error)
    }
}

impl From<ScimError> for GatewayError {
    fn from(error: ScimError) -> Self {
        Self::Scim(error)
    }
}

impl From<MappingError> for GatewayError {
    fn from(error: MappingError) -> Self {
        Self::Mapping(error)
    }
}

impl From<Interrupted> for GatewayError {
    fn from(error: Interrupted) -> Self {
        Self::Interrupted(error)
    }
}
