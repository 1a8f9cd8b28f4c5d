//! What a line of a head, of chunked framing or of trailers may look like.

#![expect(
    clippy::indexing_slicing,
    reason = "only at offsets found in the same slice; any bytes are tested"
)]

use super::{Limits, Refusal};

/// The versions that share this framing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    Http10,
    Http11,
}

/// `METHOD /target HTTP/1.x`, single spaces, nothing else.
pub(super) fn request_line(line: &[u8], limits: &Limits) -> Result<Version, Refusal> {
    let mut parts = line.splitn(3, |byte| *byte == b' ');
    let (Some(method), Some(target), Some(version)) = (parts.next(), parts.next(), parts.next())
    else {
        return Err(Refusal::RequestLine);
    };
    if method.is_empty() || !method.iter().copied().all(is_token) {
        return Err(Refusal::RequestLine);
    }
    let version = match version {
        b"HTTP/1.1" => Version::Http11,
        b"HTTP/1.0" => Version::Http10,
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            return Err(Refusal::Version);
        }
        _ => return Err(Refusal::RequestLine),
    };
    if target.len() > limits.target {
        return Err(Refusal::TargetTooLong);
    }
    if target.first() != Some(&b'/') || target.contains(&b'#') || method == b"CONNECT" {
        return Err(Refusal::Target);
    }
    if !target.iter().copied().all(may_stand_in_target) {
        return Err(Refusal::TargetBytes);
    }
    Ok(version)
}

/// The name and the trimmed value of a header or trailer line.
pub(super) fn field(line: &[u8]) -> Result<(&[u8], &[u8]), Refusal> {
    if matches!(line.first(), Some(b' ' | b'\t')) {
        return Err(Refusal::Folded);
    }
    let colon = position(b':', line).ok_or(Refusal::FieldName)?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if name.is_empty() || !name.iter().copied().all(is_token) {
        return Err(Refusal::FieldName);
    }
    if value.iter().copied().any(is_control) {
        return Err(Refusal::FieldValue);
    }
    Ok((name, trim(value)))
}

pub(crate) fn content_length(value: &[u8]) -> Result<u64, Refusal> {
    if value.is_empty() || value.len() > 15 {
        return Err(Refusal::ContentLength);
    }
    value.iter().try_fold(0, |sum: u64, byte| match byte {
        b'0'..=b'9' => Ok(sum * 10 + u64::from(byte - b'0')),
        _ => Err(Refusal::ContentLength),
    })
}

/// A host, or an address in brackets, with an optional port. Whether it is one of ours is decided
/// elsewhere; here it is only made sure that everybody reads the same in it.
pub(crate) fn is_host(value: &[u8]) -> bool {
    let (host, port) = match value {
        [b'[', rest @ ..] => {
            let Some(end) = position(b']', rest) else {
                return false;
            };
            let inside = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
            if !rest[..end].iter().all(inside) {
                return false;
            }
            (&rest[..end], &rest[end + 1..])
        }
        _ => {
            let end = position(b':', value).unwrap_or(value.len());
            let named = |byte: &u8| {
                byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
            };
            if !value[..end].iter().all(named) {
                return false;
            }
            (&value[..end], &value[end..])
        }
    };
    let port_fits = match port {
        [] => true,
        [b':', digits @ ..] => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    !host.is_empty() && port_fits
}

/// A chunk's size: up to 15 hexadecimal digits, then an extension without controls, ignored.
pub(super) fn chunk_size(line: &[u8]) -> Result<u64, Refusal> {
    let end = position(b';', line).unwrap_or(line.len());
    let (digits, extension) = line.split_at(end);
    if digits.is_empty() || digits.len() > 15 || extension.iter().copied().any(is_control) {
        return Err(Refusal::Chunk);
    }
    digits.iter().try_fold(0, |sum: u64, byte| {
        let digit = char::from(*byte).to_digit(16).ok_or(Refusal::Chunk)?;
        Ok(sum * 16 + u64::from(digit))
    })
}

pub(super) fn position(byte: u8, bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|b| *b == byte)
}

fn trim(value: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value.iter().position(|b| !blank(b)).unwrap_or(value.len());
    let end = value
        .iter()
        .rposition(|b| !blank(b))
        .map_or(start, |i| i + 1);
    &value[start..end]
}

/// A byte that no header value may hold: everything below space but the tab, and DEL.
fn is_control(byte: u8) -> bool {
    (byte < b' ' && byte != b'\t') || byte == 0x7f
}

/// A byte that the target may hold as it is. RFC 3986 allows fewer, but clients leave brackets and
/// braces alone. What hyper itself would refuse, with an empty answer, is not among them.
fn may_stand_in_target(byte: u8) -> bool {
    (0x21..=0x7e).contains(&byte) && !b"\"<>`".contains(&byte)
}

/// A byte of a token (RFC 9110 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
