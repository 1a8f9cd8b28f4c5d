//! Search filters (RFC 4511 §4.5.1.7) as a tree of names and bytes: a value is never part of a
//! text, so nothing in it can mean anything. Texts exist for logs and LDIF, and for the filters
//! that people write into rules.

mod parse;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::ber::{OCTETS, SEQUENCE, Writer};
use super::dn::push_digits;

pub use parse::FilterError;

/// A condition on an entry.
///
/// ```
/// use postern::ldap::Filter;
/// let filter = Filter::equal("uid", "*)(uid=*");
/// assert_eq!(filter.to_string(), r"(uid=\2a\29\28uid=\2a)");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub enum Filter {
    /// All of these. Without any: true (RFC 4526).
    And(Vec<Self>),
    /// One of these. Without any: false.
    Or(Vec<Self>),
    /// Not this.
    Not(Box<Self>),
    /// The attribute has this value.
    Equal(Arc<str>, Bytes),
    /// One of the attribute's values has these pieces, in this order.
    Substrings(Arc<str>, Pieces),
    /// One of its values is this or more.
    AtLeast(Arc<str>, Bytes),
    /// One of its values is this or less.
    AtMost(Arc<str>, Bytes),
    /// It has a value.
    Present(Arc<str>),
    /// It has about this value.
    About(Arc<str>, Bytes),
    /// A matching rule says so, such as Active Directory's for bits.
    Rule(Extensible),
}

/// The pieces of a value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pieces {
    /// What it begins with.
    pub initial: Option<Bytes>,
    /// What follows somewhere, in this order.
    pub any: Vec<Bytes>,
    /// What it ends with.
    pub last: Option<Bytes>,
}

/// A comparison by a named rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extensible {
    /// The attribute; all that the rule fits where `None`.
    pub attribute: Option<Arc<str>>,
    /// The rule, by name or oid; the attribute's own where `None`.
    pub rule: Option<Arc<str>>,
    /// What is compared with.
    pub value: Bytes,
    /// Whether the parts of the entry's name count too.
    pub in_name: bool,
}

impl Filter {
    /// The attribute has this value.
    #[must_use]
    pub fn equal(attribute: impl Into<Arc<str>>, value: impl Into<Bytes>) -> Self {
        Self::Equal(attribute.into(), value.into())
    }

    /// The attribute has a value.
    #[must_use]
    pub fn present(attribute: impl Into<Arc<str>>) -> Self {
        Self::Present(attribute.into())
    }

    /// Every entry: `(objectClass=*)`.
    #[must_use]
    pub fn everything() -> Self {
        Self::present("objectClass")
    }

    /// Both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::And(mut all), Self::And(more)) => {
                all.extend(more);
                Self::And(all)
            }
            (Self::And(mut all), one) => {
                all.push(one);
                Self::And(all)
            }
            (one, other) => Self::And(vec![one, other]),
        }
    }

    /// How many levels it has. A server has a limit too.
    #[must_use]
    pub fn depth(&self) -> usize {
        match self {
            Self::And(all) | Self::Or(all) => {
                1 + all.iter().map(Self::depth).max().unwrap_or_default()
            }
            Self::Not(inner) => 1 + inner.depth(),
            _ => 1,
        }
    }

    /// The attributes that it asks about, without their options.
    #[must_use]
    pub fn attributes(&self) -> Vec<&str> {
        let own = match self {
            Self::And(all) | Self::Or(all) => {
                return all.iter().flat_map(Self::attributes).collect();
            }
            Self::Not(inner) => return inner.attributes(),
            Self::Equal(name, _)
            | Self::Substrings(name, _)
            | Self::AtLeast(name, _)
            | Self::AtMost(name, _)
            | Self::Present(name)
            | Self::About(name, _) => Some(name),
            Self::Rule(rule) => rule.attribute.as_ref(),
        };
        own.map(|name| super::attribute::base(name))
            .into_iter()
            .collect()
    }

    /// The object classes that entries are to have or not to have, where they are texts.
    #[must_use]
    pub fn classes(&self) -> Vec<&str> {
        match self {
            Self::And(all) | Self::Or(all) => all.iter().flat_map(Self::classes).collect(),
            Self::Not(inner) => inner.classes(),
            Self::Equal(name, class) if name.eq_ignore_ascii_case("objectClass") => {
                std::str::from_utf8(class).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    /// Writes it into a request.
    pub fn encode(&self, out: &mut Writer) {
        let pair = |out: &mut Writer, tag, attribute: &str, value: &[u8]| {
            out.nested(tag, |out| {
                out.octets(OCTETS, attribute.as_bytes());
                out.octets(OCTETS, value);
            });
        };
        match self {
            Self::And(all) => out.nested(0xa0, |out| all.iter().for_each(|one| one.encode(out))),
            Self::Or(all) => out.nested(0xa1, |out| all.iter().for_each(|one| one.encode(out))),
            Self::Not(inner) => out.nested(0xa2, |out| inner.encode(out)),
            Self::Equal(attribute, value) => pair(out, 0xa3, attribute, value),
            Self::Substrings(attribute, pieces) => out.nested(0xa4, |out| {
                out.octets(OCTETS, attribute.as_bytes());
                out.nested(SEQUENCE, |out| {
                    for (tag, piece) in pieces.tagged() {
                        out.octets(tag, piece);
                    }
                });
            }),
            Self::AtLeast(attribute, value) => pair(out, 0xa5, attribute, value),
            Self::AtMost(attribute, value) => pair(out, 0xa6, attribute, value),
            Self::Present(attribute) => out.octets(0x87, attribute.as_bytes()),
            Self::About(attribute, value) => pair(out, 0xa8, attribute, value),
            Self::Rule(extensible) => out.nested(0xa9, |out| {
                if let Some(rule) = &extensible.rule {
                    out.octets(0x81, rule.as_bytes());
                }
                if let Some(attribute) = &extensible.attribute {
                    out.octets(0x82, attribute.as_bytes());
                }
                out.octets(0x83, &extensible.value);
                if extensible.in_name {
                    out.octets(0x84, &[0xff]);
                }
            }),
        }
    }
}

impl Pieces {
    fn tagged(&self) -> impl Iterator<Item = (u8, &Bytes)> {
        let initial = self.initial.iter().map(|piece| (0x80, piece));
        let any = self.any.iter().map(|piece| (0x81, piece));
        let last = self.last.iter().map(|piece| (0x82, piece));
        initial.chain(any).chain(last)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, sign, all: &[Self]| {
            write!(f, "({sign}")?;
            all.iter().try_for_each(|one| one.fmt(f))?;
            f.write_str(")")
        };
        match self {
            Self::And(all) => list(f, '&', all),
            Self::Or(all) => list(f, '|', all),
            Self::Not(inner) => write!(f, "(!{inner})"),
            Self::Equal(attribute, value) => write!(f, "({attribute}={})", escaped(value)),
            Self::Substrings(attribute, pieces) => {
                let part = |piece: &Option<Bytes>| piece.as_deref().map(escaped);
                write!(
                    f,
                    "({attribute}={}*",
                    part(&pieces.initial).unwrap_or_default()
                )?;
                for piece in &pieces.any {
                    write!(f, "{}*", escaped(piece))?;
                }
                write!(f, "{})", part(&pieces.last).unwrap_or_default())
            }
            Self::AtLeast(attribute, value) => write!(f, "({attribute}>={})", escaped(value)),
            Self::AtMost(attribute, value) => write!(f, "({attribute}<={})", escaped(value)),
            Self::Present(attribute) => write!(f, "({attribute}=*)"),
            Self::About(attribute, value) => write!(f, "({attribute}~={})", escaped(value)),
            Self::Rule(rule) => {
                let attribute = rule.attribute.as_deref().unwrap_or_default();
                let in_name = if rule.in_name { ":dn" } else { "" };
                write!(f, "({attribute}{in_name}")?;
                if let Some(name) = &rule.rule {
                    write!(f, ":{name}")?;
                }
                write!(f, ":={})", escaped(&rule.value))
            }
        }
    }
}

/// The values are people's: only the shape is shown.
impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::And(all) => f.debug_tuple("And").field(all).finish(),
            Self::Or(all) => f.debug_tuple("Or").field(all).finish(),
            Self::Not(inner) => f.debug_tuple("Not").field(inner).finish(),
            Self::Equal(name, _) => write!(f, "({name}=…)"),
            Self::Substrings(name, _) => write!(f, "({name}=*…*)"),
            Self::AtLeast(name, _) => write!(f, "({name}>=…)"),
            Self::AtMost(name, _) => write!(f, "({name}<=…)"),
            Self::Present(name) => write!(f, "({name}=*)"),
            Self::About(name, _) => write!(f, "({name}~=…)"),
            Self::Rule(rule) => {
                let attribute = rule.attribute.as_deref().unwrap_or_default();
                write!(f, "({attribute}:…:=…)")
            }
        }
    }
}

impl std::str::FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        parse::filter(text)
    }
}

/// A value for a text: what is special, and what is no UTF-8 or not printable, as `\2a`.
fn escaped(value: &[u8]) -> String {
    let mut out = String::with_capacity(value.len());
    let pair = |out: &mut String, byte: u8| {
        out.push('\\');
        push_digits(out, byte);
    };
    for chunk in value.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '*' | '(' | ')' | '\\' => pair(&mut out, c as u8),
                c if c.is_control() => {
                    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                        pair(&mut out, byte);
                    }
                }
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            pair(&mut out, *byte);
        }
    }
    out
}

#[cfg(test)]
mod tests;
