//! A value that is made when the resource is, and that no client sends: a number from a counter,
//! random text, a name made of another attribute. Which one is free only the driver can tell: the
//! layout says what it has to do, the document has what it takes for that.

use super::{Delta, Fault, Kind, Pushed, Refusal, Test, Touch, Untranslatable, Write};
use crate::ldap::made::Candidates;
use crate::mapping::place::Place;
use crate::scim::AttrPath;
use crate::scim::json::Members;
use crate::scim::patch::Change;

/// `{target: sAMAccountName, from: userName, max: 20, on_collision: number}`,
/// `{target: uidNumber, allocate: {…}}`, `{target: unicodePwd, random: 32}`.
#[derive(Debug)]
pub struct Made {
    touch: Touch,
    target: Place,
    from: Option<(Place, Candidates)>,
}

impl Made {
    /// A line that is made of `from`, or of nothing that the client sends.
    #[must_use]
    pub fn new(touch: Touch, target: Place, from: Option<(Place, Candidates)>) -> Self {
        Self {
            touch,
            target,
            from,
        }
    }
}

impl Kind for Made {
    fn touches(&self) -> &Touch {
        &self.touch
    }

    fn put<'a>(
        &'a self,
        from: &mut Members<'a>,
        out: &mut Members<'a>,
        write: Write,
    ) -> Result<(), Fault> {
        let (Some((place, candidates)), Write::Create) = (&self.from, write) else {
            return Ok(());
        };
        let Some(value) = place.peek(from) else {
            return Ok(());
        };
        let text = value.as_str().unwrap_or_default().into_owned();
        if candidates.nth(&text, 0).is_none() {
            let text = format!("has nothing that a `{}` can be made of", self.target);
            return Err(Fault(text));
        }
        self.target.set(out, text.into(), &[]);
        Ok(())
    }

    fn get<'a>(&'a self, _: &mut Members<'a>, _: &mut Members<'a>) -> Result<(), Fault> {
        Ok(())
    }

    fn filter(&self, _: &Test<'_>) -> Result<Pushed, Untranslatable> {
        Err(Untranslatable("it is made when the resource is".to_owned()))
    }

    fn patch(&self, _: Delta<'_>) -> Result<Vec<Change>, Refusal> {
        Ok(Vec::new())
    }

    fn sort(&self) -> Option<AttrPath> {
        None
    }
}
