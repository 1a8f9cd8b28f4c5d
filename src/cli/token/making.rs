//! What every command does that makes a secret for the access file: how long it lives, the line that
//! is kept of it, and where that goes.

use std::fmt::Write as _;
use std::path::Path;
use std::time::SystemTime;

use super::splice::SpliceError;
use super::{Console, checked, print, save};
use crate::auth::token::{self, KeyId};
use crate::auth::{Key, KeyState, Secret, instant};
use crate::cli::CliError;
use crate::yaml::Source;

/// Options of the commands that make a secret.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Making {
    /// The first moment of the secret's life: `2026-11-01` (in UTC) or an RFC 3339 time
    #[arg(long, value_name = "DATE")]
    pub not_before: Option<String>,
    /// The first moment after it: `2027-02-01` ends with the last of January
    #[arg(long, value_name = "DATE")]
    pub expires: Option<String>,
    /// Put the line into the access file, keeping everything else in it as it is
    #[arg(long)]
    pub write: bool,
    /// Print a patch of the Kubernetes Secret that holds the access file instead of the line
    #[arg(long, conflicts_with = "write")]
    pub kubernetes: bool,
}

impl Making {
    /// The key of this id; it must not be over already.
    pub(in crate::cli) fn key(&self, id: &str, now: SystemTime) -> Result<Key, CliError> {
        let key = Key {
            id: id.into(),
            not_before: date("--not-before", self.not_before.as_deref())?,
            expires: date("--expires", self.expires.as_deref())?,
        };
        if let (Some(start), Some(end)) = (key.not_before, key.expires)
            && start >= end
        {
            return Err(CliError::usage("--expires must be later than --not-before"));
        }
        if key.state(now) == KeyState::Expired {
            return Err(CliError::usage("--expires: this moment is past already"));
        }
        Ok(key)
    }

    /// The line of a secret, as people write it: what `names` it, and its life.
    pub(in crate::cli) fn line(&self, names: std::fmt::Arguments<'_>) -> String {
        let mut line = format!("{{{names}");
        for (key, date) in [("not_before", &self.not_before), ("expires", &self.expires)] {
            if let Some(date) = date {
                // Writing to a string does not fail.
                let _ = write!(line, ", {key}: \"{date}\"");
            }
        }
        line.push('}');
        line
    }

    /// Whether nothing but the line is asked for.
    pub(in crate::cli) fn only_prints(&self) -> bool {
        !self.write && !self.kubernetes
    }

    /// Brings the changed `text` of the access file where it is to go; says what comes next.
    pub(in crate::cli) fn deliver(
        &self,
        path: &Path,
        source: &Source,
        text: &str,
        console: &mut Console<'_>,
    ) -> Result<String, CliError> {
        if self.write {
            save(path, source, text)?;
            let name = &source.name;
            return Ok(format!(
                "It is in {name}: a postern that runs takes it within seconds."
            ));
        }
        checked(source, text)?;
        let patch = serde_json::json!({ "stringData": { FILE_IN_SECRET: text } });
        print(console.out, format_args!("{patch}\n"))?;
        Ok("The patch is for `kubectl patch secret NAME --patch-file /dev/stdin`.".to_owned())
    }
}

/// A new secret that carries this id.
pub(in crate::cli) fn secret(id: &KeyId, console: &mut Console<'_>) -> Result<Secret, CliError> {
    token::generate(id, console.random).ok_or_else(no_randomness)
}

pub(super) fn no_randomness() -> CliError {
    CliError::failed("the system gives no randomness: try again later")
}

/// The line finds no place in the file.
pub(in crate::cli) fn not_added(source: &Source, error: SpliceError) -> CliError {
    let help = "run this without --write or --kubernetes and put the line in by hand";
    CliError::failed(format!("{} was not changed: {error}; {help}", source.name))
}

fn date(option: &str, text: Option<&str>) -> Result<Option<SystemTime>, CliError> {
    let Some(text) = text else { return Ok(None) };
    instant::parse(text).map(Some).ok_or_else(|| {
        CliError::usage(format!(
            "{option}: `{text}` is no date: write `2027-02-01` or `2027-02-01T08:00:00+01:00`"
        ))
    })
}

/// The key under which the Secret holds the access file.
const FILE_IN_SECRET: &str = "access.yaml";
