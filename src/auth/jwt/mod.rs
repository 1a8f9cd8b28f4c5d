//! Signed tokens: taken apart, judged, verified and made. Which keys and whose claims count is for
//! those who use this; the algorithm is pinned by the key, never by the token alone.

mod claims;
mod compact;
mod jwks;
mod sign;

pub(in crate::auth) use claims::{Claims, Life};
pub(in crate::auth) use compact::{Compact, MAX_TOKEN, NotCompact, encode};
pub(in crate::auth) use jwks::{Family, Key, NoKey, Verifier};
pub use jwks::{Keys, Signing};
pub(in crate::auth) use sign::SigningKey;
