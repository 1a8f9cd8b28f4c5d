//! Controls: what is asked for beside an operation, and told beside its answer.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::code::Code;
use super::response::{Entry, MOST_PARTS, slice, take};
use crate::ldap::ber::{
    self, BOOLEAN, BerError, ENUMERATED, INTEGER, OCTETS, Reader, SEQUENCE, Writer,
};
use crate::ldap::filter::Filter;

/// One control.
#[derive(Clone, PartialEq, Eq)]
pub struct Control {
    /// Which.
    pub oid: Cow<'static, str>,
    /// Whether the operation must fail where the server does not know it.
    pub critical: bool,
    /// What it says.
    pub value: Option<Bytes>,
}

/// Simple paged results (RFC 2696).
pub const PAGED: &str = "1.2.840.113556.1.4.319";
/// Pre-read (RFC 4527).
pub const PRE_READ: &str = "1.3.6.1.1.13.1";
/// Post-read (RFC 4527).
pub const POST_READ: &str = "1.3.6.1.1.13.2";
/// Assertion (RFC 4528).
pub const ASSERTION: &str = "1.3.6.1.1.12";
/// Server-side sorting (RFC 2891).
pub const SORT: &str = "1.2.840.113556.1.4.473";
/// The answer to it.
pub const SORTED: &str = "1.2.840.113556.1.4.474";
/// Virtual list views; postern only tells whether a server has them.
pub const VIRTUAL_LIST: &str = "2.16.840.1.113730.3.4.9";
/// Permissive modify: to add what is there, or remove what is not, is no error.
pub const PERMISSIVE: &str = "1.2.840.113556.1.4.1413";
/// Manage DSA IT (RFC 3296): referral entries are entries.
pub const MANAGE_DSA_IT: &str = "2.16.840.1.113730.3.4.2";

impl Control {
    /// At most `size` entries, after those that `cookie` stands for.
    #[must_use]
    pub fn paged(size: u32, cookie: &[u8]) -> Self {
        let value = sequence(|out| {
            out.integer(INTEGER, i64::from(size));
            out.octets(OCTETS, cookie);
        });
        Self::critical(PAGED, Some(value))
    }

    /// Tells what these attributes were before.
    #[must_use]
    pub fn pre_read(attributes: &[Arc<str>]) -> Self {
        Self::critical(PRE_READ, Some(names(attributes)))
    }

    /// Tells what these attributes are afterwards.
    #[must_use]
    pub fn post_read(attributes: &[Arc<str>]) -> Self {
        Self::critical(POST_READ, Some(names(attributes)))
    }

    /// Does it only if the entry fits; else [`Code::ASSERTION_FAILED`].
    #[must_use]
    pub fn assertion(filter: &Filter) -> Self {
        let mut out = Writer::new();
        filter.encode(&mut out);
        Self::critical(ASSERTION, Some(out.finish().into()))
    }

    /// In the order of this attribute.
    #[must_use]
    pub fn sort(attribute: &str, rule: Option<&str>, descending: bool) -> Self {
        let value = sequence(|out| {
            out.nested(SEQUENCE, |out| {
                out.octets(OCTETS, attribute.as_bytes());
                if let Some(rule) = rule {
                    out.octets(0x80, rule.as_bytes());
                }
                if descending {
                    out.boolean(0x81, true);
                }
            });
        });
        Self::critical(SORT, Some(value))
    }

    /// To add what is there, or remove what is not, is no error.
    #[must_use]
    pub fn permissive() -> Self {
        Self::critical(PERMISSIVE, None)
    }

    /// Referral entries are entries.
    #[must_use]
    pub fn manage_dsa_it() -> Self {
        Self {
            critical: false,
            ..Self::critical(MANAGE_DSA_IT, None)
        }
    }

    /// The cookie with which the next page begins; empty at the end. `None` where the server has
    /// not told.
    #[must_use]
    pub fn next_page(controls: &[Self]) -> Option<Bytes> {
        let value = find(controls, PAGED)?;
        let mut reader = Reader::new(value).nested(SEQUENCE).ok()?;
        reader.integer(INTEGER).ok()?;
        let cookie = reader.expect(OCTETS).ok()?;
        Some(slice(value, cookie))
    }

    /// What an entry was or is, where that was asked.
    ///
    /// # Errors
    /// The server tells something that is no entry.
    pub fn entry_read(controls: &[Self], oid: &str) -> Result<Option<Entry>, BerError> {
        let Some(value) = find(controls, oid) else {
            return Ok(None);
        };
        let content = Reader::new(value).element()?.ok_or(BerError::Truncated)?;
        // Some servers send it with the tag of a search's entry.
        if !matches!(content.tag, SEQUENCE | super::response::ENTRY) {
            return Err(BerError::Unexpected);
        }
        Entry::decode(value, content.content).map(Some)
    }

    /// How sorting went; `None` where nothing is told of it.
    #[must_use]
    pub fn sorted(controls: &[Self]) -> Option<Code> {
        let value = find(controls, SORTED)?;
        let mut reader = Reader::new(value).nested(SEQUENCE).ok()?;
        reader.integer(ENUMERATED).ok().map(Code)
    }

    pub(super) fn encode(&self, out: &mut Writer) {
        out.nested(SEQUENCE, |out| {
            out.octets(OCTETS, self.oid.as_bytes());
            if self.critical {
                out.boolean(BOOLEAN, true);
            }
            if let Some(value) = &self.value {
                out.octets(OCTETS, value);
            }
        });
    }

    pub(super) fn decode_all(frame: &Bytes, list: &[u8]) -> Result<Vec<Self>, BerError> {
        let mut reader = Reader::new(list);
        let mut all = Vec::new();
        let mut room = MOST_PARTS;
        while !reader.is_empty() {
            take(&mut room)?;
            let mut one = reader.nested(SEQUENCE)?;
            let oid = one.text(OCTETS)?.to_owned().into();
            let critical = match one.optional(BOOLEAN)? {
                Some(truth) => ber::boolean(truth)?,
                None => false,
            };
            let value = one.optional(OCTETS)?.map(|value| slice(frame, value));
            all.push(Self {
                oid,
                critical,
                value,
            });
        }
        Ok(all)
    }

    fn critical(oid: &'static str, value: Option<Bytes>) -> Self {
        Self {
            oid: oid.into(),
            critical: true,
            value,
        }
    }
}

/// Its value may hold people's values.
impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "control {}", self.oid)
    }
}

fn find<'c>(controls: &'c [Control], oid: &str) -> Option<&'c Bytes> {
    let control = controls.iter().find(|control| control.oid == oid)?;
    control.value.as_ref()
}

fn names(attributes: &[Arc<str>]) -> Bytes {
    sequence(|out| {
        if attributes.is_empty() {
            out.octets(OCTETS, b"1.1");
        }
        for name in attributes {
            out.octets(OCTETS, name.as_bytes());
        }
    })
}

fn sequence(inner: impl FnOnce(&mut Writer)) -> Bytes {
    let mut out = Writer::new();
    out.nested(SEQUENCE, inner);
    out.finish().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(oid: &'static str, value: &'static [u8]) -> Vec<Control> {
        let control = Control::critical(oid, Some(Bytes::from_static(value)));
        vec![control]
    }

    #[test]
    fn cookies_are_read() {
        let next = |value| Control::next_page(&told(PAGED, value));
        assert_eq!(next(b"\x30\x07\x02\x01\x00\x04\x02ab").unwrap(), "ab");
        assert_eq!(next(b"\x30\x05\x02\x01\x00\x04\x00").unwrap(), "");
        for broken in [&b""[..], b"\x30\x05\x02\x01\x00\x04\x05", b"\x04\x00"] {
            assert_eq!(next(broken), None);
        }
        assert_eq!(Control::next_page(&[]), None);
    }

    #[test]
    fn entries_that_were_read_are_told() {
        for tag in [b"\x30", b"\x64"] {
            let body = b"\x15\x04\x04dc=x\x30\x0d\x30\x0b\x04\x02cn\x31\x05\x04\x03abc";
            let value = Bytes::from([&tag[..], body].concat());
            let control = Control::critical(POST_READ, Some(value));
            let entry = Control::entry_read(&[control], POST_READ).unwrap().unwrap();
            assert_eq!((&*entry.dn, entry.text("CN")), ("dc=x", Some("abc")));
        }
        assert!(Control::entry_read(&told(POST_READ, b"\x31\x00"), POST_READ).is_err());
        assert_eq!(Control::entry_read(&[], POST_READ), Ok(None));
    }

    #[test]
    fn they_come_back_as_written() {
        let all = vec![
            Control::paged(500, b"cookie"),
            Control::manage_dsa_it(),
            Control::assertion(&Filter::equal("cn", "a")),
            Control::sort("cn", Some("2.5.13.3"), true),
        ];
        let mut out = Writer::new();
        all.iter().for_each(|control| control.encode(&mut out));
        let bytes = Bytes::from(out.finish());
        assert_eq!(Control::decode_all(&bytes, &bytes).unwrap(), all);
    }
}
