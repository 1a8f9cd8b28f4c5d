//! What servers say beside a result code: which attribute is meant, and what a code that stands for
//! many things means. Of their texts nothing else is used, and no value ever.

use crate::directory::ldap::{Code, Filter, LdapResult};
use crate::ldap::attribute::is_name;

/// What a result means, where its words say more than its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A value that must be unique is taken.
    Taken,
    /// The password does not do.
    Password,
    /// Several values of what has one.
    Single,
    /// Too long, too short, too large.
    Range,
    /// Something must be there.
    Missing,
    /// Something must not be there.
    NotAllowed,
    /// The name of an account does not do.
    Name,
    /// An attribute that there is none of.
    Unknown,
    /// An attribute that the server alone sets.
    Kept,
    /// A change that is not made of such an entry.
    Change,
    /// A member that a group of this kind cannot have.
    Member,
    /// A group that is the first one of somebody.
    First,
    /// An entry that cannot be below the one above it.
    Place,
    /// We have not said who we are.
    NotBound,
}

/// What is meant.
pub(super) fn meaning(result: &LdapResult) -> Option<Meaning> {
    let text = result.message.as_str();
    // Active Directory says most with a number of Windows; its codes are few.
    if let Some(number) = windows(text) {
        return Some(match number {
            0x0524 | 0x0526 | 0x2071 | 0x21c7 | 0x21c8 => Meaning::Taken,
            0x052d | 0x08c5 => Meaning::Password,
            0x2081 => Meaning::Single,
            0x2082 => Meaning::Range,
            0x207c => Meaning::Missing,
            0x207d => Meaning::NotAllowed,
            0x0523 => Meaning::Name,
            // `Error in attribute conversion operation`; of other codes it says nothing.
            0x0057 if result.code == Code::NO_SUCH_ATTRIBUTE => Meaning::Unknown,
            0x206f => Meaning::Unknown,
            0x2077 => Meaning::Change,
            0x2099 => Meaning::Place,
            0x209a => Meaning::Kept,
            0x2142..=0x2148 => Meaning::Member,
            0x2149 => Meaning::First,
            0x04dc => Meaning::NotBound,
            _ => return None,
        });
    }
    let has = |part: &str| text.contains(part);
    match result.code {
        Code::CONSTRAINT_VIOLATION if text.starts_with(NOT_UNIQUE) || has(SAME) => {
            Some(Meaning::Taken)
        }
        Code::CONSTRAINT_VIOLATION if text == "some attributes not unique" => Some(Meaning::Taken),
        Code::CONSTRAINT_VIOLATION if text.ends_with(": multiple values provided") => {
            Some(Meaning::Single)
        }
        Code::OBJECT_CLASS_VIOLATION if text.starts_with("single-valued attribute ") => {
            Some(Meaning::Single)
        }
        Code::OBJECT_CLASS_VIOLATION if has(" requires attribute ") || has(REQUIRED) => {
            Some(Meaning::Missing)
        }
        Code::OBJECT_CLASS_VIOLATION if text.trim_end().ends_with(" not allowed") => {
            Some(Meaning::NotAllowed)
        }
        _ => None,
    }
}

/// A text with the name of the attribute that is meant behind it.
pub(super) fn about(text: &str, result: &LdapResult) -> String {
    match attribute(result) {
        Some(name) => format!("{text}: `{name}`"),
        None => text.to_owned(),
    }
}

/// The attribute that is meant, as the directory calls it.
pub(super) fn attribute(result: &LdapResult) -> Option<String> {
    let text = result.message.as_str();
    if let Some(filter) = text.strip_prefix(NOT_UNIQUE) {
        return only_name(filter);
    }
    let between = |start: &str, end: char| {
        let (_, rest) = text.split_once(start)?;
        rest.split_once(end).map(|(name, _)| name)
    };
    let quoted = QUOTED.iter().find_map(|(start, end)| between(start, *end));
    let numbered = || {
        let (_, rest) = text.split_once(", Att ")?;
        rest.split_once('(')?
            .1
            .split_once(')')
            .map(|(name, _)| name)
    };
    let led = || {
        let steps = ["modify/add: ", "modify/delete: ", "modify/replace: "];
        let rest = steps.iter().find_map(|step| text.strip_prefix(step));
        let (name, rest) = rest.unwrap_or(text).split_once(": ")?;
        SAID.iter()
            .any(|said| rest.starts_with(said))
            .then_some(name)
    };
    let name = quoted.or_else(numbered).or_else(led)?;
    is_name(name).then(|| name.to_owned())
}

/// The one attribute of a filter that a uniqueness overlay quotes.
fn only_name(filter: &str) -> Option<String> {
    let filter: Filter = filter.trim().parse().ok()?;
    let mut names = Vec::new();
    let mut open = vec![&filter];
    while let Some(filter) = open.pop() {
        match filter {
            Filter::And(parts) | Filter::Or(parts) => open.extend(parts),
            Filter::Equal(name, _) => names.push(name.as_ref()),
            _ => return None,
        }
    }
    let first = names.first().filter(|first| is_name(first))?;
    let same = names.iter().all(|name| name.eq_ignore_ascii_case(first));
    same.then(|| (*first).to_owned())
}

/// The number of Windows that a text begins with: eight digits and a colon.
fn windows(text: &str) -> Option<u32> {
    let (number, _) = text.split_once(':')?;
    let whole = number.len() == 8 && number.bytes().all(|byte| byte.is_ascii_hexdigit());
    whole
        .then(|| u32::from_str_radix(number, 16).ok())
        .flatten()
}

/// OpenLDAP's overlay `unique`, before a filter with the values.
const NOT_UNIQUE: &str = "non-unique attributes found with ";
/// 389 DS's plugin.
const SAME: &str = "same attribute value already exists";
/// 389 DS.
const REQUIRED: &str = "\" required by object class ";
/// What stands before and behind the name of an attribute.
const QUOTED: &[(&str, char)] = &[
    (" requires attribute '", '\''),
    ("naming attribute '", '\''),
    ("missing attribute \"", '"'),
    ("single-valued attribute \"", '"'),
    ("(attribute: \"", '"'),
    ("attribute '", '\''),
    ("attribute \"", '"'),
    ("Account name (", ')'),
];
/// What OpenLDAP and 389 DS say behind the name of an attribute and a colon.
const SAID: &[&str] = &[
    "value #",
    "multiple values provided",
    "attribute type undefined",
    "no user modification allowed",
    "no equality matching rule",
    "no such ",
    "requires value",
];
