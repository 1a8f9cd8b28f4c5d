//! The counters of a tenant's requests, by resource type. A list that only ever grows at its end:
//! it is walked without a lock, and a rule edit that adds a type adds a link. The names are those
//! of rule files, so it stays short.

use std::sync::{Arc, OnceLock};

use prometheus::IntCounter;

use super::families::REQUESTS;
use super::page::Page;
use super::tenant::Slot;
use super::words::{OperationKind, Outcome};

/// One type and those after it.
#[derive(Debug)]
pub(super) struct Types {
    name: Arc<str>,
    slots: [[Slot<IntCounter>; Outcome::COUNT]; OperationKind::COUNT + 1],
    next: OnceLock<Box<Self>>,
}

impl Types {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            slots: [const { [const { Slot::new() }; Outcome::COUNT] }; OperationKind::COUNT + 1],
            next: OnceLock::new(),
        }
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "both sizes are the counts of the enums that the indices come from"
    )]
    pub(super) fn slot(
        &self,
        resource: &str,
        operation: Option<OperationKind>,
        outcome: Outcome,
    ) -> &Slot<IntCounter> {
        let mut of_type = self;
        while *of_type.name != *resource {
            // Where two threads add a type at once, the later one walks on past the other's.
            let next = || Box::new(Self::new(resource));
            of_type = of_type.next.get_or_init(next);
        }
        let row = operation.map_or(0, |operation| 1 + operation as usize);
        &of_type.slots[row][outcome.index()]
    }

    pub(super) fn fill(&self, page: &mut Page) {
        let mut of_type = Some(self);
        while let Some(types) = of_type {
            page.slots(&REQUESTS, types.slots.iter().flatten());
            of_type = types.next.get().map(|next| &**next);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_operation_and_outcome_has_a_place_of_its_own() {
        let types = Types::new("-");
        let at = |resource, operation, outcome| -> *const Slot<IntCounter> {
            types.slot(resource, operation, outcome)
        };
        let mut all = Vec::new();
        for resource in ["User", "-", "Group", "Device"] {
            for operation in [
                None,
                Some(OperationKind::Create),
                Some(OperationKind::Discovery),
            ] {
                for outcome in [Outcome::Ok, Outcome::Gone] {
                    all.push(at(resource, operation, outcome));
                    assert_eq!(all.last(), Some(&at(resource, operation, outcome)));
                }
            }
        }
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 4 * 3 * 2);
    }

    #[test]
    fn types_that_are_added_at_once_are_all_there() {
        let types = Types::new("-");
        let names: Vec<String> = (0..8).map(|n| format!("T{n}")).collect();
        std::thread::scope(|scope| {
            for start in 0..4 {
                let (types, names) = (&types, &names);
                scope.spawn(move || {
                    for n in 0..names.len() {
                        let name = &names[(n + start) % names.len()];
                        let slot = types.slot(name, None, Outcome::Ok);
                        slot.get(|| REQUESTS.counter(&["t", name, "-", "ok"])).inc();
                    }
                });
            }
        });
        for name in &names {
            let slot = types.slot(name, None, Outcome::Ok);
            assert_eq!(slot.made().unwrap().get(), 4, "{name}");
        }
    }
}
