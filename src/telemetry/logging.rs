//! Operational logs by `tracing`: readable at a terminal, JSON elsewhere. One event is logged
//! once, where it is handled. What is logged may be changed while the process runs.

use std::io::{IsTerminal, stderr};
use std::sync::{Mutex, OnceLock, PoisonError};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::reload::Handle;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::lines::Stderr;

/// The form of the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Form {
    /// Text at a terminal, else JSON.
    #[default]
    Auto,
    /// One JSON object per line.
    Json,
    /// Lines to read.
    Text,
}

/// What is logged by this process, and the way to change it.
pub struct Levels {
    now: Mutex<String>,
    put: Box<dyn Fn(EnvFilter) -> bool + Send + Sync>,
}

/// What is to be logged: a level, which may be followed by targets with levels of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter(String);

/// Why a filter is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// It is longer than anyone needs.
    #[error("the filter is longer than {MAX_FILTER} characters")]
    TooLong,
    /// A part is neither a level nor `target=level`.
    #[error(
        "the filter cannot be read: say a level (error, warn, info, debug, trace), and after it, \
         if wanted, targets: `info,postern::directory=debug`"
    )]
    Malformed,
    /// There is no level for what the targets do not name.
    #[error(
        "the filter needs exactly one level for all that its targets do not name, such as the \
         `info` of `info,postern::directory=debug`"
    )]
    NoDefault,
    /// The log itself does not take it.
    #[error("the log is closed")]
    Closed,
}

/// Starts logging to standard error, from `level` on. There is one log per process: a second call
/// does nothing.
pub fn start(level: &str, form: Form) {
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    let base = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_writer(Stderr::default);
    let readable = match form {
        Form::Text => true,
        Form::Json => false,
        Form::Auto => stderr().is_terminal(),
    };
    // An error says that somebody (a test, an embedding program) has started it already.
    let started = if readable {
        let log = base.compact().with_filter_reloading();
        let put = put(log.reload_handle());
        log.finish().try_init().map(|()| put)
    } else {
        let log = base.json().flatten_event(true).with_filter_reloading();
        let put = put(log.reload_handle());
        log.finish().try_init().map(|()| put)
    };
    if let Ok(put) = started {
        let now = Mutex::new(level.to_owned());
        let _ = LEVELS.set(Levels { now, put });
    }
}

/// The levels of this process's log; `None` where it writes none.
#[must_use]
pub fn levels() -> Option<&'static Levels> {
    LEVELS.get()
}

impl Levels {
    /// The filter in force.
    #[must_use]
    pub fn current(&self) -> String {
        let now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        now.clone()
    }

    /// Puts another filter in force.
    ///
    /// # Errors
    /// See [`FilterError`]; nothing is changed.
    pub fn change(&self, filter: Filter) -> Result<(), FilterError> {
        let parsed = EnvFilter::try_new(&filter.0).map_err(|_| FilterError::Malformed)?;
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if !(self.put)(parsed) {
            return Err(FilterError::Closed);
        }
        *now = filter.0;
        Ok(())
    }
}

impl Filter {
    /// Reads one, strictly. `EnvFilter` understands far more (spans, values, expressions), which
    /// nobody should be able to send; and a filter without a level of its own silences all the
    /// rest.
    ///
    /// # Errors
    /// See [`FilterError`].
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let text = text.trim();
        if text.len() > MAX_FILTER {
            return Err(FilterError::TooLong);
        }
        let mut parts = Vec::new();
        let mut defaults = 0;
        for part in text.split(',').map(str::trim) {
            match part.split_once('=') {
                None if WORDS.contains(&part) => defaults += 1,
                Some((target, level))
                    if is_target(target) && (level == "off" || WORDS.contains(&level)) => {}
                _ => return Err(FilterError::Malformed),
            }
            parts.push(part);
        }
        if defaults == 1 {
            Ok(Self(parts.join(",")))
        } else {
            Err(FilterError::NoDefault)
        }
    }
}

impl std::fmt::Display for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::fmt::Debug for Levels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Levels").field(&self.current()).finish()
    }
}

/// A way to replace the filter that does not name the type of the log.
fn put<S: 'static>(handle: Handle<EnvFilter, S>) -> Box<dyn Fn(EnvFilter) -> bool + Send + Sync> {
    Box::new(move |filter| handle.reload(filter).is_ok())
}

/// The path of a module.
fn is_target(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b':')
}

static LEVELS: OnceLock<Levels> = OnceLock::new();

const WORDS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// The longest filter, in bytes.
const MAX_FILTER: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_a_level_and_targets() {
        for (filter, form) in [
            ("info", "info"),
            (" debug\n", "debug"),
            (
                "info, postern::directory=debug",
                "info,postern::directory=debug",
            ),
            ("h2=off,trace", "h2=off,trace"),
        ] {
            assert_eq!(Filter::parse(filter).unwrap().to_string(), form);
        }
        for filter in [
            "",
            "inf",
            "INFO",
            "off",
            "info,",
            "info,=debug",
            "info,postern=",
            "info,postern=loud",
            "info,[span{field=x}]=trace",
            "info,postern[s]=trace",
            "info;debug",
            "info,a b=debug",
        ] {
            assert_eq!(
                Filter::parse(filter),
                Err(FilterError::Malformed),
                "{filter}"
            );
        }
        for filter in ["postern=debug", "info,debug"] {
            assert_eq!(
                Filter::parse(filter),
                Err(FilterError::NoDefault),
                "{filter}"
            );
        }
        let long = format!("info,{}=debug", "a".repeat(MAX_FILTER));
        assert_eq!(Filter::parse(&long), Err(FilterError::TooLong));
    }

    #[test]
    fn a_closed_log_changes_nothing() {
        let levels = Levels {
            now: Mutex::new("info".to_owned()),
            put: Box::new(|_| true),
        };
        let debug = Filter::parse("debug").unwrap();
        assert_eq!(levels.change(debug.clone()), Ok(()));
        assert_eq!(levels.current(), "debug");
        let closed = Levels {
            now: Mutex::new("info".to_owned()),
            put: Box::new(|_| false),
        };
        assert_eq!(closed.change(debug), Err(FilterError::Closed));
        assert_eq!(closed.current(), "info");
    }
}
