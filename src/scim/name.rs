//! Names that are made only by parsing: attributes, schema URIs, resource types and ids.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

/// An attribute or sub-attribute name (RFC 7643 §2.1): equal without regard to ASCII case,
/// printed as written.
///
/// ```
/// use postern::scim::AttrName;
/// let name: AttrName = "userName".parse().unwrap();
/// assert_eq!(name, "USERNAME".parse().unwrap());
/// assert_eq!(name.to_string(), "userName");
/// assert!("user name".parse::<AttrName>().is_err());
/// ```
#[derive(Clone)]
pub struct AttrName(Arc<str>);

/// A schema URI (RFC 7643 §3): equal without regard to ASCII case.
#[derive(Clone)]
pub struct SchemaUri(Arc<str>);

/// The name of a resource type as in `meta.resourceType`: `User`, `Group`, or one of a rule's own.
#[derive(Clone)]
pub struct ResourceType(Arc<str>);

/// The `id` of a resource: opaque, never empty, without control characters, slashes or
/// characters that a path segment could be misread by; at most 512 bytes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourceId(Arc<str>);

/// A text that cannot be the name it was meant to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {wanted}")]
pub struct InvalidName {
    /// The offending text, shortened to 80 characters.
    pub text: String,
    /// What it should have been, with an article.
    pub wanted: &'static str,
}

impl AttrName {
    /// The name as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `text` names the same attribute.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        self.0.eq_ignore_ascii_case(text)
    }

    /// Whether `text` can be an attribute name.
    #[must_use]
    pub fn fits(text: &str) -> bool {
        let mut bytes = text.bytes();
        let head = bytes
            .next()
            .is_some_and(|b| b.is_ascii_alphabetic() || b"$_".contains(&b));
        head && bytes.all(is_name_byte) && text.len() <= MAX_NAME
    }
}

impl AttrName {
    /// A name out of the program text, for tables of definitions; their tests parse every one.
    pub(crate) fn known(name: &'static str) -> Self {
        Self(name.into())
    }
}

impl FromStr for AttrName {
    type Err = InvalidName;

    /// `ALPHA *( ALPHA / DIGIT / "-" / "_" )` and `$ref`; leading `_` or `$` is let through
    /// because directories use it.
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if Self::fits(text) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidName::new(text, "an attribute name"))
        }
    }
}

impl SchemaUri {
    /// The URI as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `text` is the same URI.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        self.0.eq_ignore_ascii_case(text)
    }
}

impl SchemaUri {
    /// A URI out of the program text, for tables of definitions; their tests parse every one.
    pub(crate) fn known(uri: &'static str) -> Self {
        Self(uri.into())
    }
}

impl FromStr for SchemaUri {
    type Err = InvalidName;

    /// A URI with a scheme, in practice `urn:…`; no spaces, quotes or brackets.
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let scheme = text.split_once(':').is_some_and(|(scheme, rest)| {
            scheme
                .bytes()
                .next()
                .is_some_and(|b| b.is_ascii_alphabetic())
                && scheme
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
                && !rest.is_empty()
        });
        let plain = text
            .bytes()
            .all(|b| b.is_ascii_graphic() && !b"\"'<>[]{}()\\^`|".contains(&b));
        if scheme && plain && text.len() <= MAX_NAME * 2 {
            Ok(Self(text.into()))
        } else {
            Err(InvalidName::new(text, "a schema URI"))
        }
    }
}

impl ResourceType {
    /// The name as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ResourceType {
    /// A name out of the program text, for tables of definitions; their tests parse every one.
    pub(crate) fn known(name: &'static str) -> Self {
        Self(name.into())
    }
}

impl FromStr for ResourceType {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let head = text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
        if head && text.bytes().all(is_name_byte) && text.len() <= MAX_NAME {
            Ok(Self(text.into()))
        } else {
            Err(InvalidName::new(text, "a resource type"))
        }
    }
}

impl ResourceId {
    /// The id as clients see it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `text` can be an id.
    #[must_use]
    pub fn fits(text: &str) -> bool {
        let odd = |c: char| c.is_control() || c == '/' || c == '\\';
        !text.is_empty()
            && text.len() <= MAX_ID
            && !matches!(text, "." | "..")
            && !text.chars().any(odd)
    }
}

impl FromStr for ResourceId {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if Self::fits(text) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidName::new(text, "a resource id"))
        }
    }
}

impl InvalidName {
    fn new(text: &str, wanted: &'static str) -> Self {
        Self {
            text: text.chars().take(80).collect(),
            wanted,
        }
    }
}

macro_rules! case_insensitive {
    ($($name:ident),*) => {$(
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                Arc::ptr_eq(&self.0, &other.0) || self.0.eq_ignore_ascii_case(&other.0)
            }
        }
        impl Eq for $name {}
        impl Hash for $name {
            fn hash<H: Hasher>(&self, state: &mut H) {
                for byte in self.0.bytes() {
                    state.write_u8(byte.to_ascii_lowercase());
                }
                state.write_u8(0xff);
            }
        }
        impl Ord for $name {
            fn cmp(&self, other: &Self) -> std::cmp::Ordering {
                let lower = |text: &str| text.bytes().map(|b| b.to_ascii_lowercase()).collect::<Vec<_>>();
                lower(&self.0).cmp(&lower(&other.0))
            }
        }
        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }
    )*};
}
case_insensitive!(AttrName, SchemaUri, ResourceType);

macro_rules! printed {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    )*};
}
printed!(AttrName, SchemaUri, ResourceType, ResourceId);

impl Borrow<str> for ResourceId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

const MAX_NAME: usize = 256;
const MAX_ID: usize = 512;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn attribute_names() {
        for good in ["a", "userName", "x-1_Y", "$ref", "_id"] {
            assert_eq!(good.parse::<AttrName>().unwrap().as_str(), good);
        }
        for bad in ["", "1a", "-a", "a b", "a.b", "a:b", "a$", "é", "*", "a\n"] {
            assert!(bad.parse::<AttrName>().is_err(), "{bad}");
        }
        assert!("a".repeat(MAX_NAME).parse::<AttrName>().is_ok());
        let error = "a".repeat(MAX_NAME + 1).parse::<AttrName>().unwrap_err();
        assert_eq!(error.text.len(), 80);
    }

    #[test]
    fn schema_uris() {
        for good in [
            "urn:a",
            "urn:ietf:params:scim:schemas:core:2.0:User",
            "http://a.b/c?d#e",
        ] {
            assert_eq!(good.parse::<SchemaUri>().unwrap().as_str(), good);
        }
        for bad in [
            "", "urn", "urn:", ":a", "1:a", "urn:a b", "urn:a[0]", "urn:\"", "urn:é",
        ] {
            assert!(bad.parse::<SchemaUri>().is_err(), "{bad}");
        }
    }

    #[test]
    fn ids_are_opaque_but_never_part_of_a_path() {
        for good in ["1", "2819c223-7f76", "a b", "é%2f", "...", "cn=x,dc=y"] {
            assert_eq!(good.parse::<ResourceId>().unwrap().as_str(), good);
        }
        for bad in ["", ".", "..", "a/b", "a\\b", "a\0", "a\nb", "\u{7f}"] {
            assert!(bad.parse::<ResourceId>().is_err(), "{bad:?}");
        }
        assert!("a".repeat(MAX_ID + 1).parse::<ResourceId>().is_err());
        assert_ne!("a".parse::<ResourceId>().unwrap(), "A".parse().unwrap());
    }

    #[test]
    fn equal_names_hash_and_order_alike() {
        let names = ["userName", "USERNAME", "username", "user-name", "emails"];
        let names = names.map(|n| n.parse::<AttrName>().unwrap());
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), 3);
        for a in &names {
            for b in &names {
                assert_eq!(a == b, a.cmp(b).is_eq(), "{a} {b}");
            }
        }
    }
}
