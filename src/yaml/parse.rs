//! From text to the tree. YAML's traps are closed: no anchors, aliases, tags, directives or merge
//! keys, one document, and only `true`, `false`, `null` and JSON's numbers are not strings.

use std::collections::HashMap;

use granit_parser::{Event, Marker, Parser, ScalarStyle, ScanError};

use super::diagnostic::{Diagnostic, Diagnostics};
use super::node::{Key, Node, Source, Span, Value};

/// The largest file that is read, in bytes: an access file of a hundred thousand tokens.
pub const MAX_FILE: usize = 16 * 1024 * 1024;

/// How deeply lists and tables may be nested.
pub const MAX_DEPTH: usize = 64;

/// Reads a file: one document, no aliases, depth at most [`MAX_DEPTH`], at most [`MAX_FILE`].
///
/// An empty file is [`Value::Null`].
///
/// ```
/// use postern::yaml::{Source, Value, parse};
/// let source = Source::new("a.yaml", "a: [true, \"true\", 0755, 1.10]");
/// let node = parse(&source).unwrap();
/// let Value::Table(entries) = node.value else { unreachable!() };
/// let Value::List(items) = &entries[0].1.value else { unreachable!() };
/// assert_eq!(items[0].value, Value::Bool(true));
/// assert_eq!(items[1].value, Value::String("true".into()));
/// assert_eq!(items[2].value, Value::String("0755".into()));
/// assert_eq!(items[3].value, Value::Number("1.10".into()));
/// ```
///
/// # Errors
/// What YAML itself finds wrong; a mistake of syntax ends the reading, all others are collected.
pub fn parse(source: &Source) -> Result<Node, Diagnostics> {
    let mut builder = Builder::new(source);
    if source.text.len() > MAX_FILE {
        let message = format!(
            "the file has {} bytes, more than {MAX_FILE}",
            source.text.len()
        );
        builder.error(START, message, "split it");
        return Err(builder.diagnostics);
    }
    let options = granit_parser::options! {
        disallow_directives: true,
        emit_unresolved_aliases: true,
        emit_comments: false,
        flow_nesting_limit: MAX_DEPTH * 2,
        block_nesting_limit: MAX_DEPTH * 2,
    };
    for next in Parser::new_from_str_with_options(&source.text, options) {
        let going_on = match next {
            Ok((event, span)) => builder.event(event, span_of(&span)),
            Err(error) => builder.syntax(&error),
        };
        if !going_on {
            break;
        }
    }
    builder.finish()
}

/// The tree as it grows.
struct Builder<'a> {
    source: &'a Source,
    diagnostics: Diagnostics,
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
}

/// A list or table whose end has not come yet.
struct Open {
    span: Span,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Table {
        entries: Vec<(Key, Node)>,
        places: HashMap<String, Span>,
        awaited: Awaited,
    },
}

/// What comes next in a table.
enum Awaited {
    Key,
    /// The value of a key; of `None` where the key was reported.
    Value(Option<Key>),
}

impl<'a> Builder<'a> {
    fn new(source: &'a Source) -> Self {
        Self {
            source,
            diagnostics: Diagnostics::default(),
            open: Vec::new(),
            root: None,
            documents: 0,
        }
    }

    /// Takes one event; false ends the reading.
    fn event(&mut self, event: Event<'_>, span: Span) -> bool {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.error(
                        span,
                        "a second document begins here",
                        "one file is one document",
                    );
                    return false;
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.extras(anchor != 0, tag.is_some(), span);
                self.scalar(&text, style, span);
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.extras(anchor != 0, tag.is_some(), span);
                return self.enter(span, Content::List(Vec::new()));
            }
            Event::MappingStart(_, anchor, tag) => {
                self.extras(anchor != 0, tag.is_some(), span);
                let content = Content::Table {
                    entries: Vec::new(),
                    places: HashMap::new(),
                    awaited: Awaited::Key,
                };
                return self.enter(span, content);
            }
            Event::SequenceEnd | Event::MappingEnd => self.leave(span),
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                let help = "write the value out; a text that begins with `*` needs quotes";
                self.error(span, "aliases are not supported", help);
                self.place(Node {
                    span,
                    value: Value::Null,
                });
            }
            // Stream marks, and what the options have switched off.
            _ => {}
        }
        true
    }

    /// Reports an anchor or a tag on a node.
    fn extras(&mut self, anchor: bool, tag: bool, span: Span) {
        if anchor {
            let help =
                "write the value out where it is needed; a text with `&` in front needs quotes";
            self.error(span, "anchors are not supported", help);
        }
        if tag {
            let help = "leave the tag out; a text that begins with `!` needs quotes";
            self.error(span, "tags are not supported", help);
        }
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, mut span: Span) {
        if matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) {
            // The parser counts the line ends after the last line in.
            span.len = self.source.slice(span).trim_end().len();
        }
        let plain = matches!(style, ScalarStyle::Plain);
        let value = if plain {
            resolve(text)
        } else {
            Value::String(text.to_owned())
        };
        match self.open.last() {
            Some(Open {
                content:
                    Content::Table {
                        awaited: Awaited::Key,
                        ..
                    },
                ..
            }) => {
                let key = Key {
                    span,
                    text: text.to_owned(),
                };
                self.key(key, plain, &value);
            }
            _ => self.place(Node { span, value }),
        }
    }

    /// Takes the key of an entry, or reports why it cannot be one.
    fn key(&mut self, key: Key, plain: bool, value: &Value) {
        let Some(Open {
            content: Content::Table {
                places, awaited, ..
            },
            ..
        }) = self.open.last_mut()
        else {
            return;
        };
        let first = places.get(&key.text).copied();
        if first.is_none() {
            places.insert(key.text.clone(), key.span);
        }
        let span = key.span;
        let text = key.text.clone();
        let merge = plain && text == "<<";
        let usable = *value != Value::Null && !merge && first.is_none();
        *awaited = Awaited::Value(usable.then_some(key));
        if *value == Value::Null {
            self.error(span, "a key is missing here", "every entry is `key: value`");
        } else if merge {
            let help = "write the entries out where they are needed";
            self.error(span, "merge keys are not supported", help);
        } else if let Some(first) = first {
            let diagnostic = Diagnostic::error(
                self.source,
                span,
                format!("the key `{}` is there twice", shorten(&text)),
            );
            self.diagnostics
                .push(diagnostic.related(first, "the first one is here"));
        }
    }

    fn enter(&mut self, span: Span, content: Content) -> bool {
        if self.open.len() >= MAX_DEPTH {
            let message = format!("lists and tables are nested more than {MAX_DEPTH} deep");
            self.error(span, message, "");
            return false;
        }
        self.open.push(Open { span, content });
        true
    }

    /// Closes the innermost list or table. A block has no end of its own: it ends with its last
    /// part.
    fn leave(&mut self, end: Span) {
        let Some(Open { mut span, content }) = self.open.pop() else {
            return;
        };
        let (value, last) = match content {
            Content::List(items) => {
                let last = items.last().map(|node| node.span.end());
                (Value::List(items), last)
            }
            Content::Table { entries, .. } => {
                let last = entries.last().map(|(_, node)| node.span.end());
                (Value::Table(entries), last)
            }
        };
        let end = if end.len > 0 { Some(end.end()) } else { last };
        span.len = end.unwrap_or(span.offset).saturating_sub(span.offset);
        self.place(Node { span, value });
    }

    /// Puts a finished node where it belongs.
    fn place(&mut self, mut node: Node) {
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(Content::List(items)) => items.push(node),
            Some(Content::Table {
                entries, awaited, ..
            }) => match std::mem::replace(awaited, Awaited::Key) {
                Awaited::Value(Some(key)) => {
                    if node.span.len == 0 {
                        // Nothing stands there, so the key is the place to point at.
                        node.span = key.span;
                    }
                    entries.push((key, node));
                }
                Awaited::Value(None) => {}
                Awaited::Key => {
                    *awaited = Awaited::Value(None);
                    let help = "keys are texts; quote one that begins with `[`, `{` or `*`";
                    self.error(
                        node.span,
                        "a key cannot be a list, a table or an alias",
                        help,
                    );
                }
            },
        }
    }

    fn syntax(&mut self, error: &ScanError) -> bool {
        let span = Span {
            len: 1,
            ..place_of(error.marker())
        };
        let line = self.source.text.lines().nth(span.line.saturating_sub(1));
        let indent = line.map_or("", |l| l.trim_end_matches(|c: char| !c.is_whitespace()));
        let help = if indent.starts_with('\t') {
            "indent with spaces, never with tabs"
        } else {
            ""
        };
        self.error(
            span,
            format!("this is not valid YAML: {}", error.info()),
            help,
        );
        false
    }

    fn error(&mut self, span: Span, message: impl Into<String>, help: &str) {
        let diagnostic = Diagnostic::error(self.source, span, message);
        self.diagnostics.push(if help.is_empty() {
            diagnostic
        } else {
            diagnostic.help(help)
        });
    }

    fn finish(self) -> Result<Node, Diagnostics> {
        if self.diagnostics.has_errors() {
            return Err(self.diagnostics);
        }
        Ok(self.root.unwrap_or(Node {
            span: START,
            value: Value::Null,
        }))
    }
}

/// What an unquoted scalar is. YAML 1.1's other spellings of booleans, octal, hexadecimal and
/// underscored numbers, infinity and dates are strings.
fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ if is_number(text) => Value::Number(text.to_owned()),
        _ => Value::String(text.to_owned()),
    }
}

/// Whether it is a number as JSON writes it.
fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let unsigned = |text| str::strip_prefix(text, ['+', '-']).unwrap_or(text);
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.map(unsigned).is_none_or(digits)
}

fn span_of(span: &granit_parser::Span) -> Span {
    let start = place_of(&span.start);
    let end = span.end.byte_offset().unwrap_or(start.offset);
    Span {
        len: end.saturating_sub(start.offset),
        ..start
    }
}

fn place_of(marker: &Marker) -> Span {
    Span {
        line: marker.line(),
        column: marker.col() + 1,
        offset: marker.byte_offset().unwrap_or_default(),
        len: 0,
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(60).collect()
}

const START: Span = Span {
    line: 1,
    column: 1,
    offset: 0,
    len: 0,
};
