//! Tenants made of rules and of the files that these name. What did not change is kept: the tenant
//! where its rule and its connections are the same, the connections where they are reached alike.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::find::span_of;
use super::folder::parent;
use super::named::{Files, bind_files, login_file};
use super::rules::{Rule, Rules};
use super::snapshot::Tenant;
use crate::directory::http::{self, Auth, HttpConfig, Identity, Supports, Timeouts};
use crate::directory::ldap::{self, LdapConfig, LdapUrl};
use crate::mapping::ruleset::{Backend, Bind, LdapBackend, Login, ScimBackend};
use crate::net::Secret;
use crate::telemetry::Metrics;
use crate::yaml::Diagnostic;

/// A tenant with what it was made of.
#[derive(Clone)]
pub(super) struct Made {
    pub(super) rule: Arc<Rule>,
    pool: Pool,
    pub(super) tenant: Arc<Tenant>,
}

/// The connections to a directory.
#[derive(Clone)]
enum Pool {
    Http(Arc<http::Pool>),
    Ldap(Arc<ldap::Pool>),
}

/// Why a tenant cannot be made.
pub(super) struct Failure {
    /// The folders whose files may be at fault, other than that of the rules.
    pub(super) folders: BTreeSet<PathBuf>,
    pub(super) finding: Diagnostic,
}

/// What tenants are made of.
pub(super) struct Making<'a> {
    pub(super) rules: &'a Rules,
    /// The files of other folders.
    pub(super) files: BTreeMap<&'a Path, &'a Files>,
    /// Those that serve.
    pub(super) previous: &'a [Made],
    /// The largest answer of a directory.
    pub(super) limit: usize,
    /// Where the requests of tenants are counted.
    pub(super) metrics: &'a Metrics,
}

impl Making<'_> {
    /// Makes all tenants, or says of each why it cannot be made.
    pub(super) fn all(&self) -> Result<Vec<Made>, Vec<Failure>> {
        let mut pools: Vec<Pool> = Vec::with_capacity(self.rules.rules.len());
        let mut failures = Vec::new();
        for rule in &self.rules.rules {
            match self.pool(rule, &pools) {
                Ok(pool) => pools.push(pool),
                Err(found) => failures.extend(found),
            }
        }
        if !failures.is_empty() {
            return Err(failures);
        }
        let made = self.rules.rules.iter().zip(pools);
        Ok(made.map(|(rule, pool)| self.tenant(rule, pool)).collect())
    }

    fn pool(&self, rule: &Rule, opened: &[Pool]) -> Result<Pool, Vec<Failure>> {
        let serving = self.previous.iter().map(|made| &made.pool);
        let known: Vec<&Pool> = opened.iter().chain(serving).collect();
        match &rule.backend {
            Backend::Scim(backend) => self.http(rule, backend, &known).map(Pool::Http),
            Backend::Ldap(backend) => self.ldap(rule, backend, &known).map(Pool::Ldap),
        }
    }

    fn http(
        &self,
        rule: &Rule,
        backend: &ScimBackend,
        known: &[&Pool],
    ) -> Result<Arc<http::Pool>, Vec<Failure>> {
        let config = self.http_config(rule, backend)?;
        let pools = || {
            known.iter().filter_map(|pool| match pool {
                Pool::Http(pool) => Some(pool),
                Pool::Ldap(_) => None,
            })
        };
        let equal = pools().find(|pool| *pool.config() == config);
        // What is counted belongs to the place.
        let place = config.place();
        let same_place = || pools().find(|pool| pool.config().place() == place);
        let like = equal.or_else(same_place).cloned();
        http::Pool::open(config, like.as_ref()).map_err(|error| {
            let files = match error {
                http::OpenError::Url(_) => Vec::new(),
                http::OpenError::Auth(_) => vec![login_file(&backend.login)],
                http::OpenError::Tls(_) => vec![
                    backend.ca_file.as_deref(),
                    backend.client_certificate_file.as_deref(),
                    backend.client_key_file.as_deref(),
                ],
            };
            vec![self.unusable(rule, &error, &backend.url, &files)]
        })
    }

    fn ldap(
        &self,
        rule: &Rule,
        backend: &LdapBackend,
        known: &[&Pool],
    ) -> Result<Arc<ldap::Pool>, Vec<Failure>> {
        let config = self.ldap_config(rule, backend)?;
        let pools = || {
            known.iter().filter_map(|pool| match pool {
                Pool::Ldap(pool) => Some(pool),
                Pool::Http(_) => None,
            })
        };
        let equal = pools().find(|pool| *pool.config() == config);
        let first = config.urls.first();
        let same_place = || pools().find(|pool| pool.config().urls.first() == first);
        let like = equal.or_else(same_place).cloned();
        ldap::Pool::open(config, like.as_ref()).map_err(|error| {
            let files = match error {
                ldap::OpenError::Nowhere | ldap::OpenError::Clear(_) => Vec::new(),
                ldap::OpenError::EmptyPassword | ldap::OpenError::NoIdentity(_) => {
                    bind_files(&backend.bind).to_vec()
                }
                ldap::OpenError::Tls(_) => {
                    let mut files = vec![backend.ca_file.as_deref()];
                    files.extend(bind_files(&backend.bind));
                    files
                }
            };
            let host = backend.urls.first().map_or("", |url| url.host.as_str());
            vec![self.unusable(rule, &error, host, &files)]
        })
    }

    /// The directory of a rule cannot be used; `files` may be at fault, else what says `text`.
    fn unusable(
        &self,
        rule: &Rule,
        error: &dyn std::error::Error,
        text: &str,
        files: &[Option<&str>],
    ) -> Failure {
        let at = files.iter().flatten().next().copied();
        let span = span_of(&rule.source, at.unwrap_or(text));
        let message = format!("the directory cannot be used: {error}");
        Failure {
            folders: self.foreign(files.iter().copied()),
            finding: Diagnostic::error(&rule.source, span, message),
        }
    }

    fn tenant(&self, rule: &Arc<Rule>, pool: Pool) -> Made {
        let same = |made: &&Made| Arc::ptr_eq(&made.rule, rule) && made.pool.is(&pool);
        if let Some(previous) = self.previous.iter().find(same) {
            return previous.clone();
        }
        let tenant = Tenant {
            name: rule.name.clone(),
            url: Arc::clone(&rule.url),
            path: Arc::clone(&rule.path),
            hosts: rule.hosts.clone(),
            source: rule.source.clone(),
            plan: Arc::clone(&rule.plan),
            directory: match &pool {
                Pool::Http(pool) => http::driver(Arc::clone(pool), Arc::clone(&rule.layout)),
                Pool::Ldap(pool) => {
                    ldap::driver(Arc::clone(pool), rule.plan.layout().unwrap_or_default())
                }
            },
            verify_without_etag: match &rule.backend {
                Backend::Scim(backend) => backend.verify_without_etag,
                Backend::Ldap(_) => true,
            },
            metrics: self.metrics.tenant(rule.name.as_str()),
            certificate_ends: pool.certificate_ends(),
        };
        Made {
            rule: Arc::clone(rule),
            pool,
            tenant: Arc::new(tenant),
        }
    }

    /// The folders of these files, without that of the rules.
    fn foreign<'a>(&self, files: impl IntoIterator<Item = Option<&'a str>>) -> BTreeSet<PathBuf> {
        let paths = files
            .into_iter()
            .flatten()
            .map(|file| self.rules.folder.join(file));
        let folders = paths.map(|path| parent(&path).to_owned());
        folders
            .filter(|folder| *folder != self.rules.folder)
            .collect()
    }

    /// How the directory of a rule is reached.
    fn http_config(&self, rule: &Rule, backend: &ScimBackend) -> Result<HttpConfig, Vec<Failure>> {
        let mut reading = Reading::new(self, rule);
        let ca = reading.optional(backend.ca_file.as_deref());
        let certificate = reading.optional(backend.client_certificate_file.as_deref());
        let key = reading.optional(backend.client_key_file.as_deref());
        let auth = match &backend.login {
            Login::None => Auth::None,
            Login::Bearer { file } => Auth::Bearer(reading.secret(file)),
            Login::Basic {
                user,
                password_file,
            } => Auth::Basic {
                user: user.clone(),
                password: reading.secret(password_file),
            },
        };
        if !reading.failures.is_empty() {
            return Err(reading.failures);
        }
        let identity = identity(certificate, key);
        Ok(HttpConfig {
            url: backend.url.clone(),
            ca,
            identity,
            auth,
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
        })
    }

    fn ldap_config(&self, rule: &Rule, backend: &LdapBackend) -> Result<LdapConfig, Vec<Failure>> {
        let mut reading = Reading::new(self, rule);
        let ca = reading.optional(backend.ca_file.as_deref());
        let (bind, identity) = match &backend.bind {
            Bind::Simple { dn, password_file } => {
                let password = reading.secret(password_file);
                let dn = dn.clone();
                (ldap::Bind::Simple { dn, password }, None)
            }
            Bind::External {
                certificate_file,
                key_file,
            } => {
                let certificate = reading.optional(Some(certificate_file));
                let key = reading.optional(Some(key_file));
                (ldap::Bind::External, identity(certificate, key))
            }
        };
        if !reading.failures.is_empty() {
            return Err(reading.failures);
        }
        let urls = backend.urls.iter().map(|url| LdapUrl::Tcp {
            host: url.host.clone(),
            port: url.port,
            tls: url.tls,
        });
        Ok(LdapConfig {
            start_tls: backend.starttls,
            ca,
            identity,
            bind,
            // The rule has said so where it is not encrypted.
            insecure: true,
            connections: backend.connections,
            page: backend.page,
            timeouts: ldap::Timeouts {
                connect: backend.timeouts.connect,
                answer: backend.timeouts.answer,
                fail_back: backend.timeouts.fail_back,
                ..ldap::Timeouts::default()
            },
            ..LdapConfig::new(urls.collect())
        })
    }
}

impl Pool {
    /// Whether both are the same connections.
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Http(a), Self::Http(b)) => Arc::ptr_eq(a, b),
            (Self::Ldap(a), Self::Ldap(b)) => Arc::ptr_eq(a, b),
            (Self::Http(_) | Self::Ldap(_), _) => false,
        }
    }

    fn certificate_ends(&self) -> Option<SystemTime> {
        match self {
            Self::Http(pool) => pool.config().certificate_ends(),
            Self::Ldap(pool) => pool.config().certificate_ends(),
        }
    }
}

fn identity(certificate: Option<Vec<u8>>, key: Option<Vec<u8>>) -> Option<Identity> {
    let (certificate, key) = certificate.zip(key)?;
    Some(Identity {
        certificate,
        key: Secret::new(String::from_utf8(key).unwrap_or_default()),
    })
}

/// The files of one rule, with what is wrong with them.
struct Reading<'a> {
    making: &'a Making<'a>,
    rule: &'a Rule,
    failures: Vec<Failure>,
}

impl<'a> Reading<'a> {
    fn new(making: &'a Making<'a>, rule: &'a Rule) -> Self {
        Self {
            making,
            rule,
            failures: Vec::new(),
        }
    }

    fn optional(&mut self, file: Option<&str>) -> Option<Vec<u8>> {
        self.bytes(file?)
    }

    /// The secret in a file. An empty one stands for a failure, which is kept.
    fn secret(&mut self, file: &str) -> Secret {
        let Some(bytes) = self.bytes(file) else {
            return Secret::new(String::new());
        };
        let secret = String::from_utf8(bytes)
            .map(Secret::from_file_text)
            .unwrap_or_else(|_| Secret::new(String::new()));
        if secret.is_empty() {
            let message = format!("the secret file `{file}` is empty or not text");
            self.fail(file, message, None);
        }
        secret
    }

    fn bytes(&mut self, file: &str) -> Option<Vec<u8>> {
        let rules = self.making.rules;
        let path = rules.folder.join(file);
        let folder = parent(&path);
        let files = if folder == rules.folder {
            Some(&rules.beside)
        } else {
            self.making.files.get(folder).copied()
        };
        let why = match files.and_then(|files| files.get(&path)) {
            Some(Ok(bytes)) => return Some(bytes.to_vec()),
            Some(Err(why)) => why.to_string(),
            None => "its folder has not been read".to_owned(),
        };
        let help = "relative paths are meant from the folder of the rule file";
        let message = format!("the file `{file}` cannot be read: {why}");
        self.fail(file, message, Some(help));
        None
    }

    fn fail(&mut self, file: &str, message: String, help: Option<&str>) {
        let span = span_of(&self.rule.source, file);
        let finding = Diagnostic::error(&self.rule.source, span, message);
        self.failures.push(Failure {
            folders: self.making.foreign([Some(file)]),
            finding: match help {
                Some(help) => finding.help(help),
                None => finding,
            },
        });
    }
}
