//! Lists on their way out. Up to the commit point a list is held, so that whatever goes wrong
//! there gets its exact status; beyond it the head is out, and what goes wrong later breaks the
//! body off: never a well-formed list that is too short.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{BufMut, Bytes, BytesMut};
use futures_core::Stream;

use crate::scim::Resource;
use crate::scim::message::{self, LIST_RESPONSE};
use crate::scim::operation::{BoxStream, Interrupted, Listing};
use crate::telemetry::Metrics;

use super::error::GatewayError;
use super::state::Admission;

/// A list as it goes out.
pub(super) enum Outgoing {
    /// All of it.
    Whole(Bytes),
    /// Its head, and what is still being made.
    Stream(Rest),
}

/// A list past its commit point: what was held, then the rest. It keeps the request's place among
/// those under way until it ends.
pub(super) struct Rest {
    held: Option<Bytes>,
    rest: BoxStream<Bytes>,
    over: bool,
    metrics: Arc<Metrics>,
    _admission: Admission,
}

/// Collects a list up to the commit point.
pub(super) async fn collect(
    listing: Listing,
    commit_point: usize,
    metrics: &Arc<Metrics>,
    admission: &Admission,
) -> Result<Outgoing, GatewayError> {
    let mut rest: BoxStream<Bytes> = match listing {
        Listing::Page {
            total,
            start,
            resources,
        } => {
            // Without a total this page is all that is known to match.
            let total = total.unwrap_or(start.saturating_sub(1) + resources.len());
            let values: Vec<_> = resources.into_iter().map(Into::into).collect();
            return Ok(Outgoing::Whole(message::list(total, start, &values)));
        }
        Listing::Stream {
            total,
            start,
            resources,
        } => Box::pin(Framed {
            total,
            start,
            resources,
            count: 0,
            stage: Stage::Head,
        }),
        Listing::Bytes(bytes) => bytes,
    };
    let mut held = BytesMut::new();
    while let Some(part) = next(&mut rest).await {
        held.extend_from_slice(&part?);
        if held.len() > commit_point {
            return Ok(Outgoing::Stream(Rest {
                held: Some(held.freeze()),
                rest,
                over: false,
                metrics: Arc::clone(metrics),
                _admission: admission.clone(),
            }));
        }
    }
    Ok(Outgoing::Whole(held.freeze()))
}

async fn next(stream: &mut BoxStream<Bytes>) -> Option<Result<Bytes, Interrupted>> {
    poll_fn(|cx| stream.as_mut().poll_next(cx)).await
}

impl Stream for Rest {
    type Item = Result<Bytes, Interrupted>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if let Some(held) = this.held.take() {
            return Poll::Ready(Some(Ok(held)));
        }
        if this.over {
            return Poll::Ready(None);
        }
        // A defect in the middle of a list ends its body, not the connection's task.
        let polled = catch_unwind(AssertUnwindSafe(|| this.rest.as_mut().poll_next(cx)));
        let polled = polled.unwrap_or_else(|_| {
            this.metrics.panicked();
            Poll::Ready(Some(Err(Interrupted::Malformed("a defect".to_owned()))))
        });
        match &polled {
            Poll::Ready(Some(Err(_))) => {
                this.over = true;
                this.metrics.truncated();
            }
            Poll::Ready(None) => this.over = true,
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        polled
    }
}

/// Writes the envelope around resources that come one by one; what is known only at the end
/// stands at the end.
struct Framed {
    total: Option<usize>,
    start: usize,
    resources: BoxStream<Resource>,
    count: usize,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Head,
    Resources,
    Over,
}

impl Stream for Framed {
    type Item = Result<Bytes, Interrupted>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        match this.stage {
            Stage::Head => {
                this.stage = Stage::Resources;
                let head = format!(r#"{{"schemas":["{LIST_RESPONSE}"],"Resources":["#);
                Poll::Ready(Some(Ok(head.into())))
            }
            Stage::Resources => match this.resources.as_mut().poll_next(cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Some(Ok(resource))) => {
                    let mut text = BytesMut::new();
                    if this.count > 0 {
                        text.put_u8(b',');
                    }
                    this.count += 1;
                    // A map of JSON values always prints.
                    let _ = serde_json::to_writer((&mut text).writer(), &resource);
                    Poll::Ready(Some(Ok(text.freeze())))
                }
                Poll::Ready(Some(Err(error))) => {
                    this.stage = Stage::Over;
                    Poll::Ready(Some(Err(error)))
                }
                Poll::Ready(None) => {
                    this.stage = Stage::Over;
                    let total = this
                        .total
                        .unwrap_or(this.start.saturating_sub(1) + this.count);
                    let (start, count) = (this.start, this.count);
                    let tail = format!(
                        r#"],"totalResults":{total},"itemsPerPage":{count},"startIndex":{start}}}"#
                    );
                    Poll::Ready(Some(Ok(tail.into())))
                }
            },
            Stage::Over => Poll::Ready(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use serde_json::{Value, json};

    use super::*;
    use crate::gateway::state::{Limits, State};
    use crate::telemetry::Scene;

    /// A stream of what is in hand; it panics where it meets a `None`.
    struct Items<T>(VecDeque<Option<Result<T, Interrupted>>>);

    impl<T: Unpin> Stream for Items<T> {
        type Item = Result<T, Interrupted>;
        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            Poll::Ready(self.0.pop_front().map(|item| item.expect("on purpose")))
        }
    }

    fn items<T: Unpin + Send + 'static>(
        items: impl IntoIterator<Item = Option<Result<T, Interrupted>>>,
    ) -> BoxStream<T> {
        Box::pin(Items(items.into_iter().collect()))
    }

    fn state() -> (Arc<State>, Admission) {
        let state = Arc::new(State::new(Limits::default(), Arc::new(Metrics::new())));
        let admission = state.admit().unwrap();
        (state, admission)
    }

    async fn run(listing: Listing) -> Result<Outgoing, GatewayError> {
        let (state, admission) = state();
        collect(listing, 16, state.metrics(), &admission).await
    }

    fn part(text: &'static str) -> Option<Result<Bytes, Interrupted>> {
        Some(Ok(Bytes::from_static(text.as_bytes())))
    }

    #[tokio::test]
    async fn resources_that_come_one_by_one_make_a_list() {
        let resources = [1, 2].map(|id| {
            let Value::Object(map) = json!({"id": id.to_string()}) else {
                unreachable!()
            };
            Some(Ok(Resource::from(map)))
        });
        let (state, admission) = state();
        let listing = Listing::Stream {
            total: None,
            start: 11,
            resources: items(resources),
        };
        let Ok(Outgoing::Whole(text)) = collect(listing, 4096, state.metrics(), &admission).await
        else {
            panic!("not whole")
        };
        let list: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(
            list,
            json!({
                "schemas": [LIST_RESPONSE],
                "Resources": [{"id": "1"}, {"id": "2"}],
                "totalResults": 12, "itemsPerPage": 2, "startIndex": 11,
            })
        );
    }

    #[tokio::test]
    async fn an_error_before_the_commit_point_is_an_error() {
        let outcome = run(Listing::Bytes(items([
            part("{"),
            Some(Err(Interrupted::TimedOut)),
        ])))
        .await;
        assert!(matches!(
            outcome,
            Err(GatewayError::Interrupted(Interrupted::TimedOut))
        ));
    }

    #[tokio::test]
    async fn an_error_beyond_it_breaks_off_once_and_is_counted() {
        for bad in [Some(Err(Interrupted::Lost)), None] {
            let (state, admission) = state();
            let bytes = items([part("0123456789"), part("0123456789"), bad, part("more")]);
            let outcome = collect(Listing::Bytes(bytes), 16, state.metrics(), &admission).await;
            let Ok(Outgoing::Stream(rest)) = outcome else {
                panic!("not streamed")
            };
            let mut rest: BoxStream<Bytes> = Box::pin(rest);
            drop(admission);
            assert_eq!(state.free_places(), 1023, "the place is kept");
            assert_eq!(next(&mut rest).await.unwrap().unwrap().len(), 20);
            assert!(next(&mut rest).await.unwrap().is_err());
            assert!(next(&mut rest).await.is_none());
            assert!(
                state
                    .metrics()
                    .render(&Scene::default())
                    .contains("postern_lists_truncated_total 1")
            );
            drop(rest);
            assert_eq!(state.free_places(), 1024);
        }
    }
}
