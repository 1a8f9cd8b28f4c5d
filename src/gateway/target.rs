//! Where a request leads, for who has only its URL.

use std::sync::Arc;

use http::Uri;

use super::door;
use super::error::GatewayError;
use crate::config::{Snapshot, Tenant};

/// Where a request leads.
#[derive(Clone)]
pub struct Target {
    /// The path with its query, or the whole URL.
    pub uri: Uri,
    /// Whose it is.
    pub tenant: Arc<Tenant>,
    /// What follows the path of the Tenant URL.
    pub rest: String,
}

impl Target {
    /// Takes a path with its query, or a whole URL, apart.
    ///
    /// # Errors
    /// [`GatewayError::Path`], [`GatewayError::NoTenant`].
    pub fn find(snapshot: &Snapshot, text: &str) -> Result<Self, GatewayError> {
        let uri: Uri = text
            .parse()
            .map_err(|_| GatewayError::Path("cannot be read"))?;
        let path = door::canonical(&uri)?;
        let (tenant, rest) = snapshot.route(&path).ok_or(GatewayError::NoTenant)?;
        Ok(Self {
            tenant: Arc::clone(tenant),
            rest: rest.to_owned(),
            uri,
        })
    }
}
