//! The answers to one search between the connection and whoever reads them. What is held is
//! counted for the whole connection, which stops reading from its socket when that is too much.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tokio::sync::Notify;

use super::failure::Why;

/// What all searches of a connection hold, in bytes.
#[derive(Debug, Default)]
pub(super) struct Flow {
    held: AtomicUsize,
    drained: Notify,
}

/// The end that the connection has. Dropped early, the other end hears that the connection is gone.
#[derive(Debug)]
pub(super) struct Source(Arc<Shared>);

/// The end that the reader has. Dropped, it holds nothing any more.
#[derive(Debug)]
pub(super) struct Feed(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    flow: Arc<Flow>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    frames: VecDeque<Bytes>,
    held: usize,
    end: Option<End>,
    reader: Option<Waker>,
}

#[derive(Debug, Clone)]
enum End {
    /// The last frame is in.
    Complete,
    /// Nothing more comes, and what there was is gone.
    Failed(Why),
    /// Nobody reads.
    Dropped,
}

/// Both ends.
pub(super) fn feed(flow: &Arc<Flow>) -> (Source, Feed) {
    let shared = Arc::new(Shared {
        flow: Arc::clone(flow),
        state: Mutex::default(),
    });
    (Source(Arc::clone(&shared)), Feed(shared))
}

impl Flow {
    /// How many bytes are held.
    pub(super) fn held(&self) -> usize {
        self.held.load(SeqCst)
    }

    /// Waits until some are not any more; at once where that happened since the last time.
    pub(super) async fn drained(&self) {
        self.drained.notified().await;
    }
}

impl Source {
    /// One more frame; `last` if none follows.
    pub(super) fn push(&self, frame: Bytes, last: bool) {
        let mut state = self.0.lock();
        if state.end.is_some() {
            return;
        }
        state.held += frame.len();
        self.0.flow.held.fetch_add(frame.len(), SeqCst);
        state.frames.push_back(frame);
        if last {
            state.end = Some(End::Complete);
        }
        wake(state);
    }

    /// Nothing more comes. What is held is let go of.
    pub(super) fn fail(&self, why: Why) {
        let mut state = self.0.lock();
        if state.end.is_none() {
            self.0.let_go(&mut state);
            state.end = Some(End::Failed(why));
            wake(state);
        }
    }

    /// How much this one holds.
    pub(super) fn held(&self) -> usize {
        self.0.lock().held
    }
}

impl Feed {
    /// The next frame; `Ok(None)` after the last.
    pub(super) fn poll(&self, cx: &Context<'_>) -> Poll<Result<Option<Bytes>, Why>> {
        let mut state = self.0.lock();
        if let Some(frame) = state.frames.pop_front() {
            state.held = state.held.saturating_sub(frame.len());
            drop(state);
            self.0.flow.held.fetch_sub(frame.len(), SeqCst);
            self.0.flow.drained.notify_one();
            return Poll::Ready(Ok(Some(frame)));
        }
        match &state.end {
            Some(End::Complete | End::Dropped) => Poll::Ready(Ok(None)),
            Some(End::Failed(why)) => Poll::Ready(Err(why.clone())),
            None => {
                state.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Shared {
    fn let_go(&self, state: &mut State) {
        state.frames.clear();
        self.flow.held.fetch_sub(state.held, SeqCst);
        state.held = 0;
        self.flow.drained.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.fail(Why::Closed("it was given up".into()));
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        self.0.let_go(&mut state);
        state.end = Some(End::Dropped);
    }
}

fn wake(mut state: MutexGuard<'_, State>) {
    let reader = state.reader.take();
    drop(state);
    if let Some(reader) = reader {
        reader.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(feed: &Feed) -> Poll<Result<Option<Bytes>, Why>> {
        feed.poll(&Context::from_waker(Waker::noop()))
    }

    #[test]
    fn what_is_held_is_counted_until_it_is_read() {
        let flow = Arc::new(Flow::default());
        let (source, one) = feed(&flow);
        assert!(read(&one).is_pending());
        source.push(Bytes::from_static(b"abc"), false);
        source.push(Bytes::from_static(b"de"), true);
        assert_eq!((flow.held(), source.held()), (5, 5));
        assert_eq!(
            read(&one),
            Poll::Ready(Ok(Some(Bytes::from_static(b"abc"))))
        );
        assert_eq!(flow.held(), 2);
        drop(source);
        assert_eq!(read(&one), Poll::Ready(Ok(Some(Bytes::from_static(b"de")))));
        assert_eq!(read(&one), Poll::Ready(Ok(None)));
        assert_eq!(flow.held(), 0);
    }

    #[test]
    fn a_reader_that_goes_holds_nothing() {
        let flow = Arc::new(Flow::default());
        let (source, one) = feed(&flow);
        source.push(Bytes::from_static(b"abc"), false);
        drop(one);
        source.push(Bytes::from_static(b"abc"), false);
        assert_eq!(flow.held(), 0);
    }

    #[test]
    fn a_source_that_fails_or_goes_is_heard() {
        let flow = Arc::new(Flow::default());
        let (source, one) = feed(&flow);
        source.push(Bytes::from_static(b"abc"), false);
        source.fail(Why::TooSlow);
        assert_eq!(flow.held(), 0);
        assert_eq!(read(&one), Poll::Ready(Err(Why::TooSlow)));
        let (source, one) = feed(&flow);
        drop(source);
        assert!(matches!(read(&one), Poll::Ready(Err(Why::Closed(_)))));
    }
}
