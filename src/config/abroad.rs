//! Files that are named from another folder: each folder is a source of its own, so that one that
//! is broken there holds up nobody here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::folder::{State, parent, steadily};
use super::named::Files;
use super::report::Kind;
use super::unit::Unit;
use crate::yaml::Diagnostics;

/// The last good files of each folder.
#[derive(Default)]
pub(super) struct Abroad(BTreeMap<PathBuf, Unit<Files>>);

/// The files that are asked of each folder.
pub(super) type Wanted = BTreeMap<PathBuf, BTreeSet<PathBuf>>;

/// What is wrong with the folders whose last good files were taken.
pub(super) type Fallen = BTreeMap<PathBuf, Diagnostics>;

/// What one look found of each folder that could be read.
pub(super) struct Fresh {
    files: BTreeMap<PathBuf, Files>,
    /// The folders whose files were never seen so before.
    new: BTreeSet<PathBuf>,
}

/// Those of these files that are in other folders than this one, by folder.
pub(super) fn elsewhere(paths: impl Iterator<Item = PathBuf>, folder: &Path) -> Wanted {
    let mut found = Wanted::new();
    for path in paths {
        let its = parent(&path);
        if its != folder {
            found.entry(its.to_owned()).or_default().insert(path);
        }
    }
    found
}

impl Abroad {
    /// Looks at every folder. Nothing, where somebody writes in one of which nothing serves yet.
    pub(super) fn look(
        &mut self,
        wanted: &Wanted,
        clock: Option<fn() -> SystemTime>,
    ) -> Option<(Fresh, State)> {
        let mut files = BTreeMap::new();
        let mut all = State::Whole;
        for (folder, paths) in wanted {
            let (read, state) = steadily(clock, |look| {
                let mut files = Files::default();
                for path in paths {
                    files.read(path.clone(), look);
                }
                files
            });
            if state == State::Whole || clock.is_none() {
                files.insert(folder.clone(), read);
            } else if self.good(folder).is_none() {
                return None;
            }
            if state == State::Restless {
                all = state;
            }
        }
        let mut new = BTreeSet::new();
        for (folder, read) in &files {
            let unit = self.0.entry(folder.clone());
            let unit = unit.or_insert_with(|| Unit::new(Kind::Secrets, folder.clone()));
            if unit.is_new(read.digest()) {
                new.insert(folder.clone());
            }
        }
        Some((Fresh { files, new }, all))
    }

    /// Takes what serves from here on: of the folders that are `wanted` the fresh files, but where
    /// they have `fallen`. Forgets folders that neither these nor the ones `asked` for name.
    pub(super) fn settle(
        &mut self,
        wanted: &Wanted,
        asked: &Wanted,
        fresh: &Fresh,
        fallen: &Fallen,
        now: SystemTime,
    ) {
        self.0
            .retain(|folder, _| asked.contains_key(folder) || wanted.contains_key(folder));
        for (folder, paths) in wanted {
            let (Some(files), Some(unit)) = (fresh.get(folder), self.0.get_mut(folder)) else {
                continue;
            };
            match fallen.get(folder) {
                Some(found) => unit.refuse(found.clone(), fresh.new.contains(folder)),
                None => {
                    let files = files.only(paths);
                    unit.take(files.digest(), files, now);
                }
            }
        }
    }

    /// What served last of a folder.
    pub(super) fn good(&self, folder: &Path) -> Option<&Files> {
        self.0.get(folder).and_then(Unit::value)
    }

    /// Whether a folder served, and its fresh files are others.
    pub(super) fn changed(&self, folder: &Path, fresh: &Fresh) -> bool {
        match (self.good(folder), fresh.get(folder)) {
            (Some(good), Some(fresh)) => !good.is_part_of(fresh),
            _ => false,
        }
    }

    pub(super) fn folders(&self) -> impl Iterator<Item = &PathBuf> {
        self.0.keys()
    }

    pub(super) fn units(&self) -> impl Iterator<Item = &Unit<Files>> {
        self.0.values()
    }

    pub(super) fn units_mut(&mut self) -> impl Iterator<Item = &mut Unit<Files>> {
        self.0.values_mut()
    }
}

impl Fresh {
    pub(super) fn get(&self, folder: &Path) -> Option<&Files> {
        self.files.get(folder)
    }

    pub(super) fn folders(&self) -> impl Iterator<Item = &PathBuf> {
        self.files.keys()
    }

    /// Whether any of it was never seen so before.
    pub(super) fn is_new(&self) -> bool {
        !self.new.is_empty()
    }
}
