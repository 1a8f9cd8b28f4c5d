//! Reads one description: `( 2.5.4.3 NAME ( 'cn' 'commonName' ) SUP name SINGLE-VALUE … )`.

use super::{AttributeType, ClassKind, ObjectClass};

/// A piece of a description.
#[derive(Debug, PartialEq, Eq)]
enum Token<'t> {
    Open,
    Close,
    Dollar,
    Quoted(&'t str),
    Word(&'t str),
}

/// The kind of attribute that a text describes.
pub(super) fn attribute_type(text: &str) -> Option<AttributeType> {
    let mut tokens = Tokens::open(text)?;
    let mut kind = AttributeType {
        oid: tokens.word()?.to_owned(),
        ..AttributeType::default()
    };
    while let Some(key) = tokens.key()? {
        match key.to_ascii_uppercase().as_str() {
            "NAME" => kind.names = tokens.list()?,
            "SUP" => kind.sup = tokens.list()?.into_iter().next(),
            "EQUALITY" => kind.equality = Some(tokens.word()?.to_owned()),
            "ORDERING" => kind.ordering = Some(tokens.word()?.to_owned()),
            "SUBSTR" => kind.substrings = Some(tokens.word()?.to_owned()),
            "SYNTAX" => {
                let syntax = tokens.word()?;
                let syntax = syntax.split_once('{').map_or(syntax, |(oid, _)| oid);
                kind.syntax = Some(syntax.to_owned());
            }
            "SINGLE-VALUE" => kind.single_value = true,
            "NO-USER-MODIFICATION" => kind.read_only = true,
            "COLLECTIVE" | "OBSOLETE" => {}
            "USAGE" => kind.operational = !tokens.word()?.eq_ignore_ascii_case("userApplications"),
            // `DESC`, and the extensions of each maker.
            _ => drop(tokens.list()?),
        }
    }
    Some(kind)
}

/// The class that a text describes.
pub(super) fn object_class(text: &str) -> Option<ObjectClass> {
    let mut tokens = Tokens::open(text)?;
    let mut class = ObjectClass {
        oid: tokens.word()?.to_owned(),
        ..ObjectClass::default()
    };
    while let Some(key) = tokens.key()? {
        match key.to_ascii_uppercase().as_str() {
            "NAME" => class.names = tokens.list()?,
            "SUP" => class.sup = tokens.list()?,
            "ABSTRACT" => class.kind = ClassKind::Abstract,
            "STRUCTURAL" => class.kind = ClassKind::Structural,
            "AUXILIARY" => class.kind = ClassKind::Auxiliary,
            "OBSOLETE" => {}
            "MUST" => class.must = tokens.list()?,
            "MAY" => class.may = tokens.list()?,
            _ => drop(tokens.list()?),
        }
    }
    Some(class)
}

/// The tokens of a description, after its `(`.
struct Tokens<'t> {
    rest: &'t str,
}

impl<'t> Tokens<'t> {
    fn open(text: &'t str) -> Option<Self> {
        let mut tokens = Self { rest: text };
        (tokens.next()? == Token::Open).then_some(tokens)
    }

    /// The next key; `Some(None)` at the description's `)`.
    fn key(&mut self) -> Option<Option<&'t str>> {
        match self.next()? {
            Token::Word(word) => Some(Some(word)),
            Token::Close => Some(None),
            Token::Open | Token::Dollar | Token::Quoted(_) => None,
        }
    }

    /// A word; some servers put it into quotes.
    fn word(&mut self) -> Option<&'t str> {
        match self.next()? {
            Token::Word(word) | Token::Quoted(word) => Some(word),
            Token::Open | Token::Close | Token::Dollar => None,
        }
    }

    /// One word, or several between `(` and `)`, with or without `$` between.
    fn list(&mut self) -> Option<Vec<String>> {
        let mut all = Vec::new();
        match self.next()? {
            Token::Word(word) | Token::Quoted(word) => return Some(vec![word.to_owned()]),
            Token::Open => {}
            Token::Close | Token::Dollar => return None,
        }
        loop {
            match self.next()? {
                Token::Word(word) | Token::Quoted(word) => all.push(word.to_owned()),
                Token::Dollar => {}
                Token::Close => return Some(all),
                Token::Open => return None,
            }
        }
    }

    fn next(&mut self) -> Option<Token<'t>> {
        let text = self.rest.trim_start();
        let first = text.chars().next()?;
        let after = text.get(first.len_utf8()..)?;
        let (token, rest) = match first {
            '(' => (Token::Open, after),
            ')' => (Token::Close, after),
            '$' => (Token::Dollar, after),
            '\'' => {
                let (inside, rest) = after.split_once('\'')?;
                (Token::Quoted(inside), rest)
            }
            _ => {
                let ends = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | '$' | '\'');
                let end = text.find(ends).unwrap_or(text.len());
                let (word, rest) = text.split_at_checked(end)?;
                (Token::Word(word), rest)
            }
        };
        self.rest = rest;
        Some(token)
    }
}
