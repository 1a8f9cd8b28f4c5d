//! What a listener shows and demands: its certificate and key, the CAs of its clients and what
//! these have revoked.
//!
//! Each folder that these files are in is a unit of its own: a revocation does not wait for a
//! certificate that is being renewed elsewhere. What serves is made of the newest of all that fits
//! together; a folder that does not fit goes on with its last good files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::digest::{Digest, Digesting};
use super::file::{Clients, Config, Operators};
use super::find::{about, warning};
use super::folder::{Bytes, State, parent, steadily};
use super::named::Files;
use super::parts::{Event, collect};
use super::report::{Kind, Source};
use super::unit::Unit;
use crate::net::tls::{self, Checks, Input, Server, TlsError};
use crate::yaml::{Diagnostic, Diagnostics};

/// One listener that speaks TLS, and the last good state of its files.
pub(super) struct Listener {
    door: Door,
    certificate: PathBuf,
    key: PathBuf,
    clients: Option<Clients>,
    units: BTreeMap<PathBuf, Unit<Files>>,
    shown: Option<Shown>,
}

/// Which listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    Public,
    Control,
}

/// What serves.
#[derive(Clone)]
struct Shown {
    server: Arc<Server>,
    own: Digest,
    /// When the listener's own certificate ends.
    ends: Option<SystemTime>,
    clients: Option<(Digest, Checks)>,
}

/// What is wrong, and the files that it may be because of.
type Fault = (Diagnostic, Vec<PathBuf>);

/// The newest files of each folder.
type Fresh = BTreeMap<PathBuf, Files>;

impl Listener {
    /// The one for SCIM clients.
    pub(super) fn public(config: &Config) -> Self {
        let (certificate, key) = (config.certificate.clone(), config.key.clone());
        Self::new(Door::Public, certificate, key, config.clients.clone())
    }

    /// The one for operators, where it is secured.
    pub(super) fn control(operators: &Operators) -> Self {
        let clients = operators.client_ca.clone().map(|ca| Clients {
            ca,
            lists: operators.client_crl.clone(),
            required: true,
        });
        let (certificate, key) = (operators.certificate.clone(), operators.key.clone());
        Self::new(Door::Control, certificate, key, clients)
    }

    fn new(door: Door, certificate: PathBuf, key: PathBuf, clients: Option<Clients>) -> Self {
        let mut listener = Self {
            door,
            certificate,
            key,
            clients,
            units: BTreeMap::new(),
            shown: None,
        };
        for (path, _) in listener.paths() {
            let folder = parent(&path).to_owned();
            let unit = Unit::new(Kind::Tls, folder.clone());
            listener.units.entry(folder).or_insert(unit);
        }
        listener
    }

    /// Looks at the files. What is new and good serves from now on.
    pub(super) fn look(&mut self, clock: Option<fn() -> SystemTime>, now: SystemTime) -> State {
        let mut wanted: BTreeMap<PathBuf, Vec<(PathBuf, usize)>> = BTreeMap::new();
        for (path, limit) in self.paths() {
            let folder = parent(&path).to_owned();
            wanted.entry(folder).or_default().push((path, limit));
        }
        let (mut fresh, mut new) = (Fresh::new(), BTreeSet::new());
        let mut restless = State::Whole;
        for (folder, paths) in wanted {
            let (files, state) = steadily(clock, |look| {
                let mut files = Files::default();
                for (path, limit) in &paths {
                    files.read_at_most(path.clone(), look, *limit);
                }
                files
            });
            let Some(unit) = self.units.get_mut(&folder) else {
                continue;
            };
            if state == State::Restless && clock.is_some() {
                restless = state;
                if unit.good().is_none() {
                    return state;
                }
                continue;
            }
            if unit.is_new(files.digest()) {
                new.insert(folder.clone());
            }
            fresh.insert(folder, files);
        }
        if !new.is_empty() {
            self.combine(&fresh, &new, now);
        }
        restless
    }

    /// The newest of all that fits together.
    fn combine(&mut self, fresh: &Fresh, new: &BTreeSet<PathBuf>, now: SystemTime) {
        let mut fallen: BTreeMap<PathBuf, Diagnostics> = BTreeMap::new();
        let shown = loop {
            match self.made(fresh, &fallen) {
                Ok(shown) => break shown,
                Err(faults) => {
                    let mut more: BTreeMap<PathBuf, Diagnostics> = BTreeMap::new();
                    let mut all: BTreeMap<PathBuf, Diagnostics> = BTreeMap::new();
                    for (finding, paths) in faults {
                        let folders: BTreeSet<&Path> =
                            paths.iter().map(|path| parent(path)).collect();
                        for (number, folder) in folders.into_iter().enumerate() {
                            if self.may_fall(folder, fresh) && !fallen.contains_key(folder) {
                                let found = more.entry(folder.to_owned()).or_default();
                                found.push(finding.clone());
                            }
                            if number == 0 {
                                let found = all.entry(folder.to_owned()).or_default();
                                found.push(finding.clone());
                            }
                        }
                    }
                    if more.is_empty() {
                        return self.refuse(all, new);
                    }
                    fallen.extend(more);
                }
            }
        };
        for (folder, files) in fresh {
            let Some(unit) = self.units.get_mut(folder) else {
                continue;
            };
            match fallen.remove(folder) {
                Some(found) => unit.refuse(found, new.contains(folder)),
                None => unit.take(files.digest(), files.clone(), now),
            }
        }
        self.shown = Some(shown);
    }

    /// Whether there are last good files of a folder that are others than those that are there.
    fn may_fall(&self, folder: &Path, fresh: &Fresh) -> bool {
        let good = self.units.get(folder).and_then(Unit::good);
        let fresh = fresh.get(folder).map(Files::digest);
        good.is_some_and(|good| fresh.is_some_and(|fresh| fresh != good.digest))
    }

    /// There is nothing to go on with.
    fn refuse(&mut self, all: BTreeMap<PathBuf, Diagnostics>, new: &BTreeSet<PathBuf>) {
        for (folder, found) in all {
            if let Some(unit) = self.units.get_mut(&folder) {
                unit.refuse(found, new.contains(&folder));
            }
        }
    }

    /// What the newest files come to, but for folders that have fallen back.
    fn made(
        &self,
        fresh: &Fresh,
        fallen: &BTreeMap<PathBuf, Diagnostics>,
    ) -> Result<Shown, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut bytes = |path: &Path| {
            let folder = parent(path);
            let newest = fresh.get(folder).filter(|_| !fallen.contains_key(folder));
            let good = self.units.get(folder).and_then(Unit::value);
            match newest.or(good).and_then(|files| files.get(path)) {
                Some(Ok(bytes)) => Some(Arc::clone(bytes)),
                why => {
                    let why = why.and_then(|read| read.as_ref().err());
                    let why = why.map_or("it was not looked at", |why| &**why);
                    let message = format!("the file cannot be read: {why}");
                    let finding = about(path, message).help(self.door.help());
                    faults.push((finding, vec![path.to_owned()]));
                    None
                }
            }
        };
        let (certificate, key) = (bytes(&self.certificate), bytes(&self.key));
        // A file that cannot be read is never left out: that would let everybody in.
        let clients = self.clients.as_ref().map(|clients| {
            let lists = clients.lists.iter().map(|list| bytes(list));
            let lists: Vec<_> = lists.collect();
            Some((
                bytes(&clients.ca)?,
                lists.into_iter().collect::<Option<Vec<_>>>()?,
            ))
        });
        let clients = match clients {
            None => Some(None),
            Some(None) => None,
            Some(Some((ca, lists))) => match self.checks(&ca, &lists) {
                Ok(checks) => Some(Some(checks)),
                Err(error) => {
                    faults.push(self.fault(&error));
                    None
                }
            },
        };
        let (Some(certificate), Some(key)) = (certificate, key) else {
            return Err(faults);
        };
        let mut own = Digesting::default();
        own.part("certificate", Digest::of(&certificate));
        own.part("key", Digest::of(&key));
        let own = own.finish();
        let digests = |clients: &Option<(Digest, Checks)>| clients.as_ref().map(|(it, _)| *it);
        if let (Some(shown), Some(clients)) = (&self.shown, &clients)
            && (shown.own, digests(&shown.clients)) == (own, digests(clients))
        {
            return Ok(shown.clone());
        }
        let checks = clients.as_ref().and_then(Option::as_ref);
        let checks = checks.map(|(_, checks)| checks);
        let previous = self.shown.as_ref().map(|shown| &*shown.server);
        let pair: (&[u8], &[u8]) = (&certificate, &key);
        let server = match self.door {
            Door::Public => Server::public(pair, checks, previous),
            Door::Control => Server::control(pair, checks, previous),
        };
        match (server, clients) {
            (Ok(server), Some(clients)) => Ok(Shown {
                server: Arc::new(server),
                own,
                ends: tls::not_after(&certificate),
                clients,
            }),
            (server, _) => {
                faults.extend(server.err().map(|error| self.fault(&error)));
                Err(faults)
            }
        }
    }

    /// What clients are checked against; the same as before where the files are.
    fn checks(&self, ca: &Bytes, lists: &[Arc<Bytes>]) -> Result<(Digest, Checks), TlsError> {
        let mut digest = Digesting::default();
        digest.part("client_ca", Digest::of(ca));
        for list in lists {
            digest.part("client_crl", Digest::of(list));
        }
        let digest = digest.finish();
        let known = self.shown.as_ref().and_then(|shown| shown.clients.as_ref());
        if let Some(known) = known.filter(|(known, _)| *known == digest) {
            return Ok(known.clone());
        }
        let clients = tls::Clients {
            ca,
            lists: lists.iter().map(|list| list.as_slice()).collect(),
            required: self.clients.as_ref().is_none_or(|clients| clients.required),
        };
        Ok((digest, clients.checks()?))
    }

    fn fault(&self, error: &TlsError) -> Fault {
        let input = match error {
            TlsError::NotPem { input, .. }
            | TlsError::Encrypted { input }
            | TlsError::Nothing { input }
            | TlsError::Unusable { input, .. } => Some(*input),
            TlsError::Mismatch { .. } | TlsError::NoRoots(_) | TlsError::Library(_) => None,
        };
        let clients = self.clients.as_ref();
        let file = match input {
            Some(Input::Certificate) => Some(&self.certificate),
            Some(Input::ClientCa) => clients.map(|clients| &clients.ca),
            Some(Input::ClientCrl(at)) => clients.and_then(|clients| clients.lists.get(at)),
            Some(Input::Key) => Some(&self.key),
            _ => None,
        };
        let finding = about(file.unwrap_or(&self.key), error.to_string());
        let paths = match file {
            Some(file) => vec![file.clone()],
            // Either may be the one that is to be exchanged.
            None => vec![self.key.clone(), self.certificate.clone()],
        };
        (finding, paths)
    }

    /// Every file, with how large it may be.
    fn paths(&self) -> Vec<(PathBuf, usize)> {
        let mut all = vec![
            (self.certificate.clone(), LARGEST),
            (self.key.clone(), LARGEST),
        ];
        if let Some(clients) = &self.clients {
            all.push((clients.ca.clone(), LARGEST));
            let lists = clients.lists.iter();
            all.extend(lists.map(|list| (list.clone(), LARGEST_LIST)));
        }
        all
    }

    /// What the listener runs with.
    pub(super) fn server(&self) -> Option<Arc<Server>> {
        self.shown.as_ref().map(|shown| Arc::clone(&shown.server))
    }

    /// A hash of all that serves.
    pub(super) fn digest(&self) -> Option<Digest> {
        let shown = self.shown.as_ref()?;
        let mut all = Digesting::default();
        all.part("own", shown.own);
        if let Some((clients, _)) = &shown.clients {
            all.part("clients", *clients);
        }
        Some(all.finish())
    }

    /// When the listener's certificate ends, the first of the CAs of its clients, and when the
    /// first of the lists should have been replaced.
    pub(super) fn ends(&self) -> [Option<SystemTime>; 3] {
        let shown = self.shown.as_ref();
        let checks = shown.and_then(|shown| shown.clients.as_ref());
        let checks = checks.map(|(_, checks)| checks);
        [
            shown.and_then(|shown| shown.ends),
            checks.and_then(|checks| checks.ca_ends),
            checks.and_then(|checks| checks.lists_end),
        ]
    }

    /// What stops nothing, and is hardly meant: something had ended when it was read, or a CA has
    /// no list.
    pub(super) fn warnings(&self) -> Vec<Diagnostic> {
        let ended = |path: &Path, ends: Option<SystemTime>| {
            let good = self.units.get(parent(path)).and_then(Unit::good);
            good.zip(ends)
                .is_some_and(|(good, ends)| ends <= good.loaded)
        };
        let [own, ca, lists] = self.ends();
        let mut found = Vec::new();
        if ended(&self.certificate, own) {
            // It serves, since it may be all there is.
            let text = "the certificate has ended: clients refuse it";
            found.push(warning(&self.certificate, text).help("renew it"));
        }
        let Some(clients) = &self.clients else {
            return found;
        };
        if ended(&clients.ca, ca) {
            let text = "a CA of clients has ended: nobody whom it certifies is let in";
            found.push(warning(&clients.ca, text).help("renew it, or take it out"));
        }
        if let Some(path) = clients.lists.iter().find(|path| ended(path, lists)) {
            let text = "a revocation list should have been replaced: it still counts, but who was \
                        revoked since is let in";
            found.push(warning(path, text).help("get the newest from the CA"));
        }
        let checks = self.shown.as_ref().and_then(|shown| shown.clients.as_ref());
        for ca in checks.iter().flat_map(|(_, checks)| &checks.unlisted) {
            let text =
                format!("no revocation list is of `{ca}`: nobody whom it certifies is let in");
            let help = "add its list to `client_crl`, or take it out of `client_ca`";
            found.push(warning(&clients.ca, text).help(help));
        }
        found
    }

    /// The folders that something is read from.
    pub(super) fn folders(&self) -> impl Iterator<Item = PathBuf> {
        self.units.keys().cloned()
    }

    /// All that is wrong.
    pub(super) fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.units.values().flat_map(Unit::errors)
    }

    /// For `/status`.
    pub(super) fn sources(&self) -> impl Iterator<Item = Source> {
        let units = self.units.values();
        units.filter_map(|unit| unit.report(|good| good.digest))
    }

    /// What has come of this pass.
    pub(super) fn events(&mut self, events: &mut Vec<Event>) {
        for unit in self.units.values_mut() {
            collect(unit, events);
        }
    }
}

impl Door {
    fn help(self) -> &'static str {
        match self {
            Self::Public => {
                "`tls:` of the configuration names the certificate and its key and, with \
                 `client_ca` and `client_crl`, what clients are checked against: PEM files"
            }
            Self::Control => {
                "`control:` of the configuration names a certificate, its key and, with \
                 `client_ca` and `client_crl`, what operators are checked against: PEM files"
            }
        }
    }
}

/// The largest of these files, in bytes.
const LARGEST: usize = 1024 * 1024;

/// The largest revocation list: half a million certificates.
const LARGEST_LIST: usize = 16 * LARGEST;

#[cfg(test)]
mod tests;
