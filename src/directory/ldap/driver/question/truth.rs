//! A question as far as it is open. What is certain is not asked: not every server takes a filter
//! without parts (RFC 4526), and one of which nothing can come needs no search.

use crate::directory::ldap::Filter;

/// A filter, or what is known without asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Truth {
    /// Every entry.
    Always,
    /// No entry.
    Never,
    /// Those that the directory finds.
    Ask(Filter),
}

impl Truth {
    pub(super) fn not(self) -> Self {
        match self {
            Self::Always => Self::Never,
            Self::Never => Self::Always,
            Self::Ask(filter) => Self::Ask(negated(filter)),
        }
    }

    pub(super) fn all(parts: Vec<Self>) -> Self {
        let mut open = Vec::with_capacity(parts.len());
        for part in parts {
            match part {
                Self::Always => {}
                Self::Never => return Self::Never,
                Self::Ask(filter) => open.push(filter),
            }
        }
        match open.len() {
            0 => Self::Always,
            1 => open.pop().map_or(Self::Always, Self::Ask),
            _ => Self::Ask(Filter::And(open)),
        }
    }

    pub(super) fn any(parts: Vec<Self>) -> Self {
        let mut open = Vec::with_capacity(parts.len());
        for part in parts {
            match part {
                Self::Never => {}
                Self::Always => return Self::Always,
                Self::Ask(filter) => open.push(filter),
            }
        }
        match open.len() {
            0 => Self::Never,
            1 => open.pop().map_or(Self::Never, Self::Ask),
            _ => Self::Ask(Filter::Or(open)),
        }
    }
}

/// A `not` stands before single comparisons only: 389 Directory Server loses entries where it stands
/// before a list of them within another.
fn negated(filter: Filter) -> Filter {
    let each = |parts: Vec<Filter>| parts.into_iter().map(negated).collect();
    match filter {
        Filter::Not(inner) => *inner,
        Filter::And(parts) => Filter::Or(each(parts)),
        Filter::Or(parts) => Filter::And(each(parts)),
        filter => Filter::Not(Box::new(filter)),
    }
}

/// A filter of the driver's own making: one of no parts matches nothing.
impl From<Filter> for Truth {
    fn from(filter: Filter) -> Self {
        match filter {
            Filter::Or(parts) if parts.is_empty() => Self::Never,
            Filter::And(parts) if parts.is_empty() => Self::Always,
            filter => Self::Ask(filter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_certain_is_not_asked() {
        let ask = |name: &str| Truth::Ask(Filter::present(name));
        let (yes, no) = (Truth::Always, Truth::Never);
        assert_eq!(Truth::all(vec![yes.clone(), ask("a")]), ask("a"));
        assert_eq!(Truth::all(vec![ask("a"), no.clone()]), no);
        assert_eq!(Truth::any(vec![no.clone(), ask("a")]), ask("a"));
        assert_eq!(Truth::any(vec![ask("a"), yes.clone()]), yes);
        assert_eq!((Truth::all(vec![]), Truth::any(vec![])), (yes, no.clone()));
        assert_eq!(no.not().not(), Truth::Never);
        assert_eq!(ask("a").not().not(), ask("a"));
        assert_eq!(Truth::from(Filter::Or(Vec::new())), Truth::Never);
        let both = Truth::any(vec![ask("a"), ask("b").not()]).not();
        assert_eq!(both, Truth::all(vec![ask("a").not(), ask("b")]));
    }
}
