//! How a trust is, for `/status` and metrics.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::asked::Told;
use super::ring::{Fetched, RingState};
use super::{Kind, Trust};

/// One of those whose tokens are taken, at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustState {
    /// Its name.
    pub name: Arc<str>,
    /// When a token of it was last accepted.
    pub last_use: Option<SystemTime>,
    /// How its tokens are judged.
    pub origin: Origin,
}

/// How tokens are judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// By the keys of an issuer.
    Keys {
        /// `iss`.
        issuer: String,
        /// The keys.
        ring: RingState,
        /// What came of fetching them; nothing where they come from a file.
        fetches: Option<[(Fetched, u64); 3]>,
    },
    /// By asking.
    Asked {
        /// Where.
        url: String,
        /// Why the last question had no answer, if it had none.
        error: Option<String>,
        /// How many tokens are known to be good, and how many to be wrong.
        held: (usize, usize),
        /// What came of asking.
        told: [(Told, u64); 3],
    },
}

impl Trust {
    pub(super) fn state(&self) -> TrustState {
        let origin = match &self.kind {
            Kind::Signed(signed) => {
                let ring = signed.ring();
                Origin::Keys {
                    issuer: signed.issuer.clone(),
                    ring: ring.state(Instant::now()),
                    fetches: ring.fetches(),
                }
            }
            Kind::Asked { asked, .. } => {
                let asked = asked.load();
                Origin::Asked {
                    url: asked.url().to_owned(),
                    error: asked.error(),
                    held: asked.held(),
                    told: asked.told(),
                }
            }
        };
        TrustState {
            name: Arc::clone(&self.name),
            last_use: self.used.get(),
            origin,
        }
    }
}
