//! Shows in the terminal what became of each request: what the client said, what the directory
//! was asked, what it answered, and what the client got.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

/// Collects the four sides of each request and prints them together when the client has its
/// answer, so that requests under way at once do not mix.
pub struct Show {
    colour: bool,
    state: Mutex<State>,
}

struct State {
    out: Box<dyn Write + Send>,
    pending: VecDeque<(String, Vec<Step>)>,
}

struct Step {
    title: String,
    inbound: bool,
    ours: bool,
    body: Option<Vec<u8>>,
}

/// Whose exchange it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Between the SCIM client and postern.
    Client,
    /// Between postern and the directory.
    Directory,
}

impl Show {
    /// Prints to `out`, with colours where they can be seen.
    #[must_use]
    pub fn new(out: Box<dyn Write + Send>, colour: bool) -> Self {
        Self {
            colour,
            state: Mutex::new(State {
                out,
                pending: VecDeque::new(),
            }),
        }
    }

    /// One side asks another.
    pub fn asked(&self, side: Side, id: &str, method: &str, target: &str, body: &[u8]) {
        self.note(
            side,
            id,
            format!("{method} {}", cut(&decoded(target))),
            true,
            body,
        );
    }

    /// One side answers another; the client's answer ends the story and prints it.
    pub fn answered(&self, side: Side, id: &str, status: u16, body: &[u8]) {
        self.note(side, id, status.to_string(), false, body);
        if side == Side::Client {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(index) = state.pending.iter().position(|(key, _)| key == id)
                && let Some((_, steps)) = state.pending.remove(index)
            {
                let text = self.render(&steps);
                // A terminal that has gone away is no reason to stop serving.
                let _ = state
                    .out
                    .write_all(text.as_bytes())
                    .and_then(|()| state.out.flush());
            }
        }
    }

    fn note(&self, side: Side, id: &str, title: String, inbound: bool, body: &[u8]) {
        let body = (!body.is_empty()).then(|| body.to_vec());
        let step = Step {
            title,
            inbound,
            ours: side == Side::Client,
            body,
        };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, steps)) = state.pending.iter_mut().find(|(key, _)| key == id) {
            if steps.len() < MAX_STEPS {
                steps.push(step);
            }
        } else {
            if state.pending.len() >= MAX_PENDING {
                state.pending.pop_front();
            }
            state.pending.push_back((id.to_owned(), vec![step]));
        }
    }

    fn render(&self, steps: &[Step]) -> String {
        let mut text = String::from("\n");
        for step in steps {
            let (who, colour) = match (step.ours, step.inbound) {
                (true, true) => ("client    ->", "36"),
                (true, false) => ("client    <-", "36"),
                (false, true) => ("directory ->", "33"),
                (false, false) => ("directory <-", "33"),
            };
            let indent = if step.ours { "" } else { "    " };
            let _ = if self.colour {
                writeln!(
                    text,
                    "{indent}\x1b[1;{colour}m{who}\x1b[0m \x1b[1m{}\x1b[0m",
                    step.title
                )
            } else {
                writeln!(text, "{indent}{who} {}", step.title)
            };
            if let Some(body) = &step.body {
                for line in readable(body) {
                    let _ = writeln!(text, "{indent}    {line}");
                }
            }
        }
        text
    }
}

/// A body as a person can read it at a glance: indented JSON, secrets hidden, long ones cut.
fn readable(body: &[u8]) -> Vec<String> {
    let Ok(mut value) = serde_json::from_slice::<Value>(body) else {
        return vec![format!("({} bytes that are not JSON)", body.len())];
    };
    hide_secrets(&mut value);
    let mut text = String::new();
    lay_out(&value, 0, &mut text);
    let mut lines: Vec<String> = text.lines().map(cut).collect();
    if lines.len() > MAX_LINES {
        let more = lines.len() - MAX_LINES;
        lines.truncate(MAX_LINES);
        lines.push(format!("… {more} more lines"));
    }
    lines
}

/// Writes a value on one line where it fits, else with one line for each of its parts.
fn lay_out(value: &Value, depth: usize, out: &mut String) {
    let short = value.to_string();
    if depth * 2 + short.chars().count() <= FITS {
        out.push_str(&short);
        return;
    }
    let parts: Vec<(Option<&String>, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(key, value)| (Some(key), value)).collect(),
        Value::Array(items) => items.iter().map(|item| (None, item)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            out.push_str(&short);
            return;
        }
    };
    let (open, close) = if value.is_object() {
        ('{', '}')
    } else {
        ('[', ']')
    };
    out.push(open);
    for (index, (key, part)) in parts.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        let _ = write!(out, "{comma}\n{:width$}", "", width = (depth + 1) * 2);
        if let Some(key) = key {
            let _ = write!(out, "{}: ", Value::String((*key).clone()));
        }
        lay_out(part, depth + 1, out);
    }
    let _ = write!(out, "\n{:width$}{close}", "", width = depth * 2);
}

/// A target as it is meant, without its percent-encoding; nothing in it reaches the terminal raw.
fn decoded(target: &str) -> String {
    let mut bytes = target.bytes();
    let mut out = Vec::with_capacity(target.len());
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        let digit = |byte: Option<u8>| byte.and_then(|b| char::from(b).to_digit(16));
        match (byte, digit(ahead.next()), digit(ahead.next())) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                bytes = ahead;
            }
            _ => out.push(byte),
        }
    }
    let text = String::from_utf8_lossy(&out);
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

/// Puts `(secret, 12 characters)` in the place of every value that is named like a secret, in
/// resources and in PATCH operations whose path names one.
pub fn hide_secrets(value: &mut Value) {
    match value {
        Value::Object(map) => {
            let path_is_secret = map.iter().any(|(key, value)| {
                key.eq_ignore_ascii_case("path") && value.as_str().is_some_and(is_secret)
            });
            for (key, value) in map.iter_mut() {
                if is_secret(key) || (path_is_secret && key.eq_ignore_ascii_case("value")) {
                    *value = Value::String(match value.as_str() {
                        Some(text) => format!("(secret, {} characters)", text.chars().count()),
                        None => "(secret)".to_owned(),
                    });
                } else {
                    hide_secrets(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide_secrets),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn is_secret(name: &str) -> bool {
    let name = name
        .rsplit([':', '.'])
        .next()
        .unwrap_or(name)
        .to_ascii_lowercase();
    ["password", "passwd", "pwd", "secret", "passphrase"]
        .iter()
        .any(|word| name.contains(word))
}

fn cut(line: &str) -> String {
    if line.chars().count() <= MAX_WIDTH {
        return line.to_owned();
    }
    line.chars().take(MAX_WIDTH - 1).chain(['…']).collect()
}

const FITS: usize = 88;
const MAX_PENDING: usize = 256;
const MAX_STEPS: usize = 32;
const MAX_LINES: usize = 40;
const MAX_WIDTH: usize = 160;

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::json;

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn prints_both_sides_of_one_request_together() {
        let sink = Sink::default();
        let show = Show::new(Box::new(sink.clone()), false);
        show.asked(
            Side::Client,
            "a",
            "POST",
            "/demo/Users",
            br#"{"userName":"ada"}"#,
        );
        show.asked(Side::Client, "b", "GET", "/demo/Users", b"");
        show.asked(
            Side::Directory,
            "a",
            "POST",
            "/people",
            br#"{"login":"ada"}"#,
        );
        show.answered(Side::Directory, "a", 201, br#"{"no":7}"#);
        assert!(
            sink.0.lock().unwrap().is_empty(),
            "nothing is shown before the answer is out"
        );
        show.answered(Side::Client, "a", 201, br#"{"id":"7"}"#);
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        let expected = "\nclient    -> POST /demo/Users\n    {\"userName\":\"ada\"}\n    \
                        directory -> POST /people\n        {\"login\":\"ada\"}\n    \
                        directory <- 201\n        {\"no\":7}\n\
                        client    <- 201\n    {\"id\":\"7\"}\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn long_values_are_laid_out_and_targets_are_decoded() {
        let mut out = String::new();
        let value = json!({"short": [1, 2], "long": ["x".repeat(60), "y".repeat(40)]});
        lay_out(&value, 0, &mut out);
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(lines.len(), 7, "{out}");
        assert_eq!(lines[1], "  \"short\": [1,2],");
        assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), value);
        assert_eq!(
            decoded("/a?f=x%20eq%20%22y%22&p=100%&q=%e9%1b[0m"),
            "/a?f=x eq \"y\"&p=100%&q=\u{fffd}?[0m"
        );
    }

    #[test]
    fn secrets_are_never_shown() {
        let mut value = json!({"password": "correct horse", "a": [{"userPassword": "x", "n": 1}],
            "Operations": [{"op": "replace", "path": "password", "value": "hunter2"}]});
        hide_secrets(&mut value);
        assert_eq!(
            value,
            json!({"password": "(secret, 13 characters)",
                "a": [{"userPassword": "(secret, 1 characters)", "n": 1}],
                "Operations": [{"op": "replace", "path": "password", "value": "(secret, 7 characters)"}]})
        );
    }
}
