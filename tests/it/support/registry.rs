//! A small directory that speaks SCIM with attributes of its own beside the RFC's: users, and
//! groups within groups. What it can do, and what it says no to, is the test's choice.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use postern::scim::accent::Accents;
use postern::scim::schema::TypeSchema;
use postern::scim::{Resource, message, parse, patch, schema};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

use super::scripted::{json_answer, read_request};

/// A directory at work; it ends with this.
pub(crate) struct Registry {
    pub address: SocketAddr,
    store: Arc<Mutex<Store>>,
    task: AbortHandle,
}

#[derive(Default)]
struct Store {
    users: BTreeMap<String, Resource>,
    groups: BTreeMap<String, Resource>,
    version: u64,
    made: u64,
    asked: Vec<String>,
    /// The status for requests of this method, instead of doing them.
    refuses: Option<(String, u16)>,
    /// Whether queries with a filter are 400.
    deaf: bool,
    /// Writes wait here.
    gate: Option<Arc<Semaphore>>,
}

impl Registry {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let store = Arc::new(Mutex::new(Store::default()));
        let own = Arc::clone(&store);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&own)));
            }
        });
        Self {
            address,
            store,
            task: task.abort_handle(),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A user, with more attributes than a client could give.
    #[expect(clippy::needless_pass_by_value, reason = "tests write `json!` there")]
    pub(crate) fn user(&self, id: &str, more: Value) {
        let user = with(json!({"id": id, "userName": id, "active": true}), &more);
        self.store().users.insert(id.to_owned(), user);
    }

    /// A group with these members.
    #[expect(clippy::needless_pass_by_value, reason = "tests write `json!` there")]
    pub(crate) fn group(&self, id: &str, members: &[&str], more: Value) {
        let members: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
        let group = json!({"id": id, "displayName": id, "members": members});
        self.store()
            .groups
            .insert(id.to_owned(), with(group, &more));
    }

    /// A resource as it stands there, or null.
    pub(crate) fn held(&self, path: &str) -> Value {
        let store = self.store();
        let (kind, id) = path.trim_start_matches('/').split_once('/').unwrap();
        let table = if kind == "Users" {
            &store.users
        } else {
            &store.groups
        };
        table.get(id).cloned().map_or(Value::Null, Value::from)
    }

    pub(crate) fn users(&self) -> usize {
        self.store().users.len()
    }

    /// What it was asked since the last time: method and path, with the query.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.store().asked)
    }

    /// Says no to a method from now on.
    pub(crate) fn refuse(&self, refuses: Option<(&str, u16)>) {
        let refuses = refuses.map(|(method, status)| (method.to_owned(), status));
        self.store().refuses = refuses;
    }

    /// Takes no filters from now on.
    pub(crate) fn deafen(&self) {
        self.store().deaf = true;
    }

    /// Has writes wait for a permit.
    pub(crate) fn gate(&self) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(0));
        self.store().gate = Some(Arc::clone(&gate));
        gate
    }

    fn store(&self) -> std::sync::MutexGuard<'_, Store> {
        self.store.lock().unwrap()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn with(mut value: Value, more: &Value) -> Resource {
    for (name, more) in more.as_object().unwrap() {
        value[name] = more.clone();
    }
    value.as_object().unwrap().clone().into()
}

async fn serve(mut stream: TcpStream, store: Arc<Mutex<Store>>) {
    let mut buffer = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut buffer).await {
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let gate = store.lock().unwrap().gate.clone();
        if let Some(gate) = gate
            && !head.starts_with("GET")
        {
            gate.acquire().await.unwrap().forget();
        }
        let (status, value) = store.lock().unwrap().answer(head, body);
        let text = match value {
            Value::Null => String::new(),
            value => value.to_string(),
        };
        if stream
            .write_all(json_answer(status, &text).as_bytes())
            .await
            .is_err()
        {
            return;
        }
    }
}

impl Store {
    fn answer(&mut self, head: &str, body: &str) -> (u16, Value) {
        let mut words = head.lines().next().unwrap().split(' ');
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        if path == "/ServiceProviderConfig" {
            return (404, Value::Null);
        }
        self.asked.push(format!("{method} {target}"));
        if let Some((refused, status)) = &self.refuses
            && refused == method
        {
            return (*status, json!({"detail": "no"}));
        }
        let mut parts = path.trim_start_matches('/').splitn(2, '/');
        let (kind, id) = (parts.next().unwrap(), parts.next());
        let (table, schema) = match kind {
            "Users" => (&mut self.users, schema::user()),
            "Groups" => (&mut self.groups, schema::group()),
            _ => return (404, Value::Null),
        };
        let value = || serde_json::from_str::<Value>(body).unwrap();
        self.version += 1;
        let version = json!({"version": format!("W/\"{}\"", self.version)});
        let Some(id) = id else {
            if method == "POST" {
                self.made += 1;
                let id = format!("new-{}", self.made);
                let made = with(value(), &json!({"id": id, "meta": version}));
                table.insert(id, made.clone());
                return (201, made.into());
            }
            return list(table, &schema, query, self.deaf);
        };
        let Some(present) = table.get(id).cloned() else {
            return (404, Value::Null);
        };
        let holds = head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .all(|(name, tag)| {
                !name.eq_ignore_ascii_case("if-match")
                    || present.attr("meta").map(|meta| meta["version"].clone()) == Some(json!(tag))
            });
        match method {
            "GET" => (200, present.into()),
            _ if !holds => (412, Value::Null),
            "DELETE" => {
                table.remove(id);
                (204, Value::Null)
            }
            "PUT" => {
                let next = with(value(), &json!({"id": id, "meta": version}));
                table.insert(id.to_owned(), next.clone());
                (200, next.into())
            }
            "PATCH" => {
                let mut next = present;
                let changes = message::patch_request(value(), &schema, &mut Accents::accepted());
                patch::apply(&mut next, &changes.unwrap(), &schema).unwrap();
                let next = with(next.into(), &json!({ "meta": version }));
                table.insert(id.to_owned(), next.clone());
                (200, next.into())
            }
            _ => (405, Value::Null),
        }
    }
}

fn list(
    table: &BTreeMap<String, Resource>,
    schema: &TypeSchema,
    query: &str,
    deaf: bool,
) -> (u16, Value) {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let text = pairs
        .clone()
        .find(|(name, _)| *name == "filter")
        .map(|(_, text)| decoded(text));
    if deaf && text.is_some() {
        return (400, json!({"scimType": "invalidFilter"}));
    }
    let filter = text.map(|text| parse::filter(&text, schema, &mut Accents::accepted()).unwrap());
    let number = |wanted: &str| {
        let mut pairs = pairs.clone();
        let found = pairs.find(|(name, _)| *name == wanted);
        found.and_then(|(_, number)| number.parse::<usize>().ok())
    };
    let (start, count) = (number("startIndex").unwrap_or(1), number("count"));
    let found: Vec<Value> = table
        .values()
        .filter(|held| {
            filter
                .as_ref()
                .is_none_or(|filter| filter.matches(held, schema))
        })
        .map(|held| Value::from(held.clone()))
        .collect();
    let total = found.len();
    let page = found
        .into_iter()
        .skip(start - 1)
        .take(count.unwrap_or(PAGE).min(PAGE));
    let page: Vec<Value> = page.collect();
    (
        200,
        json!({"totalResults": total, "startIndex": start, "Resources": page}),
    )
}

fn decoded(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let pair = [bytes.next().unwrap(), bytes.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&pair).unwrap(), 16).unwrap()
            }
            b'+' => b' ',
            byte => byte,
        });
    }
    String::from_utf8(out).unwrap()
}

/// The largest page.
const PAGE: usize = 10;
