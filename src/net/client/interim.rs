//! How many interim answers (1xx) come before an answer. hyper passes over them by itself, as long
//! as there is one more to read and without a look at anything else: a directory that sends them
//! without end would hold up a worker, and with it every tenant.

/// Counts them on one connection of HTTP/1.1.
#[derive(Debug)]
pub(super) struct Interim {
    at: At,
    seen: usize,
}

/// Where the next byte stands.
#[derive(Debug, Clone, Copy)]
enum At {
    /// In a status line, after so many bytes.
    Status(usize),
    /// In the head of an interim answer; whether its line is empty so far.
    Head(bool),
    /// In an answer.
    Answer,
}

impl Interim {
    /// Nothing has been asked.
    pub(super) fn new() -> Self {
        Self {
            at: At::Status(0),
            seen: 0,
        }
    }

    /// Whether bytes that are read now need a look.
    pub(super) fn is_waiting(&self) -> bool {
        !matches!(self.at, At::Answer)
    }

    /// Something is asked: the next answer begins with its status.
    pub(super) fn asked(&mut self) {
        if !self.is_waiting() {
            *self = Self::new();
        }
    }

    /// Looks at what was read: whether it can go on.
    pub(super) fn bears(&mut self, bytes: &[u8]) -> bool {
        for byte in bytes {
            self.at = match (self.at, byte) {
                (At::Answer, _) => return true,
                (At::Status(0), b'\r' | b'\n') => At::Status(0),
                (At::Status(at @ 0..7), byte) if VERSION.get(at) == Some(byte) => {
                    At::Status(at + 1)
                }
                (At::Status(7), _) => At::Status(8),
                (At::Status(8), b' ') => At::Status(9),
                (At::Status(9), b'1') => {
                    self.seen += 1;
                    At::Head(false)
                }
                // An answer, or something that hyper does not take for one.
                (At::Status(_), _) => At::Answer,
                (At::Head(true), b'\n') => At::Status(0),
                (At::Head(_), b'\n') => At::Head(true),
                (At::Head(empty), b'\r') => At::Head(empty),
                (At::Head(_), _) => At::Head(false),
            };
            if self.seen > MOST {
                return false;
            }
        }
        true
    }
}

const VERSION: &[u8; 7] = b"HTTP/1.";
/// Nobody has a use for more.
const MOST: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_are_borne_and_a_flood_is_not() {
        let hint = b"\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n";
        let answer = b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 103";
        for size in [1, 7, 4096] {
            let mut interim = Interim::new();
            let mut read = |bytes: &[u8]| bytes.chunks(size).all(|part| interim.bears(part));
            assert!(read(&hint.repeat(MOST)));
            assert!(read(&answer.repeat(99)));
            interim.asked();
            let mut read = |bytes: &[u8]| bytes.chunks(size).all(|part| interim.bears(part));
            assert!(!read(&hint.repeat(MOST + 1)));
            let mut interim = Interim::new();
            let bare = b"HTTP/1.0 100 \n\n".repeat(MOST + 1);
            assert!(!bare.chunks(size).all(|part| interim.bears(part)));
        }
    }
}
