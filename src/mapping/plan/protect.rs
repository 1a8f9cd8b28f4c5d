//! What a write does to a protected resource, and how to ask the directory which resources are
//! protected (decisions, 41). What is asked is decided here, in the gateway it is asked.

mod ldap;

use std::collections::HashSet;

use serde_json::Value;

use super::harm::{MEMBERS, is_of, members};
use super::{Effect, MappingError, Plan};
use crate::mapping::compile::{Line, Type, is_secret};
use crate::mapping::kind::Pushed;
use crate::mapping::place::is_absent;
use crate::mapping::ruleset::{Direction, Harm, ProtectRule};
use crate::scim::filter::{CompareOp, Comparison, Filter};
use crate::scim::operation::{Abilities, Document, Projection, Verb};
use crate::scim::query::Query;
use crate::scim::{
    AttrName, AttrPath, Client, Operation, PatchPath, Resource, ResourceType, Upstream, resource,
};

pub use ldap::Membership;

/// What a write does that a protected resource does not suffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Touched {
    /// It is deleted.
    Deleted,
    /// It is disabled.
    Disabled,
    /// It gets another name.
    Renamed,
    /// It goes to another place in the directory.
    Moved,
    /// It gets, or loses, a password or another thing to prove itself with.
    Credentials,
    /// Its members are others afterwards.
    Members,
    /// It is what it is protected for no more.
    Unprotected,
}

/// Which resources are looked for. Ids are those that clients see.
#[derive(Debug, Clone, Copy)]
pub enum Search<'a> {
    /// Those with one of these ids.
    Ids(&'a [String]),
    /// Those that have one of these among their members.
    Having(&'a [String]),
    /// All.
    All,
}

/// How to look for them.
#[derive(Debug)]
pub enum Question {
    /// By asking this; the page that follows has another `start_index`.
    Ask(Box<Operation<Upstream>>),
    /// Not at all: there are none.
    Nothing,
    /// The directory cannot be asked so.
    Unaskable,
}

impl Plan {
    /// Whether any resource of the tenant is protected.
    #[must_use]
    pub fn protects(&self) -> bool {
        self.types.iter().any(|ty| ty.protect.is_some())
    }

    /// What is protected of a type.
    #[must_use]
    pub fn protection(&self, resource: &ResourceType) -> Option<&ProtectRule> {
        self.ty(resource)?.protect.as_ref()
    }

    /// The types of which some are protected.
    pub fn protected_types(&self) -> impl Iterator<Item = &ResourceType> {
        let protected = self.types.iter().filter(|ty| ty.protect.is_some());
        protected.map(|ty| &ty.held.name)
    }

    /// The types that have members.
    pub fn group_types(&self) -> impl Iterator<Item = &ResourceType> {
        let groups = self.types.iter().filter(|ty| has_members(ty));
        groups.map(|ty| &ty.held.name)
    }

    /// Whether some of the types that have members are protected.
    #[must_use]
    pub fn protects_groups(&self) -> bool {
        let mut groups = self.types.iter().filter(|ty| has_members(ty));
        groups.any(|ty| ty.protect.is_some())
    }

    /// Whether resources of the type can be members of something. A rule that fixes the type of
    /// members (`element: {type: User}`) leaves others out: ids of several types may be alike.
    #[must_use]
    pub fn may_belong(&self, resource: &ResourceType) -> bool {
        let groups = self.types.iter().filter(|ty| has_members(ty));
        let mut lines = groups.flat_map(|ty| &ty.lines).filter(|line| {
            let place = line.scim.as_ref();
            place.is_some_and(|place| place.uri.is_none() && place.name.is(MEMBERS))
        });
        let fixed = |line: &Line| {
            let constants = &line.kind.touches().constants;
            let (_, value) = constants.iter().find(|(name, _)| name.is("type"))?;
            value.as_str().map(str::to_owned)
        };
        let admits = |line: &Line| {
            fixed(line).is_none_or(|only| only.eq_ignore_ascii_case(resource.as_str()))
        };
        let mut any = false;
        lines.any(|line| {
            any = true;
            admits(line)
        }) || !any
    }

    /// Whether it takes the present resource to tell what the operation does to what is protected.
    #[must_use]
    pub fn protection_looks(&self, operation: &Operation<Client>) -> bool {
        let Some(ty) = self.ty(&operation.resource) else {
            return false;
        };
        let own = ty.protect.is_some();
        let group = || has_members(ty) && self.protects();
        match &operation.verb {
            Verb::Delete(_) => own,
            Verb::Replace(..) => own || group(),
            // The directory is asked, just before the write.
            Verb::Patch(_, patch) if ldap::lets_in_and_out(ty, &patch.changes) => false,
            Verb::Patch(_, patch) if ldap::touches_nothing(ty, &patch.changes) => false,
            Verb::Patch(_, patch) => {
                own || (patch.changes.iter().any(|c| is_of(c, MEMBERS)) && group())
            }
            Verb::Create(_) | Verb::Read(_) | Verb::List(_) => false,
        }
    }

    /// Whether a resource in the directory's words is protected, as far as that is told here: where
    /// the directory is asked ([`Plan::asks_who_is_protected`]), by its id alone.
    #[must_use]
    pub fn is_protected(&self, resource: &ResourceType, held: &Resource) -> bool {
        let Some(ty) = self.ty(resource) else {
            return false;
        };
        let named = |rule: &ProtectRule| self.own_id(ty, held).is_some_and(|id| rule.names(&id));
        let rule = ty.protect.as_ref();
        rule.is_some_and(|rule| rule.matches(held) || named(rule))
    }

    /// What the write does to a resource that is protected; nothing that it may not.
    #[must_use]
    pub fn touched(&self, operation: &Operation<Upstream>, effect: &Effect) -> Option<Touched> {
        let ty = self.ty(&operation.resource)?;
        let (Some(next), Some(becomes)) = (&effect.next, &effect.becomes) else {
            return Some(Touched::Deleted);
        };
        let rule = ty.protect.as_ref()?;
        let renamed = || {
            let names = names(ty).into_iter();
            names.into_iter().any(|name| {
                effect.present.attr(name).filter(|v| !is_absent(v))
                    != next.attr(name).filter(|v| !is_absent(v))
            })
        };
        if effect.does(Harm::Disable) {
            Some(Touched::Disabled)
        } else if renamed() || ldap::is_renamed(ty, &effect.was, becomes) {
            Some(Touched::Renamed)
        } else if ldap::is_moved(ty, &effect.was, becomes) {
            Some(Touched::Moved)
        } else if credentials(ty, operation, effect) {
            Some(Touched::Credentials)
        } else if changes_members(effect) {
            Some(Touched::Members)
        } else if rule.matches(&effect.was) && !rule.matches(becomes) {
            Some(Touched::Unprotected)
        } else {
            None
        }
    }

    /// A resource of the directory in the client's words.
    ///
    /// # Errors
    /// [`MappingError::Malformed`].
    pub fn shown(
        &self,
        resource: &ResourceType,
        held: &Resource,
    ) -> Result<Resource, MappingError> {
        self.seen(self.known(resource)?, held)
    }

    /// A document on its way to the directory, which gives no id yet, in the client's words.
    ///
    /// # Errors
    /// [`MappingError::Malformed`].
    pub fn born(
        &self,
        resource: &ResourceType,
        document: &Document,
    ) -> Result<Resource, MappingError> {
        let ty = self.known(resource)?;
        let mut tree = document.clone().into_tree();
        tree.insert(&ty.entry.id, Value::String("new".to_owned()));
        self.seen(ty, &tree)
    }

    /// How to look for resources of a type, from this place on; only those that the rule's filter
    /// protects, where that is wanted.
    #[must_use]
    pub fn search(
        &self,
        resource: &ResourceType,
        search: Search<'_>,
        protected: bool,
        start: usize,
        abilities: Abilities,
    ) -> Question {
        let Some(ty) = self.ty(resource) else {
            return Question::Nothing;
        };
        let rule = ty.protect.as_ref().and_then(|rule| rule.filter.as_ref());
        let Some(own) = (if protected {
            rule.map(Some)
        } else {
            Some(None)
        }) else {
            return Question::Nothing;
        };
        let wanted = match search {
            Search::All => None,
            Search::Ids(ids) => Some(any(ids, &AttrPath::of(AttrName::known("id")))),
            Search::Having(ids) => {
                let mut path = AttrPath::of(AttrName::known(MEMBERS));
                path.sub = Some(AttrName::known("value"));
                Some(any(ids, &path))
            }
        };
        let asks = wanted.is_some() || own.is_some();
        if asks && !abilities.filter {
            return Question::Unaskable;
        }
        let filter = match wanted.map(|wanted| self.filter(ty, &wanted)) {
            None | Some(Ok(Pushed::Always)) => None,
            Some(Ok(Pushed::Ask(filter))) => Some(filter),
            Some(Ok(Pushed::Never)) => return Question::Nothing,
            Some(Err(_)) => return Question::Unaskable,
        };
        let mut query = Query {
            filter,
            start_index: abilities.page.then_some(start),
            ..Query::default()
        };
        if let Some(own) = own {
            query.filter = Some(match query.filter.take() {
                Some(Filter::And(mut parts)) => {
                    parts.insert(0, own.clone());
                    Filter::And(parts)
                }
                Some(filter) => Filter::And(vec![own.clone(), filter]),
                None => own.clone(),
            });
        }
        let own_id = || AttrPath::of(ty.entry.id.clone());
        let projection = match search {
            _ if protected => Projection::Only(vec![own_id()]),
            // It finds exactly those.
            Search::Having(_) if ty.is_ldap() => Projection::Only(vec![own_id()]),
            Search::Ids(_) | Search::Having(_) | Search::All => Projection::All,
        };
        let operation = Operation::new(resource.clone(), Verb::List(query)).projected(projection);
        Question::Ask(Box::new(operation))
    }

    /// How to ask how many resources of a type there are.
    #[must_use]
    pub fn how_many(&self, resource: &ResourceType, abilities: Abilities) -> Operation<Upstream> {
        let query = Query {
            start_index: abilities.page.then_some(1),
            count: abilities.page.then_some(0),
            ..Query::default()
        };
        let id = self
            .ty(resource)
            .map(|ty| AttrPath::of(ty.entry.id.clone()));
        Operation::new(resource.clone(), Verb::List(query))
            .projected(Projection::Only(id.into_iter().collect()))
    }

    fn own_id(&self, ty: &Type, held: &Resource) -> Option<String> {
        match held.get(&ty.entry.id)? {
            Value::String(text) => {
                let text = text.trim_end_matches('/');
                Some(text.rsplit('/').next().unwrap_or(text).to_owned())
            }
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }
}

impl Effect {
    /// The members that a group gets, as the client names them.
    #[must_use]
    pub fn joined(&self) -> Vec<String> {
        let present: HashSet<String> = members(&self.present).into_iter().collect();
        let next = self.next.as_ref().map(members).unwrap_or_default();
        next.into_iter()
            .filter(|id| !present.contains(id))
            .collect()
    }

    /// Whether a group has other members afterwards.
    #[must_use]
    pub fn changes_members(&self) -> bool {
        changes_members(self)
    }
}

fn changes_members(effect: &Effect) -> bool {
    let of = |group: &Resource| -> HashSet<String> { members(group).into_iter().collect() };
    let next = effect.next.as_ref().map(of).unwrap_or_default();
    of(&effect.present) != next
}

/// One of these values at this path.
fn any(values: &[String], path: &AttrPath) -> Filter {
    let equal = |value: &String| {
        Filter::Compare(Comparison {
            path: path.clone(),
            op: CompareOp::Eq,
            value: Value::String(value.clone()),
        })
    };
    match values {
        [one] => equal(one),
        many => Filter::Or(many.iter().map(equal).collect()),
    }
}

fn has_members(ty: &Type) -> bool {
    ty.held.base.attributes.iter().any(|a| a.name.is(MEMBERS))
}

/// What people and programs call a resource by.
fn names(ty: &Type) -> Vec<&'static str> {
    let has = |name: &str| ty.held.base.attributes.iter().any(|a| a.name.is(name));
    if has("userName") {
        vec!["userName"]
    } else {
        vec!["userName", "displayName"]
    }
}

/// Whether the write gives or takes what the resource proves itself with. A value that the
/// directory shows and that stays the same is none.
fn credentials(ty: &Type, operation: &Operation<Upstream>, effect: &Effect) -> bool {
    let Some(becomes) = &effect.becomes else {
        return false;
    };
    let stays = |path: &AttrPath| {
        let was = effect.was.at(path).filter(|value| !is_absent(value));
        was.is_some() && was == becomes.at(path)
    };
    match &operation.verb {
        Verb::Patch(_, patch) => patch.changes.iter().any(|change| {
            let value = change.value.as_ref();
            match &change.path {
                PatchPath::Extension(uri) => {
                    let parts = value.and_then(Value::as_object).into_iter().flatten();
                    let mut named = parts.filter_map(|(name, value)| {
                        let name: AttrName = name.parse().ok()?;
                        let path = AttrPath {
                            uri: Some(uri.clone()),
                            name,
                            sub: None,
                        };
                        Some((path, value))
                    });
                    named.any(|(path, value)| {
                        (is_credential(ty, &path) || holds_secret(value)) && !stays(&path)
                    })
                }
                PatchPath::Attribute { uri, name, sub, .. } => {
                    let path = AttrPath {
                        uri: uri.clone(),
                        name: name.clone(),
                        sub: sub.clone(),
                    };
                    // A part that nobody is shown stays in nobody's eyes.
                    (is_credential(ty, &path) && !stays(&path))
                        || (value.is_some_and(holds_secret) && !stays(&path.parent()))
                }
            }
        }),
        // A resource sent whole has everything that it had: what differs is what is given.
        _ => {
            let differs = |path: &AttrPath| effect.was.at(path) != becomes.at(path);
            let lines = ty
                .lines
                .iter()
                .filter(|line| line.direction != Direction::Read);
            let mut targets = lines.filter_map(|line| line.target.as_ref());
            targets.any(|place| is_credential(ty, &place.path()) && differs(&place.parent()))
                || secrets_differ(&effect.was, becomes)
        }
    }
}

/// Whether an attribute of the directory is one that somebody proves himself with.
fn is_credential(ty: &Type, path: &AttrPath) -> bool {
    let named = |name: &AttrName| {
        is_secret(name.as_str()) || CREDENTIALS.iter().any(|known| name.is(known))
    };
    if named(&path.name) || path.sub.as_ref().is_some_and(named) {
        return true;
    }
    ty.lines.iter().any(|line| {
        let by_name = line.scim.as_ref().is_some_and(|place| named(&place.name));
        let target = line.target.as_ref();
        (line.secret || by_name)
            && target.is_some_and(|place| {
                let own = place.path();
                own.covers(path) || path.covers(&own)
            })
    })
}

/// Whether there is a secret anywhere in it.
fn holds_secret(value: &Value) -> bool {
    match value {
        Value::Object(parts) => parts
            .iter()
            .any(|(name, value)| is_named(name) || holds_secret(value)),
        Value::Array(items) => items.iter().any(holds_secret),
        _ => false,
    }
}

/// Whether the secrets of two states differ, at the top or in an extension.
fn secrets_differ(was: &Resource, becomes: &Resource) -> bool {
    becomes.as_map().iter().any(|(name, value)| {
        let old = was.attr(name);
        if is_named(name) {
            return old != Some(value);
        }
        let Value::Object(parts) = value else {
            return holds_secret(value) && old != Some(value);
        };
        parts.iter().any(|(name, value)| {
            let old = old.and_then(Value::as_object);
            let old = old.and_then(|parts| resource::get(parts, name));
            (is_named(name) || holds_secret(value)) && old != Some(value)
        })
    })
}

fn is_named(name: &str) -> bool {
    is_secret(name)
        || CREDENTIALS
            .iter()
            .any(|known| known.eq_ignore_ascii_case(name))
}

/// What is no secret and yet lets somebody in.
const CREDENTIALS: [&str; 7] = [
    "x509Certificates",
    "userCertificate",
    "userCertificate;binary",
    "userSMIMECertificate",
    "sshPublicKey",
    "ipaSshPubKey",
    "altSecurityIdentities",
];
