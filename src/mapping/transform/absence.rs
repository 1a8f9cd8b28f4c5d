//! A value of the directory that stands for nothing: `default` in a rule. Where the client has
//! nothing, it is written; where it is read, the client sees nothing.

use serde_json::Value;

use crate::scim::filter::CompareOp;
use crate::scim::value::same;

use super::{Next, Transform, holds};
use crate::mapping::kind::{Class, Fault, Pushed, Test, Untranslatable};

/// `default: "-"`.
#[derive(Debug)]
pub struct Absence {
    /// The value that stands for nothing.
    pub value: Value,
    /// Whether it is proved that no real value looks like it.
    pub outside: bool,
}

impl Transform for Absence {
    fn put(&self, value: Value) -> Result<Value, Fault> {
        if same(&value, &self.value) {
            return Err(Fault(
                "must be another value: this one stands for none in the directory".to_owned(),
            ));
        }
        Ok(value)
    }

    fn get(&self, value: Value) -> Result<Option<Value>, Fault> {
        Ok((!same(&value, &self.value)).then_some(value))
    }

    fn test(&self, test: Test<'_>, next: Next<'_>) -> Result<Pushed, Untranslatable> {
        if let Test::Compare(CompareOp::Eq, value) = test
            && same(value, &self.value)
        {
            return Ok(Pushed::Never);
        }
        let asked = next(test)?;
        let includes_nothing = match test {
            Test::Present => true,
            Test::Compare(op, value) => holds(&self.value, op, value, false),
        };
        if includes_nothing {
            let nothing = next(Test::Compare(CompareOp::Eq, &self.value))?;
            return Ok(Pushed::all([asked, nothing.negated()]));
        }
        Ok(asked)
    }

    fn class(&self) -> Class {
        if self.outside {
            Class::Lossless
        } else {
            Class::Lossy(format!(
                "the value {} is refused, it stands for none",
                self.value
            ))
        }
    }

    fn ordered(&self) -> bool {
        false
    }

    fn absent(&self) -> Option<&Value> {
        Some(&self.value)
    }
}
