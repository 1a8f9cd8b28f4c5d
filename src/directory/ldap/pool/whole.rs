//! All values of an entry's attributes. Active Directory gives at most 1,500 at a time and says so
//! in the attribute's name (`member;range=0-1499`): who takes these for all loses the others.

use std::sync::Arc;
use std::time::Instant;

use super::super::code::Code;
use super::super::failure::{LdapError, Why};
use super::super::request::{Attribute, Search};
use super::super::response::Entry;
use super::gathered::{Gathered, Part, Stuck};
use super::{Pinned, Pool, RETRIES, one_of};
use crate::ldap::attribute::{self, Range};
use crate::ldap::dn::Dn;

impl Pool {
    /// The entry with the values that did not come with it.
    ///
    /// # Errors
    /// The entry is gone, the parts make no whole, or there is no answer.
    pub async fn whole(
        self: &Arc<Self>,
        entry: Entry,
        deadline: Instant,
    ) -> Result<Entry, LdapError> {
        let mut missing = missing(&entry)?;
        if missing.is_empty() {
            return Ok(entry);
        }
        let mut retries = RETRIES;
        loop {
            // All parts of one server: another may have the values in another order.
            let pinned = self.pinned(deadline).await?;
            match pinned.gather(&entry, &mut missing, deadline).await {
                Ok(()) => return Ok(completed(entry, missing)),
                Err(error) if error.is_lost() && retries > 0 && Instant::now() < deadline => {
                    retries -= 1;
                    self.again(retries).await;
                    missing.iter_mut().for_each(Missing::forget);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl Pinned {
    /// As [`Pool::whole`].
    ///
    /// # Errors
    /// As there.
    pub async fn whole(&self, entry: Entry, deadline: Instant) -> Result<Entry, LdapError> {
        let mut missing = missing(&entry)?;
        self.gather(&entry, &mut missing, deadline).await?;
        Ok(completed(entry, missing))
    }

    async fn gather(
        &self,
        entry: &Entry,
        missing: &mut [Missing],
        deadline: Instant,
    ) -> Result<(), LdapError> {
        for one in missing {
            let dn: Dn = entry.dn.parse().map_err(|_| broken("a name"))?;
            while let Some(from) = one.gathered.next() {
                let part = self.part(&dn, &one.name, from, deadline).await?;
                one.gathered.take(part).map_err(|stuck| match stuck {
                    Stuck::Broken => broken("the parts of an attribute do not follow one another"),
                    Stuck::Unsteady => LdapError::Unknown(Why::Unsteady),
                    Stuck::TooMany => broken("an attribute has more values than can be held"),
                })?;
            }
        }
        Ok(())
    }

    /// The values of an attribute from one on.
    async fn part(
        &self,
        dn: &Dn,
        name: &str,
        from: u32,
        deadline: Instant,
    ) -> Result<Part, LdapError> {
        let asked = format!("{name};range={from}-*");
        let search = Search::entry(dn.clone(), &[&asked]);
        let found = one_of(|search| self.search(search, &[], deadline), search).await;
        let entry = match found {
            Ok(Some(entry)) => entry,
            Ok(None) => return Err(LdapError::Unknown(Why::Unsteady)),
            // So many are no longer there.
            Err(error) if error.code() == Some(Code::OPERATIONS_ERROR) && from > 0 => {
                return Ok(Part::Beyond);
            }
            Err(error) => return Err(error),
        };
        let own = |a: &&Attribute| attribute::without_range(&a.name).eq_ignore_ascii_case(name);
        let mut parts = entry.attributes.iter().filter(own);
        let ranged = parts
            .clone()
            .find_map(|a| Some((attribute::range(&a.name)?, a)));
        Ok(match ranged {
            Some((range, attribute)) => Part::Range(range, attribute.values.clone()),
            None => Part::All(parts.next().map(|a| a.values.clone()).unwrap_or_default()),
        })
    }
}

/// An attribute of which some values did not come.
struct Missing {
    /// Without the range.
    name: String,
    gathered: Gathered,
}

impl Missing {
    fn forget(&mut self) {
        self.gathered = Gathered::nothing();
    }
}

/// What did not come with an entry.
fn missing(entry: &Entry) -> Result<Vec<Missing>, LdapError> {
    let cut = entry.attributes.iter().filter_map(|attribute| {
        let range = attribute::range(&attribute.name)?;
        Some((attribute, range))
    });
    cut.map(|(attribute, range): (&Attribute, Range)| {
        let mut gathered = Gathered::nothing();
        let first = Part::Range(range, attribute.values.clone());
        gathered
            .take(first)
            .map_err(|_| broken("an attribute begins in its midst"))?;
        Ok(Missing {
            name: attribute::without_range(&attribute.name),
            gathered,
        })
    })
    .collect()
}

/// The entry with what was gathered.
fn completed(mut entry: Entry, missing: Vec<Missing>) -> Entry {
    for Missing { name, gathered } in missing {
        // Beside a part Active Directory puts the attribute without values.
        let own = |a: &Attribute| attribute::without_range(&a.name).eq_ignore_ascii_case(&name);
        entry.attributes.retain(|attribute| !own(attribute));
        entry.attributes.push(Attribute {
            name: name.into(),
            values: gathered.values(),
        });
    }
    entry
}

fn broken(what: &str) -> LdapError {
    LdapError::Unknown(Why::malformed(what))
}
