//! `xsd:dateTime` as an instant, so that `2011-05-13T04:42:34Z` and `2011-05-13T06:42:34.0+02:00`
//! are the same time. Own parser: the grammar floor has no clock and needs no calendar crate.

/// A moment. A time without offset is taken as UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant<'a> {
    /// Since 1970, by the proleptic Gregorian calendar, without leap seconds.
    seconds: i64,
    /// The digits after the point without zeros at the end: they order as text.
    fraction: &'a str,
}

impl<'a> Instant<'a> {
    /// Reads `YYYY-MM-DDThh:mm:ss[.s+][Z|±hh:mm]`, with years of four to nine digits, a sign
    /// before them where they are before the common era, and `24:00:00` as the end of the day.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let (date, time) = text.split_once(['T', 't'])?;
        let (time, offset) = split_offset(time)?;
        let (time, fraction) = match time.split_once('.') {
            Some((_, "")) => return None,
            Some((time, fraction)) => (time, fraction),
            None => (time, ""),
        };
        if !fraction.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let fraction = fraction.trim_end_matches('0');
        let mut parts = time.split(':');
        let hour = two_digits(parts.next()?)?;
        let minute = two_digits(parts.next()?)?;
        let second = two_digits(parts.next()?)?;
        let midnight = hour == 24 && minute == 0 && second == 0 && fraction.is_empty();
        let valid = (hour <= 23 || midnight) && minute <= 59 && second <= 60;
        if !valid || parts.next().is_some() {
            return None;
        }
        Some(Self {
            seconds: day(date)? * 86_400 + hour * 3600 + minute * 60 + second - offset,
            fraction,
        })
    }
}

impl Instant<'_> {
    /// Seconds since 1970, and the nanoseconds after them; what is finer is cut off.
    #[must_use]
    pub fn nanos(&self) -> (i64, u32) {
        let nine = self.fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
        let nanos = nine.fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
        (self.seconds, nanos)
    }

    /// A moment as `xsd:dateTime` in UTC, with as many digits after the point as it has; `None`
    /// outside the years 0000 to 9999.
    #[must_use]
    pub fn print(seconds: i64, nanos: u32) -> Option<String> {
        let (year, month, day) = date(seconds.div_euclid(86_400));
        if !(0..=9999).contains(&year) || nanos > 999_999_999 {
            return None;
        }
        let time = seconds.rem_euclid(86_400);
        let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
        let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
        if nanos > 0 {
            let digits = format!("{nanos:09}");
            text.push('.');
            text.push_str(digits.trim_end_matches('0'));
        }
        text.push('Z');
        Some(text)
    }
}

/// The date of a day, 1970-01-01 being 0: the inverse of [`day`].
fn date(day: i64) -> (i64, i64, i64) {
    let day = day.saturating_add(719_468);
    let era = day.div_euclid(146_097);
    let day_of_era = day.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// The time and its offset in seconds.
fn split_offset(time: &str) -> Option<(&str, i64)> {
    if let Some(time) = time.strip_suffix(['Z', 'z']) {
        return Some((time, 0));
    }
    let Some(at) = time.rfind(['+', '-']) else {
        return Some((time, 0));
    };
    let (time, offset) = time.split_at_checked(at)?;
    let (sign, offset) = match offset.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, offset.strip_prefix('+')?),
    };
    let (hours, minutes) = offset.split_once(':')?;
    let (hours, minutes) = (two_digits(hours)?, two_digits(minutes)?);
    let valid = minutes <= 59 && hours * 60 + minutes <= 14 * 60;
    valid.then_some((time, sign * (hours * 3600 + minutes * 60)))
}

/// The number of a date's day, 1970-01-01 being 0.
fn day(date: &str) -> Option<i64> {
    let (sign, date) = match date.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, date),
    };
    let mut parts = date.split('-');
    let year = parts.next().filter(|y| (4..=9).contains(&y.len()))?;
    let year = sign * number(year)?;
    let month = two_digits(parts.next()?)?;
    let day = two_digits(parts.next()?)?;
    if parts.next().is_some() || day < 1 || day > days_in_month(year, month)? {
        return None;
    }
    // Howard Hinnant's days_from_civil: years begin in March, so that the leap day is the last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

fn days_in_month(year: i64, month: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 => Some(if leap { 29 } else { 28 }),
        _ => None,
    }
}

fn two_digits(text: &str) -> Option<i64> {
    if text.len() == 2 { number(text) } else { None }
}

fn number(text: &str) -> Option<i64> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_moments() {
        for (text, seconds, fraction) in [
            ("1970-01-01T00:00:00Z", 0, ""),
            ("2011-05-13T04:42:34Z", 1_305_261_754, ""),
            ("2000-02-29T23:59:59.250Z", 951_868_799, "25"),
            ("1969-12-31T24:00:00", 0, ""),
            ("0001-01-01T00:00:00Z", -62_135_596_800, ""),
            ("1970-01-01T01:00:00+01:00", 0, ""),
            ("1969-12-31T14:30:00.000-09:30", 0, ""),
        ] {
            let instant = Instant { seconds, fraction };
            assert_eq!(Instant::parse(text), Some(instant), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read(seconds in -62_167_219_200i64..253_402_300_800, nanos in 0u32..1_000_000_000) {
            let text = Instant::print(seconds, nanos).unwrap();
            prop_assert_eq!(Instant::parse(&text).unwrap().nanos(), (seconds, nanos));
        }

        #[test]
        fn no_moment_panics(seconds: i64, nanos: u32) {
            let _ = Instant::print(seconds, nanos);
        }
    }

    #[test]
    fn later_is_greater() {
        let ordered = [
            "-0044-03-15T12:00:00Z",
            "1999-12-31T23:59:59.9Z",
            "1999-12-31T23:59:59.91Z",
            "2000-01-01T01:00:00+01:00",
            "2000-01-01T00:00:00.000000000001Z",
            "12000-01-01T00:00:00Z",
        ];
        for pair in ordered.windows(2) {
            assert!(
                Instant::parse(pair[0]).unwrap() < Instant::parse(pair[1]).unwrap(),
                "{pair:?}"
            );
        }
    }

    #[test]
    fn what_is_no_time() {
        for text in [
            "",
            "T",
            "2011-05-13",
            "2011-05-13T04:42Z",
            "2011-05-13 04:42:34Z",
            "2011-5-13T04:42:34Z",
            "2011-02-29T00:00:00Z",
            "2011-13-01T00:00:00Z",
            "2011-00-01T00:00:00Z",
            "2011-01-00T00:00:00Z",
            "2011-05-13T24:00:01Z",
            "2011-05-13T04:60:34Z",
            "2011-05-13T04:42:61Z",
            "2011-05-13T04:42:34.Z",
            "2011-05-13T04:42:34.1e3Z",
            "2011-05-13T04:42:34+15:00",
            "2011-05-13T04:42:34+1:00",
            "2011-05-13T04:42:34ZZ",
            "99999999999-01-01T00:00:00Z",
            "+2011-05-13T04:42:34Z",
            "é011-05-13T04:42:34Z",
        ] {
            assert_eq!(Instant::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn one_day_follows_another(number in -800_000i64..3_000_000) {
            // The inverse of days_from_civil, to check it in both directions.
            let z = number + 719_468;
            let (era, doe) = (z.div_euclid(146_097), z.rem_euclid(146_097));
            let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
            let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
            let mp = (5 * doy + 2) / 153;
            let (d, m) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
            let y = yoe + era * 400 + i64::from(m <= 2);
            let sign = if y < 0 { "-" } else { "" };
            prop_assert_eq!(day(&format!("{sign}{:04}-{m:02}-{d:02}", y.abs())), Some(number));
        }

        #[test]
        fn never_panics(text in "\\PC*|[0-9TZ:.+-]{0,30}") {
            let _ = Instant::parse(&text);
        }
    }
}
