//! One resource through the lines, both ways.

use std::borrow::Cow;

use super::{Plan, changes, creates, reads, refused};
use crate::mapping::compile::{Line, Type, is_secret};
use crate::mapping::covers::{Loose, Part};
use crate::mapping::kind::Write;
use crate::mapping::plan::MappingError;
use crate::mapping::ruleset::{Direction, Unmapped};
use crate::mapping::transform::time::{self, TimeForm};
use crate::mapping::witness::{Event, Witness};
use crate::scim::accent::{self, Accents};
use crate::scim::json::{Checked, Members, Node, Sort};
use crate::scim::{ResourceId, ScimError, ScimType};

impl Plan {
    /// A client's document that has accents, in the RFC's form.
    pub(super) fn normal(
        &self,
        ty: &Type,
        text: &Checked,
        witness: &mut impl Witness,
    ) -> Result<Checked, MappingError> {
        let mut accents = if self.accents {
            Accents::accepted()
        } else {
            Accents::refused()
        };
        let mut resource = text.parse();
        accent::document(&mut resource, &ty.held, &mut accents).map_err(from_scim)?;
        for accent in accents.seen() {
            witness.saw(Event::Accent(*accent));
        }
        Ok(Checked::of(&resource))
    }

    /// The directory's resource in the client's words: everything that can be read, without
    /// regard to what was asked for.
    pub(super) fn to_client<'a>(
        &'a self,
        ty: &'a Type,
        mut from: Members<'a>,
        etag: Option<&'a str>,
        witness: &mut impl Witness,
    ) -> Result<Members<'a>, MappingError> {
        let mut out = Members::with_capacity(ty.lines.len() + from.len() + 4);
        let id = id(ty, &from)?;
        out.push("schemas", Node::NULL);
        out.push("id", id.as_str().to_owned().into());
        let meta = self.meta(ty, &mut from, id.as_str(), etag);
        for line in ty.lines.iter().filter(|line| reads(line)) {
            if line.kind.get(&mut from, &mut out).is_err() {
                witness.saw(Event::Undecodable { line: line.number });
            }
        }
        let passes = ty.unmapped == Unmapped::Pass;
        let mut left_over = |mut loose: Loose<'a>| {
            let hidden = is_secret(&loose.name) || ty.mapped.shadows(&mut loose);
            if passes && !hidden {
                strip_secrets(&mut loose.value);
                loose.merge(&mut out);
            } else if loose.part == Part::Whole && loose.uri.is_none() {
                witness.saw(Event::Dropped {
                    attribute: &loose.name,
                    inbound: false,
                });
            } else {
                witness.saw(Event::Dropped {
                    attribute: &loose.path(),
                    inbound: false,
                });
            }
        };
        ty.target.sweep(from, &mut |loose| {
            if passes && ty.mapped.divides(&loose) {
                ty.mapped.split(loose, &mut left_over);
            } else {
                left_over(loose);
            }
        });
        self.references(ty, &mut out);
        let schemas = schemas(ty, &out);
        if let Some(place) = out.find_mut("schemas") {
            *place = Node::Array(schemas);
        }
        out.push("meta", meta);
        Ok(out)
    }

    /// A client's document in the directory's words, into `out`: empty for a new resource, else
    /// the present one. Takes what it uses out of `from`. Lines that are `spared`, by their place,
    /// write nothing.
    pub(super) fn to_directory<'a>(
        &'a self,
        ty: &'a Type,
        mut from: Members<'a>,
        out: &mut Members<'a>,
        write: Write,
        spared: &[bool],
        witness: &mut impl Witness,
    ) -> Result<(), MappingError> {
        let spares = |index: usize| spared.get(index).copied().unwrap_or(false);
        let writes = |line: &Line| match write {
            Write::Create => creates(line),
            Write::Replace => changes(line),
        };
        drop_references(&mut from);
        for (index, line) in ty.lines.iter().enumerate() {
            if line.required && writes(line) && !spares(index) {
                required(line, &mut from, write)?;
            }
        }
        let ordered = ty.put_order.iter().filter(|index| !spares(**index));
        for line in ordered.filter_map(|index| ty.lines.get(*index)) {
            if writes(line) {
                let fault = line.kind.put(&mut from, out, write).err();
                if let Some(fault) = fault {
                    let text = format!("`{}` {}", line.scim_text, fault.0);
                    return Err(refused(ScimType::InvalidValue, text));
                }
            }
        }
        if write == Write::Replace && ty.unmapped == Unmapped::Pass {
            ty.target.strip(&ty.mapped, out);
        }
        let mut rejected = None;
        let mut left_over = |mut loose: Loose<'a>| {
            // A name that means something else in the directory must not get there.
            let passes = ty.unmapped == Unmapped::Pass
                && !matches!(loose.part, Part::Rest(_))
                && !ty.target.shadows(&mut loose);
            if passes {
                if loose.part == Part::Whole && is_secret(&loose.name) {
                    // What is only written may stand there, unseen.
                    loose.clear(out);
                }
                loose.merge(out);
            } else if ty.unmapped == Unmapped::Reject {
                rejected.get_or_insert_with(|| loose.path());
            } else {
                dropped(&loose, witness);
            }
        };
        ty.scim.sweep(from, &mut |loose| {
            if ty.unmapped == Unmapped::Pass && ty.target.divides(&loose) {
                ty.target.split(loose, &mut left_over);
            } else {
                left_over(loose);
            }
        });
        if let Some(path) = rejected {
            return Err(not_known(&path));
        }
        send_schemas(ty, out);
        Ok(())
    }

    fn meta<'a>(
        &'a self,
        ty: &'a Type,
        from: &mut Members<'a>,
        id: &str,
        etag: Option<&'a str>,
    ) -> Node<'a> {
        let mut old = from.find_mut("meta").map(std::mem::take);
        let old = old.as_mut().and_then(Node::object).map(std::mem::take);
        let mut meta = Members::with_capacity(5);
        meta.push("resourceType", ty.held.name.as_str().into());
        let mut version = etag.map(Node::from);
        for (key, value) in old.unwrap_or_default().into_members() {
            let is = |name: &str| key.eq_ignore_ascii_case(name);
            let says = value.as_str().is_some_and(|text| !text.is_empty());
            if value.sort() == Sort::String && is("version") {
                version = version.or(Some(value));
            } else if says && is("created") {
                meta.push("created", value);
            } else if says && is("lastModified") {
                meta.push("lastModified", value);
            }
        }
        for (part, stamp) in [
            ("created", &ty.entry.created),
            ("lastModified", &ty.entry.last_modified),
        ] {
            if let Some(stamp) = stamp
                && let Some(value) = from.find_mut(stamp.as_str())
                && let Some(text) = value.as_str().filter(|text| !text.is_empty())
            {
                let shown = ty
                    .is_ldap()
                    .then(|| time::shown(TimeForm::Generalized, &text));
                match shown {
                    Some(None) => {}
                    Some(Some(text)) => *meta.slot(part) = text.into(),
                    None => *meta.slot(part) = std::mem::take(value),
                }
            }
        }
        let location = self.location(&ty.held.endpoint, id);
        meta.push("location", location.into());
        if let Some(version) = version {
            meta.push("version", version);
        }
        meta.into()
    }

    /// Every `$ref` of a known attribute points into this tenant, or goes.
    fn references(&self, ty: &Type, out: &mut Members<'_>) {
        for (key, value) in out.iter_mut() {
            match key.contains(':').then(|| value.object()).flatten() {
                Some(inner) => {
                    for (name, value) in inner.iter_mut() {
                        self.refer(ty, Some(key), name, value);
                    }
                }
                None => self.refer(ty, None, key, value),
            }
        }
    }

    fn refer(&self, ty: &Type, uri: Option<&str>, name: &str, value: &mut Node<'_>) {
        let known = ty.references.iter().find(|reference| {
            reference.path.name.is(name)
                && match (&reference.path.uri, uri) {
                    (Some(a), Some(b)) => a.is(b),
                    (None, None) => true,
                    _ => false,
                }
        });
        // What no schema tells may have no `$ref` at all.
        if known.is_none() && !value.may_name('$') {
            return;
        }
        let to = known.and_then(|reference| reference.to);
        let items = match value.sort() {
            Sort::Array => value.array().map_or(&mut [][..], Vec::as_mut_slice),
            _ => std::slice::from_mut(value),
        };
        for item in items {
            let Some(element) = item.object() else {
                continue;
            };
            if known.is_none() && element.find("$ref").is_none() {
                continue;
            }
            let called = element.find("type").and_then(Node::as_str);
            let target = match called.as_deref().or(to) {
                Some(name) => self.types.iter().find(|t| t.held.name.as_str() == name),
                None => None,
            };
            let id = element.find("value").and_then(Node::as_str);
            let location = match (target, id) {
                (Some(target), Some(id)) if ResourceId::fits(&id) => {
                    Some(self.location(&target.held.endpoint, &id))
                }
                _ => None,
            };
            match location {
                Some(location) => *element.slot("$ref") = location.into(),
                None => {
                    element.remove("$ref");
                }
            }
        }
    }
}

/// The id of a directory's resource: a string, a number, or the end of a URI.
pub(super) fn id(ty: &Type, from: &Members<'_>) -> Result<ResourceId, MappingError> {
    let name = ty.entry.id.as_str();
    let malformed = |what: &str| {
        MappingError::Malformed(format!("the id attribute `{name}` of a resource {what}"))
    };
    let parse = |text: &str| {
        text.parse::<ResourceId>()
            .map_err(|_| malformed("cannot be an id"))
    };
    let Some(value) = from.find(name) else {
        return Err(malformed("is missing"));
    };
    match (value.as_str(), value.as_number()) {
        (Some(text), _) => {
            let text = text.trim_end_matches('/');
            parse(text.rsplit('/').next().unwrap_or(text))
        }
        (None, Some(number)) => parse(number),
        (None, None) => Err(malformed("is neither text nor a number")),
    }
}

pub(super) fn dropped(loose: &Loose<'_>, witness: &mut impl Witness) {
    let path = loose.path();
    witness.saw(Event::Dropped {
        attribute: &path,
        inbound: true,
    });
}

pub(super) fn not_known(path: &str) -> MappingError {
    let text = format!("`{path}` is not known here, and unknown attributes are refused");
    refused(ScimType::InvalidValue, text)
}

pub(super) fn from_scim(error: ScimError) -> MappingError {
    let kind = error.scim_type.unwrap_or(ScimType::InvalidSyntax);
    refused(kind, error.detail)
}

fn required(line: &Line, from: &mut Members<'_>, write: Write) -> Result<(), MappingError> {
    // A password that is not sent stays as it is.
    if write == Write::Replace && line.direction == Direction::Write {
        return Ok(());
    }
    let Some(place) = &line.scim else {
        return Ok(());
    };
    let text = match place.peek(from) {
        None => format!("`{}` is required", line.scim_text),
        Some(value) if value.as_str().is_some_and(|text| text.trim().is_empty()) => {
            format!("`{}` must not be empty", line.scim_text)
        }
        Some(_) => return Ok(()),
    };
    Err(refused(ScimType::InvalidValue, text))
}

/// The schemas of a resource as the client sees it: the base and what it has of extensions.
fn schemas<'a>(ty: &'a Type, out: &Members<'a>) -> Vec<Node<'a>> {
    let mut schemas = vec![ty.held.base.id.as_str().into()];
    for (key, value) in out.iter() {
        if key.contains(':') && !value.is_absent() {
            schemas.push(key.clone().into());
        }
    }
    schemas
}

/// The schemas that the directory's document carries.
fn send_schemas<'a>(ty: &'a Type, out: &mut Members<'a>) {
    let mut wanted: Vec<Cow<'a, str>> = Vec::new();
    match &ty.sent_base {
        None => wanted.extend(ty.sent.iter().map(|uri| Cow::Borrowed(uri.as_str()))),
        Some(base) => {
            wanted.push(Cow::Borrowed(base.as_str()));
            for (key, value) in out.iter() {
                if key.contains(':') && value.sort() == Sort::Object && !value.is_absent() {
                    wanted.push(key.clone());
                }
            }
        }
    }
    if wanted.is_empty() {
        return;
    }
    let place = out.slot("schemas");
    let Some(present) = place.array() else {
        *place = Node::Array(wanted.into_iter().map(Node::from).collect());
        return;
    };
    // What the directory has there already may be more than we know.
    present.retain(|value| {
        let text = value.as_str().unwrap_or_default();
        let ours = ty.full.extensions.iter().any(|e| e.id.is(&text));
        !ours || wanted.iter().any(|w| w.eq_ignore_ascii_case(&text))
    });
    for uri in wanted {
        let is = |value: &Node<'_>| value.as_str().is_some_and(|p| p.eq_ignore_ascii_case(&uri));
        if !present.iter().any(is) {
            present.push(uri.into());
        }
    }
}

/// `$ref` is ours to make, on either side (decisions, 36).
fn drop_references(members: &mut Members<'_>) {
    for (key, value) in members.iter_mut() {
        if !value.may_name('$') {
            continue;
        }
        match key.contains(':').then(|| value.object()).flatten() {
            Some(inner) => inner
                .iter_mut()
                .for_each(|(_, value)| drop_reference(value)),
            None => drop_reference(value),
        }
    }
}

fn drop_reference(value: &mut Node<'_>) {
    let items = match value.sort() {
        Sort::Array => value.array().map_or(&mut [][..], Vec::as_mut_slice),
        _ => std::slice::from_mut(value),
    };
    for element in items.iter_mut().filter_map(Node::object) {
        element.remove("$ref");
    }
}

/// Takes secrets out of what passes through, at any depth that attributes can have.
fn strip_secrets(value: &mut Node<'_>) {
    match value.sort() {
        Sort::Array => value.array().into_iter().flatten().for_each(strip_secrets),
        Sort::Object => {
            let mut found = false;
            value.names(|name| found |= is_secret(name));
            if found && let Some(parts) = value.object() {
                parts.retain(|key, _| !is_secret(key));
            }
        }
        _ => {}
    }
}
