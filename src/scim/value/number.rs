//! JSON numbers compared by value from their text, without computing them: neither 40 digits nor
//! an exponent of a billion costs more than reading it.

use std::cmp::Ordering;

/// How two JSON numbers order. `None` where an exponent is beyond 18 digits and the texts differ.
pub(super) fn order(a: &str, b: &str) -> Option<Ordering> {
    match (Decimal::parse(a), Decimal::parse(b)) {
        (Some(a), Some(b)) => Some(a.order(&b)),
        _ => (a == b).then_some(Ordering::Equal),
    }
}

/// A number as sign, significant digits and the position of the first of them.
struct Decimal<'a> {
    negative: bool,
    /// The digits before and after the point; zeros stand at both ends.
    whole: &'a str,
    fraction: &'a str,
    /// How many zeros lead, and how many digits count after them: none for zero.
    skip: usize,
    count: usize,
    /// The power of ten of the first digit that counts.
    magnitude: i64,
}

impl<'a> Decimal<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = whole.bytes().chain(fraction.bytes());
        let skip = digits.clone().take_while(|&d| d == b'0').count();
        let tail = digits.rev().take_while(|&d| d == b'0').count();
        let count = (whole.len() + fraction.len()).saturating_sub(skip + tail);
        let magnitude = if count == 0 {
            0 // Zero, whatever its exponent.
        } else {
            let exponent = small(exponent)?;
            let shift = i64::try_from(whole.len()).ok()? - i64::try_from(skip).ok()?;
            exponent.checked_add(shift)?
        };
        Some(Self {
            negative: negative && count > 0,
            whole,
            fraction,
            skip,
            count,
            magnitude,
        })
    }

    fn order(&self, other: &Self) -> Ordering {
        match (self.sign(), other.sign()) {
            (a, b) if a != b => a.cmp(&b),
            (-1, _) => other.order_size(self),
            _ => self.order_size(other),
        }
    }

    fn order_size(&self, other: &Self) -> Ordering {
        self.magnitude
            .cmp(&other.magnitude)
            .then_with(|| self.digits().cmp(other.digits()))
    }

    fn digits(&self) -> impl Iterator<Item = u8> {
        let all = self.whole.bytes().chain(self.fraction.bytes());
        all.skip(self.skip).take(self.count)
    }

    fn sign(&self) -> i8 {
        match (self.count, self.negative) {
            (0, _) => 0,
            (_, true) => -1,
            (_, false) => 1,
        }
    }
}

/// An exponent of at most 18 digits after its leading zeros.
fn small(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    match digits.trim_start_matches('0') {
        "" => Some(0),
        digits if digits.len() <= 18 => digits.parse::<i64>().ok().map(|n| n * sign),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ORDERED: &[&str] = &[
        "-1e999999999",
        "-123456789012345678901234567890.5",
        "-123456789012345678901234567890",
        "-10",
        "-9",
        "-0.1",
        "0",
        "1e-999999999",
        "0.09",
        "0.1",
        "1",
        "1.0000000000000000000000000000000000000001",
        "2",
        "9",
        "10",
        "18446744073709551615",
        "18446744073709551616",
        "1e40",
        "1e999999998",
        "1e999999999",
    ];

    #[test]
    fn numbers_order_by_value() {
        for (i, a) in ORDERED.iter().enumerate() {
            for (j, b) in ORDERED.iter().enumerate() {
                assert_eq!(order(a, b), Some(i.cmp(&j)), "{a} {b}");
            }
        }
    }

    #[test]
    fn spelling_does_not_count() {
        for (a, b) in [
            ("1", "1.0"),
            ("1", "1e0"),
            ("1", "0.1E+1"),
            ("100", "1e2"),
            ("0.001", "1e-3"),
            ("0", "-0.000e99999999999999999999"),
            ("1e00000000000000000000001", "10"),
            ("1e99999999999999999999", "1e99999999999999999999"),
        ] {
            assert_eq!(order(a, b), Some(Ordering::Equal), "{a} {b}");
        }
    }

    #[test]
    fn an_absurd_exponent_has_no_order() {
        assert_eq!(order("1e99999999999999999999", "1"), None);
    }

    proptest! {
        #[test]
        fn as_integers_do(a in -2000i64..2000, b in -2000i64..2000, shift in 0usize..4) {
            let scaled = |n: i64| format!("{n}{}e-{shift}", "0".repeat(shift));
            prop_assert_eq!(order(&scaled(a), &b.to_string()), Some(a.cmp(&b)));
        }
    }
}
