//! Looks whether a trail is whole.
//!
//! What the chain alone cannot tell: whether lines are missing at the very end of the newest file,
//! and whether somebody who has the key (or, without one, may write the file) made all of it anew.
//! The heads that are logged, and `/status`, say so to who keeps them elsewhere.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::line::{Head, Link};
use super::seal::{Key, Seal};
use crate::net::hex::encode as hex;

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file.
    pub file: PathBuf,
    /// The line, counted from 1.
    pub line: u64,
    /// What is wrong.
    pub what: String,
}

/// One end of what was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The number of the line.
    pub seq: u64,
    /// When it says it was written.
    pub time: String,
    /// Its sum, as it says.
    pub sum: String,
}

/// What was looked at, and what is wrong with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many lines have the form.
    pub records: u64,
    /// The first.
    pub first: Option<Found>,
    /// The last.
    pub last: Option<Found>,
    /// How often the program started.
    pub starts: u64,
    /// Records that the trail itself says are missing.
    pub lost: u64,
    /// Torn lines that the trail itself tells of.
    pub repaired: u64,
    /// All that is wrong, the first twenty of it.
    pub faults: Vec<Fault>,
    /// How much is wrong in all.
    pub wrong: u64,
}

/// Looks at these files of one trail, in whatever order they are named. With `mixed` lines that are
/// none of a trail's are passed over, and the chain may begin again: what standard output was
/// collected to, named in order. Without `keys` only a trail that was kept without a key can be looked at.
///
/// # Errors
/// A file cannot be read.
pub fn verify(files: &[PathBuf], keys: &[Key], mixed: bool) -> io::Result<Summary> {
    let mut ordered = Vec::with_capacity(files.len());
    for (at, file) in files.iter().enumerate() {
        // One alone is read once, as it may be a pipe; collections of standard output are in order
        // as they are named.
        let first = if mixed || files.len() == 1 {
            Some(0)
        } else {
            first_number(file)?
        };
        ordered.push((first.unwrap_or(u64::MAX), at, file));
    }
    ordered.sort();
    let seals = match keys {
        [] => vec![Seal::Plain],
        keys => keys.iter().map(Seal::keyed).collect(),
    };
    let mut look = Look {
        seals,
        mixed,
        known: None,
        torn: None,
        summary: Summary::default(),
    };
    for (_, _, file) in ordered {
        look.file(file)?;
    }
    // What a crash tore may be told of in the next file.
    look.unexplained();
    Ok(look.summary)
}

struct Look {
    seals: Vec<Seal>,
    mixed: bool,
    /// The last line that has the form: where the chain stands, and where that was.
    known: Option<(Head, Place)>,
    /// Lines without form, until a line tells of them.
    torn: Option<Pieces>,
    summary: Summary,
}

#[derive(Clone)]
struct Place {
    file: PathBuf,
    line: u64,
}

struct Pieces {
    at: Place,
    bytes: u64,
    sum: Sha256,
    ended: bool,
}

impl Look {
    fn file(&mut self, path: &Path) -> io::Result<()> {
        let mut reader = BufReader::new(open(path)?);
        let mut at = Place {
            file: path.to_owned(),
            line: 0,
        };
        let mut line = Vec::new();
        loop {
            line.clear();
            if reader.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            at.line += 1;
            let ended = line.last() == Some(&b'\n');
            let text = line.strip_suffix(b"\n").unwrap_or(&line);
            match Link::read(text) {
                Some(link) if ended => self.link(&link, text, &at),
                _ if self.mixed && !text.starts_with(b"{\"seq\":") => {}
                _ => self.piece(text, ended, &at),
            }
        }
        Ok(())
    }

    fn link(&mut self, link: &Link<'_>, text: &[u8], at: &Place) {
        self.explain(link, text);
        let summary = &mut self.summary;
        summary.records += 1;
        let found = Found {
            seq: link.seq,
            time: link.time.to_owned(),
            sum: hex(&link.sum),
        };
        match link.event {
            "start" => summary.starts += 1,
            "gap" => summary.lost += number(text, "lost").unwrap_or_default(),
            _ => {}
        }
        self.sealed(link, at);
        self.follows(link, at);
        self.known = Some((link.head(), at.clone()));
        self.summary.first.get_or_insert_with(|| found.clone());
        self.summary.last = Some(found);
    }

    /// Whether the line says what it said when it was written.
    fn sealed(&mut self, link: &Link<'_>, at: &Place) {
        let [current, ..] = self.seals.as_slice() else {
            return;
        };
        if link.holds(current) {
            return;
        }
        // Another key is taken up where the program started with it, and nowhere else.
        let other = self.seals.iter().position(|seal| link.holds(seal));
        if let Some(other) = other
            && (matches!(link.event, "start" | "repaired") || self.known.is_none())
        {
            self.seals.swap(0, other);
            return;
        }
        let keyed = matches!(current, Seal::Keyed(_));
        let what = match (link.keyed, keyed) {
            (true, false) => "it is sealed with a key: name the key file",
            (false, true) => {
                "it is not sealed with the key: forged, or written before there was one"
            }
            _ => "it was altered: its sum is another",
        };
        self.fault(at.clone(), what.to_owned());
    }

    /// Whether it is the one after the last.
    fn follows(&mut self, link: &Link<'_>, at: &Place) {
        let (head, place) = match &self.known {
            Some((head, place)) => (*head, place.clone()),
            // What came before it was deleted, or not named; the very first says so by its number.
            None if link.seq != 1 || Head::default().precedes(link) => return,
            None => (Head::default(), at.clone()),
        };
        if head.precedes(link) {
            return;
        }
        let anew = self.mixed && link.event == "start" && Head::default().precedes(link);
        if anew {
            return;
        }
        let last = format!("line {} of {}", place.line, place.file.display());
        let after = head.seq.saturating_add(1);
        let what = if link.seq > after {
            let missing = match link.seq - 1 {
                to if to == after => format!("record {to} is"),
                to => format!("records {after} to {to} are"),
            };
            format!("{missing} missing between {last} and here")
        } else if link.seq < after {
            format!(
                "record {} stands after record {}, {last}: put in, doubled or moved",
                link.seq, head.seq
            )
        } else {
            format!("it does not follow {last}: one of them was altered or exchanged")
        };
        self.fault(at.clone(), what);
    }

    /// A line without form.
    fn piece(&mut self, text: &[u8], ended: bool, at: &Place) {
        let pieces = self.torn.get_or_insert_with(|| Pieces {
            at: at.clone(),
            bytes: 0,
            sum: Sha256::new(),
            ended: false,
        });
        if pieces.ended {
            pieces.sum.update(b"\n");
            pieces.bytes += 1;
        }
        pieces.sum.update(text);
        pieces.bytes += u64::try_from(text.len()).unwrap_or(u64::MAX);
        pieces.ended = ended;
    }

    /// Lines without form are well where the next line tells of them.
    fn explain(&mut self, link: &Link<'_>, text: &[u8]) {
        let Some(pieces) = &self.torn else { return };
        let told = link.event == "repaired"
            && number(text, "torn_bytes") == Some(pieces.bytes)
            && word(text, "torn_sha256") == Some(&hex(&pieces.sum.clone().finalize()));
        if told {
            self.summary.repaired += 1;
            self.torn = None;
        }
        self.unexplained();
    }

    fn unexplained(&mut self) {
        if let Some(pieces) = self.torn.take() {
            let what = if pieces.ended {
                "it is no record of a trail, and no record tells of a crash here"
            } else {
                "it breaks off: it was cut, a crash tore it, or it is being written now"
            };
            self.fault(pieces.at, what.to_owned());
        }
    }

    fn fault(&mut self, at: Place, what: String) {
        self.summary.wrong += 1;
        if self.summary.faults.len() < MOST {
            self.summary.faults.push(Fault {
                file: at.file,
                line: at.line,
                what,
            });
        }
    }
}

/// Of many files the error says which.
fn open(path: &Path) -> io::Result<File> {
    File::open(path)
        .map_err(|error| io::Error::new(error.kind(), format!("`{}`: {error}", path.display())))
}

/// The number of the first line that has one.
fn first_number(path: &Path) -> io::Result<Option<u64>> {
    let mut reader = BufReader::new(open(path)?);
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        if let Some(link) = Link::read(text) {
            return Ok(Some(link.seq));
        }
    }
}

/// A number of a line that has the form.
fn number(text: &[u8], name: &str) -> Option<u64> {
    let rest = after(text, name)?;
    let end = rest.find([',', '}'])?;
    rest.get(..end)?.parse().ok()
}

/// A text of such a line, where nothing of it is escaped.
fn word<'a>(text: &'a [u8], name: &str) -> Option<&'a str> {
    let rest = after(text, name)?.strip_prefix('"')?;
    rest.split_once('"').map(|(word, _)| word)
}

fn after<'a>(text: &'a [u8], name: &str) -> Option<&'a str> {
    let text = std::str::from_utf8(text).ok()?;
    text.split_once(&format!("\"{name}\":"))
        .map(|(_, rest)| rest)
}

/// So many faults are told one by one.
const MOST: usize = 20;

#[cfg(test)]
mod tests;
