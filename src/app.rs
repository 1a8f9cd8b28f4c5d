//! The only place that knows everyone: load, build, start, wait, drain.

mod descriptors;
mod inspection;
mod keys;
mod vigil;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use tokio::runtime::{Handle, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use crate::admin;
use crate::audit::{Record, Trail};
use crate::config::file::{self, Config};
use crate::config::headers;
use crate::config::load::{Loader, Pass};
use crate::config::reload::{After, Reloader};
use crate::config::trail;
use crate::config::{Live, Reloading, Report};
use crate::gateway::{self, Gateway, State, Tap};
use crate::net::tls::Switch;
use crate::server::{self, plain};
use crate::telemetry::traces::{Exporter, Settings};
use crate::telemetry::{AccessLog, Metrics, Tracer, lines, logging};
use crate::yaml::Diagnostics;
use inspection::Inspection;
use keys::Keeper;
use vigil::Vigil;

/// What a caller within the process adds to the files.
#[derive(Default)]
pub struct Extras {
    /// Sees every request and answer of the public door: the demo's tour.
    pub tap: Option<Arc<dyn Tap>>,
    /// Write neither log nor access lines.
    pub quiet: bool,
}

/// Why it does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The files cannot be used.
    #[error("the configuration cannot be used:\n{}", .0.render(false))]
    Configuration(Diagnostics),
    /// They can, but something else is in the way.
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

/// The program at work. Dropping it ends everything at once; [`Running::stop`] drains first.
pub struct Running {
    /// Where SCIM clients call.
    pub public: SocketAddr,
    /// Where health and metrics are.
    pub probe: SocketAddr,
    /// Where operators call: an address or the path of a Unix socket.
    pub control: String,
    config: Config,
    state: Arc<State>,
    server: server::Running,
    vigil: Option<(Vigil, Inspection)>,
    keeper: Keeper,
    small_doors: Vec<plain::Running>,
    reloading: Reloading,
    access: AccessLog,
    exporter: Option<Exporter>,
    control_thread: Control,
}

/// Hears SIGTERM and SIGINT from when it is made, so that one that comes while the program starts
/// ends it in good order as well.
pub struct Stop {
    runtime: Runtime,
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    /// Begins to listen.
    ///
    /// # Errors
    /// The signals cannot be listened to.
    pub fn listen() -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot listen for signals")?;
        let (terminate, interrupt) = {
            let _inside = runtime.enter();
            let listen = |kind| signal(kind).context("cannot listen for signals");
            (
                listen(SignalKind::terminate())?,
                listen(SignalKind::interrupt())?,
            )
        };
        Ok(Self {
            runtime,
            terminate,
            interrupt,
        })
    }

    /// Waits for a signal, at most so long.
    fn wait(&mut self, most: Duration) {
        let Self {
            runtime,
            terminate,
            interrupt,
        } = self;
        runtime.block_on(async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                () = tokio::time::sleep(most) => {}
            }
        });
    }
}

/// Loads every file and opens every door. When this returns, requests are answered.
///
/// # Errors
/// See [`StartError`].
pub fn start(config: Config, extras: Extras) -> Result<Running, StartError> {
    if !extras.quiet {
        logging::start(config.log.level, config.log.format);
    }
    headers::check(&config).map_err(StartError::Configuration)?;
    let secret = trail::secret(&config).map_err(StartError::Configuration)?;
    let metrics = Arc::new(Metrics::new());
    let loader = Loader::start(config.clone(), Arc::clone(&metrics), now())
        .map_err(StartError::Configuration)?;
    for warning in loader.loaded().warnings.iter() {
        warn!("{}", warning.one_line());
    }
    let revision = Arc::clone(&loader.loaded().snapshot.revision);
    let live = Arc::new(Live::new(Arc::clone(&loader.loaded().snapshot)));
    let certificate = Arc::clone(&loader.loaded().certificate);
    let certificate = Arc::new(Switch::new(certificate));
    let operators = loader.loaded().control.clone();
    let operators = operators.map(|tls| Arc::new(Switch::new(tls)));

    let trail = match &config.audit {
        None => Trail::off(),
        Some(settings) => Trail::start(settings, secret, &revision, Arc::clone(&metrics), now())
            .map_err(anyhow::Error::from)?,
    };
    let state = State::new(limits(&config), Arc::clone(&metrics));
    let state = Arc::new(state.with_trail(trail));
    let access = if extras.quiet {
        AccessLog::off(Arc::clone(&metrics))
    } else {
        AccessLog::to(lines::stdout(), Arc::clone(&metrics))
    };

    // One thread for everything that is not a request of a SCIM client.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("control")
        .enable_all()
        .build()
        .context("cannot start the control thread")?;
    let (tracer, exporter) = tracing_to(&config, runtime.handle(), &metrics)?;
    let gateway = Gateway::new(
        Arc::clone(&live),
        Arc::clone(&state),
        access.clone(),
        extras.tap,
    );
    let gateway = Arc::new(gateway.traced(tracer));
    let server = server::start(
        &server::Listen {
            address: config.listen.public,
            workers: config.workers,
            proxies: config.trusted_proxies.clone().into(),
        },
        &certificate,
        &gateway,
        door_limits(&config),
        &metrics,
    )
    .context("the public listener does not open")?;
    let _inside = runtime.enter();
    let after = after(&loader.report(), &state);
    let reloader = Reloader::new(
        loader,
        Arc::clone(&live),
        certificate,
        operators.clone(),
        after,
    );
    let reloading = reload(reloader, config.poll)?;
    let signs = admin::Signs::new(server.pulse(), config.ready);
    let probe = admin::Probe::new(
        Arc::clone(&live),
        Arc::clone(&state),
        Arc::clone(&metrics),
        signs.clone(),
    );
    let orders = reloading.clone();
    let door = admin::Control::new(
        Arc::clone(&live),
        Arc::clone(&state),
        entry(&config),
        orders,
    );
    let probe = plain::start(
        &plain::Listen::Tcp(config.listen.probe),
        probe,
        small_limits(),
    )
    .context("the probe listener does not open")?;
    let control = match (&config.listen.control, operators) {
        (file::Control::Tcp(address), Some(tls)) => {
            plain::start_tls(*address, tls, door, small_limits())
        }
        _ => plain::start(&control_address(&config), door, small_limits()),
    }
    .context("the control listener does not open")?;
    let keeper = Keeper::begin(Arc::clone(&live));
    let vigil = (Vigil::begin(Arc::clone(&live)), Inspection::begin(live));
    signs.listening();
    let (probe_at, control_at) = (name(probe.at()), name(control.at()));
    info!(public = %server.address(), probe = probe_at, control = control_at, revision = &*revision, "serving");
    Ok(Running {
        public: server.address(),
        probe: probe_at
            .parse()
            .context("the probe listener has no address")?,
        control: control_at,
        config,
        state,
        server,
        vigil: Some(vigil),
        keeper,
        small_doors: vec![probe, control],
        reloading,
        access,
        exporter,
        control_thread: Control::of(runtime),
    })
}

/// What follows when files were taken or refused: it is counted, and what was kept for tenants that
/// are gone goes.
fn after(loaded: &Report, state: &Arc<State>) -> After {
    let (at, state) = (now(), Arc::clone(state));
    let metrics = state.metrics();
    for source in &loaded.sources {
        metrics.reloaded(source.kind.as_str(), true, at);
    }
    metrics.serves(&loaded.revision);
    Box::new(move |pass: &Pass| {
        let (at, metrics) = (now(), state.metrics());
        for event in &pass.events {
            let kind = event.kind;
            metrics.reloaded(kind.as_str(), event.errors.is_empty(), at);
            // One folder that is good again does not make another of its kind so.
            metrics.stands(kind.as_str(), pass.report.is_good_for(kind));
        }
        tell(state.trail(), pass, at);
        if let Some(next) = &pass.next {
            metrics.serves(&next.snapshot.revision);
            let tenants = next.snapshot.tenants();
            metrics.keep_only(tenants.map(|tenant| tenant.name.as_str()));
            state.prune(&next.snapshot);
        }
    })
}

/// Tells the audit trail which rules hold from now on, and what was not taken.
fn tell(trail: &Trail, pass: &Pass, at: SystemTime) {
    if !trail.is_on() {
        return;
    }
    for event in pass.events.iter().filter(|event| !event.errors.is_empty()) {
        let errors = u64::try_from(event.errors.len()).unwrap_or(u64::MAX);
        let record = Record::new("reload_refused", at).text("source", event.kind.as_str());
        trail.tell(record.number("errors", errors));
    }
    if let Some(next) = &pass.next {
        let taken = pass.events.iter().filter(|event| event.taken);
        let mut sources: Vec<_> = taken.map(|event| event.kind.as_str()).collect();
        sources.dedup();
        let record = Record::new("reload", at)
            .text("from", &next.old)
            .text("revision", &next.snapshot.revision)
            .text("sources", &sources.join(","));
        trail.tell(record);
    }
}

/// Starts the thread that reloads. It ends when nobody is left who could give it an order.
/// SIGHUP is one.
fn reload(reloader: Reloader, poll: Duration) -> anyhow::Result<Reloading> {
    let (reloading, orders) = Reloading::channel();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .context("cannot start the reload thread")?;
    std::thread::Builder::new()
        .name("reload".to_owned())
        .spawn(move || runtime.block_on(reloader.run(orders, poll)))
        .context("cannot start the reload thread")?;
    let mut hangup = signal(SignalKind::hangup()).context("cannot listen for signals")?;
    let order = reloading.clone();
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            info!("told by SIGHUP to look at the files");
            if order.now().await.is_none() {
                return;
            }
        }
    });
    Ok(reloading)
}

/// The clock; below this, time is an argument.
#[expect(
    clippy::disallowed_methods,
    reason = "the outermost layer reads the clock"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

impl Running {
    /// Has the files looked at now.
    #[must_use]
    pub fn reloading(&self) -> &Reloading {
        &self.reloading
    }

    /// Serves until it is told to stop, then ends in good order: not ready any more, but open to
    /// everybody who has not heard of it for the time of grace; a second signal ends that early.
    /// Then as [`Running::stop`].
    pub fn run_until(mut self, mut stop: Stop) {
        stop.wait(Duration::MAX);
        let deadline = Instant::now() + self.config.timeouts.drain;
        let grace = self.config.timeouts.grace;
        if !grace.is_zero() {
            info!(?grace, "stopping: not ready any more, still serving");
            self.state.start_draining();
            self.vigil = None;
            self.server.leave();
            stop.wait(grace);
        }
        self.drain(deadline);
    }

    /// Ends in good order, without a time of grace: no new connections, requests and writes under
    /// way finish, what is still there at the deadline is cut.
    pub fn stop(self) {
        let deadline = Instant::now() + self.config.timeouts.drain;
        self.drain(deadline);
    }

    fn drain(self, deadline: Instant) {
        // The small doors answer to the very end.
        let Self {
            state,
            server,
            vigil,
            keeper,
            small_doors,
            access,
            exporter,
            control_thread,
            ..
        } = self;
        drop(vigil);
        info!("draining");
        state.start_draining();
        control_thread.handle.block_on(async {
            let cut = server.drain(deadline).await;
            let finished = tokio::time::timeout_at(deadline.into(), state.writes_idle())
                .await
                .is_ok();
            if cut > 0 || !finished {
                warn!(
                    connections = cut,
                    writes_finished = finished,
                    "the deadline cut what was left"
                );
            }
        });
        // What was cut has its line and its span only now.
        server.stop();
        if let Some(exporter) = exporter {
            let deadline = deadline.min(Instant::now() + LAST_WORDS);
            control_thread.handle.block_on(exporter.flush(deadline));
        }
        drop(keeper);
        drop(small_doors);
        drop(control_thread);
        if !state.trail().close(Record::new("stop", now()), LAST_WORDS) {
            warn!("the audit trail could not be written to its end");
        }
        access.flush(LAST_WORDS);
        info!("stopped");
    }
}

/// The runtime of the control thread. It may be dropped anywhere, another runtime's thread
/// included, so it never waits for its tasks.
struct Control {
    handle: Handle,
    runtime: Option<Runtime>,
}

impl Control {
    fn of(runtime: Runtime) -> Self {
        Self {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Spans go where the configuration says, if it says so.
fn tracing_to(
    config: &Config,
    handle: &Handle,
    metrics: &Arc<Metrics>,
) -> anyhow::Result<(Tracer, Option<Exporter>)> {
    let Some(traces) = &config.traces else {
        return Ok((Tracer::off(), None));
    };
    let read = |file: &PathBuf| -> crate::telemetry::traces::Headers {
        let file = file.clone();
        Arc::new(move || headers::read(&file))
    };
    let settings = Settings {
        endpoint: traces.endpoint.clone(),
        ratio: traces.ratio,
        headers: traces.headers_file.as_ref().map(read),
        host: headers::machine(),
    };
    if traces.headers_file.is_some() && in_the_clear(&traces.endpoint) {
        warn!("the collector's headers go over the network in the clear: use `https`");
    }
    let (tracer, exporter) = Tracer::start(handle, settings, metrics)
        .map_err(anyhow::Error::msg)
        .context("`traces` cannot be used")?;
    Ok((tracer, Some(exporter)))
}

/// Whether a URL leads out of this machine without TLS.
fn in_the_clear(url: &str) -> bool {
    let Ok(url) = url.parse::<http::Uri>() else {
        return false;
    };
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    let address = host.parse::<std::net::IpAddr>();
    let here = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    url.scheme_str() == Some("http") && !here
}

/// How much one gateway takes on.
pub(crate) fn limits(config: &Config) -> gateway::Limits {
    gateway::Limits {
        body: config.limits.body,
        body_time: config.timeouts.body,
        request_time: config.timeouts.request,
        bulk_time: config.timeouts.bulk,
        bulk_operations: config.limits.bulk_operations,
        in_flight: config.limits.in_flight,
        max_results: config.limits.page,
        ..gateway::Limits::default()
    }
}

fn door_limits(config: &Config) -> server::Limits {
    server::Limits {
        connections: descriptors::connections(config.limits.connections),
        handshake: config.timeouts.handshake,
        head: config.timeouts.head,
        idle: config.timeouts.idle,
        ..server::Limits::default()
    }
}

fn small_limits() -> server::Limits {
    server::Limits {
        connections: 64,
        ..server::Limits::default()
    }
}

fn entry(config: &Config) -> admin::Entry {
    match &config.operators {
        None => admin::Entry::Near,
        Some(operators) if operators.operator_token => admin::Entry::Token,
        Some(_) => admin::Entry::Certified,
    }
}

fn control_address(config: &Config) -> plain::Listen {
    match &config.listen.control {
        file::Control::Tcp(address) => plain::Listen::Tcp(*address),
        file::Control::Unix(path) => plain::Listen::Unix(path.clone()),
    }
}

fn name(at: &plain::Listen) -> String {
    match at {
        plain::Listen::Tcp(address) => address.to_string(),
        plain::Listen::Unix(path) => format!("unix:{}", path.display()),
    }
}

/// How long the collector, and whoever reads standard output, may hold up the end.
const LAST_WORDS: Duration = Duration::from_secs(3);
