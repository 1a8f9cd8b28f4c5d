//! References to an entry that is renamed or goes, where it is not the server that keeps them
//! right. Names of entries are the server's business where the rule says so; other values, such as
//! `memberUid`, are never.

use std::sync::Arc;

use bytes::Bytes;

use super::Ldap;
use super::apply::Order;
use super::find::name_of;
use super::home::Home;
use super::refusal;
use crate::directory::ldap::{
    Attribute, Change as Modification, ChangeKind, Dn, Entry, Filter, Pinned, Scope, Search,
};
use crate::directory::{Ask, DirectoryError};
use crate::ldap::layout::{Attribute as Known, By};

/// What pointed to an entry, and what is to point to it from now on.
struct Pointing<'a> {
    home: &'a Home,
    attribute: &'a str,
    old: Bytes,
    new: Option<Bytes>,
}

impl Ldap {
    /// The attributes of an entry by whose values others point to it, names aside.
    pub(super) fn pointers_by(&self, home: &Home) -> Vec<Arc<str>> {
        let all = self.pointing_to(home);
        all.filter_map(|(_, _, by)| Some(by?.into())).collect()
    }

    /// After a change: whatever pointed to the entry points to it still. The change is done; what
    /// fails here is told to the operator.
    pub(super) async fn follow(
        &self,
        home: &Home,
        entry: &Entry,
        (from, to): (&Dn, &Dn),
        changed: &[(Arc<str>, Option<Bytes>)],
        pinned: &Pinned,
        ask: &Ask,
    ) {
        let mut all = Vec::new();
        for (other, known, by) in self.pointing_to(home) {
            let (old, new) = match by {
                None => (from.to_string().into(), Some(Bytes::from(to.to_string()))),
                Some(by) => {
                    let last = changed.iter().rfind(|(n, _)| n.eq_ignore_ascii_case(by));
                    let old = entry.values(by).first();
                    let (Some((_, new)), Some(old)) = (last, old) else {
                        continue;
                    };
                    (old.clone(), new.clone())
                }
            };
            if new.as_ref() != Some(&old) {
                all.push(Pointing {
                    home: other,
                    attribute: known.name.as_str(),
                    old,
                    new,
                });
            }
        }
        for pointing in all {
            if let Err(error) = self.repoint(&pointing, pinned, ask).await {
                let request_id = &ask.request_id;
                tracing::warn!(%request_id, %error, "a reference to a renamed entry is left as it was");
            }
        }
    }

    /// Before an entry goes: nothing points to it any more. If that fails the entry stays, and a
    /// repeat does the rest.
    pub(super) async fn clean(
        &self,
        home: &Home,
        entry: &Entry,
        pinned: &Pinned,
        ask: &Ask,
    ) -> Result<(), DirectoryError> {
        let dn = name_of(entry)?;
        let pointing: Vec<Pointing<'_>> = self
            .pointing_to(home)
            .filter_map(|(other, known, by)| {
                let old = match by {
                    None => Bytes::from(dn.to_string()),
                    Some(by) => entry.values(by).first()?.clone(),
                };
                Some(Pointing {
                    home: other,
                    attribute: known.name.as_str(),
                    old,
                    new: None,
                })
            })
            .collect();
        if pointing.is_empty() {
            return Ok(());
        }
        let below = Search {
            scope: Scope::One,
            size_limit: 1,
            ..Search::entry(dn, &[])
        };
        let mut below = pinned.search(below, &[], ask.deadline);
        if below.next().await.map_err(refusal::of_read)?.is_some() {
            return Err(refusal::not_a_leaf());
        }
        for pointing in pointing {
            self.repoint(&pointing, pinned, ask).await?;
        }
        Ok(())
    }

    async fn repoint(
        &self,
        pointing: &Pointing<'_>,
        pinned: &Pinned,
        ask: &Ask,
    ) -> Result<(), DirectoryError> {
        let Pointing {
            home,
            attribute,
            old,
            new,
        } = pointing;
        let filter = Filter::equal(*attribute, old.clone());
        let search = home.search(home.exists().and(filter), Vec::new(), 0);
        let mut found = pinned.search(search, &[], ask.deadline);
        let mut names = Vec::new();
        while let Some(entry) = found.next().await.map_err(refusal::of_read)? {
            names.push(name_of(&entry)?);
        }
        for dn in names {
            let change = |kind, value: &Bytes| {
                Modification::new(kind, Attribute::one(*attribute, value.clone()))
            };
            let added = new.iter().map(|new| change(ChangeKind::Add, new));
            let gone = std::iter::once(change(ChangeKind::Delete, old));
            // One that holds a single value is free before it gets the next.
            let order = Order::of(home, pinned, &dn, gone.chain(added).collect());
            match self.apply(order, ask).await {
                // It has gone meanwhile, and points nowhere.
                Ok(_) | Err(DirectoryError::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The attributes that point to entries of a type and that are ours to keep right, each with
    /// its home, and with the attribute that it goes by where that is not the name.
    fn pointing_to<'a>(
        &'a self,
        to: &'a Home,
    ) -> impl Iterator<Item = (&'a Home, &'a Known, Option<&'a str>)> {
        let homes = self.homes.all().iter();
        let all = homes.flat_map(|home| home.place.attributes.iter().map(move |a| (home, a)));
        all.filter_map(|(home, known)| {
            let reference = known.reference.as_ref()?;
            let by = match &reference.by {
                By::Dn if self.homes.keeps_references() || is_kept(known) => return None,
                By::Dn => None,
                By::Attribute(name) => Some(name.as_str()),
                By::Inverse(_) => return None,
            };
            let fits = reference.to.contains(&to.place.resource);
            fits.then_some((home, known, by))
        })
    }
}

/// Whether it is the server that fills the attribute.
fn is_kept(known: &Known) -> bool {
    known.name.is("memberOf")
}
