//! Ids in the order that lists have: many of them in little room.

use crate::ldap::IdForm;

/// An id as its place in the order. Those that are 32 hex digits take 16 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// The digits of a UUID, or of an id as long as one.
    Digits(u128),
    /// Any other.
    Text(Box<str>),
}

/// Many ids of one form.
#[derive(Debug)]
pub(super) enum Ids {
    /// Of digits.
    Digits(Vec<u128>),
    /// Of text.
    Text(Vec<Box<str>>),
}

impl Rank {
    /// Of an id as clients see it; `None` where it is none.
    pub(super) fn of(form: IdForm, id: &str) -> Option<Self> {
        if groups(form).is_none() {
            return Some(Self::Text(id.into()));
        }
        let digits: String = id.split('-').collect();
        let fits = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = fits.then(|| u128::from_str_radix(&digits, 16).ok());
        number.flatten().map(Self::Digits)
    }

    /// The id as clients see it.
    pub(super) fn id(&self, form: IdForm) -> String {
        match self {
            Self::Text(text) => text.to_string(),
            Self::Digits(number) => {
                let digits = format!("{number:032x}");
                let mut rest = digits.as_str();
                let mut parts = Vec::new();
                for length in groups(form).unwrap_or(&[32]) {
                    let Some((part, after)) = rest.split_at_checked(*length) else {
                        break;
                    };
                    parts.push(part);
                    rest = after;
                }
                parts.join("-")
            }
        }
    }

    /// How much room it takes in [`Ids`].
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Digits(_) => size_of::<u128>(),
            Self::Text(text) => size_of::<Box<str>>() + text.len(),
        }
    }
}

impl Ids {
    /// None yet.
    pub(super) fn new(form: IdForm) -> Self {
        match groups(form) {
            Some(_) => Self::Digits(Vec::new()),
            None => Self::Text(Vec::new()),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Digits(all) => all.len(),
            Self::Text(all) => all.len(),
        }
    }

    /// One more; it is of the form that [`Ids::new`] was told.
    pub(super) fn push(&mut self, rank: Rank) {
        match (self, rank) {
            (Self::Digits(all), Rank::Digits(one)) => all.push(one),
            (Self::Text(all), Rank::Text(one)) => all.push(one),
            (Self::Digits(_), Rank::Text(_)) | (Self::Text(_), Rank::Digits(_)) => {}
        }
    }

    pub(super) fn get(&self, index: usize) -> Option<Rank> {
        match self {
            Self::Digits(all) => all.get(index).copied().map(Rank::Digits),
            Self::Text(all) => all.get(index).cloned().map(Rank::Text),
        }
    }

    pub(super) fn last(&self) -> Option<Rank> {
        self.get(self.len().checked_sub(1)?)
    }

    /// In their order, each once; no more room than they need.
    pub(super) fn settle(&mut self) {
        match self {
            Self::Digits(all) => settle(all),
            Self::Text(all) => settle(all),
        }
    }

    /// Leaves the smallest.
    pub(super) fn keep_smallest(&mut self, most: usize) {
        match self {
            Self::Digits(all) => keep_smallest(all, most),
            Self::Text(all) => keep_smallest(all, most),
        }
    }

    /// Where those begin that come after this one; all are in their order.
    pub(super) fn after(&self, rank: &Rank) -> usize {
        match (self, rank) {
            (Self::Digits(all), Rank::Digits(one)) => all.partition_point(|known| known <= one),
            (Self::Text(all), Rank::Text(one)) => all.partition_point(|known| known <= one),
            (Self::Digits(_), Rank::Text(_)) | (Self::Text(_), Rank::Digits(_)) => 0,
        }
    }

    /// How much room they take.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Digits(all) => size_of_val(all.as_slice()),
            Self::Text(all) => {
                let texts: usize = all.iter().map(|text| text.len()).sum();
                size_of_val(all.as_slice()) + texts
            }
        }
    }
}

fn settle<T: Ord>(all: &mut Vec<T>) {
    all.sort_unstable();
    all.dedup();
    all.shrink_to_fit();
}

fn keep_smallest<T: Ord>(all: &mut Vec<T>, most: usize) {
    if all.len() > most {
        all.select_nth_unstable(most);
        all.truncate(most);
    }
}

/// The groups of digits of an id, where it is made of them.
fn groups(form: IdForm) -> Option<&'static [usize]> {
    match form {
        IdForm::Uuid | IdForm::Guid => Some(&[8, 4, 4, 4, 12]),
        IdForm::NsUniqueId => Some(&[8, 8, 8, 8]),
        IdForm::Text => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ids_of_digits_go_both_ways_and_keep_their_order(one: u128, other: u128) {
            for form in [IdForm::Uuid, IdForm::Guid, IdForm::NsUniqueId] {
                let (a, b) = (Rank::Digits(one), Rank::Digits(other));
                let (text, more) = (a.id(form), b.id(form));
                prop_assert_eq!(form.canonical(&text), Some(text.clone()));
                prop_assert_eq!(Rank::of(form, &text), Some(a.clone()));
                prop_assert_eq!(a.cmp(&b), text.cmp(&more));
            }
        }

        #[test]
        fn the_smallest_stay(numbers: Vec<u8>, most in 0usize..20) {
            let mut ids = Ids::new(IdForm::Text);
            for number in &numbers {
                ids.push(Rank::Text(format!("{number:03}").into()));
            }
            ids.keep_smallest(most);
            ids.settle();
            let mut sorted = numbers;
            sorted.sort_unstable();
            sorted.truncate(most);
            sorted.dedup();
            prop_assert_eq!(ids.len(), sorted.len());
            for (index, number) in sorted.iter().enumerate() {
                let rank = Rank::Text(format!("{number:03}").into());
                prop_assert_eq!(ids.get(index), Some(rank.clone()));
                prop_assert_eq!(ids.after(&rank), index + 1);
            }
        }
    }

    #[test]
    fn what_is_no_id_has_no_place() {
        for wrong in ["", "x", "+97ae2f6-16a6-1027-98f4-d28b5365dc14", "é"] {
            assert_eq!(Rank::of(IdForm::Uuid, wrong), None, "{wrong}");
        }
    }
}
