//! Result codes: numbers, of which some have names. Servers send others too.

use std::fmt;

/// How an operation ended, as a number (RFC 4511 §4.1.9 and the registry of IANA).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code(pub i64);

macro_rules! codes {
    ($($constant:ident = $number:literal $name:literal;)*) => {
        impl Code {
            $(
                #[doc = concat!("`", $name, "`.")]
                pub const $constant: Self = Self($number);
            )*

            /// Its name; `None` where it has none that is known.
            #[must_use]
            pub fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$constant => Some($name),)*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    SUCCESS = 0 "success";
    OPERATIONS_ERROR = 1 "operationsError";
    PROTOCOL_ERROR = 2 "protocolError";
    TIME_LIMIT_EXCEEDED = 3 "timeLimitExceeded";
    SIZE_LIMIT_EXCEEDED = 4 "sizeLimitExceeded";
    COMPARE_FALSE = 5 "compareFalse";
    COMPARE_TRUE = 6 "compareTrue";
    AUTH_METHOD_NOT_SUPPORTED = 7 "authMethodNotSupported";
    STRONGER_AUTH_REQUIRED = 8 "strongerAuthRequired";
    REFERRAL = 10 "referral";
    ADMIN_LIMIT_EXCEEDED = 11 "adminLimitExceeded";
    UNAVAILABLE_CRITICAL_EXTENSION = 12 "unavailableCriticalExtension";
    CONFIDENTIALITY_REQUIRED = 13 "confidentialityRequired";
    SASL_BIND_IN_PROGRESS = 14 "saslBindInProgress";
    NO_SUCH_ATTRIBUTE = 16 "noSuchAttribute";
    UNDEFINED_ATTRIBUTE_TYPE = 17 "undefinedAttributeType";
    INAPPROPRIATE_MATCHING = 18 "inappropriateMatching";
    CONSTRAINT_VIOLATION = 19 "constraintViolation";
    ATTRIBUTE_OR_VALUE_EXISTS = 20 "attributeOrValueExists";
    INVALID_ATTRIBUTE_SYNTAX = 21 "invalidAttributeSyntax";
    NO_SUCH_OBJECT = 32 "noSuchObject";
    ALIAS_PROBLEM = 33 "aliasProblem";
    INVALID_DN_SYNTAX = 34 "invalidDNSyntax";
    ALIAS_DEREFERENCING_PROBLEM = 36 "aliasDereferencingProblem";
    INAPPROPRIATE_AUTHENTICATION = 48 "inappropriateAuthentication";
    INVALID_CREDENTIALS = 49 "invalidCredentials";
    INSUFFICIENT_ACCESS_RIGHTS = 50 "insufficientAccessRights";
    BUSY = 51 "busy";
    UNAVAILABLE = 52 "unavailable";
    UNWILLING_TO_PERFORM = 53 "unwillingToPerform";
    LOOP_DETECT = 54 "loopDetect";
    SORT_CONTROL_MISSING = 60 "sortControlMissing";
    OFFSET_RANGE_ERROR = 61 "offsetRangeError";
    NAMING_VIOLATION = 64 "namingViolation";
    OBJECT_CLASS_VIOLATION = 65 "objectClassViolation";
    NOT_ALLOWED_ON_NON_LEAF = 66 "notAllowedOnNonLeaf";
    NOT_ALLOWED_ON_RDN = 67 "notAllowedOnRDN";
    ENTRY_ALREADY_EXISTS = 68 "entryAlreadyExists";
    OBJECT_CLASS_MODS_PROHIBITED = 69 "objectClassModsProhibited";
    AFFECTS_MULTIPLE_DSAS = 71 "affectsMultipleDSAs";
    OTHER = 80 "other";
    CANCELED = 118 "canceled";
    NO_SUCH_OPERATION = 119 "noSuchOperation";
    TOO_LATE = 120 "tooLate";
    CANNOT_CANCEL = 121 "cannotCancel";
    ASSERTION_FAILED = 122 "assertionFailed";
    AUTHORIZATION_DENIED = 123 "authorizationDenied";
    E_SYNC_REFRESH_REQUIRED = 4096 "e-syncRefreshRequired";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({})", self.0),
            None => write!(f, "result code {}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_ones_have_names_and_others_stay_numbers() {
        assert_eq!(Code::ASSERTION_FAILED.to_string(), "assertionFailed (122)");
        assert_eq!(Code(92).to_string(), "result code 92");
        assert_eq!(Code(-1).name(), None);
    }
}
