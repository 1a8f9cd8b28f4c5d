//! What an account may do, worked out from the lines of its roles when `access.yaml` is read.

use std::sync::Arc;

use super::condition::Condition;
use super::grant::{Grant, Resources};
use super::scope::{Scope, Set, Use};
use crate::scim::operation::VerbKind;
use crate::scim::{ResourceType, schema};

/// What an account may do. Accounts of the same roles share it.
#[derive(Debug, Default)]
pub(super) struct Rights {
    /// The resource types that have a line of their own.
    named: Vec<(ResourceType, Verdicts)>,
    /// All other types.
    others: Verdicts,
}

/// One verb on one resource type: the lines that allow it, and those that show what it is about.
#[derive(Debug)]
pub(super) struct Verdict {
    /// The lines that cover the verb, at least one.
    pub(super) lines: Vec<Arc<Grant>>,
    /// The lines by which a resource is seen: those of a reading by id, of a query where it is one.
    pub(super) reading: Vec<Arc<Grant>>,
    /// What all of them allow together, did every condition hold.
    pub(super) most: Scope,
    /// What those without a condition allow; `None` where each line has one.
    pub(super) sure: Option<Scope>,
    verb: VerbKind,
    base: Option<&'static str>,
}

/// One for each [`VerbKind`]; `None` is no.
type Verdicts = [Option<Arc<Verdict>>; VERBS.len()];

impl Rights {
    /// What these lines allow together.
    pub(super) fn new(grants: &[Arc<Grant>]) -> Self {
        let mut types: Vec<ResourceType> = Vec::new();
        // Roles may name the attributes of these by their schema's URN.
        types.extend(
            ["User", "Group"]
                .iter()
                .filter_map(|name| name.parse().ok()),
        );
        for grant in grants {
            if let Resources::Only(more) = &grant.resources {
                types.extend(
                    more.iter()
                        .filter(|ty| !types.contains(ty))
                        .cloned()
                        .collect::<Vec<_>>(),
                );
            }
        }
        let verdicts = |resource: Option<&ResourceType>| {
            VERBS.map(|verb| Verdict::of(grants, resource, verb).map(Arc::new))
        };
        Self {
            others: verdicts(None),
            named: types
                .into_iter()
                .map(|ty| {
                    let verdicts = verdicts(Some(&ty));
                    (ty, verdicts)
                })
                .collect(),
        }
    }

    pub(super) fn verdict(&self, resource: &ResourceType, verb: VerbKind) -> Option<&Arc<Verdict>> {
        let mut named = self.named.iter();
        let verdicts = named
            .find(|(ty, _)| ty == resource)
            .map_or(&self.others, |(_, verdicts)| verdicts);
        let index = VERBS.iter().position(|other| *other == verb)?;
        verdicts.get(index)?.as_ref()
    }
}

impl Verdict {
    /// What the lines allow of one verb on one type; `None` where that is nothing.
    fn of(grants: &[Arc<Grant>], resource: Option<&ResourceType>, verb: VerbKind) -> Option<Self> {
        let base = resource.and_then(|ty| match ty.as_str() {
            name if name.eq_ignore_ascii_case("User") => Some(schema::USER),
            name if name.eq_ignore_ascii_case("Group") => Some(schema::GROUP),
            _ => None,
        });
        let of = |verb| -> Vec<_> {
            let all = grants.iter();
            let meant = all.filter(|grant| grant.allows(resource, verb));
            meant.cloned().collect()
        };
        let lines = of(verb);
        if lines.is_empty() {
            return None;
        }
        let reading = match verb {
            VerbKind::List => VerbKind::List,
            _ => VerbKind::Read,
        };
        let mut verdict = Self {
            lines,
            reading: of(reading),
            most: Scope::whole(),
            sure: None,
            verb,
            base,
        };
        verdict.most = verdict.scope(|_| true);
        let sure = |grant: &Grant| grant.when.is_none();
        if verdict.lines.iter().any(|line| sure(line)) {
            verdict.sure = Some(verdict.scope(sure));
        }
        Some(verdict)
    }

    /// What the lines allow that count.
    pub(super) fn scope(&self, counts: impl Fn(&Grant) -> bool) -> Scope {
        let set = |lines: &[Arc<Grant>], use_| {
            let lines = lines.iter().filter(|line| counts(line));
            Set::compile(lines.cloned().collect(), use_, self.base)
        };
        match self.verb {
            // There is no part of a resource to delete.
            VerbKind::Delete => Scope::whole(),
            VerbKind::Read | VerbKind::List => Scope::new(set(&self.lines, Use::Read), None),
            // What a write answers is a reading of that resource.
            VerbKind::Create | VerbKind::Replace | VerbKind::Patch => {
                Scope::new(set(&self.reading, Use::Read), set(&self.lines, Use::Write))
            }
        }
    }

    /// Every condition of a line that counts here.
    pub(super) fn conditions(&self) -> impl Iterator<Item = &Arc<Condition>> {
        let all = self.lines.iter().chain(&self.reading);
        all.filter_map(|line| line.when.as_ref())
    }

    /// The base schema's URN, where it is known here.
    pub(super) fn base(&self) -> Option<&'static str> {
        self.base
    }
}

/// Every kind of verb, in the order of [`Verdicts`].
pub(super) const VERBS: [VerbKind; 6] = [
    VerbKind::Create,
    VerbKind::Read,
    VerbKind::List,
    VerbKind::Replace,
    VerbKind::Patch,
    VerbKind::Delete,
];
