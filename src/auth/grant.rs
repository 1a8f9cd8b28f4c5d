//! One `allow` line of a role: where it is written, and what it is about.

use std::fmt;
use std::sync::Arc;

use super::attributes::Attributes;
use super::condition::Condition;
use super::values::Values;
use crate::scim::ResourceType;
use crate::scim::operation::VerbKind;

/// Where it is written that something is allowed: an `allow` line of a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleLine {
    /// The role.
    pub role: Arc<str>,
    /// The file.
    pub file: Arc<str>,
    /// The line in it, from 1.
    pub line: usize,
    /// The line's text, cut short where it is long.
    pub text: Arc<str>,
}

/// One line of a role. A role may do what any of its lines allows; an account what any of its
/// roles allows.
#[derive(Debug, Clone)]
pub(super) struct Grant {
    pub(super) origin: Arc<RoleLine>,
    pub(super) resources: Resources,
    pub(super) verbs: Verbs,
    /// `None` is every attribute.
    pub(super) attributes: Option<Arc<Attributes>>,
    /// What the present resource must satisfy.
    pub(super) when: Option<Arc<Condition>>,
    /// What attributes may become.
    pub(super) values: Option<Arc<Values>>,
}

/// The resource types of a [`Grant`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Resources {
    All,
    Only(Vec<ResourceType>),
}

/// A set of the verbs that a role is written in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Verbs(u8);

impl fmt::Display for RoleLine {
    /// `hr-feed (access.yaml:12)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}:{})", self.role, self.file, self.line)
    }
}

impl Grant {
    /// `None` is a type that no line names.
    pub(super) fn allows(&self, resource: Option<&ResourceType>, verb: VerbKind) -> bool {
        let resource = match &self.resources {
            Resources::All => true,
            Resources::Only(types) => resource.is_some_and(|ty| types.contains(ty)),
        };
        resource && self.verbs.cover(verb)
    }
}

/// Tests of the mapping need lines without a file.
#[cfg(test)]
impl Grant {
    pub(super) fn of_attributes(list: Attributes) -> Self {
        Self {
            origin: Arc::new(RoleLine {
                role: "test".into(),
                file: "access.yaml".into(),
                line: 1,
                text: "".into(),
            }),
            resources: Resources::All,
            verbs: Verbs::READ_BY_ID,
            attributes: Some(Arc::new(list)),
            when: None,
            values: None,
        }
    }
}

impl Verbs {
    /// The words, each with its bits: `read` covers one resource and queries.
    pub(super) const WORDS: [(&'static str, Self); 4] = [
        ("create", Self(1)),
        ("read", Self(2 | 16)),
        ("update", Self(4)),
        ("delete", Self(8)),
    ];

    /// Everything that sets attributes.
    pub(super) const WRITES: Self = Self(1 | 4);

    /// A new resource.
    pub(super) const CREATE: Self = Self(1);

    /// `read: by-id`: one resource whose id is known, and no queries.
    pub(super) const READ_BY_ID: Self = Self(2);

    /// Both sets together.
    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the sets have something in common.
    pub(super) fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// `update` covers PUT and PATCH.
    fn cover(self, verb: VerbKind) -> bool {
        let bit = match verb {
            VerbKind::Create => 1,
            VerbKind::Read => 2,
            VerbKind::Replace | VerbKind::Patch => 4,
            VerbKind::Delete => 8,
            VerbKind::List => 16,
        };
        self.0 & bit != 0
    }
}
