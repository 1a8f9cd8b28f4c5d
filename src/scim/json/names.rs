//! The names of the object being scanned, to find one that stands twice.

use std::borrow::Cow;
use std::collections::HashSet;

/// The names of every object that is open, innermost last, in one vector: no allocation per
/// object. An object of many names gets a hash set, so that none costs quadratic time; the
/// standard library's hasher is keyed, so that none can be made to collide.
#[derive(Debug, Default)]
pub(super) struct Names<'a> {
    open: Vec<Cow<'a, [u8]>>,
}

/// The part of [`Names`] that belongs to one object.
#[derive(Debug)]
pub(super) struct Own {
    base: usize,
    many: Option<HashSet<Box<[u8]>>>,
}

impl<'a> Names<'a> {
    /// Opens an object.
    pub(super) fn open(&self) -> Own {
        Own {
            base: self.open.len(),
            many: None,
        }
    }

    /// Adds a name to the innermost object; false when it has it already, in whatever case.
    pub(super) fn add(&mut self, own: &mut Own, name: Cow<'a, [u8]>) -> bool {
        if let Some(many) = &mut own.many {
            return many.insert(lower(&name));
        }
        let here = self.open.get(own.base..).unwrap_or_default();
        if here.iter().any(|other| other.eq_ignore_ascii_case(&name)) {
            return false;
        }
        if here.len() < FEW {
            self.open.push(name);
        } else {
            let mut many: HashSet<_> = here.iter().map(|other| lower(other)).collect();
            many.insert(lower(&name));
            own.many = Some(many);
        }
        true
    }

    /// Closes the innermost object.
    pub(super) fn close(&mut self, own: &Own) {
        self.open.truncate(own.base);
    }
}

fn lower(name: &[u8]) -> Box<[u8]> {
    name.to_ascii_lowercase().into()
}

/// Up to here a look at each beats hashing.
const FEW: usize = 24;
