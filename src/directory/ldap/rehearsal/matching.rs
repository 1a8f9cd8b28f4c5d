//! Whether an entry fits a filter, and what of it is told. The rules of a schema are not known
//! here: texts compare without regard to case and to needless spaces, names as names, numbers as
//! numbers, all else byte by byte.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use bytes::Bytes;

use crate::directory::ldap::request::{Attribute, Scope};
use crate::directory::ldap::response::Entry;
use crate::ldap::attribute;
use crate::ldap::dn::Dn;
use crate::ldap::filter::{Extensible, Filter, Pieces};

/// An entry with its name taken apart.
#[derive(Clone, Copy)]
pub(super) struct Candidate<'a> {
    pub(super) dn: &'a Dn,
    pub(super) entry: &'a Entry,
}

impl<'a> Candidate<'a> {
    /// Whether the entry is where a search looks.
    pub(super) fn lies(self, base: &Dn, scope: Scope) -> bool {
        match scope {
            Scope::Base => self.dn.is_same(base),
            Scope::One => self.dn.parent().is_some_and(|above| above.is_same(base)),
            Scope::Sub => self.dn.is_within(base),
        }
    }

    /// Whether the entry fits.
    pub(super) fn fits(self, filter: &Filter) -> bool {
        let any = |name: &str, test: &dyn Fn(&[u8]) -> bool| {
            self.values(name).iter().any(|value| test(value))
        };
        match filter {
            Filter::And(all) => all.iter().all(|one| self.fits(one)),
            Filter::Or(all) => all.iter().any(|one| self.fits(one)),
            Filter::Not(inner) => !self.fits(inner),
            Filter::Equal(name, wanted) | Filter::About(name, wanted) => {
                any(name, &|value| is_equal(value, wanted))
            }
            Filter::Substrings(name, pieces) => any(name, &|value| has_pieces(value, pieces)),
            Filter::AtLeast(name, wanted) => any(name, &|value| order(value, wanted).is_ge()),
            Filter::AtMost(name, wanted) => any(name, &|value| order(value, wanted).is_le()),
            Filter::Present(name) => {
                name.eq_ignore_ascii_case("objectClass") || !self.values(name).is_empty()
            }
            Filter::Rule(rule) => self.fits_rule(rule),
        }
    }

    fn fits_rule(self, rule: &Extensible) -> bool {
        let Some(name) = &rule.attribute else {
            return false;
        };
        let wanted = &*rule.value;
        self.values(name)
            .iter()
            .any(|value| match rule.rule.as_deref() {
                Some(BIT_AND) => {
                    let both = number(value).zip(number(wanted));
                    both.is_some_and(|(value, mask)| value & mask == mask)
                }
                Some(BIT_OR) => {
                    let both = number(value).zip(number(wanted));
                    both.is_some_and(|(value, mask)| value & mask != 0)
                }
                Some(CASE_EXACT) => value == wanted,
                _ => is_equal(value, wanted),
            })
    }

    /// Its values of an attribute; its name is one of its attributes too.
    fn values(self, name: &str) -> Cow<'a, [Bytes]> {
        let own = ["entryDN", "distinguishedName"];
        if own.iter().any(|own| own.eq_ignore_ascii_case(name)) {
            return Cow::Owned(vec![Bytes::from(self.dn.to_string())]);
        }
        Cow::Borrowed(self.entry.values(name))
    }

    /// What of the entry is told to who asked for these attributes.
    pub(super) fn told(self, wanted: &[Arc<str>]) -> Entry {
        let asks = |name: &str, value: &str| name.eq_ignore_ascii_case(value);
        let everything = wanted.iter().any(|name| matches!(&**name, "*" | "+"));
        let attributes = self.entry.attributes.iter().filter(|attribute| {
            everything
                || wanted.iter().any(|name| {
                    asks(name, &attribute.name) || asks(attribute::base(name), &attribute.name)
                })
        });
        Entry {
            dn: self.entry.dn.clone(),
            attributes: attributes.cloned().collect(),
        }
    }
}

/// Whether both values say the same.
pub(super) fn is_equal(one: &[u8], other: &[u8]) -> bool {
    if one == other {
        return true;
    }
    let (Some(a), Some(b)) = (text(one), text(other)) else {
        return false;
    };
    if folded(a) == folded(b) {
        return true;
    }
    let dn = |text: &str| -> Option<Dn> { text.contains('=').then(|| text.parse().ok())? };
    match (dn(a), dn(b)) {
        (Some(a), Some(b)) => a.is_same(&b),
        _ => false,
    }
}

/// The place of a value among an attribute's.
pub(super) fn position(attribute: &Attribute, value: &[u8]) -> Option<usize> {
    attribute.values.iter().position(|own| is_equal(own, value))
}

fn has_pieces(value: &[u8], pieces: &Pieces) -> bool {
    let fold = |bytes: &[u8]| {
        let text = text(bytes).map(str::to_lowercase);
        text.map_or_else(|| bytes.to_vec(), String::into_bytes)
    };
    let value = fold(value);
    let mut rest = value.as_slice();
    if let Some(initial) = &pieces.initial {
        match rest.strip_prefix(fold(initial).as_slice()) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    if let Some(last) = &pieces.last {
        match rest.strip_suffix(fold(last).as_slice()) {
            Some(before) => rest = before,
            None => return false,
        }
    }
    for piece in &pieces.any {
        let piece = fold(piece);
        let found = rest.windows(piece.len().max(1)).position(|at| at == piece);
        match found.and_then(|at| rest.get(at + piece.len()..)) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    true
}

fn order(one: &[u8], other: &[u8]) -> Ordering {
    if let Some((one, other)) = number(one).zip(number(other)) {
        return one.cmp(&other);
    }
    match (text(one), text(other)) {
        (Some(one), Some(other)) => folded(one).cmp(&folded(other)),
        _ => one.cmp(other),
    }
}

fn number(value: &[u8]) -> Option<i64> {
    text(value)?.parse().ok()
}

fn text(value: &[u8]) -> Option<&str> {
    std::str::from_utf8(value).ok()
}

fn folded(text: &str) -> String {
    let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
    words.join(" ").to_lowercase()
}

/// All bits of a mask are set.
const BIT_AND: &str = "1.2.840.113556.1.4.803";
/// One of them is.
const BIT_OR: &str = "1.2.840.113556.1.4.804";
/// With case.
const CASE_EXACT: &str = "2.5.13.5";

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(filter: &str) -> bool {
        let dn: Dn = "uid=ann,ou=people,dc=x".parse().unwrap();
        let entry = Entry {
            dn: dn.to_string(),
            attributes: vec![
                Attribute::many("cn", ["Ann  Example", "Annie"]),
                Attribute::one("uidNumber", "1000"),
                Attribute::one("manager", "UID=Bob,ou=people,dc=x"),
                Attribute::one("userAccountControl", "514"),
            ],
        };
        let candidate = Candidate {
            dn: &dn,
            entry: &entry,
        };
        candidate.fits(&filter.parse().unwrap())
    }

    #[test]
    fn filters_are_judged() {
        for filter in [
            "(cn=ann example)",
            "(CN=*nn*exam*)",
            "(cn=a*e)",
            "(&(objectClass=*)(!(mail=*)))",
            "(|(mail=x)(cn=annie))",
            "(uidNumber>=999)",
            "(uidNumber<=1000)",
            "(manager=uid=bob, ou=people, dc=x)",
            "(userAccountControl:1.2.840.113556.1.4.803:=2)",
            "(cn:2.5.13.5:=Annie)",
            "(entryDN=uid=ann,ou=people,dc=x)",
            "(&)",
        ] {
            assert!(fits(filter), "{filter}");
        }
        for filter in [
            "(cn=ann)",
            "(cn=nn*)",
            "(cn=*ann*ann*ann*)",
            "(mail=*)",
            "(uidNumber>=1001)",
            "(userAccountControl:1.2.840.113556.1.4.803:=1)",
            "(cn:2.5.13.5:=annie)",
            "(|)",
        ] {
            assert!(!fits(filter), "{filter}");
        }
    }
}
