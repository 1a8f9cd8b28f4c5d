//! What the protocol's own errors are: [`ScimError`] as it goes to a client (RFC 7644 §3.12) and
//! [`ParseError`] for a text that does not parse.

use http::StatusCode;

/// An error as the client sees it. Its status can only be a 4xx or 5xx.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScimError {
    status: StatusCode,
    /// The RFC's keyword, where it has one for the case.
    pub scim_type: Option<ScimType>,
    /// For the person who can act; safe to show to the client.
    pub detail: String,
}

/// The `scimType` keywords of RFC 7644 table 9, and of RFC 9865.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScimType {
    /// The filter does not parse, or cannot be translated.
    InvalidFilter,
    /// The filter would yield more than the service provider will answer.
    TooMany,
    /// A value that must be unique is taken.
    Uniqueness,
    /// A read-only or immutable attribute would change.
    Mutability,
    /// The body is not what the operation takes.
    InvalidSyntax,
    /// A PATCH path does not parse or names nothing.
    InvalidPath,
    /// A PATCH path's filter matched nothing.
    NoTarget,
    /// A value is missing or cannot be taken.
    InvalidValue,
    /// The SCIM version is not spoken.
    InvalidVers,
    /// Something must not stand in a URI.
    Sensitive,
    /// The cursor is none, or one of another query (RFC 9865).
    InvalidCursor,
    /// The cursor is too old (RFC 9865).
    ExpiredCursor,
    /// A page cannot have this size (RFC 9865).
    InvalidCount,
}

impl ScimError {
    /// An error with a status of 400 to 599; anything else becomes 500.
    #[must_use]
    pub fn new(status: StatusCode, scim_type: Option<ScimType>, detail: impl Into<String>) -> Self {
        let status = if status.is_client_error() || status.is_server_error() {
            status
        } else {
            StatusCode::INTERNAL_SERVER_ERROR
        };
        Self {
            status,
            scim_type,
            detail: detail.into(),
        }
    }

    /// A 400 with its keyword.
    #[must_use]
    pub fn bad(scim_type: ScimType, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Some(scim_type), detail)
    }

    /// The status: 4xx or 5xx.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

impl ScimType {
    /// The keyword as the RFC writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidFilter => "invalidFilter",
            Self::TooMany => "tooMany",
            Self::Uniqueness => "uniqueness",
            Self::Mutability => "mutability",
            Self::InvalidSyntax => "invalidSyntax",
            Self::InvalidPath => "invalidPath",
            Self::NoTarget => "noTarget",
            Self::InvalidValue => "invalidValue",
            Self::InvalidVers => "invalidVers",
            Self::Sensitive => "sensitive",
            Self::InvalidCursor => "invalidCursor",
            Self::ExpiredCursor => "expiredCursor",
            Self::InvalidCount => "invalidCount",
        }
    }

    /// The keyword of a text, in any case.
    #[must_use]
    pub fn from_name(text: &str) -> Option<Self> {
        [
            Self::InvalidFilter,
            Self::TooMany,
            Self::Uniqueness,
            Self::Mutability,
            Self::InvalidSyntax,
            Self::InvalidPath,
            Self::NoTarget,
            Self::InvalidValue,
            Self::InvalidVers,
            Self::Sensitive,
            Self::InvalidCursor,
            Self::ExpiredCursor,
            Self::InvalidCount,
        ]
        .into_iter()
        .find(|kind| kind.as_str().eq_ignore_ascii_case(text))
    }
}

/// A text that does not parse: where it stops making sense, what was expected, what was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at character {position}: expected {expected}, found {found}")]
pub struct ParseError {
    /// The position in characters, the first being 1.
    pub position: usize,
    /// What would have made sense there.
    pub expected: &'static str,
    /// What stands there: a few characters in backticks, or `the end`.
    pub found: String,
}

impl ParseError {
    /// The 400 for a client that sent the text as `what`, such as `filter`.
    #[must_use]
    pub fn refuse(&self, scim_type: ScimType, what: &str) -> ScimError {
        ScimError::bad(scim_type, format!("`{what}` does not parse {self}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_never_a_success() {
        assert_eq!(ScimError::new(StatusCode::OK, None, "").status(), 500);
        assert_eq!(ScimError::new(StatusCode::FOUND, None, "").status(), 500);
        assert_eq!(ScimError::new(StatusCode::CONFLICT, None, "").status(), 409);
    }

    #[test]
    fn keywords_are_read_in_any_case() {
        assert_eq!(
            ScimType::from_name("INVALIDfilter"),
            Some(ScimType::InvalidFilter)
        );
        assert_eq!(ScimType::from_name("invalid"), None);
    }

    #[test]
    fn a_parse_error_says_what_where_and_why() {
        let error = ParseError {
            position: 3,
            expected: "an operator",
            found: "the end".to_owned(),
        };
        assert_eq!(
            error.refuse(ScimType::InvalidFilter, "filter"),
            ScimError::bad(
                ScimType::InvalidFilter,
                "`filter` does not parse at character 3: expected an operator, found the end"
            )
        );
    }
}
