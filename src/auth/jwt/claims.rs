//! The claims that a token is judged by (RFC 7519 §4.1), as values: what is there and malformed is
//! told from what is not there.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};

/// Claims of one token.
#[derive(Debug, Clone, Copy)]
pub(in crate::auth) struct Claims<'a>(pub(in crate::auth) &'a Map<String, Value>);

/// A claim that is not as it must be; its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::auth) struct BadClaim(pub(in crate::auth) &'static str);

/// When a token is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::auth) struct Times {
    /// `exp`: the first moment after its life.
    pub(in crate::auth) expires: SystemTime,
    /// `nbf`: the first moment of it.
    pub(in crate::auth) not_before: Option<SystemTime>,
    /// `iat`: when it was made.
    pub(in crate::auth) issued: Option<SystemTime>,
}

/// Where a token is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::auth) enum Life {
    /// In it.
    Live,
    /// After it.
    Expired,
    /// Before it.
    NotYet,
}

impl<'a> Claims<'a> {
    /// A claim that is a text.
    pub(in crate::auth) fn text(self, name: &'static str) -> Result<Option<&'a str>, BadClaim> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(BadClaim(name)),
        }
    }

    /// Whether the token is meant for one of these: `aud` is a text or a list of texts.
    pub(in crate::auth) fn is_for(self, wanted: &[&str]) -> Result<bool, BadClaim> {
        let fits = |value: &Value| match value {
            Value::String(text) => Ok(wanted.contains(&text.as_str())),
            _ => Err(BadClaim("aud")),
        };
        match self.0.get("aud") {
            None => Ok(false),
            Some(Value::Array(items)) => {
                let mut any = false;
                for item in items {
                    any |= fits(item)?;
                }
                Ok(any)
            }
            Some(value) => fits(value),
        }
    }

    /// Its times; `exp` must be there.
    pub(in crate::auth) fn times(self) -> Result<Times, BadClaim> {
        Ok(Times {
            expires: self.time("exp")?.ok_or(BadClaim("exp"))?,
            not_before: self.time("nbf")?,
            issued: self.time("iat")?,
        })
    }

    /// A NumericDate: seconds since 1970, of which fractions are cut off.
    pub(in crate::auth) fn time(self, name: &'static str) -> Result<Option<SystemTime>, BadClaim> {
        let number = match self.0.get(name) {
            None => return Ok(None),
            Some(Value::Number(number)) => number,
            Some(_) => return Err(BadClaim(name)),
        };
        let whole = number.as_u64().or_else(|| whole(number.as_f64()?));
        let seconds = whole.filter(|seconds| *seconds <= LATEST);
        let seconds = seconds.ok_or(BadClaim(name))?;
        Ok(UNIX_EPOCH.checked_add(Duration::from_secs(seconds)))
    }
}

impl Times {
    /// Where the token is in its life, if clocks may differ by so much.
    pub(in crate::auth) fn life(&self, now: SystemTime, leeway: Duration) -> Life {
        let earliest = now.checked_sub(leeway).unwrap_or(UNIX_EPOCH);
        let latest = now.checked_add(leeway).unwrap_or(now);
        let starts = [self.not_before, self.issued];
        if earliest >= self.expires {
            Life::Expired
        } else if starts.into_iter().flatten().any(|start| start > latest) {
            Life::NotYet
        } else {
            Life::Live
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "within the range that was just checked"
)]
fn whole(number: f64) -> Option<u64> {
    (0.0..=253_402_300_799.0)
        .contains(&number)
        .then_some(number as u64)
}

/// The end of the year 9999.
const LATEST: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    fn map(text: &str) -> Map<String, Value> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_claim_is_there_or_not_or_malformed() {
        let map = map(r#"{"a":"x","b":5,"c":null}"#);
        let claims = Claims(&map);
        assert_eq!(claims.text("a"), Ok(Some("x")));
        assert_eq!(claims.text("d"), Ok(None));
        assert_eq!(claims.text("b"), Err(BadClaim("b")));
        assert_eq!(claims.text("c"), Err(BadClaim("c")));
    }

    #[test]
    fn an_audience_is_one_or_several_texts() {
        let is_for = |text| Claims(&map(text)).is_for(&["us", "we"]);
        for (text, wanted) in [
            (r#"{"aud":"us"}"#, Ok(true)),
            (r#"{"aud":"US"}"#, Ok(false)),
            (r#"{"aud":["x","we"]}"#, Ok(true)),
            (r#"{"aud":["x"]}"#, Ok(false)),
            (r#"{"aud":[]}"#, Ok(false)),
            ("{}", Ok(false)),
            (r#"{"aud":["us",5]}"#, Err(BadClaim("aud"))),
            (r#"{"aud":{"us":1}}"#, Err(BadClaim("aud"))),
            (r#"{"aud":null}"#, Err(BadClaim("aud"))),
        ] {
            assert_eq!(is_for(text), wanted, "{text}");
        }
    }

    #[test]
    fn times_are_seconds_since_1970() {
        let times = |text| Claims(&map(text)).times();
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        for text in [r#"{"exp":100}"#, r#"{"exp":100.9}"#, r#"{"exp":1e2}"#] {
            assert_eq!(times(text).unwrap().expires, at(100), "{text}");
        }
        for bad in [
            "{}",
            r#"{"exp":"100"}"#,
            r#"{"exp":null}"#,
            r#"{"exp":-1}"#,
            r#"{"exp":1e300}"#,
            r#"{"exp":253402300800}"#,
            r#"{"exp":18446744073709551616}"#,
            r#"{"exp":1,"nbf":"x"}"#,
            r#"{"exp":1,"iat":true}"#,
        ] {
            assert!(times(bad).is_err(), "{bad}");
        }
        let times = times(r#"{"exp":200,"nbf":100,"iat":90}"#).unwrap();
        let life = |seconds| times.life(at(seconds), Duration::from_secs(5));
        assert_eq!(life(94), Life::NotYet);
        assert_eq!(life(95), Life::Live);
        assert_eq!(life(204), Life::Live);
        assert_eq!(life(205), Life::Expired);
    }
}
