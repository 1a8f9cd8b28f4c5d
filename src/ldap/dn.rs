//! Names of entries, by RFC 4514: built from types and values, read, printed, compared. A name is
//! never put together from text.

mod parse;

use std::fmt;

use bytes::Bytes;

use super::attribute;
use super::ber::{OCTETS, Reader};

pub use parse::DnError;
pub(crate) use parse::pair;

/// The name of an entry: its own part first, the root's last. The empty one is the root.
///
/// ```
/// use postern::ldap::Dn;
/// let base: Dn = "ou=people,dc=example,dc=com".parse().unwrap();
/// let name = base.child("uid", "o'neil, x+y").unwrap();
/// assert_eq!(name.to_string(), r"uid=o'neil\, x\+y,ou=people,dc=example,dc=com");
/// assert!(name.is_under(&base) && !base.is_under(&base));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Dn {
    rdns: Vec<Rdn>,
}

/// One part of a name: one pair of type and value, or several at once.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Rdn {
    pairs: Vec<(String, Value)>,
}

/// A value in a name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Value {
    /// As it is in the attribute.
    Plain(Bytes),
    /// The BER of a value that is no string: `#04…` in the text.
    Encoded(Bytes),
}

impl Dn {
    /// The root.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// Whether it is the root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.rdns.is_empty()
    }

    /// The entry's own part; `None` of the root.
    #[must_use]
    pub fn rdn(&self) -> Option<&Rdn> {
        self.rdns.first()
    }

    /// The name of the entry above; `None` of the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let (_, above) = self.rdns.split_first()?;
        Some(Self {
            rdns: above.to_vec(),
        })
    }

    /// The name of an entry right below this one. `None` where `attribute` is no attribute's name,
    /// or the value is empty.
    #[must_use]
    pub fn child(&self, attribute: &str, value: impl Into<Bytes>) -> Option<Self> {
        Some(self.below(Rdn::new(attribute, value)?))
    }

    /// The name of the entry with this part right below this one.
    #[must_use]
    pub fn below(&self, rdn: Rdn) -> Self {
        let rdns = std::iter::once(rdn).chain(self.rdns.iter().cloned());
        Self {
            rdns: rdns.collect(),
        }
    }

    /// Whether the entry is somewhere below `base`, and not `base` itself. Types and values are
    /// compared as [`Dn::key`] has them.
    #[must_use]
    pub fn is_under(&self, base: &Self) -> bool {
        self.rdns.len() > base.rdns.len() && self.ends_with(base)
    }

    /// Whether it is `base` or below.
    #[must_use]
    pub fn is_within(&self, base: &Self) -> bool {
        self.rdns.len() >= base.rdns.len() && self.ends_with(base)
    }

    /// Whether both name one entry; compared as [`Dn::key`] has it.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.rdns.len() == other.rdns.len() && self.ends_with(other)
    }

    /// The same text for all ways to write the name: types in lower case, pairs in order, values
    /// without regard to case and to spaces at the ends or several in a row (`caseIgnoreMatch`,
    /// which is what attributes in names have). For lookups.
    #[must_use]
    pub fn key(&self) -> String {
        self.rdns.iter().map(Rdn::key).collect::<Vec<_>>().join(",")
    }

    fn ends_with(&self, base: &Self) -> bool {
        let pairs = self.rdns.iter().rev().zip(base.rdns.iter().rev());
        pairs.into_iter().all(|(a, b)| a.is_same(b))
    }
}

impl Rdn {
    /// A part of one pair. `None` where `attribute` is no attribute's name, or the value is empty.
    #[must_use]
    pub fn new(attribute: &str, value: impl Into<Bytes>) -> Option<Self> {
        let value = value.into();
        let named = attribute::is_name(attribute) || attribute::is_oid(attribute);
        (named && !value.is_empty()).then(|| Self {
            pairs: vec![(attribute.to_owned(), Value::Plain(value))],
        })
    }

    /// The same with one more pair, under the same conditions.
    #[must_use]
    pub fn and(mut self, attribute: &str, value: impl Into<Bytes>) -> Option<Self> {
        self.pairs.extend(Self::new(attribute, value)?.pairs);
        Some(self)
    }

    /// Its types and values; of a value that is no string, its BER.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.pairs.iter().map(|(attribute, value)| {
            let (Value::Plain(bytes) | Value::Encoded(bytes)) = value;
            (attribute.as_str(), &**bytes)
        })
    }

    /// Whether one of its pairs is of this type.
    #[must_use]
    pub fn has(&self, attribute: &str) -> bool {
        let wanted = canonical_type(attribute);
        self.pairs
            .iter()
            .any(|(attribute, _)| canonical_type(attribute) == wanted)
    }

    /// Whether both are the same part; compared as [`Dn::key`] has it.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self == other || self.key() == other.key()
    }

    fn key(&self) -> String {
        let pair = |(attribute, value): &(String, Value)| {
            let mut out = canonical_type(attribute);
            out.push('=');
            match value {
                Value::Plain(bytes) => push_plain(&mut out, &folded(bytes)),
                Value::Encoded(bytes) => push_hex(&mut out, bytes),
            }
            out
        };
        let mut pairs: Vec<String> = self.pairs.iter().map(pair).collect();
        pairs.sort_unstable();
        pairs.dedup();
        pairs.join("+")
    }
}

impl fmt::Display for Dn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, rdn) in self.rdns.iter().enumerate() {
            if at > 0 {
                f.write_str(",")?;
            }
            rdn.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Rdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (attribute, value)) in self.pairs.iter().enumerate() {
            let mut out = String::new();
            match value {
                Value::Plain(bytes) => push_plain(&mut out, bytes),
                Value::Encoded(bytes) => push_hex(&mut out, bytes),
            }
            let plus = if at > 0 { "+" } else { "" };
            write!(f, "{plus}{attribute}={out}")?;
        }
        Ok(())
    }
}

/// A name holds people's names: only its shape is shown.
impl fmt::Debug for Rdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let types = self.pairs.iter().map(|(attribute, _)| attribute);
        f.debug_list().entries(types).finish()
    }
}

impl std::str::FromStr for Dn {
    type Err = DnError;

    fn from_str(text: &str) -> Result<Self, DnError> {
        parse::name(text)
    }
}

impl Value {
    /// What `#04…` stands for where it is a string.
    fn of_ber(ber: Bytes) -> Self {
        let mut reader = Reader::new(&ber);
        let content = match reader.element() {
            Ok(Some(element)) if reader.is_empty() && STRINGS.contains(&element.tag) => {
                Bytes::copy_from_slice(element.content)
            }
            _ => return Self::Encoded(ber),
        };
        // Only the hexadecimal form can write an empty value that every reader takes.
        Self::Plain(content)
    }
}

/// `OCTET STRING`, `UTF8String`, `PrintableString`, `IA5String`.
const STRINGS: [u8; 4] = [OCTETS, 0x0c, 0x13, 0x16];

/// Types have many names; those of RFC 4514 §3 are known by their oid too.
fn canonical_type(attribute: &str) -> String {
    let lower = attribute.to_ascii_lowercase();
    let short = KNOWN
        .iter()
        .find(|(_, long, oid)| lower == *long || lower == *oid)
        .map(|(short, _, _)| (*short).to_owned());
    short.unwrap_or(lower)
}

const KNOWN: &[(&str, &str, &str)] = &[
    ("cn", "commonname", "2.5.4.3"),
    ("sn", "surname", "2.5.4.4"),
    ("c", "countryname", "2.5.4.6"),
    ("l", "localityname", "2.5.4.7"),
    ("st", "stateorprovincename", "2.5.4.8"),
    ("street", "streetaddress", "2.5.4.9"),
    ("o", "organizationname", "2.5.4.10"),
    ("ou", "organizationalunitname", "2.5.4.11"),
    ("dc", "domaincomponent", "0.9.2342.19200300.100.1.25"),
    ("uid", "userid", "0.9.2342.19200300.100.1.1"),
];

/// Without regard to case and to needless spaces; bytes that are no text stay as they are.
fn folded(value: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(value) {
        Err(_) => value.to_vec(),
        Ok(text) => {
            let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
            words.join(" ").to_lowercase().into_bytes()
        }
    }
}

/// A value with every special character escaped: `\,` for what has a short form, `\00` for the
/// rest; bytes that are no UTF-8 in hexadecimal.
fn push_plain(out: &mut String, value: &[u8]) {
    if value.is_empty() {
        // `a=` is allowed, and read by few.
        out.push_str("#0400");
        return;
    }
    let last = value.len() - 1;
    let mut at = 0;
    for chunk in value.utf8_chunks() {
        for c in chunk.valid().chars() {
            let edge = at == 0 || at == last;
            match c {
                ' ' if edge => out.push_str("\\ "),
                '#' if at == 0 => out.push_str("\\#"),
                ',' | '+' | '"' | '\\' | '<' | '>' | ';' | '=' => {
                    out.push('\\');
                    out.push(c);
                }
                c if c.is_ascii_control() => push_pair(out, c as u8),
                c => out.push(c),
            }
            at += c.len_utf8();
        }
        for byte in chunk.invalid() {
            push_pair(out, *byte);
            at += 1;
        }
    }
}

fn push_pair(out: &mut String, byte: u8) {
    out.push('\\');
    push_digits(out, byte);
}

fn push_hex(out: &mut String, bytes: &[u8]) {
    out.push('#');
    for byte in bytes {
        push_digits(out, *byte);
    }
}

pub(super) fn push_digits(out: &mut String, byte: u8) {
    let digit = |number: u8| char::from_digit(u32::from(number), 16).unwrap_or('0');
    out.push(digit(byte >> 4));
    out.push(digit(byte & 0x0f));
}

#[cfg(test)]
mod tests;
