//! What an account may see and change of a resource, in the client's words: requests that name
//! more are refused, answers show no more, and a PUT leaves alone what it was not about.

mod discarded;
mod kept;
mod shown;
mod values;

use std::borrow::Cow;

use serde_json::Value;

use super::{MappingError, Plan};
use crate::auth::{Scope, Set, Share};
use crate::mapping::compile::{Line, Type, is_secret};
use crate::scim::filter::Filter;
use crate::scim::json::{Members, Node, Sort};
use crate::scim::operation::{Document, Verb};
use crate::scim::patch::{Change, Patch, PatchOp};
use crate::scim::query::Query;
use crate::scim::schema::{Attribute, Mutability};
use crate::scim::{AttrName, AttrPath, Client, Operation, PatchPath, SchemaUri};

pub(super) use kept::{keep, spared};
pub(super) use shown::show_only;

impl Plan {
    /// Refuses what names an attribute that the account may not change, or asks about one that it
    /// may not see. Reads the same bytes as the mapping does.
    pub(super) fn permitted(
        &self,
        ty: &Type,
        scope: &Scope,
        operation: &Operation<Client>,
    ) -> Result<(), MappingError> {
        self.permitted_if(ty, scope, operation, ty.discards)
    }

    /// The same, where what may not be written is left out (`lenient`) or refused.
    pub(super) fn permitted_if(
        &self,
        ty: &Type,
        scope: &Scope,
        operation: &Operation<Client>,
        lenient: bool,
    ) -> Result<(), MappingError> {
        if scope.is_whole() {
            return Ok(());
        }
        let looks = Looks { ty, scope };
        match &operation.verb {
            Verb::Read(_) | Verb::Delete(_) => Ok(()),
            Verb::List(query) => looks.query(query),
            Verb::Create(document) => {
                if !lenient {
                    self.named(&looks, document)?;
                }
                let mut lines = ty.lines.iter().filter(|l| l.required && super::creates(l));
                lines.try_for_each(|line| looks.required(line))
            }
            Verb::Replace(..) if lenient => Ok(()),
            Verb::Replace(_, document) => self.named(&looks, document),
            Verb::Patch(_, patch) if lenient => patch
                .changes
                .iter()
                .try_for_each(|change| looks.asks(change)),
            Verb::Patch(_, patch) => patch.changes.iter().try_for_each(|change| {
                looks.change(change)?;
                match scope.writable().filter(|set| set.has_bounds()) {
                    Some(set) => looks.changes(set, change),
                    None => Ok(()),
                }
            }),
        }
    }

    /// Refuses a document that names what may not be changed.
    fn named(&self, looks: &Looks<'_>, document: &Document) -> Result<(), MappingError> {
        let (text, normal) = (document.clone().into_checked(), std::cell::OnceCell::new());
        let mut members = self.form(looks.ty, &text, &normal, &mut ())?;
        let Some(set) = looks.scope.writable() else {
            return Ok(());
        };
        for (key, value) in members.iter_mut() {
            if value.is_absent() || is_common(key) {
                continue;
            }
            if set.has_bounds() {
                looks.bounded(set, key, value)?;
            }
            if let Some((uri, name)) = written_out(set, key) {
                looks.member(set, Some(uri), name, value)?;
            }
            match key.contains(':').then(|| value.object()).flatten() {
                Some(inner) => {
                    for (name, value) in inner.iter_mut() {
                        looks.member(set, Some(key), name, value)?;
                    }
                }
                None => looks.member(set, None, key, value)?,
            }
        }
        Ok(())
    }
}

/// What an account may name of resources of a type.
pub(super) struct Looks<'a> {
    pub(super) ty: &'a Type,
    pub(super) scope: &'a Scope,
}

impl Looks<'_> {
    /// What a query asks about.
    pub(super) fn query(&self, query: &Query) -> Result<(), MappingError> {
        query.filter.iter().try_for_each(|f| self.filter(f))?;
        query.sort_by.iter().try_for_each(|p| self.asked(p))
    }

    /// A member of a document: not what is only read, which is ignored further in.
    fn member(
        &self,
        set: &Set,
        uri: Option<&str>,
        name: &str,
        value: &mut Node<'_>,
    ) -> Result<(), MappingError> {
        if value.is_absent() {
            return Ok(());
        }
        let known = self.known(uri, name);
        if known.is_some_and(read_only) {
            return Ok(());
        }
        match share(set, uri, name) {
            Share::Whole => return Ok(()),
            Share::None => return Err(forbidden(uri, name, None, CHANGE)),
            Share::Part => {}
        }
        let mut parts = |element: &mut Members<'_>| {
            element.iter().try_for_each(|(sub, value)| {
                let ignored = value.is_absent()
                    || sub.eq_ignore_ascii_case("$ref")
                    || known.and_then(|a| a.sub_named(sub)).is_some_and(read_only);
                if ignored || set.part(uri, name, sub) {
                    return Ok(());
                }
                Err(forbidden(uri, name, Some(sub), CHANGE))
            })
        };
        let plain = || {
            if set.part(uri, name, "value") {
                return Ok(());
            }
            Err(forbidden(uri, name, None, CHANGE))
        };
        match value.sort() {
            Sort::Object => value.object().map_or(Ok(()), parts),
            Sort::Array => {
                let mut items = value.array().into_iter().flatten();
                items.try_for_each(|item| item.object().map_or_else(plain, &mut parts))
            }
            _ => plain(),
        }
    }

    /// What a member of a document makes of bounded attributes.
    fn bounded(&self, set: &Set, key: &str, value: &Node<'_>) -> Result<(), MappingError> {
        let value = value.to_value();
        match &value {
            Value::Object(inner) if key.contains(':') => inner
                .iter()
                .try_for_each(|(name, value)| self.becomes(set, Some(key), name, value)),
            value => self.becomes(set, None, key, value),
        }?;
        // Where the schema is written out before the attribute.
        match written_out(set, key) {
            Some((uri, name)) => self.becomes(set, Some(uri), name, &value),
            None => Ok(()),
        }
    }

    /// A line that every new resource needs: who may not give it cannot make one.
    fn required(&self, line: &Line) -> Result<(), MappingError> {
        let (Some(set), Some(place)) = (self.scope.writable(), &line.scim) else {
            return Ok(());
        };
        if set.path(&place.path()) != Share::None {
            return Ok(());
        }
        Err(MappingError::Forbidden(format!(
            "the account may not {CHANGE} `{}`, which a new resource must have",
            line.scim_text
        )))
    }

    fn change(&self, change: &Change) -> Result<(), MappingError> {
        let PatchPath::Attribute {
            uri,
            name,
            filter,
            sub,
        } = &change.path
        else {
            return self.extension(change);
        };
        let uri = uri.as_ref().map(SchemaUri::as_str);
        self.asks(change)?;
        let Some(set) = self.scope.writable() else {
            return Ok(());
        };
        let known = self.known(uri, name.as_str());
        let sub_known = sub.as_ref().and_then(|sub| known?.sub(sub));
        // The mapping refuses or ignores these by itself.
        let own = uri.is_none() && is_common(name.as_str());
        if own || known.is_some_and(read_only) || sub_known.is_some_and(read_only) {
            return Ok(());
        }
        if let Some(sub) = sub {
            let fine = sub.is("$ref") || set.part(uri, name.as_str(), sub.as_str());
            return if fine {
                Ok(())
            } else {
                Err(forbidden(uri, name.as_str(), Some(sub.as_str()), CHANGE))
            };
        }
        match set.attribute(uri, name.as_str()) {
            Share::Whole => Ok(()),
            Share::None => Err(forbidden(uri, name.as_str(), None, CHANGE)),
            Share::Part => {
                // What is given is set, and what is not given stays: only then it is enough that
                // the parts which are given may be changed.
                let single = known.is_some_and(|known| !known.multi_valued);
                let stays = match (change.op, &change.value) {
                    (PatchOp::Remove, _) | (_, None) => false,
                    (PatchOp::Add, Some(_)) => filter.is_none(),
                    (PatchOp::Replace, Some(value)) => {
                        filter.is_none() && single && value.is_object()
                    }
                };
                match &change.value {
                    Some(value) if stays => parts(set, known, uri, name.as_str(), value),
                    _ => Err(forbidden(uri, name.as_str(), None, CHANGE)),
                }
            }
        }
    }

    /// A change of a whole extension is one of each attribute in it.
    fn extension(&self, change: &Change) -> Result<(), MappingError> {
        let (PatchPath::Extension(uri), Some(set)) = (&change.path, self.scope.writable()) else {
            return Ok(());
        };
        match (change.op, &change.value) {
            (PatchOp::Add | PatchOp::Replace, Some(Value::Object(members))) => {
                members.iter().try_for_each(|(name, value)| {
                    let Ok(attribute) = name.parse() else {
                        return match set.schema(uri.as_str()) {
                            Share::Whole => Ok(()),
                            _ => Err(forbidden(Some(uri.as_str()), name, None, CHANGE)),
                        };
                    };
                    self.change(&Change {
                        op: change.op,
                        path: PatchPath::Attribute {
                            uri: Some(uri.clone()),
                            name: attribute,
                            filter: None,
                            sub: None,
                        },
                        value: Some(value.clone()),
                    })
                })
            }
            _ if set.schema(uri.as_str()) == Share::Whole => Ok(()),
            _ => {
                let text = format!("the account may not {CHANGE} all of `{uri}`");
                Err(MappingError::Forbidden(text))
            }
        }
    }

    fn filter(&self, filter: &Filter) -> Result<(), MappingError> {
        match filter {
            Filter::And(parts) | Filter::Or(parts) => parts.iter().try_for_each(|p| self.filter(p)),
            Filter::Not(inner) => self.filter(inner),
            Filter::Compare(comparison) => self.asked(&comparison.path),
            Filter::Present(path) => self.wholly(path),
            Filter::Element(path, inner) => {
                let Some(set) = self.scope.readable() else {
                    return Ok(());
                };
                let uri = path.uri.as_ref().map(SchemaUri::as_str);
                if path.uri.is_none() && is_secret(path.name.as_str()) {
                    return Ok(());
                }
                elements(set, uri, &path.name, inner)
            }
        }
    }

    /// A comparison, or an order: with the `value` of what is complex.
    fn asked(&self, path: &AttrPath) -> Result<(), MappingError> {
        let Some(set) = self.scope.readable() else {
            return Ok(());
        };
        let uri = path.uri.as_ref().map(SchemaUri::as_str);
        let value = path.sub.is_none()
            && self.known(uri, path.name.as_str()).is_some_and(|known| {
                !known.sub_attributes.is_empty() && known.compared().is_some()
            })
            && set.part(uri, path.name.as_str(), "value");
        if value { Ok(()) } else { self.wholly(path) }
    }

    fn wholly(&self, path: &AttrPath) -> Result<(), MappingError> {
        // A secret is nobody's to ask about, and is refused as such (decisions, 37).
        let secret = is_secret(path.name.as_str())
            || path.sub.as_ref().is_some_and(|sub| is_secret(sub.as_str()));
        match self.scope.readable() {
            Some(set) if !secret && set.path(path) != Share::Whole => {
                let text = format!("the account may not {ASK} `{path}`");
                Err(MappingError::Forbidden(text))
            }
            _ => Ok(()),
        }
    }

    fn known(&self, uri: Option<&str>, name: &str) -> Option<&Attribute> {
        let path = AttrPath {
            uri: match uri {
                Some(uri) => Some(uri.parse().ok()?),
                None => None,
            },
            name: name.parse().ok()?,
            sub: None,
        };
        let held = self.ty.held.find(&path);
        held.or_else(|| self.ty.full.find(&path))
    }
}

/// The value of a change whose parts are named one by one.
fn parts(
    set: &Set,
    known: Option<&Attribute>,
    uri: Option<&str>,
    name: &str,
    value: &Value,
) -> Result<(), MappingError> {
    match value {
        Value::Array(items) => items
            .iter()
            .try_for_each(|item| parts(set, known, uri, name, item)),
        Value::Object(element) => element.keys().try_for_each(|sub| {
            let ignored = sub.eq_ignore_ascii_case("$ref")
                || known.and_then(|a| a.sub_named(sub)).is_some_and(read_only);
            if ignored || set.part(uri, name, sub) {
                return Ok(());
            }
            Err(forbidden(uri, name, Some(sub), CHANGE))
        }),
        _ if set.part(uri, name, "value") => Ok(()),
        _ => Err(forbidden(uri, name, None, CHANGE)),
    }
}

/// A filter that chooses elements: it may ask about what can be seen of them.
fn elements(
    set: &Set,
    uri: Option<&str>,
    name: &AttrName,
    filter: &Filter,
) -> Result<(), MappingError> {
    let ask = |sub: &AttrName| {
        if is_secret(sub.as_str()) || set.part(uri, name.as_str(), sub.as_str()) {
            return Ok(());
        }
        Err(forbidden(uri, name.as_str(), Some(sub.as_str()), ASK))
    };
    match filter {
        Filter::And(parts) | Filter::Or(parts) => {
            parts.iter().try_for_each(|p| elements(set, uri, name, p))
        }
        Filter::Not(inner) => elements(set, uri, name, inner),
        Filter::Compare(comparison) => ask(&comparison.path.name),
        Filter::Present(path) | Filter::Element(path, _) => ask(&path.name),
    }
}

/// The patch as this account may send it: an element that a value path makes takes its terms from
/// the filter, so all of these must be the account's to write.
pub(super) fn narrowed<'a>(scope: &Scope, patch: &'a Patch) -> Cow<'a, Patch> {
    let Some(set) = scope.writable() else {
        return Cow::Borrowed(patch);
    };
    let makes = |change: &Change| match &change.path {
        PatchPath::Attribute {
            uri,
            name,
            filter: Some(filter),
            ..
        } => {
            let uri = uri.as_ref().map(SchemaUri::as_str);
            elements(set, uri, name, filter).is_ok()
                && values::makes(set, uri, name.as_str(), filter)
        }
        _ => true,
    };
    if !patch.create_missing || patch.changes.iter().all(makes) {
        return Cow::Borrowed(patch);
    }
    Cow::Owned(Patch {
        create_missing: false,
        ..patch.clone()
    })
}

/// What a member's name is where it can be an attribute with its schema before it, and not a
/// schema.
fn written_out<'k>(set: &Set, key: &'k str) -> Option<(&'k str, &'k str)> {
    key.rsplit_once(':').filter(|(uri, _)| set.names(uri))
}

/// How much of a member is in the set. A name that is a path of its own (`name.familyName`) counts
/// as what it is called, and as what the path means.
fn share(set: &Set, uri: Option<&str>, name: &str) -> Share {
    let called = set.attribute(uri, name);
    let meant = match (uri, name.rsplit_once(':')) {
        (None, Some((uri, name))) => share(set, Some(uri), name).min(set.schema(uri)),
        _ => match name.split_once('.') {
            Some((name, sub)) if !set.part(uri, name, sub) => Share::None,
            _ => Share::Whole,
        },
    };
    called.min(meant)
}

fn read_only(attribute: &Attribute) -> bool {
    attribute.mutability == Mutability::ReadOnly
}

/// What every resource has, and nobody but the service provider says.
fn is_common(name: &str) -> bool {
    ["id", "schemas", "meta"]
        .iter()
        .any(|common| name.eq_ignore_ascii_case(common))
}

fn forbidden(uri: Option<&str>, name: &str, sub: Option<&str>, what: &str) -> MappingError {
    let mut path = String::new();
    if let Some(uri) = uri {
        path.push_str(uri);
        path.push(':');
    }
    path.push_str(name);
    if let Some(sub) = sub {
        path.push('.');
        path.push_str(sub);
    }
    MappingError::Forbidden(format!("the account may not {what} `{path}`"))
}

const CHANGE: &str = "change";
const ASK: &str = "ask about";
