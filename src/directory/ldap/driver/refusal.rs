//! Result codes of LDAP as errors of a directory: one table.

mod words;

use crate::directory::DirectoryError;
use crate::directory::ldap::{Code, LdapError, LdapResult, Rdn, Why};
use crate::scim::ScimType;

use words::Meaning;

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
        Why::Unreachable(why) | Why::Untrusted(why) => DirectoryError::Unreachable(why.to_string()),
        Why::Credentials(_) => DirectoryError::Credentials(401),
        Why::Overloaded => DirectoryError::Overloaded,
        Why::Closed(_) => DirectoryError::Lost,
        Why::TimedOut | Why::TooSlow => DirectoryError::TimedOut,
        Why::Malformed(what) => DirectoryError::Malformed(what.to_string()),
        Why::Unsteady => DirectoryError::Busy {
            status: 503,
            retry_after: Some(1),
        },
        Why::TooLarge => DirectoryError::TooLarge,
    }
}

/// Why there is no new entry of this name.
pub(super) fn of_new(result: &LdapResult, name: Option<&Rdn>) -> DirectoryError {
    match result.code {
        Code::NO_SUCH_OBJECT => no_place(),
        _ => of_name(result, name),
    }
}

/// Why an entry does not get a name. OpenLDAP fails within where one is too long for its index, in
/// the words in which it tells of a full disk.
pub(super) fn of_name(result: &LdapResult, name: Option<&Rdn>) -> DirectoryError {
    let length = name.map_or(0, |rdn| rdn.pairs().map(|(_, value)| value.len()).sum());
    if result.code == Code::OTHER && length > SURELY_FITS {
        return nameless();
    }
    of(result)
}

/// That the rule names a container that the directory lacks.
pub(super) fn no_place() -> DirectoryError {
    DirectoryError::Malformed("a container of the rule is not there: make it".to_owned())
}

/// That others change an entry faster than we can.
pub(super) fn unsteady() -> DirectoryError {
    DirectoryError::Busy {
        status: 503,
        retry_after: Some(1),
    }
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

/// What a result other than success says. The server's own words may hold values and names: of
/// them the name of an attribute is taken, and nothing else. Where it is one of the rule's, the
/// client is told its own name for it.
pub(super) fn of(result: &LdapResult) -> DirectoryError {
    tracing::debug!(code = %result.code, "the directory refused an operation");
    let refused = |scim_type, text: &str| DirectoryError::Refused {
        scim_type: Some(scim_type),
        detail: Some(words::about(text, result)),
    };
    let value = |text| refused(ScimType::InvalidValue, text);
    let taken = || DirectoryError::Conflict {
        scim_type: Some(ScimType::Uniqueness),
        detail: words::attribute(result).map(|_| words::about(TAKEN, result)),
    };
    let rule = |text: &str| {
        DirectoryError::Malformed(words::about(&format!("{}, {text}", result.code), result))
    };
    if let Some(meaning) = words::meaning(result) {
        return match meaning {
            Meaning::Taken => taken(),
            Meaning::Password => value("the password is not one that the directory allows"),
            Meaning::Single => value(ONE_VALUE),
            Meaning::Range => value("the value is too long, or not one that the directory allows"),
            Meaning::Missing => value(MISSING),
            Meaning::NotAllowed => value(NOT_ALLOWED),
            Meaning::Name => value("an account cannot have this name"),
            Meaning::Unknown => rule(LACKS),
            Meaning::Kept => rule("only the directory itself sets it: `direction: read`"),
            Meaning::Change => value("the directory does not make this change of such a resource"),
            Meaning::Member => value("a group of this kind cannot have such a member"),
            Meaning::First => value("it is the first group of somebody"),
            Meaning::Place => rule("a container of the rule cannot hold such entries"),
            Meaning::NotBound => DirectoryError::Credentials(401),
        };
    }
    match result.code {
        Code::NO_SUCH_OBJECT => DirectoryError::NotFound,
        Code::ENTRY_ALREADY_EXISTS => taken(),
        // What was to be taken away has changed meanwhile.
        Code::ASSERTION_FAILED | Code::NO_SUCH_ATTRIBUTE => DirectoryError::Precondition,
        Code::CONSTRAINT_VIOLATION => value(
            "the directory refuses a value: a limit, a rule for passwords, or one that must be unique",
        ),
        Code::ATTRIBUTE_OR_VALUE_EXISTS => value("a value is there twice"),
        Code::INVALID_ATTRIBUTE_SYNTAX => value("the directory cannot hold a value of this form"),
        Code::OBJECT_CLASS_VIOLATION => value(
            "the directory needs an attribute that is missing, or does not know one of those sent",
        ),
        Code::UNDEFINED_ATTRIBUTE_TYPE | Code::INAPPROPRIATE_MATCHING => rule(LACKS),
        Code::OBJECT_CLASS_MODS_PROHIBITED => rule("the rule changes what kind of entry it is"),
        Code::NOT_ALLOWED_ON_RDN | Code::NAMING_VIOLATION | Code::INVALID_DN_SYNTAX => nameless(),
        Code::INSUFFICIENT_ACCESS_RIGHTS
        | Code::INVALID_CREDENTIALS
        | Code::INAPPROPRIATE_AUTHENTICATION
        | Code::AUTHORIZATION_DENIED
        | Code::STRONGER_AUTH_REQUIRED
        | Code::CONFIDENTIALITY_REQUIRED => DirectoryError::Credentials(403),
        Code::BUSY | Code::UNAVAILABLE => DirectoryError::Busy {
            status: 503,
            retry_after: None,
        },
        Code::TIME_LIMIT_EXCEEDED => DirectoryError::TimedOut,
        Code::SIZE_LIMIT_EXCEEDED | Code::ADMIN_LIMIT_EXCEEDED => refused(
            ScimType::TooMany,
            "this is more than the directory does at once",
        ),
        Code::UNWILLING_TO_PERFORM => value("the directory is not willing to do this"),
        Code::NOT_ALLOWED_ON_NON_LEAF => not_a_leaf(),
        Code::REFERRAL | Code::AFFECTS_MULTIPLE_DSAS => {
            rule("it sends us to another server: name one in `urls` that takes writes")
        }
        code => DirectoryError::Malformed(format!("the directory answered {code}")),
    }
}

/// A value of so many bytes names an entry on every server.
const SURELY_FITS: usize = 200;
const LACKS: &str = "the rule names what its schema lacks (see `postern check --online`)";
const TAKEN: &str = "another resource has this value already";
const ONE_VALUE: &str = "the directory holds one value of this at most";
const MISSING: &str = "the directory needs a value of this";
const NOT_ALLOWED: &str = "the directory does not hold this for such a resource";

#[cfg(test)]
mod tests;
