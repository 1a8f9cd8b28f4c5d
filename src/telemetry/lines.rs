//! Lines that a thread of their own writes, behind a bounded queue: an output that is slow, stuck,
//! full or closed costs lines and never the time of whoever has something to say.

use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// A queue of lines with its writer, which ends with the last clone of this.
#[derive(Clone)]
pub struct Lines {
    queue: SyncSender<Vec<u8>>,
    progress: Arc<Progress>,
}

/// Where the writer is.
#[derive(Default)]
struct Progress {
    /// Lines that were put into the queue.
    taken: AtomicU64,
    /// Lines that came out of it again and were written, or lost.
    done: Mutex<u64>,
    more_done: Condvar,
}

impl Lines {
    /// Lines to `out` by a thread of this name. `lost` hears of every line that was taken and
    /// could not be written. `None` where the system gives no thread.
    #[must_use]
    pub fn to(
        name: &str,
        out: impl Write + Send + 'static,
        lost: impl Fn(u64) + Send + 'static,
    ) -> Option<Self> {
        let (queue, lines) = sync_channel(QUEUE);
        let progress = Arc::new(Progress::default());
        let writer = Writer {
            out,
            progress: Arc::clone(&progress),
            lost,
            torn: false,
        };
        let thread = std::thread::Builder::new().name(name.to_owned());
        thread.spawn(move || writer.run(&lines)).ok()?;
        Some(Self { queue, progress })
    }

    /// Takes a line, its line break included; false, at once, where there is no room.
    #[must_use]
    pub fn write(&self, line: Vec<u8>) -> bool {
        let taken = self.queue.try_send(line).is_ok();
        if taken {
            self.progress.taken.fetch_add(1, Ordering::AcqRel);
        }
        taken
    }

    /// Waits until everything that was taken before is written, but no longer than this: whether
    /// it is.
    pub fn flush(&self, wait: Duration) -> bool {
        let taken = self.progress.taken.load(Ordering::Acquire);
        let until = Instant::now() + wait;
        let mut done = self.progress.lock();
        while *done < taken {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.progress.more_done.wait_timeout(done, left);
            done = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

impl Progress {
    fn lock(&self) -> std::sync::MutexGuard<'_, u64> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Standard output by its number, so that nothing else that prints ever waits for us. What is given
/// to one `write` stands in one piece, whoever else has something to say there.
#[must_use]
pub fn stdout() -> Box<dyn Write + Send> {
    let out = own(&io::stdout()).unwrap_or_else(|| Box::new(io::stdout()));
    Box::new(InTurn(out))
}

/// Standard output, one after the other.
struct InTurn(Box<dyn Write + Send>);

impl Write for InTurn {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _turn = STDOUT.lock().unwrap_or_else(PoisonError::into_inner);
        let (written, error) = all(&mut self.0, bytes);
        match error {
            Some(error) if written == 0 => Err(error),
            _ => Ok(written),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Writes as much as can be written, and says how much that is and what stopped it.
fn all(out: &mut impl Write, bytes: &[u8]) -> (usize, Option<io::Error>) {
    let (mut written, mut patience) = (0, PATIENCE);
    while let Some(rest) = bytes.get(written..)
        && !rest.is_empty()
    {
        match out.write(rest) {
            Ok(0) => return (written, Some(ErrorKind::WriteZero.into())),
            Ok(some) => {
                written += some;
                patience = PATIENCE;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Whoever started us made it so that it does not wait.
            Err(error) if error.kind() == ErrorKind::WouldBlock && patience > 0 => {
                patience -= 1;
                std::thread::park_timeout(PAUSE);
            }
            Err(error) => return (written, Some(error)),
        }
    }
    (written, None)
}

/// Standard error as a place for `tracing`: one queue for the whole process, made when it is first
/// asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stderr;

impl Write for Stderr {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // A log that is lost has nobody to be told.
        let _ = stderr().map(|lines| lines.write(line.to_vec()));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Waits until the log is written, but no longer than this; at once where nothing was logged.
pub fn flush_stderr(wait: Duration) {
    if let Some(Some(lines)) = STDERR.get() {
        lines.flush(wait);
    }
}

fn stderr() -> Option<&'static Lines> {
    let make = || {
        let out = own(&io::stderr()).unwrap_or_else(|| Box::new(io::stderr()));
        Lines::to("log", out, |_| {})
    };
    STDERR.get_or_init(make).as_ref()
}

/// The same file under a number of its own.
fn own(file: &impl std::os::fd::AsFd) -> Option<Box<dyn Write + Send>> {
    let file = file.as_fd().try_clone_to_owned().ok()?;
    Some(Box::new(std::fs::File::from(file)))
}

/// What the thread works with.
struct Writer<W, L> {
    out: W,
    progress: Arc<Progress>,
    lost: L,
    /// Whether the last thing written was half a line.
    torn: bool,
}

impl<W: Write, L: Fn(u64)> Writer<W, L> {
    fn run(mut self, lines: &Receiver<Vec<u8>>) {
        let mut batch = Vec::new();
        while let Ok(first) = lines.recv() {
            batch.clear();
            if self.torn {
                batch.push(b'\n');
            }
            let mut ends = vec![self.add(&mut batch, &first)];
            while batch.len() < BATCH
                && let Ok(line) = lines.try_recv()
            {
                ends.push(self.add(&mut batch, &line));
            }
            let written = self.put(&batch);
            let whole = ends.iter().filter(|end| **end <= written).count();
            self.torn = written < batch.len()
                && batch
                    .get(..written)
                    .and_then(<[u8]>::last)
                    .map_or(self.torn, |last| *last != b'\n');
            let (all, whole) = (count(ends.len()), count(whole));
            if whole < all {
                (self.lost)(all - whole);
            }
            *self.progress.lock() += all;
            self.progress.more_done.notify_all();
        }
    }

    /// Appends a line, and says where it ends.
    fn add(&self, batch: &mut Vec<u8>, line: &[u8]) -> usize {
        batch.extend_from_slice(line);
        batch.len()
    }

    /// Writes as much as can be written, and says how much that is. What cannot be written is
    /// given up: what follows may fit again.
    fn put(&mut self, batch: &[u8]) -> usize {
        let (written, _) = all(&mut self.out, batch);
        let _ = self.out.flush();
        written
    }
}

fn count(lines: usize) -> u64 {
    u64::try_from(lines).unwrap_or(u64::MAX)
}

static STDOUT: Mutex<()> = Mutex::new(());
static STDERR: OnceLock<Option<Lines>> = OnceLock::new();

/// How many lines wait at most.
pub(super) const QUEUE: usize = 4_096;
/// How many bytes are written at a time, but for the last line.
const BATCH: usize = 64 * 1024;
/// How often, and how long each time, an output that would block is waited for.
const PATIENCE: u32 = 100;
const PAUSE: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    /// An output that does what it is told, one order for each write.
    struct Ordered {
        orders: Receiver<io::Result<usize>>,
        text: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Ordered {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let most = self.orders.recv().unwrap_or(Ok(usize::MAX))?;
            let some = &bytes[..most.min(bytes.len())];
            self.text.lock().unwrap().extend_from_slice(some);
            Ok(some.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Bench {
        lines: Lines,
        tell: std::sync::mpsc::Sender<io::Result<usize>>,
        text: Arc<Mutex<Vec<u8>>>,
        lost: Arc<AtomicU64>,
    }

    fn bench() -> Bench {
        let (tell, orders) = channel();
        let (text, lost) = (
            Arc::<Mutex<Vec<u8>>>::default(),
            Arc::new(AtomicU64::new(0)),
        );
        let (out, counter) = (
            Ordered {
                orders,
                text: Arc::clone(&text),
            },
            Arc::clone(&lost),
        );
        let lines = Lines::to("test", out, move |n| {
            counter.fetch_add(n, Ordering::AcqRel);
        });
        Bench {
            lines: lines.unwrap(),
            tell,
            text,
            lost,
        }
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn what_was_taken_is_written_when_flush_says_so() {
        let Bench {
            lines,
            tell,
            text,
            lost,
        } = bench();
        drop(tell);
        assert!(lines.flush(LONG));
        for number in 0..1_000 {
            assert!(lines.write(format!("{number}\n").into_bytes()));
        }
        assert!(lines.flush(LONG));
        let text = text.lock().unwrap();
        let wanted: String = (0..1_000).map(|number| format!("{number}\n")).collect();
        assert_eq!(text.as_slice(), wanted.as_bytes());
        assert_eq!(lost.load(Ordering::Acquire), 0);
    }

    #[test]
    fn a_stuck_output_holds_nobody_up() {
        let Bench { lines, tell, .. } = bench();
        let line = b"x\n";
        // What the writer has in its hands is no longer in the queue.
        let most = QUEUE + BATCH.div_ceil(line.len()) + 1;
        let taken = (0..most * 2).filter(|_| lines.write(line.to_vec())).count();
        assert!((QUEUE..=most).contains(&taken), "{taken}");
        assert!(!lines.flush(Duration::from_millis(10)));
        drop(tell);
        assert!(lines.flush(LONG));
    }

    #[test]
    fn a_line_that_broke_off_is_lost_and_spoils_no_other() {
        let Bench {
            lines,
            tell,
            text,
            lost,
        } = bench();
        for (line, orders) in [
            ("one\n", vec![Ok(2), Err(ErrorKind::StorageFull.into())]),
            ("two\n", vec![Err(ErrorKind::StorageFull.into())]),
            ("three\n", vec![Ok(1), Ok(9)]),
            ("four\n", vec![Err(ErrorKind::BrokenPipe.into())]),
            (
                "five\n",
                vec![
                    Err(ErrorKind::Interrupted.into()),
                    Err(ErrorKind::WouldBlock.into()),
                    Ok(9),
                ],
            ),
        ] {
            for order in orders {
                tell.send(order).unwrap();
            }
            assert!(lines.write(line.as_bytes().to_vec()));
            assert!(lines.flush(LONG), "{line}");
        }
        let text = String::from_utf8(text.lock().unwrap().clone()).unwrap();
        assert_eq!(text, "on\nthree\nfive\n");
        assert_eq!(lost.load(Ordering::Acquire), 3);
    }
}
