//! What the operator chooses.

use std::path::PathBuf;
use std::time::Duration;

/// How the trail is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where it goes.
    pub place: Place,
    /// When a file is full, and how many full ones are kept.
    pub rotate: Rotate,
    /// What becomes of a write whose record cannot be written.
    pub when_full: WhenFull,
    /// How long a write waits for its record at most.
    pub wait: Duration,
    /// When records are forced onto the disk.
    pub sync: Sync,
    /// The secret that the chain and the digests are keyed with.
    pub key_file: Option<PathBuf>,
}

/// Where the trail goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Into a file.
    File(PathBuf),
    /// To standard output, between the access lines.
    Stdout,
}

/// When a file is full, and how many full ones are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotate {
    /// In bytes.
    pub size: u64,
    /// Beside the one that is written; older ones are deleted.
    pub keep: usize,
    /// Whether each day (UTC) begins a file of its own.
    pub daily: bool,
}

/// What becomes of a write whose record cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// It is not sent.
    FailClosed,
    /// It is sent, and the record counted as lost.
    DropAndCount,
}

/// When records are forced onto the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// Before anybody is told that they are written; those that come together go together.
    Always,
    /// Once a second: a crash of the machine may cost the last second, one of the program nothing.
    Batch,
    /// When the system likes.
    Never,
}

impl Settings {
    /// The defaults, for a place.
    #[must_use]
    pub fn at(place: Place) -> Self {
        Self {
            place,
            rotate: Rotate {
                size: 100 << 20,
                keep: 30,
                daily: false,
            },
            when_full: WhenFull::FailClosed,
            wait: Duration::from_millis(250),
            sync: Sync::Always,
            key_file: None,
        }
    }
}
