//! The canonical path and the host of a request: decoded once, and refused where two readers
//! could read it in two ways. Tenant and endpoint are found on the decoded form, and only that is
//! ever handed on.

use http::{HeaderMap, Uri, header::HOST};

use super::error::GatewayError;

/// The decoded path. It starts with a slash, has no empty segment, none that is only dots, and no
/// character that is a separator to somebody.
pub(super) fn canonical(uri: &Uri) -> Result<String, GatewayError> {
    canonical_path(uri.path())
}

/// The same of a path as a text.
pub(super) fn canonical_path(raw: &str) -> Result<String, GatewayError> {
    if !raw.starts_with('/') {
        return Err(GatewayError::Path("must start with a slash"));
    }
    let path = decode(raw)?;
    for segment in path.split('/').skip(1) {
        match segment {
            "" if path == "/" => {}
            "" => return Err(GatewayError::Path("has an empty segment")),
            "." | ".." => return Err(GatewayError::Path("has a dot segment")),
            _ => {}
        }
    }
    Ok(path)
}

/// The host that the request is for: lower case, without port.
pub(super) fn host(uri: &Uri, headers: &HeaderMap) -> Result<String, GatewayError> {
    let mut lines = headers.get_all(HOST).iter();
    let line = match (lines.next(), lines.next()) {
        (_, Some(_)) => return Err(GatewayError::Host("stands twice")),
        (Some(line), None) => Some(
            line.to_str()
                .map_err(|_| GatewayError::Host("cannot be read"))?,
        ),
        (None, None) => None,
    };
    let named = match (uri.authority(), line) {
        (Some(authority), Some(line)) if !authority.as_str().eq_ignore_ascii_case(line) => {
            return Err(GatewayError::Host(
                "differs from the authority of the request",
            ));
        }
        (Some(authority), _) => authority.as_str(),
        (None, Some(line)) => line,
        (None, None) => return Err(GatewayError::Host("is missing")),
    };
    let name = without_port(named).ok_or(GatewayError::Host("cannot be read"))?;
    Ok(name.to_ascii_lowercase())
}

/// Percent-decoding, once; every byte of the result is checked.
fn decode(raw: &str) -> Result<String, GatewayError> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            if matches!(byte, b';' | b'\\') {
                return Err(GatewayError::Path("has a `;` or a backslash"));
            }
            bytes.push(byte);
            continue;
        }
        let digits = rest.next().and_then(hex).zip(rest.next().and_then(hex));
        let Some((high, low)) = digits else {
            return Err(GatewayError::Path("has a % without two hexadecimal digits"));
        };
        match high << 4 | low {
            b'/' | b'\\' | b';' | 0 => {
                return Err(GatewayError::Path(
                    "has an encoded slash, backslash, semicolon or NUL",
                ));
            }
            byte => bytes.push(byte),
        }
    }
    // The standard library refuses overlong forms and surrogates.
    let path = String::from_utf8(bytes).map_err(|_| GatewayError::Path("is not UTF-8"))?;
    if path.chars().any(char::is_control) {
        return Err(GatewayError::Path("has a control character"));
    }
    if path.chars().any(is_lookalike) {
        return Err(GatewayError::Path(
            "has a character that looks like a dot or a slash",
        ));
    }
    if has_escape(path.as_bytes()) {
        return Err(GatewayError::Path("is encoded twice"));
    }
    Ok(path)
}

/// Whether a second decoding would change the text.
fn has_escape(path: &[u8]) -> bool {
    path.windows(3).any(
        |three| matches!(three, [b'%', high, low] if hex(*high).is_some() && hex(*low).is_some()),
    )
}

/// Dots and slashes of other scripts, which a normalising reader would take for ours.
fn is_lookalike(c: char) -> bool {
    matches!(
        c,
        '\u{2024}'
            ..='\u{2026}'
                | '\u{2044}'
                | '\u{2215}'
                | '\u{29f8}'
                | '\u{fe52}'
                | '\u{fe68}'
                | '\u{ff0e}'
                | '\u{ff0f}'
                | '\u{ff3c}'
                | '\u{ff61}'
    )
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

/// `name`, `name:port`, `[::1]`, `[::1]:port`; nothing with user information.
fn without_port(authority: &str) -> Option<&str> {
    let (name, port) = match authority.find(']') {
        Some(end) => {
            let (name, rest) = authority.split_at_checked(end + 1)?;
            let port = if rest.is_empty() {
                None
            } else {
                Some(rest.strip_prefix(':')?)
            };
            (name, port)
        }
        None => match authority.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (authority, None),
        },
    };
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._[]:".contains(&b);
    let port_fits = port.is_none_or(|port| port.parse::<u16>().is_ok() && !port.starts_with('+'));
    (port_fits && !name.is_empty() && name.bytes().all(plain)).then_some(name)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn path(text: &str) -> Result<String, GatewayError> {
        canonical(&Uri::try_from(text).unwrap())
    }

    #[test]
    fn plain_paths_are_decoded_once() {
        assert_eq!(path("/corp/scim/v2/Users").unwrap(), "/corp/scim/v2/Users");
        assert_eq!(path("/a/b%2Dc%20d").unwrap(), "/a/b-c d");
        assert_eq!(path("/a/%C3%A9?x=%2f").unwrap(), "/a/é");
        assert_eq!(path("/a/100%25").unwrap(), "/a/100%");
        assert_eq!(path("/").unwrap(), "/");
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for text in [
            "/corp/../other/Users",
            "/corp/%2e%2e/Users",
            "/corp/%2E/Users",
            "/corp//Users",
            "/corp/Users/",
            "/corp%2fUsers",
            "/corp/%5cUsers",
            "/corp/Users%00",
            "/corp/Users;x=1",
            "/corp/Users%3bx",
            "/corp/Users%0d%0a",
            "/corp/Users%7f",
            "/corp/Users%c2%85",
            "/corp/%c0%ae%c0%ae/Users",
            "/corp/%ed%a0%80",
            "/corp/%ff",
            "/corp/%EF%BC%8E/Users",
            "/corp/%252e%252e/Users",
            "/corp/%2",
            "/corp/%zz",
            "*",
        ] {
            assert!(
                matches!(path(text), Err(GatewayError::Path(_))),
                "{text} was let in"
            );
        }
    }

    #[test]
    fn hosts() {
        let ask = |uri: &str, lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(HOST, HeaderValue::from_str(line).unwrap());
            }
            host(&Uri::try_from(uri).unwrap(), &headers)
        };
        for (uri, lines, name) in [
            ("/x", &["SCIM.Example.com:8443"][..], "scim.example.com"),
            ("https://scim.example.com/x", &[], "scim.example.com"),
            ("https://a.example/x", &["A.example"], "a.example"),
            ("/x", &["[::1]:8443"], "[::1]"),
            ("/x", &["127.0.0.1"], "127.0.0.1"),
        ] {
            assert_eq!(ask(uri, lines).as_deref(), Ok(name));
        }
        for (uri, lines) in [
            ("/x", &[][..]),
            ("/x", &["a", "a"]),
            ("/x", &["user@a"]),
            ("/x", &["a:b"]),
            ("/x", &["a:+1"]),
            ("/x", &["a:65536"]),
            ("/x", &[""]),
            ("/x", &["a b"]),
            ("/x", &["[::1]x"]),
            ("/x", &["[::1]:1]"]),
            ("https://a.example/x", &["b.example"]),
            ("https://user@a.example/x", &[]),
        ] {
            assert!(ask(uri, lines).is_err(), "{uri} {lines:?} was let in");
        }
    }

    proptest! {
        #[test]
        fn what_is_let_in_is_stable_under_a_second_decoding(text in "/[a-z%0-9./A-F]{0,24}") {
            if let Ok(uri) = Uri::try_from(&text)
                && let Ok(path) = canonical(&uri)
            {
                prop_assert!(!has_escape(path.as_bytes()));
                prop_assert!(!path.contains("//") && !path.contains("/../"));
                prop_assert!(path.starts_with('/'));
            }
        }
    }
}
