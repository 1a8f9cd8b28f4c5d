//! Takes checked text apart, one level at a time. The grammar is known to hold, so this only looks
//! for where things end; were it ever not to hold, the end of the text is the end of everything.

use std::borrow::Cow;

use super::scan::{plain_run, unescape};

/// A place in checked JSON text.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// Before the first member or element of an object or array.
    pub(super) fn inside(text: &'a str) -> Self {
        Self { text, at: 1 }
    }

    /// The next member of an object.
    pub(super) fn member(&mut self) -> Option<(Cow<'a, str>, &'a str)> {
        self.separator();
        if self.peek() != Some(b'"') {
            return None;
        }
        let name = decoded(self.value());
        self.separator();
        Some((name, self.value()))
    }

    /// The next element of an array.
    pub(super) fn element(&mut self) -> Option<&'a str> {
        self.separator();
        match self.peek() {
            None | Some(b']') => None,
            Some(_) => Some(self.value()),
        }
    }

    /// Steps over space, commas and colons.
    fn separator(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r' | b',' | b':') = self.peek() {
            self.at += 1;
        }
    }

    /// Steps over the value that begins here.
    fn value(&mut self) -> &'a str {
        let start = self.at;
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b'{' | b'[') => self.nested(),
            _ => {
                let rest = self.rest();
                let end = rest.iter().position(|byte| {
                    matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r')
                });
                self.at += end.unwrap_or(rest.len());
            }
        }
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn string(&mut self) {
        self.at += 1;
        loop {
            self.at += plain_run(self.rest());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return;
                }
                Some(_) => self.at += 2,
                None => {
                    self.at = self.text.len();
                    return;
                }
            }
        }
    }

    fn nested(&mut self) {
        let mut depth = 0_usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.string();
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return;
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }
}

/// What a string, quotes included, means.
pub(super) fn decoded(text: &str) -> Cow<'_, str> {
    let raw = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or_default();
    if raw.contains('\\') {
        // Escapes of checked text make whole characters.
        Cow::Owned(String::from_utf8(unescape(raw.as_bytes())).unwrap_or_default())
    } else {
        Cow::Borrowed(raw)
    }
}
