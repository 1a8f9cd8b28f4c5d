//! A look at the top of a JSON object without building it: is there an id, is it an error in
//! disguise, what version does it claim.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use crate::scim::ScimType;
use crate::scim::resource::get;

/// What one look shows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Glance {
    /// Whether the id attribute is there, and not null.
    pub(super) id: bool,
    /// `meta.version`, where it is an entity tag.
    pub(super) version: Option<String>,
    /// The status of an error that came as a success.
    pub(super) error: Option<u16>,
}

/// What an error body says, as far as it can be read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// Its keyword, where it is one of the RFC's.
    pub(super) scim_type: Option<ScimType>,
    /// Its explanation: at most 1 KiB, without control characters.
    pub(super) detail: Option<String>,
}

impl Glance {
    /// Looks at the text of an object whose id is in the attribute `id`. A text that is not an
    /// object shows nothing.
    pub(super) fn at(text: &[u8], id: &str) -> Self {
        let mut deserializer = serde_json::Deserializer::from_slice(text);
        let mut seen = Look {
            id,
            ..Look::default()
        };
        // What was seen before a mistake does not count: such a text is not understood anyway.
        if (&mut deserializer).deserialize_map(&mut seen).is_err() {
            return Self::default();
        }
        let error = match seen.status {
            Some(status) if seen.error_schema || !seen.has_id => Some(status),
            None if seen.error_schema => Some(UNKNOWN_ERROR),
            Some(_) | None => None,
        };
        Self {
            id: seen.has_id,
            version: seen.version,
            error,
        }
    }
}

impl Said {
    /// Reads an error body: RFC 7644's, or anything in JSON that has a sentence in a likely place.
    pub(super) fn of(text: &[u8]) -> Self {
        let Ok(Value::Object(map)) = crate::scim::json::parse(text) else {
            return Self::default();
        };
        let string = |name: &str| get(&map, name).and_then(Value::as_str);
        let detail = SENTENCES.iter().find_map(|name| string(name)).map(tidy);
        Self {
            scim_type: string("scimType").and_then(ScimType::from_name),
            detail: detail.filter(|text| !text.is_empty()),
        }
    }
}

/// A text from a directory, fit for a log line and a `detail`.
fn tidy(text: &str) -> String {
    let mut out = String::new();
    for c in text.trim().chars() {
        let c = if c.is_control() { ' ' } else { c };
        if out.len() + c.len_utf8() > MAX_DETAIL {
            break;
        }
        out.push(c);
    }
    out
}

/// Whether a text is an entity tag as RFC 9110 §8.8.3 has it.
pub(super) fn is_entity_tag(text: &str) -> bool {
    let opaque = text.strip_prefix("W/").unwrap_or(text);
    opaque.len() >= 2
        && opaque.starts_with('"')
        && opaque.ends_with('"')
        && opaque.bytes().filter(|b| *b == b'"').count() == 2
        && opaque.bytes().all(|b| b.is_ascii_graphic())
        && text.len() <= MAX_TAG
}

#[derive(Default)]
struct Look<'a> {
    id: &'a str,
    has_id: bool,
    version: Option<String>,
    error_schema: bool,
    status: Option<u16>,
}

impl<'de> Visitor<'de> for &mut Look<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(Key)? {
            let is = |name: &str| key.eq_ignore_ascii_case(name);
            // The id first: it may be called anything.
            if is(self.id) {
                self.has_id = !map.next_value::<Value>()?.is_null();
            } else if is("schemas") {
                self.error_schema = names_error(&map.next_value()?);
            } else if is("status") {
                self.status = status(&map.next_value()?);
            } else if is("meta") {
                let meta: Value = map.next_value()?;
                let version = meta.as_object().and_then(|meta| get(meta, "version"));
                let version = version.and_then(Value::as_str).filter(|v| is_entity_tag(v));
                self.version = version.map(str::to_owned);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = std::borrow::Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(Self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = std::borrow::Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(text.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(text.to_owned().into())
    }
}

fn names_error(schemas: &Value) -> bool {
    let is = |value: &Value| {
        value
            .as_str()
            .is_some_and(|uri| uri.to_ascii_lowercase().ends_with(":error"))
    };
    match schemas {
        Value::Array(uris) => uris.iter().any(is),
        single => is(single),
    }
}

fn status(value: &Value) -> Option<u16> {
    let number = match value {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_u64().and_then(|n| u16::try_from(n).ok()),
    };
    number.filter(|status| (400..=599).contains(status))
}

/// Where an error body without a proper `detail` has its sentence.
const SENTENCES: &[&str] = &["detail", "error", "message", "errorMessage", "description"];
/// The status of an error that names none.
const UNKNOWN_ERROR: u16 = 500;
const MAX_DETAIL: usize = 1024;
const MAX_TAG: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_seen_in_any_case_and_only_at_the_top() {
        assert!(Glance::at(br#"{"a":1,"ID":"7"}"#, "id").id);
        assert!(Glance::at(br#"{"a":1,"n\u006f":17}"#, "no").id);
        assert!(!Glance::at(br#"{"a":{"id":"7"}}"#, "id").id);
        assert!(!Glance::at(br#"{"id":null}"#, "id").id);
        assert!(!Glance::at(br#"{"id":"7""#, "id").id);
        assert!(!Glance::at(br#"["id"]"#, "id").id);
    }

    #[test]
    fn an_error_in_disguise_is_seen() {
        let at = |text: &str| Glance::at(text.as_bytes(), "no").error;
        let schema = r#""schemas":["urn:ietf:params:scim:api:messages:2.0:Error"]"#;
        assert_eq!(at(&format!(r#"{{{schema},"status":"409"}}"#)), Some(409));
        assert_eq!(at(&format!(r#"{{"status":404,{schema}}}"#)), Some(404));
        assert_eq!(at(&format!(r#"{{{schema}}}"#)), Some(500));
        assert_eq!(at(r#"{"status":"404","error":"no"}"#), Some(404));
    }

    #[test]
    fn a_record_that_has_a_status_is_not_an_error() {
        let at = |text: &str| Glance::at(text.as_bytes(), "no").error;
        assert_eq!(at(r#"{"no":1,"status":"staff"}"#), None);
        assert_eq!(at(r#"{"no":1,"status":404}"#), None);
        assert_eq!(at(r#"{"status":"staff"}"#), None);
        assert_eq!(at(r#"{"status":"200"}"#), None);
    }

    #[test]
    fn a_version_counts_only_when_it_is_an_entity_tag() {
        let at = |v: &str| Glance::at(format!(r#"{{"meta":{{"version":{v}}}}}"#).as_bytes(), "id");
        assert_eq!(at(r#""W/\"3\"""#).version.as_deref(), Some("W/\"3\""));
        assert_eq!(at(r#""3""#).version, None);
        assert_eq!(at("3").version, None);
        assert!(!is_entity_tag("\"a\"b\""));
        assert!(!is_entity_tag("\""));
        assert!(!is_entity_tag("\"a\nb\""));
    }

    #[test]
    fn error_bodies_are_read_as_far_as_possible() {
        let said = Said::of(br#"{"scimType":"UNIQUENESS","detail":"login\tis taken"}"#);
        assert_eq!(said.scim_type, Some(ScimType::Uniqueness));
        assert_eq!(said.detail.as_deref(), Some("login is taken"));
        assert_eq!(Said::of(br#"{"error":"no"}"#).detail.as_deref(), Some("no"));
        assert_eq!(Said::of(b"<html>"), Said::default());
        assert_eq!(
            Said::of(br#"{"detail":{"a":1},"scimType":7}"#),
            Said::default()
        );
        let long = format!(r#"{{"detail":"{}"}}"#, "\u{e9}".repeat(4000));
        let detail = Said::of(long.as_bytes()).detail.unwrap_or_default();
        assert_eq!(detail.len(), 1024);
    }
}
