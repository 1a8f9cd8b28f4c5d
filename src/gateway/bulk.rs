//! Bulk (RFC 7644 §3.7): a series of operations, each authorized, mapped and guarded by itself, in
//! the order that their `bulkId` references ask for.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::scim::accent::Accents;
use crate::scim::message::{self, BULK_RESPONSE, BulkOperation, BulkRequest};
use crate::scim::operation::{Answer, Precondition, Projection, Verb};
use crate::scim::{Client, Operation, Reply, ResourceId, ScimError, ScimType};

use super::endpoint::Endpoint;
use super::error::{BulkReference, GatewayError};
use super::panic::caught;
use super::refusal::Refusal;
use super::respond::{self, Shown};
use super::run::Context;
use super::{call, collection, door, head, observe, write};

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
        let outcome = match reference {
            Ok(()) => one(context, operation, &order.made).await,
            Err(reference) => Err(GatewayError::BulkReference(reference)),
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

async fn one(
    context: &Context,
    operation: BulkOperation,
    made: &HashMap<String, Option<ResourceId>>,
) -> Result<Done, GatewayError> {
    let limits = context.state.limits();
    let mut context = context.clone();
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
    let parsed = parse(&context, operation, made, &mut accents);
    for accent in accents.seen() {
        context.state.metrics().accent(*accent);
    }
    let parsed = parsed?;
    let id = parsed.verb.id().cloned();
    let collection = collection(&context.tenant, &parsed);
    let performed = caught(write::perform(&context, parsed)).await;
    if performed.is_none() {
        context.state.metrics().panicked();
    }
    let reply = performed.unwrap_or(Err(GatewayError::Panic))?;
    Ok(Done::of(reply, id, &collection))
}

/// One operation, as if it had come by itself.
fn parse(
    context: &Context,
    operation: BulkOperation,
    made: &HashMap<String, Option<ResourceId>>,
    accents: &mut Accents,
) -> Result<Operation<Client>, GatewayError> {
    let path = path(&context.tenant.url, &operation.path, made)?;
    let endpoint = Endpoint::find(&context.tenant.plan, &path)?;
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
        | Endpoint::Search
        | Endpoint::Bulk
        | Endpoint::ServiceProviderConfig
        | Endpoint::Schemas(_)
        | Endpoint::ResourceTypes(_) => return Err(GatewayError::NoEndpoint),
    };
    let verb = match (id, &operation.method) {
        (Some(id), &Method::DELETE) => Verb::Delete(id),
        (_, &Method::GET) => return Err(GatewayError::Method("POST, PUT, PATCH, DELETE")),
        (id, method) => {
            let mut data = operation.data.ok_or_else(|| {
                ScimError::bad(ScimType::InvalidSyntax, "the operation has no `data`")
            })?;
            resolve(&mut data, made);
            call::with_body(schema, id, method, data, accents)?
        }
    };
    Ok(call::finish(schema, verb, Projection::All, precondition))
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
                observe::count_refused(context.state.metrics(), &error);
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

/// The order of a series: as it came, but what is referred to comes first.
struct Order {
    /// Operations that wait for no other.
    ready: BTreeSet<usize>,
    /// For every other one: for how many it waits.
    waiting: HashMap<usize, usize>,
    /// Who waits for a `bulkId`.
    dependants: HashMap<String, Vec<usize>>,
    /// The `bulkId` that an operation makes, and the references of each operation.
    makes: HashMap<usize, String>,
    refers: Vec<BTreeSet<String>>,
    /// Those whose own `bulkId` another one has already.
    twice: BTreeMap<usize, String>,
    /// Those that wait in a circle, or behind one.
    circular: BTreeSet<usize>,
    /// What has been made; `None` where that failed.
    made: HashMap<String, Option<ResourceId>>,
}

impl Order {
    fn of(operations: &[BulkOperation]) -> Self {
        let mut makes = HashMap::new();
        let mut by_id: HashMap<&str, usize> = HashMap::new();
        let mut twice = BTreeMap::new();
        for (index, operation) in operations.iter().enumerate() {
            if let (&Method::POST, Some(id)) = (&operation.method, &operation.bulk_id) {
                if by_id.contains_key(id.as_str()) {
                    twice.insert(index, id.clone());
                } else {
                    by_id.insert(id, index);
                    makes.insert(index, id.clone());
                }
            }
        }
        let refers: Vec<_> = operations.iter().map(references).collect();
        let mut order = Self {
            ready: BTreeSet::new(),
            waiting: HashMap::new(),
            dependants: HashMap::new(),
            makes,
            refers: Vec::new(),
            twice,
            circular: BTreeSet::new(),
            made: HashMap::new(),
        };
        for (index, names) in refers.iter().enumerate() {
            // What nobody makes is not waited for; the operation will say so.
            let known: Vec<_> = names
                .iter()
                .filter(|name| by_id.contains_key(name.as_str()))
                .collect();
            if known.is_empty() {
                order.ready.insert(index);
            } else {
                order.waiting.insert(index, known.len());
            }
            for name in known {
                order
                    .dependants
                    .entry(name.clone())
                    .or_default()
                    .push(index);
            }
        }
        order.refers = refers;
        order
    }

    /// The next operation, and what is wrong with its references.
    fn next(&mut self) -> Option<(usize, Result<(), BulkReference>)> {
        if let Some(index) = self.ready.pop_first() {
            return Some((index, self.checked(index)));
        }
        // What waits when nothing is ready waits for itself.
        self.circular
            .extend(self.waiting.drain().map(|(index, _)| index));
        let index = self.circular.pop_first()?;
        Some((index, Err(BulkReference::Circular)))
    }

    fn checked(&self, index: usize) -> Result<(), BulkReference> {
        if let Some(name) = self.twice.get(&index) {
            return Err(BulkReference::Twice(name.clone()));
        }
        for name in self.refers.get(index).into_iter().flatten() {
            match self.made.get(name) {
                None => return Err(BulkReference::Unknown(name.clone())),
                Some(None) => return Err(BulkReference::Failed(name.clone())),
                Some(Some(_)) => {}
            }
        }
        Ok(())
    }

    /// An operation is done; `id` is that of what it made.
    fn done(&mut self, index: usize, id: Option<ResourceId>) {
        let Some(name) = self.makes.remove(&index) else {
            return;
        };
        for dependant in self.dependants.remove(&name).unwrap_or_default() {
            if let Some(count) = self.waiting.get_mut(&dependant) {
                *count -= 1;
                if *count == 0 {
                    self.waiting.remove(&dependant);
                    self.ready.insert(dependant);
                }
            }
        }
        self.made.insert(name, id);
    }
}

/// The decoded path under the Tenant URL, with real ids in the place of references. The URL itself
/// may stand before it, as in the locations that we give.
fn path(
    url: &str,
    text: &str,
    made: &HashMap<String, Option<ResourceId>>,
) -> Result<String, GatewayError> {
    if text.contains(['?', '#']) {
        return Err(GatewayError::Path("of an operation has no query"));
    }
    let decoded = door::canonical_path(text.strip_prefix(url).unwrap_or(text))?;
    let segments = decoded.split('/').map(|segment| {
        match reference(segment).and_then(|name| made.get(name)) {
            Some(Some(id)) => id.as_str(),
            Some(None) | None => segment,
        }
    });
    Ok(segments.collect::<Vec<_>>().join("/"))
}

/// All that an operation refers to.
fn references(operation: &BulkOperation) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    names.extend(
        operation
            .path
            .split('/')
            .filter_map(reference)
            .map(str::to_owned),
    );
    if let Some(data) = &operation.data {
        each_string(data, &mut |text| {
            names.extend(reference(text).map(str::to_owned))
        });
    }
    names
}

fn reference(text: &str) -> Option<&str> {
    text.strip_prefix("bulkId:").filter(|name| !name.is_empty())
}

fn each_string(value: &Value, see: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => see(text),
        Value::Array(values) => values.iter().for_each(|value| each_string(value, see)),
        Value::Object(map) => map.values().for_each(|value| each_string(value, see)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Puts real ids in the place of references.
fn resolve(value: &mut Value, made: &HashMap<String, Option<ResourceId>>) {
    match value {
        Value::String(text) => {
            if let Some(Some(id)) = reference(text).and_then(|name| made.get(name)) {
                *text = id.as_str().to_owned();
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| resolve(value, made)),
        Value::Object(map) => map.values_mut().for_each(|value| resolve(value, made)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(method: Method, bulk_id: Option<&str>, path: &str, data: Value) -> BulkOperation {
        BulkOperation {
            method,
            bulk_id: bulk_id.map(str::to_owned),
            version: None,
            path: path.to_owned(),
            data: Some(data),
        }
    }

    fn post(bulk_id: &str, refers: &[&str]) -> BulkOperation {
        let members: Vec<_> = refers
            .iter()
            .map(|name| json!({"value": format!("bulkId:{name}")}))
            .collect();
        operation(
            Method::POST,
            Some(bulk_id),
            "/Groups",
            json!({"members": members}),
        )
    }

    /// The order in which a series runs, every operation making the id `made-N`.
    fn order(operations: &[BulkOperation]) -> Vec<(usize, Result<(), BulkReference>)> {
        let mut order = Order::of(operations);
        let mut run = Vec::new();
        while let Some((index, checked)) = order.next() {
            let made = checked
                .is_ok()
                .then(|| format!("made-{index}").parse().unwrap());
            order.done(index, made);
            run.push((index, checked));
        }
        run
    }

    #[test]
    fn what_is_referred_to_comes_first_and_all_else_as_it_came() {
        let series = [
            post("a", &["c", "c"]),
            post("b", &[]),
            post("c", &["d"]),
            post("d", &[]),
        ];
        let indices: Vec<_> = order(&series).into_iter().map(|(index, _)| index).collect();
        assert_eq!(indices, [1, 3, 2, 0]);
    }

    #[test]
    fn circles_and_what_waits_behind_them_are_refused_and_the_rest_runs() {
        let series = [
            post("a", &["b"]),
            post("b", &["a"]),
            post("behind", &["a"]),
            post("self", &["self"]),
            post("free", &[]),
        ];
        let run = order(&series);
        assert_eq!(run.len(), 5);
        assert_eq!(run[0], (4, Ok(())));
        for (_, checked) in &run[1..] {
            assert_eq!(*checked, Err(BulkReference::Circular));
        }
    }

    #[test]
    fn references_to_nothing_to_failures_and_names_given_twice() {
        let run = order(&[
            post("a", &["nowhere"]),
            post("b", &["a"]),
            post("c", &[]),
            post("c", &[]),
        ]);
        assert_eq!(
            run,
            [
                (0, Err(BulkReference::Unknown("nowhere".to_owned()))),
                (1, Err(BulkReference::Failed("a".to_owned()))),
                (2, Ok(())),
                (3, Err(BulkReference::Twice("c".to_owned()))),
            ]
        );
    }

    #[test]
    fn references_are_resolved_in_paths_and_values_and_nowhere_else() {
        let made = HashMap::from([("x".to_owned(), Some("42".parse().unwrap()))]);
        let mut data = json!({
            "bulkId:x": "bulkId:x", "deep": [{"value": "bulkId:x"}], "text": "see bulkId:x",
        });
        resolve(&mut data, &made);
        assert_eq!(
            data,
            json!({"bulkId:x": "42", "deep": [{"value": "42"}], "text": "see bulkId:x"})
        );
        let url = "https://a.example/v2";
        for (text, wanted) in [
            ("/Users/bulkId:x", "/Users/42"),
            ("https://a.example/v2/Users/7", "/Users/7"),
            ("/Users/bulkId:y", "/Users/bulkId:y"),
        ] {
            assert_eq!(path(url, text, &made).unwrap(), wanted);
        }
        for bad in ["/Users/1?filter=x", "/Users/..", "Users", "", "/Users//1"] {
            assert!(path(url, bad, &made).is_err(), "{bad}");
        }
    }

    #[test]
    fn ten_thousand_references_take_no_time() {
        let names: Vec<_> = (0..1_000).map(|number| format!("n{number}")).collect();
        let series: Vec<_> = (0..1_000_usize)
            .map(|number| {
                let later = names.iter().skip(number + 1).take(10).map(String::as_str);
                post(&names[number], &later.collect::<Vec<_>>())
            })
            .collect();
        let run = order(&series);
        assert!(run.iter().all(|(_, checked)| checked.is_ok()));
        assert_eq!(run[0].0, 999);
    }
}
