//! The real directory in a rehearsal: it is asked, and never told anything.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::change::place;
use super::tree::Known;
use super::{Rehearsal, Stage, invent};
use crate::directory::ldap::code::Code;
use crate::directory::ldap::failure::LdapError;
use crate::directory::ldap::pool::Pool;
use crate::directory::ldap::request::{Scope, Search, Write};
use crate::directory::ldap::response::Entry;
use crate::ldap::dn::Dn;

impl Rehearsal {
    /// Fetches an entry of the real directory, unless it is known.
    pub(super) async fn load(&self, stage: &mut Stage, dn: &Dn) {
        let Some(real) = self.real.as_ref().filter(|_| !stage.tree.decides(dn)) else {
            return;
        };
        if stage.schema.is_none() {
            let deadline = Instant::now() + PATIENCE;
            stage.schema = Some(real.schema(deadline).await.unwrap_or_default());
        }
        let own = self.layout.types.iter().flat_map(|home| {
            let names = home
                .attributes
                .iter()
                .map(|attribute| attribute.name.as_str());
            names.chain([home.id.as_str()])
        });
        let search = Search {
            attributes: invent::names(["*", "+"].into_iter().chain(own)),
            ..Search::entry(dn.clone(), &[])
        };
        let (entries, _) = asked(real, search, &mut stage.failure).await;
        for entry in entries {
            // Active Directory gives a part of very many values only.
            let entry = match real.whole(entry, Instant::now() + PATIENCE).await {
                Ok(entry) => entry,
                Err(error) => {
                    stage.failure = Some(error.to_string());
                    continue;
                }
            };
            stage.tree.put(Known {
                dn: dn.clone(),
                entry,
                made_up: false,
            });
        }
    }

    /// What a change meets in the real directory beside the entry itself.
    pub(super) async fn surroundings(&self, stage: &mut Stage, write: &Write) -> Result<(), Code> {
        let Some(real) = &self.real else {
            return Ok(());
        };
        let above = match write {
            Write::Add { dn, .. } => dn.parent(),
            Write::Rename { above, .. } => {
                self.load(stage, &place(write)).await;
                above.clone()
            }
            Write::Delete { dn } => {
                let below = Search {
                    scope: Scope::One,
                    size_limit: 1,
                    ..Search::entry(dn.clone(), &[])
                };
                let (entries, _) = asked(real, below, &mut stage.failure).await;
                let lives = |entry: &Entry| {
                    let dn = entry.dn.parse::<Dn>();
                    dn.is_ok_and(|dn| !stage.tree.decides(&dn))
                };
                if entries.iter().any(lives) {
                    return Err(Code::NOT_ALLOWED_ON_NON_LEAF);
                }
                None
            }
            Write::Modify { .. } => None,
        };
        if let Some(above) = above.filter(|above| !stage.tree.decides(above)) {
            let search = Search::entry(above, &[]);
            let (entries, _) = asked(real, search, &mut stage.failure).await;
            if entries.is_empty() {
                return Err(Code::NO_SUCH_OBJECT);
            }
        }
        Ok(())
    }
}

/// What a real directory answers to a search, and how that ended.
pub(super) async fn asked(
    real: &Arc<Pool>,
    search: Search,
    failure: &mut Option<String>,
) -> (Vec<Entry>, Code) {
    let mut found = real.search(search, &[], Instant::now() + PATIENCE);
    let mut entries = Vec::new();
    loop {
        match found.next().await {
            Ok(Some(entry)) => entries.push(entry),
            Ok(None) => return (entries, Code::SUCCESS),
            Err(LdapError::Refused(result)) => return (entries, result.code),
            Err(error) => {
                *failure = Some(error.to_string());
                return (entries, Code::UNAVAILABLE);
            }
        }
    }
}

/// How long the real directory may take.
const PATIENCE: Duration = Duration::from_secs(10);
