//! `attributes:` of a role's line: which attributes the line is about.
//!
//! A list of `*`, names, sub-attributes (`name.familyName`), schema URNs and paths below them, each
//! with a minus sign before it where it is taken away. Names are compared without regard to case.
//! What a line takes away is taken from that line only: there is no deny.

use std::fmt;

use crate::scim::schema::TypeSchema;
use crate::scim::{AttrName, AttrPath, SchemaUri};

/// The attributes of one line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Attributes {
    plus: Vec<Pattern>,
    minus: Vec<Pattern>,
}

/// One item, without its minus sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    text: String,
    /// What it can mean. A URN is a schema or an attribute of a shorter one: which of both is told
    /// by the schemas, and no tenant has both. `*` has none.
    readings: Vec<Point>,
}

/// An attribute, a part of one, or a whole schema. What is not named is *any other*.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Point {
    /// The schema; `None` is the base schema.
    pub(super) uri: Option<SchemaUri>,
    pub(super) name: Option<AttrName>,
    pub(super) sub: Option<AttrName>,
}

/// Why an item, or a list, is not taken: what is wrong, and what helps.
pub(super) type Fault = (String, &'static str);

impl Attributes {
    /// Takes in an item.
    pub(super) fn add(&mut self, text: &str) -> Result<&Pattern, Fault> {
        let (list, text) = match text.strip_prefix('-') {
            Some("*") => {
                let message = "`-*` takes everything away".to_owned();
                return Err((message, "leave the whole line out"));
            }
            Some(rest) => (&mut self.minus, rest),
            None => (&mut self.plus, text),
        };
        list.push(Pattern::read(text)?);
        // It was put there just now.
        list.last().ok_or_else(|| (String::new(), ITEM_HELP))
    }

    /// What in the list can only be a misunderstanding.
    pub(super) fn fault(&self) -> Option<Fault> {
        if self.plus.is_empty() {
            let message = "these only take away, so nothing is allowed".to_owned();
            return Some((message, "put `\"*\"` first: `[\"*\", -phoneNumbers]`"));
        }
        for plus in &self.plus {
            if let Some(minus) = self.minus.iter().find(|minus| minus.covers_all_of(plus)) {
                let message = format!("`{plus}` is taken away again by `-{minus}`");
                return Some((message, "leave one of the two out"));
            }
        }
        // Which schema is the base is known to the rule only, so URNs are left alone.
        let plain = |pattern: &Pattern| !pattern.text.contains(':');
        if !self.plus.iter().all(plain) {
            return None;
        }
        let idle = self.minus.iter().find(|minus| {
            let mut plus = self.plus.iter();
            plain(minus) && !plus.any(|plus| plus.covers_all_of(minus))
        })?;
        let message = format!("`-{idle}` takes nothing away: nothing before it allows `{idle}`");
        let help = "a minus sign takes away from its own line only; what no line allows is \
                    forbidden without it";
        Some((message, help))
    }

    /// Whether the line allows the point; `base` is the base schema's URN. Where the point names
    /// less, it stands for any attribute or part that is not named anywhere.
    pub(super) fn allow(&self, point: &Point, base: Option<&str>) -> bool {
        let covers = |pattern: &Pattern| pattern.covers(point, base);
        self.plus.iter().any(covers) && !self.minus.iter().any(covers)
    }

    /// Whether the line allows what no item names.
    pub(super) fn allow_others(&self) -> bool {
        self.plus.iter().any(|plus| plus.readings.is_empty())
    }

    /// Every point that the list names.
    pub(super) fn points<'a>(&'a self, base: Option<&'a str>) -> impl Iterator<Item = Point> + 'a {
        let all = self.plus.iter().chain(&self.minus);
        all.flat_map(move |pattern| pattern.readings.iter().map(move |point| point.at(base)))
    }
}

impl Pattern {
    fn read(text: &str) -> Result<Self, Fault> {
        let fault = |help| {
            (
                format!("`{}` is no attribute", super::access::short(text)),
                help,
            )
        };
        let text = text.trim();
        if text.contains(['[', ']']) {
            let help = "a role names attributes and sub-attributes (`emails.value`), not values";
            return Err(fault(help));
        }
        let mut readings = Vec::new();
        match text.rsplit_once(':') {
            None if text == "*" => {}
            None => readings.extend(Point::path(None, text)),
            Some((schema, path)) if text.len() > 4 && starts_with_urn(text) => {
                readings.extend(text.parse().ok().map(|uri| Point {
                    uri: Some(uri),
                    ..Point::default()
                }));
                if let Ok(uri) = schema.parse() {
                    readings.extend(Point::path(Some(uri), path));
                }
            }
            Some(_) => {}
        }
        if readings.is_empty() && text != "*" {
            return Err(fault(ITEM_HELP));
        }
        Ok(Self {
            text: text.to_owned(),
            readings,
        })
    }

    fn covers(&self, point: &Point, base: Option<&str>) -> bool {
        let mut readings = self.readings.iter();
        self.readings.is_empty() || readings.any(|reading| reading.at(base).covers(point))
    }

    fn covers_all_of(&self, other: &Self) -> bool {
        if other.readings.is_empty() {
            return self.readings.is_empty();
        }
        other.readings.iter().all(|point| self.covers(point, None))
    }

    /// Whether a schema has it.
    pub(super) fn is_known(&self, schema: &TypeSchema) -> bool {
        let known = |point: &Point| match (&point.uri, &point.name) {
            (Some(uri), None) => schema.uris().any(|known| known == uri),
            (uri, Some(name)) => schema
                .find(&AttrPath {
                    uri: uri.clone(),
                    name: name.clone(),
                    sub: point.sub.clone(),
                })
                .is_some(),
            (None, None) => true,
        };
        self.readings.is_empty() || self.readings.iter().any(known)
    }

    /// What it can mean.
    pub(super) fn points(&self) -> impl Iterator<Item = Point> + '_ {
        self.readings.iter().cloned()
    }

    /// As it was written, without its minus sign.
    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Point {
    fn path(uri: Option<SchemaUri>, text: &str) -> Option<Self> {
        let (name, sub) = match text.split_once('.') {
            Some((name, sub)) => (name, Some(sub.parse().ok()?)),
            None => (text, None),
        };
        let name = Some(name.parse().ok()?);
        Some(Self { uri, name, sub })
    }

    /// The same where `base` is the base schema.
    pub(super) fn at(&self, base: Option<&str>) -> Self {
        let own = |uri: &SchemaUri| base.is_some_and(|base| uri.is(base));
        let uri = self.uri.clone().filter(|uri| !own(uri));
        Self {
            uri,
            ..self.clone()
        }
    }

    fn covers(&self, point: &Self) -> bool {
        self.uri == point.uri
            && (self.name.is_none() || self.name == point.name)
            && (self.sub.is_none() || self.sub == point.sub)
    }
}

fn starts_with_urn(text: &str) -> bool {
    text.get(..4)
        .is_some_and(|head| head.eq_ignore_ascii_case("urn:"))
}

const ITEM_HELP: &str = "`\"*\"`, `title`, `name.familyName`, a schema's URN, or one with \
                         `:attribute` behind it; with `-` before it, it is taken away";
