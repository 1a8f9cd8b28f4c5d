//! What an account sees of one resource and another, where its lines have conditions: each resource
//! shows the union of the lines that it satisfies, and one that satisfies none is not there.

use std::sync::{Arc, Mutex, PoisonError};

use super::condition::Condition;
use super::grant::Grant;
use super::scope::{Scope, Set, Use};
use crate::scim::SchemaUri;

/// The lines by which resources are seen, at least one of them with a condition. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sight {
    lines: Arc<[Arc<Grant>]>,
    /// The lines that can show anything, by their place; a query's filter can rule some out.
    usable: Option<Arc<[bool]>>,
    base: Option<Arc<str>>,
    /// What was worked out by now, by the lines that hold.
    known: Arc<Mutex<Vec<Known>>>,
}

/// What of a resource is seen.
#[derive(Debug, Clone)]
pub enum Visible {
    /// For this account the resource is not there.
    Nothing,
    /// All of it.
    Everything,
    /// These attributes.
    Only(Arc<Set>),
}

type Known = (Box<[bool]>, Option<Arc<Set>>);

impl Sight {
    /// By these lines; `None` where those without a condition show everything, or where there are
    /// no others.
    pub(super) fn of(lines: &[Arc<Grant>], base: Option<&str>) -> Option<Self> {
        if lines.iter().all(|line| line.when.is_none()) {
            return None;
        }
        let sight = Self {
            lines: lines.into(),
            usable: None,
            base: base.map(Arc::from),
            known: Arc::default(),
        };
        let sure = sight.sure();
        let whole = sure.iter().any(|sure| *sure) && sight.set(&sure).is_none();
        (!whole).then_some(sight)
    }

    /// The same for a resource type whose base schema is `base`.
    #[must_use]
    pub fn based(&self, base: &SchemaUri) -> Self {
        let known = self.base.as_deref().is_some_and(|known| base.is(known));
        if known {
            return self.clone();
        }
        Self {
            base: Some(base.as_str().into()),
            known: Arc::default(),
            ..self.clone()
        }
    }

    /// The conditions of its lines, with the place of each line.
    pub fn conditions(&self) -> impl Iterator<Item = (usize, &Arc<Condition>)> {
        let lines = self.lines.iter().enumerate();
        lines.filter_map(|(index, line)| Some((index, line.when.as_ref()?)))
    }

    /// What is seen of every resource, whatever it satisfies; `None` where nothing is.
    #[must_use]
    pub fn always(&self) -> Option<Scope> {
        let sure = self.sure();
        let any = sure.iter().any(|sure| *sure);
        any.then(|| Scope::new(self.set(&sure), None))
    }

    /// What is seen of a resource that satisfies the condition of the line at `index`, and maybe no
    /// other.
    #[must_use]
    pub fn by(&self, index: usize) -> Scope {
        let mut holds = self.sure();
        if let Some(place) = holds.get_mut(index) {
            *place = true;
        }
        Scope::new(self.set(&holds), None)
    }

    /// The scope where nothing is known of the resource: what is seen of every one, and never
    /// everything.
    #[must_use]
    pub fn least(&self, scope: &Scope) -> Scope {
        scope.reading(self.set(&self.sure()))
    }

    /// The same where only the lines at these places can show anything.
    #[must_use]
    pub fn limited(&self, places: &[usize]) -> Self {
        let usable = (0..self.lines.len()).map(|index| places.contains(&index));
        Self {
            usable: Some(usable.collect()),
            ..self.clone()
        }
    }

    /// What is seen of a resource of which `holds` tells what it satisfies.
    #[must_use]
    pub fn sees(&self, holds: impl Fn(&Condition) -> bool) -> Visible {
        let lines = self.lines.iter();
        let hold: Box<[bool]> = lines
            .map(|line| line.when.as_ref().is_none_or(|when| holds(when)))
            .collect();
        let usable = |index: usize| {
            let usable = self.usable.as_ref();
            usable.is_none_or(|usable| usable.get(index).copied().unwrap_or(false))
        };
        if !hold
            .iter()
            .enumerate()
            .any(|(index, hold)| *hold && usable(index))
        {
            return Visible::Nothing;
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let set = match known.iter().find(|(lines, _)| *lines == hold) {
            Some((_, set)) => set.clone(),
            None => {
                let set = self.set(&hold);
                if known.len() < MOST_KNOWN {
                    known.push((hold, set.clone()));
                }
                set
            }
        };
        set.map_or(Visible::Everything, Visible::Only)
    }

    fn sure(&self) -> Vec<bool> {
        self.lines.iter().map(|line| line.when.is_none()).collect()
    }

    fn set(&self, counts: &[bool]) -> Option<Arc<Set>> {
        let lines = self.lines.iter().zip(counts);
        let lines = lines.filter(|(_, counts)| **counts);
        let lines = lines.map(|(line, _)| Arc::clone(line)).collect();
        Set::compile(lines, Use::Read, self.base.as_deref())
    }
}

/// So many combinations of lines are remembered for one answer.
const MOST_KNOWN: usize = 64;
