//! A look at the top of a JSON object without building it: is there an id, is it an error in
//! disguise, what version does it claim.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
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
                self.has_id = map.next_value::<Option<IgnoredAny>>()?.is_some();
            } else if is("schemas") {
                self.error_schema = map.next_value_seed(NamesError)?;
            } else if is("status") {
                self.status = status(&map.next_value()?);
            } else if is("meta") {
                self.version = map.next_value_seed(Version)?;
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

/// Makes the same of `null`, truth values and numbers.
macro_rules! scalars {
    ($value:expr) => {
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok($value)
        }
    };
}

/// Whether a list of schemas, or a single one, names that of errors.
struct NamesError;

impl<'de> DeserializeSeed<'de> for NamesError {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for NamesError {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("schemas")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<bool, A::Error> {
        let mut found = false;
        while let Some(is) = seq.next_element_seed(Words(names_error))? {
            found |= is.unwrap_or(false);
        }
        Ok(found)
    }

    fn visit_str<E>(self, uri: &str) -> Result<bool, E> {
        Ok(names_error(uri))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<bool, A::Error> {
        drain(map).map(|()| false)
    }

    scalars!(false);
}

/// The version in a `meta`, if it is an entity tag.
struct Version;

impl<'de> DeserializeSeed<'de> for Version {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Version {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a meta")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut version = None;
        while let Some(key) = map.next_key_seed(Key)? {
            if key.eq_ignore_ascii_case("version") {
                let tag = |text: &str| is_entity_tag(text).then(|| text.to_owned());
                version = map.next_value_seed(Words(tag))?.flatten();
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(version)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    scalars!(None);
}

/// What a function makes of a string; nothing of anything else.
struct Words<F>(F);

impl<'de, T, F: FnOnce(&str) -> T> DeserializeSeed<'de> for Words<F> {
    type Value = Option<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T, F: FnOnce(&str) -> T> Visitor<'de> for Words<F> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some((self.0)(text)))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        drain(map).map(|()| None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    scalars!(None);
}

/// Passes over an object, or a large number, which comes as one with `arbitrary_precision`.
fn drain<'de, A: MapAccess<'de>>(mut map: A) -> Result<(), A::Error> {
    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}

fn names_error(uri: &str) -> bool {
    let end = uri.len().checked_sub(ERROR_END.len());
    end.and_then(|at| uri.get(at..))
        .is_some_and(|end| end.eq_ignore_ascii_case(ERROR_END))
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
/// How the URI of the schema of errors ends.
const ERROR_END: &str = ":error";
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

    /// A value of any other shape is passed over, and what follows is still seen.
    #[test]
    fn odd_shapes_hide_nothing() {
        for odd in [
            "null",
            "true",
            "7",
            "-7",
            "-1.5e3",
            "123456789012345678901234567890",
            "[]",
            "{}",
            r#"[1,null,{"a":[2]},[":error"],":errors"]"#,
            r#"{"version":{"a":1},"b":[]}"#,
            r#""\u00e9:erro""#,
        ] {
            let text = format!(r#"{{"schemas":{odd},"meta":{odd},"id":0}}"#);
            let glance = Glance::at(text.as_bytes(), "id");
            let seen = Glance {
                id: true,
                ..Glance::default()
            };
            assert_eq!(glance, seen, "{odd}");
        }
        let single = br#"{"schemas":"urn:x\u003aERROR"}"#;
        assert_eq!(Glance::at(single, "id").error, Some(500));
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
