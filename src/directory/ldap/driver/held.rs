//! What holds a change to the version that a client names, where the server has no control for that
//! (ADR 12): the change takes away the very values that were read, so that it fails where one of
//! them is another by now; and where the server tells what a write met, a write that met another
//! version than the one named is taken back. That others of this process wait meanwhile is the
//! gateway's doing.

use std::sync::Arc;

use bytes::Bytes;

use super::Ldap;
use super::apply::Order;
use super::home::Home;
use super::refusal;
use super::unique::Pair;
use crate::directory::ldap::{
    Attribute, Change as Modification, ChangeKind, Dn, Entry, Search, Write,
};
use crate::directory::{Ask, DirectoryError};
use crate::ldap::layout::Syntax;
use crate::scim::operation::Precondition;

impl Ldap {
    /// Whether what a client names must be seen to here.
    pub(super) fn sees_to(&self, home: &Home, precondition: &Precondition) -> bool {
        let asserts = self.offers().assertion && home.stamps().version.is_some();
        super::version::names_one(precondition) && !asserts
    }
}

/// Changes that are made to depend on the values that they replace.
#[derive(Debug, Default)]
pub(super) struct ByValues {
    /// All but those of secrets.
    pub(super) modifications: Vec<Modification>,
    /// The values that must still be there.
    pub(super) pairs: Vec<Pair>,
    /// Those of secrets, which nobody can read and nobody could bring back: they come after the
    /// others.
    pub(super) secrets: Vec<Modification>,
}

impl ByValues {
    /// `entry` was asked for the attributes of these names; of others nothing is known.
    pub(super) fn of(
        home: &Home,
        (dn, entry): (&Dn, &Entry),
        asked: &[Arc<str>],
        all: Vec<Modification>,
    ) -> Self {
        let mut out = Self::default();
        for change in all {
            let name = Arc::clone(&change.attribute.name);
            let known = home.place.attribute(&name);
            if known.is_some_and(|known| known.secret.is_some()) {
                out.secrets.push(change);
                continue;
            }
            let comparable = known.is_some_and(|known| known.syntax == Syntax::Text);
            let is_known = asked.iter().any(|asked| asked.eq_ignore_ascii_case(&name));
            let present = entry.values(&name);
            let names_it = dn.rdn().is_some_and(|rdn| rdn.has(&name));
            if change.kind != ChangeKind::Replace
                || !comparable
                || !is_known
                || names_it
                || present.len() > MOST_VALUES
            {
                out.modifications.push(change);
                continue;
            }
            let new = change.attribute.values;
            for (kind, values) in [
                (ChangeKind::Delete, present.to_vec()),
                (ChangeKind::Add, new),
            ] {
                if values.is_empty() {
                    continue;
                }
                if kind == ChangeKind::Delete {
                    let gone = values.iter().cloned();
                    out.pairs
                        .extend(gone.map(|value| (Arc::clone(&name), value)));
                }
                let attribute = Attribute {
                    name: Arc::clone(&name),
                    values,
                };
                out.modifications.push(Modification::new(kind, attribute));
            }
        }
        out
    }
}

impl Order<'_> {
    /// What a write must be told of what it met, for [`Self::met`] or to undo it.
    pub(super) fn told_before(
        &self,
        changes: &[Modification],
        is_met: bool,
        is_first: bool,
    ) -> Vec<Arc<str>> {
        let mut names = Vec::new();
        if is_met {
            names.extend(self.home.version_names());
        }
        let changed = changes.iter().map(|change| &change.attribute.name);
        let changed = changed.filter(|_| is_met);
        for name in changed.chain(self.before.iter().filter(|_| is_first)) {
            if !names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                names.push(Arc::clone(name));
            }
        }
        names
    }

    /// Whether the entry still has the version that the client names.
    pub(super) async fn still(
        &self,
        precondition: &Precondition,
        ask: &Ask,
    ) -> Result<(), DirectoryError> {
        let search = Search {
            attributes: self.home.version_names(),
            ..Search::entry(self.dn.clone(), &[])
        };
        let entry = self.pinned.one(search, ask.deadline).await;
        let entry = entry.map_err(refusal::of_read)?;
        let entry = entry.ok_or(DirectoryError::NotFound)?;
        if self.home.has_version(&entry, precondition) {
            return Ok(());
        }
        Err(DirectoryError::Precondition)
    }

    /// Looks at what a write that is done has met. Where that is another version than the client
    /// names, what was sent is taken back.
    pub(super) async fn met(
        &self,
        before: &Entry,
        sent: &[Modification],
        precondition: &Precondition,
        ask: &Ask,
    ) -> Result<(), DirectoryError> {
        if self.home.has_version(before, precondition) {
            return Ok(());
        }
        let changes = back(sent, before);
        if changes.is_empty() {
            return Err(DirectoryError::Precondition);
        }
        let write = Write::Modify {
            dn: self.dn.clone(),
            changes,
        };
        let outcome = self.pinned.write(write, &[], ask.deadline).await;
        let result = outcome.map_err(refusal::of_write)?.result;
        if result.is_success() {
            return Err(DirectoryError::Precondition);
        }
        // Somebody has changed the same values once more.
        tracing::warn!(
            request_id = %ask.request_id,
            code = %result.code,
            "a change that met another version than its client named could not be taken back"
        );
        Err(DirectoryError::Failed(500))
    }
}

/// What undoes changes of an entry that was `before`, where nobody has changed the same values
/// since.
pub(super) fn back(sent: &[Modification], before: &Entry) -> Vec<Modification> {
    let mut names: Vec<&Arc<str>> = Vec::new();
    for change in sent {
        let name = &change.attribute.name;
        if !names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            names.push(name);
        }
    }
    let mut out = Vec::new();
    for name in names {
        let was = before.values(name);
        let mut is: Vec<Bytes> = was.to_vec();
        let own = sent
            .iter()
            .filter(|m| m.attribute.name.eq_ignore_ascii_case(name));
        for Modification { kind, attribute } in own {
            let values = &attribute.values;
            match kind {
                ChangeKind::Replace => is.clone_from(values),
                ChangeKind::Delete if values.is_empty() => is.clear(),
                ChangeKind::Delete => is.retain(|value| !values.contains(value)),
                ChangeKind::Add => {
                    let new = values.iter().filter(|value| !was.contains(value));
                    let again = values.iter().filter(|value| was.contains(value));
                    let lost: Vec<Bytes> = again.filter(|v| !is.contains(v)).cloned().collect();
                    is.extend(new.cloned());
                    is.extend(lost);
                }
                ChangeKind::Increment => {}
            }
        }
        let lacking = |of: &[Bytes], there: &[Bytes]| -> Vec<Bytes> {
            let lacks = |value: &&Bytes| !there.contains(value);
            of.iter().filter(lacks).cloned().collect()
        };
        for (kind, values) in [
            (ChangeKind::Delete, lacking(&is, was)),
            (ChangeKind::Add, lacking(was, &is)),
        ] {
            if !values.is_empty() {
                let attribute = Attribute {
                    name: Arc::clone(name),
                    values,
                };
                out.push(Modification::new(kind, attribute));
            }
        }
    }
    out
}

/// An attribute with more values is replaced as it is.
const MOST_VALUES: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    fn change(kind: ChangeKind, name: &str, values: &[&str]) -> Modification {
        let values = values.iter().map(|value| (*value).to_owned());
        Modification::new(kind, Attribute::many(name, values))
    }

    fn entry() -> Entry {
        Entry {
            dn: "uid=a,dc=x".to_owned(),
            attributes: vec![
                Attribute::many("title", ["old"]),
                Attribute::many("member", ["a", "b"]),
            ],
        }
    }

    #[test]
    fn what_was_sent_is_taken_back_value_by_value() {
        use ChangeKind::{Add, Delete, Replace};
        let sent = [
            change(Delete, "title", &["old"]),
            change(Add, "TITLE", &["new"]),
            change(Add, "member", &["b", "c"]),
            change(Delete, "member", &["a", "z"]),
            change(Replace, "sn", &["s"]),
        ];
        assert_eq!(
            back(&sent, &entry()),
            [
                change(Delete, "title", &["new"]),
                change(Add, "title", &["old"]),
                change(Delete, "member", &["c"]),
                change(Add, "member", &["a"]),
                change(Delete, "sn", &["s"]),
            ]
        );
        let nothing = [
            change(Delete, "title", &["old"]),
            change(Add, "title", &["old"]),
        ];
        assert_eq!(back(&nothing, &entry()), []);
    }
}
