//! Questions about references: who points to this one.

use bytes::Bytes;

use super::super::Ldap;
use super::super::home::Home;
use super::super::refusal;
use super::name;
use crate::directory::ldap::{Filter, Scope, Search};
use crate::directory::{Ask, DirectoryError};
use crate::ldap::layout::{By, Flavor, Reference};
use crate::scim::ScimType;

impl Ldap {
    /// Those whose attribute points to what has the id.
    pub(in super::super) async fn pointing(
        &self,
        home: &Home,
        name: &str,
        reference: &Reference,
        id: &str,
        ask: &Ask,
    ) -> Result<Filter, DirectoryError> {
        if let By::Inverse(member) = &reference.by {
            return self
                .members_of(home, reference, member.as_str(), id, ask)
                .await;
        }
        if reads_member_of(home, name) {
            return self.in_group(reference, name, id, ask).await;
        }
        let found = self.names(reference, &[id], ask).await?;
        let value = found.into_values().next();
        Ok(value.map_or_else(nobody, |value| Filter::equal(name, value)))
    }

    /// Those who point to anything at all.
    pub(in super::super) fn pointing_anywhere(
        &self,
        name: &str,
        reference: &Reference,
    ) -> Result<Filter, DirectoryError> {
        if matches!(reference.by, By::Inverse(_)) {
            return if self.homes.keeps_memberships() {
                Ok(Filter::present("memberOf"))
            } else {
                Err(DirectoryError::Declined {
                    scim_type: ScimType::InvalidFilter,
                    why: "the directory cannot be asked who is in any group",
                })
            };
        }
        let present = Filter::present(name);
        Ok(match &reference.placeholder {
            // It goes when the first real one comes.
            Some(placeholder) => {
                let stands_in = Filter::equal(name, placeholder.to_string());
                present.and(Filter::Not(Box::new(stands_in)))
            }
            None => present,
        })
    }

    /// Those whom one group has as members.
    async fn members_of(
        &self,
        home: &Home,
        reference: &Reference,
        member: &str,
        id: &str,
        ask: &Ask,
    ) -> Result<Filter, DirectoryError> {
        for group in self.targets(reference) {
            let Some(filter) = group.is(id) else { continue };
            let by = group.place.attribute(member);
            let by = by.and_then(|attribute| attribute.reference.as_ref());
            let by = by.map_or(&By::Dn, |reference| &reference.by);
            // `memberOf` of 389 DS tells of the groups that its groups are in as well.
            let direct = *by == By::Dn && home.flavor != Flavor::Ds389;
            let tells = direct && self.homes.keeps_memberships();
            let wanted = if tells {
                Vec::new()
            } else {
                vec![member.into()]
            };
            let found = self.pool.one(group.search(filter, wanted, 2), ask.deadline);
            let Some(entry) = found.await.map_err(refusal::of_read)? else {
                continue;
            };
            if tells {
                return Ok(Filter::equal("memberOf", entry.dn));
            }
            let values = entry.values(member);
            if values.len() > MOST {
                return Err(DirectoryError::Declined {
                    scim_type: ScimType::TooMany,
                    why: "the group has more than 5000 members, and the directory does not say of \
                          people in what groups they are: ask for the group's members",
                });
            }
            let parts: Vec<Filter> = match by {
                By::Attribute(by) => {
                    let values = values.iter();
                    values
                        .map(|value| Filter::equal(by.as_str(), value.clone()))
                        .collect()
                }
                By::Dn | By::Inverse(_) => self.ids_of(home, member, values, ask).await?,
            };
            return Ok(Filter::Or(parts));
        }
        Ok(nobody())
    }

    /// Entries of the type, by their names, as questions after their ids.
    async fn ids_of(
        &self,
        home: &Home,
        member: &str,
        values: &[Bytes],
        ask: &Ask,
    ) -> Result<Vec<Filter>, DirectoryError> {
        let own = home.place.id.as_str();
        let within = values.iter().filter_map(|value| name::dn(member, value));
        let searches = within
            .filter(|dn| dn.is_within(&home.place.base))
            .map(|dn| Search {
                base: dn,
                scope: Scope::Base,
                ..home.search(home.exists(), vec![own.into()], 1)
            });
        let mut parts = Vec::new();
        for entry in self.every_there(searches.collect(), ask).await? {
            let id = entry.values(own).first();
            parts.extend(id.map(|id| Filter::equal(own, id.clone())));
        }
        Ok(parts)
    }

    /// Those who say that they are in a group; in Active Directory also those whose first group it
    /// is, who do not say so.
    async fn in_group(
        &self,
        reference: &Reference,
        name: &str,
        id: &str,
        ask: &Ask,
    ) -> Result<Filter, DirectoryError> {
        for group in self.targets(reference) {
            let Some(filter) = group.is(id) else { continue };
            let search = group.search(filter, vec!["objectSid".into()], 2);
            let found = self.pool.one(search, ask.deadline).await;
            let Some(entry) = found.map_err(refusal::of_read)? else {
                continue;
            };
            let first = entry.values("objectSid").first();
            let first = first.and_then(|sid| super::primary::number(sid));
            let mut parts = vec![Filter::equal(name, entry.dn.clone())];
            parts.extend(first.map(|number| Filter::equal("primaryGroupID", number.to_string())));
            return Ok(Filter::Or(parts));
        }
        Ok(nobody())
    }
}

/// Whether an attribute tells the groups of somebody in Active Directory.
pub(super) fn reads_member_of(home: &Home, name: &str) -> bool {
    home.flavor == Flavor::ActiveDirectory && name.eq_ignore_ascii_case("memberOf")
}

fn nobody() -> Filter {
    Filter::Or(Vec::new())
}

/// Of a larger group the members are not asked for one by one.
const MOST: usize = 5000;
