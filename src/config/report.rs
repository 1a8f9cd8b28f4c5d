//! How the last loading went, source folder by source folder: what the log, the metrics and
//! `/status` say of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

/// What is served, and what is not because it is broken.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The revision that serves.
    pub revision: Arc<str>,
    /// Since when it serves.
    pub since: Option<SystemTime>,
    /// Every source, in a fixed order.
    pub sources: Vec<Source>,
    /// The keys of `postern.yaml` that differ from what runs: only a restart takes them.
    pub needs_restart: Vec<String>,
}

/// One unit of all-or-nothing: a folder with the files in it.
#[derive(Debug, Clone)]
pub struct Source {
    /// What it holds.
    pub kind: Kind,
    /// Where it is.
    pub folder: PathBuf,
    /// The revision of what serves from it: of the last good state of the folder.
    pub revision: Arc<str>,
    /// When what serves was read.
    pub loaded: SystemTime,
    /// Why the present state of the folder does not serve, one line per mistake; empty when it
    /// does.
    pub errors: Vec<String>,
}

/// What a source folder holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The sync rules.
    Rules,
    /// Roles, accounts and operators.
    Access,
    /// The certificate and key of a listener.
    Tls,
    /// What directories are reached with: secrets, CA files, client certificates.
    Secrets,
}

impl Report {
    /// Whether everything that is in the folders serves.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.sources.iter().all(|source| source.errors.is_empty())
    }

    /// The same of the folders of one kind.
    #[must_use]
    pub fn is_good_for(&self, kind: Kind) -> bool {
        let mut its = self.sources.iter().filter(|source| source.kind == kind);
        its.all(|source| source.errors.is_empty())
    }
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Rules, Self::Access, Self::Tls, Self::Secrets];

    /// The word for labels, logs and `/status`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rules => "rules",
            Self::Access => "access",
            Self::Tls => "tls",
            Self::Secrets => "secrets",
        }
    }
}
