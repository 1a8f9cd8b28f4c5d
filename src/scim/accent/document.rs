//! The document of a POST or PUT.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::change;
use super::key::{self, Key};
use super::value::Normal;
use super::{Accent, Accents};
use crate::scim::error::{ScimError, ScimType};
use crate::scim::name::SchemaUri;
use crate::scim::patch::{self, Change, Patch, PatchOp};
use crate::scim::path::{AttrPath, PatchPath};
use crate::scim::resource::{self, Resource};
use crate::scim::schema::{Attribute, Mutability, TypeSchema};

/// Brings the document of a POST or PUT into the RFC's form: nothing where there is nothing, no
/// `$ref`, no `schemas` that the type does not have, every attribute in its place.
///
/// # Errors
/// `invalidSyntax` where one attribute is given twice, once under an accent; `invalidValue` where
/// a value holds nothing or does not fit where an accent puts it.
pub fn document(
    resource: &mut Resource,
    schema: &TypeSchema,
    accents: &mut Accents,
) -> Result<(), ScimError> {
    let given = std::mem::take(resource.as_map_mut());
    let mut reading = Reading {
        schema,
        accents,
        out: Map::new(),
        later: Vec::new(),
        hoisted: false,
        accented: 0,
    };
    reading.members(given, None)?;
    let Reading { out, later, .. } = reading;
    *resource = out.into();
    place(resource, later, schema)
}

struct Reading<'a> {
    schema: &'a TypeSchema,
    accents: &'a mut Accents,
    out: Map<String, Value>,
    /// What stood under a name that is a path.
    later: Vec<Change>,
    /// Whether members come from within the base schema's URI, where others may have the same name.
    hoisted: bool,
    accented: usize,
}

impl Reading<'_> {
    fn members(
        &mut self,
        given: Map<String, Value>,
        home: Option<&SchemaUri>,
    ) -> Result<(), ScimError> {
        for (name, value) in given {
            if home.is_none() && name.eq_ignore_ascii_case("schemas") {
                let value = self.schemas(value);
                self.insert(home, name, value)?;
                continue;
            }
            match key::read(&name, home, self.schema, self.accents) {
                Ok(Key::Base) => match value {
                    Value::Object(given) if home.is_none() && self.accents.met(Accent::UrnKey) => {
                        self.accented(given.len())?;
                        let before = std::mem::replace(&mut self.hoisted, true);
                        self.members(given, None)?;
                        self.hoisted = before;
                    }
                    value => self.unknown(home, name, value)?,
                },
                Ok(Key::Extension(uri)) if home.is_none() => match value {
                    Value::Object(given) => self.members(given, Some(&uri))?,
                    value => self.unknown(home, name, value)?,
                },
                Ok(Key::Attribute(attr)) => self.attribute(&attr, name, value)?,
                Ok(Key::Path(path)) if !self.is_foreign(&path) => {
                    self.accented(1)?;
                    let (schema, accents) = (self.schema, &mut *self.accents);
                    change::changes(
                        PatchOp::Add,
                        path,
                        Some(value),
                        schema,
                        accents,
                        &mut self.later,
                    )?;
                }
                // What is no name of ours: the mapping says what becomes of it.
                Ok(Key::Extension(_) | Key::Path(_)) | Err(_) => self.unknown(home, name, value)?,
            }
        }
        Ok(())
    }

    fn attribute(&mut self, attr: &AttrPath, name: String, value: Value) -> Result<(), ScimError> {
        let Some(known) = self.schema.find_attribute(attr) else {
            return self.unknown(attr.uri.as_ref(), name, value);
        };
        let mut normal = Normal {
            accents: self.accents,
            nulls: false,
        };
        // Read-only input is ignored further in (RFC 7644 §3.3), so it need not make sense.
        let value = if known.mutability == Mutability::ReadOnly {
            normal.unknown(value)
        } else {
            normal.whole(known, value)?
        };
        self.insert(attr.uri.as_ref(), name, value)
    }

    fn unknown(
        &mut self,
        home: Option<&SchemaUri>,
        name: String,
        value: Value,
    ) -> Result<(), ScimError> {
        let mut normal = Normal {
            accents: self.accents,
            nulls: false,
        };
        let value = normal.unknown(value);
        self.insert(home, name, value)
    }

    fn insert(
        &mut self,
        home: Option<&SchemaUri>,
        name: String,
        value: Option<Value>,
    ) -> Result<(), ScimError> {
        let Some(value) = value else {
            return Ok(());
        };
        let map = match home {
            None => &mut self.out,
            Some(uri) => {
                if resource::get(&self.out, uri.as_str()).is_none() {
                    self.out.insert(uri.as_str().to_owned(), Map::new().into());
                }
                match resource::get_mut(&mut self.out, uri.as_str()) {
                    Some(Value::Object(map)) => map,
                    _ => return Err(twice(uri.as_str())),
                }
            }
        };
        // One object has each name once (`json::check`): a look is needed, and affordable, only
        // where members of several objects come together.
        let meets = self.hoisted || self.accented > 0;
        if meets && resource::get(map, &name).is_some() {
            return Err(twice(&name));
        }
        map.insert(name, value);
        Ok(())
    }

    fn accented(&mut self, names: usize) -> Result<(), ScimError> {
        self.accented = self.accented.saturating_add(names);
        if self.accented > MAX_ACCENTED {
            return Err(ScimError::bad(
                ScimType::InvalidSyntax,
                format!("more than {MAX_ACCENTED} names with dots or schema URIs"),
            ));
        }
        Ok(())
    }

    /// `schemas` without what this type does not have (such as Microsoft's own group URI), under
    /// every policy.
    fn schemas(&mut self, value: Value) -> Option<Value> {
        let list = match value {
            Value::Array(list) => list,
            Value::String(uri) if self.accents.met(Accent::SingleAsArray) => vec![uri.into()],
            other => return Some(other),
        };
        let known = |value: &Value| {
            let text = value.as_str();
            text.is_none_or(|text| self.schema.uris().any(|uri| uri.is(text)))
        };
        let count = list.len();
        let list: Vec<Value> = list.into_iter().filter(known).collect();
        if list.len() < count {
            self.accents.met(Accent::UnknownSchema);
        }
        Some(list.into())
    }

    /// Whether a path is about an extension that this type does not have.
    fn is_foreign(&self, path: &PatchPath) -> bool {
        let uri = path.attr().and_then(|attr| attr.uri);
        uri.is_some_and(|uri| self.schema.extension(&uri).is_none())
    }
}

/// Puts what stood under paths in its place.
fn place(
    resource: &mut Resource,
    later: Vec<Change>,
    schema: &TypeSchema,
) -> Result<(), ScimError> {
    if later.is_empty() {
        return Ok(());
    }
    let mut seen = HashSet::new();
    let mut changes = Vec::new();
    for change in later {
        let Some(attr) = change.path.attr() else {
            continue;
        };
        let known = [schema.find_attribute(&attr), schema.find(&attr)];
        let read_only = |known: &&Attribute| known.mutability == Mutability::ReadOnly;
        if change.op == PatchOp::Remove || known.iter().flatten().any(read_only) {
            continue;
        }
        let whole = matches!(&change.path, PatchPath::Attribute { filter: None, .. });
        if whole && (resource.at(&attr).is_some() || !seen.insert(attr.clone())) {
            return Err(twice(&attr.to_string()));
        }
        changes.push(change);
    }
    let patch = Patch {
        changes,
        create_missing: true,
    };
    patch::apply(resource, &patch, schema)?;
    Ok(())
}

fn twice(name: &str) -> ScimError {
    ScimError::bad(
        ScimType::InvalidSyntax,
        format!("`{}` is given twice", key::shortened(name)),
    )
}

/// Far above what a resource has attributes; it bounds the work of bringing them together.
const MAX_ACCENTED: usize = 1000;
