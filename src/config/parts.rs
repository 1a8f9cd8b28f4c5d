//! The parts of what serves: the last good state of each source folder, and what the newest of all
//! that fits together comes to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::abroad::{Abroad, Fallen, Fresh, Wanted, elsewhere};
use super::access::Access;
use super::certificate::Listener;
use super::digest::{Digest, Digesting};
use super::file::Config;
use super::folder::{State, parent, steadily};
use super::named::{Files, named_by};
use super::report::{Kind, Source};
use super::rules::{self, Compiled, Rule, Rules};
use super::snapshot::Snapshot;
use super::tenants::{Failure, Made, Making};
use super::unit::{News, Unit};
use crate::net::tls::Server;
use crate::telemetry::{CertificateUse, Metrics};
use crate::yaml::{Diagnostic, Diagnostics};

/// The last good parts. Each serves on its own: what is wrong with one holds up no other.
pub(super) struct Parts {
    pub(super) config: Config,
    public: Listener,
    control: Option<Listener>,
    access: Access,
    rules: Unit<Rules>,
    secrets: Abroad,
    compiled: Compiled,
    made: Vec<Made>,
    metrics: Arc<Metrics>,
}

/// A source changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What it holds.
    pub kind: Kind,
    /// Where it is.
    pub folder: PathBuf,
    /// What is wrong with it, one line per mistake; nothing when it serves.
    pub errors: Vec<String>,
    /// Whether it serves something new.
    pub taken: bool,
}

impl Parts {
    pub(super) fn new(config: Config, metrics: Arc<Metrics>) -> Self {
        Self {
            public: Listener::public(&config),
            control: config.operators.as_ref().map(Listener::control),
            access: Access::new(&config.access),
            rules: Unit::new(Kind::Rules, config.rules.clone()),
            secrets: Abroad::default(),
            compiled: Compiled::default(),
            made: Vec::new(),
            metrics,
            config,
        }
    }

    /// Looks at everything; true when somebody was writing, and it is to be looked at again. With
    /// no clock, nobody waits for a writer to have done.
    pub(super) fn look(&mut self, clock: Clock, now: SystemTime) -> bool {
        let tls = self.public.look(clock, now);
        let access = self.access.look(clock, now);
        let tenants = self.look_at_tenants(clock, now);
        let control = self.control.as_mut().map(|it| it.look(clock, now));
        [Some(tls), Some(access), Some(tenants), control].contains(&Some(State::Restless))
    }

    /// Rules, and the files that they name: the one does not do without the other.
    fn look_at_tenants(&mut self, clock: Clock, now: SystemTime) -> State {
        let folder = &self.config.rules;
        let compiled = &mut self.compiled;
        let (seen, state) = steadily(clock, |look| rules::look_at(folder, look, compiled));
        compiled.tidy(&self.made);
        // Somebody who writes rules all the time holds up no secret of those that serve.
        let seen = (state == State::Whole || clock.is_none()).then_some(seen);
        let known = self.rules.value().map(|rules| rules.rules.as_slice());
        let new = seen.as_ref().map(|seen| seen.rules.rules.as_slice());
        let both = new.unwrap_or_default().iter();
        let both = both.chain(known.unwrap_or_default());
        let wanted = elsewhere(named(both, folder), folder);
        let Some((fresh, of_files)) = self.secrets.look(&wanted, clock) else {
            return State::Restless;
        };
        let seen = seen.map(|seen| (self.rules.is_new(seen.digest), seen));
        let unseen = seen.is_none();
        if seen.as_ref().is_some_and(|(is_new, _)| *is_new) || fresh.is_new() {
            self.combine(seen, &fresh, now);
            if unseen {
                // Rules that wait for just these files are to be tried with them.
                self.rules.forget();
            }
        }
        state.and(of_files)
    }

    /// The newest of everything that fits together: new rules with new files, new rules with the
    /// last good files of folders that are broken, else the last good rules. Rules that were `seen`
    /// come with whether they are new.
    fn combine(&mut self, seen: Option<(bool, rules::Seen)>, fresh: &Fresh, now: SystemTime) {
        let folder = &self.config.rules;
        let mut asked = Wanted::new();
        let mut made = None;
        if let Some((is_new, seen)) = seen {
            asked = elsewhere(named(seen.rules.rules.iter(), folder), folder);
            made = self.renew(seen, is_new, fresh, now);
        }
        if made.is_none() {
            let good = self.rules.value();
            made = good.and_then(|rules| self.attempt(rules, fresh).ok());
        }
        let Some((made, fallen)) = made else {
            return;
        };
        self.made = made;
        let serving = self.made.iter().map(|made| &made.rule);
        let folder = &self.config.rules;
        let wanted = elsewhere(named(serving, folder), folder);
        self.secrets.settle(&wanted, &asked, fresh, &fallen, now);
    }

    /// Takes the rules that were seen, or says why not.
    fn renew(
        &mut self,
        seen: rules::Seen,
        is_new: bool,
        fresh: &Fresh,
        now: SystemTime,
    ) -> Option<Attempt> {
        let mut errors = seen.errors;
        if self.rules.good().is_none() || !errors.has_errors() {
            match self.attempt(&seen.rules, fresh) {
                Ok(attempt) if !errors.has_errors() => {
                    self.rules.take(seen.digest, seen.rules, now);
                    return Some(attempt);
                }
                Ok(_) => {}
                Err(failures) => {
                    for failure in failures {
                        errors.push(failure.finding);
                    }
                }
            }
        }
        self.rules.refuse(errors, is_new);
        None
    }

    /// Makes the tenants of these rules. Where the new files of a folder are at fault, those are
    /// taken that served until now, and what is wrong is told by folder.
    fn attempt(&self, rules: &Rules, fresh: &Fresh) -> Result<Attempt, Vec<Failure>> {
        let mut fallen = Fallen::new();
        loop {
            let mut files: BTreeMap<&Path, &Files> = BTreeMap::new();
            for folder in self.secrets.folders() {
                let newest = fresh.get(folder).filter(|_| !fallen.contains_key(folder));
                if let Some(chosen) = newest.or(self.secrets.good(folder)) {
                    files.insert(folder, chosen);
                }
            }
            let making = Making {
                rules,
                files,
                previous: &self.made,
                limit: self.config.limits.answer,
                metrics: &self.metrics,
            };
            let failures = match making.all() {
                Ok(made) => return Ok((made, fallen)),
                Err(failures) => failures,
            };
            let mut more = Fallen::new();
            for failure in &failures {
                for folder in &failure.folders {
                    let changed = self.secrets.changed(folder, fresh);
                    if changed && !fallen.contains_key(folder) {
                        let found = more.entry(folder.clone()).or_default();
                        found.push(failure.finding.clone());
                    }
                }
            }
            if more.is_empty() {
                return Err(failures);
            }
            fallen.extend(more);
        }
    }

    /// What the control listener runs with, where it is secured.
    pub(super) fn control(&self) -> Option<Arc<Server>> {
        self.control.as_ref()?.server()
    }

    /// Every folder that something was read from, or should have been.
    pub(super) fn folders(&self) -> BTreeSet<PathBuf> {
        let config = &self.config;
        let files = [&config.access, &config.file];
        let mut folders: BTreeSet<PathBuf> =
            files.iter().map(|file| parent(file).to_owned()).collect();
        folders.insert(config.rules.clone());
        folders.extend(self.secrets.folders().cloned());
        folders.extend(self.access.abroad.folders().cloned());
        folders.extend(self.listeners().flat_map(Listener::folders));
        folders
    }

    /// What the public listener runs with.
    pub(super) fn public(&self) -> Option<Arc<Server>> {
        self.public.server()
    }

    /// When what the listeners show and demand ends.
    pub(super) fn certificates(&self) -> Vec<(CertificateUse, SystemTime)> {
        use CertificateUse::{ClientCa, ClientCrl, Control, OperatorCa, OperatorCrl, Public};

        let public = self.public.ends().into_iter();
        let public = [Public, ClientCa, ClientCrl].into_iter().zip(public);
        let control = self.control.iter().flat_map(Listener::ends);
        let control = [Control, OperatorCa, OperatorCrl].into_iter().zip(control);
        let all = public.chain(control);
        all.filter_map(|(usage, ends)| Some((usage, ends?)))
            .collect()
    }

    fn listeners(&self) -> impl Iterator<Item = &Listener> {
        std::iter::once(&self.public).chain(&self.control)
    }

    /// What was found in the rules that stops nothing.
    pub(super) fn rule_warnings(&self) -> Diagnostics {
        self.rules.value().map(Rules::warnings).unwrap_or_default()
    }

    /// All that is wrong with everything.
    pub(super) fn errors(&self) -> Diagnostics {
        let mut all = Diagnostics::default();
        let parts = [self.access.unit.errors(), self.rules.errors()];
        let secrets = self.secrets.units().chain(self.access.abroad.units());
        let secrets = secrets.map(Unit::errors);
        let parts = parts.into_iter().chain(secrets).flatten();
        let control = self.control.iter().flat_map(Listener::errors);
        for finding in self.public.errors().chain(parts).chain(control) {
            all.push(finding.clone());
        }
        all
    }

    /// What serves together, with warnings. `None` where there is no last good.
    pub(super) fn snapshot(&self) -> Option<(Snapshot, Diagnostics)> {
        let auth = &self.access.unit.value()?.auth;
        let mut warnings = self.rule_warnings();
        let tenants = || self.made.iter().map(|made| &made.tenant);
        let names: Vec<&str> = tenants().map(|tenant| tenant.name.as_str()).collect();
        let types: Vec<&str> = tenants()
            .flat_map(|tenant| tenant.plan.types().map(|schema| schema.name.as_str()))
            .collect();
        warnings.extend(auth.cross_check(&names, &types));
        let schemas: Vec<_> = tenants().flat_map(|tenant| tenant.plan.schemas()).collect();
        warnings.extend(auth.check_attributes(&schemas));
        for finding in self.listeners().flat_map(Listener::warnings) {
            warnings.push(finding);
        }
        let tenants = tenants().map(Arc::clone).collect();
        let snapshot = Snapshot::new(self.revision(), Arc::clone(auth), tenants);
        Some((snapshot, warnings))
    }

    /// What serves, in one name. It says nothing of a secret to who does not have the key.
    pub(super) fn revision(&self) -> Arc<str> {
        let mut all = Digesting::default();
        for (name, digest) in [
            ("tls", self.public.digest()),
            ("access", self.access.unit.good().map(|good| good.digest)),
            ("rules", self.rules.good().map(|good| good.digest)),
        ] {
            all.part(name, digest.unwrap_or(Digest::of(b"")));
        }
        if let Some(digest) = self.control.as_ref().and_then(Listener::digest) {
            all.part("control", digest);
        }
        let served = self.access.unit.value();
        for (name, content) in served.iter().flat_map(|served| served.files.iter()) {
            if let Ok(bytes) = content {
                let file = Path::new(name).file_name().unwrap_or_default();
                all.part(&file.to_string_lossy(), Digest::of(bytes));
            }
        }
        for made in &self.made {
            let named = named_by(&made.rule, &self.config.rules);
            let files = named.iter().filter_map(|path| {
                let files = self.secrets.good(parent(path))?;
                files.get(path)?.as_ref().ok()
            });
            for bytes in files {
                all.part(made.rule.name.as_str(), Digest::of(bytes));
            }
        }
        all.finish().revision()
    }

    /// Every source, in a fixed order.
    pub(super) fn sources(&self) -> Vec<Source> {
        // Short secrets could be guessed from their hash: it is mixed with what nobody guesses.
        let salt = self.public.digest();
        let salted = |digest: Digest| {
            let mut mixed = Digesting::default();
            mixed.part("key", salt.unwrap_or(Digest::of(b"")));
            mixed.part("secrets", digest);
            mixed.finish()
        };
        let parts = [
            self.rules.report(|good| good.value.texts),
            self.access.unit.report(|good| good.value.text),
        ];
        let secrets = self.secrets.units().chain(self.access.abroad.units());
        let secrets = secrets.map(|unit| unit.report(|good| salted(good.digest)));
        let listeners = self.listeners().flat_map(Listener::sources);
        let parts = parts.into_iter().flatten().chain(listeners);
        parts.chain(secrets.flatten()).collect()
    }

    pub(super) fn events(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        collect(&mut self.rules, &mut events);
        collect(&mut self.access.unit, &mut events);
        self.public.events(&mut events);
        if let Some(control) = &mut self.control {
            control.events(&mut events);
        }
        let abroad = self.access.abroad.units_mut();
        for unit in self.secrets.units_mut().chain(abroad) {
            collect(unit, &mut events);
        }
        events
    }
}

/// Tenants, and what is wrong with the folders whose last good files they were made of.
type Attempt = (Vec<Made>, Fallen);

/// Tells the time where a writer is to be waited for.
type Clock = Option<fn() -> SystemTime>;

/// The files that these rules name.
fn named<'a>(
    rules: impl Iterator<Item = &'a Arc<Rule>>,
    folder: &Path,
) -> impl Iterator<Item = PathBuf> {
    rules.flat_map(move |rule| named_by(rule, folder))
}

/// What has come of this pass of one unit.
pub(super) fn collect<T>(unit: &mut Unit<T>, events: &mut Vec<Event>) {
    let Some(news) = unit.news() else {
        return;
    };
    events.push(Event {
        kind: unit.kind,
        folder: unit.folder.clone(),
        errors: unit.errors().iter().map(Diagnostic::one_line).collect(),
        taken: news == News::Taken,
    });
}
