//! Where one HTTP/1.1 request ends and the next begins, decided strictly (RFC 9112): the guard
//! under hyper, which is lenient where a proxy in front of us might read otherwise.
//!
//! [`Scanner::advance`] is fed the bytes that have not been cleared yet and says how many of them
//! may go on. A head is cleared as a whole or not at all, so hyper never sees a refused one. What
//! is decided does not depend on how the bytes were cut (property-tested below).

#![expect(
    clippy::indexing_slicing,
    reason = "a scanner over offsets that it keeps itself; any split of any bytes is tested"
)]

mod line;

use http::StatusCode;

use line::{Version, chunk_size, field, position, request_line};
pub(crate) use line::{content_length, is_host};

/// Follows the messages of one connection.
#[derive(Debug)]
pub struct Scanner {
    state: State,
    limits: Limits,
    /// Heads cleared so far.
    heads: u64,
}

/// How large the parts of a head may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The whole head, in bytes.
    pub head: usize,
    /// The request target, in bytes.
    pub target: usize,
    /// The number of header fields.
    pub fields: usize,
    /// A line of chunked framing, and the trailers together, in bytes.
    pub chunk_line: usize,
}

/// Why a connection is not read any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A line of a head, or of chunked framing, ends without a carriage return.
    #[error("a line ends with a bare line feed")]
    BareLineFeed,
    /// Not `METHOD target HTTP/1.1`.
    #[error("the request line is malformed")]
    RequestLine,
    /// Not HTTP/1.1 or HTTP/1.0.
    #[error("the HTTP version is not supported on this connection")]
    Version,
    /// Not a path.
    #[error("the request target must be a path")]
    Target,
    /// A byte that no target may hold as it is, such as a quote in a filter.
    #[error("the request target holds a character that must be percent-encoded")]
    TargetBytes,
    /// The target is longer than allowed.
    #[error("the request target is too long")]
    TargetTooLong,
    /// A header line that continues the one before.
    #[error("a header line is folded")]
    Folded,
    /// No colon, or a name that is no token.
    #[error("a header name is malformed")]
    FieldName,
    /// A control byte in a header.
    #[error("a header value holds a control character")]
    FieldValue,
    /// Not digits, or too many.
    #[error("`Content-Length` is malformed")]
    ContentLength,
    /// More than one, equal or not.
    #[error("there is more than one `Content-Length`")]
    ContentLengths,
    /// Anything but `chunked`, or given twice, or in HTTP/1.0.
    #[error("`Transfer-Encoding` is not exactly `chunked`")]
    TransferEncoding,
    /// Both ways to say where the body ends.
    #[error("there are both `Content-Length` and `Transfer-Encoding`")]
    TwoLengths,
    /// HTTP/1.1 without it, or more than one.
    #[error("there must be exactly one `Host`")]
    Hosts,
    /// Not a host with an optional port.
    #[error("`Host` is malformed")]
    Host,
    /// More bytes or more fields than allowed.
    #[error("the request head is too large")]
    TooLarge,
    /// A chunk's size line, or what follows its bytes.
    #[error("the chunked body is malformed")]
    Chunk,
    /// The head did not come within its time.
    #[error("the request head did not arrive in time")]
    TooSlow,
}

#[derive(Debug)]
enum State {
    Head(Head),
    /// So many bytes of a body to come.
    Length(u64),
    ChunkSize,
    ChunkData(u64),
    ChunkEnd,
    /// So many bytes of trailers cleared.
    Trailers(usize),
    Refused {
        refusal: Refusal,
        in_body: bool,
    },
}

/// What is known of a head that is not complete.
#[derive(Debug, Default)]
struct Head {
    /// Where the line begins that is not complete, from the start of what is pending.
    line: usize,
    /// Up to where it was searched for its end.
    searched: usize,
    /// The empty line before a request line that RFC 9112 2.2 lets pass.
    blank: bool,
    version: Option<Version>,
    fields: usize,
    hosts: usize,
    length: Option<u64>,
    chunked: bool,
}

impl Scanner {
    /// At the start of a connection.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            state: State::Head(Head::default()),
            limits,
            heads: 0,
        }
    }

    /// Reads on. `pending` is everything that has not been cleared, from the first byte; the
    /// answer is how many bytes of it are cleared now, and whether the connection ends there.
    pub fn advance(&mut self, pending: &[u8]) -> (usize, Option<Refusal>) {
        let mut cleared = 0;
        loop {
            match self.step(&pending[cleared..]) {
                Ok(Some(step)) => cleared += step,
                Ok(None) => return (cleared, None),
                Err(refusal) => {
                    self.refuse(refusal);
                    return (cleared, Some(refusal));
                }
            }
        }
    }

    /// Ends it for a reason found outside, such as time.
    pub fn refuse(&mut self, refusal: Refusal) {
        let in_body = !self.in_head();
        self.state = State::Refused { refusal, in_body };
    }

    /// Whether what was refused stands in a body whose head has been cleared.
    #[must_use]
    pub fn refused_in_body(&self) -> bool {
        matches!(self.state, State::Refused { in_body: true, .. })
    }

    /// Whether the next byte belongs to a head: if something is pending, that head has begun.
    #[must_use]
    pub fn in_head(&self) -> bool {
        matches!(self.state, State::Head(_))
    }

    /// How many heads have been cleared.
    #[must_use]
    pub fn heads(&self) -> u64 {
        self.heads
    }

    /// One step over the front of what is pending: how much of it is cleared, or nothing while
    /// more is needed.
    fn step(&mut self, pending: &[u8]) -> Result<Option<usize>, Refusal> {
        if pending.is_empty() {
            return Ok(None);
        }
        match &mut self.state {
            State::Head(head) => {
                let Some((size, next)) = head.advance(pending, &self.limits)? else {
                    return Ok(None);
                };
                if !matches!(&next, State::Head(head) if head.blank) {
                    self.heads += 1;
                }
                self.state = next;
                Ok(Some(size))
            }
            State::Length(left) => {
                let size = take(left, pending);
                if *left == 0 {
                    self.state = State::Head(Head::default());
                }
                Ok(Some(size))
            }
            State::ChunkSize => {
                let Some(line) = whole_line(pending, self.limits.chunk_line)? else {
                    return Ok(None);
                };
                self.state = match chunk_size(line)? {
                    0 => State::Trailers(0),
                    size => State::ChunkData(size),
                };
                Ok(Some(line.len() + 2))
            }
            State::ChunkData(left) => {
                let size = take(left, pending);
                if *left == 0 {
                    self.state = State::ChunkEnd;
                }
                Ok(Some(size))
            }
            State::ChunkEnd => match pending {
                [b'\r', b'\n', ..] => {
                    self.state = State::ChunkSize;
                    Ok(Some(2))
                }
                [b'\r'] => Ok(None),
                _ => Err(Refusal::Chunk),
            },
            State::Trailers(before) => {
                let left = self.limits.chunk_line.saturating_sub(*before);
                let Some(line) = whole_line(pending, left)? else {
                    return Ok(None);
                };
                let size = line.len() + 2;
                if line.is_empty() {
                    self.state = State::Head(Head::default());
                } else {
                    field(line)?;
                    *before += size;
                }
                Ok(Some(size))
            }
            State::Refused { refusal, .. } => Err(*refusal),
        }
    }
}

impl Limits {
    /// What fits every SCIM client: heads of 32 KiB with 100 fields, targets of 8 KiB.
    pub const DEFAULT: Self = Self {
        head: 32 * 1024,
        target: 8 * 1024,
        fields: 100,
        chunk_line: 4 * 1024,
    };
}

impl Refusal {
    /// The status that answers it.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::TooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::BareLineFeed
            | Self::RequestLine
            | Self::Target
            | Self::TargetBytes
            | Self::Folded
            | Self::FieldName
            | Self::FieldValue
            | Self::ContentLength
            | Self::ContentLengths
            | Self::TransferEncoding
            | Self::TwoLengths
            | Self::Hosts
            | Self::Host
            | Self::Chunk => StatusCode::BAD_REQUEST,
        }
    }
}

impl Head {
    /// Looks at every line that is complete by now. The size of the head and what comes after it,
    /// once it is complete.
    fn advance(
        &mut self,
        pending: &[u8],
        limits: &Limits,
    ) -> Result<Option<(usize, State)>, Refusal> {
        while let Some(found) = position(b'\n', &pending[self.searched..]) {
            let end = self.searched + found;
            if end >= limits.head {
                return Err(Refusal::TooLarge);
            }
            let line = pending[self.line..end]
                .strip_suffix(b"\r")
                .ok_or(Refusal::BareLineFeed)?;
            self.searched = end + 1;
            self.line = end + 1;
            match (line.is_empty(), self.version) {
                (true, Some(version)) => return Ok(Some((end + 1, self.body(version)?))),
                (true, None) if self.blank => return Err(Refusal::RequestLine),
                (true, None) => {
                    let blank = Self {
                        blank: true,
                        ..Self::default()
                    };
                    return Ok(Some((end + 1, State::Head(blank))));
                }
                (false, None) => self.version = Some(request_line(line, limits)?),
                (false, Some(version)) => self.field(line, version, limits)?,
            }
        }
        self.searched = pending.len();
        if pending.len() > limits.head {
            return Err(Refusal::TooLarge);
        }
        Ok(None)
    }

    fn field(&mut self, line: &[u8], version: Version, limits: &Limits) -> Result<(), Refusal> {
        self.fields += 1;
        if self.fields > limits.fields {
            return Err(Refusal::TooLarge);
        }
        let (name, value) = field(line)?;
        if name.eq_ignore_ascii_case(b"content-length") {
            if self.length.is_some() {
                return Err(Refusal::ContentLengths);
            }
            self.length = Some(content_length(value)?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            let fits = version == Version::Http11 && value.eq_ignore_ascii_case(b"chunked");
            if self.chunked || !fits {
                return Err(Refusal::TransferEncoding);
            }
            self.chunked = true;
        } else if name.eq_ignore_ascii_case(b"host") {
            self.hosts += 1;
            if self.hosts > 1 {
                return Err(Refusal::Hosts);
            }
            if !is_host(value) {
                return Err(Refusal::Host);
            }
        }
        if self.chunked && self.length.is_some() {
            return Err(Refusal::TwoLengths);
        }
        Ok(())
    }

    /// What follows a head that is complete.
    fn body(&self, version: Version) -> Result<State, Refusal> {
        if version == Version::Http11 && self.hosts == 0 {
            return Err(Refusal::Hosts);
        }
        Ok(match (self.chunked, self.length) {
            (true, _) => State::ChunkSize,
            (false, Some(length)) if length > 0 => State::Length(length),
            (false, _) => State::Head(Self::default()),
        })
    }
}

/// The line at the front without its end, which must be CR LF; nothing while it is not complete.
fn whole_line(pending: &[u8], limit: usize) -> Result<Option<&[u8]>, Refusal> {
    match position(b'\n', pending) {
        Some(end) if end < limit => pending[..end]
            .strip_suffix(b"\r")
            .map(Some)
            .ok_or(Refusal::BareLineFeed),
        None if pending.len() <= limit => Ok(None),
        Some(_) | None => Err(Refusal::Chunk),
    }
}

fn take(left: &mut u64, pending: &[u8]) -> usize {
    let size = usize::try_from(*left).map_or(pending.len(), |left| left.min(pending.len()));
    *left -= size as u64;
    size
}

#[cfg(test)]
mod tests;
