//! A file of headers: `Name: value` lines, which are secrets.

use std::path::Path;

use http::{HeaderName, HeaderValue};

use super::read::read_bytes;

/// The headers of a file; empty lines and those that begin with `#` are passed over.
///
/// # Errors
/// The file cannot be read or understood. The text says where and never quotes a value.
pub fn read(path: &Path) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let place = path.display();
    let bytes = read_bytes(path).map_err(|error| format!("{place} cannot be read: {error}"))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| format!("{place} is not UTF-8"))?;
    let mut headers = Vec::new();
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |what: &str| format!("{place}:{number}: {what}");
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| wrong("this is not `Name: value`"))?;
        let name: HeaderName = name
            .trim()
            .parse()
            .map_err(|_| wrong("this is no name of a header"))?;
        if OURS.contains(&name.as_str()) {
            return Err(wrong("this header is not for others to set"));
        }
        let mut value = HeaderValue::from_str(value.trim())
            .map_err(|_| wrong("the value has characters that a header cannot have"))?;
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
            ("a: b\nsecret", "F:2: this is not `Name: value`"),
            ("a b: c", "F:1: this is no name of a header"),
            (
                "\na: secret\u{1}x",
                "F:2: the value has characters that a header cannot have",
            ),
            ("Host: x", "F:1: this header is not for others to set"),
        ] {
            assert_eq!(read_text(text).unwrap_err(), wanted);
        }
        let missing = read(Path::new("/no/such/file")).unwrap_err();
        assert!(
            missing.starts_with("/no/such/file cannot be read: "),
            "{missing}"
        );
    }
}
