//! From files to a running snapshot.

mod abroad;
pub mod access;
mod apart;
mod certificate;
mod digest;
pub mod file;
mod find;
mod findings;
mod folder;
pub mod headers;
pub mod load;
pub mod measure;
mod named;
pub mod order;
mod parts;
pub mod read;
pub mod reload;
pub mod report;
mod restart;
mod rules;
pub mod snapshot;
mod tenants;
pub mod trail;
mod unit;
mod watch;

pub use file::Config;
pub use order::{Outcome, Reloading};
pub use report::Report;
pub use snapshot::{Live, Snapshot, Tenant};
