//! Access tokens that are issued here (RFC 6749 §4.4, RFC 9068): an account's client shows who it
//! is, and gets a signed token for a few minutes. Nothing is kept of it: whoever has the same files
//! verifies it, and what it allows is looked up at every request, so that a client, an account or a
//! role that is taken out of `access.yaml` ends it at once.

mod clients;
mod replays;
mod scope;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

pub use clients::Proof;
pub(super) use clients::{Client, Clients, Credential, Means};
pub use replays::Replays;
pub(super) use scope::{Narrowed, Roles};

use super::jwt::{Claims, Compact, Family, Key, Keys, Life, Signing, SigningKey, encode};
use super::permit::Caller;
use super::presented::Presented;
use super::token::Random;
use super::{AuthError, Rejection, Secret, network};
use clients::{Desk, NotProven};

/// Who issues: `issue` in `access.yaml`.
#[derive(Debug)]
pub struct Issuer {
    name: Arc<str>,
    host: Arc<str>,
    path: Arc<str>,
    token_endpoint: String,
    audience: Arc<str>,
    lifetime: Duration,
    signer: SigningKey,
    keys: Keys,
    public: Vec<Value>,
}

/// All that issuing takes.
#[derive(Debug)]
pub(super) struct Issuing {
    pub(super) issuer: Issuer,
    pub(super) clients: Clients,
    pub(super) roles: Roles,
}

/// A client that has shown who it is.
pub struct Known<'a> {
    issuing: &'a Issuing,
    client: &'a Client,
}

/// Why a client is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// It has not shown who it is: why is for metrics and logs only.
    Client(AuthError),
    /// Not now.
    Busy,
}

/// A token that was made.
#[derive(Debug)]
pub struct Issued {
    /// The token.
    pub token: Secret,
    /// How long it is good.
    pub lifetime: Duration,
    /// What it is made for.
    pub scope: String,
}

/// Why no token is made for a known client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoToken {
    /// The scope names what the account does not have, or is not one.
    Scope,
    /// The system gives no randomness.
    Randomness,
}

/// What an [`Issuer`] is made of.
pub(super) struct Making<'a> {
    pub(super) name: &'a str,
    pub(super) host: &'a str,
    pub(super) path: &'a str,
    pub(super) audience: Option<&'a str>,
    pub(super) lifetime: Duration,
    pub(super) signer: SigningKey,
    /// Those that only verify.
    pub(super) others: Vec<Key>,
}

impl Issuer {
    pub(super) fn new(making: Making<'_>) -> Self {
        let mut keys = vec![making.signer.public().clone()];
        keys.extend(making.others);
        Self {
            name: making.name.into(),
            host: making.host.into(),
            path: making.path.into(),
            token_endpoint: format!("{}{TOKEN}", making.name),
            audience: making.audience.unwrap_or(making.name).into(),
            lifetime: making.lifetime,
            signer: making.signer,
            public: keys.iter().map(Key::jwk).collect(),
            keys: keys.into_iter().collect(),
        }
    }

    /// The host of its URL, in lower case.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Where tokens are made.
    #[must_use]
    pub fn token_endpoint(&self) -> &str {
        &self.token_endpoint
    }

    /// What a path is to the issuer, if it is anything.
    #[must_use]
    pub fn door(&self, path: &str) -> Option<Door> {
        if let Some(rest) = path.strip_prefix(METADATA) {
            return (rest == &*self.path).then_some(Door::Metadata);
        }
        match path.strip_prefix(&*self.path)? {
            TOKEN => Some(Door::Token),
            KEYS => Some(Door::Keys),
            _ => None,
        }
    }

    /// RFC 8414.
    #[must_use]
    pub fn metadata(&self) -> Value {
        let assertions = [
            Signing::Es256,
            Signing::EdDsa,
            Signing::Rs256,
            Signing::Ps256,
        ];
        json!({
            "issuer": &*self.name,
            "token_endpoint": self.token_endpoint,
            "jwks_uri": format!("{}{KEYS}", self.name),
            "response_types_supported": [],
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported":
                ["client_secret_basic", "client_secret_post", "private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": assertions.map(Signing::as_str),
        })
    }

    /// The public keys (RFC 7517 §5).
    #[must_use]
    pub fn jwks(&self) -> Value {
        json!({ "keys": self.public })
    }
}

/// The places of an issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// Tokens are made here.
    Token,
    /// The public keys.
    Keys,
    /// What there is (RFC 8414).
    Metadata,
}

impl Issuing {
    /// Who shows this. A replay cache outlives what is loaded, so it is given.
    pub(super) fn client(
        &self,
        proof: Proof<'_>,
        from: IpAddr,
        replays: &Replays,
        now: SystemTime,
    ) -> Result<Known<'_>, Refused> {
        let found = match proof {
            Proof::Secret { id, secret } => clients::by_secret(&self.clients, id, secret, now),
            Proof::Assertion { text, id } => {
                let desk = Desk {
                    clients: &self.clients,
                    nobody: &self.issuer.keys,
                    audience: &[&self.issuer.name, &self.issuer.token_endpoint],
                    replays,
                    now,
                };
                desk.by_assertion(text, id)
            }
        };
        let client = found.map_err(|why| match why {
            NotProven::Rejected(why) => Refused::Client(AuthError::Rejected(why)),
            NotProven::Busy => Refused::Busy,
        })?;
        here(client, from).map_err(Refused::Client)?;
        Ok(Known {
            issuing: self,
            client,
        })
    }

    /// Whose token this is, if it says that it is one of ours.
    pub(super) fn judge(
        &self,
        token: &str,
        presented: &Presented<'_>,
        now: SystemTime,
    ) -> Option<Result<Caller, AuthError>> {
        let parts = Compact::read(token).ok()?;
        let claims = Claims(&parts.claims);
        if claims.text("iss") != Ok(Some(&self.issuer.name)) {
            return None;
        }
        let judged = self.verified(&parts, now).map_err(AuthError::Rejected);
        Some(judged.and_then(|client| {
            here(client, presented.from)?;
            client.used.note(now);
            let scope = claims.text("scope").ok().flatten().unwrap_or_default();
            Ok(client.caller(self.roles.narrow(&client.account, scope)))
        }))
    }

    fn verified(&self, parts: &Compact<'_>, now: SystemTime) -> Result<&Client, Rejection> {
        let kind = parts.header.kind.as_deref().unwrap_or_default();
        let kind = kind.strip_prefix("application/").unwrap_or(kind);
        if !kind.eq_ignore_ascii_case(KIND) {
            return Err(Rejection::Claims);
        }
        let name = parts.header.key.as_deref().ok_or(Rejection::Key)?;
        let signing = parts.header.algorithm.parse::<Signing>();
        let signing = signing.map_err(|()| Rejection::Forged)?;
        let fitting = self.issuer.keys.fitting(Some(name), signing);
        let fitting = fitting.map_err(|_| Rejection::Key)?;
        let mut fitting = fitting.iter();
        if !fitting.any(|key| key.accepts(parts.signed, parts.signature)) {
            return Err(Rejection::Forged);
        }
        // It is one that we have made: what follows is about its time and about who has it.
        let claims = Claims(&parts.claims);
        let text = |name| claims.text(name).ok().flatten().ok_or(Rejection::Claims);
        let audience = claims.is_for(&[&self.issuer.audience]);
        if !audience.map_err(|_| Rejection::Claims)? {
            return Err(Rejection::Audience);
        }
        match claims
            .times()
            .map_err(|_| Rejection::Claims)?
            .life(now, LEEWAY)
        {
            Life::Live => {}
            Life::Expired => return Err(Rejection::Expired),
            Life::NotYet => return Err(Rejection::NotYet),
        }
        let account = text("account")?;
        text("scope")?;
        let client = self.clients.get(text("client_id")?);
        let client = client.filter(|it| &*it.account.name == account && it.is_live(now));
        client.ok_or(Rejection::NoAccount)
    }
}

impl Client {
    fn caller(&self, narrowed: Option<Arc<Narrowed>>) -> Caller {
        Caller {
            account: Arc::clone(&self.account),
            key: Arc::clone(&self.id),
            narrowed,
        }
    }
}

impl Known<'_> {
    /// The client as a caller: for its rate, and for the access line.
    #[must_use]
    pub fn caller(&self) -> Caller {
        self.client.caller(None)
    }

    /// Makes a token.
    ///
    /// # Errors
    /// [`NoToken`].
    pub fn issue(
        &self,
        scope: Option<&str>,
        now: SystemTime,
        random: Random<'_>,
    ) -> Result<Issued, NoToken> {
        let issuer = &self.issuing.issuer;
        let scope = scope::granted(&self.client.account, scope).map_err(|_| NoToken::Scope)?;
        let mut number = [0; 16];
        if !random(&mut number) {
            return Err(NoToken::Randomness);
        }
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let begin = since.as_secs();
        let claims = json!({
            "iss": &*issuer.name,
            "sub": &*self.client.id,
            "aud": &*issuer.audience,
            "client_id": &*self.client.id,
            "account": &*self.client.account.name,
            "scope": scope,
            "iat": begin,
            "nbf": begin,
            "exp": begin.saturating_add(issuer.lifetime.as_secs()),
            "jti": encode(&number),
        });
        let token = issuer
            .signer
            .sign(KIND, &claims)
            .ok_or(NoToken::Randomness)?;
        self.client.used.note(now);
        Ok(Issued {
            token: Secret::new(token),
            lifetime: issuer.lifetime,
            scope,
        })
    }
}

/// The id that a private key has where nobody gives it another: its thumbprint.
#[must_use]
pub fn key_id_of(pem: &[u8]) -> Option<String> {
    let key = SigningKey::of_pem(pem, None).ok()?;
    key.public().name().map(str::to_owned)
}

/// An account calls from its networks only.
fn here(client: &Client, from: IpAddr) -> Result<(), AuthError> {
    let networks = client.account.networks.as_deref();
    if networks.is_some_and(|networks| !network::contain(networks, from)) {
        return Err(AuthError::Elsewhere {
            account: Arc::clone(&client.account.name),
            key: Arc::clone(&client.id),
        });
    }
    Ok(())
}

/// Whether a key can verify tokens of ours.
pub(super) fn verifies(key: &Key) -> bool {
    matches!(key.family(), Family::P256 | Family::Ed25519)
}

/// The type of an access token (RFC 9068 §2.1).
const KIND: &str = "at+jwt";

/// So much the clocks of replicas may differ.
const LEEWAY: Duration = Duration::from_secs(30);

const TOKEN: &str = "/oauth2/token";
const KEYS: &str = "/oauth2/jwks";
const METADATA: &str = "/.well-known/oauth-authorization-server";
