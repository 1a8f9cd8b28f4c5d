//! `values:` of an `allow` line: what attributes may become.

use std::sync::Arc;

use serde_json::{Number, Value as Json};

use super::{Reader, mention, short};
use crate::auth::attributes::{Attributes, Point};
use crate::auth::grant::{Resources, Verbs};
use crate::auth::values::{Allowed, Pattern, Values};
use crate::scim::AttrPath;
use crate::scim::schema::{self, Attribute, Kind};
use crate::yaml::{Key, Node, Span, Table, Value};

impl<'a> Reader<'a> {
    /// What the attributes of a line may become; `None` where there is a mistake.
    pub(super) fn values(
        &mut self,
        node: &'a Node,
        about: &Resources,
        verbs: Verbs,
        attributes: Option<&Attributes>,
    ) -> Option<Arc<Values>> {
        let table = Table::open(self.source, node, "`values`", &mut self.found)?;
        if verbs != Verbs::default() && !verbs.meets(Verbs::WRITES) {
            let help = "it says what may be written: leave it out, or add `create` or `update`";
            self.error(node.span, "`values` on a line that writes nothing", help);
            return None;
        }
        let (mut values, mut fine) = (Values::default(), true);
        let entries = table.entries();
        if entries.is_empty() {
            let help = "`values: {title: [Clerk, Boss]}`";
            self.error(node.span, "`values` names no attribute", help);
            fine = false;
        }
        for (key, node) in entries {
            let points = self.constrained(key, about, attributes);
            let kinds = points
                .iter()
                .flatten()
                .flat_map(|point| known(point, about));
            let boolean = kinds
                .map(|attribute| attribute.kind)
                .any(|kind| kind == Kind::Boolean);
            let allowed = self.allowed(node, boolean);
            match (points, allowed) {
                (Some(points), Some(allowed)) => {
                    let allowed = Arc::new(allowed);
                    for point in points {
                        values.add(point, Arc::clone(&allowed));
                    }
                }
                _ => fine = false,
            }
        }
        fine.then(|| Arc::new(values))
    }

    /// What a key of `values` can mean.
    fn constrained(
        &mut self,
        key: &Key,
        about: &Resources,
        attributes: Option<&Attributes>,
    ) -> Option<Vec<Point>> {
        let mut list = Attributes::default();
        let pattern = match list.add(&key.text) {
            Ok(pattern) if !key.text.starts_with('-') => pattern.clone(),
            Ok(_) => {
                self.error(
                    key.span,
                    format!("`{}` is no attribute", short(&key.text)),
                    KEY_HELP,
                );
                return None;
            }
            Err((message, help)) => {
                self.error(key.span, message, help);
                return None;
            }
        };
        let points: Vec<Point> = pattern
            .points()
            .filter(|point| point.name.is_some())
            .collect();
        if points.is_empty() {
            self.error(
                key.span,
                format!("`{}` is not one attribute", short(&key.text)),
                KEY_HELP,
            );
            return None;
        }
        let bases = [None, Some(schema::USER), Some(schema::GROUP)];
        let allowed = |list: &Attributes| {
            let mut bases = bases.iter();
            bases.any(|base| {
                points
                    .iter()
                    .any(|point| list.allow(&point.at(*base), *base))
            })
        };
        if attributes.is_some_and(|list| !allowed(list)) {
            let message = format!("the line does not allow `{pattern}`, whatever it becomes");
            self.error(
                key.span,
                message,
                "add it to `attributes`, or leave it out here",
            );
            return None;
        }
        if !self.can_be_constrained(&points, about, key.span) {
            return None;
        }
        self.mentions
            .attributes
            .push((about.clone(), pattern, key.span));
        Some(points)
    }

    /// Whether the built-in types that the line names have it, and it has a value of its own.
    fn can_be_constrained(&mut self, points: &[Point], about: &Resources, span: Span) -> bool {
        let Resources::Only(types) = about else {
            return true;
        };
        for schema in [schema::user(), schema::group()] {
            let foreign = |point: &Point| {
                let uri = point.uri.as_ref();
                uri.is_some_and(|uri| !schema.uris().any(|known| known == uri))
            };
            if !types.contains(&schema.name) || points.iter().all(foreign) {
                continue;
            }
            let path = |point: &Point| {
                Some(AttrPath {
                    uri: point.at(Some(schema.base.id.as_str())).uri,
                    name: point.name.clone()?,
                    sub: point.sub.clone(),
                })
            };
            let mut paths: Vec<AttrPath> = points.iter().filter_map(path).collect();
            let found = paths.iter().find_map(|path| schema.find(path));
            match found {
                Some(attribute) if attribute.kind == Kind::Complex => {
                    let name = paths.iter().find(|path| schema.find(path).is_some());
                    let name = name.map_or_else(String::new, ToString::to_string);
                    let sub = attribute
                        .sub_attributes
                        .iter()
                        .find(|sub| sub.name.is("value"));
                    let sub = sub.or_else(|| attribute.sub_attributes.first());
                    let sub = sub.map_or("value", |sub| sub.name.as_str());
                    let help = format!("name the part that is meant: `{name}.{sub}`");
                    self.error(span, format!("`{name}` has parts"), help);
                    return false;
                }
                Some(_) => {}
                None => {
                    paths.truncate(1);
                    let Some(path) = paths.first() else { continue };
                    let message = format!("a {} has no attribute `{path}`", schema.name);
                    let help = match mention::meant(&schema, path) {
                        Some(meant) => format!("did you mean `{meant}`?"),
                        None => KEY_HELP.to_owned(),
                    };
                    self.error(span, message, help);
                    return false;
                }
            }
        }
        true
    }

    fn allowed(&mut self, node: &'a Node, boolean: bool) -> Option<Allowed> {
        let mut allowed = Allowed::default();
        let items = match &node.value {
            Value::List(items) => items.as_slice(),
            Value::Table(_) => std::slice::from_ref(node),
            _ => {
                let finding = node.expected(self.source, "a list, or a pattern");
                self.found.push(finding.help(VALUE_HELP));
                return None;
            }
        };
        self.not_empty(node, items.is_empty());
        let mut fine = !items.is_empty();
        for item in items {
            let value = match &item.value {
                Value::Null => Json::Null,
                Value::Bool(value) => Json::Bool(*value),
                Value::Number(text) => match text.parse::<Number>() {
                    Ok(number) => Json::Number(number),
                    // Such as `0x10`: what YAML takes for a number, and JSON does not.
                    Err(_) => Json::String(text.clone()),
                },
                Value::String(text) if boolean => {
                    let message = format!(
                        "`{}` is a text, and the attribute is a boolean",
                        short(text)
                    );
                    self.error(item.span, message, "`true` or `false`, without quotes");
                    fine = false;
                    continue;
                }
                Value::String(text) => Json::String(text.clone()),
                Value::Table(_) => {
                    match self.pattern(item) {
                        Some(pattern) => allowed.pattern(pattern),
                        None => fine = false,
                    }
                    continue;
                }
                Value::List(_) => {
                    let finding = item.expected(self.source, "a value, or a pattern");
                    self.found.push(finding.help(VALUE_HELP));
                    fine = false;
                    continue;
                }
            };
            allowed.value(value);
        }
        fine.then_some(allowed)
    }

    fn pattern(&mut self, node: &'a Node) -> Option<Pattern> {
        let mut table = Table::open(self.source, node, "a pattern", &mut self.found)?;
        let pattern = table.required("pattern", &mut self.found);
        table.finish(&mut self.found);
        let pattern = pattern?;
        let text = pattern.string(self.source, &mut self.found)?;
        match Pattern::new(text) {
            Ok(found) => Some(found),
            Err(why) => {
                let help = "a regular expression that the whole value must match, without \
                            look-around and back references";
                self.error(
                    pattern.span,
                    format!("the pattern cannot be used: {}", short(&why)),
                    help,
                );
                None
            }
        }
    }
}

/// What the built-in types say of an attribute.
fn known(point: &Point, about: &Resources) -> Vec<Attribute> {
    let mut found = Vec::new();
    for schema in [schema::user(), schema::group()] {
        let named = match about {
            Resources::All => true,
            Resources::Only(types) => types.contains(&schema.name),
        };
        if let Some(name) = point.name.clone().filter(|_| named) {
            let path = AttrPath {
                uri: point.at(Some(schema.base.id.as_str())).uri,
                name,
                sub: point.sub.clone(),
            };
            found.extend(schema.find(&path).cloned());
        }
    }
    found
}

const KEY_HELP: &str = "an attribute or a part of one: `title`, `emails.value`, or an extension's \
                        URN with `:attribute` behind it";
const VALUE_HELP: &str =
    "`[IT, HR]`, with `null` where it may be removed, or `{pattern: \"(Junior|Senior) .+\"}`";
