//! From files to a running snapshot.

mod apart;
pub mod control;
pub mod file;
pub mod load;
pub mod measure;
pub mod order;
pub mod read;
pub mod report;
pub mod snapshot;

pub use file::Config;
pub use order::{Outcome, Reloading};
pub use report::Report;
pub use snapshot::{Live, Snapshot, Tenant};
