//! What is asked of a server: a relay before it that reads along, and may lose a write on its way.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use bytes::{Buf as _, Bytes, BytesMut};
use postern::ldap::ber::{self, INTEGER, Reader, SEQUENCE};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const SEARCH: u8 = 0x63;
const MODIFY: u8 = 0x66;
const BIND: u8 = 0x60;
const UNBIND: u8 = 0x42;

/// An operation, by the tag of its request, and the request.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub tag: u8,
    pub content: Bytes,
}

pub(crate) struct Relay {
    pub port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
    loss: Arc<Loss>,
}

/// Which write is lost.
#[derive(Debug, Default)]
struct Loss {
    /// The how many-th from now on; 0 for none.
    modify: AtomicUsize,
    /// The server has done it: only its answer is lost.
    done: AtomicBool,
}

impl Relay {
    /// One before the server at a port of this machine.
    pub(crate) async fn new(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let loss = Arc::new(Loss::default());
        let (all, losses) = (Arc::clone(&seen), Arc::clone(&loss));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                // Or what is measured through it is the kernel's patience.
                client.set_nodelay(true).unwrap();
                server.set_nodelay(true).unwrap();
                let (seen, loss) = (Arc::clone(&all), Arc::clone(&losses));
                tokio::spawn(relay(client, server, seen, loss));
            }
        });
        Self { port, seen, loss }
    }

    /// The connection breaks at a modify, that many from now: before the server has it, or with
    /// its answer.
    pub(crate) fn lose(&self, modify: usize, done: bool) {
        self.loss.done.store(done, SeqCst);
        self.loss.modify.store(modify, SeqCst);
    }

    pub(crate) fn url(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.port)
    }

    /// What was asked since the last time, without greetings.
    pub(crate) fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

impl Seen {
    /// Whether a search asks for an attribute, or a write asks to be told it.
    pub(crate) fn asks_for(&self, attribute: &str) -> bool {
        let length = u8::try_from(attribute.len()).unwrap();
        let wanted = [&[0x04, length], attribute.as_bytes()].concat();
        // The list of attributes stands at the end of a search.
        self.tag == SEARCH
            && asked(&self.content)
                .windows(wanted.len())
                .any(|w| w == wanted)
    }
}

async fn relay(client: TcpStream, server: TcpStream, seen: Arc<Mutex<Vec<Seen>>>, loss: Arc<Loss>) {
    let (mut from, mut back) = client.into_split();
    let (mut answers, mut to) = server.into_split();
    let broken = Arc::new(AtomicBool::new(false));
    let breaks = Arc::clone(&broken);
    tokio::spawn(async move {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(length @ 1..) = answers.read(&mut buffer).await {
            if breaks.load(SeqCst) || back.write_all(&buffer[..length]).await.is_err() {
                return;
            }
        }
    });
    let mut input = BytesMut::new();
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        input.extend_from_slice(&buffer[..length]);
        for one in read_along(&mut input) {
            let is_lost = one.tag == MODIFY && loss.counts();
            seen.lock().unwrap().push(one);
            if is_lost && !loss.done.load(SeqCst) {
                return;
            }
            broken.fetch_or(is_lost, SeqCst);
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

impl Loss {
    /// Another modify comes; whether it is the one.
    fn counts(&self) -> bool {
        let less = |left: usize| left.checked_sub(1);
        self.modify.fetch_update(SeqCst, SeqCst, less) == Ok(1)
    }
}

/// The list of attributes of a search.
fn asked(content: &[u8]) -> Vec<u8> {
    let mut reader = Reader::new(content);
    let mut last = Vec::new();
    while let Some(element) = reader.element().unwrap() {
        last = element.content.to_vec();
    }
    last
}

/// The requests that are whole, without greetings.
fn read_along(input: &mut BytesMut) -> Vec<Seen> {
    let mut all = Vec::new();
    while let Some(length) = ber::message_length(input, 1 << 26).unwrap() {
        if input.len() < length {
            break;
        }
        let frame = input.copy_to_bytes(length);
        let mut reader = Reader::new(&frame).nested(SEQUENCE).unwrap();
        reader.integer(INTEGER).unwrap();
        let element = reader.element().unwrap().unwrap();
        // What a server offers is asked of each new connection.
        let root = element.tag == SEARCH && element.content.starts_with(&[0x04, 0]);
        if !root && !matches!(element.tag, BIND | UNBIND) {
            all.push(Seen {
                tag: element.tag,
                content: Bytes::copy_from_slice(element.content),
            });
        }
    }
    all
}
