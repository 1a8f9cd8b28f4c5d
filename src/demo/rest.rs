//! The demo's directory as a JSON service, in the manner of an old appliance: running numbers for
//! ids, its own list envelope, no `Location`, no `meta`, no PATCH, and errors that say little.
//! Pure: a request in, an answer out.

use std::cmp::Ordering;

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::scim::accent::Accents;
use crate::scim::operation::Projection;
use crate::scim::query::{Query, SortOrder};
use crate::scim::schema::{Attribute, Kind, Schema, TypeSchema};
use crate::scim::{Filter, Resource, json as strict, value};

use super::store::{Holds, Record, Store, StoreError, Table};

/// The service with its data.
#[derive(Debug)]
pub(super) struct Service {
    store: Store,
    people: TypeSchema,
    teams: TypeSchema,
}

/// What of a request counts.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    pub(super) if_match: Option<&'a str>,
    pub(super) if_none_match: Option<&'a str>,
    pub(super) body: &'a [u8],
}

/// An answer; where there is no body there are no bytes.
#[derive(Debug, PartialEq)]
pub(super) struct Answered {
    pub(super) status: StatusCode,
    pub(super) version: Option<u64>,
    pub(super) body: Option<Value>,
}

impl Service {
    /// A service with a few people in it.
    pub(super) fn seeded() -> Option<Self> {
        Some(Self {
            store: Store::seeded(),
            people: schema(Table::People)?,
            teams: schema(Table::Teams)?,
        })
    }

    /// Answers one request.
    pub(super) fn answer(&mut self, asked: &Asked<'_>) -> Answered {
        self.route(asked).unwrap_or_else(|error| error)
    }

    fn route(&mut self, asked: &Asked<'_>) -> Result<Answered, Answered> {
        let mut segments = asked.path.trim_start_matches('/').split('/');
        let table = match (segments.next(), segments.clone().next()) {
            (Some("people"), _) => Table::People,
            (Some("teams"), _) => Table::Teams,
            (Some("ServiceProviderConfig"), None) if asked.method == Method::GET => {
                return Ok(Answered::ok(abilities()));
            }
            (Some("ServiceProviderConfig"), None) => return Err(wrong_method()),
            _ => return Err(nowhere()),
        };
        match (asked.method, segments.next(), segments.next()) {
            (_, _, Some(_)) => Err(nowhere()),
            (&Method::GET, None, None) => self.list(table, asked.query),
            (&Method::POST, None, None) => {
                let record = self.store.create(table, &read(asked.body)?)?;
                Ok(Answered {
                    status: StatusCode::CREATED,
                    ..Answered::record(record)
                })
            }
            (_, None, None) => Err(wrong_method()),
            (method, Some(id), None) => self.one(table, method, id, asked),
        }
    }

    fn one(
        &mut self,
        table: Table,
        method: &Method,
        id: &str,
        asked: &Asked<'_>,
    ) -> Result<Answered, Answered> {
        let no: u64 = id.parse().map_err(|_| StoreError::Missing)?;
        let guard = |record: &Record| {
            asked
                .if_match
                .is_none_or(|tags| names(tags, record.version))
        };
        match *method {
            Method::GET => {
                let record = self.store.read(table, no)?;
                if asked
                    .if_none_match
                    .is_some_and(|tags| names(tags, record.version))
                {
                    let version = Some(record.version);
                    return Ok(Answered {
                        status: StatusCode::NOT_MODIFIED,
                        version,
                        body: None,
                    });
                }
                let (_, projection) = self.query(table, asked.query)?;
                let shown = project(&record.fields, &projection);
                Ok(Answered {
                    body: Some(shown),
                    ..Answered::record(record)
                })
            }
            Method::PUT => {
                let body = read(asked.body)?;
                let record = self.store.replace(table, no, &body, guard)?;
                Ok(Answered::record(record))
            }
            Method::DELETE => {
                self.store.delete(table, no, guard)?;
                Ok(Answered {
                    status: StatusCode::NO_CONTENT,
                    version: None,
                    body: None,
                })
            }
            _ => Err(wrong_method()),
        }
    }

    fn list(&self, table: Table, query: &str) -> Result<Answered, Answered> {
        let (query, projection) = self.query(table, query)?;
        let schema = self.schema(table);
        let filter = query.filter.map(|filter| with_numbers(filter, table));
        let mut found: Vec<&Record> = self
            .store
            .all(table)
            .filter(|record| {
                filter
                    .as_ref()
                    .is_none_or(|f| f.matches(&record.fields, schema))
            })
            .collect();
        if let Some(path) = &query.sort_by {
            found.sort_by(|a, b| {
                let order = compare(a.fields.at(path), b.fields.at(path));
                match query.sort_order {
                    SortOrder::Ascending => order,
                    SortOrder::Descending => order.reverse(),
                }
            });
        }
        let page: Vec<Value> = found
            .iter()
            .skip(query.start_index.unwrap_or(1).saturating_sub(1))
            .take(query.count.unwrap_or(PAGE).min(PAGE))
            .map(|record| project(&record.fields, &projection))
            .collect();
        Ok(Answered::ok(
            json!({ "totalResults": found.len(), "resources": page }),
        ))
    }

    fn query(&self, table: Table, text: &str) -> Result<(Query, Projection), Answered> {
        let mut accents = Accents::accepted();
        Query::from_query_string(text, self.schema(table), &mut accents)
            .map_err(|error| failure(StatusCode::BAD_REQUEST, error.detail))
    }

    fn schema(&self, table: Table) -> &TypeSchema {
        match table {
            Table::People => &self.people,
            Table::Teams => &self.teams,
        }
    }
}

impl Answered {
    fn ok(body: Value) -> Self {
        Self {
            status: StatusCode::OK,
            version: None,
            body: Some(body),
        }
    }

    fn record(record: &Record) -> Self {
        Self {
            version: Some(record.version),
            ..Self::ok(Value::from(record.fields.clone()))
        }
    }
}

impl From<StoreError> for Answered {
    fn from(error: StoreError) -> Self {
        let status = match error {
            StoreError::Field(_) => StatusCode::BAD_REQUEST,
            StoreError::Taken { .. } => StatusCode::CONFLICT,
            StoreError::Missing => StatusCode::NOT_FOUND,
            StoreError::Changed => StatusCode::PRECONDITION_FAILED,
            StoreError::Full => StatusCode::INSUFFICIENT_STORAGE,
        };
        failure(status, error.to_string())
    }
}

/// The truth in an envelope that is not SCIM's.
fn abilities() -> Value {
    json!({
        "patch": { "supported": false },
        "etag": { "supported": true },
        "filter": { "supported": true, "maxResults": PAGE },
        "sort": { "supported": true },
    })
}

/// Numbers are compared as numbers, also where the filter has them as texts: an id is a text to
/// whoever asks.
fn with_numbers(filter: Filter, table: Table) -> Filter {
    let all = |parts: Vec<Filter>| parts.into_iter().map(|f| with_numbers(f, table)).collect();
    match filter {
        Filter::And(parts) => Filter::And(all(parts)),
        Filter::Or(parts) => Filter::Or(all(parts)),
        Filter::Not(part) => Filter::Not(Box::new(with_numbers(*part, table))),
        Filter::Compare(mut comparison) => {
            let is_number = comparison.path.name.is("no");
            let is_text = table
                .fields()
                .iter()
                .any(|(name, _)| comparison.path.name.is(name));
            comparison.value = match comparison.value {
                Value::String(text) if is_number => match text.parse::<u64>() {
                    Ok(number) => number.into(),
                    Err(_) => Value::String(text),
                },
                Value::Number(number) if is_text => Value::String(number.to_string()),
                other => other,
            };
            Filter::Compare(comparison)
        }
        Filter::Present(_) | Filter::Element(..) => filter,
    }
}

fn project(fields: &Resource, projection: &Projection) -> Value {
    let keep = |name: &str| match projection {
        Projection::All => true,
        Projection::Only(paths) => name == "no" || paths.iter().any(|path| path.name.is(name)),
        Projection::Except(paths) => name == "no" || !paths.iter().any(|path| path.name.is(name)),
    };
    let kept = fields.as_map().iter().filter(|(name, _)| keep(name));
    Value::Object(
        kept.map(|(name, value)| (name.clone(), value.clone()))
            .collect::<Map<_, _>>(),
    )
}

/// What is absent comes last.
fn compare(a: Option<&Value>, b: Option<&Value>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => value::order(a, b, false).unwrap_or(Ordering::Equal),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    }
}

fn names(tags: &str, version: u64) -> bool {
    let own = tag(version);
    tags.split(',')
        .map(str::trim)
        .any(|tag| tag == "*" || tag == own)
}

/// The entity tag of a version.
pub(super) fn tag(version: u64) -> String {
    format!("\"v{version}\"")
}

fn read(body: &[u8]) -> Result<Value, Answered> {
    strict::parse(body).map_err(|_| failure(StatusCode::BAD_REQUEST, "not JSON"))
}

fn wrong_method() -> Answered {
    failure(StatusCode::METHOD_NOT_ALLOWED, "method not allowed")
}

fn nowhere() -> Answered {
    failure(StatusCode::NOT_FOUND, "no such page")
}

/// An error in the old manner: a sentence and nothing else.
pub(super) fn failure(status: StatusCode, text: impl Into<String>) -> Answered {
    let body = Some(json!({ "error": text.into() }));
    Answered {
        status,
        version: None,
        body,
    }
}

/// The service's own field names as a schema, so that its filters can be read and evaluated.
fn schema(table: Table) -> Option<TypeSchema> {
    let (name, endpoint) = match table {
        Table::People => ("Person", "people"),
        Table::Teams => ("Team", "teams"),
    };
    let number = attribute("no", Kind::Integer, false)?;
    let mut attributes = vec![number];
    for (field, holds) in table.fields() {
        let many = *holds == Holds::Numbers;
        attributes.push(attribute(field, Kind::String, many)?);
    }
    let base = Schema {
        id: format!("urn:example:old:{name}").parse().ok()?,
        name: name.to_owned(),
        description: String::new(),
        attributes,
    };
    Some(TypeSchema {
        name: name.parse().ok()?,
        endpoint: endpoint.into(),
        description: "".into(),
        base: base.into(),
        extensions: Vec::new(),
    })
}

fn attribute(name: &str, kind: Kind, multi_valued: bool) -> Option<Attribute> {
    let attribute = Attribute::new(name.parse().ok()?, kind);
    Some(if multi_valued {
        attribute.many()
    } else {
        attribute
    })
}

/// The largest page.
const PAGE: usize = 1000;
