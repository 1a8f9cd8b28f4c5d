//! Everything changes while requests are under way, as kubelet changes it: no request fails, every
//! answer fits exactly one revision, and what did not change keeps its connections.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::support::client::{certificate_shown, plain_get};
use crate::support::load::{Load, Shape};
use crate::support::marked::{self, MARKS, Marked, SUPPORTS};
use crate::support::mix::{Mix, mark_of};
use crate::support::pod::Pod;
use crate::support::program::Serving;
use crate::support::world::{ADMIN, Account};
use crate::support::{Program, long, world};

/// The load itself: it answers what it should, and sees what is wrong.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_is_answered_and_judged() {
    let directory = Marked::start().await;
    let backend = format!("{{scim: {{url: \"{}\", {SUPPORTS}}}}}", directory.url());
    let program = Program::new(&[("a.yaml", &marked::rule("/a", &backend, 3))]);
    let serving = program.serve("/a");
    let (_places, places) = watch::channel(vec![serving.public()]);
    let mix = Mix::of(&["/a"], &world::token("admin"));
    let marks = Arc::clone(&mix.marks);
    let load = Load::start(&program.trust(), places.clone(), Shape::small(), mix);
    load.more(200).await;
    let record = load.stop().await;
    record.assert_no_failure();
    let many = |answered: &u64| *answered > 20;
    assert!(record.answered.values().all(many), "{record:?}");
    assert_eq!(record.connected["HTTP/1.1"], 4);
    assert_eq!(record.connected["HTTP/2"], 2);
    assert!(marks.lock().unwrap().values().all(|mark| *mark == 3));
    assert_eq!(directory.wrong(), [""; 0]);
    assert_eq!(directory.cut(), 0);

    // And a load that must fail does.
    let stranger = Mix::of(&["/a"], &world::token("stranger"));
    let load = Load::start(&program.trust(), places, Shape::small(), stranger);
    while load.so_far().failed < 10 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(load.stop().await.good(), 0);
}

/// The swaps.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_swap_serves_and_no_request_fails() {
    let stage = Stage::set().await;
    let (_places, places) = watch::channel(vec![stage.serving.public()]);
    let mix = Mix::of(&["/changing", "/secret", "/still"], &world::token("admin"));
    let marks = Arc::clone(&mix.marks);
    let load = Load::start(&stage.pod.program.trust(), places, Shape::small(), mix);
    load.more(100).await;

    let mut stage = stage;
    let swaps = long(200, 15);
    let mut slowest = Duration::ZERO;
    for step in 0..swaps {
        let kind = KINDS[step % KINDS.len()];
        if step % 3 == 2 {
            stage.break_it(kind, step).await;
        } else {
            slowest = slowest.max(stage.change(kind, step + 1).await);
        }
        load.more(20).await;
        stage.assert_as_expected().await;
    }
    for kind in KINDS {
        slowest = slowest.max(stage.change(kind, swaps + 1).await);
    }
    load.more(100).await;
    let record = load.stop().await;
    println!("{swaps} swaps: {record:?}; the slowest took {slowest:?} until it served");

    record.assert_no_failure();
    assert_eq!(record.connected["HTTP/1.1"], 4, "{record:?}");
    assert_eq!(record.connected["HTTP/2"], 2, "{record:?}");
    for directory in [&stage.changing, &stage.secret, &stage.still] {
        assert_eq!(directory.wrong(), [""; 0]);
    }
    // Neither a rule that changed nor a neighbour's secret closes a connection to a directory.
    assert_eq!((stage.changing.cut(), stage.still.cut()), (0, 0));
    let secrets = stage.secret.secrets();
    assert!(secrets.len() > 1, "{secrets:?}");
    assert!(
        secrets
            .iter()
            .all(|secret| secret.starts_with("Bearer secret-"))
    );
    stage.assert_one_mark_per_revision(&marks);
}

/// What a swap changes; the word is that of the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Rules,
    Access,
    Tls,
    Secrets,
}

const KINDS: [Kind; 4] = [Kind::Rules, Kind::Access, Kind::Tls, Kind::Secrets];

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Rules => "rules",
            Self::Access => "access",
            Self::Tls => "tls",
            Self::Secrets => "secrets",
        }
    }
}

/// The program with three tenants: the rule of the first changes, the secret of the second, and
/// nothing of the third.
struct Stage {
    pod: Pod,
    serving: Serving,
    changing: Marked,
    secret: Marked,
    still: Marked,
    /// What must be seen from outside.
    mark: usize,
    visitor: String,
    certificate: Option<Vec<u8>>,
    bearer: String,
}

/// No good rule has this mark, no good access file this visitor.
const FORBIDDEN: usize = MARKS - 1;

impl Stage {
    async fn set() -> Self {
        let (changing, secret, still) = (
            Marked::start().await,
            Marked::start().await,
            Marked::start().await,
        );
        let with_secret = format!(
            "{{scim: {{url: \"{}\", {SUPPORTS}, bearer_file: ../secrets/bearer}}}}",
            secret.url()
        );
        let pod = Pod::new(
            &[
                ("changing.yaml", &rule("/changing", &changing, 0)),
                ("secret.yaml", &marked::rule("/secret", &with_secret, 1)),
                ("still.yaml", &rule("/still", &still, 2)),
            ],
            &access("visitor0"),
            &[("bearer", "secret-0\n")],
            "timeouts: {drain: 20s}\n",
        );
        let serving = pod.program.serve("/changing");
        Self {
            pod,
            serving,
            changing,
            secret,
            still,
            mark: 0,
            visitor: "visitor0".to_owned(),
            certificate: None,
            bearer: "Bearer secret-0".to_owned(),
        }
    }

    /// A good swap. Says how long it took until it served.
    async fn change(&mut self, kind: Kind, number: usize) -> Duration {
        let began = match kind {
            Kind::Rules => {
                self.mark = (self.mark + 1) % FORBIDDEN;
                let text = rule("/changing", &self.changing, self.mark);
                let (mut files, began) = (self.rule_files(), Instant::now());
                files[0].1 = text;
                self.pod.rules.swap(&borrowed(&files));
                began
            }
            Kind::Access => {
                self.visitor = format!("visitor{number}");
                let began = Instant::now();
                self.pod.access.put("access.yaml", &access(&self.visitor));
                began
            }
            Kind::Tls => {
                let issued = self.pod.issue();
                let began = Instant::now();
                self.pod.tls.swap(&issued.files());
                self.certificate = Some(issued.der);
                began
            }
            Kind::Secrets => {
                self.bearer = format!("Bearer secret-{number}");
                let began = Instant::now();
                self.pod
                    .secrets
                    .swap(&[("bearer", &format!("secret-{number}\n"))]);
                began
            }
        };
        until(&format!("change {number} of {kind:?}"), async || {
            self.seen_of(kind).await
        })
        .await;
        let took = began.elapsed();
        until(&format!("a good word of {kind:?}"), async || {
            self.measured(kind).await == Some(true)
        })
        .await;
        took
    }

    /// A swap that must not serve.
    async fn break_it(&mut self, kind: Kind, number: usize) {
        let odd = number % 2 == 1;
        let before = self.complaints(kind);
        match kind {
            // The folder is one unit: a good rule beside a broken one does not serve either.
            Kind::Rules if odd => {
                let mut files = self.rule_files();
                files[0].1 = rule("/changing", &self.changing, FORBIDDEN);
                files.push(("zzz.yaml".to_owned(), "tenant_url: [\n".to_owned()));
                self.pod.rules.swap(&borrowed(&files));
            }
            Kind::Rules => {
                let text = rule("/changing", &self.changing, FORBIDDEN) + "nonsense: true\n";
                self.pod.rules.put("changing.yaml", &text);
            }
            Kind::Access if odd => self.pod.access.put("access.yaml", "roles: {\n"),
            Kind::Access => {
                let text = access("forbidden").replace("roles: [forbidden]", "roles: [nobody]");
                self.pod.access.put("access.yaml", &text);
            }
            Kind::Tls if odd => {
                let (one, other) = (self.pod.issue(), self.pod.issue());
                self.pod
                    .tls
                    .swap(&[("tls.crt", &one.chain), ("tls.key", &other.key)]);
            }
            Kind::Tls => {
                let issued = self.pod.issue();
                let half = &issued.chain[..issued.chain.len() / 2];
                self.pod
                    .tls
                    .swap(&[("tls.crt", half), ("tls.key", &issued.key)]);
            }
            Kind::Secrets if odd => self.pod.secrets.swap(&[]),
            Kind::Secrets => self.pod.secrets.swap(&[("bearer", "")]),
        }
        until(&format!("a word of broken {kind:?}"), async || {
            self.complaints(kind) > before && self.measured(kind).await == Some(false)
        })
        .await;
    }

    /// What the metric says of the last loading.
    async fn measured(&self, kind: Kind) -> Option<bool> {
        let (_, text) = plain_get(self.serving.probe(), "/metrics").await?;
        let name = format!(
            "postern_config_last_reload_successful{{source=\"{}\"}} ",
            kind.word()
        );
        let value = text.lines().find_map(|line| line.strip_prefix(&name))?;
        Some(value == "1")
    }

    /// How often the log has told that this source was not loaded.
    fn complaints(&self, kind: Kind) -> usize {
        let source = format!("\"source\":\"{}\"", kind.word());
        let log = self.pod.program.log();
        log.lines()
            .filter(|line| line.contains("not loaded") && line.contains(&source))
            .count()
    }

    async fn assert_as_expected(&self) {
        for kind in KINDS {
            assert!(
                self.seen_of(kind).await,
                "{kind:?}\n{}",
                self.pod.program.log()
            );
        }
        let forbidden = self.serving.client.with_token(&world::token("forbidden"));
        forbidden.get("/Users/1").await.expect(401);
    }

    /// Whether the last good state of this kind is what serves.
    async fn seen_of(&self, kind: Kind) -> bool {
        let client = &self.serving.client;
        match kind {
            Kind::Rules => {
                let answer = client.get("/Users/1").await.expect(200);
                mark_of(&answer.json()).unwrap() == self.mark
            }
            Kind::Access => {
                let visitor = client.with_token(&world::token(&self.visitor));
                visitor.get("/Users/1").await.status == 200
            }
            Kind::Tls => {
                let tls = self.pod.program.trust();
                let shown = certificate_shown(self.serving.public(), &tls).await;
                self.certificate
                    .as_ref()
                    .is_none_or(|wanted| *wanted == shown)
            }
            // The load sends requests by this tenant all the time.
            Kind::Secrets => self.secret.last_secret() == self.bearer,
        }
    }

    fn rule_files(&self) -> Vec<(String, String)> {
        ["changing.yaml", "secret.yaml", "still.yaml"]
            .into_iter()
            .map(|name| {
                let text = std::fs::read_to_string(self.pod.rules.folder.join(name)).unwrap();
                (name.to_owned(), text)
            })
            .collect()
    }

    /// The access lines tell which revision served a request, the load which rule it fits.
    fn assert_one_mark_per_revision(&self, marks: &Mutex<BTreeMap<u64, usize>>) {
        let marks = marks.lock().unwrap();
        let mut of: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
        let mut lines = 0;
        for line in self.serving.access() {
            let number = line["request_id"]
                .as_str()
                .and_then(|id| id.strip_prefix("load-"));
            let Some(mark) = number.and_then(|number| marks.get(&number.parse().ok()?)) else {
                continue;
            };
            lines += 1;
            let revision = line["revision"].as_str().unwrap().to_owned();
            of.entry(revision).or_default().insert(*mark);
        }
        assert!(lines * 2 > marks.len(), "{lines} lines of {}", marks.len());
        assert!(of.len() > 1, "{of:?}");
        assert!(of.values().all(|marks| marks.len() == 1), "{of:?}");
    }
}

fn rule(path: &str, directory: &Marked, mark: usize) -> String {
    let backend = format!("{{scim: {{url: \"{}\", {SUPPORTS}}}}}", directory.url());
    marked::rule(path, &backend, mark)
}

fn access(visitor: &str) -> String {
    let visitor = Account {
        name: visitor,
        ..ADMIN
    };
    world::access(&[ADMIN, visitor])
}

fn borrowed(files: &[(String, String)]) -> Vec<(&str, &str)> {
    files
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect()
}

async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds().await {
        assert!(Instant::now() < deadline, "{what} did not come about");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
