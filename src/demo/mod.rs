//! `postern demo`: the main job with everything embedded, on loopback, with nothing prepared.
//!
//! A folder is filled as an administrator would fill it (configuration, access, the shipped rule,
//! certificate), a small legacy directory is started, and the real program runs on top of them.

pub mod directory;
mod folder;
mod rest;
pub mod show;
mod store;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use serde_json::json;

use crate::app;
use crate::auth::token::{self, TokenHash};
use crate::config::file::Config;
use crate::gateway::Tap;
use crate::net::secret::{self, Secret};

use folder::Folder;
use show::{Show, Side};

/// A demo that runs.
pub struct Demo {
    running: app::Running,
    folder: Folder,
    token: String,
    tenant_url: String,
    directory_url: String,
    _directory: DirectoryThread,
}

impl Demo {
    /// Starts everything. `show` sees every request; `port` is the Tenant URL's, 0 for any.
    ///
    /// # Errors
    /// The port is taken, or the folder for the files cannot be written.
    pub fn start(port: u16, show: Option<Arc<Show>>) -> anyhow::Result<Self> {
        // The rule names the port, so it must be known before the program starts; until then it
        // is held, so that nobody else takes it.
        let held = std::net::TcpListener::bind(("127.0.0.1", port)).with_context(|| {
            format!("port {port} cannot be used; try `--port 0` for a free one")
        })?;
        let port = held.local_addr()?.port();
        let directory_secret = folder::random_secret()?;
        let directory = DirectoryThread::start(directory_secret.clone(), show.clone())?;
        let directory_url = format!("http://{}", directory.address);
        let tenant_url = format!("https://localhost:{port}/demo/scim/v2");
        let token = token::generate(&"demo".parse()?, &mut secret::random)
            .context("the system gives no randomness")?;
        let folder = Folder::create(&folder::Contents {
            port,
            rule: &rule(&tenant_url, &directory_url),
            token_sha256: &TokenHash::of(token.expose()).to_string(),
            directory_secret: &directory_secret,
        })?;
        let config = Config::load(&folder.path().join("postern.yaml"))
            .map_err(|found| anyhow::anyhow!("{}", found.render(false)))?;
        let tap = show.map(|show| Arc::new(ClientSide(show)) as Arc<dyn Tap>);
        drop(held);
        let running = app::start(config, app::Extras { tap, quiet: true })?;
        Ok(Self {
            running,
            folder,
            token: token.expose().to_owned(),
            tenant_url,
            directory_url,
            _directory: directory,
        })
    }

    /// One line of JSON with every address, for scripts.
    #[must_use]
    pub fn as_json(&self) -> String {
        json!({
            "tenant_url": self.tenant_url,
            "token": self.token,
            "ca_file": self.folder.ca_file(),
            "probe_url": format!("http://{}", self.running.probe),
            "control_url": format!("http://{}", self.running.control),
            "directory_url": self.directory_url,
        })
        .to_string()
    }

    /// What to do now: the Tenant URL, the token, and three lines to paste.
    #[must_use]
    pub fn tour(&self) -> String {
        let ca = self.folder.ca_file().display().to_string();
        let Self {
            tenant_url: url,
            token,
            directory_url,
            ..
        } = self;
        let curl = format!("curl --cacert {ca} -H 'Authorization: Bearer {token}'");
        let user = r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"grace","name":{"givenName":"Grace","familyName":"Sample"},"emails":[{"type":"work","value":"grace@example.com"}],"active":true}"#;
        format!(
            "postern stands between a SCIM client and a small legacy directory ({directory_url}).\n\
             Everything is on loopback and ends with Ctrl-C.\n\n\
             Tenant URL    {url}\n\
             Secret Token  {token}\n\n\
             Paste these into another terminal, and watch here what becomes of them:\n\n\
             {curl} '{url}/Users?filter=userName%20eq%20%22ada%22'\n\n\
             {curl} -H 'Content-Type: application/scim+json' -d '{user}' '{url}/Users'\n\n\
             {curl} '{url}/Groups'\n\n\
             The rule that does it: {rule}\n\
             Metrics: http://{probe}/metrics   Status: http://{control}/status\n",
            rule = self.folder.rule_file().display(),
            probe = self.running.probe,
            control = self.running.control,
        )
    }

    /// Where the Tenant URL's port listens.
    #[must_use]
    pub fn public(&self) -> SocketAddr {
        self.running.public
    }

    /// Serves until it is told to stop.
    pub fn run_until(self, stop: app::Stop) {
        self.running.run_until(stop);
    }
}

/// The shipped rule for the legacy directory, with the addresses of this run.
#[must_use]
pub fn rule(tenant_url: &str, directory_url: &str) -> String {
    SHIPPED_RULE
        .replace("https://scim.example.com/people/scim/v2", tenant_url)
        .replace("https://directory.internal/api", directory_url)
        .replace("/run/secrets/legacy-people-token", "directory-token")
}

/// The demo's directory on a thread of its own; it ends with this.
struct DirectoryThread {
    address: SocketAddr,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
}

impl DirectoryThread {
    fn start(secret: Secret, show: Option<Arc<Show>>) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let tap = show.map(|show| {
            Arc::new(move |seen: &directory::Seen<'_>| {
                let Some(id) = seen.request_id else { return };
                show.asked(
                    Side::Directory,
                    id,
                    seen.method.as_str(),
                    seen.target,
                    seen.body,
                );
                show.answered(Side::Directory, id, seen.status.as_u16(), seen.answer);
            }) as directory::Tap
        });
        let (address, running) = runtime.block_on(directory::Directory::start(secret, tap))?;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        std::thread::Builder::new()
            .name("demo-directory".into())
            .spawn(move || {
                runtime.block_on(async {
                    let _ = stopped.await;
                    drop(running);
                });
            })?;
        Ok(Self {
            address,
            stop: Some(stop),
        })
    }
}

impl Drop for DirectoryThread {
    fn drop(&mut self) {
        drop(self.stop.take());
    }
}

struct ClientSide(Arc<Show>);

impl Tap for ClientSide {
    fn asked(&self, request_id: &str, method: &http::Method, target: &str, body: &[u8]) {
        self.0
            .asked(Side::Client, request_id, method.as_str(), target, body);
    }

    fn answered(&self, request_id: &str, status: http::StatusCode, body: &[u8]) {
        self.0
            .answered(Side::Client, request_id, status.as_u16(), body);
    }
}

const SHIPPED_RULE: &str = include_str!("../../rules/legacy-people.yaml");

#[cfg(test)]
mod tests;
