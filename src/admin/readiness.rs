//! `/readyz` and `/livez`: whether we should be given requests, and whether we turn at all.

use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::config::Tenant;
use crate::config::file::Ready;
use crate::directory::Health;
use crate::server::{Arrest, Pulse};

/// What health is judged by, beside what is loaded. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Signs {
    listening: Arc<OnceLock<()>>,
    pulse: Pulse,
    directories: Ready,
}

/// What is found, and what of it stands in the way.
#[derive(Debug, Default)]
pub(super) struct Findings {
    parts: Map<String, Value>,
    reasons: Vec<String>,
}

impl Signs {
    /// Of workers with this pulse, whose directories count for so much. Nothing is ready before
    /// [`Signs::listening`].
    #[must_use]
    pub fn new(pulse: Pulse, directories: Ready) -> Self {
        Self {
            listening: Arc::default(),
            pulse,
            directories,
        }
    }

    /// From now on every door is open.
    pub fn listening(&self) {
        // A second time says nothing new.
        let _ = self.listening.set(());
    }

    /// What `/livez` says. The thread that asks is the control thread, which turns if it does.
    pub(super) fn life(&self, now: Instant) -> (StatusCode, String) {
        let mut text = String::new();
        for (worker, arrest) in self.pulse.arrests(now, PATIENCE) {
            let _ = match arrest {
                Arrest::Stuck(time) => {
                    let seconds = time.as_secs();
                    writeln!(text, "worker {worker} has been stuck for {seconds} s")
                }
                Arrest::Ended => writeln!(text, "worker {worker} has ended"),
            };
        }
        if text.is_empty() {
            return (StatusCode::OK, "alive\n".to_owned());
        }
        (StatusCode::SERVICE_UNAVAILABLE, text)
    }

    /// What `/readyz` says. A broken new file does not count: the last good state serves.
    pub(super) fn readiness(
        &self,
        draining: bool,
        revision: &str,
        tenants: &[&Arc<Tenant>],
    ) -> Findings {
        let mut found = Findings::default();
        let listening = self.listening.get().is_some();
        let why = (!listening).then(|| "the listeners are not open yet".to_owned());
        found.part("listeners", why, Map::new());

        let why = tenants.is_empty().then(|| "there is no tenant".to_owned());
        let mut snapshot = Map::new();
        snapshot.insert("revision".to_owned(), revision.into());
        found.part("snapshot", why, snapshot);

        let (why, directories) = self.judge(tenants);
        found.part("directories", why, directories);

        found.parts.insert("draining".to_owned(), draining.into());
        if draining {
            found.reasons.push("draining: about to stop".to_owned());
        }
        found
    }

    /// What the directories are to readiness, and how each is.
    fn judge(&self, tenants: &[&Arc<Tenant>]) -> (Option<String>, Map<String, Value>) {
        let mut silent = Vec::new();
        let mut each = Map::new();
        for tenant in tenants {
            let name = tenant.name.as_str();
            let mut entry = Map::new();
            let directory = &tenant.directory;
            entry.insert("directory".to_owned(), (*directory.name()).into());
            let word = match directory.health() {
                Health::Up => "up",
                Health::Unknown => {
                    silent.push(format!("that of {name} has not been asked yet"));
                    "unknown"
                }
                Health::Down(reason) => {
                    silent.push(format!("that of {name} is down: {reason}"));
                    entry.insert("reason".to_owned(), reason.into());
                    "down"
                }
            };
            entry.insert("health".to_owned(), word.into());
            each.insert(name.to_owned(), entry.into());
        }
        let (word, counts) = match self.directories {
            Ready::Ignore => ("ignore", false),
            Ready::Any => ("any", silent.len() == tenants.len()),
            Ready::All => ("all", true),
        };
        let why = (counts && !silent.is_empty()).then(|| silent.join("; "));
        let mut part = Map::new();
        part.insert("policy".to_owned(), word.into());
        part.insert("tenants".to_owned(), each.into());
        (why, part)
    }
}

impl Findings {
    /// Nothing can be written, where the audit trail stops it.
    pub(super) fn audit(&mut self, stops: Option<String>) {
        let why = stops.map(|why| format!("the trail cannot be written: {why}"));
        self.part("audit", why, Map::new());
    }

    /// Adds a part, which is ready unless there is a reason why not.
    fn part(&mut self, name: &str, why_not: Option<String>, more: Map<String, Value>) {
        let mut part = Map::new();
        part.insert("ready".to_owned(), why_not.is_none().into());
        if let Some(reason) = why_not {
            self.reasons.push(format!("{name}: {reason}"));
            part.insert("reason".to_owned(), reason.into());
        }
        part.extend(more);
        self.parts.insert(name.to_owned(), part.into());
    }

    /// The status and the document.
    pub(super) fn answer(self) -> (StatusCode, Value) {
        let ready = self.reasons.is_empty();
        let mut document = Map::new();
        document.insert("ready".to_owned(), ready.into());
        document.insert("reasons".to_owned(), json!(self.reasons));
        document.extend(self.parts);
        let status = if ready {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        (status, document.into())
    }
}

/// How long a worker may owe an answer: longer than anything that we do in one go.
const PATIENCE: Duration = Duration::from_secs(30);
