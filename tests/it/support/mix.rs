//! The usual mix of requests to a [`Marked`](super::marked::Marked) directory, each answer held
//! against the one rule that it must have been read by.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use http::Method;
use serde_json::{Value, json};

use super::Answer;
use super::load::{Ask, Job};
use super::marked::MARKS;

/// Reads, lists short and long, creates and patches, at each tenant in turn.
pub(crate) struct Mix {
    /// The paths of the Tenant URLs.
    pub tenants: Vec<String>,
    /// A secret token that is valid all the time.
    pub token: String,
    /// The mark of each good answer, by the number of its request; only of the first tenant.
    pub marks: Arc<Mutex<BTreeMap<u64, usize>>>,
}

impl Mix {
    pub(crate) fn of(tenants: &[&str], token: &str) -> Self {
        Self {
            tenants: tenants.iter().map(|&path| path.to_owned()).collect(),
            token: token.to_owned(),
            marks: Arc::default(),
        }
    }

    fn tenant(&self, number: u64) -> usize {
        usize::try_from(number).unwrap() % self.tenants.len()
    }

    fn kind(&self, number: u64) -> u64 {
        number / self.tenants.len() as u64 % KINDS
    }
}

impl Job for Mix {
    fn ask(&self, number: u64) -> Ask {
        let user = format!("/Users/u{number}");
        let (method, path, body) = match self.kind(number) {
            0 | 3 => (Method::GET, user, String::new()),
            1 => (
                Method::GET,
                format!("{user}?attributes=userName,nickName,title,displayName"),
                String::new(),
            ),
            2 => (
                Method::GET,
                "/Users?count=5&filter=nickName%20eq%20%22x%22%20and%20title%20eq%20%22y%22"
                    .to_owned(),
                String::new(),
            ),
            4 => {
                let body = json!({
                    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
                    "userName": format!("u{number}"), "nickName": "x", "title": "y",
                });
                (Method::POST, "/Users".to_owned(), body.to_string())
            }
            5 if number.is_multiple_of(5) => {
                (Method::GET, "/Users?count=400".to_owned(), String::new())
            }
            _ => {
                let body = json!({
                    "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
                    "Operations": [
                        {"op": "replace", "path": "nickName", "value": "x"},
                        {"op": "replace", "path": "title", "value": "y"},
                    ],
                });
                (Method::PATCH, user, body.to_string())
            }
        };
        Ask {
            method,
            target: format!("{}{path}", self.tenants[self.tenant(number)]),
            authorization: format!("Bearer {}", self.token),
            body,
        }
    }

    fn judge(&self, number: u64, answer: &Answer) -> Result<(), String> {
        let ask = self.ask(number);
        let wanted = if ask.method == Method::POST { 201 } else { 200 };
        if answer.status.as_u16() != wanted {
            return Err(format!("not {wanted}"));
        }
        let body: Value =
            serde_json::from_slice(&answer.body).map_err(|error| format!("not JSON ({error})"))?;
        let people = match body.get("Resources") {
            Some(people) => people.as_array().cloned().ok_or("no list")?,
            None => vec![body],
        };
        let count = match ask.target {
            target if target.contains("count=400") => 400,
            target if target.contains("count=5") => 5,
            _ => 1,
        };
        if people.len() != count {
            return Err(format!("{} resources, not {count}", people.len()));
        }
        let mark = mark_of(&people[0])?;
        for person in &people {
            if mark_of(person)? != mark {
                return Err(format!("two rules in one answer: {mark} and {person}"));
            }
        }
        if self.tenant(number) == 0 {
            self.marks.lock().unwrap().insert(number, mark);
        }
        Ok(())
    }
}

/// The one rule that an answer fits.
pub(crate) fn mark_of(person: &Value) -> Result<usize, String> {
    let text = |name: &str| person[name].as_str().unwrap_or_default().to_owned();
    let (nick, title, sawn) = (text("nickName"), text("title"), text("displayName"));
    let mark = (0..MARKS)
        .find(|mark| nick == format!("k-{mark}"))
        .ok_or_else(|| format!("no rule's answer: {person}"))?;
    if title != format!("t-{mark}") {
        return Err(format!("two rules in one answer: {person}"));
    }
    if sawn != "none" && sawn != mark.to_string() {
        return Err(format!("asked by one rule, read by another: {person}"));
    }
    Ok(mark)
}

const KINDS: u64 = 7;
