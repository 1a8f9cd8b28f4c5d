//! One line of a role: resource types, verbs and attributes.

use std::sync::Arc;

use super::{Reader, is_star, short, text};
use crate::auth::attributes::Attributes;
use crate::auth::grant::{Grant, Resources, RoleLine, Verbs};
use crate::yaml::{Node, Table, Value, suggest};

impl<'a> Reader<'a> {
    pub(super) fn grant(&mut self, role: &Arc<str>, node: &'a Node) -> Option<Grant> {
        let mut line = Table::open(self.source, node, "an `allow` line", &mut self.found)?;
        let resources = line.required("resources", &mut self.found);
        let verbs = line.required("verbs", &mut self.found);
        let attributes = line.optional("attributes");
        let when = line.optional("when");
        let values = line.optional("values");
        line.finish(&mut self.found);
        let resources = resources.and_then(|node| self.resources(node));
        let verbs = verbs.and_then(|node| self.verbs(node));
        let about = resources.clone().unwrap_or(Resources::All);
        let attributes = match attributes {
            Some(node) => Some(Arc::new(self.attributes(node, &about)?)),
            None => None,
        };
        let values = match values {
            Some(node) => {
                let verbs = verbs.unwrap_or_default();
                Some(self.values(node, &about, verbs, attributes.as_deref())?)
            }
            None => None,
        };
        let when = match when {
            Some(node) => Some(self.when(node, &about, verbs.unwrap_or_default())?),
            None => None,
        };
        Some(Grant {
            origin: Arc::new(self.origin(role, node)),
            resources: resources?,
            verbs: verbs?,
            attributes,
            when,
            values,
        })
    }

    /// Where a line is written.
    fn origin(&self, role: &Arc<str>, node: &Node) -> RoleLine {
        let text = self.source.slice(node.span);
        let mut words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some((at, _)) = words.char_indices().nth(LONGEST) {
            words.truncate(at);
            words.push('…');
        }
        RoleLine {
            role: Arc::clone(role),
            file: Arc::clone(&self.source.name),
            line: node.span.line,
            text: words.into(),
        }
    }

    /// `None` where there is a mistake: a list that is read in part could allow too much.
    fn attributes(&mut self, node: &'a Node, about: &Resources) -> Option<Attributes> {
        let help = "`attributes: [title, name.familyName]` are these, `[\"*\", -phoneNumbers]` all \
                    but these";
        let items = self.names_of(node, help)?;
        self.not_empty(node, items.is_empty());
        let mut list = Attributes::default();
        let mut fine = !items.is_empty();
        for (text, span) in items {
            match list.add(text) {
                Ok(pattern) => {
                    let mention = (about.clone(), pattern.clone(), span);
                    self.mentions.attributes.push(mention);
                }
                Err((message, help)) => {
                    self.error(span, message, help);
                    fine = false;
                }
            }
        }
        if let Some((message, help)) = list.fault().filter(|_| fine) {
            self.error(node.span, message, help);
            return None;
        }
        fine.then_some(list)
    }

    fn resources(&mut self, node: &'a Node) -> Option<Resources> {
        if is_star(node) {
            return Some(Resources::All);
        }
        let help = "`resources: \"*\"` stands for all types, `[User, Group]` for these";
        let items = self.names_of(node, help)?;
        let mut types = Vec::with_capacity(items.len());
        for (text, span) in items {
            match text.parse() {
                Ok(resource) => {
                    self.mentions.resources.push((resource, span));
                    types.extend(text.parse());
                }
                Err(_) => self.error(span, format!("`{}` is no resource type", short(text)), help),
            }
        }
        self.not_empty(node, types.is_empty());
        Some(Resources::Only(types))
    }

    fn verbs(&mut self, node: &'a Node) -> Option<Verbs> {
        let known = Verbs::WORDS.map(|(word, _)| word);
        let help = format!("the verbs are {}, and `read: by-id`", known.join(", "));
        let Value::List(items) = &node.value else {
            let finding = node.expected(self.source, "a list");
            self.found.push(finding.help(help));
            return None;
        };
        let mut verbs = Verbs::default();
        for item in items {
            let Some(verb) = self.verb(item, known, &help) else {
                continue;
            };
            // `read` beside `read: by-id` says two things.
            if verbs != verbs.and(verb) && verbs.meets(verb)
                || verb == Verbs::READ_BY_ID && verbs.meets(verb)
            {
                let help = "leave one of the two out";
                self.error(item.span, "both `read` and `read: by-id`", help);
            }
            verbs = verbs.and(verb);
        }
        self.not_empty(node, verbs == Verbs::default());
        Some(verbs)
    }

    fn verb(&mut self, item: &'a Node, known: [&str; 4], help: &str) -> Option<Verbs> {
        if let Value::Table(_) = &item.value {
            let mut table = Table::open(self.source, item, "a verb", &mut self.found)?;
            let by = table.required("read", &mut self.found);
            table.finish(&mut self.found);
            let by = by?;
            let word = by.string(self.source, &mut self.found)?;
            if word == "by-id" {
                return Some(Verbs::READ_BY_ID);
            }
            let message = format!("`read` cannot be narrowed to `{}`", short(word));
            self.error(by.span, message, "`read: by-id` is all there is");
            return None;
        }
        let text = text(item).or_else(|| item.string(self.source, &mut self.found))?;
        if let Some((_, verb)) = Verbs::WORDS.iter().find(|(word, _)| *word == text) {
            return Some(*verb);
        }
        let message = format!("unknown verb `{}`", short(text));
        let meant = suggest(text, known).map(|meant| format!("did you mean `{meant}`?"));
        self.error(item.span, message, meant.unwrap_or_else(|| help.to_owned()));
        None
    }

    /// An empty list allows nothing, so it was meant otherwise.
    pub(super) fn not_empty(&mut self, node: &Node, empty: bool) {
        if empty && matches!(&node.value, Value::List(items) if items.is_empty()) {
            self.error(
                node.span,
                "an empty list allows nothing",
                "leave the whole line out",
            );
        }
    }
}

/// The longest text of a line that is kept for messages, in characters.
const LONGEST: usize = 200;
