//! Pages of lists: how large they may be, and the cursors of RFC 9865 that lead from one to the next.
//!
//! A driver says where to go on in its own words, such as an id. The client gets that with a digest
//! over it and over what was asked: a cursor that is damaged, made up by accident, or used with
//! another question or tenant is refused instead of leading to a page that leaves somebody out. There
//! is no key in it, for there is nothing to protect: ADR 0013 says why. It holds nothing of this
//! process, so every replica takes it, now or in a year.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::config::Tenant;
use crate::directory::Directory;
use crate::scim::operation::{Following, Projection, Verb};
use crate::scim::query::Query;
use crate::scim::{Client, Operation, ScimError, ScimType};

/// What makes the cursors of one question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seal([u8; 32]);

/// Keeps a page within `most`. Where the directory makes its pages itself, it also decides how large
/// one is that was not asked to have a size.
pub(super) fn bound(query: &mut Query, directory: &dyn Directory, most: usize) {
    let ours = directory.has_cursors() || !directory.abilities().page;
    query.count = match query.count {
        Some(count) => Some(count.min(most)),
        None => ours.then_some(most),
    };
}

/// Brings a client's cursor into the driver's words; `None` where none was given.
///
/// # Errors
/// 400 `invalidCursor`.
pub(super) fn open(
    tenant: &Tenant,
    operation: &mut Operation<Client>,
) -> Result<Option<Seal>, ScimError> {
    let resource = operation.resource.as_str();
    let Verb::List(query) = &mut operation.verb else {
        return Ok(None);
    };
    let Some(cursor) = &query.cursor else {
        return Ok(None);
    };
    // What a directory without cursors ignores would make the first page look like all.
    if !tenant.directory.has_cursors() {
        let text = "lists of this service are paged by `startIndex`, not by `cursor`";
        return Err(ScimError::bad(ScimType::InvalidCursor, text));
    }
    let seal = Seal::of(&tenant.url, resource, query);
    if !cursor.is_empty() {
        let inner = seal.open(cursor).ok_or_else(|| {
            let text = "the cursor is none of this query: ask with the same filter as for the page \
                        that gave it, or begin again with an empty one";
            ScimError::bad(ScimType::InvalidCursor, text)
        })?;
        query.cursor = Some(inner);
    }
    Ok(Some(seal))
}

impl Seal {
    /// Of a question, whoever asks it, and however large the pages are.
    fn of(tenant_url: &str, resource: &str, query: &Query) -> Self {
        let question = Query {
            filter: query.filter.clone(),
            sort_by: query.sort_by.clone(),
            sort_order: query.sort_order,
            ..Query::default()
        };
        // Names of attributes are the same in any case.
        let question = question.to_query_string(&Projection::All);
        let question = question.to_ascii_lowercase();
        let mut digest = Sha256::new();
        for part in [tenant_url, resource, &question] {
            digest.update(part.len().to_be_bytes());
            digest.update(part);
        }
        Self(digest.finalize().into())
    }

    /// What follows, as the client is told it.
    pub(super) fn close(self, following: Following) -> Following {
        match following {
            Following::More(inner) => {
                let mut bytes = self.digest(inner.as_bytes()).to_vec();
                bytes.extend_from_slice(inner.as_bytes());
                Following::More(BASE64_URL_SAFE_NO_PAD.encode(bytes))
            }
            Following::Nothing => Following::Nothing,
        }
    }

    /// Where a client wants to go on.
    fn open(self, cursor: &str) -> Option<String> {
        if cursor.len() > LONGEST {
            return None;
        }
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (digest, inner) = bytes.split_at_checked(SIZE)?;
        if digest != self.digest(inner) {
            return None;
        }
        let inner = String::from_utf8(inner.to_vec()).ok()?;
        // An empty one would be the first page.
        (!inner.is_empty()).then_some(inner)
    }

    fn digest(self, inner: &[u8]) -> [u8; SIZE] {
        let mut digest = Sha256::new();
        digest.update(self.0);
        digest.update(inner);
        let digest = digest.finalize();
        let mut first = [0; SIZE];
        first
            .iter_mut()
            .zip(digest)
            .for_each(|(to, from)| *to = from);
        first
    }
}

/// So many bytes of a digest.
const SIZE: usize = 16;
/// The longest cursor that is looked at; ours are as long as an id and a little more.
const LONGEST: usize = 4096;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::scim::accent::Accents;
    use crate::scim::schema::user;

    fn seal(url: &str, resource: &str, text: &str) -> Seal {
        let query = Query::from_query_string(text, &user(), &mut Accents::accepted());
        Seal::of(url, resource, &query.unwrap().0)
    }

    fn cursor(seal: Seal, inner: &str) -> String {
        match seal.close(Following::More(inner.to_owned())) {
            Following::More(cursor) => cursor,
            Following::Nothing => panic!("nothing"),
        }
    }

    #[test]
    fn a_cursor_leads_on_where_it_is_from() {
        let url = "https://a.example/scim";
        let asked = "filter=userName%20sw%20%22J%22&count=10";
        let one = seal(url, "User", asked);
        let text = cursor(one, "id-1");
        let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
        assert!(text.bytes().all(unreserved), "{text}");
        for same in [
            "filter=username%20SW%20%22J%22&count=5",
            "count=1&filter=userName%20sw%20%22J%22&attributes=userName",
        ] {
            let same = seal(url, "User", same);
            assert_eq!(same.open(&text).as_deref(), Some("id-1"));
        }
        let others = [
            seal("https://b.example/scim", "User", asked),
            seal(url, "Group", asked),
            seal(url, "User", "count=10"),
            seal(url, "User", "filter=userName%20sw%20%22K%22"),
            seal(url, "User", &format!("{asked}&sortBy=userName")),
        ];
        for other in others {
            assert_eq!(other.open(&text), None, "{other:?}");
        }
        assert_eq!(one.open(&cursor(one, "")), None);
        assert_eq!(one.close(Following::Nothing), Following::Nothing);
    }

    proptest! {
        #[test]
        fn what_is_damaged_or_made_up_is_none(
            inner in ".{1,40}",
            at: prop::sample::Index,
            to in "[ -~]",
            made_up in ".{0,80}",
        ) {
            let seal = seal("https://a.example", "User", "");
            let text = cursor(seal, &inner);
            prop_assert_eq!(seal.open(&text), Some(inner));
            let mut damaged: Vec<char> = text.chars().collect();
            let at = at.index(damaged.len());
            damaged[at] = to.chars().next().unwrap();
            let damaged: String = damaged.into_iter().collect();
            if damaged != text {
                prop_assert_eq!(seal.open(&damaged), None);
            }
            prop_assert_eq!(seal.open(&made_up), None);
            let (short, _) = text.split_at(text.len() - 1);
            prop_assert_eq!(seal.open(short), None);
            prop_assert_eq!(seal.open(&"A".repeat(LONGEST + 1)), None);
        }
    }
}
