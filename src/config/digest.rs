//! What content is called: a hash of it, the same on every replica that has the same files.

use std::fmt;
use std::io;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

/// The hash of some content.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Digest([u8; 32]);

/// A digest in the making. Every part is told apart from the next.
#[derive(Default)]
pub(super) struct Digesting(Sha256);

impl Digest {
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// What people see of it: 12 hexadecimal digits.
    pub(super) fn revision(self) -> Arc<str> {
        let digits = self.0.iter().take(6).map(|byte| format!("{byte:02x}"));
        digits.collect::<String>().into()
    }
}

impl Digesting {
    /// Takes a name and what it holds.
    pub(super) fn part(&mut self, name: &str, content: Digest) {
        self.0.update(name.len().to_le_bytes());
        self.0.update(name.as_bytes());
        self.0.update(content.0);
    }

    /// Takes a name and what was read of it; one that cannot be read for the same reason is the
    /// same content.
    pub(super) fn read<T: AsRef<[u8]>>(&mut self, name: &str, read: &io::Result<T>) {
        let content = match read {
            Ok(bytes) => Digest::of(bytes.as_ref()),
            Err(error) => Digest::of(format!("unreadable: {error}").as_bytes()),
        };
        self.part(name, content);
    }

    pub(super) fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.revision())
    }
}
