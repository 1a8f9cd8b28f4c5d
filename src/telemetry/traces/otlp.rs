//! Spans as OTLP in JSON: protobuf's JSON mapping with OTLP's own exceptions, which are ids in
//! hexadecimal digits and enums as numbers. 64-bit numbers are texts.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::span::{Kind, Span, Value};

/// Who sends spans, as it stands at the head of every message.
#[derive(Debug, Clone)]
pub(super) struct Process {
    /// Random, one for each start.
    pub(super) instance: String,
    /// The machine's name, where it is known.
    pub(super) host: Option<String>,
}

/// The message that carries these spans.
pub(super) fn message(process: &Process, spans: &[Span]) -> Vec<u8> {
    let fixed = [
        ("service.name", "postern"),
        ("service.version", VERSION),
        ("service.instance.id", &process.instance),
    ];
    let host = process.host.as_deref().map(|host| ("host.name", host));
    let attributes = fixed.into_iter().chain(host).map(|(key, text)| Attribute {
        key,
        value: AnyValue::StringValue(text),
    });
    let message = Message {
        resource_spans: [ResourceSpans {
            resource: Resource {
                attributes: attributes.collect(),
            },
            scope_spans: [ScopeSpans {
                scope: Scope {
                    name: "postern",
                    version: VERSION,
                },
                spans: spans.iter().map(OtlpSpan::from).collect(),
            }],
        }],
    };
    // Texts and numbers always print.
    serde_json::to_vec(&message).unwrap_or_default()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    resource_spans: [ResourceSpans<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceSpans<'a> {
    resource: Resource<'a>,
    scope_spans: [ScopeSpans<'a>; 1],
}

#[derive(Serialize)]
struct Resource<'a> {
    attributes: Vec<Attribute<'a>>,
}

#[derive(Serialize)]
struct ScopeSpans<'a> {
    scope: Scope,
    spans: Vec<OtlpSpan<'a>>,
}

#[derive(Serialize)]
struct Scope {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OtlpSpan<'a> {
    trace_id: String,
    span_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_state: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<String>,
    flags: u32,
    name: &'a str,
    kind: u8,
    start_time_unix_nano: String,
    end_time_unix_nano: String,
    attributes: Vec<Attribute<'a>>,
    status: Status,
}

#[derive(Serialize)]
struct Status {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u8>,
}

#[derive(Serialize)]
struct Attribute<'a> {
    key: &'a str,
    value: AnyValue<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum AnyValue<'a> {
    StringValue(&'a str),
    IntValue(String),
}

impl<'a> From<&'a Span> for OtlpSpan<'a> {
    fn from(span: &'a Span) -> Self {
        let remote = if span.remote { IS_REMOTE } else { 0 };
        Self {
            trace_id: span.trace.to_string(),
            span_id: span.id.to_string(),
            trace_state: span.state.as_deref(),
            parent_span_id: span.parent.map(|parent| parent.to_string()),
            flags: u32::from(span.flags) | HAS_IS_REMOTE | remote,
            name: &span.name,
            kind: match span.kind {
                Kind::Server => 2,
                Kind::Client => 3,
            },
            start_time_unix_nano: nanoseconds(span.begin),
            end_time_unix_nano: nanoseconds(span.end),
            attributes: span
                .attributes
                .iter()
                .map(|(key, value)| Attribute {
                    key,
                    value: match value {
                        Value::Text(text) => AnyValue::StringValue(text),
                        Value::Number(number) => {
                            let most = i64::MAX.unsigned_abs();
                            AnyValue::IntValue(number.min(&most).to_string())
                        }
                    },
                })
                .collect(),
            status: Status {
                code: span.failed.then_some(ERROR),
            },
        }
    }
}

fn nanoseconds(at: SystemTime) -> String {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_nanos().to_string()
}

const VERSION: &str = env!("CARGO_PKG_VERSION");
const HAS_IS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;
const ERROR: u8 = 2;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::net::TraceContext;

    #[test]
    fn a_message_has_the_form_of_otlp() {
        let context =
            TraceContext::parse(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        let context = context.unwrap();
        let span = |failed: bool| Span {
            trace: context.trace,
            id: context.parent,
            parent: failed.then_some(context.parent),
            remote: failed,
            flags: 1,
            state: failed.then(|| "a=1".into()),
            kind: if failed { Kind::Server } else { Kind::Client },
            name: "GET /Users".to_owned(),
            begin: UNIX_EPOCH + Duration::from_nanos(1_700_000_000_123_456_789),
            end: UNIX_EPOCH + Duration::from_nanos(1_700_000_001_123_456_789),
            attributes: vec![
                ("url.scheme", Value::Text("htt\"ps".to_owned())),
                ("http.response.status_code", Value::Number(u64::MAX)),
            ],
            failed,
        };
        let process = Process {
            instance: "i".to_owned(),
            host: Some("h".to_owned()),
        };
        let text = message(&process, &[span(true), span(false)]);
        let value: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        insta::assert_snapshot!(pretty.replace(VERSION, "VERSION"));
    }
}
