//! One value that means something, where every other and none mean the opposite: `active` is false
//! while `pwdAccountLockedTime` is `000001010000Z`. Another value there is none of ours: it reads
//! as the opposite and is never removed (decisions, 42).

use serde_json::Value;

use super::bit::truth;
use super::{Delta, Fault, Kind, Pushed, Refusal, Test, Touch, Untranslatable, Write};
use crate::mapping::place::Place;
use crate::mapping::transform::holds;
use crate::scim::AttrPath;
use crate::scim::filter::CompareOp;
use crate::scim::json::{Members, Node, Sort};
use crate::scim::patch::{Change, PatchOp};

/// `{scim: active, target: pwdAccountLockedTime, marker: "000001010000Z", means: false}`.
#[derive(Debug)]
pub struct Marker {
    touch: Touch,
    scim: Place,
    target: Place,
    marker: String,
    means: bool,
}

impl Marker {
    /// A line whose SCIM attribute is `means` while the target has the value `marker`.
    #[must_use]
    pub fn new(touch: Touch, (scim, target): (Place, Place), marker: String, means: bool) -> Self {
        Self {
            touch,
            scim,
            target,
            marker,
            means,
        }
    }

    /// Whether the marker is among the values of the directory.
    fn is_set(&self, value: Option<&mut Node<'_>>) -> bool {
        let is = |value: &Node<'_>| {
            value
                .as_str()
                .is_some_and(|text| text.eq_ignore_ascii_case(&self.marker))
        };
        match value {
            Some(value) if value.sort() == Sort::Array => {
                value.array().is_some_and(|items| items.iter().any(is))
            }
            Some(value) => is(value),
            None => false,
        }
    }
}

impl Kind for Marker {
    fn touches(&self) -> &Touch {
        &self.touch
    }

    fn put<'a>(
        &'a self,
        from: &mut Members<'a>,
        out: &mut Members<'a>,
        _: Write,
    ) -> Result<(), Fault> {
        let Some(value) = self.scim.peek(from) else {
            // What has no absence is not cleared.
            return Ok(());
        };
        let wanted = truth(&value.to_value())? == self.means;
        let present = self.is_set(self.target.peek(out));
        match (wanted, present) {
            (true, false) => self.target.set(out, self.marker.as_str().into(), &[]),
            (false, true) => self.target.clear(out),
            (true, true) | (false, false) => {}
        }
        Ok(())
    }

    fn get<'a>(&'a self, from: &mut Members<'a>, out: &mut Members<'a>) -> Result<(), Fault> {
        let value = self.is_set(self.target.peek(from)) == self.means;
        self.scim
            .set(out, Value::Bool(value).into(), &self.touch.constants);
        Ok(())
    }

    fn filter(&self, test: &Test<'_>) -> Result<Pushed, Untranslatable> {
        let Test::Compare(op, value) = test else {
            return Ok(Pushed::Always);
        };
        let marked = Value::String(self.marker.clone());
        let marked = Pushed::Ask(self.target.compare(CompareOp::Eq, &marked));
        let fits = |known: bool| holds(&known.into(), *op, value, true);
        Ok(match (fits(self.means), fits(!self.means)) {
            (true, true) => Pushed::Always,
            (true, false) => marked,
            (false, true) => marked.negated(),
            (false, false) => Pushed::Never,
        })
    }

    fn patch(&self, delta: Delta<'_>) -> Result<Vec<Change>, Refusal> {
        let marker = Value::String(self.marker.clone());
        let (op, value) = match delta {
            Delta::Clear => return Ok(Vec::new()),
            Delta::Set(_, value) if truth(&value)? == self.means => (PatchOp::Replace, marker),
            // This value goes, no other.
            Delta::Set(..) => (PatchOp::Remove, Value::Array(vec![marker])),
            Delta::Add(_) | Delta::Remove(_) | Delta::Within(_) => {
                return Err(Refusal::NeedsBefore);
            }
        };
        Ok(vec![Change {
            op,
            path: self.target.patch_path(),
            value: Some(value),
        }])
    }

    fn sort(&self) -> Option<AttrPath> {
        None
    }

    fn looks(&self) -> bool {
        // Another value than the marker stays.
        true
    }
}
