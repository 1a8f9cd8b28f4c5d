//! A new resource: a new entry in the container that the rule says, under a name that the rule
//! makes of it. A name that is taken is no refusal as long as the resource's own values are free.

use std::sync::Arc;

use super::Ldap;
use super::change::midway;
use super::draft::{Draft, used_up};
use super::home::Home;
use super::password;
use super::refusal;
use super::unique::{taken, turn};
use crate::directory::ldap::{Code, Control, Dn, Entry, Pinned, Search, Write};
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
        self.number(home, draft, &pinned, ask).await?;
        for _ in 0..TRIES {
            let (dn, attributes) = draft.entry(create)?;
            let told = pinned.offers().post_read;
            let controls = told.then(|| Control::post_read(wanted));
            let controls: Vec<Control> = controls.into_iter().collect();
            let write = Write::Add {
                dn: dn.clone(),
                attributes,
            };
            let outcome = pinned.write(write, &controls, ask.deadline).await;
            let outcome = outcome.map_err(refusal::of_write)?;
            if outcome.result.is_success() {
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
                return Err(refusal::of_new(&outcome.result));
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

/// What a new or changed entry is now. It is done, so a read that fails is asked again.
pub(super) async fn told_of(
    pinned: &Pinned,
    dn: Dn,
    wanted: &[Arc<str>],
    told: Option<Entry>,
    ask: &Ask,
) -> Result<Entry, DirectoryError> {
    if let Some(entry) = told {
        return Ok(entry);
    }
    let search = read_again(dn, wanted.to_vec());
    let entry = pinned.one(search, ask.deadline).await.ok().flatten();
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
