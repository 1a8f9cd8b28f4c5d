//! Who calls and what they may do. The mapping demands a [`Permitted`], and only
//! [`Caller::authorize`] makes one: forgetting the check does not compile.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use http::HeaderMap;

use crate::scim::operation::VerbKind;
use crate::scim::{AttrPath, Client, Operation, ResourceType};

/// The name of a tenant: its rule file's name without the ending.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantName(Arc<str>);

/// Everything loaded from `access.yaml`, ready to answer.
#[derive(Debug, Default)]
pub struct Authenticator {}

/// An authenticated account.
#[derive(Debug, Clone)]
pub struct Caller {
    account: Arc<Account>,
    /// The key that proved it.
    pub key: Arc<str>,
}

/// An account of `access.yaml`.
#[derive(Debug)]
pub struct Account {
    /// Its name.
    pub name: Arc<str>,
}

/// An operation that the caller may do, with what of it they may see and change.
#[derive(Debug, Clone)]
pub struct Permitted {
    operation: Operation<Client>,
    scope: Scope,
}

/// Which attributes the caller may read and write in this operation.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    _private: (),
}

/// Why a call is not let through.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No token was sent.
    #[error("no bearer token was sent")]
    Missing,
    /// There is more than one `Authorization` header, or it is not readable.
    #[error("the authorization header is not one bearer token")]
    Malformed,
    /// Unknown, expired, not yet valid: the client is not told which.
    #[error("the token is not valid")]
    Rejected(Rejection),
    /// The account has nothing to do with this tenant.
    #[error("account `{account}` may not use tenant `{tenant}`")]
    Tenant {
        /// The account.
        account: Arc<str>,
        /// The tenant.
        tenant: TenantName,
    },
    /// No role of the account allows it.
    #[error("account `{account}` may not {verb} {resource}", verb = verb.as_str())]
    Forbidden {
        /// The account.
        account: Arc<str>,
        /// What it wanted.
        verb: VerbKind,
        /// On which type.
        resource: ResourceType,
    },
}

/// The true reason of a rejection, for metrics and logs only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rejection {
    /// No such key, or the secret does not fit.
    Unknown,
    /// Past its time.
    Expired,
    /// Before its time.
    NotYet,
}

impl Authenticator {
    /// Who sent these headers. Hash and lookup, no allocation, no waiting.
    ///
    /// # Errors
    /// [`AuthError::Missing`], [`AuthError::Malformed`], [`AuthError::Rejected`].
    pub fn authenticate(&self, headers: &HeaderMap, now: SystemTime) -> Result<Caller, AuthError> {
        let _ = (headers, now);
        todo!()
    }
}

impl Caller {
    /// The account's name.
    #[must_use]
    pub fn account(&self) -> &Arc<str> {
        &self.account.name
    }

    /// Whether the account may use the tenant at all; discovery asks no more than this.
    ///
    /// # Errors
    /// [`AuthError::Tenant`].
    pub fn enter(&self, tenant: &TenantName) -> Result<(), AuthError> {
        let _ = tenant;
        todo!()
    }

    /// Makes the proof that the operation is allowed.
    ///
    /// # Errors
    /// [`AuthError::Tenant`], [`AuthError::Forbidden`].
    pub fn authorize(
        &self,
        tenant: &TenantName,
        operation: Operation<Client>,
    ) -> Result<Permitted, AuthError> {
        let _ = tenant;
        let _ = Permitted {
            operation,
            scope: Scope { _private: () },
        };
        todo!()
    }
}

impl Permitted {
    /// The operation.
    #[must_use]
    pub fn operation(&self) -> &Operation<Client> {
        &self.operation
    }

    /// What may be seen and changed.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Both, to be used up.
    #[must_use]
    pub fn into_parts(self) -> (Operation<Client>, Scope) {
        (self.operation, self.scope)
    }
}

impl Scope {
    /// Whether the attribute may be seen.
    #[must_use]
    pub fn may_read(&self, path: &AttrPath) -> bool {
        let _ = path;
        true
    }

    /// Whether the attribute may be changed.
    #[must_use]
    pub fn may_write(&self, path: &AttrPath) -> bool {
        let _ = path;
        true
    }

    /// Whether nothing at all is hidden or forbidden.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        true
    }
}

impl TenantName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for TenantName {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for TenantName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TenantName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}
