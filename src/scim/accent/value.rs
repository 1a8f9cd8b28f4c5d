//! Values as the RFC would have them: booleans that are booleans, arrays where there may be
//! several, nothing where there is nothing.

use serde_json::{Map, Value};

use super::{Accent, Accents};
use crate::scim::error::{ScimError, ScimType};
use crate::scim::name::AttrName;
use crate::scim::resource;
use crate::scim::schema::{Attribute, Kind, Mutability};

/// Brings values into form; `None` is no value.
#[derive(Debug)]
pub(super) struct Normal<'a> {
    pub(super) accents: &'a mut Accents,
    /// Whether a null sub-attribute says something: in a PATCH it removes, in a document it is
    /// the same as absence.
    pub(super) nulls: bool,
}

impl Normal<'_> {
    /// The value of a whole attribute.
    pub(super) fn whole(
        &mut self,
        known: &Attribute,
        value: Value,
    ) -> Result<Option<Value>, ScimError> {
        if known.multi_valued {
            self.many(known, value)
        } else {
            self.one(known, value)
        }
    }

    /// The value of an attribute that nothing is known of.
    pub(super) fn unknown(&mut self, value: Value) -> Option<Value> {
        match &value {
            Value::Null => self.empty(),
            Value::Array(list) if list.is_empty() => self.empty(),
            // An empty text may mean something there.
            _ => Some(value),
        }
    }

    fn many(&mut self, known: &Attribute, value: Value) -> Result<Option<Value>, ScimError> {
        let list = match value {
            Value::Array(list) => list,
            Value::Null => return Ok(self.empty()),
            Value::String(text) if text.is_empty() => return Ok(self.blank()),
            one if self.accents.met(Accent::SingleAsArray) => vec![one],
            one => return Ok(Some(one)),
        };
        if list.is_empty() {
            return Ok(self.empty());
        }
        let mut elements = Vec::with_capacity(list.len());
        for element in list {
            elements.extend(self.element(known, element)?);
        }
        Ok((!elements.is_empty()).then(|| elements.into()))
    }

    /// One value of a multi-valued attribute.
    pub(super) fn element(
        &mut self,
        known: &Attribute,
        value: Value,
    ) -> Result<Option<Value>, ScimError> {
        let Value::Object(given) = value else {
            // A plain value for a complex attribute stays, to be refused for its type.
            let plain = value.is_null() || known.kind != Kind::Complex;
            return if plain {
                self.one(known, value)
            } else {
                Ok(Some(value))
            };
        };
        if known.kind != Kind::Complex {
            return self.one(known, given.into());
        }
        let emptied = is_blank(resource::get(&given, "value"), self.accents.refuse);
        let parts = self.parts(known, given, false)?;
        let fixed = sub(known, "value").is_some_and(|v| v.mutability == Mutability::Immutable);
        if emptied && !fixed {
            // `{"type": "work", "value": ""}`: there is no such value any more.
            return Ok(None);
        }
        if parts.is_empty() || emptied {
            // Taken for nothing it would empty the attribute when it is replaced: a group, say.
            return Err(ScimError::bad(
                ScimType::InvalidValue,
                format!(
                    "a value of `{}` holds nothing that could be stored",
                    known.name
                ),
            ));
        }
        Ok(Some(parts.into()))
    }

    /// The value of a single-valued attribute or sub-attribute.
    pub(super) fn one(
        &mut self,
        known: &Attribute,
        value: Value,
    ) -> Result<Option<Value>, ScimError> {
        let complex = known.kind == Kind::Complex;
        let named = complex && sub(known, "value").is_some();
        let shape = if named {
            Accent::ManagerShape
        } else {
            Accent::WrappedValue
        };
        Ok(match value {
            Value::Null => self.empty(),
            Value::String(text) if text.is_empty() => self.blank(),
            Value::Array(mut list) if list.len() < 2 => match list.pop() {
                None => self.empty(),
                // No client wraps twice: what is below would come out as several, or as nothing.
                Some(only) if !only.is_array() && self.accents.met(shape) => {
                    return self.one(known, only);
                }
                Some(only) => Some(Value::Array(vec![only])),
            },
            Value::String(text) if known.kind == Kind::Boolean => Some(self.boolean(text)),
            Value::String(_) | Value::Number(_) if named && self.accents.met(shape) => {
                let text = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                let mut parts = Map::new();
                parts.insert(String::from("value"), text.into());
                Some(parts.into())
            }
            Value::Object(given) if complex => self.complex(known, given, named)?,
            Value::Object(mut given) if is_wrapper(&given) => {
                if !self.accents.met(shape) {
                    return Ok(Some(given.into()));
                }
                let inner = resource::remove(&mut given, "value").unwrap_or_default();
                return self.one(known, inner);
            }
            other => Some(other),
        })
    }

    fn complex(
        &mut self,
        known: &Attribute,
        given: Map<String, Value>,
        named: bool,
    ) -> Result<Option<Value>, ScimError> {
        let valued = named && resource::get(&given, "value").is_some();
        let parts = self.parts(known, given, self.nulls)?;
        if valued && resource::get(&parts, "value").is_none_or(Value::is_null) {
            // `{"value": ""}` clears a manager; a name beside it does not keep one.
            let kept = |(name, value): (&String, &Value)| {
                let writable =
                    sub(known, name).is_none_or(|s| s.mutability != Mutability::ReadOnly);
                writable && !name.eq_ignore_ascii_case("value") && !value.is_null()
            };
            if !parts.iter().any(kept) {
                return Ok(self.empty());
            }
        }
        // In a PATCH an object of nothing changes nothing; in a document it is absent.
        Ok((self.nulls || !parts.is_empty()).then(|| parts.into()))
    }

    /// The sub-attributes of an object. `$ref` is for answers; `value` decides.
    fn parts(
        &mut self,
        known: &Attribute,
        given: Map<String, Value>,
        nulls: bool,
    ) -> Result<Map<String, Value>, ScimError> {
        let mut parts = Map::new();
        for (name, value) in given {
            if name.eq_ignore_ascii_case("$ref") {
                continue;
            }
            let value = match sub(known, &name) {
                Some(known) => self.whole(known, value)?,
                None => Some(value).filter(|value| !value.is_null()),
            };
            match value {
                Some(value) => parts.insert(name, value),
                None if nulls => parts.insert(name, Value::Null),
                None => None,
            };
        }
        Ok(parts)
    }

    fn boolean(&mut self, text: String) -> Value {
        let is = |word: &str| text.trim().eq_ignore_ascii_case(word);
        let value = is("true");
        if (value || is("false")) && self.accents.met(Accent::BooleanText) {
            Value::Bool(value)
        } else {
            text.into()
        }
    }

    /// Null and `[]`, which RFC 7643 §2.5 itself takes for absence.
    fn empty(&mut self) -> Option<Value> {
        self.accents.met(Accent::EmptyValue);
        None
    }

    /// `""`, which is absence only for those who say so.
    fn blank(&mut self) -> Option<Value> {
        if self.accents.met(Accent::EmptyValue) {
            None
        } else {
            Some(Value::String(String::new()))
        }
    }
}

pub(super) fn sub<'a>(known: &'a Attribute, name: &str) -> Option<&'a Attribute> {
    known.sub(&name.parse::<AttrName>().ok()?)
}

/// Whether a member is there and says that there is nothing.
fn is_blank(value: Option<&Value>, refuse: bool) -> bool {
    match value {
        Some(Value::Null) => true,
        Some(Value::String(text)) => text.is_empty() && !refuse,
        _ => false,
    }
}

/// Whether an object is `{"value": …}` and nothing else.
fn is_wrapper(given: &Map<String, Value>) -> bool {
    given.len() == 1 && resource::get(given, "value").is_some()
}
