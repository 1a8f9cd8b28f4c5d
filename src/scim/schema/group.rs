//! Group (RFC 7643 §4.2, §8.7.1).
//!
//! Two cells differ from the RFC's table: `displayName` is required, as the text of §4.2 says, and
//! members have a `display`, as the RFC's own example of a group does (§8.4).

use std::sync::{Arc, LazyLock};

use super::common::{define, string};
use super::{Attribute, GROUP, Kind, Mutability, Schema, TypeSchema};
use crate::scim::name::{ResourceType, SchemaUri};

/// RFC 7643's Group, whole.
#[must_use]
pub fn group() -> TypeSchema {
    GROUP_TYPE.clone()
}

static GROUP_TYPE: LazyLock<TypeSchema> = LazyLock::new(|| TypeSchema {
    name: ResourceType::known("Group"),
    endpoint: Arc::from("Groups"),
    description: Arc::from("A set of users and other groups."),
    base: Arc::new(Schema::new(
        SchemaUri::known(GROUP),
        "Group",
        "A set of users and other groups.",
        vec![
            string("displayName", "The name of the group for people to read.").required(),
            define("members", Kind::Complex, "The members of the group.")
                .many()
                .with(member()),
        ],
    )),
    extensions: Vec::new(),
});

// A member is added or removed whole; nothing of it changes (§4.2).
fn member() -> Vec<Attribute> {
    [
        string("value", "The id of the member.").exact(),
        define("$ref", Kind::Reference, "The URI of the member.").pointing_to(&["User", "Group"]),
        string("type", "The resource type of the member.").canonical(&["User", "Group"]),
        string("display", "The name of the member for people to read."),
    ]
    .into_iter()
    .map(|a| a.mutable(Mutability::Immutable))
    .collect()
}
