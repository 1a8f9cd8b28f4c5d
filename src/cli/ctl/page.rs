//! The status as a page for whoever is called at night: what serves and since when, what does not,
//! which keys end soon, who calls.

mod policies;

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::auth::instant;

/// The page. Times are told from `now`.
pub(super) fn page(status: &Value, now: SystemTime) -> String {
    let page = Page { now };
    let mut out = page.head(status);
    let parts = [
        ("TENANTS", Some(page.tenants(status))),
        ("RULES THAT DO NOT FIT", policies::misfits(status)),
        ("RELEASED GUARDS", page.released(status)),
        ("FILES", Some(page.files(status))),
        ("AUDIT TRAIL", Page::trail(status)),
        ("KEYS", Some(page.keys(status))),
        ("TOKENS OF OTHERS", page.trusts(status)),
        ("CLIENTS", Some(page.clients(status))),
    ];
    for (title, part) in parts {
        let Some(part) = part else { continue };
        // Writing to a string does not fail.
        let _ = write!(out, "\n{title}\n{part}");
    }
    out
}

/// Whether everything serves that is in the files, every directory is there, and the audit trail
/// is kept.
pub(super) fn all_serves(status: &Value) -> bool {
    let broken = |source: &Value| !items(source, "errors").is_empty();
    let down = |tenant: &Value| text(at(tenant, "directory"), "health") == "down";
    !items(status, "sources").iter().any(broken)
        && !items(status, "tenants").iter().any(down)
        && policies::trail_is_kept(status)
}

/// A text without anything that a terminal would take for more than that.
pub(super) fn plain(text: &str) -> String {
    let visible = |c: char| if c.is_control() { '?' } else { c };
    text.chars().map(visible).collect()
}

/// A text of the status, to be shown.
pub(super) fn text(value: &Value, key: &str) -> String {
    match at(value, key) {
        Value::String(text) => plain(text),
        Value::Null => "-".to_owned(),
        other => plain(&other.to_string()),
    }
}

struct Page {
    now: SystemTime,
}

impl Page {
    fn head(&self, status: &Value) -> String {
        let up = at(status, "uptime_seconds").as_u64().unwrap_or_default();
        let up = span(Duration::from_secs(up));
        let since = match at(status, "since") {
            Value::Null => String::new(),
            _ => format!(", serving since {}", self.time(status, "since")),
        };
        let ending = match at(status, "draining") {
            Value::Bool(true) => "IT IS ENDING: requests under way are finished, no new ones\n",
            _ => "",
        };
        let restart: Vec<String> = items(status, "needs_restart")
            .iter()
            .filter_map(Value::as_str)
            .map(plain)
            .collect();
        let restart = if restart.is_empty() {
            String::new()
        } else {
            let keys = restart.join(", ");
            format!("A RESTART IS NEEDED for what changed in postern.yaml: {keys}\n")
        };
        format!(
            "postern {}, revision {}{since}\nup {up}; requests under way: {}, writes: {}; log level: \
             {}\n{ending}{restart}",
            text(status, "version"),
            text(status, "revision"),
            text(status, "requests_in_flight"),
            text(status, "writes_in_flight"),
            text(status, "log_level"),
        )
    }

    fn tenants(&self, status: &Value) -> String {
        let mut rows = Vec::new();
        for tenant in items(status, "tenants") {
            let directory = at(tenant, "directory");
            let health = match &*text(directory, "health") {
                "down" => format!("DOWN: {}", text(directory, "reason")),
                "unknown" => "not asked yet".to_owned(),
                health => health.to_owned(),
            };
            let name = text(directory, "name");
            // Of several servers another one than the first may be in use.
            let used = directory.pointer("/server/in_use").and_then(Value::as_str);
            let place = match used.filter(|used| *used != name) {
                Some(used) => format!("{} instead of {name}", plain(used)),
                None => name,
            };
            rows.push(vec![
                text(tenant, "name"),
                text(tenant, "tenant_url"),
                place,
                health,
            ]);
        }
        let none = "no tenant is served";
        table(&["NAME", "TENANT URL", "DIRECTORY", "STATE"], rows, none)
    }

    fn files(&self, status: &Value) -> String {
        let mut rows = Vec::new();
        let mut errors = String::new();
        for source in items(status, "sources") {
            let found = items(source, "errors");
            let state = match found.len() {
                0 => "serves".to_owned(),
                1 => "BROKEN: 1 error, the last good state serves".to_owned(),
                many => format!("BROKEN: {many} errors, the last good state serves"),
            };
            for error in found.iter().filter_map(Value::as_str) {
                let _ = writeln!(errors, "  ! {}", plain(error));
            }
            rows.push(vec![
                text(source, "kind"),
                text(source, "folder"),
                text(source, "revision"),
                self.time(source, "loaded"),
                state,
            ]);
        }
        let head = ["KIND", "FOLDER", "REVISION", "LOADED", "STATE"];
        table(&head, rows, "as they were at the start") + &errors
    }

    /// Keys that end soon or have ended, and how many there are.
    fn keys(&self, status: &Value) -> String {
        let mut rows = Vec::new();
        let mut counts = [0_usize; 3];
        for (kind, list) in [("account", "accounts"), ("operator", "operators")] {
            for owner in items(status, list) {
                for key in items(owner, "keys").iter().chain(items(owner, "clients")) {
                    let state = text(key, "state");
                    let place = ["live", "not yet valid", "expired"];
                    let place = place.iter().position(|word| *word == state);
                    if let Some(count) = place.and_then(|place| counts.get_mut(place)) {
                        *count += 1;
                    }
                    let ends = parsed(key, "expires");
                    let soon = |end: SystemTime| {
                        end.duration_since(self.now)
                            .is_ok_and(|left| left < NEAR_ITS_END)
                    };
                    if state == "expired" || ends.is_some_and(soon) {
                        let loud = if state == "expired" {
                            "EXPIRED"
                        } else {
                            "ends soon"
                        };
                        let order = ends.unwrap_or(SystemTime::UNIX_EPOCH);
                        let row = vec![
                            text(key, "id"),
                            format!("{kind} {}", text(owner, "name")),
                            loud.to_owned(),
                            self.time(key, "expires"),
                            self.time(key, "last_use"),
                        ];
                        rows.push((order, row));
                    }
                }
            }
        }
        let [live, early, late] = counts;
        rows.sort_by_key(|(end, _)| *end);
        let rows = rows.into_iter().map(|(_, row)| row).collect();
        let head = ["ID", "OF", "STATE", "END", "LAST USE"];
        let none = "none ends within 30 days";
        format!("  {live} live, {early} not yet valid, {late} expired\n")
            + &table(&head, rows, none)
    }

    fn clients(&self, status: &Value) -> String {
        let mut rows = Vec::new();
        for client in items(status, "clients") {
            let failure = at(client, "last_error");
            let failure = match failure {
                Value::Null => "-".to_owned(),
                failure => format!(
                    "{} {}, {}",
                    text(failure, "status"),
                    text(failure, "reason"),
                    self.ago(failure, "at")
                ),
            };
            rows.push(vec![
                text(client, "tenant"),
                format!("{} ({})", text(client, "account"), text(client, "key")),
                text(client, "address"),
                short(&text(client, "user_agent")),
                text(client, "requests"),
                self.ago(client, "last_seen"),
                self.ago(client, "last_success"),
                failure,
            ]);
        }
        let head = [
            "TENANT",
            "ACCOUNT (KEY)",
            "ADDRESS",
            "USER AGENT",
            "REQUESTS",
            "LAST SEEN",
            "LAST SUCCESS",
            "LAST ERROR",
        ];
        let none = "none has called yet: it needs the Tenant URL and a token";
        table(&head, rows, none)
    }

    /// A time, and how far it is from now.
    fn time(&self, value: &Value, key: &str) -> String {
        match at(value, key) {
            Value::Null => "-".to_owned(),
            _ => format!("{} ({})", text(value, key), self.ago(value, key)),
        }
    }

    /// How far a time is from now.
    fn ago(&self, value: &Value, key: &str) -> String {
        let Some(time) = parsed(value, key) else {
            return "-".to_owned();
        };
        match self.now.duration_since(time) {
            Ok(past) => format!("{} ago", span(past)),
            Err(ahead) => format!("in {}", span(ahead.duration())),
        }
    }
}

fn at<'a>(value: &'a Value, key: &str) -> &'a Value {
    value.get(key).unwrap_or(&Value::Null)
}

pub(super) fn items<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    at(value, key).as_array().map_or(&[], Vec::as_slice)
}

fn parsed(value: &Value, key: &str) -> Option<SystemTime> {
    at(value, key).as_str().and_then(instant::parse)
}

/// A length of time in its largest unit: nobody reads seconds of a week.
fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

fn short(text: &str) -> String {
    let text = if text.is_empty() { "-" } else { text };
    let mut chars = text.chars();
    let mut start: String = chars.by_ref().take(40).collect();
    if chars.next().is_some() {
        start.push('\u{2026}');
    }
    start
}

/// Columns as wide as their widest cell, indented by two; or what to say where there is nothing.
fn table(head: &[&str], rows: Vec<Vec<String>>, none: &str) -> String {
    if rows.is_empty() {
        return format!("  {none}\n");
    }
    let head = head.iter().map(|title| (*title).to_owned()).collect();
    let mut all: Vec<Vec<String>> = vec![head];
    all.extend(rows);
    let columns = all.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            let cells = all.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let mut out = String::new();
    for row in &all {
        let mut line = String::from("  ");
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell:width$}  ");
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

/// So long before its end a key is named.
const NEAR_ITS_END: Duration = Duration::from_secs(30 * 86_400);

#[cfg(test)]
mod tests;
