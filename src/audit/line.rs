//! The form of a line: JSON whose first members are its number and the sum of the line before it,
//! and whose last is its own sum, over every byte in front of that member.
//!
//! ```text
//! {"seq":7,"prev":"…64 digits…","time":"2026-11-24T09:12:44.123Z","event":"intent",…,"hmac":"…64 digits…"}
//! ```

use std::io::Write as _;

use super::seal::{Seal, Sum};
use crate::net::hex::{decode as unhex, encode as hex};

/// Where the chain stands: the number and the sum of its last line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    /// 0 before the first line.
    pub seq: u64,
    /// All zero before the first line.
    pub sum: Sum,
}

/// A line that has the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link<'a> {
    /// Its number.
    pub seq: u64,
    /// The sum of the line before it, as it says.
    pub prev: Sum,
    /// When, as it says.
    pub time: &'a str,
    /// What, as it says.
    pub event: &'a str,
    /// Whether it is sealed with a key.
    pub keyed: bool,
    /// Its own sum, as it says.
    pub sum: Sum,
    /// What the sum is over.
    pub covered: &'a [u8],
}

impl Head {
    /// Appends the next line, its line break included. `members` are its own, without braces; the
    /// first two are `time` and `event`.
    pub fn write(&mut self, members: &[u8], seal: &Seal, out: &mut Vec<u8>) {
        let start = out.len();
        let seq = self.seq.saturating_add(1);
        // Writing into memory does not fail.
        let _ = write!(out, "{{\"seq\":{seq},\"prev\":\"{}\",", hex(&self.sum));
        out.extend_from_slice(members);
        let sum = seal.over(out.get(start..).unwrap_or_default());
        let _ = writeln!(out, ",\"{}\":\"{}\"}}", seal.name(), hex(&sum));
        *self = Self { seq, sum };
    }

    /// Whether the line is the next one.
    #[must_use]
    pub fn precedes(&self, link: &Link<'_>) -> bool {
        self.seq.checked_add(1) == Some(link.seq) && self.sum == link.prev
    }
}

impl<'a> Link<'a> {
    /// Reads a line, without its line break. `None` where it has not the form.
    #[must_use]
    pub fn read(line: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(line).ok()?;
        let rest = text.strip_prefix("{\"seq\":")?;
        let (number, rest) = rest.split_once(",\"prev\":\"")?;
        let seq = number.parse().ok()?;
        // One way to write a number only.
        if number.starts_with(['0', '+']) {
            return None;
        }
        let (prev, rest) = rest.split_once("\",\"time\":\"")?;
        let (time, rest) = rest.split_once("\",\"event\":\"")?;
        let (event, _) = rest.split_once('"')?;
        let (covered, tail) = text.split_at_checked(text.len().checked_sub(TAIL)?)?;
        let (keyed, tail) = match tail.strip_prefix(",\"hmac\":\"") {
            Some(tail) => (true, tail),
            None => (false, tail.strip_prefix(",\"hash\":\"")?),
        };
        Some(Self {
            seq,
            prev: unhex(prev.as_bytes())?,
            time,
            event,
            keyed,
            sum: unhex(tail.strip_suffix("\"}")?.as_bytes())?,
            covered: covered.as_bytes(),
        })
    }

    /// Where the chain stands after it.
    #[must_use]
    pub fn head(&self) -> Head {
        Head {
            seq: self.seq,
            sum: self.sum,
        }
    }

    /// Whether its sum is that of what it says.
    #[must_use]
    pub fn holds(&self, seal: &Seal) -> bool {
        let keyed = matches!(seal, Seal::Keyed(_));
        self.keyed == keyed && seal.over(self.covered) == self.sum
    }
}

/// `,"hmac":"` with 64 digits and `"}`.
const TAIL: usize = 9 + 64 + 2;

#[cfg(test)]
mod tests {
    use super::super::seal::Key;
    use super::*;

    const MEMBERS: &[u8] = br#""time":"t","event":"e","a":"b""#;

    #[test]
    fn what_is_written_reads_back_and_chains() {
        for seal in [Seal::Plain, Seal::keyed(&Key::new(b"k"))] {
            let (mut head, mut out) = (Head::default(), Vec::new());
            head.write(MEMBERS, &seal, &mut out);
            let before = head;
            head.write(MEMBERS, &seal, &mut out);
            let text = String::from_utf8(out).unwrap();
            let lines: Vec<_> = text.lines().map(str::as_bytes).collect();
            let links: Vec<_> = lines.iter().map(|line| Link::read(line).unwrap()).collect();
            assert!(Head::default().precedes(&links[0]) && before.precedes(&links[1]));
            assert!(!before.precedes(&links[0]) && !Head::default().precedes(&links[1]));
            assert!(links.iter().all(|link| link.holds(&seal)));
            assert_eq!(
                (links[1].head(), links[1].event, links[1].time),
                (head, "e", "t")
            );
            let value: serde_json::Value = serde_json::from_slice(lines[1]).unwrap();
            assert_eq!(value["seq"], 2);
            assert_eq!(value[seal.name()].as_str().unwrap().len(), 64);
        }
    }

    #[test]
    fn a_seal_is_of_its_kind_and_key() {
        let (mut head, mut out) = (Head::default(), Vec::new());
        let seal = Seal::keyed(&Key::new(b"k"));
        head.write(MEMBERS, &seal, &mut out);
        out.pop();
        let link = Link::read(&out).unwrap();
        assert!(link.holds(&seal));
        assert!(!link.holds(&Seal::Plain) && !link.holds(&Seal::keyed(&Key::new(b"l"))));
    }
}
