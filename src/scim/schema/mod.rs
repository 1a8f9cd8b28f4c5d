//! What is known of attributes (RFC 7643 §2.2, §7): definitions, and the RFC's own User, Group
//! and enterprise extension.

mod build;
mod common;
mod group;
mod print;
mod user;

use std::sync::Arc;

use super::name::{AttrName, ResourceType, SchemaUri};
use super::path::AttrPath;

pub use group::group;
pub use print::SCHEMA;
pub use user::user;

/// A resource type: its base schema and extensions.
#[derive(Debug, Clone)]
pub struct TypeSchema {
    /// `User`.
    pub name: ResourceType,
    /// `Users`: the path segment under the Tenant URL.
    pub endpoint: Arc<str>,
    /// What the type is for, one sentence.
    pub description: Arc<str>,
    /// The base schema.
    pub base: Arc<Schema>,
    /// The extensions that resources of this type may carry.
    pub extensions: Vec<Arc<Schema>>,
}

/// One schema.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    /// `urn:ietf:params:scim:schemas:core:2.0:User`.
    pub id: SchemaUri,
    /// `User`.
    pub name: String,
    /// One sentence.
    pub description: String,
    /// Without the common attributes (`id`, `externalId`, `meta`, `schemas`).
    pub attributes: Vec<Attribute>,
}

/// One attribute or sub-attribute.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribute {
    /// Its name.
    pub name: AttrName,
    /// Its data type.
    pub kind: Kind,
    /// Whether it holds several values.
    pub multi_valued: bool,
    /// One or two sentences.
    pub description: String,
    /// Whether a resource must have it.
    pub required: bool,
    /// Whether strings are compared with case.
    pub case_exact: bool,
    /// Whether and when it can be written.
    pub mutability: Mutability,
    /// When it is returned.
    pub returned: Returned,
    /// How unique it is.
    pub uniqueness: Uniqueness,
    /// The usual values, where there are such.
    pub canonical_values: Vec<String>,
    /// What a reference may point to.
    pub reference_types: Vec<String>,
    /// For complex attributes.
    pub sub_attributes: Vec<Self>,
}

/// Data types (RFC 7643 §2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    String,
    /// `true` or `false`.
    Boolean,
    /// A number with a fraction.
    Decimal,
    /// A whole number.
    Integer,
    /// `xsd:dateTime`.
    DateTime,
    /// Base64.
    Binary,
    /// A URI or a resource.
    Reference,
    /// Sub-attributes.
    Complex,
}

/// Whether and when an attribute can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutability {
    /// Never.
    ReadOnly,
    /// At any time.
    ReadWrite,
    /// When the resource is made, not later.
    Immutable,
    /// Written, never read.
    WriteOnly,
}

/// When an attribute is returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Returned {
    /// Whatever was asked for.
    Always,
    /// In no answer.
    Never,
    /// Unless excluded.
    Default,
    /// Only when asked for.
    Request,
}

/// How unique a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uniqueness {
    /// Not at all.
    None,
    /// Within the tenant.
    Server,
    /// In the world.
    Global,
}

/// `urn:ietf:params:scim:schemas:core:2.0:User`.
pub const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// `urn:ietf:params:scim:schemas:core:2.0:Group`.
pub const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
/// `urn:ietf:params:scim:schemas:extension:enterprise:2.0:User`.
pub const ENTERPRISE_USER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

impl TypeSchema {
    /// The definition of what `path` names: an attribute or sub-attribute of the base schema, of
    /// an extension, or one of the common attributes (`id`, `externalId`, `meta.*`, `schemas`).
    /// A multi-valued complex attribute has the default sub-attributes of RFC 7643 §2.4 (`value`,
    /// `display`, `type`, `primary`, `$ref`) even where its definition does not list them.
    #[must_use]
    pub fn find(&self, path: &AttrPath) -> Option<&Attribute> {
        let attribute = self.find_attribute(path)?;
        match &path.sub {
            Some(sub) => attribute.sub(sub),
            None => Some(attribute),
        }
    }

    /// The definition of the attribute that `path` names or is a part of.
    #[must_use]
    pub fn find_attribute(&self, path: &AttrPath) -> Option<&Attribute> {
        match &path.uri {
            Some(uri) if *uri != self.base.id => self.extension(uri)?.attribute(&path.name),
            _ => common::attribute(&path.name).or_else(|| self.base.attribute(&path.name)),
        }
    }

    /// The definition of the attribute of that name which stands without a URI.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Attribute> {
        let mut attributes = common::attributes().iter().chain(&self.base.attributes);
        attributes.find(|attribute| attribute.name.is(name))
    }

    /// The extension of that URI.
    #[must_use]
    pub fn extension(&self, uri: &SchemaUri) -> Option<&Arc<Schema>> {
        self.extensions.iter().find(|schema| schema.id == *uri)
    }

    /// The schema URIs that attribute paths of this type may begin with.
    pub fn uris(&self) -> impl Iterator<Item = &SchemaUri> {
        std::iter::once(&self.base.id).chain(self.extensions.iter().map(|schema| &schema.id))
    }
}

impl Schema {
    /// The attribute of that name.
    #[must_use]
    pub fn attribute(&self, name: &AttrName) -> Option<&Attribute> {
        self.attributes.iter().find(|a| a.name == *name)
    }
}

impl Attribute {
    /// The sub-attribute of that name. A multi-valued complex attribute has the default ones of
    /// RFC 7643 §2.4 in any case.
    #[must_use]
    pub fn sub(&self, name: &AttrName) -> Option<&Self> {
        self.sub_named(name.as_str())
    }

    /// The same by a text that may be no name.
    #[must_use]
    pub fn sub_named(&self, name: &str) -> Option<&Self> {
        let defined = self.sub_attributes.iter().find(|a| a.name.is(name));
        if self.kind == Kind::Complex && self.multi_valued {
            defined.or_else(|| common::default_sub(name))
        } else {
            defined
        }
    }

    /// What a comparison with the attribute as a whole is about: the attribute, or the `value` of
    /// a complex one; `None` where that has none.
    #[must_use]
    pub fn compared(&self) -> Option<&Self> {
        if self.kind == Kind::Complex {
            self.sub(&AttrName::known("value"))
        } else {
            Some(self)
        }
    }
}

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
    fn names_are_found_in_any_case_at_home_and_in_extensions() {
        let user = user();
        let found = |uri, name, sub| {
            user.find(&path(uri, name, sub))
                .map(|a| a.name.as_str().to_owned())
        };
        assert_eq!(found(None, "USERNAME", None).unwrap(), "userName");
        assert_eq!(found(Some(USER), "userName", None).unwrap(), "userName");
        assert_eq!(
            found(None, "Name", Some("FAMILYNAME")).unwrap(),
            "familyName"
        );
        assert_eq!(found(None, "emails", Some("$REF")).unwrap(), "$ref");
        assert_eq!(
            found(None, "meta", Some("lastmodified")).unwrap(),
            "lastModified"
        );
        assert_eq!(found(None, "externalid", None).unwrap(), "externalId");
        assert_eq!(
            found(
                Some(&ENTERPRISE_USER.to_uppercase()),
                "manager",
                Some("displayname")
            )
            .unwrap(),
            "displayName"
        );
    }

    #[test]
    fn what_is_not_defined_is_not_found() {
        let user = user();
        for (uri, name, sub) in [
            (None, "department", None),
            (Some("urn:acme:2.0:User"), "userName", None),
            (Some(ENTERPRISE_USER), "userName", None),
            (Some(ENTERPRISE_USER), "id", None),
            (None, "name", Some("type")),
            (None, "userName", Some("value")),
            (None, "emails", Some("familyName")),
        ] {
            assert!(
                user.find(&path(uri, name, sub)).is_none(),
                "{uri:?} {name} {sub:?}"
            );
        }
    }

    #[test]
    fn the_tables_name_what_can_be_a_name() {
        fn check(attributes: &[Attribute]) {
            for a in attributes {
                a.name.as_str().parse::<AttrName>().unwrap();
                assert!(a.description.ends_with('.'), "{}", a.name);
                assert_eq!(
                    a.kind == Kind::Complex,
                    !a.sub_attributes.is_empty(),
                    "{}",
                    a.name
                );
                assert_eq!(
                    a.kind == Kind::Reference,
                    !a.reference_types.is_empty(),
                    "{}",
                    a.name
                );
                check(&a.sub_attributes);
            }
        }
        for schema in [user(), group()] {
            for uri in schema.uris() {
                uri.as_str().parse::<SchemaUri>().unwrap();
            }
            schema.name.as_str().parse::<ResourceType>().unwrap();
            check(&schema.base.attributes);
            schema.extensions.iter().for_each(|e| check(&e.attributes));
        }
        check(common::attributes());
    }
}
