//! All values of an attribute. Active Directory gives at most 1,500 at a time and says so in the
//! attribute's name (`member;range=0-1499`): who takes these for all loses the others.

use std::borrow::Cow;

use bytes::Bytes;

use super::super::Ldap;
use super::super::find::name_of;
use super::super::refusal;
use crate::directory::ldap::{Entry, Search};
use crate::directory::{Ask, DirectoryError};

impl Ldap {
    /// The values that came with an entry, and those that did not.
    pub(in super::super) async fn whole<'e>(
        &self,
        entry: &'e Entry,
        name: &str,
        ask: &Ask,
    ) -> Result<Cow<'e, [Bytes]>, DirectoryError> {
        let Some((mut range, first)) = entry.ranged(name) else {
            return Ok(Cow::Borrowed(entry.values(name)));
        };
        let dn = name_of(entry)?;
        let mut all = first.to_vec();
        while let Some(last) = range.to {
            let next = last.checked_add(1).ok_or_else(broken)?;
            let asked = format!("{name};range={next}-*");
            let search = Search::entry(dn.clone(), &[&asked]);
            let part = self.pool.one(search, ask.deadline).await;
            let part = part.map_err(refusal::of_read)?;
            let part = part.ok_or(DirectoryError::NotFound)?;
            let (then, values) = part.ranged(name).ok_or_else(broken)?;
            if then.from != next || (values.is_empty() && then.to.is_some()) {
                return Err(broken());
            }
            all.extend_from_slice(values);
            range = then;
        }
        Ok(Cow::Owned(all))
    }
}

fn broken() -> DirectoryError {
    DirectoryError::Malformed("the parts of an attribute do not follow one another".to_owned())
}
