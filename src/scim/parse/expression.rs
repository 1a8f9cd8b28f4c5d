//! Filter expressions: `or` binds loosest, then `and`, then `not`; recursion happens at brackets
//! only, and those are counted.

use serde_json::Value;

use super::cursor::Cursor;
use super::{MAX_DEPTH, MAX_TERMS, literal, name};
use crate::scim::accent::{Accent, Accents, settle_attr};
use crate::scim::error::ParseError;
use crate::scim::filter::{CompareOp, Comparison, Filter};
use crate::scim::path::AttrPath;
use crate::scim::schema::{Attribute, Kind, TypeSchema};

/// The state of one parse.
pub(super) struct Parser<'t, 'a> {
    pub(super) cursor: Cursor<'t>,
    schema: &'a TypeSchema,
    accents: &'a mut Accents,
    depth: usize,
    /// The deepest that it has been since the last bracket opened.
    deepest: usize,
    terms: usize,
}

/// What the names of an expression are about.
#[derive(Clone, Copy)]
pub(super) enum Scope<'a> {
    /// A resource.
    Resource,
    /// An element of a multi-valued attribute, between brackets.
    Element(Option<&'a Attribute>),
}

/// What stands between a path and its value.
enum Operator {
    Present,
    Compare(CompareOp),
}

impl<'t, 'a> Parser<'t, 'a> {
    pub(super) fn new(
        cursor: Cursor<'t>,
        schema: &'a TypeSchema,
        accents: &'a mut Accents,
    ) -> Self {
        Self {
            cursor,
            schema,
            accents,
            depth: 0,
            deepest: 0,
            terms: 0,
        }
    }

    /// One or more conjunctions with `or` between them.
    pub(super) fn any_of(&mut self, scope: Scope<'a>) -> Result<Filter, ParseError> {
        let mut parts = Vec::new();
        loop {
            match self.all_of(scope)? {
                Filter::Or(inner) => parts.extend(inner),
                part => parts.push(part),
            }
            if !self.keyword("or") {
                return Ok(one_or(parts, Filter::Or));
            }
        }
    }

    /// One or more terms with `and` between them.
    fn all_of(&mut self, scope: Scope<'a>) -> Result<Filter, ParseError> {
        let mut parts = Vec::new();
        loop {
            match self.term(scope)? {
                Filter::And(inner) => parts.extend(inner),
                part => parts.push(part),
            }
            if !self.keyword("and") {
                return Ok(one_or(parts, Filter::And));
            }
        }
    }

    /// A group, its negation, or something about one attribute.
    fn term(&mut self, scope: Scope<'a>) -> Result<Filter, ParseError> {
        self.cursor.space();
        if self.cursor.peek() == Some(b'(') {
            return self.group(scope);
        }
        let mut ahead = self.cursor;
        if ahead
            .run(|b| b.is_ascii_alphabetic())
            .eq_ignore_ascii_case("not")
        {
            ahead.space();
            if ahead.peek() == Some(b'(') {
                self.cursor = ahead;
                return Ok(Filter::Not(Box::new(self.group(scope)?)));
            }
        }
        self.terms += 1;
        if self.terms > MAX_TERMS {
            return Err(self.cursor.fail("at most 1024 comparisons"));
        }
        match scope {
            Scope::Resource => self.about_attribute(),
            Scope::Element(_) => {
                let path = AttrPath::of(name::simple(&mut self.cursor)?);
                self.comparison(path, scope)
            }
        }
    }

    fn group(&mut self, scope: Scope<'a>) -> Result<Filter, ParseError> {
        self.enter()?;
        let inner = self.any_of(scope)?;
        self.leave(b')', "`and`, `or` or `)`")?;
        Ok(inner)
    }

    fn about_attribute(&mut self) -> Result<Filter, ParseError> {
        let path = name::attr_path(&mut self.cursor, self.schema)?;
        let path = settle_attr(path, self.schema, self.accents);
        if path.sub.is_some() || self.cursor.peek() != Some(b'[') {
            return self.comparison(path, Scope::Resource);
        }
        let inner = self.bracketed(&path)?;
        let dot = self.cursor;
        if !self.cursor.eat(b'.') {
            return Ok(Filter::Element(path, Box::new(inner)));
        }
        // `emails[type eq "work"].value eq "x"`, which Entra sends and the RFC does not have.
        if !self.accents.met(Accent::FilterOnElement) {
            return Err(
                dot.fail("`and`, `or` or the end; a sub-attribute after a bracket is for PATCH")
            );
        }
        let attribute = self.schema.find_attribute(&path);
        let sub = AttrPath::of(name::simple(&mut self.cursor)?);
        let last = self.comparison(sub, Scope::Element(attribute))?;
        let mut parts = match inner {
            Filter::And(parts) => parts,
            // It will stand in parentheses, all of it one level deeper than it came.
            Filter::Or(_) if self.deepest >= MAX_DEPTH => return Err(dot.fail(TOO_DEEP)),
            other => vec![other],
        };
        parts.push(last);
        Ok(Filter::Element(path, Box::new(Filter::And(parts))))
    }

    /// `[…]` after the name of an attribute; the opening bracket is next.
    pub(super) fn bracketed(&mut self, path: &AttrPath) -> Result<Filter, ParseError> {
        self.deepest = 0;
        self.enter()?;
        let attribute = self.schema.find_attribute(path);
        let inner = self.any_of(Scope::Element(attribute))?;
        self.leave(b']', "`and`, `or` or `]`")?;
        Ok(inner)
    }

    /// Operator and value after a path.
    fn comparison(&mut self, path: AttrPath, scope: Scope<'a>) -> Result<Filter, ParseError> {
        if !self.cursor.space() {
            return Err(self.cursor.fail("a space and an operator"));
        }
        let before = self.cursor;
        let op = match self.operator()? {
            Operator::Present => return Ok(Filter::Present(path)),
            Operator::Compare(op) => op,
        };
        self.cursor.space();
        let at = self.cursor;
        let mut value = literal::value(&mut self.cursor)?;
        let kind = self.kind(&path, scope);
        if kind == Some(Kind::Boolean)
            && let Some(meant) = value.as_str().and_then(boolean)
        {
            if !self.accents.met(Accent::BooleanTextInFilter) {
                return Err(at.fail("true or false, without quotes"));
            }
            value = Value::Bool(meant);
        }
        let ordered = !matches!(kind, Some(Kind::Boolean | Kind::Binary)) && !value.is_boolean();
        if op.is_order() && !ordered {
            return Err(before.fail("`eq` or `ne`: booleans and binaries have no order"));
        }
        Ok(Filter::Compare(Comparison { path, op, value }))
    }

    fn operator(&mut self) -> Result<Operator, ParseError> {
        let before = self.cursor;
        let word = self.cursor.run(|b| b.is_ascii_alphanumeric());
        if word.eq_ignore_ascii_case("pr") {
            return Ok(Operator::Present);
        }
        CompareOp::from_name(word)
            .map(Operator::Compare)
            .ok_or_else(|| before.fail("an operator: eq, ne, co, sw, ew, gt, ge, lt, le or pr"))
    }

    /// The data type of what is compared, where it is known.
    fn kind(&self, path: &AttrPath, scope: Scope<'a>) -> Option<Kind> {
        match scope {
            Scope::Resource => self.schema.find(path),
            Scope::Element(attribute) => attribute?.sub(&path.name),
        }
        .and_then(Attribute::compared)
        .map(|attribute| attribute.kind)
    }

    fn keyword(&mut self, word: &str) -> bool {
        let mut ahead = self.cursor;
        ahead.space();
        let there = ahead
            .run(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b))
            .eq_ignore_ascii_case(word);
        if there {
            self.cursor = ahead;
        }
        there
    }

    /// Passes over an opening bracket.
    fn enter(&mut self) -> Result<(), ParseError> {
        if self.depth >= MAX_DEPTH {
            return Err(self.cursor.fail(TOO_DEEP));
        }
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);
        self.cursor.next();
        Ok(())
    }

    /// Passes over a closing bracket.
    fn leave(&mut self, bracket: u8, expected: &'static str) -> Result<(), ParseError> {
        self.cursor.space();
        if !self.cursor.eat(bracket) {
            return Err(self.cursor.fail(expected));
        }
        self.depth -= 1;
        Ok(())
    }
}

fn one_or(mut parts: Vec<Filter>, many: fn(Vec<Filter>) -> Filter) -> Filter {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        Some(last) => {
            parts.push(last);
            many(parts)
        }
        None => many(parts),
    }
}

fn boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

const TOO_DEEP: &str = "at most 128 levels of parentheses and brackets";
