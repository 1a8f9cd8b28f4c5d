//! Where the resources of each type live, ready for questions: names and filters taken apart once.

use std::sync::Arc;

use crate::directory::ldap::{Filter, Pool};
use crate::ldap::layout::{Attribute, By, Flavor, Home as Place, Layout, Values};
use crate::scim::operation::Projection;
use crate::scim::{AttrName, AttrPath, ResourceType};

/// All types of a rule.
#[derive(Debug)]
pub(super) struct Homes {
    flavor: Flavor,
    keeps_references: bool,
    keeps_unique: bool,
    keeps_memberships: bool,
    homes: Vec<Home>,
}

/// Where the resources of one type live.
#[derive(Debug)]
pub(super) struct Home {
    /// As the rule says.
    pub(super) place: Place,
    /// What kind of server it is.
    pub(super) flavor: Flavor,
    /// What else of an entry must be asked for by who wants its groups: what these point at it by,
    /// with the attribute that shows them.
    beside: Vec<(AttrName, Arc<str>)>,
    /// Where it is asked which server it is that counts.
    pool: Option<Arc<Pool>>,
}

/// The operational attributes that become `meta`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamps {
    /// When the entry was made.
    pub(super) created: &'static str,
    /// When it was changed last.
    pub(super) modified: &'static str,
    /// What is another after every change, where the server has such a thing.
    pub(super) version: Option<&'static str>,
    /// Whether each server counts that for itself.
    pub(super) is_own: bool,
}

impl Homes {
    pub(super) fn of(layout: Layout, pool: Option<&Arc<Pool>>) -> Self {
        let flavor = layout.flavor;
        let beside: Vec<_> = layout
            .types
            .iter()
            .map(|place| beside(place, &layout))
            .collect();
        let homes = layout.types.into_iter().zip(beside);
        let homes = homes.map(|(place, beside)| Home {
            place,
            flavor,
            beside,
            pool: pool.cloned(),
        });
        Self {
            flavor,
            keeps_references: layout.keeps_references,
            keeps_unique: layout.keeps_unique,
            keeps_memberships: layout.keeps_memberships,
            homes: homes.collect(),
        }
    }

    /// What they were made of.
    pub(super) fn layout(&self) -> Layout {
        Layout {
            flavor: self.flavor,
            keeps_references: self.keeps_references,
            keeps_unique: self.keeps_unique,
            keeps_memberships: self.keeps_memberships,
            types: self.homes.iter().map(|home| home.place.clone()).collect(),
        }
    }

    pub(super) fn get(&self, resource: &ResourceType) -> Option<&Home> {
        self.homes
            .iter()
            .find(|home| home.place.resource == *resource)
    }

    /// All of them.
    pub(super) fn all(&self) -> &[Home] {
        &self.homes
    }

    /// Whether the server itself keeps references right.
    pub(super) fn keeps_references(&self) -> bool {
        self.keeps_references
    }

    /// Whether the server itself refuses a unique value that is taken.
    pub(super) fn keeps_unique(&self) -> bool {
        self.keeps_unique
    }

    /// Whether entries tell of what groups they are members.
    pub(super) fn keeps_memberships(&self) -> bool {
        self.keeps_memberships || self.flavor == Flavor::ActiveDirectory
    }

    /// What kind of server the rule is written for.
    pub(super) fn flavor(&self) -> Flavor {
        self.flavor
    }

    /// The attributes that filters may name, of all types.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.homes.iter().flat_map(|home| {
            let stamps = home.stamps();
            let own = [stamps.created, stamps.modified, "memberOf"];
            let named = home.place.attributes.iter();
            let protect = home.place.protect.as_ref();
            let protect = protect.and_then(|protect| protect.filter.as_ref());
            let protect = protect.into_iter().flat_map(|filter| filter.attributes());
            let named = named.map(|a| a.name.as_str());
            own.into_iter().chain(named).chain(protect)
        })
    }

    /// Whether entries have versions that a write can be held to.
    pub(super) fn has_versions(&self) -> bool {
        Stamps::of(self.flavor).version.is_some()
    }
}

impl Home {
    /// The filter that finds what exists for this tenant.
    pub(super) fn exists(&self) -> Filter {
        self.place.filter.clone()
    }

    /// The filter that finds one resource; `None` where the text can be nobody's id.
    pub(super) fn is(&self, id: &str) -> Option<Filter> {
        let bytes = self.place.id_form.write(id)?;
        let own = Filter::equal(self.place.id.as_str(), bytes);
        Some(self.exists().and(own))
    }

    pub(super) fn stamps(&self) -> Stamps {
        Stamps::of(self.flavor)
    }

    /// The name by which the server in use tells itself from others that count on their own.
    pub(super) fn server(&self) -> Option<String> {
        self.pool.as_ref()?.offers()?.own_name.clone()
    }

    /// The attributes to ask for so that an answer can have what is wanted: names of the rule, the
    /// id, and what becomes `meta`.
    pub(super) fn wanted(&self, projection: &Projection) -> Vec<Arc<str>> {
        let stamps = self.stamps();
        let mut names: Vec<Arc<str>> = vec![self.place.id.as_str().into()];
        names.extend([stamps.created, stamps.modified].map(Arc::from));
        names.extend(stamps.version.map(Arc::from));
        for attribute in self.place.attributes.iter().filter(|a| is_read(a)) {
            let name = attribute.name.as_str();
            if is_wanted(projection, name) && !names.iter().any(|n| n.eq_ignore_ascii_case(name)) {
                names.push(name.into());
            }
        }
        for (shown, beside) in &self.beside {
            if is_wanted(projection, shown.as_str())
                && !names.iter().any(|n| n.eq_ignore_ascii_case(beside))
            {
                names.push(Arc::clone(beside));
            }
        }
        names
    }

    /// Whether the answer to a change must not carry everything: groups may be huge.
    pub(super) fn is_group(&self) -> bool {
        self.place.attributes.iter().any(|attribute| {
            attribute.values == Values::Many
                && attribute
                    .reference
                    .as_ref()
                    .is_some_and(|reference| !matches!(reference.by, By::Inverse(_)))
        })
    }

    /// The id as clients see it.
    pub(super) fn shown_id(&self, bytes: &[u8]) -> Option<String> {
        self.place.id_form.read(bytes)
    }
}

impl Stamps {
    fn of(flavor: Flavor) -> Self {
        match flavor {
            Flavor::OpenLdap => Self {
                created: "createTimestamp",
                modified: "modifyTimestamp",
                version: Some("entryCSN"),
                is_own: false,
            },
            Flavor::Ds389 => Self {
                created: "createTimestamp",
                modified: "modifyTimestamp",
                version: None,
                is_own: false,
            },
            Flavor::ActiveDirectory => Self {
                created: "whenCreated",
                modified: "whenChanged",
                version: Some("uSNChanged"),
                is_own: true,
            },
        }
    }
}

/// What must be asked for with the attributes that show somebody's groups.
fn beside(place: &Place, layout: &Layout) -> Vec<(AttrName, Arc<str>)> {
    let mut all = Vec::new();
    for attribute in &place.attributes {
        let Some(reference) = &attribute.reference else {
            continue;
        };
        let mut push = |name: &str| all.push((attribute.name.clone(), Arc::from(name)));
        if let By::Inverse(member) = &reference.by {
            let groups = reference.to.iter().filter_map(|to| layout.home(to));
            let members = groups.filter_map(|group| group.attribute(member.as_str()));
            for reference in members.filter_map(|member| member.reference.as_ref()) {
                if let By::Attribute(by) = &reference.by {
                    push(by.as_str());
                }
            }
        }
        if layout.flavor == Flavor::ActiveDirectory && attribute.name.is("memberOf") {
            ["primaryGroupID", "objectSid"].into_iter().for_each(push);
        }
    }
    all
}

/// Whether an entry has it, and it may be seen.
pub(super) fn is_read(attribute: &Attribute) -> bool {
    let inverse = attribute.reference.as_ref();
    let inverse = inverse.is_some_and(|reference| matches!(reference.by, By::Inverse(_)));
    attribute.secret.is_none() && !inverse
}

/// Whether a projection wants an attribute.
pub(super) fn is_wanted(projection: &Projection, name: &str) -> bool {
    let names = |paths: &[AttrPath]| paths.iter().any(|path| path.name.is(name));
    match projection {
        Projection::All => true,
        Projection::Only(paths) => names(paths),
        Projection::Except(paths) => !paths.iter().any(|p| p.name.is(name) && p.sub.is_none()),
    }
}
