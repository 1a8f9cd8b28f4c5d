//! What was left out of one request because the account may not write it, for its one line in the
//! log: names, never values.

use std::sync::{Arc, Mutex, PoisonError};

use crate::mapping::{Event, Witness};
use crate::telemetry::Counters;

/// The names, each once and not too many.
#[derive(Debug, Default)]
pub(super) struct Discarded(Mutex<Vec<String>>);

/// Counts, and notes what is left out.
pub(super) struct Noting {
    counters: Counters,
    discarded: Arc<Discarded>,
}

impl Discarded {
    /// The names in a row; nothing where there are none.
    pub(super) fn names(&self) -> Option<String> {
        let names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (!names.is_empty()).then(|| names.join(" "))
    }

    fn note(&self, name: &str) {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() < MOST && !names.iter().any(|known| known == name) {
            names.push(name.chars().take(LONGEST).collect());
        }
    }
}

impl Noting {
    pub(super) fn new(counters: Counters, discarded: &Arc<Discarded>) -> Self {
        Self {
            counters,
            discarded: Arc::clone(discarded),
        }
    }
}

impl Witness for Noting {
    fn saw(&mut self, event: Event<'_>) {
        if let Event::Discarded { attribute } = event {
            self.discarded.note(attribute);
        }
        self.counters.saw(event);
    }
}

/// So many names are kept of one request, and so many characters of each.
const MOST: usize = 32;
const LONGEST: usize = 120;
