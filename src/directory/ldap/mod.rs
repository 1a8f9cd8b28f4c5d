//! LDAP (RFC 4511 and what surrounds it): the protocol's bytes, connections that carry many
//! operations at a time, and the pool of them. Knows nothing of SCIM and of rules.
//!
//! From the ground up: [`ber`](crate::ldap::ber); [`dn`](crate::ldap::dn), [`filter`](crate::ldap::filter), [`control`]; [`request`] and [`response`];
//! [`connection`] with the task behind it (`wire`), which `dial` brings to life; [`Pool`].
//! [`ldif`] prints for people; a [`rehearsal`] is a server in this process that writes nowhere.

pub mod code;
mod config;
pub mod connection;
pub mod control;
mod dial;
mod driver;
mod failure;
mod feed;
pub mod ldif;
mod offers;
pub mod pool;
pub mod rehearsal;
pub mod request;
pub mod response;
pub mod schema;
mod tally;
pub mod url;
mod wire;

pub use crate::ldap::dn::{Dn, Rdn};
pub use crate::ldap::filter::Filter;
pub use code::Code;
pub use config::{Bind, LdapConfig, Timeouts};
pub use connection::{Answer, Connection, Row, Rows};
pub use control::Control;
pub use driver::driver;
pub use failure::{LdapError, Why};
pub use offers::{Offers, Product};
pub use pool::{Entries, OpenError, Pinned, Pool, WriteOutcome};
pub use rehearsal::{Act, Deed, Rehearsal, Scene};
pub use request::{Attribute, Change, ChangeKind, Request, Scope, Search, Write};
pub use response::{Entry, LdapResult};
pub use schema::Schema;
pub use url::LdapUrl;
pub use wire::Bounds;
