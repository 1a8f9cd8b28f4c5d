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
    /// The names in folders that were listed.
    listings: Vec<(PathBuf, Wanted, Vec<OsString>)>,
    /// Something changed while it was being read.
    torn: bool,
}

/// The bytes of a file, wiped when they go: it may be a key.
pub(super) type Bytes = Zeroizing<Vec<u8>>;

/// Which names in a folder are looked for.
pub(super) type Wanted = fn(&OsStr) -> bool;

/// Whether what was seen can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// All files are of one version.
    Whole,
    /// Somebody is writing: look again in a moment.
    Restless,
}

impl State {
    /// Of two things that were seen.
    pub(super) fn and(self, other: Self) -> Self {
        if self == Self::Whole { other } else { self }
    }
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
    pub(super) fn new(now: Option<SystemTime>) -> Self {
        Self {
            now,
            folders: BTreeMap::new(),
            plain: BTreeMap::new(),
            listings: Vec::new(),
            torn: false,
        }
    }

    /// The names in a folder that are `wanted`, in order. Folders in it are not among them; links
    /// to nothing are. What else comes and goes in it disturbs nobody.
    pub(super) fn names(&mut self, folder: &Path, wanted: Wanted) -> io::Result<Vec<OsString>> {
        let version = self.version(folder);
        let is_file = |path: &Path| !fs::metadata(path).is_ok_and(|found| found.is_dir());
        let mut names = match &version {
            Some(version) => listed(version, wanted)?,
            None => Vec::new(),
        };
        names.retain(|name| is_file(&folder.join(DATA).join(name)));
        let visible = listed(folder, wanted)?;
        let listing = (folder.to_owned(), wanted, visible.clone());
        self.listings.push(listing);
        // What is a link through `..data` is in the version, or is about to be removed.
        names.extend(visible.into_iter().filter(|name| {
            let path = folder.join(name);
            is_file(&path) && (version.is_none() || !leads_through_data(&path))
        }));
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
        let renamed = self.listings.iter().any(|(folder, wanted, names)| {
            // Links are made after `..data` is exchanged: they do not count.
            let plain = self.folders.get(folder).is_none_or(Option::is_none);
            plain && listed(folder, *wanted).is_ok_and(|now| now != *names)
        });
        let fresh = |stamp: &Stamp| self.now.is_some_and(|now| stamp.is_fresh(now));
        if self.torn || moved || rewritten || renamed || self.plain.values().flatten().any(fresh) {
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

/// The names in a folder that are wanted, in order.
fn listed(folder: &Path, wanted: Wanted) -> io::Result<Vec<OsString>> {
    let names = fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name()));
    let mut names = names.collect::<io::Result<Vec<_>>>()?;
    names.retain(|name| wanted(name));
    names.sort();
    Ok(names)
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let name = format!("postern-folder-{name}-{}", std::process::id());
            let folder = std::env::temp_dir().join(name);
            fs::create_dir(&folder).unwrap();
            Self(folder)
        }

        fn write(&self, name: &str, text: &str) {
            fs::write(self.0.join(name), text).unwrap();
        }

        /// A version as kubelet makes one; links come afterwards.
        fn version(&self, name: &str, files: &[(&str, &str)]) {
            let folder = self.0.join(name);
            fs::create_dir(&folder).unwrap();
            for (name, text) in files {
                fs::write(folder.join(name), text).unwrap();
            }
            symlink(name, self.0.join("..tmp")).unwrap();
            fs::rename(self.0.join("..tmp"), self.0.join(DATA)).unwrap();
        }

        fn link(&self, name: &str) {
            symlink(Path::new(DATA).join(name), self.0.join(name)).unwrap();
        }

        fn all(&self, look: &mut Look) -> Vec<(String, String)> {
            let names = look.names(&self.0, |name| name != "lock").unwrap();
            let read = names.into_iter().map(|name| {
                let bytes = look.file(&self.0.join(&name), 100);
                let text = bytes.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
                let text = text.unwrap_or_else(|error| error.kind().to_string());
                (name.into_string().unwrap(), text)
            });
            read.collect()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
        expected.iter().map(owned).collect()
    }

    #[test]
    fn links_through_data_are_of_the_version_and_nothing_else() {
        let folder = Folder::new("links");
        folder.version("..1", &[("a", "1"), ("new", "2")]);
        folder.link("a");
        folder.link("stale");
        folder.write("plain", "3");
        symlink("nowhere", folder.0.join("lost")).unwrap();
        let (read, state) = steadily(None, |look| folder.all(look));
        assert_eq!(state, State::Whole);
        let wanted = [
            ("a", "1"),
            ("lost", "entity not found"),
            ("new", "2"),
            ("plain", "3"),
        ];
        assert_eq!(read, pairs(&wanted));
    }

    #[test]
    fn a_version_that_goes_midway_is_read_again_as_a_whole() {
        let folder = Folder::new("midway");
        folder.version("..1", &[("a", "1"), ("b", "1")]);
        folder.link("a");
        folder.link("b");
        let mut looks = 0;
        let (read, state) = steadily(None, |look| {
            looks += 1;
            let first = look.file(&folder.0.join("a"), 9).map(|b| b.to_vec());
            if looks == 1 {
                folder.version("..2", &[("a", "2"), ("b", "2")]);
                fs::remove_dir_all(folder.0.join("..1")).unwrap();
            }
            let second = look.file(&folder.0.join("b"), 9).map(|b| b.to_vec());
            (first.ok(), second.ok())
        });
        assert_eq!((looks, state), (2, State::Whole));
        assert_eq!(read, (Some(b"2".to_vec()), Some(b"2".to_vec())));
    }

    #[test]
    fn a_file_that_changes_meanwhile_is_read_again() {
        let folder = Folder::new("meanwhile");
        folder.write("a", "1");
        let mut looks = 0;
        let (read, state) = steadily(None, |look| {
            looks += 1;
            let read = folder.all(look);
            match looks {
                1 => folder.write("a", "22"),
                2 => {
                    folder.write("b", "3");
                    fs::rename(folder.0.join("b"), folder.0.join("a")).unwrap();
                }
                3 => folder.write("c", "4"),
                4 => fs::remove_file(folder.0.join("c")).unwrap(),
                _ => {}
            }
            read
        });
        assert_eq!((looks, state), (5, State::Whole));
        assert_eq!(read, pairs(&[("a", "3")]));
        let mut text = String::new();
        let (_, state) = steadily(None, |look| {
            text.push('x');
            let read = folder.all(look);
            folder.write("a", &text);
            read
        });
        assert_eq!(state, State::Restless);
    }

    #[test]
    fn what_nobody_asks_for_may_come_and_go() {
        let folder = Folder::new("lock");
        folder.write("a", "1");
        let (read, state) = steadily(None, |look| {
            let read = folder.all(look);
            let lock = folder.0.join("lock");
            if fs::remove_file(&lock).is_err() {
                fs::write(&lock, "").unwrap();
            }
            read
        });
        assert_eq!((read, state), (pairs(&[("a", "1")]), State::Whole));
    }

    #[test]
    fn what_was_written_a_moment_ago_is_waited_for() {
        fn at_once() -> SystemTime {
            SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000)
        }
        let folder = Folder::new("fresh");
        folder.write("a", "1");
        let set = |time: SystemTime| {
            let file = File::options().write(true).open(folder.0.join("a"));
            file.unwrap().set_modified(time).unwrap();
        };
        for (age, wanted) in [(50, State::Restless), (150, State::Whole)] {
            set(at_once() - Duration::from_millis(age));
            let (_, state) = steadily(Some(at_once), |look| folder.all(look));
            assert_eq!(state, wanted, "{age} ms");
        }
        set(at_once() + Duration::from_secs(9));
        let (_, state) = steadily(Some(at_once), |look| folder.all(look));
        assert_eq!(state, State::Whole, "a clock that is behind");
    }

    #[test]
    fn what_is_no_file_or_too_large_is_not_read() {
        let folder = Folder::new("odd");
        folder.write("large", &"x".repeat(101));
        let socket = std::os::unix::net::UnixListener::bind(folder.0.join("socket")).unwrap();
        fs::create_dir(folder.0.join("inner")).unwrap();
        let (read, _) = steadily(None, |look| folder.all(look));
        let wanted = [("large", "file too large"), ("socket", "other error")];
        assert_eq!(read, pairs(&wanted));
        drop(socket);
    }
}
