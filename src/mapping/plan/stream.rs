//! Lists as they pass: one resource at a time, never as one tree. A small state machine: elements
//! in, the bytes of a finished `ListResponse` out. `Resources` comes first and the totals last, so
//! that nothing has to be known beforehand.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;

use super::{MappingError, Plan, View};
use crate::mapping::witness::Witness;
use crate::scim::Resource;
use crate::scim::frame::Framer;
use crate::scim::json::{self, Checked, Members};
use crate::scim::message::LIST_RESPONSE;
use crate::scim::operation::{BoxStream, Interrupted};

/// A list in the client's words while the directory's still comes in.
pub(super) struct Mapped<W> {
    plan: Arc<Plan>,
    view: View,
    witness: W,
    source: Source,
    /// How many elements the directory gave that are there for this account.
    seen: usize,
    /// How many are not.
    hidden: usize,
    /// How many of them went out.
    sent: usize,
    out: BytesMut,
    state: State,
}

enum Source {
    Resources {
        stream: BoxStream<Resource>,
        total: Option<usize>,
        start: usize,
    },
    Bytes {
        stream: BoxStream<Bytes>,
        framer: Box<Framer>,
        ready: VecDeque<Bytes>,
        scratch: Vec<Bytes>,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    Running,
    Done,
}

impl<W: Witness> Mapped<W> {
    /// Over resources that come one by one; `known` is the total and the start.
    pub(super) fn of_resources(
        plan: Arc<Plan>,
        view: View,
        witness: W,
        stream: BoxStream<Resource>,
        known: (Option<usize>, usize),
    ) -> Self {
        let source = Source::Resources {
            stream,
            total: known.0,
            start: known.1,
        };
        Self::new(plan, view, witness, source)
    }

    /// Over the text of a `ListResponse`.
    pub(super) fn of_bytes(
        plan: Arc<Plan>,
        view: View,
        witness: W,
        stream: BoxStream<Bytes>,
    ) -> Self {
        let source = Source::Bytes {
            stream,
            framer: Box::new(Framer::new(MAX_ELEMENT)),
            ready: VecDeque::new(),
            scratch: Vec::new(),
        };
        Self::new(plan, view, witness, source)
    }

    fn new(plan: Arc<Plan>, view: View, witness: W, source: Source) -> Self {
        Self {
            plan,
            view,
            witness,
            source,
            seen: 0,
            hidden: 0,
            sent: 0,
            out: BytesMut::new(),
            state: State::Start,
        }
    }

    /// Maps one resource and writes it.
    fn write(&mut self, resource: Members<'_>) -> Result<(), Interrupted> {
        // Which page one belongs to is known before it is mapped, unless some are not there for
        // this account.
        let plain = self.view.sight.is_none();
        if plain {
            self.seen += 1;
            if !self.wanted() {
                return Ok(());
            }
        }
        let shown = self
            .plan
            .ty(&self.view.resource)
            .ok_or_else(|| MappingError::Malformed("there is no such type".to_owned()))
            .and_then(|ty| {
                self.plan
                    .show(ty, resource, &self.view, None, &mut self.witness)
            })
            .map_err(interrupted)?;
        let Some(shown) = shown else {
            self.hidden += 1;
            return Ok(());
        };
        if !plain {
            self.seen += 1;
            if !self.wanted() {
                return Ok(());
            }
        }
        if self.sent > 0 {
            self.out.extend_from_slice(b",");
        }
        self.sent += 1;
        shown.print(&mut self.out);
        Ok(())
    }

    /// Whether the element just seen is in the page.
    fn wanted(&self) -> bool {
        match self.view.cut {
            None => true,
            Some((first, count)) => {
                self.seen >= first && count.is_none_or(|count| self.seen - first < count)
            }
        }
    }

    fn element(&mut self, text: Bytes) -> Result<(), Interrupted> {
        let checked = json::check(text).map_err(|error| {
            let number = self.seen + self.hidden + 1;
            Interrupted::Malformed(format!("resource {number} of the list: {error}"))
        })?;
        self.write(checked.members())
    }

    /// The end of the list: totals.
    fn finish(&mut self, total: Option<usize>, start: Option<usize>) {
        let (total, start) = match self.view.cut {
            Some((first, _)) => (self.seen, first),
            None => {
                let start = start.unwrap_or(self.view.start).max(1);
                // The directory was asked for what can be seen; where it means something else by
                // a value than we do, that is told by nothing either.
                let total = total.map(|total| total.saturating_sub(self.hidden));
                (total.unwrap_or(self.seen + start - 1), start)
            }
        };
        let tail = format!(
            "],\"totalResults\":{total},\"startIndex\":{start},\"itemsPerPage\":{}}}",
            self.sent
        );
        self.out.extend_from_slice(tail.as_bytes());
        self.state = State::Done;
    }

    /// Takes in what the source has; says when there is something to hand on.
    fn advance(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Interrupted>> {
        if self.state == State::Start {
            let head = format!("{{\"schemas\":[\"{LIST_RESPONSE}\"],\"Resources\":[");
            self.out.extend_from_slice(head.as_bytes());
            self.state = State::Running;
        }
        while self.state == State::Running && self.out.len() < CHUNK {
            let next = match &mut self.source {
                Source::Resources { stream, .. } => match stream.as_mut().poll_next(cx) {
                    Poll::Pending => return self.pending(),
                    Poll::Ready(next) => next.map(|item| item.map(Item::Tree)),
                },
                Source::Bytes { stream, ready, .. } => match ready.pop_front() {
                    Some(element) => Some(Ok(Item::Text(element))),
                    None => match stream.as_mut().poll_next(cx) {
                        Poll::Pending => return self.pending(),
                        Poll::Ready(next) => next.map(|item| item.map(Item::Chunk)),
                    },
                },
            };
            match next {
                Some(Ok(Item::Tree(resource))) => self.write(Checked::of(&resource).members())?,
                Some(Ok(Item::Text(text))) => self.element(text)?,
                Some(Ok(Item::Chunk(chunk))) => self.frame(&chunk)?,
                Some(Err(error)) => return Poll::Ready(Err(error)),
                None => self.end()?,
            }
        }
        Poll::Ready(Ok(()))
    }

    fn pending(&self) -> Poll<Result<(), Interrupted>> {
        if self.out.is_empty() {
            Poll::Pending
        } else {
            Poll::Ready(Ok(()))
        }
    }

    fn frame(&mut self, chunk: &Bytes) -> Result<(), Interrupted> {
        if let Source::Bytes {
            framer,
            ready,
            scratch,
            ..
        } = &mut self.source
        {
            let framed = framer.push(chunk, scratch);
            ready.extend(scratch.drain(..));
            framed.map_err(|error| Interrupted::Malformed(error.to_string()))?;
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Interrupted> {
        let (total, start) = match &mut self.source {
            Source::Resources { total, start, .. } => (*total, Some(*start)),
            Source::Bytes { framer, .. } => {
                let framer = std::mem::replace(framer.as_mut(), Framer::new(MAX_ELEMENT));
                let envelope = framer
                    .finish()
                    .map_err(|error| Interrupted::Malformed(error.to_string()))?;
                (envelope.total, envelope.start)
            }
        };
        self.finish(total, start);
        Ok(())
    }
}

enum Item {
    Tree(Resource),
    Text(Bytes),
    Chunk(Bytes),
}

impl<W: Witness + Send + 'static> Stream for Mapped<W> {
    type Item = Result<Bytes, Interrupted>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.state == State::Done && this.out.is_empty() {
            return Poll::Ready(None);
        }
        match this.advance(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(())) => Poll::Ready(Some(Ok(this.out.split().freeze()))),
            Poll::Ready(Err(error)) => {
                this.state = State::Done;
                this.out.clear();
                Poll::Ready(Some(Err(error)))
            }
        }
    }
}

// Nothing in it is ever pinned in place.
impl<W> Unpin for Mapped<W> {}

fn interrupted(error: MappingError) -> Interrupted {
    Interrupted::Malformed(match error {
        MappingError::Malformed(text)
        | MappingError::Refused(_, text)
        | MappingError::Forbidden(text) => text,
        MappingError::NoVersions | MappingError::Changed => "versions do not fit".to_owned(),
    })
}

/// Bytes are handed on when there are so many.
const CHUNK: usize = 32 * 1024;
/// The largest resource of a list.
const MAX_ELEMENT: usize = 16 * 1024 * 1024;
