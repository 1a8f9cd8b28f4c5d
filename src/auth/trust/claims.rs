//! What a token must say: to be taken at all, and to be that of one account.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::auth::jwt::Claims;

/// Claims with the values that each may have: a token fits when it has all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted(Vec<(String, Vec<String>)>);

/// Whose tokens are whose: of one trust.
#[derive(Debug)]
pub(super) struct Owners<T> {
    all: Vec<(Wanted, T)>,
    /// By the claim that tells most and each of its values: who could be meant.
    by: HashMap<String, HashMap<String, Vec<usize>>>,
}

/// Why a token is that of no account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nobody {
    /// Nobody is told by what it says.
    Unknown,
    /// More than one account is.
    Several,
}

/// The claims that say who somebody is, the most telling first. Names and addresses that people
/// can change, or that go from one to the next, are not among them.
pub const IDENTIFYING: [&str; 6] = ["sub", "oid", "username", "azp", "client_id", "appid"];

impl Wanted {
    /// One more claim.
    pub(in crate::auth) fn add(&mut self, name: String, values: Vec<String>) {
        self.0.push((name, values));
    }

    /// Whether nothing is wanted.
    pub(in crate::auth) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The claim that tells most about who it is, with its values.
    pub(in crate::auth) fn telling(&self) -> Option<(&str, &[String])> {
        IDENTIFYING
            .iter()
            .find_map(|name| Some((*name, self.values(name)?)))
    }

    /// Whether a token says all of it.
    pub(super) fn fits(&self, claims: &Map<String, Value>) -> bool {
        let says = |(name, values): &(String, Vec<String>)| says(claims, name, values);
        self.0.iter().all(says)
    }

    /// Whether some token that fits the other fits this one whatever else it says: all that is
    /// wanted here is wanted there, and no two values exclude each other.
    pub(in crate::auth) fn takes_from(&self, other: &Self) -> bool {
        self.0.iter().all(|(name, values)| {
            let theirs = other.values(name).unwrap_or_default();
            values.iter().any(|value| theirs.contains(value))
        })
    }

    /// The values that a claim may have, if it is named.
    pub(in crate::auth) fn values(&self, name: &str) -> Option<&[String]> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, values)| values.as_slice())
    }
}

impl<T> Default for Owners<T> {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            by: HashMap::new(),
        }
    }
}

impl<T> Owners<T> {
    /// One more: tokens that say this are that owner's. What says nothing of who it is, is nobody.
    pub(super) fn add(&mut self, wanted: Wanted, owner: T) {
        let Some((name, values)) = wanted.telling() else {
            return;
        };
        let by = self.by.entry(name.to_owned()).or_default();
        for value in values {
            by.entry(value.clone()).or_default().push(self.all.len());
        }
        self.all.push((wanted, owner));
    }

    /// Whose token it is. `same` tells whether two are one.
    pub(super) fn of(
        &self,
        claims: &Map<String, Value>,
        same: impl Fn(&T, &T) -> bool,
    ) -> Result<&T, Nobody> {
        let mut found: Option<&T> = None;
        for (name, values) in &self.by {
            let Some(value) = claims.get(name).and_then(Value::as_str) else {
                continue;
            };
            let places = values.get(value).into_iter().flatten();
            for (wanted, owner) in places.filter_map(|at| self.all.get(*at)) {
                if !wanted.fits(claims) {
                    continue;
                }
                match found {
                    Some(other) if !same(other, owner) => return Err(Nobody::Several),
                    _ => found = Some(owner),
                }
            }
        }
        found.ok_or(Nobody::Unknown)
    }
}

/// Whether a claim has one of these values. Who it is must be one text; other claims may be a list
/// that holds the value, and scopes are words in one text (RFC 8693 §4.2).
fn says(claims: &Map<String, Value>, name: &str, values: &[String]) -> bool {
    let is_one = |text: &str| values.iter().any(|value| value == text);
    match claims.get(name) {
        Some(Value::String(text)) if matches!(name, "scope" | "scp") => text.split(' ').any(is_one),
        Some(Value::String(text)) => is_one(text),
        Some(Value::Array(items)) if !IDENTIFYING.contains(&name) => {
            items.iter().filter_map(Value::as_str).any(is_one)
        }
        _ => false,
    }
}

/// Whether a token is meant for one of us.
pub(super) fn has_audience(claims: &Map<String, Value>, ours: &[String]) -> bool {
    let ours: Vec<&str> = ours.iter().map(String::as_str).collect();
    Claims(claims).is_for(&ours).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wanted(pairs: &[(&str, &[&str])]) -> Wanted {
        let mut wanted = Wanted::default();
        for (name, values) in pairs {
            let values = values.iter().map(|value| (*value).to_owned()).collect();
            wanted.add((*name).to_owned(), values);
        }
        wanted
    }

    fn claims(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn all_that_is_wanted_must_be_said() {
        let both = wanted(&[("sub", &["a", "b"]), ("roles", &["scim"])]);
        for (said, fits) in [
            (json!({"sub": "a", "roles": ["x", "scim"]}), true),
            (json!({"sub": "b", "roles": "scim", "more": 1}), true),
            (json!({"sub": "c", "roles": ["scim"]}), false),
            (json!({"sub": "a"}), false),
            (json!({"roles": ["scim"]}), false),
            (json!({"sub": ["a"], "roles": ["scim"]}), false),
            (json!({"sub": "A", "roles": ["scim"]}), false),
            (json!({"sub": "a ", "roles": ["scim"]}), false),
            (json!({"sub": "a", "roles": {"scim": true}}), false),
            (json!({"sub": "a", "roles": [["scim"]]}), false),
        ] {
            assert_eq!(both.fits(&claims(&said)), fits, "{said}");
        }
        let number = wanted(&[("sub", &["1"])]);
        assert!(!number.fits(&claims(&json!({"sub": 1}))));
        let scope = wanted(&[("scope", &["write"])]);
        assert!(scope.fits(&claims(&json!({"scope": "read write"}))));
        assert!(!scope.fits(&claims(&json!({"scope": "read writer"}))));
    }

    #[test]
    fn a_token_is_of_one_account_or_of_none() {
        let mut owners = Owners::default();
        owners.add(wanted(&[("sub", &["a", "b"])]), 1);
        owners.add(wanted(&[("sub", &["c"]), ("tid", &["x"])]), 2);
        owners.add(wanted(&[("azp", &["app"])]), 3);
        owners.add(wanted(&[("azp", &["other"])]), 1);
        owners.add(wanted(&[("roles", &["all"])]), 4);
        let of = |said: &Value| owners.of(&claims(said), |a, b| a == b).copied();
        assert_eq!(of(&json!({"sub": "a"})), Ok(1));
        assert_eq!(of(&json!({"sub": "c"})), Err(Nobody::Unknown));
        assert_eq!(of(&json!({"sub": "c", "tid": "x"})), Ok(2));
        assert_eq!(of(&json!({"sub": "z", "azp": "app"})), Ok(3));
        assert_eq!(of(&json!({"sub": "a", "azp": "app"})), Err(Nobody::Several));
        assert_eq!(of(&json!({"sub": "a", "azp": "other"})), Ok(1));
        assert_eq!(of(&json!({"roles": ["all"]})), Err(Nobody::Unknown));
        assert_eq!(of(&json!({})), Err(Nobody::Unknown));
    }

    #[test]
    fn what_one_account_takes_from_another_is_seen() {
        let a = wanted(&[("sub", &["a", "b"])]);
        let narrower = wanted(&[("sub", &["b"]), ("tid", &["x"])]);
        let other = wanted(&[("sub", &["c"])]);
        let app = wanted(&[("azp", &["b"])]);
        assert!(a.takes_from(&narrower) && a.takes_from(&a));
        assert!(!narrower.takes_from(&a));
        assert!(!a.takes_from(&other) && !a.takes_from(&app) && !app.takes_from(&a));
    }
}
