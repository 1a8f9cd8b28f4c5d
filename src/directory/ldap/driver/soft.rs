//! Resources that are deleted by being disabled and put away, and that come back when they are made
//! again.

use std::sync::Arc;

use bytes::Bytes;

use super::Ldap;
use super::apply::Order;
use super::draft::Draft;
use super::find::name_of;
use super::held::ByValues;
use super::home::Home;
use super::make::told_of;
use super::password;
use super::refusal;
use super::unique::taken;
use super::work::name;
use crate::directory::ldap::{
    Attribute, Change as Modification, ChangeKind, Control, Dn, Entry, Filter, Pinned, Rdn, Scope,
    Search,
};
use crate::directory::{Ask, DirectoryError};
use crate::ldap::layout::{Create, Disable, OnDelete, Secret};
use crate::net::Secret as Password;
use crate::scim::ResourceId;
use crate::scim::operation::Precondition;
use crate::scim::patch::Patch;

impl Ldap {
    /// Disables an entry and moves it away.
    pub(super) async fn put_away(
        &self,
        home: &Home,
        pinned: &Pinned,
        (id, entry): (&ResourceId, &Entry),
        (disable, move_to): (&[Disable], Option<&Dn>),
        (held, met): (Option<Control>, Option<&Precondition>),
        ask: &Ask,
    ) -> Result<(), DirectoryError> {
        let dn = name_of(entry)?;
        let to_hold = (held.as_ref(), met);
        let disabled = self.disabled(home, pinned, (entry, &dn), disable, to_hold, ask);
        let modified = disabled.await?;
        let (Some(to), Some(rdn)) = (move_to, dn.rdn()) else {
            return Ok(());
        };
        // Where somebody of that name is there already, the id tells them apart.
        let mut names = vec![rdn.clone()];
        let mut pairs = rdn.pairs();
        if let Some((attribute, value)) = pairs.next() {
            let value = [value, b" ", id.as_str().as_bytes()].concat();
            names.extend(Rdn::new(attribute, value));
        }
        let held = held.as_ref().filter(|_| !modified);
        let place = self
            .rename((pinned, held), &dn, (&names, Some(to)), ask)
            .await?;
        self.follow(home, entry, (&dn, &place), &[], pinned, ask)
            .await;
        Ok(())
    }

    /// Disables an entry. Whether there was anything to do.
    async fn disabled(
        &self,
        home: &Home,
        pinned: &Pinned,
        (entry, dn): (&Entry, &Dn),
        disable: &[Disable],
        (held, met): (Option<&Control>, Option<&Precondition>),
        ask: &Ask,
    ) -> Result<bool, DirectoryError> {
        let mut modifications = Vec::new();
        let mut guarded = Vec::new();
        for one in disable {
            match one {
                Disable::Change(change) => {
                    let patch = Patch {
                        changes: vec![change.clone()],
                        create_missing: false,
                    };
                    let work = self.work(home, entry, dn, &patch, ask).await?;
                    modifications.extend(work.modifications);
                }
                Disable::Bits {
                    attribute,
                    mask,
                    set,
                } => {
                    let old = entry.values(attribute.as_str()).first();
                    let number = old.and_then(number).unwrap_or_default();
                    let mask = i64::from(*mask);
                    let new = if *set { number | mask } else { number & !mask };
                    if new == number && old.is_some() {
                        continue;
                    }
                    let name: Arc<str> = attribute.as_str().into();
                    guarded.extend(old.map(|old| (Arc::clone(&name), old.clone())));
                    modifications.extend(instead(name, old, new.to_string().into()));
                }
            }
        }
        if modifications.is_empty() {
            return Ok(false);
        }
        if met.is_some() {
            let asked = home.disabled_by();
            let by_values = ByValues::of(home, (dn, entry), &asked, modifications);
            guarded.extend(by_values.pairs);
            modifications = by_values.modifications;
            modifications.extend(by_values.secrets);
        }
        let order = Order {
            guarded: &guarded,
            held: held.cloned(),
            met,
            ..Order::of(home, pinned, dn, modifications)
        };
        self.apply(order, ask).await?;
        Ok(true)
    }

    /// Brings back an entry that was put away and has the values that no other may have; `None`
    /// where there is none. One that nobody may harm stays where it is: it would get a password.
    pub(super) async fn revive(
        &self,
        home: &Home,
        create: &Create,
        draft: &mut Draft,
        wanted: &[Arc<str>],
        ask: &Ask,
    ) -> Result<Option<Entry>, DirectoryError> {
        let OnDelete::Keep {
            disable,
            move_to: Some(away),
        } = &home.place.on_delete
        else {
            return Ok(None);
        };
        let unique = draft.unique(home);
        if !home.place.revive || unique.is_empty() {
            return Ok(None);
        }
        let pinned = self.pool.pinned(ask.deadline).await;
        let pinned = pinned.map_err(refusal::of_write)?;
        let parts = unique.into_iter().map(|(name, v)| Filter::equal(name, v));
        let mut names = home.disabled_by();
        let own = [
            home.stamps().modified,
            "objectClass",
            home.place.id.as_str(),
        ];
        names.extend(own.map(Arc::from));
        names.extend(draft.choices().map(Arc::clone));
        let search = Search {
            base: away.clone(),
            scope: Scope::One,
            filter: home.exists().and(Filter::Or(parts.collect())),
            attributes: names,
            size_limit: MOST,
            time_limit: 0,
        };
        let mut found = pinned.search(search, &[], ask.deadline);
        let mut last: Option<Entry> = None;
        let stamp = home.stamps().modified;
        while let Some(entry) = found.next().await.map_err(refusal::of_read)? {
            let newer = |last: &Entry| entry.text(stamp) >= last.text(stamp);
            if last.as_ref().is_none_or(newer) {
                last = Some(entry);
            }
        }
        let Some(entry) = last else {
            return Ok(None);
        };
        if home.protects(&pinned, &entry, ask).await? {
            return Err(taken());
        }
        draft.settle(&entry);
        let dn = name_of(&entry)?;
        let brought = self
            .bring_back(home, create, draft, &pinned, (&entry, &dn), disable, ask)
            .await;
        let place = match brought {
            // Somebody else was faster, and has it.
            Err(DirectoryError::NotFound) => return Err(taken()),
            outcome => outcome?,
        };
        told_of(&pinned, place, wanted, None, ask).await.map(Some)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "what an entry was, and what it is to be"
    )]
    async fn bring_back(
        &self,
        home: &Home,
        create: &Create,
        draft: &mut Draft,
        pinned: &Pinned,
        (entry, dn): (&Entry, &Dn),
        disable: &[Disable],
        ask: &Ask,
    ) -> Result<Dn, DirectoryError> {
        let (_, attributes) = draft.entry(create)?;
        let mut modifications = Vec::new();
        let mut secret = None;
        for Attribute { name, values } in attributes {
            let known = home.place.attribute(&name);
            if name.eq_ignore_ascii_case("objectClass") {
                let present = entry.values(&name);
                let lacks = |v: &Bytes| !present.iter().any(|own| own.eq_ignore_ascii_case(v));
                let missing: Vec<Bytes> = values.into_iter().filter(lacks).collect();
                if !missing.is_empty() {
                    modifications.push(change(ChangeKind::Add, name, missing));
                }
                continue;
            }
            if dn.rdn().is_some_and(|rdn| rdn.has(&name)) {
                // The renaming sees to it.
                continue;
            }
            match known.and_then(|known| known.secret) {
                Some(Secret::Extended) if pinned.offers().password_modify => {
                    let text = values.first().and_then(|v| std::str::from_utf8(v).ok());
                    secret = text.map(|text| Password::new(text.to_owned()));
                }
                _ => {
                    let values = kept_bits(disable, entry, &name, values);
                    modifications.push(change(ChangeKind::Replace, name, values));
                }
            }
        }
        for name in home.disabled_by() {
            let is_set = |m: &Modification| m.attribute.name.eq_ignore_ascii_case(&name);
            if !modifications.iter().any(is_set) {
                let values = entry.values(&name).to_vec();
                let bits = kept_bits(disable, entry, &name, vec![Bytes::from_static(b"0")]);
                let is_bits = |one: &Disable| matches!(one, Disable::Bits { attribute, .. } if attribute.is(&name));
                let new = if disable.iter().any(is_bits) {
                    bits
                } else {
                    Vec::new()
                };
                if new != values {
                    modifications.push(change(ChangeKind::Replace, name, new));
                }
            }
        }
        if let Some(password) = &secret {
            password::set(pinned, dn, password, ask).await?;
        }
        let order = Order {
            has_secret: draft.has_secret,
            ..Order::of(home, pinned, dn, modifications)
        };
        self.apply(order, ask).await?;
        loop {
            let (to, _) = draft.entry(create)?;
            let (Some(rdn), above) = (to.rdn().cloned(), to.parent()) else {
                return Err(refusal::nameless());
            };
            let names = [rdn];
            let renamed = self.rename((pinned, None), dn, (&names, above.as_ref()), ask);
            match renamed.await {
                Ok(place) => {
                    self.follow(home, entry, (dn, &place), &[], pinned, ask)
                        .await;
                    return Ok(place);
                }
                Err(DirectoryError::Conflict { .. }) if draft.rename(create) => {}
                Err(error) => {
                    // What is put away is disabled.
                    let again = self.find_again(dn, home, pinned, ask).await;
                    if let Some(entry) = again {
                        let _ = self
                            .disabled(home, pinned, (&entry, dn), disable, (None, None), ask)
                            .await;
                    }
                    return Err(error);
                }
            }
        }
    }

    async fn find_again(&self, dn: &Dn, home: &Home, pinned: &Pinned, ask: &Ask) -> Option<Entry> {
        let search = Search {
            attributes: home.disabled_by(),
            ..Search::entry(dn.clone(), &[])
        };
        pinned.one(search, ask.deadline).await.ok().flatten()
    }
}

impl Home {
    /// The attributes by which an entry is disabled.
    pub(super) fn disabled_by(&self) -> Vec<Arc<str>> {
        let OnDelete::Keep { disable, .. } = &self.place.on_delete else {
            return Vec::new();
        };
        let names = disable.iter().filter_map(|one| match one {
            Disable::Change(change) => name(change).ok().map(Arc::from),
            Disable::Bits { attribute, .. } => Some(attribute.as_str().into()),
        });
        names.collect()
    }
}

/// Of a number of which one bit disables, the other bits stay as they are.
fn kept_bits(disable: &[Disable], entry: &Entry, name: &str, values: Vec<Bytes>) -> Vec<Bytes> {
    let masks = disable.iter().filter_map(|one| match one {
        Disable::Bits {
            attribute, mask, ..
        } if attribute.is(name) => Some(i64::from(*mask)),
        Disable::Bits { .. } | Disable::Change(_) => None,
    });
    let mask = masks.fold(0, |all, mask| all | mask);
    let old = entry.values(name).first().and_then(number);
    match (old, values.first().and_then(number)) {
        (Some(old), Some(new)) if mask != 0 => {
            vec![((old & !mask) | (new & mask)).to_string().into()]
        }
        _ => values,
    }
}

fn instead(name: Arc<str>, old: Option<&Bytes>, new: Bytes) -> Vec<Modification> {
    let gone = old.map(|old| change(ChangeKind::Delete, Arc::clone(&name), vec![old.clone()]));
    let mut all: Vec<Modification> = gone.into_iter().collect();
    all.push(change(ChangeKind::Add, name, vec![new]));
    all
}

fn change(kind: ChangeKind, name: Arc<str>, values: Vec<Bytes>) -> Modification {
    Modification::new(kind, Attribute { name, values })
}

fn number(value: &Bytes) -> Option<i64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// Of so many that were put away with one name, the last is brought back.
const MOST: u32 = 100;
