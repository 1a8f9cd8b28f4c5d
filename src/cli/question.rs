//! A request that somebody writes on the command line, for `may` and `check`: what of it is wrong is
//! wrong usage.

use std::io::Read as _;
use std::path::Path;

use bytes::Bytes;
use http::Method;

use super::CliError;
use crate::auth::{Authenticator, Caller};
use crate::config::read::read_bytes;
use crate::scim::json;
use crate::yaml::suggest;

/// The account of that name.
pub(super) fn caller(auth: &Authenticator, name: &str) -> Result<Caller, CliError> {
    auth.suppose(name).ok_or_else(|| {
        let names = auth.accounts().map(|account| &*account.name);
        let help = match suggest(name, names) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "accounts are in access.yaml".to_owned(),
        };
        CliError::usage(format!("error: there is no account `{name}`; {help}"))
    })
}

/// A method, in letters of any size.
pub(super) fn method(text: &str) -> Result<Method, CliError> {
    let wanted = text.to_ascii_uppercase();
    let known = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
    ];
    let mut known = known.into_iter();
    let found = known.find(|method| method.as_str() == wanted);
    found.ok_or_else(|| {
        let text = format!("error: `{text}` is not GET, POST, PUT, PATCH or DELETE");
        CliError::usage(text)
    })
}

/// What a file holds, or what comes from standard input where it is `-`.
pub(super) fn input(path: &Path) -> Result<Vec<u8>, CliError> {
    let failed = |error: std::io::Error| {
        CliError::usage(format!("error: {} cannot be read: {error}", path.display()))
    };
    if !is_stdin(path) {
        return Ok(read_bytes(path).map_err(failed)?.to_vec());
    }
    let mut bytes = Vec::new();
    let mut input = std::io::stdin().lock().take(MOST);
    input.read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// The same, which must be JSON.
pub(super) fn document(path: &Path) -> Result<Bytes, CliError> {
    let bytes: Bytes = input(path)?.into();
    json::check(bytes.clone()).map_err(|error| {
        CliError::usage(format!("error: {} is not taken: {error}", path.display()))
    })?;
    Ok(bytes)
}

/// Whether a path stands for standard input.
pub(super) fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

/// The most that is read from standard input.
const MOST: u64 = 64 * 1024 * 1024;
