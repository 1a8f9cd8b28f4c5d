//! The scanner behind [`super::check`]: RFC 8259's grammar to the letter, over bytes, without
//! building anything but the names of open objects.

use std::borrow::Cow;

use super::names::Names;
use super::{JsonError, MAX_DEPTH};

/// What may stand at the top.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Top {
    /// A value of any kind.
    Any,
    /// An object.
    Object,
}

/// What is wrong, and at which byte.
#[derive(Debug)]
pub(super) struct Fault {
    at: usize,
    problem: Cow<'static, str>,
}

impl Fault {
    /// The same as line and column of `text`.
    pub(super) fn locate(self, text: &[u8]) -> JsonError {
        JsonError::at(text, self.at, self.problem)
    }
}

/// Checks a whole text.
pub(super) fn scan(text: &[u8], top: Top) -> Result<(), Fault> {
    if text.starts_with(b"\xef\xbb\xbf") {
        return Err(fault(0, "a byte order mark stands before the text"));
    }
    // UTF-8 once over the whole text: far faster than character by character, and from here on
    // every quote, bracket and backslash byte is the character that it looks like.
    std::str::from_utf8(text).map_err(|error| fault(error.valid_up_to(), "not valid UTF-8"))?;
    let mut scanner = Scanner {
        text,
        at: 0,
        names: Names::default(),
    };
    scanner.space();
    if top == Top::Object && scanner.peek() != Some(b'{') {
        return Err(scanner.expected("an object"));
    }
    scanner.value(0)?;
    scanner.space();
    match scanner.peek() {
        None => Ok(()),
        Some(_) => Err(scanner.expected("the end")),
    }
}

/// How many bytes at the start of `text` are plain inside a JSON string: no quote, backslash or
/// control character. Looks at eight at a time.
pub(in crate::scim) fn plain_run(text: &[u8]) -> usize {
    let mut run = 0;
    let (words, rest) = text.as_chunks::<8>();
    for word in words {
        let marks = specials(u64::from_le_bytes(*word));
        if marks != 0 {
            return run + (marks.trailing_zeros() / 8) as usize;
        }
        run += 8;
    }
    let plain = |byte: &&u8| !matches!(byte, b'"' | b'\\' | 0..=0x1f);
    run + rest.iter().take_while(plain).count()
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    names: Names<'a>,
}

impl<'a> Scanner<'a> {
    /// One value; recursion is bounded by [`MAX_DEPTH`].
    fn value(&mut self, depth: usize) -> Result<(), Fault> {
        match self.peek() {
            Some(b'"') => self.string().map(|_| ()),
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.array(depth + 1),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            Some(b'n') => self.word(b"null"),
            _ => Err(self.expected("a value")),
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), Fault> {
        self.enter(depth)?;
        if self.take(b'}') {
            return Ok(());
        }
        let mut own = self.names.open();
        loop {
            self.space();
            let start = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.expected("a name in quotes"));
            }
            let name = self.name()?;
            if name.starts_with(PRIVATE) {
                return Err(fault(start, "a name begins with `$serde_json::private::`"));
            }
            let shown = name.clone();
            if !self.names.add(&mut own, name) {
                return Err(Fault {
                    at: start,
                    problem: format!("the name `{}` stands twice in one object", show(&shown))
                        .into(),
                });
            }
            self.space();
            if !self.take(b':') {
                return Err(self.expected("`:`"));
            }
            self.space();
            self.value(depth)?;
            self.space();
            if self.take(b'}') {
                self.names.close(&own);
                return Ok(());
            }
            if !self.take(b',') {
                return Err(self.expected("`,` or `}`"));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<(), Fault> {
        self.enter(depth)?;
        if self.take(b']') {
            return Ok(());
        }
        loop {
            self.space();
            self.value(depth)?;
            self.space();
            if self.take(b']') {
                return Ok(());
            }
            if !self.take(b',') {
                return Err(self.expected("`,` or `]`"));
            }
        }
    }

    /// Steps over an opening bracket and the space behind it.
    fn enter(&mut self, depth: usize) -> Result<(), Fault> {
        if depth > MAX_DEPTH {
            return Err(fault(self.at, "nested more than 64 deep"));
        }
        self.at += 1;
        self.space();
        Ok(())
    }

    /// A string as the text that it means.
    fn name(&mut self) -> Result<Cow<'a, [u8]>, Fault> {
        let start = self.at + 1;
        let escaped = self.string()?;
        let raw = self.text.get(start..self.at - 1).unwrap_or_default();
        Ok(if escaped {
            Cow::Owned(unescape(raw))
        } else {
            Cow::Borrowed(raw)
        })
    }

    /// Steps over a string; says whether it holds escapes.
    fn string(&mut self) -> Result<bool, Fault> {
        self.at += 1;
        let mut escaped = false;
        loop {
            self.at += plain_run(self.text.get(self.at..).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(escaped);
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(_) => return Err(fault(self.at, "a control character in a string")),
                None => return Err(fault(self.at, "the text ends inside a string")),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Fault> {
        let start = self.at;
        self.at += 2;
        match self.text.get(start + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(()),
            Some(b'u') => match self.hex(start)? {
                0xD800..=0xDBFF => {
                    let pair = self.text.get(self.at..self.at + 2) == Some(b"\\u");
                    self.at += 2;
                    if pair && matches!(self.hex(start)?, 0xDC00..=0xDFFF) {
                        Ok(())
                    } else {
                        Err(fault(start, "half of a surrogate pair"))
                    }
                }
                0xDC00..=0xDFFF => Err(fault(start, "half of a surrogate pair")),
                _ => Ok(()),
            },
            _ => Err(fault(start, "an escape that JSON does not have")),
        }
    }

    /// The four digits of a `\u` escape.
    fn hex(&mut self, start: usize) -> Result<u32, Fault> {
        let digits = self.text.get(self.at..self.at + 4).and_then(hex4);
        self.at += 4;
        digits.ok_or_else(|| fault(start, "`\\u` without four hexadecimal digits"))
    }

    /// `[-] (0 | 1-9 digits) [. digits] [e [+-] digits]`.
    fn number(&mut self) -> Result<(), Fault> {
        let start = self.at;
        let _ = self.take(b'-');
        if !self.take(b'0') {
            self.digits(start)?;
        } else if matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(fault(start, "a number with a leading zero"));
        }
        if self.take(b'.') {
            self.digits(start)?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            self.digits(start)?;
        }
        Ok(())
    }

    fn digits(&mut self, start: usize) -> Result<(), Fault> {
        let from = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at > from {
            Ok(())
        } else {
            Err(fault(start, "a number that lacks a digit"))
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), Fault> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if rest.starts_with(word) {
            self.at += word.len();
            Ok(())
        } else {
            Err(self.expected("a value"))
        }
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// What stands at the place is named only where it is punctuation: it may be part of a value.
    fn expected(&self, what: &str) -> Fault {
        let problem = match self.peek() {
            None => format!("expected {what}, found the end"),
            Some(byte @ (b'{' | b'}' | b'[' | b']' | b':' | b',' | b'"' | b'\'')) => {
                format!("expected {what}, found `{}`", char::from(byte))
            }
            Some(_) => format!("expected {what}, found something else"),
        };
        Fault {
            at: self.at,
            problem: problem.into(),
        }
    }
}

fn fault(at: usize, problem: &'static str) -> Fault {
    Fault {
        at,
        problem: problem.into(),
    }
}

/// Marks the quotes, backslashes and control characters of eight bytes in their highest bits. A
/// borrow between bytes can only add a false mark above a true one: the lowest is always true.
fn specials(word: u64) -> u64 {
    let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    let quote = zero(word ^ (ONES * 0x22));
    let backslash = zero(word ^ (ONES * 0x5c));
    let control = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
    quote | backslash | control
}

/// What a string whose escapes are known to be right means.
pub(super) fn unescape(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        if *byte != b'\\' {
            out.push(*byte);
            continue;
        }
        let Some((kind, tail)) = rest.split_first() else {
            break;
        };
        rest = tail;
        match kind {
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => {
                let mut code = take_hex(&mut rest);
                if (0xD800..0xDC00).contains(&code) {
                    rest = rest.get(2..).unwrap_or_default();
                    let low = take_hex(&mut rest);
                    code = 0x10000 + ((code - 0xD800) << 10) + (low.wrapping_sub(0xDC00) & 0x3FF);
                }
                let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            other => out.push(*other),
        }
    }
    out
}

fn take_hex(rest: &mut &[u8]) -> u32 {
    let digits = rest.get(..4).and_then(hex4).unwrap_or_default();
    *rest = rest.get(4..).unwrap_or_default();
    digits
}

fn hex4(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |sum, digit| {
        Some(sum * 16 + char::from(*digit).to_digit(16)?)
    })
}

/// A name for an error text: shortened, control characters escaped.
fn show(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name);
    name.chars()
        .take(SHOWN)
        .flat_map(char::escape_debug)
        .collect()
}

const PRIVATE: &[u8] = b"$serde_json::private::";
const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;
const SHOWN: usize = 64;
