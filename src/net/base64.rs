//! Base64 as RFC 4648 §4 has it: what headers carry names and passwords in.

/// These bytes as text, with padding.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    let digit = |bits: u32| {
        let index = usize::try_from(bits & 63).unwrap_or_default();
        char::from(BASE64.get(index).copied().unwrap_or(b'='))
    };
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for part in bytes.chunks(3) {
        let byte = |at: usize| u32::from(part.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        out.push(digit(bits >> 18));
        out.push(digit(bits >> 12));
        out.push(if part.len() > 1 {
            digit(bits >> 6)
        } else {
            '='
        });
        out.push(if part.len() > 2 { digit(bits) } else { '=' });
    }
    out
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
            ("\u{ff}\u{fe}??>", "w7/Dvj8/Pg=="),
        ] {
            assert_eq!(encode(plain.as_bytes()), coded, "{plain}");
        }
    }
}
