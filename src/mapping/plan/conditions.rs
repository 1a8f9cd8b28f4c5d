//! Conditions of roles: whether a resource satisfies them, and how a query is asked so that only
//! such resources are found.
//!
//! A condition never holds by ignorance: where the rule does not read an attribute that it asks
//! about, or a value could not be brought into SCIM, it does not hold, whatever `not` says.

use super::scoped::Looks;
use super::{Before, MappingError, Plan, reads};
use crate::auth::{Condition, Permitted, Sight, Visible, asked};
use crate::mapping::compile::{Type, is_secret};
use crate::mapping::kind::Pushed;
use crate::mapping::ruleset::Unmapped;
use crate::mapping::witness::{Event, Witness};
use crate::scim::operation::{Abilities, Projection, Verb};
use crate::scim::query::Query;
use crate::scim::{AttrPath, PatchPath, Resource, ResourceType};

/// A resource in the client's words, to be asked about conditions.
#[derive(Debug)]
pub struct Present<'p> {
    ty: &'p Type,
    seen: Resource,
    /// The lines of the rule whose values could not be understood.
    unclear: Vec<usize>,
}

impl Plan {
    /// The permit without open conditions, where those lines suffice that have none; refuses what
    /// no line would allow even if every condition held.
    ///
    /// # Errors
    /// [`MappingError::Forbidden`], and what is wrong with the document.
    pub fn settle(&self, permitted: Permitted) -> Result<Permitted, MappingError> {
        if !permitted.is_open() {
            return Ok(permitted);
        }
        self.permit(&permitted)?;
        let Some(sure) = permitted.sure() else {
            return Ok(permitted);
        };
        let suffices = match &sure.operation().verb {
            Verb::Delete(_) => true,
            // What a value path chooses depends on what may be seen.
            Verb::Patch(_, patch) => {
                let chooses = |path: &PatchPath| {
                    matches!(
                        path,
                        PatchPath::Attribute {
                            filter: Some(_),
                            ..
                        }
                    )
                };
                !patch.changes.iter().any(|change| chooses(&change.path)) && self.all_of_it(&sure)
            }
            // What it clears depends on what may be seen and changed.
            Verb::Replace(..) => false,
            Verb::Create(_) | Verb::Read(_) | Verb::List(_) => true,
        };
        Ok(if suffices { sure } else { permitted })
    }

    /// Whether nothing of an operation would have to be left out.
    fn all_of_it(&self, permitted: &Permitted) -> bool {
        let operation = permitted.operation();
        let Ok(ty) = self.known(&operation.resource) else {
            return true;
        };
        let scope = permitted.scope().based(&ty.held.base.id);
        self.permitted_if(ty, &scope, operation, false).is_ok()
    }

    /// The present resource, to be asked whether it satisfies conditions.
    ///
    /// # Errors
    /// [`MappingError::Malformed`].
    pub fn present(
        &self,
        resource: &ResourceType,
        before: &Before,
    ) -> Result<Present<'_>, MappingError> {
        let ty = self.known(resource)?;
        let mut unclear = Unclear(&mut (), Vec::new());
        let seen = self.seen_by(ty, &before.resource, &mut unclear)?;
        Ok(Present {
            ty,
            seen,
            unclear: unclear.1,
        })
    }

    /// The same of a resource that is already in the client's words, for dry runs.
    ///
    /// # Errors
    /// [`MappingError::Refused`] where there is no such type.
    pub fn supposed(
        &self,
        resource: &ResourceType,
        seen: Resource,
    ) -> Result<Present<'_>, MappingError> {
        Ok(Present {
            ty: self.known(resource)?,
            seen,
            unclear: Vec::new(),
        })
    }

    /// The query as it is asked for an account that sees only what satisfies conditions: what is
    /// asked beside the client's filter, and by which lines the answer is seen.
    pub(super) fn visible(
        &self,
        ty: &Type,
        query: &Query,
        sight: &Sight,
        abilities: Abilities,
    ) -> Result<(Pushed, Sight), MappingError> {
        let asks = |scope: &crate::auth::Scope| {
            let scope = scope.based(&ty.held.base.id);
            let looks = Looks { ty, scope: &scope };
            looks.query(query)
        };
        if sight.always().is_some_and(|scope| asks(&scope).is_ok()) {
            let all = sight.clone();
            return Ok((Pushed::Always, all));
        }
        let (mut places, mut parts, mut refusal) = (Vec::new(), Vec::new(), None);
        for (place, condition) in sight.conditions() {
            if let Err(error) = asks(&sight.by(place)) {
                refusal.get_or_insert(error);
                continue;
            }
            places.push(place);
            let filter = condition.filter(&ty.held.name);
            let pushed = if is_answered(ty, condition) {
                self.filter(ty, filter).ok()
            } else {
                None
            };
            let Some(pushed) = pushed else {
                let text = format!(
                    "the account sees only such resources as meet the condition of its role, and \
                     this directory cannot be asked for those; read a {} by its id",
                    ty.held.name
                );
                return Err(MappingError::Forbidden(text));
            };
            parts.push(pushed);
        }
        if let (true, Some(error)) = (places.is_empty(), refusal) {
            return Err(error);
        }
        let pushed = Pushed::any(parts);
        // Whoever gives all there is may leave the choice to us.
        let pushed = match pushed {
            Pushed::Ask(_) if !abilities.filter && !abilities.page => Pushed::Always,
            Pushed::Ask(_) if !abilities.filter => {
                let text = "the account sees only such resources as meet the condition of its \
                            role, and this directory does not evaluate filters";
                return Err(MappingError::Forbidden(text.to_owned()));
            }
            pushed => pushed,
        };
        Ok((pushed, sight.limited(&places)))
    }

    /// What of a resource the account sees. `shown` is the resource in the client's words.
    pub(super) fn sees(
        &self,
        ty: &Type,
        sight: &Sight,
        shown: Resource,
        unclear: Vec<usize>,
    ) -> Visible {
        let present = Present {
            ty,
            seen: shown,
            unclear,
        };
        sight.sees(|condition| present.holds(condition))
    }
}

impl Present<'_> {
    /// Whether the resource satisfies a condition.
    #[must_use]
    pub fn holds(&self, condition: &Condition) -> bool {
        let ty = self.ty;
        if !is_answered(ty, condition) {
            return false;
        }
        let filter = condition.filter(&ty.held.name);
        let lines = ty.lines.iter();
        let mut unclear = lines.filter(|line| self.unclear.contains(&line.number));
        let of = |path: &AttrPath| {
            unclear.any(|line| {
                let mut places = line.kind.touches().scim.iter();
                places.any(|place| place.is_beside(path.uri.as_ref(), &path.name))
            })
        };
        !asked(filter).iter().any(of) && filter.matches(&self.seen, &ty.full)
    }
}

/// A projection that leaves nothing out which a condition asks about.
pub(super) fn widened(ty: &Type, projection: &Projection, sight: Option<&Sight>) -> Projection {
    let Some(sight) = sight else {
        return projection.clone();
    };
    let conditions = sight.conditions();
    let filters = conditions.map(|(_, condition)| condition.filter(&ty.held.name));
    let needed: Vec<AttrPath> = filters.flat_map(asked).map(|path| path.parent()).collect();
    match projection {
        Projection::All => Projection::All,
        Projection::Only(paths) => {
            let all = paths.iter().chain(&needed);
            Projection::Only(all.cloned().collect())
        }
        Projection::Except(paths) => {
            let spares = |path: &&AttrPath| {
                let touches = |needed: &AttrPath| path.covers(needed) || needed.covers(path);
                !needed.iter().any(touches)
            };
            Projection::Except(paths.iter().filter(spares).cloned().collect())
        }
    }
}

/// Whether the rule reads everything that a condition asks about.
fn is_answered(ty: &Type, condition: &Condition) -> bool {
    let answered = |path: &AttrPath| {
        let secret = is_secret(path.name.as_str())
            || path.sub.as_ref().is_some_and(|sub| is_secret(sub.as_str()));
        if secret {
            return false;
        }
        let common = ["id", "meta", "schemas"];
        if path.uri.is_none() && common.iter().any(|name| path.name.is(name)) {
            return true;
        }
        let mut lines = ty.lines.iter().filter(|line| reads(line));
        let beside = lines.any(|line| {
            let mut places = line.kind.touches().scim.iter();
            !line.secret && places.any(|place| place.is_beside(path.uri.as_ref(), &path.name))
        });
        beside || ty.unmapped == Unmapped::Pass && !super::projection::shadowed(ty, &path.parent())
    };
    asked(condition.filter(&ty.held.name)).iter().all(answered)
}

/// Notes the lines whose values could not be understood, and hands on what it sees.
pub(super) struct Unclear<'w, W>(pub(super) &'w mut W, pub(super) Vec<usize>);

impl<W: Witness> Witness for Unclear<'_, W> {
    fn saw(&mut self, event: Event<'_>) {
        if let Event::Undecodable { line } = event {
            self.1.push(line);
        }
        self.0.saw(event);
    }
}
