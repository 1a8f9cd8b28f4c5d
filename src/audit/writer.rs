//! The thread that writes: it gives every record its place in the chain, many in one go, and goes
//! on trying where the disk does not take them.

use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tracing::{error, info, warn};

use super::file::{A_DAY, Prepared, Trailing};
use super::line::Head;
use super::queue::{Entry, Gap, Order, Queue};
use super::record::Record;
use super::seal::Seal;
use super::settings::Sync;
use super::tail::{Torn, torn};
use crate::net::hex::encode as hex;
use crate::telemetry::Metrics;

/// What the thread works with.
pub(super) struct Writer {
    pub(super) out: Out,
    pub(super) head: Head,
    pub(super) seal: Seal,
    pub(super) sync: Sync,
    pub(super) queue: Arc<Queue>,
    pub(super) metrics: Arc<Metrics>,
    /// What the chain says first: what was found torn, the start.
    pub(super) first: Vec<Record>,
    pub(super) buffer: Vec<u8>,
    /// Since when something waits to be forced onto the disk.
    pub(super) dirty: Option<Instant>,
    /// The number at which the head is logged next.
    pub(super) anchor: u64,
}

/// Where lines go.
pub(super) enum Out {
    /// A file.
    File(Trailing),
    /// Standard output, and what of a line could not be written whole.
    Stream(Box<dyn Write + Send>, Vec<u8>),
}

impl Writer {
    /// Works until the queue is closed.
    pub(super) fn run(mut self) {
        // The first line of standard output is the program's own.
        if matches!(self.out, Out::File(_)) {
            self.attempt(Vec::new());
        }
        loop {
            match self.queue.take(self.patience()) {
                Order::Write(entries) => self.attempt(entries),
                Order::Look => self.look(),
                Order::End => break,
            }
        }
        self.look();
        if self.sync != Sync::Never {
            self.force();
        }
        self.tell_head("the audit trail ends");
        let Self { out, queue, .. } = self;
        // Whoever hears of the end may open the file.
        drop(out);
        queue.end();
    }

    /// How long nothing need be looked at.
    fn patience(&self) -> Duration {
        let down = self.queue.state().down.is_some();
        if down || self.dirty.is_some() || self.owes() {
            return AGAIN;
        }
        Duration::from_secs(3600)
    }

    /// Whether something is to be said that nobody waits for.
    fn owes(&self) -> bool {
        !self.first.is_empty() || self.queue.gap() != Gap::default()
    }

    /// Tries again what did not work, and forces what is due onto the disk.
    fn look(&mut self) {
        let down = self.queue.state().down.is_some();
        if down || self.owes() {
            self.attempt(Vec::new());
        } else if self.dirty.is_some() {
            self.force();
        }
    }

    /// Writes what waits, with what must be said before it.
    fn attempt(&mut self, entries: Vec<Entry>) {
        // Whoever has given up does not send its write: nothing is to be said of it.
        let given_up = |entry: &Entry| entry.tell.as_ref().is_some_and(|tell| tell.is_closed());
        let entries: Vec<Entry> = entries
            .into_iter()
            .filter(|entry| !given_up(entry))
            .collect();
        self.queue.state().busy = Some(Instant::now());
        let outcome = self.write(&entries);
        self.queue.state().busy = None;
        let written = match outcome {
            Ok(()) => {
                self.up();
                true
            }
            Err(error) => {
                self.down(&error);
                false
            }
        };
        let mut gap = Gap::default();
        for entry in entries {
            match entry.tell {
                // It hears of it, and counts itself.
                Some(tell) => {
                    let _ = tell.send(written);
                }
                None if !written => gap.lost += 1,
                None => {}
            }
        }
        if gap.lost > 0 {
            self.metrics.audit_dropped(gap.lost);
            self.queue.miss(gap);
        }
    }

    fn write(&mut self, entries: &[Entry]) -> io::Result<()> {
        let gap = self.queue.gap();
        let now = now();
        let expected: usize = entries
            .iter()
            .map(|entry| entry.record.members().len() + FRAME)
            .sum();
        let prepared = self.prepare(expected, now)?;
        if prepared.turned {
            self.tell_head("the audit trail goes on in a new file");
        }
        let mut notes = Vec::new();
        notes.extend(prepared.torn.as_ref().map(|torn| repaired(torn, now)));
        notes.extend(prepared.meddled.map(|what| {
            warn!("the audit trail: {}", what.as_str());
            Record::new("file", now).text("what", what.as_str())
        }));
        let started = self.first.len();
        if gap != Gap::default() {
            let reason = self.queue.state().down.clone();
            notes.push(
                Record::new("gap", now)
                    .number("lost", gap.lost)
                    .number("refused", gap.refused)
                    .maybe("reason", reason.as_deref()),
            );
        }
        let mut head = self.head;
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        if let Out::Stream(_, broken) = &mut self.out
            && !broken.is_empty()
        {
            // The rest of a line that broke off is no line of anybody's.
            buffer.push(b'\n');
            notes.insert(0, repaired(&torn(broken), now));
        }
        let mut ends = Vec::with_capacity(entries.len() + notes.len() + started);
        let mut heads = Vec::with_capacity(ends.capacity());
        let waiting = entries.iter().map(|entry| &entry.record);
        for record in notes.iter().chain(&self.first).chain(waiting) {
            head.write(record.members(), &self.seal, &mut buffer);
            ends.push(buffer.len());
            heads.push(head);
        }
        let outcome = if buffer.is_empty() {
            Ok(())
        } else {
            self.put(&buffer)
        };
        let outcome = match outcome {
            Ok(()) => {
                self.accept(head, ends.len());
                self.first.clear();
                self.queue.told(gap);
                Ok(())
            }
            Err((error, standing)) => {
                // What stands and cannot be taken back is part of the chain.
                let whole = ends.iter().filter(|end| **end <= standing).count();
                let last = whole
                    .checked_sub(1)
                    .and_then(|at| Some((*ends.get(at)?, *heads.get(at)?)));
                let (end, head) = last.unwrap_or((0, self.head));
                self.stand(&buffer, standing, end);
                self.accept(head, whole);
                if whole >= notes.len() {
                    if whole > 0 {
                        self.queue.told(gap);
                    }
                    self.first.drain(..(whole - notes.len()).min(started));
                }
                Err(error)
            }
        };
        self.buffer = buffer;
        outcome
    }

    fn prepare(&mut self, bytes: usize, now: SystemTime) -> io::Result<Prepared> {
        let Out::File(file) = &mut self.out else {
            return Ok(Prepared::default());
        };
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let next = self.head.seq.saturating_add(1);
        let prepared = file.prepare(bytes, next, since.as_secs() / A_DAY);
        prepared.inspect_err(|_| file.give_up())
    }

    /// All of it, and forced onto the disk where that is asked; or how many bytes stand.
    fn put(&mut self, bytes: &[u8]) -> Result<(), (io::Error, usize)> {
        let file = match &mut self.out {
            Out::File(file) => file,
            Out::Stream(out, broken) => {
                stream(out, bytes)?;
                broken.clear();
                return Ok(());
            }
        };
        file.write(bytes)?;
        match self.sync {
            Sync::Always => file.sync(bytes.len()),
            Sync::Batch => {
                self.dirty.get_or_insert_with(Instant::now);
                if self.dirty.is_some_and(|since| since.elapsed() >= AGAIN) {
                    self.dirty = None;
                    return file.sync(bytes.len());
                }
                Ok(())
            }
            Sync::Never => Ok(()),
        }
    }

    /// Of what was written only so much stands, whole lines up to `end`.
    fn stand(&mut self, bytes: &[u8], standing: usize, end: usize) {
        match &mut self.out {
            Out::File(file) => {
                file.tear(standing, end);
                file.give_up();
            }
            Out::Stream(_, broken) => {
                let piece = bytes.get(end..standing).unwrap_or_default();
                if end > 0 {
                    broken.clear();
                }
                broken.extend_from_slice(piece);
            }
        }
    }

    fn force(&mut self) {
        self.dirty = None;
        let Out::File(file) = &mut self.out else {
            return;
        };
        if let Err((error, _)) = file.sync(0) {
            file.give_up();
            self.down(&error);
        }
    }

    /// So many more lines are part of the chain.
    fn accept(&mut self, head: Head, count: usize) {
        self.head = head;
        self.queue.state().head = head;
        self.metrics
            .audit_written(u64::try_from(count).unwrap_or(u64::MAX));
        if head.seq >= self.anchor {
            self.tell_head("the head of the audit trail");
        }
    }

    fn up(&mut self) {
        if self.queue.state().down.take().is_some() {
            info!("the audit trail can be written again");
        }
    }

    fn down(&mut self, error: &io::Error) {
        let text = match error.kind() {
            ErrorKind::NotFound => "its folder is not there".to_owned(),
            _ => error.to_string(),
        };
        let mut state = self.queue.state();
        if state.down.as_ref() != Some(&text) {
            error!("the audit trail cannot be written: {text}");
        }
        state.down = Some(text);
    }

    /// What is logged elsewhere cannot be rewritten here: an anchor for the chain.
    fn tell_head(&mut self, what: &'static str) {
        self.anchor = self.head.seq.saturating_add(ANCHOR);
        if self.head.seq > 0 {
            info!(seq = self.head.seq, sum = hex(&self.head.sum), "{what}");
        }
    }
}

/// Says what was found between two lines.
pub(super) fn repaired(torn: &Torn, at: SystemTime) -> Record {
    Record::new("repaired", at)
        .number("torn_bytes", torn.bytes)
        .text("torn_sha256", &hex(&torn.sum))
}

/// Writes all of it, or says how much.
fn stream(out: &mut Box<dyn Write + Send>, bytes: &[u8]) -> Result<(), (io::Error, usize)> {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..)
        && !rest.is_empty()
    {
        match out.write(rest) {
            Ok(0) => return Err((ErrorKind::WriteZero.into(), written)),
            Ok(some) => written += some,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err((error, written)),
        }
    }
    out.flush().map_err(|error| (error, written))
}

/// The clock.
#[expect(
    clippy::disallowed_methods,
    reason = "the writer's own records have the time at which it writes"
)]
pub(super) fn now() -> SystemTime {
    SystemTime::now()
}

/// How soon something is tried again, and forced onto the disk with [`Sync::Batch`].
const AGAIN: Duration = Duration::from_secs(1);
/// What a line has beside its members.
const FRAME: usize = 200;
/// How many records there are from one logged head to the next.
const ANCHOR: u64 = 10_000;
