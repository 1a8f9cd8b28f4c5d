//! What the control listener shows and demands, read from the files that `control:` names.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;

use super::file::Operators;
use super::read::read_bytes;
use crate::net::tls::{self, Input, TlsError};
use crate::yaml::{Diagnostic, Diagnostics, Source, Span};

/// The TLS side of a secured control listener. A new one for every change of a file: nothing of an
/// older one is resumed.
///
/// # Errors
/// Every file that cannot be used, with what to do.
pub fn server_config(operators: &Operators) -> Result<Arc<ServerConfig>, Diagnostics> {
    let mut found = Diagnostics::default();
    let mut read = |path: &Path| match read_bytes(path) {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            let finding = about(path, format!("the file cannot be read: {error}"));
            let help = "`control:` of the configuration names a certificate, its key and, with \
                        `client_ca`, the CA of the operators' certificates: PEM files";
            found.push(finding.help(help));
            None
        }
    };
    let certificate = read(&operators.certificate);
    let key = read(&operators.key);
    let ca = operators.client_ca.as_deref().map(read);
    let (Some(certificate), Some(key)) = (certificate, key) else {
        return Err(found);
    };
    let ca = match ca {
        // Read or not, it is never left out: that would let everybody in.
        Some(None) => return Err(found),
        Some(ca) => ca,
        None => None,
    };
    tls::control_server_config(&certificate, &key, ca.as_deref()).map_err(|error| {
        let path = match input(&error) {
            Some(Input::ClientCa) => operators.client_ca.as_deref(),
            Some(Input::Certificate) => Some(&*operators.certificate),
            _ => None,
        };
        let path = path.unwrap_or(&operators.key);
        found.push(about(path, error.to_string()));
        found
    })
}

/// Which of the inputs an error is about.
fn input(error: &TlsError) -> Option<Input> {
    match error {
        TlsError::NotPem { input, .. }
        | TlsError::Encrypted { input }
        | TlsError::Nothing { input }
        | TlsError::Unusable { input, .. } => Some(*input),
        TlsError::Mismatch { .. } | TlsError::NoRoots(_) | TlsError::Library(_) => None,
    }
}

/// A finding about a file of which nothing can be shown.
fn about(path: &Path, message: String) -> Diagnostic {
    let source = Source::new(path.display().to_string(), "");
    let start = Span {
        line: 1,
        column: 1,
        ..Span::default()
    };
    Diagnostic::error(&source, start, message)
}

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
            let operators = Operators {
                certificate: folder.join(certificate),
                key: folder.join(key),
                client_ca: ca.map(|ca| folder.join(ca)),
                operator_token: false,
            };
            server_config(&operators).map_err(|found| {
                let files = found.iter().map(|finding| {
                    let line = finding.one_line();
                    let file = line.split(':').next().unwrap_or_default();
                    file.rsplit('/').next().unwrap_or_default().to_owned()
                });
                files.collect::<Vec<_>>()
            })
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
