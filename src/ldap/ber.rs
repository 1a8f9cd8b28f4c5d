//! BER as LDAP uses it (RFC 4511 §5.1): definite lengths, one-byte tags. The reader trusts nothing:
//! every length is checked against what is there, and nothing is allocated for what is only
//! announced. Lengths have at most four bytes.

/// `BOOLEAN`.
pub const BOOLEAN: u8 = 0x01;
/// `INTEGER`.
pub const INTEGER: u8 = 0x02;
/// `OCTET STRING`.
pub const OCTETS: u8 = 0x04;
/// `ENUMERATED`.
pub const ENUMERATED: u8 = 0x0a;
/// `SEQUENCE`.
pub const SEQUENCE: u8 = 0x30;
/// `SET`.
pub const SET: u8 = 0x31;

/// Why bytes are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BerError {
    /// An element says that it is longer than what is there.
    #[error("an element ends early")]
    Truncated,
    /// A tag of more than one byte: LDAP has none.
    #[error("a tag has more than one byte")]
    LongTag,
    /// The indefinite form, which LDAP forbids, or a length of more than four bytes.
    #[error("a length is not one of LDAP's")]
    Length,
    /// A message is larger than the limit.
    #[error("a message is too large")]
    TooLarge,
    /// Something else stands here.
    #[error("an element is of another kind than expected")]
    Unexpected,
    /// An integer or boolean that is none, or does not fit.
    #[error("a number cannot be")]
    Number,
    /// A text that is not UTF-8.
    #[error("a text is not UTF-8")]
    Text,
    /// A message of very many tiny parts, which take much more room than it.
    #[error("a message has too many parts")]
    TooMany,
}

/// One element: its tag, and what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element<'a> {
    /// The identifier octet.
    pub tag: u8,
    /// The content.
    pub content: &'a [u8],
}

/// Reads elements one after the other.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader of the elements in `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The tag of what comes next.
    #[must_use]
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The next element; `None` at the end.
    ///
    /// # Errors
    /// It is not one, or not wholly there.
    pub fn element(&mut self) -> Result<Option<Element<'a>>, BerError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (tag, header, length) = header(self.rest)?.ok_or(BerError::Truncated)?;
        let (_, body) = self
            .rest
            .split_at_checked(header)
            .ok_or(BerError::Truncated)?;
        let (content, rest) = body.split_at_checked(length).ok_or(BerError::Truncated)?;
        self.rest = rest;
        Ok(Some(Element { tag, content }))
    }

    /// The content of the next element, which must have this tag.
    ///
    /// # Errors
    /// It has another, or there is none.
    pub fn expect(&mut self, tag: u8) -> Result<&'a [u8], BerError> {
        match self.element()? {
            Some(element) if element.tag == tag => Ok(element.content),
            Some(_) => Err(BerError::Unexpected),
            None => Err(BerError::Truncated),
        }
    }

    /// The content of the next element if it has this tag; else nothing is read.
    ///
    /// # Errors
    /// It has the tag, and is broken.
    pub fn optional(&mut self, tag: u8) -> Result<Option<&'a [u8]>, BerError> {
        if self.peek() == Some(tag) {
            self.expect(tag).map(Some)
        } else {
            Ok(None)
        }
    }

    /// A reader of what is in the next element, which must have this tag.
    ///
    /// # Errors
    /// It has another, or there is none.
    pub fn nested(&mut self, tag: u8) -> Result<Self, BerError> {
        self.expect(tag).map(Self::new)
    }

    /// The next element as a number.
    ///
    /// # Errors
    /// It has another tag, or the number does not fit.
    pub fn integer(&mut self, tag: u8) -> Result<i64, BerError> {
        integer(self.expect(tag)?)
    }

    /// The next element as a text.
    ///
    /// # Errors
    /// It has another tag, or is not UTF-8.
    pub fn text(&mut self, tag: u8) -> Result<&'a str, BerError> {
        text(self.expect(tag)?)
    }
}

/// A number from its content: two's complement, one to eight bytes.
///
/// # Errors
/// There is none, or it does not fit.
pub fn integer(content: &[u8]) -> Result<i64, BerError> {
    if content.len() > 8 {
        return Err(BerError::Number);
    }
    let first = *content.first().ok_or(BerError::Number)?;
    let start = if first & 0x80 == 0 { 0_i64 } else { -1 };
    Ok(content
        .iter()
        .fold(start, |number, byte| (number << 8) | i64::from(*byte)))
}

/// A truth from its content; anything but 0 is true, as BER has it.
///
/// # Errors
/// It is not one byte.
pub fn boolean(content: &[u8]) -> Result<bool, BerError> {
    match content {
        [byte] => Ok(*byte != 0),
        _ => Err(BerError::Number),
    }
}

/// A text from its content.
///
/// # Errors
/// It is not UTF-8.
pub fn text(content: &[u8]) -> Result<&str, BerError> {
    std::str::from_utf8(content).map_err(|_| BerError::Text)
}

/// How long the message is that `buffer` begins with, header included; `None` while its header is
/// not there yet. The message itself may still be on its way.
///
/// # Errors
/// It cannot be a message, or would be larger than `limit`: nothing more need be read.
pub fn message_length(buffer: &[u8], limit: usize) -> Result<Option<usize>, BerError> {
    if buffer.first().is_some_and(|tag| *tag != SEQUENCE) {
        return Err(BerError::Unexpected);
    }
    let Some((_, header, length)) = header(buffer)? else {
        return Ok(None);
    };
    match header.checked_add(length) {
        Some(whole) if whole <= limit => Ok(Some(whole)),
        _ => Err(BerError::TooLarge),
    }
}

/// Tag, length of the header, length of the content; `None` where the header is not wholly there.
fn header(bytes: &[u8]) -> Result<Option<(u8, usize, usize)>, BerError> {
    let Some((&tag, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    if tag & 0x1f == 0x1f {
        return Err(BerError::LongTag);
    }
    let Some((&first, rest)) = rest.split_first() else {
        return Ok(None);
    };
    if first < 0x80 {
        return Ok(Some((tag, 2, usize::from(first))));
    }
    let count = usize::from(first & 0x7f);
    if !(1..=4).contains(&count) {
        return Err(BerError::Length);
    }
    let Some(digits) = rest.get(..count) else {
        return Ok(None);
    };
    let length = digits
        .iter()
        .fold(0_u64, |length, byte| (length << 8) | u64::from(*byte));
    let length = usize::try_from(length).map_err(|_| BerError::Length)?;
    Ok(Some((tag, 2 + count, length)))
}

/// Writes elements one after the other, with the shortest lengths.
#[derive(Debug, Default)]
pub struct Writer {
    out: Vec<u8>,
}

impl Writer {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What was written.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.out
    }

    /// An element with this content.
    pub fn octets(&mut self, tag: u8, content: &[u8]) {
        self.out.push(tag);
        let (digits, skip) = length_digits(content.len());
        self.out.extend(digits.iter().skip(skip));
        self.out.extend_from_slice(content);
    }

    /// An element that holds what `inner` writes.
    pub fn nested(&mut self, tag: u8, inner: impl FnOnce(&mut Self)) {
        self.out.push(tag);
        let at = self.out.len();
        inner(self);
        let (digits, skip) = length_digits(self.out.len() - at);
        // One move of the content, since its length is known only now.
        self.out.splice(at..at, digits.into_iter().skip(skip));
    }

    /// A number.
    pub fn integer(&mut self, tag: u8, number: i64) {
        let bytes = number.to_be_bytes();
        let redundant = |pair: &[u8]| {
            matches!(pair, [0, next] if next & 0x80 == 0)
                || matches!(pair, [0xff, next] if next & 0x80 != 0)
        };
        let skip = bytes.windows(2).take_while(|pair| redundant(pair)).count();
        self.octets(tag, bytes.get(skip..).unwrap_or(&bytes));
    }

    /// A truth.
    pub fn boolean(&mut self, tag: u8, truth: bool) {
        self.octets(tag, &[if truth { 0xff } else { 0 }]);
    }
}

/// The length's octets, and how many of these to leave out.
fn length_digits(length: usize) -> ([u8; 9], usize) {
    let mut digits = [0_u8; 9];
    let number = (length as u64).to_be_bytes();
    for (slot, byte) in digits.iter_mut().skip(1).zip(number) {
        *slot = byte;
    }
    if length < 0x80 {
        return (digits, 8);
    }
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let count = 8 - zeros;
    if let Some(slot) = digits.get_mut(zeros) {
        *slot = 0x80 | u8::try_from(count).unwrap_or(8);
    }
    (digits, zeros)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_have_their_shortest_form_and_come_back() {
        for (number, bytes) in [
            (0, &[2, 1, 0][..]),
            (127, &[2, 1, 0x7f]),
            (128, &[2, 2, 0, 0x80]),
            (-1, &[2, 1, 0xff]),
            (-128, &[2, 1, 0x80]),
            (-129, &[2, 2, 0xff, 0x7f]),
            (i64::MAX, &[2, 8, 0x7f, 255, 255, 255, 255, 255, 255, 255]),
        ] {
            let mut writer = Writer::new();
            writer.integer(INTEGER, number);
            let out = writer.finish();
            assert_eq!(out, bytes);
            assert_eq!(Reader::new(&out).integer(INTEGER), Ok(number));
        }
        assert_eq!(integer(&[]), Err(BerError::Number));
        assert_eq!(integer(&[0; 9]), Err(BerError::Number));
    }

    #[test]
    fn lengths_of_every_size_come_back() {
        for length in [0, 1, 127, 128, 255, 256, 65_535, 65_536, 1 << 24] {
            let content = vec![7; length];
            let mut writer = Writer::new();
            writer.nested(SEQUENCE, |w| w.octets(OCTETS, &content));
            let out = writer.finish();
            assert_eq!(message_length(&out, usize::MAX), Ok(Some(out.len())));
            let mut reader = Reader::new(&out);
            let mut inner = reader.nested(SEQUENCE).unwrap();
            assert_eq!(inner.expect(OCTETS).unwrap().len(), length);
            assert!(reader.is_empty() && inner.is_empty());
        }
    }

    #[test]
    fn the_long_form_of_short_lengths_is_taken_as_active_directory_sends_it() {
        let sent = [0x30, 0x84, 0, 0, 0, 3, 2, 1, 5];
        assert_eq!(message_length(&sent, 100), Ok(Some(9)));
        let mut reader = Reader::new(&sent);
        assert_eq!(
            reader.nested(SEQUENCE).unwrap().integer(INTEGER).unwrap(),
            5
        );
    }

    #[test]
    fn what_cannot_be_is_refused_before_more_is_read() {
        for (bytes, says) in [
            (&[0x30, 0x80][..], BerError::Length),
            (&[0x30, 0x85, 0, 0, 0, 0, 1], BerError::Length),
            (&[0x31], BerError::Unexpected),
            (&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], BerError::TooLarge),
            (&[0x30, 0x82, 0x04, 0x00], BerError::TooLarge),
        ] {
            assert_eq!(message_length(bytes, 1000), Err(says), "{bytes:?}");
        }
        for begun in [&[][..], &[0x30], &[0x30, 0x82], &[0x30, 0x82, 1]] {
            assert_eq!(message_length(begun, 1000), Ok(None));
        }
        assert_eq!(
            Reader::new(&[0x1f, 1, 0]).element().unwrap_err(),
            BerError::LongTag
        );
        assert_eq!(Reader::new(&[4, 2, 0]).element(), Err(BerError::Truncated));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut reader = Reader::new(&bytes);
            let mut seen = 0;
            while let Ok(Some(element)) = reader.element() {
                seen += element.content.len() + 2;
            }
            prop_assert!(seen <= bytes.len());
        }
    }
}
