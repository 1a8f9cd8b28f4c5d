//! A text that must not be seen.

use std::fmt;

use zeroize::Zeroizing;

/// A secret: wiped when it is dropped, never printed. There is no `Display`, no comparison and no
/// serialisation; who needs the text says [`Secret::expose`].
///
/// ```
/// use postern::net::secret::Secret;
/// let secret = Secret::new("hunter2".to_owned());
/// assert_eq!(format!("{secret:?}"), "(secret, 7 characters)");
/// ```
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a text over.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// What a file holds, without the line end that editors and `echo` leave at its end.
    #[must_use]
    pub fn from_file_text(text: String) -> Self {
        let text = Zeroizing::new(text);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        Self::new(line.strip_suffix('\r').unwrap_or(line).to_owned())
    }

    /// The text itself. It must not reach a log, an error or a `Debug`.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Fills a buffer from the system's source of randomness; false when there is none.
#[must_use]
pub fn random(buffer: &mut [u8]) -> bool {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.secure_random.fill(buffer).is_ok()
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(secret, {} characters)", self.0.chars().count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn randomness_is_there() {
        let mut buffer = [[0u8; 32]; 2];
        assert!(buffer.iter_mut().all(|half| random(half)));
        assert_ne!(buffer[0], buffer[1]);
    }

    #[test]
    fn a_file_s_line_end_is_not_part_of_it() {
        for (text, wanted) in [
            ("x\n", "x"),
            ("x\r\n", "x"),
            ("x", "x"),
            (" x \n\n", " x \n"),
            ("\n", ""),
        ] {
            let secret = Secret::from_file_text(text.to_owned());
            assert_eq!(secret.expose(), wanted);
        }
    }
}
