//! `values:` of a role's line: what an attribute may become.
//!
//! A set of strings, numbers and booleans, `null` for nothing at all, and patterns that take linear
//! time, whole values only.

use std::sync::Arc;

use regex_automata::nfa::thompson::NFA;
use regex_automata::nfa::thompson::pikevm::PikeVM;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};
use serde_json::Value;

use super::attributes::Point;
use crate::scim::value;

/// What attributes may become under one line.
#[derive(Debug, Clone, Default)]
pub(super) struct Values(Vec<(Point, Arc<Allowed>)>);

/// What one attribute may become.
#[derive(Debug, Clone, Default)]
pub(super) struct Allowed {
    values: Vec<Value>,
    patterns: Vec<Pattern>,
    /// Whether it may be removed.
    null: bool,
}

/// A pattern that a whole text must match.
#[derive(Debug, Clone)]
pub(super) struct Pattern(Arc<PikeVM>);

/// What an attribute may become where every line that allows it says so.
#[derive(Debug, Clone)]
pub struct Bound {
    pub(super) point: Point,
    pub(super) choices: Vec<Arc<Allowed>>,
}

impl Values {
    pub(super) fn add(&mut self, point: Point, allowed: Arc<Allowed>) {
        self.0.push((point, allowed));
    }

    /// The attributes that it is about.
    pub(super) fn points<'a>(&'a self, base: Option<&'a str>) -> impl Iterator<Item = Point> + 'a {
        self.0.iter().map(move |(point, _)| point.at(base))
    }

    /// What the attribute may become; `None` is anything.
    pub(super) fn of(&self, point: &Point, base: Option<&str>) -> Option<&Arc<Allowed>> {
        let mut all = self.0.iter();
        let found = all.find(|(own, _)| own.at(base) == *point);
        found.map(|(_, allowed)| allowed)
    }
}

impl Allowed {
    pub(super) fn value(&mut self, value: Value) {
        match value {
            Value::Null => self.null = true,
            value => self.values.push(value),
        }
    }

    pub(super) fn pattern(&mut self, pattern: Pattern) {
        self.patterns.push(pattern);
    }

    fn allows(&self, given: &Value, exact: bool) -> bool {
        let same = |value: &Value| match (value, given) {
            // A number without quotes in the file where the attribute is a text.
            (Value::Number(number), Value::String(text)) => number.as_str() == text,
            _ => value::order(value, given, exact).is_some_and(std::cmp::Ordering::is_eq),
        };
        let matches = |text: &str| self.patterns.iter().any(|pattern| pattern.matches(text));
        self.values.iter().any(same) || given.as_str().is_some_and(matches)
    }
}

impl Pattern {
    /// Reads a pattern; the text says what is wrong with it.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        // By itself first: no bracket of it may close ours.
        syntax::parse(text).map_err(|error| last_line(&error.to_string()))?;
        let limits = NFA::config().nfa_size_limit(Some(LARGEST));
        let built = PikeVM::builder()
            .thompson(limits)
            .build(&format!(r"\A(?:{text})\z"));
        built.map(|vm| Self(Arc::new(vm))).map_err(|error| {
            let source = std::error::Error::source(&error);
            last_line(&source.map_or_else(|| error.to_string(), ToString::to_string))
        })
    }

    fn matches(&self, text: &str) -> bool {
        if text.len() > LONGEST {
            return false;
        }
        let input = Input::new(text).anchored(Anchored::Yes).earliest(true);
        self.0.is_match(&mut self.0.create_cache(), input)
    }
}

impl Bound {
    /// The part of the attribute that it is about; the attribute's own value where it names none.
    #[must_use]
    pub fn sub(&self) -> Option<&str> {
        self.point.sub.as_ref().map(|sub| sub.as_str())
    }

    /// Whether the attribute may become this. `exact` is whether case matters.
    #[must_use]
    pub fn allows(&self, given: &Value, exact: bool) -> bool {
        match given {
            Value::Null => self.allows_removal(),
            given => self
                .choices
                .iter()
                .any(|choice| choice.allows(given, exact)),
        }
    }

    /// Whether the attribute may be removed.
    #[must_use]
    pub fn allows_removal(&self) -> bool {
        self.choices.iter().any(|choice| choice.null)
    }

    /// The values that it may become, where they are few and no pattern allows more.
    #[must_use]
    pub fn told(&self) -> Option<String> {
        let patterns = self
            .choices
            .iter()
            .any(|choice| !choice.patterns.is_empty());
        let values = self.choices.iter().flat_map(|choice| &choice.values);
        let mut values: Vec<String> = values
            .map(|value| match value {
                Value::String(text) => format!("`{text}`"),
                value => format!("`{value}`"),
            })
            .collect();
        values.dedup();
        let text = values.join(", ");
        let few = !patterns && !values.is_empty() && values.len() <= 10 && text.len() <= 200;
        few.then_some(text)
    }
}

fn last_line(text: &str) -> String {
    let line = text.lines().last().unwrap_or_default();
    line.trim().trim_start_matches("error: ").to_owned()
}

/// How large a compiled pattern may be, in bytes.
const LARGEST: usize = 1 << 20;
/// The longest text that is matched, in bytes: a longer one matches no pattern.
const LONGEST: usize = 1024;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn allowed(values: &[Value], patterns: &[&str]) -> Bound {
        let mut allowed = Allowed::default();
        values.iter().for_each(|value| allowed.value(value.clone()));
        for pattern in patterns {
            allowed.pattern(Pattern::new(pattern).unwrap());
        }
        Bound {
            point: Point::default(),
            choices: vec![Arc::new(allowed)],
        }
    }

    #[test]
    fn sets_compare_as_the_schema_says() {
        let bound = allowed(&[json!("IT"), json!(7), json!(true)], &[]);
        assert!(bound.allows(&json!("it"), false) && !bound.allows(&json!("it"), true));
        assert!(bound.allows(&json!(7.0), true) && bound.allows(&json!("7"), true));
        assert!(bound.allows(&json!(true), true) && !bound.allows(&json!("true"), true));
        assert!(!bound.allows(&Value::Null, true) && !bound.allows_removal());
        assert!(!bound.allows(&json!(["IT"]), true) && !bound.allows(&json!({}), true));
        assert!(allowed(&[Value::Null], &[]).allows_removal());
        assert_eq!(bound.told().unwrap(), "`IT`, `7`, `true`");
    }

    #[test]
    fn patterns_match_whole_values() {
        let bound = allowed(&[], &["^(Junior|Senior) .+", "a|ab"]);
        for fine in ["Junior Clerk", "Senior Ä", "a", "ab"] {
            assert!(bound.allows(&json!(fine), false), "{fine}");
        }
        for wrong in [
            "Junior ",
            "junior x",
            "x Junior y",
            "abc",
            "",
            "Junior x\ny",
            "7",
        ] {
            assert!(!bound.allows(&json!(wrong), false), "{wrong}");
        }
        assert!(!bound.allows(&json!(7), false));
        assert!(!bound.allows(&json!(format!("Junior {}", "x".repeat(2000))), false));
        assert_eq!(bound.told(), None);
        let slow = allowed(&[], &["(a*)*b"]);
        assert!(!slow.allows(&json!("a".repeat(1000)), false));
        for wrong in ["(", "a)|(b", r"\1", "(?x)a #", r"(\w{1000}){1000}", "(?=a)"] {
            assert!(Pattern::new(wrong).is_err(), "{wrong}");
        }
    }
}
