//! OAuth clients: whose they are, and how they prove who they are at the token endpoint.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use subtle::ConstantTimeEq;

use super::replays::{Known, Replays};
use crate::auth::Rejection;
use crate::auth::authenticator::{Account, Key, KeyState};
use crate::auth::jwt::{Claims, Compact, Keys, Life, Signing};
use crate::auth::last_use::LastUse;
use crate::auth::token::TokenHash;

/// A client of an account, by one id; it may have several secrets and keys at once.
#[derive(Debug)]
pub(in crate::auth) struct Client {
    pub(in crate::auth) id: Arc<str>,
    pub(in crate::auth) account: Arc<Account>,
    pub(in crate::auth) credentials: Vec<Credential>,
    pub(in crate::auth) used: LastUse,
}

/// One way of a client to prove itself, and when it may.
#[derive(Debug)]
pub(in crate::auth) struct Credential {
    /// Under the client's id.
    pub(in crate::auth) key: Key,
    pub(in crate::auth) proof: Means,
}

/// What a client is known by.
#[derive(Debug)]
pub(in crate::auth) enum Means {
    /// The hash of its secret.
    Secret(TokenHash),
    /// Its public keys.
    Keys(Keys),
}

/// All clients, by their ids.
pub(in crate::auth) type Clients = HashMap<Arc<str>, Client>;

/// How a client shows who it is.
#[derive(Clone, Copy)]
pub enum Proof<'a> {
    /// By its secret.
    Secret {
        /// Its id.
        id: &'a str,
        /// The secret.
        secret: &'a str,
    },
    /// By a signed assertion (RFC 7523).
    Assertion {
        /// The assertion.
        text: &'a str,
        /// Its id, where it says that beside the assertion.
        id: Option<&'a str>,
    },
}

/// Why a client is not taken for who it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotProven {
    Rejected(Rejection),
    /// Nothing can be remembered any more: try again.
    Busy,
}

impl Client {
    /// Whether one of its credentials is alive.
    pub(in crate::auth) fn is_live(&self, now: SystemTime) -> bool {
        let mut all = self.credentials.iter();
        all.any(|one| one.key.state(now) == KeyState::Live)
    }

    fn secrets(&self) -> impl Iterator<Item = (&Key, &TokenHash)> {
        self.credentials.iter().filter_map(|one| match &one.proof {
            Means::Secret(hash) => Some((&one.key, hash)),
            Means::Keys(_) => None,
        })
    }
}

/// The client of this id and secret. Nobody is told apart from a wrong secret by what is done.
pub(super) fn by_secret<'a>(
    clients: &'a Clients,
    id: &str,
    secret: &str,
    now: SystemTime,
) -> Result<&'a Client, NotProven> {
    let client = clients.get(id);
    let hash = TokenHash::of(secret);
    let mut state = None;
    // Always one comparison more: with the hash of nothing.
    let mut fits = NOBODY.ct_eq(&hash.0) & subtle::Choice::from(0);
    for (key, wanted) in client.iter().flat_map(|client| client.secrets()) {
        let this = wanted.0.ct_eq(&hash.0);
        if bool::from(this) {
            state = Some(key.state(now));
        }
        fits |= this;
    }
    match (client.filter(|_| bool::from(fits)), state) {
        (Some(client), Some(KeyState::Live)) => Ok(client),
        (Some(_), Some(KeyState::Expired)) => Err(NotProven::Rejected(Rejection::Expired)),
        (Some(_), Some(KeyState::NotYet)) => Err(NotProven::Rejected(Rejection::NotYet)),
        _ => Err(NotProven::Rejected(Rejection::Unknown)),
    }
}

/// Who an assertion is for, and until when those that were taken are remembered.
pub(super) struct Desk<'a, 'd> {
    pub(super) clients: &'a Clients,
    /// Keys that stand for those of who is not known.
    pub(super) nobody: &'a Keys,
    /// What may stand in `aud`: the issuer and its token endpoint.
    pub(super) audience: &'d [&'d str],
    pub(super) replays: &'d Replays,
    pub(super) now: SystemTime,
}

impl<'a> Desk<'a, '_> {
    /// The client that has signed this.
    pub(super) fn by_assertion(
        &self,
        text: &str,
        said: Option<&str>,
    ) -> Result<&'a Client, NotProven> {
        let no = NotProven::Rejected;
        let parts = Compact::read(text).map_err(|_| no(Rejection::Forged))?;
        let kind = parts.header.kind.as_deref();
        if kind.is_some_and(|kind| !KINDS.iter().any(|known| known.eq_ignore_ascii_case(kind))) {
            return Err(no(Rejection::Claims));
        }
        let signing = parts.header.algorithm.parse::<Signing>();
        let signing = signing.ok().filter(|signing| ALLOWED.contains(signing));
        let signing = signing.ok_or(no(Rejection::Forged))?;
        let claims = Claims(&parts.claims);
        let text = |name| claims.text(name).map_err(|_| no(Rejection::Claims));
        let (issuer, subject) = (text("iss")?, text("sub")?);
        let id = issuer.filter(|id| subject == Some(id) && said.is_none_or(|said| said == *id));
        let id = id.ok_or(no(Rejection::Claims))?;
        let Some(client) = self.clients.get(id) else {
            // Who is not known takes as long as who is.
            let keys = self.nobody.of(None, Signing::Es256);
            if let Some(key) = keys.first() {
                std::hint::black_box(key.accepts(parts.signed, parts.signature));
            }
            return Err(no(Rejection::Unknown));
        };

        // Whose signature it is comes before what it says.
        let mut state = None;
        for credential in &client.credentials {
            let Means::Keys(keys) = &credential.proof else {
                continue;
            };
            let fitting = keys.of(parts.header.key.as_deref(), signing);
            if fitting
                .iter()
                .any(|key| key.accepts(parts.signed, parts.signature))
            {
                state = Some(credential.key.state(self.now));
                if state == Some(KeyState::Live) {
                    break;
                }
            }
        }
        match state {
            None => return Err(no(Rejection::Forged)),
            Some(KeyState::Expired) => return Err(no(Rejection::Expired)),
            Some(KeyState::NotYet) => return Err(no(Rejection::NotYet)),
            Some(KeyState::Live) => {}
        }
        if !claims
            .is_for(self.audience)
            .map_err(|_| no(Rejection::Claims))?
        {
            return Err(no(Rejection::Audience));
        }
        let times = claims.times().map_err(|_| no(Rejection::Claims))?;
        match times.life(self.now, LEEWAY) {
            Life::Live => {}
            Life::Expired => return Err(no(Rejection::Expired)),
            Life::NotYet => return Err(no(Rejection::NotYet)),
        }
        let furthest = self.now.checked_add(LONGEST + LEEWAY);
        if furthest.is_none_or(|furthest| times.expires > furthest) {
            return Err(no(Rejection::Claims));
        }
        let number = text("jti")?.filter(|number| (1..=MAX_JTI).contains(&number.len()));
        let number = number.ok_or(no(Rejection::Claims))?;
        let until = times.expires.checked_add(LEEWAY).unwrap_or(times.expires);
        match self.replays.note(&client.id, number, until, self.now) {
            Known::New => Ok(client),
            Known::Again => Err(no(Rejection::Forged)),
            Known::Full => Err(NotProven::Busy),
        }
    }
}

/// The types that an assertion may have, if it has one.
const KINDS: [&str; 2] = ["JWT", "client-authentication+jwt"];

/// How an assertion may be signed.
const ALLOWED: [Signing; 4] = [
    Signing::Es256,
    Signing::EdDsa,
    Signing::Rs256,
    Signing::Ps256,
];

/// So much clocks may differ.
const LEEWAY: Duration = Duration::from_secs(30);

/// How far ahead an assertion may end.
const LONGEST: Duration = Duration::from_secs(10 * 60);

/// The longest `jti`.
const MAX_JTI: usize = 256;

/// The hash of no secret that anyone can find.
const NOBODY: [u8; 32] = [0; 32];
