//! The one door through which configuration files are read.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use zeroize::Zeroizing;

use crate::yaml::{Diagnostic, Diagnostics, MAX_FILE, Source, Span};

/// Reads a file whole. `missing` is what to do when it is not there.
///
/// # Errors
/// The file is missing, unreadable, larger than [`MAX_FILE`] or not UTF-8: one finding that says
/// what to do.
pub fn read(path: &Path, missing: &str) -> Result<Source, Diagnostics> {
    text(path, missing, bounded(path))
}

/// The text that the bytes of a file are, or the finding that it has none.
pub(super) fn text(
    path: &Path,
    missing: &str,
    bytes: io::Result<Vec<u8>>,
) -> Result<Source, Diagnostics> {
    let name = path.display().to_string();
    let bytes = match bytes {
        Ok(bytes) => bytes,
        Err(error) => {
            let (message, help) = match error.kind() {
                ErrorKind::NotFound => ("there is no such file".to_owned(), missing),
                ErrorKind::PermissionDenied => (
                    "the file may not be read".to_owned(),
                    "give the user that runs postern the right to read it",
                ),
                ErrorKind::IsADirectory => ("this is a folder, not a file".to_owned(), missing),
                ErrorKind::FileTooLarge => (
                    format!("the file has more than {MAX_FILE} bytes"),
                    "is it the right one?",
                ),
                _ => (format!("the file cannot be read: {error}"), missing),
            };
            return Err(whole_file(name, message, help));
        }
    };
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Source::new(name, text)),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let line = error
                .as_bytes()
                .iter()
                .take(at)
                .filter(|b| **b == b'\n')
                .count()
                + 1;
            let message = format!("line {line} is not UTF-8");
            Err(whole_file(name, message, "save the file as UTF-8"))
        }
    }
}

/// Reads a file that is not YAML whole: a certificate, a key, a secret.
///
/// # Errors
/// It is missing, unreadable, or larger than [`MAX_FILE`].
pub fn read_bytes(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    bounded(path).map(Zeroizing::new)
}

/// At most one byte more than is allowed: enough to see that it is too much.
fn bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_FILE)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_FILE {
        return Err(ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

/// A finding about a file of which nothing can be shown.
fn whole_file(name: String, message: String, help: &str) -> Diagnostics {
    let place = Span {
        line: 1,
        column: 1,
        ..Span::default()
    };
    Diagnostic::error(&Source::new(name, ""), place, message)
        .help(help)
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(path: &Path) -> String {
        let found = read(path, "make one").err().unwrap_or_default();
        found.iter().map(Diagnostic::one_line).collect()
    }

    #[test]
    fn files_that_cannot_be_read_say_what_to_do() {
        let folder = std::env::temp_dir().join(format!("postern-read-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("a.yaml");
        let shown = file.display();
        assert_eq!(
            message(&file),
            format!("{shown}:1:1: there is no such file (make one)")
        );
        std::fs::write(&file, b"a: b\nc: \xff\n").unwrap();
        let wanted = format!("{shown}:1:1: line 2 is not UTF-8 (save the file as UTF-8)");
        assert_eq!(message(&file), wanted);
        std::fs::write(&file, vec![b'#'; MAX_FILE + 1]).unwrap();
        assert!(message(&file).contains("more than 16777216 bytes"));
        std::fs::write(&file, vec![b'#'; MAX_FILE]).unwrap();
        assert_eq!(read(&file, "").unwrap().text.len(), MAX_FILE);
        assert!(message(&folder).contains("this is a folder"));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
