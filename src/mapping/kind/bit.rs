//! One bit of a number: `active` is bit 2 of `userAccountControl`, inverted. The other bits stay as
//! they are, so the present number must be known; setting a bit twice is setting it once.

use serde_json::Value;

use super::{Delta, Fault, Kind, Pushed, Refusal, Test, Touch, Untranslatable, Write};
use crate::mapping::place::Place;
use crate::mapping::transform::holds;
use crate::scim::filter::{CompareOp, Comparison, Filter};
use crate::scim::json::{Members, Node};
use crate::scim::patch::Change;
use crate::scim::{AttrPath, SchemaUri};

/// `{scim: active, target: userAccountControl, bit: 2, inverted: true}`.
#[derive(Debug)]
pub struct Bit {
    touch: Touch,
    scim: Place,
    target: Place,
    mask: u32,
    inverted: bool,
    start: i64,
}

impl Bit {
    /// A line for the bit `mask`; where there is no number yet, `start` is.
    #[must_use]
    pub fn new(
        touch: Touch,
        (scim, target): (Place, Place),
        (mask, inverted): (u32, bool),
        start: i64,
    ) -> Self {
        Self {
            touch,
            scim,
            target,
            mask,
            inverted,
            start,
        }
    }

    /// Whether the bit is set where the attribute has that value.
    fn wants(&self, value: bool) -> bool {
        value != self.inverted
    }

    /// The directory has the bit set, or not.
    fn ask(&self, set: bool) -> Pushed {
        let by_rule = Filter::Compare(Comparison {
            path: AttrPath {
                uri: Some(SchemaUri::known(BIT_AND)),
                ..self.target.path()
            },
            op: CompareOp::Eq,
            value: Value::String(self.mask.to_string()),
        });
        if set {
            return Pushed::Ask(by_rule);
        }
        // Where there is no number there is no value either.
        Pushed::all([
            Pushed::Ask(self.target.present()),
            Pushed::Ask(by_rule).negated(),
        ])
    }
}

impl Kind for Bit {
    fn touches(&self) -> &Touch {
        &self.touch
    }

    fn put<'a>(
        &'a self,
        from: &mut Members<'a>,
        out: &mut Members<'a>,
        write: Write,
    ) -> Result<(), Fault> {
        let wanted = match self.scim.peek(from) {
            None => None,
            Some(value) => Some(truth(&value.to_value())?),
        };
        let present = match self.target.peek(out) {
            None => None,
            Some(value) => Some(number(value).ok_or_else(|| {
                Fault("cannot be changed: the directory has no number there".to_owned())
            })?),
        };
        let old = present.unwrap_or(self.start);
        let new = match wanted {
            Some(wanted) => with_bit(old, self.mask, self.wants(wanted)),
            // What has no absence is not cleared.
            None if write == Write::Replace => return Ok(()),
            None => old,
        };
        if present != Some(new) {
            self.target.set(out, new.to_string().into(), &[]);
        }
        Ok(())
    }

    fn get<'a>(&'a self, from: &mut Members<'a>, out: &mut Members<'a>) -> Result<(), Fault> {
        // Other lines may be about other bits of it: it is looked at, not taken.
        let Some(value) = self.target.peek(from) else {
            return Ok(());
        };
        let number = number(value).ok_or_else(|| Fault("is not a number".to_owned()))?;
        let value = self.wants(number & i64::from(self.mask) != 0);
        self.scim
            .set(out, Value::Bool(value).into(), &self.touch.constants);
        Ok(())
    }

    fn filter(&self, test: &Test<'_>) -> Result<Pushed, Untranslatable> {
        match test {
            Test::Present => Ok(Pushed::Ask(self.target.present())),
            Test::Compare(op, value) => {
                let fits = |known: bool| holds(&known.into(), *op, value, true);
                Ok(match (fits(true), fits(false)) {
                    (true, true) => Pushed::Ask(self.target.present()),
                    (true, false) => self.ask(self.wants(true)),
                    (false, true) => self.ask(self.wants(false)),
                    (false, false) => Pushed::Never,
                })
            }
        }
    }

    fn patch(&self, delta: Delta<'_>) -> Result<Vec<Change>, Refusal> {
        match delta {
            Delta::Clear => Ok(Vec::new()),
            Delta::Set(_, value) => {
                truth(&value)?;
                Err(Refusal::NeedsBefore)
            }
            Delta::Add(_) | Delta::Remove(_) | Delta::Within(_) => Err(Refusal::NeedsBefore),
        }
    }

    fn sort(&self) -> Option<AttrPath> {
        None
    }

    fn remembers(&self) -> bool {
        true
    }
}

/// A client's boolean.
pub(super) fn truth(value: &Value) -> Result<bool, Fault> {
    value
        .as_bool()
        .ok_or_else(|| Fault("must be `true` or `false`".to_owned()))
}

/// A number of 32 bits, with a sign or without.
fn number(value: &Node<'_>) -> Option<i64> {
    let number: i64 = match (value.as_str(), value.as_number()) {
        (Some(text), _) => text.parse().ok()?,
        (None, Some(number)) => number.parse().ok()?,
        (None, None) => return None,
    };
    let fits = (i64::from(i32::MIN)..=i64::from(u32::MAX)).contains(&number);
    fits.then_some(number)
}

/// The number with the bit set or cleared; the sign is the highest bit, as the directory has it.
fn with_bit(number: i64, mask: u32, set: bool) -> i64 {
    let wide = i64::from(mask);
    let new = if set { number | wide } else { number & !wide };
    match i32::try_from(number) {
        // The highest bit is the sign of a number that has one.
        Ok(_) if mask == HIGHEST => {
            let low = u32::try_from(new & i64::from(u32::MAX)).unwrap_or_default();
            i64::from(low.cast_signed())
        }
        _ => new,
    }
}

/// The matching rule that asks whether all bits of a mask are set, as the URN of a path.
const BIT_AND: &str = "urn:oid:1.2.840.113556.1.4.803";
const HIGHEST: u32 = 1 << 31;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_other_bits_stay(number in i64::from(i32::MIN)..=i64::from(i32::MAX), bit in 0u32..32, set: bool) {
            let mask = 1 << bit;
            let new = with_bit(number, mask, set);
            let low = |n: i64| (n & 0xffff_ffff) as u32;
            prop_assert_eq!(low(new) & !mask, low(number) & !mask);
            prop_assert_eq!(low(new) & mask != 0, set);
            prop_assert_eq!(with_bit(new, mask, set), new);
            prop_assert!(i32::try_from(new).is_ok());
        }

        #[test]
        fn unsigned_numbers_stay_so(number in 1u32 << 31..=u32::MAX, bit in 0u32..31, set: bool) {
            let new = with_bit(i64::from(number), 1 << bit, set);
            prop_assert!(u32::try_from(new).is_ok_and(|new| new & !(1 << bit) == number & !(1 << bit)));
        }
    }
}
