//! Protected resources: what a write may not do to them, and to whom they may not come to belong
//! (decisions, 41). What concerns the written resource itself is decided from the state that the
//! write is held to; what concerns others, from what the directory says just before.

mod walk;

use std::fmt;

use crate::mapping::plan::{Touched, members};
use crate::mapping::{Effect, Plan};
use crate::scim::operation::{Verb, VerbKind};
use crate::scim::{Client, Operation, ResourceId, Upstream};

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
    let mut walk = Walk::new(context);
    let unread = match step.effect {
        None if !creates => {
            let told = plan.membership(step.operation);
            Some(told.ok_or(refused(Shield::Undecided))?)
        }
        _ => None,
    };
    if plan.protection(resource).is_some() && !creates {
        match (step.effect, &unread) {
            (Some(effect), _) => {
                own(plan, id, step.operation, effect)?;
                by_directory(&mut walk, id, step.operation, effect).await?;
            }
            (None, Some(told)) if told.changes => {
                if walk.is_protected(resource, id).await? {
                    return Err(refused(Shield::Own(Touched::Members)));
                }
            }
            (None, Some(_)) => {}
            (None, None) => return Err(refused(Shield::Undecided)),
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
        (_, None) => unread
            .as_ref()
            .map(|told| told.joined.clone())
            .unwrap_or_default(),
    };
    let changes = effect.is_some_and(|effect| effect.changes_members());
    let others = deletes || changes || unread.is_some_and(|told| told.changes);
    if others && plan.protects_groups() && plan.may_belong(resource) {
        walk.up(id.into_iter().map(str::to_owned).collect()).await?;
    }
    walk.down(joined).await
}

/// Refuses what the written resource itself is protected from.
pub(super) fn own(
    plan: &Plan,
    id: Option<&str>,
    operation: &Operation<Upstream>,
    effect: &Effect,
) -> Result<(), GatewayError> {
    let resource = &operation.resource;
    let rule = plan.protection(resource);
    let named = id.zip(rule).is_some_and(|(id, rule)| rule.names(id));
    if (named || plan.is_protected(resource, &effect.was))
        && let Some(touched) = plan.touched(operation, effect)
    {
        return Err(refused(Shield::Own(touched)));
    }
    Ok(())
}

/// Refuses what the written resource is protected from where only its directory knows that.
async fn by_directory(
    walk: &mut Walk<'_>,
    id: Option<&str>,
    operation: &Operation<Upstream>,
    effect: &Effect,
) -> Result<(), GatewayError> {
    let plan = walk.plan();
    let resource = &operation.resource;
    if !plan.asks_who_is_protected(resource) {
        return Ok(());
    }
    let away = plan.touches_protection(resource, effect);
    let away = away.then_some(Touched::Unprotected);
    let Some(touched) = plan.touched(operation, effect).or(away) else {
        return Ok(());
    };
    if walk.is_protected(resource, id).await? {
        return Err(refused(Shield::Own(touched)));
    }
    Ok(())
}

/// Whether the directory is asked about others before an operation is let through.
pub(super) fn asks_about_others(plan: &Plan, operation: &Operation<Client>) -> bool {
    let resource = &operation.resource;
    let group = || plan.group_types().any(|group| group == resource);
    match &operation.verb {
        Verb::Create(_) | Verb::Replace(..) => plan.protects() && group(),
        Verb::Patch(..) => {
            let looks = || plan.protection_looks(operation) || plan.protection_asks(operation);
            plan.protects() && group() && looks()
        }
        Verb::Delete(_) => plan.protects_groups() && plan.may_belong(resource),
        Verb::Read(_) | Verb::List(_) => false,
    }
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
            Self::Own(Touched::Moved) => "moved",
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
            Self::Own(Touched::Moved) => {
                "the resource is protected by the rule: it cannot be moved"
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
