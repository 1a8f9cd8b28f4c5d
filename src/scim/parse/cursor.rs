//! A place in a text, and what to say when it stops making sense there.

use super::MAX_LENGTH;
use crate::scim::error::ParseError;

/// A place in a text. It only ever stands between two characters.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Cursor<'t> {
    /// At the beginning of a text that is not too long.
    pub(super) fn new(text: &'t str) -> Result<Self, ParseError> {
        if text.len() > MAX_LENGTH {
            return Err(ParseError {
                position: 1,
                expected: "at most 16384 bytes",
                found: format!("{} bytes", text.len()),
            });
        }
        Ok(Self { text, at: 0 })
    }

    /// The place, to come back to in an error.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// What is left.
    pub(super) fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The next byte.
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Passes over `byte`, an ASCII character, if it is next.
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        if there {
            self.at += 1;
        }
        there
    }

    /// Passes over spaces and tabs; says whether there were any.
    pub(super) fn space(&mut self) -> bool {
        !self.run(|byte| byte == b' ' || byte == b'\t').is_empty()
    }

    /// Passes over the ASCII characters that `wanted` says yes to.
    pub(super) fn run(&mut self, wanted: impl Fn(u8) -> bool) -> &'t str {
        let rest = self.rest();
        let length = rest
            .bytes()
            .position(|byte| !byte.is_ascii() || !wanted(byte))
            .unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).unwrap_or_default()
    }

    /// The next character, passed over.
    pub(super) fn next(&mut self) -> Option<char> {
        let next = self.rest().chars().next()?;
        self.at += next.len_utf8();
        Some(next)
    }

    /// Says that the text is over, spaces aside.
    pub(super) fn end(&mut self, expected: &'static str) -> Result<(), ParseError> {
        self.space();
        if self.rest().is_empty() {
            Ok(())
        } else {
            Err(self.fail(expected))
        }
    }

    /// The error that something else was expected here.
    pub(super) fn fail(&self, expected: &'static str) -> ParseError {
        self.fail_at(self.at, expected)
    }

    /// The error that something else was expected there.
    pub(super) fn fail_at(&self, at: usize, expected: &'static str) -> ParseError {
        let (before, after) = self.text.split_at_checked(at).unwrap_or((self.text, ""));
        let mut shown: String = after.chars().take(SHOWN).map(visible).collect();
        if after.chars().nth(SHOWN).is_some() {
            shown.push('…');
        }
        ParseError {
            position: before.chars().count() + 1,
            expected,
            found: if shown.is_empty() {
                "the end".to_owned()
            } else {
                format!("`{shown}`")
            },
        }
    }
}

fn visible(c: char) -> char {
    if c.is_control() {
        char::REPLACEMENT_CHARACTER
    } else {
        c
    }
}

/// How many characters of the text an error shows.
const SHOWN: usize = 16;
