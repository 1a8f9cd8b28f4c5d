//! Protected resources: what a write may not do to them, and to whom they may not come to belong
//! (decisions, 41). What concerns the written resource itself is decided from the state that the
//! write is held to; what concerns others, from what the directory says just before.

mod walk;

use std::fmt;

use crate::mapping::plan::{Touched, members};
use crate::scim::ResourceId;
use crate::scim::operation::{Verb, VerbKind};

use super::error::GatewayError;
use super::policy::Step;
use super::run::Context;
use walk::Walk;

/// Why a write is not let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shield {
    /// The resource is protected from this.
    Own(Touched),
    /// A protected resource would become a member.
    Member,
    /// Who belongs to a protected group would change, through a group in between or because a
    /// member of it is deleted.
    Group,
    /// It could not be found out.
    Undecided,
}

/// Lets a write through that harms nothing protected.
pub(super) async fn check(context: &Context, step: &Step<'_>) -> Result<(), GatewayError> {
    let plan = &context.tenant.plan;
    if !plan.protects() {
        return Ok(());
    }
    let resource = &step.wanted.resource;
    let id = step.wanted.id.as_ref().map(ResourceId::as_str);
    let creates = step.wanted.verb == VerbKind::Create;
    if let Some(rule) = plan.protection(resource).filter(|_| !creates) {
        let effect = step.effect.ok_or(refused(Shield::Undecided))?;
        let named = id.is_some_and(|id| rule.names(id));
        if (named || plan.is_protected(resource, &effect.was))
            && let Some(touched) = plan.touched(step.operation, effect)
        {
            return Err(refused(Shield::Own(touched)));
        }
    }
    let deletes = step.wanted.verb == VerbKind::Delete;
    let effect = step.effect.filter(|_| !deletes);
    let joined = match (&step.operation.verb, effect) {
        (Verb::Create(document), _) => {
            if !plan.group_types().any(|group| group == resource) {
                return Ok(());
            }
            members(&plan.born(resource, document)?)
        }
        (_, Some(effect)) => effect.joined(),
        (_, None) => Vec::new(),
    };
    let mut walk = Walk::new(context);
    let others = deletes || effect.is_some_and(|effect| effect.changes_members());
    if others && plan.protects_groups() && plan.may_belong(resource) {
        walk.up(id.into_iter().map(str::to_owned).collect()).await?;
    }
    walk.down(joined).await
}

fn refused(shield: Shield) -> GatewayError {
    GatewayError::Protected(shield)
}

impl Shield {
    /// For the access line.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Own(Touched::Deleted) => "deleted",
            Self::Own(Touched::Disabled) => "disabled",
            Self::Own(Touched::Renamed) => "renamed",
            Self::Own(Touched::Credentials) => "credentials",
            Self::Own(Touched::Members) => "members",
            Self::Own(Touched::Unprotected) => "unprotected",
            Self::Member => "a member",
            Self::Group => "a group above",
            Self::Undecided => "undecided",
        }
    }
}

impl fmt::Display for Shield {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Own(Touched::Deleted) => {
                "the resource is protected by the rule: it cannot be deleted"
            }
            Self::Own(Touched::Disabled) => {
                "the resource is protected by the rule: it cannot be disabled"
            }
            Self::Own(Touched::Renamed) => {
                "the resource is protected by the rule: it cannot be renamed"
            }
            Self::Own(Touched::Credentials) => {
                "the resource is protected by the rule: it cannot be given a password or other \
                 credentials, nor lose them"
            }
            Self::Own(Touched::Members) => {
                "the group is protected by the rule: its members cannot be changed"
            }
            Self::Own(Touched::Unprotected) => {
                "the resource is protected by the rule: what protects it cannot be taken away"
            }
            Self::Member => {
                "the rule protects a resource that would become a member: it cannot be made one"
            }
            Self::Group => {
                "the rule protects a group whose members would change by this, directly or through \
                 other groups"
            }
            Self::Undecided => {
                "whether this would touch what the rule protects could not be found out: too many \
                 groups or members are involved, or the directory cannot be asked; make smaller \
                 changes"
            }
        })
    }
}
