//! The body of a request: bounded in size and time.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use tokio::time::{Instant, timeout_at};

use crate::net::Body;

use super::error::GatewayError;

/// Reads a body, and says in `ended` whether its end was seen. One that is a little too large is
/// read to its end and thrown away, so that the connection stays usable; a huge or endless one is
/// not.
///
/// # Errors
/// [`GatewayError::TooLarge`], [`GatewayError::SlowBody`], [`GatewayError::BrokenBody`].
pub(super) async fn read(
    body: &mut Body,
    largest: usize,
    deadline: Instant,
    ended: &mut bool,
) -> Result<Bytes, GatewayError> {
    let drained =
        u64::try_from(largest).map_or(u64::MAX, |largest| largest.saturating_mul(DRAINED));
    if body.size_hint().lower() > drained {
        return Err(GatewayError::TooLarge(largest));
    }
    match timeout_at(deadline, collect(body, largest, drained, ended)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(GatewayError::SlowBody),
    }
}

/// Takes what is left of a small body whose request is refused without it, so that the connection
/// stays usable, and for clients that send on before they listen. What is larger or slow is left.
pub(super) async fn discard(body: &mut Body, ended: &mut bool) {
    if *ended || body.size_hint().lower() > DISCARDED {
        return;
    }
    let deadline = Instant::now() + PATIENCE;
    // Whatever is wrong with it, the refusal stands.
    let _ = timeout_at(deadline, collect(body, 0, DISCARDED, ended)).await;
}

async fn collect(
    body: &mut Body,
    largest: usize,
    drained: u64,
    ended: &mut bool,
) -> Result<Bytes, GatewayError> {
    let mut held = BytesMut::new();
    let mut seen: u64 = 0;
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await {
        let frame = frame.map_err(|_| GatewayError::BrokenBody)?;
        // Trailers say nothing that we would believe.
        let Ok(data) = frame.into_data() else {
            continue;
        };
        seen = seen.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
        if seen > drained {
            return Err(GatewayError::TooLarge(largest));
        }
        if held.len().saturating_add(data.len()) > largest {
            held = BytesMut::new();
            continue;
        }
        if usize::try_from(seen).is_ok_and(|seen| seen <= largest) {
            held.extend_from_slice(&data);
        }
    }
    *ended = true;
    if usize::try_from(seen).is_ok_and(|seen| seen <= largest) {
        Ok(held.freeze())
    } else {
        Err(GatewayError::TooLarge(largest))
    }
}

/// The most that is discarded, in bytes, and how long that may take.
const DISCARDED: u64 = 64 * 1024;
const PATIENCE: Duration = Duration::from_secs(1);

/// Up to so many times the limit is read and thrown away.
const DRAINED: u64 = 4;

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::task::{Context, Poll};

    use futures_core::Stream;

    use super::*;
    use crate::scim::operation::Interrupted;

    struct Parts(VecDeque<Bytes>, bool);

    impl Stream for Parts {
        type Item = Result<Bytes, Interrupted>;
        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            match self.0.pop_front() {
                Some(part) => Poll::Ready(Some(Ok(part))),
                None if self.1 => Poll::Pending,
                None => Poll::Ready(None),
            }
        }
    }

    fn body(parts: &[usize], stalls: bool) -> Body {
        let parts = parts.iter().map(|size| vec![b'x'; *size].into());
        Body::Stream(Box::pin(Parts(parts.collect(), stalls)))
    }

    async fn take(mut body: Body) -> (Result<usize, GatewayError>, bool) {
        let mut ended = false;
        let deadline = Instant::now() + Duration::from_millis(20);
        let outcome = read(&mut body, 10, deadline, &mut ended).await;
        (outcome.map(|bytes| bytes.len()), ended)
    }

    #[tokio::test]
    async fn a_small_body_is_discarded_and_others_are_left() {
        for (parts, stalls, over) in [
            (&[10, 20][..], false, true),
            (&[65 * 1024], false, false),
            (&[10], true, false),
        ] {
            let mut ended = false;
            discard(&mut body(parts, stalls), &mut ended).await;
            assert_eq!(ended, over, "{parts:?}");
        }
    }

    #[tokio::test]
    async fn bodies_up_to_the_limit_are_taken() {
        assert_eq!(take(body(&[4, 6], false)).await.0, Ok(10));
        assert_eq!(take(Body::Empty).await.0, Ok(0));
        assert_eq!(take(Body::Full(vec![b'x'; 10].into())).await.0, Ok(10));
    }

    #[tokio::test]
    async fn larger_ones_are_refused_and_read_to_their_end_where_that_is_near() {
        let too_large = Err(GatewayError::TooLarge(10));
        for (body, ended) in [
            (body(&[4, 6, 1], false), true),
            (body(&[8, 8, 1, 1], false), true),
            (body(&[8, 8, 1, 1, 30], true), false),
            (Body::Full(vec![b'x'; 41].into()), false),
        ] {
            assert_eq!(take(body).await, (too_large.clone(), ended));
        }
    }

    #[tokio::test]
    async fn a_body_that_stalls_is_given_up() {
        assert_eq!(take(body(&[4], true)).await.0, Err(GatewayError::SlowBody));
    }
}
