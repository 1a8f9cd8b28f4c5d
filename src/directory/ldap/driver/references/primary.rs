//! The first group of somebody in Active Directory (`primaryGroupID`), which is in no list of
//! members: its number is the last part of the group's security identifier, of which all others are
//! those of the account's own.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::Ldap;
use super::Target;
use super::ask::reads_member_of;
use crate::directory::ldap::{Entry, Filter};
use crate::directory::{Ask, DirectoryError};
use crate::ldap::layout::Reference;

impl Ldap {
    /// The first groups of entries, for the attribute that tells their groups; those outside the
    /// tenant's are left out.
    pub(super) async fn primary(
        &self,
        name: &str,
        reference: &Reference,
        entries: &[&Entry],
        ask: &Ask,
    ) -> Result<Vec<Option<Arc<Target>>>, DirectoryError> {
        let sids: Vec<Option<Vec<u8>>> = entries.iter().map(|entry| first_group(entry)).collect();
        let mut found: HashMap<Vec<u8>, Arc<Target>> = HashMap::new();
        for group in self.targets(reference) {
            if !reads_member_of(group, name) {
                continue;
            }
            let mut wanted: Vec<&Vec<u8>> = sids.iter().flatten().collect();
            wanted.sort_unstable();
            wanted.dedup();
            let mut attributes = group.telling();
            attributes.push("objectSid".into());
            let questions = wanted.chunks(BATCH).map(|chunk| {
                let parts = chunk.iter();
                let parts = parts.map(|sid| Filter::equal("objectSid", (*sid).clone()));
                group.some_of(parts.collect(), attributes.clone())
            });
            for entry in self.every(questions.collect(), ask).await? {
                let sid = entry.values("objectSid").first();
                if let (Some(sid), Some(target)) = (sid, group.target(&entry)) {
                    found.insert(sid.to_vec(), Arc::new(target));
                }
            }
        }
        let of = |sid: &Option<Vec<u8>>| found.get(sid.as_ref()?).cloned();
        Ok(sids.iter().map(of).collect())
    }
}

/// The security identifier of somebody's first group.
fn first_group(entry: &Entry) -> Option<Vec<u8>> {
    let number: u32 = entry.text("primaryGroupID")?.parse().ok()?;
    let own = entry.values("objectSid").first()?;
    super::primary::number(own)?;
    let (domain, _) = own.split_last_chunk::<4>()?;
    let mut sid = domain.to_vec();
    sid.extend(number.to_le_bytes());
    Some(sid)
}

/// The last part of a security identifier (MS-DTYP 2.4.2.2): a byte for its version, one for the
/// count of its parts, six for who gave it out, and four for each part.
pub(super) fn number(sid: &[u8]) -> Option<u32> {
    let parts = usize::from(*sid.get(1)?);
    let whole = sid.len() == 8 + 4 * parts && parts > 0;
    let (_, last) = sid.split_last_chunk::<4>()?;
    whole.then(|| u32::from_le_bytes(*last))
}

const BATCH: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::ldap::Attribute;

    #[test]
    fn the_first_group_is_of_the_accounts_own_domain() {
        let sid = |last: u32| -> Vec<u8> {
            let mut sid = vec![1, 3, 0, 0, 0, 0, 0, 5];
            for part in [21_u32, 77, last] {
                sid.extend(part.to_le_bytes());
            }
            sid
        };
        let entry = |own: Vec<u8>, first: &str| Entry {
            dn: String::new(),
            attributes: vec![
                Attribute::one("objectSid", own),
                Attribute::one("primaryGroupID", first.to_owned()),
            ],
        };
        assert_eq!(number(&sid(513)), Some(513));
        assert_eq!(first_group(&entry(sid(1104), "513")), Some(sid(513)));
        for broken in [Vec::new(), vec![1], vec![1, 4, 0, 0], sid(1)[..16].to_vec()] {
            assert_eq!(number(&broken), None);
            assert_eq!(first_group(&entry(broken, "513")), None);
        }
        assert_eq!(first_group(&entry(sid(1), "-1")), None);
    }
}
