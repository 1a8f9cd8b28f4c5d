//! The gateway as a whole, in front of a directory that lives in memory and does on purpose what
//! real ones do by accident. What needs a socket is tested with the whole program.

mod doors;
mod guards;
mod series;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Method, Request, Response};
use serde_json::{Map, Value, json};
use tokio::sync::Notify;

use super::*;
use crate::auth::{access, token::TokenHash};
use crate::config::Snapshot;
use crate::directory::{Answering, Ask, Directory, DirectoryError, Health, Preparing, Vitals};
use crate::mapping::Plan;
use crate::mapping::ruleset::Ruleset;
use crate::scim::operation::{Abilities, Answer, Document, Listing, Verb};
use crate::scim::{Operation, Reply, Resource, Upstream};
use crate::telemetry::{Metrics, Scene};
use crate::yaml::Source;

/// Somebody else's write, told the number of the read that it comes before.
type Meddle = dyn Fn(usize, &mut Map<String, Value>) + Send + Sync;

/// A directory in memory. It has neither PATCH nor versions unless it is told so.
pub(super) struct Fake {
    pub(super) abilities: Abilities,
    state: Mutex<Records>,
    /// Called with the number of each read, before it is answered, as somebody else's write.
    meddle: Option<Box<Meddle>>,
    reads: AtomicUsize,
    pub(super) writes: AtomicUsize,
    /// Whether writes wait for `go`.
    pub(super) slow: AtomicBool,
    pub(super) go: Notify,
    /// Whether writes answer nothing.
    pub(super) silent: AtomicBool,
}

#[derive(Default)]
struct Records {
    version: usize,
    all: Vec<(String, Map<String, Value>, usize)>,
}

impl Fake {
    pub(super) fn new() -> Self {
        Self {
            abilities: Abilities::LEAST,
            state: Mutex::default(),
            meddle: None,
            reads: AtomicUsize::new(0),
            writes: AtomicUsize::new(0),
            slow: AtomicBool::new(false),
            go: Notify::new(),
            silent: AtomicBool::new(false),
        }
    }

    /// The same, with versions that it keeps.
    pub(super) fn versioned(mut self) -> Self {
        self.abilities.etag = true;
        self
    }

    /// The same, with somebody else who writes the first record before each read.
    pub(super) fn meddled(
        mut self,
        meddle: impl Fn(usize, &mut Map<String, Value>) + Send + Sync + 'static,
    ) -> Self {
        self.meddle = Some(Box::new(meddle));
        self
    }

    /// The same with a record.
    pub(super) fn with(self, record: Value) -> Self {
        self.make(record);
        self
    }

    pub(super) fn record(&self, id: &str) -> Value {
        let state = self.state.lock().unwrap();
        let found = state.all.iter().find(|(known, ..)| known == id);
        found.map_or(Value::Null, |(_, record, _)| record.clone().into())
    }

    pub(super) fn writes(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }

    fn make(&self, record: Value) -> (String, Map<String, Value>, usize) {
        let mut state = self.state.lock().unwrap();
        state.version += 1;
        let id = (state.all.len() + 1).to_string();
        let Value::Object(mut map) = record else {
            panic!("no object")
        };
        map.insert("id".to_owned(), id.clone().into());
        let entry = (id, map, state.version);
        state.all.push(entry.clone());
        entry
    }

    fn etag(&self, version: usize) -> Option<String> {
        self.abilities.etag.then(|| format!("\"{version}\""))
    }

    fn read(&self, id: &str) -> Result<Reply<Upstream>, DirectoryError> {
        let number = self.reads.fetch_add(1, Ordering::SeqCst);
        let mut state = self.state.lock().unwrap();
        if let (Some(meddle), version) = (&self.meddle, state.version + 1)
            && let Some((_, record, own)) = state.all.first_mut()
        {
            let before = record.clone();
            meddle(number, record);
            if *record != before {
                *own = version;
                state.version = version;
            }
        }
        let found = state.all.iter().find(|(known, ..)| known == id);
        let (_, record, version) = found.ok_or(DirectoryError::NotFound)?;
        let document = Document::Tree(Resource::from(record.clone()));
        Ok(Reply::new(Answer::Resource(document)).versioned(self.etag(*version)))
    }

    fn replace(
        &self,
        id: &str,
        new: Map<String, Value>,
        if_match: Option<&[String]>,
    ) -> Result<Reply<Upstream>, DirectoryError> {
        let mut state = self.state.lock().unwrap();
        let version = state.version + 1;
        let found = state.all.iter_mut().find(|(known, ..)| known == id);
        let (_, record, own) = found.ok_or(DirectoryError::NotFound)?;
        if let (Some(tags), Some(tag)) = (if_match, self.etag(*own))
            && !tags.iter().any(|known| *known == tag || known == "*")
        {
            return Err(DirectoryError::Precondition);
        }
        *record = new;
        record.insert("id".to_owned(), id.into());
        *own = version;
        let shown = record.clone();
        state.version = version;
        Ok(self.shown(shown, version))
    }

    fn shown(&self, record: Map<String, Value>, version: usize) -> Reply<Upstream> {
        let answer = if self.silent.load(Ordering::SeqCst) {
            Answer::Nothing
        } else {
            Answer::Resource(Document::Tree(record.into()))
        };
        Reply::new(answer).versioned(self.etag(version))
    }

    async fn done(
        &self,
        operation: Operation<Upstream>,
    ) -> Result<Reply<Upstream>, DirectoryError> {
        // Others get their turn, as with a real directory.
        tokio::task::yield_now().await;
        if operation.verb.kind().writes() {
            if self.slow.load(Ordering::SeqCst) {
                self.go.notified().await;
            }
            self.writes.fetch_add(1, Ordering::SeqCst);
        }
        let if_match = operation.precondition.if_match.as_deref();
        match operation.verb {
            Verb::Create(document) => {
                let record = Value::from(document.into_tree());
                assert_ne!(record["displayName"], "panic", "on purpose");
                if record["userName"] == "taken" {
                    let (scim_type, detail) = (None, None);
                    return Err(DirectoryError::Conflict { scim_type, detail });
                }
                let (_, record, version) = self.make(record);
                let answer = Answer::Created(Document::Tree(record.into()));
                Ok(Reply::new(answer).versioned(self.etag(version)))
            }
            Verb::Read(id) => self.read(id.as_str()),
            Verb::List(_) => {
                let state = self.state.lock().unwrap();
                let resources = state.all.iter().map(|(_, map, _)| map.clone().into());
                Ok(Reply::new(Answer::List(Listing::Page {
                    total: Some(state.all.len()),
                    start: 1,
                    resources: resources.collect(),
                })))
            }
            Verb::Replace(id, document) => {
                self.replace(id.as_str(), document.into_tree().into_map(), if_match)
            }
            Verb::Patch(..) => Err(DirectoryError::Unsupported),
            Verb::Delete(id) => {
                let mut state = self.state.lock().unwrap();
                let before = state.all.len();
                state.all.retain(|(known, ..)| known != id.as_str());
                if state.all.len() == before {
                    return Err(DirectoryError::NotFound);
                }
                Ok(Reply::new(Answer::Nothing))
            }
        }
    }
}

impl Directory for Fake {
    fn name(&self) -> Arc<str> {
        "fake://".into()
    }

    fn vitals(&self) -> Vitals {
        Vitals::default()
    }

    fn check<'a>(&'a self, _: &'a Ask) -> Preparing<'a> {
        Box::pin(std::future::ready(()))
    }

    fn abilities(&self) -> Abilities {
        self.abilities
    }

    fn health(&self) -> Health {
        Health::Up
    }

    fn execute<'a>(&'a self, operation: Operation<Upstream>, _: &'a Ask) -> Answering<'a> {
        Box::pin(self.done(operation))
    }
}

/// A gateway with the tenants `corp` and `other` in front of one directory.
pub(super) struct World {
    pub(super) gateway: Arc<Gateway>,
    pub(super) fake: Arc<Fake>,
}

impl World {
    pub(super) fn new(fake: Fake) -> Self {
        Self::limited(fake, Limits::default(), true)
    }

    pub(super) fn limited(fake: Fake, limits: Limits, verify_without_etag: bool) -> Self {
        let fake = Arc::new(fake);
        let metrics = Arc::new(Metrics::new());
        let tenants =
            ["corp", "other"].map(|name| tenant(name, &fake, verify_without_etag, &metrics));
        let access = format!(
            "roles:\n  all: {{allow: [{{resources: \"*\", verbs: [create, read, update, delete]}}]}}\n  \
             see: {{allow: [{{resources: [User], verbs: [read]}}]}}\naccounts:\n  \
             - {{name: entra, roles: [all], tenants: [corp], tokens: [{{id: k1, sha256: \"{}\"}}]}}\n  \
             - {{name: audit, roles: [see], tenants: [corp], tokens: [{{id: k2, sha256: \"{}\"}}]}}\n",
            TokenHash::of(&secret("k1")),
            TokenHash::of(&secret("k2")),
        );
        let auth = access::load(
            &Source::new("access.yaml", access.as_str()),
            &access::Files::default(),
        )
        .unwrap();
        let snapshot = Snapshot::new("rev".into(), auth, tenants.map(Arc::new).into());
        let state = Arc::new(State::new(limits, Arc::clone(&metrics)));
        let log = AccessLog::off(metrics);
        let gateway = Gateway::new(Arc::new(Live::new(snapshot)), state, log, None);
        Self {
            gateway: Arc::new(gateway),
            fake,
        }
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Answered {
        let address = ([127, 0, 0, 1], 1).into();
        let response = self.gateway.handle(request, Peer::direct(address)).await;
        Answered::of(response)
    }

    /// A request as `entra` sends it, under `/corp/v2`.
    pub(super) async fn ask(&self, method: Method, path: &str, body: Value) -> Answered {
        self.send(request(method, &format!("/corp/v2{path}"), &body))
            .await
    }

    pub(super) fn counts(&self, line: &str) -> bool {
        self.gateway
            .state
            .metrics()
            .render(&Scene::default())
            .lines()
            .any(|known| known == line)
    }
}

/// The plan of a rule that maps users.
pub(super) fn plan() -> Plan {
    let rule = "tenant_url: https://scim.example.com/c\nbackend: {scim: {url: \"https://d.example\"}}\n\
                resources: {User: {unmapped: pass}}\n";
    let (rule, _) = Ruleset::read(&Source::new("rule.yaml", rule)).unwrap();
    Plan::compile(&rule).unwrap().0
}

fn tenant(name: &str, fake: &Arc<Fake>, verify_without_etag: bool, metrics: &Metrics) -> Tenant {
    let rule = format!(
        "tenant_url: https://scim.example.com/{name}/v2
backend:
  scim: {{url: \"https://directory.example.com\"}}
resources:
  User:
    entry: {{path: Users, id: id}}
    attributes:
      - {{scim: userName, target: userName, required: true}}
      - {{scim: displayName, target: displayName}}
      - {{scim: title, target: title}}
      - {{scim: nickName, target: nickName}}
    unmapped: drop
  Group:
    entry: {{path: Groups, id: id}}
    attributes:
      - {{scim: displayName, target: displayName, required: true}}
      - {{scim: members, target: members}}
    unmapped: drop
"
    );
    let source = Source::new("rule.yaml", rule.as_str());
    let (rule, _) = Ruleset::read(&source).unwrap();
    let (plan, _) = Plan::compile(&rule).unwrap();
    Tenant {
        name: name.into(),
        url: format!("https://scim.example.com/{name}/v2").into(),
        path: format!("/{name}/v2").into(),
        hosts: vec!["scim.example.com".into()],
        source,
        plan: Arc::new(plan),
        directory: Arc::clone(fake) as Arc<dyn Directory>,
        verify_without_etag,
        metrics: metrics.tenant(name),
        certificate_ends: None,
    }
}

pub(super) fn secret(key: &str) -> String {
    format!("postern_{key}_{}", "a".repeat(49))
}

pub(super) fn request(method: Method, path: &str, body: &Value) -> Request<Body> {
    let body = match body {
        Value::Null => Body::Empty,
        body => Body::Full(body.to_string().into()),
    };
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", "scim.example.com")
        .header("authorization", format!("Bearer {}", secret("k1")))
        .header("content-type", "application/scim+json")
        .body(body)
        .unwrap()
}

/// An answer, taken apart.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) headers: http::HeaderMap,
    pub(super) body: Value,
}

impl Answered {
    fn of(response: Response<Body>) -> Self {
        let (head, body) = response.into_parts();
        let text = match body {
            Body::Full(bytes) => bytes,
            Body::Empty => Bytes::from_static(b"null"),
            body => panic!("{body:?} is not whole"),
        };
        Self {
            status: head.status.as_u16(),
            headers: head.headers,
            body: serde_json::from_slice(&text).unwrap(),
        }
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

pub(super) fn user(name: &str) -> Value {
    json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name})
}

pub(super) fn patch(op: &str, path: &str, value: &Value) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": op, "path": path, "value": value}],
    })
}

/// Every connection carries the future of its request, idle ones included.
#[test]
fn the_future_of_a_request_stays_small() {
    fn size_of<F>(_: fn(&'static Arc<Gateway>, Request<Body>, Peer) -> F) -> usize {
        std::mem::size_of::<F>()
    }
    let size = size_of(Gateway::handle);
    assert!(size <= 5 * 1024, "{size} bytes");
}
