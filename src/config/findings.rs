//! What a directory said of a rule, as findings in the rule's file.

use crate::directory::{Finding, Weight};
use crate::yaml::{Diagnostic, Severity, Source, Span};

use super::snapshot::Tenant;

impl Tenant {
    /// A finding about the directory as one about the rule's file: a warning, or what is asked for
    /// where requests will fail.
    #[must_use]
    pub fn diagnose(&self, finding: &Finding, severity: Severity) -> Diagnostic {
        let span = place(&self.source, finding.line, &finding.word);
        let severity = match finding.weight {
            Weight::Warning => severity,
            Weight::Note => Severity::Warning,
        };
        Diagnostic {
            severity,
            ..Diagnostic::error(&self.source, span, finding.message.as_str())
                .help(finding.help.as_str())
        }
    }
}

/// Where `word` stands by itself for the first time from the line on, comments aside; else the
/// line.
fn place(source: &Source, line: usize, word: &str) -> Span {
    let mut offset = 0;
    let mut whole = Span::default();
    for (number, text) in (1..).zip(source.text.split_inclusive('\n')) {
        let code = code_of(text);
        let at = |column: usize, len: usize| Span {
            line: number,
            column: text.get(..column).map_or(0, |part| part.chars().count()) + 1,
            offset: offset + column,
            len,
        };
        if number == line {
            let start = code.len() - code.trim_start().len();
            whole = at(start, code.trim().len());
        }
        if number >= line.max(1)
            && let Some(column) = find(code, word)
        {
            return at(column, word.len());
        }
        offset += text.len();
    }
    whole
}

/// A line without its comment.
fn code_of(line: &str) -> &str {
    let comment = line.match_indices('#').map(|(at, _)| at).find(|at| {
        let before = line.get(..*at).unwrap_or_default();
        before.is_empty() || before.ends_with([' ', '\t'])
    });
    let code = comment.and_then(|at| line.get(..at)).unwrap_or(line);
    code.trim_end()
}

/// Where a word stands that is no part of another.
fn find(text: &str, word: &str) -> Option<usize> {
    let part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '$');
    let all = text.match_indices(word);
    let mut whole = all.map(|(at, _)| at).filter(|at| {
        let before = text
            .get(..*at)
            .and_then(|before| before.chars().next_back());
        let after = text.get(at + word.len()..);
        let after = after.and_then(|after| after.chars().next());
        !before.is_some_and(part) && !after.is_some_and(part)
    });
    whole.next().filter(|_| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_by_itself_and_outside_of_comments() {
        let text =
            "a: 1\n# cn of it\nb:\n  - {scim: ä, cnx: 1, x-cn: 2, target: cn}  # cn\n  cn: 3";
        let source = Source::new("rule.yaml", text);
        let at = |line, word| {
            let span = place(&source, line, word);
            assert_eq!(text.get(span.offset..span.offset + span.len), Some(word));
            (span.line, span.column)
        };
        assert_eq!(at(1, "cn"), (4, 40));
        assert_eq!(at(5, "cn"), (5, 3));
        // Not there: the line itself.
        let span = place(&source, 3, "dn");
        assert_eq!((span.line, span.column, span.len), (3, 1, 2));
        assert_eq!(place(&source, 77, "x").line, 0);
    }
}
