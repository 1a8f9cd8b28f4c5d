//! What the control listener shows and demands, read from the files that `control:` names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::certificate::Shown;
use super::digest::{Digest, Digesting};
use super::file::Operators;
use super::find::about;
use super::folder::{Bytes, Look, State, parent, steadily};
use super::report::Kind;
use super::unit::Unit;
use crate::net::tls::{self, Input, TlsError};
use crate::yaml::{Diagnostic, Diagnostics};

/// The TLS side of a secured control listener, and its last good state.
pub(super) struct Secured {
    files: Operators,
    pub(super) unit: Unit<Shown>,
}

/// What was read of the files.
struct Read {
    certificate: std::io::Result<Bytes>,
    key: std::io::Result<Bytes>,
    client_ca: Option<std::io::Result<Bytes>>,
}

impl Secured {
    pub(super) fn new(files: Operators) -> Self {
        let folder = parent(&files.certificate).to_owned();
        Self {
            files,
            unit: Unit::new(Kind::Tls, folder),
        }
    }

    /// Looks at the files. A new state is a new configuration: nothing of an older one is resumed.
    pub(super) fn look(&mut self, clock: Option<fn() -> SystemTime>, now: SystemTime) -> State {
        let files = &self.files;
        let (read, state) = steadily(clock, |look| Read::of(files, look));
        if state == State::Restless && clock.is_some() {
            return state;
        }
        let digest = read.digest();
        let is_new = self.unit.is_new(digest);
        if self.unit.serves(digest) {
            self.unit.heal();
        } else if is_new {
            match config(files, read) {
                Ok(config) => self.unit.take(digest, config, now),
                Err(found) => self.unit.refuse(found, is_new),
            }
        }
        state
    }

    /// That the certificate had ended when it was read.
    pub(super) fn ended(&self) -> Option<Diagnostic> {
        let good = self.unit.good()?;
        good.value.ended(&self.files.certificate, good.loaded)
    }

    /// The folders that something is read from.
    pub(super) fn folders(&self) -> BTreeSet<PathBuf> {
        let Operators {
            certificate,
            key,
            client_ca,
            operator_token: _,
        } = &self.files;
        let files = [Some(certificate), Some(key), client_ca.as_ref()];
        let folders = files.into_iter().flatten();
        folders.map(|file| parent(file).to_owned()).collect()
    }
}

impl Read {
    fn of(files: &Operators, look: &mut Look) -> Self {
        Self {
            certificate: look.file(&files.certificate, LARGEST),
            key: look.file(&files.key, LARGEST),
            client_ca: files.client_ca.as_ref().map(|ca| look.file(ca, LARGEST)),
        }
    }

    fn digest(&self) -> Digest {
        let mut all = Digesting::default();
        all.read("certificate", &self.certificate);
        all.read("key", &self.key);
        if let Some(ca) = &self.client_ca {
            all.read("client_ca", ca);
        }
        all.finish()
    }
}

/// What the listener runs with, or every file that cannot be used.
fn config(files: &Operators, read: Read) -> Result<Shown, Diagnostics> {
    let mut found = Diagnostics::default();
    let mut kept = |path: &Path, read: std::io::Result<Bytes>| match read {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            let message = format!("the file cannot be read: {error}");
            found.push(about(path, message).help(HELP));
            None
        }
    };
    let certificate = kept(&files.certificate, read.certificate);
    let key = kept(&files.key, read.key);
    let ca = match (&files.client_ca, read.client_ca) {
        // One that cannot be read is never left out: that would let everybody in.
        (Some(path), Some(read)) => kept(path, read).map(Some),
        _ => Some(None),
    };
    let (Some(certificate), Some(key), Some(ca)) = (certificate, key, ca) else {
        return Err(found);
    };
    let ca = ca.as_ref().map(|ca| ca.as_slice());
    let made = tls::control_server_config(&certificate, &key, ca);
    match made {
        Ok(config) => Ok(Shown::new(config, &certificate)),
        Err(error) => Err(at_fault(files, &error).into()),
    }
}

fn at_fault(files: &Operators, error: &TlsError) -> Diagnostic {
    let input = match error {
        TlsError::NotPem { input, .. }
        | TlsError::Encrypted { input }
        | TlsError::Nothing { input }
        | TlsError::Unusable { input, .. } => Some(*input),
        TlsError::Mismatch { .. } | TlsError::NoRoots(_) | TlsError::Library(_) => None,
    };
    let file = match input {
        Some(Input::ClientCa) => files.client_ca.as_ref(),
        Some(Input::Certificate) => Some(&files.certificate),
        _ => None,
    };
    about(file.unwrap_or(&files.key), error.to_string())
}

const HELP: &str = "`control:` of the configuration names a certificate, its key and, with \
                    `client_ca`, the CA of the operators' certificates: PEM files";

/// The largest of these files, in bytes.
const LARGEST: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_named_by_its_own_mistake() {
        let folder = std::env::temp_dir().join(format!("postern-control-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        for (name, text) in [
            ("c.crt", pem.as_str()),
            ("c.key", &key.serialize_pem()),
            ("empty", ""),
        ] {
            std::fs::write(folder.join(name), text).unwrap();
        }
        let outcome = |certificate: &str, key: &str, ca: Option<&str>| {
            let mut secured = Secured::new(Operators {
                certificate: folder.join(certificate),
                key: folder.join(key),
                client_ca: ca.map(|ca| folder.join(ca)),
                operator_token: false,
            });
            let _ = secured.look(None, SystemTime::UNIX_EPOCH);
            let files = secured.unit.errors().iter().map(|finding| {
                let line = finding.one_line();
                let file = line.split(':').next().unwrap_or_default();
                file.rsplit('/').next().unwrap_or_default().to_owned()
            });
            let files: Vec<String> = files.collect();
            secured.unit.value().map(Shown::config).ok_or(files)
        };
        let good = outcome("c.crt", "c.key", Some("c.crt")).unwrap();
        assert_eq!(good.alpn_protocols, [b"http/1.1"]);
        assert_eq!(good.send_tls13_tickets, 0);
        assert!(!good.ticketer.enabled());
        assert!(outcome("c.crt", "c.key", None).is_ok());
        let none = outcome("no.crt", "no.key", Some("no.ca")).unwrap_err();
        assert_eq!(none, ["no.crt", "no.key", "no.ca"]);
        let gone = outcome("c.crt", "c.key", Some("no.ca")).unwrap_err();
        assert_eq!(gone, ["no.ca"]);
        assert_eq!(outcome("empty", "c.key", None).unwrap_err(), ["empty"]);
        assert_eq!(outcome("c.crt", "empty", None).unwrap_err(), ["empty"]);
        let ca = outcome("c.crt", "c.key", Some("empty")).unwrap_err();
        assert_eq!(ca, ["empty"]);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
