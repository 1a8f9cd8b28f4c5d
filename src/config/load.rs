//! All files read and compiled into a snapshot, with every finding of every file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use sha2::{Digest, Sha256};

use super::apart::{Ruled, clash};
use super::file::Config;
use super::read::{read, read_bytes};
use super::snapshot::{Snapshot, Tenant};
use crate::auth::{Authenticator, TenantName, access};
use crate::directory::http::{Auth, HttpConfig, Identity, Pool, Supports, Timeouts, driver};
use crate::directory::{Layout, Place};
use crate::mapping::Plan;
use crate::mapping::ruleset::{Backend, Login, Ruleset, ScimBackend};
use crate::net::Secret;
use crate::net::tls::{self, TlsError};
use crate::telemetry::Metrics;
use crate::yaml::{Diagnostic, Diagnostics, Source, Span};

/// A snapshot, and what was found on the way that does not stop it.
pub struct Loaded {
    /// Ready to serve.
    pub snapshot: Snapshot,
    /// What the public listener shows its clients.
    pub certificate: Arc<ServerConfig>,
    /// Warnings.
    pub warnings: Diagnostics,
}

/// Reads everything that `config` names. Nothing is connected; a directory that is down is not a
/// mistake of a file.
///
/// # Errors
/// Every mistake of every file.
pub fn load(config: &Config, metrics: &Metrics) -> Result<Loaded, Diagnostics> {
    let mut loader = Loader {
        metrics,
        limit: config.limits.answer,
        revision: Sha256::new(),
        found: Diagnostics::default(),
        pools: Vec::new(),
    };
    let certificate = loader.certificate(&config.certificate, &config.key);
    let auth = loader.access(&config.access);
    let tenants = loader.tenants(&config.rules);
    if let Some(auth) = &auth {
        let names: Vec<&str> = tenants.iter().map(|tenant| tenant.name.as_str()).collect();
        let types: Vec<&str> = tenants
            .iter()
            .flat_map(|tenant| tenant.plan.types().map(|schema| schema.name.as_str()))
            .collect();
        loader.found.extend(auth.cross_check(&names, &types));
    }
    match (auth, certificate) {
        (Some(auth), Some(certificate)) if !loader.found.has_errors() => Ok(Loaded {
            snapshot: Snapshot::new(revision(loader.revision), auth, tenants),
            certificate,
            warnings: loader.found,
        }),
        _ => Err(loader.found),
    }
}

struct Loader<'m> {
    metrics: &'m Metrics,
    limit: usize,
    revision: Sha256,
    found: Diagnostics,
    /// One per way to reach a directory: rules that share one share its connections.
    pools: Vec<Arc<Pool>>,
}

impl Loader<'_> {
    fn certificate(&mut self, chain: &Path, key: &Path) -> Option<Arc<ServerConfig>> {
        let (chain_pem, key_pem) = (self.tls_file(chain), self.tls_file(key));
        match tls::server_config(&chain_pem?, &key_pem?) {
            Ok(config) => Some(config),
            Err(error) => {
                let file = match &error {
                    TlsError::NotPem { input, .. }
                    | TlsError::Encrypted { input }
                    | TlsError::Nothing { input }
                    | TlsError::Unusable { input, .. }
                        if *input == tls::Input::Certificate =>
                    {
                        chain
                    }
                    _ => key,
                };
                self.found.push(about(file, error.to_string()));
                None
            }
        }
    }

    fn tls_file(&mut self, path: &Path) -> Option<Vec<u8>> {
        let bytes = read_bytes(path);
        if let Err(error) = &bytes {
            let finding = about(path, format!("the file cannot be read: {error}"));
            self.found.push(finding.help(
                "`tls:` of the configuration names the certificate and its key, two PEM files",
            ));
        }
        bytes.ok()
    }

    fn access(&mut self, path: &Path) -> Option<Authenticator> {
        let help = "make one with a role and an account, then run `postern token new`";
        let source = self.source(path, help)?;
        match access::load(&source) {
            Ok(auth) => Some(auth),
            Err(found) => {
                self.found.extend(found);
                None
            }
        }
    }

    fn tenants(&mut self, folder: &Path) -> Vec<Arc<Tenant>> {
        let mut ruled: Vec<Ruled> = Vec::new();
        for path in self.rule_files(folder) {
            let Some((tenant, source)) = self.tenant(&path) else {
                continue;
            };
            let new = Ruled {
                at: span_of(&source, &tenant.url),
                tenant: Arc::new(tenant),
                source,
            };
            match clash(&new, &ruled) {
                Some(finding) => self.found.push(finding),
                None => ruled.push(new),
            }
        }
        ruled.into_iter().map(|ruled| ruled.tenant).collect()
    }

    fn rule_files(&mut self, folder: &Path) -> Vec<PathBuf> {
        let problem = match std::fs::read_dir(folder) {
            Ok(entries) => {
                let mut files: Vec<PathBuf> = entries
                    .filter_map(|entry| entry.ok().map(|entry| entry.path()))
                    .filter(|path| {
                        let hidden = path
                            .file_name()
                            .is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
                        let ending = path.extension().is_some_and(|e| e == "yaml" || e == "yml");
                        // A link to nothing is a rule that is missing, not one that never was.
                        ending && !hidden && !path.is_dir()
                    })
                    .collect();
                files.sort();
                if !files.is_empty() {
                    return files;
                }
                "the folder holds no rule file".to_owned()
            }
            Err(error) => format!("the folder of the rules cannot be read: {error}"),
        };
        self.found.push(
            about(folder, problem)
                .help("put one file `NAME.yaml` for each tenant there; `rules:` names the folder"),
        );
        Vec::new()
    }

    fn tenant(&mut self, path: &Path) -> Option<(Tenant, Source)> {
        let help =
            "bring it back, or take its name out of the folder: a link to nothing is a tenant lost";
        let source = self.source(path, help)?;
        let rules = self.kept(Ruleset::read(&source))?;
        let plan = self.kept(Plan::compile(&rules))?;
        let Backend::Scim(backend) = &rules.backend;
        let folder = path.parent().unwrap_or(Path::new("."));
        let pool = self.pool(&source, folder, backend)?;
        let layout = Layout {
            types: rules
                .types
                .iter()
                .map(|rule| Place {
                    resource: rule.name.clone(),
                    endpoint: rule.entry.path.as_str().into(),
                    id: rule.entry.id.as_str().into(),
                })
                .collect(),
        };
        let tenant = Tenant {
            name: TenantName::from(rules.name.as_str()),
            url: Arc::clone(&rules.tenant_url.text),
            path: rules.tenant_url.path.as_str().into(),
            hosts: rules
                .hosts
                .iter()
                .map(|host| host.as_str().into())
                .collect(),
            plan: Arc::new(plan),
            directory: driver(pool, Arc::new(layout)),
            verify_without_etag: backend.verify_without_etag,
            metrics: self.metrics.tenant(&rules.name),
        };
        Some((tenant, source))
    }

    fn pool(&mut self, source: &Source, folder: &Path, backend: &ScimBackend) -> Option<Arc<Pool>> {
        let ca = self.optional(source, folder, backend.ca_file.as_deref());
        let certificate = self.optional(source, folder, backend.client_certificate_file.as_deref());
        let key = self.optional(source, folder, backend.client_key_file.as_deref());
        let auth = match &backend.login {
            Login::None => Some(Auth::None),
            Login::Bearer { file } => self.secret(source, folder, file).map(Auth::Bearer),
            Login::Basic {
                user,
                password_file,
            } => self
                .secret(source, folder, password_file)
                .map(|password| Auth::Basic {
                    user: user.clone(),
                    password,
                }),
        };
        let identity = match (certificate?, key?) {
            (Some(certificate), Some(key)) => {
                let key = String::from_utf8(key).unwrap_or_default();
                Some(Identity {
                    certificate,
                    key: Secret::new(key),
                })
            }
            _ => None,
        };
        let config = HttpConfig {
            url: backend.url.clone(),
            ca: ca?,
            identity,
            auth: auth?,
            timeouts: Timeouts {
                connect: backend.timeouts.connect,
                head: backend.timeouts.head,
                idle: backend.timeouts.idle,
            },
            connections: backend.connections,
            supports: Supports {
                patch: backend.supports.patch,
                etag: backend.supports.etag,
                filter: backend.supports.filter,
                sort: backend.supports.sort,
                page: backend.supports.page,
            },
            answer_limit: self.limit,
        };
        let same = self
            .pools
            .iter()
            .find(|pool| *pool.config() == config)
            .cloned();
        match Pool::open(config, same.as_ref()) {
            Ok(pool) => {
                self.pools.push(Arc::clone(&pool));
                Some(pool)
            }
            Err(error) => {
                let message = format!("the directory cannot be used: {error}");
                let at = span_of(source, backend.ca_file.as_deref().unwrap_or(&backend.url));
                self.found.push(Diagnostic::error(source, at, message));
                None
            }
        }
    }

    fn secret(&mut self, source: &Source, folder: &Path, file: &str) -> Option<Secret> {
        let bytes = self.bytes(source, folder, file)?;
        let secret = String::from_utf8(bytes)
            .map(Secret::from_file_text)
            .unwrap_or_else(|_| Secret::new(String::new()));
        if secret.is_empty() {
            let message = format!("the secret file `{file}` is empty or not text");
            let at = span_of(source, file);
            self.found.push(Diagnostic::error(source, at, message));
            return None;
        }
        Some(secret)
    }

    /// `Some(None)` where no file is named, `None` where it cannot be read.
    #[expect(
        clippy::option_option,
        reason = "the two levels are told apart at once by `?`"
    )]
    fn optional(
        &mut self,
        source: &Source,
        folder: &Path,
        file: Option<&str>,
    ) -> Option<Option<Vec<u8>>> {
        match file {
            None => Some(None),
            Some(file) => self.bytes(source, folder, file).map(Some),
        }
    }

    fn bytes(&mut self, source: &Source, folder: &Path, file: &str) -> Option<Vec<u8>> {
        match read_bytes(&folder.join(file)) {
            Ok(bytes) => {
                self.note(file, &bytes);
                Some(bytes)
            }
            Err(error) => {
                let message = format!("the file `{file}` cannot be read: {error}");
                self.found.push(
                    Diagnostic::error(source, span_of(source, file), message)
                        .help("relative paths are meant from the folder of the rule file"),
                );
                None
            }
        }
    }

    fn source(&mut self, path: &Path, missing: &str) -> Option<Source> {
        match read(path, missing) {
            Ok(source) => {
                self.note(&source.name, source.text.as_bytes());
                Some(source)
            }
            Err(found) => {
                self.found.extend(found);
                None
            }
        }
    }

    fn kept<T>(&mut self, result: Result<(T, Diagnostics), Diagnostics>) -> Option<T> {
        let (value, found) = match result {
            Ok((value, warnings)) => (Some(value), warnings),
            Err(found) => (None, found),
        };
        self.found.extend(found);
        value
    }

    fn note(&mut self, name: &str, bytes: &[u8]) {
        for part in [name.as_bytes(), bytes] {
            self.revision.update(part.len().to_le_bytes());
            self.revision.update(part);
        }
    }
}

/// A finding about a file or folder of which nothing can be shown.
fn about(path: &Path, message: impl Into<String>) -> Diagnostic {
    let source = Source::new(path.display().to_string(), "");
    Diagnostic::error(&source, START, message)
}

/// The place in a file where `text` stands, for findings about files that it names.
fn span_of(source: &Source, text: &str) -> Span {
    let Some((before, _)) = source.text.split_once(text) else {
        return START;
    };
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    Span {
        line: before.matches('\n').count() + 1,
        column: before
            .get(line_start..)
            .map_or(0, |part| part.chars().count())
            + 1,
        offset: before.len(),
        len: text.len(),
    }
}

fn revision(hash: Sha256) -> Arc<str> {
    let digest = hash.finalize();
    digest
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect::<String>()
        .into()
}

const START: Span = Span {
    line: 1,
    column: 1,
    offset: 0,
    len: 0,
};
