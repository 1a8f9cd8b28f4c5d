//! Protected entries: whether one is, and whether the rule's filter can find any.

use super::home::Home;
use super::refusal;
use crate::directory::ldap::{Entry, LdapError, Pinned, Schema, Search};
use crate::directory::{Ask, DirectoryError, Finding};

impl Home {
    /// Whether the rule protects an entry that lies anywhere.
    pub(super) async fn protects(
        &self,
        pinned: &Pinned,
        entry: &Entry,
        ask: &Ask,
    ) -> Result<bool, DirectoryError> {
        let Some(protect) = &self.place.protect else {
            return Ok(false);
        };
        let id = entry.values(self.place.id.as_str()).first();
        let id = id.and_then(|id| self.shown_id(id));
        if id.is_none_or(|id| protect.ids.contains(&id.to_lowercase())) {
            return Ok(true);
        }
        let Some(filter) = &protect.filter else {
            return Ok(false);
        };
        let search = Search {
            filter: filter.clone(),
            ..Search::entry(super::find::name_of(entry)?, &[self.place.id.as_str()])
        };
        let found = pinned.one(search, ask.deadline).await;
        found.map(|entry| entry.is_some()).map_err(refusal::of_read)
    }

    /// What keeps the filter from protecting anybody.
    pub(super) async fn protection(
        &self,
        schema: &Schema,
        pinned: &Pinned,
        ask: &Ask,
        found: &mut Vec<Finding>,
    ) -> Result<(), DirectoryError> {
        let protect = self.place.protect.as_ref();
        let Some((filter, line)) =
            protect.and_then(|protect| Some((protect.filter.as_ref()?, protect.line)))
        else {
            return Ok(());
        };
        let unknown = |name: &&str| !schema.is_empty() && schema.attribute(name).is_none();
        if let Some(name) = filter.attributes().into_iter().find(unknown) {
            let text = format!(
                "the directory's schema has no attribute `{name}`, which `protect` asks about: it \
                 protects nobody by it"
            );
            let help = "correct the name, or load the schema that defines it";
            found.push(Finding::warning(line, name, text, help));
            return Ok(());
        }
        let filter = self.exists().and(filter.clone());
        let search = self.search(filter, vec![self.place.id.as_str().into()], 1);
        let mut some = pinned.search(search, &[], ask.deadline);
        let any = match some.next().await {
            Ok(first) => first.is_some(),
            Err(LdapError::Refused(_) | LdapError::Ambiguous) => false,
            Err(error) => return Err(refusal::of_read(error)),
        };
        if !any {
            let text = format!(
                "the filter of `protect` finds no `{}`: there is none to protect, or our account \
                 may not read what the filter asks about",
                self.place.resource
            );
            let help = "nothing needs to be done where there is none; else give the rule's account \
                        the right to read and search these attributes";
            found.push(Finding::note(line, "filter", text, help));
        }
        Ok(())
    }
}
