//! Where a server is: `ldap://host:389`, `ldaps://host:636`, `ldapi://%2frun%2fslapd%2fldapi`.
//! Nothing else of RFC 4516 is taken: names and filters belong into a rule.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The place of a server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LdapUrl {
    /// Over TCP.
    Tcp {
        /// Name or address; that of IPv6 without brackets.
        host: String,
        /// The port.
        port: u16,
        /// Whether TLS begins at once.
        tls: bool,
    },
    /// Over a Unix socket.
    Socket(PathBuf),
}

/// Why a text is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Another scheme, or none.
    #[error("an LDAP URL begins with ldap://, ldaps:// or ldapi://")]
    Scheme,
    /// It names nobody.
    #[error("the host is missing or malformed, as in ldaps://ldap.example.com:636")]
    Host,
    /// The port is none.
    #[error("the port is not a number from 1 to 65535")]
    Port,
    /// More follows.
    #[error("nothing may follow the host and port: base and filter are keys of their own")]
    Rest,
    /// There is a user in it.
    #[error("no user may stand in it: name and password are keys of their own")]
    User,
    /// It is no path of a socket.
    #[error(
        "ldapi:// is followed by the socket's absolute path, with %2f for each slash, as in \
         ldapi://%2frun%2fslapd%2fldapi"
    )]
    Socket,
}

impl LdapUrl {
    /// Whether what goes over it stays on this machine, as far as can be told from the URL.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Socket(_) => true,
            Self::Tcp { host, .. } => {
                host.eq_ignore_ascii_case("localhost")
                    || host
                        .parse::<std::net::IpAddr>()
                        .is_ok_and(|address| address.is_loopback())
            }
        }
    }
}

impl FromStr for LdapUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        let (tls, port) = match scheme.to_ascii_lowercase().as_str() {
            "ldap" => (false, 389),
            "ldaps" => (true, 636),
            "ldapi" => return socket(rest),
            _ => return Err(UrlError::Scheme),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#']) {
            return Err(UrlError::Rest);
        }
        if rest.contains('@') {
            return Err(UrlError::User);
        }
        let (host, after) = match rest.strip_prefix('[') {
            Some(rest) => {
                let (host, after) = rest.split_once(']').ok_or(UrlError::Host)?;
                host.parse::<std::net::Ipv6Addr>()
                    .map_err(|_| UrlError::Host)?;
                (host, after)
            }
            None => rest
                .find(':')
                .and_then(|at| rest.split_at_checked(at))
                .unwrap_or((rest, "")),
        };
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        if host.is_empty() || (!rest.starts_with('[') && !host.chars().all(fits)) {
            return Err(UrlError::Host);
        }
        let port = match after.strip_prefix(':') {
            None if after.is_empty() => port,
            None => return Err(UrlError::Host),
            Some(number) if number.bytes().all(|byte| byte.is_ascii_digit()) => number
                .parse()
                .ok()
                .filter(|port| *port != 0)
                .ok_or(UrlError::Port)?,
            Some(_) => return Err(UrlError::Port),
        };
        Ok(Self::Tcp {
            host: host.to_ascii_lowercase(),
            port,
            tls,
        })
    }
}

impl fmt::Display for LdapUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port, tls } => {
                let scheme = if *tls { "ldaps" } else { "ldap" };
                if host.contains(':') {
                    write!(f, "{scheme}://[{host}]:{port}")
                } else {
                    write!(f, "{scheme}://{host}:{port}")
                }
            }
            Self::Socket(path) => {
                let path = path.display().to_string();
                let escaped = path.replace('%', "%25").replace('/', "%2f");
                write!(f, "ldapi://{escaped}")
            }
        }
    }
}

fn socket(rest: &str) -> Result<LdapUrl, UrlError> {
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let mut path = Vec::new();
    let mut chars = rest.chars();
    while let Some(c) = chars.next() {
        match c {
            '%' => {
                let (Some(first), Some(second)) = (chars.next(), chars.next()) else {
                    return Err(UrlError::Socket);
                };
                path.push(crate::ldap::dn::pair(first, second).ok_or(UrlError::Socket)?);
            }
            '/' | '?' | '#' | '\0' => return Err(UrlError::Socket),
            c => path.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    let path = String::from_utf8(path).map_err(|_| UrlError::Socket)?;
    if !path.starts_with('/') || path.contains('\0') {
        return Err(UrlError::Socket);
    }
    Ok(LdapUrl::Socket(path.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_printed_in_one_form() {
        for (text, printed) in [
            ("ldap://LDAP1.example.com", "ldap://ldap1.example.com:389"),
            ("LDAPS://ldap1/", "ldaps://ldap1:636"),
            ("ldap://127.0.0.1:3389", "ldap://127.0.0.1:3389"),
            ("ldaps://[::1]", "ldaps://[::1]:636"),
            ("ldaps://[::1]:1636", "ldaps://[::1]:1636"),
            ("ldapi://%2frun%2Fldapi/", "ldapi://%2frun%2fldapi"),
        ] {
            let url: LdapUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), printed);
            assert_eq!(printed.parse(), Ok(url));
        }
    }

    #[test]
    fn what_cannot_be_a_place_is_refused() {
        for (text, why) in [
            ("http://x", UrlError::Scheme),
            ("ldap1", UrlError::Scheme),
            ("ldap://", UrlError::Host),
            ("ldap://:389", UrlError::Host),
            ("ldap://a b", UrlError::Host),
            ("ldap://[x]", UrlError::Host),
            ("ldap://[::1]x", UrlError::Host),
            ("ldap://::1", UrlError::Host),
            ("ldap://x:", UrlError::Port),
            ("ldap://x:0", UrlError::Port),
            ("ldap://x:+1", UrlError::Port),
            ("ldap://x:65536", UrlError::Port),
            ("ldap://x/dc=example", UrlError::Rest),
            ("ldap://x?cn", UrlError::Rest),
            ("ldap://u:p@x", UrlError::User),
            ("ldapi://run", UrlError::Socket),
            ("ldapi:///run", UrlError::Socket),
            ("ldapi://%2", UrlError::Socket),
            ("ldapi://%2f%00", UrlError::Socket),
        ] {
            assert_eq!(text.parse::<LdapUrl>(), Err(why), "{text}");
        }
    }

    #[test]
    fn what_stays_here_is_known() {
        for (text, local) in [
            ("ldap://localhost", true),
            ("ldap://127.1.2.3", true),
            ("ldap://[::1]", true),
            ("ldapi://%2fx", true),
            ("ldap://localhost.example.com", false),
            ("ldap://10.0.0.1", false),
        ] {
            assert_eq!(text.parse::<LdapUrl>().unwrap().is_local(), local, "{text}");
        }
    }
}
