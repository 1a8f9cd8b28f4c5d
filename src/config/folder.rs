//! Files read in such a way that all of them are of one version: as kubelet mounts a volume
//! (`..data` is exchanged, files are links through it), and as people and editors write them.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use zeroize::Zeroizing;

/// One look at some files. Every folder is looked at through the version that it has at the first
/// of them; [`Look::state`] says whether that was still so at the end.
#[derive(Debug)]
pub(super) struct Look {
    now: Option<SystemTime>,
    /// Each folder with what its `..data` leads to, where there is one.
    folders: BTreeMap<PathBuf, Option<PathBuf>>,
    /// Files that were not read through a `..data`, with what they were like.
    plain: BTreeMap<PathBuf, Option<Stamp>>,
    /// Something changed while it was being read.
    torn: bool,
}

/// The bytes of a file, wiped when they go: it may be a key.
pub(super) type Bytes = Zeroizing<Vec<u8>>;

/// Whether what was seen can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// All files are of one version.
    Whole,
    /// Somebody is writing: look again in a moment.
    Restless,
}

/// What tells that a file is another one, or was written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// Looks until everything is of one version, a few times at most. With `now`, files that were
/// written to within the last moment are waited for as well.
pub(super) fn steadily<T>(
    now: Option<fn() -> SystemTime>,
    mut read: impl FnMut(&mut Look) -> T,
) -> (T, State) {
    let mut tries = 0;
    loop {
        let mut look = Look::new(now.map(|now| now()));
        let value = read(&mut look);
        let state = look.state();
        tries += 1;
        if state == State::Whole || tries >= TRIES {
            return (value, state);
        }
        pause(PAUSE);
    }
}

impl Look {
    fn new(now: Option<SystemTime>) -> Self {
        Self {
            now,
            folders: BTreeMap::new(),
            plain: BTreeMap::new(),
            torn: false,
        }
    }

    /// The names in a folder, in order. Folders in it are not among them; links to nothing are.
    pub(super) fn names(&mut self, folder: &Path) -> io::Result<Vec<OsString>> {
        let version = self.version(folder);
        let mut names = match &version {
            Some(version) => self.listed(version, |_| true)?,
            None => Vec::new(),
        };
        // What is a link through `..data` is in the version, or is about to be removed.
        names.extend(self.listed(folder, |name| {
            version.is_none() || !leads_through_data(&folder.join(name))
        })?);
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// A file whole, of at most `limit` bytes.
    pub(super) fn file(&mut self, path: &Path, limit: usize) -> io::Result<Bytes> {
        match self.through_data(path) {
            Some(file) => whole(&open(&file)?, limit),
            None => self.plain_file(path, limit),
        }
    }

    /// Whether every file is of the version that its folder has now.
    pub(super) fn state(&self) -> State {
        let moved = self
            .folders
            .iter()
            .any(|(folder, version)| data_of(folder) != *version);
        let rewritten = self
            .plain
            .iter()
            .any(|(path, stamp)| Stamp::of(path) != *stamp);
        let fresh = |stamp: &Stamp| self.now.is_some_and(|now| stamp.is_fresh(now));
        if self.torn || moved || rewritten || self.plain.values().flatten().any(fresh) {
            return State::Restless;
        }
        State::Whole
    }

    /// The folder that `..data` led to when this folder was first looked at.
    fn version(&mut self, folder: &Path) -> Option<PathBuf> {
        if let Some(version) = self.folders.get(folder) {
            return version.clone();
        }
        let version = data_of(folder);
        self.folders.insert(folder.to_owned(), version.clone());
        version
    }

    /// Where a file is in the version of its folder, if that is how it is to be read.
    fn through_data(&mut self, path: &Path) -> Option<PathBuf> {
        let folder = parent(path);
        let version = self.version(folder)?;
        let name = path.file_name()?;
        match fs::read_link(path) {
            Ok(target) => Some(version.join(target.strip_prefix(DATA).ok()?)),
            // kubelet exchanges `..data` first and makes the links to new files afterwards.
            Err(_) if fs::symlink_metadata(path).is_err() => Some(version.join(name)),
            Err(_) => None,
        }
    }

    fn plain_file(&mut self, path: &Path, limit: usize) -> io::Result<Bytes> {
        let file = match open(path) {
            Ok(file) => file,
            Err(error) => {
                self.plain.insert(path.to_owned(), Stamp::of(path));
                return Err(error);
            }
        };
        let before = file.metadata()?;
        self.plain
            .insert(path.to_owned(), Some(Stamp::from(&before)));
        let bytes = whole(&file, limit)?;
        self.torn |= Stamp::from(&file.metadata()?) != Stamp::from(&before);
        Ok(bytes)
    }

    fn listed(&self, folder: &Path, wanted: impl Fn(&OsStr) -> bool) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let is_folder = fs::metadata(entry.path()).is_ok_and(|found| found.is_dir());
            if !is_folder && wanted(&name) {
                names.push(name);
            }
        }
        Ok(names)
    }
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().map(|found| Self::from(&found))
    }

    /// Whether it was written to a moment ago. A clock that is behind (of a file server) must not
    /// make us wait for ever.
    fn is_fresh(&self, now: SystemTime) -> bool {
        let (Ok(seconds), Ok(nanos)) = (
            u64::try_from(self.modified.0),
            u32::try_from(self.modified.1),
        ) else {
            return false;
        };
        let modified = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos.min(999_999_999));
        now.duration_since(modified).is_ok_and(|age| age < QUIET)
    }
}

impl From<&Metadata> for Stamp {
    fn from(found: &Metadata) -> Self {
        Self {
            device: found.dev(),
            inode: found.ino(),
            length: found.len(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }
}

/// The folder that a path is in; of a bare name the present one.
pub(super) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// What `..data` in a folder leads to.
fn data_of(folder: &Path) -> Option<PathBuf> {
    let target = fs::read_link(folder.join(DATA)).ok()?;
    Some(folder.join(target))
}

fn leads_through_data(path: &Path) -> bool {
    fs::read_link(path).is_ok_and(|target| target.starts_with(DATA))
}

/// Opens what is a file: a pipe would make us wait for whoever writes to it.
fn open(path: &Path) -> io::Result<File> {
    let found = fs::metadata(path)?;
    if found.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    if !found.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    File::open(path)
}

/// All bytes of a file, in one buffer that is never moved: what is left behind is not wiped.
fn whole(file: &File, limit: usize) -> io::Result<Bytes> {
    let found = file.metadata()?;
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let room = usize::try_from(found.len().min(most)).unwrap_or_default() + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    file.take(most).read_to_end(&mut bytes)?;
    if bytes.len() > limit {
        let message = format!("it has more than {limit} bytes");
        return Err(io::Error::new(ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}

#[expect(
    clippy::disallowed_methods,
    reason = "there is no signal for `nobody writes any more`"
)]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// The link that kubelet exchanges.
const DATA: &str = "..data";
/// How often something that changes is looked at again.
const TRIES: u32 = 8;
const PAUSE: Duration = Duration::from_millis(25);
/// So long after the last write a file counts as written.
const QUIET: Duration = Duration::from_millis(100);
