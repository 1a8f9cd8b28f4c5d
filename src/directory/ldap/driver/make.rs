//! A new resource: a new entry in the container that the rule says, under a name that the rule
//! makes of it. A name that is taken is no refusal as long as the resource's own values are free.

use std::sync::Arc;

use super::Ldap;
use super::apply::{CHUNK, Order};
use super::change::midway;
use super::draft::{Draft, used_up};
use super::home::Home;
use super::password;
use super::refusal;
use super::unique::{taken, turn};
use crate::directory::ldap::{
    Attribute, Change, ChangeKind, Code, Control, Dn, Entry, Pinned, Search, Write,
};
use crate::directory::{Ask, DirectoryError};
use crate::ldap::layout::Create;
use crate::scim::operation::{Answer, Document, Projection};
use crate::scim::{Reply, Upstream};

impl Ldap {
    pub(super) async fn create(
        &self,
        home: &Home,
        document: Document,
        projection: &Projection,
        ask: &Ask,
    ) -> Result<Reply<Upstream>, DirectoryError> {
        let create = home.place.create.as_ref();
        let create = create.ok_or(DirectoryError::Unsupported)?;
        let document = document.into_tree();
        let mut draft = self.draft(home, create, &document, ask).await?;
        let unique = draft.unique(home);
        let waited_for = [unique.as_slice(), &draft.chosen()].concat();
        let _turn = turn(home, &waited_for, ask).await?;
        if self.is_taken_unseen(home, &unique, None, ask).await? {
            return Err(taken());
        }
        let wanted = home.wanted(projection);
        let entry = match self.revive(home, create, &mut draft, &wanted, ask).await? {
            Some(entry) => entry,
            None => self.add(home, create, &mut draft, &wanted, ask).await?,
        };
        let mut shaped = home.shape(&entry, projection)?;
        let mut resources = [&mut shaped.resource];
        let entries = [&entry];
        let pointed = self.point(home, &mut resources, &entries, projection, ask);
        // It is there, whatever comes of this.
        pointed.await.map_err(midway)?;
        let answer = Answer::Created(Document::Tree(shaped.resource));
        Ok(Reply::new(answer).versioned(shaped.etag))
    }

    /// Makes the entry, under the first of its names that is free.
    async fn add(
        &self,
        home: &Home,
        create: &Create,
        draft: &mut Draft,
        wanted: &[Arc<str>],
        ask: &Ask,
    ) -> Result<Entry, DirectoryError> {
        self.choose(home, draft, ask).await?;
        let pinned = self.pool.pinned(ask.deadline).await;
        let pinned = pinned.map_err(refusal::of_write)?;
        if self.homes.keeps_unique() && draft.counts(home) {
            // A number is used up whatever comes of it, and clients repeat what is refused.
            let unique = draft.unique(home);
            if self.is_taken(home, &unique, None, ask).await? {
                return Err(taken());
            }
        }
        self.number(home, draft, &pinned, ask).await?;
        for _ in 0..TRIES {
            let (dn, mut attributes) = draft.entry(create)?;
            let rest = rest_of(&mut attributes);
            let told = pinned.offers().post_read && rest.is_empty();
            let controls = told.then(|| Control::post_read(wanted));
            let controls: Vec<Control> = controls.into_iter().collect();
            let write = Write::Add {
                dn: dn.clone(),
                attributes,
            };
            let outcome = pinned.write(write, &controls, ask.deadline).await;
            let outcome = outcome.map_err(refusal::of_write)?;
            if outcome.result.is_success() {
                self.fill(home, &pinned, &dn, rest, ask).await?;
                return told_of(&pinned, dn, wanted, outcome.post_read, ask).await;
            }
            if draft.has_secret
                && let Some(error) = password::policy(&outcome.result)
            {
                return Err(error);
            }
            let code = outcome.result.code;
            if !matches!(
                code,
                Code::ENTRY_ALREADY_EXISTS | Code::CONSTRAINT_VIOLATION
            ) {
                return Err(refusal::of_new(&outcome.result, dn.rdn()));
            }
            // Only a search tells a resource that is there already from a name that is taken.
            if self.is_taken(home, &draft.unique(home), None, ask).await? {
                return Err(taken());
            }
            let other = if code == Code::ENTRY_ALREADY_EXISTS && is_there(&pinned, &dn, ask).await?
            {
                draft.rename(create)
            } else if code == Code::ENTRY_ALREADY_EXISTS
                || self.is_taken(home, &draft.chosen(), None, ask).await?
            {
                draft.choose_others()
            } else {
                return Err(refusal::of(&outcome.result));
            };
            if !other {
                return Err(used_up());
            }
        }
        Err(used_up())
    }

    /// Gives a new entry the values that were too many for its making. Where that fails, the entry
    /// goes again: a repeat must not meet the half of it.
    async fn fill(
        &self,
        home: &Home,
        pinned: &Pinned,
        dn: &Dn,
        rest: Vec<Change>,
        ask: &Ask,
    ) -> Result<(), DirectoryError> {
        if rest.is_empty() {
            return Ok(());
        }
        let order = Order::of(home, pinned, dn, rest);
        let Err(error) = self.apply(order, ask).await else {
            return Ok(());
        };
        let write = Write::Delete { dn: dn.clone() };
        let gone = self.pool.write(write, &[], ask.deadline).await;
        if !gone.is_ok_and(|outcome| outcome.result.is_success()) {
            let request_id = &ask.request_id;
            tracing::warn!(%request_id, "a new entry of which a part failed could not be removed");
        }
        Err(error)
    }

    /// Takes the first candidates that are free, where the server would take others too.
    async fn choose(
        &self,
        home: &Home,
        draft: &mut Draft,
        ask: &Ask,
    ) -> Result<(), DirectoryError> {
        for _ in 0..TRIES {
            let chosen = draft.chosen();
            if !self.is_taken_unseen(home, &chosen, None, ask).await? {
                return Ok(());
            }
            if !draft.choose_others() {
                break;
            }
        }
        Err(used_up())
    }
}

/// Takes out what is more than servers take at once; that is added afterwards.
fn rest_of(attributes: &mut [Attribute]) -> Vec<Change> {
    let large = attributes.iter_mut().filter(|a| a.values.len() > CHUNK);
    let rest = large.map(|attribute| Attribute {
        name: Arc::clone(&attribute.name),
        values: attribute.values.split_off(CHUNK),
    });
    rest.map(|attribute| Change::new(ChangeKind::Add, attribute))
        .collect()
}

/// What a new or changed entry is now. It is done, so a read that fails is asked again.
pub(super) async fn told_of(
    pinned: &Pinned,
    dn: Dn,
    wanted: &[Arc<str>],
    told: Option<Entry>,
    ask: &Ask,
) -> Result<Entry, DirectoryError> {
    let own = |entry: &Entry| entry.dn.parse().is_ok_and(|told: Dn| told.is_same(&dn));
    let entry = match told.filter(own) {
        Some(entry) => pinned.whole(entry, ask.deadline).await.ok(),
        None => {
            let search = read_again(dn, wanted.to_vec());
            pinned.one(search, ask.deadline).await.ok().flatten()
        }
    };
    entry.ok_or_else(|| DirectoryError::Malformed("a new entry could not be read".to_owned()))
}

/// The entry itself.
pub(super) fn read_again(dn: Dn, wanted: Vec<Arc<str>>) -> Search {
    Search {
        attributes: wanted,
        ..Search::entry(dn, &[])
    }
}

/// Whether an entry has the name.
pub(super) async fn is_there(pinned: &Pinned, dn: &Dn, ask: &Ask) -> Result<bool, DirectoryError> {
    let search = Search::entry(dn.clone(), &[]);
    match pinned.one(search, ask.deadline).await {
        Ok(entry) => Ok(entry.is_some()),
        Err(error) if error.code() == Some(Code::NO_SUCH_OBJECT) => Ok(false),
        Err(error) => Err(refusal::of_read(error)),
    }
}

/// So many names and values are tried.
const TRIES: usize = 64;
