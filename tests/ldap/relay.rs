//! What is asked of a server: a relay before it that reads along.

use std::sync::{Arc, Mutex};

use bytes::{Buf as _, Bytes, BytesMut};
use postern::ldap::ber::{self, INTEGER, Reader, SEQUENCE};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const SEARCH: u8 = 0x63;
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
}

impl Relay {
    /// One before the server at a port of this machine.
    pub(crate) async fn new(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let all = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                // Or what is measured through it is the kernel's patience.
                client.set_nodelay(true).unwrap();
                server.set_nodelay(true).unwrap();
                let (mut from, mut back) = client.into_split();
                let (mut answers, mut to) = server.into_split();
                tokio::spawn(async move { tokio::io::copy(&mut answers, &mut back).await });
                let seen = Arc::clone(&all);
                tokio::spawn(async move {
                    let mut input = BytesMut::new();
                    let mut buffer = vec![0; 1 << 16];
                    while let Ok(length @ 1..) = from.read(&mut buffer).await {
                        input.extend_from_slice(&buffer[..length]);
                        read_along(&mut input, &seen);
                        if to.write_all(&buffer[..length]).await.is_err() {
                            return;
                        }
                    }
                    let _ = to.shutdown().await;
                });
            }
        });
        Self { port, seen }
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

/// The list of attributes of a search.
fn asked(content: &[u8]) -> Vec<u8> {
    let mut reader = Reader::new(content);
    let mut last = Vec::new();
    while let Some(element) = reader.element().unwrap() {
        last = element.content.to_vec();
    }
    last
}

fn read_along(input: &mut BytesMut, seen: &Mutex<Vec<Seen>>) {
    while let Some(length) = ber::message_length(input, 1 << 26).unwrap() {
        if input.len() < length {
            return;
        }
        let frame = input.copy_to_bytes(length);
        let mut reader = Reader::new(&frame).nested(SEQUENCE).unwrap();
        reader.integer(INTEGER).unwrap();
        let element = reader.element().unwrap().unwrap();
        // What a server offers is asked of each new connection.
        let root = element.tag == SEARCH && element.content.starts_with(&[0x04, 0]);
        if !root && !matches!(element.tag, BIND | UNBIND) {
            seen.lock().unwrap().push(Seen {
                tag: element.tag,
                content: Bytes::copy_from_slice(element.content),
            });
        }
    }
}
