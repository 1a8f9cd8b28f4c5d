//! A `ListResponse` taken apart as it arrives: each element of `Resources` is handed over as soon
//! as it is whole, so that a list is never one tree.

use bytes::Bytes;

use super::json::JsonError;

/// Push bytes in, take elements out; memory is bounded by one element.
#[derive(Debug)]
pub struct Framer {
    max_element: usize,
}

/// What stood around `Resources`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Envelope {
    /// `totalResults`.
    pub total: Option<usize>,
    /// `startIndex`.
    pub start: Option<usize>,
}

impl Framer {
    /// A framer that refuses elements larger than `max_element` bytes.
    #[must_use]
    pub fn new(max_element: usize) -> Self {
        Self { max_element }
    }

    /// Takes the next bytes of the text and appends every element that they complete to `out`.
    /// An untidy directory's `resources` in any case, and a bare array, are understood.
    ///
    /// # Errors
    /// The text is not JSON, or not a list. Elements are checked by [`super::json::check`] later.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<Bytes>) -> Result<(), JsonError> {
        let _ = (bytes, out, self.max_element);
        todo!()
    }

    /// What is known of the envelope so far.
    #[must_use]
    pub fn envelope(&self) -> Envelope {
        todo!()
    }

    /// Says that the text is over.
    ///
    /// # Errors
    /// It ended too early.
    pub fn finish(self) -> Result<Envelope, JsonError> {
        todo!()
    }
}
