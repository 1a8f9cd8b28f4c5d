//! The mapping: rules compiled into lenses that bring requests into the directory's words and
//! answers back into the client's. Pure.
//!
//! One mapping serves six places: request bodies; PATCH paths and values; filters; `attributes`,
//! `excludedAttributes` and `sortBy`; answers and error details; discovery.

mod compile;
mod covers;
pub mod kind;
pub mod place;
pub mod plan;
pub mod ruleset;
#[cfg(test)]
mod tests;
pub mod transform;
pub mod witness;

pub(crate) use compile::is_secret;
pub use plan::{Before, Discretion, Effect, Encoded, Guard, MappingError, Need, Plan, View};
pub use ruleset::{GuardRule, Harm, Limit, Ruleset};
pub use witness::{Event, Witness};
