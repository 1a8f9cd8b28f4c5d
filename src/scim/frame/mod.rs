//! A `ListResponse` taken apart as it arrives: each element of `Resources` is handed over as soon
//! as it is whole, so that a list is never one tree.
//!
//! The framer knows only as much JSON as framing needs: where a string, an object, an array or a
//! scalar ends. Elements are handed over unchecked, since [`json::check`] reads each one later and
//! refuses whatever was wrong inside it; the few members around `Resources` are checked here.

#[cfg(test)]
mod tests;

use bytes::{Buf, Bytes, BytesMut};
use serde_json::Value;

use super::json::{self, JsonError};

/// Push bytes in, take elements out; memory is bounded by one element.
#[derive(Debug)]
pub struct Framer {
    max_element: usize,
    state: State,
    /// Whether the list stands at the top, without an envelope.
    bare: bool,
    /// The piece that is under way: how far it is, and what earlier chunks held of it.
    piece: Piece,
    held: BytesMut,
    envelope: Envelope,
    /// The members of the envelope so far, in lower case.
    names: Vec<String>,
    place: Place,
}

/// What stood around `Resources`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Envelope {
    /// `totalResults`.
    pub total: Option<usize>,
    /// `startIndex`.
    pub start: Option<usize>,
}

/// What comes next in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The list, or the envelope.
    Start,
    /// A member's name; `first` where the envelope may also end.
    Name { first: bool },
    /// The colon behind a name.
    Colon(Member),
    /// A member's value.
    Value(Member),
    /// A comma or the end of the envelope.
    AfterValue,
    /// An element; `first` where the list may also end.
    Element { first: bool },
    /// A comma or the end of the list.
    AfterElement,
    /// The rest of a name, a value or an element.
    Within(What),
    /// Nothing.
    End,
    /// An error was reported.
    Failed,
}

/// What a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Name,
    Value(Member),
    Element,
}

/// The members of the envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Member {
    Resources,
    Total,
    Start,
    Other,
}

/// How far a piece is.
#[derive(Debug, Clone, Copy, Default)]
struct Piece {
    /// Open brackets.
    depth: usize,
    in_string: bool,
    /// Whether the last byte was a backslash that escapes the next.
    escape: bool,
    /// Whether it is a number or a word, which ends before a delimiter.
    scalar: bool,
}

/// Where in the text the present chunk begins.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    lines: usize,
    columns: usize,
}

impl Framer {
    /// A framer that refuses elements larger than `max_element` bytes.
    #[must_use]
    pub fn new(max_element: usize) -> Self {
        Self {
            max_element,
            state: State::Start,
            bare: false,
            piece: Piece::default(),
            held: BytesMut::new(),
            envelope: Envelope::default(),
            names: Vec::new(),
            place: Place::default(),
        }
    }

    /// Takes the next bytes of the text and appends every element that they complete to `out`;
    /// one that lies within `chunk` shares its memory. An untidy directory's `resources` in any
    /// case, and a bare array, are understood.
    ///
    /// # Errors
    /// The text is not JSON, or not a list. Elements are checked by [`super::json::check`] later.
    pub fn push(&mut self, chunk: &Bytes, out: &mut Vec<Bytes>) -> Result<(), JsonError> {
        let mut rest = chunk.clone();
        while !rest.is_empty() {
            if let Err(problem) = self.step(&mut rest, out) {
                let at = chunk.len() - rest.len();
                self.state = State::Failed;
                self.held = BytesMut::new();
                return Err(self.place.error(chunk, at, problem));
            }
        }
        self.place.pass(chunk);
        Ok(())
    }

    /// What is known of the envelope so far.
    #[must_use]
    pub fn envelope(&self) -> Envelope {
        self.envelope
    }

    /// Says that the text is over.
    ///
    /// # Errors
    /// It ended too early, or was an object that is no list.
    pub fn finish(self) -> Result<Envelope, JsonError> {
        let problem = match self.state {
            State::End if self.is_list() => return Ok(self.envelope),
            State::End => "an object with neither `Resources` nor `totalResults`",
            State::Failed => "the text was refused before",
            _ => "the text ends before the list does",
        };
        Err(self.place.error(&[], 0, problem.into()))
    }

    fn is_list(&self) -> bool {
        let has = |name: &str| self.names.iter().any(|other| other == name);
        self.bare || has("resources") || has("totalresults")
    }

    /// Takes one token, or as much of it as there is, from the front of `rest`.
    fn step(&mut self, rest: &mut Bytes, out: &mut Vec<Bytes>) -> Result<(), String> {
        if let State::Within(what) = self.state {
            return self.within(what, rest, out);
        }
        let space = rest.iter().take_while(|byte| is_space(**byte)).count();
        rest.advance(space);
        let Some(byte) = rest.first().copied() else {
            return Ok(());
        };
        match (self.state, byte) {
            (State::Start, b'{') => self.state = State::Name { first: true },
            (State::Start, b'[') => {
                self.bare = true;
                self.state = State::Element { first: true };
            }
            (State::Name { .. }, b'"') => return self.begin(What::Name, rest, out),
            (State::Name { first: true }, b'}') | (State::AfterValue, b'}') => {
                self.state = State::End;
            }
            (State::Colon(member), b':') => self.state = State::Value(member),
            (State::Value(Member::Resources), b'[') => self.state = State::Element { first: true },
            (State::Value(Member::Resources), b'n') => {
                return self.begin(What::Value(Member::Resources), rest, out);
            }
            (State::Value(Member::Resources), _) => {
                return Err("`Resources` is not an array".into());
            }
            (State::Value(member), byte) if begins_value(byte) => {
                return self.begin(What::Value(member), rest, out);
            }
            (State::AfterValue, b',') => self.state = State::Name { first: false },
            (State::Element { .. }, b'{') => return self.begin(What::Element, rest, out),
            (State::Element { first: true }, b']') | (State::AfterElement, b']') => {
                self.state = if self.bare {
                    State::End
                } else {
                    State::AfterValue
                };
            }
            (State::AfterElement, b',') => self.state = State::Element { first: false },
            (state, _) => return Err(format!("expected {}", state.expected())),
        }
        rest.advance(1);
        Ok(())
    }

    fn begin(&mut self, what: What, rest: &mut Bytes, out: &mut Vec<Bytes>) -> Result<(), String> {
        self.piece = Piece {
            scalar: rest.first().is_some_and(|byte| !b"{[\"".contains(byte)),
            ..Piece::default()
        };
        self.state = State::Within(what);
        self.within(what, rest, out)
    }

    /// Takes the rest of a piece, or as much of it as there is.
    fn within(&mut self, what: What, rest: &mut Bytes, out: &mut Vec<Bytes>) -> Result<(), String> {
        let end = self.piece.run(rest);
        let length = self.held.len() + end.unwrap_or(rest.len());
        if length > self.max_element {
            return Err(format!("a part is larger than {} bytes", self.max_element));
        }
        let Some(end) = end else {
            self.held.extend_from_slice(rest);
            rest.clear();
            return Ok(());
        };
        let here = rest.split_to(end);
        let whole = if self.held.is_empty() {
            here
        } else {
            self.held.extend_from_slice(&here);
            std::mem::take(&mut self.held).freeze()
        };
        self.state = match what {
            What::Element => {
                out.push(whole);
                State::AfterElement
            }
            What::Name => State::Colon(self.name(&whole)?),
            What::Value(member) => {
                self.value(member, &whole)?;
                State::AfterValue
            }
        };
        Ok(())
    }

    /// Which member a name, quotes and escapes included, stands for.
    fn name(&mut self, text: &[u8]) -> Result<Member, String> {
        let Value::String(mut name) = json::parse(text).map_err(|error| error.problem)? else {
            return Err("expected a name in quotes".into());
        };
        name.make_ascii_lowercase();
        if self.names.contains(&name) {
            return Err("a name stands twice in the envelope".into());
        }
        if self.names.len() >= MAX_MEMBERS {
            return Err(format!("more than {MAX_MEMBERS} names in the envelope"));
        }
        let member = match name.as_str() {
            "resources" => Member::Resources,
            "totalresults" => Member::Total,
            "startindex" => Member::Start,
            _ => Member::Other,
        };
        self.names.push(name);
        Ok(member)
    }

    fn value(&mut self, member: Member, text: &[u8]) -> Result<(), String> {
        let value = json::parse(text).map_err(|error| error.problem)?;
        match member {
            Member::Resources if value.is_null() => {}
            Member::Resources => return Err("`Resources` is not an array".into()),
            Member::Total => self.envelope.total = count(&value),
            Member::Start => self.envelope.start = count(&value),
            Member::Other => {}
        }
        Ok(())
    }
}

impl State {
    fn expected(self) -> &'static str {
        match self {
            Self::Start => "an object or an array",
            Self::Name { .. } => "a name in quotes",
            Self::Colon(_) => "`:`",
            Self::Value(_) => "a value",
            Self::AfterValue => "`,` or `}`",
            Self::Element { .. } => "an object in `Resources`",
            Self::AfterElement => "`,` or `]`",
            Self::Within(_) | Self::End => "the end",
            Self::Failed => "nothing more: the text was refused before",
        }
    }
}

impl Piece {
    /// Reads on; says after how many bytes the piece ends, if it does.
    fn run(&mut self, bytes: &[u8]) -> Option<usize> {
        if self.scalar {
            return bytes
                .iter()
                .position(|byte| is_space(*byte) || b",]}{[:\"".contains(byte));
        }
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            at += 1;
            if self.escape {
                self.escape = false;
                continue;
            }
            match (self.in_string, byte) {
                (true, b'"') => self.in_string = false,
                (true, b'\\') => self.escape = true,
                (true, _) => at += json::plain_run(bytes.get(at..).unwrap_or_default()),
                (false, b'"') => self.in_string = true,
                (false, b'{' | b'[') => self.depth += 1,
                (false, b'}' | b']') => self.depth = self.depth.saturating_sub(1),
                (false, _) => {}
            }
            if self.depth == 0 && !self.in_string {
                return Some(at);
            }
        }
        None
    }
}

impl Place {
    /// Steps over a chunk.
    fn pass(&mut self, chunk: &[u8]) {
        let lines = chunk.iter().filter(|byte| **byte == b'\n').count();
        self.lines += lines;
        let tail = chunk
            .iter()
            .rev()
            .take_while(|byte| **byte != b'\n')
            .count();
        self.columns = if lines > 0 { tail } else { self.columns + tail };
    }

    fn error(self, chunk: &[u8], at: usize, problem: String) -> JsonError {
        let mut error = JsonError::at(chunk, at, problem);
        if error.line == 1 {
            error.column += self.columns;
        }
        error.line += self.lines;
        error
    }
}

/// A count as a number, or as an untidy directory's string; anything else says nothing.
fn count(value: &Value) -> Option<usize> {
    match value {
        Value::Number(number) => number.to_string().parse().ok(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn begins_value(byte: u8) -> bool {
    matches!(
        byte,
        b'"' | b'{' | b'[' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n'
    )
}

/// An envelope has five members; a few more do no harm.
const MAX_MEMBERS: usize = 64;
