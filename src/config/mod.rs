//! From files to a running snapshot.

mod apart;
pub mod file;
pub mod load;
pub mod measure;
pub mod read;
pub mod snapshot;

pub use file::Config;
pub use snapshot::{Live, Snapshot, Tenant};
