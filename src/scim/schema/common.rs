//! The attributes that every resource has (RFC 7643 §3, §3.1), and the default sub-attributes of
//! multi-valued ones (§2.4).

use std::sync::LazyLock;

use super::{Attribute, Kind, Mutability, Returned, Uniqueness};
use crate::scim::name::AttrName;

/// The common attribute of that name.
pub(super) fn attribute(name: &AttrName) -> Option<&'static Attribute> {
    attributes().iter().find(|a| a.name == *name)
}

/// `schemas`, `id`, `externalId` and `meta`.
pub(super) fn attributes() -> &'static [Attribute] {
    &COMMON
}

/// The default sub-attribute of that name.
pub(super) fn default_sub(name: &str) -> Option<&'static Attribute> {
    DEFAULT_SUBS.iter().find(|a| a.name.is(name))
}

/// An attribute of one of our own tables.
pub(super) fn define(name: &'static str, kind: Kind, description: &str) -> Attribute {
    Attribute::new(AttrName::known(name), kind).described(description)
}

/// A string of one of our own tables.
pub(super) fn string(name: &'static str, description: &str) -> Attribute {
    define(name, Kind::String, description)
}

/// A multi-valued complex attribute of the usual shape: `value`, `display`, `type`, `primary`.
pub(super) fn plural(name: &'static str, description: &str, subs: [Attribute; 2]) -> Attribute {
    let [value, kind] = subs;
    define(name, Kind::Complex, description)
        .many()
        .with(vec![value, display(), kind, primary()])
}

/// The usual `primary`.
pub(super) fn primary() -> Attribute {
    define(
        "primary",
        Kind::Boolean,
        "Whether this is the preferred value; true for at most one.",
    )
}

fn display() -> Attribute {
    string("display", "A name of the value for people to read.")
}

static COMMON: LazyLock<Vec<Attribute>> = LazyLock::new(|| {
    let meta = vec![
        string("resourceType", "The name of the resource type.").exact(),
        define("created", Kind::DateTime, "When the resource was made."),
        define(
            "lastModified",
            Kind::DateTime,
            "When the resource last changed.",
        ),
        define("location", Kind::Reference, "The URI of the resource.").pointing_to(&["uri"]),
        string("version", "The version of the resource, as an entity tag.").exact(),
    ];
    vec![
        define(
            "schemas",
            Kind::Reference,
            "The URIs of the schemas that the resource uses.",
        )
        .pointing_to(&["uri"])
        .many()
        .required()
        .returned(Returned::Always),
        string(
            "id",
            "The identifier that the service provider gave to the resource.",
        )
        .exact()
        .mutable(Mutability::ReadOnly)
        .returned(Returned::Always)
        .unique(Uniqueness::Server),
        string(
            "externalId",
            "The identifier that the client gave to the resource.",
        )
        .exact(),
        define(
            "meta",
            Kind::Complex,
            "What the service provider knows of the resource.",
        )
        .with(meta)
        .read_only(),
    ]
});

static DEFAULT_SUBS: LazyLock<Vec<Attribute>> = LazyLock::new(|| {
    vec![
        string("value", "The value itself."),
        display(),
        string("type", "What the value is for."),
        primary(),
        define(
            "$ref",
            Kind::Reference,
            "The URI of the resource that the value names.",
        )
        .pointing_to(&["uri"]),
    ]
});
