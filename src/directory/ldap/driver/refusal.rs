//! Result codes of LDAP as errors of a directory: one table.

use crate::directory::DirectoryError;
use crate::directory::ldap::{Code, LdapError, LdapResult, Why};
use crate::scim::ScimType;

/// Why a read has no answer.
pub(super) fn of_read(error: LdapError) -> DirectoryError {
    match error {
        LdapError::Unsent(why) | LdapError::Unknown(why) => lost(why),
        LdapError::Refused(result) => of(&result),
        LdapError::Ambiguous => {
            DirectoryError::Malformed("two entries have the same id".to_owned())
        }
    }
}

/// Why nothing is known of a write, or that it was not done.
pub(super) fn of_write(error: LdapError) -> DirectoryError {
    match error {
        LdapError::Unsent(Why::Closed(why)) => DirectoryError::Unreachable(why.to_string()),
        LdapError::Unsent(Why::TimedOut) => DirectoryError::Overloaded,
        other => of_read(other),
    }
}

fn lost(why: Why) -> DirectoryError {
    match why {
        Why::Unreachable(why) => DirectoryError::Unreachable(why.to_string()),
        Why::Credentials(_) => DirectoryError::Credentials(401),
        Why::Overloaded => DirectoryError::Overloaded,
        Why::Closed(_) => DirectoryError::Lost,
        Why::TimedOut | Why::TooSlow => DirectoryError::TimedOut,
        Why::Malformed(what) => DirectoryError::Malformed(what.to_string()),
        Why::TooLarge => DirectoryError::TooLarge,
    }
}

/// Why there is no new entry.
pub(super) fn of_new(result: &LdapResult) -> DirectoryError {
    match result.code {
        Code::NO_SUCH_OBJECT => no_place(),
        _ => of(result),
    }
}

/// That the rule names a container that the directory lacks.
pub(super) fn no_place() -> DirectoryError {
    DirectoryError::Malformed("a container of the rule is not there: make it".to_owned())
}

/// That an entry cannot be removed.
pub(super) fn not_a_leaf() -> DirectoryError {
    DirectoryError::Refused {
        scim_type: Some(ScimType::InvalidValue),
        detail: Some(
            "the entry has others below it, so the directory does not remove it".to_owned(),
        ),
    }
}

/// That an entry cannot be named.
pub(super) fn nameless() -> DirectoryError {
    DirectoryError::Refused {
        scim_type: Some(ScimType::InvalidValue),
        detail: Some("an entry cannot have this name".to_owned()),
    }
}

/// What a result other than success says. The server's own words may hold values and names: they
/// go to nobody.
pub(super) fn of(result: &LdapResult) -> DirectoryError {
    let refused = |scim_type, detail: &str| DirectoryError::Refused {
        scim_type: Some(scim_type),
        detail: Some(detail.to_owned()),
    };
    match result.code {
        Code::NO_SUCH_OBJECT => DirectoryError::NotFound,
        Code::ENTRY_ALREADY_EXISTS => DirectoryError::Conflict {
            scim_type: Some(ScimType::Uniqueness),
            detail: None,
        },
        Code::ASSERTION_FAILED => DirectoryError::Precondition,
        Code::CONSTRAINT_VIOLATION => refused(
            ScimType::InvalidValue,
            "the directory refuses a value: a limit, a rule for passwords, or one that must be unique",
        ),
        Code::INVALID_ATTRIBUTE_SYNTAX => refused(
            ScimType::InvalidValue,
            "the directory cannot hold a value of this form",
        ),
        Code::OBJECT_CLASS_VIOLATION => refused(
            ScimType::InvalidValue,
            "the directory needs an attribute that is missing, or does not know one of those sent",
        ),
        Code::UNDEFINED_ATTRIBUTE_TYPE | Code::INAPPROPRIATE_MATCHING => DirectoryError::Malformed(
            format!("{}: the rule names what its schema lacks", result.code),
        ),
        Code::NOT_ALLOWED_ON_RDN | Code::NAMING_VIOLATION | Code::INVALID_DN_SYNTAX => nameless(),
        Code::INSUFFICIENT_ACCESS_RIGHTS
        | Code::INVALID_CREDENTIALS
        | Code::INAPPROPRIATE_AUTHENTICATION
        | Code::STRONGER_AUTH_REQUIRED
        | Code::CONFIDENTIALITY_REQUIRED => DirectoryError::Credentials(403),
        Code::BUSY | Code::UNAVAILABLE => DirectoryError::Busy {
            status: 503,
            retry_after: None,
        },
        Code::TIME_LIMIT_EXCEEDED => DirectoryError::TimedOut,
        Code::SIZE_LIMIT_EXCEEDED | Code::ADMIN_LIMIT_EXCEEDED => {
            refused(ScimType::TooMany, "the directory gives no answer this long")
        }
        Code::UNWILLING_TO_PERFORM => refused(
            ScimType::InvalidValue,
            "the directory is not willing to do this",
        ),
        Code::NOT_ALLOWED_ON_NON_LEAF => not_a_leaf(),
        code => DirectoryError::Malformed(format!("the directory answered {code}")),
    }
}
