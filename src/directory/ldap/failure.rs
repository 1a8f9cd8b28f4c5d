//! Why an operation did not do what it should, and whether any of it may have left.

use std::sync::Arc;

use super::code::Code;
use super::response::LdapResult;

/// Why there is no answer, or not the wanted one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LdapError {
    /// Nothing of it left.
    #[error("{0}")]
    Unsent(Why),
    /// It may have arrived: what became of it is not known.
    #[error("{0}")]
    Unknown(Why),
    /// The server answered, and not with success.
    #[error("the directory answered {0}")]
    Refused(LdapResult),
    /// One entry was expected, and there are more.
    #[error("the directory has more than one such entry")]
    Ambiguous,
}

/// What went wrong. The texts are for operators, and hold no values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// No connection could be had.
    #[error("the directory cannot be reached: {0}")]
    Unreachable(Arc<str>),
    /// A server is there, and it is not the one that we trust.
    #[error("the directory is not trusted: TLS: {0}")]
    Untrusted(Arc<str>),
    /// It does not take our credentials.
    #[error("the directory does not accept our credentials ({0})")]
    Credentials(Code),
    /// All connections are busy, and stayed so.
    #[error("too many operations wait for the directory")]
    Overloaded,
    /// The connection ended.
    #[error("the connection to the directory was lost: {0}")]
    Closed(Arc<str>),
    /// The deadline passed.
    #[error("the directory did not answer in time")]
    TimedOut,
    /// Whoever asked did not read the answer fast enough.
    #[error("the answer was not read fast enough")]
    TooSlow,
    /// The answer is not LDAP, or not an answer to this.
    #[error("the directory's answer is not understood: {0}")]
    Malformed(Arc<str>),
    /// What was to be read is another each time.
    #[error("an attribute changes faster than it can be read")]
    Unsteady,
    /// The request is larger than any server takes.
    #[error("the request is too large for the directory")]
    TooLarge,
}

impl LdapError {
    /// Whether a read may be asked again on another connection. (A write only where nothing of it
    /// left.)
    #[must_use]
    pub fn is_lost(&self) -> bool {
        matches!(
            self,
            Self::Unsent(Why::Closed(_)) | Self::Unknown(Why::Closed(_))
        )
    }

    /// Whether nothing of the operation left.
    #[must_use]
    pub fn is_unsent(&self) -> bool {
        matches!(self, Self::Unsent(_))
    }

    /// The code that the server answered with, if it did.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Refused(result) => Some(result.code),
            Self::Unsent(_) | Self::Unknown(_) | Self::Ambiguous => None,
        }
    }

    /// That this went wrong, when some of the operation may have left or not.
    pub(super) fn of(why: Why, left: bool) -> Self {
        if left {
            Self::Unknown(why)
        } else {
            Self::Unsent(why)
        }
    }
}

impl Why {
    pub(super) fn malformed(what: &(impl std::fmt::Display + ?Sized)) -> Self {
        Self::Malformed(what.to_string().into())
    }
}
