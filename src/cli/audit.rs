//! `postern audit`: whether a trail is as it was written, and what stands in it for a value.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::{CliError, ConfigFile};
use crate::audit::{self, Key, Place, Summary};
use crate::config::{Config, trail};
use crate::yaml::Diagnostics;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Find lines that were altered, taken out, put in or moved
    #[command(
        after_help = "Exit codes: 0 the trail is whole, 1 it is not, 64 wrong usage.\n\
                      What no chain can tell by itself: whether lines are missing at the end of the newest file.\n\
                      Compare the last number and sum with what the log and /status said."
    )]
    Verify(Verify),
    /// Print what stands in the trail for a value of an attribute
    Digest(Digest),
}

#[derive(Debug, clap::Args)]
struct Verify {
    /// The files of one trail, in any order; without any, those that the configuration names
    files: Vec<PathBuf>,
    /// The key file of the trail; again for each older one
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,
    /// Pass over lines that are none of a trail's: standard output as it was collected
    #[arg(long)]
    mixed: bool,
    #[command(flatten)]
    config: ConfigFile,
}

#[derive(Debug, clap::Args)]
struct Digest {
    /// The key file of the trail; without it, the one that the configuration names
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The tenant
    #[arg(long)]
    tenant: String,
    /// The attribute as the trail names it, such as `name.familyName`
    #[arg(long)]
    path: String,
    /// The value: a text as it is, anything else as JSON
    value: String,
    #[command(flatten)]
    config: ConfigFile,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), CliError> {
    match &arguments.command {
        Command::Verify(arguments) => verify(arguments),
        Command::Digest(arguments) => digest(arguments),
    }
}

fn verify(arguments: &Verify) -> Result<(), CliError> {
    let mut files = arguments.files.clone();
    let mut keys = arguments.key.clone();
    if files.is_empty() {
        let settings = settings(&arguments.config)?;
        let Place::File(file) = settings.place else {
            return Err(CliError::usage(
                "error: the trail goes to standard output: name the files that it is collected in, with `--mixed`",
            ));
        };
        let cannot = |error| {
            CliError::failed(format!(
                "error: the folder of `{}`: {error}",
                file.display()
            ))
        };
        files = audit::full(&file).map_err(cannot)?;
        files.push(file);
        if keys.is_empty() {
            keys.extend(settings.key_file);
        }
    }
    let keys: Vec<Key> = keys
        .iter()
        .map(|path| key(path))
        .collect::<Result<_, _>>()?;
    let found = audit::verify(&files, &keys, arguments.mixed)
        .map_err(|error| CliError::failed(format!("error: the trail cannot be read: {error}")))?;
    super::print(&report(&found))?;
    if found.wrong == 0 {
        return Ok(());
    }
    let mut text = String::new();
    for fault in &found.faults {
        let _ = writeln!(
            text,
            "{}:{}: {}",
            fault.file.display(),
            fault.line,
            fault.what
        );
    }
    let shown = u64::try_from(found.faults.len()).unwrap_or(u64::MAX);
    if found.wrong > shown {
        let _ = writeln!(text, "and {} more", found.wrong - shown);
    }
    Err(CliError::failed(format!("{text}the trail is broken")))
}

fn report(found: &Summary) -> String {
    let mut text = format!("{} records", found.records);
    if let (Some(first), Some(last)) = (&found.first, &found.last) {
        let _ = write!(
            text,
            "\nfirst {} at {}\nlast {} at {}\nhead {}",
            first.seq, first.time, last.seq, last.time, last.sum
        );
    }
    let _ = write!(text, "\nstarts {}", found.starts);
    if found.lost > 0 {
        let _ = write!(text, "\nlost {} (the trail says so itself)", found.lost);
    }
    if found.repaired > 0 {
        let _ = write!(
            text,
            "\ntorn by a crash {} (the trail says so itself)",
            found.repaired
        );
    }
    text + "\n"
}

fn digest(arguments: &Digest) -> Result<(), CliError> {
    let path = match &arguments.key {
        Some(path) => path.clone(),
        None => settings(&arguments.config)?.key_file.ok_or_else(|| {
            CliError::usage("error: without `key_file` the digests are those of one process, and nobody can make them again")
        })?,
    };
    let Digest {
        tenant,
        path: attribute,
        value,
        ..
    } = arguments;
    let digest = audit::digest_of(&key(&path)?, tenant, attribute, value);
    super::print(&format!("{digest}\n"))
}

fn key(path: &Path) -> Result<Key, CliError> {
    trail::key(path).map_err(|found| CliError::usage(super::rendered(&found)))
}

fn settings(file: &ConfigFile) -> Result<audit::Settings, CliError> {
    let mistakes = |found: Diagnostics| super::unusable(&found);
    let config = Config::load(&file.config).map_err(mistakes)?;
    config.audit.ok_or_else(|| {
        let path = file.config.display();
        CliError::usage(format!("error: `{path}` has no `audit`: name the files"))
    })
}
