//! How much of a value the audit trail may show, and which resource a creation made.

use super::Plan;
use crate::mapping::compile::{Type, is_secret};
use crate::scim::operation::Document;
use crate::scim::{AttrPath, ResourceType};

/// How much of an attribute's value may be shown in the audit trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discretion {
    /// All of it: the rule lists the attribute.
    Plain,
    /// A keyed digest.
    Digest,
    /// Nothing but its length.
    Secret,
}

impl Plan {
    /// How much of an attribute may be shown. What may hold a secret is one.
    #[must_use]
    pub fn discretion(&self, resource: &ResourceType, path: &AttrPath) -> Discretion {
        let named = is_secret(path.name.as_str())
            || path.sub.as_ref().is_some_and(|sub| is_secret(sub.as_str()));
        let Some(ty) = self.ty(resource) else {
            return if named {
                Discretion::Secret
            } else {
                Discretion::Digest
            };
        };
        if named || by_line(ty, path) {
            return Discretion::Secret;
        }
        if ty.plain.iter().any(|plain| plain.covers(path)) {
            return Discretion::Plain;
        }
        Discretion::Digest
    }

    /// Whether an attribute of this name is a secret wherever it stands.
    #[must_use]
    pub fn names_secret(name: &str) -> bool {
        is_secret(name)
    }

    /// The id of the resource that a directory answers a creation with.
    #[must_use]
    pub fn created_id(&self, resource: &ResourceType, document: &Document) -> Option<String> {
        let ty = self.ty(resource)?;
        let text = document.clone().into_checked();
        let members = text.members();
        let id = members.find(ty.entry.id.as_str())?;
        match id.as_str() {
            Some(text) => Some(text.into_owned()),
            None => id.as_number().map(str::to_owned),
        }
    }
}

/// Whether a line that says `secret: true` writes the attribute, a part of it, or what it is part of.
fn by_line(ty: &Type, path: &AttrPath) -> bool {
    let secrets = ty.lines.iter().filter(|line| line.secret);
    let mut places = secrets.filter_map(|line| line.scim.as_ref());
    places.any(|place| {
        let place = place.path();
        place.covers(path) || path.covers(&place)
    })
}
