//! Entries for a rehearsal that was given none: one that could be there, for every id that is looked
//! for, and the counters of the rule. What else such an entry has, nobody knows.

use std::sync::Arc;

use bytes::Bytes;

use super::tree::{Known, named, slot};
use crate::directory::ldap::request::{Scope, Search};
use crate::directory::ldap::response::Entry;
use crate::ldap::dn::Dn;
use crate::ldap::filter::Filter;
use crate::ldap::id::IdForm;
use crate::ldap::layout::{Container, Disable, Flavor, Home, Layout, Made, OnDelete};

/// The type that a search looks among, and the ids that it looks for.
pub(super) fn sought<'l>(layout: &'l Layout, search: &Search) -> Option<(&'l Home, Vec<Bytes>)> {
    if search.scope == Scope::Base {
        return None;
    }
    let mut homes = layout.types.iter();
    // Two types may share a base: the filter tells them apart.
    let home = homes
        .find(|home| home.base.is_same(&search.base) && contains(&search.filter, &home.filter))?;
    let mut ids = Vec::new();
    positive(&search.filter, &mut |name, value| {
        if home.id.is(name) {
            ids.push(value.clone());
        }
    });
    Some((home, ids))
}

/// An entry that could have the id. `number` tells it from others.
pub(super) fn someone(layout: &Layout, home: &Home, id: &Bytes, number: usize) -> Option<Known> {
    let is_group = home.attributes.iter().all(|a| !a.name.is("sn"));
    let who = if is_group { "some group" } else { "someone" };
    let name = match number {
        0 | 1 => who.to_owned(),
        number => format!("{who} {number}"),
    };
    let account = name.replace(' ', "-");
    let rdn = home.create.as_ref().map_or("cn", |c| c.rdn.as_str());
    let above = match home.create.as_ref().map(|create| &create.container) {
        Some(Container::Fixed(dn)) => dn,
        Some(Container::Chosen { otherwise, .. }) => otherwise,
        None => &home.base,
    };
    let own = |attribute: &str| {
        let is = |name: &str| attribute.eq_ignore_ascii_case(name);
        if is("userPrincipalName") {
            format!("{account}@{}", domain(&home.base))
        } else if is("cn") || is("sn") || is("displayName") {
            name.clone()
        } else {
            account.clone()
        }
    };
    let dn = above.child(rdn, own(rdn))?;
    let mut entry = Entry {
        dn: dn.to_string(),
        attributes: Vec::new(),
    };
    let mut set = |name: &str, value: Bytes| {
        let attribute = slot(&mut entry, name);
        if !attribute.values.contains(&value) {
            attribute.values.push(value);
        }
    };
    positive(&home.filter, &mut |name, value| set(name, value.clone()));
    let classes = home.create.iter().flat_map(|c| &c.object_classes);
    classes.for_each(|class| set("objectClass", class.clone().into()));
    set(rdn, own(rdn).into());
    for attribute in &home.attributes {
        let name = attribute.name.as_str();
        let usual = ["cn", "sn", "userPrincipalName", "sAMAccountName"];
        let usual = usual.iter().any(|usual| attribute.name.is(usual));
        let known = usual || attribute.unique;
        if attribute.name.is("userAccountControl") {
            set(name, Bytes::from_static(b"512"));
        } else if known
            && attribute.reference.is_none()
            && attribute.secret.is_none()
            && !attribute.name.is(rdn)
        {
            set(name, own(name).into());
        }
    }
    if let OnDelete::Keep { disable, .. } = &home.on_delete {
        for one in disable {
            if let Disable::Bits { attribute, .. } = one
                && !attribute.is("userAccountControl")
            {
                set(attribute.as_str(), Bytes::from_static(b"0"));
            }
        }
    }
    set(home.id.as_str(), id.clone());
    stamp(layout.flavor, 0, &mut |name, value| set(name, value), true);
    Some(Known {
        dn,
        entry,
        made_up: true,
    })
}

/// The counter of that name, at its beginning.
pub(super) fn counter(layout: &Layout, dn: &Dn) -> Option<Known> {
    let attributes = layout.types.iter().flat_map(|home| &home.attributes);
    let (low, attribute) = attributes
        .filter_map(|attribute| match &attribute.made {
            Some(Made::Allocate {
                low,
                counter,
                attribute,
                ..
            }) if counter.is_same(dn) => Some((*low, attribute)),
            _ => None,
        })
        .next()?;
    let mut entry = Entry {
        dn: dn.to_string(),
        attributes: Vec::new(),
    };
    slot(&mut entry, attribute.as_str()).values = vec![low.to_string().into()];
    named(&mut entry, dn.rdn());
    Some(Known {
        dn: dn.clone(),
        entry,
        made_up: true,
    })
}

/// An id that no real entry has.
pub(super) fn id(form: IdForm, number: u64) -> Option<Bytes> {
    let text = match form {
        IdForm::Uuid | IdForm::Guid => format!("00000000-0000-4000-8000-{number:012x}"),
        IdForm::NsUniqueId => format!("00000000-00000000-00000000-{number:08x}"),
        // It is one of the entry's own values.
        IdForm::Text => return None,
    };
    form.write(&text).map(Bytes::from)
}

/// The category that Active Directory gives a new entry, where the rule looks for it.
pub(super) fn category(home: &Home, flavor: Flavor) -> Option<Bytes> {
    let mut found = None;
    positive(&home.filter, &mut |name, value| {
        if name.eq_ignore_ascii_case("objectCategory") {
            found = Some(value.clone());
        }
    });
    found.filter(|_| flavor == Flavor::ActiveDirectory)
}

/// What an id looks like.
pub(super) fn example(form: IdForm) -> &'static str {
    match form {
        IdForm::Uuid | IdForm::Guid => "597ae2f6-16a6-1027-98f4-d28b5365dc14",
        IdForm::NsUniqueId => "66446001-1dd211b2-80a6a700-00000000",
        IdForm::Text => "any text",
    }
}

/// What a server keeps of an entry after so many changes.
pub(super) fn stamp(flavor: Flavor, changes: u64, set: &mut impl FnMut(&str, Bytes), is_new: bool) {
    let (created, modified, at) = match flavor {
        Flavor::ActiveDirectory => ("whenCreated", "whenChanged", "20000101000000.0Z"),
        Flavor::OpenLdap | Flavor::Ds389 => {
            ("createTimestamp", "modifyTimestamp", "20000101000000Z")
        }
    };
    if is_new {
        set(created, at.into());
    }
    set(modified, at.into());
    if flavor == Flavor::OpenLdap {
        let csn = format!("20000101000000.{changes:06}Z#000000#000#000000");
        set("entryCSN", csn.into());
    }
}

/// Every `attribute=value` that must hold; of alternatives the first, except of one attribute.
fn positive(filter: &Filter, saw: &mut impl FnMut(&str, &Bytes)) {
    match filter {
        Filter::And(all) => all.iter().for_each(|one| positive(one, saw)),
        Filter::Or(all) => {
            let mut names = all.iter().map(|one| match one {
                Filter::Equal(name, _) => Some(name.to_ascii_lowercase()),
                _ => None,
            });
            let first = names.next().flatten();
            if first.is_some() && names.all(|name| name == first) && all.len() > 1 {
                all.iter().for_each(|one| positive(one, saw));
            } else if let Some(one) = all.first() {
                positive(one, saw);
            }
        }
        Filter::Equal(name, value) => saw(name, value),
        Filter::Substrings(name, pieces) => {
            let initial = pieces.initial.iter();
            let parts = initial.chain(&pieces.any).chain(&pieces.last);
            let whole: Vec<u8> = parts.flatten().copied().collect();
            saw(name, &whole.into());
        }
        Filter::Not(_)
        | Filter::AtLeast(..)
        | Filter::AtMost(..)
        | Filter::Present(_)
        | Filter::About(..)
        | Filter::Rule(_) => {}
    }
}

/// Whether a filter is the other, or has all its parts.
fn contains(filter: &Filter, part: &Filter) -> bool {
    let parts = |filter: &Filter| match filter {
        Filter::And(all) => all.clone(),
        one => vec![one.clone()],
    };
    let all = parts(filter);
    filter == part || parts(part).iter().all(|one| all.contains(one))
}

/// The domain that a name's `dc` parts make.
fn domain(dn: &Dn) -> String {
    let mut labels: Vec<String> = Vec::new();
    let mut at = Some(dn.clone());
    while let Some(here) = at {
        let pairs = here.rdn().into_iter().flat_map(|rdn| {
            let pairs = rdn
                .pairs()
                .filter(|(name, _)| name.eq_ignore_ascii_case("dc"));
            pairs.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
        });
        labels.extend(pairs.collect::<Vec<_>>());
        at = here.parent();
    }
    if labels.is_empty() {
        "example.com".to_owned()
    } else {
        labels.join(".")
    }
}

/// The root entry of a server of that kind, with what such servers offer.
pub(super) fn root(flavor: Flavor) -> Entry {
    use crate::directory::ldap::control::{
        ASSERTION, MANAGE_DSA_IT, PAGED, PERMISSIVE, POST_READ, PRE_READ, SORT, VIRTUAL_LIST,
    };
    use crate::directory::ldap::offers::{ACTIVE_DIRECTORY, INCREMENT};
    use crate::directory::ldap::request::{Attribute, PASSWORD_MODIFY, WHO_AM_I};
    let (own, controls): (Attribute, &[&'static str]) = match flavor {
        Flavor::OpenLdap => (
            Attribute::one("objectClass", "OpenLDAProotDSE"),
            &[PAGED, PRE_READ, POST_READ, ASSERTION, MANAGE_DSA_IT],
        ),
        Flavor::Ds389 => (
            Attribute::one("vendorName", "389 Project"),
            &[
                PAGED,
                PRE_READ,
                POST_READ,
                SORT,
                VIRTUAL_LIST,
                MANAGE_DSA_IT,
            ],
        ),
        Flavor::ActiveDirectory => (
            Attribute::one("supportedCapabilities", ACTIVE_DIRECTORY),
            &[PAGED, PERMISSIVE, SORT, VIRTUAL_LIST],
        ),
    };
    let mut attributes = vec![
        own,
        Attribute::many("supportedControl", controls.iter().copied()),
    ];
    if flavor != Flavor::ActiveDirectory {
        let extensions = [PASSWORD_MODIFY, WHO_AM_I];
        attributes.push(Attribute::many("supportedExtension", extensions));
    }
    if flavor == Flavor::OpenLdap {
        attributes.push(Attribute::one("supportedFeatures", INCREMENT));
    }
    Entry {
        dn: String::new(),
        attributes,
    }
}

/// A name for an attribute of a search.
pub(super) fn names<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<Arc<str>> {
    names.into_iter().map(Arc::from).collect()
}
