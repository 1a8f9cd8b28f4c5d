//! The protocol: SCIM 2.0 as values and functions (RFC 7643, RFC 7644).
//!
//! This floor is pure. It knows neither HTTP servers nor directories nor rule files; what clients
//! say differently from the RFC is brought into its form in [`accent`].

pub mod accent;
pub mod error;
pub mod filter;
pub mod frame;
pub mod json;
pub mod message;
pub mod name;
pub mod operation;
pub mod parse;
pub mod patch;
pub mod path;
pub mod query;
pub mod resource;
pub mod schema;
pub mod value;

pub use error::{ParseError, ScimError, ScimType};
pub use filter::Filter;
pub use name::{AttrName, ResourceId, ResourceType, SchemaUri};
pub use operation::{Client, Operation, Reply, Upstream};
pub use path::{AttrPath, PatchPath};
pub use resource::Resource;
