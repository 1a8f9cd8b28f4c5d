//! Spans, and what is said in them: the attributes of OpenTelemetry's semantic conventions for
//! HTTP, and some of our own. Nothing in them comes from a user's data: no path with an id, no
//! query, no text of an error.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::net::trace::{SpanId, TraceId};

/// One span, ready to be sent.
#[derive(Debug)]
pub(super) struct Span {
    pub(super) trace: TraceId,
    pub(super) id: SpanId,
    pub(super) parent: Option<SpanId>,
    /// Whether the parent is another process's.
    pub(super) remote: bool,
    pub(super) flags: u8,
    pub(super) state: Option<Arc<str>>,
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) begin: SystemTime,
    pub(super) end: SystemTime,
    pub(super) attributes: Vec<(&'static str, Value)>,
    pub(super) failed: bool,
}

/// On which side of a call it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// We were called.
    Server,
    /// We called.
    Client,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    Number(u64),
}

/// A request, as its span tells of it.
#[derive(Debug, Clone, Default)]
pub struct Served<'a> {
    /// The method as it was sent.
    pub method: &'a str,
    /// The path of the Tenant URL.
    pub base: Option<&'a str>,
    /// What follows it, such as `/Users/{id}`.
    pub endpoint: Option<&'a str>,
    /// The status that was sent; none where the client left before there was one.
    pub status: Option<u16>,
    /// Whether the answer broke off after its head.
    pub broken_off: bool,
    /// The host of the Tenant URL.
    pub host: Option<&'a str>,
    /// The client's address.
    pub peer: &'a str,
    /// `1.1` or `2`.
    pub protocol: &'static str,
    /// The tenant.
    pub tenant: Option<&'a str>,
    /// What was asked for: `create`, `bulk`, …
    pub operation: Option<&'a str>,
    /// The resource type.
    pub resource: Option<&'a str>,
    /// The snapshot that served it.
    pub revision: &'a str,
    /// The id by which the logs know it.
    pub request_id: &'a str,
    /// How long mapping took.
    pub mapping: Duration,
}

/// One question to a directory.
#[derive(Debug, Clone)]
pub struct Called {
    /// Scheme, host and port.
    pub directory: Arc<str>,
    /// What is asked of it: `read`, `replace`, …
    pub verb: &'static str,
    /// The method that stands for it in HTTP.
    pub method: &'static str,
    /// The resource type, where it is about one.
    pub resource: Option<String>,
}

impl Served<'_> {
    /// Few: a method and an endpoint.
    pub(super) fn name(&self) -> String {
        let method = known(self.method).unwrap_or("HTTP");
        match self.endpoint {
            Some(endpoint) => format!("{method} {endpoint}"),
            None => method.to_owned(),
        }
    }

    /// A client's own fault is no failure of the server (semantic conventions of HTTP).
    pub(super) fn failed(&self) -> bool {
        self.error().is_some()
    }

    fn error(&self) -> Option<String> {
        match self.status {
            None => Some("cancelled".to_owned()),
            Some(status) if status >= 500 => Some(status.to_string()),
            Some(_) if self.broken_off => Some("truncated".to_owned()),
            Some(_) => None,
        }
    }

    pub(super) fn attributes(&self, calls: u32) -> Vec<(&'static str, Value)> {
        let mut all = Attributes(Vec::with_capacity(18));
        all.text(
            "http.request.method",
            known(self.method).unwrap_or("_OTHER"),
        );
        all.text("url.scheme", "https");
        if let (Some(base), Some(endpoint)) = (self.base, self.endpoint) {
            all.text("http.route", &format!("{base}{endpoint}"));
        }
        all.maybe("server.address", self.host);
        all.text("client.address", self.peer);
        all.text("network.protocol.name", "http");
        all.text("network.protocol.version", self.protocol);
        if let Some(status) = self.status {
            all.number("http.response.status_code", u64::from(status));
        }
        all.maybe("error.type", self.error().as_deref());
        all.text("postern.request_id", self.request_id);
        all.maybe("postern.tenant", self.tenant);
        all.maybe("postern.operation", self.operation);
        all.maybe("postern.resource", self.resource);
        if !self.revision.is_empty() {
            all.text("postern.revision", self.revision);
        }
        let mapping = u64::try_from(self.mapping.as_micros()).unwrap_or(u64::MAX);
        all.number("postern.mapping_us", mapping);
        all.number("postern.directory_calls", u64::from(calls));
        all.0
    }
}

impl Called {
    pub(super) fn name(&self) -> String {
        let what = match self.address() {
            Some(_) => self.method,
            None => self.verb,
        };
        match &self.resource {
            Some(resource) => format!("{what} {resource}"),
            None => what.to_owned(),
        }
    }

    pub(super) fn attributes(
        &self,
        status: Option<u16>,
        error: Option<&'static str>,
    ) -> Vec<(&'static str, Value)> {
        let mut all = Attributes(Vec::with_capacity(9));
        if let Some((scheme, host, port)) = self.address() {
            all.text("http.request.method", self.method);
            all.text("url.scheme", scheme);
            all.text("server.address", host);
            all.number("server.port", u64::from(port));
        } else {
            all.text("server.address", &self.directory);
        }
        if let Some(status) = status {
            all.number("http.response.status_code", u64::from(status));
        }
        all.maybe("error.type", error);
        all.text("postern.operation", self.verb);
        all.maybe("postern.resource", self.resource.as_deref());
        all.0
    }

    /// Scheme, host and port, where it is called by HTTP.
    fn address(&self) -> Option<(&str, &str, u16)> {
        let (scheme, authority) = self.directory.split_once("://")?;
        let standard = match scheme {
            "http" => 80,
            "https" => 443,
            _ => return None,
        };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
            _ => (authority, standard),
        };
        Some((scheme, host.trim_matches(['[', ']']), port))
    }
}

struct Attributes(Vec<(&'static str, Value)>);

impl Attributes {
    fn text(&mut self, name: &'static str, text: &str) {
        self.0.push((name, Value::Text(text.to_owned())));
    }

    fn maybe(&mut self, name: &'static str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    fn number(&mut self, name: &'static str, number: u64) {
        self.0.push((name, Value::Number(number)));
    }
}

/// The methods that the conventions know; any other is a client's own text.
fn known(method: &str) -> Option<&str> {
    const KNOWN: [&str; 9] = [
        "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT",
    ];
    KNOWN.contains(&method).then_some(method)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(all: &[(&'static str, Value)], name: &str) -> Option<String> {
        let (_, value) = all.iter().find(|(known, _)| *known == name)?;
        Some(match value {
            Value::Text(text) => text.clone(),
            Value::Number(number) => number.to_string(),
        })
    }

    #[test]
    fn names_are_few() {
        let served = |method, endpoint| Served {
            method,
            endpoint,
            ..Served::default()
        };
        assert_eq!(served("PUT", Some("/Users/{id}")).name(), "PUT /Users/{id}");
        assert_eq!(served("GET", None).name(), "GET");
        let odd = served("bjensen", None);
        assert_eq!(odd.name(), "HTTP");
        assert_eq!(
            text(&odd.attributes(0), "http.request.method").unwrap(),
            "_OTHER"
        );
    }

    #[test]
    fn who_failed() {
        for (status, broken_off, error) in [
            (Some(200), false, None),
            (Some(404), false, None),
            (Some(502), false, Some("502")),
            (Some(200), true, Some("truncated")),
            (None, false, Some("cancelled")),
        ] {
            let served = Served {
                status,
                broken_off,
                ..Served::default()
            };
            assert_eq!(served.failed(), error.is_some());
            let said = text(&served.attributes(0), "error.type");
            assert_eq!(said.as_deref(), error);
        }
    }

    #[test]
    fn where_a_directory_is() {
        for (name, wanted) in [
            ("http://d", Some(("http", "d", 80))),
            ("https://d.example", Some(("https", "d.example", 443))),
            ("https://[::1]:8443", Some(("https", "::1", 8443))),
            ("https://[::1]", Some(("https", "::1", 443))),
            ("ldaps://d:636", None),
            ("d", None),
        ] {
            let called = Called {
                directory: name.into(),
                verb: "read",
                method: "GET",
                resource: None,
            };
            assert_eq!(called.address(), wanted, "{name}");
            let host = text(&called.attributes(None, None), "server.address").unwrap();
            assert_eq!(host, wanted.map_or(name, |(_, host, _)| host));
        }
    }
}
