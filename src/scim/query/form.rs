//! `application/x-www-form-urlencoded`, strictly: what does not decode is refused, never passed
//! through, so that nobody behind reads it another way.

/// The pairs of a query string in order, decoded. A name without `=` has an empty value. The
/// error is the 1-based number of the character where the encoding is broken.
pub(super) fn pairs(text: &str) -> impl Iterator<Item = Result<(String, String), usize>> + '_ {
    let mut start = 1;
    text.split('&').filter_map(move |pair| {
        let here = start;
        start += pair.chars().count() + 1;
        if pair.is_empty() {
            return None;
        }
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value_at = here + name.chars().count() + 1;
        Some(decode(name, here).and_then(|name| Ok((name, decode(value, value_at)?))))
    })
}

fn decode(text: &str, at: usize) -> Result<String, usize> {
    let mut out = Vec::with_capacity(text.len());
    let mut characters = text.chars().enumerate();
    while let Some((index, c)) = characters.next() {
        match c {
            '+' => out.push(b' '),
            '%' => {
                let mut digit = || characters.next().and_then(|(_, c)| c.to_digit(16));
                let byte = digit().zip(digit()).map(|(high, low)| high * 16 + low);
                let byte = byte.and_then(|byte| u8::try_from(byte).ok());
                out.push(byte.ok_or(at + index)?);
            }
            c => out.extend(c.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    String::from_utf8(out).map_err(|_| at)
}

/// Appends `name=value`; the value is encoded, commas aside.
pub(super) fn append(out: &mut String, name: &str, value: &str) {
    if !out.is_empty() {
        out.push('&');
    }
    out.push_str(name);
    out.push('=');
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~,".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let hex = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or_default();
            out.push('%');
            out.push(hex(byte >> 4).to_ascii_uppercase());
            out.push(hex(byte & 15).to_ascii_uppercase());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(text: &str) -> Result<Vec<(String, String)>, usize> {
        pairs(text).collect()
    }

    #[test]
    fn pairs_are_decoded() {
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(all(""), Ok(vec![]));
        assert_eq!(
            all("&a=1&&b&=c&f%69lter=a+b%2Bc%3d=é%C3%A9&"),
            Ok(vec![
                pair("a", "1"),
                pair("b", ""),
                pair("", "c"),
                pair("filter", "a b+c==éé")
            ])
        );
    }

    #[test]
    fn broken_encodings_are_refused_where_they_are() {
        for (text, at) in [
            ("a=%", 3),
            ("a=%4", 3),
            ("a=%zz", 3),
            ("é=x%%", 4),
            ("a=1&b=%ff", 7),
            ("a=%c0%80", 3),
            ("a=%ed%a0%80", 3),
            ("a=%+1", 3),
        ] {
            assert_eq!(all(text), Err(at), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_appended_is_read(value in ".*") {
            let mut text = String::new();
            append(&mut text, "name", &value);
            append(&mut text, "other", &value);
            prop_assert!(text.is_ascii() && !text.contains(' '));
            let wanted = vec![("name".to_owned(), value.clone()), ("other".to_owned(), value)];
            prop_assert_eq!(all(&text), Ok(wanted));
        }

        #[test]
        fn reading_never_panics(text in ".*|[%&=+0-9a-f]{0,40}") {
            let _ = all(&text);
        }
    }
}
