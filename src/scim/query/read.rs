//! The parameters of a query as they came, and what they mean.

use serde_json::Value;

use super::{Query, SortOrder, form};
use crate::scim::accent::{Accent, Accents};
use crate::scim::error::{ScimError, ScimType};
use crate::scim::message::SEARCH_REQUEST;
use crate::scim::operation::Projection;
use crate::scim::parse;
use crate::scim::path::AttrPath;
use crate::scim::resource;
use crate::scim::schema::TypeSchema;

/// What a request can take parameters for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of them.
    Query,
    /// `attributes` and `excludedAttributes`.
    Projection,
}

/// The parameters as they came; empty ones that mean nothing are absent.
#[derive(Default)]
pub(super) struct Parameters {
    filter: Option<String>,
    sort_by: Option<String>,
    sort_order: Option<String>,
    start_index: Option<String>,
    count: Option<String>,
    cursor: Option<String>,
    attributes: Vec<String>,
    excluded: Vec<String>,
}

impl Parameters {
    /// From a query string.
    pub(super) fn from_form(
        text: &str,
        wanted: Wanted,
        accents: &mut Accents,
    ) -> Result<Self, ScimError> {
        let mut parameters = Self::default();
        let mut seen = Vec::new();
        for pair in form::pairs(text) {
            let (name, value) = pair.map_err(|at| {
                let detail =
                    format!("the query string is not percent-encoded UTF-8 at its character {at}");
                ScimError::bad(ScimType::InvalidValue, detail)
            })?;
            let Some(&name) = NAMES.iter().find(|known| known.eq_ignore_ascii_case(&name)) else {
                // Ignored in any case: RFC 7644 forbids nothing here, and Entra sends its flags.
                accents.met(Accent::UnknownParameter);
                continue;
            };
            if seen.contains(&name) {
                let detail = format!("`{name}` is given more than once");
                return Err(ScimError::bad(ScimType::InvalidValue, detail));
            }
            seen.push(name);
            if wanted == Wanted::Query || PROJECTION.contains(&name) {
                parameters.set(name, value);
            }
        }
        Ok(parameters)
    }

    /// From a SearchRequest.
    pub(super) fn from_body(body: Value, accents: &mut Accents) -> Result<Self, ScimError> {
        let syntax = |detail: String| ScimError::bad(ScimType::InvalidSyntax, detail);
        let Value::Object(body) = body else {
            return Err(syntax("the body must be a JSON object".to_owned()));
        };
        let schemas = resource::get(&body, "schemas").and_then(Value::as_array);
        let is_search = schemas.is_some_and(|uris| {
            let mut uris = uris.iter().filter_map(Value::as_str);
            uris.any(|uri| uri.eq_ignore_ascii_case(SEARCH_REQUEST))
        });
        if !is_search {
            return Err(syntax(format!("`schemas` must hold `{SEARCH_REQUEST}`")));
        }
        let mut parameters = Self::default();
        for (name, value) in body {
            if name.eq_ignore_ascii_case("schemas") {
                continue;
            }
            match NAMES.iter().find(|known| known.eq_ignore_ascii_case(&name)) {
                Some(&name) => parameters.set_json(name, value)?,
                None => {
                    accents.met(Accent::UnknownParameter);
                }
            }
        }
        Ok(parameters)
    }

    fn set(&mut self, name: &str, value: String) {
        match name {
            FILTER => self.filter = Some(value),
            SORT_BY => self.sort_by = filled(value),
            SORT_ORDER => self.sort_order = filled(value),
            START_INDEX => self.start_index = Some(value),
            COUNT => self.count = Some(value),
            CURSOR => self.cursor = Some(value),
            ATTRIBUTES => self.attributes.push(value),
            _ => self.excluded.push(value),
        }
    }

    fn set_json(&mut self, name: &str, value: Value) -> Result<(), ScimError> {
        let wrong = |wanted: &str| {
            let detail = format!("`{name}` must be {wanted}");
            ScimError::bad(ScimType::InvalidValue, detail)
        };
        let list = PROJECTION.contains(&name);
        let number = [START_INDEX, COUNT].contains(&name);
        match value {
            Value::Null => {}
            Value::Number(value) if number => self.set(name, value.to_string()),
            Value::String(value) if !number => self.set(name, value),
            Value::Array(items) if list => {
                for item in items {
                    match item {
                        Value::String(item) => self.set(name, item),
                        _ => return Err(wrong("an array of strings")),
                    }
                }
            }
            _ if number => return Err(wrong("an integer")),
            _ if list => return Err(wrong("an array of strings")),
            _ => return Err(wrong("a string")),
        }
        Ok(())
    }

    /// What they mean.
    pub(super) fn read(
        self,
        schema: &TypeSchema,
        accents: &mut Accents,
    ) -> Result<(Query, Projection), ScimError> {
        let mut query = Query::default();
        if let Some(text) = &self.filter {
            let filter = parse::filter(text, schema, accents);
            query.filter = Some(filter.map_err(|e| e.refuse(ScimType::InvalidFilter, FILTER))?);
        }
        if let Some(text) = &self.sort_by {
            let path = parse::attr_path(text, schema);
            query.sort_by = Some(path.map_err(|e| e.refuse(ScimType::InvalidPath, SORT_BY))?);
        }
        if let Some(text) = &self.sort_order {
            query.sort_order = sort_order(text)?;
        }
        if let Some(text) = &self.start_index {
            query.start_index = Some(integer(START_INDEX, text)?.max(1));
        }
        if let Some(text) = &self.count {
            let count = integer(COUNT, text);
            query.count = Some(match &self.cursor {
                Some(_) => count.ok().filter(|count| *count > 0).ok_or_else(|| {
                    let detail = format!(
                        "`{COUNT}` must be an integer, at least 1 together with `{CURSOR}`"
                    );
                    ScimError::bad(ScimType::InvalidCount, detail)
                })?,
                None => count?,
            });
        }
        if self.cursor.is_some() && self.start_index.is_some() {
            let detail = format!("`{CURSOR}` and `{START_INDEX}` cannot be given together");
            return Err(ScimError::bad(ScimType::InvalidValue, detail));
        }
        query.cursor = self.cursor;
        let attributes = selection(ATTRIBUTES, &self.attributes, schema)?;
        let excluded = selection(EXCLUDED, &self.excluded, schema)?;
        let projection = match (attributes.is_empty(), excluded.is_empty()) {
            (true, true) => Projection::All,
            (false, true) => Projection::Only(attributes),
            (true, false) => Projection::Except(excluded),
            (false, false) => {
                let detail = format!("`{ATTRIBUTES}` and `{EXCLUDED}` cannot be given together");
                return Err(ScimError::bad(ScimType::InvalidValue, detail));
            }
        };
        Ok((query, projection))
    }
}

fn selection(
    name: &str,
    texts: &[String],
    schema: &TypeSchema,
) -> Result<Vec<AttrPath>, ScimError> {
    let mut paths = Vec::new();
    for text in texts {
        let more = parse::selection(text, schema);
        paths.extend(more.map_err(|e| e.refuse(ScimType::InvalidPath, name))?);
        if paths.len() > parse::MAX_TERMS {
            let detail = format!("`{name}` holds more than {} attributes", parse::MAX_TERMS);
            return Err(ScimError::bad(ScimType::InvalidValue, detail));
        }
    }
    Ok(paths)
}

fn sort_order(text: &str) -> Result<SortOrder, ScimError> {
    if text.eq_ignore_ascii_case("ascending") {
        Ok(SortOrder::Ascending)
    } else if text.eq_ignore_ascii_case("descending") {
        Ok(SortOrder::Descending)
    } else {
        let detail = format!("`{SORT_ORDER}` must be `ascending` or `descending`");
        Err(ScimError::bad(ScimType::InvalidValue, detail))
    }
}

/// An integer of any size: what is negative becomes 0, what is too large the largest.
fn integer(name: &str, text: &str) -> Result<usize, ScimError> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        let detail = format!("`{name}` must be an integer");
        return Err(ScimError::bad(ScimType::InvalidValue, detail));
    }
    if digits.len() < text.len() {
        return Ok(0);
    }
    Ok(digits.parse().unwrap_or(usize::MAX))
}

fn filled(value: String) -> Option<String> {
    (!value.is_empty()).then_some(value)
}

pub(super) const FILTER: &str = "filter";
pub(super) const SORT_BY: &str = "sortBy";
pub(super) const SORT_ORDER: &str = "sortOrder";
pub(super) const START_INDEX: &str = "startIndex";
pub(super) const COUNT: &str = "count";
pub(super) const CURSOR: &str = "cursor";
pub(super) const ATTRIBUTES: &str = "attributes";
pub(super) const EXCLUDED: &str = "excludedAttributes";

const NAMES: [&str; 8] = [
    FILTER,
    SORT_BY,
    SORT_ORDER,
    START_INDEX,
    COUNT,
    CURSOR,
    ATTRIBUTES,
    EXCLUDED,
];
const PROJECTION: [&str; 2] = [ATTRIBUTES, EXCLUDED];
