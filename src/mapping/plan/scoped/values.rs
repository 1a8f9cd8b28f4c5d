//! What attributes may become: documents and changes that would make something else of a bounded
//! attribute are refused, whatever way they name it.
//!
//! In a document null is absence (decisions, 36), and what a PUT does not name stays where it may
//! not be removed. In a PATCH removal, null and `[]` are a removal.

use serde_json::Value;

use super::Looks;
use crate::auth::{Bound, Set};
use crate::mapping::place::{find, is_absent};
use crate::mapping::plan::MappingError;
use crate::scim::filter::{CompareOp, Filter};
use crate::scim::patch::{Change, PatchOp};
use crate::scim::schema::Attribute;
use crate::scim::{AttrName, PatchPath, SchemaUri};

impl Looks<'_> {
    /// A member of a document.
    pub(super) fn becomes(
        &self,
        set: &Set,
        uri: Option<&str>,
        name: &str,
        value: &Value,
    ) -> Result<(), MappingError> {
        // A name that is a path of its own is what the path means, too.
        if uri.is_none()
            && let Some((uri, name)) = name.rsplit_once(':')
        {
            self.becomes(set, Some(uri), name, value)?;
        }
        if let Some((whole, sub)) = name.split_once('.') {
            for bound in set.bounds_on(uri, whole) {
                if is_about(bound, sub) && !is_absent(value) {
                    self.leaves(bound, (uri, whole), value)?;
                }
            }
        }
        for bound in set.bounds_on(uri, name) {
            self.within(bound, (uri, name), value, &mut || Ok(()))?;
        }
        Ok(())
    }

    /// A change of a PATCH.
    pub(super) fn changes(&self, set: &Set, change: &Change) -> Result<(), MappingError> {
        match &change.path {
            PatchPath::Extension(uri) => self.changes_extension(set, uri.as_str(), change),
            PatchPath::Attribute {
                uri,
                name,
                filter,
                sub,
            } => {
                let uri = uri.as_ref().map(SchemaUri::as_str);
                let chosen = filter.is_some();
                for bound in set.bounds_on(uri, name.as_str()) {
                    let at = (uri, name.as_str());
                    self.changes_one(bound, at, sub.as_ref(), chosen, change)?;
                }
                Ok(())
            }
        }
    }

    fn changes_one(
        &self,
        bound: &Bound,
        at: (Option<&str>, &str),
        sub: Option<&AttrName>,
        chosen: bool,
        change: &Change,
    ) -> Result<(), MappingError> {
        if sub.is_some_and(|sub| !is_about(bound, sub.as_str())) {
            return Ok(());
        }
        let mut remove = || removal(bound, at);
        let value = match (change.op, &change.value) {
            (PatchOp::Remove, _) | (_, None) => return remove(),
            (_, Some(value)) if is_absent(value) => return remove(),
            (_, Some(value)) => value,
        };
        if sub.is_some() {
            return self.leaves(bound, at, value);
        }
        // What is not given of a complex attribute stays, of a list and its elements it goes.
        let known = self.known(at.0, at.1);
        let single = known.is_some_and(|known| !known.multi_valued);
        let stays = change.op == PatchOp::Add || (single && !chosen);
        if stays {
            self.within(bound, at, value, &mut || Ok(()))
        } else {
            self.within(bound, at, value, &mut remove)
        }
    }

    fn changes_extension(&self, set: &Set, uri: &str, change: &Change) -> Result<(), MappingError> {
        match (change.op, &change.value) {
            (PatchOp::Add | PatchOp::Replace, Some(Value::Object(members))) => {
                for (name, value) in members {
                    let Ok(attribute) = name.parse::<AttrName>() else {
                        self.becomes(set, Some(uri), name, value)?;
                        continue;
                    };
                    let part = Change {
                        value: Some(value.clone()),
                        ..change.clone()
                    };
                    for bound in set.bounds_on(Some(uri), attribute.as_str()) {
                        let at = (Some(uri), attribute.as_str());
                        self.changes_one(bound, at, None, false, &part)?;
                    }
                }
                Ok(())
            }
            _ => {
                let mut bounds = set.bounded_in(uri);
                match bounds.find(|bound| !bound.allows_removal()) {
                    Some(_) => Err(MappingError::Forbidden(format!(
                        "the account may not remove all of `{uri}`"
                    ))),
                    None => Ok(()),
                }
            }
        }
    }

    /// The values of the bounded part within the attribute; `absent` says what becomes of an
    /// element that does not have it.
    fn within(
        &self,
        bound: &Bound,
        at: (Option<&str>, &str),
        value: &Value,
        absent: &mut dyn FnMut() -> Result<(), MappingError>,
    ) -> Result<(), MappingError> {
        let part = bound.sub().unwrap_or("value");
        match value {
            Value::Array(items) => items
                .iter()
                .try_for_each(|item| self.within(bound, at, item, absent)),
            Value::Object(element) => match find(element, part) {
                Some(value) if !is_absent(value) => self.leaves(bound, at, value),
                Some(_) | None => absent(),
            },
            Value::Null => absent(),
            // A plain element is its own `value`.
            plain if part.eq_ignore_ascii_case("value") => self.leaves(bound, at, plain),
            _ => Ok(()),
        }
    }

    fn leaves(
        &self,
        bound: &Bound,
        at: (Option<&str>, &str),
        value: &Value,
    ) -> Result<(), MappingError> {
        if let Value::Array(items) = value {
            return items
                .iter()
                .try_for_each(|item| self.leaves(bound, at, item));
        }
        let known = self.known(at.0, at.1);
        let known = known.and_then(|known| match bound.sub() {
            Some(sub) => known.sub_named(sub),
            None => known.compared().or(Some(known)),
        });
        let plain = match value {
            Value::Object(element) => find(element, "value").unwrap_or(value),
            plain => plain,
        };
        if bound.allows(plain, is_exact(known)) {
            return Ok(());
        }
        if plain.is_null() {
            return removal(bound, at);
        }
        let name = named(bound, at);
        Err(MappingError::Forbidden(match bound.told() {
            Some(values) => {
                format!("the account may not set `{name}` to this value; it may be one of {values}")
            }
            None => format!("the account may not set `{name}` to this value"),
        }))
    }
}

/// Whether a value path may make an element that the filter describes.
pub(super) fn makes(set: &Set, uri: Option<&str>, name: &str, filter: &Filter) -> bool {
    match filter {
        Filter::And(parts) => parts.iter().all(|part| makes(set, uri, name, part)),
        Filter::Compare(term) if term.op == CompareOp::Eq => {
            let mut bounds = set.bounds_on(uri, name);
            bounds.all(|bound| {
                !is_about(bound, term.path.name.as_str()) || bound.allows(&term.value, true)
            })
        }
        _ => set.bounds_on(uri, name).next().is_none(),
    }
}

/// Strings are compared with case where nothing is known of them.
fn is_exact(known: Option<&Attribute>) -> bool {
    known.is_none_or(|known| known.case_exact)
}

fn is_about(bound: &Bound, sub: &str) -> bool {
    let own = bound.sub().unwrap_or("value");
    own.eq_ignore_ascii_case(sub)
}

fn removal(bound: &Bound, at: (Option<&str>, &str)) -> Result<(), MappingError> {
    if bound.allows_removal() {
        return Ok(());
    }
    let name = named(bound, at);
    Err(MappingError::Forbidden(match bound.told() {
        Some(values) => {
            format!("the account may not remove `{name}`; it may be one of {values}")
        }
        None => format!("the account may not remove `{name}`"),
    }))
}

fn named(bound: &Bound, (uri, name): (Option<&str>, &str)) -> String {
    let mut text = String::new();
    if let Some(part) = uri {
        text.push_str(part);
        text.push(':');
    }
    text.push_str(name);
    if let Some(sub) = bound.sub() {
        text.push('.');
        text.push_str(sub);
    }
    text
}
