//! `postern.yaml` as it is meant.
//!
//! ```yaml
//! listen:
//!   public: "0.0.0.0:8443"          # TLS only, for SCIM clients
//!   probe: "127.0.0.1:9464"         # /livez /readyz /metrics, reads only
//!   control: "127.0.0.1:9465"       # loopback only, or unix:/run/postern.sock
//! tls: {certificate: tls/tls.crt, key: tls/tls.key}
//! rules: rules                      # the folder of the sync rules
//! access: access.yaml
//! workers: 2                        # threads; default: one per core, at most 16
//! trusted_proxies: []             # networks that must speak the PROXY protocol, and are believed
//! ready: {directories: ignore}    # or any, all: a directory that is down takes us out of service
//! reload: {poll: 15s}             # beside the system's events, for mounts that have none
//! limits: {body: 1MiB, answer: 64MiB, element: 8MiB, connections: 10000, in_flight: 1024,
//!          bulk_operations: 1000, bulk_body: 1MiB, page: 1000}
//! timeouts: {handshake: 10s, head: 10s, body: 30s, idle: 75s, request: 30s, bulk: 2m,
//!            grace: 5s, drain: 25s}
//! log: {level: info, format: auto}
//! ```
//!
//! Only `tls` has no default. These are off unless given:
//!
//! ```yaml
//! tls: {certificate: tls.crt, key: tls.key, client_ca: clients.crt, client_crl: [clients.crl],
//!       client_certificates: optional}
//! control: {certificate: ctl.crt, key: ctl.key, client_ca: operators.crt, operator_token: true}
//! traces: {endpoint: "http://127.0.0.1:4318/v1/traces", ratio: 0.1, headers_file: otlp-headers}
//! audit: {file: audit/audit.ndjson, key_file: audit.key}   # all of it: file/reader/audit.rs
//! ```
//!
//! Paths are relative to the folder of the file itself.

mod reader;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;

use self::reader::Reader;
use super::read::read;
use crate::audit::Settings;
use crate::telemetry::logging::Form;
use crate::yaml::{self, Diagnostics, Source};

/// All that is fixed while the process runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The file itself.
    pub file: PathBuf,
    /// Where to listen.
    pub listen: Listen,
    /// The certificate chain of the public listener: a PEM file.
    pub certificate: PathBuf,
    /// Its private key: a PEM file.
    pub key: PathBuf,
    /// What the certificates of SCIM clients are checked against. Default: they are not asked for
    /// any.
    pub clients: Option<Clients>,
    /// The folder of the sync rules.
    pub rules: PathBuf,
    /// The access file.
    pub access: PathBuf,
    /// The number of worker threads.
    pub workers: usize,
    /// Who stands before the public listener: connections from these networks must begin with a
    /// PROXY protocol header and are believed; from others one is refused. Default none.
    pub trusted_proxies: Vec<IpNet>,
    /// How the control listener is secured. Default not at all, which only does for loopback and
    /// Unix sockets.
    pub operators: Option<Operators>,
    /// What a directory that is down does to readiness.
    pub ready: Ready,
    /// How often files are looked at where no event of the system says that they changed.
    /// Default 15 s.
    pub poll: Duration,
    /// Where traces go. Default nowhere.
    pub traces: Option<Traces>,
    /// How much of everything.
    pub limits: Limits,
    /// How long everything may take.
    pub timeouts: Timeouts,
    /// The operational log.
    pub log: Log,
    /// The audit trail. Default none.
    pub audit: Option<Settings>,
}

/// The listeners.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// For SCIM clients, TLS only. Default `0.0.0.0:8443`.
    pub public: SocketAddr,
    /// For kubelet and Prometheus: health and metrics, reads only. Default `127.0.0.1:9464`.
    pub probe: SocketAddr,
    /// For operators of this machine. Default `127.0.0.1:9465`.
    pub control: Control,
}

/// The place of the control listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    /// An address: of loopback, unless [`Config::operators`] says how callers prove themselves.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

/// Which clients a listener lets in by their certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clients {
    /// The CAs that certify them: a PEM file.
    pub ca: PathBuf,
    /// What these CAs have revoked: PEM files.
    pub lists: Vec<PathBuf>,
    /// Whether nobody is let in without a certificate. Default `required`.
    pub required: bool,
}

/// How the control listener is secured: TLS, and a client certificate, an operator's token of the
/// access file, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operators {
    /// The certificate chain of the listener: a PEM file.
    pub certificate: PathBuf,
    /// Its private key: a PEM file.
    pub key: PathBuf,
    /// Callers need a certificate of one of these CAs: a PEM file.
    pub client_ca: Option<PathBuf>,
    /// What these CAs have revoked: PEM files.
    pub client_crl: Vec<PathBuf>,
    /// Callers need a token of one of the `operators` of the access file.
    pub operator_token: bool,
}

/// What a directory that is down does to readiness.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ready {
    /// Nothing: every replica has the same directory, and taking all out of service helps nobody.
    #[default]
    Ignore,
    /// Not ready when no directory answers.
    Any,
    /// Not ready when one of the directories does not answer.
    All,
}

/// Where traces go: an OpenTelemetry collector, by OTLP over HTTP.
#[derive(Debug, Clone, PartialEq)]
pub struct Traces {
    /// The URL that spans are posted to, such as `http://127.0.0.1:4318/v1/traces`.
    pub endpoint: String,
    /// Of the requests that bring no decision of their own (`traceparent`), how many are traced:
    /// from 0 to 1. Default 1.
    pub ratio: f64,
    /// A file of `Name: value` lines: headers that the collector wants, such as a token.
    pub headers_file: Option<PathBuf>,
}

/// How much of everything, in bytes or numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest request body. Default 1 MiB.
    pub body: usize,
    /// The largest answer of a directory. Default 64 MiB.
    pub answer: usize,
    /// The largest single resource within a list. Default 8 MiB.
    pub element: usize,
    /// The most connections at a time on the public listener. Default 10000.
    pub connections: usize,
    /// The most requests at a time. Default 1024.
    pub in_flight: usize,
    /// The most operations of a bulk request. Default 1000.
    pub bulk_operations: usize,
    /// The largest body of a bulk request. Default 1 MiB.
    pub bulk_body: usize,
    /// The most resources that one page of a list has, told as `maxResults`. Default 1000.
    pub page: usize,
}

/// How long everything may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// A TLS handshake. Default 10 s.
    pub handshake: Duration,
    /// The head of a request, from its first byte. Default 10 s.
    pub head: Duration,
    /// The body of a request, from its first byte to its last. Default 30 s.
    pub body: Duration,
    /// A connection without a request. Default 75 s.
    pub idle: Duration,
    /// A request, from its head to the head of its answer. Default 30 s.
    pub request: Duration,
    /// The same of a bulk request. Default 2 m.
    pub bulk: Duration,
    /// From the signal to stop until the door closes: not ready any more, but whoever has not
    /// heard of it is still served. Default 5 s.
    pub grace: Duration,
    /// From the signal to stop until what is still open is cut, the grace included. Default 25 s,
    /// which is less than Kubernetes' 30.
    pub drain: Duration,
}

/// The operational log, on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// `error`, `warn`, `info` (the default), `debug` or `trace`.
    pub level: &'static str,
    /// Its form.
    pub format: Form,
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn load(path: &Path) -> Result<Self, Diagnostics> {
        let help = "write one (a certificate and a key are all it needs: \
                    `tls: {certificate: tls.crt, key: tls.key}`), name another with `--config`, \
                    or see how it works with `postern demo`";
        let source = read(path, help)?;
        Self::parse(&source, path.parent().unwrap_or(Path::new("")))
    }

    /// What a file with mistakes says all the same, with defaults in the place of mistakes. Nothing
    /// may run on it.
    pub(super) fn as_far_as_told(path: &Path) -> Option<Self> {
        let source = read(path, "").ok()?;
        let node = yaml::parse(&source).ok()?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Reader::new(&source, folder).told(&node)
    }

    /// Makes a configuration of a file's text. `folder` is what paths in it are relative to.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse(source: &Source, folder: &Path) -> Result<Self, Diagnostics> {
        let node = yaml::parse(source)?;
        Reader::new(source, folder).read(&node)
    }
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            public: SocketAddr::from(([0, 0, 0, 0], 8443)),
            probe: SocketAddr::from(([127, 0, 0, 1], 9464)),
            control: Control::Tcp(SocketAddr::from(([127, 0, 0, 1], 9465))),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: MIB,
            answer: 64 * MIB,
            element: 8 * MIB,
            connections: 10_000,
            in_flight: 1024,
            bulk_operations: 1000,
            bulk_body: MIB,
            page: 1000,
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(10),
            body: Duration::from_secs(30),
            idle: Duration::from_secs(75),
            request: Duration::from_secs(30),
            bulk: Duration::from_secs(120),
            grace: Duration::from_secs(5),
            drain: Duration::from_secs(25),
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: "info",
            format: Form::Auto,
        }
    }
}

/// One thread for each core, at most sixteen: beyond that a gateway waits for its directory.
#[must_use]
pub fn default_workers() -> usize {
    std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(16)
}

const MIB: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, Diagnostics> {
        Config::parse(
            &Source::new("postern.yaml", text),
            Path::new("/etc/postern"),
        )
    }

    fn findings(text: &str) -> String {
        let found = parse(text).err().unwrap_or_default();
        found.render(false)
    }

    #[test]
    fn all_but_tls_has_a_default() {
        let config = parse("tls: {certificate: tls/tls.crt, key: /run/tls.key}").unwrap();
        assert_eq!(config.certificate, Path::new("/etc/postern/tls/tls.crt"));
        assert_eq!(config.key, Path::new("/run/tls.key"));
        assert_eq!(config.rules, Path::new("/etc/postern/rules"));
        assert_eq!(config.access, Path::new("/etc/postern/access.yaml"));
        assert_eq!(config.workers, default_workers());
        assert_eq!(config.listen, Listen::default());
        assert_eq!(config.limits, Limits::default());
        assert_eq!(config.timeouts, Timeouts::default());
        assert_eq!(config.log, Log::default());
    }

    #[test]
    fn the_manual_s_example_says_the_defaults() {
        let manual = include_str!("file.rs")
            .lines()
            .skip_while(|line| *line != "//! ```yaml")
            .skip(1)
            .take_while(|line| *line != "//! ```");
        let yaml: Vec<_> = manual
            .filter_map(|line| line.strip_prefix("//! "))
            .collect();
        let config = parse(&yaml.join("\n")).unwrap();
        let bare = parse("tls: {certificate: tls/tls.crt, key: tls/tls.key}").unwrap();
        assert_eq!(config, Config { workers: 2, ..bare });
    }

    #[test]
    fn every_key_is_taken() {
        let config = parse(
            "listen: {public: \"[::]:443\", probe: \"0.0.0.0:9464\", control: \"192.0.2.7:9465\"}
tls: {certificate: a, key: b, client_ca: c, client_crl: [d, e], client_certificates: optional}
rules: /rules
access: /access.yaml
workers: 3
limits: {body: 2MiB, answer: 3 MiB, element: 65536, connections: 5, in_flight: 6,
         bulk_operations: 7, bulk_body: 8KiB, page: 9}
timeouts: {handshake: 1s, head: 2s, body: 3s, idle: 4s, request: 5s, bulk: 6s,
           grace: 7s, drain: 8s}
log: {level: trace, format: json}
trusted_proxies: [10.0.0.0/8, \"fd00::/8\", 192.0.2.1]
ready: {directories: all}
reload: {poll: 30s}
control: {certificate: c, key: d, client_ca: e, client_crl: [f, g], operator_token: true}
traces: {endpoint: \"http://127.0.0.1:4318/v1/traces\", ratio: 0.25, headers_file: f}",
        )
        .unwrap();
        insta::assert_debug_snapshot!(config);
        let text = parse("tls: {certificate: a, key: b}\nlog: {format: text}").unwrap();
        assert_eq!(text.log.format, Form::Text);
    }

    #[test]
    fn every_mistake_is_reported_in_one_go() {
        insta::assert_snapshot!(findings(
            "listen:
  public: localhost:8443
  probe: 9464
  control: \"0.0.0.0:9465\"
  admin: x
tls: {certificat: tls.crt, key: \"\"}
workers: 0
limits: {body: 1TiB, answer: big, connections: -1, page: 100000}
timeouts: {head: 10, idle: 3d, request: 0s, drain: 2h}
trusted_proxies: [10.0.0.0/33, 10.0.0.1/8]
ready: {directories: some}
reload: {poll: 1ms}
traces: {endpoint: \"ftp://x\", ratio: 2}
log: {level: inf, format: yaml}
rule: rules
"
        ));
        insta::assert_snapshot!(findings(
            "tls: x\nlisten:\nlog: []\nlimits: 3\ntimeouts: no\n"
        ));
    }

    #[test]
    fn limits_and_listeners_must_fit_together() {
        insta::assert_snapshot!(findings(
            "tls: {certificate: a, key: b}
listen: {public: \"0.0.0.0:9465\", probe: \"127.0.0.1:9465\"}
limits: {answer: 1MiB, element: 2MiB}
"
        ));
        let free = "tls: {certificate: a, key: b}
listen: {public: \"127.0.0.1:0\", probe: \"127.0.0.1:0\", control: \"[::1]:0\"}
limits: {answer: 1MiB}";
        assert_eq!(parse(free).unwrap().limits.element, MIB);
    }

    #[test]
    fn control_is_for_this_machine_only() {
        let control = |place: &str| {
            let head = "tls: {certificate: a, key: b}\nlisten: {control: ";
            parse(&format!("{head}\"{place}\"}}")).is_ok()
        };
        for good in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "unix:/run/p.sock"] {
            assert!(control(good), "{good}");
        }
        for bad in [
            "0.0.0.0:1",
            "[::]:1",
            "10.0.0.1:1",
            "[::ffff:127.0.0.1]:1",
            "unix:",
            "/run/p.sock",
            "localhost:1",
        ] {
            assert!(!control(bad), "{bad}");
        }
    }

    #[test]
    fn others_reach_the_control_listener_only_when_they_must_prove_themselves() {
        let control = |block: &str| {
            let head = "tls: {certificate: a, key: b}\nlisten: {control: \"0.0.0.0:1\"}\n";
            findings(&format!("{head}{block}"))
        };
        assert_eq!(
            control("control: {certificate: c, key: d, client_ca: e}"),
            ""
        );
        assert_eq!(
            control("control: {certificate: c, key: d, operator_token: true}"),
            ""
        );
        insta::assert_snapshot!(control("control: {certificate: c, key: d}"));
        insta::assert_snapshot!(findings(
            "tls: {certificate: a, key: b}\nlisten: {control: \"unix:c.sock\"}\n\
             control: {certificate: c, key: d, client_ca: e}"
        ));
    }

    #[test]
    fn the_grace_is_a_part_of_the_drain() {
        let times = |times: &str| {
            parse(&format!(
                "tls: {{certificate: a, key: b}}\ntimeouts: {{{times}}}"
            ))
            .map(|config| config.timeouts.grace)
        };
        assert_eq!(times("drain: 2s").unwrap(), Duration::from_secs(2));
        assert_eq!(
            times("grace: 2s, drain: 2s").unwrap(),
            Duration::from_secs(2)
        );
        assert!(times("grace: 3s, drain: 2s").is_err());
    }

    #[test]
    fn a_missing_file_says_what_to_do() {
        let found = Config::load(Path::new("/nonexistent/postern.yaml")).unwrap_err();
        insta::assert_snapshot!(found.render(false));
    }
}
