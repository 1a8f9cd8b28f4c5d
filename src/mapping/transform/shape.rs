//! The data type of a SCIM attribute: what clients may send, and how a directory's untidy values
//! (a number for a string, `"true"` for a boolean) read.

use serde_json::Value;

use crate::scim::json::Sort;
use crate::scim::schema::Kind;

use super::{Next, Transform};
use crate::mapping::kind::{Fault, Pushed, Test, Untranslatable};

/// Holds a scalar to its type.
#[derive(Debug, Clone, Copy)]
pub struct Shape(Kind);

impl Shape {
    /// For a scalar type; a complex attribute has none.
    #[must_use]
    pub fn of(kind: Kind) -> Option<Self> {
        (kind != Kind::Complex).then_some(Self(kind))
    }

    fn fits(self, value: &Value) -> bool {
        match self.0 {
            Kind::Boolean => value.is_boolean(),
            Kind::Integer | Kind::Decimal => value.is_number(),
            Kind::String | Kind::DateTime | Kind::Binary | Kind::Reference => value.is_string(),
            Kind::Complex => true,
        }
    }
}

impl Transform for Shape {
    fn put(&self, value: Value) -> Result<Value, Fault> {
        if self.fits(&value) {
            return Ok(value);
        }
        Err(Fault(format!("must be {}", self.article())))
    }

    fn get(&self, value: Value) -> Result<Option<Value>, Fault> {
        if self.fits(&value) {
            return Ok(Some(value));
        }
        let read = match (self.0, &value) {
            (Kind::String | Kind::Reference | Kind::DateTime, Value::Number(number)) => {
                Some(Value::String(number.to_string()))
            }
            (Kind::String, Value::Bool(value)) => Some(Value::String(value.to_string())),
            (Kind::Boolean, Value::String(text)) if text.eq_ignore_ascii_case("true") => {
                Some(Value::Bool(true))
            }
            (Kind::Boolean, Value::String(text)) if text.eq_ignore_ascii_case("false") => {
                Some(Value::Bool(false))
            }
            (Kind::Integer | Kind::Decimal, Value::String(text)) => {
                serde_json::from_str::<serde_json::Number>(text)
                    .ok()
                    .map(Value::Number)
            }
            _ => None,
        };
        match read {
            Some(value) => Ok(Some(value)),
            None => Err(Fault(format!("is not {}", self.article()))),
        }
    }

    fn test(&self, test: Test<'_>, next: Next<'_>) -> Result<Pushed, Untranslatable> {
        match test {
            // A value of another type equals nothing (decisions, 33).
            Test::Compare(_, value) if !self.fits(value) => Ok(Pushed::Never),
            _ => next(test),
        }
    }

    fn ordered(&self) -> bool {
        true
    }

    fn keeps(&self, sort: Sort) -> bool {
        match self.0 {
            Kind::Boolean => sort == Sort::Bool,
            Kind::Integer | Kind::Decimal => sort == Sort::Number,
            Kind::String | Kind::DateTime | Kind::Binary | Kind::Reference => sort == Sort::String,
            Kind::Complex => true,
        }
    }
}

impl Shape {
    fn article(self) -> &'static str {
        match self.0 {
            Kind::Boolean => "`true` or `false`",
            Kind::Integer => "a whole number",
            Kind::Decimal => "a number",
            Kind::DateTime => "a time as text, such as `2026-11-01T08:00:00Z`",
            Kind::Binary => "base64 text",
            Kind::Reference => "a reference as text",
            Kind::String => "a string",
            Kind::Complex => "an object",
        }
    }
}
