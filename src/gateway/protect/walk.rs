//! Who belongs to whom in the directory, as far as it takes to tell whether a write would change
//! the members of a protected group, or make a protected resource a member. Asked with as few
//! queries as the directory allows; bounded in depth, in number and by the request's deadline.
//! What cannot be told within these bounds is refused.

use std::collections::{BTreeMap, HashSet};

use crate::directory::DirectoryError;
use crate::gateway::error::GatewayError;
use crate::gateway::lists;
use crate::gateway::run::Context;
use crate::mapping::Plan;
use crate::mapping::plan::{Question, Search, members};
use crate::scim::operation::{Answer, Verb, VerbKind};
use crate::scim::{Operation, Resource, ResourceId, ResourceType, Upstream};

use super::{Shield, refused};

/// One look at the directory's groups.
pub(super) struct Walk<'a> {
    context: &'a Context,
    /// How many more requests may be made.
    requests: usize,
    /// How many more resources may be looked at.
    resources: usize,
    /// All groups of a type, where the directory cannot be asked for some.
    whole: BTreeMap<String, Vec<Resource>>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(context: &'a Context) -> Self {
        Self {
            context,
            requests: MOST_REQUESTS,
            resources: MOST_RESOURCES,
            whole: BTreeMap::new(),
        }
    }

    pub(super) fn plan(&self) -> &'a Plan {
        &self.context.tenant.plan
    }

    /// Whether the rule protects one resource.
    pub(super) async fn is_protected(
        &mut self,
        resource: &ResourceType,
        id: Option<&str>,
    ) -> Result<bool, GatewayError> {
        let ids: Vec<String> = id.into_iter().map(str::to_owned).collect();
        self.any_protected(resource, &ids).await
    }

    /// Refuses where one of these belongs to a protected group, however far up.
    pub(super) async fn up(&mut self, ids: Vec<String>) -> Result<(), GatewayError> {
        let plan = &self.context.tenant.plan;
        let mut seen: HashSet<String> = ids.iter().map(|id| folded(id)).collect();
        let mut level = ids;
        for _ in 0..DEEPEST {
            let mut next = Vec::new();
            for group in plan.group_types() {
                let above = self.above(group, &level).await?;
                if above.iter().any(|held| plan.is_protected(group, held)) {
                    return Err(refused(Shield::Group));
                }
                let mut ids = Vec::new();
                for held in &above {
                    ids.extend(id(&plan.shown(group, held)?));
                }
                if plan.protection(group).is_some() && self.any_protected(group, &ids).await? {
                    return Err(refused(Shield::Group));
                }
                if plan.may_belong(group) {
                    next.extend(ids.into_iter().filter(|id| seen.insert(folded(id))));
                }
            }
            if next.is_empty() {
                return Ok(());
            }
            level = next;
        }
        Err(refused(Shield::Undecided))
    }

    /// Refuses where one of these is protected, or has a protected member, however far down.
    pub(super) async fn down(&mut self, ids: Vec<String>) -> Result<(), GatewayError> {
        let plan = &self.context.tenant.plan;
        let mut seen: HashSet<String> = ids.iter().map(|id| folded(id)).collect();
        let mut level = ids;
        for _ in 0..DEEPEST {
            if level.is_empty() {
                return Ok(());
            }
            let belong = |of: &&ResourceType| plan.may_belong(of);
            for resource in plan.protected_types().filter(belong) {
                if self.any_protected(resource, &level).await? {
                    return Err(refused(Shield::Member));
                }
            }
            let mut next = Vec::new();
            for group in plan.group_types().filter(belong) {
                for held in self.these(group, &level).await? {
                    let below = members(&plan.shown(group, &held)?);
                    next.extend(below.into_iter().filter(|id| seen.insert(folded(id))));
                }
            }
            level = next;
        }
        if level.is_empty() {
            return Ok(());
        }
        Err(refused(Shield::Undecided))
    }

    /// Whether the rule protects one of these, if it is of this type.
    async fn any_protected(
        &mut self,
        resource: &ResourceType,
        ids: &[String],
    ) -> Result<bool, GatewayError> {
        let plan = &self.context.tenant.plan;
        let Some(rule) = plan.protection(resource) else {
            return Ok(false);
        };
        if ids.iter().any(|id| rule.names(id)) {
            return Ok(true);
        }
        if rule.filter.is_none() {
            return Ok(false);
        }
        // Of many it is cheaper to ask for all that are protected, which are few.
        if ids.len() > MANY
            && let Some(found) = self.find(resource, Search::All, true).await?
        {
            let asked: HashSet<String> = ids.iter().map(|id| folded(id)).collect();
            return self.any_of(resource, &found, &asked);
        }
        for chunk in ids.chunks(CHUNK) {
            let asked: HashSet<String> = chunk.iter().map(|id| folded(id)).collect();
            let found = self.find(resource, Search::Ids(chunk), true).await?;
            if let Some(found) = found
                && self.all_of(resource, &found, &asked)?
            {
                if !found.is_empty() {
                    return Ok(true);
                }
                continue;
            }
            // What is in hand does not tell it.
            if plan.asks_who_is_protected(resource) {
                return Err(refused(Shield::Undecided));
            }
            for id in chunk {
                let held = self.read(resource, id).await?;
                if held.is_some_and(|held| plan.is_protected(resource, &held)) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Those of a type with these ids.
    async fn these(
        &mut self,
        resource: &ResourceType,
        ids: &[String],
    ) -> Result<Vec<Resource>, GatewayError> {
        let mut all = Vec::new();
        for chunk in ids.chunks(CHUNK) {
            let asked: HashSet<String> = chunk.iter().map(|id| folded(id)).collect();
            let found = self.find(resource, Search::Ids(chunk), false).await?;
            match found {
                Some(found) if self.all_of(resource, &found, &asked)? => all.extend(found),
                _ => {
                    for id in chunk {
                        all.extend(self.read(resource, id).await?);
                    }
                }
            }
        }
        Ok(all)
    }

    /// The groups of a type that have one of these as a member.
    async fn above(
        &mut self,
        group: &ResourceType,
        ids: &[String],
    ) -> Result<Vec<Resource>, GatewayError> {
        let asked: HashSet<String> = ids.iter().map(|id| folded(id)).collect();
        let mut all = Vec::new();
        for chunk in ids.chunks(CHUNK) {
            match self.find(group, Search::Having(chunk), false).await? {
                Some(found) => all.extend(found),
                None => {
                    self.learn_all(group).await?;
                    let whole = self.whole.get(group.as_str()).cloned();
                    all = whole.unwrap_or_default();
                    break;
                }
            }
        }
        let plan = &self.context.tenant.plan;
        let mut above = Vec::new();
        for held in all {
            // A list that shows no members was right about them, as far as we can tell.
            let shown = plan.shown(group, &held)?;
            let below = members(&shown);
            let silent =
                shown.attr("members").is_none() && !self.whole.contains_key(group.as_str());
            if silent || below.iter().any(|id| asked.contains(&folded(id))) {
                above.push(held);
            }
        }
        Ok(above)
    }

    async fn learn_all(&mut self, group: &ResourceType) -> Result<(), GatewayError> {
        if !self.whole.contains_key(group.as_str()) {
            let found = self.find(group, Search::All, false).await?;
            let found = found.ok_or(refused(Shield::Undecided))?;
            self.whole.insert(group.as_str().to_owned(), found);
        }
        Ok(())
    }

    /// Asks for them, page by page; `None` where the directory cannot be asked so.
    async fn find(
        &mut self,
        resource: &ResourceType,
        search: Search<'_>,
        protected: bool,
    ) -> Result<Option<Vec<Resource>>, GatewayError> {
        let context = self.context;
        let plan = &context.tenant.plan;
        let abilities = context.tenant.directory.abilities();
        let mut all: Vec<Resource> = Vec::new();
        loop {
            let start = all.len() + 1;
            let operation = match plan.search(resource, search, protected, start, abilities) {
                Question::Ask(operation) => *operation,
                Question::Nothing => return Ok(Some(all)),
                Question::Unaskable => return Ok(None),
            };
            let list = match self.ask(operation).await {
                Ok(Answer::List(listing)) => {
                    let list = lists::read(listing).await;
                    list.map_err(|error| self.failed(error, resource))?
                }
                Ok(_) => return Ok(None),
                Err(DirectoryError::Refused { .. } | DirectoryError::Unsupported) => {
                    return Ok(None);
                }
                Err(error) => return Err(self.failed(error, resource)),
            };
            let found = list.resources.len();
            self.resources = match self.resources.checked_sub(found) {
                Some(left) => left,
                None => return Err(refused(Shield::Undecided)),
            };
            all.extend(list.resources);
            if list.total.is_none_or(|total| all.len() >= total) {
                return Ok(Some(all));
            }
            if found == 0 || !abilities.page {
                return Err(refused(Shield::Undecided));
            }
        }
    }

    /// One resource by its id, if there is such a one.
    async fn read(
        &mut self,
        resource: &ResourceType,
        id: &str,
    ) -> Result<Option<Resource>, GatewayError> {
        let Ok(id) = id.parse::<ResourceId>() else {
            return Ok(None);
        };
        match self
            .ask(Operation::new(resource.clone(), Verb::Read(id)))
            .await
        {
            Ok(Answer::Resource(document)) => Ok(Some(document.into_tree())),
            Ok(_) => Err(refused(Shield::Undecided)),
            Err(DirectoryError::NotFound) => Ok(None),
            Err(error) => Err(self.failed(error, resource)),
        }
    }

    async fn ask(&mut self, operation: Operation<Upstream>) -> Result<Answer, DirectoryError> {
        self.requests = match self.requests.checked_sub(1) {
            Some(left) => left,
            // As good as a directory that does not answer any more.
            None => return Err(DirectoryError::Overloaded),
        };
        Ok(self.context.call(operation).await?.answer)
    }

    /// What went wrong before anything was changed.
    fn failed(&self, error: DirectoryError, resource: &ResourceType) -> GatewayError {
        if self.requests == 0 {
            return refused(Shield::Undecided);
        }
        // What the directory explains is about our own question, not about the client's.
        GatewayError::Directory {
            error,
            verb: VerbKind::List,
            resource: resource.clone(),
            detail: None,
        }
    }

    /// Whether the directory gave only what it was asked for. One that takes no notice of the
    /// filter gives others as well.
    fn all_of(
        &self,
        resource: &ResourceType,
        found: &[Resource],
        asked: &HashSet<String>,
    ) -> Result<bool, GatewayError> {
        for held in found {
            let shown = self.context.tenant.plan.shown(resource, held)?;
            if !id(&shown).is_some_and(|id| asked.contains(&folded(&id))) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn any_of(
        &self,
        resource: &ResourceType,
        found: &[Resource],
        asked: &HashSet<String>,
    ) -> Result<bool, GatewayError> {
        for held in found {
            let shown = self.context.tenant.plan.shown(resource, held)?;
            if id(&shown).is_some_and(|id| asked.contains(&folded(&id))) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn id(shown: &Resource) -> Option<String> {
    shown.attr("id")?.as_str().map(str::to_owned)
}

fn folded(id: &str) -> String {
    id.to_lowercase()
}

/// How many ids go into one query: with ids of 36 characters the URL stays below 3 KiB.
const CHUNK: usize = 40;

/// More than this many are not asked for by id.
const MANY: usize = 2 * CHUNK;

/// How deep groups within groups are followed.
const DEEPEST: usize = 8;

/// How many requests to the directory one write may cause.
const MOST_REQUESTS: usize = 500;

/// How many resources of the directory one write may have looked at.
const MOST_RESOURCES: usize = 5_000;
