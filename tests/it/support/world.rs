//! The whole program, started on port 0 from files in a folder of its own.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use postern::app::{self, Running};
use postern::config::file::Config;
use sha2::{Digest, Sha256};

use super::Client;

/// A started program with its folder; both end with it.
pub(crate) struct World {
    pub running: Option<Running>,
    pub folder: PathBuf,
    ca: Vec<u8>,
}

/// An account of the test's `access.yaml`.
pub(crate) struct Account<'a> {
    /// Its name, which is also its key id.
    pub name: &'a str,
    /// The verbs that it may use on every resource type.
    pub verbs: &'a str,
    /// The tenants that it may use.
    pub tenants: &'a str,
    /// More of the token's item, such as `expires: 2020-01-01`.
    pub more: &'a str,
}

pub(crate) const ADMIN: Account<'_> = Account {
    name: "admin",
    verbs: "create, read, update, delete",
    tenants: "\"*\"",
    more: "",
};

impl World {
    /// Starts the program with these rule files (name without ending, text) and one
    /// administrator.
    pub(crate) fn start(rules: &[(&str, &str)]) -> Self {
        Self::launch(rules, &[], &[ADMIN])
    }

    /// The same with files (name, text) beside the rules.
    pub(crate) fn prepared(rules: &[(&str, &str)], files: &[(&str, &str)]) -> Self {
        Self::launch(rules, files, &[ADMIN])
    }

    /// The same with accounts of the test's own.
    pub(crate) fn with_accounts(rules: &[(&str, &str)], accounts: &[Account<'_>]) -> Self {
        Self::launch(rules, &[], accounts)
    }

    /// The same with both.
    pub(crate) fn launch(
        rules: &[(&str, &str)],
        files: &[(&str, &str)],
        accounts: &[Account<'_>],
    ) -> Self {
        let folder = folder();
        std::fs::create_dir_all(folder.join("rules")).unwrap();
        for (name, text) in files {
            std::fs::write(folder.join("rules").join(name), text).unwrap();
        }
        for (name, text) in rules {
            std::fs::write(folder.join("rules").join(format!("{name}.yaml")), text).unwrap();
        }
        std::fs::write(folder.join("access.yaml"), access(accounts)).unwrap();
        let ca = certificate(&folder);
        std::fs::write(
            folder.join("postern.yaml"),
            "listen: {public: \"127.0.0.1:0\", probe: \"127.0.0.1:0\", control: \"127.0.0.1:0\"}\n\
             tls: {certificate: tls.crt, key: tls.key}\n\
             workers: 2\n\
             timeouts: {request: 5s, drain: 5s}\n",
        )
        .unwrap();
        let config = Config::load(&folder.join("postern.yaml")).unwrap_or_else(|found| {
            panic!(
                "{}",
                found.iter().map(|d| d.render(false)).collect::<String>()
            )
        });
        let running =
            app::start(config, app::Extras::default()).unwrap_or_else(|error| panic!("{error:?}"));
        Self {
            running: Some(running),
            folder,
            ca,
        }
    }

    /// The administrator's client of the tenant at `base`.
    pub(crate) fn client(&self, base: &str) -> Client {
        self.client_of(base, "admin")
    }

    pub(crate) fn client_of(&self, base: &str, account: &str) -> Client {
        Client::new(self.running().public, &self.ca, base, &token(account))
    }

    pub(crate) fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    /// A TLS connection for what is written by hand.
    pub(crate) async fn tls_stream(
        &self,
    ) -> tokio_rustls::client::TlsStream<tokio::net::TcpStream> {
        self.client("").connect(&[b"http/1.1"]).await
    }
}

impl Drop for World {
    fn drop(&mut self) {
        drop(self.running.take());
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The token of an account; its form is what `postern token new` makes.
pub(crate) fn token(account: &str) -> String {
    format!(
        "postern_{account}_{}",
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJK"
    )
}

/// A sync rule for a directory at `url`: the path of the Tenant URL, and the lines below
/// `resources:` (indented by two).
pub(crate) fn rule(path: &str, url: &str, scim: &str, resources: &str) -> String {
    format!(
        "tenant_url: https://localhost{path}\nbackend:\n  scim: {{url: \"{url}\"{scim}}}\nresources:\n{resources}"
    )
}

pub(crate) fn access(accounts: &[Account<'_>]) -> String {
    let mut roles = String::from("roles:\n");
    let mut list = String::from("accounts:\n");
    for Account {
        name,
        verbs,
        tenants,
        more,
    } in accounts
    {
        let hash: String = Sha256::digest(token(name))
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let comma = if more.is_empty() { "" } else { ", " };
        writeln!(
            roles,
            "  {name}: {{allow: [{{resources: \"*\", verbs: [{verbs}]}}]}}"
        )
        .unwrap();
        writeln!(
            list,
            "  - name: {name}\n    roles: [{name}]\n    tenants: {}\n    tokens:\n      \
             - {{id: {name}, sha256: \"{hash}\"{comma}{more}}}",
            if tenants.starts_with('"') {
                (*tenants).to_owned()
            } else {
                format!("[{tenants}]")
            },
        )
        .unwrap();
    }
    roles + &list
}

pub(crate) fn certificate(folder: &Path) -> Vec<u8> {
    let key = rcgen::KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned()];
    let certificate = rcgen::CertificateParams::new(names)
        .unwrap()
        .self_signed(&key)
        .unwrap();
    std::fs::write(folder.join("tls.crt"), certificate.pem()).unwrap();
    std::fs::write(folder.join("tls.key"), key.serialize_pem()).unwrap();
    certificate.pem().into_bytes()
}

/// A name for a folder of a test's own.
pub(crate) fn folder() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("postern-test-{}-{count}", std::process::id()));
    // A process of this number that was killed may have left one.
    let _ = std::fs::remove_dir_all(&folder);
    folder
}
