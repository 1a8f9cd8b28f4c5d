//! Filters as text (RFC 4515): whether a rule's `filter` is one, and which attributes it asks.

use super::dn::{is_descriptor, is_oid};

/// Why a text is no filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidFilter(String);

/// The attributes that a filter asks about, in its order.
///
/// # Errors
/// It is no filter.
///
/// ```
/// use postern::ldap::filter::attributes;
/// assert_eq!(attributes("(&(objectClass=person)(!(uid=svc*)))").unwrap(), ["objectClass", "uid"]);
/// assert!(attributes("objectClass=person").is_err());
/// ```
pub fn attributes(text: &str) -> Result<Vec<String>, InvalidFilter> {
    let mut names = Vec::new();
    let rest = one(text, 0, &mut names)?;
    if rest.is_empty() {
        return Ok(names);
    }
    let shown: String = rest.chars().take(30).collect();
    Err(InvalidFilter(format!("goes on after its end: `{shown}`")))
}

/// Reads one filter in its parentheses; gives what follows.
fn one<'a>(text: &'a str, depth: usize, names: &mut Vec<String>) -> Result<&'a str, InvalidFilter> {
    if depth > MAX_DEPTH {
        return Err(InvalidFilter(format!("is nested deeper than {MAX_DEPTH}")));
    }
    let inner = text.strip_prefix('(').ok_or_else(|| {
        let shown: String = text.chars().take(30).collect();
        InvalidFilter(format!("needs a `(` before `{shown}`"))
    })?;
    let closed = |rest: &'a str| {
        rest.strip_prefix(')')
            .ok_or_else(|| InvalidFilter("lacks a `)`".to_owned()))
    };
    if let Some(mut rest) = inner.strip_prefix(['&', '|']) {
        if !rest.starts_with('(') {
            return Err(InvalidFilter("has `&` or `|` without parts".to_owned()));
        }
        while rest.starts_with('(') {
            rest = one(rest, depth + 1, names)?;
        }
        return closed(rest);
    }
    if let Some(rest) = inner.strip_prefix('!') {
        return closed(one(rest, depth + 1, names)?);
    }
    let end = inner
        .find(['(', ')'])
        .ok_or_else(|| InvalidFilter("lacks a `)`".to_owned()))?;
    let (item, rest) = inner.split_at_checked(end).unwrap_or((inner, ""));
    comparison(item, names)?;
    closed(rest)
}

/// `attr=value`, `attr>=value`, `attr:rule:=value`, …
fn comparison(item: &str, names: &mut Vec<String>) -> Result<(), InvalidFilter> {
    let shown: String = item.chars().take(40).collect();
    let wrong = |why: &str| InvalidFilter(format!("has `{shown}`, {why}"));
    let (left, value) = item
        .split_once('=')
        .ok_or_else(|| wrong("which compares nothing"))?;
    let (name, starred) = match left.strip_suffix(':') {
        Some(left) => {
            let mut parts = left.split(':');
            let name = parts.next().unwrap_or_default();
            let mut rule = parts.next();
            if rule.is_some_and(|part| part.eq_ignore_ascii_case("dn")) {
                rule = parts.next();
            }
            let named = rule.is_none_or(|rule| is_descriptor(rule) || is_oid(rule));
            if !named || parts.next().is_some() || (name.is_empty() && rule.is_none()) {
                return Err(wrong("whose matching rule is none"));
            }
            (name, false)
        }
        None => match left.strip_suffix(['>', '<', '~']) {
            Some(name) => (name, false),
            None => (left, true),
        },
    };
    let base = name.split(';').next().unwrap_or_default();
    if !(name.is_empty() && item.contains(":=")) {
        if !is_descriptor(base) && !is_oid(base) {
            return Err(wrong("whose attribute is none"));
        }
        names.push(base.to_owned());
    }
    let mut rest = value.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => {
                let digits = [rest.next(), rest.next()];
                if !digits
                    .iter()
                    .all(|d| d.is_some_and(|d| d.is_ascii_hexdigit()))
                {
                    return Err(wrong("where `\\` is not followed by two hex digits"));
                }
            }
            '\0' => return Err(wrong("with a NUL; write `\\00`")),
            '*' if !starred => return Err(wrong("with a `*`; write `\\2a`")),
            _ => {}
        }
    }
    if value.contains("**") {
        return Err(wrong("with `**`"));
    }
    Ok(())
}

const MAX_DEPTH: usize = 32;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn filters_of_every_form() {
        for (text, names) in [
            ("(objectClass=*)", vec!["objectClass"]),
            ("(cn=a*b*c)", vec!["cn"]),
            (
                "(&(a=1)(|(b>=2)(c<=3)(d~=4))(!(e=5)))",
                vec!["a", "b", "c", "d", "e"],
            ),
            (
                "(userAccountControl:1.2.840.113556.1.4.803:=2)",
                vec!["userAccountControl"],
            ),
            ("(ou:dn:caseExactMatch:=x)", vec!["ou"]),
            ("(:caseExactMatch:=x)", vec![]),
            ("(2.5.4.3=x)", vec!["2.5.4.3"]),
            ("(cn;lang-de=x)", vec!["cn"]),
            (r"(cn=\28\29\2a\5c)", vec!["cn"]),
            ("(cn=)", vec!["cn"]),
            ("(cn=a=b)", vec!["cn"]),
        ] {
            assert_eq!(attributes(text).unwrap(), names, "{text}");
        }
    }

    #[test]
    fn what_is_no_filter() {
        for text in [
            "",
            "()",
            "cn=a",
            "(cn=a",
            "(cn=a))",
            "(cn)",
            "(&)",
            "(|)",
            "(!)",
            "(!(a=1)(b=2))",
            "(&a=1)",
            "(=a)",
            "(c n=a)",
            r"(cn=\2)",
            r"(cn=\zz)",
            "(cn>=a*)",
            "(cn=a**b)",
            "(cn=a)(cn=b)",
            "(cn=a(b)",
            "(cn::=a)",
            "(:=a)",
            "(cn:x y:=a)",
            "(cn=\0)",
        ] {
            assert!(attributes(text).is_err(), "{text}");
        }
        assert!(attributes(&format!("{}(a=1){}", "(!".repeat(40), ")".repeat(40))).is_err());
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "[()&|!a-c=<>~:*\\\\0-9é]{0,20}") {
            let _ = attributes(&text);
        }
    }
}
