//! `postern check --online`: every directory is asked whether it is there, and what it says of
//! itself is compared with the rule. Nothing is written.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::cli::CliError;
use crate::config::{Snapshot, Tenant};
use crate::directory::{Ask, DirectoryError, Finding, Health};
use crate::yaml::{Diagnostic, Diagnostics, Severity};

/// What came of asking one directory.
enum Told {
    /// It does not answer; why.
    Away(String),
    /// It is there, and could not be looked at to the end.
    Broken(DirectoryError),
    /// What does not fit.
    Found(Option<Arc<[Finding]>>),
}

/// Asks the directories of all tenants. One that does not answer is an error as well.
pub(super) fn ask(snapshot: &Snapshot) -> Result<Diagnostics, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::failed(format!("error: nothing can be asked: {error}")))?;
    let mut tenants: Vec<_> = snapshot.tenants().cloned().collect();
    tenants.sort_by(|a, b| a.name.cmp(&b.name));
    let mut answers = runtime.block_on(all(&tenants));
    answers.sort_by_key(|(at, _)| *at);
    // Connections that are still being opened need not end first.
    runtime.shutdown_background();
    let mut found = Diagnostics::default();
    for (at, told) in answers {
        let Some(tenant) = tenants.get(at) else {
            continue;
        };
        // Of several servers that which is in use, not the one that should be.
        let server = tenant.directory.server();
        let place = match &server {
            Some(server) => Arc::clone(&server.name),
            None => tenant.directory.name(),
        };
        let (said, diagnostics) = read(tenant, told);
        super::super::tell(&format!("tenant {}: {place} {said}\n", tenant.name));
        diagnostics.into_iter().for_each(|one| found.push(one));
        let is_up = tenant.directory.health() == Health::Up;
        let away = server.map(|server| server.away).unwrap_or_default();
        // The only one that is away has been told of.
        for (name, reason) in away.iter().filter(|_| is_up || away.len() > 1) {
            let text = if is_up {
                format!("`{name}` cannot be used, so `{place}` is: {reason}")
            } else {
                format!("`{name}` cannot be used: {reason}")
            };
            let note = Finding::note(1, "urls", text, help(name));
            found.push(tenant.diagnose(&note, Severity::Error));
        }
    }
    Ok(found)
}

async fn all(tenants: &[Arc<Tenant>]) -> Vec<(usize, Told)> {
    let mut asked = JoinSet::new();
    let mut answers = Vec::with_capacity(tenants.len());
    for (at, tenant) in tenants.iter().enumerate() {
        if asked.len() >= AT_A_TIME
            && let Some(Ok(answer)) = asked.join_next().await
        {
            answers.push(answer);
        }
        let tenant = Arc::clone(tenant);
        asked.spawn(async move { (at, one(&tenant).await) });
    }
    while let Some(done) = asked.join_next().await {
        answers.extend(done);
    }
    answers
}

async fn one(tenant: &Tenant) -> Told {
    let ask = |patience| Ask {
        request_id: "check".into(),
        traceparent: None,
        deadline: Instant::now() + patience,
    };
    tenant.directory.check(&ask(PATIENCE)).await;
    match tenant.directory.health() {
        Health::Up => {}
        Health::Down(reason) => return Told::Away(reason),
        Health::Unknown => return Told::Away("it does not answer".to_owned()),
    }
    match tenant.directory.examine(&ask(PATIENCE * 2)).await {
        Ok(()) => Told::Found(tenant.directory.findings()),
        Err(error) => Told::Broken(error),
    }
}

/// In a word, and as findings in the rule's file.
fn read(tenant: &Tenant, told: Told) -> (&'static str, Vec<Diagnostic>) {
    let error = |message: String| {
        let help = help(&tenant.directory.name());
        let finding = Finding::warning(1, "backend", message, help);
        vec![tenant.diagnose(&finding, Severity::Error)]
    };
    match told {
        Told::Away(reason) => (
            "is down",
            error(format!("the directory does not answer: {reason}")),
        ),
        Told::Broken(why) => (
            "is up",
            error(format!(
                "the directory could not be looked at to the end: {why}"
            )),
        ),
        Told::Found(found) => {
            let found = found.unwrap_or_default();
            let told = found.iter();
            let told = told.map(|one| tenant.diagnose(one, Severity::Error));
            ("is up", told.collect())
        }
    }
}

/// What to do about a server that cannot be used.
fn help(name: &str) -> &'static str {
    if name.starts_with("ldap") {
        "see that host and port (as a rule 636 with `ldaps://`, 389 with `ldap://`), `ca_file` and \
         `bind` are right, and that this machine may connect to it"
    } else {
        "see that the URL, the certificates and the credentials in the rule are right, and that this \
         machine may connect to it"
    }
}

/// How long a directory may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// So many directories are asked at a time.
const AT_A_TIME: usize = 16;
