//! Queries (RFC 7644 §3.4.2) as values: from a query string or a `POST /.search` body, and back
//! into a query string for a directory.

use super::filter::Filter;
use super::path::AttrPath;

/// A query for resources of one type; which attributes to return is the operation's projection.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Query {
    /// Which resources; all where there is none.
    pub filter: Option<Filter>,
    /// The attribute to sort by.
    pub sort_by: Option<AttrPath>,
    /// Which way.
    pub sort_order: SortOrder,
    /// The 1-based index of the first result wanted; what is below 1 has become 1.
    pub start_index: Option<usize>,
    /// At most so many results; what is negative has become 0.
    pub count: Option<usize>,
}

/// Which way to sort.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SortOrder {
    /// The default.
    #[default]
    Ascending,
    /// The other way round.
    Descending,
}
