//! Changes of a single-valued attribute, simple or complex.

use serde_json::{Map, Value};

use super::task::Task;
use super::{PatchError, PatchOp};
use crate::scim::filter;
use crate::scim::resource;
use crate::scim::schema::Kind;

impl Task<'_> {
    pub(super) fn single(&self, home: &mut Map<String, Value>) -> Result<(), PatchError> {
        if let Some(wanted) = self.filter {
            // Some clients choose even the one value by a filter: `manager[value eq "1"]`.
            let present = resource::get(home, self.name);
            if !present.is_some_and(|one| filter::element_matches(wanted, one, self.known)) {
                return match self.op {
                    PatchOp::Remove => Ok(()),
                    PatchOp::Add | PatchOp::Replace => {
                        Err(self.no_target("has no value that the filter matches"))
                    }
                };
            }
        }
        match self.sub {
            Some(sub) => {
                let task = self.on_sub(sub.as_str(), self.value);
                self.on_parts(home, |parts| task.apply(parts))
            }
            None => self.whole(home),
        }
    }

    fn whole(&self, home: &mut Map<String, Value>) -> Result<(), PatchError> {
        let Some(value) = self.value.filter(|_| self.op != PatchOp::Remove) else {
            return self.clear(home);
        };
        self.check_type(value)?;
        let complex = match self.known {
            Some(known) => known.kind == Kind::Complex,
            None => value.is_object(),
        };
        if let Value::Object(given) = value
            && complex
        {
            // Sub-attributes that are not given stay as they are (RFC 7644 §3.5.2.3).
            return self.on_parts(home, |parts| {
                for (name, value) in given {
                    let task = self.on_member(name, value);
                    if !task.is_read_only() {
                        task.apply(parts)?;
                    }
                }
                Ok(())
            });
        }
        let present = resource::get(home, self.name).filter(|value| !value.is_null());
        if self.is_immutable() && present.is_some_and(|present| present != value) {
            return Err(self.mutability("cannot change once it is set"));
        }
        resource::insert(home, self.name, value.clone());
        Ok(())
    }

    /// Takes the attribute out. That it was not there is no error: the end state is the same.
    fn clear(&self, home: &mut Map<String, Value>) -> Result<(), PatchError> {
        if self.is_required() {
            return Err(self.mutability("is required and cannot be removed"));
        }
        if self.is_immutable() && resource::get(home, self.name).is_some_and(|v| !v.is_null()) {
            return Err(self.mutability("cannot change once it is set"));
        }
        resource::remove(home, self.name);
        Ok(())
    }

    /// Runs a change on the sub-attributes; a complex attribute without any is not there.
    fn on_parts(
        &self,
        home: &mut Map<String, Value>,
        change: impl FnOnce(&mut Map<String, Value>) -> Result<(), PatchError>,
    ) -> Result<(), PatchError> {
        let mut parts = match resource::get_mut(home, self.name).map(Value::take) {
            Some(Value::Object(parts)) => parts,
            _ => Map::new(),
        };
        change(&mut parts)?;
        if !parts.is_empty() {
            resource::insert(home, self.name, parts.into());
        } else if self.is_required() {
            return Err(self.mutability("is required and cannot be emptied"));
        } else {
            resource::remove(home, self.name);
        }
        Ok(())
    }
}
