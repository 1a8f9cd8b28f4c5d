//! The audit trail: who wanted what of which directory, who allowed it or what forbade it, and what
//! came of it. One line of JSON for each, chained by sums, so that one that is altered, taken out
//! or put in is found by [`verify()`].
//!
//! A write has two records, joined by its number: `intent` before it is sent, `outcome` after. An
//! intent without an outcome is the truth of a crash between the two.

mod file;
#[cfg(test)]
mod folder;
mod line;
mod queue;
mod record;
mod seal;
mod settings;
mod tail;
mod trail;
mod verify;
mod writer;

pub use file::full;
pub use line::Head;
pub use queue::State;
pub use record::{Change, Record, Shown};
pub use seal::{Key, Sum};
pub use settings::{Place, Rotate, Settings, Sync, WhenFull};
pub use trail::{Refused, StartError, Trail, digest_of};
pub use verify::{Fault, Found, Summary, verify};
