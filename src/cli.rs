//! The command line: what can be asked for, and the exit codes.

mod audit;
mod check;
pub mod client;
mod ctl;
mod demo;
mod may;
mod notify;
mod question;
mod serve;
pub mod token;

use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::app;
use crate::telemetry::lines;
use crate::yaml::Diagnostics;

/// Lets modern identity providers provision people into old directories, safely.
#[derive(Debug, Parser)]
#[command(
    name = "postern",
    version,
    disable_help_subcommand = true,
    after_help = "Exit codes: 0 done, 1 failed, 64 wrong usage or a configuration that cannot be used.\n\
                  To see it work with nothing prepared: postern demo"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve SCIM clients in front of the configured directories
    Serve(serve::Arguments),
    /// Validate every file as `serve` would, and print what each mapping keeps
    Check(check::Arguments),
    /// Make, list and revoke secret tokens in access.yaml
    Token(token::Arguments),
    /// Show whether an account may do something, and the line of a role that says so
    May(may::Arguments),
    /// Make and revoke the OAuth clients of accounts in access.yaml
    Client(client::Arguments),
    /// Ask a postern that runs for its status, and give it orders
    Ctl(ctl::Arguments),
    /// Look whether an audit trail is whole, and find values in it
    Audit(audit::Arguments),
    /// Show the main job on loopback: certificate, small legacy directory, tenant and token included
    Demo(demo::Arguments),
}

/// The configuration file that a command works on.
#[derive(Debug, clap::Args)]
struct ConfigFile {
    /// The configuration file
    #[arg(long, value_name = "FILE", default_value = "postern.yaml")]
    config: PathBuf,
}

/// A command that did not succeed: what to tell the user, and how to end.
#[derive(Debug)]
pub struct CliError {
    /// What is wrong and what to do next; may be several lines.
    pub message: String,
    /// The exit code: 64 for wrong usage or configuration, 1 for anything that failed.
    pub exit: u8,
}

impl CliError {
    /// Wrong usage, or a configuration that cannot be used.
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            exit: 64,
        }
    }

    /// Something failed.
    #[must_use]
    pub fn failed(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            exit: 1,
        }
    }
}

/// Runs the command of this process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no mistakes: clap prints them to standard output.
            if error.use_stderr() {
                let _ = error.print();
                return ExitCode::from(64);
            }
            return match error.print() {
                Err(error) if error.kind() != ErrorKind::BrokenPipe => ExitCode::FAILURE,
                _ => ExitCode::SUCCESS,
            };
        }
    };
    let code = run(arguments);
    lines::flush_stderr(LAST_WORDS);
    code
}

fn run(arguments: Arguments) -> ExitCode {
    let result = match arguments.command {
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Token(arguments) => token::run(&arguments),
        Command::May(arguments) => may::run(&arguments),
        Command::Client(arguments) => client::run(&arguments),
        Command::Ctl(arguments) => ctl::run(&arguments),
        Command::Audit(arguments) => audit::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if !error.message.is_empty() {
                tell(&format!("{}\n", error.message.trim_end()));
            }
            ExitCode::from(error.exit)
        }
    }
}

/// To standard output, whole. Who has stopped reading has what they wanted: no failure.
fn print(text: &str) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(CliError::failed(format!(
            "error: nothing can be written to standard output: {error}"
        ))),
        _ => Ok(()),
    }
}

/// To standard error. Where nobody reads it there is nobody to tell so; the exit code stays right.
fn tell(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// A configuration that cannot be used, with every finding.
fn unusable(found: &Diagnostics) -> CliError {
    let text = rendered(found);
    CliError::usage(format!(
        "{text}run `postern check` after mending the configuration"
    ))
}

/// Findings as a person reads them, in colour where that can be seen, each followed by a blank
/// line.
fn rendered(found: &Diagnostics) -> String {
    if found.is_empty() {
        return String::new();
    }
    found.render(std::io::stderr().is_terminal()) + "\n\n"
}

fn start_failed(error: app::StartError) -> CliError {
    match error {
        app::StartError::Configuration(found) => unusable(&found),
        app::StartError::Failed(error) => CliError::failed(format!("error: {error:#}")),
    }
}

/// How long whoever reads the log may hold up the end.
const LAST_WORDS: Duration = Duration::from_secs(3);
