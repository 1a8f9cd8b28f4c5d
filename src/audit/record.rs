//! What is said of one decision or event, before it has its place in the chain.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::auth::instant;
use crate::telemetry::json::Json;

/// A record. Texts are cut at 256 bytes, those of [`Record::long`] at 1024.
///
/// ```
/// use std::time::UNIX_EPOCH;
/// use postern::audit::Record;
/// let record = Record::new("token_issued", UNIX_EPOCH).text("account", "hr-feed").number("seconds", 600);
/// ```
#[derive(Debug)]
pub struct Record(Json);

/// One attribute that a write names.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// What is done with it: `add`, `replace`, `remove`; nothing where the resource is sent whole.
    pub op: Option<&'static str>,
    /// Its path, in the client's words, without the values that a filter compares with.
    pub path: String,
    /// What it is to be; nothing where none is given.
    pub value: Option<Shown>,
    /// What it was, where that is known.
    pub before: Option<Shown>,
}

/// A value as the trail may show it.
#[derive(Debug, Clone, PartialEq)]
pub enum Shown {
    /// As it is: the rule lists the attribute.
    Plain(Value),
    /// A keyed digest, and how many elements a list has.
    Digest(String, Option<usize>),
    /// A secret: how many characters it has.
    Secret(usize),
    /// There is none.
    None,
}

impl Record {
    /// What happened, and when.
    #[must_use]
    pub fn new(event: &'static str, at: SystemTime) -> Self {
        let mut json = Json::with_capacity(1024);
        json.text("time", &rfc3339(at), SHORT);
        json.text("event", event, SHORT);
        Self(json)
    }

    /// A text.
    #[must_use]
    pub fn text(mut self, name: &'static str, text: &str) -> Self {
        self.0.text(name, text, SHORT);
        self
    }

    /// A text that may be long.
    #[must_use]
    pub fn long(mut self, name: &'static str, text: &str) -> Self {
        self.0.text(name, text, LONG);
        self
    }

    /// A text, where there is one.
    #[must_use]
    pub fn maybe(mut self, name: &'static str, text: Option<&str>) -> Self {
        self.0.maybe(name, text, SHORT);
        self
    }

    /// A number.
    #[must_use]
    pub fn number(mut self, name: &'static str, number: u64) -> Self {
        self.0.number(name, number);
        self
    }

    /// How long it took.
    #[must_use]
    pub fn took(mut self, took: Duration) -> Self {
        self.0.time("duration_us", took);
        self
    }

    /// Yes or no.
    #[must_use]
    pub fn flag(mut self, name: &'static str, flag: bool) -> Self {
        self.0.flag(name, flag);
        self
    }

    /// The attributes that a write names. Of very many the first are shown, and all are counted.
    #[must_use]
    pub fn changes(mut self, changes: &[Change]) -> Self {
        self.0
            .list("changes", changes.iter().take(CHANGES), |json, change| {
                json.maybe("op", change.op, SHORT);
                json.text("path", &change.path, SHORT);
                if let Some(value) = &change.value {
                    value.write(["value", "digest", "count"], json);
                }
                if let Some(before) = &change.before {
                    before.write(["before", "before_digest", "before_count"], json);
                }
            });
        if changes.len() > CHANGES {
            self.0.number("changes_in_all", count(changes.len()));
        }
        self
    }

    /// Its members, without braces.
    pub(super) fn members(&self) -> &[u8] {
        self.0.members()
    }
}

impl Shown {
    fn write(&self, [plain, digest, elements]: [&'static str; 3], json: &mut Json) {
        match self {
            Self::Plain(value) => json.value(plain, value, SHORT),
            Self::None => json.value(plain, &Value::Null, SHORT),
            Self::Secret(characters) => {
                json.text(plain, &format!("(secret, {characters} characters)"), SHORT);
            }
            Self::Digest(text, number) => {
                json.text(digest, text, SHORT);
                if let Some(number) = number {
                    json.number(elements, count(*number));
                }
            }
        }
    }
}

/// `2026-11-24T08:30:44.123Z`.
fn rfc3339(at: SystemTime) -> String {
    let millis = at
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .subsec_millis();
    let mut text = instant::format(at);
    text.truncate(text.len().saturating_sub(1));
    let _ = write!(text, ".{millis:03}Z");
    text
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

const SHORT: usize = 256;
const LONG: usize = 1_024;
/// So many attributes are shown of one write.
const CHANGES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn json(record: &Record) -> Value {
        serde_json::from_slice(&[b"{", record.members(), b"}"].concat()).unwrap()
    }

    #[test]
    fn a_record_begins_with_time_and_event_and_shows_values_as_it_may() {
        let change = |value, before| Change {
            op: Some("replace"),
            path: "title".to_owned(),
            value,
            before,
        };
        let at = UNIX_EPOCH + Duration::from_millis(1_798_761_599_007);
        let record = Record::new("intent", at).flag("sent", true).changes(&[
            change(Some(Shown::Plain(true.into())), Some(Shown::None)),
            change(
                Some(Shown::Digest("ab".into(), Some(3))),
                Some(Shown::Digest("cd".into(), None)),
            ),
            change(Some(Shown::Secret(12)), None),
        ]);
        assert!(
            record
                .members()
                .starts_with(br#""time":"2026-12-31T23:59:59.007Z","event":"intent","#)
        );
        let wanted = serde_json::json!([
            {"op": "replace", "path": "title", "value": true, "before": null},
            {"op": "replace", "path": "title", "digest": "ab", "count": 3, "before_digest": "cd"},
            {"op": "replace", "path": "title", "value": "(secret, 12 characters)"},
        ]);
        assert_eq!(json(&record)["changes"], wanted);
    }

    #[test]
    fn a_record_is_bounded_whatever_is_changed() {
        let change = Change {
            op: None,
            path: "\u{1F600}".repeat(1_000),
            value: Some(Shown::Plain("\u{1}".repeat(1_000).into())),
            before: Some(Shown::Plain("x".repeat(1_000).into())),
        };
        let record = Record::new("intent", UNIX_EPOCH).changes(&vec![change; 5_000]);
        assert!(
            record.members().len() < 256 * 1024,
            "{}",
            record.members().len()
        );
        assert_eq!(json(&record)["changes_in_all"], 5_000);
    }
}
