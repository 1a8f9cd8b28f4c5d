//! `when:` of a role's line: what the present resource must satisfy for the line to count.

use std::sync::Arc;

use crate::scim::filter::Filter;
use crate::scim::{AttrPath, ResourceType};

/// A condition on the present resource, in the client's words: one filter for each type that the
/// line names, for the same words may mean different attributes.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    text: Arc<str>,
    named: Vec<(ResourceType, Filter)>,
    /// For all other types.
    others: Filter,
}

impl Condition {
    /// The condition that `text` says, parsed for each type.
    pub(super) fn new(text: &str, named: Vec<(ResourceType, Filter)>, others: Filter) -> Self {
        Self {
            text: text.into(),
            named,
            others,
        }
    }

    /// As it is written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What a resource of the type must satisfy.
    #[must_use]
    pub fn filter(&self, resource: &ResourceType) -> &Filter {
        let mut named = self.named.iter();
        let own = named.find(|(ty, _)| ty == resource);
        own.map_or(&self.others, |(_, filter)| filter)
    }
}

/// The attributes that a filter asks about, each with its part where it names one.
#[must_use]
pub fn asked(filter: &Filter) -> Vec<AttrPath> {
    let mut paths = Vec::new();
    ask(filter, None, &mut paths);
    paths
}

fn ask(filter: &Filter, within: Option<&AttrPath>, paths: &mut Vec<AttrPath>) {
    let mut add = |path: &AttrPath| {
        paths.push(match within {
            // Between brackets a name is a part of what stands before them.
            Some(whole) => AttrPath {
                sub: Some(path.name.clone()),
                ..whole.clone()
            },
            None => path.clone(),
        });
    };
    match filter {
        Filter::And(parts) | Filter::Or(parts) => {
            parts.iter().for_each(|part| ask(part, within, paths));
        }
        Filter::Not(inner) => ask(inner, within, paths),
        Filter::Compare(comparison) => add(&comparison.path),
        Filter::Present(path) => add(path),
        Filter::Element(path, inner) => ask(inner, Some(path), paths),
    }
}
