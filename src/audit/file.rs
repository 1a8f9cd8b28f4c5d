//! The file of the trail: written whole or not at all, rotated, and noticed when it is cut, replaced
//! or taken away.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::line::Head;
use super::seal::Seal;
use super::settings::Rotate;
use super::tail::{Tail, Torn, close, first};

/// The file, and where in it we are.
#[derive(Debug)]
pub(super) struct Trailing {
    path: PathBuf,
    rotate: Rotate,
    open: Option<Open>,
    /// Bytes after the last good line could not be taken back.
    torn: bool,
    /// What somebody else did, until it is told.
    meddled: Option<Meddled>,
}

/// An open file.
#[derive(Debug)]
struct Open {
    file: File,
    identity: (u64, u64),
    /// Its length, as far as it is made of good lines.
    length: u64,
    /// Where the last attempt to write began.
    start: u64,
    /// The number of its first line.
    first: u64,
    /// The day of its first line, counted from 1970.
    day: u64,
    regular: bool,
}

/// What somebody else did to the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meddled {
    /// It is gone, and made anew.
    Removed,
    /// Another file is in its place.
    Replaced,
    /// It has another length than we left.
    Changed,
}

impl Meddled {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Removed => "the file was removed",
            Self::Replaced => "the file was replaced",
            Self::Changed => "the file was cut, or written by somebody else",
        }
    }
}

impl Trailing {
    /// Opens the file for the first time, and finds where its chain stands: at its last line, else
    /// at that of the newest full file beside it.
    pub(super) fn find(
        path: PathBuf,
        rotate: Rotate,
        seal: &Seal,
    ) -> io::Result<(Self, Head, Option<Torn>)> {
        let mut trail = Self {
            path,
            rotate,
            open: None,
            torn: false,
            meddled: None,
        };
        let mut open = trail.opened()?;
        let (mut head, mut torn) = (Head::default(), None);
        if open.regular && open.length > 0 {
            let tail = Tail::read(&mut open.file, seal)?;
            let begun = first(&mut open.file)?;
            if begun.is_none() || (tail.head == Head::default() && open.length > tail.rest) {
                return Err(invalid(
                    "it is no audit trail: move it away, or name another file",
                ));
            }
            head = tail.head;
            if tail.whole {
                open.file.write_all(b"\n")?;
            } else {
                torn = close(&mut open.file, tail.rest)?;
            }
            open.length = open.file.metadata()?.len();
            open.first = begun.unwrap_or_default();
        }
        if head == Head::default()
            && let Some(newest) = trail.full()?.last()
        {
            head = Tail::read(&mut File::open(newest)?, seal)?.head;
        }
        if open.length == 0 {
            open.first = head.seq.saturating_add(1);
        }
        trail.open = Some(open);
        Ok((trail, head, torn))
    }

    /// Makes the file ready for so many bytes, the next line having this number: opens it again,
    /// mends it, begins a new one. Says what somebody else did to it, and what is torn.
    pub(super) fn prepare(&mut self, bytes: usize, next: u64, day: u64) -> io::Result<Prepared> {
        let mut prepared = Prepared::default();
        self.meddled = self.look()?.or(self.meddled);
        prepared.meddled = self.meddled;
        if self.open.is_none() {
            let mut open = self.opened()?;
            open.end_line()?;
            (open.first, open.day) = (next, day);
            self.open = Some(open);
        }
        if self.torn
            && let Some(open) = &mut self.open
        {
            if open.file.set_len(open.length).is_ok() {
                self.torn = false;
            } else {
                let rest = open.file.metadata()?.len().saturating_sub(open.length);
                prepared.torn = close(&mut open.file, rest)?;
            }
        }
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let due = self.open.as_ref().is_some_and(|open| {
            let full = open.length.saturating_add(bytes) > self.rotate.size;
            let old = self.rotate.daily && open.day != 0 && open.day != day;
            open.regular && open.length > 0 && !self.torn && (full || old)
        });
        if due {
            self.turn(next)?;
            prepared.turned = true;
        }
        if let Some(open) = &mut self.open
            && (open.day == 0 || open.length == 0)
        {
            open.day = day;
        }
        Ok(prepared)
    }

    /// Writes all of it. Where that fails, nothing of it stands, or as many bytes as the error says.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), (io::Error, usize)> {
        let Some(open) = &mut self.open else {
            return Err((ErrorKind::NotFound.into(), 0));
        };
        open.start = open.length;
        if self.torn {
            open.start = open.file.metadata().map_err(|error| (error, 0))?.len();
        }
        match open.file.write_all(bytes) {
            Ok(()) => {
                let written = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                open.length = open.start.saturating_add(written);
                (self.torn, self.meddled) = (false, None);
                Ok(())
            }
            Err(error) if !open.regular => Err((error, 0)),
            Err(error) => {
                let stand = self.take_back();
                Err((error, stand))
            }
        }
    }

    /// Forces what was written onto the disk. Where that fails it is not known what is there: the
    /// last `bytes` are taken back where that can be done, else they stand, as the error says.
    pub(super) fn sync(&mut self, bytes: usize) -> Result<(), (io::Error, usize)> {
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        // What is no file of a disk has nothing to force.
        let Err(error) = open.file.sync_data() else {
            return Ok(());
        };
        if !open.regular {
            return Ok(());
        }
        let before = open
            .length
            .saturating_sub(u64::try_from(bytes).unwrap_or(u64::MAX));
        if open.file.set_len(before).is_ok() {
            open.length = before;
            return Err((error, 0));
        }
        // All of it stands: whole lines, of which it is not known whether they last.
        open.start = before;
        Err((error, bytes))
    }

    /// Of `standing` bytes that could not be taken back only so many are whole lines.
    pub(super) fn tear(&mut self, standing: usize, whole: usize) {
        if let Some(open) = &mut self.open {
            if whole > 0 {
                let whole = u64::try_from(whole).unwrap_or(u64::MAX);
                open.length = open.start.saturating_add(whole);
                self.torn = false;
            }
            self.torn |= standing > whole;
        }
    }

    /// Forgets the open file, so that the next attempt begins with its name.
    pub(super) fn give_up(&mut self) {
        if !self.torn {
            self.open = None;
        }
    }

    /// How many bytes stand after the last good length, once what can be is taken back.
    fn take_back(&mut self) -> usize {
        let Some(open) = &mut self.open else { return 0 };
        if open.file.set_len(open.length).is_ok() {
            return 0;
        }
        let end = open.file.metadata().map_or(open.start, |found| found.len());
        usize::try_from(end.saturating_sub(open.start)).unwrap_or(usize::MAX)
    }

    /// Whether the open file is still the one of its name, and as long as we left it.
    fn look(&mut self) -> io::Result<Option<Meddled>> {
        let Some(open) = &mut self.open else {
            return Ok(None);
        };
        let found = match std::fs::symlink_metadata(&self.path) {
            Ok(found) => found,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.open = None;
                self.torn = false;
                return Ok(Some(Meddled::Removed));
            }
            Err(error) => return Err(error),
        };
        if (found.dev(), found.ino()) != open.identity {
            self.open = None;
            self.torn = false;
            return Ok(Some(Meddled::Replaced));
        }
        if open.regular && !self.torn && found.len() != open.length {
            open.length = found.len();
            open.end_line()?;
            return Ok(Some(Meddled::Changed));
        }
        Ok(None)
    }

    /// Opens the file by its name; makes it where there is none. Nobody else may write it meanwhile.
    fn opened(&self) -> io::Result<Open> {
        let link = |path: &Path| {
            std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_symlink())
        };
        let a_link = "it is a symbolic link: name the file itself";
        if link(&self.path) {
            return Err(invalid(a_link));
        }
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(0o600);
        let file = match options.open(&self.path) {
            // A terminal, say, cannot always be read.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                OpenOptions::new().append(true).open(&self.path)?
            }
            opened => opened?,
        };
        let found = file.metadata()?;
        let named = std::fs::symlink_metadata(&self.path)?;
        let identity = (found.dev(), found.ino());
        if identity != (named.dev(), named.ino()) {
            return Err(invalid(a_link));
        }
        let regular = found.is_file();
        if !regular && !found.file_type().is_char_device() {
            return Err(invalid("it is no file"));
        }
        if regular && let Err(error) = file.try_lock() {
            return Err(match error {
                std::fs::TryLockError::WouldBlock => {
                    invalid("another process writes it: each replica needs a file of its own")
                }
                std::fs::TryLockError::Error(error) => error,
            });
        }
        if regular {
            settle(&self.path);
        }
        Ok(Open {
            file,
            identity,
            length: if regular { found.len() } else { 0 },
            start: 0,
            first: 1,
            day: if regular && found.len() > 0 {
                u64::try_from(found.mtime()).unwrap_or_default() / A_DAY
            } else {
                0
            },
            regular,
        })
    }

    /// Puts the full file aside under the number of its first line, and begins a new one.
    fn turn(&mut self, next: u64) -> io::Result<()> {
        let Some(open) = &self.open else {
            return Ok(());
        };
        open.file.sync_all()?;
        let mut aside = self.aside(&format!("{:020}", open.first));
        // Never over what is there: a chain that began anew may have the same numbers.
        for again in 1.. {
            match std::fs::symlink_metadata(&aside) {
                Err(error) if error.kind() == ErrorKind::NotFound => break,
                _ => aside = self.aside(&format!("{:020}-{again}", open.first)),
            }
        }
        let day = open.day;
        std::fs::rename(&self.path, &aside)?;
        self.open = None;
        settle(&self.path);
        let mut opened = self.opened()?;
        (opened.first, opened.day) = (next, day);
        self.open = Some(opened);
        let full = self.full()?;
        let surplus = full.len().saturating_sub(self.rotate.keep);
        for old in full.iter().take(surplus) {
            match std::fs::remove_file(old) {
                Ok(()) => {
                    tracing::info!(file = %old.display(), "an old file of the audit trail is deleted")
                }
                Err(error) => tracing::warn!(
                    file = %old.display(),
                    "an old file of the audit trail cannot be deleted: {error}"
                ),
            }
        }
        Ok(())
    }

    fn aside(&self, ending: &str) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(".");
        name.push(ending);
        name.into()
    }

    /// The full files, the oldest first.
    fn full(&self) -> io::Result<Vec<PathBuf>> {
        full(&self.path)
    }
}

impl Open {
    /// Half a line of somebody else's is not to become half of ours.
    fn end_line(&mut self) -> io::Result<()> {
        if !self.regular || self.length == 0 {
            return Ok(());
        }
        let mut last = [0];
        self.file.seek(SeekFrom::Start(self.length - 1))?;
        self.file.read_exact(&mut last)?;
        if last != *b"\n" {
            self.file.write_all(b"\n")?;
            self.length += 1;
        }
        Ok(())
    }
}

/// The full files beside the one of this name, the oldest first.
///
/// # Errors
/// The folder cannot be read.
pub fn full(path: &Path) -> io::Result<Vec<PathBuf>> {
    let Some(name) = path.file_name() else {
        return Ok(Vec::new());
    };
    let mut start = name.to_os_string();
    start.push(".");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder(path))? {
        let entry = entry?;
        let other = entry.file_name();
        let ending = other
            .as_encoded_bytes()
            .strip_prefix(start.as_encoded_bytes())
            .unwrap_or_default();
        let digits = ending.iter().take(20).filter(|byte| byte.is_ascii_digit());
        let rest = ending.get(20..).unwrap_or_default();
        if digits.count() == 20 && (rest.is_empty() || rest.starts_with(b"-")) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// What was done before a write.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    pub(super) meddled: Option<Meddled>,
    pub(super) torn: Option<Torn>,
    pub(super) turned: bool,
}

/// A name that was made or changed is as lasting as what it names.
fn settle(path: &Path) {
    // Some file systems know no such thing, and nothing is lost but their promise.
    let _ = File::open(folder(path)).and_then(|folder| folder.sync_all());
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, text)
}

/// In seconds.
pub(super) const A_DAY: u64 = 86_400;
