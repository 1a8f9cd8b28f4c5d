//! `postern client`: the OAuth clients of accounts in `access.yaml`, which get short-lived tokens at
//! the token endpoint. A secret is shown once; what is kept is its hash.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::CliError;
use super::token::owner::{Owner, help};
use super::token::splice::{self, SpliceError};
use super::token::{
    Console, FILE_IN_SECRET, check_life, checked, console, date, not_added, open, print, save,
};
use crate::auth::token::{self, TokenHash};
use crate::auth::{Account, Authenticator, Key};
use crate::yaml::Source;

/// `postern client …`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// What can be done with clients.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Command {
    /// Make a client secret: it goes to standard error, once, its YAML line to standard output
    New(New),
    /// Take a client out of the access file: its tokens end within seconds
    Revoke(Revoke),
}

/// Options of `client new`.
#[derive(Debug, Clone, clap::Args)]
pub struct New {
    /// The access file
    #[arg(long, value_name = "FILE", default_value = "access.yaml")]
    pub access: PathBuf,
    /// The account that the client acts for; it must be in the access file
    #[arg(long, value_name = "NAME")]
    pub account: String,
    /// The client's id; one that the account has already gets one more secret [default: the
    /// account's name]
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
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

/// Options of `client revoke`.
#[derive(Debug, Clone, clap::Args)]
pub struct Revoke {
    /// The access file
    #[arg(long, value_name = "FILE", default_value = "access.yaml")]
    pub access: PathBuf,
    /// The client's id, as `token list` shows it
    #[arg(long, value_name = "ID")]
    pub id: String,
}

/// Runs the command of this process.
pub(super) fn run(arguments: &Arguments) -> Result<(), CliError> {
    console(|console| perform(&arguments.command, console))
}

/// Does what a command says.
///
/// # Errors
/// What went wrong, with the exit code.
pub fn perform(command: &Command, console: &mut Console<'_>) -> Result<(), CliError> {
    match command {
        Command::New(options) => new(options, console),
        Command::Revoke(options) => revoke(options, console),
    }
}

fn new(options: &New, console: &mut Console<'_>) -> Result<(), CliError> {
    let (source, access) = open(&options.access, console)?;
    let names: Vec<&str> = access.accounts().map(|account| &*account.name).collect();
    if !names.contains(&options.account.as_str()) {
        return Err(CliError::usage(format!(
            "there is no account `{}` in {}{}",
            options.account,
            source.name,
            help(&options.account, &names, "account")
        )));
    }
    let id = options.id.as_deref().unwrap_or(&options.account);
    if let Some(owner) = owner_of(&access, id)
        && *owner.name != *options.account
    {
        return Err(CliError::usage(format!(
            "--id: the client `{id}` is that of account `{}`",
            owner.name
        )));
    }
    if access.issuer().is_none() {
        return Err(CliError::usage(format!(
            "{} has no `issue`: say first who issues tokens (`postern token signing-key` makes \
             the key)",
            source.name
        )));
    }
    let key = Key {
        id: id.into(),
        not_before: date("--not-before", options.not_before.as_deref())?,
        expires: date("--expires", options.expires.as_deref())?,
    };
    check_life(&key, console.now)?;
    let name = IN_SECRETS.parse().ok();
    let secret = name.and_then(|name| token::generate(&name, console.random));
    let secret = secret
        .ok_or_else(|| CliError::failed("the system gives no randomness: try again later"))?;
    let item = item(options, id, &TokenHash::of(secret.expose()));
    let owner = Owner::Clients(&options.account);
    let file = source.name.clone();
    let added = || splice::add(&source, owner, &item).map_err(|error| not_added(&source, error));
    let next_step = if options.write {
        save(&options.access, &source, &added()?)?;
        format!("It is in {file}: a postern that runs takes it within seconds.")
    } else if options.kubernetes {
        let text = added()?;
        checked(&source, &text)?;
        let patch = serde_json::json!({ "stringData": { FILE_IN_SECRET: text } });
        print(console.out, format_args!("{patch}\n"))?;
        "The patch is for `kubectl patch secret NAME --patch-file /dev/stdin`.".to_owned()
    } else {
        checked(&source, &added()?)?;
        format!("Put the line into {file} under `clients` of the account, or use --write.")
    };
    if !options.kubernetes {
        print(console.out, format_args!("- {item}\n"))?;
    }
    let secret = secret.expose();
    print(
        console.err,
        format_args!(
            "The secret of client `{id}`, account `{}`. It is shown this once:\n\n    \
             {secret}\n\n{next_step}\n",
            options.account
        ),
    )
}

fn revoke(options: &Revoke, console: &mut Console<'_>) -> Result<(), CliError> {
    let (source, access) = open(&options.access, console)?;
    let id = options.id.as_str();
    let Some(owner) = owner_of(&access, id) else {
        let known = access.accounts().flat_map(|account| &account.clients);
        let known: Vec<&str> = known.map(|key| &*key.id).collect();
        return Err(CliError::usage(format!(
            "there is no client `{}` in {}{}",
            crate::yaml::mask(id),
            source.name,
            help(id, &known, "client")
        )));
    };
    // Every secret and key of it.
    let mut text = source.text.to_string();
    for _ in owner.clients.iter().filter(|key| *key.id == *id) {
        let present = Source::new(source.name.clone(), text);
        text = splice::remove_client(&present, id).map_err(|error| not_removed(&source, error))?;
    }
    save(&options.access, &source, &text)?;
    print(
        console.err,
        format_args!(
            "Client `{id}` of account `{}` is out of {}: a postern that runs refuses it and its \
             tokens within seconds (`postern ctl reload` waits for that).\n",
            owner.name, source.name
        ),
    )
}

fn owner_of<'a>(access: &'a Authenticator, id: &str) -> Option<&'a Account> {
    let mut accounts = access.accounts();
    accounts.find(|account| account.clients.iter().any(|key| *key.id == *id))
}

/// The line of a client, as people write it.
fn item(options: &New, id: &str, hash: &TokenHash) -> String {
    let mut item = format!("{{id: \"{id}\", secret_sha256: \"{hash}\"");
    for (key, date) in [
        ("not_before", &options.not_before),
        ("expires", &options.expires),
    ] {
        if let Some(date) = date {
            // Writing to a string does not fail.
            let _ = write!(item, ", {key}: \"{date}\"");
        }
    }
    item.push('}');
    item
}

fn not_removed(source: &Source, error: SpliceError) -> CliError {
    let help = "take the client out by hand";
    CliError::failed(format!("{} was not changed: {error}; {help}", source.name))
}

/// What stands in a client secret where a secret token has its key id: so that scanners find it.
const IN_SECRETS: &str = "client";

#[cfg(test)]
mod tests;
