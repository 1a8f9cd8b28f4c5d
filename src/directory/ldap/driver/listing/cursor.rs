//! Pages by cursor (RFC 9865). A cursor is the id that was told last: any replica goes on from it, and
//! it never expires. Whoever makes one up says no more than "after this id", within what the query
//! finds for him anyway. The gateway sees to it that it comes back whole, and with the same query.

use super::ids::Rank;
use super::pages::Pages;
use super::{Begin, Place, Wanted, page};
use crate::directory::ldap::driver::Ldap;
use crate::directory::ldap::driver::home::Home;
use crate::directory::{Ask, DirectoryError};
use crate::scim::operation::Following;
use crate::scim::{Reply, ScimType, Upstream};

impl Ldap {
    /// The page after a cursor; the first where it is empty.
    pub(super) async fn after(
        &self,
        home: &Home,
        wanted: Wanted,
        cursor: &str,
        count: Option<usize>,
        ask: &Ask,
    ) -> Result<Reply<Upstream>, DirectoryError> {
        let form = home.place.id_form;
        let begin = match cursor {
            "" => Begin::Passing(0),
            id => Begin::After(Rank::of(form, id).ok_or_else(invalid)?),
        };
        let count = count.unwrap_or(USUAL).min(LARGEST);
        let (total, resources, last) = if self.walks.snapshot(&wanted.key).is_none()
            && let Some(mut entries) = self.handful(home, &wanted, ask).await?
        {
            let total = entries.len();
            if let Begin::After(last) = &begin {
                entries.retain(|(rank, _)| rank > last);
            }
            let more = entries.len() > count;
            entries.truncate(count);
            let last = entries.last().map(|(rank, _)| rank.clone());
            let entries: Vec<_> = entries.into_iter().map(|(_, entry)| entry).collect();
            let shown = self.shown(home, entries, &wanted.projection, ask).await?;
            (total, shown, last.filter(|_| more))
        } else {
            let place: Place = self.place(home, &wanted, begin, 1, ask).await?;
            let total = place.snapshot.total();
            let pages = Pages::new(self, home, wanted, place, (1, count), ask);
            let (resources, last) = pages.in_hand().await?;
            (total, resources, last)
        };
        let mut reply = page(Some(total), 1, resources);
        reply.following = Some(match last {
            Some(last) => Following::More(last.id(form)),
            None => Following::Nothing,
        });
        Ok(reply)
    }
}

fn invalid() -> DirectoryError {
    DirectoryError::Declined {
        scim_type: ScimType::InvalidCursor,
        why: "the cursor is none of this directory's: begin again with an empty one",
    }
}

/// The size of a page where none is asked for.
const USUAL: usize = 100;
/// The largest page.
const LARGEST: usize = 1000;
