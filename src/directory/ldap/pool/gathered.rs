//! The values of one attribute, gathered part by part while others change it.
//!
//! A part is told by the places of its values, and places move: when a value before a part goes,
//! all behind it move up, and one would slip through between two parts. So each part is asked from
//! a little before the end of the last one, and must have a value in it that is known. Servers keep
//! their values in an order that does not change (Active Directory that of its link table, Samba
//! that of the ids), so between a known value and the end of its part nothing is missing. Where none
//! is known, more has gone than the parts share: it is gone back as far as need be.

use std::collections::HashSet;

use bytes::Bytes;

use crate::ldap::attribute::Range;

/// What was gathered, and where it goes on.
#[derive(Debug)]
pub(super) struct Gathered {
    values: Vec<Bytes>,
    known: HashSet<Bytes>,
    /// How much room they take, roughly.
    held: usize,
    /// The place to ask from.
    next: Option<u32>,
    /// Whether what comes from there must have a value that is known.
    joins: bool,
    /// How far to go back from there where it has none.
    step: u32,
    /// How often it was gone back.
    back: u32,
}

/// What a server says to a question for the values from a place on.
#[derive(Debug)]
pub(super) enum Part {
    /// Some of them.
    Range(Range, Vec<Bytes>),
    /// All values that there are: it knows nothing of ranges, or there are none.
    All(Vec<Bytes>),
    /// There are not so many.
    Beyond,
}

/// Why there is no whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stuck {
    /// The answer is none to the question.
    Broken,
    /// The values change faster than they can be read.
    Unsteady,
    /// They are more than can be held.
    TooMany,
}

impl Gathered {
    pub(super) fn nothing() -> Self {
        Self {
            values: Vec::new(),
            known: HashSet::new(),
            held: 0,
            next: Some(0),
            joins: false,
            step: 1,
            back: 0,
        }
    }

    /// Where it goes on; `None` where all is here.
    pub(super) fn next(&self) -> Option<u32> {
        self.next
    }

    /// All values, each once.
    pub(super) fn values(self) -> Vec<Bytes> {
        self.values
    }

    /// Takes the answer to a question from [`Self::next`] on.
    pub(super) fn take(&mut self, part: Part) -> Result<(), Stuck> {
        let asked = self.next.unwrap_or_default();
        let (range, values) = match part {
            Part::Range(range, values) => (range, values),
            Part::All(values) if asked == 0 || !values.is_empty() => {
                self.next = None;
                return self.add(values);
            }
            Part::All(_) | Part::Beyond => return self.go_back(asked),
        };
        let length = u32::try_from(values.len()).unwrap_or(u32::MAX);
        if range.from != asked || (length == 0 && range.to.is_some()) {
            return Err(Stuck::Broken);
        }
        if self.joins && !values.iter().any(|value| self.known.contains(value)) {
            return self.go_back(asked);
        }
        self.add(values)?;
        let Some(last) = range.to else {
            self.next = None;
            return Ok(());
        };
        let shared = SHARED.min(length / 2);
        let next = last
            .checked_add(1)
            .ok_or(Stuck::Broken)?
            .saturating_sub(shared);
        if next <= asked {
            // It tells another end than it has.
            return Err(Stuck::Broken);
        }
        self.next = Some(next);
        self.joins = shared > 0;
        self.step = length;
        Ok(())
    }

    fn add(&mut self, values: Vec<Bytes>) -> Result<(), Stuck> {
        for value in values {
            if self.known.insert(value.clone()) {
                self.held += value.len() + BESIDE;
                self.values.push(value);
            }
        }
        if self.held > MOST_HELD {
            return Err(Stuck::TooMany);
        }
        Ok(())
    }

    fn go_back(&mut self, asked: u32) -> Result<(), Stuck> {
        if self.back == MOST_BACK {
            return Err(Stuck::Unsteady);
        }
        self.back += 1;
        let next = asked.saturating_sub(self.step);
        self.step = self.step.saturating_mul(2);
        self.next = Some(next);
        // Before the first nothing can be missing.
        self.joins = next > 0;
        Ok(())
    }
}

/// So many values are asked for twice.
const SHARED: u32 = 16;
/// What a value takes beside its own bytes.
const BESIDE: usize = 80;
/// So much all of them may take: a million members with long names.
const MOST_HELD: usize = 256 << 20;
/// So often it is gone back.
const MOST_BACK: u32 = 64;

#[cfg(test)]
mod tests;
