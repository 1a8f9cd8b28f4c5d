//! `postern client`: the OAuth clients of accounts in `access.yaml`, which get short-lived tokens at
//! the token endpoint. A secret is shown once; what is kept is its hash.

use std::path::PathBuf;

use super::CliError;
use super::token::making::{self, Making, not_added};
use super::token::owner::{Owner, help};
use super::token::splice::{self, SpliceError};
use super::token::{Console, checked, console, open, print, save};
use crate::auth::token::{KeyId, TokenHash};
use crate::auth::{Account, Authenticator};
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
    /// How long the secret lives, and where its line goes.
    #[command(flatten)]
    pub making: Making,
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
    let making = &options.making;
    making.key(id, console.now)?;
    let word: Result<KeyId, _> = IN_SECRETS.parse();
    let word = word.map_err(|error| CliError::failed(error.to_string()))?;
    let secret = making::secret(&word, console)?;
    let hash = TokenHash::of(secret.expose());
    let item = making.line(format_args!("id: \"{id}\", secret_sha256: \"{hash}\""));
    let added = splice::add(&source, Owner::Clients(&options.account), &item);
    let next_step = if making.only_prints() {
        // An id can be wrong in ways that only the file's reader knows.
        if let Ok(text) = added {
            checked(&source, &text)?;
        }
        format!(
            "Put the line into {} under `clients` of the account, or use --write.",
            source.name
        )
    } else {
        let text = added.map_err(|error| not_added(&source, error))?;
        making.deliver(&options.access, &source, &text, console)?
    };
    if !making.kubernetes {
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

fn not_removed(source: &Source, error: SpliceError) -> CliError {
    let help = "take the client out by hand";
    CliError::failed(format!("{} was not changed: {error}; {help}", source.name))
}

/// What stands in a client secret where a secret token has its key id: so that scanners find it.
const IN_SECRETS: &str = "client";

#[cfg(test)]
mod tests;
