//! Parameters as a form sends them (`application/x-www-form-urlencoded`): each at most once, and
//! one without a value is as good as none (RFC 6749 §3.1, §3.2).

use zeroize::Zeroizing;

/// The parameters of one request. Some are secrets: all are wiped when they go.
pub(super) struct Form(Vec<(String, Zeroizing<String>)>);

/// Why a body is no form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotAForm {
    /// A parameter stands twice.
    Twice,
    /// It cannot be decoded.
    Malformed,
    /// There are too many.
    TooMany,
}

impl NotAForm {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Twice => "a parameter stands twice",
            Self::Malformed => "the body is not a form in UTF-8",
            Self::TooMany => "the form has too many parameters",
        }
    }
}

impl Form {
    /// Reads a body.
    pub(super) fn read(body: &[u8]) -> Result<Self, NotAForm> {
        let text = std::str::from_utf8(body).map_err(|_| NotAForm::Malformed)?;
        let mut found: Vec<(String, Zeroizing<String>)> = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            if found.len() >= MOST {
                return Err(NotAForm::TooMany);
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decoded(name).ok_or(NotAForm::Malformed)?;
            let value = decoded(value).ok_or(NotAForm::Malformed)?;
            if found.iter().any(|(known, _)| *known == *name) {
                return Err(NotAForm::Twice);
            }
            found.push((name.to_string(), value));
        }
        Ok(Self(found))
    }

    /// The value of a parameter that has one.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(known, _)| known == name)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }
}

/// One name or value of a form.
pub(super) fn decoded(text: &str) -> Option<Zeroizing<String>> {
    // As long as it can get: what grows leaves copies of itself behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.bytes();
    let hex = |byte: Option<u8>| char::from(byte?).to_digit(16);
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let (high, low) = (hex(rest.next())?, hex(rest.next())?);
                bytes.push(u8::try_from(high << 4 | low).ok()?);
            }
            b'+' => bytes.push(b' '),
            other => bytes.push(other),
        }
    }
    let text = std::str::from_utf8(&bytes).ok()?;
    Some(Zeroizing::new(text.to_owned()))
}

/// More parameters than anybody needs.
const MOST: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_stand_once() {
        let form = Form::read(b"grant_type=a%20b+c&&scope=&x&%C3%A9=%26&=1")
            .unwrap_or_else(|why| panic!("{why:?}"));
        assert_eq!(form.get("grant_type"), Some("a b c"));
        assert_eq!(form.get("\u{e9}"), Some("&"));
        assert_eq!(
            (form.get("scope"), form.get("x"), form.get("y")),
            (None, None, None)
        );
        for (body, why) in [
            (&b"a=1&a=1"[..], NotAForm::Twice),
            (b"a=1&a", NotAForm::Twice),
            (b"a=1&%61=2", NotAForm::Twice),
            (b"a=%", NotAForm::Malformed),
            (b"a=%4", NotAForm::Malformed),
            (b"a=%zz", NotAForm::Malformed),
            (b"a=%ff", NotAForm::Malformed),
            (b"a=\xff", NotAForm::Malformed),
            (b"{\"a\": \"%g\"}", NotAForm::Malformed),
        ] {
            assert_eq!(Form::read(body).err(), Some(why), "{body:?}");
        }
        let many: Vec<String> = (0..=MOST).map(|number| format!("p{number}=1")).collect();
        let many = many.join("&");
        assert_eq!(Form::read(many.as_bytes()).err(), Some(NotAForm::TooMany));
    }
}
