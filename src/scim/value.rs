//! How values compare: numbers by value whatever their spelling and size, strings with or without
//! case, times by the instant.

mod number;
mod time;

use std::cmp::Ordering;
use std::collections::HashMap;

use serde_json::{Map, Value};

pub use time::Instant;

/// Whether two JSON values are the same value: numbers by value (`1.0` is `1`), strings exactly,
/// objects without regard to order and to the case of names.
#[must_use]
pub fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            number::order(a.as_str(), b.as_str()) == Some(Ordering::Equal)
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => a.len() == b.len() && same_members(a, b),
        _ => a == b,
    }
}

/// How two scalars of one kind order; `None` when they are of different kinds. Numbers with an
/// exponent of more than 18 digits order with themselves only.
#[must_use]
pub fn order(a: &Value, b: &Value, case_exact: bool) -> Option<Ordering> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => number::order(a.as_str(), b.as_str()),
        (Value::String(a), Value::String(b)) if case_exact => Some(a.cmp(b)),
        (Value::String(a), Value::String(b)) => Some(fold(a).cmp(fold(b))),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Null, Value::Null) => Some(Ordering::Equal),
        _ => None,
    }
}

/// A text without its case: each character in lower case by Unicode's rules. Texts are equal
/// without regard to case when their foldings are equal.
pub fn fold(text: &str) -> impl Iterator<Item = char> + Clone + '_ {
    text.chars().flat_map(char::to_lowercase)
}

// Two objects of the same number of members. Which spelling is meant is settled before any value is
// looked at, and each value is looked at once: a hostile pair costs no more than its size.
fn same_members(a: &Map<String, Value>, b: &Map<String, Value>) -> bool {
    if a.keys().all(|name| b.contains_key(name)) {
        let mut members = a.iter();
        return members.all(|(name, value)| b.get(name).is_some_and(|other| same(value, other)));
    }
    let lower: HashMap<_, _> = b
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect();
    lower.len() == b.len()
        && a.iter().all(|(name, value)| {
            lower
                .get(&name.to_ascii_lowercase())
                .is_some_and(|other| same(value, other))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn values_that_are_the_same() {
        for (a, b) in [
            ("1", "1.0"),
            ("1", "10e-1"),
            ("-0.0", "0"),
            ("\"é\"", "\"\\u00e9\""),
            ("[1,{\"a\":2}]", "[1.0,{\"A\":2e0}]"),
            ("{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}"),
            ("{\"a\":1,\"B\":{\"c\":[]}}", "{\"b\":{\"C\":[]},\"a\":1}"),
        ] {
            assert!(same(&json(a), &json(b)), "{a} {b}");
            assert!(same(&json(b), &json(a)), "{b} {a}");
        }
    }

    #[test]
    fn values_that_are_not() {
        for (a, b) in [
            ("1", "\"1\""),
            ("\"a\"", "\"A\""),
            ("0", "false"),
            ("null", "0"),
            ("[1,2]", "[2,1]"),
            ("[1]", "[1,1]"),
            ("{\"a\":1}", "{\"a\":1,\"b\":1}"),
            ("{\"a\":1,\"c\":1}", "{\"a\":1,\"b\":1}"),
            ("{\"a\":1,\"B\":1}", "{\"a\":1,\"b\":2}"),
        ] {
            assert!(!same(&json(a), &json(b)), "{a} {b}");
            assert!(!same(&json(b), &json(a)), "{b} {a}");
        }
    }

    #[test]
    fn deep_objects_with_other_spellings_cost_their_size_only() {
        let deep = |name: &str| {
            (0..60).fold(json("1"), |inner, _| {
                let mut map = Map::new();
                map.insert("x".to_owned(), inner);
                map.insert(name.to_owned(), Value::Null);
                map.into()
            })
        };
        assert!(same(&deep("Y"), &deep("y")));
    }

    #[test]
    fn strings_order_with_and_without_case() {
        let order = |a: &str, b: &str, exact| order(&a.into(), &b.into(), exact);
        assert_eq!(order("Ärger", "äRGER", false), Some(Ordering::Equal));
        assert_eq!(order("Ärger", "äRGER", true), Some(Ordering::Less));
        assert_eq!(order("b", "A", false), Some(Ordering::Greater));
        assert_eq!(order("b", "A", true), Some(Ordering::Greater));
        assert_eq!(order("a", "B", true), Some(Ordering::Greater));
        assert_eq!(order("a", "ab", false), Some(Ordering::Less));
    }

    #[test]
    fn different_kinds_have_no_order() {
        for (a, b) in [
            ("1", "\"1\""),
            ("true", "\"true\""),
            ("null", "false"),
            ("[]", "[]"),
        ] {
            assert_eq!(order(&json(a), &json(b), false), None, "{a} {b}");
        }
    }
}
