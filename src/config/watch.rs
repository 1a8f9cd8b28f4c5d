//! The system's word that something changed in a folder. It is only ever a hint: events are lost,
//! doubled, and mean different things with every way to write a file.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf, absolute};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher, recommended_watcher};
use tokio::sync::Notify;
use tracing::warn;

/// Watches folders, never files: a file that is replaced takes its watch with it.
pub(super) struct Watch {
    watcher: RecommendedWatcher,
    /// What is watched, with which folder that was at the time.
    armed: HashMap<PathBuf, Identity>,
    /// What cannot be watched, and that was said.
    unwatched: HashSet<PathBuf>,
    shared: Arc<Mutex<Shared>>,
}

/// What the watcher's thread and ours both look at.
#[derive(Default)]
struct Shared {
    interests: Interests,
    /// Folders that were removed: their watch went with them.
    lost: HashSet<PathBuf>,
}

/// What a folder is, however it is called.
type Identity = (u64, u64);

type Interests = HashMap<PathBuf, Interest>;

/// What of a folder's events is of interest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Interest {
    all: bool,
    names: BTreeSet<OsString>,
}

impl Watch {
    /// Gives `hints` from now on, once folders are named.
    pub(super) fn new(hints: Arc<Notify>) -> notify::Result<Self> {
        let shared = Arc::new(Mutex::new(Shared::default()));
        let ours = Arc::clone(&shared);
        let watcher = recommended_watcher(move |event: notify::Result<Event>| {
            let mut shared = ours.lock().unwrap_or_else(PoisonError::into_inner);
            // An error may be an overflow: whatever was lost may have been of interest.
            if event.map_or(true, |event| shared.takes_interest(event)) {
                hints.notify_one();
            }
        })?;
        Ok(Self {
            watcher,
            armed: HashMap::new(),
            unwatched: HashSet::new(),
            shared,
        })
    }

    /// Watches these folders and no others, and what leads to them: links, and the folder that
    /// each is in, since one that is removed or replaced takes its watch with it. True when
    /// something is watched that was not before: it may have changed unseen.
    pub(super) fn follow(&mut self, folders: &BTreeSet<PathBuf>) -> bool {
        let (wanted, interests) = wanted(folders);
        let lost = {
            let mut shared = self.lock();
            shared.interests = interests;
            std::mem::take(&mut shared.lost)
        };
        let gone: Vec<PathBuf> = self
            .armed
            .iter()
            .filter(|(path, identity)| lost.contains(*path) || wanted.get(*path) != Some(*identity))
            .map(|(path, _)| path.clone())
            .collect();
        for path in gone {
            self.armed.remove(&path);
            // What is no longer there is not watched any more either.
            let _ = self.watcher.unwatch(&path);
        }
        let mut new = false;
        for (path, identity) in wanted {
            if self.armed.contains_key(&path) {
                continue;
            }
            if let Err(error) = self.watcher.watch(&path, RecursiveMode::NonRecursive) {
                let folder = path.display();
                if self.unwatched.insert(path.clone()) {
                    warn!(%folder, %error, "not watched: it is looked at from time to time");
                }
                continue;
            }
            new = true;
            self.unwatched.remove(&path);
            self.armed.insert(path, identity);
        }
        new
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn takes_interest(&mut self, event: Event) -> bool {
        match event.kind {
            // Our own reading is among these.
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => {}
            EventKind::Access(_) => return false,
            _ => {}
        }
        if event.need_rescan() || event.paths.is_empty() {
            return true;
        }
        let removed = matches!(event.kind, EventKind::Remove(_));
        let mut interesting = false;
        for path in event.paths {
            let beneath = path.parent().and_then(|folder| self.interests.get(folder));
            interesting |= beneath.is_some_and(|interest| {
                let name = path.file_name();
                interest.all || name.is_some_and(|name| interest.names.contains(name))
            });
            if self.interests.contains_key(&path) {
                interesting = true;
                if removed {
                    self.lost.insert(path);
                }
            }
        }
        interesting
    }
}

/// What is to be watched for these folders. Each folder once, whatever it is called: the system
/// knows one watch of it.
fn wanted(folders: &BTreeSet<PathBuf>) -> (BTreeMap<PathBuf, Identity>, Interests) {
    let mut paths: HashMap<Identity, PathBuf> = HashMap::new();
    let mut interests = Interests::new();
    let mut add = |folder: &Path, name: Option<OsString>| {
        let Ok(found) = fs::metadata(folder) else {
            return false;
        };
        let path = paths
            .entry((found.dev(), found.ino()))
            .or_insert_with(|| folder.to_owned());
        let interest = interests.entry(path.clone()).or_default();
        match name {
            None => interest.all = true,
            Some(name) => {
                interest.names.insert(name);
            }
        }
        true
    };
    for folder in folders {
        let Ok(folder) = absolute(folder) else {
            continue;
        };
        add(&folder, None);
        // Whether something that exists is watched for what comes next on the way down.
        let mut covered = false;
        for step in folder.ancestors() {
            let (Some(parent), Some(name)) = (step.parent(), step.file_name()) else {
                continue;
            };
            let is_link = fs::symlink_metadata(step).is_ok_and(|found| found.is_symlink());
            if !covered || is_link {
                covered |= add(parent, Some(name.to_owned()));
            }
        }
    }
    let paths = paths.into_iter().map(|(identity, path)| (path, identity));
    (paths.collect(), interests)
}
