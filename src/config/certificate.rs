//! The certificates and keys that listeners show.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::ServerConfig;

use super::digest::{Digest, Digesting};
use super::find::{about, warning};
use super::folder::{Bytes, Look};
use crate::net::tls::{self, TlsError};
use crate::yaml::{Diagnostic, Diagnostics};

/// The files of one listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

/// What a listener shows.
pub(super) struct Shown {
    pub(super) config: Arc<ServerConfig>,
    /// When its certificate ends.
    pub(super) ends: Option<SystemTime>,
}

impl Shown {
    pub(super) fn new(config: Arc<ServerConfig>, certificate: &[u8]) -> Self {
        let ends = tls::not_after(certificate);
        Self { config, ends }
    }

    /// What the listener runs with.
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// That it had ended when it was read at this time: it serves, since it may be all there is,
    /// but hardly anybody connects.
    pub(super) fn ended(&self, path: &Path, read: SystemTime) -> Option<Diagnostic> {
        self.ends.filter(|ends| *ends <= read)?;
        Some(warning(path, "the certificate has ended: clients refuse it").help("renew it"))
    }
}

/// What was read of them.
pub(super) struct Read {
    certificate: std::io::Result<Bytes>,
    key: std::io::Result<Bytes>,
}

impl Pair {
    pub(super) fn read(&self, look: &mut Look) -> Read {
        Read {
            certificate: look.file(&self.certificate, LARGEST),
            key: look.file(&self.key, LARGEST),
        }
    }

    /// What the listener shows; the ticket keys of what it showed until now are kept.
    pub(super) fn config(
        &self,
        read: Read,
        previous: Option<&ServerConfig>,
    ) -> Result<Shown, Diagnostics> {
        let mut found = Diagnostics::default();
        for (path, read) in [
            (&self.certificate, &read.certificate),
            (&self.key, &read.key),
        ] {
            if let Err(error) = read {
                let message = format!("the file cannot be read: {error}");
                found.push(about(path, message).help(HELP));
            }
        }
        let (Ok(certificate), Ok(key)) = (read.certificate, read.key) else {
            return Err(found);
        };
        let config = match previous {
            Some(previous) => tls::renewed_server_config(previous, &certificate, &key),
            None => tls::server_config(&certificate, &key),
        };
        match config {
            Ok(config) => Ok(Shown::new(config, &certificate)),
            Err(error) => Err(self.at_fault(&error).into()),
        }
    }

    fn at_fault(&self, error: &TlsError) -> Diagnostic {
        let file: &Path = match error {
            TlsError::NotPem { input, .. }
            | TlsError::Encrypted { input }
            | TlsError::Nothing { input }
            | TlsError::Unusable { input, .. }
                if *input == tls::Input::Certificate =>
            {
                &self.certificate
            }
            _ => &self.key,
        };
        about(file, error.to_string())
    }
}

impl Read {
    pub(super) fn digest(&self) -> Digest {
        let mut all = Digesting::default();
        all.read("certificate", &self.certificate);
        all.read("key", &self.key);
        all.finish()
    }
}

const HELP: &str = "`tls:` of the configuration names the certificate and its key, two PEM files";
/// The largest of these files, in bytes.
const LARGEST: usize = 1024 * 1024;
