//! A GUID as clients see it, and the sixteen bytes that the directory keeps (as base64): the first
//! three fields with their low byte first.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use super::{Next, Transform};
use crate::ldap::id::{guid_bytes, guid_text};
use crate::mapping::kind::{Class, Fault, Pushed, Test, Untranslatable};
use crate::scim::filter::CompareOp;

/// `as: guid` in a rule.
#[derive(Debug, Clone, Copy)]
pub struct AsGuid;

impl Transform for AsGuid {
    fn put(&self, value: Value) -> Result<Value, Fault> {
        let bytes = value.as_str().and_then(guid_bytes);
        match bytes {
            Some(bytes) => Ok(BASE64_STANDARD.encode(bytes).into()),
            None => Err(Fault(
                "must be a GUID, such as `6e0d83a7-5c14-4f2b-9a01-020304050607`".to_owned(),
            )),
        }
    }

    fn get(&self, value: Value) -> Result<Option<Value>, Fault> {
        let bytes = value
            .as_str()
            .and_then(|text| BASE64_STANDARD.decode(text).ok());
        match bytes.and_then(|bytes| guid_text(&bytes)) {
            Some(text) => Ok(Some(text.into())),
            None => Err(Fault("is not the sixteen bytes of a GUID".to_owned())),
        }
    }

    fn test(&self, test: Test<'_>, next: Next<'_>) -> Result<Pushed, Untranslatable> {
        match test {
            Test::Present => next(test),
            Test::Compare(CompareOp::Eq, value) => match self.put(value.clone()) {
                Ok(bytes) => next(Test::Compare(CompareOp::Eq, &bytes)),
                Err(_) => Ok(Pushed::Never),
            },
            Test::Compare(op, _) => Err(Untranslatable(format!(
                "the directory keeps its bytes, so `{}` cannot be asked, only `eq`, `ne` and `pr`",
                op.as_str()
            ))),
        }
    }

    fn class(&self) -> Class {
        Class::Canonical
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    proptest! {
        #[test]
        fn put_and_get_undo_each_other(bytes: [u8; 16]) {
            let kept = json!(BASE64_STANDARD.encode(bytes));
            let seen = AsGuid.get(kept.clone()).unwrap().unwrap();
            prop_assert_eq!(AsGuid.put(seen.clone()), Ok(kept.clone()));
            let shouted = json!(seen.as_str().unwrap().to_uppercase());
            prop_assert_eq!(AsGuid.put(shouted), Ok(kept));
        }
    }

    #[test]
    fn what_is_none_is_refused_and_equals_nothing() {
        assert!(AsGuid.put(json!("x")).is_err() && AsGuid.put(json!(1)).is_err());
        assert!(AsGuid.get(json!("AAAA")).is_err());
        let asked = AsGuid.test(Test::Compare(CompareOp::Eq, &json!("*")), &|_| {
            panic!("asked")
        });
        assert_eq!(asked, Ok(Pushed::Never));
    }
}
