//! A request as a value: its head and body parsed, in the RFC's form whatever the client's accent.

use bytes::Bytes;
use http::Method;
use serde_json::Value;

use crate::scim::accent::Accents;
use crate::scim::message::{self, BulkRequest};
use crate::scim::operation::{Document, Precondition, Projection, Verb};
use crate::scim::query::{self, Query};
use crate::scim::schema::TypeSchema;
use crate::scim::{Client, Operation, ResourceId, ScimError, ScimType, json};

use super::endpoint::Endpoint;
use super::error::GatewayError;

/// What is asked for.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "one per request, and nearly all are of the large kind"
)]
pub(super) enum Call {
    /// One operation.
    One(Operation<Client>),
    /// One query, put to every type.
    Everything(Vec<Operation<Client>>),
    /// A series of them.
    Bulk(BulkRequest),
    /// What the tenant can do.
    Discovery(Discovery),
}

/// What discovery is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Discovery {
    /// `/ServiceProviderConfig`.
    ServiceProviderConfig,
    /// `/Schemas`, or the one of this URI.
    Schemas(Option<String>),
    /// `/ResourceTypes`, or the one of this name.
    ResourceTypes(Option<String>),
}

/// What of a request its parsing looks at.
pub(super) struct Parts<'a> {
    pub(super) method: &'a Method,
    pub(super) query: &'a str,
    pub(super) precondition: Precondition,
    pub(super) body: Bytes,
}

/// Whether the request has a body that is to be read.
pub(super) fn has_body(method: &Method) -> bool {
    [Method::POST, Method::PUT, Method::PATCH].contains(method)
}

impl Call {
    /// Whether it changes something.
    pub(super) fn writes(&self) -> bool {
        match self {
            Self::One(operation) => operation.verb.kind().writes(),
            Self::Bulk(_) => true,
            Self::Everything(_) | Self::Discovery(_) => false,
        }
    }

    /// Parses a request for an endpoint that takes its method.
    pub(super) fn parse(
        endpoint: &Endpoint<'_>,
        parts: Parts<'_>,
        bulk_operations: usize,
        accents: &mut Accents,
    ) -> Result<Self, GatewayError> {
        match endpoint {
            Endpoint::Type(schema) if *parts.method == Method::GET => {
                let (query, projection) = Query::from_query_string(parts.query, schema, accents)?;
                let verb = Verb::List(query);
                Ok(Self::One(finish(
                    schema,
                    verb,
                    projection,
                    parts.precondition,
                )))
            }
            Endpoint::TypeSearch(schema) => {
                let body = Value::from(object(parts.body)?.parse());
                let (query, projection) = Query::from_search(body, schema, accents)?;
                let verb = Verb::List(query);
                Ok(Self::One(finish(
                    schema,
                    verb,
                    projection,
                    parts.precondition,
                )))
            }
            Endpoint::Type(schema) => single(schema, None, parts, accents).map(Self::One),
            Endpoint::Resource(schema, id) => {
                single(schema, Some(id.clone()), parts, accents).map(Self::One)
            }
            Endpoint::Search(schemas) => {
                let body = Value::from(object(parts.body)?.parse());
                let mut operations = Vec::with_capacity(schemas.len());
                for schema in schemas {
                    let (query, projection) = Query::from_search(body.clone(), schema, accents)?;
                    if query.cursor.is_some() {
                        let text = "a search over all types is paged by `startIndex`";
                        return Err(ScimError::bad(ScimType::InvalidCursor, text).into());
                    }
                    let verb = Verb::List(query);
                    operations.push(finish(schema, verb, projection, Precondition::default()));
                }
                Ok(Self::Everything(operations))
            }
            Endpoint::Bulk => {
                let body = Value::from(object(parts.body)?.parse());
                let request = message::bulk_request(body, bulk_operations)?;
                Ok(Self::Bulk(request))
            }
            Endpoint::Me => Err(GatewayError::Me),
            Endpoint::ServiceProviderConfig => {
                Ok(Self::Discovery(Discovery::ServiceProviderConfig))
            }
            Endpoint::Schemas(id) => {
                unfiltered(parts.query)?;
                Ok(Self::Discovery(Discovery::Schemas(id.clone())))
            }
            Endpoint::ResourceTypes(name) => {
                unfiltered(parts.query)?;
                Ok(Self::Discovery(Discovery::ResourceTypes(name.clone())))
            }
        }
    }
}

/// An operation on one resource, or the making of one.
fn single(
    schema: &TypeSchema,
    id: Option<ResourceId>,
    parts: Parts<'_>,
    accents: &mut Accents,
) -> Result<Operation<Client>, GatewayError> {
    // Of a query string only the projection means anything here.
    let projection = query::projection(parts.query, schema, accents)?;
    let verb = match (id, parts.method) {
        (Some(id), &Method::GET) => Verb::Read(id),
        (Some(id), &Method::DELETE) => Verb::Delete(id),
        (Some(id), &Method::PATCH) => {
            let body = Value::from(object(parts.body)?.parse());
            Verb::Patch(id, message::patch_request(body, schema, accents)?)
        }
        // Documents stay text: their accents are the mapping's to understand, in the same pass.
        (Some(id), _) => Verb::Replace(id, Document::Checked(object(parts.body)?)),
        (None, _) => Verb::Create(Document::Checked(object(parts.body)?)),
    };
    Ok(finish(schema, verb, projection, parts.precondition))
}

/// An operation with what its head says.
pub(super) fn finish(
    schema: &TypeSchema,
    verb: Verb,
    projection: Projection,
    precondition: Precondition,
) -> Operation<Client> {
    Operation::new(schema.name.clone(), verb)
        .projected(projection)
        .guarded(precondition)
}

/// The one door for bodies.
fn object(body: Bytes) -> Result<json::Checked, GatewayError> {
    Ok(json::check(body)?)
}

/// RFC 7644 §4: a filter on these endpoints is 403, everything else of a query is ignored.
fn unfiltered(query: &str) -> Result<(), GatewayError> {
    let names = query.split('&').filter_map(|part| part.split('=').next());
    let filtered = names
        .into_iter()
        .any(|name| name.eq_ignore_ascii_case("filter"));
    if filtered {
        return Err(GatewayError::FilterOnDiscovery);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn discovery_takes_no_filter_and_ignores_the_rest() {
        assert_eq!(unfiltered("count=1&aadOptscim062020"), Ok(()));
        assert_eq!(unfiltered(""), Ok(()));
        for query in ["filter=x", "count=1&Filter", "filter="] {
            assert_eq!(unfiltered(query), Err(GatewayError::FilterOnDiscovery));
        }
    }
}
