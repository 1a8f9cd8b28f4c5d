//! Who can have tokens: accounts, for the SCIM door, and operators, for the control door.

use std::fmt;

use crate::auth::Authenticator;
use crate::cli::CliError;
use crate::yaml::{Source, suggest};

/// Whom a token is for.
#[derive(Debug, Clone, clap::Args)]
#[group(required = true, multiple = false)]
pub struct Of {
    /// The account that the token is for; it must be in the access file
    #[arg(long, value_name = "NAME")]
    pub account: Option<String>,
    /// The operator that the token is for: one of `operators` in the access file
    #[arg(long, value_name = "NAME")]
    pub operator: Option<String>,
}

/// Who is in the access file and can have tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Owner<'a> {
    /// An account, of this name.
    Account(&'a str),
    /// An operator, of this name.
    Operator(&'a str),
    /// The clients of an account of this name.
    Clients(&'a str),
}

impl Of {
    /// The one that is meant, if it is in the file.
    pub(super) fn owner(
        &self,
        access: &Authenticator,
        source: &Source,
    ) -> Result<Owner<'_>, CliError> {
        let (owner, known): (_, Vec<&str>) = match (&self.account, &self.operator) {
            (Some(name), _) => (
                Owner::Account(name),
                access.accounts().map(|account| &*account.name).collect(),
            ),
            (None, Some(name)) => (
                Owner::Operator(name),
                access.operators().map(|operator| &*operator.name).collect(),
            ),
            (None, None) => return Err(CliError::usage("say --account NAME or --operator NAME")),
        };
        if known.contains(&owner.name()) {
            return Ok(owner);
        }
        let help = help(owner.name(), &known, owner.kind());
        Err(CliError::usage(format!(
            "there is no {owner} in {}{help}",
            source.name
        )))
    }
}

impl<'a> Owner<'a> {
    /// Its name.
    pub(super) fn name(self) -> &'a str {
        match self {
            Self::Account(name) | Self::Operator(name) | Self::Clients(name) => name,
        }
    }

    /// The word for it.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Account(_) | Self::Clients(_) => "account",
            Self::Operator(_) => "operator",
        }
    }

    /// The list of the access file that it is in.
    pub(super) fn list(self) -> &'static str {
        match self {
            Self::Account(_) | Self::Clients(_) => "accounts",
            Self::Operator(_) => "operators",
        }
    }

    /// The key under which the items are.
    pub(super) fn items(self) -> &'static str {
        match self {
            Self::Account(_) | Self::Operator(_) => "tokens",
            Self::Clients(_) => "clients",
        }
    }
}

impl fmt::Display for Owner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`", self.kind(), self.name())
    }
}

/// Whose a key is.
pub(super) fn owner_of<'a>(access: &'a Authenticator, key: &str) -> Option<Owner<'a>> {
    let account = access.account_of(key);
    let account = account.map(|account| Owner::Account(&account.name));
    let operator = || {
        access
            .operator_of(key)
            .map(|one| Owner::Operator(&one.name))
    };
    account.or_else(operator)
}

/// What might have been meant, or what there is.
pub(in crate::cli) fn help(word: &str, known: &[&str], what: &str) -> String {
    match suggest(word, known.iter().copied()) {
        Some(meant) => format!("; did you mean `{meant}`?"),
        None if known.is_empty() => format!("; it has no {what} at all"),
        None => {
            let shown: Vec<&str> = known.iter().copied().take(20).collect();
            format!("; there is: {}", shown.join(", "))
        }
    }
}
