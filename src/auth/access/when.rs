//! `when:` of an `allow` line: a filter that the present resource must satisfy.

use std::sync::Arc;

use super::{Reader, short};
use crate::auth::attributes::Attributes;
use crate::auth::condition::{Condition, asked};
use crate::auth::grant::{Resources, Verbs};
use crate::scim::accent::Accents;
use crate::scim::filter::Filter;
use crate::scim::schema::{self, Schema, TypeSchema};
use crate::scim::{AttrPath, ResourceType, SchemaUri, parse};
use crate::yaml::{Node, Span};

impl<'a> Reader<'a> {
    /// The condition of a line about these types and verbs; `None` where it is not understood.
    pub(super) fn when(
        &mut self,
        node: &'a Node,
        about: &Resources,
        verbs: Verbs,
    ) -> Option<Arc<Condition>> {
        let text = node.string(self.source, &mut self.found)?;
        if verbs.meets(Verbs::CREATE) {
            let help = "a new resource has no present state: give `create` a line of its own, and \
                        say with `values` what may be created";
            self.error(node.span, "`when` on a line that allows `create`", help);
            return None;
        }
        let built_in = [schema::user(), schema::group()];
        let named = match about {
            Resources::All => built_in.iter().map(|ty| ty.name.clone()).collect(),
            Resources::Only(types) => types.clone(),
        };
        let others = self.condition(text, &unknown(), node)?;
        let mut filters = Vec::new();
        for resource in named {
            let known = built_in.iter().find(|ty| ty.name == resource);
            let filter = match known {
                Some(schema) => self.condition(text, schema, node)?,
                None => others.clone(),
            };
            filters.push((resource, filter));
        }
        self.asks_of_what_is_there(about, &filters, &built_in, node.span)
            .then(|| Arc::new(Condition::new(text, filters, others)))
    }

    fn condition(&mut self, text: &str, schema: &TypeSchema, node: &Node) -> Option<Filter> {
        match parse::filter(text, schema, &mut Accents::refused()) {
            Ok(filter) => Some(filter),
            Err(error) => {
                let chars = text.char_indices().map(|(at, _)| at);
                let mut ends = chars.chain([text.len()]);
                let at = ends.nth(error.position.saturating_sub(1));
                let at = at.unwrap_or(text.len());
                let span = node.span.part(self.source, text, at, 1);
                let message = format!(
                    "the filter does not parse: expected {}, found {}",
                    error.expected,
                    short(&error.found)
                );
                let help =
                    "a SCIM filter as clients send it: `title eq \"Clerk\" and active eq true`";
                self.error(span, message, help);
                None
            }
        }
    }

    /// Whether every attribute can be asked about; which other schemas there are is known to the
    /// rules only, so those are warned about later.
    fn asks_of_what_is_there(
        &mut self,
        about: &Resources,
        filters: &[(ResourceType, Filter)],
        built_in: &[TypeSchema],
        span: Span,
    ) -> bool {
        let mut fine = true;
        let mut seen: Vec<AttrPath> = Vec::new();
        for (resource, filter) in filters {
            let schema = built_in.iter().find(|ty| ty.name == *resource);
            for path in asked(filter) {
                if path.uri.is_none() && path.name.is("password") {
                    let help = "secrets are not compared";
                    self.error(span, "the filter asks about `password`", help);
                    return false;
                }
                let known = schema.is_none_or(|schema| {
                    let foreign = path.uri.as_ref();
                    let foreign = foreign.is_some_and(|uri| schema.extension(uri).is_none());
                    foreign || schema.find(&path).is_some()
                });
                if !known && matches!(about, Resources::Only(_)) {
                    let message = format!("a {resource} has no attribute `{path}`");
                    let help = schema.and_then(|schema| super::mention::meant(schema, &path));
                    let help = help.map_or_else(
                        || {
                            "the attributes of RFC 7643, and of the rule's own schemas by their URN"
                                .to_owned()
                        },
                        |meant| format!("did you mean `{meant}`?"),
                    );
                    self.error(span, message, help);
                    fine = false;
                } else if !seen.contains(&path) {
                    if let Ok(pattern) = Attributes::default().add(&path.to_string()) {
                        let mention = (about.clone(), pattern.clone(), span);
                        self.mentions.attributes.push(mention);
                    }
                    seen.push(path);
                }
            }
        }
        fine
    }
}

/// Stands for the types that rules define: the names are theirs.
fn unknown() -> TypeSchema {
    let user = schema::user();
    let base = Schema {
        id: SchemaUri::known("urn:ietf:params:scim:schemas:unknown"),
        attributes: Vec::new(),
        ..Schema::clone(&user.base)
    };
    TypeSchema {
        base: Arc::new(base),
        extensions: Vec::new(),
        ..user
    }
}
