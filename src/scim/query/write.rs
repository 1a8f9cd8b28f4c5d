//! A query as a query string for a directory.

use super::read::{ATTRIBUTES, COUNT, EXCLUDED, FILTER, SORT_BY, SORT_ORDER, START_INDEX};
use super::{Query, SortOrder, form};
use crate::scim::operation::Projection;
use crate::scim::path::AttrPath;

pub(super) fn query_string(query: &Query, projection: &Projection) -> String {
    let mut out = String::new();
    if let Some(filter) = &query.filter {
        form::append(&mut out, FILTER, &filter.to_string());
    }
    if let Some(path) = &query.sort_by {
        form::append(&mut out, SORT_BY, &path.to_string());
        if query.sort_order == SortOrder::Descending {
            form::append(&mut out, SORT_ORDER, "descending");
        }
    }
    if let Some(start) = query.start_index {
        form::append(&mut out, START_INDEX, &start.to_string());
    }
    if let Some(count) = query.count {
        form::append(&mut out, COUNT, &count.to_string());
    }
    match projection {
        Projection::All => {}
        // An empty list would be read as no list at all; `id` always comes back.
        Projection::Only(paths) if paths.is_empty() => form::append(&mut out, ATTRIBUTES, "id"),
        Projection::Only(paths) => form::append(&mut out, ATTRIBUTES, &list(paths)),
        Projection::Except(paths) if paths.is_empty() => {}
        Projection::Except(paths) => form::append(&mut out, EXCLUDED, &list(paths)),
    }
    out
}

fn list(paths: &[AttrPath]) -> String {
    let paths: Vec<_> = paths.iter().map(ToString::to_string).collect();
    paths.join(",")
}
