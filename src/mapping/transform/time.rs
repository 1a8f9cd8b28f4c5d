//! Times as directories keep them, and `xsd:dateTime` in UTC. What is finer than the directory's
//! form is cut off; what it cannot hold is refused, and left out on reading.

#[cfg(test)]
mod tests;

use serde_json::Value;

use super::{Next, Transform};
use crate::mapping::kind::{Class, Fault, Pushed, Test, Untranslatable};
use crate::mapping::ruleset::Form;
use crate::scim::filter::CompareOp;
use crate::scim::value::Instant;

/// `as: generalized-time` and its like in a rule.
#[derive(Debug, Clone, Copy)]
pub struct Time {
    /// How the directory keeps it.
    pub form: TimeForm,
    /// Whether a fraction must be written even where there is none (Active Directory).
    pub fraction: bool,
}

/// How a directory keeps times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeForm {
    /// `20261101080000Z` (RFC 4517 §3.3.13); in whole seconds.
    Generalized,
    /// Intervals of 100 ns since 1601; 0 and the greatest number are never.
    FileTime,
    /// Seconds since 1970.
    Seconds,
    /// Days since 1970.
    Days,
}

impl TimeForm {
    /// The form that a word of a rule means.
    #[must_use]
    pub fn of(form: Form) -> Option<Self> {
        match form {
            Form::GeneralizedTime => Some(Self::Generalized),
            Form::FileTime => Some(Self::FileTime),
            Form::EpochSeconds => Some(Self::Seconds),
            Form::EpochDays => Some(Self::Days),
            Form::Number | Form::Guid => None,
        }
    }
}

/// Seconds since 1970, and further nanoseconds.
type Moment = (i64, u32);

impl Time {
    /// The directory's text of a moment, and whether nothing was cut off.
    fn write(self, (seconds, nanos): Moment) -> Option<(String, bool)> {
        let whole = nanos == 0;
        match self.form {
            TimeForm::Generalized => {
                let mut text = Instant::print(seconds, 0)?;
                text.retain(|c| c.is_ascii_digit());
                text.push_str(if self.fraction { ".0Z" } else { "Z" });
                Some((text, whole))
            }
            TimeForm::FileTime => {
                let ticks = i128::from(seconds) + i128::from(TO_1601);
                let ticks = ticks * 10_000_000 + i128::from(nanos / 100);
                let inside = ticks > 0 && ticks < i128::from(i64::MAX);
                inside.then(|| (ticks.to_string(), nanos % 100 == 0))
            }
            TimeForm::Seconds => Some((seconds.to_string(), whole)),
            TimeForm::Days => {
                let day = seconds.div_euclid(DAY);
                Some((day.to_string(), whole && seconds.rem_euclid(DAY) == 0))
            }
        }
    }

    /// The moment of a directory's text; `Ok(None)` is never.
    fn read(self, text: &str) -> Result<Option<Moment>, ()> {
        let number = || whole(text).ok_or(());
        match self.form {
            TimeForm::Generalized => generalized(text).ok_or(()).map(Some),
            TimeForm::FileTime => match number()? {
                0 | i64::MAX => Ok(None),
                ticks if ticks < 0 => Err(()),
                ticks => {
                    let nanos = u32::try_from(ticks % 10_000_000 * 100).map_err(|_| ())?;
                    Ok(Some((ticks / 10_000_000 - TO_1601, nanos)))
                }
            },
            TimeForm::Seconds => Ok(Some((number()?, 0))),
            TimeForm::Days => Ok(Some((number()?.checked_mul(DAY).ok_or(())?, 0))),
        }
    }

    /// The text for a client's value, and whether it is exactly that moment.
    fn text(self, value: &Value) -> Option<(String, bool)> {
        self.write(Instant::parse(value.as_str()?)?.nanos())
    }

    /// The values that stand for never, and compare like times.
    fn nevers(self) -> &'static [&'static str] {
        match self.form {
            TimeForm::FileTime => &["0", "9223372036854775807"],
            TimeForm::Generalized | TimeForm::Seconds | TimeForm::Days => &[],
        }
    }
}

/// A directory's time as clients see it; `None` where it is none.
#[must_use]
pub fn shown(form: TimeForm, text: &str) -> Option<String> {
    let time = Time {
        form,
        fraction: false,
    };
    let (seconds, nanos) = time.read(text).ok()??;
    Instant::print(seconds, nanos)
}

impl Transform for Time {
    fn put(&self, value: Value) -> Result<Value, Fault> {
        let Some(moment) = value.as_str().and_then(Instant::parse) else {
            let text = "must be a time as text, such as `2026-11-01T08:00:00Z`";
            return Err(Fault(text.to_owned()));
        };
        match self.write(moment.nanos()) {
            Some((text, _)) => Ok(text.into()),
            None => Err(Fault("is a time that the directory cannot hold".to_owned())),
        }
    }

    fn get(&self, value: Value) -> Result<Option<Value>, Fault> {
        let wrong = || Fault("is not a time".to_owned());
        let read = self.read(value.as_str().ok_or_else(wrong)?);
        match read.map_err(|()| wrong())? {
            None => Ok(None),
            Some((seconds, nanos)) => match Instant::print(seconds, nanos) {
                Some(text) => Ok(Some(text.into())),
                None => Err(wrong()),
            },
        }
    }

    fn test(&self, test: Test<'_>, next: Next<'_>) -> Result<Pushed, Untranslatable> {
        let but_never = |asked: Pushed| {
            let mut parts = vec![asked];
            for never in self.nevers() {
                let value = Value::String((*never).to_owned());
                parts.push(next(Test::Compare(CompareOp::Eq, &value))?.negated());
            }
            Ok(Pushed::all(parts))
        };
        let Test::Compare(op, value) = test else {
            return but_never(next(test)?);
        };
        let refuse = |why: &str| {
            let text = format!("{why}, so `{}` cannot be asked", op.as_str());
            Err(Untranslatable(text))
        };
        if value.as_str().and_then(Instant::parse).is_none() {
            return Ok(Pushed::Never);
        }
        let Some((text, exact)) = self.text(value) else {
            return match op {
                CompareOp::Eq => Ok(Pushed::Never),
                _ => refuse("the directory cannot hold that time"),
            };
        };
        let text = Value::String(text);
        let ask = |op| next(Test::Compare(op, &text));
        // The text is the last moment at or before the one that is asked about.
        match op {
            CompareOp::Eq if exact => ask(op),
            CompareOp::Eq => Ok(Pushed::Never),
            CompareOp::Gt => but_never(ask(CompareOp::Gt)?),
            CompareOp::Le => but_never(ask(CompareOp::Le)?),
            CompareOp::Ge => but_never(ask(if exact { CompareOp::Ge } else { CompareOp::Gt })?),
            CompareOp::Lt => but_never(ask(if exact { CompareOp::Lt } else { CompareOp::Le })?),
            CompareOp::Ne | CompareOp::Co | CompareOp::Sw | CompareOp::Ew => {
                refuse("the directory spells times in another way")
            }
        }
    }

    fn class(&self) -> Class {
        Class::Canonical
    }

    fn ordered(&self) -> bool {
        true
    }
}

/// `YYYYMMDDHH[MM[SS]][(.|,)f…](Z|±HH[MM])`.
fn generalized(text: &str) -> Option<Moment> {
    let at = text.find(|c: char| !c.is_ascii_digit())?;
    let (digits, rest) = text.split_at_checked(at)?;
    let part = |from: usize, to: usize| digits.get(from..to);
    let (unit, minute, second) = match digits.len() {
        10 => (3600, "00", "00"),
        12 => (60, part(10, 12)?, "00"),
        14 => (1, part(10, 12)?, part(12, 14)?),
        _ => return None,
    };
    let (fraction, zone) = match rest.strip_prefix(['.', ',']) {
        Some(rest) => {
            let end = rest.find(|c: char| !c.is_ascii_digit())?;
            rest.split_at_checked(end)
                .filter(|(digits, _)| !digits.is_empty())?
        }
        None => ("", rest),
    };
    let offset = match zone.split_at_checked(1)? {
        ("Z", "") => 0,
        (sign @ ("+" | "-"), digits) => {
            let plain = matches!(digits.len(), 2 | 4) && digits.bytes().all(|b| b.is_ascii_digit());
            let hours: i64 = digits.get(..2).filter(|_| plain)?.parse().ok()?;
            let minutes: i64 = digits
                .get(2..)
                .filter(|m| !m.is_empty())
                .unwrap_or("0")
                .parse()
                .ok()?;
            if hours > 23 || minutes > 59 {
                return None;
            }
            let offset = hours * 3600 + minutes * 60;
            if sign == "-" { -offset } else { offset }
        }
        _ => return None,
    };
    let plain = format!(
        "{}-{}-{}T{}:{minute}:{second}Z",
        part(0, 4)?,
        part(4, 6)?,
        part(6, 8)?,
        part(8, 10)?
    );
    if part(8, 10)? == "24" {
        return None;
    }
    let (seconds, _) = Instant::parse(&plain)?.nanos();
    // A fraction is one of the least unit that is there.
    let nine = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
    let billionths = nine.fold(0i64, |sum, digit| sum * 10 + i64::from(digit - b'0')) * unit;
    let nanos = u32::try_from(billionths % BILLION).ok()?;
    Some((seconds + billionths / BILLION - offset, nanos))
}

fn whole(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

const BILLION: i64 = 1_000_000_000;
const DAY: i64 = 86_400;
/// Seconds from 1601 to 1970.
const TO_1601: i64 = 11_644_473_600;
