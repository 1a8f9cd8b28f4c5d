//! `access.yaml` with the files that it names. Those beside it are taken with it or not at all;
//! those of another folder are a source of their own, so that one that is broken there holds up no
//! revocation here.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::abroad::{Abroad, Fallen, Fresh, Wanted, elsewhere};
use super::digest::{Digest, Digesting};
use super::folder::{Look, State, parent, steadily};
use super::named::Files;
use super::read::{read, read_bytes, text};
use super::report::Kind;
use super::unit::Unit;
use crate::auth::{Authenticator, access};
use crate::yaml::{Diagnostics, MAX_FILE, Source};

/// Reads an access file and all that it names, once, as a command does.
///
/// # Errors
/// All that is wrong with them.
pub fn open(path: &Path, missing: &str) -> Result<(Source, Authenticator), Diagnostics> {
    let source = read(path, missing)?;
    let access = access::load(&source, &files_of(path, &source))?;
    Ok((source, access))
}

/// Reads all that an access file names.
#[must_use]
pub fn files_of(path: &Path, source: &Source) -> access::Files {
    let mut files = access::Files::default();
    for name in access::named(source) {
        let read = read_bytes(&parent(path).join(&name));
        let read = read.map(Arc::new).map_err(|error| error.to_string().into());
        files.insert(name, read);
    }
    files
}

/// The last good state of it all.
pub(super) struct Access {
    path: PathBuf,
    folder: PathBuf,
    pub(super) unit: Unit<Served>,
    /// The files that are not beside it.
    pub(super) abroad: Abroad,
    /// What the text that was seen last names: the same text is not read twice for that.
    known: Option<(Digest, Names)>,
}

/// What serves.
pub(super) struct Served {
    pub(super) auth: Arc<Authenticator>,
    /// Of the access file alone. (A hash that secrets go into must not be shown.)
    pub(super) text: Digest,
    /// All the files that it was made with.
    pub(super) files: access::Files,
    source: Source,
    names: Names,
    beside: Files,
}

/// The names of files, as the text gives them.
type Names = Arc<BTreeSet<String>>;

/// One look at the folder.
struct Seen {
    digest: Digest,
    text: Digest,
    source: Result<Source, Diagnostics>,
    names: Names,
    beside: Files,
}

/// What some text and files come to.
struct Made {
    auth: Arc<Authenticator>,
    files: access::Files,
    fallen: Fallen,
}

impl Access {
    pub(super) fn new(path: &Path) -> Self {
        let folder = parent(path).to_owned();
        Self {
            path: path.to_owned(),
            unit: Unit::new(Kind::Access, folder.clone()),
            folder,
            abroad: Abroad::default(),
            known: None,
        }
    }

    /// Looks at everything.
    pub(super) fn look(&mut self, clock: Option<fn() -> SystemTime>, now: SystemTime) -> State {
        let (path, folder, known) = (&self.path, &self.folder, &mut self.known);
        let (seen, state) = steadily(clock, |look| see(path, folder, known, look));
        let seen = (state == State::Whole || clock.is_none()).then_some(seen);
        let good = self.unit.value().map(|served| Arc::clone(&served.names));
        let both = seen.iter().map(|seen| &seen.names).chain(&good);
        let wanted = self.elsewhere(both.flat_map(|names| names.iter()));
        let Some((fresh, of_files)) = self.abroad.look(&wanted, clock) else {
            return State::Restless;
        };
        let seen = seen.map(|seen| (self.unit.is_new(seen.digest), seen));
        if seen.as_ref().is_some_and(|(is_new, _)| *is_new) || fresh.is_new() {
            self.combine(seen, &fresh, now);
        }
        state.and(of_files)
    }

    /// The newest of everything that fits together: the new text with the new files, with the last
    /// good files of folders that are broken, else the last good text with the new files.
    fn combine(&mut self, seen: Option<(bool, Seen)>, fresh: &Fresh, now: SystemTime) {
        let mut asked = Wanted::new();
        let mut fallen = None;
        if let Some((is_new, seen)) = seen {
            asked = self.elsewhere(seen.names.iter());
            fallen = self.renew(seen, is_new, fresh, now);
        } else {
            // A text that waits for just these files is to be tried with them.
            self.unit.forget();
        }
        if fallen.is_none() {
            fallen = self.again(fresh, now);
        }
        let (Some(fallen), Some(served)) = (fallen, self.unit.value()) else {
            return;
        };
        let wanted = self.elsewhere(served.names.iter());
        self.abroad.settle(&wanted, &asked, fresh, &fallen, now);
    }

    /// Takes the text that was seen, or says why not.
    fn renew(
        &mut self,
        seen: Seen,
        is_new: bool,
        fresh: &Fresh,
        now: SystemTime,
    ) -> Option<Fallen> {
        let source = match seen.source {
            Ok(source) => source,
            Err(found) => {
                self.unit.refuse(found, is_new);
                return None;
            }
        };
        match self.make(&source, seen.text, &seen.names, &seen.beside, fresh) {
            Ok(made) => {
                let served = Served {
                    auth: made.auth,
                    text: seen.text,
                    files: made.files,
                    source,
                    names: seen.names,
                    beside: seen.beside,
                };
                self.unit.take(seen.digest, served, now);
                Some(made.fallen)
            }
            Err(found) => {
                self.unit.refuse(found, is_new);
                None
            }
        }
    }

    /// The last good text with the newest files: what is wrong with the text stays said.
    fn again(&mut self, fresh: &Fresh, now: SystemTime) -> Option<Fallen> {
        let good = self.unit.value()?;
        let made = self.make(&good.source, good.text, &good.names, &good.beside, fresh);
        let Made {
            auth,
            files,
            fallen,
        } = made.ok()?;
        self.unit.renew(now, |served| {
            served.auth = auth;
            served.files = files;
        });
        Some(fallen)
    }

    /// Makes what can be made. Where the new files of a folder are at fault, those are taken that
    /// served until now.
    fn make(
        &self,
        source: &Source,
        text: Digest,
        names: &BTreeSet<String>,
        beside: &Files,
        fresh: &Fresh,
    ) -> Result<Made, Diagnostics> {
        let with = |newest: &dyn Fn(&Path) -> bool| {
            let mut files = access::Files::default();
            for name in names {
                let path = self.folder.join(name);
                let folder = parent(&path);
                let its = if folder == self.folder {
                    Some(beside)
                } else {
                    let fresh = fresh.get(folder).filter(|_| newest(folder));
                    fresh.or_else(|| self.abroad.good(folder))
                };
                let read = its.and_then(|files| files.get(&path)).cloned();
                files.insert(
                    name,
                    read.unwrap_or_else(|| Err("its folder has not been read".into())),
                );
            }
            files
        };
        let try_with = |newest: &dyn Fn(&Path) -> bool| {
            let files = with(newest);
            let same = |served: &&Served| served.text == text && served.files == files;
            let auth = match self.unit.value().filter(same) {
                Some(served) => Arc::clone(&served.auth),
                None => {
                    let auth = Arc::new(access::load(source, &files)?);
                    // Before anybody sees it, so that no issuer is asked twice.
                    if let Some(served) = self.unit.value() {
                        auth.adopt(&served.auth);
                    }
                    auth
                }
            };
            Ok::<_, Diagnostics>((auth, files))
        };
        let mut fallen = Fallen::new();
        let found = match try_with(&|_| true) {
            Ok((auth, files)) => {
                return Ok(Made {
                    auth,
                    files,
                    fallen,
                });
            }
            Err(found) => found,
        };
        let changed = fresh.folders().map(PathBuf::as_path);
        let changed = changed.filter(|folder| self.abroad.changed(folder, fresh));
        let changed: BTreeSet<&Path> = changed.collect();
        for folder in &changed {
            let alone = |other: &Path| other == *folder || !changed.contains(other);
            if let Err(found) = try_with(&alone) {
                fallen.insert(folder.to_path_buf(), found);
            }
        }
        match try_with(&|folder| !fallen.contains_key(folder)) {
            Ok((auth, files)) if !fallen.is_empty() => Ok(Made {
                auth,
                files,
                fallen,
            }),
            _ => Err(found),
        }
    }

    /// The files that are not beside the access file, by folder.
    fn elsewhere<'a>(&self, names: impl Iterator<Item = &'a String>) -> Wanted {
        elsewhere(names.map(|name| self.folder.join(name)), &self.folder)
    }
}

fn see(path: &Path, folder: &Path, known: &mut Option<(Digest, Names)>, look: &mut Look) -> Seen {
    let help = "make one with a role and an account, then run `postern token new`";
    let read = look.file(path, MAX_FILE);
    let mut alone = Digesting::default();
    alone.read("", &read);
    let digest = alone.finish();
    let read = read.map(|mut bytes| std::mem::take(&mut *bytes));
    let source = text(path, help, read);
    let names = match (&*known, &source) {
        (Some((of, names)), _) if *of == digest => Arc::clone(names),
        (_, Ok(source)) => Arc::new(access::named(source)),
        (_, Err(_)) => Arc::default(),
    };
    *known = Some((digest, Arc::clone(&names)));
    let mut beside = Files::default();
    for name in names.iter() {
        let file = folder.join(name);
        if parent(&file) == folder {
            beside.read(file, look);
        }
    }
    let mut all = Digesting::default();
    all.part("text", digest);
    all.part("beside", beside.digest());
    Seen {
        digest: all.finish(),
        text: digest,
        source,
        names,
        beside,
    }
}
