//! The id of a resource that an attribute points to. What the directory has in its place is the
//! driver's business; only whether two are the same can be asked.

use serde_json::Value;

use super::{Next, Transform};
use crate::mapping::kind::{Fault, Pushed, Test, Untranslatable};
use crate::scim::ResourceId;
use crate::scim::filter::CompareOp;
use crate::scim::json::Sort;

/// `reference: {…}` in a rule.
#[derive(Debug, Clone, Copy)]
pub struct Pointer;

impl Transform for Pointer {
    fn put(&self, value: Value) -> Result<Value, Fault> {
        if value.as_str().is_some_and(ResourceId::fits) {
            return Ok(value);
        }
        Err(Fault("must be the id of a resource".to_owned()))
    }

    fn get(&self, value: Value) -> Result<Option<Value>, Fault> {
        match &value {
            Value::String(id) if ResourceId::fits(id) => Ok(Some(value)),
            _ => Err(Fault("is not the id of a resource".to_owned())),
        }
    }

    fn test(&self, test: Test<'_>, next: Next<'_>) -> Result<Pushed, Untranslatable> {
        match test {
            Test::Present => next(test),
            Test::Compare(CompareOp::Eq, value) => match self.put(value.clone()) {
                Ok(_) => next(test),
                // What cannot be an id is nobody's.
                Err(_) => Ok(Pushed::Never),
            },
            Test::Compare(op, _) => Err(Untranslatable(format!(
                "it is a reference, so `{}` cannot be asked, only `eq`, `ne` and `pr`",
                op.as_str()
            ))),
        }
    }

    fn keeps(&self, _: Sort) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_id_stays_and_nothing_else_goes() {
        assert_eq!(Pointer.put(json!("a-1")), Ok(json!("a-1")));
        for wrong in [json!("a/b"), json!(""), json!(1), json!("a\u{0}")] {
            assert!(Pointer.put(wrong.clone()).is_err() && Pointer.get(wrong).is_err());
        }
        let never = Pointer.test(Test::Compare(CompareOp::Eq, &json!("a/b")), &|_| {
            panic!("asked")
        });
        assert_eq!(never, Ok(Pushed::Never));
        assert!(
            Pointer
                .test(Test::Compare(CompareOp::Co, &json!("a")), &|_| panic!(
                    "asked"
                ))
                .is_err()
        );
    }
}
