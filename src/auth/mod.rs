//! Who calls and what they may do. The mapping demands a [`Permitted`], and only
//! [`Caller::authorize`] makes one: forgetting the check does not compile.

pub mod access;
pub mod instant;
pub mod issue;
pub mod network;
pub mod rate;
pub mod throttle;
pub mod token;
pub mod trust;

mod attributes;
mod authenticator;
mod certificates;
mod condition;
mod grant;
mod jwt;
mod keyring;
mod last_use;
mod lives;
mod mentions;
mod permit;
mod presented;
mod rights;
mod scope;
mod sight;
mod values;

use std::fmt;
use std::sync::Arc;

pub use authenticator::{Account, Authenticator, Key, KeyState, Operator, OperatorCaller, Tenants};
pub use certificates::{CertificateFault, CertificateName, Requires};
pub use condition::{Condition, asked};
pub use grant::RoleLine;
pub use lives::TokenCounts;
pub use permit::{Caller, Permitted};
pub use presented::{Later, Presented, Proven};
pub use scope::{Scope, Set, Share};
pub use sight::{Sight, Visible};
pub use values::Bound;

pub use crate::net::Secret;

use crate::scim::ResourceType;
use crate::scim::operation::VerbKind;

/// The name of a tenant: its rule file's name without the ending.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantName(Arc<str>);

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
    /// It is valid, but not from where it was sent: whoever stole it is not told so.
    #[error("the token is not valid")]
    Elsewhere {
        /// Whose it is.
        account: Arc<str>,
        /// Its key id.
        key: Arc<str>,
    },
    /// The certificate of the connection is not what proves it: whose it is, or whose it should
    /// be, the client is not told.
    #[error("the request does not prove who sends it")]
    Certificate(CertificateFault),
    /// Whoever could say whether it is valid cannot be asked now.
    #[error("whether the token is valid cannot be found out now")]
    Unavailable {
        /// Whose tokens they are: a name of `trust`.
        trust: Arc<str>,
    },
    /// The account has nothing to do with this tenant.
    #[error("account `{account}` may not use tenant `{tenant}`")]
    Tenant {
        /// The account.
        account: Arc<str>,
        /// The tenant.
        tenant: TenantName,
    },
    /// The account may, but the token was made for less.
    #[error("the token of account `{account}` was not made for this: ask for a wider `scope`")]
    Narrow {
        /// The account.
        account: Arc<str>,
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
    /// The account sees the resource, and the condition of no line that allows it holds.
    #[error(
        "account `{account}` may not {verb} this {resource}: it does not meet the condition of \
         its role",
        verb = verb.as_str()
    )]
    Unmet {
        /// The account.
        account: Arc<str>,
        /// What it wanted.
        verb: VerbKind,
        /// On which type.
        resource: ResourceType,
    },
    /// The condition of no line holds by which the account would see the resource: for this account
    /// it is not there.
    #[error("account `{account}` does not see this {resource}: it meets no condition of its role")]
    Hidden {
        /// The account.
        account: Arc<str>,
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
    /// Not signed, not by whom it says, or not as it must be.
    Forged,
    /// Signed by a key that its issuer does not have.
    Key,
    /// Of an issuer that is not trusted.
    Issuer,
    /// Meant for somebody else.
    Audience,
    /// Without a claim that it must have, or with one that it must not.
    Claims,
    /// Not good, by the word of whoever issued it.
    Inactive,
    /// Good, and that of no account.
    NoAccount,
    /// Good, and that of more than one account.
    Ambiguous,
}

impl Rejection {
    /// The word for metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::NotYet => "not_yet",
            Self::Forged => "forged",
            Self::Key => "key",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Claims => "claims",
            Self::Inactive => "inactive",
            Self::NoAccount => "account",
            Self::Ambiguous => "ambiguous",
        }
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
