//! Attribute paths (RFC 7644 §3.10) and PATCH paths (§3.5.2) as values; their grammar is in
//! [`super::parse`].

use std::fmt;

use super::filter::Filter;
use super::name::{AttrName, SchemaUri};

/// `[urn:]name[.sub]`. `uri` is `None` for attributes of the resource type's own base schema,
/// however the text named it: the parser brings both spellings together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AttrPath {
    /// The extension that the attribute belongs to.
    pub uri: Option<SchemaUri>,
    /// The attribute.
    pub name: AttrName,
    /// The sub-attribute, where one is meant.
    pub sub: Option<AttrName>,
}

/// What a PATCH operation points at.
#[derive(Debug, Clone, PartialEq)]
pub enum PatchPath {
    /// A whole extension: `urn:ietf:params:scim:schemas:extension:enterprise:2.0:User`.
    Extension(SchemaUri),
    /// An attribute, elements of it, or a sub-attribute of either.
    Attribute {
        /// The extension that the attribute belongs to.
        uri: Option<SchemaUri>,
        /// The attribute.
        name: AttrName,
        /// Which elements of a multi-valued attribute: `[type eq "work"]`.
        filter: Option<Filter>,
        /// The sub-attribute.
        sub: Option<AttrName>,
    },
}

impl AttrPath {
    /// The attribute `name` of the base schema.
    #[must_use]
    pub fn of(name: AttrName) -> Self {
        Self {
            uri: None,
            name,
            sub: None,
        }
    }

    /// The whole of an extension: what `attributes=urn:…:enterprise:2.0:User` selects. Only
    /// selections hold such paths; they print as the URI alone.
    #[must_use]
    pub fn whole(uri: SchemaUri) -> Self {
        Self {
            uri: Some(uri),
            name: AttrName::known(EVERYTHING),
            sub: None,
        }
    }

    /// Whether the path stands for a whole extension.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.name.as_str() == EVERYTHING
    }

    /// Whether `other` names this attribute or a part of it.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.uri == other.uri
            && (self.is_whole()
                || self.name == other.name && (self.sub.is_none() || self.sub == other.sub))
    }

    /// The same path without its sub-attribute.
    #[must_use]
    pub fn parent(&self) -> Self {
        Self {
            sub: None,
            ..self.clone()
        }
    }
}

impl fmt::Display for AttrPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.uri {
            Some(uri) if self.is_whole() => return write!(f, "{uri}"),
            Some(uri) => write!(f, "{uri}:")?,
            None => {}
        }
        write!(f, "{}", self.name)?;
        match &self.sub {
            Some(sub) => write!(f, ".{sub}"),
            None => Ok(()),
        }
    }
}

impl PatchPath {
    /// The path of `attr`, without a value filter.
    #[must_use]
    pub fn attribute(attr: AttrPath) -> Self {
        Self::Attribute {
            uri: attr.uri,
            name: attr.name,
            filter: None,
            sub: attr.sub,
        }
    }

    /// The attribute that is pointed at, without its filter; `None` for a whole extension.
    #[must_use]
    pub fn attr(&self) -> Option<AttrPath> {
        match self {
            Self::Extension(_) => None,
            Self::Attribute { uri, name, sub, .. } => Some(AttrPath {
                uri: uri.clone(),
                name: name.clone(),
                sub: sub.clone(),
            }),
        }
    }
}

impl fmt::Display for PatchPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Extension(uri) => write!(f, "{uri}"),
            Self::Attribute {
                uri,
                name,
                filter,
                sub,
            } => {
                if let Some(uri) = uri {
                    write!(f, "{uri}:")?;
                }
                write!(f, "{name}")?;
                if let Some(filter) = filter {
                    write!(f, "[{filter}]")?;
                }
                match sub {
                    Some(sub) => write!(f, ".{sub}"),
                    None => Ok(()),
                }
            }
        }
    }
}

/// What stands for the name in [`AttrPath::whole`]; no name can be parsed from it.
const EVERYTHING: &str = "*";

#[cfg(test)]
mod tests {
    use super::*;

    fn path(uri: Option<&str>, name: &str, sub: Option<&str>) -> AttrPath {
        AttrPath {
            uri: uri.map(|u| u.parse().unwrap()),
            name: name.parse().unwrap(),
            sub: sub.map(|s| s.parse().unwrap()),
        }
    }

    #[test]
    fn an_attribute_covers_its_parts_and_an_extension_its_attributes() {
        let name = path(None, "name", None);
        assert!(name.covers(&path(None, "NAME", Some("familyName"))));
        assert!(!path(None, "name", Some("familyName")).covers(&name));
        assert!(!name.covers(&path(Some("urn:x:y"), "name", None)));
        let whole = AttrPath::whole("urn:X:y".parse().unwrap());
        assert!(whole.covers(&path(Some("urn:x:y"), "manager", Some("value"))));
        assert!(!whole.covers(&path(None, "manager", None)));
        assert_eq!(whole.to_string(), "urn:X:y");
        assert!("*".parse::<AttrName>().is_err());
    }
}
