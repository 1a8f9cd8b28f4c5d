//! Tenant URLs, hosts and directory URLs: only the plain forms that nobody can misread.

use crate::yaml::{Diagnostic, Diagnostics, Node, Source};

use super::TenantUrl;
use super::ldap::LdapUrl;

/// `tenant_url`.
pub(super) fn tenant(source: &Source, node: &Node, d: &mut Diagnostics) -> Option<TenantUrl> {
    let text = node.string(source, d)?;
    let mut refuse = |message: String, help: &str| {
        d.push(Diagnostic::error(source, node.span, message).help(help));
        None
    };
    let parts = match split(text) {
        Ok(parts) => parts,
        Err(problem) => return refuse(format!("`tenant_url` {problem}"), EXAMPLE),
    };
    if parts.scheme != "https" {
        return refuse(
            "`tenant_url` must begin with `https://`".to_owned(),
            EXAMPLE,
        );
    }
    if parts.path.is_empty() {
        let message = "`tenant_url` needs a path: tenants are told apart by it".to_owned();
        return refuse(message, EXAMPLE);
    }
    let port = parts.port.filter(|port| *port != 443);
    let shown = port.map_or(String::new(), |port| format!(":{port}"));
    Some(TenantUrl {
        text: format!("https://{}{shown}{}", parts.host, parts.path).into(),
        host: parts.host,
        port,
        path: parts.path,
    })
}

/// `hosts`.
pub(super) fn hosts(source: &Source, node: &Node, d: &mut Diagnostics) -> Vec<String> {
    let mut hosts = Vec::new();
    for item in node.list(source, d).unwrap_or_default() {
        let Some(text) = item.string(source, d) else {
            continue;
        };
        if is_host(text) {
            hosts.push(text.to_ascii_lowercase());
        } else {
            let shown: String = text.chars().take(60).collect();
            let error = Diagnostic::error(source, item.span, format!("`{shown}` is not a host"));
            d.push(error.help("a name or address only, without scheme, port and path"));
        }
    }
    hosts
}

/// `backend.scim.url`: the text without a slash at its end, and whether it is plain http to
/// somewhere else than this machine.
pub(super) fn directory(
    source: &Source,
    node: &Node,
    d: &mut Diagnostics,
) -> Option<(String, bool)> {
    let text = node.string(source, d)?;
    match split(text) {
        Ok(parts) => {
            let port = parts.port.map_or(String::new(), |port| format!(":{port}"));
            let exposed = parts.scheme == "http" && !is_loopback(&parts.host);
            let url = format!("{}://{}{port}{}", parts.scheme, parts.host, parts.path);
            Some((url, exposed))
        }
        Err(problem) => {
            let error = Diagnostic::error(source, node.span, format!("`url` {problem}"));
            d.push(error.help("such as `https://directory.internal/api`"));
            None
        }
    }
}

/// One of `backend.ldap.urls`: scheme, host and port only.
pub(super) fn ldap(source: &Source, node: &Node, d: &mut Diagnostics) -> Option<LdapUrl> {
    let text = node.string(source, d)?;
    let found = match text.split_once("://") {
        Some(("ldaps", rest)) => Ok((true, rest)),
        Some(("ldap", rest)) => Ok((false, rest)),
        _ => Err("must begin with `ldaps://` or `ldap://`".to_owned()),
    };
    let found = found.and_then(|(tls, rest)| {
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#', '@']) {
            return Err("must have a host and a port only".to_owned());
        }
        let (host, port) = host_and_port(rest)?;
        let usual = if tls { 636 } else { 389 };
        Ok(LdapUrl {
            tls,
            host: host.to_ascii_lowercase(),
            port: port.unwrap_or(usual),
        })
    });
    match found {
        Ok(url) => Some(url),
        Err(problem) => {
            let shown: String = text.chars().take(80).collect();
            let error = Diagnostic::error(source, node.span, format!("`{shown}` {problem}"));
            d.push(error.help("such as `ldaps://ds1.example.com`"));
            None
        }
    }
}

struct Parts {
    scheme: &'static str,
    host: String,
    port: Option<u16>,
    path: String,
}

fn split(text: &str) -> Result<Parts, String> {
    let scheme = if text.starts_with("https://") {
        "https"
    } else if text.starts_with("http://") {
        "http"
    } else {
        return Err("must begin with `https://`".to_owned());
    };
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    for (sign, what) in [('?', "query"), ('#', "fragment")] {
        if rest.contains(sign) {
            return Err(format!("must not have a {what} (`{sign}`)"));
        }
    }
    let (authority, path) = match rest.find('/').and_then(|at| rest.split_at_checked(at)) {
        Some((authority, path)) => (authority, path),
        None => (rest, ""),
    };
    if authority.contains('@') {
        return Err("must not have a user name (`@`)".to_owned());
    }
    let (host, port) = host_and_port(authority)?;
    let path = path.strip_suffix('/').unwrap_or(path);
    for segment in path.split('/').skip(1) {
        if segment.is_empty() {
            return Err("must not have an empty path segment (`//`)".to_owned());
        }
        if matches!(segment, "." | "..") {
            return Err("must not have dot segments".to_owned());
        }
        if let Some(odd) = segment.chars().find(|c| !is_plain(*c)) {
            return Err(format!(
                "has the character `{odd}` in its path: letters, digits, `-`, `_`, `.` and `~` are possible"
            ));
        }
    }
    Ok(Parts {
        scheme,
        host: host.to_ascii_lowercase(),
        port,
        path: path.to_owned(),
    })
}

fn host_and_port(authority: &str) -> Result<(&str, Option<u16>), String> {
    let bracket = authority.rfind(']').map_or(0, |at| at + 1);
    let (host, port) = match authority.rfind(':') {
        Some(at) if at >= bracket => {
            let (host, port) = authority.split_at_checked(at).unwrap_or((authority, ""));
            let port = port.trim_start_matches(':');
            match port.parse::<u16>() {
                Ok(number) if number > 0 && port.bytes().all(|b| b.is_ascii_digit()) => {
                    (host, Some(number))
                }
                _ => return Err(format!("has a port that is none: `{port}`")),
            }
        }
        _ => (authority, None),
    };
    if !is_host(host) {
        return Err(format!("has a host that is none: `{host}`"));
    }
    Ok((host, port))
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.~".contains(c)
}

fn is_host(text: &str) -> bool {
    if let Some(inner) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
        return inner.parse::<core::net::Ipv6Addr>().is_ok();
    }
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

pub(super) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || bare
            .parse::<core::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

const EXAMPLE: &str = "such as `https://scim.example.com/corp/scim/v2`";
