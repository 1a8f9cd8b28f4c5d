//! What is wrong with a file, where, and what to do: printed as a compiler would.

use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};

use super::mask::mask;
use super::node::{Source, Span};

/// One finding.
#[derive(Debug, Clone)]
pub struct Diagnostic {
    /// The file.
    pub source: Source,
    /// The place in it.
    pub span: Span,
    /// Error or warning.
    pub severity: Severity,
    /// What is wrong: lower case, no full stop, the user's own words in backticks.
    pub message: String,
    /// What to do, where that is known.
    pub help: Option<String>,
    /// Another place in the same file that has to do with it, and what is there.
    pub related: Option<(Span, String)>,
}

/// Whether a finding stops the file from being used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// It can, but probably does not do what was meant.
    Warning,
}

/// All findings of one or more files, in order.
#[derive(Debug, Clone, Default)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostic {
    /// An error.
    #[must_use]
    pub fn error(source: &Source, span: Span, message: impl Into<String>) -> Self {
        Self {
            source: source.clone(),
            span,
            severity: Severity::Error,
            message: message.into(),
            help: None,
            related: None,
        }
    }

    /// A warning.
    #[must_use]
    pub fn warning(source: &Source, span: Span, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(source, span, message)
        }
    }

    /// The same with advice.
    #[must_use]
    pub fn help(self, text: impl Into<String>) -> Self {
        Self {
            help: Some(text.into()),
            ..self
        }
    }

    /// The same with another place of the file and what is there.
    #[must_use]
    pub fn related(self, span: Span, what: impl Into<String>) -> Self {
        Self {
            related: Some((span, what.into())),
            ..self
        }
    }

    /// Several lines: severity and message, `--> file:line:column`, the line of the file with the
    /// offending text underlined, the help.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(mask(&self.message));
        let mut group = if self.source.text.is_empty() {
            // Nothing can be shown of a file that is empty or could not be read.
            title.element(Origin::path(&*self.source.name))
        } else {
            title.element(self.snippet(self.span, AnnotationKind::Primary, None))
        };
        if let Some((span, what)) = &self.related {
            group = group.element(self.snippet(*span, AnnotationKind::Context, Some(what)));
        }
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help));
        }
        let renderer = if colour {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        renderer.decor_style(DecorStyle::Ascii).render(&[group])
    }

    /// One line for a log: `file:line:column: message (help)`.
    #[must_use]
    pub fn one_line(&self) -> String {
        let Span { line, column, .. } = self.span;
        let mut text = format!("{}:{line}:{column}: {}", self.source.name, self.message);
        if let Some((span, what)) = &self.related {
            text.push_str(&format!(" ({what}: {}:{})", span.line, span.column));
        }
        if let Some(help) = &self.help {
            text.push_str(&format!(" ({help})"));
        }
        on_one_line(&mask(&text))
    }

    /// The first line of a place with the part of it that the place covers. Only that line is
    /// given to the renderer: it would read the whole file again for every finding.
    fn snippet<'a>(
        &'a self,
        span: Span,
        kind: AnnotationKind,
        label: Option<&'a str>,
    ) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
        let (line, part) = line_of(&self.source.text, span);
        Snippet::source(mask(line))
            .path(&*self.source.name)
            .line_start(span.line.max(1))
            .annotation(kind.span(part).label(label))
    }
}

impl Diagnostics {
    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    /// Adds all of another.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Whether there is an error among them; warnings alone do not stop a file.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|d| d.severity == Severity::Error)
    }

    /// In the order of the places that they point at, where they are of one file.
    #[must_use]
    pub fn in_order(mut self) -> Self {
        self.0.sort_by(|a, b| {
            let place = |d: &Diagnostic| (Arc::clone(&d.source.name), d.span.offset);
            place(a).cmp(&place(b))
        });
        self
    }

    /// All of them as [`Diagnostic::render`] prints each, a blank line in between.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let all: Vec<String> = self.iter().map(|d| d.render(colour)).collect();
        all.join("\n\n")
    }

    /// Each finding.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Self(vec![diagnostic])
    }
}

/// The line in which a place begins, and the place within that line.
fn line_of(text: &str, span: Span) -> (&str, Range<usize>) {
    let offset = (0..=span.offset.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or_default();
    let (before, after) = text.split_at_checked(offset).unwrap_or((text, ""));
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let rest = after.find('\n').unwrap_or(after.len());
    let line = text.get(start..offset + rest).unwrap_or_default();
    let line = line.strip_suffix('\r').unwrap_or(line);
    let from = (offset - start).min(line.len());
    let wanted = from.saturating_add(span.len).min(line.len());
    let to = (wanted..=line.len())
        .find(|at| line.is_char_boundary(*at))
        .unwrap_or(line.len());
    (line, from..to)
}

/// The text without anything that could begin a new line or confuse a terminal.
fn on_one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let bidi = matches!(c, '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
        if c.is_control() || bidi {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}
