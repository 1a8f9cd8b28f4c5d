//! Where the time of one request goes: waiting for the directory, and working in the mapping.
//!
//! Shared by everything that works on the request, the task of a write included, and observed once:
//! when the last of these is done, so that what a client did not wait for counts as well. Costs a
//! few looks at the clock, and a span for each call to the directory where the request is traced.

use std::borrow::Cow;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_core::Stream;

use crate::directory::{Ask, DirectoryError};
use crate::scim::operation::{BoxStream, Interrupted};
use crate::telemetry::traces::{Call, Called, Tracing};
use crate::telemetry::{Direction, OperationKind, TenantMetrics};

/// The time of one request.
#[derive(Debug)]
pub(super) struct Timing {
    started: Instant,
    /// Whose time it is, once that is known.
    of: OnceLock<(Arc<TenantMetrics>, OperationKind)>,
    asked: AtomicBool,
    /// In nanoseconds.
    directory: AtomicU64,
    mapping: AtomicU64,
    tracing: Option<Arc<Tracing>>,
}

/// A call that is under way. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Calling<'t> {
    timing: &'t Timing,
    since: Instant,
    span: Option<Call>,
}

impl Timing {
    /// A request has begun; where it is traced, each call to the directory has a span.
    pub(super) fn begin(started: Instant, tracing: Option<Arc<Tracing>>) -> Arc<Self> {
        Arc::new(Self {
            started,
            of: OnceLock::new(),
            asked: AtomicBool::new(false),
            directory: AtomicU64::new(0),
            mapping: AtomicU64::new(0),
            tracing,
        })
    }

    /// When the request began.
    pub(super) fn started(&self) -> Instant {
        self.started
    }

    /// Whose request it is, and what it asks for.
    pub(super) fn belongs_to(&self, tenant: &Arc<TenantMetrics>, operation: OperationKind) {
        let _ = self.of.set((Arc::clone(tenant), operation));
    }

    /// A call to the directory begins; `what` it is, is asked only where the request is traced.
    pub(super) fn call(&self, what: impl FnOnce() -> Called) -> Calling<'_> {
        self.asked.store(true, Relaxed);
        Calling {
            timing: self,
            since: Instant::now(),
            span: self.tracing.as_ref().and_then(|tracing| tracing.call(what)),
        }
    }

    /// Does some mapping.
    pub(super) fn map<T>(&self, work: impl FnOnce() -> T) -> T {
        let since = Instant::now();
        let done = work();
        add(&self.mapping, since.elapsed());
        done
    }

    /// The time in the directory so far.
    pub(super) fn directory(&self) -> Duration {
        Duration::from_nanos(self.directory.load(Relaxed))
    }

    /// The time in the mapping so far.
    pub(super) fn mapping(&self) -> Duration {
        Duration::from_nanos(self.mapping.load(Relaxed))
    }
}

impl Drop for Timing {
    fn drop(&mut self) {
        if let Some((tenant, operation)) = self.of.get().filter(|_| self.asked.load(Relaxed)) {
            tenant.directory_took(Some(*operation), self.directory());
            tenant.mapping_took(Some(*operation), self.mapping());
        }
    }
}

impl Calling<'_> {
    /// What goes with the question: the directory's work hangs under this call.
    pub(super) fn ask<'a>(&self, ask: &'a Ask) -> Cow<'a, Ask> {
        match &self.span {
            None => Cow::Borrowed(ask),
            Some(span) => Cow::Owned(Ask {
                traceparent: Some(span.context().clone()),
                ..ask.clone()
            }),
        }
    }

    /// How it went.
    pub(super) fn ended<T>(mut self, outcome: &Result<T, DirectoryError>) {
        if let Some(span) = self.span.take() {
            let error = outcome.as_ref().err();
            span.end(error.and_then(status), error.map(word));
        }
    }

    /// It went as it went.
    pub(super) fn over(mut self) {
        if let Some(span) = self.span.take() {
            span.end(None, None);
        }
    }
}

impl Drop for Calling<'_> {
    fn drop(&mut self) {
        add(&self.timing.directory, self.since.elapsed());
    }
}

/// Watches a list on both sides of the mapping.
pub(super) struct Watch(Arc<Watched>);

struct Watched {
    timing: Arc<Timing>,
    tenant: Arc<TenantMetrics>,
    /// Time spent in the directory's list itself, in nanoseconds.
    inside: AtomicU64,
    /// Since when that list has nothing, in nanoseconds after the start of the request; 0 while it
    /// has something.
    waiting: AtomicU64,
    /// Whether that list failed.
    failed: AtomicBool,
}

/// A list as the directory sends it: what is waited for counts as the directory's time.
struct Before<T> {
    list: BoxStream<T>,
    watched: Arc<Watched>,
}

/// A list as the mapping makes it. A look at it never waits, so the time of a look is work, but for
/// the part that was inside the directory's list.
struct After<T> {
    list: BoxStream<T>,
    watched: Arc<Watched>,
}

impl Watch {
    pub(super) fn new(timing: &Arc<Timing>, tenant: &Arc<TenantMetrics>) -> Self {
        Self(Arc::new(Watched {
            timing: Arc::clone(timing),
            tenant: Arc::clone(tenant),
            inside: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            failed: AtomicBool::new(false),
        }))
    }

    /// What goes into the mapping.
    pub(super) fn before<T: Send + 'static>(&self, list: BoxStream<T>) -> BoxStream<T> {
        let watched = Arc::clone(&self.0);
        Box::pin(Before { list, watched })
    }

    /// What comes out of it.
    pub(super) fn after<T: Send + 'static>(self, list: BoxStream<T>) -> BoxStream<T> {
        let watched = self.0;
        Box::pin(After { list, watched })
    }
}

impl Watched {
    /// The list has nothing from this moment on.
    fn waits(&self, from: Instant) {
        let from = nanos(from.saturating_duration_since(self.timing.started));
        self.waiting.store(from.max(1), Relaxed);
    }

    /// Somebody looks again. A client that is slow to take what is there holds up the next look: to
    /// us that is the same as a slow directory.
    fn looks(&self, at: Instant) {
        let since = self.waiting.swap(0, Relaxed);
        if since > 0 {
            let at = nanos(at.saturating_duration_since(self.timing.started));
            let waited = at.saturating_sub(since);
            self.timing.directory.fetch_add(waited, Relaxed);
        }
    }
}

impl<T> Stream for Before<T> {
    type Item = Result<T, Interrupted>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let looked = Instant::now();
        this.watched.looks(looked);
        let polled = this.list.as_mut().poll_next(cx);
        let took = looked.elapsed();
        add(&this.watched.timing.directory, took);
        add(&this.watched.inside, took);
        match &polled {
            Poll::Pending => this.watched.waits(looked + took),
            Poll::Ready(Some(Err(_))) => this.watched.failed.store(true, Relaxed),
            Poll::Ready(_) => {}
        }
        polled
    }
}

impl<T> Drop for Before<T> {
    fn drop(&mut self) {
        self.watched.looks(Instant::now());
    }
}

impl<T> Stream for After<T> {
    type Item = Result<T, Interrupted>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let (since, before) = (Instant::now(), this.watched.inside.load(Relaxed));
        this.watched.looks(since);
        let polled = this.list.as_mut().poll_next(cx);
        let inside = this.watched.inside.load(Relaxed).saturating_sub(before);
        let worked = since.elapsed().saturating_sub(Duration::from_nanos(inside));
        add(&this.watched.timing.mapping, worked);
        // What the mapping hands on of the directory's list is not its own.
        let failed = matches!(polled, Poll::Ready(Some(Err(_))));
        if failed && !this.watched.failed.load(Relaxed) {
            this.watched.tenant.mapping_failed(Direction::Answer);
        }
        polled
    }
}

/// The word for an error of the directory, for traces.
fn word(error: &DirectoryError) -> &'static str {
    match error {
        DirectoryError::Refused { .. } | DirectoryError::Declined { .. } => "refused",
        DirectoryError::NotFound => "not_found",
        DirectoryError::Conflict { .. } => "conflict",
        DirectoryError::Precondition => "changed",
        DirectoryError::Busy { .. } => "busy",
        DirectoryError::TooLarge => "too_large",
        DirectoryError::Credentials(_) => "credentials",
        DirectoryError::Unsupported => "unsupported",
        DirectoryError::Unreachable(_) => "unreachable",
        DirectoryError::Lost => "lost",
        DirectoryError::TimedOut => "timed_out",
        DirectoryError::Malformed(_) => "malformed",
        DirectoryError::Failed(_) | DirectoryError::Partly => "failed",
        DirectoryError::Overloaded => "overloaded",
    }
}

/// The status that the directory answered, as far as the error says.
fn status(error: &DirectoryError) -> Option<u16> {
    match error {
        DirectoryError::Refused { .. } | DirectoryError::Declined { .. } => Some(400),
        DirectoryError::NotFound => Some(404),
        DirectoryError::Conflict { .. } => Some(409),
        DirectoryError::Precondition => Some(412),
        DirectoryError::TooLarge => Some(413),
        DirectoryError::Unsupported => Some(501),
        DirectoryError::Busy { status, .. }
        | DirectoryError::Credentials(status)
        | DirectoryError::Failed(status) => Some(*status),
        DirectoryError::Unreachable(_)
        | DirectoryError::Lost
        | DirectoryError::TimedOut
        | DirectoryError::Malformed(_)
        | DirectoryError::Partly
        | DirectoryError::Overloaded => None,
    }
}

fn add(total: &AtomicU64, more: Duration) {
    total.fetch_add(nanos(more), Relaxed);
}

/// They last for 584 years.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::future::poll_fn;

    use super::*;
    use crate::telemetry::{Metrics, Scene};

    /// Hands out what is in hand, after a look that finds nothing; each look takes `SPIN`.
    struct Slow(VecDeque<Result<u8, Interrupted>>, bool);

    impl Stream for Slow {
        type Item = Result<u8, Interrupted>;
        fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            spin();
            self.1 = !self.1;
            if self.1 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(self.0.pop_front())
        }
    }

    /// Works for `SPIN` on each item of another.
    struct Work(BoxStream<u8>);

    impl Stream for Work {
        type Item = Result<u8, Interrupted>;
        fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            spin();
            self.0.as_mut().poll_next(cx)
        }
    }

    fn spin() {
        let since = Instant::now();
        while since.elapsed() < SPIN {
            std::hint::spin_loop();
        }
    }

    const SPIN: Duration = Duration::from_millis(2);

    fn timed(metrics: &Metrics) -> (Arc<Timing>, Arc<TenantMetrics>) {
        let (timing, tenant) = (Timing::begin(Instant::now(), None), metrics.tenant("corp"));
        timing.belongs_to(&tenant, OperationKind::List);
        (timing, tenant)
    }

    async fn drain(mut list: BoxStream<u8>) {
        while poll_fn(|cx| list.as_mut().poll_next(cx)).await.is_some() {}
    }

    #[tokio::test]
    async fn waiting_is_the_directorys_and_work_is_the_mappings() {
        let metrics = Metrics::new();
        let (timing, tenant) = timed(&metrics);
        let watch = Watch::new(&timing, &tenant);
        let source = Slow([Ok(1), Ok(2), Err(Interrupted::Lost)].into(), false);
        let list = Work(watch.before(Box::pin(source)));
        drain(watch.after(Box::pin(list))).await;
        // Four answers, each after a look that found nothing: eight looks on either side.
        assert!(timing.mapping() >= SPIN * 8 && timing.directory() >= SPIN * 8);
        let both = timing.mapping() + timing.directory();
        assert!(both <= timing.started().elapsed(), "nothing counts twice");
        let text = metrics.render(&Scene::default());
        assert!(
            !text.contains("mapping_errors"),
            "it is not the mapping's: {text}"
        );
    }

    #[tokio::test]
    async fn what_the_mapping_fails_at_is_counted() {
        let metrics = Metrics::new();
        let (timing, tenant) = timed(&metrics);
        let watch = Watch::new(&timing, &tenant);
        let own = Slow([Err(Interrupted::Malformed("x".to_owned()))].into(), false);
        drain(watch.after(Box::pin(own))).await;
        let line = r#"postern_mapping_errors_total{direction="answer",tenant="corp"} 1"#;
        assert!(metrics.render(&Scene::default()).contains(line));
    }

    #[test]
    fn a_request_is_observed_once_and_only_if_it_asked() {
        let metrics = Metrics::new();
        let counted = || {
            let text = metrics.render(&Scene::default());
            let name = "postern_directory_duration_seconds_count";
            text.lines()
                .find_map(|line| line.strip_prefix(name)?.rsplit_once(' '))
                .map(|(_, count)| count.to_owned())
        };
        let (timing, _) = timed(&metrics);
        drop(timing);
        assert_eq!(counted(), None);
        let (timing, _) = timed(&metrics);
        let task = Arc::clone(&timing);
        timing.call(|| unreachable!("nobody traces it")).over();
        drop(timing);
        assert_eq!(counted(), None, "a task still works on it");
        task.call(|| unreachable!("nobody traces it")).over();
        drop(task);
        assert_eq!(counted().as_deref(), Some("1"));
    }
}
