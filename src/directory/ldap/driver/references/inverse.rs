//! The other way round: the groups that somebody is a member of, asked of the groups themselves.
//! That is one question for each entry and always true, whatever the server keeps in `memberOf`;
//! no group's members are read for it.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;

use super::super::Ldap;
use super::super::home::Home;
use super::resolve::{AT_A_TIME, all_of};
use super::{Pointed, Target};
use crate::directory::ldap::{Entry, Filter, Search};
use crate::directory::{Ask, DirectoryError};
use crate::ldap::layout::{By, Reference};

impl Ldap {
    /// The groups of entries, entry by entry.
    pub(super) async fn groups(
        &self,
        reference: &Reference,
        member: &str,
        entries: &[&Entry],
        ask: &Ask,
    ) -> Result<Vec<Pointed>, DirectoryError> {
        let mut all: Vec<Pointed> = entries.iter().map(|_| Pointed::default()).collect();
        for group in self.targets(reference) {
            let searches: Vec<Option<Search>> = entries
                .iter()
                .map(|entry| {
                    let values = group.pointing_at(member, entry);
                    let parts = values.into_iter().map(|value| Filter::equal(member, value));
                    let filter = Filter::Or(parts.collect());
                    let any = !matches!(&filter, Filter::Or(parts) if parts.is_empty());
                    let filter = group.exists().and(filter);
                    any.then(|| group.search(filter, group.telling(), 0))
                })
                .collect();
            let asked = searches.into_iter().enumerate().filter_map(|(at, search)| {
                let answer = all_of(&self.pool, search?, ask.deadline);
                Some(async move { (at, answer.await) })
            });
            let mut answers = stream::iter(asked).buffer_unordered(AT_A_TIME);
            while let Some((at, found)) = answers.next().await {
                let found = found?;
                let targets = found.iter().filter_map(|entry| group.target(entry));
                if let Some(pointed) = all.get_mut(at) {
                    pointed.targets.extend(targets.map(Arc::new));
                }
            }
        }
        for pointed in &mut all {
            pointed
                .targets
                .sort_by(|a: &Arc<Target>, b| a.id.cmp(&b.id));
        }
        Ok(all)
    }
}

impl Home {
    /// The values of `member` that point at an entry.
    fn pointing_at(&self, member: &str, entry: &Entry) -> Vec<Bytes> {
        let attribute = self.place.attribute(member);
        let reference = attribute.and_then(|attribute| attribute.reference.as_ref());
        match reference.map(|reference| &reference.by) {
            Some(By::Attribute(by)) => entry.values(by.as_str()).to_vec(),
            _ => vec![Bytes::from(entry.dn.clone())],
        }
    }
}
