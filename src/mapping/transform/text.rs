//! The text that an LDAP directory keeps of a value: `TRUE` for `true`, `42` for the number.
//! There is no empty text: a client that sends one means that there is no value.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use super::{Next, Transform};
use crate::mapping::kind::{Fault, Pushed, Test, Untranslatable};
use crate::scim::filter::CompareOp;
use crate::scim::json::Sort;
use crate::scim::schema::Kind;

/// For values of a scalar type.
#[derive(Debug, Clone, Copy)]
pub struct AsText(pub Kind);

impl AsText {
    /// The text of a value that stands in a rule.
    #[must_use]
    pub fn plain(value: &Value) -> Value {
        match value {
            Value::Bool(true) => "TRUE".into(),
            Value::Bool(false) => "FALSE".into(),
            Value::Number(number) => number.to_string().into(),
            other => other.clone(),
        }
    }

    fn is_text(self) -> bool {
        match self.0 {
            Kind::Boolean | Kind::Integer | Kind::Decimal => false,
            Kind::String | Kind::DateTime | Kind::Binary | Kind::Reference | Kind::Complex => true,
        }
    }
}

impl Transform for AsText {
    fn put(&self, value: Value) -> Result<Value, Fault> {
        match &value {
            Value::Number(number) if self.0 == Kind::Integer => {
                let text = number.to_string();
                match whole(&text) {
                    Some(text) => Ok(text.into()),
                    None => Err(Fault("must be a whole number, in plain digits".to_owned())),
                }
            }
            Value::String(text)
                if self.0 == Kind::Binary && BASE64_STANDARD.decode(text).is_err() =>
            {
                Err(Fault("must be base64 (RFC 4648), padded".to_owned()))
            }
            Value::Bool(_) | Value::Number(_) => Ok(Self::plain(&value)),
            Value::String(text) if text.is_empty() => Err(Fault("must not be empty".to_owned())),
            _ => Ok(value),
        }
    }

    fn get(&self, value: Value) -> Result<Option<Value>, Fault> {
        let Value::String(text) = &value else {
            return Ok(Some(value));
        };
        let read = match self.0 {
            Kind::Boolean if text.eq_ignore_ascii_case("true") => Some(Value::Bool(true)),
            Kind::Boolean if text.eq_ignore_ascii_case("false") => Some(Value::Bool(false)),
            Kind::Boolean => None,
            Kind::Integer => whole(text).and_then(|text| number(&text)),
            Kind::Decimal => number(text),
            Kind::String | Kind::DateTime | Kind::Binary | Kind::Reference | Kind::Complex => {
                return Ok((!text.is_empty()).then_some(value));
            }
        };
        match read {
            Some(value) => Ok(Some(value)),
            None => Err(Fault("is not of its type".to_owned())),
        }
    }

    fn test(&self, test: Test<'_>, next: Next<'_>) -> Result<Pushed, Untranslatable> {
        let Test::Compare(op, value) = test else {
            return next(test);
        };
        if value.as_str() == Some("") {
            return match op {
                // Every text holds the empty one, and comes after it.
                CompareOp::Co | CompareOp::Sw | CompareOp::Ew | CompareOp::Gt | CompareOp::Ge => {
                    next(Test::Present)
                }
                CompareOp::Eq | CompareOp::Ne | CompareOp::Lt | CompareOp::Le => Ok(Pushed::Never),
            };
        }
        if (!self.is_text() || self.0 == Kind::Binary)
            && matches!(op, CompareOp::Co | CompareOp::Sw | CompareOp::Ew)
            || self.0 == Kind::Boolean && op != CompareOp::Eq
        {
            let text = format!(
                "its values are no texts, so `{}` means nothing",
                op.as_str()
            );
            return Err(Untranslatable(text));
        }
        match self.put(value.clone()) {
            Ok(text) => next(Test::Compare(op, &text)),
            Err(_) => Ok(Pushed::Never),
        }
    }

    fn ordered(&self) -> bool {
        self.is_text()
    }

    fn keeps(&self, sort: Sort) -> bool {
        self.is_text() && self.0 != Kind::Binary && sort == Sort::String
    }

    fn void(&self, value: &Value) -> bool {
        value.as_str() == Some("")
    }
}

/// The one spelling of a whole number that a directory takes.
fn whole(text: &str) -> Option<String> {
    text.parse::<i128>().ok().map(|number| number.to_string())
}

fn number(text: &str) -> Option<Value> {
    serde_json::from_str::<serde_json::Number>(text)
        .ok()
        .map(Value::Number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_texts() {
        for (kind, value, text) in [
            (Kind::Boolean, json!(true), "TRUE"),
            (Kind::Boolean, json!(false), "FALSE"),
            (Kind::Integer, json!(42), "42"),
            (Kind::Integer, json!(-1), "-1"),
            (Kind::Decimal, json!(1.5), "1.5"),
            (Kind::String, json!("TRUE"), "TRUE"),
        ] {
            assert_eq!(AsText(kind).put(value.clone()), Ok(json!(text)));
            assert_eq!(AsText(kind).get(json!(text)), Ok(Some(value)));
        }
        assert_eq!(
            AsText(Kind::Boolean).get(json!("true")),
            Ok(Some(json!(true)))
        );
        assert!(AsText(Kind::Boolean).get(json!("yes")).is_err());
        assert!(AsText(Kind::Integer).get(json!("4x")).is_err());
        assert!(AsText(Kind::Integer).put(json!(1.5)).is_err());
        assert!(AsText(Kind::Binary).put(json!("Zm9v")).is_ok());
        assert!(AsText(Kind::Binary).put(json!("Zm9")).is_err());
        assert!(AsText(Kind::String).void(&json!("")));
    }

    proptest! {
        #[test]
        fn what_is_put_comes_back(number: i64, text in ".{1,8}", truth: bool) {
            for (kind, value) in [(Kind::Integer, json!(number)), (Kind::String, json!(text)), (Kind::Boolean, json!(truth))] {
                let put = AsText(kind).put(value.clone()).unwrap();
                prop_assert_eq!(AsText(kind).get(put), Ok(Some(value)));
            }
        }
    }
}
