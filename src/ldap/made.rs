//! Values that are made here, when an entry is: what can be computed of them. Which one is free
//! only the directory knows.

/// The candidates for a value that must be unique: `from: userName, max: 20, on_collision: number`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidates {
    /// What is put before it: `/home/`.
    pub prefix: String,
    /// What stands before this sign, where there is one: `@` for the name in an address.
    pub until: Option<char>,
    /// Characters that the attribute cannot hold; they are left out.
    pub without: &'static str,
    /// At most so many characters.
    pub max: Option<usize>,
    /// What tells the next one from the first.
    pub on_collision: OnCollision,
}

/// What becomes of a value that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnCollision {
    /// The creation fails.
    Refuse,
    /// `jensen`, `jensen2`, `jensen3`, …
    Number,
}

impl Candidates {
    /// The candidate of that number, the first being 0; `None` where there are no more. Where the
    /// whole would be too long, the number takes the place of the last characters.
    #[must_use]
    pub fn nth(&self, base: &str, number: usize) -> Option<String> {
        let max = self.max.unwrap_or(usize::MAX);
        let ending = match (number, &self.on_collision) {
            (0, _) => String::new(),
            (_, OnCollision::Refuse) => return None,
            (1..=MOST, OnCollision::Number) => (number + 1).to_string(),
            (_, OnCollision::Number) => return None,
        };
        let beside = ending.len() + self.prefix.chars().count();
        let room = max.checked_sub(beside)?;
        let base = match self.until.and_then(|sign| base.split_once(sign)) {
            Some((head, _)) => head,
            None => base,
        };
        let fits = |c: &char| !c.is_control() && !self.without.contains(*c);
        let head: String = base.chars().filter(fits).take(room).collect();
        let head = head.trim_matches([' ', '.']);
        (!head.is_empty()).then(|| format!("{}{head}{ending}", self.prefix))
    }
}

/// What `sAMAccountName` cannot hold.
pub const NOT_IN_ACCOUNT_NAMES: &str = "\"/\\[]:;|=,+*?<>@";

/// More entries of one name are a mistake rather than a coincidence.
pub const MOST: usize = 998;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn candidates_differ_and_keep_their_length() {
        let made = Candidates {
            prefix: String::new(),
            until: Some('@'),
            without: NOT_IN_ACCOUNT_NAMES,
            max: Some(8),
            on_collision: OnCollision::Number,
        };
        assert_eq!(made.nth("barbara.jensen", 0).as_deref(), Some("barbara"));
        assert_eq!(made.nth("b+a[r]@example.com", 1).as_deref(), Some("bar2"));
        assert_eq!(made.nth("barbara.jensen", 1).as_deref(), Some("barbara2"));
        assert_eq!(made.nth("barbara.jensen", 9).as_deref(), Some("barbar10"));
        assert_eq!(made.nth("äöü", 1).as_deref(), Some("äöü2"));
        let all: HashSet<_> = (0..=MOST)
            .map(|n| made.nth("barbara.jensen", n).unwrap())
            .collect();
        assert_eq!(all.len(), MOST + 1);
        assert!(all.iter().all(|text| text.chars().count() <= 8));
        assert_eq!(made.nth("barbara", MOST + 1), None);
        assert_eq!(made.nth("", 0), None);
        assert_eq!(made.nth(" ", 3), None);
    }

    #[test]
    fn where_a_collision_is_refused_there_is_one() {
        let made = Candidates {
            prefix: "/home/".to_owned(),
            until: None,
            without: "",
            max: None,
            on_collision: OnCollision::Refuse,
        };
        assert_eq!(made.nth("a", 0).as_deref(), Some("/home/a"));
        assert_eq!(made.nth("a", 1), None);
    }
}
