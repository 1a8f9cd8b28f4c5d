//! The value of a comparison: a JSON string, number, boolean or null.

use serde_json::{Number, Value};

use super::cursor::Cursor;
use crate::scim::error::ParseError;

/// Reads a value. `true`, `false` and `null` are read in any case, as the RFC's ABNF has them.
pub(super) fn value(cursor: &mut Cursor<'_>) -> Result<Value, ParseError> {
    if cursor.peek() == Some(b'"') {
        return string(cursor).map(Value::String);
    }
    let start = cursor.at();
    let word = cursor.run(|byte| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte));
    let is = |keyword: &str| word.eq_ignore_ascii_case(keyword);
    if is("true") || is("false") {
        return Ok(Value::Bool(is("true")));
    }
    if is("null") {
        return Ok(Value::Null);
    }
    word.parse::<Number>().map(Value::Number).map_err(|_| {
        cursor.fail_at(
            start,
            "a value: text in double quotes, a number, true, false or null",
        )
    })
}

/// A string with JSON's escapes, its opening quote being next.
fn string(cursor: &mut Cursor<'_>) -> Result<String, ParseError> {
    cursor.eat(b'"');
    let mut out = String::new();
    loop {
        let start = cursor.at();
        match cursor.next() {
            Some('"') => return Ok(out),
            Some('\\') => out.push(escape(cursor, start)?),
            Some(c) if c < ' ' => {
                return Err(cursor.fail_at(start, "an escape such as \\n for a control character"));
            }
            Some(c) => out.push(c),
            None => return Err(cursor.fail("a double quote that ends the text")),
        }
    }
}

/// What stands after a backslash, which is at `start`.
fn escape(cursor: &mut Cursor<'_>, start: usize) -> Result<char, ParseError> {
    let plain = match cursor.next() {
        Some(c @ ('"' | '\\' | '/')) => Some(c),
        Some('b') => Some('\u{8}'),
        Some('f') => Some('\u{c}'),
        Some('n') => Some('\n'),
        Some('r') => Some('\r'),
        Some('t') => Some('\t'),
        Some('u') => unicode(cursor),
        _ => None,
    };
    plain.ok_or_else(|| cursor.fail_at(start, "an escape that JSON has"))
}

fn unicode(cursor: &mut Cursor<'_>) -> Option<char> {
    let first = four_digits(cursor)?;
    if !(0xd800..0xdc00).contains(&first) {
        return char::from_u32(first);
    }
    let second = (cursor.eat(b'\\') && cursor.eat(b'u')).then(|| four_digits(cursor))??;
    if !(0xdc00..0xe000).contains(&second) {
        return None;
    }
    char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))
}

fn four_digits(cursor: &mut Cursor<'_>) -> Option<u32> {
    let mut value = 0;
    for _ in 0..4 {
        value = value * 16 + cursor.next()?.to_digit(16)?;
    }
    Some(value)
}
