//! A relay before a real server: it reads along what is asked, and where a test wants it, it has the
//! limits of Active Directory, see [`crate::limits`], or loses a write on its way.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::{Buf as _, Bytes, BytesMut};
use postern::ldap::ber::{self, INTEGER, Reader, SEQUENCE};
use postern::net::tls::{client_config, provider};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::limits::{Limits, Turn};
use crate::place::Place;
use crate::scripted::{ABANDON, MODIFY, SEARCH, UNBIND};

const BIND: u8 = 0x60;

/// An operation, by the tag of its request, and the request.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub tag: u8,
    pub content: Bytes,
}

/// It takes plain connections, or TLS where the server does.
pub(crate) struct Relay {
    pub port: u16,
    shared: Arc<Shared>,
    certificate: Option<PathBuf>,
}

/// TLS on both sides.
#[derive(Clone)]
struct Tls {
    within: TlsAcceptor,
    without: TlsConnector,
}

/// What all its connections have in common.
#[derive(Default)]
pub(crate) struct Shared {
    pub limits: Limits,
    seen: Mutex<Vec<Seen>>,
    told: Mutex<HashMap<String, usize>>,
    between: Mutex<Option<Between>>,
    before: Mutex<Option<(u8, Doing)>>,
    loss: Loss,
}

/// Which write is lost.
#[derive(Debug, Default)]
struct Loss {
    /// The how many-th from now on; 0 for none.
    modify: AtomicUsize,
    /// The server has done it: only its answer is lost.
    done: AtomicBool,
}

impl Loss {
    /// Another modify comes; whether it is the one.
    fn counts(&self) -> bool {
        let less = |left: usize| left.checked_sub(1);
        self.modify.fetch_update(SeqCst, SeqCst, less) == Ok(1)
    }
}

/// Done before a question for values from a place on is passed on.
pub(crate) type Between = Arc<dyn Fn(u32) -> Doing + Send + Sync>;
pub(crate) type Doing = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(file) = &self.certificate {
            // It may have been cleaned away.
            let _ = std::fs::remove_file(file);
        }
    }
}

impl Relay {
    /// One before the server at `host:port`, which takes plain connections too.
    pub(crate) async fn new(server: &str) -> Self {
        Self::with(server, Limits::default()).await
    }

    /// The same with limits.
    pub(crate) async fn with(server: &str, limits: Limits) -> Self {
        Self::started(server.to_owned(), None, limits).await
    }

    /// One with limits before a server, which sees TLS.
    pub(crate) async fn limited(place: &Place, limits: Limits) -> Self {
        let server = place
            .text("ldaps")
            .trim_start_matches("ldaps://")
            .to_owned();
        let without = client_config(Some(&place.bytes("ca")), None).unwrap();
        let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let within = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let tls = Tls {
            within: TlsAcceptor::from(Arc::new(within)),
            without: TlsConnector::from(Arc::new(without)),
        };
        let mut relay = Self::started(server, Some(tls), limits).await;
        let name = format!("postern-relay-{}-{}.pem", std::process::id(), relay.port);
        let file = std::env::temp_dir().join(name);
        std::fs::write(&file, made.cert.pem()).unwrap();
        relay.certificate = Some(file);
        relay
    }

    async fn started(server: String, tls: Option<Tls>, limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            limits,
            ..Shared::default()
        });
        let all = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, tls, all) = (server.clone(), tls.clone(), Arc::clone(&all));
                tokio::spawn(async move {
                    let tcp = TcpStream::connect(&server).await.unwrap();
                    tcp.set_nodelay(true).unwrap();
                    client.set_nodelay(true).unwrap();
                    let Some(Tls { within, without }) = tls else {
                        return relayed(client, tcp, all).await;
                    };
                    let name = "localhost".try_into().unwrap();
                    let server = without.connect(name, tcp).await.unwrap();
                    // Whoever asked may have gone.
                    if let Ok(client) = within.accept(client).await {
                        relayed(client, server, all).await;
                    }
                });
            }
        });
        Self {
            port,
            shared,
            certificate: None,
        }
    }

    /// The connection breaks at a modify, that many from now: before the server has it, or with
    /// its answer.
    pub(crate) fn lose(&self, modify: usize, done: bool) {
        self.shared.loss.done.store(done, SeqCst);
        self.shared.loss.modify.store(modify, SeqCst);
    }

    pub(crate) fn url(&self) -> String {
        match self.certificate {
            None => format!("ldap://127.0.0.1:{}", self.port),
            Some(_) => format!("ldaps://localhost:{}", self.port),
        }
    }

    /// Who signed its certificate.
    pub(crate) fn ca_file(&self) -> &Path {
        self.certificate.as_deref().unwrap()
    }

    /// What was asked since the last time, without greetings.
    pub(crate) fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *lock(&self.shared.seen))
    }

    /// The same in words.
    pub(crate) fn words(&self) -> Vec<&'static str> {
        self.take().iter().filter_map(Seen::word).collect()
    }

    /// How many values of an attribute were told since the last time.
    pub(crate) fn told(&self, attribute: &str) -> usize {
        lock(&self.shared.told)
            .remove(attribute)
            .unwrap_or_default()
    }

    /// From now on, this is done before a question for values from a place on is passed on.
    pub(crate) fn between(&self, between: Option<Between>) {
        *lock(&self.shared.between) = between;
    }
}

impl Relay {
    /// Once, this is done before the next operation of a kind is passed on.
    pub(crate) fn before(&self, tag: u8, doing: impl Future<Output = ()> + Send + 'static) {
        *lock(&self.shared.before) = Some((tag, Box::pin(doing)));
    }
}

impl Shared {
    pub(crate) fn tell(&self, attribute: &str, values: usize) {
        *lock(&self.told)
            .entry(attribute.to_ascii_lowercase())
            .or_default() += values;
    }
}

impl Seen {
    /// Whether a search asks for an attribute, or a part of it.
    pub(crate) fn asks_for(&self, attribute: &str) -> bool {
        self.tag == SEARCH
            && asked(&self.content)
                .iter()
                .any(|name| name.split(';').next() == Some(attribute))
    }

    fn word(&self) -> Option<&'static str> {
        Some(match self.tag {
            SEARCH => "search",
            MODIFY => "modify",
            0x68 => "add",
            0x4a => "delete",
            0x6c => "rename",
            0x6e => "compare",
            0x77 => "extended",
            _ => return None,
        })
    }
}

/// The list of attributes of a search: it stands at the end.
fn asked(content: &[u8]) -> Vec<String> {
    let mut reader = Reader::new(content);
    let mut last = Reader::new(&[]);
    while let Some(element) = reader.element().unwrap() {
        last = Reader::new(element.content);
    }
    let mut names = Vec::new();
    while let Some(name) = last.element().unwrap() {
        names.push(String::from_utf8_lossy(name.content).into_owned());
    }
    names
}

async fn relayed<C, S>(client: C, server: S, shared: Arc<Shared>)
where
    C: AsyncRead + AsyncWrite + Send + 'static,
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let (from_client, to_client) = split(client);
    let (from_server, to_server) = split(server);
    let (answer, answers) = unbounded_channel();
    let (question, questions) = unbounded_channel();
    tokio::spawn(written(to_client, answers));
    tokio::spawn(written(to_server, questions));
    let turn = Mutex::new(Turn::new(Arc::clone(&shared)));
    let broken = AtomicBool::new(false);
    let asking = async {
        let mut from = from_client;
        let mut input = BytesMut::new();
        while let Some(frame) = next(&mut from, &mut input).await {
            let kind = read_along(&frame, &shared.seen);
            let is_modify = kind == Some(MODIFY);
            let before = lock(&shared.before).take_if(|(tag, _)| kind == Some(*tag));
            if let Some((_, doing)) = before {
                doing.await;
            }
            if is_modify && shared.loss.counts() {
                if !shared.loss.done.load(SeqCst) {
                    return;
                }
                broken.store(true, SeqCst);
            }
            let (on, back, ranged) = lock(&turn).asked(&frame);
            let between = lock(&shared.between).clone();
            if let (Some(between), Some(place)) = (between, ranged) {
                between(place).await;
            }
            send(&question, on);
            send(&answer, back);
        }
    };
    let answering = async {
        let mut from = from_server;
        let mut input = BytesMut::new();
        while let Some(frame) = next(&mut from, &mut input).await {
            if broken.load(SeqCst) {
                return;
            }
            let back = lock(&turn).answered(&frame);
            send(&answer, back);
        }
    };
    // When one side ends, the other is told all that is left, and ends too.
    tokio::select! {
        () = asking => {}
        () = answering => {}
    }
}

async fn next(from: &mut (impl AsyncRead + Unpin), input: &mut BytesMut) -> Option<Bytes> {
    loop {
        if let Some(length) = ber::message_length(input, 1 << 26).unwrap()
            && input.len() >= length
        {
            return Some(input.copy_to_bytes(length));
        }
        if from.read_buf(input).await.ok()? == 0 {
            return None;
        }
    }
}

async fn written(mut to: impl AsyncWrite + Unpin, mut frames: UnboundedReceiver<Vec<u8>>) {
    while let Some(frame) = frames.recv().await {
        if to.write_all(&frame).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
    // The other side may have gone before.
    let _ = to.shutdown().await;
}

fn send(to: &UnboundedSender<Vec<u8>>, frame: Vec<u8>) {
    if !frame.is_empty() {
        // Whoever waited for it may have gone.
        let _ = to.send(frame);
    }
}

/// What kind of operation it is, without greetings.
fn read_along(frame: &Bytes, seen: &Mutex<Vec<Seen>>) -> Option<u8> {
    let mut reader = Reader::new(frame).nested(SEQUENCE).unwrap();
    reader.integer(INTEGER).unwrap();
    let element = reader.element().unwrap().unwrap();
    // What a server offers is asked of each new connection.
    let root = element.tag == SEARCH && element.content.starts_with(&[0x04, 0]);
    if root || matches!(element.tag, BIND | UNBIND | ABANDON) {
        return None;
    }
    lock(seen).push(Seen {
        tag: element.tag,
        content: frame.slice_ref(element.content),
    });
    Some(element.tag)
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap()
}
