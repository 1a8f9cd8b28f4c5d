//! `postern token signing-key`: a key for `issue` in `access.yaml`, in a file that only its owner
//! reads.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519};
use zeroize::Zeroizing;

use super::{Console, print};
use crate::auth::issue;
use crate::cli::CliError;

/// Options of `token signing-key`.
#[derive(Debug, Clone, clap::Args)]
pub struct SigningKey {
    /// The file to make; it must not be there yet
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Make an Ed25519 key (EdDSA) instead of a P-256 one (ES256), which more parties understand
    #[arg(long)]
    pub ed25519: bool,
}

pub(super) fn make(options: &SigningKey, console: &mut Console<'_>) -> Result<(), CliError> {
    let kind = if options.ed25519 {
        &PKCS_ED25519
    } else {
        &PKCS_ECDSA_P256_SHA256
    };
    let pair = KeyPair::generate_for(kind)
        .map_err(|_| CliError::failed("no key could be made: try again later"))?;
    let text = Zeroizing::new(pair.serialize_pem());
    let shown = options.file.display();
    let id = issue::key_id_of(text.as_bytes())
        .ok_or_else(|| CliError::failed("the key that was made cannot be used"))?;
    let mut open = OpenOptions::new();
    let file = open.write(true).create_new(true).mode(0o600);
    let written = file.open(&options.file).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| {
        let help = match error.kind() {
            ErrorKind::AlreadyExists => "; a key is never overwritten: name another file",
            _ => "",
        };
        CliError::failed(format!("{shown} was not made: {error}{help}"))
    })?;
    print(console.out, format_args!("- {{file: {shown}}}\n"))?;
    print(
        console.err,
        format_args!(
            "{shown} holds a key of id `{id}`, for its owner's eyes only. Put the line first under \
             `keys` of `issue` in the access file (the path is meant from the folder of that \
             file). To replace a key: put the new one behind it until every replica has it, then \
             first, and take the old one out when its last token has ended.\n"
        ),
    )
}
