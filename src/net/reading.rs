//! The two ways to read a body: into one piece, or as a stream; both bounded in size and time.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use http_body::{Body as _, Frame};
use tokio::time::{Sleep, sleep_until};

use super::body::{Body, BodyError};
use crate::scim::operation::{BoxStream, Interrupted};

/// How a body may come: at most so many bytes, no pause longer than `idle`, all of it by
/// `deadline`.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// In bytes.
    pub limit: usize,
    /// Between one part and the next.
    pub idle: Duration,
    /// For all of it.
    pub deadline: Instant,
}

/// Why a body was not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CollectError {
    /// It is larger than the limit, in bytes.
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    /// It came too slowly.
    #[error("the body did not arrive in time")]
    TimedOut,
    /// It broke off, or its framing is broken.
    #[error("the body broke off")]
    Broken,
}

/// Reads all of it.
///
/// # Errors
/// When it does not keep to the terms, or breaks off.
pub async fn collect(body: Body, terms: Terms) -> Result<Bytes, CollectError> {
    let mut reading = match body {
        Body::Empty => return Ok(Bytes::new()),
        Body::Full(bytes) if bytes.len() <= terms.limit => return Ok(bytes),
        body => Reading::new(body, terms),
    };
    let Some(first) = reading.part().await.transpose()? else {
        return Ok(Bytes::new());
    };
    let Some(second) = reading.part().await.transpose()? else {
        return Ok(first);
    };
    let expected = usize::try_from(reading.body.size_hint().lower()).unwrap_or(0);
    let known = first.len() + second.len();
    let mut all = BytesMut::with_capacity(known + expected.min(terms.limit - known));
    all.extend_from_slice(&first);
    all.extend_from_slice(&second);
    while let Some(part) = reading.part().await.transpose()? {
        all.extend_from_slice(&part);
    }
    Ok(all.freeze())
}

/// Hands its parts on as they come.
#[must_use]
pub fn stream(body: Body, terms: Terms) -> BoxStream<Bytes> {
    Box::pin(Reading::new(body, terms))
}

/// A body that is being read under terms.
struct Reading {
    body: Body,
    terms: Terms,
    read: usize,
    /// The next moment at which it is too late, once one was waited for.
    timer: Option<Pin<Box<Sleep>>>,
    ended: bool,
}

impl Reading {
    fn new(body: Body, terms: Terms) -> Self {
        Self {
            body,
            terms,
            read: 0,
            timer: None,
            ended: false,
        }
    }

    async fn part(&mut self) -> Option<Result<Bytes, CollectError>> {
        std::future::poll_fn(|cx| self.poll_part(cx)).await
    }

    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, CollectError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let part = ready!(self.poll_raw(cx));
        self.ended = !matches!(part, Some(Ok(_)));
        Poll::Ready(part)
    }

    fn poll_raw(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, CollectError>>> {
        let limit = self.terms.limit;
        let left = limit - self.read;
        if self.body.size_hint().lower() > left as u64 {
            return Poll::Ready(Some(Err(CollectError::TooLarge(limit))));
        }
        loop {
            let frame = match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(frame) => frame,
                Poll::Pending => return self.wait(cx).map(Err).map(Some),
            };
            // Trailers say nothing to us; empty parts do not count as getting on.
            let part = match frame.map(|frame| frame.map(Frame::into_data)) {
                None => return Poll::Ready(None),
                Some(Err(BodyError::Interrupted(Interrupted::TimedOut))) => {
                    return Poll::Ready(Some(Err(CollectError::TimedOut)));
                }
                Some(Err(_)) => return Poll::Ready(Some(Err(CollectError::Broken))),
                Some(Ok(Ok(part))) if !part.is_empty() => part,
                Some(Ok(_)) => continue,
            };
            if part.len() > left {
                return Poll::Ready(Some(Err(CollectError::TooLarge(limit))));
            }
            self.read += part.len();
            self.timer = None;
            return Poll::Ready(Some(Ok(part)));
        }
    }

    /// Ready when waiting has taken too long.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<CollectError> {
        let Terms { idle, deadline, .. } = self.terms;
        let timer = self.timer.get_or_insert_with(|| {
            let end = Instant::now()
                .checked_add(idle)
                .map_or(deadline, |end| end.min(deadline));
            Box::pin(sleep_until(end.into()))
        });
        timer.as_mut().poll(cx).map(|()| CollectError::TimedOut)
    }
}

impl Stream for Reading {
    type Item = Result<Bytes, Interrupted>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_part(cx)
            .map(|part| part.map(|part| part.map_err(Interrupted::from)))
    }
}

impl From<CollectError> for Interrupted {
    fn from(error: CollectError) -> Self {
        match error {
            CollectError::TooLarge(limit) => Self::TooLarge(limit),
            CollectError::TimedOut => Self::TimedOut,
            CollectError::Broken => Self::Lost,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parts that are there at once; after them, the end or endless waiting.
    struct Parts(Vec<Result<Bytes, Interrupted>>, bool);

    impl Stream for Parts {
        type Item = Result<Bytes, Interrupted>;

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            match self.0.pop() {
                Some(part) => Poll::Ready(Some(part)),
                None if self.1 => Poll::Ready(None),
                None => Poll::Pending,
            }
        }
    }

    fn made(parts: &[&'static str], ends: bool) -> Body {
        let parts = parts.iter().rev().map(|p| Ok(Bytes::from(*p))).collect();
        Body::Stream(Box::pin(Parts(parts, ends)))
    }

    fn terms(limit: usize) -> Terms {
        Terms {
            limit,
            idle: Duration::from_secs(600),
            deadline: Instant::now() + Duration::from_secs(600),
        }
    }

    #[tokio::test]
    async fn a_body_is_collected_up_to_its_limit() {
        for parts in [
            vec![],
            vec![""],
            vec!["abc"],
            vec!["a", "b"],
            vec!["a", "", "b", "cde"],
        ] {
            let whole = parts.concat();
            let limit = whole.len();
            let collected = collect(made(&parts, true), terms(limit)).await;
            assert_eq!(collected, Ok(Bytes::from(whole.clone())), "{parts:?}");
            let full = collect(Body::Full(whole.clone().into()), terms(limit)).await;
            assert_eq!(full, Ok(Bytes::from(whole)));
            if let Some(less) = limit.checked_sub(1) {
                let large = Err(CollectError::TooLarge(less));
                assert_eq!(collect(made(&parts, true), terms(less)).await, large);
                let full = Body::Full(parts.concat().into());
                assert_eq!(collect(full, terms(less)).await, large);
            }
        }
    }

    #[tokio::test]
    async fn a_body_that_stops_or_breaks_says_so() {
        let short = Duration::from_millis(20);
        let idle = Terms {
            idle: short,
            ..terms(9)
        };
        assert_eq!(
            collect(made(&["a"], false), idle).await,
            Err(CollectError::TimedOut)
        );
        let late = Terms {
            deadline: Instant::now() + short,
            ..terms(9)
        };
        assert_eq!(
            collect(made(&["a"], false), late).await,
            Err(CollectError::TimedOut)
        );
        let broken = Parts(vec![Err(Interrupted::Lost), Ok("a".into())], true);
        let broken = collect(Body::Stream(Box::pin(broken)), terms(9)).await;
        assert_eq!(broken, Err(CollectError::Broken));
    }

    #[tokio::test]
    async fn a_stream_hands_parts_on_and_ends_after_an_error() {
        let mut parts = stream(made(&["ab", "", "cd", "e"], true), terms(4));
        let mut next = async || std::future::poll_fn(|cx| parts.as_mut().poll_next(cx)).await;
        assert_eq!(next().await, Some(Ok("ab".into())));
        assert_eq!(next().await, Some(Ok("cd".into())));
        assert_eq!(next().await, Some(Err(Interrupted::TooLarge(4))));
        assert_eq!(next().await, None);
    }
}
