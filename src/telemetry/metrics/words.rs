//! The words that become labels: small closed sets, so that no label can grow.

use crate::auth::{CertificateFault, Rejection};

/// Who has to act when something fails. It chooses the class of the status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Whoever sent the request.
    Client,
    /// The system behind.
    Directory,
    /// We ourselves.
    Gateway,
}

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// What was asked for.
    Ok,
    /// An error that somebody has to act on.
    Failed(Fault),
    /// The client left before there was an answer.
    Gone,
}

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OperationKind {
    /// One new resource.
    Create,
    /// One resource by its id.
    Read,
    /// Resources of one type.
    List,
    /// A resource as a whole.
    Replace,
    /// A resource in part.
    Patch,
    /// A resource gone.
    Delete,
    /// Resources of all types.
    Search,
    /// A series of operations.
    Bulk,
    /// The resource of the caller.
    Me,
    /// What the tenant can do.
    Discovery,
    /// An access token of our own.
    Token,
}

/// What came of asking for an access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Issuing {
    /// It was made.
    Issued,
    /// It is not known who asked.
    InvalidClient,
    /// For more than the account may.
    InvalidScope,
    /// The request is not understood.
    InvalidRequest,
    /// Not now.
    Unavailable,
}

/// Which way something goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the client to the directory.
    Request,
    /// Back.
    Answer,
}

/// Why a caller who is known is not let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Denial {
    /// The account has nothing to do with the tenant.
    Tenant,
    /// No role allows the operation.
    Role,
    /// No role allows an attribute that the request names.
    Attribute,
}

/// Why a caller is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuthFailure {
    /// Several `Authorization` headers.
    Several,
    /// None.
    Missing,
    /// One that is no bearer token.
    Malformed,
    /// No such key, or the secret does not fit.
    Unknown,
    /// A key past its time.
    Expired,
    /// A key before its time.
    NotYet,
    /// A valid key, from a network that its account does not call from.
    Network,
    /// A certificate of nobody, none where one is wanted, or nothing else where more is.
    Certificate,
    /// A token that is not signed by whom it says, or not as it must be.
    Forged,
    /// A token signed by a key that its issuer does not have.
    Key,
    /// A token of an issuer that is not trusted.
    Issuer,
    /// A token meant for somebody else.
    Audience,
    /// A token without a claim that it must have, or with one that it must not.
    Claims,
    /// A token that is not good by the word of whoever issued it.
    Inactive,
    /// A good token that is that of no account.
    NoAccount,
    /// A good token that is that of more than one account.
    Ambiguous,
    /// Whoever could say whether the token is good cannot be asked: 503.
    Unavailable,
}

/// Which certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CertificateUse {
    /// That of the public listener.
    Public,
    /// That of the control listener.
    Control,
    /// The client certificate towards a directory.
    Directory,
    /// The CAs of SCIM clients.
    ClientCa,
    /// What these CAs have revoked.
    ClientCrl,
    /// The CAs of operators.
    OperatorCa,
    /// What these CAs have revoked.
    OperatorCrl,
}

impl Fault {
    /// The word for labels and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Directory => "directory",
            Self::Gateway => "gateway",
        }
    }
}

impl Outcome {
    /// How many there are.
    pub(super) const COUNT: usize = 5;

    /// From 0, below [`Self::COUNT`].
    pub(super) fn index(self) -> usize {
        match self {
            Self::Ok => 0,
            Self::Failed(Fault::Client) => 1,
            Self::Failed(Fault::Directory) => 2,
            Self::Failed(Fault::Gateway) => 3,
            Self::Gone => 4,
        }
    }

    /// The word for labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed(fault) => fault.as_str(),
            Self::Gone => "gone",
        }
    }
}

impl OperationKind {
    /// How many there are.
    pub(super) const COUNT: usize = Self::Token as usize + 1;

    /// The word for labels and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Read => "read",
            Self::List => "list",
            Self::Replace => "replace",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::Search => "search",
            Self::Bulk => "bulk",
            Self::Me => "me",
            Self::Discovery => "discovery",
            Self::Token => "token",
        }
    }
}

impl Issuing {
    /// All of them.
    pub(super) const ALL: [Self; 5] = [
        Self::Issued,
        Self::InvalidClient,
        Self::InvalidScope,
        Self::InvalidRequest,
        Self::Unavailable,
    ];

    /// The word for labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Issued => "issued",
            Self::InvalidClient => "invalid_client",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidRequest => "invalid_request",
            Self::Unavailable => "unavailable",
        }
    }
}

impl Direction {
    /// The word for labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Answer => "answer",
        }
    }
}

impl Denial {
    /// The word for labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Role => "role",
            Self::Attribute => "attribute",
        }
    }
}

impl AuthFailure {
    /// All of them.
    pub(super) const ALL: [Self; 17] = [
        Self::Several,
        Self::Missing,
        Self::Malformed,
        Self::Unknown,
        Self::Expired,
        Self::NotYet,
        Self::Network,
        Self::Certificate,
        Self::Forged,
        Self::Key,
        Self::Issuer,
        Self::Audience,
        Self::Claims,
        Self::Inactive,
        Self::NoAccount,
        Self::Ambiguous,
        Self::Unavailable,
    ];

    /// The word for labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Several => "several",
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::NotYet => "not_yet",
            Self::Network => "network",
            Self::Certificate => "certificate",
            Self::Forged => "forged",
            Self::Key => "key",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Claims => "claims",
            Self::Inactive => "inactive",
            Self::NoAccount => "account",
            Self::Ambiguous => "ambiguous",
            Self::Unavailable => "unavailable",
        }
    }
}

impl From<Rejection> for AuthFailure {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Unknown => Self::Unknown,
            Rejection::Expired => Self::Expired,
            Rejection::NotYet => Self::NotYet,
            Rejection::Forged => Self::Forged,
            Rejection::Key => Self::Key,
            Rejection::Issuer => Self::Issuer,
            Rejection::Audience => Self::Audience,
            Rejection::Claims => Self::Claims,
            Rejection::Inactive => Self::Inactive,
            Rejection::NoAccount => Self::NoAccount,
            Rejection::Ambiguous => Self::Ambiguous,
        }
    }
}

impl From<&CertificateFault> for AuthFailure {
    fn from(fault: &CertificateFault) -> Self {
        match fault {
            CertificateFault::Ambiguous => Self::Ambiguous,
            CertificateFault::Unknown
            | CertificateFault::Wanted(_)
            | CertificateFault::Alone(_) => Self::Certificate,
        }
    }
}

impl CertificateUse {
    /// The word for labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Control => "control",
            Self::Directory => "directory",
            Self::ClientCa => "client_ca",
            Self::ClientCrl => "client_crl",
            Self::OperatorCa => "operator_ca",
            Self::OperatorCrl => "operator_crl",
        }
    }
}

/// The label of what is not known.
pub(super) const NONE: &str = "-";
