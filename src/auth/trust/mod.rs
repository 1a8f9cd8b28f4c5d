//! Access tokens of others: JWTs that an issuer has signed, and tokens that their issuer is asked
//! about. A token leads to an account by what it says; nobody is an account by being trusted.
//!
//! `signed` judges JWTs by the keys of a `ring`, `asked` finds out about all other tokens, `claims`
//! says whose they are; `endpoint` is how somebody else is reached.

mod asked;
mod claims;
mod endpoint;
mod recent;
mod report;
mod ring;
mod signed;

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use arc_swap::ArcSwap;
use sha2::{Digest as _, Sha256};

pub(super) use asked::Manner;
pub use asked::{Asked, Told};
pub use claims::{IDENTIFYING, Wanted};
pub(super) use endpoint::Endpoint;
pub use report::{Origin, TrustState};
pub use ring::{Fetched, Ring, RingState};
pub use signed::Signed;

use super::authenticator::Account;
use super::jwt::{Compact, NotCompact};
pub use super::jwt::{Keys, Signing};
use super::last_use::LastUse;
use super::{AuthError, Rejection};
use claims::{Nobody, Owners, has_audience};
use recent::{Digest, Recent};
use signed::Wrong;

/// Everybody whose tokens are taken.
#[derive(Debug)]
pub struct Trusts {
    list: Vec<Trust>,
    /// Which of them has this issuer.
    issuers: HashMap<String, usize>,
    /// The one that is asked about whatever else comes.
    opaque: Option<usize>,
    /// Signed tokens that were found good a moment ago.
    seen: Recent<Seen>,
}

/// One whose tokens are taken: an entry of `trust` in `access.yaml`.
#[derive(Debug)]
pub struct Trust {
    name: Arc<str>,
    /// What stands in the place of a key id.
    key: Arc<str>,
    kind: Kind,
    owners: Owners<Arc<Account>>,
    used: LastUse,
}

/// How it is found out whether a token is good.
#[derive(Debug)]
pub(super) enum Kind {
    /// By its signature.
    Signed(Signed),
    /// By asking.
    Asked {
        /// Whom.
        asked: ArcSwap<Asked>,
        /// One of these must be in `aud`, where there is anything here.
        audience: Vec<String>,
    },
}

/// Whose token it is, and by which key that is known.
pub(super) type Owner = (Arc<Account>, Arc<str>);

/// Whose token it is, now or later.
pub(super) enum Judged {
    Now(Owner),
    Later {
        owner: Pin<Box<dyn Future<Output = Result<Owner, AuthError>> + Send>>,
        /// Whether the same token was a good one a while ago.
        was_good: bool,
    },
}

/// A token that was found good.
#[derive(Debug, Clone)]
struct Seen {
    trust: usize,
    generation: u64,
    account: Arc<Account>,
}

impl Default for Trusts {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl Trusts {
    /// Puts together what was read. Names and issuers are unique, and at most one is asked, which
    /// the reader has seen to.
    pub(super) fn new(list: Vec<Trust>) -> Self {
        let mut issuers = HashMap::new();
        let mut opaque = None;
        for (at, trust) in list.iter().enumerate() {
            match &trust.kind {
                Kind::Signed(signed) => {
                    issuers.insert(signed.issuer.clone(), at);
                }
                Kind::Asked { .. } => opaque = Some(at),
            }
        }
        Self {
            list,
            issuers,
            opaque,
            seen: Recent::with_room(MOST_SEEN),
        }
    }

    /// Whether nobody is trusted.
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The tokens that say this, of one of them, are that account's.
    pub(super) fn own(&mut self, trust: &str, wanted: Wanted, account: &Arc<Account>) {
        if let Some(trust) = self.list.iter_mut().find(|one| &*one.name == trust) {
            trust.owners.add(wanted, Arc::clone(account));
        }
    }

    /// Whose token it is. Without waiting, where all that is needed is at hand.
    pub(super) fn judge(
        self: &Arc<Self>,
        token: &str,
        now: SystemTime,
    ) -> Result<Judged, AuthError> {
        let digest: Digest = Sha256::digest(token.as_bytes()).into();
        if let Some(owner) = self.remembered(&digest, now) {
            return Ok(Judged::Now(owner));
        }
        match Compact::read(token) {
            Ok(compact) => {
                let issuer = compact.issuer().and_then(|issuer| self.issuers.get(issuer));
                let Some((at, trust, signed)) = issuer.and_then(|at| self.signed(*at)) else {
                    return self.ask(token, digest, now, Rejection::Issuer);
                };
                let present = signed.ring().present(Instant::now());
                let generation = present.as_ref().map_or(0, |present| present.generation);
                let checked = present.map(|it| signed.check(&compact, &it.keys, now));
                match checked {
                    Some(Ok(until)) => {
                        let account = trust.owner(&compact.claims)?;
                        let seen = Seen {
                            trust: at,
                            generation,
                            account,
                        };
                        Ok(Judged::Now(self.remember(digest, until, seen, now)))
                    }
                    Some(Err(Wrong::Rejected(why))) => Err(AuthError::Rejected(why)),
                    Some(Err(Wrong::Key)) | None => Ok(self.by_newer_keys(at, token, digest, now)),
                }
            }
            Err(NotCompact::Other) => self.ask(token, digest, now, Rejection::Unknown),
            Err(NotCompact::Broken) => Err(AuthError::Rejected(Rejection::Forged)),
        }
    }

    /// A token whose key is not at hand: once more when newer ones may be.
    fn by_newer_keys(
        self: &Arc<Self>,
        at: usize,
        token: &str,
        digest: Digest,
        now: SystemTime,
    ) -> Judged {
        let was_good = self.seen.holds(&digest);
        let (all, token) = (Arc::clone(self), token.to_owned());
        let owner = Box::pin(async move {
            let began = Instant::now();
            let unknown = AuthError::Rejected(Rejection::Key);
            let (_, trust, signed) = all.signed(at).ok_or_else(|| unknown.clone())?;
            let ring = signed.ring();
            ring.newer().await;
            let now = now.checked_add(began.elapsed()).unwrap_or(now);
            let Some(present) = ring.present(Instant::now()) else {
                return Err(trust.unavailable());
            };
            let compact =
                Compact::read(&token).map_err(|_| AuthError::Rejected(Rejection::Forged))?;
            match signed.check(&compact, &present.keys, now) {
                Ok(until) => {
                    let account = trust.owner(&compact.claims)?;
                    let seen = Seen {
                        trust: at,
                        generation: present.generation,
                        account,
                    };
                    Ok(all.remember(digest, until, seen, now))
                }
                Err(Wrong::Rejected(why)) => Err(AuthError::Rejected(why)),
                // Nobody can say whether there is such a key by now.
                Err(Wrong::Key) if ring.is_failing() => Err(trust.unavailable()),
                Err(Wrong::Key) => Err(unknown),
            }
        });
        Judged::Later { owner, was_good }
    }

    /// A token that says nothing by itself, or nothing to us; `otherwise` is why it is refused
    /// where nobody can be asked.
    fn ask(
        self: &Arc<Self>,
        token: &str,
        digest: Digest,
        now: SystemTime,
        otherwise: Rejection,
    ) -> Result<Judged, AuthError> {
        let refused = AuthError::Rejected(otherwise);
        let Some((at, asked)) = self.opaque.and_then(|at| Some((at, self.asked(at)?))) else {
            return Err(refused);
        };
        if let Some(known) = asked.known(&digest, now) {
            return self.told(at, known.as_ref(), now).map(Judged::Now);
        }
        let was_good = asked.was_good(&digest);
        let (all, token) = (Arc::clone(self), token.to_owned());
        let owner = Box::pin(async move {
            let trust = all.list.get(at).ok_or(refused)?;
            let told = asked.find(&token, digest, now).await;
            let told = told.map_err(|_| trust.unavailable())?;
            all.told(at, told.as_ref(), now)
        });
        Ok(Judged::Later { owner, was_good })
    }

    /// Whose token it is by what was told of it.
    fn told(
        &self,
        at: usize,
        good: Option<&asked::Good>,
        now: SystemTime,
    ) -> Result<Owner, AuthError> {
        let inactive = AuthError::Rejected(Rejection::Inactive);
        let (Some(good), Some(trust)) = (good, self.list.get(at)) else {
            return Err(inactive);
        };
        if let Kind::Asked { audience, .. } = &trust.kind
            && !audience.is_empty()
            && !has_audience(&good.claims, audience)
        {
            return Err(AuthError::Rejected(Rejection::Audience));
        }
        let account = trust.owner(&good.claims)?;
        trust.used.note(now);
        Ok((account, Arc::clone(&trust.key)))
    }

    /// A signed token that was found good before, by keys that are still those of its issuer.
    fn remembered(&self, digest: &Digest, now: SystemTime) -> Option<Owner> {
        let seen = self.seen.get(digest, now)?;
        let (_, trust, signed) = self.signed(seen.trust)?;
        let present = signed.ring.load().present(Instant::now())?;
        if present.generation != seen.generation {
            return None;
        }
        trust.used.note(now);
        Some((seen.account, Arc::clone(&trust.key)))
    }

    fn remember(&self, digest: Digest, until: SystemTime, seen: Seen, now: SystemTime) -> Owner {
        let account = Arc::clone(&seen.account);
        let trust = self.list.get(seen.trust);
        let key = trust.map_or_else(|| "trust".into(), |trust| Arc::clone(&trust.key));
        if let Some(trust) = trust {
            trust.used.note(now);
        }
        self.seen.put(digest, until, seen);
        (account, key)
    }

    /// Takes over what outlives an access file: keys and answers, of those who are the same.
    pub(super) fn adopt(&self, previous: &Self) {
        for trust in &self.list {
            let same_name = |before: &&Trust| before.name == trust.name;
            let Some(before) = previous.list.iter().find(same_name) else {
                continue;
            };
            trust.used.adopt(&before.used);
            match (&trust.kind, &before.kind) {
                (Kind::Signed(ours), Kind::Signed(theirs)) => {
                    let (ring, known) = (ours.ring(), theirs.ring());
                    if !Arc::ptr_eq(&ring, &known) && ring.same(&known) {
                        ours.ring.store(known);
                    }
                }
                (Kind::Asked { asked: ours, .. }, Kind::Asked { asked: theirs, .. }) => {
                    let (asked, known) = (ours.load_full(), theirs.load_full());
                    if !Arc::ptr_eq(&asked, &known) && asked.same(&known) {
                        ours.store(known);
                    }
                }
                _ => {}
            }
        }
    }

    /// The keys that somebody has to keep at hand, by [`Ring::keep`].
    pub fn rings(&self) -> impl Iterator<Item = Arc<Ring>> {
        self.list.iter().filter_map(|trust| match &trust.kind {
            Kind::Signed(signed) => Some(signed.ring()),
            Kind::Asked { .. } => None,
        })
    }

    /// How each of them is.
    pub fn states(&self) -> impl Iterator<Item = TrustState> {
        self.list.iter().map(Trust::state)
    }

    fn signed(&self, at: usize) -> Option<(usize, &Trust, &Signed)> {
        let trust = self.list.get(at)?;
        match &trust.kind {
            Kind::Signed(signed) => Some((at, trust, signed)),
            Kind::Asked { .. } => None,
        }
    }

    fn asked(&self, at: usize) -> Option<Arc<Asked>> {
        match &self.list.get(at)?.kind {
            Kind::Asked { asked, .. } => Some(asked.load_full()),
            Kind::Signed(_) => None,
        }
    }
}

impl Trust {
    pub(super) fn new(name: &str, kind: Kind) -> Self {
        Self {
            name: name.into(),
            key: format!("trust:{name}").into(),
            kind,
            owners: Owners::default(),
            used: LastUse::default(),
        }
    }

    /// The account whose token says this.
    fn owner(
        &self,
        claims: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<Arc<Account>, AuthError> {
        let found = self.owners.of(claims, Arc::ptr_eq);
        found.map(Arc::clone).map_err(|why| {
            AuthError::Rejected(match why {
                Nobody::Unknown => Rejection::NoAccount,
                Nobody::Several => Rejection::Ambiguous,
            })
        })
    }

    fn unavailable(&self) -> AuthError {
        AuthError::Unavailable {
            trust: Arc::clone(&self.name),
        }
    }
}

/// So many signed tokens are remembered.
const MOST_SEEN: usize = 10_000;
