//! What looks at the files again: at a hint of the system, at an order, and from time to time. It
//! has a thread of its own; what serves requests only ever takes what is ready.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::{error, info, warn};

use super::load::{Event, Loader, Pass};
use super::order::{Orders, Outcome};
use super::snapshot::{Live, Snapshot};
use super::watch::Watch;
use crate::net::tls::Switch;
use crate::yaml::Diagnostic;

/// Reloads. Everything new is built beside what serves, then put in its place in one step.
pub struct Reloader {
    loader: Loader,
    live: Arc<Live>,
    certificate: Arc<Switch>,
    control: Option<Arc<Switch>>,
    hints: Arc<Notify>,
    watch: Option<Watch>,
    after: After,
    retired: Vec<Arc<Snapshot>>,
    /// Warnings that were given.
    warned: HashSet<String>,
}

/// Told of each look that came to something, after what is new serves.
pub type After = Box<dyn FnMut(&Pass) + Send>;

impl Reloader {
    /// Goes on from what `loader` has loaded, and `live`, `certificate` and, where it is secured,
    /// `control` serve.
    #[must_use]
    pub fn new(
        loader: Loader,
        live: Arc<Live>,
        certificate: Arc<Switch>,
        control: Option<Arc<Switch>>,
        after: After,
    ) -> Self {
        live.set_report(loader.report());
        let warnings = loader.loaded().warnings.iter();
        let warned = warnings.map(Diagnostic::one_line).collect();
        let hints = Arc::new(Notify::new());
        let watch = match Watch::new(Arc::clone(&hints)) {
            Ok(watch) => Some(watch),
            Err(error) => {
                warn!(%error, "the system does not tell of changed files: they are looked at from time to time");
                None
            }
        };
        Self {
            loader,
            live,
            certificate,
            control,
            hints,
            watch,
            after,
            retired: Vec::new(),
            warned,
        }
    }

    /// Looks at the files whenever there is a reason to, at least every `poll`, until nobody is
    /// left who could give an order. It blocks its thread while it works.
    pub async fn run(mut self, mut orders: Orders, poll: Duration) {
        // What changed before the folders were watched was not told.
        self.follow();
        let mut reason = Reason::Hint;
        loop {
            let mut waiting = Vec::new();
            if let Reason::Order(order) = reason {
                waiting.push(order);
            }
            while let Ok(order) = orders.try_recv() {
                waiting.push(order);
            }
            let outcome = self.look();
            for order in waiting {
                // Who has gone away does not wait for it.
                let _ = order.send(outcome.0.clone());
            }
            reason = match self.wait(&mut orders, poll, outcome.1).await {
                Some(reason) => reason,
                None => return,
            };
        }
    }

    /// One look, and what comes of it. Whether it is to be looked again soon goes with it.
    fn look(&mut self) -> (Outcome, bool) {
        let began = Instant::now();
        let Ok(pass) = catch_unwind(AssertUnwindSafe(|| self.loader.look(now))) else {
            return (self.defect(), false);
        };
        if let Some(next) = &pass.next {
            let old = self.live.replace(Arc::clone(&next.snapshot));
            if !Arc::ptr_eq(&next.snapshot.auth, &old.auth) {
                next.snapshot.auth.adopt(&old.auth);
            }
            self.certificate.replace(Arc::clone(&next.certificate));
            if let (Some(shown), Some(next)) = (&self.control, &next.control) {
                shown.replace(Arc::clone(next));
            }
            self.retired.push(old);
        }
        self.live.set_report(pass.report.clone());
        tell(&pass, began.elapsed());
        if pass.next.is_some() {
            let warnings: HashSet<String> = pass.outcome.warnings.iter().cloned().collect();
            for warning in warnings.difference(&self.warned) {
                warn!("{warning}");
            }
            self.warned = warnings;
        }
        if pass.next.is_some() || !pass.events.is_empty() {
            (self.after)(&pass);
        }
        let again = self.follow() || pass.restless;
        self.retire();
        (pass.outcome, again)
    }

    /// What served goes on; the same files are not looked into again.
    fn defect(&self) -> Outcome {
        let text = "a defect of postern: the files were not loaded, what was good before serves on";
        error!("{text}");
        Outcome {
            revision: Arc::clone(&self.loader.loaded().snapshot.revision),
            errors: vec![text.to_owned()],
            ..Outcome::default()
        }
    }

    /// Lets go of what served, once the last request that holds it has ended: freeing it takes
    /// time, and is not to happen on a thread that serves.
    fn retire(&mut self) {
        self.retired
            .retain(|snapshot| Arc::strong_count(snapshot) > 1);
        let over = self.retired.len().saturating_sub(RETIRED);
        self.retired.drain(..over);
    }

    fn follow(&mut self) -> bool {
        let folders = self.loader.folders();
        self.watch
            .as_mut()
            .is_some_and(|watch| watch.follow(&folders))
    }

    /// Waits for a reason to look, and after a hint until nothing more comes for a moment. `None`
    /// when nobody can give orders any more.
    async fn wait(&mut self, orders: &mut Orders, poll: Duration, again: bool) -> Option<Reason> {
        let until = Instant::now() + if again { poll.min(AGAIN) } else { poll };
        loop {
            let tidying = Instant::now() + TIDYING;
            let until_tidy = if self.retired.is_empty() {
                until
            } else {
                until.min(tidying)
            };
            tokio::select! {
                order = orders.recv() => return order.map(Reason::Order),
                () = self.hints.notified() => break,
                () = sleep_until(until_tidy) => {
                    if until_tidy == until {
                        return Some(Reason::Hint);
                    }
                    self.retire();
                }
            }
        }
        let longest = Instant::now() + LONGEST;
        loop {
            let quiet = longest.min(Instant::now() + QUIET);
            tokio::select! {
                order = orders.recv() => return order.map(Reason::Order),
                more = timeout_at(quiet, self.hints.notified()) => {
                    if more.is_err() || Instant::now() >= longest {
                        return Some(Reason::Hint);
                    }
                }
            }
        }
    }
}

/// Why to look.
enum Reason {
    Hint,
    Order(oneshot::Sender<Outcome>),
}

/// One line per mistake, one when something new serves.
fn tell(pass: &Pass, took: Duration) {
    for Event {
        kind,
        folder,
        errors,
        taken,
    } in &pass.events
    {
        let (source, folder) = (kind.as_str(), folder.display());
        for mistake in errors {
            error!(
                source,
                "not loaded, what was good before serves on: {mistake}"
            );
        }
        if errors.is_empty() && !taken {
            info!(source, %folder, "the files are again as they serve");
        }
    }
    if let Some(text) = &pass.restart {
        warn!("{text}");
    }
    if let Some(next) = &pass.next {
        let taken = pass.events.iter().filter(|event| event.taken);
        let mut sources: Vec<_> = taken.map(|event| event.kind.as_str()).collect();
        sources.dedup();
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        info!(
            old = &*next.old,
            revision = &*next.snapshot.revision,
            sources = sources.join(","),
            took_ms,
            "loaded"
        );
    }
}

/// The clock; below this, time is an argument.
#[expect(
    clippy::disallowed_methods,
    reason = "the outermost layer reads the clock"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

/// So long nothing more must come after a hint: a version is seldom written in one go.
const QUIET: Duration = Duration::from_millis(150);
/// So long it is waited for at most: somebody may be writing all the time.
const LONGEST: Duration = Duration::from_millis(500);
/// When to look again where somebody was writing.
const AGAIN: Duration = Duration::from_millis(250);
/// How often it is seen whether what served is still held by a request.
const TIDYING: Duration = Duration::from_secs(1);
/// So many of those are kept at most.
const RETIRED: usize = 64;
