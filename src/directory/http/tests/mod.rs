//! The driver against directories that misbehave, each in its own way.

mod answers;
mod tls;
mod untidy;
mod wire;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::net::TraceContext;
use crate::net::secret::Secret;
use crate::scim::operation::{Document, Verb};
use crate::scim::patch::{Change, Patch, PatchOp};
use crate::scim::path::{AttrPath, PatchPath};
use crate::scim::query::Query;
use crate::scim::{Resource, ResourceId};
use untidy::{Act, Untidy, answer};

/// Long enough that a good answer never misses it, short enough to wait for once.
const SOON: Duration = Duration::from_millis(400);
const TRACEPARENT: &[u8] = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/// For what is meant to go well.
const LATER: Duration = Duration::from_secs(20);

fn config(url: String) -> HttpConfig {
    HttpConfig {
        url,
        ca: None,
        identity: None,
        auth: Auth::Bearer(Secret::new("directory-secret".to_owned())),
        timeouts: Timeouts::default(),
        connections: 8,
        supports: Supports::default(),
        answer_limit: 64 * 1024,
    }
}

fn layout() -> Arc<Layout> {
    let place = Place {
        resource: "User".parse().unwrap(),
        endpoint: "people".into(),
        id: "no".into(),
    };
    Arc::new(Layout { types: vec![place] })
}

fn open(server: &Untidy) -> (Arc<Pool>, Arc<dyn Directory>) {
    let pool = Pool::open(config(server.url()), None).unwrap();
    (Arc::clone(&pool), driver(pool, layout()))
}

fn ask(patience: Duration) -> Ask {
    Ask {
        request_id: "req-7".into(),
        traceparent: TraceContext::parse(TRACEPARENT),
        deadline: Instant::now() + patience,
    }
}

fn id(text: &str) -> ResourceId {
    text.parse().unwrap()
}

fn document() -> Document {
    let Value::Object(map) = json!({ "login": "ada" }) else {
        unreachable!()
    };
    Document::Tree(Resource::from(map))
}

fn patch() -> Patch {
    let path = PatchPath::attribute(AttrPath::of("title".parse().unwrap()));
    Patch {
        changes: vec![Change {
            op: PatchOp::Replace,
            path,
            value: Some(json!("x")),
        }],
        ..Patch::default()
    }
}

fn writes() -> Vec<Verb> {
    vec![
        Verb::Create(document()),
        Verb::Replace(id("17"), document()),
        Verb::Patch(id("17"), patch()),
        Verb::Delete(id("17")),
    ]
}

fn user(verb: Verb) -> Operation<Upstream> {
    Operation::new("User".parse().unwrap(), verb)
}

/// One operation against a directory that always does the same.
async fn against(
    act: Act,
    verb: Verb,
    patience: Duration,
) -> Result<Reply<Upstream>, DirectoryError> {
    let server = Untidy::always(act).await;
    let (_, directory) = open(&server);
    directory.execute(user(verb), &ask(patience)).await
}

/// The text of a list that is read to its end.
async fn read_list(reply: Reply<Upstream>) -> Result<Bytes, crate::scim::operation::Interrupted> {
    let Answer::List(Listing::Bytes(mut stream)) = reply.answer else {
        panic!("{:?}", reply.answer);
    };
    let mut all = Vec::new();
    while let Some(part) = std::future::poll_fn(|cx| stream.as_mut().poll_next(cx)).await {
        all.extend_from_slice(&part?);
    }
    Ok(all.into())
}
