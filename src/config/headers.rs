//! A file of headers: `Name: value` lines, which are secrets.

use std::path::Path;

use http::{HeaderName, HeaderValue};

use super::file::Config;
use super::read::read_bytes;
use crate::yaml::{Diagnostic, Diagnostics, Source, Span};

/// The headers that the collector of traces wants.
///
/// # Errors
/// The file cannot be read or understood: one finding, which says where and quotes nothing.
pub fn check(config: &Config) -> Result<(), Diagnostics> {
    let traces = config.traces.as_ref();
    let Some(file) = traces.and_then(|traces| traces.headers_file.as_deref()) else {
        return Ok(());
    };
    let place = Span {
        line: 1,
        column: 1,
        ..Span::default()
    };
    // Without its text, so that nothing of that can be shown.
    let source = Source::new(file.display().to_string(), "");
    match lines(file) {
        Ok(_) => Ok(()),
        Err(problem) => Err(Diagnostic::error(&source, place, problem)
            .help("lines of `Name: value`, which `traces.headers_file` names")
            .into()),
    }
}

/// The headers of a file; empty lines and those that begin with `#` are passed over.
///
/// # Errors
/// The file cannot be read or understood. The text says where and never quotes a value.
pub fn read(path: &Path) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    lines(path).map_err(|problem| format!("{}: {problem}", path.display()))
}

fn lines(path: &Path) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let bytes = read_bytes(path).map_err(|error| format!("the file cannot be read: {error}"))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| "the file is not UTF-8".to_owned())?;
    let mut headers = Vec::new();
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |what: &str| format!("line {number} {what}");
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| wrong("is not `Name: value`"))?;
        let name: HeaderName = name
            .trim()
            .parse()
            .map_err(|_| wrong("has no name of a header"))?;
        if OURS.contains(&name.as_str()) {
            return Err(wrong("has a header that the message itself decides"));
        }
        let mut value = HeaderValue::from_str(value.trim())
            .map_err(|_| wrong("has characters that a header cannot have"))?;
        value.set_sensitive(true);
        headers.push((name, value));
    }
    Ok(headers)
}

/// The name of this machine, which in a pod is the pod's.
#[must_use]
pub fn machine() -> Option<String> {
    let bytes = read_bytes(Path::new("/proc/sys/kernel/hostname")).ok()?;
    let name = std::str::from_utf8(&bytes).ok()?.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

/// What the message itself decides.
const OURS: [&str; 7] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "te",
    "transfer-encoding",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
        let name = format!("postern-headers-{}-{:p}", std::process::id(), text);
        let file = std::env::temp_dir().join(name);
        std::fs::write(&file, text).unwrap();
        let got = read(&file).map_err(|error| error.replace(&file.display().to_string(), "F"));
        std::fs::remove_file(&file).unwrap();
        got
    }

    #[test]
    fn lines_are_headers_that_do_not_print() {
        let got =
            read_text("# for the collector\nAuthorization: Basic c2VjcmV0\n\n x-scope :a:b \n");
        let got = got.unwrap();
        let [(first, secret), (second, scope)] = got.as_slice() else {
            panic!("{got:?}")
        };
        assert_eq!(
            (first.as_str(), second.as_str()),
            ("authorization", "x-scope")
        );
        assert_eq!(
            (secret.as_bytes(), scope.as_bytes()),
            (&b"Basic c2VjcmV0"[..], &b"a:b"[..])
        );
        assert!(!format!("{got:?}").contains("c2VjcmV0"));
    }

    #[test]
    fn a_mistake_has_a_place_and_no_value() {
        for (text, wanted) in [
            ("a: b\nsecret", "F: line 2 is not `Name: value`"),
            ("a b: c", "F: line 1 has no name of a header"),
            (
                "\na: secret\u{1}x",
                "F: line 2 has characters that a header cannot have",
            ),
            (
                "Host: x",
                "F: line 1 has a header that the message itself decides",
            ),
        ] {
            assert_eq!(read_text(text).unwrap_err(), wanted);
        }
        let missing = read(Path::new("/no/such/file")).unwrap_err();
        assert!(
            missing.starts_with("/no/such/file: the file cannot be read: "),
            "{missing}"
        );
    }
}
