//! Secrets in the form that the directory takes.

/// A password as Active Directory's `unicodePwd` takes it: in quotes, as UTF-16 with the low byte
/// first.
#[must_use]
pub fn unicode_pwd(password: &str) -> Vec<u8> {
    let quoted = std::iter::once('"')
        .chain(password.chars())
        .chain(std::iter::once('"'));
    let mut units = [0; 2];
    let mut bytes = Vec::with_capacity(password.len() * 2 + 4);
    for c in quoted {
        for unit in c.encode_utf16(&mut units) {
            bytes.extend_from_slice(&unit.to_le_bytes());
        }
    }
    bytes
}

/// A secret text out of random bytes: one character for each, every class of characters that
/// password policies ask for among the first four. `None` where there are fewer than
/// [`SHORTEST`] bytes.
#[must_use]
pub fn random(bytes: &[u8]) -> Option<String> {
    if bytes.len() < SHORTEST {
        return None;
    }
    let pick = |letters: &[u8], byte: u8| {
        let index = usize::from(byte) % letters.len();
        letters.get(index).copied().map_or('x', char::from)
    };
    let classes = [UPPER, LOWER, DIGIT, SIGN];
    let text = bytes
        .iter()
        .enumerate()
        .map(|(index, byte)| match classes.get(index) {
            Some(class) => pick(class, *byte),
            None => pick(ALL, *byte),
        });
    Some(text.collect())
}

/// No random secret is shorter.
pub const SHORTEST: usize = 16;

const UPPER: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZ";
const LOWER: &[u8] = b"abcdefghijkmnopqrstuvwxyz";
const DIGIT: &[u8] = b"23456789";
const SIGN: &[u8] = b"-_.!+*=%";
/// Sixty-four, so that no letter is likelier than another.
const ALL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_quoted_and_low_byte_first() {
        assert_eq!(unicode_pwd("aé"), [0x22, 0, 0x61, 0, 0xe9, 0, 0x22, 0]);
        assert_eq!(
            unicode_pwd("😀"),
            [0x22, 0, 0x3d, 0xd8, 0x00, 0xde, 0x22, 0]
        );
        assert_eq!(unicode_pwd("\""), [0x22, 0, 0x22, 0, 0x22, 0]);
    }

    #[test]
    fn a_random_secret_meets_the_usual_policies() {
        let text = random(&[7; 32]).unwrap();
        assert_eq!(text.len(), 32);
        for class in [UPPER, LOWER, DIGIT, SIGN] {
            assert!(text.bytes().any(|b| class.contains(&b)), "{text}");
        }
        assert_eq!(random(&[0; 15]), None);
    }
}
