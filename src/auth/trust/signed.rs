//! Tokens that an issuer has signed: what RFC 7519, RFC 8725 and RFC 9068 want of them, nothing of
//! it left to what the token itself says.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use serde_json::{Map, Value};

use super::claims::{Wanted, has_audience};
use super::ring::Ring;
use crate::auth::Rejection;
use crate::auth::jwt::{Claims, Compact, Keys, NoKey, Signing, Verifier};

/// An issuer whose tokens are taken.
#[derive(Debug)]
pub struct Signed {
    /// What `iss` must be, to the letter.
    pub(in crate::auth) issuer: String,
    /// One of these must be in `aud`.
    pub(in crate::auth) audience: Vec<String>,
    /// How its tokens may be signed.
    pub(in crate::auth) signing: Vec<Signing>,
    /// What `typ` must be one of; by default it may be missing.
    pub(in crate::auth) kinds: Option<Vec<String>>,
    /// By how much clocks may differ.
    pub(in crate::auth) leeway: Duration,
    /// Claims that every token must have.
    pub(in crate::auth) require: Wanted,
    /// Its keys; those of the access file before, where they come from the same place.
    pub(in crate::auth) ring: ArcSwap<Ring>,
}

/// Why a token is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It names a key that is not at hand: there may be newer ones.
    Key,
    /// For good.
    Rejected(Rejection),
}

impl Signed {
    /// The keys.
    pub(super) fn ring(&self) -> Arc<Ring> {
        self.ring.load_full()
    }

    /// Whether a token is one of this issuer's, and good now. Gives the moment from which it is
    /// not.
    pub(super) fn check(
        &self,
        token: &Compact<'_>,
        keys: &Keys,
        now: SystemTime,
    ) -> Result<SystemTime, Wrong> {
        let rejected = |why| Err(Wrong::Rejected(why));
        let Ok(signing) = token.header.algorithm.parse::<Signing>() else {
            return rejected(Rejection::Forged);
        };
        if !self.signing.contains(&signing) {
            return rejected(Rejection::Forged);
        }
        if token.issuer() != Some(&*self.issuer) {
            return rejected(Rejection::Issuer);
        }
        let fitting = keys.fitting(token.header.key.as_deref(), signing);
        let fitting = fitting.map_err(|why| match why {
            NoKey::Unknown => Wrong::Key,
            NoKey::Unfit => Wrong::Rejected(Rejection::Forged),
        })?;
        let accepts = |key: &Verifier<'_>| key.accepts(token.signed, token.signature);
        if !fitting.iter().any(accepts) {
            return rejected(Rejection::Forged);
        }
        // From here on it is the issuer who says it.
        if !self.is_kind(token.header.kind.as_deref()) {
            return rejected(Rejection::Claims);
        }
        if !has_audience(&token.claims, &self.audience) {
            return rejected(Rejection::Audience);
        }
        if is_bound(&token.claims) || !self.require.fits(&token.claims) {
            return rejected(Rejection::Claims);
        }
        let until = life(&token.claims, now, self.leeway).map_err(Wrong::Rejected)?;
        until.ok_or(Wrong::Rejected(Rejection::Claims))
    }

    /// `typ` is compared as RFC 7515 §4.1.9 has it: without regard to case, and `application/` may
    /// be left out.
    fn is_kind(&self, said: Option<&str>) -> bool {
        let Some(said) = said else {
            return self.kinds.is_none();
        };
        let short = |text: &str| {
            let lower = text.to_ascii_lowercase();
            lower
                .strip_prefix("application/")
                .map(str::to_owned)
                .unwrap_or(lower)
        };
        let said = short(said);
        match &self.kinds {
            None => USUAL_KINDS.contains(&&*said),
            Some(kinds) => kinds.iter().any(|kind| short(kind) == said),
        }
    }
}

/// Whether a token is worth something only together with a key that its bearer must prove to hold
/// (RFC 7800): as a bearer token alone it is nothing.
pub(super) fn is_bound(claims: &Map<String, Value>) -> bool {
    claims.contains_key("cnf")
}

/// Whether `exp`, `nbf` and `iat` allow it now. Gives when it ends, if it says so.
pub(super) fn life(
    claims: &Map<String, Value>,
    now: SystemTime,
    leeway: Duration,
) -> Result<Option<SystemTime>, Rejection> {
    let time = |name| Claims(claims).time(name).map_err(|_| Rejection::Claims);
    let later = now.checked_add(leeway).unwrap_or(now);
    for begin in [time("nbf")?, time("iat")?].into_iter().flatten() {
        if begin > later {
            return Err(Rejection::NotYet);
        }
    }
    let Some(end) = time("exp")? else {
        return Ok(None);
    };
    let end = end.checked_add(leeway).ok_or(Rejection::Claims)?;
    if now >= end {
        return Err(Rejection::Expired);
    }
    Ok(Some(end))
}

/// What access tokens call themselves where the access file does not say.
const USUAL_KINDS: [&str; 2] = ["at+jwt", "jwt"];

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn of(text: &str) -> Result<Option<u64>, Rejection> {
        let claims: Map<String, Value> = serde_json::from_str(text).unwrap();
        let now = UNIX_EPOCH + Duration::from_secs(1000);
        let end = life(&claims, now, Duration::from_secs(30))?;
        Ok(end.map(|end| end.duration_since(UNIX_EPOCH).unwrap().as_secs()))
    }

    #[test]
    fn times_are_numbers_within_reason() {
        let claims = Err(Rejection::Claims);
        for (text, wanted) in [
            (r#"{"exp":2000}"#, Ok(Some(2030))),
            (r#"{"exp":2000.5}"#, Ok(Some(2030))),
            (r#"{"exp":2e3}"#, Ok(Some(2030))),
            (r#"{"exp":971}"#, Ok(Some(1001))),
            (r#"{"exp":970}"#, Err(Rejection::Expired)),
            (r#"{"exp":0}"#, Err(Rejection::Expired)),
            (r#"{}"#, Ok(None)),
            (r#"{"exp":"2000"}"#, claims),
            (r#"{"exp":null}"#, claims),
            (r#"{"exp":[2000]}"#, claims),
            (r#"{"exp":true}"#, claims),
            (r#"{"exp":-1}"#, claims),
            (r#"{"exp":-0.5}"#, claims),
            (r#"{"exp":1e400}"#, claims),
            (r#"{"exp":253402300800}"#, claims),
            (r#"{"exp":18446744073709551615}"#, claims),
            (r#"{"exp":99999999999999999999999999}"#, claims),
            (r#"{"exp":2000,"nbf":1030}"#, Ok(Some(2030))),
            (r#"{"exp":2000,"nbf":1031}"#, Err(Rejection::NotYet)),
            (r#"{"exp":2000,"iat":1031}"#, Err(Rejection::NotYet)),
            (r#"{"exp":2000,"iat":"x"}"#, claims),
            (r#"{"exp":2000,"nbf":null}"#, claims),
        ] {
            assert_eq!(of(text), wanted, "{text}");
        }
    }
}
