//! A fixed value: written to a target with every document, or read by every client.

use serde_json::Value;

use crate::scim::patch::Change;
use crate::scim::{AttrPath, Resource};

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

    fn put(&self, _: &mut Resource, out: &mut Resource, _: Write) -> Result<(), Fault> {
        if let Some(target) = self.target() {
            target.set(out, self.value.clone(), &[]);
        }
        Ok(())
    }

    fn get(&self, _: &mut Resource, out: &mut Resource) -> Result<(), Fault> {
        if let Some(scim) = self.touch.scim.first() {
            scim.set(out, self.value.clone(), &self.touch.constants);
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
