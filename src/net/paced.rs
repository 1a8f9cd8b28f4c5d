//! A stream whose writes must get on: the guard against a peer that reads slowly or not at all.
//!
//! It stands right on the socket, under TLS, so that it sees the handshake, HTTP/1.1 and HTTP/2
//! alike. Only the time that a write *waits* counts; making the bytes may take as long as it takes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// How a peer must read.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// A write that waits this long without a byte getting on ends the connection.
    pub stall: Duration,
    /// After so much waiting in all, the bytes that got on are counted.
    pub window: Duration,
    /// Fewer than this in a window ends the connection.
    pub bytes: usize,
}

/// A stream under a [`Pace`].
#[derive(Debug)]
pub struct Paced<S> {
    inner: S,
    pace: Pace,
    /// Since when a write waits.
    waiting: Option<Instant>,
    /// Waited in this window so far, the wait under way not counted.
    waited: Duration,
    /// Written in this window.
    written: usize,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Pace {
    /// 20 seconds without a byte, or less than 512 bytes a second over 30 seconds.
    pub const DEFAULT: Self = Self {
        stall: Duration::from_secs(20),
        window: Duration::from_secs(30),
        bytes: 30 * 512,
    };
}

impl<S> Paced<S> {
    /// Puts the stream under the pace.
    pub fn new(inner: S, pace: Pace) -> Self {
        Self {
            inner,
            pace,
            waiting: None,
            waited: Duration::ZERO,
            written: 0,
            timer: None,
        }
    }

    /// The stream itself.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Keeps the books of one write.
    fn watch(
        &mut self,
        outcome: Poll<io::Result<usize>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        match outcome {
            Poll::Pending => self.wait(cx),
            Poll::Ready(Ok(size)) => Poll::Ready(self.got_on(size)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        }
    }

    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let stall = self.pace.stall;
        let fresh = self.waiting.is_none();
        let since = *self.waiting.get_or_insert_with(Instant::now);
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(sleep_until(since + stall)));
        if fresh {
            timer.as_mut().reset(since + stall);
        }
        match timer.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(too_slow())),
            Poll::Pending => Poll::Pending,
        }
    }

    fn got_on(&mut self, size: usize) -> io::Result<usize> {
        self.written = self.written.saturating_add(size);
        if let Some(since) = self.waiting.take() {
            self.waited += since.elapsed();
            if self.waited >= self.pace.window {
                if self.written < self.pace.bytes {
                    return Err(too_slow());
                }
                self.waited = Duration::ZERO;
                self.written = 0;
            }
        }
        Ok(size)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.watch(outcome, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.watch(outcome, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

fn too_slow() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the peer reads too slowly")
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::sleep;

    use super::*;

    const LONG: Duration = Duration::from_secs(600);
    const SHORT: Duration = Duration::from_millis(40);

    #[tokio::test]
    async fn a_peer_that_does_not_read_is_cut() {
        let (ours, _theirs) = duplex(16);
        let pace = Pace {
            stall: SHORT,
            window: LONG,
            bytes: 0,
        };
        let error = Paced::new(ours, pace).write_all(&[0; 100]).await;
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    /// Any wait at all fills the window here, so that only the bytes decide.
    #[tokio::test]
    async fn a_peer_that_drips_is_cut_and_one_that_reads_is_not() {
        for (part, well) in [(1, false), (4096, true)] {
            let (ours, mut theirs) = duplex(part);
            let reader = tokio::spawn(async move {
                let mut buf = vec![0; part];
                while theirs.read_exact(&mut buf).await.is_ok() {}
            });
            let pace = Pace {
                stall: LONG,
                window: Duration::from_nanos(1),
                bytes: 100,
            };
            let outcome = Paced::new(ours, pace).write_all(&vec![0; part * 50]).await;
            assert_eq!(outcome.is_ok(), well, "{part} bytes at a time");
            reader.abort();
        }
    }

    #[tokio::test]
    async fn time_between_writes_does_not_count() {
        let (ours, mut theirs) = duplex(16);
        let pace = Pace {
            stall: SHORT,
            window: SHORT,
            bytes: 1000,
        };
        let mut ours = Paced::new(ours, pace);
        for _ in 0..3 {
            ours.write_all(b"slowly made").await.unwrap();
            theirs.read_exact(&mut [0; 11]).await.unwrap();
            sleep(SHORT * 3).await;
        }
    }
}
