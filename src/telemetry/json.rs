//! One JSON object on one line, appended member by member: no tree, no second copy.

use std::io::Write as _;
use std::time::Duration;

use serde_json::Value;

/// Appends members to one object. Names are the program's own and are written as they are.
#[derive(Debug, Default)]
pub struct Json(Vec<u8>);

impl Json {
    /// An object for which there is room.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// A text, at most the first `most` bytes of it; everything but printable ASCII is escaped, as
    /// terminals and other readers take some of it for orders.
    pub fn text(&mut self, name: &'static str, text: &str, most: usize) {
        self.name(name);
        self.string(text, most);
    }

    /// The same, where there is one.
    pub fn maybe(&mut self, name: &'static str, text: Option<&str>, most: usize) {
        if let Some(text) = text {
            self.text(name, text, most);
        }
    }

    /// A number.
    pub fn number(&mut self, name: &'static str, number: u64) {
        self.name(name);
        // Writing into memory does not fail.
        let _ = write!(self.0, "{number}");
    }

    /// A duration in microseconds.
    pub fn time(&mut self, name: &'static str, time: Duration) {
        self.number(name, u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// Yes or no.
    pub fn flag(&mut self, name: &'static str, flag: bool) {
        self.name(name);
        self.0
            .extend_from_slice(if flag { b"true" } else { b"false" });
    }

    /// A value: what is not simple becomes a text of JSON.
    pub fn value(&mut self, name: &'static str, value: &Value, most: usize) {
        match value {
            Value::String(text) => self.text(name, text, most),
            Value::Bool(flag) => self.flag(name, *flag),
            Value::Null => {
                self.name(name);
                self.0.extend_from_slice(b"null");
            }
            Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                self.text(name, &value.to_string(), most);
            }
        }
    }

    /// A list of objects, each as `fill` makes it.
    pub fn list<T>(
        &mut self,
        name: &'static str,
        items: impl IntoIterator<Item = T>,
        mut fill: impl FnMut(&mut Self, T),
    ) {
        self.name(name);
        self.0.push(b'[');
        for (at, item) in items.into_iter().enumerate() {
            if at > 0 {
                self.0.push(b',');
            }
            let start = self.0.len();
            fill(self, item);
            if self.0.len() == start {
                self.0.push(b'{');
            }
            self.0.push(b'}');
        }
        self.0.push(b']');
    }

    /// The members so far, without the braces around them.
    #[must_use]
    pub fn members(&self) -> &[u8] {
        self.0.get(1..).unwrap_or_default()
    }

    /// The object as a line of its own.
    #[must_use]
    pub fn line(mut self) -> Vec<u8> {
        self.0.extend_from_slice(b"}\n");
        self.0
    }

    fn name(&mut self, name: &'static str) {
        let lead: &[u8] = match self.0.last() {
            None | Some(b'[' | b',') => b"{\"",
            Some(_) => b",\"",
        };
        self.0.extend_from_slice(lead);
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
    }

    fn string(&mut self, text: &str, most: usize) {
        self.0.push(b'"');
        for (at, c) in text.char_indices() {
            if at + c.len_utf8() > most {
                self.0.extend_from_slice("\\u2026".as_bytes());
                break;
            }
            match c {
                '"' | '\\' => self.0.extend([b'\\', c as u8]),
                ' '..='~' => self.0.push(c as u8),
                _ => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        let _ = write!(self.0, "\\u{unit:04x}");
                    }
                }
            }
        }
        self.0.push(b'"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_hold_objects_and_members_are_told_without_braces() {
        let mut json = Json::default();
        json.list("empty", [0; 0], |_, _| {});
        json.list("two", [1, 2], |json, n| {
            json.number("n", n);
            json.flag("odd", n % 2 == 1);
        });
        json.list("bare", [0], |_, _| {});
        json.text("t", "a\"\u{e9}bc", 3);
        let members = r#""empty":[],"two":[{"n":1,"odd":true},{"n":2,"odd":false}],"bare":[{}],"t":"a\"\u2026""#;
        assert_eq!(String::from_utf8_lossy(json.members()), members);
        let line = json.line();
        let value: Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(value["two"][1]["n"], 2);
    }
}
