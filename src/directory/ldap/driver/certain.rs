//! What is certain of a question before it is asked: an id that nobody has makes `members eq id`
//! true of nothing, and its opposite of everything. Some servers refuse a question without content
//! (RFC 4526), and an answer that is known need not be fetched.

use crate::directory::ldap::Filter;

/// A question, as far as its answer is not certain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Certain {
    /// Nothing fits.
    Nothing,
    /// All fit.
    Everything,
    /// It must be asked.
    Asked(Filter),
}

impl From<Filter> for Certain {
    fn from(filter: Filter) -> Self {
        match filter {
            Filter::And(parts) => joined(parts, &Self::Nothing, &Self::Everything, Filter::And),
            Filter::Or(parts) => joined(parts, &Self::Everything, &Self::Nothing, Filter::Or),
            Filter::Not(inner) => match Self::from(*inner) {
                Self::Nothing => Self::Everything,
                Self::Everything => Self::Nothing,
                Self::Asked(inner) => Self::Asked(Filter::Not(Box::new(inner))),
            },
            other => Self::Asked(other),
        }
    }
}

/// `decisive` decides for all, `idle` says nothing.
fn joined(
    parts: Vec<Filter>,
    decisive: &Certain,
    idle: &Certain,
    join: fn(Vec<Filter>) -> Filter,
) -> Certain {
    let mut left = Vec::with_capacity(parts.len());
    for part in parts {
        match Certain::from(part) {
            certain if certain == *decisive => return certain,
            Certain::Asked(part) => left.push(part),
            _ => {}
        }
    }
    match (left.len(), left.pop()) {
        (_, None) => idle.clone(),
        (1, Some(part)) => Certain::Asked(part),
        (_, Some(part)) => {
            left.push(part);
            Certain::Asked(join(left))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_certain_is_not_asked() {
        let of = |text: &str| Certain::from(text.parse::<Filter>().unwrap());
        let asked = |text: &str| Certain::Asked(text.parse().unwrap());
        let (nobody, all) = (Filter::Or(Vec::new()), Filter::And(Vec::new()));
        let not = |filter: &Filter| Filter::Not(Box::new(filter.clone()));
        let a: Filter = "(a=1)".parse().unwrap();
        assert_eq!(Certain::from(nobody.clone()), Certain::Nothing);
        assert_eq!(Certain::from(not(&nobody)), Certain::Everything);
        assert_eq!(Certain::from(not(&all)), Certain::Nothing);
        let and = |parts: &[&Filter]| {
            Certain::from(Filter::And(
                parts.iter().map(|part| (*part).clone()).collect(),
            ))
        };
        let or = |parts: &[&Filter]| {
            Certain::from(Filter::Or(
                parts.iter().map(|part| (*part).clone()).collect(),
            ))
        };
        assert_eq!(and(&[&a, &nobody]), Certain::Nothing);
        assert_eq!(and(&[&a, &not(&nobody)]), asked("(a=1)"));
        assert_eq!(or(&[&a, &nobody]), asked("(a=1)"));
        assert_eq!(or(&[&a, &all]), Certain::Everything);
        assert_eq!(
            of("(&(a=1)(|(b=2)(!(c=3))))"),
            asked("(&(a=1)(|(b=2)(!(c=3))))")
        );
    }
}
