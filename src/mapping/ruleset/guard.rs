//! `guard` of a rule: how much harm a tenant's clients may do in a window of time.
//!
//! ```yaml
//! guard:
//!   window: 1h                       # from 1s to 7d
//!   delete: {most: 50, share: 5%}    # whichever is reached first; one of them is enough
//!   disable: {most: 50}
//!   empty: {most: 3}
//! ```

use std::fmt;
use std::time::Duration;

use crate::yaml::{self, Diagnostic, Diagnostics, Node, Source, Table};

/// How much harm may be done in a window of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuardRule {
    /// The window; it slides.
    pub window: Duration,
    /// The limit of each kind of harm, in the order of [`Harm::ALL`].
    limits: [Option<Limit>; Harm::ALL.len()],
}

/// What the guard counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Harm {
    /// A resource is deleted.
    Delete,
    /// `active` becomes false.
    Disable,
    /// A group loses more than half of its members in one write.
    Empty,
}

/// How often; of the two, what is reached first counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// So many.
    pub most: Option<u64>,
    /// So much of what there is.
    pub share: Option<Share>,
}

/// A part of a whole, in hundredths of a percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share(u16);

impl GuardRule {
    /// The limit of one kind of harm, where there is one.
    #[must_use]
    pub fn limit(&self, harm: Harm) -> Option<Limit> {
        self.limits.get(harm.index()).copied().flatten()
    }
}

impl Harm {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Delete, Self::Disable, Self::Empty];

    /// The word in rules, labels and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Disable => "disable",
            Self::Empty => "empty",
        }
    }

    /// The harm of this word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|harm| harm.as_str() == word)
    }

    /// Its place in [`Self::ALL`].
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }
}

impl Limit {
    /// How many may be, where `known` is how many resources of the type there are; `None` where
    /// that must be known first. A share allows at least one.
    #[must_use]
    pub fn allows(&self, known: Option<u64>) -> Option<u64> {
        let share = match (self.share, known) {
            (Some(share), Some(known)) => Some(share.of(known).max(1)),
            (Some(_), None) if self.most.is_none() => return None,
            _ => None,
        };
        self.most.into_iter().chain(share).min()
    }
}

impl Share {
    fn of(self, whole: u64) -> u64 {
        let part = u128::from(whole) * u128::from(self.0) / u128::from(WHOLE);
        u64::try_from(part).unwrap_or(u64::MAX)
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.most, self.share) {
            (Some(most), Some(share)) => write!(f, "{most}, or {share}"),
            (Some(most), None) => write!(f, "{most}"),
            (None, Some(share)) => share.fmt(f),
            (None, None) => f.write_str("none"),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 100, self.0 % 100);
        match part {
            0 => write!(f, "{whole}%"),
            _ if part % 10 == 0 => write!(f, "{whole}.{}%", part / 10),
            _ => write!(f, "{whole}.{part:02}%"),
        }
    }
}

pub(super) fn read(source: &Source, node: &Node, d: &mut Diagnostics) -> Option<GuardRule> {
    let mut table = Table::open(source, node, "the guard", d)?;
    let window = match table.optional("window") {
        Some(node) => window(source, node, d),
        None => Some(WINDOW),
    };
    let mut named = false;
    let limits = Harm::ALL.map(|harm| {
        let node = table.optional(harm.as_str())?;
        named = true;
        limit(source, node, d)
    });
    let span = table.span();
    table.finish(d);
    if !named {
        let text = "the guard counts nothing: give a limit for `delete`, `disable` or `empty`";
        d.push(Diagnostic::error(source, span, text).help("such as `delete: {most: 50}`"));
        return None;
    }
    Some(GuardRule {
        window: window?,
        limits,
    })
}

fn limit(source: &Source, node: &Node, d: &mut Diagnostics) -> Option<Limit> {
    let mut table = Table::open(source, node, "a limit", d)?;
    let most_node = table.optional("most");
    let share_node = table.optional("share");
    let span = table.span();
    table.finish(d);
    if most_node.is_none() && share_node.is_none() {
        let text = "a limit needs `most`, `share`, or both";
        d.push(Diagnostic::error(source, span, text).help("such as `{most: 50, share: 5%}`"));
        return None;
    }
    let most = match most_node {
        Some(node) => Some(node.integer(source, d)?),
        None => None,
    };
    let share = match share_node {
        Some(node) => Some(share(source, node, d)?),
        None => None,
    };
    Some(Limit { most, share })
}

/// `5%` or `0.25%`.
fn share(source: &Source, node: &Node, d: &mut Diagnostics) -> Option<Share> {
    let parsed = match &node.value {
        yaml::Value::String(text) => percent(text),
        _ => None,
    };
    if parsed.is_none() {
        let wanted = "a share from `0.01%` to `100%`, such as `5%`";
        d.push(node.expected(source, wanted));
    }
    parsed
}

fn percent(text: &str) -> Option<Share> {
    let number = text.strip_suffix('%')?.trim_end();
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(part) || part.len() > 2 {
        return None;
    }
    let scale = if part.len() == 1 { 10 } else { 1 };
    let whole: u16 = whole.parse().ok()?;
    let part: u16 = part.parse().ok()?;
    let share = whole.checked_mul(100)?.checked_add(part * scale)?;
    (1..=WHOLE).contains(&share).then_some(Share(share))
}

/// `30m`, `1h`, `2d`.
fn window(source: &Source, node: &Node, d: &mut Diagnostics) -> Option<Duration> {
    let parsed = match &node.value {
        yaml::Value::String(text) => span(text),
        _ => None,
    };
    match parsed {
        Some(span) if (SHORTEST..=LONGEST).contains(&span) => Some(span),
        Some(_) => {
            let text = "the window is out of range: from `1s` to `7d`";
            d.push(Diagnostic::error(source, node.span, text));
            None
        }
        None => {
            d.push(node.expected(source, "a duration such as `30m`, `1h` or `1d`"));
            None
        }
    }
}

fn span(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let factor: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    let number: u64 = number.parse().ok()?;
    Some(Duration::from_secs(number.checked_mul(factor)?))
}

const WINDOW: Duration = Duration::from_secs(3_600);
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(7 * 86_400);
const WHOLE: u16 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(text: &str) -> Result<GuardRule, String> {
        let source = Source::new("rules/corp.yaml", text);
        let mut d = Diagnostics::default();
        let root = yaml::parse(&source).unwrap();
        match read(&source, &root, &mut d) {
            Some(rule) if !d.has_errors() => Ok(rule),
            _ => Err(d.iter().map(|one| one.one_line() + "\n").collect()),
        }
    }

    #[test]
    fn limits_are_absolute_or_a_share_or_both() {
        let rule =
            guard("{window: 30m, delete: {most: 50, share: 5%}, empty: {share: 0.25%}}").unwrap();
        assert_eq!(rule.window, Duration::from_secs(1_800));
        let delete = rule.limit(Harm::Delete).unwrap();
        assert_eq!(delete.allows(None), Some(50));
        assert_eq!(delete.allows(Some(100)), Some(5));
        assert_eq!(delete.allows(Some(100_000)), Some(50));
        let empty = rule.limit(Harm::Empty).unwrap();
        assert_eq!(empty.allows(None), None);
        assert_eq!(empty.allows(Some(4_000)), Some(10));
        assert_eq!(empty.allows(Some(3)), Some(1));
        assert_eq!(rule.limit(Harm::Disable), None);
        assert_eq!(delete.to_string(), "50, or 5%");
        assert_eq!(empty.to_string(), "0.25%");
        let rule = guard("{delete: {most: 0}}").unwrap();
        assert_eq!(rule.window, WINDOW);
        assert_eq!(rule.limit(Harm::Delete).unwrap().allows(None), Some(0));
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        for (text, said) in [
            ("{window: 1h}", "counts nothing"),
            ("{delete: {}}", "needs `most`"),
            ("{delete: 5}", "a limit as a table"),
            ("{delete: {most: -1}}", "most: -1"),
            ("{delete: {share: 5}}", "a share from"),
            ("{delete: {share: 0%}}", "a share from"),
            ("{delete: {share: 101%}}", "a share from"),
            ("{delete: {share: 1.234%}}", "a share from"),
            ("{delete: {share: 99999999%}}", "a share from"),
            ("{window: 8d, delete: {most: 1}}", "out of range"),
            ("{window: 0s, delete: {most: 1}}", "out of range"),
            ("{window: 1y, delete: {most: 1}}", "a duration"),
            (
                "{window: 99999999999999999999d, delete: {most: 1}}",
                "a duration",
            ),
            ("{deletes: {most: 1}}", "did you mean `delete`?"),
        ] {
            let found = guard(text).unwrap_err();
            let fine = said == "most: -1" || found.contains(said) || said.contains("did you");
            assert!(fine && !found.is_empty(), "{text}: {found}");
        }
    }
}
