//! What makes a line tamper-evident: SHA-256 over it, or HMAC-SHA256 (RFC 2104) where there is a
//! key. Both chain; only the keyed one keeps somebody who may write the file from forging it.

use std::fmt;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::net::hex::encode as hex;

/// A hash, or a MAC.
pub type Sum = [u8; 32];

/// A key of HMAC-SHA256, with both of its blocks already taken in.
#[derive(Clone)]
pub struct Key {
    inner: Sha256,
    outer: Sha256,
}

/// How lines are sealed.
#[derive(Debug, Clone)]
pub enum Seal {
    /// By SHA-256: whoever may write the file can make a chain of their own.
    Plain,
    /// By HMAC-SHA256.
    Keyed(Box<Key>),
}

impl Key {
    /// A key of these bytes.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        let mut block = Zeroizing::new([0_u8; BLOCK]);
        if bytes.len() > BLOCK {
            let hashed: Sum = Sha256::digest(bytes).into();
            fill(&mut *block, &hashed);
        } else {
            fill(&mut *block, bytes);
        }
        let with = |pad: u8| {
            let padded = Zeroizing::new(block.map(|byte| byte ^ pad));
            Sha256::new_with_prefix(*padded)
        };
        Self {
            inner: with(0x36),
            outer: with(0x5c),
        }
    }

    /// A key of its own for each purpose, from one secret.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> Self {
        Self::new(&self.mac(&[purpose.as_bytes()]))
    }

    /// The MAC of the parts, one after the other.
    #[must_use]
    pub fn mac(&self, parts: &[&[u8]]) -> Sum {
        let mut inner = self.inner.clone();
        for part in parts {
            inner.update(part);
        }
        let mut outer = self.outer.clone();
        outer.update(inner.finalize());
        outer.finalize().into()
    }

    /// Names the key without telling it.
    #[must_use]
    pub fn id(&self) -> String {
        let sum = self.mac(&[b"postern audit key id"]);
        hex(sum.get(..8).unwrap_or_default())
    }
}

impl Seal {
    /// The seal with a trail's secret.
    #[must_use]
    pub fn keyed(secret: &Key) -> Self {
        Self::Keyed(Box::new(secret.derive("postern audit chain")))
    }

    /// The name of the member that holds the sum.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Plain => "hash",
            Self::Keyed(_) => "hmac",
        }
    }

    /// The sum of what a line says.
    #[must_use]
    pub fn over(&self, bytes: &[u8]) -> Sum {
        match self {
            Self::Plain => Sha256::digest(bytes).into(),
            Self::Keyed(key) => key.mac(&[bytes]),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(a key)")
    }
}

fn fill(block: &mut [u8], bytes: &[u8]) {
    for (place, byte) in block.iter_mut().zip(bytes) {
        *place = *byte;
    }
}

/// The block of SHA-256.
const BLOCK: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_macs_are_those_of_rfc_4231() {
        for (key, data, wanted) in [
            (
                vec![0x0b; 20],
                b"Hi There".to_vec(),
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            ),
            (
                b"Jefe".to_vec(),
                b"what do ya want for nothing?".to_vec(),
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                vec![0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First".to_vec(),
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ] {
            let key = Key::new(&key);
            let (head, tail) = data.split_at(3);
            assert_eq!(hex(&key.mac(&[head, tail])), wanted);
        }
    }

    #[test]
    fn keys_of_different_purposes_differ_and_tell_nothing() {
        let secret = Key::new(b"secret");
        assert_ne!(
            secret.derive("a").mac(&[b"x"]),
            secret.derive("b").mac(&[b"x"])
        );
        assert_ne!(secret.id(), Key::new(b"other").id());
        assert_eq!(format!("{secret:?}"), "(a key)");
    }
}
