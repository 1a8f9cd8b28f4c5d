//! The same rule before a server that only exists for a rehearsal: all of the driver is the same.

use std::sync::Arc;

use super::{Ldap, driver};
use crate::directory::Rehearsed;
use crate::directory::ldap::config::LdapConfig;
use crate::directory::ldap::pool::{OpenError, Pool};
use crate::directory::ldap::rehearsal::{Rehearsal, Scene};

impl Ldap {
    pub(super) fn rehearsed(&self, scene: Scene) -> Result<Rehearsed, OpenError> {
        let rehearsal = Rehearsal::new(self.homes.layout(), scene, Arc::clone(&self.pool));
        let config = LdapConfig {
            rehearsal: Some(Arc::clone(&rehearsal)),
            ..self.pool.config().clone()
        };
        let pool = Pool::open(config, None)?;
        Ok((driver(pool, self.homes.layout()), rehearsal))
    }
}
