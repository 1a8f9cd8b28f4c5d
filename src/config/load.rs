//! Everything that `postern.yaml` names, read, compiled and kept: the last good state of each
//! source folder, and the snapshot that they make together.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::file::Config;
use super::find::about;
use super::order::Outcome;
pub use super::parts::Event;
use super::parts::Parts;
use super::report::Report;
use super::restart::Restart;
use super::snapshot::Snapshot;
use crate::net::tls::Server;
use crate::telemetry::Metrics;
use crate::yaml::{Diagnostic, Diagnostics};

/// A snapshot, and what was found on the way that does not stop it.
pub struct Loaded {
    /// Ready to serve.
    pub snapshot: Arc<Snapshot>,
    /// What the public listener runs with.
    pub certificate: Arc<Server>,
    /// What the control listener runs with, where it is secured.
    pub control: Option<Arc<Server>>,
    /// Warnings.
    pub warnings: Diagnostics,
}

/// Reads everything that `config` names. Nothing is connected; a directory that is down is not a
/// mistake of a file.
///
/// # Errors
/// Every mistake of every file.
pub fn load(config: &Config) -> Result<Loaded, Diagnostics> {
    let metrics = Arc::new(Metrics::new());
    let loader = Loader::start(config.clone(), metrics, SystemTime::UNIX_EPOCH)?;
    Ok(loader.loaded)
}

/// All that is wrong when the file `postern.yaml` itself is: what was `found` in it and, as far as
/// it says where they are, what is wrong with the files that it names.
#[must_use]
pub fn mistakes(path: &Path, mut found: Diagnostics) -> Diagnostics {
    if let Some(config) = Config::as_far_as_told(path)
        && let Err(more) = load(&config)
    {
        found.extend(more);
    }
    found
}

/// Keeps the last good state of everything, and looks for a newer one on demand.
pub struct Loader {
    parts: Parts,
    loaded: Loaded,
    since: SystemTime,
    restart: Restart,
}

/// What one look at the files came to.
pub struct Pass {
    /// What serves from now on, where that is another than before.
    pub next: Option<Next>,
    /// How everything stands.
    pub report: Report,
    /// What is told to whoever ordered the look.
    pub outcome: Outcome,
    /// What became of each source that changed.
    pub events: Vec<Event>,
    /// What is wrong with `postern.yaml`, or what of it only a restart takes, where that is new.
    pub restart: Option<String>,
    /// Somebody was writing: it is to be looked again in a moment.
    pub restless: bool,
}

/// What takes the place of what served.
pub struct Next {
    /// The revision before.
    pub old: Arc<str>,
    /// For new requests.
    pub snapshot: Arc<Snapshot>,
    /// For new connections.
    pub certificate: Arc<Server>,
    /// The same of the control listener, where it is secured.
    pub control: Option<Arc<Server>>,
}

impl Loader {
    /// Reads everything for the first time.
    ///
    /// # Errors
    /// Every mistake of every file: there is no last good.
    pub fn start(
        config: Config,
        metrics: Arc<Metrics>,
        now: SystemTime,
    ) -> Result<Self, Diagnostics> {
        let mut parts = Parts::new(config, metrics);
        let restless = parts.look(None, now);
        let mut found = parts.errors();
        if restless && !found.has_errors() {
            let message = "files are being written right now: start again when that is done";
            found.push(about(&parts.config.rules, message));
        }
        let snapshot = parts.snapshot();
        let certificate = parts.public();
        let control = parts.control();
        match (snapshot, certificate) {
            (Some((snapshot, warnings)), Some(certificate)) if !found.has_errors() => {
                parts.events();
                let mut restart = Restart::default();
                restart.look(&parts.config);
                Ok(Self {
                    parts,
                    loaded: Loaded {
                        snapshot: Arc::new(snapshot),
                        certificate,
                        control,
                        warnings,
                    },
                    since: now,
                    restart,
                })
            }
            _ => {
                found.extend(parts.rule_warnings());
                Err(found)
            }
        }
    }

    /// What serves.
    #[must_use]
    pub fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    /// How everything stands.
    #[must_use]
    pub fn report(&self) -> Report {
        Report {
            revision: Arc::clone(&self.loaded.snapshot.revision),
            since: Some(self.since),
            sources: self.parts.sources(),
            certificates: self.parts.certificates(),
            needs_restart: self.restart.keys().to_vec(),
        }
    }

    /// Looks at all files. What is new and good serves from now on; what is not, is told.
    pub fn look(&mut self, clock: fn() -> SystemTime) -> Pass {
        let now = clock();
        let restless = self.parts.look(Some(clock), now);
        let mut next = None;
        if self.parts.revision() != self.loaded.snapshot.revision
            && let Some((snapshot, warnings)) = self.parts.snapshot()
            && let Some(certificate) = self.parts.public()
        {
            let old = Arc::clone(&self.loaded.snapshot.revision);
            self.loaded = Loaded {
                snapshot: Arc::new(snapshot),
                certificate: Arc::clone(&certificate),
                control: self.parts.control(),
                warnings,
            };
            self.since = now;
            next = Some(Next {
                old,
                snapshot: Arc::clone(&self.loaded.snapshot),
                certificate,
                control: self.loaded.control.clone(),
            });
        }
        let restart = self.restart.look(&self.parts.config);
        let report = self.report();
        let outcome = Outcome {
            revision: Arc::clone(&report.revision),
            changed: next.is_some(),
            errors: report
                .sources
                .iter()
                .flat_map(|source| source.errors.iter().cloned())
                .collect(),
            warnings: self
                .loaded
                .warnings
                .iter()
                .map(Diagnostic::one_line)
                .collect(),
        };
        Pass {
            next,
            report,
            outcome,
            events: self.parts.events(),
            restart,
            restless,
        }
    }

    /// Every folder that something was read from, or should have been.
    #[must_use]
    pub fn folders(&self) -> BTreeSet<PathBuf> {
        self.parts.folders()
    }
}
