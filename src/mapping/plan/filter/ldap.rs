//! Questions about what every entry of an LDAP directory has: its id and its times.

use serde_json::Value;

use super::Answer;
use crate::ldap::IdForm;
use crate::ldap::layout::Flavor;
use crate::mapping::kind::{Pushed, Test, Untranslatable};
use crate::mapping::place::Place;
use crate::mapping::ruleset::Entry;
use crate::mapping::transform::Transform;
use crate::mapping::transform::time::{Time, TimeForm};
use crate::scim::AttrName;
use crate::scim::filter::CompareOp;

/// `id op value`. What cannot be an id is nobody's.
pub(super) fn id(name: &AttrName, form: IdForm, op: CompareOp, value: &Value) -> Answer {
    if op != CompareOp::Eq {
        let text = format!(
            "only `eq` and `ne` can be asked of ids, not `{}`",
            op.as_str()
        );
        return Err(Untranslatable(text));
    }
    let id = value.as_str().and_then(|text| form.canonical(text));
    Ok(match id {
        Some(id) => Pushed::Ask(Place::of(name.clone()).compare(op, &Value::String(id))),
        None => Pushed::Never,
    })
}

/// `meta.created op value`, of the attribute that has it.
pub(super) fn stamp(entry: &Entry, part: &AttrName, test: Test<'_>) -> Answer {
    let Some(name) = entry.stamp(part) else {
        let text = "the directory keeps it in no attribute";
        return Err(Untranslatable(text.to_owned()));
    };
    let place = Place::of(name.clone());
    let flavor = entry.ldap.as_ref().map(|own| own.flavor);
    let time = Time {
        form: TimeForm::Generalized,
        fraction: flavor == Some(Flavor::ActiveDirectory),
    };
    time.test(test, &|test| {
        Ok(Pushed::Ask(match test {
            Test::Present => place.present(),
            Test::Compare(op, value) => place.compare(op, value),
        }))
    })
}
