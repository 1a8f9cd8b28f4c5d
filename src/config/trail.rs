//! The secret that an audit trail is keyed with.

use std::path::Path;

use super::file::Config;
use super::read::read_bytes;
use crate::audit::Key;
use crate::yaml::{Diagnostic, Diagnostics, Source, Span};

/// The secret that the configuration names, if it names one.
///
/// # Errors
/// The file cannot be read, or is too short to be a secret: one finding, which quotes nothing.
pub fn secret(config: &Config) -> Result<Option<Key>, Diagnostics> {
    let audit = config.audit.as_ref();
    let Some(file) = audit.and_then(|audit| audit.key_file.as_deref()) else {
        return Ok(None);
    };
    key(file).map(Some)
}

/// The secret in a file, without white space at its end.
///
/// # Errors
/// The same.
pub fn key(file: &Path) -> Result<Key, Diagnostics> {
    let place = Span {
        line: 1,
        column: 1,
        ..Span::default()
    };
    let source = Source::new(file.display().to_string(), "");
    let wrong = |problem: String| {
        Diagnostic::error(&source, place, problem)
            .help("the key of the audit trail: make one with `openssl rand -hex 32`")
            .into()
    };
    let bytes =
        read_bytes(file).map_err(|error| wrong(format!("the file cannot be read: {error}")))?;
    let secret = bytes.trim_ascii_end();
    if secret.len() < SHORTEST {
        let length = secret.len();
        return Err(wrong(format!(
            "{length} characters are too few, {SHORTEST} are needed"
        )));
    }
    Ok(Key::new(secret))
}

/// How many characters a secret has at least.
const SHORTEST: usize = 32;
