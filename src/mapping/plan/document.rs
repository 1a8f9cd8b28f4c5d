//! One resource through the lines, both ways.

use serde_json::{Map, Value};

use super::{Plan, changes, creates, reads, refused};
use crate::mapping::compile::{Line, Type, is_secret};
use crate::mapping::covers::{Loose, Part};
use crate::mapping::kind::Write;
use crate::mapping::place::{find, find_mut, is_absent, slot};
use crate::mapping::plan::MappingError;
use crate::mapping::ruleset::{Direction, Unmapped};
use crate::mapping::witness::{Event, Witness};
use crate::scim::accent::{self, Accents};
use crate::scim::{Resource, ResourceId, ScimError, ScimType};

impl Plan {
    /// Brings a client's document into the RFC's form.
    pub(super) fn accents(
        &self,
        ty: &Type,
        document: &mut Resource,
        witness: &mut impl Witness,
    ) -> Result<(), MappingError> {
        let mut accents = if self.accents {
            Accents::accepted()
        } else {
            Accents::refused()
        };
        accent::document(document, &ty.held, &mut accents).map_err(from_scim)?;
        for accent in accents.seen() {
            witness.saw(Event::Accent(*accent));
        }
        Ok(())
    }

    /// The directory's resource in the client's words: everything that can be read, without
    /// regard to what was asked for.
    pub(super) fn to_client(
        &self,
        ty: &Type,
        from: Resource,
        etag: Option<&str>,
        witness: &mut impl Witness,
    ) -> Result<Resource, MappingError> {
        let mut from = from;
        let size = ty.lines.len() + from.as_map().len() + 4;
        let mut out = Resource::from(Map::with_capacity(size));
        let id = id(ty, &from)?;
        let map = out.as_map_mut();
        map.insert("schemas".to_owned(), Value::Null);
        map.insert("id".to_owned(), Value::String(id.as_str().to_owned()));
        let meta = self.meta(ty, &mut from, id.as_str(), etag);
        for line in ty.lines.iter().filter(|line| reads(line)) {
            if line.kind.get(&mut from, &mut out).is_err() {
                witness.saw(Event::Undecodable { line: line.number });
            }
        }
        let passes = ty.unmapped == Unmapped::Pass;
        let mut left_over = |loose: Loose| {
            let hidden = is_secret(&loose.name) || ty.mapped.shadows(&loose);
            if passes && !hidden {
                let mut loose = loose;
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
        ty.target.sweep(from.into_map(), &mut |loose| {
            if passes && ty.mapped.divides(&loose) {
                ty.mapped.split(loose, &mut left_over);
            } else {
                left_over(loose);
            }
        });
        self.references(ty, &mut out);
        let schemas = schemas(ty, &out);
        let map = out.as_map_mut();
        if let Some(place) = map.get_mut("schemas") {
            *place = Value::Array(schemas);
        }
        map.insert("meta".to_owned(), meta);
        Ok(out)
    }

    /// A client's document in the directory's words, into `out`: empty for a new resource, else
    /// the present one. Takes what it uses out of `from`.
    pub(super) fn to_directory(
        &self,
        ty: &Type,
        mut from: Resource,
        out: &mut Resource,
        write: Write,
        witness: &mut impl Witness,
    ) -> Result<(), MappingError> {
        let writes = |line: &Line| match write {
            Write::Create => creates(line),
            Write::Replace => changes(line),
        };
        for line in ty.lines.iter().filter(|line| line.required && writes(line)) {
            required(line, &from, write)?;
        }
        drop_references(from.as_map_mut());
        for line in ty.put_order.iter().filter_map(|index| ty.lines.get(*index)) {
            if writes(line) {
                let fault = line.kind.put(&mut from, out, write).err();
                if let Some(fault) = fault {
                    let text = format!("`{}` {}", line.scim_text, fault.0);
                    return Err(refused(ScimType::InvalidValue, text));
                }
            }
        }
        if write == Write::Replace && ty.unmapped == Unmapped::Pass {
            ty.target.strip(&ty.mapped, out.as_map_mut());
        }
        let mut rejected = None;
        let mut left_over = |loose: Loose| {
            // A name that means something else in the directory must not get there.
            let passes = ty.unmapped == Unmapped::Pass
                && !matches!(loose.part, Part::Rest(_))
                && !ty.target.shadows(&loose);
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
        ty.scim.sweep(from.into_map(), &mut |loose| {
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

    fn meta(&self, ty: &Type, from: &mut Resource, id: &str, etag: Option<&str>) -> Value {
        let old = match find_mut(from.as_map_mut(), "meta").map(std::mem::take) {
            Some(Value::Object(old)) => old,
            _ => Map::new(),
        };
        let mut meta = Map::with_capacity(5);
        let name = ty.held.name.as_str().to_owned();
        meta.insert("resourceType".to_owned(), Value::String(name));
        let mut version = etag.map(|etag| Value::String(etag.to_owned()));
        for (key, value) in old {
            let is = |name: &str| key.eq_ignore_ascii_case(name);
            match &value {
                Value::String(_) if is("version") => version = version.or(Some(value)),
                // Their own spelling, where it is the usual one, saves a new one.
                Value::String(text) if !text.is_empty() && is("created") => {
                    meta.insert(spelled(key, "created"), value);
                }
                Value::String(text) if !text.is_empty() && is("lastModified") => {
                    meta.insert(spelled(key, "lastModified"), value);
                }
                _ => {}
            }
        }
        for (part, stamp) in [
            ("created", &ty.entry.created),
            ("lastModified", &ty.entry.last_modified),
        ] {
            if let Some(stamp) = stamp
                && let Some(value) = find_mut(from.as_map_mut(), stamp.as_str())
                && value.as_str().is_some_and(|text| !text.is_empty())
            {
                meta.insert(part.to_owned(), std::mem::take(value));
            }
        }
        let location = self.location(&ty.held.endpoint, id);
        meta.insert("location".to_owned(), Value::String(location));
        if let Some(version) = version {
            meta.insert("version".to_owned(), version);
        }
        Value::Object(meta)
    }

    /// Every `$ref` of a known attribute points into this tenant, or goes.
    fn references(&self, ty: &Type, out: &mut Resource) {
        for (key, value) in out.as_map_mut() {
            match value {
                Value::Array(_) => self.refer(ty, None, key, value),
                Value::Object(inner) if key.contains(':') => {
                    for (name, value) in inner {
                        self.refer(ty, Some(key), name, value);
                    }
                }
                Value::Object(_) => self.refer(ty, None, key, value),
                _ => {}
            }
        }
    }

    fn refer(&self, ty: &Type, uri: Option<&str>, name: &str, value: &mut Value) {
        let known = ty.references.iter().find(|reference| {
            reference.path.name.is(name)
                && match (&reference.path.uri, uri) {
                    (Some(a), Some(b)) => a.is(b),
                    (None, None) => true,
                    _ => false,
                }
        });
        let to = known.and_then(|reference| reference.to);
        let items = match value {
            Value::Array(items) => items.as_mut_slice(),
            other => std::slice::from_mut(other),
        };
        for item in items {
            let Value::Object(element) = item else {
                continue;
            };
            // What no schema tells may have no `$ref` at all.
            if known.is_none() && find(element, "$ref").is_none() {
                continue;
            }
            let target = match find(element, "type") {
                Some(Value::String(name)) => {
                    self.types.iter().find(|t| t.held.name.as_str() == name)
                }
                _ => to.and_then(|to| self.types.iter().find(|t| t.held.name.as_str() == to)),
            };
            let location = match (target, find(element, "value")) {
                (Some(target), Some(Value::String(id))) if id.parse::<ResourceId>().is_ok() => {
                    Some(self.location(&target.held.endpoint, id))
                }
                _ => None,
            };
            match location {
                Some(location) => *slot(element, "$ref") = Value::String(location),
                None => {
                    crate::scim::resource::remove(element, "$ref");
                }
            }
        }
    }
}

/// The id of a directory's resource: a string, a number, or the end of a URI.
pub(super) fn id(ty: &Type, from: &Resource) -> Result<ResourceId, MappingError> {
    let name = ty.entry.id.as_str();
    let malformed = |what: &str| {
        MappingError::Malformed(format!("the id attribute `{name}` of a resource {what}"))
    };
    let parse = |text: &str| {
        text.parse::<ResourceId>()
            .map_err(|_| malformed("cannot be an id"))
    };
    match from.attr(name) {
        Some(Value::String(text)) => {
            let text = text.trim_end_matches('/');
            parse(text.rsplit('/').next().unwrap_or(text))
        }
        Some(Value::Number(number)) => parse(number.as_str()),
        Some(_) => Err(malformed("is neither text nor a number")),
        None => Err(malformed("is missing")),
    }
}

pub(super) fn dropped(loose: &Loose, witness: &mut impl Witness) {
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

fn required(line: &Line, from: &Resource, write: Write) -> Result<(), MappingError> {
    // A password that is not sent stays as it is.
    if write == Write::Replace && line.direction == Direction::Write {
        return Ok(());
    }
    let Some(place) = &line.scim else {
        return Ok(());
    };
    let text = match place.peek(from) {
        None => format!("`{}` is required", line.scim_text),
        Some(Value::String(text)) if text.trim().is_empty() => {
            format!("`{}` must not be empty", line.scim_text)
        }
        Some(_) => return Ok(()),
    };
    Err(refused(ScimType::InvalidValue, text))
}

fn spelled(key: String, name: &str) -> String {
    if key == name { key } else { name.to_owned() }
}

/// The schemas of a resource as the client sees it: the base and what it has of extensions.
fn schemas(ty: &Type, out: &Resource) -> Vec<Value> {
    let mut schemas = vec![Value::String(ty.held.base.id.as_str().to_owned())];
    for (key, value) in out.as_map() {
        if key.contains(':') && !is_absent(value) {
            schemas.push(Value::String(key.clone()));
        }
    }
    schemas
}

/// The schemas that the directory's document carries.
fn send_schemas(ty: &Type, out: &mut Resource) {
    let mut wanted: Vec<Value> = Vec::new();
    match &ty.sent_base {
        None => wanted.extend(ty.sent.iter().map(|uri| Value::String(uri.to_string()))),
        Some(base) => {
            wanted.push(Value::String(base.to_string()));
            for (key, value) in out.as_map() {
                if key.contains(':') && value.is_object() && !is_absent(value) {
                    wanted.push(Value::String(key.clone()));
                }
            }
        }
    }
    if wanted.is_empty() {
        return;
    }
    match slot(out.as_map_mut(), "schemas") {
        // What the directory has there already may be more than we know.
        Value::Array(present) => {
            let uri = |value: &Value| value.as_str().map(str::to_ascii_lowercase);
            present.retain(|value| {
                let text = value.as_str().unwrap_or_default();
                let ours = ty.full.extensions.iter().any(|e| e.id.is(text));
                !ours || wanted.iter().any(|w| uri(w) == uri(value))
            });
            for value in wanted {
                if !present.iter().any(|p| uri(p) == uri(&value)) {
                    present.push(value);
                }
            }
        }
        place => *place = Value::Array(wanted),
    }
}

/// `$ref` is ours to make, on either side (decisions, 36).
fn drop_references(map: &mut Map<String, Value>) {
    let element = |value: &mut Value| {
        if let Value::Object(element) = value
            && find(element, "$ref").is_some()
        {
            crate::scim::resource::remove(element, "$ref");
        }
    };
    for (key, value) in map.iter_mut() {
        match value {
            Value::Array(items) => items.iter_mut().for_each(element),
            Value::Object(inner) if key.contains(':') => {
                for value in inner.values_mut() {
                    match value {
                        Value::Array(items) => items.iter_mut().for_each(element),
                        other => element(other),
                    }
                }
            }
            other => element(other),
        }
    }
}

/// Takes secrets out of what passes through, at any depth that attributes can have.
fn strip_secrets(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(strip_secrets),
        Value::Object(parts) if parts.keys().any(|key| is_secret(key)) => {
            parts.retain(|key, _| !is_secret(key));
        }
        _ => {}
    }
}
