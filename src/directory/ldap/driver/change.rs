//! A change of a resource: one modify of its entry, all or nothing, and another name after it where
//! what names it changed. Two operations: the entry is found, and changed with the answer.

use std::sync::Arc;

use super::Ldap;
use super::apply::Order;
use super::find::name_of;
use super::held::ByValues;
use super::home::Home;
use super::make::read_again;
use super::password;
use super::refusal;
use super::unique::{taken, turn};
use super::version::names_one;
use super::work::{Work, name};
use crate::directory::ldap::{Control, Dn, Entry, Pinned};
use crate::directory::{Ask, DirectoryError};
use crate::scim::operation::{Answer, Document, Precondition, Projection};
use crate::scim::patch::Patch;
use crate::scim::{Reply, ResourceId, Upstream};

impl Ldap {
    pub(super) async fn change(
        &self,
        home: &Home,
        id: &ResourceId,
        patch: Patch,
        precondition: &Precondition,
        projection: &Projection,
        ask: &Ask,
    ) -> Result<Reply<Upstream>, DirectoryError> {
        let mut names = home.decisive(&patch);
        if names_one(precondition) {
            names.extend(home.version_names());
        }
        if self.sees_to(home, precondition) {
            names.extend(home.replaced(&patch));
        }
        names.extend(self.pointers_by(home));
        let asked = Asked {
            home,
            id,
            patch: &patch,
            precondition,
            projection,
            names: &names,
        };
        // Others may give it another name between our look and our write: then it is looked for
        // again. Whoever is told that there is none believes it.
        for _ in 0..TRIES {
            let entry = self.find(home, id, names.clone(), ask).await?;
            match self.change_found(&asked, &entry, ask).await {
                Err(DirectoryError::NotFound) => {}
                outcome => return outcome,
            }
        }
        Err(refusal::unsteady())
    }

    async fn change_found(
        &self,
        asked: &Asked<'_>,
        entry: &Entry,
        ask: &Ask,
    ) -> Result<Reply<Upstream>, DirectoryError> {
        let Asked {
            home,
            id,
            patch,
            precondition,
            projection,
            names,
        } = *asked;
        let by_values = self.sees_to(home, precondition);
        if !home.has_version(entry, precondition) {
            return Err(DirectoryError::Precondition);
        }
        let dn = name_of(entry)?;
        let mut work = self.work(home, entry, &dn, patch, ask).await?;
        if by_values {
            work.hold(home, (&dn, entry), names);
        }
        let _turn = turn(home, &work.unique, ask).await?;
        let own = Some(&dn);
        if self.is_taken_unseen(home, &work.unique, own, ask).await? {
            return Err(taken());
        }
        let pinned = self.pool.pinned(ask.deadline).await;
        let pinned = pinned.map_err(refusal::of_write)?;
        let held = home
            .held_to(precondition)
            .filter(|_| pinned.offers().assertion);
        let told = home.told(projection);
        let wanted = home.wanted(&told);
        let done = Doing {
            home,
            pinned: &pinned,
            dn: &dn,
            work: &work,
            held,
            met: by_values.then_some(precondition),
        };
        let (place, read) = match self.carry_out(done, &wanted, ask).await {
            // Only a search tells a value that is taken from one that is refused otherwise.
            Err(DirectoryError::Refused { .. })
                if self.is_taken(home, &work.unique, own, ask).await? =>
            {
                return Err(taken());
            }
            outcome => outcome?,
        };
        self.follow(home, entry, (&dn, &place), &work.pointed, &pinned, ask)
            .await;
        let read = match read.filter(|entry| home.has_id(entry, id.as_str())) {
            Some(entry) => pinned.whole(entry, ask.deadline).await.ok(),
            // It is done, whatever comes of this.
            None => {
                let search = read_again(place, wanted);
                pinned.one(search, ask.deadline).await.ok().flatten()
            }
        };
        let Some(entry) = read else {
            return Ok(Reply::new(Answer::Nothing));
        };
        if home.is_group() && matches!(projection, Projection::All) {
            return Ok(Reply::new(Answer::Nothing).versioned(home.etag(&entry, &told)));
        }
        let mut shaped = home.shape(&entry, projection)?;
        let mut resources = [&mut shaped.resource];
        let entries = [&entry];
        let pointed = self.point(home, &mut resources, &entries, projection, ask);
        if let Err(error) = pointed.await {
            // That would say that nothing was changed.
            let request_id = &ask.request_id;
            tracing::warn!(%request_id, %error, "a change is done, but what it refers to cannot be read");
            return Ok(Reply::new(Answer::Nothing).versioned(shaped.etag));
        }
        let answer = Answer::Resource(Document::Tree(shaped.resource));
        Ok(Reply::new(answer).versioned(shaped.etag))
    }

    /// All of it, or as good as nothing. The entry's name from now on, and what it is, where that
    /// was told.
    async fn carry_out(
        &self,
        doing: Doing<'_>,
        wanted: &[Arc<str>],
        ask: &Ask,
    ) -> Result<(Dn, Option<Entry>), DirectoryError> {
        let Doing {
            home,
            pinned,
            dn,
            work,
            held,
            met,
        } = doing;
        // A password comes after the rest: what it was nobody can read, so nobody could undo it.
        let modifies = !work.modifications.is_empty();
        let has_more = work.is_rename() || work.password.is_some() || !work.secrets.is_empty();
        let mut names: Vec<Arc<str>> = Vec::new();
        for name in work.modifications.iter().map(|m| &m.attribute.name) {
            if has_more && !names.contains(name) {
                names.push(Arc::clone(name));
            }
        }
        let before = if names.is_empty() || pinned.offers().pre_read {
            None
        } else {
            Some(self.before((pinned, dn), &names, ask).await?)
        };
        let order = Order {
            home,
            pinned,
            dn,
            modifications: work.modifications.clone(),
            guarded: &work.guarded,
            has_secret: work.has_secret,
            held: held.clone(),
            met,
            before: &names,
            told: (!has_more).then_some(wanted),
        };
        let done = self.apply(order, ask).await?;
        let rest = async {
            if !work.secrets.is_empty() {
                let order = Order {
                    has_secret: true,
                    ..Order::of(home, pinned, dn, work.secrets.clone())
                };
                self.apply(order, ask).await?;
            }
            if let Some(password) = &work.password {
                password::set(pinned, dn, password, ask).await?;
            }
            if !work.is_rename() {
                return Ok(dn.clone());
            }
            let held = held
                .as_ref()
                .filter(|_| !modifies && work.password.is_none());
            let to = (work.names.as_slice(), work.above.as_ref());
            self.rename((pinned, held), dn, to, ask).await
        };
        let error = match rest.await {
            Ok(place) => return Ok((place, done.after)),
            Err(error) => error,
        };
        let known = !matches!(
            error,
            // Where nothing is known of it, there is nothing to undo yet. Where the entry has
            // another name by now, it is looked for again.
            DirectoryError::Lost | DirectoryError::TimedOut | DirectoryError::NotFound
        );
        let before = done.before.or(before).filter(|_| known && modifies);
        if let Some(before) = before {
            self.undo((home, pinned, dn), &work.modifications, &before, ask)
                .await;
        }
        let has_begun = modifies || (work.is_rename() && work.password.is_some());
        Err(if has_begun { midway(error) } else { error })
    }
}

/// What is asked for, and what of the entry must be known for it.
struct Asked<'a> {
    home: &'a Home,
    id: &'a ResourceId,
    patch: &'a Patch,
    precondition: &'a Precondition,
    projection: &'a Projection,
    names: &'a [Arc<str>],
}

struct Doing<'a> {
    home: &'a Home,
    pinned: &'a Pinned,
    dn: &'a Dn,
    work: &'a Work,
    held: Option<Control>,
    met: Option<&'a Precondition>,
}

impl Work {
    /// Makes the changes depend on the values that they replace.
    fn hold(&mut self, home: &Home, entry: (&Dn, &Entry), asked: &[Arc<str>]) {
        let all = std::mem::take(&mut self.modifications);
        let by_values = ByValues::of(home, entry, asked, all);
        self.modifications = by_values.modifications;
        self.guarded.extend(by_values.pairs);
        self.secrets = by_values.secrets;
        self.has_secret = false;
    }
}

/// What says that nothing was changed is not so where something was before.
pub(super) fn midway(error: DirectoryError) -> DirectoryError {
    match error {
        DirectoryError::Unreachable(_) | DirectoryError::Overloaded => DirectoryError::Partly,
        error => error,
    }
}

impl Home {
    /// The attributes whose values a change may replace.
    fn replaced(&self, patch: &Patch) -> Vec<Arc<str>> {
        let names = patch.changes.iter().filter_map(|change| name(change).ok());
        let plain = names.filter(|name| {
            let known = self.place.attribute(name);
            known.is_some_and(|known| known.secret.is_none() && known.reference.is_none())
        });
        plain.map(Arc::from).collect()
    }

    /// What the answer to a change carries.
    fn told(&self, projection: &Projection) -> Projection {
        match projection {
            Projection::All if self.is_group() => Projection::Only(Vec::new()),
            other => other.clone(),
        }
    }
}

/// So often it is looked for while others rename it.
pub(super) const TRIES: usize = 4;
