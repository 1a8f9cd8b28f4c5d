//! What a directory can do: what the rule says, else what `/ServiceProviderConfig` says, else the
//! least. It is asked for on the way of a request, by one request at a time, and seldom.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use crate::scim::operation::Abilities;
use crate::scim::resource::get;

/// What a rule says about a directory's abilities; what it does not say is learnt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Supports {
    /// Whether it takes PATCH.
    pub patch: Option<bool>,
    /// Whether it keeps versions and honours `If-Match`.
    pub etag: Option<bool>,
    /// Whether it evaluates filters.
    pub filter: Option<bool>,
    /// Whether it sorts.
    pub sort: Option<bool>,
    /// Whether it honours `startIndex` and `count`.
    pub page: Option<bool>,
}

impl Supports {
    /// Whether nothing is left to learn.
    pub(super) fn is_whole(self) -> bool {
        let Self {
            patch,
            etag,
            filter,
            sort,
            page,
        } = self;
        [patch, etag, filter, sort, page]
            .iter()
            .all(Option::is_some)
    }

    fn or(self, other: Self) -> Self {
        Self {
            patch: self.patch.or(other.patch),
            etag: self.etag.or(other.etag),
            filter: self.filter.or(other.filter),
            sort: self.sort.or(other.sort),
            page: self.page.or(other.page),
        }
    }

    fn abilities(self) -> Abilities {
        let least = Abilities::LEAST;
        Abilities {
            patch: self.patch.unwrap_or(least.patch),
            etag: self.etag.unwrap_or(least.etag),
            compares: self.etag.unwrap_or(least.compares),
            filter: self.filter.unwrap_or(least.filter),
            sort: self.sort.unwrap_or(least.sort),
            page: self.page.unwrap_or(least.page),
            put: least.put,
        }
    }
}

/// What is known of a directory so far.
#[derive(Debug)]
pub(super) struct Knowledge {
    said: Supports,
    learnt: Mutex<Learnt>,
}

#[derive(Debug, Default)]
struct Learnt {
    supports: Supports,
    /// When to ask next; at once where there is none.
    next: Option<Instant>,
}

/// How an attempt to learn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lesson {
    /// It said this.
    Learnt(Supports),
    /// It has no such thing to say, or nothing that can be understood.
    Nothing,
    /// It was not there.
    Away,
}

impl Knowledge {
    /// Knows what the rule says.
    pub(super) fn new(said: Supports) -> Self {
        Self {
            said,
            learnt: Mutex::default(),
        }
    }

    /// What can be relied on at this moment.
    pub(super) fn abilities(&self) -> Abilities {
        self.said.or(self.lock().supports).abilities()
    }

    /// Whether the directory has said something before.
    pub(super) fn is_known(&self) -> bool {
        self.lock().supports != Supports::default()
    }

    /// Whether it is time to ask.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        !self.said.is_whole() && self.lock().next.is_none_or(|next| next <= now)
    }

    /// Takes in what an attempt brought. What was learnt before outlives a failure: a directory
    /// does not lose abilities by being away.
    pub(super) fn take(&self, lesson: Lesson, now: Instant) {
        let mut learnt = self.lock();
        let wait = match lesson {
            Lesson::Learnt(supports) => {
                learnt.supports = supports;
                FRESH
            }
            Lesson::Nothing => FRESH,
            Lesson::Away => AWAY,
        };
        learnt.next = now.checked_add(wait);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Learnt> {
        self.learnt.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a `ServiceProviderConfig`, in whatever envelope it comes.
pub(super) fn read(text: &[u8]) -> Lesson {
    let Ok(value) = crate::scim::json::parse(text) else {
        return Lesson::Nothing;
    };
    let Some(config) = config(&value) else {
        return Lesson::Nothing;
    };
    let supported = |name: &str| {
        let feature = get(config, name)?;
        match feature.as_object() {
            Some(feature) => truth(get(feature, "supported")?),
            None => truth(feature),
        }
    };
    let paging = get(config, "pagination").and_then(Value::as_object);
    let supports = Supports {
        patch: supported("patch"),
        etag: supported("etag"),
        filter: supported("filter"),
        sort: supported("sort"),
        page: paging.and_then(|paging| truth(get(paging, "index")?)),
    };
    if supports == Supports::default() {
        return Lesson::Nothing;
    }
    Lesson::Learnt(supports)
}

/// The object itself, or the first of a list.
fn config(value: &Value) -> Option<&Map<String, Value>> {
    match value {
        Value::Array(items) => items.first()?.as_object(),
        Value::Object(map) => match get(map, "Resources") {
            Some(Value::Array(items)) => items.first()?.as_object(),
            _ => Some(map),
        },
        _ => None,
    }
}

fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// How long an answer holds, good or not.
const FRESH: Duration = Duration::from_secs(600);
/// When to ask again a directory that was not there.
const AWAY: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use super::*;

    const RFC: &str = r#"{"schemas":["x"],"patch":{"supported":true},"etag":{"supported":true},
        "filter":{"supported":false,"maxResults":5},"sort":{"supported":true}}"#;

    fn learnt(text: &str) -> Supports {
        match read(text.as_bytes()) {
            Lesson::Learnt(supports) => supports,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_proper_configuration_is_read() {
        let supports = learnt(RFC);
        assert_eq!(supports.patch, Some(true));
        assert_eq!(supports.filter, Some(false));
        assert_eq!(supports.page, None);
        assert!(supports.abilities().page);
    }

    #[test]
    fn so_are_wrong_envelopes_and_odd_booleans() {
        assert_eq!(learnt(&format!(r#"{{"resources":[{RFC}]}}"#)), learnt(RFC));
        assert_eq!(learnt(&format!("[{RFC}]")), learnt(RFC));
        let odd = learnt(r#"{"PATCH":"True","etag":{"Supported":"false"},"sort":null}"#);
        assert_eq!(
            (odd.patch, odd.etag, odd.sort),
            (Some(true), Some(false), None)
        );
    }

    #[test]
    fn what_is_not_understood_teaches_nothing() {
        for text in [
            "",
            "<html>",
            "[]",
            "7",
            "{}",
            r#"{"Resources":[]}"#,
            r#"{"patch":7}"#,
        ] {
            assert_eq!(read(text.as_bytes()), Lesson::Nothing, "{text}");
        }
    }

    #[test]
    fn what_the_rule_says_stands_over_what_was_learnt() {
        let said = Supports {
            patch: Some(false),
            ..Supports::default()
        };
        let knowledge = Knowledge::new(said);
        assert_eq!(knowledge.abilities(), Abilities::LEAST);
        knowledge.take(read(RFC.as_bytes()), Instant::now());
        assert!(!knowledge.abilities().patch);
        assert!(knowledge.abilities().etag);
    }

    #[test]
    fn a_directory_is_asked_seldom_and_soon_again_after_it_was_away() {
        let start = Instant::now();
        let knowledge = Knowledge::new(Supports::default());
        assert!(knowledge.is_due(start));
        knowledge.take(Lesson::Away, start);
        assert!(!knowledge.is_due(start));
        assert!(knowledge.is_due(start + AWAY));
        knowledge.take(read(RFC.as_bytes()), start);
        assert!(!knowledge.is_due(start + AWAY));
        assert!(knowledge.is_due(start + FRESH));
        knowledge.take(Lesson::Away, start);
        assert!(knowledge.abilities().etag);
    }

    #[test]
    fn nothing_is_asked_where_the_rule_says_everything() {
        let all = Some(true);
        let said = Supports {
            patch: all,
            etag: all,
            filter: all,
            sort: all,
            page: all,
        };
        assert!(!Knowledge::new(said).is_due(Instant::now()));
    }
}
