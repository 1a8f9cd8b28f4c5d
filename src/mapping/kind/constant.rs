//! A fixed value: written to a target with every document, or read by every client.

use serde_json::Value;

use crate::scim::AttrPath;
use crate::scim::json::Members;
use crate::scim::patch::Change;

use super::{Delta, Fault, Kind, Pushed, Refusal, Test, Touch, Untranslatable, Write};
use crate::mapping::place::Place;
use crate::mapping::transform::holds;

/// `{target: source, constant: scim}` or `{scim: userType, constant: Employee}`.
#[derive(Debug)]
pub struct Constant {
    touch: Touch,
    value: Value,
    case_exact: bool,
}

impl Constant {
    /// A line with a target to be written, or a SCIM attribute to be read.
    #[must_use]
    pub fn new(touch: Touch, value: Value, case_exact: bool) -> Self {
        Self {
            touch,
            value,
            case_exact,
        }
    }

    fn target(&self) -> Option<&Place> {
        self.touch.target.first()
    }
}

impl Kind for Constant {
    fn touches(&self) -> &Touch {
        &self.touch
    }

    fn put<'a>(
        &'a self,
        _: &mut Members<'a>,
        out: &mut Members<'a>,
        _: Write,
    ) -> Result<(), Fault> {
        if let Some(target) = self.target() {
            target.set(out, (&self.value).into(), &[]);
        }
        Ok(())
    }

    fn get<'a>(&'a self, _: &mut Members<'a>, out: &mut Members<'a>) -> Result<(), Fault> {
        if let Some(scim) = self.touch.scim.first() {
            scim.set(out, (&self.value).into(), &self.touch.constants);
        }
        Ok(())
    }

    fn filter(&self, test: &Test<'_>) -> Result<Pushed, Untranslatable> {
        Ok(match test {
            Test::Present => Pushed::Always,
            Test::Compare(op, value) => holds(&self.value, *op, value, self.case_exact).into(),
        })
    }

    fn patch(&self, _: Delta<'_>) -> Result<Vec<Change>, Refusal> {
        Ok(Vec::new())
    }

    fn sort(&self) -> Option<AttrPath> {
        None
    }
}
