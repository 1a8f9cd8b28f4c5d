//! Reads a filter as RFC 4515 has it, strictly: what people write into rules.

use std::sync::Arc;

use bytes::Bytes;

use super::super::attribute;
use super::super::dn::pair;
use super::{Extensible, Filter, Pieces};

/// Why a text is no filter, and where: a byte of the text, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct FilterError {
    /// Where.
    pub at: usize,
    /// What is wrong, and what would do.
    pub reason: &'static str,
}

/// Servers stop earlier.
const DEEPEST: usize = 64;

/// A whole filter.
pub(super) fn filter(text: &str) -> Result<Filter, FilterError> {
    let mut parser = Parser { text, at: 0 };
    let filter = parser.filter(0)?;
    if parser.at < text.len() {
        return Err(parser.wrong("something follows the filter: put several into `(&(…)(…))`"));
    }
    Ok(filter)
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Parser<'t> {
    fn filter(&mut self, depth: usize) -> Result<Filter, FilterError> {
        if depth >= DEEPEST {
            return Err(self.wrong("it is nested too deeply"));
        }
        if !self.take('(') {
            return Err(self.wrong("a filter begins with `(`, as in `(objectClass=person)`"));
        }
        let filter = match self.rest().chars().next() {
            Some('&') => Filter::And(self.list(depth)?),
            Some('|') => Filter::Or(self.list(depth)?),
            Some('!') => {
                self.at += 1;
                Filter::Not(Box::new(self.filter(depth + 1)?))
            }
            _ => self.item()?,
        };
        if !self.take(')') {
            return Err(self.wrong("a `)` is missing here"));
        }
        Ok(filter)
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Filter>, FilterError> {
        self.at += 1;
        let mut all = Vec::new();
        while self.rest().starts_with('(') {
            all.push(self.filter(depth + 1)?);
        }
        Ok(all)
    }

    fn item(&mut self) -> Result<Filter, FilterError> {
        let rest = self.rest();
        let end = rest
            .find(['=', '(', ')'])
            .filter(|end| rest.get(*end..).is_some_and(|after| after.starts_with('=')))
            .ok_or_else(|| self.wrong("a condition has the form `attribute=value`"))?;
        let (before, _) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let (name, sign) = match before.char_indices().next_back() {
            Some((at, sign @ ('>' | '<' | '~' | ':'))) => {
                (before.get(..at).unwrap_or_default(), Some(sign))
            }
            _ => (before, None),
        };
        if sign == Some(':') {
            return self.rule(name, end + 1);
        }
        let attribute = self.attribute(name)?;
        self.at += end + 1;
        if sign.is_none() {
            return self.equality(attribute);
        }
        let value = self.value()?;
        if self.rest().starts_with('*') {
            return Err(self.wrong("a `*` has no meaning here; as part of the value it is `\\2a`"));
        }
        Ok(match sign {
            Some('>') => Filter::AtLeast(attribute, value),
            Some('<') => Filter::AtMost(attribute, value),
            _ => Filter::About(attribute, value),
        })
    }

    /// After `attribute=`: a value, a lone star, or pieces between stars.
    fn equality(&mut self, attribute: Arc<str>) -> Result<Filter, FilterError> {
        let first = self.value()?;
        if !self.rest().starts_with('*') {
            return Ok(Filter::Equal(attribute, first));
        }
        let mut pieces = Vec::new();
        while self.take('*') {
            pieces.push(self.value()?);
        }
        let last = pieces.pop().unwrap_or_default();
        if first.is_empty() && last.is_empty() && pieces.is_empty() {
            return Ok(Filter::Present(attribute));
        }
        if pieces.iter().any(Bytes::is_empty) {
            return Err(self.wrong("two `*` follow one another: one is enough"));
        }
        let filled = |piece: Bytes| (!piece.is_empty()).then_some(piece);
        Ok(Filter::Substrings(
            attribute,
            Pieces {
                initial: filled(first),
                any: pieces,
                last: filled(last),
            },
        ))
    }

    /// `attribute:dn:rule:=value`, each part but the value optional.
    fn rule(&mut self, before: &str, length: usize) -> Result<Filter, FilterError> {
        let mut parts = before.split(':');
        let attribute = match parts.next() {
            None | Some("") => None,
            Some(name) => Some(self.attribute(name)?),
        };
        let mut parts = parts.peekable();
        let in_name = parts
            .next_if(|part| part.eq_ignore_ascii_case("dn"))
            .is_some();
        let rule: Option<Arc<str>> = parts.next().map(Arc::from);
        let fits = |rule: &str| attribute::is_name(rule) || attribute::is_oid(rule);
        if parts.next().is_some() || !rule.as_deref().is_none_or(fits) {
            return Err(self.wrong("a rule has the form `attribute:1.2.840.113556.1.4.803:=2`"));
        }
        if attribute.is_none() && rule.is_none() {
            return Err(self.wrong("an attribute or a matching rule must stand before `:=`"));
        }
        self.at += length;
        let value = self.value()?;
        if self.rest().starts_with('*') {
            return Err(self.wrong("a `*` has no meaning here; as part of the value it is `\\2a`"));
        }
        Ok(Filter::Rule(Extensible {
            attribute,
            rule,
            value,
            in_name,
        }))
    }

    fn attribute(&self, name: &str) -> Result<Arc<str>, FilterError> {
        if attribute::is_description(name) {
            Ok(name.into())
        } else {
            Err(self.wrong("this is not the name of an attribute"))
        }
    }

    /// Up to `*`, `)` or the end.
    fn value(&mut self) -> Result<Bytes, FilterError> {
        let mut out = Vec::new();
        let mut chars = self.rest().char_indices();
        let start = self.at;
        let mut end = self.rest().len();
        while let Some((at, c)) = chars.next() {
            self.at = start + at;
            match c {
                '*' | ')' => {
                    end = at;
                    break;
                }
                '(' => return Err(self.wrong("a `(` in a value is written `\\28`")),
                '\0' => return Err(self.wrong("a NUL in a value is written `\\00`")),
                '\\' => {
                    let digits = (chars.next(), chars.next());
                    let (Some((_, first)), Some((_, second))) = digits else {
                        return Err(self.wrong(BACKSLASH));
                    };
                    out.push(pair(first, second).ok_or_else(|| self.wrong(BACKSLASH))?);
                }
                c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        self.at = start + end;
        Ok(out.into())
    }

    fn take(&mut self, wanted: char) -> bool {
        let there = self.rest().starts_with(wanted);
        if there {
            self.at += wanted.len_utf8();
        }
        there
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn wrong(&self, reason: &'static str) -> FilterError {
        FilterError {
            at: self.at,
            reason,
        }
    }
}

const BACKSLASH: &str =
    "a backslash is followed by two hexadecimal digits; a backslash itself is `\\5c`";
