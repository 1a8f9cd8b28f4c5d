//! Bulk (RFC 7644 §3.7): a series of operations, each authorized, mapped and guarded by itself, in
//! the order that their `bulkId` references ask for.

mod order;

use std::time::Instant;

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::config::Tenant;
use crate::scim::accent::Accents;
use crate::scim::message::{self, BULK_RESPONSE, BulkOperation, BulkRequest};
use crate::scim::operation::{Answer, Document, Precondition, Projection, Verb};
use crate::scim::{Client, Operation, Reply, ResourceId, ScimError, ScimType};

use super::endpoint::Endpoint;
use super::error::GatewayError;
use super::panic::caught;
use super::refusal::Refusal;
use super::respond::{self, Shown};
use super::run::Context;
use super::{call, collection, head, observe, write};
use order::{Made, Order, path, resolve};

/// Carries the series out. What fails is told in the result of its operation.
pub(super) async fn run(context: &Context, request: BulkRequest) -> Value {
    let BulkRequest {
        fail_on_errors,
        operations,
    } = request;
    let mut order = Order::of(&operations);
    let mut results: Vec<Option<Value>> = operations.iter().map(|_| None).collect();
    let mut operations: Vec<_> = operations.into_iter().map(Some).collect();
    let mut errors: usize = 0;
    while let Some((index, reference)) = order.next() {
        let Some(operation) = operations.get_mut(index).and_then(Option::take) else {
            continue;
        };
        let told = Told::of(&operation);
        let own = Context {
            ledger: context.ledger.at(index),
            ..context.clone()
        };
        let parsed = match reference {
            Ok(()) => begin(own, operation, &order.made),
            Err(reference) => Err(GatewayError::BulkReference(reference)),
        };
        let outcome = match parsed {
            Ok((own, parsed)) => one(&own, parsed).await,
            Err(error) => {
                context.ledger.at(index).refused(&told.method, &error);
                Err(error)
            }
        };
        let made = outcome.as_ref().ok().and_then(|done| done.id.clone());
        order.done(index, made);
        errors += usize::from(outcome.is_err());
        if let Some(place) = results.get_mut(index) {
            *place = Some(told.result(context, outcome));
        }
        if fail_on_errors.is_some_and(|limit| errors >= limit.max(1)) {
            break;
        }
    }
    let results: Vec<_> = results.into_iter().flatten().collect();
    json!({"schemas": [BULK_RESPONSE], "Operations": results})
}

/// What became of one operation.
struct Done {
    status: StatusCode,
    id: Option<ResourceId>,
    location: Option<String>,
    version: Option<String>,
}

/// What of an operation its result repeats.
struct Told {
    method: Method,
    bulk_id: Option<String>,
    /// Of a resource that exists: its path as the client wrote it.
    path: Option<String>,
}

/// One operation as a value, with what accompanies it.
fn begin(
    mut context: Context,
    operation: BulkOperation,
    made: &Made,
) -> Result<(Context, Operation<Client>), GatewayError> {
    let limits = context.state.limits();
    let time = Instant::now() + limits.request_time;
    if context.ask.deadline <= Instant::now() {
        return Err(GatewayError::NotBegun);
    }
    context.ask.deadline = context.ask.deadline.min(time);
    let mut accents = if context.tenant.plan.accepts_accents() {
        Accents::accepted()
    } else {
        Accents::refused()
    };
    let parsed = parse(&context.tenant, operation, made, &mut accents);
    super::count(context.metrics(), &accents);
    Ok((context, parsed?))
}

async fn one(context: &Context, operation: Operation<Client>) -> Result<Done, GatewayError> {
    let id = operation.verb.id().cloned();
    let collection = collection(&context.tenant, &operation);
    let performed = caught(write::perform(context, operation)).await;
    if performed.is_none() {
        context.state.metrics().panicked();
    }
    let reply = performed.unwrap_or(Err(GatewayError::Panic))?;
    Ok(Done::of(reply, id, &collection))
}

/// Ids for what a series would make, as if it were made: each is its `bulkId`.
pub(super) fn supposed(operations: &[BulkOperation]) -> Made {
    let names = operations
        .iter()
        .filter_map(|operation| operation.bulk_id.clone());
    names
        .map(|name| (name.clone(), name.parse().ok()))
        .collect()
}

/// One operation, as if it had come by itself.
pub(super) fn parse(
    tenant: &Tenant,
    operation: BulkOperation,
    made: &Made,
    accents: &mut Accents,
) -> Result<Operation<Client>, GatewayError> {
    let path = path(&tenant.url, &operation.path, made)?;
    let endpoint = Endpoint::find(&tenant.plan, &path)?;
    endpoint.takes(&operation.method)?;
    let if_match = match &operation.version {
        Some(version) => Some(head::version(version).ok_or(GatewayError::Header("version"))?),
        None => None,
    };
    let precondition = Precondition {
        if_match,
        if_none_match: None,
    };
    let (schema, id) = match endpoint {
        Endpoint::Type(schema) => (schema, None),
        Endpoint::Resource(schema, id) => (schema, Some(id)),
        Endpoint::Me => return Err(GatewayError::Me),
        Endpoint::TypeSearch(_)
        | Endpoint::Search(_)
        | Endpoint::Bulk
        | Endpoint::ServiceProviderConfig
        | Endpoint::Schemas(_)
        | Endpoint::ResourceTypes(_) => return Err(GatewayError::NoEndpoint),
    };
    let verb = match (id, &operation.method) {
        (Some(id), &Method::DELETE) => Verb::Delete(id),
        (_, &Method::GET) => return Err(GatewayError::Method("POST, PUT, PATCH, DELETE")),
        (id, method) => {
            let mut data = operation
                .data
                .ok_or_else(|| syntax("the operation has no `data`"))?;
            resolve(&mut data, made);
            match (id, method) {
                (Some(id), &Method::PATCH) => {
                    Verb::Patch(id, message::patch_request(data, schema, accents)?)
                }
                (Some(id), _) => Verb::Replace(id, document(data)?),
                (None, _) => Verb::Create(document(data)?),
            }
        }
    };
    Ok(call::finish(schema, verb, Projection::All, precondition))
}

fn document(data: Value) -> Result<Document, ScimError> {
    match data {
        Value::Object(map) => Ok(Document::Tree(map.into())),
        _ => Err(syntax("the `data` must be a JSON object")),
    }
}

fn syntax(detail: &str) -> ScimError {
    ScimError::bad(ScimType::InvalidSyntax, detail)
}

impl Done {
    fn of(reply: Reply<Client>, id: Option<ResourceId>, collection: &str) -> Self {
        let etag = reply.etag;
        let by_id = id.as_ref().map(|id| respond::location(collection, id));
        match reply.answer {
            Answer::Created(document) => {
                let shown = Shown::of(document, etag, collection);
                Self {
                    status: StatusCode::CREATED,
                    id: shown.id(),
                    location: shown.location,
                    version: shown.version,
                }
            }
            Answer::Resource(document) => {
                let shown = Shown::of(document, etag, collection);
                Self {
                    status: StatusCode::OK,
                    id,
                    location: shown.location.or(by_id),
                    version: shown.version,
                }
            }
            Answer::Nothing | Answer::NotModified | Answer::List(_) => Self {
                status: StatusCode::NO_CONTENT,
                id,
                location: by_id,
                version: etag,
            },
        }
    }
}

impl Told {
    fn of(operation: &BulkOperation) -> Self {
        let exists = operation.method != Method::POST;
        Self {
            method: operation.method.clone(),
            bulk_id: operation.bulk_id.clone(),
            path: exists.then(|| operation.path.clone()),
        }
    }

    fn result(self, context: &Context, outcome: Result<Done, GatewayError>) -> Value {
        let mut map = Map::new();
        let mut put = |name: &str, value: Value| map.insert(name.to_owned(), value);
        put("method", self.method.as_str().into());
        if let Some(bulk_id) = self.bulk_id {
            put("bulkId", bulk_id.into());
        }
        match outcome {
            Ok(done) => {
                if let Some(version) = done.version {
                    put("version", version.into());
                }
                if let Some(location) = done.location {
                    put("location", location.into());
                }
                put("status", done.status.as_str().into());
            }
            Err(error) => {
                observe::count_refused(context.state.metrics(), context.metrics(), &error);
                // RFC 7644 §3.7.3: a failed POST has no location, all others have theirs.
                if let Some(path) = self.path.filter(|path| path.starts_with('/')) {
                    put("location", format!("{}{path}", context.tenant.url).into());
                }
                let refusal = Refusal::from(error);
                put("status", refusal.error.status().as_str().into());
                put("response", message::error_value(&refusal.error));
            }
        }
        map.into()
    }
}
