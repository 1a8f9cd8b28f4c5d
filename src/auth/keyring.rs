//! Keys by their ids. A request is looked up before anybody knows who sent it, so the lookup is as
//! cheap as it can be.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

/// What keys lead to, by their ids.
///
/// What is in it is what the access file says: a stranger chooses what is looked for, and not what
/// is there, so nobody can make it slow by ids that collide, and no secret is needed in the hash.
pub(super) type Keyring<T> = HashMap<Arc<str>, T, BuildHasherDefault<IdHasher>>;

/// Eight bytes at a time, each folded into what was before by one multiplication.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.fold(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            let mut last = [0; 8];
            for (place, byte) in last.iter_mut().zip(rest) {
                *place = *byte;
            }
            self.fold(u64::from_le_bytes(last));
        }
    }

    /// What ends a text: it tells `ab` and `c` from `a` and `bc`, which one text does not need.
    fn write_u8(&mut self, _: u8) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

impl IdHasher {
    fn fold(&mut self, word: u64) {
        let word = self.0 ^ word ^ SEED;
        let high = (u128::from(word) * u128::from(FACTOR)) >> 64;
        let high = u64::try_from(high).unwrap_or_default();
        self.0 = high ^ word.wrapping_mul(FACTOR);
    }
}

/// Bits in no order: of the golden ratio, and of pi.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
const SEED: u64 = 0x243f_6a88_85a3_08d3;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::{BuildHasher, BuildHasherDefault};

    use super::*;

    fn of(id: &str) -> u64 {
        BuildHasherDefault::<IdHasher>::default().hash_one(id)
    }

    #[test]
    fn ids_that_are_alike_are_far_apart() {
        let ids: Vec<String> = (0..30_000).map(|number| format!("k{number}")).collect();
        let hashes: HashSet<u64> = ids.iter().map(|id| of(id)).collect();
        assert_eq!(hashes.len(), ids.len());
        // The low bits choose the place: with 30,000 in 65,536 places about 24,000 are taken.
        let places: HashSet<u64> = hashes.iter().map(|hash| hash & 0xffff).collect();
        assert!(places.len() > 23_000, "{}", places.len());
        // The high ones tell those of one place apart.
        let tops: HashSet<u64> = hashes.iter().map(|hash| hash >> 57).collect();
        assert_eq!(tops.len(), 128);
    }

    #[test]
    fn the_whole_id_counts() {
        for (one, other) in [
            ("a", "b"),
            ("abcdefgh", "abcdefgi"),
            ("abcdefghi", "abcdefghj"),
            ("abcdefgh1", "abcdefgg1"),
            ("12345678", "87654321"),
        ] {
            assert_ne!(of(one), of(other), "{one} {other}");
        }
        let ring: Keyring<u8> = [(Arc::from("k1"), 1), (Arc::from("k2"), 2)]
            .into_iter()
            .collect();
        assert_eq!((ring.get("k1"), ring.get("k3")), (Some(&1), None));
    }
}
