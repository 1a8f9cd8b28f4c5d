//! A defect of ours ends one request, never a connection or a process.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// The future's output, or `None` where it panicked. The panic itself has been reported by the
/// hook; what it said goes to nobody else.
pub(super) async fn caught<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        // Nothing of a future that has panicked is looked at again.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Ready(output)) => Poll::Ready(Some(output)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(_) => Poll::Ready(None),
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_after_a_wait_is_caught() {
        let outcome = caught(async {
            tokio::task::yield_now().await;
            assert!(std::hint::black_box(false), "on purpose");
        })
        .await;
        assert!(outcome.is_none());
        assert_eq!(caught(async { 7 }).await, Some(7));
    }
}
