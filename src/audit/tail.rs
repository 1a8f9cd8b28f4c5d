//! The ends of a file of the trail, as they were left: where its chain stands, and what stands there
//! without form.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};

use sha2::{Digest as _, Sha256};

use super::line::{Head, Link};
use super::seal::{Seal, Sum};

/// The end of a file.
pub(super) struct Tail {
    /// Where the chain stands after its last line that has the form.
    pub(super) head: Head,
    /// How many bytes stand after that.
    pub(super) rest: u64,
    /// The last line is whole but for its line break.
    pub(super) whole: bool,
}

/// What was found where the chain is to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Torn {
    /// How many bytes without form stand after the last good line.
    pub(super) bytes: u64,
    /// Their SHA-256.
    pub(super) sum: Sum,
}

impl Tail {
    /// Reads backwards until there is a line.
    pub(super) fn read(file: &mut File, seal: &Seal) -> io::Result<Self> {
        let length = file.metadata()?.len();
        let start = length.saturating_sub(LOOK);
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.take(LOOK).read_to_end(&mut bytes)?;
        let mut end = bytes.len();
        let (mut head, mut rest) = (Head::default(), end);
        // From its end, piece by piece; the first piece is one without a line break, or nothing.
        while let Some(before) = bytes.get(..end) {
            let begin = before
                .iter()
                .rposition(|byte| *byte == b'\n')
                .map_or(0, |at| at + 1);
            let line = before.get(begin..).unwrap_or_default();
            let broken = end < bytes.len();
            if broken && let Some(link) = Link::read(line) {
                head = link.head();
                rest = bytes.len().saturating_sub(end + 1);
                break;
            }
            if begin == 0 {
                break;
            }
            end = begin - 1;
        }
        let piece = bytes
            .len()
            .checked_sub(rest)
            .and_then(|from| bytes.get(from..));
        let link = piece.and_then(Link::read);
        let next = link.filter(|link| head.precedes(link) && link.holds(seal));
        let whole = next.is_some();
        Ok(Self {
            head: next.map_or(head, |link| link.head()),
            rest: u64::try_from(rest).unwrap_or(u64::MAX),
            whole,
        })
    }
}

/// The number of the first line; 0 where it broke off before that, `None` where it is no line.
pub(super) fn first(file: &mut File) -> io::Result<Option<u64>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    (&mut *file).take(32).read_to_end(&mut bytes)?;
    let start = b"{\"seq\":";
    let Some(rest) = bytes.strip_prefix(start) else {
        return Ok(start.starts_with(&bytes).then_some(0));
    };
    let digits: Vec<u8> = rest
        .iter()
        .copied()
        .take_while(u8::is_ascii_digit)
        .collect();
    let number = String::from_utf8(digits)
        .ok()
        .and_then(|text| text.parse().ok());
    Ok(Some(number.unwrap_or_default()))
}

/// Ends the last `rest` bytes with a line break, where they have none; says what they are.
pub(super) fn close(file: &mut File, rest: u64) -> io::Result<Option<Torn>> {
    if rest == 0 {
        return Ok(None);
    }
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(rest)))?;
    let mut bytes = Vec::new();
    (&mut *file).take(rest).read_to_end(&mut bytes)?;
    match bytes.last() {
        Some(b'\n') => {
            bytes.pop();
        }
        _ => file.write_all(b"\n")?,
    }
    Ok(Some(torn(&bytes)))
}

/// What stands between two lines, without the last line break.
pub(super) fn torn(bytes: &[u8]) -> Torn {
    Torn {
        bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        sum: Sha256::digest(bytes).into(),
    }
}

/// How far from its end a file is searched for its last line: far longer than any line is.
const LOOK: u64 = 4 << 20;
