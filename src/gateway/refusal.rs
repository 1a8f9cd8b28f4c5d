//! The table: what every error becomes on the wire. No wildcard: a new variant does not compile
//! until somebody has decided its status.

use http::StatusCode;

use crate::auth::{AuthError, Rejection};
use crate::directory::DirectoryError;
use crate::mapping::{Harm, MappingError};
use crate::scim::operation::{Interrupted, VerbKind};
use crate::scim::{ScimError, ScimType};
use crate::telemetry::Fault;

use super::error::{BulkReference, GatewayError};
use super::oauth::{Code, OAuthError};

/// An error as it goes to the client, and to whoever operates us.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refusal {
    /// Status, keyword, detail.
    pub(super) error: ScimError,
    /// Who has to act.
    pub(super) fault: Fault,
    /// `WWW-Authenticate`.
    pub(super) challenge: Option<&'static str>,
    /// `Retry-After`, in seconds.
    pub(super) retry_after: Option<u64>,
    /// `Allow`.
    pub(super) allow: Option<&'static str>,
    /// For the access line: never values.
    pub(super) reason: String,
    /// The error code, where it is said in the words of OAuth.
    pub(super) oauth: Option<&'static str>,
}

impl From<GatewayError> for Refusal {
    fn from(error: GatewayError) -> Self {
        match error {
            GatewayError::Auth(error) => auth(&error),
            GatewayError::OAuth(error) => oauth(&error),
            GatewayError::OverRate(seconds) => Self {
                reason: "over the account's rate".to_owned(),
                ..Self::client(429, "the account sends more than it may; come back later")
            }
            .later(seconds),
            GatewayError::Throttled(seconds) => Self::client(
                429,
                "too many requests without a valid token came from this address",
            )
            .later(seconds),
            GatewayError::SeveralAuthorizations => Self {
                challenge: Some(INVALID_REQUEST),
                ..Self::client(400, "send exactly one Authorization header")
            },
            GatewayError::Path(why) => Self::client(400, format!("the path {why}")),
            GatewayError::Host(why) => Self::client(400, format!("the Host header {why}")),
            GatewayError::Misdirected => Self::client(
                421,
                "this host is not one of the tenant's; use the Tenant URL as it was given",
            ),
            GatewayError::NoTenant => Self::client(
                404,
                "no tenant has this path; use the Tenant URL as it was given",
            ),
            GatewayError::NoEndpoint => Self::client(404, "the tenant has no such endpoint"),
            GatewayError::NoSuchDefinition => {
                Self::client(404, "there is no schema or resource type of this name")
            }
            GatewayError::Method(allow) => Self {
                allow: Some(allow),
                ..Self::client(405, format!("this endpoint takes {allow}"))
            },
            GatewayError::MediaType => Self::client(
                415,
                "send application/scim+json or application/json, in UTF-8",
            ),
            GatewayError::ContentEncoding => {
                Self::client(415, "send the body without Content-Encoding")
            }
            GatewayError::TooLarge(limit) => {
                Self::client(413, format!("the body is larger than {limit} bytes"))
            }
            GatewayError::SlowBody => Self::client(408, "the body did not arrive in time"),
            GatewayError::BrokenBody => Self::client(400, "the body broke off"),
            GatewayError::Header(name) => {
                Self::client(400, format!("the {name} header cannot be read"))
            }
            GatewayError::Json(error) => Self {
                reason: "invalid JSON".to_owned(),
                ..Self::bad(
                    ScimType::InvalidSyntax,
                    format!("the body is not taken: {error}"),
                )
            },
            GatewayError::Scim(error) => Self::scim(error),
            GatewayError::FilterOnDiscovery => Self::client(
                403,
                "discovery endpoints take no filter (RFC 7644 section 4)",
            ),
            GatewayError::Me => Self::client(501, "/Me is not mapped; use the resource's own path"),
            GatewayError::NotBegun => Self::gateway(
                503,
                "not begun: the time for the whole bulk request is over; repeat this operation",
            )
            .later(1),
            GatewayError::BulkReference(error) => bulk_reference(error),
            GatewayError::Mapping(error) => mapping(error),
            GatewayError::Directory {
                error,
                verb,
                resource,
                detail,
            } => Self {
                reason: error.to_string(),
                ..directory(&error, verb, resource.as_str(), detail)
            },
            GatewayError::Interrupted(error) => Self {
                reason: error.to_string(),
                ..interrupted(&error)
            },
            GatewayError::Nameless(resource) => Self::directory(
                502,
                format!(
                    "the directory made the {resource} but did not say which; a query finds it"
                ),
            ),
            GatewayError::Unrecorded => Self::gateway(
                503,
                "the audit trail of this service cannot be written; nothing was changed",
            )
            .later(RETRY_AFTER),
            GatewayError::Contended => Self::gateway(
                503,
                "the resource kept changing while the request was prepared; repeat it",
            )
            .later(1),
            GatewayError::Unguarded => Self::gateway(
                501,
                "the directory has neither PATCH nor versions, and the rule says \
                 `patch_without_etag: refuse`; use PUT",
            ),
            GatewayError::OverGuard { harm, wait } => Self {
                reason: format!("over the guard's limit: {}", harm.as_str()),
                ..Self::client(429, over_guard(harm))
            }
            .later(wait),
            GatewayError::Uncounted => Self::gateway(
                503,
                "the guard must know how many resources there are, and the directory does not say; \
                 nothing was changed, repeat it later",
            )
            .later(10),
            GatewayError::Protected(shield) => Self {
                reason: format!("protected by the rule: {}", shield.word()),
                ..Self::client(403, shield.to_string())
            },
            GatewayError::Shed => Self::gateway(503, "too many requests are under way").later(1),
            GatewayError::Deadline(false) => Self::gateway(504, "the answer did not come in time"),
            GatewayError::Deadline(true) => Self::gateway(
                504,
                "the answer did not come in time; whether the change was made is not known, \
                 repeat the request or read the resource",
            ),
            GatewayError::Panic => Self::gateway(500, "something is wrong with this service"),
        }
    }
}

impl Refusal {
    fn new(fault: Fault, status: u16, detail: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let error = ScimError::new(status, None, detail);
        Self {
            reason: error.detail.clone(),
            error,
            fault,
            challenge: None,
            retry_after: None,
            allow: None,
            oauth: None,
        }
    }

    fn client(status: u16, detail: impl Into<String>) -> Self {
        Self::new(Fault::Client, status, detail)
    }

    fn directory(status: u16, detail: impl Into<String>) -> Self {
        Self::new(Fault::Directory, status, detail)
    }

    fn gateway(status: u16, detail: impl Into<String>) -> Self {
        Self::new(Fault::Gateway, status, detail)
    }

    fn bad(scim_type: ScimType, detail: impl Into<String>) -> Self {
        Self::scim(ScimError::bad(scim_type, detail))
    }

    /// A detail that may quote the client's own values stays out of the access line.
    fn scim(error: ScimError) -> Self {
        let fault = if error.status().is_client_error() {
            Fault::Client
        } else {
            Fault::Gateway
        };
        let reason = error.scim_type.map_or("refused", ScimType::as_str);
        Self {
            reason: reason.to_owned(),
            fault,
            error,
            challenge: None,
            retry_after: None,
            allow: None,
            oauth: None,
        }
    }

    /// The same in the words of OAuth, for who asks for a token: RFC 6749 §5.2, and §4.1.2.1 for what
    /// that has no word for.
    pub(super) fn in_words_of_oauth(self) -> Self {
        if self.oauth.is_some() {
            return self;
        }
        let code = match self.error.status().as_u16() {
            429 | 503 | 504 => Code::TemporarilyUnavailable.as_str(),
            500.. => "server_error",
            _ => Code::InvalidRequest.as_str(),
        };
        Self {
            oauth: Some(code),
            challenge: None,
            ..self
        }
    }

    fn later(self, seconds: u64) -> Self {
        Self {
            retry_after: Some(seconds),
            ..self
        }
    }

    fn with_type(mut self, scim_type: Option<ScimType>) -> Self {
        self.error.scim_type = scim_type;
        self
    }
}

fn auth(error: &AuthError) -> Refusal {
    let refusal = |challenge, detail: &str| Refusal {
        challenge: Some(challenge),
        reason: error.to_string(),
        ..Refusal::client(401, detail)
    };
    match error {
        AuthError::Missing => refusal(CHALLENGE, "send the secret token as a bearer token"),
        AuthError::Malformed => {
            refusal(CHALLENGE, "the Authorization header is not a bearer token")
        }
        AuthError::Rejected(why) => Refusal {
            reason: match why {
                Rejection::Unknown => "unknown token",
                Rejection::Expired => "expired token",
                Rejection::NotYet => "token not yet valid",
                Rejection::Forged => "forged token",
                Rejection::Key => "token of an unknown key",
                Rejection::Issuer => "token of another issuer",
                Rejection::Audience => "token for another audience",
                Rejection::Claims => "token with other claims than it must have",
                Rejection::Inactive => "token that its issuer does not know as good",
                Rejection::NoAccount => "token of no account",
                Rejection::Ambiguous => "token of more than one account",
            }
            .to_owned(),
            ..refusal(INVALID_TOKEN, "the token is not valid")
        },
        AuthError::Elsewhere { account, key } => Refusal {
            reason: format!("token `{key}` of account `{account}` from another network"),
            ..refusal(INVALID_TOKEN, "the token is not valid")
        },
        AuthError::Certificate(fault) => Refusal {
            reason: fault.to_string(),
            ..refusal(
                CHALLENGE,
                "send the secret token as a bearer token, with the client certificate if the \
                 account has one",
            )
        },
        AuthError::Narrow { .. } => Refusal {
            challenge: Some(INSUFFICIENT_SCOPE),
            ..Refusal::client(403, error.to_string())
        },
        // A 401 would end a client's job for a fault that is not its own.
        AuthError::Unavailable { trust } => Refusal {
            reason: format!("the trust `{trust}` cannot be asked"),
            ..Refusal::gateway(503, error.to_string()).later(RETRY_AFTER)
        },
        AuthError::Tenant { .. } | AuthError::Forbidden { .. } | AuthError::Unmet { .. } => {
            Refusal::client(403, error.to_string())
        }
        // The same answer as to an id that nobody has.
        AuthError::Hidden { resource, .. } => Refusal {
            reason: error.to_string(),
            ..directory(
                &DirectoryError::NotFound,
                VerbKind::Read,
                resource.as_str(),
                None,
            )
        },
    }
}

/// RFC 6749 §5.2.
fn oauth(error: &OAuthError) -> Refusal {
    let status = match error.code {
        Code::InvalidClient => 401,
        Code::TemporarilyUnavailable => 503,
        Code::InvalidRequest | Code::InvalidScope | Code::UnsupportedGrantType => 400,
    };
    let fault = if status == 503 {
        Fault::Gateway
    } else {
        Fault::Client
    };
    let why = error.why.as_ref().map(auth);
    Refusal {
        challenge: error.basic.then_some(BASIC),
        retry_after: (status == 503).then_some(1),
        reason: match why {
            Some(why) => format!("{}: {}", error.code.as_str(), why.reason),
            None => format!("{}: {}", error.code.as_str(), error.detail),
        },
        oauth: Some(error.code.as_str()),
        ..Refusal::new(fault, status, error.detail)
    }
}

fn over_guard(harm: Harm) -> &'static str {
    match harm {
        Harm::Delete => {
            "the guard of this tenant lets no more deletions through for now; nothing was changed, \
             repeat it later"
        }
        Harm::Disable => {
            "the guard of this tenant lets no more users be disabled for now; nothing was changed, \
             repeat it later"
        }
        Harm::Empty => {
            "the guard of this tenant lets no more groups be emptied for now; nothing was changed, \
             repeat it later"
        }
    }
}

fn bulk_reference(error: BulkReference) -> Refusal {
    let refusal = match error {
        BulkReference::Unknown(id) => Refusal::bad(
            ScimType::InvalidValue,
            format!("no operation of this request has the bulkId `{id}`"),
        ),
        BulkReference::Failed(id) => {
            Refusal::client(409, format!("the operation with the bulkId `{id}` failed"))
        }
        BulkReference::Circular => Refusal::client(
            409,
            "the bulkId references of this request form a circle; make the resources first and \
             refer to them in a later operation",
        ),
    };
    Refusal {
        reason: "bulk reference".to_owned(),
        ..refusal
    }
}

fn mapping(error: MappingError) -> Refusal {
    match error {
        MappingError::Refused(scim_type, detail) => Refusal::bad(scim_type, detail),
        // The names are the client's own words, and stay out of the access line.
        MappingError::Forbidden(detail) => Refusal {
            reason: "a forbidden attribute".to_owned(),
            ..Refusal::client(403, detail)
        },
        MappingError::Malformed(why) => Refusal {
            reason: why,
            ..Refusal::directory(502, NOT_UNDERSTOOD)
        },
        MappingError::NoVersions => Refusal::client(
            412,
            "the directory keeps no versions, so If-Match cannot be held",
        ),
        MappingError::Changed => Refusal::client(412, ANOTHER_VERSION),
    }
}

fn directory(
    error: &DirectoryError,
    verb: VerbKind,
    resource: &str,
    detail: Option<String>,
) -> Refusal {
    let unknown_outcome = if verb.writes() {
        "; whether the change was made is not known, repeat the request or read the resource"
    } else {
        ""
    };
    match error {
        DirectoryError::Refused { scim_type, .. } => Refusal::client(
            400,
            detail.unwrap_or_else(|| {
                format!("the directory refused to {} this {resource}", say(verb))
            }),
        )
        .with_type(*scim_type),
        DirectoryError::Declined { scim_type, why } => {
            Refusal::client(400, *why).with_type(Some(*scim_type))
        }
        DirectoryError::NotFound => match verb {
            VerbKind::Create | VerbKind::List => Refusal::directory(
                502,
                format!("the directory has no place for the type {resource}"),
            ),
            VerbKind::Read | VerbKind::Replace | VerbKind::Patch | VerbKind::Delete => {
                Refusal::client(404, format!("there is no {resource} with this id"))
            }
        },
        DirectoryError::Conflict { scim_type, .. } => Refusal::client(
            409,
            detail
                .unwrap_or_else(|| format!("a {resource} with such a unique value exists already")),
        )
        .with_type(scim_type.or(Some(ScimType::Uniqueness))),
        DirectoryError::Precondition => Refusal::client(412, ANOTHER_VERSION),
        DirectoryError::Busy {
            status,
            retry_after,
        } => {
            let status = if *status == 429 { 429 } else { 503 };
            Refusal::directory(status, "the directory is busy")
                .later(retry_after.unwrap_or(RETRY_AFTER))
        }
        DirectoryError::TooLarge => {
            Refusal::directory(413, "the directory says that the request is too large")
        }
        DirectoryError::Credentials(_) => Refusal::directory(
            502,
            "the directory does not accept this service's credentials; tell its operator",
        ),
        DirectoryError::Unsupported => Refusal::directory(
            501,
            format!("the directory cannot {} a {resource}", say(verb)),
        ),
        DirectoryError::Unreachable(_) => {
            Refusal::directory(503, "the directory cannot be reached; nothing was changed")
                .later(RETRY_AFTER)
        }
        DirectoryError::Lost => Refusal::directory(
            502,
            format!("the connection to the directory was lost{unknown_outcome}"),
        ),
        DirectoryError::TimedOut => Refusal::directory(
            504,
            format!("the directory did not answer in time{unknown_outcome}"),
        ),
        DirectoryError::Malformed(_) => Refusal::directory(502, NOT_UNDERSTOOD),
        DirectoryError::Failed(_) => {
            Refusal::directory(502, format!("the directory failed{unknown_outcome}"))
        }
        DirectoryError::Partly => Refusal::directory(502, PARTLY),
        DirectoryError::Overloaded => Refusal::directory(
            503,
            "too many requests are waiting for the directory; nothing was changed",
        )
        .later(RETRY_AFTER),
    }
}

fn interrupted(error: &Interrupted) -> Refusal {
    match error {
        Interrupted::Lost => Refusal::directory(502, "the directory's answer broke off"),
        Interrupted::TimedOut => Refusal::directory(504, "the directory's answer took too long"),
        Interrupted::Malformed(_) => Refusal::directory(502, NOT_UNDERSTOOD),
        Interrupted::TooLarge(_) => Refusal::directory(
            502,
            "the directory's answer is too large; ask for fewer with `count`",
        ),
    }
}

fn say(verb: VerbKind) -> &'static str {
    match verb {
        VerbKind::Create => "create",
        VerbKind::Read | VerbKind::List => "read",
        VerbKind::Replace => "replace",
        VerbKind::Patch => "change",
        VerbKind::Delete => "delete",
    }
}

const PARTLY: &str = "the directory failed in the middle of a change, of which a part is made; repeat the request: what is made already does no harm, and the rest follows";
const ANOTHER_VERSION: &str = "the resource has another version than If-Match names; read it again";
const NOT_UNDERSTOOD: &str = "the directory's answer could not be understood";
const RETRY_AFTER: u64 = 5;
const CHALLENGE: &str = r#"Bearer realm="scim""#;
const BASIC: &str = r#"Basic realm="oauth2", charset="UTF-8""#;
const INVALID_TOKEN: &str = r#"Bearer realm="scim", error="invalid_token""#;
const INSUFFICIENT_SCOPE: &str = r#"Bearer realm="scim", error="insufficient_scope""#;
const INVALID_REQUEST: &str = r#"Bearer realm="scim", error="invalid_request""#;

#[cfg(test)]
mod tests;
