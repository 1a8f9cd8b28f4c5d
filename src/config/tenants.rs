//! Tenants made of rules and of the files that these name. What did not change is kept: the tenant
//! where its rule and its connections are the same, the connections where they are reached alike.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::find::span_of;
use super::folder::parent;
use super::named::{Files, login_file};
use super::rules::{Rule, Rules};
use super::snapshot::Tenant;
use crate::directory::http::{
    Auth, HttpConfig, Identity, OpenError, Pool, Supports, Timeouts, driver,
};
use crate::mapping::ruleset::Login;
use crate::net::Secret;
use crate::telemetry::Metrics;
use crate::yaml::Diagnostic;

/// A tenant with what it was made of.
#[derive(Clone)]
pub(super) struct Made {
    pub(super) rule: Arc<Rule>,
    pool: Arc<Pool>,
    pub(super) tenant: Arc<Tenant>,
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
        let mut pools: Vec<Arc<Pool>> = Vec::with_capacity(self.rules.rules.len());
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

    fn pool(&self, rule: &Rule, opened: &[Arc<Pool>]) -> Result<Arc<Pool>, Vec<Failure>> {
        let config = self.config(rule)?;
        let serving = self.previous.iter().map(|made| &made.pool);
        let pools = || opened.iter().chain(serving.clone());
        let equal = pools().find(|pool| *pool.config() == config);
        // Its counters go on where only the credentials changed.
        let same_place = || pools().find(|pool| pool.config().url == config.url);
        let like = equal.or_else(same_place).cloned();
        Pool::open(config, like.as_ref()).map_err(|error| {
            let backend = &rule.backend;
            let files = match error {
                OpenError::Url(_) => Vec::new(),
                OpenError::Auth(_) => vec![login_file(&backend.login)],
                OpenError::Tls(_) => vec![
                    backend.ca_file.as_deref(),
                    backend.client_certificate_file.as_deref(),
                    backend.client_key_file.as_deref(),
                ],
            };
            let at = files.iter().flatten().next().copied();
            let span = span_of(&rule.source, at.unwrap_or(&backend.url));
            let message = format!("the directory cannot be used: {error}");
            vec![Failure {
                folders: self.foreign(files),
                finding: Diagnostic::error(&rule.source, span, message),
            }]
        })
    }

    fn tenant(&self, rule: &Arc<Rule>, pool: Arc<Pool>) -> Made {
        let same = |made: &&Made| Arc::ptr_eq(&made.rule, rule) && Arc::ptr_eq(&made.pool, &pool);
        if let Some(previous) = self.previous.iter().find(same) {
            return previous.clone();
        }
        let tenant = Tenant {
            name: rule.name.clone(),
            url: Arc::clone(&rule.url),
            path: Arc::clone(&rule.path),
            hosts: rule.hosts.clone(),
            plan: Arc::clone(&rule.plan),
            directory: driver(Arc::clone(&pool), Arc::clone(&rule.layout)),
            verify_without_etag: rule.backend.verify_without_etag,
            metrics: self.metrics.tenant(rule.name.as_str()),
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
    fn config(&self, rule: &Rule) -> Result<HttpConfig, Vec<Failure>> {
        let mut reading = Reading {
            making: self,
            rule,
            failures: Vec::new(),
        };
        let backend = &rule.backend;
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
        let identity = certificate.zip(key).map(|(certificate, key)| Identity {
            certificate,
            key: Secret::new(String::from_utf8(key).unwrap_or_default()),
        });
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
}

/// The files of one rule, with what is wrong with them.
struct Reading<'a> {
    making: &'a Making<'a>,
    rule: &'a Rule,
    failures: Vec<Failure>,
}

impl Reading<'_> {
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
