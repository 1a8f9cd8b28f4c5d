//! What stands beside the tenants: the audit trail, guards that are released, and whose tokens are
//! taken, and rules that do not fit. What is not there takes no line.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Page, at, items, table, text};

/// Whether the audit trail can be written, or there is none.
pub(super) fn trail_is_kept(status: &Value) -> bool {
    at(at(status, "audit"), "up").as_bool() != Some(false)
}

impl Page {
    pub(super) fn trail(status: &Value) -> Option<String> {
        let audit = at(status, "audit");
        if !audit.is_object() {
            return None;
        }
        let state = if trail_is_kept(status) {
            "is written".to_owned()
        } else {
            format!("CANNOT BE WRITTEN: {}", text(audit, "reason"))
        };
        let missing = ["lost", "writes_refused"].map(|key| text(audit, key));
        let missing = match &missing {
            [lost, refused] if lost == "0" && refused == "0" => String::new(),
            [lost, refused] => format!(
                "  since the start {lost} records were lost, and {refused} writes refused for want of one\n"
            ),
        };
        Some(format!(
            "  {state}; last record {}\n{missing}",
            text(audit, "seq")
        ))
    }

    /// Leave that is open: a guard that holds is no news.
    pub(super) fn released(&self, status: &Value) -> Option<String> {
        let mut rows = Vec::new();
        for tenant in items(status, "tenants") {
            for release in items(at(tenant, "guard"), "released") {
                rows.push(vec![
                    text(tenant, "name"),
                    text(release, "effect"),
                    self.time(release, "ends"),
                    text(release, "left"),
                    text(release, "by"),
                ]);
            }
        }
        let head = ["TENANT", "EFFECT", "UNTIL", "MORE", "BY"];
        (!rows.is_empty()).then(|| table(&head, rows, ""))
    }

    pub(super) fn trusts(&self, status: &Value) -> Option<String> {
        let mut rows = Vec::new();
        for trust in items(status, "trust") {
            let keys = match at(trust, "keys") {
                Value::Array(_) if at(trust, "too_old") == &Value::Bool(true) => {
                    "TOO OLD".to_owned()
                }
                Value::Array(keys) => keys.len().to_string(),
                _ => "asked".to_owned(),
            };
            let issuer = ["issuer", "url"]
                .into_iter()
                .find(|key| at(trust, key).is_string());
            rows.push(vec![
                text(trust, "name"),
                issuer.map_or_else(|| "-".to_owned(), |key| text(trust, key)),
                keys,
                self.ago(trust, "last_use"),
                text(trust, "error"),
            ]);
        }
        let head = ["NAME", "ISSUER", "KEYS", "LAST USE", "LAST ERROR"];
        (!rows.is_empty()).then(|| table(&head, rows, ""))
    }
}

/// What of the rules does not fit their directories. What is only good to know is in `/status`.
pub(super) fn misfits(status: &Value) -> Option<String> {
    let mut told = String::new();
    for tenant in items(status, "tenants") {
        for one in items(tenant, "findings") {
            if text(one, "weight") == "warning" {
                let [file, line, column] = ["file", "line", "column"].map(|key| text(one, key));
                let [message, help] = ["message", "help"].map(|key| text(one, key));
                // Writing to a string does not fail.
                let _ = writeln!(told, "  ! {file}:{line}:{column}: {message} ({help})");
            }
        }
    }
    (!told.is_empty()).then_some(told)
}
