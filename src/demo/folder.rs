//! The demo's files, in a temporary folder that only this user can read and that goes with it.

use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::auth::token::{self, KeyId};
use crate::net::secret::{self, Secret};

/// The folder; it is removed when this is dropped.
pub(super) struct Folder(PathBuf);

/// What goes into it.
pub(super) struct Contents<'a> {
    /// The port of the Tenant URL.
    pub port: u16,
    /// The rule file.
    pub rule: &'a str,
    /// The hash of the client's token.
    pub token_sha256: &'a str,
    /// What the directory wants to see.
    pub directory_secret: &'a Secret,
}

impl Folder {
    pub(super) fn create(contents: &Contents<'_>) -> anyhow::Result<Self> {
        let name = KeyId::random(&mut secret::random).context(NO_RANDOMNESS)?;
        let path = std::env::temp_dir().join(format!("postern-demo-{name}"));
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .with_context(|| format!("cannot make the folder {}", path.display()))?;
        let folder = Self(path);
        folder.fill(contents)?;
        Ok(folder)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn ca_file(&self) -> PathBuf {
        self.0.join("ca.pem")
    }

    pub(super) fn rule_file(&self) -> PathBuf {
        self.0.join("rules/legacy-people.yaml")
    }

    fn fill(&self, contents: &Contents<'_>) -> anyhow::Result<()> {
        let certificate = certificate()?;
        fs::create_dir(self.0.join("rules"))?;
        self.write("ca.pem", &certificate.ca)?;
        self.write("tls.crt", &certificate.chain)?;
        self.write("tls.key", &certificate.key)?;
        self.write("rules/legacy-people.yaml", contents.rule)?;
        self.write("rules/directory-token", contents.directory_secret.expose())?;
        self.write(
            "access.yaml",
            &format!(
                "roles:\n  provisioner: {{allow: [{{resources: [User, Group], verbs: [create, read, update, delete]}}]}}\n\
                 accounts:\n  - name: demo\n    roles: [provisioner]\n    tenants: [legacy-people]\n    \
                 tokens:\n      - {{id: demo, sha256: \"{}\"}}\n",
                contents.token_sha256
            ),
        )?;
        self.write(
            "postern.yaml",
            &format!(
                "listen: {{public: \"127.0.0.1:{}\", probe: \"127.0.0.1:0\", control: \"127.0.0.1:0\"}}\n\
                 tls: {{certificate: tls.crt, key: tls.key}}\n\
                 workers: 1\n\
                 timeouts: {{grace: 0s}}\n",
                contents.port
            ),
        )
    }

    fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        use std::io::Write as _;
        let path = self.0.join(name);
        fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .with_context(|| format!("cannot write {}", path.display()))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Nothing depends on it any more; what cannot be removed is the system's to tidy.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What the directory wants to see: as random as a token, and of no use anywhere else.
pub(super) fn random_secret() -> anyhow::Result<Secret> {
    let id = KeyId::random(&mut secret::random).context(NO_RANDOMNESS)?;
    token::generate(&id, &mut secret::random).context(NO_RANDOMNESS)
}

const NO_RANDOMNESS: &str = "the system gives no randomness";

struct Certificate {
    ca: String,
    chain: String,
    key: String,
}

/// A throw-away authority and a certificate for `localhost` by it. The authority's key is
/// dropped here: nothing else can ever be signed with it.
fn certificate() -> anyhow::Result<Certificate> {
    let ca_key = rcgen::KeyPair::generate()?;
    let mut ca = rcgen::CertificateParams::new(Vec::<String>::new())?;
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
    ca.key_usages = vec![
        rcgen::KeyUsagePurpose::KeyCertSign,
        rcgen::KeyUsagePurpose::CrlSign,
    ];
    ca.distinguished_name
        .push(rcgen::DnType::CommonName, "postern demo (throw-away)");
    let ca_certificate = ca.self_signed(&ca_key)?;
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let key = rcgen::KeyPair::generate()?;
    let mut leaf =
        rcgen::CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    leaf.use_authority_key_identifier_extension = true;
    leaf.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    leaf.distinguished_name
        .push(rcgen::DnType::CommonName, "localhost");
    let certificate = leaf.signed_by(&key, &issuer)?;
    Ok(Certificate {
        ca: ca_certificate.pem(),
        chain: certificate.pem(),
        key: key.serialize_pem(),
    })
}
