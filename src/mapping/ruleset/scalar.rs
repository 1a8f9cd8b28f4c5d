//! Scalars of a rule file: words out of a few, values as JSON, durations.

use std::time::Duration;

use serde_json::Value;

use crate::yaml::{self, Diagnostic, Diagnostics, Node, Source, suggest};

/// One word of a few.
pub(super) fn word<T: Copy>(
    source: &Source,
    node: &Node,
    words: &[(&str, T)],
    d: &mut Diagnostics,
) -> Option<T> {
    let names = || words.iter().map(|(name, _)| *name);
    let text = match &node.value {
        yaml::Value::String(text) => text.as_str(),
        _ => {
            let list: Vec<_> = names().map(|name| format!("`{name}`")).collect();
            d.push(node.expected(source, &list.join(" or ")));
            return None;
        }
    };
    if let Some((_, value)) = words.iter().find(|(name, _)| *name == text) {
        return Some(*value);
    }
    let list: Vec<_> = names().map(|name| format!("`{name}`")).collect();
    let list = list.join(", ");
    let help = match suggest(text, names()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("one of {list}"),
    };
    let shown: String = text.chars().take(60).collect();
    let error = Diagnostic::error(source, node.span, format!("`{shown}` is not known here"));
    d.push(error.help(help));
    None
}

/// A string, boolean or number as a JSON value.
pub(super) fn value(source: &Source, node: &Node, d: &mut Diagnostics) -> Option<Value> {
    match &node.value {
        yaml::Value::Bool(value) => Some(Value::Bool(*value)),
        yaml::Value::String(text) => Some(Value::String(text.clone())),
        yaml::Value::Number(text) => match serde_json::from_str::<serde_json::Number>(text) {
            Ok(number) => Some(Value::Number(number)),
            Err(_) => {
                let text = format!("`{text}` is not a number that JSON knows");
                let help = "put it in quotes if it is meant as text";
                d.push(Diagnostic::error(source, node.span, text).help(help));
                None
            }
        },
        _ => {
            d.push(node.expected(source, "a string, a number, `true` or `false`"));
            None
        }
    }
}

/// A string that is not empty.
pub(super) fn text(source: &Source, node: &Node, d: &mut Diagnostics) -> Option<String> {
    let text = node.string(source, d)?;
    if text.is_empty() {
        d.push(Diagnostic::error(
            source,
            node.span,
            "this must not be empty",
        ));
        return None;
    }
    Some(text.to_owned())
}

/// `500ms`, `5s`, `2m`.
pub(super) fn duration(source: &Source, node: &Node, d: &mut Diagnostics) -> Option<Duration> {
    let wanted = "a duration such as `500ms`, `5s` or `2m`";
    let text = match &node.value {
        yaml::Value::String(text) => text.as_str(),
        _ => {
            d.push(node.expected(source, wanted));
            return None;
        }
    };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let number: Option<u64> = number.parse().ok();
    let duration = match (number, unit) {
        (Some(n), "ms") => Some(Duration::from_millis(n)),
        (Some(n), "s") => Some(Duration::from_secs(n)),
        (Some(n), "m") => n.checked_mul(60).map(Duration::from_secs),
        _ => None,
    };
    match duration {
        Some(duration) if !duration.is_zero() && duration <= MAX_DURATION => Some(duration),
        Some(_) => {
            let text = format!("`{text}` is out of range: from `1ms` to `60m`");
            d.push(Diagnostic::error(source, node.span, text));
            None
        }
        None => {
            d.push(node.expected(source, wanted));
            None
        }
    }
}

const MAX_DURATION: Duration = Duration::from_secs(3600);
