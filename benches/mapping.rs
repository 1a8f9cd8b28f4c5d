//! What the mapping costs beside the `serde_json::Value` round trip of the same bytes: one user
//! of about 1.4 KB and a list of 100, through a rule of a dozen lines, both ways.
//!
//! Both are run in turns within one process, so that a busy machine slows both alike; the ratio of
//! the best batches is what counts. `cargo bench --bench mapping`.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::allow_attributes,
    reason = "a bench that cannot go on stops, and it reads the clock"
)]

use std::hint::black_box;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use futures_core::Stream;
use http::{HeaderMap, HeaderValue};
use postern::auth::token::{self, TokenHash};
use postern::auth::{Caller, Presented, access};
use postern::mapping::plan::View;
use postern::mapping::{Encoded, Plan, Ruleset};
use postern::scim::json::{self, Checked};
use postern::scim::operation::{Abilities, Answer, Document, Interrupted, Listing, Verb};
use postern::scim::{Operation, Reply};
use postern::yaml::Source;
use serde_json::Value;

fn main() {
    let bench = Bench::new(RULE);
    let dropping = Bench::new(&RULE.replace("unmapped: pass", "unmapped: drop"));
    let upstream = Bytes::from(upstream_user(1).to_string());
    let client = bench.decode_one(&upstream);
    println!(
        "one user: {} bytes from the directory, {} to the client",
        upstream.len(),
        client.len()
    );
    let list = Bytes::from(upstream_list(100));
    println!("list of 100: {} bytes", list.len());
    println!(
        "{:<28}{:>12}{:>12}{:>9}",
        "", "round trip", "mapping", "ratio"
    );
    compare("answer, one user", &upstream, 2000, || {
        bench.decode_one(&upstream)
    });
    let checked = json::check(upstream.clone()).unwrap();
    compare("  checked before", &upstream, 2000, || {
        bench.decode(Document::Checked(checked.clone()))
    });
    let tree = checked.parse();
    compare("  from a tree", &upstream, 2000, || {
        bench.decode(Document::Tree(tree.clone()))
    });
    compare("request, one user", &client, 2000, || {
        bench.encode_one(&client)
    });
    let checked = json::check(client.clone()).unwrap();
    compare("  checked before", &client, 2000, || {
        bench.encode(checked.clone())
    });
    compare("answer, list of 100", &list, 20, || {
        bench.decode_list(&list)
    });
    println!("the same, what no line maps dropped");
    let small = dropping.decode_one(&upstream);
    compare("answer, one user", &upstream, 2000, || {
        dropping.decode_one(&upstream)
    });
    compare("request, one user", &small, 2000, || {
        dropping.encode_one(&small)
    });
    compare("answer, list of 100", &list, 20, || {
        dropping.decode_list(&list)
    });
}

/// Runs the round trip and `mapped` in turns and prints the best of each.
fn compare(name: &str, bytes: &Bytes, times: u32, mapped: impl Fn() -> Bytes) {
    let mut best = [Duration::MAX; 2];
    for _ in 0..BATCHES {
        let start = Instant::now();
        for _ in 0..times {
            let value: Value = serde_json::from_slice(black_box(bytes)).unwrap();
            black_box(serde_json::to_vec(&value).unwrap());
        }
        best[0] = best[0].min(start.elapsed() / times);
        let start = Instant::now();
        for _ in 0..times {
            black_box(mapped());
        }
        best[1] = best[1].min(start.elapsed() / times);
    }
    let [plain, mapping] = best.map(|d| d.as_secs_f64() * 1e6);
    println!(
        "{name:<28}{plain:>9.2} µs{mapping:>9.2} µs{:>9.2}",
        mapping / plain
    );
}

struct Bench {
    plan: Arc<Plan>,
    caller: Caller,
    view: View,
}

impl Bench {
    fn new(rule: &str) -> Self {
        let (rules, _) = Ruleset::read(&source("rules/bench.yaml", rule)).unwrap();
        let (plan, _) = Plan::compile(&rules).unwrap();
        let plan = Arc::new(plan);
        let caller = caller();
        let read = Operation::new("User".parse().unwrap(), Verb::Read("1".parse().unwrap()));
        let permitted = caller.authorize(&"bench".into(), read).unwrap();
        let (_, view) = plan.encode(permitted, FULL, None, &mut ()).unwrap();
        Self { plan, caller, view }
    }

    /// An answer as it comes from the network: checked, mapped, printed.
    fn decode_one(&self, bytes: &Bytes) -> Bytes {
        let checked = json::check(bytes.clone()).unwrap();
        self.decode(Document::Checked(checked))
    }

    fn decode(&self, document: Document) -> Bytes {
        let reply = Reply::new(Answer::Resource(document));
        match self.plan.decode(reply, &self.view, ()).unwrap().answer {
            Answer::Resource(document) => document.into_bytes(),
            _ => unreachable!(),
        }
    }

    /// A request as it comes from the client.
    fn encode_one(&self, bytes: &Bytes) -> Bytes {
        self.encode(json::check(bytes.clone()).unwrap())
    }

    fn encode(&self, checked: Checked) -> Bytes {
        let verb = Verb::Create(Document::Checked(checked));
        let operation = Operation::new(self.view.resource.clone(), verb);
        let permitted = self.caller.authorize(&"bench".into(), operation).unwrap();
        match self.plan.encode(permitted, FULL, None, &mut ()).unwrap().0 {
            Encoded::Ask(operation) => match operation.verb {
                Verb::Create(document) => document.into_bytes(),
                _ => unreachable!(),
            },
            _ => unreachable!(),
        }
    }

    /// A list in chunks, as it comes from the network.
    fn decode_list(&self, bytes: &Bytes) -> Bytes {
        let mut rest = bytes.clone();
        let mut chunks = Vec::new();
        while !rest.is_empty() {
            chunks.push(rest.split_to(rest.len().min(16 * 1024)));
        }
        let stream = Box::pin(Chunks(chunks.into_iter()));
        let reply = Reply::new(Answer::List(Listing::Bytes(stream)));
        let reply = self.plan.decode(reply, &self.view, ()).unwrap();
        let Answer::List(Listing::Bytes(mut stream)) = reply.answer else {
            unreachable!()
        };
        let mut all = Vec::with_capacity(bytes.len());
        let mut context = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(part)) = stream.as_mut().poll_next(&mut context) {
            all.extend_from_slice(&part.unwrap());
        }
        all.into()
    }
}

struct Chunks(std::vec::IntoIter<Bytes>);

impl Stream for Chunks {
    type Item = Result<Bytes, Interrupted>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.next().map(Ok))
    }
}

fn source(name: &str, text: &str) -> Source {
    Source {
        name: name.into(),
        text: text.into(),
    }
}

/// A caller who may do everything, by the same way as any other.
fn caller() -> Caller {
    let mut random = |bytes: &mut [u8]| {
        bytes.fill(7);
        true
    };
    let secret = token::generate(&"k1".parse().unwrap(), &mut random).unwrap();
    let hash = TokenHash::of(secret.expose());
    let text = format!(
        "roles: {{all: {{allow: [{{resources: [User], verbs: [create, read]}}]}}}}\n\
         accounts: [{{name: bench, roles: [all], tenants: [bench], tokens: [{{id: k1, sha256: \"{hash}\", expires: 2999-01-01}}]}}]\n"
    );
    let access = access::load(&source("access.yaml", &text), &access::Files::default()).unwrap();
    let mut headers = HeaderMap::new();
    let bearer = format!("Bearer {}", secret.expose());
    headers.insert("authorization", HeaderValue::from_str(&bearer).unwrap());
    let presented = Presented::new(&headers, std::net::Ipv4Addr::LOCALHOST.into());
    let proven = access.authenticate(&presented, SystemTime::UNIX_EPOCH);
    proven.unwrap().now().unwrap()
}

fn upstream_list(n: usize) -> String {
    let people: Vec<Value> = (0..n).map(upstream_user).collect();
    serde_json::json!({"totalResults": n, "startIndex": 1, "itemsPerPage": n, "Resources": people})
        .to_string()
}

/// A person as a directory with names of its own has it: about 1.4 KB.
fn upstream_user(n: usize) -> Value {
    serde_json::json!({
        "schemas": ["urn:legacy:2.0:Person"],
        "no": n + 100_000,
        "ext_ref": format!("701984-{n}"),
        "login": format!("bjensen{n}@example.com"),
        "person": {"first": "Barbara", "last": "Jensen", "middle": "Jane", "title": "Ms."},
        "shown": "Babs Jensen",
        "nick": "Babs",
        "url": "https://login.example.com/bjensen",
        "mail": format!("bjensen{n}@example.com"),
        "addresses": [
            {"type": "work", "streetAddress": "100 Universal City Plaza", "locality": "Hollywood",
             "region": "CA", "postalCode": "91608", "country": "USA", "primary": true},
            {"type": "home", "streetAddress": "456 Hollywood Blvd", "locality": "Hollywood",
             "region": "CA", "postalCode": "91608", "country": "USA"}
        ],
        "phone_office": "+1 555 555 5555",
        "phone_mobile": "+1 555 555 4444",
        "kind": "Employee",
        "title": "Tour Guide",
        "language": "en-US",
        "zone": "America/Los_Angeles",
        "status": "staff",
        "emp_no": format!("{}", 701_984 + n),
        "dept": "Tour Operations",
        "boss": "26118915",
        "photos": [{"value": "https://photos.example.com/profilephoto/72930000000Ccne/F", "type": "photo"},
                   {"value": "https://photos.example.com/profilephoto/72930000000Ccne/T", "type": "thumbnail"}],
        "entitlements": [{"value": "tours"}, {"value": "studio"}],
        "meta": {"created": "2010-01-23T04:56:22Z", "lastModified": "2011-05-13T04:42:34Z",
                 "version": "W/\"a330bc54f0671c9\"", "location": format!("https://directory.internal/people/{n}")}
    })
}

const RULE: &str = r#"
tenant_url: https://scim.example.com/bench/scim/v2
backend: {scim: {url: "https://directory.internal"}}
resources:
  User:
    entry: {path: people, id: "no"}
    attributes:
      - {scim: userName, target: login, required: true}
      - {scim: externalId, target: ext_ref}
      - {scim: name.givenName, target: person.first}
      - {scim: name.familyName, target: person.last}
      - {scim: displayName, target: shown}
      - {scim: 'emails[type eq "work"].value', target: mail, element: {primary: true}}
      - {scim: 'phoneNumbers[type eq "work"].value', target: phone_office}
      - {scim: 'phoneNumbers[type eq "mobile"].value', target: phone_mobile}
      - {scim: active, target: status, values: {"true": staff, "false": leaver}, otherwise: omit}
      - {scim: 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department', target: dept}
      - {scim: 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber', target: emp_no}
      - {scim: 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value', target: boss}
    unmapped: pass
"#;

const FULL: Abilities = Abilities {
    patch: true,
    etag: true,
    compares: true,
    filter: true,
    sort: true,
    page: true,
    put: true,
};

/// Enough that one of them is undisturbed.
const BATCHES: usize = 40;
