//! What a server says, and the entries in it. Operations and controls that are not known are kept
//! as such; result codes stay the numbers that they are.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::code::Code;
use super::control::Control;
use crate::ldap::ber::{self, BerError, ENUMERATED, INTEGER, OCTETS, Reader, SEQUENCE, SET};

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The id of the request that it answers; 0 of one that answers none.
    pub id: i32,
    /// What it says.
    pub body: Response,
    /// With what added.
    pub controls: Vec<Control>,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// An entry that was found.
    Entry(Entry),
    /// Where more may be found.
    Reference(Vec<String>),
    /// How an operation ended.
    Done {
        /// Which kind of operation, by the tag of its answer.
        tag: u8,
        /// How.
        result: LdapResult,
        /// The name of an extended answer.
        oid: Option<String>,
        /// The value of an extended answer, or of a bind.
        value: Option<Bytes>,
    },
    /// Something on the way (RFC 4511 §4.13).
    Intermediate,
    /// A kind that is not known.
    Unknown(u8),
}

/// How an operation ended (RFC 4511 §4.1.9).
#[derive(Clone, PartialEq, Eq)]
pub struct LdapResult {
    /// The number, and what it is called.
    pub code: Code,
    /// The last entry on the way to the wanted one.
    pub matched: String,
    /// The server's words: for logs, as they may hold values.
    pub message: String,
    /// Where to ask instead.
    pub referrals: Vec<String>,
}

/// An entry, or what was asked of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name, as the server writes it.
    pub dn: String,
    /// Its attributes, each once.
    pub attributes: Vec<super::request::Attribute>,
}

impl Message {
    /// Reads a whole message.
    ///
    /// # Errors
    /// It is none; [`head`] may still tell whose it is.
    pub fn decode(frame: &Bytes) -> Result<Self, BerError> {
        let mut reader = Reader::new(frame).nested(SEQUENCE)?;
        let id = id(&mut reader)?;
        let element = reader.element()?.ok_or(BerError::Truncated)?;
        let content = element.content;
        let body = match element.tag {
            ENTRY => Response::Entry(Entry::decode(frame, content)?),
            REFERENCE => Response::Reference(texts(content)?),
            0x61 | 0x65 | 0x67 | 0x69 | 0x6b | 0x6d | 0x6f | 0x78 => {
                done(frame, element.tag, content)?
            }
            INTERMEDIATE => Response::Intermediate,
            tag => Response::Unknown(tag),
        };
        // What follows the controls is of a later version of the protocol.
        let controls = match reader.optional(0xa0)? {
            Some(list) => Control::decode_all(frame, list)?,
            None => Vec::new(),
        };
        Ok(Self { id, body, controls })
    }
}

/// Whose message it is, and of which kind, without reading the rest.
///
/// # Errors
/// It is none.
pub fn head(frame: &[u8]) -> Result<(i32, u8), BerError> {
    let mut reader = Reader::new(frame).nested(SEQUENCE)?;
    let id = id(&mut reader)?;
    let tag = reader.peek().ok_or(BerError::Truncated)?;
    Ok((id, tag))
}

/// Whether more messages for the same operation follow one of this kind.
#[must_use]
pub fn is_followed(tag: u8) -> bool {
    matches!(tag, ENTRY | REFERENCE | INTERMEDIATE)
}

impl Entry {
    /// The values of an attribute, options included in its name; none where it is not there.
    #[must_use]
    pub fn values(&self, name: &str) -> &[Bytes] {
        self.attribute(name)
            .map_or(&[], |attribute| &attribute.values)
    }

    /// An attribute, options included in its name.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&super::request::Attribute> {
        let mut all = self.attributes.iter();
        all.find(|attribute| attribute.name.eq_ignore_ascii_case(name))
    }

    /// The first value of an attribute, where it is a text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.values(name).first()?).ok()
    }

    pub(super) fn decode(frame: &Bytes, content: &[u8]) -> Result<Self, BerError> {
        let mut reader = Reader::new(content);
        let dn = reader.text(OCTETS)?.to_owned();
        let mut list = reader.nested(SEQUENCE)?;
        let mut attributes = Vec::new();
        let mut room = MOST_PARTS;
        while let Some(mut one) = next_nested(&mut list, SEQUENCE)? {
            take(&mut room)?;
            let name: Arc<str> = one.text(OCTETS)?.into();
            let mut set = one.nested(SET)?;
            let mut values = Vec::new();
            while !set.is_empty() {
                take(&mut room)?;
                values.push(slice(frame, set.expect(OCTETS)?));
            }
            attributes.push(super::request::Attribute { name, values });
        }
        Ok(Self { dn, attributes })
    }
}

impl LdapResult {
    /// Whether it went well.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.code == Code::SUCCESS
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, BerError> {
        let code = reader.integer(ENUMERATED)?;
        let matched = lossy(reader.expect(OCTETS)?);
        let message = lossy(reader.expect(OCTETS)?);
        let referrals = match reader.optional(0xa3)? {
            Some(list) => texts(list)?,
            None => Vec::new(),
        };
        Ok(Self {
            code: Code(code),
            matched,
            message,
            referrals,
        })
    }
}

impl fmt::Display for LdapResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.code.fmt(f)
    }
}

/// The server's words may quote values.
impl fmt::Debug for LdapResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, message of {} bytes", self.code, self.message.len())
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.attributes).finish()
    }
}

fn done(frame: &Bytes, tag: u8, content: &[u8]) -> Result<Response, BerError> {
    let mut reader = Reader::new(content);
    let result = LdapResult::decode(&mut reader)?;
    let (mut oid, mut value) = (None, None);
    while let Some(element) = reader.element()? {
        match (tag, element.tag) {
            (0x78, 0x8a) => oid = Some(lossy(element.content)),
            (0x78, 0x8b) | (0x61, 0x87) => value = Some(slice(frame, element.content)),
            _ => {} // of a later version
        }
    }
    Ok(Response::Done {
        tag,
        result,
        oid,
        value,
    })
}

fn id(reader: &mut Reader<'_>) -> Result<i32, BerError> {
    let id = reader.integer(INTEGER)?;
    i32::try_from(id)
        .ok()
        .filter(|id| *id >= 0)
        .ok_or(BerError::Number)
}

fn texts(content: &[u8]) -> Result<Vec<String>, BerError> {
    let mut reader = Reader::new(content);
    let mut all = Vec::new();
    let mut room = MOST_PARTS;
    while !reader.is_empty() {
        take(&mut room)?;
        all.push(lossy(reader.expect(OCTETS)?));
    }
    Ok(all)
}

fn next_nested<'a>(reader: &mut Reader<'a>, tag: u8) -> Result<Option<Reader<'a>>, BerError> {
    if reader.is_empty() {
        Ok(None)
    } else {
        reader.nested(tag).map(Some)
    }
}

/// Takes one of the parts that a message may have.
pub(super) fn take(room: &mut usize) -> Result<(), BerError> {
    *room = room.checked_sub(1).ok_or(BerError::TooMany)?;
    Ok(())
}

/// Words for people: what is no text in them costs no operation.
fn lossy(content: &[u8]) -> String {
    ber::text(content).map_or_else(
        |_| String::from_utf8_lossy(content).into_owned(),
        str::to_owned,
    )
}

/// A part of the frame that shares its memory.
pub(super) fn slice(frame: &Bytes, part: &[u8]) -> Bytes {
    if part.is_empty() {
        // An empty slice may lie anywhere.
        Bytes::new()
    } else {
        frame.slice_ref(part)
    }
}

/// So many values and attributes an entry may have. Each takes a hundred bytes at most beside its
/// own, and two of a message.
pub(super) const MOST_PARTS: usize = 1 << 19;
/// The tag of an entry that was found.
pub const ENTRY: u8 = 0x64;
/// The tag of a reference.
pub const REFERENCE: u8 = 0x73;
/// The tag of an answer on the way.
pub const INTERMEDIATE: u8 = 0x79;
/// The oid by which a server says that it ends the connection.
pub const NOTICE_OF_DISCONNECTION: &str = "1.3.6.1.4.1.1466.20036";

#[cfg(test)]
mod tests;
