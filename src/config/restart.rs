//! What of `postern.yaml` changed since it was read: only a restart takes it, so it is named.

use std::path::Path;

use super::digest::{Digest, Digesting};
use super::file::{Clients, Config, Limits, Listen, Log, Operators, Timeouts, Traces};
use super::folder::{State, parent, steadily};
use super::read::text;
use crate::audit::Settings;
use crate::yaml::{Diagnostic, MAX_FILE};

/// How the file stands to what runs.
#[derive(Default)]
pub(super) struct Restart {
    seen: Option<Digest>,
    keys: Vec<String>,
    /// It could not be used when it was read last.
    broken: bool,
}

impl Restart {
    /// The keys that differ.
    pub(super) fn keys(&self) -> &[String] {
        &self.keys
    }

    /// Reads the file again. What to say of it, where it was not said before.
    pub(super) fn look(&mut self, running: &Config) -> Option<String> {
        let path = &running.file;
        let (read, state) = steadily(None, |look| look.file(path, MAX_FILE));
        let mut digest = Digesting::default();
        digest.read("", &read);
        let digest = digest.finish();
        if state == State::Restless || self.seen == Some(digest) {
            return None;
        }
        let first = self.seen.replace(digest).is_none();
        let read = read.map(|mut bytes| std::mem::take(&mut *bytes));
        let config = text(path, "the configuration that runs goes on", read)
            .and_then(|source| Config::parse(&source, parent_of(path)));
        let keys = match config {
            Ok(config) => differences(running, &config),
            Err(found) => {
                self.broken = true;
                let lines: Vec<_> = found.iter().map(Diagnostic::one_line).collect();
                return Some(format!(
                    "the configuration could not be used at the next start: {}",
                    lines.join("; ")
                ));
            }
        };
        let before = std::mem::replace(&mut self.keys, keys);
        let said = if self.keys.is_empty() {
            "the configuration is again as it runs".to_owned()
        } else {
            format!(
                "the configuration changed where only a restart takes it: {}",
                self.keys.join(", ")
            )
        };
        let was_broken = std::mem::take(&mut self.broken);
        ((before != self.keys || was_broken) && !first).then_some(said)
    }
}

/// What relative paths are meant from, as when it was read first.
fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) => folder,
        None => parent(path),
    }
}

/// The keys in which two configurations differ. Taken apart field by field, so that a new one
/// cannot be forgotten.
fn differences(old: &Config, new: &Config) -> Vec<String> {
    let Config {
        file: _,
        listen,
        certificate,
        key,
        clients,
        rules,
        access,
        workers,
        trusted_proxies,
        operators,
        ready,
        poll,
        traces,
        limits,
        timeouts,
        log,
        audit,
    } = old;
    let mut found = Differences::default();
    let Listen {
        public,
        probe,
        control,
    } = listen;
    found.note("listen.public", *public != new.listen.public);
    found.note("listen.probe", *probe != new.listen.probe);
    found.note("listen.control", *control != new.listen.control);
    found.note("tls.certificate", *certificate != new.certificate);
    found.note("tls.key", *key != new.key);
    found.clients(clients.as_ref(), new.clients.as_ref());
    found.note("rules", *rules != new.rules);
    found.note("access", *access != new.access);
    found.note("workers", *workers != new.workers);
    found.note("trusted_proxies", *trusted_proxies != new.trusted_proxies);
    found.operators(operators.as_ref(), new.operators.as_ref());
    found.note("ready.directories", *ready != new.ready);
    found.note("reload.poll", *poll != new.poll);
    found.traces(traces.as_ref(), new.traces.as_ref());
    found.limits(limits, &new.limits);
    found.timeouts(timeouts, &new.timeouts);
    let Log { level, format } = log;
    found.note("log.level", *level != new.log.level);
    found.note("log.format", *format != new.log.format);
    found.audit(audit.as_ref(), new.audit.as_ref());
    found.0
}

#[derive(Default)]
struct Differences(Vec<String>);

impl Differences {
    fn note(&mut self, key: &str, differs: bool) {
        if differs {
            self.0.push(key.to_owned());
        }
    }

    fn clients(&mut self, old: Option<&Clients>, new: Option<&Clients>) {
        let (Some(old), Some(new)) = (old, new) else {
            return self.note("tls.client_ca", old != new);
        };
        let Clients {
            ca,
            lists,
            required,
        } = old;
        self.note("tls.client_ca", *ca != new.ca);
        self.note("tls.client_crl", *lists != new.lists);
        self.note("tls.client_certificates", *required != new.required);
    }

    fn operators(&mut self, old: Option<&Operators>, new: Option<&Operators>) {
        let (Some(old), Some(new)) = (old, new) else {
            return self.note("control", old != new);
        };
        let Operators {
            certificate,
            key,
            client_ca,
            client_crl,
            operator_token,
        } = old;
        self.note("control.certificate", *certificate != new.certificate);
        self.note("control.key", *key != new.key);
        self.note("control.client_ca", *client_ca != new.client_ca);
        self.note("control.client_crl", *client_crl != new.client_crl);
        let differs = *operator_token != new.operator_token;
        self.note("control.operator_token", differs);
    }

    fn traces(&mut self, old: Option<&Traces>, new: Option<&Traces>) {
        let (Some(old), Some(new)) = (old, new) else {
            return self.note("traces", old != new);
        };
        let Traces {
            endpoint,
            ratio,
            headers_file,
        } = old;
        self.note("traces.endpoint", *endpoint != new.endpoint);
        self.note("traces.ratio", ratio.to_bits() != new.ratio.to_bits());
        self.note("traces.headers_file", *headers_file != new.headers_file);
    }

    fn audit(&mut self, old: Option<&Settings>, new: Option<&Settings>) {
        let (Some(old), Some(new)) = (old, new) else {
            return self.note("audit", old != new);
        };
        let Settings {
            place,
            rotate,
            when_full,
            wait,
            sync,
            key_file,
        } = old;
        self.note("audit.file", *place != new.place);
        self.note("audit.rotate", *rotate != new.rotate);
        self.note("audit.when_full", *when_full != new.when_full);
        self.note("audit.wait", *wait != new.wait);
        self.note("audit.sync", *sync != new.sync);
        self.note("audit.key_file", *key_file != new.key_file);
    }

    fn limits(&mut self, old: &Limits, new: &Limits) {
        let Limits {
            body,
            answer,
            element,
            connections,
            in_flight,
            bulk_operations,
            bulk_body,
            page,
        } = *old;
        self.note("limits.body", body != new.body);
        self.note("limits.answer", answer != new.answer);
        self.note("limits.element", element != new.element);
        self.note("limits.connections", connections != new.connections);
        self.note("limits.in_flight", in_flight != new.in_flight);
        let differs = bulk_operations != new.bulk_operations;
        self.note("limits.bulk_operations", differs);
        self.note("limits.bulk_body", bulk_body != new.bulk_body);
        self.note("limits.page", page != new.page);
    }

    fn timeouts(&mut self, old: &Timeouts, new: &Timeouts) {
        let Timeouts {
            handshake,
            head,
            body,
            idle,
            request,
            bulk,
            grace,
            drain,
        } = *old;
        self.note("timeouts.handshake", handshake != new.handshake);
        self.note("timeouts.head", head != new.head);
        self.note("timeouts.body", body != new.body);
        self.note("timeouts.idle", idle != new.idle);
        self.note("timeouts.request", request != new.request);
        self.note("timeouts.bulk", bulk != new.bulk);
        self.note("timeouts.grace", grace != new.grace);
        self.note("timeouts.drain", drain != new.drain);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::Source;

    fn parse(text: &str) -> Config {
        Config::parse(&Source::new("postern.yaml", text), Path::new("/x")).unwrap()
    }

    #[test]
    fn every_key_is_named_when_it_changes_and_none_when_it_says_the_default() {
        let bare = parse("tls: {certificate: a, key: b}");
        let same = "tls: {certificate: ../x/a, key: b}\nworkers: WORKERS\nlimits: {body: 1MiB}";
        let same = same.replace("../x/", "");
        let same = parse(&same.replace("WORKERS", &bare.workers.to_string()));
        assert_eq!(differences(&bare, &same), [""; 0]);
        let other = parse(
            "listen: {public: \"[::]:443\", probe: \"0.0.0.0:9464\", control: \"192.0.2.7:9465\"}
tls: {certificate: c, key: d, client_ca: e, client_certificates: optional}
rules: /rules
access: /access.yaml
workers: 77
trusted_proxies: [10.0.0.0/8]
control: {certificate: c, key: d, client_ca: e}
ready: {directories: all}
reload: {poll: 30s}
traces: {endpoint: \"http://127.0.0.1:4318/v1/traces\"}
limits: {body: 2MiB, answer: 3MiB, element: 65536, connections: 5, in_flight: 6,
         bulk_operations: 7, bulk_body: 8KiB, page: 9}
timeouts: {handshake: 1s, head: 2s, body: 3s, idle: 4s, request: 5s, bulk: 6s, grace: 7s, drain: 8s}
log: {level: trace, format: json}",
        );
        let all = differences(&bare, &other);
        assert_eq!(all.len(), 32, "{all:?}");
        let text =
            "control: {certificate: x, key: y, client_ca: z, client_crl: [z], operator_token: true}
traces: {endpoint: \"http://127.0.0.1:1/\", ratio: 0.5, headers_file: h}
listen: {control: \"192.0.2.7:9465\"}
tls: {certificate: a, key: b, client_ca: f, client_crl: [g]}";
        let parts = differences(
            &parse(text),
            &Config {
                clients: other.clients,
                operators: other.operators,
                traces: other.traces,
                ..parse(text)
            },
        );
        let wanted = [
            "tls.client_ca",
            "tls.client_crl",
            "tls.client_certificates",
            "control.certificate",
            "control.key",
            "control.client_ca",
            "control.client_crl",
            "control.operator_token",
            "traces.endpoint",
            "traces.ratio",
            "traces.headers_file",
        ];
        assert_eq!(parts, wanted);
    }
}
