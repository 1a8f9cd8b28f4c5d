//! A prefix or suffix that one side has and the other has not: `userName` is
//! `bjensen@corp.example.com` where the directory says `bjensen`.

use serde_json::Value;

use crate::scim::filter::CompareOp;

use super::{Next, Transform};
use crate::mapping::kind::{Fault, Pushed, Test, Untranslatable};

/// `prefix` and `suffix` of a line: what the SCIM value has around the directory's.
#[derive(Debug)]
pub struct Affix {
    /// Before it.
    pub prefix: String,
    /// After it.
    pub suffix: String,
    /// What may stand there instead; a line that has some only writes.
    pub others: Vec<String>,
    /// Whether the SCIM attribute compares with case.
    pub case_exact: bool,
}

impl Affix {
    fn strip<'a>(&self, text: &'a str) -> Option<&'a str> {
        let rest = self.strip_prefix(text, &self.prefix)?;
        let mut suffixes = std::iter::once(&self.suffix).chain(&self.others);
        suffixes.find_map(|suffix| self.strip_suffix(rest, suffix))
    }

    fn wanted(&self) -> String {
        let suffixes = std::iter::once(&self.suffix).chain(&self.others);
        let all: Vec<String> = suffixes.map(|suffix| format!("`{suffix}`")).collect();
        all.join(" or ")
    }

    fn same(&self, a: &str, b: &str) -> bool {
        a == b || (!self.case_exact && a.eq_ignore_ascii_case(b))
    }

    fn strip_prefix<'a>(&self, text: &'a str, prefix: &str) -> Option<&'a str> {
        let (head, rest) = text.split_at_checked(prefix.len())?;
        self.same(head, prefix).then_some(rest)
    }

    fn strip_suffix<'a>(&self, text: &'a str, suffix: &str) -> Option<&'a str> {
        let at = text.len().checked_sub(suffix.len())?;
        let (rest, tail) = text.split_at_checked(at)?;
        self.same(tail, suffix).then_some(rest)
    }

    /// `value + suffix` starts with `text`.
    fn starts(&self, text: &str, next: Next<'_>) -> Result<Vec<Pushed>, Untranslatable> {
        let mut parts = vec![ask(next, CompareOp::Sw, text)?];
        for head in heads(&self.suffix) {
            if let Some(rest) = self.strip_suffix(text, head) {
                parts.push(ask(next, CompareOp::Eq, rest)?);
            }
        }
        Ok(parts)
    }

    /// `prefix + value` ends with `text`.
    fn ends(&self, text: &str, next: Next<'_>) -> Result<Vec<Pushed>, Untranslatable> {
        let mut parts = vec![ask(next, CompareOp::Ew, text)?];
        for tail in tails(&self.prefix) {
            if let Some(rest) = self.strip_prefix(text, tail) {
                parts.push(ask(next, CompareOp::Eq, rest)?);
            }
        }
        Ok(parts)
    }

    fn contains(&self, affix: &str, text: &str) -> bool {
        affix.contains(text)
            || (!self.case_exact
                && affix
                    .to_ascii_lowercase()
                    .contains(&text.to_ascii_lowercase()))
    }
}

impl Transform for Affix {
    fn put(&self, value: Value) -> Result<Value, Fault> {
        let Value::String(text) = &value else {
            return Err(Fault("must be a string".to_owned()));
        };
        match self.strip(text) {
            Some("") | None => Err(Fault(match (self.prefix.as_str(), self.suffix.as_str()) {
                ("", _) => format!("must end with {}", self.wanted()),
                (prefix, "") => format!("must start with `{prefix}`"),
                (prefix, _) => format!("must start with `{prefix}` and end with {}", self.wanted()),
            })),
            Some(rest) => Ok(Value::String(rest.to_owned())),
        }
    }

    fn get(&self, value: Value) -> Result<Option<Value>, Fault> {
        match value {
            Value::String(text) if text.is_empty() => Ok(None),
            Value::String(text) => Ok(Some(Value::String(format!(
                "{}{text}{}",
                self.prefix, self.suffix
            )))),
            _ => Err(Fault("is not a string".to_owned())),
        }
    }

    fn test(&self, test: Test<'_>, next: Next<'_>) -> Result<Pushed, Untranslatable> {
        let Test::Compare(op, value) = test else {
            return next(test);
        };
        let Value::String(text) = value else {
            return Ok(Pushed::Never);
        };
        match op {
            CompareOp::Eq => match self.strip(text) {
                Some(rest) if !rest.is_empty() => ask(next, op, rest),
                _ => Ok(Pushed::Never),
            },
            CompareOp::Sw => match self.strip_prefix(text, &self.prefix) {
                Some("") => next(Test::Present),
                Some(rest) => Ok(Pushed::any(self.starts(rest, next)?)),
                // The text ends within the prefix, or differs from it.
                None if self.strip_prefix(&self.prefix, text).is_some() => next(Test::Present),
                None => Ok(Pushed::Never),
            },
            CompareOp::Ew => match self.strip_suffix(text, &self.suffix) {
                Some("") => next(Test::Present),
                Some(rest) => Ok(Pushed::any(self.ends(rest, next)?)),
                None if self.strip_suffix(&self.suffix, text).is_some() => next(Test::Present),
                None => Ok(Pushed::Never),
            },
            CompareOp::Co => {
                if self.contains(&self.prefix, text) || self.contains(&self.suffix, text) {
                    return next(Test::Present);
                }
                let mut parts = vec![ask(next, op, text)?];
                for tail in tails(&self.prefix) {
                    if let Some(rest) = self.strip_prefix(text, tail) {
                        parts.extend(self.starts(rest, next)?);
                    }
                }
                for head in heads(&self.suffix) {
                    if let Some(rest) = self.strip_suffix(text, head) {
                        parts.push(ask(next, CompareOp::Ew, rest)?);
                    }
                }
                Ok(Pushed::any(parts))
            }
            CompareOp::Ne | CompareOp::Gt | CompareOp::Ge | CompareOp::Lt | CompareOp::Le => {
                Err(Untranslatable(format!(
                    "part of its value is added by the mapping, so `{}` cannot be asked of the directory",
                    op.as_str()
                )))
            }
        }
    }

    fn ordered(&self) -> bool {
        self.suffix.is_empty()
    }
}

fn ask(next: Next<'_>, op: CompareOp, text: &str) -> Result<Pushed, Untranslatable> {
    next(Test::Compare(op, &Value::String(text.to_owned())))
}

/// Every beginning of a text, itself included, the empty one not.
fn heads(text: &str) -> impl Iterator<Item = &str> {
    text.char_indices()
        .filter_map(|(at, c)| text.get(..at + c.len_utf8()))
}

/// Every end of a text, itself included, the empty one not.
fn tails(text: &str) -> impl Iterator<Item = &str> {
    text.char_indices().filter_map(|(at, _)| text.get(at..))
}
