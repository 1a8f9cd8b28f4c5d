//! What does not fit between a rule and its directory: seen by asking the directory, and told of the
//! rule, since that is what people mend.

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub weight: Weight,
    /// The line of the rule file, or the one above the place that is meant.
    pub line: usize,
    /// The word at that place.
    pub word: String,
    /// What is wrong: lower case, no full stop, names in backticks.
    pub message: String,
    /// What to do.
    pub help: String,
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Requests will fail, or do something else than the rule says.
    Warning,
    /// Good to know: something is slower, weaker, or could not be seen.
    Note,
}

impl Finding {
    /// That something will go wrong.
    #[must_use]
    pub fn warning(line: usize, word: &str, message: String, help: &str) -> Self {
        Self {
            weight: Weight::Warning,
            line,
            word: word.to_owned(),
            message,
            help: help.to_owned(),
        }
    }

    /// That something is good to know.
    #[must_use]
    pub fn note(line: usize, word: &str, message: String, help: &str) -> Self {
        Self {
            weight: Weight::Note,
            ..Self::warning(line, word, message, help)
        }
    }
}

impl Weight {
    /// Its word in `/status`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}
