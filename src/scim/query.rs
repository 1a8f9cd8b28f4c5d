//! Queries (RFC 7644 §3.4.2) as values: from a query string or a `POST /.search` body, and back
//! into a query string for a directory.
//!
//! What is wrong with a parameter is 400: `invalidFilter` for the filter, `invalidPath` for the
//! paths in `sortBy`, `attributes` and `excludedAttributes` (the RFC has the keyword for PATCH
//! paths; nothing of it comes nearer), `invalidValue` for all else. The parameter is named.

mod form;
mod read;
#[cfg(test)]
mod tests;
mod write;

use serde_json::Value;

use super::accent::Accents;
use super::error::ScimError;
use super::filter::Filter;
use super::operation::Projection;
use super::path::AttrPath;
use super::schema::TypeSchema;

use read::{Parameters, Wanted};

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
    /// Where to go on (RFC 9865); empty for the first page.
    pub cursor: Option<String>,
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

impl Query {
    /// Reads the query string of a list (without its question mark).
    ///
    /// # Errors
    /// 400 as the module says; also for what is not percent-encoded UTF-8, for a parameter given
    /// twice, and for `attributes` together with `excludedAttributes`.
    pub fn from_query_string(
        text: &str,
        schema: &TypeSchema,
        accents: &mut Accents,
    ) -> Result<(Self, Projection), ScimError> {
        Parameters::from_form(text, Wanted::Query, accents)?.read(schema, accents)
    }

    /// Reads the body of a `POST /.search`, a JSON object.
    ///
    /// # Errors
    /// 400 as the module says; `invalidSyntax` when it is no SearchRequest.
    pub fn from_search(
        body: Value,
        schema: &TypeSchema,
        accents: &mut Accents,
    ) -> Result<(Self, Projection), ScimError> {
        Parameters::from_body(body, accents)?.read(schema, accents)
    }

    /// Writes the query string for a directory (without a question mark; empty when there is
    /// nothing to say).
    #[must_use]
    pub fn to_query_string(&self, projection: &Projection) -> String {
        write::query_string(self, projection)
    }
}

/// Reads `attributes` and `excludedAttributes` from the query string of any other request; the
/// parameters of lists are passed over there.
///
/// # Errors
/// As for [`Query::from_query_string`].
pub fn projection(
    text: &str,
    schema: &TypeSchema,
    accents: &mut Accents,
) -> Result<Projection, ScimError> {
    let parameters = Parameters::from_form(text, Wanted::Projection, accents)?;
    Ok(parameters.read(schema, accents)?.1)
}

/// Writes the query string of a projection, as [`Query::to_query_string`] does.
#[must_use]
pub fn projection_string(projection: &Projection) -> String {
    write::query_string(&Query::default(), projection)
}
