//! The one body type of requests and answers.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

pub use super::reading::{CollectError, Terms, collect, stream};

use super::client::Place;
use crate::scim::operation::{BoxStream, Interrupted};

/// A body, with an exact size hint wherever the size is known.
#[derive(Default)]
pub enum Body {
    /// No bytes.
    #[default]
    Empty,
    /// All of it in hand.
    Full(Bytes),
    /// What a peer is sending.
    Incoming(Arriving),
    /// What is being made.
    Stream(BoxStream<Bytes>),
}

/// A body on its way from a peer.
#[derive(Debug)]
pub struct Arriving {
    incoming: Incoming,
    /// The place among the open requests to a directory, given back when the body ends.
    place: Option<Place>,
}

/// Why a body ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The peer, or HTTP itself.
    #[error("the body broke off")]
    Http(#[from] hyper::Error),
    /// The source of a stream.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        match this {
            Self::Empty => Poll::Ready(None),
            Self::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                *this = Self::Empty;
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Self::Incoming(arriving) => Pin::new(arriving).poll_frame(cx).map_err(BodyError::from),
            Self::Stream(stream) => stream
                .as_mut()
                .poll_next(cx)
                .map(|item| item.map(|part| part.map(Frame::data).map_err(BodyError::from))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(bytes) => bytes.is_empty(),
            Self::Incoming(arriving) => arriving.is_end_stream(),
            Self::Stream(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Incoming(arriving) => arriving.size_hint(),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}

impl http_body::Body for Arriving {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) {
            self.place = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Arriving {
    /// An answer that takes up a place until it has arrived.
    pub(super) fn with_place(incoming: Incoming, place: Place) -> Self {
        let place = (!incoming.is_end_stream()).then_some(place);
        Self { incoming, place }
    }
}

impl From<Incoming> for Body {
    fn from(incoming: Incoming) -> Self {
        Self::Incoming(Arriving {
            incoming,
            place: None,
        })
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Full(bytes)
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Empty => "Empty",
            Self::Full(_) => "Full",
            Self::Incoming(_) => "Incoming",
            Self::Stream(_) => "Stream",
        })
    }
}
