//! How the files are: what was loaded, what serves, and since when.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use prometheus::IntCounter;

use super::families::{CONFIG_INFO, RELOAD_GOOD, RELOAD_TIME, RELOADS};
use super::page::Page;
use super::scene::seconds;

/// One per source folder, and the revision.
#[derive(Debug)]
pub(super) struct Reloads {
    sources: [Source; SOURCES.len()],
    revision: Mutex<Arc<str>>,
}

/// The loadings of one folder.
#[derive(Debug)]
struct Source {
    name: &'static str,
    good: IntCounter,
    bad: IntCounter,
    /// Whether the last one went well.
    last: Mutex<Option<bool>>,
    /// When one last went well: the bits of seconds since 1970.
    last_good: AtomicU64,
}

impl Reloads {
    pub(super) fn new() -> Self {
        Self {
            sources: SOURCES.map(Source::new),
            revision: Mutex::new("".into()),
        }
    }

    pub(super) fn count(&self, source: &str, good: bool, at: SystemTime) {
        let Some(source) = self.sources.iter().find(|known| known.name == source) else {
            return;
        };
        *source.last() = Some(good);
        if good {
            source.good.inc();
            let at = seconds(at).to_bits();
            source.last_good.store(at, Ordering::Relaxed);
        } else {
            source.bad.inc();
        }
    }

    /// Whether everything of this source serves as it is now.
    pub(super) fn stands(&self, source: &str, good: bool) {
        if let Some(source) = self.sources.iter().find(|known| known.name == source) {
            *source.last() = Some(good);
        }
    }

    pub(super) fn serves(&self, revision: &str) {
        *self.revision() = revision.into();
    }

    pub(super) fn fill(&self, page: &mut Page) {
        for source in &self.sources {
            page.kept(&RELOADS, &source.good);
            page.kept(&RELOADS, &source.bad);
            let name = [source.name];
            if let Some(good) = *source.last() {
                let good = f64::from(u8::from(good));
                page.add(&RELOAD_GOOD, RELOAD_GOOD.now(&name, good));
            }
            let at = f64::from_bits(source.last_good.load(Ordering::Relaxed));
            if at > 0.0 {
                page.add(&RELOAD_TIME, RELOAD_TIME.now(&name, at));
            }
        }
        let revision = Arc::clone(&*self.revision());
        if !revision.is_empty() {
            page.add(&CONFIG_INFO, CONFIG_INFO.now(&[&revision], 1.0));
        }
    }

    fn revision(&self) -> MutexGuard<'_, Arc<str>> {
        self.revision.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            good: RELOADS.counter(&[name, "success"]),
            bad: RELOADS.counter(&[name, "failure"]),
            last: Mutex::new(None),
            last_good: AtomicU64::new(0),
        }
    }

    fn last(&self) -> MutexGuard<'_, Option<bool>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The words of `config::report::Kind`, which stands above; a test there compares.
const SOURCES: [&str; 4] = ["rules", "access", "tls", "secrets"];
