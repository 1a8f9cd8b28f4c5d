//! Base64 with padding (RFC 4648 §4), read strictly: one text for each value.

/// The text of bytes.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let at = |index: usize| chunk.get(index).copied().map_or(0, u32::from);
        let group = at(0) << 16 | at(1) << 8 | at(2);
        for place in 0..4 {
            let digit = if place <= chunk.len() {
                let index = group >> (18 - 6 * place) & 63;
                usize::try_from(index)
                    .ok()
                    .and_then(|i| ALPHABET.get(i))
                    .copied()
                    .unwrap_or(b'=')
            } else {
                b'='
            };
            text.push(char::from(digit));
        }
    }
    text
}

/// The bytes of a text; `None` where it is not the one spelling of any.
#[must_use]
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let bytes = text.as_bytes();
    if !bytes.len().is_multiple_of(4) {
        return None;
    }
    let mut out = Vec::with_capacity(bytes.len() / 4 * 3);
    let last = (bytes.len() / 4).saturating_sub(1);
    for (number, group) in bytes.chunks(4).enumerate() {
        let padding = group.iter().rev().take_while(|b| **b == b'=').count();
        if padding > 2 || (padding > 0 && number != last) {
            return None;
        }
        let mut value = 0u32;
        for byte in group.iter().take(4 - padding) {
            let digit = ALPHABET.iter().position(|letter| letter == byte)?;
            value = value << 6 | u32::try_from(digit).ok()?;
        }
        value <<= 6 * padding;
        let [_, a, b, c] = value.to_be_bytes();
        let (kept, lost) = match padding {
            0 => (vec![a, b, c], 0),
            1 => (vec![a, b], c),
            _ => (vec![a], b | c),
        };
        if lost != 0 {
            return None;
        }
        out.extend(kept);
    }
    Some(out)
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_examples_of_the_rfc() {
        for (plain, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encode(plain.as_bytes()), text);
            assert_eq!(decode(text), Some(plain.as_bytes().to_vec()));
        }
    }

    #[test]
    fn another_spelling_is_none() {
        for text in [
            "Zh==", "Zg=", "Zg", "Z===", "Zg==Zg==", "Zm9=", "Zm9v\n", "====", "Zm-v",
        ] {
            assert_eq!(decode(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_comes_back(bytes: Vec<u8>) {
            prop_assert_eq!(decode(&encode(&bytes)), Some(bytes));
        }

        #[test]
        fn what_is_decoded_is_the_one_spelling(text in "[A-Da-d=+/]{0,12}") {
            if let Some(bytes) = decode(&text) {
                prop_assert_eq!(encode(&bytes), text);
            }
        }
    }
}
