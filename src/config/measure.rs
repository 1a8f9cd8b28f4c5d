//! Sizes and durations as people write them.

use std::time::Duration;

/// Reads `1MiB`, `512 KiB`, `64kB` or a plain number of bytes.
///
/// ```
/// use postern::config::measure;
/// assert_eq!(measure::size("1MiB"), Some(1_048_576));
/// assert_eq!(measure::size("1 MB"), Some(1_000_000));
/// assert_eq!(measure::size("1.5MiB"), None);
/// ```
#[must_use]
pub fn size(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let factor = SIZES
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(unit))?
        .1;
    number.checked_mul(factor)
}

/// Reads `500ms`, `10s`, `2 m` or `1h`. A number alone is none: of what?
#[must_use]
pub fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let factor = DURATIONS.iter().find(|(name, _)| *name == unit)?.1;
    number.checked_mul(factor).map(Duration::from_millis)
}

/// Prints a size with the largest unit that divides it.
#[must_use]
pub fn print_size(bytes: u64) -> String {
    let units = SIZES.iter().filter(|(name, _)| name.ends_with("iB"));
    match units
        .rev()
        .find(|(_, factor)| bytes > 0 && bytes.is_multiple_of(*factor))
    {
        Some((name, factor)) => format!("{}{name}", bytes / factor),
        None => bytes.to_string(),
    }
}

/// Prints a duration with the largest unit that divides it.
#[must_use]
pub fn print_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    let unit = DURATIONS
        .iter()
        .rev()
        .find(|(_, factor)| millis.is_multiple_of(u128::from(*factor)) && millis > 0);
    match unit {
        Some((name, factor)) => format!("{}{name}", millis / u128::from(*factor)),
        None => "0s".to_owned(),
    }
}

/// A whole number and what follows it.
fn split(text: &str) -> Option<(u64, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    Some((number.parse().ok()?, unit.strip_prefix(' ').unwrap_or(unit)))
}

const SIZES: [(&str, u64); 8] = [
    ("", 1),
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

const DURATIONS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_and_durations_as_written() {
        for (text, bytes) in [
            ("0", 0),
            ("17", 17),
            ("17B", 17),
            ("512KiB", 524_288),
            ("64 mib", 67_108_864),
            ("2kb", 2_000),
            ("4GiB", 4_294_967_296),
        ] {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
        for (text, millis) in [
            ("0s", 0),
            ("500ms", 500),
            ("10s", 10_000),
            ("2 m", 120_000),
            ("1h", 3_600_000),
        ] {
            assert_eq!(
                duration(text),
                Some(Duration::from_millis(millis)),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_neither_is_refused() {
        for text in [
            "",
            "MiB",
            "-1",
            "1.5MiB",
            "1  MiB",
            " 1",
            "1MiB ",
            "1M",
            "1TiB",
            "99999999999999999999",
            "18446744073709551615KiB",
            "１KiB",
        ] {
            assert_eq!(size(text), None, "{text}");
        }
        for text in [
            "",
            "10",
            "s",
            "-1s",
            "1.5s",
            "10S",
            "1d",
            "1m30s",
            "18446744073709551615h",
        ] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn printed_and_read_is_the_same(bytes: u64, millis in 0u64..u64::from(u32::MAX)) {
            prop_assert_eq!(size(&print_size(bytes)), Some(bytes));
            let time = Duration::from_millis(millis);
            prop_assert_eq!(duration(&print_duration(time)), Some(time));
        }
    }
}
