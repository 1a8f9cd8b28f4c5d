//! Names of attributes as they are sent: `cn`, `2.5.4.3`, `member;range=0-1499` (RFC 4512 §2.5).

/// Whether a text is an attribute description: a name or a numeric oid, then options. The options
/// may hold what RFC 4512 allows and the `=` and `*` of Active Directory's ranges.
#[must_use]
pub fn is_description(text: &str) -> bool {
    let mut parts = text.split(';');
    let Some(name) = parts.next() else {
        return false;
    };
    let option = |part: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '=' | '*');
        !part.is_empty() && part.chars().all(fits)
    };
    (is_name(name) || is_oid(name)) && parts.all(option)
}

/// A letter, then letters, digits and hyphens; underscores too, which some directories have.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(fits)
}

/// Numbers with dots between, at least two, none with a zero ahead.
#[must_use]
pub fn is_oid(text: &str) -> bool {
    let number = |part: &str| {
        !part.is_empty()
            && part.chars().all(|c| c.is_ascii_digit())
            && (part == "0" || !part.starts_with('0'))
    };
    text.contains('.') && text.split('.').all(number)
}

/// The name without its options.
#[must_use]
pub fn base(description: &str) -> &str {
    description
        .split_once(';')
        .map_or(description, |(name, _)| name)
}

/// The range that Active Directory says it answered with, such as `member;range=0-1499`: where it
/// begins, and where it ends unless it is the last.
#[must_use]
pub fn range(description: &str) -> Option<Range> {
    description.split(';').skip(1).find_map(|option| {
        let (key, span) = option.split_once('=')?;
        let (from, to) = span.split_once('-')?;
        if !key.eq_ignore_ascii_case("range") {
            return None;
        }
        let to = match to {
            "*" => None,
            number => Some(number.parse().ok()?),
        };
        let from = from.parse().ok()?;
        to.is_none_or(|to| to >= from).then_some(Range { from, to })
    })
}

/// The name with all its options but a range.
#[must_use]
pub fn without_range(description: &str) -> String {
    let parts = description.split(';');
    let parts = parts.filter(|part| !part.to_ascii_lowercase().starts_with("range="));
    parts.collect::<Vec<_>>().join(";")
}

/// Some of an attribute's values, by their places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The first.
    pub from: u32,
    /// The last; `None` where no more follow.
    pub to: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_are_told_from_other_texts() {
        for good in [
            "cn",
            "2.5.4.3",
            "member;range=0-1499",
            "member;range=1500-*",
            "userCertificate;binary",
            "cn;lang-de;x-foo",
            "msDS-User",
            "my_attr",
        ] {
            assert!(is_description(good), "{good}");
        }
        for bad in [
            "", "1cn", "-cn", "cn;", ";x", "c n", "cn)", "cn=", "2.", "02.5", "2", "cn;a b", "ä",
            "cn\0", "cn\n",
        ] {
            assert!(!is_description(bad), "{bad:?}");
        }
        assert_eq!(base("member;range=0-1499"), "member");
    }

    #[test]
    fn ranges_are_read() {
        let read = |text| range(text).map(|range| (range.from, range.to));
        assert_eq!(read("member;range=0-1499"), Some((0, Some(1499))));
        assert_eq!(read("member;Range=1500-*"), Some((1500, None)));
        for none in [
            "member",
            "member;range=9-2",
            "member;range=a-b",
            "member;range=1",
            "member;lang-de",
            "member;range=0-99999999999",
        ] {
            assert_eq!(read(none), None, "{none}");
        }
        assert_eq!(without_range("member;Range=0-1499"), "member");
        let binary = "userCertificate;binary";
        assert_eq!(without_range(&format!("{binary};range=5-*")), binary);
        assert_eq!(without_range("range"), "range");
    }
}
