//! A counter for each line of a rule file, found without a lock: a table of tables that are made
//! when a line in them first needs one.

use std::sync::OnceLock;

use prometheus::IntCounter;

use super::families::UNDECODABLE;
use super::page::Page;
use super::tenant::Slot;

/// Counters by line.
#[derive(Debug)]
pub(super) struct Lines([OnceLock<Box<[Slot<IntCounter>; WIDTH]>>; WIDTH]);

impl Lines {
    pub(super) const fn new() -> Self {
        Self([const { OnceLock::new() }; WIDTH])
    }

    /// The line by which a line is shown: those beyond the table are all its last.
    pub(super) fn shown(line: usize) -> usize {
        line.min(WIDTH * WIDTH - 1)
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "`shown` is below WIDTH², so both indices are below WIDTH"
    )]
    pub(super) fn slot(&self, line: usize) -> &Slot<IntCounter> {
        let line = Self::shown(line);
        let table = self.0[line / WIDTH].get_or_init(|| Box::new([const { Slot::new() }; WIDTH]));
        &table[line % WIDTH]
    }

    pub(super) fn fill(&self, page: &mut Page) {
        for table in self.0.iter().filter_map(OnceLock::get) {
            page.slots(&UNDECODABLE, table.iter());
        }
    }
}

const WIDTH: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_has_a_place_however_long_the_file() {
        let lines = Lines::new();
        let at = |line| -> *const Slot<IntCounter> { lines.slot(line) };
        for line in [0, 1, 63, 64, 65, 4094] {
            assert_eq!(at(line), at(line));
            assert_ne!(at(line), at(line + 1), "{line}");
        }
        assert_eq!(at(4095), at(usize::MAX));
        assert_eq!(Lines::shown(usize::MAX), 4095);
    }
}
