//! `postern check --request`: what one request would do to its directory. The gateway that serves
//! carries it out as ever; only that the directory is one that writes nowhere.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, StatusCode};

use super::told::{Told, told};
use crate::app;
use crate::auth::Caller;
use crate::cli::{CliError, question};
use crate::config::{Config, Live, Snapshot, Tenant};
use crate::directory::ldap::{Entry, Scene, ldif};
use crate::directory::{Ask, Health, Rehearsed};
use crate::gateway::target::Target;
use crate::gateway::{Gateway, GatewayError, State};
use crate::net::body::{Terms, collect};
use crate::net::{Body, Peer};
use crate::telemetry::{AccessLog, Metrics};

/// A request that nobody sends, and what it meets.
#[derive(Debug, clap::Args)]
pub(super) struct Sample {
    /// A request, as 'METHOD PATH': prints as LDIF what it would do to the directory (LDAP), and the
    /// answer. The directory is not asked, and nothing is sent to it; with --online what it only
    /// reads is read there
    #[arg(long, value_name = "REQUEST")]
    request: Option<String>,
    /// The body of the request: a file, or - for standard input
    #[arg(long, value_name = "FILE", requires = "request")]
    body: Option<PathBuf>,
    /// The entries that the directory has, as LDIF: a file, or - for standard input. Without it, one
    /// is made up for every id that is looked for
    #[arg(long, value_name = "FILE", requires = "request")]
    entries: Option<PathBuf>,
    /// The account of access.yaml that would ask; not needed where only one may
    #[arg(long, value_name = "NAME", requires = "request")]
    account: Option<String>,
}

impl Sample {
    /// Whether there is a request.
    pub(super) fn is_given(&self) -> bool {
        self.request.is_some()
    }
}

/// Rehearses the request, and prints what it would do.
pub(super) fn run(
    snapshot: &Snapshot,
    config: &Config,
    sample: &Sample,
    online: bool,
) -> Result<(), CliError> {
    let asked = Asked::of(snapshot, sample, online)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::failed(format!("error: nothing can be asked: {error}")))?;
    let rehearsed = runtime.block_on(asked.rehearsed(snapshot, config));
    // Connections that are still being opened need not end first.
    runtime.shutdown_background();
    let (text, status) = rehearsed?;
    crate::cli::print(&text)?;
    if status.is_client_error() || status.is_server_error() {
        return Err(CliError::failed(""));
    }
    Ok(())
}

/// A request, and what it meets.
struct Asked {
    method: Method,
    target: Target,
    body: Bytes,
    account: Arc<str>,
    caller: Caller,
    scene: Scene,
}

impl Asked {
    fn of(snapshot: &Snapshot, sample: &Sample, online: bool) -> Result<Self, CliError> {
        let request = sample.request.as_deref().unwrap_or_default().trim();
        let Some((method, path)) = request.split_once(char::is_whitespace) else {
            let text = format!(
                "error: `{request}` is no request: it is written as 'METHOD PATH', such as \
                 'GET /corp/scim/v2/Users'"
            );
            return Err(CliError::usage(text));
        };
        let method = question::method(method)?;
        let target = Target::find(snapshot, &encoded(path.trim()));
        let target = target.map_err(|error| nowhere(snapshot, path.trim(), &error))?;
        let is_stdin = |path: &Option<PathBuf>| path.as_deref().is_some_and(question::is_stdin);
        if is_stdin(&sample.body) && is_stdin(&sample.entries) {
            let text = "error: --body and --entries cannot both be standard input";
            return Err(CliError::usage(text));
        }
        let takes = [Method::POST, Method::PUT, Method::PATCH].contains(&method);
        let body = match &sample.body {
            Some(_) if !takes => {
                let text = format!("error: {method} has no body: leave --body away");
                return Err(CliError::usage(text));
            }
            Some(path) => question::document(path)?,
            None if takes => {
                let text = format!("error: {method} has a body: give it with --body FILE");
                return Err(CliError::usage(text));
            }
            None => Bytes::new(),
        };
        let scene = match &sample.entries {
            Some(_) if online => {
                let text = "error: --online asks the directory itself: leave --entries away";
                return Err(CliError::usage(text));
            }
            Some(path) => Scene::Given(entries(path)?),
            None if online => Scene::Real,
            None => Scene::MadeUp,
        };
        let (account, caller) = account(snapshot, sample.account.as_deref(), &target.tenant)?;
        Ok(Self {
            method,
            target,
            body,
            account,
            caller,
            scene,
        })
    }

    /// What is told, and the status of the answer.
    async fn rehearsed(
        self,
        snapshot: &Snapshot,
        config: &Config,
    ) -> Result<(String, StatusCode), CliError> {
        let tenant = Arc::clone(&self.target.tenant);
        let scene = self.scene.clone();
        let rehearsed = tenant.directory.rehearse(scene.clone());
        let Some((directory, rehearsal)) = rehearsed else {
            let text = format!(
                "error: the directory of the tenant `{}` is none of LDAP: only what is done to \
                 those can be shown as LDIF",
                tenant.name
            );
            return Err(CliError::usage(text));
        };
        if matches!(scene, Scene::Real) {
            reach(&tenant).await?;
        }
        let stage = (directory, Arc::clone(&rehearsal));
        let gateway = self.gateway(snapshot, config, stage);
        let request = self.request()?;
        let nobody = Peer::direct(std::net::SocketAddr::from(([127, 0, 0, 1], 0)));
        let response = gateway.handle(request, nobody).await;
        let status = response.status();
        let (head, body) = response.into_parts();
        let terms = Terms {
            limit: usize::MAX,
            idle: PATIENCE,
            deadline: Instant::now() + PATIENCE,
        };
        let body = collect(body, terms).await.map_err(|error| {
            CliError::failed(format!(
                "error: the answer did not come to its end: {error}"
            ))
        })?;
        let place = head.headers.get(http::header::LOCATION);
        let place = place
            .and_then(|place| place.to_str().ok())
            .map(str::to_owned);
        let about = Told {
            request: format!("{} {}", self.method, self.target.uri),
            tenant: tenant.name.as_str(),
            account: &self.account,
            scene: &scene,
            acts: rehearsal.acts().await,
            made_up: rehearsal.made_up().await,
            failure: rehearsal.failure().await,
            status,
            location: place,
            body: &body,
        };
        Ok((told(&about, &rehearsal), status))
    }

    /// The gateway that serves, before that directory alone.
    fn gateway(
        &self,
        snapshot: &Snapshot,
        config: &Config,
        (directory, _): Rehearsed,
    ) -> Arc<Gateway> {
        let tenant = &self.target.tenant;
        let tenant = Tenant {
            name: tenant.name.clone(),
            url: Arc::clone(&tenant.url),
            path: Arc::clone(&tenant.path),
            hosts: tenant.hosts.clone(),
            source: tenant.source.clone(),
            plan: Arc::clone(&tenant.plan),
            directory,
            verify_without_etag: tenant.verify_without_etag,
            metrics: Arc::clone(&tenant.metrics),
            certificate_ends: tenant.certificate_ends,
        };
        let revision = Arc::clone(&snapshot.revision);
        let auth = Arc::clone(&snapshot.auth);
        let alone = Snapshot::new(revision, auth, vec![Arc::new(tenant)]);
        let metrics = Arc::new(Metrics::new());
        let state = State::new(app::limits(config), Arc::clone(&metrics));
        let log = AccessLog::off(metrics);
        let live = Arc::new(Live::new(alone));
        let gateway = Gateway::new(live, Arc::new(state), log, None);
        Arc::new(gateway.supposing(self.caller.clone()))
    }

    fn request(&self) -> Result<Request<Body>, CliError> {
        let mut request = Request::new(Body::Empty);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.target.uri.clone();
        let headers = request.headers_mut();
        if self.target.uri.host().is_none()
            && let Some(host) = self.target.tenant.hosts.first()
        {
            let host = HeaderValue::from_str(host);
            let host = host.map_err(|_| CliError::usage("error: the tenant's host cannot be"))?;
            headers.insert(HOST, host);
        }
        if !self.body.is_empty() {
            let json = HeaderValue::from_static("application/scim+json");
            headers.insert(CONTENT_TYPE, json);
            *request.body_mut() = Body::Full(self.body.clone());
        }
        Ok(request)
    }
}

/// The account that asks: the one that is named, or the only one that may enter.
fn account(
    snapshot: &Snapshot,
    named: Option<&str>,
    tenant: &Tenant,
) -> Result<(Arc<str>, Caller), CliError> {
    let auth = &snapshot.auth;
    if let Some(name) = named {
        return Ok((name.into(), question::caller(auth, name)?));
    }
    let callers = auth.accounts().filter_map(|account| {
        let caller = auth.suppose(&account.name)?;
        caller.enter(&tenant.name).ok()?;
        Some((Arc::<str>::from(&*account.name), caller))
    });
    let mut callers: Vec<_> = callers.collect();
    if callers.len() > 1 {
        let names: Vec<&str> = callers.iter().map(|(name, _)| &**name).collect();
        let text = format!(
            "error: several accounts may call the tenant `{}`: say which with --account ({})",
            tenant.name,
            names.join(", ")
        );
        return Err(CliError::usage(text));
    }
    callers.pop().ok_or_else(|| {
        let name = &tenant.name;
        let text = format!(
            "error: no account may call the tenant `{name}`: make one in access.yaml with it in \
             `tenants`"
        );
        CliError::usage(text)
    })
}

/// Sees that the real directory answers, before anything is made of its silence.
async fn reach(tenant: &Tenant) -> Result<(), CliError> {
    let ask = Ask {
        request_id: "check".into(),
        traceparent: None,
        deadline: Instant::now() + PATIENCE,
    };
    tenant.directory.check(&ask).await;
    let why = match tenant.directory.health() {
        Health::Up => return Ok(()),
        Health::Down(why) => why,
        Health::Unknown => "it does not answer".to_owned(),
    };
    let place = tenant.directory.name();
    Err(CliError::failed(format!(
        "error: {place}: {why}; without --online nothing is asked of it"
    )))
}

fn entries(path: &Path) -> Result<Vec<Entry>, CliError> {
    let bytes = question::input(path)?;
    let name = path.display();
    let text = String::from_utf8(bytes).map_err(|_| {
        let text =
            format!("error: {name} is not UTF-8: values that are none are written as `:: base64`");
        CliError::usage(text)
    })?;
    ldif::entries(&text).map_err(|error| CliError::usage(format!("error: {name}, {error}")))
}

/// A path as people type it: what a URL cannot hold is written so that it can.
fn encoded(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            0x21..=0x7e if !b"\"<>\\^`{|}".contains(&byte) => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Why a path leads nowhere.
fn nowhere(snapshot: &Snapshot, path: &str, error: &GatewayError) -> CliError {
    let text = match error {
        GatewayError::Path(why) => format!("error: the path `{path}` {why}"),
        _ => {
            let mut paths: Vec<&str> = snapshot.tenants().map(|tenant| &*tenant.path).collect();
            paths.sort_unstable();
            let paths = paths.join(", ");
            format!("error: no tenant is at `{path}`; tenants are at {paths}")
        }
    };
    CliError::usage(text)
}

/// How long a directory may take, and an answer.
const PATIENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use http::Uri;

    use super::*;

    #[test]
    fn a_path_is_encoded_as_far_as_it_must_be() {
        assert_eq!(
            encoded("/x/Users?filter=userName eq \"ä\"&count=1"),
            "/x/Users?filter=userName%20eq%20%22%C3%A4%22&count=1"
        );
        let whole = "https://x/y/Users?filter=title%20pr";
        assert_eq!(encoded(whole), whole);
        assert!(encoded("/a\nb\u{7f}").parse::<Uri>().is_ok());
    }
}
