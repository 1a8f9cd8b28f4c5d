//! `postern may`: whether an account may do something, and the line of a role that says so. Loads
//! the files as `serve` would, decides as it would, and sends nothing.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::{CliError, ConfigFile, question};
use crate::config::file::Config;
use crate::config::load::{load, mistakes};
use crate::gateway::decide::{Answer, Decision, Question, Verdict, decide};
use crate::scim::{Resource, json};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    postern may hr-feed PATCH /corp/scim/v2/Users/42 --body change.json\n  \
    postern may desk GET /corp/scim/v2/Users/42 --present user.json\n  \
    postern may auditor GET 'https://scim.example.com/corp/scim/v2/Users?filter=title%20pr'\n\n\
    Exit codes: 0 allowed, 1 forbidden or not certain without --present, 64 wrong usage or a configuration that cannot be used.")]
pub(super) struct Arguments {
    /// The account of access.yaml that would ask
    account: String,
    /// The method: GET, POST, PUT, PATCH or DELETE
    method: String,
    /// The path with its query, as under the Tenant URL, or the whole URL
    #[arg(value_name = "PATH-OR-URL")]
    target: String,
    /// The body of the request: a file, or - for standard input
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
    /// The resource as it is now, as a GET shows it: decides what depends on conditions
    #[arg(long, value_name = "FILE")]
    present: Option<PathBuf>,
    /// The address that the request would come from
    #[arg(long, value_name = "ADDRESS")]
    from: Option<IpAddr>,
    #[command(flatten)]
    file: ConfigFile,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let decision = ask(arguments)?;
    super::print(&told(arguments, &decision))?;
    let mut verdicts = decision.verdicts.iter();
    if verdicts.all(|verdict| verdict.answer == Answer::Allowed) {
        Ok(())
    } else {
        Err(CliError::failed(""))
    }
}

fn ask(arguments: &Arguments) -> Result<Decision, CliError> {
    let path = &arguments.file.config;
    let config = Config::load(path).map_err(|found| super::unusable(&mistakes(path, found)))?;
    let loaded = load(&config).map_err(|found| super::unusable(&found))?;
    let auth = &loaded.snapshot.auth;
    let caller = question::caller(auth, &arguments.account)?;
    let method = question::method(&arguments.method)?;
    let stdin = |path: &Option<PathBuf>| path.as_deref().is_some_and(question::is_stdin);
    if stdin(&arguments.body) && stdin(&arguments.present) {
        let text = "error: --body and --present cannot both be standard input";
        return Err(CliError::usage(text));
    }
    let body = match &arguments.body {
        Some(path) => question::input(path)?,
        None => Vec::new(),
    };
    let present = match &arguments.present {
        Some(path) => Some(resource(path)?),
        None => None,
    };
    let asked = Question {
        caller,
        from: arguments.from,
        method,
        target: arguments.target.clone(),
        body: body.into(),
        present,
        operations: config.limits.bulk_operations,
    };
    Ok(decide(&loaded.snapshot, asked))
}

fn resource(path: &Path) -> Result<Resource, CliError> {
    let checked = json::check(question::document(path)?);
    let checked = checked.map_err(|error| CliError::usage(format!("error: {error}")))?;
    Ok(checked.parse())
}

fn told(arguments: &Arguments, decision: &Decision) -> String {
    let mut text = String::new();
    let account = &arguments.account;
    let several = decision.verdicts.len() > 1;
    for (index, verdict) in decision.verdicts.iter().enumerate() {
        if several {
            let _ = writeln!(text, "operation {}:", index + 1);
        }
        let word = match &verdict.answer {
            Answer::Allowed => "allowed",
            Answer::Depends => "depends on the present resource (show it with --present)",
            Answer::Refused(..) => "forbidden",
        };
        let _ = writeln!(text, "{word}");
        let _ = writeln!(text, "  account: {account}");
        if let Some(tenant) = &decision.tenant {
            let _ = writeln!(text, "  tenant: {tenant}");
        }
        one(verdict, &mut text);
    }
    text
}

fn one(verdict: &Verdict, text: &mut String) {
    if !verdict.what.is_empty() {
        let _ = writeln!(text, "  wants to: {}", verdict.what);
    }
    if let Answer::Refused(status, detail) = &verdict.answer {
        let _ = writeln!(text, "  the client would get: {status} {detail}");
    }
    let by = match &verdict.answer {
        Answer::Allowed => "by role",
        Answer::Depends | Answer::Refused(..) => "looked at: role",
    };
    for line in &verdict.lines {
        let _ = writeln!(text, "  {by} {line}: {}", line.text);
    }
    for (what, names) in [
        ("may change", &verdict.writable),
        ("would be shown", &verdict.readable),
    ] {
        let Some(names) = names else { continue };
        let names = if names.is_empty() {
            "nothing".to_owned()
        } else {
            names.join(", ")
        };
        let _ = writeln!(text, "  {what}: {names}");
    }
    if !verdict.discarded.is_empty() {
        let names = verdict.discarded.join(", ");
        let _ = writeln!(text, "  would be left out: {names}");
    }
    if let Some(why) = verdict.reads {
        let _ = writeln!(text, "  reads the present resource first: {why}");
    }
    for what in &verdict.beside {
        let _ = writeln!(text, "  not told here: {what}");
    }
}
