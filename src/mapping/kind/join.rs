//! Several SCIM attributes joined into one target: one way, from the client to the directory.

use crate::scim::AttrPath;
use crate::scim::json::Members;
use crate::scim::patch::Change;

use super::{Delta, Fault, Kind, Pushed, Refusal, Test, Touch, Untranslatable, Write};
use crate::mapping::place::Place;

/// `{target: cn, join: [name.givenName, name.familyName], with: " "}`.
#[derive(Debug)]
pub struct Join {
    touch: Touch,
    target: Place,
    with: String,
}

impl Join {
    /// A line that joins `touch.scim`.
    #[must_use]
    pub fn new(touch: Touch, target: Place, with: String) -> Self {
        Self {
            touch,
            target,
            with,
        }
    }
}

impl Kind for Join {
    fn touches(&self) -> &Touch {
        &self.touch
    }

    fn put<'a>(
        &'a self,
        from: &mut Members<'a>,
        out: &mut Members<'a>,
        write: Write,
    ) -> Result<(), Fault> {
        let mut joined = String::new();
        for part in &self.touch.scim {
            let Some(value) = part.peek(from) else {
                continue;
            };
            if !joined.is_empty() {
                joined.push_str(&self.with);
            }
            match (value.as_str(), value.as_number()) {
                (Some(text), _) => joined.push_str(&text),
                (None, Some(number)) => joined.push_str(number),
                (None, None) => return Err(Fault("must be text".to_owned())),
            }
        }
        if !joined.is_empty() {
            self.target.set(out, joined.into(), &[]);
        } else if write == Write::Replace {
            self.target.clear(out);
        }
        Ok(())
    }

    fn get<'a>(&'a self, _: &mut Members<'a>, _: &mut Members<'a>) -> Result<(), Fault> {
        Ok(())
    }

    fn filter(&self, _: &Test<'_>) -> Result<Pushed, Untranslatable> {
        Err(Untranslatable("it is only written".to_owned()))
    }

    fn patch(&self, _: Delta<'_>) -> Result<Vec<Change>, Refusal> {
        // The other parts must be known.
        Err(Refusal::NeedsBefore)
    }

    fn sort(&self) -> Option<AttrPath> {
        None
    }
}
