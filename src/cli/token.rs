//! `postern token`: the keys in `access.yaml`, made, listed, rotated and revoked. A secret is shown once;
//! what is kept is its hash.

pub mod making;
pub mod owner;
pub mod rotate;
pub mod signing;
pub(super) mod splice;
mod store;

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use self::making::{Making, no_randomness, not_added};
use self::owner::{Of, Owner, help, owner_of};
use self::rotate::Rotate;
use self::signing::SigningKey;
use super::CliError;
use crate::auth::token::{self, KeyId, Random, TokenHash};
use crate::auth::{Authenticator, Key, KeyState, Secret, access, instant};
use crate::config;
use crate::net::secret;
use crate::yaml::{Diagnostics, Source, TOKEN_PREFIX};

/// `postern token …`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// What can be done with tokens.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Command {
    /// Make a token: its secret goes to standard error, once, its YAML line to standard output
    New(New),
    /// List every token with its life, never with its secret
    List(List),
    /// Make a new token and give the older ones of its owner an end
    Rotate(Rotate),
    /// Make a key that signs access tokens (`issue` in the access file)
    SigningKey(SigningKey),
    /// Take a token out of the access file: a postern that runs refuses it within seconds
    Revoke(Revoke),
}

/// Options of `token new`.
#[derive(Debug, Clone, clap::Args)]
pub struct New {
    /// The access file
    #[arg(long, value_name = "FILE", default_value = "access.yaml")]
    pub access: PathBuf,
    /// Whom the token is for.
    #[command(flatten)]
    pub of: Of,
    /// The key id: 1 to 32 lower-case letters and digits, unique in the file [default: random]
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
    /// How long it lives, and where its line goes.
    #[command(flatten)]
    pub making: Making,
}

/// Options of `token list`.
#[derive(Debug, Clone, clap::Args)]
pub struct List {
    /// The access file
    #[arg(long, value_name = "FILE", default_value = "access.yaml")]
    pub access: PathBuf,
}

/// Options of `token revoke`.
#[derive(Debug, Clone, clap::Args)]
pub struct Revoke {
    /// The access file
    #[arg(long, value_name = "FILE", default_value = "access.yaml")]
    pub access: PathBuf,
    /// The key id, as `token list` shows it
    #[arg(long, value_name = "ID")]
    pub id: String,
}

/// What a command may touch of the world, besides the access file.
pub struct Console<'a> {
    /// The time.
    pub now: SystemTime,
    /// The source of randomness.
    pub random: Random<'a>,
    /// Standard output.
    pub out: &'a mut dyn Write,
    /// Standard error.
    pub err: &'a mut dyn Write,
    /// Whether findings are coloured.
    pub colour: bool,
}

/// Runs the command of this process: its clock, its randomness, its standard streams.
pub(super) fn run(arguments: &Arguments) -> Result<(), CliError> {
    console(|console| perform(&arguments.command, console))
}

/// Does something with the clock, the randomness and the standard streams of this process.
pub(super) fn console(
    work: impl FnOnce(&mut Console<'_>) -> Result<(), CliError>,
) -> Result<(), CliError> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the outermost layer reads the clock"
    )]
    let now = SystemTime::now();
    work(&mut Console {
        now,
        random: &mut secret::random,
        out: &mut io::stdout(),
        err: &mut io::stderr(),
        colour: io::stderr().is_terminal(),
    })
}

/// Does what a command says.
///
/// # Errors
/// What went wrong, with the exit code.
pub fn perform(command: &Command, console: &mut Console<'_>) -> Result<(), CliError> {
    match command {
        Command::New(options) => new(options, console),
        Command::List(options) => list(options, console),
        Command::Rotate(options) => rotate::rotate(options, console),
        Command::SigningKey(options) => signing::make(options, console),
        Command::Revoke(options) => revoke(options, console),
    }
}

fn new(options: &New, console: &mut Console<'_>) -> Result<(), CliError> {
    let (source, access) = open(&options.access, console)?;
    let owner = options.of.owner(&access, &source)?;
    let id = key_id(options.id.as_deref(), &access, console)?;
    let making = &options.making;
    making.key(id.as_str(), console.now)?;
    let secret = making::secret(&id, console)?;
    let item = item(making, &id, &TokenHash::of(secret.expose()));

    let next_step = if making.only_prints() {
        format!(
            "Put the line into {} under `tokens` of the {}, or use --write.",
            source.name,
            owner.kind()
        )
    } else {
        let text = splice::add(&source, owner, &item).map_err(|error| not_added(&source, error))?;
        making.deliver(&options.access, &source, &text, console)?
    };
    if !making.kubernetes {
        print(console.out, format_args!("- {item}\n"))?;
    }
    show(console.err, owner, &id, &secret, &next_step)
}

/// The secret with what there is to know about it.
fn show(
    err: &mut dyn Write,
    owner: Owner<'_>,
    id: &KeyId,
    secret: &Secret,
    next_step: &str,
) -> Result<(), CliError> {
    let secret = secret.expose();
    print(
        err,
        format_args!(
            "The secret token of {owner}, key `{id}`. It is shown this once:\n\n    \
             {secret}\n\n{next_step}\n"
        ),
    )
}

fn list(options: &List, console: &mut Console<'_>) -> Result<(), CliError> {
    let (source, access) = open(&options.access, console)?;
    let mut rows = vec![["ACCOUNT", "ID", "NOT BEFORE", "EXPIRES", "STATE"].map(str::to_owned)];
    let accounts = access
        .accounts()
        .map(|account| (&account.name, &account.keys, ""));
    let operators = access.operators();
    let operators = operators.map(|operator| (&operator.name, &operator.keys, "operator "));
    for (name, keys, kind) in accounts.chain(operators) {
        for key in keys {
            rows.push(row(name, key, kind, console.now));
        }
    }
    for account in access.accounts() {
        for key in &account.clients {
            rows.push(row(&account.name, key, "client of ", console.now));
        }
    }
    if rows.len() == 1 {
        let help = "make one: `postern token new --account NAME`";
        return print(
            console.err,
            format_args!("{} has no tokens; {help}\n", source.name),
        );
    }
    print(console.out, format_args!("{}", table(&rows)))
}

/// A key as `token list` shows it.
fn row(name: &str, key: &Key, kind: &str, now: SystemTime) -> [String; 5] {
    let time = |time: Option<SystemTime>| time.map_or("-".to_owned(), instant::format);
    let state = match key.state(now) {
        KeyState::NotYet => "not yet",
        KeyState::Live => "live",
        KeyState::Expired => "expired",
    };
    [
        format!("{kind}{name}"),
        key.id.to_string(),
        time(key.not_before),
        time(key.expires),
        state.to_owned(),
    ]
}

fn revoke(options: &Revoke, console: &mut Console<'_>) -> Result<(), CliError> {
    let (source, access) = open(&options.access, console)?;
    // Who has just seen a token leak has the token in hand, not its key id.
    let id = token::key_id(&options.id).unwrap_or(&options.id);
    let Some(owner) = owner_of(&access, id) else {
        let known: Vec<&str> = keys(&access).collect();
        let shown = crate::yaml::mask(id);
        return Err(CliError::usage(format!(
            "there is no token `{shown}` in {}{}",
            source.name,
            help(id, &known, "token")
        )));
    };
    if options.id.starts_with(TOKEN_PREFIX) && !token::is_whole(&options.id) {
        let note = "That token is not whole; its key id decides.";
        print(console.err, format_args!("{note}\n"))?;
    }
    let text = splice::remove(&source, id).map_err(|error| {
        let help = format!("take the token `{id}` out by hand");
        CliError::failed(format!("{} was not changed: {error}; {help}", source.name))
    })?;
    save(&options.access, &source, &text)?;
    print(
        console.err,
        format_args!(
            "Key `{id}` of {owner} is out of {}: a postern that runs refuses it within seconds \
             (`postern ctl reload` waits for that).\n",
            source.name
        ),
    )
}

/// Reads the access file; the commands refuse to work on a broken one.
pub(super) fn open(
    path: &Path,
    console: &Console<'_>,
) -> Result<(Source, Authenticator), CliError> {
    let render = |found: Diagnostics| CliError::usage(found.render(console.colour));
    config::access::open(path, "name the access file with `--access`").map_err(render)
}

/// The key id that was asked for, or a random one.
fn key_id(
    asked: Option<&str>,
    access: &Authenticator,
    console: &mut Console<'_>,
) -> Result<KeyId, CliError> {
    let Some(id) = asked else {
        return KeyId::random(console.random)
            .filter(|id| owner_of(access, id.as_str()).is_none())
            .ok_or_else(no_randomness);
    };
    let id: KeyId = id
        .parse()
        .map_err(|error| CliError::usage(format!("--id: {error}")))?;
    match owner_of(access, id.as_str()) {
        None => Ok(id),
        Some(owner) => Err(CliError::usage(format!(
            "--id: key `{id}` is taken by {owner}; leave --id out for a random one"
        ))),
    }
}

/// The line of a token, as people write it.
fn item(making: &Making, id: &KeyId, hash: &TokenHash) -> String {
    // What YAML would take for something else is quoted.
    let plain = id.as_str().starts_with(|c: char| c.is_ascii_lowercase())
        && !["true", "false", "null"].contains(&id.as_str());
    let quote = if plain { "" } else { "\"" };
    making.line(format_args!("id: {quote}{id}{quote}, sha256: \"{hash}\""))
}

pub(super) fn save(path: &Path, source: &Source, text: &str) -> Result<(), CliError> {
    checked(source, text)?;
    store::replace(path, &source.text, text)
        .map_err(|error| CliError::failed(format!("{} was not changed: {error}", source.name)))
}

/// A new text must be an access file as well.
pub(super) fn checked(source: &Source, text: &str) -> Result<(), CliError> {
    let path = Path::new(&*source.name);
    let new = Source::new(source.name.clone(), text);
    match access::load(&new, &config::access::files_of(path, &new)) {
        Ok(_) => Ok(()),
        Err(_) => Err(CliError::failed(format!(
            "{} was not changed: the result would not be a valid access file",
            source.name
        ))),
    }
}

fn keys(access: &Authenticator) -> impl Iterator<Item = &str> {
    let accounts = access.accounts().flat_map(|account| &account.keys);
    let operators = access.operators().flat_map(|operator| &operator.keys);
    accounts.chain(operators).map(|key| &*key.id)
}

/// Columns as wide as their widest cell.
fn table(rows: &[[String; 5]]) -> String {
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let cells = rows.iter().filter_map(|row| row.get(column));
            let width = cells.map(String::len).max().unwrap_or_default();
            // Writing to a string does not fail.
            let _ = write!(line, "{cell:width$}  ");
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

pub(super) fn print(to: &mut dyn Write, text: std::fmt::Arguments<'_>) -> Result<(), CliError> {
    to.write_fmt(text)
        .and_then(|()| to.flush())
        .map_err(|error| CliError::failed(format!("the output cannot be written: {error}")))
}

#[cfg(test)]
pub(super) mod tests;
