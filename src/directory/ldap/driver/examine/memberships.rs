//! Whether `memberOf` can be believed, where the rule says so: an overlay or a plugin that was
//! switched on later tells of those groups alone that were changed since.

use std::sync::Arc;

use super::super::home::{Home, Homes};
use super::known;
use crate::directory::ldap::{Dn, Entry, Filter, Pinned, Search};
use crate::directory::{Ask, DirectoryError, Finding};
use crate::ldap::layout::{By, Flavor};

/// Looks at some members of some groups.
pub(super) async fn agree(
    homes: &Homes,
    pinned: &Pinned,
    ask: &Ask,
    found: &mut Vec<Finding>,
) -> Result<(), DirectoryError> {
    // Active Directory computes it.
    if !homes.keeps_memberships() || homes.flavor() == Flavor::ActiveDirectory {
        return Ok(());
    }
    for group in homes.all() {
        for member in by_name(group) {
            let filter = group.exists().and(Filter::present(Arc::clone(&member)));
            let search = group.search(filter, vec![Arc::clone(&member)], GROUPS);
            let mut entries = pinned.search(search, &[], ask.deadline);
            let mut groups: Vec<Entry> = Vec::new();
            // As many as it gives, up to its limit.
            while let Some(Some(entry)) = known(entries.next().await)? {
                groups.push(entry);
            }
            for entry in &groups {
                if !is_told(homes, entry, &member, pinned, ask).await? {
                    let text = "`memberOf` of some does not name groups that they are in, and the \
                                rule says that it does (`memberships: directory`): filters by \
                                groups miss these";
                    let help = "have the directory make `memberOf` anew (slapd: touch the groups; 389 \
                                DS: `dsconf … plugin memberof fixup`), or say `memberships: postern`";
                    let line = group.place.line;
                    found.push(Finding::warning(line, "memberships", text.to_owned(), help));
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// The attributes of a type that hold names of members.
fn by_name(group: &Home) -> Vec<Arc<str>> {
    let held = group.place.attributes.iter().filter(|one| {
        let by_name = one.reference.as_ref().is_some_and(|to| to.by == By::Dn);
        by_name
            && ["member", "uniqueMember"]
                .iter()
                .any(|name| one.name.is(name))
    });
    held.map(|one| one.name.as_str().into()).collect()
}

/// Whether the first members of a group that are the tenant's say that they are in it.
async fn is_told(
    homes: &Homes,
    group: &Entry,
    member: &str,
    pinned: &Pinned,
    ask: &Ask,
) -> Result<bool, DirectoryError> {
    let values = group.values(member).iter();
    let names = values.filter_map(|value| std::str::from_utf8(value).ok()?.parse::<Dn>().ok());
    let own = homes.all().iter();
    let own = |dn: &Dn| own.clone().any(|home| dn.is_within(&home.place.base));
    for dn in names.filter(own).take(MEMBERS) {
        let search = Search::entry(dn, &["memberOf"]);
        let Some(Some(entry)) = known(pinned.one(search, ask.deadline).await)? else {
            continue;
        };
        let same = |value: &bytes::Bytes| {
            let name = std::str::from_utf8(value).ok()?.parse::<Dn>().ok()?;
            let of = group.dn.parse::<Dn>().ok()?;
            Some(name.is_same(&of))
        };
        if !entry
            .values("memberOf")
            .iter()
            .any(|value| same(value) == Some(true))
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// So many groups are looked at, and so many members of each.
const GROUPS: u32 = 20;
const MEMBERS: usize = 3;
