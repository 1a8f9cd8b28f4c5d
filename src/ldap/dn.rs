//! Distinguished names as text (RFC 4514), read strictly: rules name bases and containers by them.

use std::fmt;

/// A distinguished name, taken apart.
///
/// ```
/// use postern::ldap::Dn;
/// let base: Dn = "dc=example,dc=com".parse().unwrap();
/// let people: Dn = r"OU=people\, old,DC=Example,dc=com".parse().unwrap();
/// assert!(people.is_within(&base) && !base.is_within(&people));
/// assert!("people".parse::<Dn>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dn {
    text: String,
    rdns: Vec<Rdn>,
}

/// One relative name: its parts, in an order of their own.
type Rdn = Vec<(String, Value)>;

/// A value: text, or the bytes of `#…`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    Text(String),
    Bytes(Vec<u8>),
}

/// Why a text is no distinguished name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidDn(String);

impl Dn {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it names no entry at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rdns.is_empty()
    }

    /// Whether this is `base` or stands below it. Values compare without regard to case and to
    /// spaces more than one, as the naming attributes of directories do.
    #[must_use]
    pub fn is_within(&self, base: &Self) -> bool {
        let mut above = self.rdns.iter().rev();
        base.rdns.iter().rev().all(|rdn| above.next() == Some(rdn))
    }

    /// Whether both name the same entry.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.rdns == other.rdns
    }
}

impl std::str::FromStr for Dn {
    type Err = InvalidDn;

    fn from_str(text: &str) -> Result<Self, InvalidDn> {
        if text.len() > MAX_DN {
            return Err(InvalidDn(format!("is longer than {MAX_DN} bytes")));
        }
        let mut rdns = Vec::new();
        let mut reader = Reader {
            rest: text.chars().peekable(),
        };
        if !text.is_empty() {
            loop {
                let (rdn, more) = reader.rdn()?;
                rdns.push(rdn);
                if !more {
                    break;
                }
            }
        }
        Ok(Self {
            text: text.to_owned(),
            rdns,
        })
    }
}

impl fmt::Display for Dn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

struct Reader<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
}

impl Reader<'_> {
    /// One relative name, and whether a comma follows.
    fn rdn(&mut self) -> Result<(Rdn, bool), InvalidDn> {
        let mut parts = Rdn::new();
        loop {
            let name = self.name()?;
            let (value, end) = self.value(&name)?;
            parts.push((name, value));
            if end != Some('+') {
                parts.sort();
                return Ok((parts, end.is_some()));
            }
        }
    }

    fn name(&mut self) -> Result<String, InvalidDn> {
        self.spaces();
        let mut name = String::new();
        loop {
            match self.rest.next() {
                Some('=') => break,
                Some(c) => name.push(c),
                None => {
                    let shown: String = name.chars().take(40).collect();
                    return Err(InvalidDn(format!("has no `=` after `{shown}`")));
                }
            }
        }
        let name = name.trim_end_matches(' ').to_ascii_lowercase();
        if is_descriptor(&name) || is_oid(&name) {
            return Ok(name);
        }
        let shown: String = name.chars().take(40).collect();
        Err(InvalidDn(format!(
            "names the attribute `{shown}`, which is none"
        )))
    }

    /// A value without the spaces around it, and the sign that ended it.
    fn value(&mut self, name: &str) -> Result<(Value, Option<char>), InvalidDn> {
        self.spaces();
        let hex = self.rest.peek() == Some(&'#');
        let mut bytes: Vec<u8> = Vec::new();
        // So much of it was escaped or is no space: it stays.
        let mut kept = 0;
        let end = loop {
            match self.rest.next() {
                None => break None,
                Some(sign @ (',' | '+' | ';')) => break Some(if sign == ';' { ',' } else { sign }),
                Some('\\') => {
                    bytes.extend(self.escaped(name)?);
                    kept = bytes.len();
                }
                Some(c @ ('"' | '<' | '>' | '\0')) => {
                    return Err(InvalidDn(format!(
                        "has `{}` in `{name}`; put a `\\` before it",
                        c.escape_default()
                    )));
                }
                Some(c) => {
                    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                    if c != ' ' {
                        kept = bytes.len();
                    }
                }
            }
        };
        bytes.truncate(kept);
        let text = String::from_utf8(bytes)
            .map_err(|_| InvalidDn(format!("has a value of `{name}` that is not UTF-8")))?;
        if text.is_empty() {
            return Err(InvalidDn(format!("has no value for `{name}`")));
        }
        let value = match text.strip_prefix('#').filter(|_| hex) {
            Some(digits) => Value::Bytes(from_hex(digits).ok_or_else(|| {
                InvalidDn(format!("has a value of `{name}` that is not hex after `#`"))
            })?),
            None => Value::Text(folded(&text)),
        };
        Ok((value, end))
    }

    fn escaped(&mut self, name: &str) -> Result<Vec<u8>, InvalidDn> {
        let wrong = || InvalidDn(format!("has a `\\` in `{name}` that escapes nothing"));
        match self.rest.next() {
            Some(c) if " \"#+,;<=>\\".contains(c) => Ok(c.to_string().into_bytes()),
            Some(high) if high.is_ascii_hexdigit() => {
                let low = self.rest.next().ok_or_else(wrong)?;
                from_hex(&format!("{high}{low}")).ok_or_else(wrong)
            }
            _ => Err(wrong()),
        }
    }

    fn spaces(&mut self) {
        while self.rest.next_if_eq(&' ').is_some() {}
    }
}

/// Whether a text can name an attribute: a letter, then letters, digits and `-`.
#[must_use]
pub fn is_descriptor(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic())
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// Whether a text is an object identifier: `2.5.4.3`.
#[must_use]
pub fn is_oid(text: &str) -> bool {
    let arc = |arc: &str| {
        !arc.is_empty()
            && arc.bytes().all(|b| b.is_ascii_digit())
            && (arc == "0" || !arc.starts_with('0'))
    };
    text.contains('.') && text.split('.').all(arc)
}

fn folded(text: &str) -> String {
    let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
    let joined = if words.is_empty() {
        " ".to_owned()
    } else {
        words.join(" ")
    };
    crate::scim::value::fold(&joined).collect()
}

fn from_hex(digits: &str) -> Option<Vec<u8>> {
    if digits.is_empty() || !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |b: &u8| {
        char::from(*b)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    digits
        .as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(high)? << 4 | digit(low)?),
            _ => None,
        })
        .collect()
}

const MAX_DN: usize = 8192;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn dn(text: &str) -> Dn {
        text.parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn spellings_of_one_name() {
        for (a, b) in [
            ("dc=example,dc=com", "DC=Example , DC=COM"),
            (r"cn=a\,b,o=x", r"cn=a\2cb,o=x"),
            ("cn=a+sn=b,o=x", "sn=B+cn=A,o=x"),
            (r"cn=\ a\ ,o=x", r"cn=\20a\20,o=x"),
            ("2.5.4.3=a", "2.5.4.3=A"),
            ("cn=two  spaces", "cn=two spaces"),
            ("cn=É", "cn=é"),
            ("o=a;o=b", "o=a,o=b"),
            ("cn=#0403", "cn=#0403"),
        ] {
            assert!(dn(a).is(&dn(b)), "{a} {b}");
        }
        assert!(!dn("cn=a").is(&dn("cn=b")));
        assert!(!dn("cn=#61").is(&dn("cn=a")));
        assert!(!dn(r"cn=\#61").is(&dn("cn=#61")));
    }

    #[test]
    fn within_goes_by_whole_names() {
        let base = dn("ou=people,dc=example,dc=com");
        assert!(dn("uid=a,ou=people,dc=example,dc=com").is_within(&base));
        assert!(base.is_within(&base));
        for outside in [
            "dc=example,dc=com",
            "ou=morepeople,dc=example,dc=com",
            r"uid=a\,ou=people,dc=example,dc=com",
            "ou=people,dc=example,dc=org",
            "",
        ] {
            assert!(!dn(outside).is_within(&base), "{outside}");
        }
        assert!(base.is_within(&dn("")));
    }

    #[test]
    fn what_is_no_name() {
        for text in [
            "people",
            "=a",
            "cn=",
            "cn=a,",
            ",cn=a",
            "cn=a,,o=b",
            "c n=a",
            "cn=a\"b",
            r"cn=\",
            r"cn=\z",
            r"cn=\f",
            r"cn=\ff",
            "cn=#1",
            "cn=#zz",
            "cn=a<b",
            "1.=a",
            "01.2=a",
            "cn;x=a",
            "cn=a+",
        ] {
            assert!(text.parse::<Dn>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "[a-c=,+;#\\\\ \"0-9é]{0,16}") {
            let _ = text.parse::<Dn>();
        }

        #[test]
        fn a_name_is_within_its_parent(rdn in "[a-z]{1,3}=[a-zA-Zé0-9]{1,4}", parent in "[a-z]{1,3}=[a-z]{1,4}") {
            let (child, parent) = (dn(&format!("{rdn},{parent}")), dn(&parent));
            prop_assert!(child.is_within(&parent));
            prop_assert!(!parent.is_within(&child));
        }
    }
}
