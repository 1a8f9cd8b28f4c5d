//! `postern token rotate`: a new token, and an end for the older ones, in one change of the file.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::making::{self, Making};
use super::owner::{Of, Owner};
use super::{Console, item, key_id, open, show, splice};
use crate::auth::token::TokenHash;
use crate::auth::{Authenticator, Key, KeyState, instant};
use crate::cli::CliError;
use crate::config::measure;

/// Options of `token rotate`.
#[derive(Debug, Clone, clap::Args)]
pub struct Rotate {
    /// The access file
    #[arg(long, value_name = "FILE", default_value = "access.yaml")]
    pub access: PathBuf,
    /// Whose tokens are rotated.
    #[command(flatten)]
    pub of: Of,
    /// The new token's key id: 1 to 32 lower-case letters and digits, unique in the file [default:
    /// random]
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
    /// The first moment after the new token's life: `2027-02-01` ends with the last of January
    #[arg(long, value_name = "DATE")]
    pub expires: Option<String>,
    /// How long the older tokens go on: `7d`, `12h`, `0s`; one that ends sooner is left as it is
    #[arg(long, value_name = "TIME", default_value = "7d")]
    pub keep: String,
    /// Change the access file, keeping everything else in it as it is
    #[arg(long, required_unless_present = "kubernetes")]
    pub write: bool,
    /// Print a patch of the Kubernetes Secret that holds the access file instead
    #[arg(long, conflicts_with = "write")]
    pub kubernetes: bool,
}

pub(super) fn rotate(options: &Rotate, console: &mut Console<'_>) -> Result<(), CliError> {
    let (source, access) = open(&options.access, console)?;
    let owner = options.of.owner(&access, &source)?;
    let end = end(&options.keep, console.now)?;
    let making = Making {
        not_before: None,
        expires: options.expires.clone(),
        write: options.write,
        kubernetes: options.kubernetes,
    };
    let id = key_id(options.id.as_deref(), &access, console)?;
    making.key(id.as_str(), console.now)?;
    let secret = making::secret(&id, console)?;
    let item = item(&making, &id, &TokenHash::of(secret.expose()));

    let ending = ending(&access, owner, console.now, end);
    let end = instant::format(end);
    let mut text =
        splice::add(&source, owner, &item).map_err(|error| not_changed(&source, error))?;
    for id in &ending {
        let source = crate::yaml::Source::new(source.name.clone(), text);
        text = splice::end(&source, id, &end).map_err(|error| not_changed(&source, error))?;
    }
    let next_step = making.deliver(&options.access, &source, &text, console)?;
    let next_step = format!("{next_step}\n{}", farewell(&ending, &end));
    show(console.err, owner, &id, &secret, &next_step)
}

/// What becomes of the older tokens, and what is to be done meanwhile.
fn farewell(ending: &[&str], end: &str) -> String {
    let names: Vec<String> = ending.iter().map(|id| format!("`{id}`")).collect();
    let (keys, verb) = match names.as_slice() {
        [] => return "No older token was live for longer.".to_owned(),
        [one] => (format!("Key {one}"), "ends"),
        many => (format!("Keys {}", many.join(", ")), "end"),
    };
    format!(
        "{keys} {verb} at {end}: give the new token to the client before that. `postern ctl \
         status` shows when a key was last used; `postern token revoke --id ID` ends one at once."
    )
}

/// The keys of an owner that are live now and would be for longer, in the file's order.
fn ending<'a>(
    access: &'a Authenticator,
    owner: Owner<'_>,
    now: SystemTime,
    end: SystemTime,
) -> Vec<&'a str> {
    let keys: &[Key] = match owner {
        Owner::Account(name) | Owner::Clients(name) => {
            let account = access.accounts().find(|account| &*account.name == name);
            account.map_or(&[], |account| &account.keys)
        }
        Owner::Operator(name) => {
            let operator = access.operators().find(|operator| &*operator.name == name);
            operator.map_or(&[], |operator| &operator.keys)
        }
    };
    let longer = |key: &&Key| {
        key.state(now) == KeyState::Live && key.expires.is_none_or(|expires| expires > end)
    };
    let ids = keys.iter().filter(longer).map(|key| &*key.id);
    ids.collect()
}

/// The moment up to which older tokens are kept, by the second.
fn end(keep: &str, now: SystemTime) -> Result<SystemTime, CliError> {
    let days = |text: &str| text.parse::<u64>().ok()?.checked_mul(DAY);
    let time = match keep.strip_suffix('d') {
        Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            days(text).map(Duration::from_secs)
        }
        _ => measure::duration(keep),
    };
    let time = time.filter(|time| *time <= LONGEST);
    let end = time.and_then(|time| now.checked_add(time));
    end.ok_or_else(|| {
        let help = "write `7d`, `12h` or `30m`, up to `3650d`";
        CliError::usage(format!(
            "--keep: `{keep}` is no time to keep a token; {help}"
        ))
    })
}

fn not_changed(source: &crate::yaml::Source, error: splice::SpliceError) -> CliError {
    let help = "use `postern token new` and end the older tokens by hand";
    CliError::failed(format!("{} was not changed: {error}; {help}", source.name))
}

const DAY: u64 = 86_400;
const LONGEST: Duration = Duration::from_secs(3_650 * DAY);
