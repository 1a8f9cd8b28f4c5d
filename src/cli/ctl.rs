//! `postern ctl`: asks the control listener of a postern that runs, and gives it orders.

mod guard;
mod page;
mod reach;

use std::time::{Duration, SystemTime};

use http::{Method, StatusCode};
use serde_json::Value;

use self::reach::{Listener, Reach};
use super::CliError;
use crate::net::Body;
use crate::net::oneshot::Answer;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 good, 1 something does not serve or the command failed, \
                        64 wrong usage.\n\
                        The listener is found in the configuration, or named by --control."
)]
pub(super) struct Arguments {
    #[command(flatten)]
    reach: Reach,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show what serves: tenants, files, keys near their end, clients seen
    Status {
        /// Print the JSON of the listener instead
        #[arg(long)]
        json: bool,
    },
    /// Have the files looked at now, and wait for what comes of it
    Reload,
    /// Show what the guards of tenants have counted, or let a tenant do more
    Guard {
        #[command(subcommand)]
        command: Option<guard::Command>,
    },
    /// Show what is logged, or change it until the next start
    LogLevel {
        /// `error`, `warn`, `info`, `debug` or `trace`; targets may follow, as in
        /// `info,postern::directory=debug`
        #[arg(value_name = "LEVEL")]
        level: Option<String>,
    },
}

pub(super) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let listener = arguments.reach.listener()?;
    match &arguments.command {
        Command::Status { json } => status(&listener, *json),
        Command::Reload => reload(&listener),
        Command::Guard { command } => guard::run(&listener, command.as_ref()),
        Command::LogLevel { level } => log_level(&listener, level.as_deref()),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the outermost layer reads the clock"
)]
fn status(listener: &Listener, raw: bool) -> Result<(), CliError> {
    let answer = listener.ask(Method::GET, "/status", Body::Empty, SHORT)?;
    let text = expect(listener, answer, &[StatusCode::OK])?;
    let value = read(listener, &text)?;
    if raw {
        super::print(&text)?;
    } else {
        super::print(&page::page(&value, SystemTime::now()))?;
    }
    if page::all_serves(&value) {
        Ok(())
    } else {
        // The page says what.
        Err(CliError::failed(""))
    }
}

fn reload(listener: &Listener) -> Result<(), CliError> {
    let answer = listener.ask(Method::POST, "/reload", Body::Empty, LONG)?;
    let good = answer.status == StatusCode::OK;
    let text = expect(listener, answer, &[StatusCode::OK, StatusCode::CONFLICT])?;
    let value = read(listener, &text)?;
    super::tell(&lines(&value, "warnings", "warning: "));
    let revision = page::text(&value, "revision");
    if !good {
        let errors = lines(&value, "errors", "");
        return Err(CliError::failed(format!(
            "{errors}what is broken does not serve; revision {revision} does"
        )));
    }
    super::print(&match value.get("changed") {
        Some(Value::Bool(true)) => format!("revision {revision} serves now\n"),
        _ => format!("nothing has changed: revision {revision} serves\n"),
    })
}

fn log_level(listener: &Listener, level: Option<&str>) -> Result<(), CliError> {
    let (method, body) = match level {
        None => (Method::GET, Body::Empty),
        Some(level) => (Method::PUT, Body::Full(level.to_owned().into())),
    };
    let answer = listener.ask(method, "/log-level", body, SHORT)?;
    if answer.status == StatusCode::BAD_REQUEST && level.is_some() {
        let reason = String::from_utf8_lossy(&answer.body);
        // Some other listener's 400 says the same of itself.
        return Err(match reason.contains("filter") {
            true => CliError::usage(format!("error: {}", page::plain(reason.trim_end()))),
            false => listener.refused(&answer),
        });
    }
    let text = expect(listener, answer, &[StatusCode::OK])?;
    super::print(&format!("{}\n", page::plain(text.trim_end())))
}

/// The text of an answer of one of these statuses.
fn expect(listener: &Listener, answer: Answer, wanted: &[StatusCode]) -> Result<String, CliError> {
    if !wanted.contains(&answer.status) {
        return Err(listener.refused(&answer));
    }
    String::from_utf8(answer.body.into()).map_err(|_| listener.foreign())
}

fn read(listener: &Listener, text: &str) -> Result<Value, CliError> {
    let value: Value = serde_json::from_str(text).map_err(|_| listener.foreign())?;
    if value.get("revision").is_none() {
        return Err(listener.foreign());
    }
    Ok(value)
}

/// A list of texts, one per line.
fn lines(value: &Value, key: &str, mark: &str) -> String {
    let items = value.get(key).and_then(Value::as_array);
    let texts = items.into_iter().flatten().filter_map(Value::as_str);
    texts
        .map(|text| format!("{mark}{}\n", page::plain(text)))
        .collect()
}

/// For what is answered from memory.
const SHORT: Duration = Duration::from_secs(10);

/// For what reads files; the listener itself gives up after a minute.
const LONG: Duration = Duration::from_secs(75);
