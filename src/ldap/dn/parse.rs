//! Reads a name as RFC 4514 has it. Spaces around `,`, `+` and `=` are taken, as RFC 2253 readers
//! do; quotes and semicolons of LDAPv2 are not.

use bytes::Bytes;

use super::super::attribute;
use super::{Dn, Rdn, Value};

/// Why a text is no name. It quotes nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DnError {
    /// A part has no `=`.
    #[error("a part has no `=`: a name looks like `uid=alice,ou=people,dc=example,dc=com`")]
    NoValue,
    /// What stands before a `=` is no attribute's name.
    #[error("what stands before a `=` is not the name of an attribute")]
    Type,
    /// A character that must be escaped is not.
    #[error(
        "a character that must be escaped with a backslash is not (one of \" + , ; < > \\ or NUL)"
    )]
    Unescaped,
    /// A backslash is followed by something that it does not escape.
    #[error(
        "a backslash is followed by neither two hexadecimal digits nor a character that it escapes"
    )]
    Escape,
    /// `#` is not followed by pairs of hexadecimal digits.
    #[error("`#` is not followed by pairs of hexadecimal digits")]
    Hex,
    /// A value is empty.
    #[error("a value is empty")]
    Empty,
    /// It has more parts than any entry's.
    #[error("it has more than {MOST_PAIRS} parts")]
    TooMany,
}

/// No entry lies so deep.
const MOST_PAIRS: usize = 256;

/// A whole name.
pub(super) fn name(text: &str) -> Result<Dn, DnError> {
    // Not at the end: a space there may be an escaped one.
    let mut rest = text.trim_start_matches(' ');
    let mut rdns = Vec::new();
    let mut pairs = Vec::new();
    let mut count = 0;
    if rest.is_empty() {
        return Ok(Dn::root());
    }
    loop {
        count += 1;
        if count > MOST_PAIRS {
            return Err(DnError::TooMany);
        }
        let (kind, after) = rest.split_once('=').ok_or(DnError::NoValue)?;
        let kind = attribute_type(kind)?;
        let (value, end, after) = value(after.trim_start_matches(' '))?;
        pairs.push((kind.to_owned(), value));
        if end != Some('+') {
            rdns.push(Rdn {
                pairs: std::mem::take(&mut pairs),
            });
        }
        if end.is_none() {
            return Ok(Dn { rdns });
        }
        rest = after;
    }
}

fn attribute_type(text: &str) -> Result<&str, DnError> {
    let text = text.trim_matches(' ');
    let oid = match text.get(..4) {
        Some(prefix) if prefix.eq_ignore_ascii_case("oid.") => text.get(4..).unwrap_or(text),
        _ => text,
    };
    if attribute::is_oid(oid) {
        Ok(oid)
    } else if attribute::is_name(text) {
        Ok(text)
    } else {
        Err(DnError::Type)
    }
}

/// A value, the separator that ends it, and what follows.
fn value(text: &str) -> Result<(Value, Option<char>, &str), DnError> {
    if let Some(hex) = text.strip_prefix('#') {
        let end = hex.find([',', '+']).unwrap_or(hex.len());
        let (digits, after) = hex.split_at_checked(end).ok_or(DnError::Hex)?;
        let ber = hex_bytes(digits.trim_end_matches(' '))?;
        let (separator, after) = separator(after);
        return Ok((Value::of_ber(ber.into()), separator, after));
    }
    let mut out = Vec::new();
    // Spaces count only when something follows, or when escaped.
    let mut kept = 0;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            ',' | '+' => {
                let (_, after) = text.split_at_checked(at).ok_or(DnError::Unescaped)?;
                let (separator, after) = separator(after);
                return Ok((plain(out, kept)?, separator, after));
            }
            '"' | ';' | '<' | '>' | '\0' => return Err(DnError::Unescaped),
            '\\' => {
                out.push(escaped(&mut chars)?);
                kept = out.len();
            }
            c => {
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                if c != ' ' {
                    kept = out.len();
                }
            }
        }
    }
    Ok((plain(out, kept)?, None, ""))
}

fn plain(mut out: Vec<u8>, kept: usize) -> Result<Value, DnError> {
    out.truncate(kept);
    if out.is_empty() {
        return Err(DnError::Empty);
    }
    Ok(Value::Plain(Bytes::from(out)))
}

fn separator(text: &str) -> (Option<char>, &str) {
    let mut chars = text.chars();
    (chars.next(), chars.as_str())
}

fn escaped(chars: &mut std::str::CharIndices<'_>) -> Result<u8, DnError> {
    let (_, first) = chars.next().ok_or(DnError::Escape)?;
    if matches!(
        first,
        ' ' | '"' | '#' | '+' | ',' | ';' | '<' | '=' | '>' | '\\'
    ) {
        return u8::try_from(first).map_err(|_| DnError::Escape);
    }
    let (_, second) = chars.next().ok_or(DnError::Escape)?;
    pair(first, second).ok_or(DnError::Escape)
}

fn hex_bytes(digits: &str) -> Result<Vec<u8>, DnError> {
    let mut chars = digits.chars();
    let mut out = Vec::with_capacity(digits.len() / 2);
    while let Some(first) = chars.next() {
        let second = chars.next().ok_or(DnError::Hex)?;
        out.push(pair(first, second).ok_or(DnError::Hex)?);
    }
    if out.is_empty() {
        return Err(DnError::Hex);
    }
    Ok(out)
}

/// The byte of two hexadecimal digits.
pub(crate) fn pair(first: char, second: char) -> Option<u8> {
    let number = first.to_digit(16)? << 4 | second.to_digit(16)?;
    u8::try_from(number).ok()
}
