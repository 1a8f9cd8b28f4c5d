//! From the tree of `postern.yaml` to the configuration that is meant.

mod audit;

use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::measure::{duration, print_duration, print_size, size};
use super::{
    Clients, Config, Control, Limits, Listen, Log, Operators, Ready, Timeouts, Traces,
    default_workers,
};
use crate::auth::network;
use crate::telemetry::logging::Form;
use crate::yaml::{Diagnostic, Diagnostics, Node, Source, Span, Table, Value, suggest};

/// Reads the file table by table, and collects what is wrong.
pub(super) struct Reader<'a> {
    source: &'a Source,
    folder: &'a Path,
    found: Diagnostics,
}

impl<'a> Reader<'a> {
    pub(super) fn new(source: &'a Source, folder: &'a Path) -> Self {
        Self {
            source,
            folder,
            found: Diagnostics::default(),
        }
    }

    /// The configuration, or all that is wrong.
    pub(super) fn read(mut self, node: &Node) -> Result<Config, Diagnostics> {
        match self.file(node) {
            Some(config) if !self.found.has_errors() => Ok(config),
            _ => Err(self.found.in_order()),
        }
    }

    /// What the file says, whatever is wrong with it.
    pub(super) fn told(mut self, node: &Node) -> Option<Config> {
        self.file(node)
    }

    /// `None`, or findings, where the file cannot be used.
    fn file(&mut self, node: &Node) -> Option<Config> {
        let mut file = Table::open(self.source, node, "the configuration", &mut self.found)?;
        let listen = file.optional("listen");
        let tls = file.required("tls", &mut self.found);
        let rules = file.optional("rules");
        let access = file.optional("access");
        let workers = file.optional("workers");
        let proxies = file.optional("trusted_proxies");
        let operators = file.optional("control");
        let ready = file.optional("ready");
        let reload = file.optional("reload");
        let traces = file.optional("traces");
        let limits = file.optional("limits");
        let timeouts = file.optional("timeouts");
        let log = file.optional("log");
        let audit = file.optional("audit");
        file.finish(&mut self.found);

        let secured = operators.is_some();
        let operators = operators.map(|node| self.operators(node));
        let listen = match listen {
            Some(node) => self.listen(node, secured),
            None => Some(Listen::default()),
        };
        let tls = tls.and_then(|node| self.tls(node));
        let rules = self.path_or(rules, "rules");
        let access = self.path_or(access, "access.yaml");
        let mut threads = default_workers();
        self.count(workers, &mut threads, 1..=256);
        let limits = limits.map_or_else(|| Some(Limits::default()), |node| self.limits(node));
        let timeouts =
            timeouts.map_or_else(|| Some(Timeouts::default()), |node| self.timeouts(node));
        let log = log.map_or_else(|| Some(Log::default()), |node| self.log(node));
        let trusted_proxies = proxies.map_or_else(Vec::new, |node| {
            network::read(node, self.source, &mut self.found)
        });
        let ready = ready.and_then(|node| self.ready(node)).unwrap_or_default();
        let mut poll = Duration::from_secs(15);
        if let Some(node) = reload {
            self.reload(node, &mut poll);
        }
        let traces = traces.map(|node| self.traces(node));
        let audit = audit.map(|node| self.audit(node));
        let (certificate, key, clients) = tls?;
        Some(Config {
            file: PathBuf::from(&*self.source.name),
            listen: listen?,
            certificate,
            key,
            clients,
            rules,
            access,
            workers: threads,
            trusted_proxies,
            operators: operators.flatten(),
            ready,
            poll,
            traces: traces.flatten(),
            limits: limits?,
            timeouts: timeouts?,
            log: log?,
            audit: audit.flatten(),
        })
    }

    fn listen(&mut self, node: &Node, secured: bool) -> Option<Listen> {
        let mut table = Table::open(self.source, node, "the listeners", &mut self.found)?;
        let places = ["public", "probe", "control"].map(|key| table.optional(key));
        table.finish(&mut self.found);
        let [public, probe, control] = places;
        let mut listen = Listen::default();
        if let Some(address) = public.and_then(|node| self.address(node)) {
            listen.public = address;
        }
        if let Some(address) = probe.and_then(|node| self.address(node)) {
            listen.probe = address;
        }
        if let Some(node) = control
            && let Some(place) = self.control(node)
        {
            self.within_reach(&place, secured, node);
            listen.control = place;
        }
        self.apart(&listen, places, node.span);
        Some(listen)
    }

    /// Two listeners on one address: the second could not start.
    fn apart(&mut self, listen: &Listen, places: [Option<&Node>; 3], table: Span) {
        let control = match &listen.control {
            Control::Tcp(address) => Some(*address),
            Control::Unix(_) => None,
        };
        let all = [Some(listen.public), Some(listen.probe), control];
        let names = ["public", "probe", "control"];
        let listed: Vec<_> = names.iter().zip(all).zip(places).collect();
        for (at, ((name, address), place)) in listed.iter().enumerate() {
            let earlier = listed.iter().take(at).find(
                |((_, other), _)| matches!((address, other), (Some(a), Some(b)) if collide(a, b)),
            );
            if let Some(((other, _), _)) = earlier {
                let span = place.map_or(table, |node| node.span);
                let message = format!("`{name}` and `{other}` want the same port");
                self.error(span, message, "each listener needs a port of its own");
            }
        }
    }

    fn address(&mut self, node: &Node) -> Option<SocketAddr> {
        let text = node.string(self.source, &mut self.found)?;
        let address = text.parse().ok();
        if address.is_none() {
            let help = "an IP address and a port, such as `0.0.0.0:8443` or `[::]:8443`";
            self.error(
                node.span,
                format!("`{}` is no address to listen on", short(text)),
                help,
            );
        }
        address
    }

    fn control(&mut self, node: &Node) -> Option<Control> {
        let text = node.string(self.source, &mut self.found)?;
        if let Some(path) = text.strip_prefix("unix:") {
            if path.is_empty() || path.contains('\0') || path.len() > 100 {
                let help =
                    "`unix:/run/postern/control.sock`; the system allows about 100 characters";
                self.error(node.span, "this is no path of a Unix socket", help);
                return None;
            }
            return Some(Control::Unix(self.folder.join(path)));
        }
        Some(Control::Tcp(self.address(node)?))
    }

    /// Who reaches the control listener rules postern.
    fn within_reach(&mut self, place: &Control, secured: bool, node: &Node) {
        match place {
            Control::Tcp(address) if !secured && !address.ip().is_loopback() => {
                let help = "`127.0.0.1:9465`, `[::1]:9465` or `unix:/path`; or say in `control:` \
                            how operators prove who they are";
                let message = "the control listener must not be reachable by others";
                self.error(node.span, message, help);
            }
            Control::Unix(_) if secured => {
                let help = "a Unix socket is guarded by its file's permissions: leave `control:` \
                            out, or listen on an address";
                self.error(node.span, "`control:` is for an address", help);
            }
            Control::Tcp(_) | Control::Unix(_) => {}
        }
    }

    fn operators(&mut self, node: &Node) -> Option<Operators> {
        let mut table = Table::open(self.source, node, "`control`", &mut self.found)?;
        let certificate = table.required("certificate", &mut self.found);
        let key = table.required("key", &mut self.found);
        let ca = table.optional("client_ca");
        let crl = table.optional("client_crl");
        let token = table.optional("operator_token");
        table.finish(&mut self.found);
        let certificate = certificate.and_then(|node| self.path(node));
        let key = key.and_then(|node| self.path(node));
        let client_ca = ca.and_then(|node| self.path(node));
        let client_crl = self.lists(crl, ca);
        let token = token.and_then(|node| node.boolean(self.source, &mut self.found));
        let operator_token = token.unwrap_or_default();
        if client_ca.is_none() && !operator_token {
            let help = "`client_ca: FILE` asks for a certificate, `operator_token: true` for a \
                        token of `operators` in the access file";
            self.error(node.span, "nothing says who may operate", help);
            return None;
        }
        Some(Operators {
            certificate: certificate?,
            key: key?,
            client_ca,
            client_crl,
            operator_token,
        })
    }

    fn ready(&mut self, node: &Node) -> Option<Ready> {
        let mut table = Table::open(self.source, node, "`ready`", &mut self.found)?;
        let directories = table.optional("directories");
        table.finish(&mut self.found);
        match self.word(directories?, &["ignore", "any", "all"])? {
            0 => Some(Ready::Ignore),
            1 => Some(Ready::Any),
            _ => Some(Ready::All),
        }
    }

    fn reload(&mut self, node: &Node, poll: &mut Duration) {
        let Some(mut table) = Table::open(self.source, node, "`reload`", &mut self.found) else {
            return;
        };
        let range = Duration::from_secs(1)..=Duration::from_secs(3600);
        self.time(table.optional("poll"), poll, &range);
        table.finish(&mut self.found);
    }

    fn traces(&mut self, node: &Node) -> Option<Traces> {
        let mut table = Table::open(self.source, node, "`traces`", &mut self.found)?;
        let endpoint = table.required("endpoint", &mut self.found);
        let (ratio, headers) = (table.optional("ratio"), table.optional("headers_file"));
        table.finish(&mut self.found);
        let endpoint = endpoint.and_then(|node| self.http_url(node));
        let mut share = 1.0;
        if let Some(node) = ratio {
            match scalar(node).and_then(|text| text.parse::<f64>().ok()) {
                Some(ratio) if (0.0..=1.0).contains(&ratio) => share = ratio,
                _ => self.error(node.span, "this is no ratio", "a number from 0 to 1"),
            }
        }
        let headers_file = headers.and_then(|node| self.path(node));
        Some(Traces {
            endpoint: endpoint?,
            ratio: share,
            headers_file,
        })
    }

    fn http_url(&mut self, node: &Node) -> Option<String> {
        let text = node.string(self.source, &mut self.found)?;
        let url = text.parse::<http::Uri>().ok();
        let fits = url.is_some_and(|url| {
            let plain = url.authority().is_some_and(|a| !a.as_str().contains('@'));
            matches!(url.scheme_str(), Some("http" | "https")) && plain
        });
        if !fits {
            let help = "such as `http://127.0.0.1:4318/v1/traces`, without a user name in it";
            self.error(node.span, "this is no URL of http or https", help);
        }
        fits.then(|| text.to_owned())
    }

    fn tls(&mut self, node: &Node) -> Option<(PathBuf, PathBuf, Option<Clients>)> {
        let mut table = Table::open(self.source, node, "`tls`", &mut self.found)?;
        let certificate = table.required("certificate", &mut self.found);
        let key = table.required("key", &mut self.found);
        let ca = table.optional("client_ca");
        let crl = table.optional("client_crl");
        let wanted = table.optional("client_certificates");
        table.finish(&mut self.found);
        let certificate = certificate.and_then(|node| self.path(node));
        let key = key.and_then(|node| self.path(node));
        let lists = self.lists(crl, ca);
        let word = wanted.and_then(|node| self.word(node, &["optional", "required"]));
        if let (None, Some(node)) = (ca, wanted) {
            let help = "`client_ca: FILE` names the CA that certifies clients";
            self.error(node.span, "nothing says whose certificates", help);
        }
        let clients = match ca {
            Some(node) => Some(Clients {
                ca: self.path(node)?,
                lists,
                required: word != Some(0),
            }),
            None => None,
        };
        Some((certificate?, key?, clients))
    }

    /// Revocation lists, which are of no use without a CA.
    fn lists(&mut self, node: Option<&Node>, ca: Option<&Node>) -> Vec<PathBuf> {
        let Some(node) = node else {
            return Vec::new();
        };
        let items = node.list(self.source, &mut self.found).unwrap_or_default();
        if let (None, false) = (ca, items.is_empty()) {
            let help = "`client_ca: FILE` names the CA whose lists these are";
            self.error(node.span, "these lists are of nobody", help);
        }
        items.iter().filter_map(|item| self.path(item)).collect()
    }

    fn limits(&mut self, node: &Node) -> Option<Limits> {
        let mut table = Table::open(self.source, node, "the limits", &mut self.found)?;
        let mut limits = Limits::default();
        let element = table.optional("element");
        self.size(table.optional("body"), &mut limits.body, KIB..=64 * MIB);
        self.size(table.optional("answer"), &mut limits.answer, 64 * KIB..=GIB);
        self.size(element, &mut limits.element, 4 * KIB..=GIB);
        self.count(
            table.optional("connections"),
            &mut limits.connections,
            1..=1_000_000,
        );
        self.count(
            table.optional("in_flight"),
            &mut limits.in_flight,
            1..=100_000,
        );
        let operations = table.optional("bulk_operations");
        self.count(operations, &mut limits.bulk_operations, 1..=10_000);
        self.size(
            table.optional("bulk_body"),
            &mut limits.bulk_body,
            KIB..=64 * MIB,
        );
        self.count(table.optional("page"), &mut limits.page, 1..=10_000);
        table.finish(&mut self.found);
        match element {
            Some(node) if limits.element > limits.answer => {
                let help = "a resource is a part of an answer: raise `answer` or lower `element`";
                self.error(node.span, "`element` is larger than `answer`", help);
            }
            _ => limits.element = limits.element.min(limits.answer),
        }
        Some(limits)
    }

    fn timeouts(&mut self, node: &Node) -> Option<Timeouts> {
        let mut table = Table::open(self.source, node, "the timeouts", &mut self.found)?;
        let mut times = Timeouts::default();
        let (millis, minutes) = (Duration::from_millis, |n: u64| Duration::from_secs(n * 60));
        let short = millis(100)..=minutes(5);
        let long = millis(100)..=minutes(60);
        self.time(table.optional("handshake"), &mut times.handshake, &short);
        self.time(table.optional("head"), &mut times.head, &short);
        self.time(table.optional("body"), &mut times.body, &long);
        self.time(table.optional("idle"), &mut times.idle, &long);
        self.time(table.optional("request"), &mut times.request, &long);
        self.time(table.optional("bulk"), &mut times.bulk, &long);
        let (grace, drain) = (table.optional("grace"), table.optional("drain"));
        let end = Duration::ZERO..=minutes(60);
        self.time(grace, &mut times.grace, &end);
        self.time(drain, &mut times.drain, &end);
        table.finish(&mut self.found);
        match grace {
            Some(node) if times.grace > times.drain => {
                let help = "`drain` is the whole time from the signal to the end";
                self.error(node.span, "`grace` is longer than `drain`", help);
            }
            _ => times.grace = times.grace.min(times.drain),
        }
        Some(times)
    }

    fn log(&mut self, node: &Node) -> Option<Log> {
        let mut table = Table::open(self.source, node, "`log`", &mut self.found)?;
        let (level, format) = (table.optional("level"), table.optional("format"));
        table.finish(&mut self.found);
        let mut log = Log::default();
        let levels = ["error", "warn", "info", "debug", "trace"];
        if let Some(at) = level.and_then(|node| self.word(node, &levels)) {
            log.level = levels.get(at).copied().unwrap_or(log.level);
        }
        match format.and_then(|node| self.word(node, &["auto", "json", "text"])) {
            Some(1) => log.format = Form::Json,
            Some(2) => log.format = Form::Text,
            _ => {}
        }
        Some(log)
    }

    /// Which of a few words it is.
    fn word(&mut self, node: &Node, words: &[&str]) -> Option<usize> {
        let text = node.string(self.source, &mut self.found)?;
        let at = words.iter().position(|word| *word == text);
        if at.is_none() {
            let help = match suggest(text, words.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("one of {}", words.join(", ")),
            };
            self.error(
                node.span,
                format!("`{}` is not known here", short(text)),
                help,
            );
        }
        at
    }

    fn path_or(&mut self, node: Option<&Node>, default: &str) -> PathBuf {
        node.and_then(|node| self.path(node))
            .unwrap_or_else(|| self.folder.join(default))
    }

    fn path(&mut self, node: &Node) -> Option<PathBuf> {
        let text = node.string(self.source, &mut self.found)?;
        if text.is_empty() || text.contains('\0') {
            let help = "paths are relative to the folder of this file";
            self.error(node.span, "this is no path", help);
            return None;
        }
        Some(self.folder.join(text))
    }

    fn size(&mut self, node: Option<&Node>, slot: &mut usize, range: RangeInclusive<usize>) {
        let Some(node) = node else { return };
        let bytes = scalar(node)
            .and_then(size)
            .map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        let Some(bytes) = bytes else {
            let finding = node.expected(self.source, "a size");
            let help = "such as `1MiB`, `512KiB` or a number of bytes";
            self.found.push(finding.help(help));
            return;
        };
        let print = |n: &usize| print_size(u64::try_from(*n).unwrap_or(u64::MAX));
        self.bounded(node, bytes, slot, &range, print);
    }

    fn count(&mut self, node: Option<&Node>, slot: &mut usize, range: RangeInclusive<usize>) {
        let Some(node) = node else { return };
        let Some(number) = node.integer(self.source, &mut self.found) else {
            return;
        };
        let number = usize::try_from(number).unwrap_or(usize::MAX);
        self.bounded(node, number, slot, &range, usize::to_string);
    }

    fn time(&mut self, node: Option<&Node>, slot: &mut Duration, range: &RangeInclusive<Duration>) {
        let Some(node) = node else { return };
        let Some(time) = scalar(node).and_then(duration) else {
            let finding = node.expected(self.source, "a duration");
            let help = "a whole number with its unit: `500ms`, `10s`, `2m`, `1h`";
            self.found.push(finding.help(help));
            return;
        };
        self.bounded(node, time, slot, range, |time| print_duration(*time));
    }

    /// Takes a value that lies within its bounds, or reports them.
    fn bounded<T: PartialOrd>(
        &mut self,
        node: &Node,
        value: T,
        slot: &mut T,
        range: &RangeInclusive<T>,
        print: impl Fn(&T) -> String,
    ) {
        if range.contains(&value) {
            *slot = value;
            return;
        }
        let word = if value < *range.start() {
            "small"
        } else {
            "large"
        };
        let help = format!("from {} to {}", print(range.start()), print(range.end()));
        self.error(node.span, format!("this is too {word}"), help);
    }

    fn error(&mut self, span: Span, message: impl Into<String>, help: impl Display) {
        let finding = Diagnostic::error(self.source, span, message);
        self.found.push(finding.help(help.to_string()));
    }
}

/// Whether two listeners cannot both start. Port 0 is any free port.
fn collide(a: &SocketAddr, b: &SocketAddr) -> bool {
    let overlap = a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() == b.port() && a.port() != 0 && overlap
}

/// The text of a string or number.
fn scalar(node: &Node) -> Option<&str> {
    match &node.value {
        Value::String(text) | Value::Number(text) => Some(text),
        _ => None,
    }
}

fn short(text: &str) -> String {
    text.chars().take(60).collect()
}

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const GIB: usize = 1 << 30;
