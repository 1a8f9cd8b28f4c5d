//! The rule against the directory itself: does its schema know what the rule names, are the places
//! there, may we read them, and does it keep unique what must be. Nothing is written.

mod memberships;
mod schema;
mod unique;

use super::Ldap;
use super::find::name_of;
use super::home::Home;
use super::refusal;
use crate::directory::ldap::{Code, Dn, Entry, LdapError, Offers, Pinned, Product, Search};
use crate::directory::{Ask, DirectoryError, Finding};
use crate::ldap::layout::{Container, Flavor, OnDelete};

impl Ldap {
    /// What does not fit, in the order of the rule's lines.
    pub(super) async fn look(&self, ask: &Ask) -> Result<Vec<Finding>, DirectoryError> {
        let schema = self.pool.schema(ask.deadline).await;
        let schema = known(schema)?.unwrap_or_default();
        let pinned = self.pool.pinned(ask.deadline).await;
        let pinned = pinned.map_err(refusal::of_read)?;
        let mut found = Vec::new();
        offered(self.homes.flavor(), pinned.offers(), &mut found);
        if schema.is_empty() {
            let text = "the directory does not tell its schema, so nothing could be compared, and \
                        filters that it cannot answer are not known";
            let help = "let the rule's account read the entry that `subschemaSubentry` of the root \
                        entry names";
            found.push(Finding::note(1, "flavor", text.to_owned(), help));
        }
        for home in self.homes.all() {
            places(home, &pinned, ask, &mut found).await?;
            sample(home, &pinned, ask, &mut found).await?;
            if !schema.is_empty() {
                schema::compare(home, &schema, &mut found);
            }
            home.protection(&schema, &pinned, ask, &mut found).await?;
            unique::proved(home, &pinned, ask, &mut found).await?;
        }
        memberships::agree(&self.homes, &pinned, ask, &mut found).await?;
        found.sort_by_key(|finding| finding.line);
        Ok(found)
    }
}

/// What the server is and can do.
fn offered(flavor: Flavor, offers: &Offers, found: &mut Vec<Finding>) {
    let (written, expected) = match flavor {
        Flavor::OpenLdap => ("openldap", Product::OpenLdap),
        Flavor::Ds389 => ("389ds", Product::Ds389),
        Flavor::ActiveDirectory => ("active-directory", Product::ActiveDirectory),
    };
    let real = match offers.product {
        Product::OpenLdap => "openldap",
        Product::Ds389 => "389ds",
        Product::ActiveDirectory => "active-directory",
        Product::Other => written,
    };
    if offers.product != Product::Other && offers.product != expected {
        let text = format!("the rule is written for `{written}`, and this directory is `{real}`");
        let help = "ids, times, passwords and disabling differ: start from the rule shipped for it";
        found.push(Finding::warning(1, "flavor", text, help));
    }
    if !offers.post_read {
        let text = "a write does not tell what the entry is afterwards (no post-read control, \
                    RFC 4527), so each is followed by a read";
        let help = "nothing needs to be done: writes take one operation more";
        found.push(Finding::note(1, "flavor", text.to_owned(), help));
    }
    if !offers.assertion {
        let text = "the directory does not hold a write to a version by itself (no assertion \
                    control, RFC 4528)";
        let help = "nothing needs to be done: postern holds it by the values that it replaces, and \
                    docs/ldap.md says what may slip through";
        found.push(Finding::note(1, "flavor", text.to_owned(), help));
    }
}

/// The places that a type names.
async fn places(
    home: &Home,
    pinned: &Pinned,
    ask: &Ask,
    found: &mut Vec<Finding>,
) -> Result<(), DirectoryError> {
    let place = &home.place;
    let mut named: Vec<(&Dn, &str)> = vec![(&place.base, "base")];
    match place.create.as_ref().map(|create| &create.container) {
        Some(Container::Fixed(dn)) => named.push((dn, "in")),
        Some(Container::Chosen {
            values, otherwise, ..
        }) => {
            named.extend(values.iter().map(|(_, dn)| (dn, "values")));
            named.push((otherwise, "otherwise"));
        }
        None => {}
    }
    if let OnDelete::Keep {
        move_to: Some(dn), ..
    } = &place.on_delete
    {
        named.push((dn, "move_to"));
    }
    let mut seen: Vec<&Dn> = Vec::new();
    for (dn, key) in named {
        if dn.is_root() || seen.iter().any(|known| known.is_same(dn)) {
            continue;
        }
        seen.push(dn);
        let search = Search::entry(dn.clone(), &["objectClass"]);
        let told = match pinned.one(search, ask.deadline).await {
            Ok(Some(_)) => continue,
            Ok(None) => Code::NO_SUCH_OBJECT,
            Err(LdapError::Refused(result)) => result.code,
            Err(error) => return Err(refusal::of_read(error)),
        };
        let (text, help) = match told {
            Code::NO_SUCH_OBJECT => (
                format!("`{dn}` does not exist, or our account may not see it"),
                "make the entry, correct the name, or give the rule's account the right to read it",
            ),
            Code::INSUFFICIENT_ACCESS_RIGHTS => (
                format!("our account may not read `{dn}`"),
                "give the account of the rule's `bind` the right to read it",
            ),
            Code::REFERRAL => (
                format!("`{dn}` lies in another server"),
                "name in `urls` a server that holds it",
            ),
            code => (
                format!("`{dn}` cannot be read: {code}"),
                "see what the directory's log says of it",
            ),
        };
        found.push(Finding::warning(place.line, key, text, help));
    }
    Ok(())
}

/// Whether what exists can be found and told apart.
async fn sample(
    home: &Home,
    pinned: &Pinned,
    ask: &Ask,
    found: &mut Vec<Finding>,
) -> Result<(), DirectoryError> {
    let id = home.place.id.as_str();
    let search = home.search(home.exists(), vec![id.into()], 1);
    let mut entries = pinned.search(search, &[], ask.deadline);
    let first: Option<Entry> = known(entries.next().await)?.flatten();
    let Some(entry) = first else {
        let text = format!(
            "no `{}` is found below `base` by `filter`",
            home.place.resource
        );
        let help = "nothing needs to be done where there is none yet; else correct the filter, or \
                    give the rule's account the right to read and search what it asks about";
        found.push(Finding::note(home.place.line, "filter", text, help));
        return Ok(());
    };
    if entry.values(id).is_empty() && name_of(&entry).is_ok() {
        let text = format!("an entry has no `{id}` that our account may read, so it has no id");
        let help = "give the account of the rule's `bind` the right to read it, or name another \
                    attribute as `id`";
        let line = home.place.line;
        found.push(Finding::warning(line, "id", text, help));
    }
    Ok(())
}

/// The outcome of a question, `None` where the directory does not answer it.
fn known<T>(outcome: Result<T, LdapError>) -> Result<Option<T>, DirectoryError> {
    match outcome {
        Ok(answer) => Ok(Some(answer)),
        Err(LdapError::Refused(_) | LdapError::Ambiguous) => Ok(None),
        Err(error) => Err(refusal::of_read(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_server_than_the_rule_means_is_told() {
        let mut found = Vec::new();
        let offers = Offers {
            product: Product::Ds389,
            post_read: true,
            assertion: true,
            ..Offers::default()
        };
        offered(Flavor::Ds389, &offers, &mut found);
        assert_eq!(found, []);
        offered(Flavor::OpenLdap, &offers, &mut found);
        let text = "the rule is written for `openldap`, and this directory is `389ds`";
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].message, text);
        // One that does not say what it is may be anything.
        found.clear();
        offered(Flavor::OpenLdap, &Offers::default(), &mut found);
        assert!(
            found
                .iter()
                .all(|f| f.weight == crate::directory::Weight::Note)
        );
        assert_eq!(found.len(), 2);
    }
}
