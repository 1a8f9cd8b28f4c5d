//! The trail as the rest of the program has it: a handle that takes records and never makes anybody
//! wait longer than the configured bound.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use tokio::sync::oneshot;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::file::Trailing;
use super::line::Head;
use super::queue::{Class, Entry, Gap, Queue, State};
use super::record::Record;
use super::seal::{Key, Seal};
use super::settings::{Place, Settings, WhenFull};
use super::tail::Torn;
use super::writer::{Out, Writer, repaired};
use crate::net::hex::encode as hex;
use crate::net::secret;
use crate::telemetry::{Metrics, lines};

/// The audit trail. Clones share it; the last one ends it.
#[derive(Debug, Clone, Default)]
pub struct Trail(Option<Arc<Kept>>);

/// A trail that is kept.
#[derive(Debug)]
struct Kept {
    settings: Settings,
    queue: Arc<Queue>,
    metrics: Arc<Metrics>,
    /// For values; of this process alone where there is no key file.
    digests: Key,
    /// Names this process in the numbers of writes.
    instance: String,
    writes: AtomicU64,
}

/// The record of a write could not be written in time: the write must not be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused;

/// Why the trail cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The file cannot be used.
    #[error("the audit trail `{}` cannot be used: {error}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The system gives no thread, or no randomness.
    #[error("the audit trail cannot be kept: {0}")]
    System(io::Error),
}

impl Trail {
    /// None at all.
    #[must_use]
    pub fn off() -> Self {
        Self::default()
    }

    /// Opens the trail, finds where its chain stands, and begins with a record of the start.
    /// `secret` is what the key file holds.
    ///
    /// # Errors
    /// See [`StartError`]. A disk that is full is none: the trail is down until it is not.
    pub fn start(
        settings: &Settings,
        secret: Option<Key>,
        revision: &str,
        metrics: Arc<Metrics>,
        now: SystemTime,
    ) -> Result<Self, StartError> {
        let seal = secret.as_ref().map_or(Seal::Plain, Seal::keyed);
        let (out, head, torn) = match &settings.place {
            Place::Stdout => (
                Out::Stream(lines::stdout(), Vec::new()),
                Head::default(),
                None,
            ),
            Place::File(path) => {
                let found = Trailing::find(path.clone(), settings.rotate, &seal);
                let (file, head, torn) = found.map_err(|error| StartError::File {
                    path: path.clone(),
                    error: explained(error),
                })?;
                (Out::File(file), head, torn)
            }
        };
        Self::begin(
            settings,
            (out, head),
            torn.as_ref(),
            secret,
            revision,
            metrics,
            now,
        )
    }

    /// Keeps a trail at `out`, where its chain stands at `head`.
    fn begin(
        settings: &Settings,
        (out, head): (Out, Head),
        torn: Option<&Torn>,
        secret: Option<Key>,
        revision: &str,
        metrics: Arc<Metrics>,
        now: SystemTime,
    ) -> Result<Self, StartError> {
        let seal = secret.as_ref().map_or(Seal::Plain, Seal::keyed);
        let mut random = Zeroizing::new([0_u8; 32]);
        if !secret::random(&mut *random) {
            return Err(StartError::System(io::Error::other(
                "there is no randomness",
            )));
        }
        let (instance, own) = random.split_at(6);
        let instance = hex(instance);
        let mut first: Vec<Record> = torn.into_iter().map(|torn| repaired(torn, now)).collect();
        let start = Record::new("start", now)
            .text("version", env!("CARGO_PKG_VERSION"))
            .text("instance", &instance)
            .text("revision", revision)
            .maybe("key_id", secret.as_ref().map(Key::id).as_deref());
        first.push(start);
        let queue = Arc::new(Queue::default());
        queue.state().head = head;
        let writer = Writer {
            out,
            head,
            seal,
            sync: settings.sync,
            queue: Arc::clone(&queue),
            metrics: Arc::clone(&metrics),
            first,
            buffer: Vec::new(),
            dirty: None,
            anchor: 0,
        };
        let thread = std::thread::Builder::new().name("audit".to_owned());
        thread
            .spawn(move || writer.run())
            .map_err(StartError::System)?;
        let digests = secret.map_or_else(
            || Key::new(own),
            |secret| secret.derive("postern audit values"),
        );
        Ok(Self(Some(Arc::new(Kept {
            settings: settings.clone(),
            queue,
            metrics,
            digests,
            instance,
            writes: AtomicU64::new(0),
        }))))
    }

    /// Whether there is a trail at all.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// A number for a write that no other write has.
    #[must_use]
    pub fn number(&self) -> String {
        let Some(kept) = &self.0 else {
            return String::new();
        };
        let number = kept.writes.fetch_add(1, Ordering::Relaxed);
        format!("{}-{number:x}", kept.instance)
    }

    /// Stands for a value of an attribute: the same value of the same attribute of the same tenant
    /// has the same digest, and nobody without the key can try values.
    #[must_use]
    pub fn digest(&self, tenant: &str, path: &str, value: &str) -> String {
        let Some(kept) = &self.0 else {
            return String::new();
        };
        digest(&kept.digests, tenant, path, value)
    }

    /// Says something that nobody waits for: an event, a refusal.
    pub fn tell(&self, record: Record) {
        self.put(record, Class::Other);
    }

    /// Says what became of a write. It is sent already: nothing holds this up.
    pub fn outcome(&self, record: Record) {
        self.put(record, Class::Outcome);
    }

    /// Says that a write is about to be sent. With [`WhenFull::FailClosed`] it may be sent only
    /// when this returns well, which it does once the record is written.
    ///
    /// # Errors
    /// [`Refused`], after the configured wait at the latest.
    pub async fn intent(&self, record: Record) -> Result<(), Refused> {
        let Some(kept) = &self.0 else { return Ok(()) };
        if kept.settings.when_full == WhenFull::DropAndCount {
            self.put(record, Class::Intent);
            return Ok(());
        }
        let (tell, told) = oneshot::channel();
        let entry = Entry {
            record,
            tell: Some(tell),
        };
        let put = kept.queue.put(entry, Class::Intent);
        let written =
            put.is_ok() && matches!(timeout(kept.settings.wait, told).await, Ok(Ok(true)));
        if written {
            return Ok(());
        }
        kept.metrics.audit_refused();
        kept.queue.miss(Gap {
            lost: 0,
            refused: 1,
        });
        Err(Refused)
    }

    fn put(&self, record: Record, class: Class) {
        let Some(kept) = &self.0 else { return };
        let entry = Entry { record, tell: None };
        if kept.queue.put(entry, class).is_err() {
            kept.metrics.audit_dropped(1);
            kept.queue.miss(Gap {
                lost: 1,
                refused: 0,
            });
        }
    }

    /// How it is, where it is kept.
    #[must_use]
    pub fn state(&self) -> Option<State> {
        let kept = self.0.as_ref()?;
        let mut state = kept.queue.state().clone();
        if state.down.is_none()
            && let Some(since) = state.busy
            && since.elapsed() > STUCK.max(kept.settings.wait)
        {
            state.down = Some("the disk does not answer".to_owned());
        }
        Some(state)
    }

    /// Where it goes, where it is kept.
    #[must_use]
    pub fn place(&self) -> Option<&Place> {
        self.0.as_ref().map(|kept| &kept.settings.place)
    }

    /// Why no write can be served, where that is so.
    #[must_use]
    pub fn stops_writes(&self) -> Option<String> {
        let kept = self.0.as_ref()?;
        let closed = kept.settings.when_full == WhenFull::FailClosed;
        self.state()?.down.filter(|_| closed)
    }

    /// Says `last`, and waits until all is written, at most so long: whether it is.
    pub fn close(&self, last: Record, wait: Duration) -> bool {
        let Some(kept) = &self.0 else { return true };
        self.outcome(last);
        kept.queue.close();
        kept.queue.ended(wait)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// What stands for a value in a trail with this key, which is its secret.
#[must_use]
pub fn digest_of(secret: &Key, tenant: &str, path: &str, value: &str) -> String {
    digest(&secret.derive("postern audit values"), tenant, path, value)
}

fn digest(key: &Key, tenant: &str, path: &str, value: &str) -> String {
    // The case of names does not matter, and no name has a zero byte.
    let path = path.to_ascii_lowercase();
    let sum = key.mac(&[
        tenant.as_bytes(),
        b"\0",
        path.as_bytes(),
        b"\0",
        value.as_bytes(),
    ]);
    hex(sum.get(..16).unwrap_or_default())
}

/// What to do about it.
fn explained(error: io::Error) -> io::Error {
    let help = match error.kind() {
        io::ErrorKind::NotFound => "its folder is not there: make it",
        io::ErrorKind::PermissionDenied => {
            "postern may not write there: give the folder to the user that it runs as"
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            "the file system is mounted read-only: mount a volume that can be written"
        }
        io::ErrorKind::IsADirectory => "it is a folder: name a file in it",
        _ => return error,
    };
    io::Error::new(error.kind(), help)
}

/// When the writer is taken to be stuck.
const STUCK: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
