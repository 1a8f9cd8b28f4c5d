//! All files read and compiled into a snapshot, with every finding of every file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::file::Config;
use super::read::{read, read_bytes};
use super::snapshot::{Snapshot, Tenant};
use crate::auth::{Authenticator, TenantName, access};
use crate::directory::http::{Auth, HttpConfig, Identity, Pool, Supports, Timeouts, driver};
use crate::directory::{Layout, Place};
use crate::mapping::Plan;
use crate::mapping::ruleset::{Backend, Login, Ruleset, ScimBackend};
use crate::net::Secret;
use crate::yaml::{Diagnostic, Diagnostics, Source, Span};

/// A snapshot, and what was found on the way that does not stop it.
pub struct Loaded {
    /// Ready to serve.
    pub snapshot: Snapshot,
    /// Warnings.
    pub warnings: Diagnostics,
}

/// Reads everything that `config` names. Nothing is connected; a directory that is down is not a
/// mistake of a file.
///
/// # Errors
/// Every mistake of every file.
pub fn load(config: &Config) -> Result<Loaded, Diagnostics> {
    let mut loader = Loader {
        limit: config.limits.answer,
        revision: Sha256::new(),
        found: Diagnostics::default(),
        pools: Vec::new(),
    };
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
    match auth {
        Some(auth) if !loader.found.has_errors() => Ok(Loaded {
            snapshot: Snapshot::new(revision(loader.revision), auth, tenants),
            warnings: loader.found,
        }),
        _ => Err(loader.found),
    }
}

struct Loader {
    limit: usize,
    revision: Sha256,
    found: Diagnostics,
    /// One per way to reach a directory: rules that share one share its connections.
    pools: Vec<Arc<Pool>>,
}

impl Loader {
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
        let mut tenants = Vec::new();
        let mut paths: HashMap<Arc<str>, String> = HashMap::new();
        for path in self.rule_files(folder) {
            let Some((tenant, source, name)) = self.tenant(&path) else {
                continue;
            };
            match paths.get(&tenant.path) {
                Some(other) => self.found.push(
                    Diagnostic::error(
                        &source,
                        START,
                        format!(
                            "the path `{}` of the Tenant URL is taken by `{other}`",
                            tenant.path
                        ),
                    )
                    .help("requests are told apart by the path: give each tenant its own"),
                ),
                None => {
                    paths.insert(Arc::clone(&tenant.path), name);
                    tenants.push(Arc::new(tenant));
                }
            }
        }
        tenants
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
                        ending && !hidden && path.is_file()
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
        let source = Source::new(folder.display().to_string(), "");
        self.found.push(
            Diagnostic::error(&source, START, problem)
                .help("put one file `NAME.yaml` for each tenant there; `rules:` names the folder"),
        );
        Vec::new()
    }

    fn tenant(&mut self, path: &Path) -> Option<(Tenant, Source, String)> {
        let source = self.source(path, "")?;
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
        };
        Some((tenant, source, rules.name))
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
                self.found.push(Diagnostic::error(source, START, message));
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
            self.found.push(Diagnostic::error(source, START, message));
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
