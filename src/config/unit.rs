//! One unit of all-or-nothing: what a source folder holds, taken whole or not at all.

use std::path::PathBuf;
use std::time::SystemTime;

use super::digest::Digest;
use super::report::{Kind, Source};
use crate::yaml::{Diagnostic, Diagnostics};

/// The last good state of a unit, and why the present one does not serve.
pub(super) struct Unit<T> {
    pub(super) kind: Kind,
    pub(super) folder: PathBuf,
    good: Option<Good<T>>,
    /// The content that was looked at last, good or not.
    seen: Option<Digest>,
    errors: Vec<Diagnostic>,
    /// What has come of this pass; nothing where nothing changed.
    news: Option<News>,
}

/// What was last fit to serve.
pub(super) struct Good<T> {
    pub(super) digest: Digest,
    pub(super) loaded: SystemTime,
    pub(super) value: T,
}

/// What a change of a unit came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// It serves.
    Taken,
    /// The files are again as what serves.
    Healed,
    /// It does not serve.
    Refused,
}

impl<T> Unit<T> {
    pub(super) fn new(kind: Kind, folder: PathBuf) -> Self {
        Self {
            kind,
            folder,
            good: None,
            seen: None,
            errors: Vec::new(),
            news: None,
        }
    }

    /// What serves.
    pub(super) fn good(&self) -> Option<&Good<T>> {
        self.good.as_ref()
    }

    /// The value of what serves.
    pub(super) fn value(&self) -> Option<&T> {
        self.good.as_ref().map(|good| &good.value)
    }

    /// Whether this content has not been looked at yet; it has been, from here on.
    pub(super) fn is_new(&mut self, digest: Digest) -> bool {
        self.seen.replace(digest) != Some(digest)
    }

    /// What is looked at next is new, whatever it is.
    pub(super) fn forget(&mut self) {
        self.seen = None;
    }

    /// Whether this content is what serves.
    pub(super) fn serves(&self, digest: Digest) -> bool {
        self.good.as_ref().is_some_and(|good| good.digest == digest)
    }

    /// The content is fit to serve.
    pub(super) fn take(&mut self, digest: Digest, value: T, now: SystemTime) {
        if self.serves(digest) {
            self.heal();
        } else {
            self.errors.clear();
            self.news = Some(News::Taken);
        }
        let loaded = match &self.good {
            Some(good) if good.digest == digest => good.loaded,
            _ => now,
        };
        self.good = Some(Good {
            digest,
            loaded,
            value,
        });
    }

    /// What serves was made again with other files of other folders.
    pub(super) fn renew(&mut self, now: SystemTime, change: impl FnOnce(&mut T)) {
        if let Some(good) = &mut self.good {
            change(&mut good.value);
            good.loaded = now;
        }
    }

    /// The files are as what serves.
    pub(super) fn heal(&mut self) {
        if !self.errors.is_empty() {
            self.errors.clear();
            self.news = Some(News::Healed);
        }
    }

    /// The content is not fit to serve: what serves stays. Told again only when the content, or
    /// what is wrong with it, is `new`.
    pub(super) fn refuse(&mut self, errors: Diagnostics, new: bool) {
        let errors: Vec<Diagnostic> = errors.into_iter().collect();
        let lines = |all: &[Diagnostic]| all.iter().map(Diagnostic::one_line).collect::<Vec<_>>();
        if new || lines(&errors) != lines(&self.errors) {
            self.news = Some(News::Refused);
        }
        self.errors = errors;
    }

    pub(super) fn errors(&self) -> &[Diagnostic] {
        &self.errors
    }

    /// What has come of this pass; the next begins.
    pub(super) fn news(&mut self) -> Option<News> {
        self.news.take()
    }

    /// For `/status`. `revision` is the name of what serves.
    pub(super) fn report(&self, revision: impl Fn(&Good<T>) -> Digest) -> Option<Source> {
        let good = self.good.as_ref()?;
        Some(Source {
            kind: self.kind,
            folder: self.folder.clone(),
            revision: revision(good).revision(),
            loaded: good.loaded,
            errors: self.errors.iter().map(Diagnostic::one_line).collect(),
        })
    }
}
