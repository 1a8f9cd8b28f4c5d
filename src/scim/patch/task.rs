//! One change of one attribute, with what the schema says of it.

use serde_json::{Map, Value};

use super::{PatchError, PatchOp, Tally, error};
use crate::scim::error::ScimType;
use crate::scim::filter::Filter;
use crate::scim::name::AttrName;
use crate::scim::resource;
use crate::scim::schema::{Attribute, Kind, Mutability};

/// One change of one attribute, with what the schema says of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Task<'a> {
    pub(super) op: PatchOp,
    pub(super) value: Option<&'a Value>,
    /// The attribute, or the sub-attribute when that is what is being set.
    pub(super) known: Option<&'a Attribute>,
    pub(super) name: &'a str,
    pub(super) filter: Option<&'a Filter>,
    pub(super) sub: Option<&'a AttrName>,
    pub(super) create_missing: bool,
    pub(super) tally: &'a Tally,
    /// The path, for messages; holds no values.
    pub(super) shown: &'a str,
    /// The member of the value that this is about, for messages.
    pub(super) member: Option<&'a str>,
}

impl<'a> Task<'a> {
    /// What the schema forbids whatever the resource holds.
    pub(super) fn check_path(&self) -> Result<(), PatchError> {
        let Some(known) = self.known else {
            return Ok(());
        };
        let sub = self.sub.and_then(|sub| known.sub(sub));
        if [Some(known), sub]
            .iter()
            .flatten()
            .any(|a| a.mutability == Mutability::ReadOnly)
        {
            return Err(self.mutability("is read-only"));
        }
        if self.sub.is_some() && known.kind != Kind::Complex {
            return Err(self.invalid_path("has no sub-attributes"));
        }
        if self.filter.is_some() && !known.multi_valued && known.kind != Kind::Complex {
            return Err(self.invalid_path("has no elements to choose from"));
        }
        Ok(())
    }

    /// Applies it to the object that holds the attribute.
    pub(super) fn apply(&self, home: &mut Map<String, Value>) -> Result<(), PatchError> {
        if self.is_plural(home) {
            self.plural(home)
        } else {
            self.single(home)
        }
    }

    pub(super) fn is_plural(&self, home: &Map<String, Value>) -> bool {
        match self.known {
            Some(known) => known.multi_valued,
            None => match resource::get(home, self.name) {
                Some(Value::Array(_)) => true,
                Some(Value::Object(_)) if self.filter.is_some() => false,
                _ => {
                    self.filter.is_some()
                        || (self.sub.is_none() && matches!(self.value, Some(Value::Array(_))))
                }
            },
        }
    }

    /// The same change on one sub-attribute of what this one is about.
    pub(super) fn on_sub(&self, name: &'a str, value: Option<&'a Value>) -> Self {
        let parsed = name.parse::<AttrName>().ok();
        Self {
            known: self
                .known
                .zip(parsed)
                .and_then(|(known, name)| known.sub(&name)),
            value: value.filter(|value| !value.is_null()),
            name,
            filter: None,
            sub: None,
            ..*self
        }
    }

    /// The same for a member of the value.
    pub(super) fn on_member(&self, name: &'a str, value: &'a Value) -> Self {
        Self {
            member: Some(name),
            ..self.on_sub(name, Some(value))
        }
    }

    pub(super) fn is_immutable(&self) -> bool {
        self.known
            .is_some_and(|known| known.mutability == Mutability::Immutable)
    }

    pub(super) fn is_read_only(&self) -> bool {
        self.known
            .is_some_and(|known| known.mutability == Mutability::ReadOnly)
    }

    pub(super) fn is_required(&self) -> bool {
        self.known.is_some_and(|known| known.required)
    }

    /// Whether the value is of the attribute's type; what is not known takes anything.
    pub(super) fn check_type(&self, value: &Value) -> Result<(), PatchError> {
        let Some(known) = self.known else {
            return Ok(());
        };
        let (fits, wanted) = match known.kind {
            Kind::Boolean => (value.is_boolean(), "takes true or false"),
            Kind::Decimal => (value.is_number(), "takes a number"),
            Kind::Integer => (is_integer(value), "takes a whole number"),
            Kind::Complex => (value.is_object(), "takes an object"),
            Kind::String | Kind::DateTime | Kind::Binary | Kind::Reference => {
                (value.is_string(), "takes a string")
            }
        };
        if fits {
            Ok(())
        } else {
            Err(self.invalid_value(wanted))
        }
    }
}

impl Task<'_> {
    pub(super) fn error(&self, scim_type: ScimType, reason: &str) -> PatchError {
        match self.member {
            Some(member) => error(scim_type, &format!("{}.{member}", self.shown), reason),
            None => error(scim_type, self.shown, reason),
        }
    }

    pub(super) fn invalid_path(&self, reason: &str) -> PatchError {
        self.error(ScimType::InvalidPath, reason)
    }

    pub(super) fn invalid_value(&self, reason: &str) -> PatchError {
        self.error(ScimType::InvalidValue, reason)
    }

    pub(super) fn mutability(&self, reason: &str) -> PatchError {
        self.error(ScimType::Mutability, reason)
    }

    pub(super) fn no_target(&self, reason: &str) -> PatchError {
        self.error(ScimType::NoTarget, reason)
    }
}

fn is_integer(value: &Value) -> bool {
    match value {
        Value::Number(number) => !number.to_string().contains(['.', 'e', 'E']),
        _ => false,
    }
}
