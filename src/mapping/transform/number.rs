//! A text in SCIM that the directory keeps as a number: `"42"` and `42`.

use serde_json::Value;

use crate::scim::filter::CompareOp;

use super::{Next, Transform};
use crate::mapping::kind::{Fault, Pushed, Test, Untranslatable};

/// `as: number` in a rule.
#[derive(Debug, Clone, Copy)]
pub struct AsNumber;

impl AsNumber {
    /// The number that a text is the one spelling of.
    #[must_use]
    pub fn read(value: &Value) -> Option<Value> {
        let text = value.as_str()?;
        let digits = text.strip_prefix('-').unwrap_or(text);
        let canonical = !digits.is_empty()
            && digits.len() <= 40
            && digits.bytes().all(|b| b.is_ascii_digit())
            && (digits == "0" || !digits.starts_with('0'))
            && text != "-0";
        if !canonical {
            return None;
        }
        serde_json::from_str::<serde_json::Number>(text)
            .ok()
            .map(Value::Number)
    }
}

impl Transform for AsNumber {
    fn put(&self, value: Value) -> Result<Value, Fault> {
        Self::read(&value).ok_or_else(|| Fault("must be the digits of a whole number".to_owned()))
    }

    fn get(&self, value: Value) -> Result<Option<Value>, Fault> {
        match value {
            Value::Number(number) => Ok(Some(Value::String(number.to_string()))),
            Value::String(_) => Ok(Some(value)),
            _ => Err(Fault("is not a number".to_owned())),
        }
    }

    fn test(&self, test: Test<'_>, next: Next<'_>) -> Result<Pushed, Untranslatable> {
        match test {
            Test::Present => next(test),
            Test::Compare(CompareOp::Eq, value) => match Self::read(value) {
                Some(number) => next(Test::Compare(CompareOp::Eq, &number)),
                None => Ok(Pushed::Never),
            },
            Test::Compare(op, _) => Err(Untranslatable(format!(
                "the directory keeps it as a number, so only `eq`, `ne` and `pr` can be asked, not `{}`",
                op.as_str()
            ))),
        }
    }
}
