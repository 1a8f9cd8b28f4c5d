//! What the system says of this process, read from `/proc`. Where there is no `/proc`, or it says
//! something else than expected, the series are missing and nothing fails.

use super::families::{CPU, Family, MAX_FDS, OPEN_FDS, RESIDENT, START_TIME, THREADS, VIRTUAL};
use super::page::Page;

/// Adds what can be had.
pub(super) fn fill(page: &mut Page) {
    let mut put = |family: &Family, value: Option<f64>| {
        if let Some(value) = value {
            page.add(family, family.now(&[], value));
        }
    };
    let stat = read("/proc/self/stat").as_deref().and_then(Stat::parse);
    put(&CPU, stat.as_ref().map(|stat| stat.cpu_ticks / TICKS));
    let boot = read("/proc/stat").as_deref().and_then(boot_time);
    let started = stat.zip(boot);
    put(
        &START_TIME,
        started.map(|(stat, boot)| boot + stat.start_ticks / TICKS),
    );
    let status = read("/proc/self/status").unwrap_or_default();
    let kilobytes = |name| number_of(&status, name).map(|kb| kb * 1024.0);
    put(&RESIDENT, kilobytes("VmRSS:"));
    put(&VIRTUAL, kilobytes("VmSize:"));
    put(&THREADS, number_of(&status, "Threads:"));
    put(&OPEN_FDS, open_files());
    let limits = read("/proc/self/limits").unwrap_or_default();
    put(&MAX_FDS, number_of(&limits, "Max open files"));
}

/// What we want of `/proc/self/stat`.
#[derive(Debug, PartialEq)]
struct Stat {
    cpu_ticks: f64,
    /// After the start of the machine.
    start_ticks: f64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The second field is the program's name in parentheses, which may hold anything.
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // The first of these is the third of proc(5).
        let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        Some(Self {
            cpu_ticks: field(14)? + field(15)?,
            start_ticks: field(22)?,
        })
    }
}

fn boot_time(stat: &str) -> Option<f64> {
    number_of(stat, "btime")
}

/// The first number after a name at the start of a line.
fn number_of(text: &str, name: &str) -> Option<f64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_ascii_whitespace()
        .next()?
        .parse::<u64>()
        .ok()
        .map(as_float)
}

fn open_files() -> Option<f64> {
    let entries = std::fs::read_dir("/proc/self/fd").ok()?;
    // The one that reads the folder is in it.
    let count = entries.count().saturating_sub(1);
    Some(as_float(u64::try_from(count).ok()?))
}

#[expect(
    clippy::disallowed_methods,
    reason = "what /proc shows is no file, it never waits for a disk"
)]
fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// Exact up to 2⁵³.
#[expect(clippy::cast_precision_loss, reason = "no number here is so large")]
fn as_float(number: u64) -> f64 {
    number as f64
}

/// Clock ticks in a second, as `/proc` counts them: `USER_HZ`, the same on all that Linux shows it
/// to since long.
const TICKS: f64 = 100.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        let fields = "S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 5 0 12345 1000 20";
        for name in ["postern", "a) (b", "x 1 2 3 )"] {
            let stat = Stat::parse(&format!("7 ({name}) {fields}")).unwrap();
            assert_eq!(
                stat,
                Stat {
                    cpu_ticks: 300.0,
                    start_ticks: 12345.0
                }
            );
        }
    }

    #[test]
    fn what_is_not_understood_is_left_out() {
        for text in ["", ")", "7 (x) S 1", "7 (x) S a b c", "7 (x"] {
            assert_eq!(Stat::parse(text), None, "{text}");
        }
        let limits = "Limit Soft Hard Units\nMax open files            1024   4096   files\n";
        assert_eq!(number_of(limits, "Max open files"), Some(1024.0));
        let unlimited = "Max open files            unlimited   unlimited   files\n";
        assert_eq!(number_of(unlimited, "Max open files"), None);
        assert_eq!(number_of("VmRSS:", "VmRSS:"), None);
    }
}
