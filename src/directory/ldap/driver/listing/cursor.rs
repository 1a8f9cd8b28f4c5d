//! Pages by cursor (RFC 9865). A cursor says which id was told last, and of which query: any replica
//! goes on from it, and it never expires. It holds no secret and gives no right: whoever makes one up
//! says no more than "after this id", within what the query finds for him anyway. So it is sealed by
//! a digest only, against damage and against use with another query.

use sha2::Digest as _;

use super::ids::Rank;
use super::pages::Pages;
use super::walks::question;
use super::{Begin, Place, Wanted, page};
use crate::directory::ldap::Filter;
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
        let begin = match cursor {
            "" => Begin::Passing(0),
            cursor => Begin::After(read(home, &wanted.filter, cursor).ok_or_else(invalid)?),
        };
        let count = count.unwrap_or(USUAL).min(LARGEST);
        let filter = wanted.filter.clone();
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
            Some(last) => Following::More(write(home, &filter, &last)),
            None => Following::Nothing,
        });
        Ok(reply)
    }
}

/// The cursor after an id: a digest of the query and the id, and the id.
fn write(home: &Home, filter: &Filter, last: &Rank) -> String {
    let id = last.id(home.place.id_form);
    let mut text = seal(home, filter, &id);
    for byte in id.bytes() {
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

/// The id that a cursor of this query is after.
fn read(home: &Home, filter: &Filter, cursor: &str) -> Option<Rank> {
    let (sealed, id) = cursor.split_at_checked(SEAL * 2)?;
    let digits: Vec<u32> = id.chars().map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    let pairs = digits.chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(high << 4 | low).ok(),
        _ => None,
    });
    let id = String::from_utf8(pairs.collect::<Option<_>>()?).ok()?;
    if seal(home, filter, &id) != sealed.to_ascii_lowercase() {
        return None;
    }
    Rank::of(home.place.id_form, &id)
}

fn seal(home: &Home, filter: &Filter, id: &str) -> String {
    let mut digest = question(home, filter);
    digest.update(home.place.resource.as_str().as_bytes());
    digest.update([0]);
    digest.update(id.as_bytes());
    let digest = digest.finalize();
    let digits = digest.iter().take(SEAL).map(|byte| format!("{byte:02x}"));
    digits.collect()
}

fn invalid() -> DirectoryError {
    DirectoryError::Refused {
        scim_type: Some(ScimType::InvalidCursor),
        detail: Some(
            "the cursor is none of this query: ask with the same filter as for the page that \
             gave it, or begin again with an empty one"
                .to_owned(),
        ),
    }
}

/// The size of a page where none is asked for.
const USUAL: usize = 100;
/// The largest page.
const LARGEST: usize = 1000;
/// So many bytes of the digest.
const SEAL: usize = 16;
