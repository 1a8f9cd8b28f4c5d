//! What is known of attributes (RFC 7643 §2.2, §7): definitions, and the RFC's own User, Group
//! and enterprise extension.

use std::sync::Arc;

use super::name::{AttrName, ResourceType, SchemaUri};
use super::path::AttrPath;

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
    pub sub_attributes: Vec<Attribute>,
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
    #[must_use]
    pub fn find(&self, path: &AttrPath) -> Option<&Attribute> {
        let _ = path;
        todo!()
    }

    /// The schema URIs that attribute paths of this type may begin with.
    pub fn uris(&self) -> impl Iterator<Item = &SchemaUri> {
        std::iter::once(&self.base.id).chain(self.extensions.iter().map(|schema| &schema.id))
    }
}

/// RFC 7643's User with the enterprise extension, whole.
#[must_use]
pub fn user() -> TypeSchema {
    todo!()
}

/// RFC 7643's Group, whole.
#[must_use]
pub fn group() -> TypeSchema {
    todo!()
}
