//! The files that rules name: secrets of directories, CA files, client certificates.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::digest::{Digest, Digesting};
use super::folder::{Bytes, Look};
use super::rules::Rule;
use crate::mapping::ruleset::{Backend, Bind, Login};

/// Files with their bytes, or why they have none.
#[derive(Clone, Default)]
pub(super) struct Files(BTreeMap<PathBuf, Result<Arc<Bytes>, Arc<str>>>);

/// Every file that a rule names; `folder` is that of the rule.
pub(super) fn named_by(rule: &Rule, folder: &Path) -> Vec<PathBuf> {
    let files = match &rule.backend {
        Backend::Scim(backend) => vec![
            backend.ca_file.as_deref(),
            backend.client_certificate_file.as_deref(),
            backend.client_key_file.as_deref(),
            login_file(&backend.login),
        ],
        Backend::Ldap(backend) => {
            let mut files = vec![backend.ca_file.as_deref()];
            files.extend(bind_files(&backend.bind));
            files
        }
    };
    let files = files.into_iter().flatten();
    files.map(|file| folder.join(file)).collect()
}

/// The files that a bind takes its proof from.
pub(super) fn bind_files(bind: &Bind) -> [Option<&str>; 2] {
    match bind {
        Bind::Simple { password_file, .. } => [Some(password_file), None],
        Bind::External {
            certificate_file,
            key_file,
        } => [Some(certificate_file), Some(key_file)],
    }
}

/// The file that a login takes its secret from.
pub(super) fn login_file(login: &Login) -> Option<&str> {
    match login {
        Login::None => None,
        Login::Bearer { file } => Some(file),
        Login::Basic { password_file, .. } => Some(password_file),
    }
}

impl Files {
    /// Reads one more.
    pub(super) fn read(&mut self, path: PathBuf, look: &mut Look) {
        self.read_at_most(path, look, LARGEST);
    }

    /// The same of one that may be so large.
    pub(super) fn read_at_most(&mut self, path: PathBuf, look: &mut Look, limit: usize) {
        if self.0.contains_key(&path) {
            return;
        }
        let read = look.file(&path, limit);
        let read = read.map(Arc::new).map_err(|error| error.to_string().into());
        self.0.insert(path, read);
    }

    pub(super) fn get(&self, path: &Path) -> Option<&Result<Arc<Bytes>, Arc<str>>> {
        self.0.get(path)
    }

    /// Whether all of these are in `other`, with the same bytes.
    pub(super) fn is_part_of(&self, other: &Self) -> bool {
        self.0
            .iter()
            .all(|(path, read)| other.0.get(path) == Some(read))
    }

    /// Only these of them.
    pub(super) fn only(&self, paths: &BTreeSet<PathBuf>) -> Self {
        let kept = self.0.iter().filter(|(path, _)| paths.contains(*path));
        Self(
            kept.map(|(path, read)| (path.clone(), read.clone()))
                .collect(),
        )
    }

    /// A hash of all of them. Where secrets are short, it gives them away: never show it as it is.
    pub(super) fn digest(&self) -> Digest {
        let mut all = Digesting::default();
        for (path, read) in &self.0 {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            match read {
                Ok(bytes) => all.part(&name, Digest::of(bytes)),
                Err(why) => all.part(&name, Digest::of(format!("unreadable: {why}").as_bytes())),
            }
        }
        all.finish()
    }
}

/// The largest of these files, in bytes.
const LARGEST: usize = 1024 * 1024;
