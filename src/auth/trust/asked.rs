//! Tokens that say nothing by themselves: whoever issued them is asked, by RFC 7662 or by the call
//! that appliances have instead. What is answered holds for a minute at most, and what cannot be
//! asked lets nobody in.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, StatusCode};
use serde_json::{Map, Value};
use tokio::sync::{Mutex as Turn, Semaphore};
use tokio::time::timeout;

use super::endpoint::{Endpoint, PATIENCE};
use super::recent::{Digest, Recent};
use super::signed::{is_bound, life};
use crate::net::{Body, Secret};
use crate::scim::json;

/// Somebody who is asked about tokens. The same one serves from one access file to the next, as
/// long as it is asked in the same way.
pub struct Asked {
    endpoint: Endpoint,
    manner: Manner,
    good: Recent<Good>,
    /// Apart from the good ones, so that no flood of wrong tokens crowds them out.
    bad: Recent<()>,
    /// Tokens that are being asked about: one question each at a time.
    under_way: Mutex<HashMap<Digest, Arc<Turn<Option<Instant>>>>>,
    places: Semaphore,
    counts: [AtomicU64; Told::ALL.len()],
    error: Mutex<Option<String>>,
}

/// How to ask.
pub(in crate::auth) enum Manner {
    /// RFC 7662.
    Introspect {
        /// Who we are there.
        client: String,
        /// What proves it.
        secret: Secret,
    },
    /// `GET …/verify_token/?client_id=…` with the token as bearer: 200 with `username` and
    /// `expires_in`, or 401.
    VerifyToken {
        /// The relying party that the tokens are for.
        client: String,
    },
}

/// What came of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// The token is good.
    Active,
    /// It is not.
    Inactive,
    /// No answer, or none that can be understood.
    Failed,
}

/// What is said of a good token, and until when that holds.
#[derive(Debug, Clone)]
pub(super) struct Good {
    pub(super) claims: Arc<Map<String, Value>>,
    pub(super) until: SystemTime,
}

/// It cannot be found out now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unavailable;

/// One of those who wait for the answer about a token.
struct Waiting<'a> {
    asked: &'a Asked,
    token: Digest,
    turn: Arc<Turn<Option<Instant>>>,
}

impl Told {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Active, Self::Inactive, Self::Failed];

    /// The word for metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Failed => "failed",
        }
    }
}

impl Asked {
    pub(in crate::auth) fn new(endpoint: Endpoint, manner: Manner) -> Self {
        Self {
            endpoint,
            manner,
            good: Recent::with_room(MOST_GOOD),
            bad: Recent::with_room(MOST_BAD),
            under_way: Mutex::default(),
            places: Semaphore::new(AT_A_TIME),
            counts: Default::default(),
            error: Mutex::default(),
        }
    }

    /// Whether another one asks the same in the same way.
    pub(super) fn same(&self, other: &Self) -> bool {
        self.endpoint.same(&other.endpoint) && self.manner.same(&other.manner)
    }

    /// What is known without asking: a good token, a wrong one, or nothing.
    pub(super) fn known(&self, token: &Digest, now: SystemTime) -> Option<Option<Good>> {
        match self.good.get(token, now) {
            Some(good) => Some(Some(good)),
            None => self.bad.get(token, now).map(|()| None),
        }
    }

    /// Whether it was a good one, a while ago.
    pub(super) fn was_good(&self, token: &Digest) -> bool {
        self.good.holds(token)
    }

    /// Asks, or waits for somebody who asks about the same token. `now` is when this begins.
    pub(super) async fn find(
        &self,
        token: &str,
        digest: Digest,
        now: SystemTime,
    ) -> Result<Option<Good>, Unavailable> {
        let began = Instant::now();
        let waiting = Waiting {
            asked: self,
            token: digest,
            turn: Arc::clone(self.under_way().entry(digest).or_default()),
        };
        let turn = timeout(PATIENCE * 2, waiting.turn.lock()).await;
        let mut failed = turn.map_err(|_| Unavailable)?;
        let now = now.checked_add(began.elapsed()).unwrap_or(now);
        if let Some(known) = self.known(&digest, now) {
            return Ok(known);
        }
        // Who asked while we waited got no answer: we get none either.
        if failed.is_some_and(|then| then >= began) {
            return Err(Unavailable);
        }
        let place = timeout(PATIENCE, self.places.acquire()).await;
        let outcome = match place {
            Ok(Ok(_place)) => self.ask(token, now).await,
            _ => Err("too many questions are open".to_owned()),
        };
        let told = match &outcome {
            Ok(Some(_)) => Told::Active,
            Ok(None) => Told::Inactive,
            Err(_) => Told::Failed,
        };
        self.count(told);
        self.note(outcome.as_ref().err());
        match outcome {
            Ok(Some(good)) => {
                self.good.put(digest, good.until, good.clone());
                Ok(Some(good))
            }
            Ok(None) => {
                self.good.forget(&digest);
                self.bad.put(digest, now + BAD_LIFE, ());
                Ok(None)
            }
            Err(_) => {
                *failed = Some(Instant::now());
                Err(Unavailable)
            }
        }
    }

    async fn ask(&self, token: &str, now: SystemTime) -> Result<Option<Good>, String> {
        let request = self.manner.request(self.endpoint.path(), token)?;
        let answer = self.endpoint.ask(request, LARGEST).await?;
        match (answer.status, &self.manner) {
            (StatusCode::OK, manner) => match json::parse(&answer.body) {
                Ok(Value::Object(members)) => manner.read(members, now),
                _ => Err("the answer is not a JSON object".to_owned()),
            },
            (StatusCode::UNAUTHORIZED, Manner::VerifyToken { .. }) => Ok(None),
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, Manner::Introspect { .. }) => {
                Err("it does not accept our client id and secret".to_owned())
            }
            (status, _) if status.is_redirection() => Err(format!(
                "it answers {}: redirects are not followed",
                status.as_u16()
            )),
            (status, _) => Err(format!("it answers {}", status.as_u16())),
        }
    }

    /// Where it is asked.
    pub(super) fn url(&self) -> &str {
        self.endpoint.url()
    }

    /// Why the last question had no answer, if it had none.
    pub(super) fn error(&self) -> Option<String> {
        self.error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// How many tokens are known, good and wrong.
    pub(super) fn held(&self) -> (usize, usize) {
        (self.good.len(), self.bad.len())
    }

    /// How often a question came to this.
    pub(super) fn told(&self) -> [(Told, u64); 3] {
        Told::ALL.map(|told| {
            let count = self.counts.get(told as usize);
            (told, count.map_or(0, |count| count.load(Ordering::Relaxed)))
        })
    }

    fn count(&self, told: Told) {
        if let Some(count) = self.counts.get(told as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// One line in the log when it begins to fail, one when it does not any more.
    fn note(&self, error: Option<&String>) {
        let mut known = self.error.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref() == error {
            return;
        }
        match error {
            Some(why) => tracing::warn!(url = self.url(), why, "nobody answers about tokens"),
            None => tracing::info!(url = self.url(), "tokens are answered about again"),
        }
        *known = error.cloned();
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<Digest, Arc<Turn<Option<Instant>>>>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut under_way = self.asked.under_way();
        // The map's and ours: nobody else waits.
        if Arc::strong_count(&self.turn) <= 2 {
            under_way.remove(&self.token);
        }
    }
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Asked").field(&self.endpoint).finish()
    }
}

impl Manner {
    fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Introspect { client, secret },
                Self::Introspect {
                    client: its,
                    secret: its_secret,
                },
            ) => client == its && secret.expose() == its_secret.expose(),
            (Self::VerifyToken { client }, Self::VerifyToken { client: its }) => client == its,
            _ => false,
        }
    }

    fn request(&self, path: &str, token: &str) -> Result<Request<Body>, String> {
        let secret = |text: String| {
            let mut value = HeaderValue::from_str(&text).map_err(|_| "a header cannot be made")?;
            value.set_sensitive(true);
            Ok::<_, &str>(value)
        };
        let (method, path, authorization, body) = match self {
            Self::Introspect {
                client,
                secret: word,
            } => {
                // RFC 6749 §2.3.1: each is form-encoded first.
                let pair = format!("{}:{}", form(client), form(word.expose()));
                let basic = secret(format!("Basic {}", BASE64_STANDARD.encode(pair.as_bytes())))?;
                let body = format!("token={}&token_type_hint=access_token", form(token));
                (
                    Method::POST,
                    path.to_owned(),
                    basic,
                    Body::Full(body.into()),
                )
            }
            Self::VerifyToken { client } => {
                let sign = if path.contains('?') { '&' } else { '?' };
                let path = format!("{path}{sign}client_id={}", form(client));
                let bearer = secret(format!("Bearer {token}"))?;
                (Method::GET, path, bearer, Body::Empty)
            }
        };
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().map_err(|_| "the URL has no path")?;
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, authorization);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if matches!(self, Self::Introspect { .. }) {
            let form = HeaderValue::from_static("application/x-www-form-urlencoded");
            headers.insert(CONTENT_TYPE, form);
        }
        Ok(request)
    }

    /// What an answer says: a good token, one that is not, or nothing that can be understood.
    fn read(
        &self,
        mut members: Map<String, Value>,
        now: SystemTime,
    ) -> Result<Option<Good>, String> {
        let longest = now + GOOD_LIFE;
        let until = match self {
            Self::Introspect { .. } => {
                match members.get("active") {
                    Some(Value::Bool(true)) => {}
                    Some(Value::Bool(false)) => return Ok(None),
                    _ => return Err("the answer does not say whether the token is active".into()),
                }
                let kind = members.get("token_type").and_then(Value::as_str);
                let is_access = kind.is_none_or(|kind| {
                    ["bearer", "access_token"]
                        .iter()
                        .any(|one| kind.eq_ignore_ascii_case(one))
                });
                if !is_access || is_bound(&members) {
                    return Ok(None);
                }
                match life(&members, now, Duration::ZERO) {
                    Ok(end) => end.unwrap_or(longest),
                    Err(_) => return Ok(None),
                }
            }
            Self::VerifyToken { .. } => {
                let Some(Value::String(name)) = members.get("username") else {
                    return Err("the answer has no `username`".to_owned());
                };
                let name = Value::String(name.clone());
                let seconds = match members.get("expires_in") {
                    Some(Value::Number(number)) => number.as_f64(),
                    Some(Value::String(text)) => text.parse().ok(),
                    _ => None,
                };
                let Some(seconds) = seconds.filter(|seconds| seconds.is_finite()) else {
                    return Err("the answer has no `expires_in` in seconds".to_owned());
                };
                if seconds <= 0.0 {
                    return Ok(None);
                }
                members.insert("sub".to_owned(), name);
                now + Duration::from_secs_f64(seconds.min(GOOD_LIFE.as_secs_f64()))
            }
        };
        Ok(Some(Good {
            claims: Arc::new(members),
            until: until.min(longest),
        }))
    }
}

impl fmt::Debug for Manner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Introspect { .. } => "Introspect",
            Self::VerifyToken { .. } => "VerifyToken",
        })
    }
}

/// As a form has it: everything but letters, digits and a few signs is `%` and two digits.
fn form(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// For how long an answer holds at most.
const GOOD_LIFE: Duration = Duration::from_secs(60);
/// The same of a wrong token.
const BAD_LIFE: Duration = Duration::from_secs(10);
const MOST_GOOD: usize = 10_000;
const MOST_BAD: usize = 10_000;
/// So many questions are open at a time.
const AT_A_TIME: usize = 16;
/// The largest answer, in bytes.
const LARGEST: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn introspect() -> Manner {
        Manner::Introspect {
            client: "us:1".to_owned(),
            secret: Secret::new("a b".to_owned()),
        }
    }

    fn verify() -> Manner {
        Manner::VerifyToken {
            client: "a&b".to_owned(),
        }
    }

    /// What an answer comes to, 1000 seconds after 1970: the seconds for which it holds.
    fn read(manner: &Manner, text: &str) -> Result<Option<u64>, String> {
        let now = UNIX_EPOCH + Duration::from_secs(1000);
        let good = manner.read(serde_json::from_str(text).unwrap(), now)?;
        Ok(good.map(|good| good.until.duration_since(now).unwrap().as_secs()))
    }

    #[test]
    fn introspection_is_understood() {
        for (text, wanted) in [
            (r#"{"active":true}"#, Some(60)),
            (r#"{"active":true,"exp":1020}"#, Some(20)),
            (
                r#"{"active":true,"exp":9000,"token_type":"Bearer"}"#,
                Some(60),
            ),
            (r#"{"active":false}"#, None),
            (r#"{"active":true,"exp":1000}"#, None),
            (r#"{"active":true,"exp":"2000"}"#, None),
            (r#"{"active":true,"nbf":1001}"#, None),
            (r#"{"active":true,"token_type":"refresh_token"}"#, None),
            (
                r#"{"active":true,"token_type":"DPoP","cnf":{"jkt":"x"}}"#,
                None,
            ),
            (r#"{"active":true,"cnf":{"jkt":"x"}}"#, None),
        ] {
            assert_eq!(read(&introspect(), text), Ok(wanted), "{text}");
        }
        for unclear in [
            r#"{}"#,
            r#"{"active":"true"}"#,
            r#"{"active":1}"#,
            r#"{"active":null}"#,
        ] {
            assert!(read(&introspect(), unclear).is_err(), "{unclear}");
        }
    }

    #[test]
    fn the_appliance_is_understood() {
        for (text, wanted) in [
            (r#"{"username":"a","expires_in":20}"#, Some(20)),
            (r#"{"username":"a","expires_in":"20"}"#, Some(20)),
            (r#"{"username":"a","expires_in":36000}"#, Some(60)),
            (r#"{"username":"a","expires_in":0}"#, None),
            (r#"{"username":"a","expires_in":-5}"#, None),
        ] {
            assert_eq!(read(&verify(), text), Ok(wanted), "{text}");
        }
        for unclear in [
            r#"{"expires_in":20}"#,
            r#"{"username":5,"expires_in":20}"#,
            r#"{"username":"a"}"#,
            r#"{"username":"a","expires_in":1e999}"#,
            r#"{"username":"a","expires_in":"soon"}"#,
            r#"{"username":"a","expires_in":"inf"}"#,
        ] {
            assert!(read(&verify(), unclear).is_err(), "{unclear}");
        }
        let told = serde_json::from_str(r#"{"username":"a","sub":"b","expires_in":20}"#).unwrap();
        let good = verify().read(told, UNIX_EPOCH).unwrap().unwrap();
        assert_eq!(good.claims["sub"], "a");
    }

    #[test]
    fn questions_are_as_the_standards_have_them() {
        let request = introspect().request("/introspect", "t+/=").unwrap();
        assert_eq!(request.method(), Method::POST);
        let basic = format!("Basic {}", BASE64_STANDARD.encode(b"us%3A1:a%20b"));
        assert_eq!(request.headers()[AUTHORIZATION], *basic);
        let Body::Full(body) = request.body() else {
            panic!("a form");
        };
        assert_eq!(&**body, b"token=t%2B%2F%3D&token_type_hint=access_token");
        let request = verify()
            .request("/api/v1/oauth/verify_token/", "t+/=")
            .unwrap();
        assert_eq!(request.method(), Method::GET);
        assert_eq!(request.headers()[AUTHORIZATION], "Bearer t+/=");
        assert_eq!(request.uri(), "/api/v1/oauth/verify_token/?client_id=a%26b");
        assert!(!format!("{request:?}").contains("t+/="));
        let request = verify().request("/v?x=y", "t").unwrap();
        assert_eq!(request.uri(), "/v?x=y&client_id=a%26b");
    }
}
