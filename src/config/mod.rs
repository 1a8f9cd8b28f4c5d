//! From files to a running snapshot.

pub mod file;
pub mod snapshot;

pub use snapshot::{Live, Snapshot, Tenant};
