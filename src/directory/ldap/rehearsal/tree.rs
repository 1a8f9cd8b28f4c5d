//! The handful of entries that a rehearsal has in memory, and what writes make of them: so that what
//! is read afterwards is what a directory would hold.

use std::sync::Arc;

use bytes::Bytes;

use super::matching::{Candidate, is_equal, position};
use crate::directory::ldap::code::Code;
use crate::directory::ldap::request::{Attribute, Change, ChangeKind, Scope, Write};
use crate::directory::ldap::response::Entry;
use crate::ldap::dn::{Dn, Rdn};
use crate::ldap::filter::Filter;
use crate::ldap::layout::Flavor;

/// The entries that are known, and the names of those that are gone.
#[derive(Default)]
pub(super) struct Tree {
    flavor: Flavor,
    entries: Vec<Known>,
    /// Names that a real directory may still have.
    gone: Vec<Dn>,
    changes: u64,
}

/// An entry that is known.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) dn: Dn,
    pub(super) entry: Entry,
    /// Nobody knows what else it has.
    pub(super) made_up: bool,
}

impl Tree {
    pub(super) fn new(flavor: Flavor) -> Self {
        Self {
            flavor,
            ..Self::default()
        }
    }

    /// Takes an entry for true.
    pub(super) fn put(&mut self, known: Known) {
        self.entries.retain(|other| !other.dn.is_same(&known.dn));
        self.entries.push(known);
    }

    /// The entry of a name.
    pub(super) fn get(&self, dn: &Dn) -> Option<&Known> {
        self.entries.iter().find(|known| known.dn.is_same(dn))
    }

    /// Whether this name is not for a real directory to tell of.
    pub(super) fn decides(&self, dn: &Dn) -> bool {
        self.get(dn).is_some() || self.gone.iter().any(|gone| gone.is_same(dn))
    }

    /// What a search finds.
    pub(super) fn find<'t>(
        &'t self,
        base: &'t Dn,
        scope: Scope,
        filter: &'t Filter,
    ) -> impl Iterator<Item = &'t Known> {
        self.entries.iter().filter(move |known| {
            let candidate = known.candidate();
            candidate.lies(base, scope) && candidate.fits(filter)
        })
    }

    /// Whether something is below a name.
    pub(super) fn is_leaf(&self, dn: &Dn) -> bool {
        !self.entries.iter().any(|known| known.dn.is_under(dn))
    }

    /// How many changes were made.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// Does what is asked, wholly or not at all. `must` says what attribute an entry lacks.
    pub(super) fn apply(
        &mut self,
        write: &Write,
        permissive: bool,
        lacks: impl Fn(&Entry) -> bool,
    ) -> Result<(), Code> {
        match write {
            Write::Add { dn, attributes } => {
                if self.get(dn).is_some() {
                    return Err(Code::ENTRY_ALREADY_EXISTS);
                }
                let mut entry = Entry {
                    dn: dn.to_string(),
                    attributes: attributes.clone(),
                };
                named(&mut entry, dn.rdn());
                if lacks(&entry) {
                    return Err(Code::OBJECT_CLASS_VIOLATION);
                }
                self.gone.retain(|gone| !gone.is_same(dn));
                self.put(Known {
                    dn: dn.clone(),
                    entry,
                    made_up: false,
                });
            }
            Write::Modify { dn, changes } => {
                // What our account may not read is there all the same: Active Directory's descriptors.
                let lacked = self.get(dn).is_some_and(|known| lacks(&known.entry));
                let next = self.modified(dn, changes, permissive)?;
                if !next.made_up && !lacked && lacks(&next.entry) {
                    return Err(Code::OBJECT_CLASS_VIOLATION);
                }
                self.put(next);
            }
            Write::Delete { dn } => {
                self.get(dn).ok_or(Code::NO_SUCH_OBJECT)?;
                if !self.is_leaf(dn) {
                    return Err(Code::NOT_ALLOWED_ON_NON_LEAF);
                }
                self.entries.retain(|known| !known.dn.is_same(dn));
                self.gone.push(dn.clone());
            }
            Write::Rename {
                dn,
                rdn,
                delete_old,
                above,
            } => self.rename(dn, rdn, *delete_old, above.as_ref())?,
        }
        self.changes += 1;
        Ok(())
    }

    /// What an entry would be after a change.
    pub(super) fn modified(
        &self,
        dn: &Dn,
        changes: &[Change],
        permissive: bool,
    ) -> Result<Known, Code> {
        let mut next = self.get(dn).ok_or(Code::NO_SUCH_OBJECT)?.clone();
        for change in changes {
            self.change(&mut next, change, permissive)?;
        }
        next.entry.attributes.retain(|one| !one.values.is_empty());
        let pairs = dn.rdn().into_iter().flat_map(Rdn::pairs);
        for (name, value) in pairs {
            let own = next.entry.values(name);
            if !own.iter().any(|own| is_equal(own, value)) {
                return Err(Code::NOT_ALLOWED_ON_RDN);
            }
        }
        Ok(next)
    }

    fn change(&self, known: &mut Known, change: &Change, permissive: bool) -> Result<(), Code> {
        let made_up = known.made_up;
        let attribute = slot(&mut known.entry, &change.attribute.name);
        let wanted = &change.attribute.values;
        match change.kind {
            ChangeKind::Add => {
                for value in wanted {
                    match position(attribute, value) {
                        None => attribute.values.push(value.clone()),
                        Some(_) if permissive => {}
                        Some(_) => return Err(Code::ATTRIBUTE_OR_VALUE_EXISTS),
                    }
                }
            }
            ChangeKind::Delete if wanted.is_empty() => {
                if attribute.values.is_empty() && !permissive && !made_up {
                    return Err(Code::NO_SUCH_ATTRIBUTE);
                }
                attribute.values.clear();
            }
            ChangeKind::Delete => {
                // slapd forgives only where there is no value at all.
                let whole = self.flavor == Flavor::ActiveDirectory || attribute.values.is_empty();
                let forgiven = made_up || (permissive && whole);
                for value in wanted {
                    match position(attribute, value) {
                        Some(at) => drop(attribute.values.remove(at)),
                        None if forgiven => {}
                        None => return Err(Code::NO_SUCH_ATTRIBUTE),
                    }
                }
            }
            ChangeKind::Replace => attribute.values.clone_from(wanted),
            ChangeKind::Increment => {
                let number = |value: &Bytes| std::str::from_utf8(value).ok()?.parse::<i64>().ok();
                let by = wanted.first().and_then(number);
                let by = by.ok_or(Code::PROTOCOL_ERROR)?;
                if attribute.values.is_empty() {
                    return Err(Code::NO_SUCH_ATTRIBUTE);
                }
                for value in &mut attribute.values {
                    let sum = number(value).and_then(|number| number.checked_add(by));
                    let sum = sum.ok_or(Code::CONSTRAINT_VIOLATION)?;
                    *value = sum.to_string().into();
                }
            }
        }
        Ok(())
    }

    fn rename(
        &mut self,
        dn: &Dn,
        rdn: &Rdn,
        delete_old: bool,
        above: Option<&Dn>,
    ) -> Result<(), Code> {
        let mut known = self.get(dn).ok_or(Code::NO_SUCH_OBJECT)?.clone();
        let above = above.cloned().or_else(|| dn.parent()).unwrap_or_default();
        let next = above.below(rdn.clone());
        if !next.is_same(dn) && self.get(&next).is_some() {
            return Err(Code::ENTRY_ALREADY_EXISTS);
        }
        if delete_old {
            for (name, value) in dn.rdn().into_iter().flat_map(Rdn::pairs) {
                let attribute = slot(&mut known.entry, name);
                if let Some(at) = position(attribute, value) {
                    attribute.values.remove(at);
                }
            }
        }
        known.entry.attributes.retain(|one| !one.values.is_empty());
        named(&mut known.entry, Some(rdn));
        for below in &mut self.entries {
            if let Some(moved) = moved(&below.dn, dn, &next) {
                self.gone.push(below.dn.clone());
                below.entry.dn = moved.to_string();
                below.dn = moved;
            }
        }
        self.entries.retain(|other| !other.dn.is_same(dn));
        self.gone.push(dn.clone());
        self.gone.retain(|gone| !gone.is_same(&next));
        known.entry.dn = next.to_string();
        known.dn = next;
        self.put(known);
        Ok(())
    }

    /// Sets what the server itself keeps of an entry.
    pub(super) fn keep(&mut self, dn: &Dn, name: &str, values: Vec<Bytes>) {
        let known = self.entries.iter_mut().find(|known| known.dn.is_same(dn));
        if let Some(known) = known {
            slot(&mut known.entry, name).values = values;
        }
    }
}

impl Known {
    pub(super) fn candidate(&self) -> Candidate<'_> {
        Candidate {
            dn: &self.dn,
            entry: &self.entry,
        }
    }
}

/// The attribute of that name, which may be without values.
pub(super) fn slot<'e>(entry: &'e mut Entry, name: &str) -> &'e mut Attribute {
    let found = entry.attributes.iter();
    let found = found
        .into_iter()
        .position(|one| one.name.eq_ignore_ascii_case(name));
    let at = found.unwrap_or_else(|| {
        entry.attributes.push(Attribute {
            name: Arc::from(name),
            values: Vec::new(),
        });
        entry.attributes.len() - 1
    });
    #[expect(clippy::indexing_slicing, reason = "it was found or made just now")]
    &mut entry.attributes[at]
}

/// What names an entry is among its values.
pub(super) fn named(entry: &mut Entry, rdn: Option<&Rdn>) {
    for (name, value) in rdn.into_iter().flat_map(Rdn::pairs) {
        let attribute = slot(entry, name);
        if position(attribute, value).is_none() {
            attribute.values.push(Bytes::copy_from_slice(value));
        }
    }
}

/// The name of an entry below one that has another name now.
fn moved(dn: &Dn, old: &Dn, new: &Dn) -> Option<Dn> {
    if !dn.is_under(old) {
        return None;
    }
    let mut parts = Vec::new();
    let mut at = dn.clone();
    while !at.is_same(old) {
        parts.push(at.rdn()?.clone());
        at = at.parent()?;
    }
    Some(
        parts
            .into_iter()
            .rev()
            .fold(new.clone(), |at, part| at.below(part)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dn(text: &str) -> Dn {
        text.parse().unwrap()
    }

    fn tree(flavor: Flavor) -> Tree {
        let mut tree = Tree::new(flavor);
        for (name, values) in [
            ("ou=a,dc=x", &[("ou", "a")][..]),
            (
                "cn=b,ou=a,dc=x",
                &[("cn", "b"), ("member", "uid=1,dc=x"), ("n", "1")],
            ),
        ] {
            let attributes = values.iter();
            let entry = Entry {
                dn: name.to_owned(),
                attributes: attributes.map(|(n, v)| Attribute::one(*n, *v)).collect(),
            };
            tree.put(Known {
                dn: dn(name),
                entry,
                made_up: false,
            });
        }
        tree
    }

    fn modify(kind: ChangeKind, name: &str, values: &[&'static str]) -> Write {
        Write::Modify {
            dn: dn("cn=b,ou=a,dc=x"),
            changes: vec![Change::new(
                kind,
                Attribute::many(name, values.iter().copied()),
            )],
        }
    }

    #[test]
    fn changes_are_those_of_a_server() {
        use ChangeKind::{Add, Delete, Increment, Replace};
        let mut tree = tree(Flavor::OpenLdap);
        let no = |_: &Entry| false;
        for (write, permissive, says) in [
            (
                modify(Add, "member", &["UID=1,dc=x"]),
                false,
                Err(Code::ATTRIBUTE_OR_VALUE_EXISTS),
            ),
            (modify(Add, "member", &["UID=1,dc=x"]), true, Ok(())),
            (
                modify(Delete, "member", &["uid=2,dc=x"]),
                true,
                Err(Code::NO_SUCH_ATTRIBUTE),
            ),
            (modify(Delete, "mail", &["a"]), true, Ok(())),
            (
                modify(Delete, "mail", &[]),
                false,
                Err(Code::NO_SUCH_ATTRIBUTE),
            ),
            (modify(Replace, "mail", &[]), false, Ok(())),
            (modify(Increment, "n", &["4"]), false, Ok(())),
            (
                modify(Delete, "cn", &["b"]),
                false,
                Err(Code::NOT_ALLOWED_ON_RDN),
            ),
        ] {
            assert_eq!(tree.apply(&write, permissive, no), says, "{write:?}");
        }
        let entry = &tree.get(&dn("CN=B,ou=a,dc=x")).unwrap().entry;
        assert_eq!(entry.values("n"), ["5"]);
        assert_eq!(entry.values("member").len(), 1);
        let last = modify(Delete, "member", &["uid=1,dc=x"]);
        let lacks = |entry: &Entry| entry.values("member").is_empty();
        assert_eq!(
            tree.apply(&last, false, lacks),
            Err(Code::OBJECT_CLASS_VIOLATION)
        );
        assert!(tree.apply(&last, false, no).is_ok());
        // What was not seen before is not missed.
        let other = modify(Replace, "mail", &["m"]);
        assert!(tree.apply(&other, false, lacks).is_ok());
    }

    #[test]
    fn names_change_with_all_below_and_are_gone() {
        let mut tree = tree(Flavor::OpenLdap);
        let no = |_: &Entry| false;
        let delete = Write::Delete {
            dn: dn("ou=a,dc=x"),
        };
        assert_eq!(
            tree.apply(&delete, false, no),
            Err(Code::NOT_ALLOWED_ON_NON_LEAF)
        );
        let rename = Write::Rename {
            dn: dn("ou=a,dc=x"),
            rdn: Rdn::new("ou", "c").unwrap(),
            delete_old: true,
            above: None,
        };
        tree.apply(&rename, false, no).unwrap();
        assert_eq!(
            tree.get(&dn("ou=c,dc=x")).unwrap().entry.values("ou"),
            ["c"]
        );
        let below = tree.get(&dn("cn=b,ou=c,dc=x")).unwrap();
        assert_eq!(below.entry.dn, "cn=b,ou=c,dc=x");
        assert!(tree.decides(&dn("cn=b,ou=a,dc=x")) && tree.decides(&dn("ou=a,dc=x")));
        assert!(!tree.decides(&dn("cn=z,ou=a,dc=x")));
        let delete = Write::Delete {
            dn: dn("cn=b,ou=c,dc=x"),
        };
        tree.apply(&delete, false, no).unwrap();
        assert_eq!(tree.apply(&delete, false, no), Err(Code::NO_SUCH_OBJECT));
        assert_eq!(tree.changes(), 2);
    }
}
